//! Clocks that disagree, and durations in words.

use std::time::{Duration, SystemTime};

use super::finding::Notes;
use crate::domain::id_token;

/// A difference that the way there and a clock of whole seconds can make.
const TOLERANCE: Duration = Duration::from_secs(3);

/// Compares another machine's time with the middle of the moments before it was asked and after it answered.
pub(super) fn compare(
    whose: &str,
    theirs: SystemTime,
    asked: SystemTime,
    answered: SystemTime,
) -> Difference {
    let took = answered.duration_since(asked).unwrap_or_default();
    let ours = asked + took / 2;
    let (apart, we_are_ahead) = match ours.duration_since(theirs) {
        Ok(ahead) => (ahead, true),
        Err(behind) => (behind.duration(), false),
    };
    Difference { whose: whose.to_owned(), apart: apart.saturating_sub(took / 2), we_are_ahead }
}

/// How far two clocks are apart, beyond what the network can explain.
pub(super) struct Difference {
    whose: String,
    apart: Duration,
    we_are_ahead: bool,
}

impl Difference {
    pub(super) fn is_tolerable(&self) -> bool {
        self.apart <= TOLERANCE
    }

    pub(super) fn in_words(&self) -> String {
        let direction = if self.we_are_ahead { "ahead of" } else { "behind" };
        format!("this machine's clock is {} {direction} {}", in_words(self.apart.as_secs()), self.whose)
    }

    /// Says whether ID tokens will be accepted.
    pub(super) fn note_for_tokens(&self, check: &'static str, notes: &mut Notes) {
        let fix = "synchronise this machine's clock (NTP: chrony, systemd-timesyncd); if it is right, the other one \
                   is wrong";
        if self.is_tolerable() {
            notes.good(check, format!("the clocks of this machine and of {} agree", self.whose));
        } else if self.apart < id_token::LEEWAY {
            notes.notice(check, self.in_words(), fix);
        } else {
            let leeway = id_token::LEEWAY.as_secs();
            let what = format!(
                "{}: ID tokens more than {leeway} seconds off are refused, so nobody can log in",
                self.in_words()
            );
            notes.bad(check, what, fix);
        }
    }
}

/// The two largest units.
pub(super) fn in_words(seconds: u64) -> String {
    let units = [("day", seconds / 86_400), ("hour", seconds / 3600 % 24), ("minute", seconds / 60 % 60)];
    let mut parts: Vec<String> = units
        .into_iter()
        .chain([("second", seconds % 60)])
        .skip_while(|(_, count)| *count == 0)
        .take(2)
        .filter(|(_, count)| *count > 0)
        .map(|(unit, count)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() {
        parts.push("0 seconds".to_owned());
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_what_the_way_there_cannot_explain() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(compare("x", at(1002), at(1000), at(1004)).is_tolerable());
        assert!(compare("x", at(1012), at(1000), at(1020)).is_tolerable(), "a slow answer proves nothing");
        let ahead = compare("the provider", at(900), at(1000), at(1000));
        assert_eq!(ahead.in_words(), "this machine's clock is 1 minute 40 seconds ahead of the provider");
        let behind = compare("the provider", at(1_000_000), at(1000), at(1000));
        assert_eq!(behind.in_words(), "this machine's clock is 11 days 13 hours behind the provider");
    }

    #[test]
    fn durations_are_told_in_the_two_largest_units() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (60, "1 minute"),
            (3_660, "1 hour 1 minute"),
            (86_400, "1 day"),
            (86_430, "1 day"),
        ] {
            assert_eq!(in_words(seconds), words);
        }
    }
}
