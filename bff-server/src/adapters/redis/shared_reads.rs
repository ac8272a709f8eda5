//! Reads that are wanted at the same time, asked for together.
//!
//! A command that goes through the client by itself costs several microseconds of its own: a queue, two wake-ups, often a
//! write to the socket. A busy server reads many sessions at once. One reader asks for all that are wanted when it is free,
//! and whoever comes while it waits for the answer goes with the next; a server with little to do asks for each at once.
//! That is a seventh of what a request costs here, and a fifth of what it costs Redis.
//!
//! What is asked together is answered together: nobody waits longer than for a command of his own, since what has waited
//! for an answer that did not come in time is not asked again.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use redis::{Cmd, ErrorKind, RedisError, Value, aio::ConnectionLike as _, cmd};
use tokio::sync::{mpsc, oneshot};

use super::{OPERATION_TIMEOUT, bounded, link::Link, stored};
use crate::ports::{StoreError, StoredRecord};

/// With more, the first would wait for the last.
const MOST_AT_ONCE: usize = 64;

/// Nobody will answer: the reader has gone, with the runtime that it ran in.
pub(super) struct NobodyReads;

type Answer = Result<Option<StoredRecord>, Arc<StoreError>>;

struct Wanted {
    redis_key: String,
    answer: oneshot::Sender<Answer>,
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
        reader.send(Wanted { redis_key, answer }).map_err(|_| NobodyReads)?;
        answered.await.map_err(|_| NobodyReads)
    }
}

/// Until nobody can want anything any more.
async fn read_on(link: Arc<Link>, mut wanted: mpsc::UnboundedReceiver<Wanted>) {
    let mut together = Vec::new();
    while wanted.recv_many(&mut together, MOST_AT_ONCE).await > 0 {
        // Who no longer waits is not asked for.
        together.retain(|one| !one.answer.is_closed());
        if together.is_empty() {
            continue;
        }
        let (began, command) = (Instant::now(), command(&together));
        let asked = bounded(&link, async |connection| {
            values(connection.req_packed_command(&command).await?, together.len())
        });
        match asked.await {
            Ok(values) => {
                for (one, value) in together.drain(..).zip(values) {
                    let record = stored(Ok(value)).map_err(|error| Arc::new(super::described(error)));
                    one.answer(record);
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                if began.elapsed() >= OPERATION_TIMEOUT {
                    while let Ok(one) = wanted.try_recv() {
                        together.push(one);
                    }
                }
                for one in together.drain(..) {
                    one.answer(Err(Arc::clone(&error)));
                }
            }
        }
    }
}

/// A record of another type is told as none: nothing could open it.
fn command(together: &[Wanted]) -> Cmd {
    let mut get = cmd("MGET");
    for one in together {
        get.arg(&one.redis_key);
    }
    get
}

/// As many as were asked for: with one too few, everybody after it would get another's.
fn values(answer: Value, expected: usize) -> Result<Vec<Value>, RedisError> {
    match answer {
        Value::Array(values) if values.len() == expected => Ok(values),
        Value::ServerError(error) => Err(error.into()),
        _ => {
            Err((ErrorKind::UnexpectedReturnType, "MGET has not answered as many values as it was asked for")
                .into())
        }
    }
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
