//! Dashboards and alerts speak of what the server counts, and of all of it.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::{documents, text};

/// The names that the server gives its metrics: the constants of its one module for that.
fn counted() -> BTreeSet<String> {
    let source = text("bff-server/src/telemetry/metrics.rs");
    let constant = Regex::new(r#"pub const [A-Z_]+: &str =\s*"(authtool_[a-z_]+)";"#).unwrap();
    let names: BTreeSet<String> = constant.captures_iter(&source).map(|it| it[1].to_owned()).collect();
    assert!(names.len() >= 8, "{names:?}");
    names
}

/// The names in queries, without what Prometheus appends to those of histograms.
fn mentioned(queries: &str) -> BTreeSet<String> {
    let name = Regex::new("authtool_[a-z_]+").unwrap();
    let of_histogram = |name: &str| {
        let base = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
        base.filter(|it| it.ends_with("_seconds")).unwrap_or(name).to_owned()
    };
    name.find_iter(queries).map(|it| of_histogram(it.as_str())).collect()
}

#[test]
fn the_dashboard_shows_everything_that_is_counted_and_nothing_else() {
    let dashboard = text("deploy/grafana/authtool.json");
    assert_eq!(mentioned(&dashboard), counted());
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels of one id: {panel}");
        let is_row = panel["type"] == "row";
        assert!(is_row || !panel["description"].as_str().unwrap().is_empty(), "{panel}");
        assert!(is_row || !panel["targets"].as_array().unwrap().is_empty(), "{panel}");
    }
}

#[test]
fn alerts_are_about_what_is_counted_and_each_says_what_to_do() {
    let alerts = text("deploy/prometheus/alerts.yaml");
    let unknown: Vec<String> = mentioned(&alerts).difference(&counted()).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");

    let runbook = text("docs/operations/alerts.md");
    let tests = text("deploy/prometheus/alerts.test.yaml");
    let rules = documents("deploy/prometheus/alerts.yaml").remove(0);
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(!rules.is_empty());
    for rule in &rules {
        let name = rule["alert"].as_str().unwrap();
        let url = rule["annotations"]["runbook_url"].as_str().unwrap();
        assert!(
            url.ends_with(&format!("docs/operations/alerts.md#{}", name.to_lowercase())),
            "{name}: {url}"
        );
        assert!(
            runbook.contains(&format!("\n## {name}\n")),
            "{name} has no section in docs/operations/alerts.md"
        );
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name} is not tried");
    }
    assert_eq!(runbook.matches("\n## Authtool").count(), rules.len(), "a section about no alert");
}
