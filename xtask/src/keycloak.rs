//! Keycloak, an OpenID Provider of the tests. It is on Maven Central.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::debian::Part;
use crate::rust_tools::{cache, on_path};
use crate::{Context, debian};

/// The version that is tested with; `tests/src/keycloak.rs` looks for the same.
const VERSION: &str = "26.7.3";

/// What it runs on, and what fetches and unpacks it.
pub(crate) const JAVA: Part = Part {
    name: "Java, Maven and unzip",
    packages: &["openjdk-17-jre-headless", "maven", "unzip"],
    is_installed: || ["java", "mvn", "unzip"].iter().all(|it| on_path(it).is_some()),
    advice: "Java 17 or newer, Maven and unzip are needed on the PATH, for Keycloak.\n\
             Debian and Ubuntu: `apt-get install openjdk-17-jre-headless maven unzip`.",
    masks: None,
};

/// Makes sure that there is a Keycloak, built for the tests, and says where.
pub(crate) fn ensure_installed(context: &Context) -> Result<PathBuf> {
    debian::ensure(context, &[&JAVA])?;
    let folder = cache()?.join(format!("keycloak-{VERSION}"));
    if folder.join("bin/kc.sh").is_file() {
        return Ok(folder);
    }
    context.progress.step(&format!("Install Keycloak {VERSION}"), |log| {
        // Made elsewhere and moved, so that an installation that was interrupted is none.
        let making = folder.with_extension("making");
        if making.exists() {
            std::fs::remove_dir_all(&making)?;
        }
        std::fs::create_dir_all(&making).with_context(|| format!("cannot make {}", making.display()))?;
        let run = |program: &Path, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).current_dir(&making);
            context.supervisor.run(&command, log)
        };
        let artifact = format!("-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:zip");
        run(Path::new("mvn"), &["-q", "-B", "dependency:copy", &artifact, "-DoutputDirectory=."])
            .context("cannot download Keycloak; is the network there? (Maven Central must be reachable)")?;
        run(Path::new("unzip"), &["-q", &format!("keycloak-quarkus-dist-{VERSION}.zip")])?;
        let made = making.join(format!("keycloak-{VERSION}"));
        // What a first start would do each time. The database is in memory.
        run(&made.join("bin/kc.sh"), &["build", "--db=dev-mem"]).context("Keycloak cannot be built")?;
        std::fs::rename(&made, &folder)?;
        std::fs::remove_dir_all(&making)?;
        Ok(())
    })?;
    Ok(folder)
}
