//! `reference/metrics.md`: everything that is counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::{cell, keep};

/// Listens to what `describe` says.
#[derive(Default)]
struct Descriptions(Mutex<BTreeMap<String, (&'static str, String)>>);

impl Descriptions {
    fn take(&self, kind: &'static str, name: &KeyName, text: SharedString) {
        self.0.lock().unwrap().insert(name.as_str().to_owned(), (kind, text.into_owned()));
    }
}

impl Recorder for Descriptions {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, text: SharedString) {
        self.take("counter", &name, text);
    }
    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, text: SharedString) {
        self.take("gauge", &name, text);
    }
    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, text: SharedString) {
        self.take("histogram", &name, text);
    }
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// The names and what their comments say about the labels: ``/// `authtool_x_total{label}`: values.``
fn constants() -> BTreeMap<String, String> {
    let source = include_str!("../../src/telemetry/metrics.rs");
    let mut constants = BTreeMap::new();
    let mut comment = String::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("/// ") {
            comment = [comment.as_str(), text].join(" ").trim_start().to_string();
        } else {
            if let Some((_, name)) =
                line.strip_prefix("pub const ").and_then(|it| it.split_once(": &str = \""))
            {
                let name = name.trim_end_matches("\";").to_owned();
                assert!(
                    comment.starts_with(&format!("`{name}")),
                    "{name}: its comment names it with its labels: {comment}"
                );
                constants.insert(name, comment.clone());
            }
            comment.clear();
        }
    }
    constants
}

#[test]
fn every_metric_is_in_the_reference_and_nothing_else_is() {
    let descriptions = Descriptions::default();
    metrics::with_local_recorder(&descriptions, authtool_bff::telemetry::metrics::describe);
    let described = descriptions.0.into_inner().unwrap();
    let constants = constants();
    assert_eq!(
        described.keys().collect::<Vec<_>>(),
        constants.keys().collect::<Vec<_>>(),
        "every metric has a constant, and `describe` tells what it means"
    );
    let mut page = "\
# Metrics

`GET /-/metrics` on the internal listener answers in the text format of Prometheus. This page is made from the code.

| metric | kind | meaning | labels |
|---|---|---|---|
".to_owned();
    for (name, (kind, text)) in &described {
        let comment = &constants[name];
        let (signature, values) = comment.split_once(": ").unwrap_or((comment, ""));
        let labels = signature.split_once('{').map_or("", |(_, it)| it.trim_end_matches(['}', '`', '.']));
        let labels = match (labels, values) {
            ("", _) => "–".to_owned(),
            (labels, "") => format!("`{}`", labels.replace(',', "`, `")),
            (labels, values) => {
                format!("`{}`: {}", labels.replace(',', "`, `"), cell(values.trim_end_matches('.')))
            }
        };
        writeln!(page, "| `{name}` | {kind} | {} | {labels} |", cell(text)).unwrap();
    }
    page.push_str("
Histograms have `_bucket`, `_sum` and `_count`. What to alert on is in [Alerts and dashboard](../operations/alerts.md).
");
    keep("metrics.md", &page);
}
