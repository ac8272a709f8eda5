//! Which tokens of ended sessions are still to be revoked at the provider (RFC 7009), and when.
//!
//! At many providers all tokens of one of *their* sessions are one grant: revoking a refresh token ends what every other
//! session of ours in that [group](TokenGroup) lives on. So the tokens of an ended session are set aside, and revoked when no
//! session of their group is left. A logout that sends the browser to the provider holds them until it has come back:
//! a provider whose session has been revoked cannot log the user out any more.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    credential::{AccessToken, RefreshToken},
    dpop::ProofKey,
    session::{Kept, Session},
    time::UnixSeconds,
    token_response::TokenResponse,
};

/// No group has more tokens set aside. Somebody who replaces sessions without end cannot fill the store.
pub const MAX_TOKENS: usize = 256;

/// How often a revocation that fails is tried in all.
const MAX_ATTEMPTS: u8 = 6;
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// A provider may ask for a longer pause, up to this.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Sessions whose tokens may be one grant at the provider: revoking those of one may end all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenGroup {
    /// The issuer of their ID tokens.
    pub issuer: String,
    /// The name of the client that they belong to.
    pub client: String,
    /// What they have in common there.
    pub bond: Bond,
}

/// What makes sessions of one client a [group](TokenGroup): the most precise thing that the provider has told us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bond {
    /// The provider's own session (`sid`).
    ProviderSession(String),
    /// The user (`sub`), where the provider does not say which session it is.
    Subject(String),
    /// The login, or the chain of logins that replaced each other in one browser, where nobody says who it was. It is
    /// named by the first one's nonce.
    Login(String),
}

impl TokenGroup {
    /// The group of a session, which belongs to the client of this name.
    pub fn of(session: &Kept, client: &str) -> Self {
        let bond = match (&session.provider_session, &session.subject) {
            (Some(sid), _) => Bond::ProviderSession(sid.clone()),
            (None, Some(subject)) => Bond::Subject(subject.clone()),
            (None, None) => Bond::Login(session.nonce.clone()),
        };
        Self { issuer: session.issuer.clone(), client: client.to_owned(), bond }
    }

    /// Whether a session, which belongs to the client of this name, may live on the same grant.
    pub fn has(&self, session: &Kept, client: &str) -> bool {
        let bound = match &self.bond {
            Bond::ProviderSession(sid) => session.provider_session.as_ref() == Some(sid),
            // Of this user, whatever is known of the others' provider sessions.
            Bond::Subject(subject) => session.subject.as_ref() == Some(subject),
            Bond::Login(nonce) => session.subject.is_none() && session.nonce == *nonce,
        };
        bound && self.issuer == session.issuer && self.client == client
    }
}

/// What is revoked of a session: the refresh token, with which usually the whole grant goes, or else the access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RevocableToken {
    /// RFC 7009 §2.1.
    Refresh(RefreshToken),
    /// Where there is no refresh token.
    Access(AccessToken),
}

impl RevocableToken {
    /// The one of a session.
    pub fn of_session(session: &Session) -> Self {
        match &session.kept.refresh_token {
            Some(token) => Self::Refresh(token.clone()),
            None => Self::Access(session.live.access_token.clone()),
        }
    }

    /// The one of an answer that does not become a session.
    pub fn of_answer(tokens: &TokenResponse) -> Self {
        match &tokens.refresh_token {
            Some(token) => Self::Refresh(token.clone()),
            None => Self::Access(tokens.access_token.clone()),
        }
    }
}

/// Names a token that is set aside, so that a newer one of the same session can take its place.
pub type TokenId = [u8; 16];

/// A token that is set aside.
#[derive(Clone, Serialize, Deserialize)]
pub struct OwedToken {
    /// Which one it is.
    pub id: TokenId,
    /// The token.
    pub token: RevocableToken,
    /// What it is bound to (RFC 9449).
    pub proof_key: Option<ProofKey>,
    attempts: u8,
}

impl OwedToken {
    /// One that has not been tried.
    pub fn new(id: TokenId, token: RevocableToken, proof_key: Option<ProofKey>) -> Self {
        Self { id, token, proof_key, attempts: 0 }
    }
}

/// A logout is at the provider: nothing of the group is revoked meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hold {
    id: TokenId,
    until: UnixSeconds,
}

/// Somebody is deciding about the group, or revoking its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    owner: TokenId,
    until: UnixSeconds,
    /// A session has ended meanwhile: what was decided may be different now.
    called: bool,
}

/// What became of one attempt to revoke a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Of which token. One that has taken its [place](TokenId) meanwhile is another.
    pub token: RevocableToken,
    /// `Err` with the pause that the provider asked for, if it did.
    pub outcome: Result<(), Option<Duration>>,
}

/// What is still to be revoked of one group.
#[derive(Clone, Serialize, Deserialize)]
pub struct Owed {
    /// Whose tokens these are.
    pub group: TokenGroup,
    /// The tokens, the oldest first.
    pub tokens: Vec<OwedToken>,
    holds: Vec<Hold>,
    next: UnixSeconds,
    claim: Option<Claim>,
}

impl Owed {
    /// Nothing yet.
    pub fn nothing(group: TokenGroup) -> Self {
        Self { group, tokens: Vec::new(), holds: Vec::new(), next: UnixSeconds::new(0), claim: None }
    }

    /// Whether nothing is left.
    pub fn is_settled(&self) -> bool {
        self.tokens.is_empty()
    }

    /// When somebody should look whether the tokens can be revoked.
    pub fn due(&self) -> UnixSeconds {
        match &self.claim {
            Some(claim) => claim.until,
            None => self.holds.iter().map(|it| it.until).fold(self.next, UnixSeconds::max),
        }
    }

    /// Sets a token aside, to be looked at `next` if nobody [calls](Self::call) earlier. `false` if there are
    /// [too many](MAX_TOKENS).
    pub fn set_aside(&mut self, token: OwedToken, next: UnixSeconds) -> bool {
        let is_known = self.tokens.iter().any(|it| it.id == token.id);
        if !is_known && self.tokens.len() >= MAX_TOKENS {
            return false;
        }
        self.tokens.retain(|it| it.id != token.id);
        self.tokens.push(token);
        self.next = next;
        true
    }

    /// The logout that ended this token's session is at the provider, until then at most.
    pub fn hold(&mut self, id: TokenId, until: UnixSeconds) {
        self.holds.retain(|it| it.id != id);
        self.holds.push(Hold { id, until });
    }

    /// The browser has come back from that logout. `false` if nobody waited for it.
    pub fn release(&mut self, id: TokenId, now: UnixSeconds) -> bool {
        let held = self.holds.len();
        self.holds.retain(|it| it.id != id);
        let released = self.holds.len() < held;
        if released {
            self.call(now);
        }
        released
    }

    /// A session of the group has ended: look now.
    pub fn call(&mut self, now: UnixSeconds) {
        self.next = now;
        if let Some(claim) = &mut self.claim {
            claim.called = true;
        }
    }

    /// Takes the decision upon oneself, if it is due and nobody else has it.
    pub fn claim(&mut self, owner: TokenId, now: UnixSeconds, lease: Duration) -> bool {
        if now < self.due() {
            return false;
        }
        self.holds.clear();
        self.claim = Some(Claim { owner, until: now.plus(lease), called: false });
        true
    }

    /// A session of the group lives: look again at `next`, or when one ends. Returns whether to look again at once; of a
    /// claim that has passed to somebody else nothing.
    pub fn wait(&mut self, owner: TokenId, next: UnixSeconds, now: UnixSeconds) -> bool {
        let Some(called) = self.give_back(owner) else { return false };
        self.next = if called { now } else { next };
        called && self.due() <= now
    }

    /// Notes what was revoked and what was not. Returns whether to go on at once, as in [`wait`](Self::wait), and the
    /// number of tokens that are given up.
    pub fn tried(&mut self, owner: TokenId, attempts: &[Attempt], now: UnixSeconds) -> (bool, usize) {
        let of = |token: &RevocableToken| attempts.iter().find(|it| it.token == *token);
        self.tokens.retain(|it| of(&it.token).is_none_or(|attempt| attempt.outcome.is_err()));
        let mut pause = Duration::ZERO;
        for token in &mut self.tokens {
            if let Some(Attempt { outcome: Err(asked), .. }) = of(&token.token) {
                let own = FIRST_PAUSE.saturating_mul(1 << token.attempts.min(MAX_ATTEMPTS));
                pause = pause.max(own.max(asked.unwrap_or_default()).min(LONGEST_PAUSE));
                token.attempts = token.attempts.saturating_add(1);
            }
        }
        let left = self.tokens.len();
        self.tokens.retain(|it| it.attempts < MAX_ATTEMPTS);
        let given_up = left - self.tokens.len();
        let Some(called) = self.give_back(owner) else { return (false, given_up) };
        self.next = now.plus(pause);
        let goes_on = !self.is_settled() && (pause.is_zero() || called) && self.due() <= now;
        (goes_on, given_up)
    }

    /// `None` if it is somebody else's by now.
    fn give_back(&mut self, owner: TokenId) -> Option<bool> {
        let claim = self.claim.filter(|it| it.owner == owner)?;
        self.claim = None;
        Some(claim.called)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds::new(1_000);
    const LEASE: Duration = Duration::from_mins(1);

    fn at(seconds: u64) -> UnixSeconds {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn kept(issuer: &str, sid: Option<&str>, subject: Option<&str>, nonce: &str) -> Kept {
        Kept {
            issuer: issuer.into(),
            subject: subject.map(str::to_owned),
            provider_session: sid.map(str::to_owned),
            auth_time: None,
            nonce: nonce.into(),
            client: "c".into(),
            refresh_token: None,
            id_token: None,
            scope: None,
            created_at: NOW,
            doubts: None,
        }
    }

    fn token(seed: u8) -> OwedToken {
        let token = RevocableToken::Refresh(RefreshToken::parse(format!("rt-{seed}")).unwrap());
        OwedToken::new([seed; 16], token, None)
    }

    fn owed(seeds: &[u8]) -> Owed {
        let mut owed = Owed::nothing(TokenGroup::of(&kept("i", Some("s"), Some("ada"), "n"), "c"));
        for seed in seeds {
            assert!(owed.set_aside(token(*seed), at(300)));
        }
        owed
    }

    #[test]
    fn a_group_is_issuer_and_client_with_sid_or_else_sub_or_else_the_login() {
        let of = |sid, subject, nonce| TokenGroup::of(&kept("i", sid, subject, nonce), "c");
        let session = |sid, subject, nonce| kept("i", sid, subject, nonce);
        for (what, group, other, together) in [
            ("one sid", of(Some("s"), Some("ada"), "1"), session(Some("s"), Some("ada"), "2"), true),
            ("two sids", of(Some("s"), Some("ada"), "1"), session(Some("t"), Some("ada"), "2"), false),
            ("no sid, one user", of(None, Some("ada"), "1"), session(None, Some("ada"), "2"), true),
            ("a sid beside none", of(None, Some("ada"), "1"), session(Some("s"), Some("ada"), "2"), true),
            ("two users", of(None, Some("ada"), "1"), session(None, Some("eve"), "2"), false),
            ("one login", of(None, None, "1"), session(None, None, "1"), true),
            ("two logins", of(None, None, "1"), session(None, None, "2"), false),
            ("somebody, and nobody known", of(None, None, "1"), session(None, Some("ada"), "1"), false),
            ("another issuer", of(Some("s"), None, "1"), kept("j", Some("s"), None, "1"), false),
        ] {
            assert_eq!(group.has(&other, "c"), together, "{what}");
            assert!(!group.has(&other, "d"), "{what}, and another client");
        }
    }

    #[test]
    fn what_is_set_aside_is_looked_at_in_time_or_when_a_session_ends() {
        let mut owed = owed(&[1]);
        assert_eq!(owed.due(), at(300));
        assert!(!owed.claim([7; 16], at(299), LEASE), "too early");
        owed.call(at(10));
        assert!(owed.claim([7; 16], at(10), LEASE));
        assert_eq!(owed.due(), at(70), "somebody else may take over");
        assert!(!owed.claim([8; 16], at(69), LEASE), "one decides");
        assert!(!owed.wait([7; 16], at(5_000), at(11)), "a session lives");
        assert_eq!(owed.due(), at(5_000));
    }

    #[test]
    fn a_session_that_ends_while_somebody_decides_is_not_missed() {
        for called in [false, true] {
            let mut owed = owed(&[1]);
            assert!(owed.claim([7; 16], at(300), LEASE));
            if called {
                owed.call(at(301));
            }
            assert_eq!(owed.wait([7; 16], at(5_000), at(302)), called);
            assert_eq!(owed.due(), if called { at(302) } else { at(5_000) });
        }
    }

    #[test]
    fn a_logout_at_the_provider_holds_everything_of_its_group() {
        let mut owed = owed(&[1, 2]);
        owed.hold([2; 16], at(300));
        owed.call(at(5));
        assert!(!owed.claim([7; 16], at(5), LEASE), "another session's end does not overtake the logout");
        assert!(!owed.release([1; 16], at(6)), "another logout's return");
        owed.hold([3; 16], at(310));
        assert!(owed.release([2; 16], at(7)));
        assert_eq!(owed.due(), at(310), "two browsers are at the provider");
        assert!(owed.release([3; 16], at(8)));
        assert!(owed.claim([7; 16], at(8), LEASE));
    }

    #[test]
    fn a_browser_that_does_not_come_back_holds_nothing_for_longer() {
        let mut owed = owed(&[1]);
        owed.hold([1; 16], at(300));
        assert!(!owed.claim([7; 16], at(299), LEASE));
        assert!(owed.claim([7; 16], at(300), LEASE));
    }

    #[test]
    fn each_token_is_revoked_once_and_failures_are_tried_again_with_pauses() {
        let attempt = |seed: u8, outcome| Attempt { token: token(seed).token, outcome };
        let mut owed = owed(&[1, 2]);
        assert!(owed.claim([7; 16], at(300), LEASE));
        let tried = [attempt(1, Ok(())), attempt(2, Err(None))];
        assert_eq!(owed.tried([7; 16], &tried, at(301)), (false, 0));
        assert_eq!(owed.tokens.iter().map(|it| it.id).collect::<Vec<_>>(), [[2; 16]]);
        assert_eq!(owed.due(), at(331));
        let mut now = at(331);
        let mut pauses = Vec::new();
        loop {
            assert!(owed.claim([7; 16], now, LEASE));
            let (goes_on, given_up) = owed.tried([7; 16], &[attempt(2, Err(None))], now);
            assert!(!goes_on);
            if given_up > 0 {
                break;
            }
            pauses.push(owed.due().since(now).as_secs());
            now = owed.due();
        }
        assert_eq!(pauses, [60, 120, 240, 480]);
        assert!(owed.is_settled());
    }

    #[test]
    fn a_provider_may_ask_for_a_longer_pause_within_reason() {
        for (asked, pause) in [(1, 30), (100, 100), (100_000, 3_600)] {
            let mut owed = owed(&[1]);
            assert!(owed.claim([7; 16], at(300), LEASE));
            let refused = Err(Some(Duration::from_secs(asked)));
            owed.tried([7; 16], &[Attempt { token: token(1).token, outcome: refused }], at(300));
            assert_eq!(owed.due(), at(300 + pause), "{asked}");
        }
    }

    #[test]
    fn whoever_has_lost_its_claim_moves_nothing() {
        let mut owed = owed(&[1, 2]);
        assert!(owed.claim([7; 16], at(300), LEASE));
        assert!(owed.claim([8; 16], at(360), LEASE));
        assert!(!owed.wait([7; 16], at(9_000), at(361)));
        assert_eq!(owed.due(), at(420));
        // But what it has revoked is revoked.
        let done = Attempt { token: token(1).token, outcome: Ok(()) };
        assert_eq!(owed.tried([7; 16], &[done], at(361)), (false, 0));
        assert_eq!(owed.tokens.len(), 1);
    }

    #[test]
    fn a_newer_token_of_a_session_takes_the_place_of_the_older_one() {
        let mut owed = owed(&[1]);
        let newer = RevocableToken::Refresh(RefreshToken::parse("newer").unwrap());
        assert!(owed.set_aside(OwedToken::new([1; 16], newer.clone(), None), at(400)));
        assert_eq!(owed.tokens.iter().map(|it| &it.token).collect::<Vec<_>>(), [&newer]);
        // Also while the older one is being revoked.
        assert!(owed.claim([7; 16], at(400), LEASE));
        let newest = RevocableToken::Refresh(RefreshToken::parse("newest").unwrap());
        assert!(owed.set_aside(OwedToken::new([1; 16], newest.clone(), None), at(700)));
        owed.tried([7; 16], &[Attempt { token: newer, outcome: Ok(()) }], at(401));
        assert_eq!(owed.tokens.iter().map(|it| &it.token).collect::<Vec<_>>(), [&newest]);
    }

    #[test]
    fn nobody_fills_the_store_with_tokens() {
        let mut owed = owed(&[]);
        for seed in 0..=255 {
            assert!(owed.set_aside(token(seed), at(300)));
        }
        let mut one_more = token(0);
        one_more.id = [1; 16].map(|_| 77).into_iter().enumerate().fold([0; 16], |mut id, (i, byte)| {
            id[i] = byte ^ u8::try_from(i).unwrap();
            id
        });
        assert!(!owed.set_aside(one_more, at(300)));
        assert!(owed.set_aside(token(3), at(300)), "one that is known may be replaced");
    }
}
