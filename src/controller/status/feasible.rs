//! Condition `TargetFeasible`: whether something keeps the pool from its target.
#![deny(clippy::disallowed_methods)]

use super::{ConditionSpec, Facts, Pods, SourceState, condition};
use crate::{
    api::ConditionStatus::{False, True, Unknown},
    model::{WorkloadKind, form},
    scaling::Trouble,
};

const KIND: &str = "TargetFeasible";

/// Condition, which is always present.
pub(super) fn feasible(facts: &Facts) -> ConditionSpec {
    if facts.problem.is_some() || facts.suspended {
        return condition(KIND, Unknown, "NotAsked", "Nothing is scaled.");
    }
    let found = blocked(facts).or_else(|| missed(facts));
    match (found, &facts.source) {
        (Some((reason, message)), _) => condition(KIND, False, reason, message),
        (None, SourceState::Read { .. }) => {
            condition(KIND, True, "Feasible", "Nothing keeps the pool from its target.")
        }
        (None, SourceState::NotYet) => condition(KIND, Unknown, "NotSampledYet", "The broker has not been asked yet."),
        (None, SourceState::Lost { .. }) => condition(KIND, Unknown, "SourceLost", "The broker cannot be read."),
    }
}

/// Reason and message.
type Finding = Option<(&'static str, String)>;

/// Tasks wait, and the workers start none.
fn blocked(facts: &Facts) -> Finding {
    facts.decision.filter(|decision| decision.blocked)?;
    let SourceState::Read { tally, .. } = &facts.source else {
        return None;
    };
    let waiting = tally.queues.iter().filter(|queue| queue.ready > 0);
    let names: Vec<_> = waiting.map(|queue| queue.queue.as_str()).collect();
    let message = format!(
        "Tasks wait in `{}` and the workers start none, so more workers would not help: look for a task with an ETA at the \
         head, and for workers that are stuck or consume nothing.",
        names.join("`, `"),
    );
    Some(("NothingStarts", message))
}

/// What the rules found, or the target.
fn missed(facts: &Facts) -> Finding {
    let trouble = facts.decision.and_then(|decision| decision.trouble);
    let learned = matches!(trouble, Some(Trouble::PodsNotReady { .. }));
    if !learned && (facts.pods.late > 0 || facts.pods.why.is_some()) {
        return Some((NOT_READY, not_ready(&facts.pods, facts.kind)));
    }
    let trouble = trouble?;
    let message = match trouble {
        Trouble::PodsNotReady { pods } => {
            let pods = Pods {
                late: pods,
                ..facts.pods
            };
            not_ready(&pods, facts.kind)
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
    Some((trouble.reason(), message))
}

/// Reason, whatever the target's rule.
const NOT_READY: &str = Trouble::PodsNotReady { pods: 0 }.reason();

/// Message about the pods: what to examine, and the target's own message.
fn not_ready(pods: &Pods, kind: WorkloadKind) -> String {
    let late = match pods.late {
        0 => "Ordered replicas cannot be made.".to_owned(),
        late => format!(
            "{late} of the ordered replicas {} not ready, for longer than usual: look at their pods (no room on the nodes, a \
             missing image, a crash).",
            form(late, "is", "are")
        ),
    };
    match pods.why {
        Some(why) => format!("{late} The {kind} says: \"{why}\""),
        None => late,
    }
}

fn started(share: f64) -> String {
    format!("Of the tasks of the last hours {:.1} % started in time", share * 100.0)
}
