//! The condition `TargetFeasible`: there while something keeps the wait target from being met.
#![deny(clippy::disallowed_methods)]

use super::{Facts, Wish, wish};
use crate::{api::ConditionStatus::False, scaling::Trouble};

/// What keeps the target from being met, if anything does.
pub(super) fn feasible(facts: &Facts) -> Option<Wish> {
    let decision = facts.decision.filter(|_| facts.problem.is_none())?;
    let trouble = decision.trouble?;
    let message = match trouble {
        Trouble::PodsNotReady { pods } => format!(
            "{pods} of the ordered replicas are not ready although others take far less time: look at their pods (no room \
             on the nodes, a missing image, a crash). Only few more are ordered."
        ),
        Trouble::NothingFinishes => {
            "Tasks run and none has finished for far longer than one takes: look at the workers. \
                                     Only few more replicas are ordered."
                .to_owned()
        }
        Trouble::SlowerThanTarget { startup, in_time } => format!(
            "Replicas are ready after {} s, later than the wait target: work that comes as a surprise waits longer, unless \
             `minReplicas` keeps enough of them.{}",
            startup.as_secs(),
            in_time.map_or_else(String::new, |share| format!(" {}.", started(share)))
        ),
        Trouble::HeldByWorkers { in_time } => format!(
            "{}. Most of the others had been fetched by busy workers while some were free: more replicas do not help, \
             `worker_prefetch_multiplier = 1` does.",
            started(in_time)
        ),
        Trouble::TasksLate { in_time } => format!(
            "{}. If `maxReplicas` is not what limits them, the profile `Responsive` or a shorter `sampleMilliseconds` \
             leaves more time.",
            started(in_time)
        ),
    };
    Some(wish("TargetFeasible", False, trouble.reason(), message))
}

fn started(share: f64) -> String {
    format!("Of the tasks of the last hours {:.1} % started in time", share * 100.0)
}
