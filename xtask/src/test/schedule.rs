//! Which step runs when. One lane compiles while the other runs what has been compiled: the tests mostly wait, and
//! compiling never does.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Steps at a time.
const LANES: usize = 2;

/// What the schedule needs to know of a step.
pub(super) trait Task: Copy + PartialEq + Send + Sync + 'static {
    /// The steps that must have ended, passed or not, before this one starts.
    fn needs(self) -> &'static [Self];
    /// Whether it compiles in the workspace's target folder, which cargo lets only one command do at a time.
    fn compiles(self) -> bool;
}

/// Runs every task once, in their order where nothing else decides. `work` answers whether to go on with the others.
pub(super) fn run<T: Task>(tasks: &[T], work: impl Fn(T) -> bool + Sync) {
    let board = Board {
        state: Mutex::new(State { waiting: tasks.to_vec(), running: Vec::new(), stopped: false }),
        changed: Condvar::new(),
    };
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some(task) = board.take() {
                    let go_on = work(task);
                    board.ended(task, go_on);
                }
            });
        }
    });
}

struct Board<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: Vec<T>,
    running: Vec<T>,
    stopped: bool,
}

impl<T: Task> Board<T> {
    /// The next task, as soon as one may start; none when nothing is left to start.
    fn take(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.stopped || state.waiting.is_empty() {
                return None;
            }
            if let Some(place) = state.next() {
                let task = state.waiting.remove(place);
                state.running.push(task);
                return Some(task);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn ended(&self, task: T, go_on: bool) {
        let mut state = self.lock();
        state.running.retain(|it| *it != task);
        state.stopped |= !go_on;
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Task> State<T> {
    /// The first waiting task whose needs have ended, and that would not wait for another's compilation.
    fn next(&self) -> Option<usize> {
        let has_ended = |task: &T| !self.waiting.contains(task) && !self.running.contains(task);
        let compiler_is_taken = self.running.iter().any(|it| it.compiles());
        self.waiting
            .iter()
            .position(|task| task.needs().iter().all(has_ended) && !(task.compiles() && compiler_is_taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Demo {
        Lint,
        Build,
        Run,
        Site,
        Alone,
    }

    impl Task for Demo {
        fn needs(self) -> &'static [Self] {
            match self {
                Self::Run => &[Self::Build],
                _ => &[],
            }
        }

        fn compiles(self) -> bool {
            matches!(self, Self::Lint | Self::Build | Self::Site)
        }
    }

    const ALL: [Demo; 5] = [Demo::Lint, Demo::Build, Demo::Run, Demo::Site, Demo::Alone];

    fn state(waiting: &[Demo], running: &[Demo]) -> State<Demo> {
        State { waiting: waiting.to_vec(), running: running.to_vec(), stopped: false }
    }

    #[test]
    fn the_next_step_neither_competes_for_the_compiler_nor_starts_before_what_it_needs() {
        for (waiting, running, expected) in [
            (&ALL[..], &[][..], Some(Demo::Lint)),
            (&ALL[1..], &[Demo::Lint], Some(Demo::Alone)),
            (&[Demo::Build, Demo::Run], &[Demo::Lint], None),
            (&[Demo::Run, Demo::Site], &[Demo::Build], None),
            (&[Demo::Run, Demo::Site], &[], Some(Demo::Run)),
            // Where only some steps are named, what was not named counts as done.
            (&[Demo::Run], &[], Some(Demo::Run)),
            (&[], &[Demo::Run], None),
        ] {
            let state = state(waiting, running);
            let next = state.next().and_then(|place| state.waiting.get(place).copied());
            assert_eq!(next, expected, "waiting {waiting:?}, running {running:?}");
        }
    }

    #[test]
    fn every_step_runs_once_and_after_what_it_needs() {
        let ended = Mutex::new(Vec::new());
        run(&ALL, |task| {
            let needed = ended.lock().unwrap().clone();
            assert!(task.needs().iter().all(|it| needed.contains(it)), "{task:?} after {needed:?}");
            ended.lock().unwrap().push(task);
            true
        });
        let mut ended = ended.into_inner().unwrap();
        ended.sort_by_key(|task| ALL.iter().position(|it| it == task));
        assert_eq!(ended, ALL);
    }

    #[test]
    fn an_interruption_starts_nothing_more() {
        let started = Mutex::new(Vec::new());
        run(&[Demo::Build, Demo::Run, Demo::Site], |task| {
            started.lock().unwrap().push(task);
            false
        });
        assert_eq!(started.into_inner().unwrap(), [Demo::Build]);
    }
}
