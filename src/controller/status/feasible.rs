//! Condition `TargetFeasible`: present while something keeps the target from being met.
#![deny(clippy::disallowed_methods)]

use super::{ConditionSpec, Facts, Pods, condition};
use crate::{api::ConditionStatus::False, scaling::Trouble};

/// Condition, if something keeps the target from being met.
pub(super) fn feasible(facts: &Facts) -> Option<ConditionSpec> {
    if facts.problem.is_some() || facts.suspended {
        return None;
    }
    let trouble = facts.decision.and_then(|decision| decision.trouble);
    let learned = matches!(trouble, Some(Trouble::PodsNotReady { .. }));
    if !learned && (facts.pods.late > 0 || facts.pods.why.is_some()) {
        return Some(condition("TargetFeasible", False, NOT_READY, not_ready(&facts.pods)));
    }
    let trouble = trouble?;
    let message = match trouble {
        Trouble::PodsNotReady { pods } => {
            let pods = Pods {
                late: pods,
                ..facts.pods
            };
            not_ready(&pods)
        }
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
            "{}. Most of the others had been fetched by busy workers while some were free: more replicas do not help, {}.",
            started(in_time),
            facts.framework.words.prefetch
        ),
        Trouble::TasksLate { in_time } => format!(
            "{}. If `maxReplicas` is not what limits them, the profile `Responsive` or a shorter `sampleMilliseconds` \
             leaves more time.",
            started(in_time)
        ),
    };
    Some(condition("TargetFeasible", False, trouble.reason(), message))
}

/// Reason, whatever the target's rule.
const NOT_READY: &str = Trouble::PodsNotReady { pods: 0 }.reason();

/// Message about the pods: what to examine, and the Deployment's own message.
fn not_ready(pods: &Pods) -> String {
    let late = match pods.late {
        0 => "Ordered replicas cannot be made.".to_owned(),
        late => format!(
            "{late} of the ordered replicas are not ready for longer than that takes: look at their pods (no room on the nodes, \
             a missing image, a crash)."
        ),
    };
    match pods.why {
        Some(why) => format!("{late} The Deployment says: \"{why}\""),
        None => late,
    }
}

fn started(share: f64) -> String {
    format!("Of the tasks of the last hours {:.1} % started in time", share * 100.0)
}
