//! The embedded session store: one process, no Redis.
//!
//! Sessions live in a `redb` file, and so survive a restart, or in memory. Refresh leases live in
//! memory in either case: no other process could hold one.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use redb::{
    Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, backends::InMemoryBackend,
};

use crate::{
    domain::{
        session_id::SessionKey,
        session_index::{IndexName, Member},
        time::UnixSeconds,
    },
    ports::{
        Clock, LeaseOwner, Marker, OwedName, OwedWrite, ReplaceOutcome, SessionStore, StoreError,
        StoredRecord, Version,
    },
};

/// Expiry and version in front of each value.
const SESSIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sessions");
const MARKERS: TableDefinition<'_, &str, u64> = TableDefinition::new("markers");
/// What expires when, so that sweeping does not read every session.
const EXPIRY: TableDefinition<'_, (u64, u8, &str), ()> = TableDefinition::new("expiry");
/// Which sessions an index has, and until when.
const MEMBERS: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("members");
/// What is to be revoked, as sessions are kept,
const OWED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("owed");
/// and when somebody should look at it. Each name is there once.
const OWED_DUE: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("owed-due");
/// Where it is there.
const OWED_PLACES: TableDefinition<'_, &str, u64> = TableDefinition::new("owed-places");
const KIND_SESSION: u8 = 0;
const KIND_MARKER: u8 = 1;
const KIND_MEMBER: u8 = 2;
const KIND_OWED: u8 = 3;

/// In neither index names nor session keys.
const SEPARATOR: char = '\n';
/// After every session key, which are base64url.
const LAST: &str = "\u{7f}";

const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
const SWEEP_BATCH: usize = 10_000;
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Why the embedded store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the file open.
    #[error(
        "the session file {} is in use by another process; the embedded store serves one process. Stop the \
         other one, give this one another path, or use Redis",
        .0.display()
    )]
    InUse(PathBuf),
    /// The file cannot be created, read or understood.
    #[error("the session file {} cannot be opened: {reason}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What the system or the database says.
        reason: String,
    },
}

/// See the [module](self).
pub struct EmbeddedStore {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` between a failure of the disk and the next attempt to open the file again.
    database: RwLock<Option<Database>>,
    file: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    leases: Mutex<HashMap<SessionKey, (LeaseOwner, UnixSeconds)>>,
}

impl EmbeddedStore {
    /// Opens or creates a file. Its folder is created if it is missing.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let unusable = |reason: &dyn std::fmt::Display| OpenError::Unusable {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| unusable(&error))?;
        }
        create_private(path).map_err(|error| unusable(&error))?;
        let database = open_file(path).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(path.to_owned()),
            other => unusable(&other),
        })?;
        Ok(Self::over(database, Some(path.to_owned()), clock))
    }

    /// Keeps everything in memory; a restart logs everybody out.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(InMemoryBackend::new())
            .map_err(StoreError::new)?;
        Ok(Self::over(database, None, clock))
    }

    fn over(database: Database, file: Option<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        let database = RwLock::new(Some(database));
        Self { shared: Arc::new(Shared { database, file, clock, leases: Mutex::default() }) }
    }

    /// Removes what has expired, for as long as the store is in use.
    pub async fn sweep_forever(&self) {
        let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // One batch after the other: whatever comes in can also go out.
            loop {
                match self.blocking(Shared::sweep).await {
                    Ok(SWEEP_BATCH) => tokio::task::yield_now().await,
                    Ok(removed) => {
                        tracing::trace!(removed, "swept expired records");
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "expired records could not be swept");
                        break;
                    }
                }
            }
        }
    }

    /// Commits wait for the disk; they do not hold up the other requests of their thread meanwhile.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || work(&shared))
            .await
            .map_err(StoreError::new)?
            .map_err(StoreError::new)
    }
}

fn open_file(path: &Path) -> Result<Database, redb::DatabaseError> {
    Database::builder().set_cache_size(CACHE_BYTES).create(path)
}

/// The file holds sealed tokens and who is logged in: nobody else's business.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let file = options.open(path)?;
    #[cfg(unix)]
    tighten(path, &file);
    Ok(())
}

/// A file that was there already may be open to others: restored from a backup, say, or made by a copy.
#[cfg(unix)]
fn tighten(path: &Path, file: &std::fs::File) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(mode) = file.metadata().map(|it| it.permissions().mode() & 0o777) else { return };
    let own = mode & 0o700;
    if mode == own {
        return;
    }
    let path = path.display();
    match file.set_permissions(std::fs::Permissions::from_mode(own)) {
        Ok(()) => tracing::warn!(
            %path, event = "store_file_tightened",
            "the session file was open to others (mode {mode:04o}); it is its owner's alone now"
        ),
        Err(error) => tracing::warn!(
            %path, %error, event = "store_file_open_to_others",
            "the session file is open to others (mode {mode:04o}), and its mode cannot be changed; make it 0600"
        ),
    }
}

/// A session's value as stored: when it expires, which write it is, and the record.
struct Row<'a> {
    expires_at: UnixSeconds,
    version: Version,
    value: &'a [u8],
}

impl<'a> Row<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (expires_at, rest) = bytes.split_first_chunk::<8>()?;
        let (version, value) = rest.split_first_chunk::<8>()?;
        Some(Self {
            expires_at: UnixSeconds::new(u64::from_be_bytes(*expires_at)),
            version: Version(u64::from_be_bytes(*version)),
            value,
        })
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + self.value.len());
        bytes.extend_from_slice(&self.expires_at.get().to_be_bytes());
        bytes.extend_from_slice(&self.version.0.to_be_bytes());
        bytes.extend_from_slice(self.value);
        bytes
    }
}

/// An [`OwedWrite`] that a thread can keep.
struct Owed {
    version: Version,
    value: Vec<u8>,
    due: UnixSeconds,
    ttl: Duration,
}

impl Shared {
    /// Runs a piece of work on the database. After a failure of the disk the database refuses everything
    /// until it is opened anew; a disk that has room again is used again.
    fn with<T>(&self, work: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, redb::Error> {
        {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            match database.as_ref().map(&work) {
                Some(Err(redb::Error::PreviousIo)) | None => {}
                Some(outcome) => return outcome,
            }
        }
        let Some(file) = &self.file else { return Err(redb::Error::PreviousIo) };
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have opened it while we waited.
        match database.as_ref().map(&work) {
            Some(Err(redb::Error::PreviousIo)) | None => {}
            Some(outcome) => return outcome,
        }
        // The old handle holds the file's lock.
        *database = None;
        let reopened = open_file(file)?;
        tracing::info!(file = %file.display(), "the session file was opened again after a disk failure");
        work(database.insert(reopened))
    }

    fn read(&self, key: &str) -> Result<Option<StoredRecord>, redb::Error> {
        self.with(|database| self.read_in(database, key))
    }

    fn read_in(&self, database: &Database, key: &str) -> Result<Option<StoredRecord>, redb::Error> {
        let transaction = database.begin_read()?;
        let table = match transaction.open_table(SESSIONS) {
            // Nothing was ever written.
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            table => table?,
        };
        let Some(stored) = table.get(key)? else { return Ok(None) };
        Ok(Row::read(stored.value()).filter(|row| row.expires_at > self.clock.now()).map(|row| {
            StoredRecord { version: row.version, value: bytes::Bytes::copy_from_slice(row.value) }
        }))
    }

    fn write(
        &self,
        key: &str,
        expected: Option<Version>,
        value: &[u8],
        ttl: Duration,
    ) -> Result<ReplaceOutcome, redb::Error> {
        self.with(|database| self.write_in(database, key, expected, value, ttl))
    }

    fn write_in(
        &self,
        database: &Database,
        key: &str,
        expected: Option<Version>,
        value: &[u8],
        ttl: Duration,
    ) -> Result<ReplaceOutcome, redb::Error> {
        let now = self.clock.now();
        let transaction = database.begin_write()?;
        {
            let mut sessions = transaction.open_table(SESSIONS)?;
            let mut expiry = transaction.open_table(EXPIRY)?;
            let previous = sessions
                .get(key)?
                .and_then(|stored| Row::read(stored.value()).map(|row| (row.version, row.expires_at)));
            let version = match (expected, previous) {
                (Some(_), None) => return Ok(ReplaceOutcome::Gone),
                (Some(_), Some((_, expires_at))) if expires_at <= now => return Ok(ReplaceOutcome::Gone),
                (Some(expected), Some((version, _))) if version != expected => {
                    return Ok(ReplaceOutcome::Stale);
                }
                (_, previous) => Version(previous.map_or(0, |(version, _)| version.0).wrapping_add(1)),
            };
            if let Some((_, expires_at)) = previous {
                expiry.remove((expires_at.get(), KIND_SESSION, key))?;
            }
            let row = Row { expires_at: now.plus(ttl), version, value };
            sessions.insert(key, row.write().as_slice())?;
            expiry.insert((row.expires_at.get(), KIND_SESSION, key), ())?;
        }
        transaction.commit()?;
        Ok(ReplaceOutcome::Replaced)
    }

    fn remove(&self, key: &str) -> Result<Option<StoredRecord>, redb::Error> {
        let removed = self.with(|database| remove_in(database, key))?;
        let now = self.clock.now();
        Ok(removed.filter(|(expires_at, _)| *expires_at > now).map(|(_, record)| record))
    }

    fn spend(&self, marker: &str, ttl: Duration) -> Result<bool, redb::Error> {
        self.with(|database| self.spend_in(database, marker, ttl))
    }

    fn is_spent(&self, marker: &str) -> Result<bool, redb::Error> {
        self.with(|database| {
            let table = match database.begin_read()?.open_table(MARKERS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(false),
                table => table?,
            };
            let until = table.get(marker)?.map(|it| it.value());
            Ok(until.is_some_and(|until| until > self.clock.now().get()))
        })
    }

    fn enlist(
        &self,
        index: &str,
        entry: &str,
        ttl: Duration,
        limit: usize,
    ) -> Result<Vec<Member>, redb::Error> {
        let now = self.clock.now();
        let until = now.plus(ttl).get();
        self.with(|database| {
            let transaction = database.begin_write()?;
            let evicted = {
                let mut members = transaction.open_table(MEMBERS)?;
                let mut expiry = transaction.open_table(EXPIRY)?;
                let previous = members.insert((index, entry), until)?.map(|it| it.value());
                if let Some(previous) = previous {
                    expiry.remove((previous, KIND_MEMBER, member(index, entry).as_str()))?;
                }
                expiry.insert((until, KIND_MEMBER, member(index, entry).as_str()), ())?;
                let mut all = Vec::new();
                // In the order of their ages.
                for found in members.range((index, "")..=(index, LAST))? {
                    let (name, until) = found?;
                    all.push((until.value(), name.value().1.to_owned()));
                }
                let (over, mut alive): (Vec<_>, Vec<_>) =
                    all.into_iter().partition(|(until, _)| *until <= now.get());
                let excess = alive.len().saturating_sub(limit);
                // Whoever comes in stays in.
                alive.retain(|(_, member)| member != entry);
                alive.truncate(excess);
                for (until, key) in over.iter().chain(&alive) {
                    members.remove((index, key.as_str()))?;
                    expiry.remove((*until, KIND_MEMBER, member(index, key).as_str()))?;
                }
                alive
            };
            transaction.commit()?;
            Ok(evicted.iter().filter_map(|(_, text)| Member::decode(text)).collect())
        })
    }

    fn delist(&self, index: &str, key: &str) -> Result<(), redb::Error> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            {
                let mut members = transaction.open_table(MEMBERS)?;
                let removed = members.remove((index, key))?.map(|it| it.value());
                if let Some(until) = removed {
                    transaction.open_table(EXPIRY)?.remove((
                        until,
                        KIND_MEMBER,
                        member(index, key).as_str(),
                    ))?;
                }
            }
            transaction.commit()?;
            Ok(())
        })
    }

    fn enlisted(&self, index: &str) -> Result<Vec<Member>, redb::Error> {
        let now = self.clock.now().get();
        self.with(|database| {
            let table = match database.begin_read()?.open_table(MEMBERS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table?,
            };
            let mut sessions = Vec::new();
            for entry in table.range((index, "")..=(index, LAST))? {
                let (name, until) = entry?;
                if until.value() > now {
                    sessions.extend(Member::decode(name.value().1));
                }
            }
            Ok(sessions)
        })
    }

    fn read_owed(&self, name: &str) -> Result<Option<StoredRecord>, redb::Error> {
        self.with(|database| {
            let table = match database.begin_read()?.open_table(OWED) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                table => table?,
            };
            let Some(stored) = table.get(name)? else { return Ok(None) };
            Ok(Row::read(stored.value()).filter(|row| row.expires_at > self.clock.now()).map(|row| {
                StoredRecord { version: row.version, value: bytes::Bytes::copy_from_slice(row.value) }
            }))
        })
    }

    fn write_owed(
        &self,
        name: &str,
        expected: Option<Version>,
        write: Option<&Owed>,
    ) -> Result<bool, redb::Error> {
        let now = self.clock.now();
        self.with(|database| {
            let transaction = database.begin_write()?;
            {
                let mut records = transaction.open_table(OWED)?;
                let mut due = transaction.open_table(OWED_DUE)?;
                let mut places = transaction.open_table(OWED_PLACES)?;
                let mut expiry = transaction.open_table(EXPIRY)?;
                let previous = records
                    .get(name)?
                    .and_then(|stored| Row::read(stored.value()).map(|row| (row.version, row.expires_at)));
                let found = previous.filter(|(_, expires_at)| *expires_at > now).map(|(version, _)| version);
                if found != expected {
                    return Ok(false);
                }
                if let Some((_, expires_at)) = previous {
                    expiry.remove((expires_at.get(), KIND_OWED, name))?;
                }
                let place = places.remove(name)?.map(|it| it.value());
                if let Some(place) = place {
                    due.remove((place, name))?;
                }
                match write {
                    None => drop(records.remove(name)?),
                    Some(Owed { version, value, due: at, ttl }) => {
                        let row = Row { expires_at: now.plus(*ttl), version: *version, value };
                        records.insert(name, row.write().as_slice())?;
                        expiry.insert((row.expires_at.get(), KIND_OWED, name), ())?;
                        due.insert((at.get(), name), ())?;
                        places.insert(name, at.get())?;
                    }
                }
            }
            transaction.commit()?;
            Ok(true)
        })
    }

    fn owed(&self, now: UnixSeconds, limit: usize) -> Result<Vec<OwedName>, redb::Error> {
        self.with(|database| {
            let table = match database.begin_read()?.open_table(OWED_DUE) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table?,
            };
            let range = table.range(..(now.get().saturating_add(1), ""))?;
            range.take(limit).map(|entry| Ok(OwedName(entry?.0.value().1.to_owned()))).collect()
        })
    }

    fn sweep(&self) -> Result<usize, redb::Error> {
        let now = self.clock.now();
        self.leases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, (_, expires_at)| *expires_at > now);
        self.with(|database| sweep_in(database, now))
    }

    fn spend_in(&self, database: &Database, marker: &str, ttl: Duration) -> Result<bool, redb::Error> {
        let now = self.clock.now();
        let expires_at = now.plus(ttl).get();
        let mut transaction = database.begin_write()?;
        // Anybody can cause a marker; it need not survive a crash, since codes are accepted once anyway.
        transaction.set_durability(redb::Durability::None)?;
        {
            let mut markers = transaction.open_table(MARKERS)?;
            let spent_until = markers.get(marker)?.map(|it| it.value());
            if spent_until.is_some_and(|until| until > now.get()) {
                return Ok(false);
            }
            let mut expiry = transaction.open_table(EXPIRY)?;
            if let Some(until) = spent_until {
                expiry.remove((until, KIND_MARKER, marker))?;
            }
            markers.insert(marker, expires_at)?;
            expiry.insert((expires_at, KIND_MARKER, marker), ())?;
        }
        transaction.commit()?;
        Ok(true)
    }
}

fn remove_in(database: &Database, key: &str) -> Result<Option<(UnixSeconds, StoredRecord)>, redb::Error> {
    let transaction = database.begin_write()?;
    let removed = {
        let mut sessions = transaction.open_table(SESSIONS)?;
        let removed = sessions.remove(key)?.and_then(|it| {
            let row = Row::read(it.value())?;
            let value = bytes::Bytes::copy_from_slice(row.value);
            Some((row.expires_at, StoredRecord { version: row.version, value }))
        });
        if let Some((expires_at, _)) = &removed {
            transaction.open_table(EXPIRY)?.remove((expires_at.get(), KIND_SESSION, key))?;
        }
        removed
    };
    transaction.commit()?;
    Ok(removed)
}

/// An index and a member as one key of the expiry table.
fn member(index: &str, key: &str) -> String {
    format!("{index}{SEPARATOR}{key}")
}

fn sweep_in(database: &Database, now: UnixSeconds) -> Result<usize, redb::Error> {
    let transaction = database.begin_write()?;
    let swept = {
        let mut expiry = transaction.open_table(EXPIRY)?;
        let due: Vec<(u64, u8, String)> = expiry
            .range(..(now.get().saturating_add(1), 0, ""))?
            .take(SWEEP_BATCH)
            .map(|entry| {
                let (key, _) = entry?;
                let (at, kind, key) = key.value();
                Ok((at, kind, key.to_owned()))
            })
            .collect::<Result<_, redb::StorageError>>()?;
        let mut sessions = transaction.open_table(SESSIONS)?;
        let mut markers = transaction.open_table(MARKERS)?;
        let mut members = transaction.open_table(MEMBERS)?;
        let mut owed = transaction.open_table(OWED)?;
        for (at, kind, key) in &due {
            expiry.remove((*at, *kind, key.as_str()))?;
            match *kind {
                KIND_SESSION => drop(sessions.remove(key.as_str())?),
                KIND_MARKER => drop(markers.remove(key.as_str())?),
                // Its place among those that are due goes when somebody looks at it.
                KIND_OWED => drop(owed.remove(key.as_str())?),
                _ => {
                    if let Some(member) = key.split_once(SEPARATOR) {
                        members.remove(member)?;
                    }
                }
            }
        }
        due.len()
    };
    transaction.commit()?;
    Ok(swept)
}

#[async_trait]
impl SessionStore for EmbeddedStore {
    async fn read(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        // No commit, no fsync: reading from the cache takes microseconds and stays on this thread.
        self.shared.read(key.as_str()).map_err(StoreError::new)
    }

    async fn insert(&self, key: &SessionKey, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        let (key, value) = (key.clone(), value.to_vec());
        self.blocking(move |it| it.write(key.as_str(), None, &value, ttl)).await.map(drop)
    }

    async fn replace(
        &self,
        key: &SessionKey,
        expected: Version,
        value: &[u8],
        ttl: Duration,
    ) -> Result<ReplaceOutcome, StoreError> {
        let (key, value) = (key.clone(), value.to_vec());
        self.blocking(move |it| it.write(key.as_str(), Some(expected), &value, ttl)).await
    }

    async fn remove(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        let key = key.clone();
        self.blocking(move |it| it.remove(key.as_str())).await
    }

    async fn spend(&self, marker: &Marker, ttl: Duration) -> Result<bool, StoreError> {
        let marker = marker.0.clone();
        self.blocking(move |it| it.spend(&marker, ttl)).await
    }

    async fn is_spent(&self, marker: &Marker) -> Result<bool, StoreError> {
        self.shared.is_spent(&marker.0).map_err(StoreError::new)
    }

    async fn enlist(
        &self,
        index: &IndexName,
        member: &Member,
        ttl: Duration,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        let (index, member) = (index.0.clone(), member.encode());
        self.blocking(move |it| it.enlist(&index, &member, ttl, limit)).await
    }

    async fn delist(&self, index: &IndexName, member: &Member) -> Result<(), StoreError> {
        let (index, member) = (index.0.clone(), member.encode());
        self.blocking(move |it| it.delist(&index, &member)).await
    }

    async fn enlisted(&self, index: &IndexName) -> Result<Vec<Member>, StoreError> {
        let index = index.0.clone();
        self.blocking(move |it| it.enlisted(&index)).await
    }

    async fn acquire(
        &self,
        key: &SessionKey,
        owner: &LeaseOwner,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let now = self.shared.clock.now();
        let mut leases = self.shared.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.get(key).is_some_and(|(_, expires_at)| *expires_at > now) {
            return Ok(false);
        }
        leases.insert(key.clone(), (owner.clone(), now.plus(lease)));
        Ok(true)
    }

    async fn renew(&self, key: &SessionKey, owner: &LeaseOwner, lease: Duration) -> Result<bool, StoreError> {
        let now = self.shared.clock.now();
        let mut leases = self.shared.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let held = leases.get_mut(key).filter(|(holder, expires_at)| holder == owner && *expires_at > now);
        Ok(held.map(|(_, expires_at)| *expires_at = now.plus(lease)).is_some())
    }

    async fn release(&self, key: &SessionKey, owner: &LeaseOwner) -> Result<(), StoreError> {
        let mut leases = self.shared.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.get(key).is_some_and(|(holder, _)| holder == owner) {
            leases.remove(key);
        }
        Ok(())
    }

    async fn read_owed(&self, name: &OwedName) -> Result<Option<StoredRecord>, StoreError> {
        self.shared.read_owed(&name.0).map_err(StoreError::new)
    }

    async fn write_owed(
        &self,
        name: &OwedName,
        expected: Option<Version>,
        write: Option<OwedWrite<'_>>,
    ) -> Result<bool, StoreError> {
        let name = name.0.clone();
        let write =
            write.map(|it| Owed { version: it.version, value: it.value.to_vec(), due: it.due, ttl: it.ttl });
        self.blocking(move |it| it.write_owed(&name, expected, write.as_ref())).await
    }

    async fn owed(&self, now: UnixSeconds, limit: usize) -> Result<Vec<OwedName>, StoreError> {
        self.shared.owed(now, limit).map_err(StoreError::new)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.shared.with(|database| Ok(database.begin_read().map(drop)?)).map_err(StoreError::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{adapters::SystemClock, ports::contract_tests};

    #[tokio::test]
    async fn the_store_in_memory_keeps_the_contract() {
        let clock = Arc::new(contract_tests::ManualClock::default());
        let store = EmbeddedStore::in_memory(clock.clone()).unwrap();
        contract_tests::run(Arc::new(store), clock).await;
    }

    #[tokio::test]
    async fn the_store_in_a_file_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(contract_tests::ManualClock::default());
        let store = EmbeddedStore::open(&folder.path().join("sessions.redb"), clock.clone()).unwrap();
        contract_tests::run(Arc::new(store), clock).await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn sec_200_a_file_that_was_open_to_others_is_tightened() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.redb");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        for (open, expected) in
            [(0o644, 0o600), (0o666, 0o600), (0o640, 0o600), (0o604, 0o600), (0o600, 0o600)]
        {
            drop(EmbeddedStore::open(&path, Arc::new(SystemClock)).unwrap());
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(open)).unwrap();
            let store = EmbeddedStore::open(&path, Arc::new(SystemClock)).unwrap();
            assert_eq!(mode(), expected, "{open:04o}");
            store.insert(&contract_tests::key(1), b"value", Duration::from_mins(1)).await.unwrap();
            assert_eq!(mode(), expected, "{open:04o}");
        }
    }

    #[tokio::test]
    async fn sessions_in_a_file_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/sessions.redb");
        let key = contract_tests::key(1);
        let store = EmbeddedStore::open(&path, Arc::new(SystemClock)).unwrap();
        store.insert(&key, b"value", Duration::from_mins(1)).await.unwrap();
        assert!(matches!(EmbeddedStore::open(&path, Arc::new(SystemClock)), Err(OpenError::InUse(_))));
        drop(store);
        let store = EmbeddedStore::open(&path, Arc::new(SystemClock)).unwrap();
        assert_eq!(store.read(&key).await.unwrap().unwrap().value, "value");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn sec_055_expired_records_are_swept() {
        let clock = Arc::new(contract_tests::ManualClock::default());
        let store = EmbeddedStore::in_memory(clock.clone()).unwrap();
        for seed in 0..5 {
            store.insert(&contract_tests::key(seed), b"v", Duration::from_secs(10)).await.unwrap();
        }
        store.spend(&Marker("m".into()), Duration::from_secs(10)).await.unwrap();
        assert_eq!(store.blocking(Shared::sweep).await.unwrap(), 0);
        clock.advance(11);
        assert_eq!(store.blocking(Shared::sweep).await.unwrap(), 6);
        assert_eq!(store.blocking(Shared::sweep).await.unwrap(), 0);
    }

    #[test]
    fn a_file_that_is_no_database_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "not a database, but long enough to be looked at").unwrap();
        let error = EmbeddedStore::open(&path, Arc::new(SystemClock)).err().unwrap().to_string();
        assert!(error.contains("notes.txt"), "{error}");
    }
}
