//! What a login, a refresh and a logout do in Redis, done with keys of no importance: whether they could.
//!
//! A Redis may answer `PING` and take a `SET`, and yet let nobody log in: its account may not run scripts, say, or a managed
//! service forbids a command. The probe runs the operations themselves, so that it cannot forget one; where Redis refuses, each
//! command is tried by itself, so that all that are missing are named at once.

use std::time::Duration;

use redis::{RedisError, Value, cmd};

use super::{
    RedisStore,
    commands::{self, COMMANDS},
    link::Repeat,
};
use crate::{
    domain::{
        session_id::SessionKey,
        session_index::{IndexName, Member},
        time::UnixSeconds,
    },
    ports::{
        LeaseOwner, Marker, OwedName, OwedWrite, ReplaceOutcome, SessionStore as _, StoreError, Version,
    },
};

/// Whatever happens, nothing of a probe stays.
const GONE_AFTER: Duration = Duration::from_secs(5);

/// Where a probe writes, in the namespace.
pub(super) const PLACE: &str = "probe";

impl RedisStore {
    /// Does on `store`, which is this one with keys of no importance, what users need.
    pub(super) async fn probe(&self, store: &Self) -> Result<(), StoreError> {
        match store.rehearse().await {
            Ok(()) => Ok(()),
            Err(error) => Err(match self.missing(store).await {
                missing if missing.is_empty() => error,
                missing if missing.len() > COMMANDS.len() / 3 => StoreError::new(format!(
                    "Redis refuses {}, and so hardly anything that sessions need: what answers there may be a Sentinel, \
                     or an account without rights; it needs: {}",
                    missing.join(", "),
                    commands::rules(&self.namespace),
                )),
                missing => StoreError::new(format!(
                    "Redis refuses {}, without which users cannot log in, stay or log out; the ACL user needs: {}; where a \
                     service renames or forbids commands, take another one",
                    missing.join(", "),
                    commands::rules(&self.namespace),
                )),
            }),
        }
    }

    async fn rehearse(&self) -> Result<(), StoreError> {
        let odd = |what: &str| {
            StoreError::new(format!(
                "Redis has answered a probe wrongly ({what}): something between here and it changes what passes"
            ))
        };
        let check = |good: bool, what: &str| if good { Ok(()) } else { Err(odd(what)) };
        // Of this process alone: two replicas probe at the same time.
        let own = SessionKey::from_store(&self.probe_id).ok_or_else(|| odd("no key"))?;
        let value = b"probe";
        let login = async {
            // Only needed where Redis does not know a script, which may be in a year.
            let mut eval = cmd("EVAL");
            eval.arg("return 1").arg(1).arg(self.session_key(&own));
            self.run::<Value>(eval).await?;
            let marker = Marker(self.probe_id.clone());
            self.spend(&marker, GONE_AFTER).await?;
            check(self.is_spent(&marker).await?, "a marker is lost")?;
            let index = IndexName(self.probe_id.clone());
            let member = |since| Member { since: UnixSeconds::new(since), key: own.clone() };
            self.enlist(&index, &member(1), GONE_AFTER, 1).await?;
            self.enlist(&index, &member(2), GONE_AFTER, 1).await?;
            check(!self.enlisted(&index).await?.is_empty(), "an index is lost")?;
            self.delist(&index, &member(2)).await
        };
        let session = async {
            self.insert(&own, value, GONE_AFTER).await?;
            let read = self.read(&own).await?;
            check(read.is_some_and(|it| it.value == value[..]), "a record is lost")?;
            let owner = LeaseOwner([0; 16]);
            self.acquire(&own, &owner, GONE_AFTER).await?;
            self.renew(&own, &owner, GONE_AFTER).await?;
            let replaced = self.replace(&own, Version(1), value, GONE_AFTER).await?;
            check(replaced == ReplaceOutcome::Replaced, "a record was not replaced")?;
            self.release(&own, &owner).await?;
            check(self.remove(&own).await?.is_some(), "a record was not removed")
        };
        let logout = async {
            let name = OwedName(self.probe_id.clone());
            let write = OwedWrite { version: Version(1), value, ttl: GONE_AFTER, due: UnixSeconds::new(0) };
            check(self.write_owed(&name, None, Some(write)).await?, "what waits was not written")?;
            check(self.read_owed(&name).await?.is_some(), "what waits is lost")?;
            self.owed(UnixSeconds::new(0), 1).await?;
            check(self.write_owed(&name, Some(Version(1)), None).await?, "what waits was not removed")
        };
        let (login, session, logout) = tokio::join!(login, session, logout);
        login.and(session).and(logout)
    }

    /// The commands that sessions need and Redis refuses, whatever else it is asked.
    async fn missing(&self, store: &Self) -> Vec<String> {
        let mut missing = Vec::new();
        for command in COMMANDS {
            let Some(trial) = command.trial(&store.namespace) else { continue };
            let trial = &trial;
            let tried = |mut connection| async move {
                match trial.query_async::<Value>(&mut connection).await {
                    Err(error) if is_refusal(&error) => Ok(true),
                    Err(error) if error.is_io_error() => Err(error),
                    _ => Ok(false),
                }
            };
            match self.link.repeatedly(Repeat::MustNot, tried).await {
                Ok(true) => missing.push(command.name.to_ascii_uppercase()),
                Ok(false) => {}
                // Then it is not about commands.
                Err(_) => return Vec::new(),
            }
        }
        missing
    }
}

fn is_refusal(error: &RedisError) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    // Not the right to a key, which is no command's fault.
    (error.code() == Some("NOPERM") && !text.contains("key"))
        || text.contains("unknown command")
        || text.contains("unsupported command")
}
