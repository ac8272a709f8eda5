//! The table of base URLs that the TypeScript of the npm package follows as well.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use authtool_client::rules::base_url::{InvalidBaseUrl, normalise};
use serde_json::Value;

const ORIGIN: &str = "https://app.example";

fn entries(name: &str) -> Vec<Value> {
    let table: Value = serde_json::from_str(include_str!("base-urls.json")).unwrap();
    table[name].as_array().unwrap().clone()
}

#[test]
fn a_base_url_becomes_a_path() {
    for entry in entries("accepted") {
        let (raw, path) = (entry[0].as_str().unwrap(), entry[1].as_str().unwrap());
        assert_eq!(normalise(raw, ORIGIN).as_deref(), Ok(path), "{raw:?}");
    }
}

#[test]
fn another_origin_and_what_is_no_path_are_refused() {
    for (name, error) in
        [("otherOrigin", InvalidBaseUrl::OtherOrigin), ("notAPath", InvalidBaseUrl::NotAPath)]
    {
        for entry in entries(name) {
            let raw = entry.as_str().unwrap();
            assert_eq!(normalise(raw, ORIGIN), Err(error), "{raw:?}");
        }
    }
}
