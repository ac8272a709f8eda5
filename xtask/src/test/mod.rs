//! `cargo xtask test`: everything that is checked, with a table at the end.

mod browser_tests;
mod changed;
mod report;
mod schedule;
mod steps;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::Context;
use report::Report;
use steps::Step;

/// What `cargo xtask test` runs.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these steps, and those that are part of them
    #[arg(value_name = "STEP")]
    only: Vec<Step>,
    /// Only what the changes since the branch left `main` can affect, those not yet committed among them
    #[arg(long, conflicts_with = "only")]
    changed: bool,
    /// With --changed: compare with this commit instead
    #[arg(long, value_name = "COMMIT", requires = "changed")]
    since: Option<String>,
}

/// Runs the steps, each whether or not the ones before it passed: a person who fixes something wants to
/// know all of it.
pub(crate) fn run(context: &Context, options: &Options) -> Result<ExitCode> {
    if options.changed {
        return changed::run(context, options.since.as_deref());
    }
    let report = Report::new(context, options.only.is_empty());
    schedule::run(&chosen(&options.only), |step| {
        report.attempt(step.name(), Some(step.budget(report.is_warm())), || step.run(context))
    });
    Ok(report.finish())
}

/// All steps but the extras if none is named, and otherwise those that are and their parts.
fn chosen(named: &[Step]) -> Vec<Step> {
    let mut all = <Step as clap::ValueEnum>::value_variants().to_vec();
    if named.is_empty() {
        all.retain(|step| !step.is_extra());
        return all;
    }
    let mut chosen = named.to_vec();
    let mut looked_at = 0;
    while let Some(step) = chosen.get(looked_at) {
        chosen.extend(step.parts());
        looked_at += 1;
    }
    all.into_iter().filter(|step| chosen.contains(step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_step_brings_its_parts_and_nothing_else() {
        assert_eq!(chosen(&[Step::Fmt]), [Step::Fmt]);
        assert_eq!(chosen(&[Step::E2e]), [Step::Build, Step::Client, Step::Examples, Step::E2e]);
        assert_eq!(chosen(&[Step::Features]), [Step::Features]);
        assert!(chosen(&[]).len() > 10 && !chosen(&[]).contains(&Step::Features), "everything but extras");
    }

    #[test]
    fn every_step_comes_after_what_it_needs() {
        use schedule::Task as _;
        let all = chosen(&[]);
        for (place, step) in all.iter().enumerate() {
            for need in step.needs().iter().chain(step.parts()) {
                let first = all.iter().position(|it| it == need);
                assert!(first.is_some_and(|it| it < place), "{step:?} stands before {need:?}");
            }
        }
    }
}
