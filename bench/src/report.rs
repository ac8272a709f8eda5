//! What was found: a table for people, JSON for programs.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Shown, and not judged.
    None,
}

impl Target {
    fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(target) => Some(value >= target),
            Self::AtMost(target) => Some(value <= target),
            Self::None => None,
        }
    }

    fn show(self, figure: &Figure) -> String {
        match self {
            Self::AtLeast(target) => format!("≥ {}", figure.show(target)),
            Self::AtMost(target) => format!("≤ {}", figure.show(target)),
            Self::None => String::new(),
        }
    }
}

/// The median of several rounds, and how far they lay apart.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    pub(crate) unit: &'static str,
    pub(crate) decimals: usize,
}

impl Figure {
    /// Of the rounds' values.
    pub(crate) fn median_of(values: &[f64], unit: &'static str, decimals: usize) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let value = if sorted.len().is_multiple_of(2) && middle > 0 {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted.get(middle).copied().unwrap_or(f64::NAN)
        };
        let (lowest, highest) =
            (sorted.first().copied().unwrap_or(value), sorted.last().copied().unwrap_or(value));
        Self { value, lowest, highest, unit, decimals }
    }

    /// Of one value.
    pub(crate) fn of(value: f64, unit: &'static str, decimals: usize) -> Self {
        Self::median_of(&[value], unit, decimals)
    }

    fn show(&self, value: f64) -> String {
        let space = if self.unit.is_empty() || self.unit == "×" { "" } else { " " };
        format!("{value:.*}{space}{}", self.decimals, self.unit)
    }

    fn spread(&self) -> String {
        if self.lowest.total_cmp(&self.highest).is_eq() {
            return String::new();
        }
        format!("{:.*}–{:.*}", self.decimals, self.lowest, self.decimals, self.highest)
    }
}

/// One line of the table.
pub(crate) struct Row {
    /// What was measured, as `performance.md` names it.
    pub(crate) what: String,
    /// Our own figure, for people.
    pub(crate) ours: String,
    /// The limit's, for people.
    pub(crate) limit: String,
    /// What is judged.
    pub(crate) figure: Figure,
    /// By what.
    pub(crate) target: Target,
    /// Everything else that was seen.
    pub(crate) details: Value,
}

impl Row {
    fn verdict(&self) -> &'static str {
        match self.target.is_met(self.figure.value) {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        }
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "ours": self.ours,
            "limit": self.limit,
            "value": self.figure.value,
            "lowest": self.figure.lowest,
            "highest": self.figure.highest,
            "unit": self.figure.unit,
            "target": self.target.show(&self.figure),
            "met": self.target.is_met(self.figure.value),
            "details": self.details,
        })
    }

    fn cells(&self) -> [String; 7] {
        [
            self.what.clone(),
            self.ours.clone(),
            self.limit.clone(),
            self.figure.show(self.figure.value),
            self.figure.spread(),
            self.target.show(&self.figure),
            self.verdict().to_owned(),
        ]
    }
}

/// The table, in Markdown: it is read in a terminal, and goes into the documentation as it is.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = ["what", "ours", "limit", "median", "spread", "target", ""].map(str::to_owned);
    let lines: Vec<[String; 7]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            write!(text, "| {cell:<width$} ").expect("a string takes text");
        }
        text.push_str("|\n");
        if number == 0 {
            for width in &widths {
                write!(text, "|{}", "-".repeat(width + 2)).expect("a string takes text");
            }
            text.push_str("|\n");
        }
    }
    text
}

/// Writes the rows of one bench into a file of its name.
pub(crate) fn write(folder: &Path, name: &str, conditions: &Value, rows: &[Row]) {
    let document = json!({
        "bench": name,
        "conditions": conditions,
        "rows": rows.iter().map(Row::json).collect::<Vec<_>>(),
    });
    fs::create_dir_all(folder).expect("the target folder is writable");
    let text = serde_json::to_string_pretty(&document).expect("it is JSON");
    fs::write(folder.join(format!("{name}.json")), text).expect("the target folder is writable");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_rounds_is_judged_and_their_spread_shown() {
        let figure = Figure::median_of(&[0.91, 0.95, 0.80, 0.93], "×", 2);
        assert_eq!((figure.show(figure.value).as_str(), figure.spread().as_str()), ("0.92×", "0.80–0.95"));
        assert_eq!(Target::AtLeast(0.9).is_met(figure.value), Some(true));
        assert_eq!(Target::AtMost(0.9).is_met(figure.value), Some(false));
        assert_eq!(Target::None.is_met(figure.value), None);
    }

    #[test]
    fn every_line_of_the_table_is_as_wide_as_the_others() {
        let row = |what: &str| Row {
            what: what.to_owned(),
            ours: "18 µs".to_owned(),
            limit: "17 µs".to_owned(),
            figure: Figure::of(0.94, "×", 2),
            target: Target::AtLeast(0.9),
            details: Value::Null,
        };
        let table = table(&[row("cookie → token"), row("/session")]);
        let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
    }
}
