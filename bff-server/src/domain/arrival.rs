//! What a browser remembers, for a short while, of a login that has succeeded: where it led, and how often in a row.
//!
//! Where a whole site stands behind a gateway that sends everybody without a session to `/login`, the navigation that comes back
//! from the provider carries no `SameSite=Strict` cookie, so the gateway sees nobody and asks for a login again. From what the
//! browser remembers we know better: the session is there, and only a navigation of this site is needed to show it. If that
//! does not help either, or the cookie was never kept, every login leads to the next, and somebody has to notice.

use std::time::Duration;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{login_options::LoginOptions, time::UnixSeconds};

/// A loop goes round in seconds; a person who logs in again later does so for another reason.
pub const LIFETIME: Duration = Duration::from_mins(2);

/// So many logins in a row may end at the same place and lead to another.
pub const MAX_TURNS: u8 = 3;

/// What a login is for: where it leads, and what else it was asked for. A hash, so that the cookie stays small.
pub type Purpose = [u8; 16];

/// The [`Purpose`] of a request to `/login`. The fragment does not count: servers never see it.
pub fn purpose(return_to: &Url, client: Option<&str>, options: &LoginOptions) -> Purpose {
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut add = |text: &str| {
        hash.update(text.as_bytes());
        hash.update(b"\0");
    };
    add(return_to.as_str().split('#').next().unwrap_or_default());
    add(client.unwrap_or_default());
    for (name, value) in options.pairs() {
        add(name);
        add(value);
    }
    let mut purpose = Purpose::default();
    for (byte, hashed) in purpose.iter_mut().zip(hash.finish().as_ref()) {
        *byte = *hashed;
    }
    purpose
}

/// A login that has succeeded in this browser. What is added goes to the end, and is nothing at zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    purpose: Purpose,
    at: UnixSeconds,
    /// How many logins in a row have ended here, this one included.
    turns: u8,
    /// The browser has been led on from here by a navigation of this site.
    led_on: bool,
    /// Another site began it.
    pub from_another_site: bool,
}

/// A request to log in, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What for.
    pub purpose: Purpose,
    /// It carries a session cookie of ours.
    pub has_cookie: bool,
    /// One of the app's own pages leads here, for certain.
    pub from_the_app: bool,
}

/// What to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Log in, after so many logins in a row that led nowhere.
    LogIn(u8),
    /// The login has succeeded, and its cookie did not come along: lead the browser there by a navigation of this site.
    LeadOn(Arrival),
    /// Another login would lead here again.
    GiveUp,
}

impl Arrival {
    /// After a login that was the next of `turns`.
    pub fn new(purpose: Purpose, turns: u8, from_another_site: bool, now: UnixSeconds) -> Self {
        Self { purpose, at: now, turns: turns.saturating_add(1), led_on: false, from_another_site }
    }

    fn is_fresh(&self, now: UnixSeconds) -> bool {
        now < self.at.plus(LIFETIME) && self.at <= now.plus(Duration::from_mins(1))
    }
}

impl Turn {
    /// Decides, by what the browser remembers.
    pub fn of(arrival: Option<Arrival>, asked: Asked, now: UnixSeconds) -> Self {
        let Some(arrival) = arrival.filter(|it| it.purpose == asked.purpose && it.is_fresh(now)) else {
            return Self::LogIn(0);
        };
        if !arrival.led_on {
            if asked.has_cookie && asked.from_the_app {
                // Somebody who is logged in wants to log in again.
                return Self::LogIn(0);
            }
            if !asked.has_cookie && !asked.from_the_app {
                return Self::LeadOn(Arrival { led_on: true, ..arrival });
            }
        }
        if arrival.turns >= MAX_TURNS { Self::GiveUp } else { Self::LogIn(arrival.turns) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds::new(1_000);

    fn of(path: &str) -> Purpose {
        purpose(&format!("https://app.example{path}").parse().unwrap(), None, &LoginOptions::default())
    }

    fn asked(has_cookie: bool, from_the_app: bool) -> Asked {
        Asked { purpose: of("/x"), has_cookie, from_the_app }
    }

    #[test]
    fn a_navigation_that_lacks_the_cookie_after_a_login_is_led_on_once() {
        let arrival = Arrival::new(of("/x"), 0, false, NOW);
        let Turn::LeadOn(led) = Turn::of(Some(arrival.clone()), asked(false, false), NOW) else {
            panic!("it is not led on");
        };
        assert_eq!(
            Turn::of(Some(led.clone()), asked(false, false), NOW),
            Turn::LogIn(1),
            "that did not help"
        );
        assert_eq!(Turn::of(Some(led), asked(true, true), NOW), Turn::LogIn(1), "nor did the cookie");
        let later = NOW.plus(LIFETIME);
        for (what, arrival, asked, now) in [
            ("nothing is remembered", None, asked(false, false), NOW),
            ("it is long ago", Some(arrival.clone()), asked(false, false), later),
            ("it led elsewhere", Some(Arrival::new(of("/y"), 2, false, NOW)), asked(false, false), NOW),
            ("a user who is logged in asks again", Some(arrival), asked(true, true), NOW),
        ] {
            assert_eq!(Turn::of(arrival, asked, now), Turn::LogIn(0), "{what}");
        }
    }

    #[test]
    fn a_loop_ends_after_a_few_turns_in_whatever_way_it_goes_round() {
        for (what, asks) in [
            ("the gateway refuses the cookie", &[asked(false, false), asked(true, true)][..]),
            ("the cookie is never kept", &[asked(false, false), asked(false, true)]),
            ("an app that asks by itself, and no cookie", &[asked(false, true)]),
            ("a cookie that comes along from other sites, and is refused", &[asked(true, false)]),
            ("an old browser", &[asked(false, false), asked(false, false)]),
        ] {
            let (mut arrival, mut logins) = (None, 0);
            'browser: loop {
                assert!(logins <= MAX_TURNS, "{what}: it goes on for ever");
                for asked in asks {
                    match Turn::of(arrival.take(), *asked, NOW) {
                        Turn::LogIn(turns) => {
                            logins += 1;
                            arrival = Some(Arrival::new(of("/x"), turns, false, NOW));
                            break;
                        }
                        Turn::LeadOn(led) => arrival = Some(led),
                        Turn::GiveUp => break 'browser,
                    }
                }
            }
            assert_eq!(logins, MAX_TURNS, "{what}");
        }
    }

    #[test]
    fn logins_for_the_same_thing_are_known_by_it() {
        let of = |url: &str, client, query| {
            purpose(&url.parse().unwrap(), client, &LoginOptions::parse(query).unwrap())
        };
        let url = "https://app.example/x?a=b";
        assert_eq!(of(url, None, "redirect_uri=/x?a=b"), of(&format!("{url}#top"), None, "other=1"));
        let all = [
            of(url, None, ""),
            of(url, Some("a"), ""),
            of(url, Some("b"), ""),
            of(url, Some("a"), "prompt=login"),
            of("https://app.example/x?a=c", None, ""),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|other| one != other));
        }
    }
}
