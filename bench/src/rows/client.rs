//! The browser client: what an app downloads, and how long a page waits for its first request. Both are measured by the
//! npm package's own scripts, beside other libraries and beside a `fetch` by hand.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    report::{Figure, Row, Target},
    rounds::Effort,
};

/// Of the libraries that do as much, the smallest.
const PEER: &str = "oidc-client-ts";

pub(crate) fn run(effort: Effort) -> Vec<Row> {
    let sizes = script("size.mjs", &[]);
    let brotli = |name: &str| {
        let sizes = sizes.as_array().expect("a list of bundles");
        let found = sizes.iter().find(|it| it["name"].as_str().is_some_and(|it| it.trim().starts_with(name)));
        found.and_then(|it| it["brotli"].as_f64()).unwrap_or_else(|| panic!("no size of {name}: {sizes:?}"))
    };
    let bytes = |what: &str, name: &str, limit: String, most: f64| Row {
        what: what.to_owned(),
        ours: format!("{:.0} B", brotli(name)),
        limit,
        figure: Figure::of(brotli(name), "B", 0),
        target: Target::AtMost(most),
        details: sizes.clone(),
    };
    let pages = if effort.quick { "5" } else { "31" };
    let start = script("startup.mjs", &[("RUNS", pages)]);
    let milliseconds = |name: &str| start[name].as_f64().expect("milliseconds");
    vec![
        bytes(
            "browser client, brotli",
            "@authtool/client",
            format!("{:.0} B ({PEER})", brotli(PEER)),
            15_500.0,
        ),
        bytes("its React entry, beside it", "./react", String::new(), 2_000.0),
        Row {
            what: "script start to the request for /session, in Chromium".to_owned(),
            ours: format!("{:.1} ms", milliseconds("package")),
            limit: format!("{:.1} ms", milliseconds("by_hand")),
            figure: Figure::of(milliseconds("package") - milliseconds("by_hand"), "ms", 1),
            target: Target::AtMost(5.0),
            details: json!(start),
        },
    ]
}

/// What a script of the npm package prints, as JSON.
fn script(name: &str, environment: &[(&str, &str)]) -> Value {
    let npm = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("npm");
    let output = Command::new("node")
        .arg(npm.join("scripts").join(name))
        .arg("--json")
        .envs(environment.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("node cannot be run ({error}); Node.js 22 or newer is needed"));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("npm/scripts/{name} printed no JSON ({error}):\n{}", String::from_utf8_lossy(&output.stderr))
    })
}
