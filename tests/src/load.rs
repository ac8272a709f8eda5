//! Many users at once, while things go wrong.

use crate::{Answer, Gateway, LoggedIn, wait};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use url::Url;

/// A pause after each request of a worker, so that the load leaves a core for what is tested.
const PAUSE: Duration = Duration::from_millis(10);

/// Requests that go on until they are told to end.
pub struct Load {
    shared: Arc<Shared>,
    workers: JoinSet<()>,
}

struct Shared {
    gateway: Gateway,
    servers: Vec<Url>,
    users: Vec<LoggedIn>,
    ends: AtomicBool,
    observed: Mutex<Vec<Observation>>,
}

/// One request and what became of it.
pub struct Observation {
    /// Whose.
    pub user: LoggedIn,
    /// When it was sent.
    pub sent: Instant,
    /// How long it took.
    pub took: Duration,
    /// The answer; an error when there was none.
    pub answer: Result<Answer, String>,
}

impl Load {
    /// As many workers as given ask for the tokens of all users in turn, at all servers in turn.
    pub fn begin(workers: usize, servers: Vec<Url>, users: &[LoggedIn]) -> Self {
        let shared = Arc::new(Shared {
            gateway: Gateway::new(workers.div_ceil(50)),
            servers,
            users: users.to_vec(),
            ends: AtomicBool::new(false),
            observed: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for number in 0..workers {
            tasks.spawn(ask_on(Arc::clone(&shared), number));
        }
        Self { shared, workers: tasks }
    }

    /// How many requests have been answered with a token so far.
    pub fn served(&self) -> usize {
        let observed = self.shared.observed.lock().unwrap();
        observed.iter().filter(|one| one.is_served()).count()
    }

    /// Waits until at least this many more requests have been answered with a token.
    pub async fn serves_more(&self, requests: usize) {
        let goal = self.served() + requests;
        wait::until("the load is served", async || (self.served() >= goal).then_some(())).await;
    }

    /// Ends it, after the requests that are under way.
    pub async fn end(self) -> Observed {
        self.shared.ends.store(true, Ordering::Relaxed);
        let workers = self.workers.join_all();
        workers.await;
        Observed(std::mem::take(&mut self.shared.observed.lock().unwrap()))
    }
}

async fn ask_on(shared: Arc<Shared>, number: usize) {
    let mut turn = number;
    while !shared.ends.load(Ordering::Relaxed) {
        let user = &shared.users[turn % shared.users.len()];
        // Each round of the users meets the servers in another order.
        let server = &shared.servers[(turn + turn / shared.users.len()) % shared.servers.len()];
        let sent = Instant::now();
        let answer = shared.gateway.token(server, &user.cookie).await.map_err(|error| error.to_string());
        let observation = Observation { user: user.clone(), sent, took: sent.elapsed(), answer };
        shared.observed.lock().unwrap().push(observation);
        turn += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

impl Observation {
    fn is_served(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| answer.status == 200)
    }
}

impl std::fmt::Debug for Observation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} after {:?}: {:?}", self.user.subject, self.took, self.answer)
    }
}

/// Everything that a load saw.
pub struct Observed(pub Vec<Observation>);

impl Observed {
    /// Fails unless every answer was a token of the right user, or a 503 that says when to come back and
    /// touches no cookie. No answer at all is excused by `may_be_down` only.
    pub fn must_be_honest(&self, subject_of: impl Fn(&Answer) -> Option<String>, may_be_down: bool) {
        for one in &self.0 {
            match &one.answer {
                Ok(answer) if answer.status == 200 => {
                    assert_eq!(subject_of(answer).as_ref(), Some(&one.user.subject), "{one:?}");
                }
                Ok(answer) => {
                    assert_eq!(answer.status, 503, "{one:?}\n{self:?}");
                    assert!(!answer.header("retry-after").is_empty(), "{one:?}");
                }
                Err(_) => assert!(may_be_down, "{one:?}\n{self:?}"),
            }
            if let Ok(answer) = &one.answer {
                assert!(answer.set_cookies().is_empty(), "{one:?}");
            }
        }
    }

    /// Fails unless every answer was a token of the right user: there was no reason for anything else. No answer at
    /// all is excused by `may_be_down` only.
    pub fn must_be_served(&self, subject_of: impl Fn(&Answer) -> Option<String>, may_be_down: bool) {
        self.must_be_honest(subject_of, may_be_down);
        let refused: Vec<_> = self.0.iter().filter(|one| one.answer.is_ok() && !one.is_served()).collect();
        assert!(refused.is_empty(), "{} requests were refused, first {:?}", refused.len(), refused.first());
    }

    /// The requests that were sent after `moment` and not served.
    pub fn unserved_since(&self, moment: Instant) -> Vec<&Observation> {
        self.0.iter().filter(|one| one.sent > moment && !one.is_served()).collect()
    }

    /// The longest that anybody waited for an answer.
    pub fn longest_wait(&self) -> Duration {
        self.0.iter().map(|one| one.took).max().unwrap_or_default()
    }
}

impl std::fmt::Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut outcomes = BTreeMap::<String, usize>::new();
        for one in &self.0 {
            let outcome = match &one.answer {
                Ok(answer) => format!("{} {}", answer.status.as_u16(), answer.problem_code()),
                Err(_) => "no answer".to_owned(),
            };
            *outcomes.entry(outcome).or_default() += 1;
        }
        write!(f, "{} requests: {outcomes:?}, the longest took {:?}", self.0.len(), self.longest_wait())
    }
}

/// Every user sends this many requests, all of them under way at once, to the servers in turn.
pub async fn all_at_once(
    gateway: &Arc<Gateway>,
    servers: &[Url],
    users: &[LoggedIn],
    requests_each: usize,
) -> Vec<(LoggedIn, reqwest::Result<Answer>)> {
    let tasks = users.iter().flat_map(|user| {
        (0..requests_each).map(|turn| {
            let (gateway, server, user) =
                (Arc::clone(gateway), servers[turn % servers.len()].clone(), user.clone());
            tokio::spawn(async move {
                let answer = gateway.token(&server, &user.cookie).await;
                (user, answer)
            })
        })
    });
    let answers = join_all(tasks.collect::<Vec<_>>()).await;
    answers.into_iter().map(|answer| answer.expect("the task ends by itself")).collect()
}
