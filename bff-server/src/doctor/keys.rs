//! The keys that everything else rests on. Configuration has refused short ones, placeholders, and one key for both
//! uses; here they are looked at twice.

use super::finding::{Area, Finding, Notes};
use crate::{config::SessionConfig, seal::KeyList};

/// What a key should hold at least, in bits. AES-256 and HMAC-SHA-256 are made for 256.
const ENOUGH_BITS: u32 = 128;

pub(super) fn look_at(session: &SessionConfig) -> Vec<Finding> {
    let mut notes = Notes::new(Area::Keys, None);
    for (name, list) in
        [("session.signingKey", &session.signing_keys), ("session.encryptionKey", &session.encryption_keys)]
    {
        look_at_list(name, list, session.lifetimes.absolute.as_secs(), &mut notes);
    }
    notes.finish()
}

fn look_at_list(name: &str, list: &KeyList, absolute_secs: u64, notes: &mut Notes) {
    let weakest = list.iter().map(crate::seal::KeyMaterial::bits_at_most).min().unwrap_or_default();
    if weakest < ENOUGH_BITS {
        notes.bad(
            "keys.strength",
            format!("{name} looks like a word or a pattern, not like randomness (some {weakest} bits at most)"),
            "make a new one with `authtool-bff keys`, and put it first in the list, so that nobody is logged out; \
             remove the weak one once the longest session is over",
        );
    } else {
        notes.good("keys.strength", format!("{name} is long enough, and looks random"));
    }
    let retired = list.retired().len();
    if retired > 0 {
        notes.notice(
            "keys.rotation",
            format!(
                "{name} has {retired} former key{} that still count",
                if retired == 1 { "" } else { "s" }
            ),
            format!(
                "remove what was replaced more than {} ago: no session is older",
                super::clock::in_words(absolute_secs)
            ),
        );
    }
}
