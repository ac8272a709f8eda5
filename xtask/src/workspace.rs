//! Where things are in this repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result, bail};

/// The checkout that this task runs in.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo, which knows about `CARGO_TARGET_DIR` and its other ways of moving the target folder.
    pub(crate) fn find() -> Result<Self> {
        let output = Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .arg("--manifest-path")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .output()
            .context("cannot run cargo")?;
        if !output.status.success() {
            bail!("cargo cannot read the workspace:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let path = |name: &str| metadata.get(name).and_then(|value| value.as_str()).map(PathBuf::from);
        Ok(Self {
            root: path("workspace_root").context("cargo names no workspace root")?,
            target: path("target_directory").context("cargo names no target folder")?,
        })
    }

    /// A path below the repository's root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path below the target folder.
    pub(crate) fn target(&self, relative: &str) -> PathBuf {
        self.target.join(relative)
    }

    /// Where the output of quiet steps goes.
    pub(crate) fn logs(&self) -> PathBuf {
        self.target("xtask")
    }

    /// A cargo command at the workspace's root.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// The version of `package` that `Cargo.lock` pins.
    pub(crate) fn locked_version(&self, package: &str) -> Result<String> {
        let lock = fs::read_to_string(self.path("Cargo.lock")).context("cannot read Cargo.lock")?;
        locked_version(&lock, package)
            .with_context(|| format!("Cargo.lock has no package {package}; run `cargo update --workspace`"))
    }
}

fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.next()?;
    let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

/// Says whether something built from files is still up to date, without reading those files.
pub(crate) struct Fingerprint {
    stamp: PathBuf,
    now: String,
}

impl Fingerprint {
    /// Of `sources` (files, or folders with all they contain), remembered in the file `stamp`.
    pub(crate) fn of(stamp: PathBuf, sources: &[PathBuf]) -> Result<Self> {
        let mut lines = Vec::new();
        for source in sources {
            collect(source, &mut lines)?;
        }
        lines.sort();
        Ok(Self { stamp, now: lines.join("\n") })
    }

    /// Whether nothing changed since [`remember`](Self::remember).
    pub(crate) fn is_current(&self) -> bool {
        fs::read_to_string(&self.stamp).is_ok_and(|then| then == self.now)
    }

    /// To be called after a successful build.
    pub(crate) fn remember(&self) -> Result<()> {
        if let Some(folder) = self.stamp.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&self.stamp, &self.now).with_context(|| format!("cannot write {}", self.stamp.display()))
    }
}

/// Folders whose content is made from other files.
const GENERATED: [&str; 4] = ["node_modules", "target", "dist", ".git"];

fn collect(path: &Path, lines: &mut Vec<String>) -> Result<()> {
    let context = || format!("cannot read {}", path.display());
    let metadata = fs::metadata(path).with_context(context)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path).with_context(context)? {
            let entry = entry?;
            if !GENERATED.iter().any(|generated| entry.file_name() == *generated) {
                collect(&entry.path(), lines)?;
            }
        }
    } else {
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        lines.push(format!("{} {} {}", path.display(), metadata.len(), modified.as_nanos()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locked_version_is_that_of_the_package_with_exactly_this_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"9.9.9\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(locked_version(lock, "wasm"), None);
    }

    #[test]
    fn a_fingerprint_notices_new_changed_and_removed_files_but_not_generated_ones() {
        let folder = std::env::temp_dir().join(format!("xtask-fingerprint-{}", std::process::id()));
        let sources = folder.join("src");
        fs::create_dir_all(sources.join("dist")).unwrap();
        fs::write(sources.join("a"), "1").unwrap();
        let fingerprint = || Fingerprint::of(folder.join("stamp"), std::slice::from_ref(&sources)).unwrap();

        assert!(!fingerprint().is_current(), "nothing was built yet");
        fingerprint().remember().unwrap();
        assert!(fingerprint().is_current());
        fs::write(sources.join("dist/out"), "x").unwrap();
        assert!(fingerprint().is_current(), "what a build writes is no source");
        fs::write(sources.join("a"), "22").unwrap();
        assert!(!fingerprint().is_current(), "a changed file");
        fingerprint().remember().unwrap();
        fs::write(sources.join("b"), "").unwrap();
        assert!(!fingerprint().is_current(), "a new file");
        fingerprint().remember().unwrap();
        fs::remove_file(sources.join("a")).unwrap();
        assert!(!fingerprint().is_current(), "a removed file");

        fs::remove_dir_all(folder).unwrap();
    }
}
