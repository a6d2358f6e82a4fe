//! The condition `TargetFeasible`: there while something keeps the wait target from being met.
#![deny(clippy::disallowed_methods)]

use super::{Facts, Wish, wish};
use crate::{api::ConditionStatus::False, scaling::Trouble};

/// What keeps the target from being met, if anything does.
pub(super) fn feasible(facts: &Facts) -> Option<Wish> {
    let decision = facts.decision.filter(|_| facts.problem.is_none())?;
    let (reason, message) = match decision.trouble? {
        Trouble::PodsNotReady { pods } => (
            "PodsNotReady",
            format!(
                "{pods} of the ordered replicas are not ready although others take far less time: look at their pods (no \
                 room on the nodes, a missing image, a crash). Only few more are ordered."
            ),
        ),
        Trouble::NothingFinishes => (
            "NothingFinishes",
            "Tasks run and none has finished for far longer than one takes: look at the workers. Only few more replicas \
             are ordered."
                .to_owned(),
        ),
        Trouble::SlowerThanTarget { startup, in_time } => {
            let share = in_time.map_or_else(String::new, |share| {
                format!(" Of the tasks of the last hours {:.1} % started in time.", share * 100.0)
            });
            (
                "PodsStartTooSlowly",
                format!(
                    "Replicas are ready after {} s, later than the wait target: work that comes as a surprise waits \
                     longer, unless `minReplicas` keeps enough of them.{share}",
                    startup.as_secs()
                ),
            )
        }
    };
    Some(wish("TargetFeasible", False, reason, message))
}
