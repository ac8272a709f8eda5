//! Reads that are wanted at the same time, asked for together.
//!
//! A command that goes through the client by itself costs several microseconds of its own: a queue, two wake-ups, often a
//! write to the socket. A busy server reads many sessions at once. One reader asks for all that are wanted when it is free
//! (`MGET`), and whoever comes while it waits for the answer goes with the next; a server with little to do asks for each at
//! once. That is a sixth of what a request costs here, and a fifth of what it costs Redis.
//!
//! A Redis that is far away, or slow, is asked again before it has answered: nobody waits for another's round trip for
//! more than a few milliseconds. Where it does not answer at all, each is told so in the time that a command of its own
//! would take.

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::{Cmd, ErrorKind, RedisError, Value, aio::ConnectionLike as _};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    link::{Link, OPERATION_TIMEOUT, Repeat, unanswered},
    stored,
    way::Connection,
};
use crate::ports::{StoreError, StoredRecord};

/// With more, the first would wait for the last.
const MOST_AT_ONCE: usize = 256;
/// How long who comes later waits for each answer that is under way, and may go with the next. So there are few of them
/// whatever the distance: three at 20 ms, and 22 at a second. A busy Redis beside us answers sooner, so that one is enough.
const PATIENCE: Duration = Duration::from_millis(4);
/// More than there can be before the first is given up.
const MOST_UNDER_WAY: u32 = 40;

/// Nobody will answer: Redis takes no `MGET`, or the reader has gone with the runtime that it ran in.
pub(super) struct NobodyReads;

type Answer = Result<Option<StoredRecord>, Arc<StoreError>>;

struct Wanted {
    redis_key: String,
    answer: oneshot::Sender<Answer>,
}

/// Who waits to be asked for, and since when the reader knows it.
struct Waiting {
    one: Wanted,
    since: Instant,
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct SharedReads(OnceLock<mpsc::UnboundedSender<Wanted>>);

impl SharedReads {
    /// Reads one record. The reader starts with the first, in the runtime of whoever asks.
    pub(super) async fn read(&self, link: &Arc<Link>, redis_key: String) -> Result<Answer, NobodyReads> {
        let reader = self.0.get_or_init(|| {
            let (reader, wanted) = mpsc::unbounded_channel();
            tokio::spawn(read_on(Arc::clone(link), wanted));
            reader
        });
        let (answer, answered) = oneshot::channel();
        let wanted = Wanted { redis_key, answer };
        reader.send(wanted).map_err(|_| NobodyReads)?;
        answered.await.map_err(|_| NobodyReads)
    }
}

/// Redis answers one key at a time, and no others: a node of a Cluster, or an account without the right.
struct TakesOneAtATime;

/// Until nobody can want anything any more.
async fn read_on(link: Arc<Link>, mut wanted: mpsc::UnboundedReceiver<Wanted>) {
    let mut under_way = FuturesUnordered::new();
    let mut waiting = VecDeque::new();
    loop {
        // Whoever waits, waits for answers that are under way.
        let first = if under_way.is_empty() {
            let Some(one) = wanted.recv().await else { return };
            Some(one)
        } else {
            // Who comes meanwhile wakes nobody.
            let patience = PATIENCE * count(&under_way);
            if let Ok(Some(Err(TakesOneAtATime))) = tokio::time::timeout(patience, under_way.next()).await {
                tracing::warn!(
                    event = "redis_reads_apart",
                    "Redis refuses MGET, so each session is read by itself, which costs it more; \
                     a Cluster is to be configured as one, and an ACL user needs +@read"
                );
                // Whoever waits for an answer asks by himself.
                return;
            }
            None
        };
        let since = Instant::now();
        let come = first.into_iter().chain(std::iter::from_fn(|| wanted.try_recv().ok()));
        waiting.extend(come.map(|one| Waiting { one, since }));
        give_up(&mut waiting, since);
        if count(&under_way) < MOST_UNDER_WAY && !waiting.is_empty() {
            let together = waiting.drain(..waiting.len().min(MOST_AT_ONCE)).map(|it| it.one).collect();
            under_way.push(ask(&link, together));
        }
    }
}

fn count<T>(under_way: &FuturesUnordered<T>) -> u32 {
    u32::try_from(under_way.len()).unwrap_or(u32::MAX)
}

/// Who no longer waits is not asked for, and who has waited for too long is told so.
fn give_up(waiting: &mut VecDeque<Waiting>, now: Instant) {
    waiting.retain(|it| !it.one.answer.is_closed());
    while let Some(Waiting { one, .. }) =
        waiting.pop_front_if(|it| now.duration_since(it.since) >= OPERATION_TIMEOUT)
    {
        one.answer(Err(Arc::new(unanswered())));
    }
}

async fn ask(link: &Link, together: Vec<Wanted>) -> Result<(), TakesOneAtATime> {
    let command = command(&together);
    let (command, expected) = (&command, together.len());
    let operation = |mut connection: Connection| async move {
        match connection.req_packed_command(command).await.and_then(Value::extract_error) {
            Err(error) if matches!(error.code(), Some("CROSSSLOT" | "NOPERM")) => Ok(None),
            answer => values(answer?, expected).map(Some),
        }
    };
    let asked = link.repeatedly(Repeat::May, operation);
    match asked.await {
        Ok(Some(values)) => {
            for (one, value) in together.into_iter().zip(values) {
                one.answer(one_of(value));
            }
        }
        Ok(None) => return Err(TakesOneAtATime),
        Err(error) => {
            let error = Arc::new(error);
            for one in together {
                one.answer(Err(Arc::clone(&error)));
            }
        }
    }
    Ok(())
}

/// A record of another type is told as none: nothing could open it.
fn command(together: &[Wanted]) -> Cmd {
    const NAME: &str = "MGET";
    let bytes = together.iter().map(|one| one.redis_key.len()).sum::<usize>();
    let mut get = Cmd::with_capacity(1 + together.len(), NAME.len() + bytes);
    get.arg(NAME);
    for one in together {
        get.arg(&one.redis_key);
    }
    get
}

/// As many as were asked for: with one too few, everybody after it would get another's.
fn values(answer: Value, expected: usize) -> Result<Vec<Value>, RedisError> {
    match answer {
        Value::Array(values) if values.len() == expected => Ok(values),
        _ => {
            Err((ErrorKind::UnexpectedReturnType, "MGET has not answered as many values as it was asked for")
                .into())
        }
    }
}

/// A proxy may have got some of them, and not others: that is no word on whether there is a session.
fn one_of(value: Value) -> Answer {
    stored(value.extract_error()).map_err(|error| Arc::new(StoreError::new(format!("Redis: {error}"))))
}

impl Wanted {
    fn answer(self, answer: Answer) {
        // Who does not wait any more does not need it.
        self.answer.send(answer).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_066_an_error_in_place_of_one_value_is_no_word_on_whether_there_is_a_session() {
        let of = |answer: &[u8]| one_of(redis::parse_redis_value(answer).unwrap());
        assert!(of(b"$-1\r\n").unwrap().is_none());
        assert_eq!(of(b"$9\r\n00000000x\r\n").unwrap().unwrap().value, b"x"[..]);
        assert!(of(b"-WRONGTYPE Operation against a key\r\n").unwrap().unwrap().value.is_empty());
        for error in
            [&b"-ERR upstream failure\r\n"[..], b"-LOADING Redis is loading\r\n", b"-no upstream host\r\n"]
        {
            assert!(of(error).is_err(), "{}", String::from_utf8_lossy(error));
        }
    }

    #[test]
    fn sec_060_an_answer_of_another_length_answers_nobody() {
        let one = || Value::BulkString(b"12345678".to_vec());
        assert_eq!(values(Value::Array(vec![one(), Value::Nil]), 2).unwrap().len(), 2);
        for (answer, expected) in [
            (Value::Array(vec![one()]), 2),
            (Value::Array(vec![one(), one(), one()]), 2),
            (Value::Array(Vec::new()), 1),
            (Value::Nil, 1),
            (one(), 1),
            (Value::Okay, 1),
        ] {
            let error = values(answer.clone(), expected).unwrap_err();
            assert!(error.to_string().contains("MGET"), "{answer:?}: {error}");
        }
    }
}
