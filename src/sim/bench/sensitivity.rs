//! Sensitivity of our policy to what is not as expected: the sampling, the pods, the hint, the counter, the workers,
//! the metrics.
#![deny(clippy::disallowed_methods)]
use super::{Contestant, Draw, Variant, bound, play};
use std::collections::BTreeSet;

use crate::sim::{
    World,
    bound::BoundError,
    report::{
        compare::{Comparison, RunOutcome},
        stats::number,
        table::Table,
    },
};

/// Variation in one respect.
#[derive(Clone, Debug, PartialEq)]
pub struct Variation {
    /// Variant with the difference as its name.
    pub variant: Variant,
    /// World of the variation.
    pub world: World,
}

impl Variation {
    fn new(name: &str, change: impl FnOnce(&mut Variant, &mut World)) -> Self {
        let (mut variant, mut world) = (Variant::balanced(), World::default());
        variant.name = name.to_owned();
        change(&mut variant, &mut world);
        Self { variant, world }
    }

    /// Result of one run. Its bound is that of its own world: where pods take longer to start, no policy is as cheap.
    ///
    /// # Errors
    /// The bound could not be computed.
    pub fn play(&self, draw: &Draw) -> Result<RunOutcome, BoundError> {
        let usual = World::default();
        let mut outcome = play(&Contestant::Ours(self.variant.clone()), draw, &self.world, false);
        if self.world.start_up != usual.start_up {
            outcome.bound = bound(&draw.workload, &self.world)?;
        }
        Ok(outcome)
    }
}

/// All variations of the default profile; the first one is the profile itself.
pub fn variations() -> Vec<Variation> {
    let hint = |factor| move |variant: &mut Variant, _: &mut World| variant.hint = Some(factor);
    let uncounted = |factor| {
        move |variant: &mut Variant, world: &mut World| {
            (variant.hint, world.no_counter) = (Some(factor), true);
        }
    };
    let period = |seconds| move |variant: &mut Variant, _: &mut World| variant.period = seconds;
    let start_up = |seconds| move |_: &mut Variant, world: &mut World| world.start_up = seconds;
    let prefetch = |early| {
        move |_: &mut Variant, world: &mut World| {
            (world.prefetch, world.early_ack) = (4, early);
        }
    };
    vec![
        Variation::new("as it comes", |_, _| {}),
        Variation::new("a sample each 0.5 s", period(0.5)),
        Variation::new("a sample each 5 s", period(5.0)),
        Variation::new("a sample each 15 s", period(15.0)),
        Variation::new("pods start in 5 s", start_up(5.0)),
        Variation::new("pods start in 120 s", start_up(120.0)),
        Variation::new("hint twice too high", hint(2.0)),
        Variation::new("hint twice too low", hint(0.5)),
        Variation::new("no counter, right hint", uncounted(1.0)),
        Variation::new("no counter, hint twice too high", uncounted(2.0)),
        Variation::new("no counter, hint twice too low", uncounted(0.5)),
        Variation::new(
            "no counter, hint twice too low, tasks say when they were published",
            |variant, world| {
                uncounted(0.5)(variant, world);
                world.stamped = true;
            },
        ),
        Variation::new("prefetch 4, late acknowledgement", prefetch(false)),
        Variation::new("prefetch 4, early acknowledgement", prefetch(true)),
        Variation::new("metrics 5 s old", |_, world| world.metric_lag = 5.0),
    ]
}

/// Late share and cost of each, for each workload.
pub fn table(outcomes: &[RunOutcome]) -> Table {
    let comparison = Comparison::of(outcomes);
    let mut head = vec!["what is different"];
    head.extend(comparison.workloads().iter().map(String::as_str));
    head.extend(["mean cost", "missed, and what the status says"]);
    let caption = "Where something is not as expected: late tasks in %, and cost ÷ the bound of that world";
    let mut table = Table::new(caption, &head);
    for policy in comparison.policies() {
        let cells = || {
            let all = comparison.workloads().iter();
            all.filter_map(|workload| Some((workload, comparison.cell(policy, workload)?)))
        };
        let figures = cells().map(|(_, cell)| {
            let late = number(100.0 * cell.late.mean, 2);
            format!("{late} / {}", number(cell.cost_ratio.mean, 2))
        });
        let missed = cells().filter(|(_, cell)| !cell.is_met());
        let missed: Vec<_> = missed
            .map(|(workload, _)| format!("{workload}: {}", diagnoses(outcomes, policy, workload)))
            .collect();
        let mut row = vec![policy.to_owned()];
        row.extend(figures);
        row.push(number(comparison.mean_cost_ratio(policy), 2));
        row.push(missed.join(", "));
        table.rows.push(row);
    }
    table
}

/// Reasons of the condition `TargetFeasible` in all runs of a variation on a workload.
fn diagnoses(outcomes: &[RunOutcome], policy: &str, workload: &str) -> String {
    let own = outcomes
        .iter()
        .filter(|one| one.policy == policy && one.workload == workload);
    let all: BTreeSet<_> = own.flat_map(|one| one.diagnoses.iter().copied()).collect();
    match all.is_empty() {
        true => "nothing".to_owned(),
        false => all.into_iter().collect::<Vec<_>>().join(" "),
    }
}
