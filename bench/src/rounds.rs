//! Contenders in turn. Whatever else the machine does in the meantime, it does to all of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    load::{self, Asked, Outcome},
    report::Figure,
    usage::{self, Used},
};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How often all of them are measured.
    pub(crate) rounds: usize,
    /// How long each is measured in a round.
    pub(crate) turn: Duration,
    /// Whether it is only to be seen that everything works.
    pub(crate) quick: bool,
}

/// Somebody who answers requests.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) asked: Asked,
    /// The processes whose time is charged to it.
    pub(crate) processes: Vec<u32>,
    /// Those whose time is shown apart.
    pub(crate) beside: Vec<u32>,
}

/// One turn of one contender.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) outcome: Outcome,
    /// Seconds of processor time.
    pub(crate) cpu: f64,
    /// The same of the processes beside.
    pub(crate) cpu_beside: f64,
}

impl Turn {
    /// Requests per second of processor time.
    #[allow(clippy::cast_precision_loss, reason = "nobody counts that far")]
    pub(crate) fn per_cpu_second(&self) -> f64 {
        self.outcome.requests as f64 / self.cpu
    }

    /// Processor time per request, in microseconds.
    pub(crate) fn microseconds(&self) -> f64 {
        1e6 / self.per_cpu_second()
    }

    #[allow(clippy::cast_precision_loss, reason = "nobody counts that far")]
    fn microseconds_beside(&self) -> f64 {
        1e6 * self.cpu_beside / self.outcome.requests as f64
    }

    /// Processor time per request, that of the processes beside included.
    #[allow(clippy::cast_precision_loss, reason = "nobody counts that far")]
    pub(crate) fn microseconds_with_beside(&self) -> f64 {
        1e6 * (self.cpu + self.cpu_beside) / self.outcome.requests as f64
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "requests": self.outcome.requests,
            "seconds": self.outcome.elapsed.as_secs_f64(),
            "requests_per_second": self.outcome.rate(),
            "requests_per_cpu_second": self.per_cpu_second(),
            "cpu_microseconds_per_request": self.microseconds(),
            "cpu_microseconds_per_request_beside": self.microseconds_beside(),
            "latency_ms": {
                "p50": self.outcome.milliseconds(50.0),
                "p90": self.outcome.milliseconds(90.0),
                "p99": self.outcome.milliseconds(99.0),
                "p99.9": self.outcome.milliseconds(99.9),
            },
        })
    }
}

/// All turns of one contender.
pub(crate) struct Turns {
    pub(crate) name: String,
    pub(crate) turns: Vec<Turn>,
}

impl Turns {
    /// Processor time per request.
    pub(crate) fn cost(&self) -> Figure {
        self.figure(Turn::microseconds, "µs", 1)
    }

    /// Processor time per request of the processes beside.
    pub(crate) fn cost_beside(&self) -> Figure {
        self.figure(Turn::microseconds_beside, "µs", 1)
    }

    /// The figure that `of` takes of each turn.
    pub(crate) fn figure(&self, of: impl Fn(&Turn) -> f64, unit: &'static str, decimals: usize) -> Figure {
        Figure::median_of(&self.turns.iter().map(of).collect::<Vec<_>>(), unit, decimals)
    }

    /// For the table: processor time per request, and that of the processes beside.
    pub(crate) fn show(&self) -> String {
        let beside = self.cost_beside();
        if beside.value > 0.0 {
            format!("{:.1} µs + {:.1}", self.cost().value, beside.value)
        } else {
            format!("{:.1} µs", self.cost().value)
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "name": self.name, "turns": self.turns.iter().map(Turn::json).collect::<Vec<_>>() })
    }

    /// Requests per second of processor time, in relation to those of `other` in the same round.
    pub(crate) fn relative_to(&self, other: &Self) -> Figure {
        let ratios: Vec<f64> = self
            .turns
            .iter()
            .zip(&other.turns)
            .map(|(ours, theirs)| ours.per_cpu_second() / theirs.per_cpu_second())
            .collect();
        Figure::median_of(&ratios, "×", 2)
    }
}

/// As many requests at once as saturate two cores, with little to queue.
pub(crate) const CONNECTIONS: usize = 32;

/// Measures the contenders in turn, a slice each and again.
pub(crate) async fn in_turn(effort: Effort, contenders: &[Contender]) -> Vec<Turns> {
    let mut all: Vec<Turns> =
        contenders.iter().map(|it| Turns { name: it.name.clone(), turns: Vec::new() }).collect();
    for round in 0..effort.rounds {
        let asked = contenders.iter().map(|it| it.asked.clone()).collect();
        let beside: Vec<_> = contenders.iter().map(|it| it.beside.clone()).collect();
        let processes: Vec<_> = contenders.iter().map(|it| it.processes.clone()).collect();
        let meter = move |number: usize| Used {
            own: usage::cpu_seconds_of(&processes[number]),
            beside: usage::cpu_seconds_of(&beside[number]),
        };
        let outcomes = load::alternating(asked, CONNECTIONS, effort.turn, meter).await;
        for (number, (outcome, used)) in outcomes.into_iter().enumerate() {
            let contender = &contenders[number];
            let turn = Turn { outcome, cpu: used.own, cpu_beside: used.beside };
            crate::progress(&format!(
                "round {} of {}: {} {:.1} µs of processor time a request, {:.0} requests a second, p99 {:.2} ms",
                round + 1,
                effort.rounds,
                contender.name,
                turn.microseconds(),
                turn.outcome.rate(),
                turn.outcome.milliseconds(99.0),
            ));
            all[number].turns.push(turn);
        }
    }
    all
}
