//! The file itself.

use std::path::Path;

use super::finding::{Area, Finding, Notes};
use crate::config::{Config, LoadError, inline_secrets};

pub(super) fn look_at(path: &Path, config: &Config) -> Vec<Finding> {
    let mut notes = Notes::new(Area::Configuration, None);
    notes.good("config.valid", format!("{} is a good configuration", path.display()));
    for warning in &config.warnings {
        notes.notice("config.warning", warning, "change it, unless it is what you mean");
    }
    let inline = inline_secrets(path);
    if !inline.is_empty() {
        let what = format!("secrets stand in the file itself: {}", inline.join(", "));
        let fix = "keep each in a file or in the environment: {\"type\": \"file\", \"path\": …} or {\"type\": \
                   \"env\", \"key\": …}";
        let (readers, chmod) = if is_open_to_everybody(path) {
            (
                "; and every user of this machine can read it",
                format!("; at least `chmod 600 {}`", path.display()),
            )
        } else {
            ("", String::new())
        };
        notes.notice("config.inline-secrets", format!("{what}{readers}"), format!("{fix}{chmod}"));
    }
    notes.finish()
}

pub(super) fn of_load_error(error: &LoadError) -> Vec<Finding> {
    let mut notes = Notes::new(Area::Configuration, None);
    match error {
        LoadError::Invalid { problems, .. } => {
            for problem in &problems.0 {
                notes.bad("config.valid", format!("{}: {}", problem.key, problem.problem), &problem.fix);
            }
        }
        LoadError::Unreadable { .. } => notes.bad(
            "config.valid",
            error.to_string(),
            "name the file with --config or AUTHTOOL_CONFIG, and let the user who runs the server read it",
        ),
        LoadError::UnknownFormat { .. } => notes.bad("config.valid", error.to_string(), "rename it"),
    }
    notes.finish()
}

#[cfg(unix)]
fn is_open_to_everybody(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_open_to_everybody(_: &Path) -> bool {
    false
}
