//! Revoking the tokens of ended sessions: when no session is left that may live on the same grant, and not while a logout is
//! at the provider ([the rules](crate::domain::revocation)).
//!
//! What is to be revoked of a group is one record in the store, sealed, and changed by compare-and-swap. Whoever decides
//! about it claims it first, so each token is revoked by one replica. The order of things makes sure that none is lost: tokens are
//! set aside *before* their session is removed, and only then is the group looked at.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::sessions::{SessionError, Sessions};
use crate::{
    domain::{
        dpop::ProofKey,
        revocation::{Attempt, Bond, Owed, OwedToken, RevocableToken, TokenGroup, TokenId},
        session::Session,
        session_id::SessionKey,
        time::UnixSeconds,
    },
    ports::{OwedName, OwedWrite, ProviderError, StoreError, StoredRecord, Version},
};

/// How long a group waits when whoever decides about it dies.
const LEASE: Duration = Duration::from_mins(1);
/// Nobody begins another revocation after this part of the lease: one takes less than the rest.
const WORKING_TIME: Duration = Duration::from_secs(30);
/// A record that nobody looks at leaves after this. Whoever looks at one writes it anew.
const TTL: Duration = Duration::from_hours(24 * 30);
/// A session is in its indexes before it is in the store, for no longer than this.
const BEING_STORED: Duration = Duration::from_secs(30);
/// How soon a record is looked at again that cannot be read: a newer replica may be able to.
const UNREADABLE_PAUSE: Duration = Duration::from_hours(1);

/// How often a change is tried that others overtake.
const CHANGE_ATTEMPTS: usize = 20;
/// How often tokens are offered to a store that does not take them: for about an hour.
const STORE_ATTEMPTS: u32 = 20;
const LONGEST_STORE_PAUSE: Duration = Duration::from_mins(5);
/// After so many, what the store would say is [guessed](Others) where that can be.
const ATTEMPTS_WITHOUT_THE_STORE: u32 = 3;

const LONGEST_ROUND: Duration = Duration::from_secs(15);
const SHORTEST_ROUND: Duration = Duration::from_millis(250);
/// What one round takes from the store at once, and how much of it is worked on at the same time.
const BATCH: usize = 64;
const AT_ONCE: usize = 4;

/// Names tokens that a logout at the provider holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeldTokens {
    name: String,
    id: TokenId,
}

/// Whether a browser goes to the provider to log out there, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtProvider {
    /// It does not.
    No,
    /// It may: nothing is revoked until it has come back, or the delay is over.
    Perhaps,
}

/// What is known of other sessions that may live on the same grant, without asking the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// The browser had no session. Its session at the provider is then hardly anybody else's: where the store does not
    /// answer, that has to do.
    Unlikely,
    /// Only the store can tell.
    Possible,
}

/// What a change of a record leads to.
enum Change<T> {
    Written(T),
    AsItWas(T),
}

impl Sessions {
    /// Sets the tokens of a session aside that is about to end, or has just ended. With [`AtProvider::No`] somebody has to
    /// [settle](Self::settle_soon) them when it has.
    pub(super) async fn set_aside(
        &self,
        key: &SessionKey,
        session: &Session,
        at_provider: AtProvider,
    ) -> Result<HeldTokens, SetAsideError> {
        let token = RevocableToken::of_session(session);
        let token = OwedToken::new(token_id(key), token, session.live.proof_key.clone());
        self.owe(&self.group_of(session), &token, at_provider).await
    }

    /// The same for tokens that belong to no session (any more): sees to it in the background until it is done, and that
    /// they are revoked.
    pub(super) fn owe_soon(
        self: &Arc<Self>,
        group: TokenGroup,
        key: Option<&SessionKey>,
        token: RevocableToken,
        proof_key: Option<ProofKey>,
        others: Others,
    ) {
        let mut id = key.map(token_id).unwrap_or_default();
        if key.is_none() && self.entropy.fill(&mut id).is_err() {
            tracing::error!(
                event = "revocation_failed",
                "a token could not be revoked: there is no randomness"
            );
            return;
        }
        self.owe_in_background(group, OwedToken::new(id, token, proof_key), AtProvider::No, others);
    }

    /// The same for those of what is no session, or none any more.
    pub(super) fn owe_session_soon(
        self: &Arc<Self>,
        key: Option<&SessionKey>,
        session: &Session,
        others: Others,
    ) {
        let token = RevocableToken::of_session(session);
        self.owe_soon(self.group_of(session), key, token, session.live.proof_key.clone(), others);
    }

    /// The same for a session that has just ended, and whose tokens the store has not taken.
    pub(super) fn owe_ended_session(
        self: &Arc<Self>,
        key: &SessionKey,
        session: &Session,
        at_provider: AtProvider,
    ) {
        let token = RevocableToken::of_session(session);
        let token = OwedToken::new(token_id(key), token, session.live.proof_key.clone());
        self.owe_in_background(self.group_of(session), token, at_provider, Others::Possible);
    }

    /// Where the store does not take what is to be revoked, it is offered again and again. Meanwhile it can still be
    /// revoked if the store says that nobody lives on it.
    fn owe_in_background(
        self: &Arc<Self>,
        group: TokenGroup,
        token: OwedToken,
        at_provider: AtProvider,
        others: Others,
    ) {
        let by_user = matches!(group.bond, Bond::Subject(_));
        let may_do_without = others == Others::Unlikely && !by_user;
        let sessions = Arc::clone(self);
        self.tasks.spawn(async move {
            let may_return_until = match at_provider {
                AtProvider::No => Instant::now(),
                AtProvider::Perhaps => Instant::now() + sessions.revocation_delay,
            };
            let mut pause = Duration::from_secs(1);
            for attempt in 1..=STORE_ATTEMPTS {
                match sessions.owe(&group, &token, at_provider).await {
                    Ok(held) => {
                        if at_provider == AtProvider::No {
                            sessions.settle(&OwedName(held.name), true).await;
                        }
                        return;
                    }
                    Err(SetAsideError::TooMany) => {
                        // Never left out, and never more than the store can bear: whoever ends hundreds of sessions of
                        // one group puts up with it.
                        sessions.revoke(&group, &token).await.unwrap_or_default();
                        return;
                    }
                    Err(SetAsideError::Store(error)) => {
                        tracing::warn!(%error, "tokens that are to be revoked could not be set aside yet");
                    }
                }
                if Instant::now() >= may_return_until {
                    let nobody_lives_on_it = match sessions.lives_until(&group).await {
                        Ok(until) => until.is_none(),
                        Err(_) => may_do_without && attempt >= ATTEMPTS_WITHOUT_THE_STORE,
                    };
                    if nobody_lives_on_it && sessions.revoke(&group, &token).await.is_ok() {
                        return;
                    }
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_STORE_PAUSE);
            }
            tracing::error!(
                event = "revocation_failed",
                client = group.client,
                issuer = group.issuer,
                "a token could not be revoked: the store did not take it, and did not say whether a session lives on it"
            );
        });
    }

    async fn owe(
        &self,
        group: &TokenGroup,
        token: &OwedToken,
        at_provider: AtProvider,
    ) -> Result<HeldTokens, SetAsideError> {
        let name = self.owed_name(group);
        let later = self.clock.now().plus(self.revocation_delay);
        let change = |owed: &mut Owed| {
            if !owed.set_aside(token.clone(), later) {
                return Change::AsItWas(false);
            }
            if at_provider == AtProvider::Perhaps {
                owed.hold(token.id, later);
            }
            Change::Written(true)
        };
        match self.change_owed(&name, Some(group), change).await? {
            Some(true) => Ok(HeldTokens { name: name.0, id: token.id }),
            _ => Err(SetAsideError::TooMany),
        }
    }

    /// The browser has come back from the provider, or does not go there after all.
    pub(super) fn release_soon(self: &Arc<Self>, held: HeldTokens) {
        let sessions = Arc::clone(self);
        self.tasks.spawn(async move {
            let name = OwedName(held.name);
            let now = sessions.clock.now();
            let release = |owed: &mut Owed| {
                if owed.release(held.id, now) { Change::Written(true) } else { Change::AsItWas(false) }
            };
            match sessions.change_owed(&name, None, release).await {
                Ok(Some(true)) => sessions.settle(&name, false).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "a logout's return could not be noted; its tokens are revoked later");
                }
            }
        });
    }

    /// A session has ended: if it was the last of its group, what was set aside is revoked.
    pub(super) fn settle_soon(self: &Arc<Self>, session: &Session) {
        let sessions = Arc::clone(self);
        let group = self.group_of(session);
        // It counts among those of its user, too, for tokens whose provider session is not known.
        let of_user = session.kept.subject.clone().map(Bond::Subject);
        let of_user = of_user.map(|bond| TokenGroup { bond, ..group.clone() }).filter(|it| *it != group);
        let names: Vec<_> = [Some(group), of_user].iter().flatten().map(|it| self.owed_name(it)).collect();
        self.tasks.spawn(async move {
            for name in names {
                sessions.settle(&name, true).await;
            }
        });
    }

    /// Looks after what is due, for as long as this is waited for.
    pub(crate) async fn keep_revoking(self: Arc<Self>) {
        let round = (self.revocation_delay / 4).clamp(SHORTEST_ROUND, LONGEST_ROUND);
        let mut rounds = tokio::time::interval_at(Instant::now() + round, round);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            // In a task: a shutdown lets it finish what it has claimed.
            let sessions = Arc::clone(&self);
            let work = self.tasks.spawn(async move { sessions.revoke_what_is_due().await });
            if let Ok(Err(error)) = work.await {
                tracing::debug!(%error, "what is to be revoked could not be looked up");
            }
        }
    }

    /// One round.
    pub(super) async fn revoke_what_is_due(self: &Arc<Self>) -> Result<(), StoreError> {
        loop {
            let due = self.store.owed(self.clock.now(), BATCH).await?;
            let found = due.len();
            let work = futures_util::stream::iter(due);
            work.for_each_concurrent(AT_ONCE, async |name| self.settle(&name, false).await).await;
            if found < BATCH {
                return Ok(());
            }
        }
    }

    /// Decides about a group, and revokes its tokens if no session of it lives.
    async fn settle(&self, name: &OwedName, called: bool) {
        let mut called = called;
        loop {
            match self.settle_once(name, called).await {
                Ok(true) => called = false,
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "what is to be revoked could not be settled yet");
                    return;
                }
            }
        }
    }

    /// Whether there is more to do at once.
    async fn settle_once(&self, name: &OwedName, called: bool) -> Result<bool, SessionError> {
        let mut owner = TokenId::default();
        self.entropy.fill(&mut owner)?;
        let now = self.clock.now();
        let claim = |owed: &mut Owed| {
            if called {
                owed.call(now);
            }
            match owed.claim(owner, now, LEASE) {
                true => Change::Written(Some(owed.clone())),
                false if called => Change::Written(None),
                false => Change::AsItWas(None),
            }
        };
        let began = Instant::now();
        let owed = match self.change_owed(name, None, claim).await? {
            Some(Some(owed)) => owed,
            Some(None) => return Ok(false),
            None => {
                // It has ended with its time: nothing may be left of it where what is due is looked up.
                if !called {
                    self.store.write_owed(name, None, None).await?;
                }
                return Ok(false);
            }
        };
        if let Some(until) = self.lives_until(&owed.group).await? {
            let now = self.clock.now();
            let wait = |owed: &mut Owed| Change::Written(owed.wait(owner, until, now));
            return Ok(self.change_owed(name, None, wait).await?.unwrap_or(false));
        }
        let mut attempts = Vec::new();
        for token in &owed.tokens {
            if began.elapsed() > WORKING_TIME {
                break;
            }
            let outcome = self.revoke(&owed.group, token).await.map_err(|error| error.retry_after);
            attempts.push(Attempt { token: token.token.clone(), outcome });
        }
        let now = self.clock.now();
        let note = |owed: &mut Owed| Change::Written(owed.tried(owner, &attempts, now));
        let (goes_on, given_up) = self.change_owed(name, None, note).await?.unwrap_or_default();
        if given_up > 0 {
            tracing::error!(
                event = "revocation_failed",
                given_up,
                client = owed.group.client,
                issuer = owed.group.issuer,
                "tokens could not be revoked; they stay valid at the provider until they expire"
            );
        }
        Ok(goes_on)
    }

    async fn revoke(&self, group: &TokenGroup, token: &OwedToken) -> Result<(), ProviderError> {
        let outcome = match self.clients.of_group(group) {
            Some(client) => self.server.revoke(&client.name, &token.token, token.proof_key.as_ref()).await,
            None => Err(ProviderError::refused("its client is not configured any more")),
        };
        match &outcome {
            Ok(()) => tracing::debug!(event = "token_revoked", client = group.client, "a token was revoked"),
            Err(error) => tracing::warn!(
                %error,
                event = "revocation_failed",
                client = group.client,
                issuer = group.issuer,
                "a token could not be revoked"
            ),
        }
        outcome
    }

    /// Until when a session of the group lives, if one does; when to look again.
    async fn lives_until(&self, group: &TokenGroup) -> Result<Option<UnixSeconds>, StoreError> {
        for index in self.indexes.of_group(group) {
            for member in self.store.enlisted(&index).await? {
                let now = self.clock.now();
                let Some(record) = self.store.read(&member.key).await? else {
                    // A login may be about to store it.
                    if now < member.since.plus(BEING_STORED) {
                        return Ok(Some(member.since.plus(BEING_STORED)));
                    }
                    continue;
                };
                match self.codec.decode(&member.key, &record.value) {
                    // A newer replica may be able to read it.
                    Err(_) => return Ok(Some(now.plus(self.revocation_delay))),
                    Ok(session) if group.has(&session.kept, self.client_name(&session)) => {
                        let end = session.live.end(self.lifetimes.idle);
                        if now < end {
                            return Ok(Some(end));
                        }
                    }
                    Ok(_) => {}
                }
            }
        }
        Ok(None)
    }

    /// The group of a session.
    pub(super) fn group_of(&self, session: &Session) -> TokenGroup {
        TokenGroup::of(&session.kept, self.client_name(session))
    }

    /// Older sessions have the `clientId` where others have the client's name.
    fn client_name<'a>(&'a self, session: &'a Session) -> &'a str {
        self.clients.of_session(&session.kept).map_or(&session.kept.client, |client| &client.name)
    }

    fn owed_name(&self, group: &TokenGroup) -> OwedName {
        OwedName(self.indexes.owed_name(group))
    }

    /// Changes a record by compare-and-swap. `None` if there is none, and no group to make one for.
    async fn change_owed<T>(
        &self,
        name: &OwedName,
        group: Option<&TokenGroup>,
        mut change: impl FnMut(&mut Owed) -> Change<T>,
    ) -> Result<Option<T>, StoreError> {
        for _ in 0..CHANGE_ATTEMPTS {
            let stored = self.store.read_owed(name).await?;
            let found = match &stored {
                Some(record) => match self.codec.decode_owed(name, &record.value) {
                    Ok(owed) => Some(owed),
                    Err(error) if group.is_none() => {
                        tracing::warn!(%error, event = "owed_unreadable", "what is to be revoked cannot be read");
                        self.look_later(name, record).await?;
                        return Ok(None);
                    }
                    Err(_) => None,
                },
                None => None,
            };
            let Some(mut owed) = found.or_else(|| group.cloned().map(Owed::nothing)) else {
                return Ok(None);
            };
            let outcome = match change(&mut owed) {
                Change::AsItWas(outcome) => return Ok(Some(outcome)),
                Change::Written(outcome) => outcome,
            };
            let expected = stored.map(|it| it.version);
            if owed.is_settled() {
                if self.store.write_owed(name, expected, None).await? {
                    return Ok(Some(outcome));
                }
                continue;
            }
            let value = self.codec.encode_owed(name, &owed, &*self.entropy).map_err(StoreError::new)?;
            let write =
                OwedWrite { version: self.random_version()?, value: &value, due: owed.due(), ttl: TTL };
            if self.store.write_owed(name, expected, Some(write)).await? {
                return Ok(Some(outcome));
            }
        }
        Err(StoreError::new("others change what is to be revoked all the time"))
    }

    async fn look_later(&self, name: &OwedName, record: &StoredRecord) -> Result<(), StoreError> {
        let due = self.clock.now().plus(UNREADABLE_PAUSE);
        let write = OwedWrite {
            version: self.random_version()?,
            value: &record.value,
            due,
            ttl: UNREADABLE_PAUSE * 24,
        };
        self.store.write_owed(name, Some(record.version), Some(write)).await.map(drop)
    }

    fn random_version(&self) -> Result<Version, StoreError> {
        let mut version = [0; 8];
        self.entropy.fill(&mut version).map_err(StoreError::new)?;
        Ok(Version(u64::from_be_bytes(version)))
    }
}

/// Why tokens were not set aside.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetAsideError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// See [`MAX_TOKENS`](crate::domain::revocation::MAX_TOKENS).
    #[error("too many tokens of this group are set aside")]
    TooMany,
}

/// Part of the session's name in the store, which is a hash.
fn token_id(key: &SessionKey) -> TokenId {
    let mut id = TokenId::default();
    for (to, from) in id.iter_mut().zip(key.as_str().bytes()) {
        *to = from;
    }
    id
}

#[cfg(test)]
mod tests;
