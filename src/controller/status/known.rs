//! Condition `WorkersKnown`: whether it is known of each ready pod what its workers hold. Pods of which it is not known
//! stay, so where it is False the message says which, why, and what helps.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use super::{ConditionSpec, Facts, Heard, SUSPENDED, SourceState, condition};
use crate::{
    api::ConditionStatus::{False, True, Unknown},
    drain::Why,
    model::{Control, DrainSupport, Hearing, Tally, WorkloadKind},
};

const KIND: &str = "WorkersKnown";

/// Time after a pod becomes ready in which it is not reported as missing: many applications need it until the worker
/// connects.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same, where the reason why it cannot be heard is known.
const SHORT_PATIENCE: Duration = Duration::from_secs(15);

/// Fix where nothing else helps.
const GRACEFUL: &str = "`scaleDown.removal: Graceful` says that a pod's grace period covers its tasks; until then these \
                        pods are kept.";

/// Condition, which is always present.
pub(super) fn workers_known(facts: &Facts) -> ConditionSpec {
    if facts.suspended {
        return condition(KIND, Unknown, "Suspended", SUSPENDED);
    }
    let (SourceState::Read { tally, .. }, None) = (&facts.source, facts.problem) else {
        return condition(KIND, Unknown, "NotAsked", "The broker is not read: nothing is removed.");
    };
    let told = [
        stop_ignored(facts),
        covered(facts, tally),
        control_refused(facts, tally),
        busy(facts, tally),
        not_heard(facts, tally),
        unread(facts, tally),
        unknown(facts, tally),
        deaf(facts, tally),
    ];
    let (reason, message) = told.into_iter().flatten().next().unwrap_or_else(|| known(facts, tally));
    let status = match reason {
        KNOWN | TOGETHER | NONE | COVERED => True,
        STARTING | BUSY => Unknown,
        _ => False,
    };
    condition(KIND, status, reason, message)
}

const KNOWN: &str = "AllKnown";
const TOGETHER: &str = "KnownTogether";
const NONE: &str = "NoWorkers";
const STARTING: &str = "Starting";
const BUSY: &str = "WorkersBusy";
const COVERED: &str = "CoveredByGracePeriod";

/// Time for which a silent worker that runs tasks in its main process is believed to run one.
const LONG_TASK: Duration = Duration::from_secs(3600);

type Finding = Option<(&'static str, String)>;

fn known(facts: &Facts, tally: &Tally) -> (&'static str, String) {
    let Heard { ready, .. } = facts.workers;
    let foreign = facts.leaving.map_or(&[][..], |plan| &plan.foreign);
    let others = match foreign {
        [] => String::new(),
        pods => format!(
            " Pods that the target's selector matches and that are not its own are left alone: {}.",
            names(pods.iter().map(String::as_str))
        ),
    };
    let words = facts.framework.words;
    let late = facts.overstayed.map(|pod| {
        let then = words.control.as_ref().map_or("", |control| control.overstayed);
        format!(
            " The pod `{pod}` held nothing when it was told to end, and did not within its grace period: it may have taken a \
             task in that moment. {}{then}",
            words.overstays
        )
    });
    let late = late.unwrap_or_default();
    match (ready, tally.drain) {
        (0, _) => (NONE, format!("No pod is ready.{others}{late}")),
        (_, DrainSupport::None) if !tally.pods.is_empty() => (
            TOGETHER,
            format!(
                "Nothing shows what a single pod holds: those with running workers are kept while any of them may hold \
                 something, and go when none does.{others}{late}"
            ),
        ),
        _ => (KNOWN, format!("All ready pods are heard or answer.{others}{late}")),
    }
}

/// The grace period did not cover a task, although the user said so.
fn stop_ignored(facts: &Facts) -> Finding {
    let pod = facts.overstayed.filter(|_| facts.graceful)?;
    let message = format!(
        "The pod `{pod}` was told to end and did not within its grace period: its tasks may have been cut off. \
         `removal: Graceful` is not followed until the target gets a new template: only pods go that are known to hold nothing. {}",
        facts.framework.words.overstays
    );
    Some(("StopIgnored", message))
}

/// Nothing can be known of single pods, and need not be.
fn covered(facts: &Facts, tally: &Tally) -> Finding {
    let blind = tally.drain == DrainSupport::None && tally.pods.is_empty();
    (blind && facts.graceful && facts.workers.ready > 0).then(|| {
        let message = "Nothing shows what the workers run; the pool says that the pods' grace period covers it.";
        (COVERED, message.to_owned())
    })
}

fn control_refused(facts: &Facts, tally: &Tally) -> Finding {
    let right = facts.refused?;
    if let Hearing::Refused { right: beats } = &tally.hearing {
        let message = format!(
            "The broker's permissions refuse remote control{} and heartbeats{}, so nothing is known of the workers. Grant the \
             rights ({}). {GRACEFUL}",
            missing(right),
            missing(beats),
            facts.framework.words.rights
        );
        return Some(("RemoteControlRefused", message));
    }
    let message = format!(
        "The broker's permissions keep workers from being asked and told{}: only those are removed whose heartbeats say that \
         they run nothing. Grant the rights for remote control ({}).",
        missing(right),
        facts.framework.words.rights
    );
    Some(("RemoteControlRefused", message))
}

/// The silent workers run tasks in their main process: nothing is wrong.
fn busy(facts: &Facts, tally: &Tally) -> Finding {
    let words = facts.framework.words.control.as_ref()?;
    let workers = &facts.workers;
    let hindered = matches!(tally.control, Control::Failing(_))
        || workers.heard == 0 && matches!(tally.hearing, Hearing::Refused { .. } | Hearing::Failing(_));
    if hindered {
        return None;
    }
    let leaving = facts.leaving.map_or(&[][..], |plan| &plan.unknown);
    let solo = |pod: &str| tally.pods.get(pod).is_some_and(|work| work.solo);
    // Silent workers are known without a list of the pods.
    let silent = tally.pods.iter().filter(|(_, work)| work.solo && !work.live);
    let silent: Vec<_> = silent.map(|(pod, _)| pod.as_str()).collect();
    let missing = workers.missing() as usize;
    let all = silent.len() >= missing && leaving.iter().all(|unknown| solo(&unknown.pod));
    let mut pods = match missing {
        0 => leaving.iter().map(|unknown| unknown.pod.as_str()).collect(),
        _ => silent,
    };
    // Pods that still exist, where they were listed.
    if pods.iter().any(|pod| workers.not_heard.contains(pod)) {
        pods.retain(|pod| workers.not_heard.contains(pod));
    }
    (all && !pods.is_empty() && workers.missing_for.is_none_or(|since| since <= LONG_TASK)).then(|| {
        let message = format!(
            "The workers of {} run tasks themselves ({}) and say nothing meanwhile: they are kept until they do.",
            names(pods.into_iter()),
            words.solo
        );
        (BUSY, message)
    })
}

/// Ready pods whose workers send neither heartbeats nor answers.
fn not_heard(facts: &Facts, tally: &Tally) -> Finding {
    let Heard {
        ready,
        heard,
        missing_for,
        ref not_heard,
    } = facts.workers;
    let since = missing_for?;
    let seen_why = !tally.strangers.is_empty()
        || matches!(tally.hearing, Hearing::Refused { .. } | Hearing::Failing(_))
        || matches!(tally.control, Control::Failing(_));
    if since < if seen_why { SHORT_PATIENCE } else { PATIENCE } {
        let message = format!("{heard} of {ready} ready pods are heard; the others are kept until they are.");
        return Some((STARTING, message));
    }
    let whom = match (facts.workers.missing(), not_heard.as_slice()) {
        (all, []) => format!("{all} of {ready} ready pods"),
        (all, pods) => format!("{all} of {ready} ready pods ({})", names(pods.iter().copied())),
    };
    let words = facts.framework.words;
    let lost = format!("The workers of {whom} are not known:");
    let silent = format!("{lost} {}", words.silence);
    if let Some((reason, why)) = hindered(facts, tally) {
        return Some((reason, format!("{lost} {why} {GRACEFUL}")));
    }
    Some(match (&tally.control, &words.reports) {
        (Control::Failing(why), _) => ("RemoteControlFails", format!("{silent}: {why}. {GRACEFUL}")),
        (_, Some(reports)) if !tally.strangers.is_empty() => (
            "NodeNamesUnknown",
            format!(
                "{silent}. Workers are there whose names fit no pod of the target, or several: {}. {} {GRACEFUL}",
                names(tally.strangers.iter().map(String::as_str)),
                reports.names
            ),
        ),
        _ if heard == 0 => ("NobodyHeard", format!("{silent}. {} {GRACEFUL}", words.nobody)),
        _ => ("WorkersSilent", format!("{silent}. {} {GRACEFUL}", words.silent)),
    })
}

/// Reason why what workers announce cannot be read, and the fix.
fn hindered(facts: &Facts, tally: &Tally) -> Finding {
    let (hearing, rights) = (facts.framework.words.hearing, facts.framework.words.rights);
    match &tally.hearing {
        Hearing::Refused { right } => Some((
            "HeartbeatsRefused",
            format!(
                "the broker's permissions refuse {hearing}{}. Grant the rights for {hearing} ({rights}).",
                missing(right)
            ),
        )),
        Hearing::Failing(why) => Some(("HeartbeatsFail", format!("{hearing} cannot be read: {why}."))),
        Hearing::NotYet | Hearing::Works => None,
    }
}

/// Pods that are heard, where some of what the workers say cannot be read and nobody can be asked.
fn unread(facts: &Facts, tally: &Tally) -> Finding {
    let unread = tally.pods.iter().filter(|(_, pod)| pod.live && !pod.fresh);
    let mut unread = unread.filter(|_| tally.drain == DrainSupport::ReportsOnly).peekable();
    unread.peek()?;
    let (reason, why) = hindered(facts, tally)?;
    let pods = names(unread.map(|(pod, _)| pod.as_str()));
    let message = format!("It is not known what the workers of pods such as {pods} hold: {why} {GRACEFUL}");
    Some((reason, message))
}

/// Draining pods whose workers do not say what they hold.
fn unknown(facts: &Facts, tally: &Tally) -> Finding {
    let unknown = &facts.leaving?.unknown;
    let first = unknown.first()?;
    let pods = names(unknown.iter().map(|unknown| unknown.pod.as_str()));
    let named = matches!(first.why, Why::Doubled { .. });
    if let (Control::Failing(why), false) = (&tally.control, named) {
        let message = format!("The workers of {pods} cannot be asked what they hold: {why}. {GRACEFUL}");
        return Some(("RemoteControlFails", message));
    }
    let words = facts.framework.words;
    Some(match &first.why {
        Why::Doubled { node } => {
            let several = words.control.as_ref()?.several;
            let cure = match facts.kind {
                // Names of pods are used once in a namespace, and a Deployment's have a random end.
                WorkloadKind::StatefulSet => format!(
                    "if another StatefulSet of this name uses the broker, give each a virtual host, database or key prefix of \
                     its own; if not, give each worker a name of its own ({several})"
                ),
                WorkloadKind::Deployment => format!("give each a name of its own ({several})"),
            };
            (
                "NodeNamesUnknown",
                format!(
                    "Several workers call themselves `{node}` ({pods}), so nobody can say what each holds: {cure}. {GRACEFUL}"
                ),
            )
        }
        Why::NotHeard | Why::Silent => (
            "WorkersSilent",
            format!(
                "The workers of {pods} were asked for their removal, and some of them say nothing. {} {GRACEFUL}",
                words.leaving
            ),
        ),
        Why::NotAnswered => (
            "RemoteControlSilent",
            format!("The workers of {pods} are there, but have not said lately what they hold. {GRACEFUL}"),
        ),
        Why::Partly => (
            "RemoteControlSilent",
            format!(
                "The workers of {pods} answer, but not what they hold: {}. {GRACEFUL}",
                words.control.as_ref()?.partly
            ),
        ),
    })
}

/// Workers that send heartbeats and take no questions.
fn deaf(facts: &Facts, tally: &Tally) -> Finding {
    let words = facts.framework.words.control.as_ref()?;
    let deaf: Vec<_> = tally.pods.iter().filter(|(_, pod)| pod.unresponsive).collect();
    let (name, _) = deaf.first()?;
    let message = format!(
        "{} of the workers beat and do not answer remote control in JSON ({}), such as `{name}`: they are removed when their \
         heartbeats say that they run nothing.",
        deaf.len(),
        words.unresponsive
    );
    Some(("RemoteControlSilent", message))
}

fn missing(right: &str) -> String {
    match right {
        "" => String::new(),
        right => format!(" (missing: {right})"),
    }
}

/// Up to three names.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let named: Vec<_> = all.take(3).map(|name| format!("`{name}`")).collect();
    named.join(", ")
}

#[cfg(test)]
mod tests;
