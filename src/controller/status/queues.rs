//! Condition `QueuesMatch`: whether the pool counts exactly the queues that its workers fetch from, and no other pool
//! counts them.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;

use super::{ConditionSpec, Facts, SourceState, condition};
use crate::{
    api::ConditionStatus::{False, True, Unknown},
    model::{Intent, Tally},
};

/// Number of names in a message.
const NAMES: usize = 3;

/// Another pool that counts the same queue, for another target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedQueue {
    /// The queue.
    pub queue: String,
    /// The other pool, as namespace/name.
    pub pool: String,
}

/// Condition, which is always present.
pub(super) fn queues_match(facts: &Facts) -> ConditionSpec {
    let kind = "QueuesMatch";
    let tally = match &facts.source {
        _ if facts.problem.is_some() || facts.suspended => {
            return condition(kind, Unknown, "NotAsked", "The broker is not asked.");
        }
        SourceState::Read { tally, .. }
        | SourceState::Lost {
            last: Some((tally, _)), ..
        } => *tally,
        SourceState::NotYet | SourceState::Lost { last: None, .. } => {
            return condition(kind, Unknown, "NotSampledYet", "The queues have not been counted yet.");
        }
    };
    if are_untold(facts, tally) {
        return not_told(facts);
    }
    let wrong = nothing_fetched(facts, tally)
        .or_else(|| other_queues(facts, tally))
        .or_else(|| too_many(facts))
        .or_else(|| not_fetched(facts))
        .or_else(|| tally.mismatch.clone())
        .or_else(|| missing(tally))
        .or_else(|| shared(facts));
    match wrong {
        Some((reason, message)) => condition(kind, False, reason, message),
        None => condition(
            kind,
            True,
            "AsConfigured",
            "Nothing says that the workers use other queues than the pool counts.",
        ),
    }
}

/// Reason and message.
type Wrong = (&'static str, String);

/// Reason while no worker has named a queue.
pub(super) const NOT_TOLD: &str = "NotTold";

/// Whether nothing is counted, because the workers are to name the queues and none has yet: that is no count of nothing.
pub(super) fn are_untold(facts: &Facts, tally: &Tally) -> bool {
    facts.learned.is_some() && tally.queues.is_empty()
}

/// No worker has named a queue. Those that are there may do so any moment; where there is none, somebody has to start one.
fn not_told(facts: &Facts) -> ConditionSpec {
    let ordered = facts.target.is_some_and(|(replicas, _)| replicas > 0);
    let (status, then) = match ordered {
        true => (Unknown, "the replicas stay as they are until one does."),
        false => (False, "start one (`minReplicas: 1`, or scale the target to 1 once)."),
    };
    let message = format!("No worker has said yet which queues it fetches from: {then}");
    condition("QueuesMatch", status, NOT_TOLD, message)
}

/// Problem: the workers name more queues than are counted.
fn too_many(facts: &Facts) -> Option<Wrong> {
    let learned = facts.learned.filter(|learned| !learned.beyond().is_empty())?;
    let counted = learned.names().len();
    let text = format!(
        "The workers fetch from {} queues, and {counted} are counted, without {}: divide them among several targets, each with \
         a pool, or name those that matter in `queues`.",
        counted + learned.beyond().len(),
        list(learned.beyond().iter().map(String::as_str))
    );
    Some(("TooManyQueues", text))
}

/// Problem: tasks are in queues from which the workers do not fetch any more.
fn not_fetched(facts: &Facts) -> Option<Wrong> {
    let words = facts.framework.words.reports.as_ref()?;
    let left = &facts.left_behind;
    (!left.is_empty()).then(|| {
        let text = format!(
            "Tasks are in {}, and no worker fetches from there any more: give the workers that queue again ({}), or purge it.",
            list(left.iter().copied()),
            words.queues
        );
        ("QueueNotFetched", text)
    })
}

/// Live pods that have said what they fetch from and were not told to fetch anything else, with their queues. None
/// while more are live than ready: some of them are terminating, and those fetch nothing.
fn told<'a>(facts: &'a Facts, tally: &'a Tally) -> impl Iterator<Item = (&'a str, &'a BTreeSet<String>)> {
    let is_live = |pod: &str| tally.pods.get(pod).is_some_and(|work| work.live);
    let live = tally.pods.values().filter(|work| work.live).count();
    let ready = facts.target.map_or(0, |(_, ready)| ready);
    let certain = facts.intents.is_some() && live <= usize::try_from(ready).unwrap_or(usize::MAX);
    let left_alone = |pod: &str| {
        let pod_intent = facts.intents.and_then(|intents| intents.get(pod));
        pod_intent.is_none_or(|pod_intent| pod_intent.intent == Intent::Report)
    };
    let all = tally.fetches.iter().filter(move |_| certain);
    all.filter(move |(pod, _)| is_live(pod) && left_alone(pod))
        .map(|(pod, queues)| (pod.as_str(), &**queues))
}

/// Problem: workers are alive and fetch from nothing although nobody told them to stop.
fn nothing_fetched(facts: &Facts, tally: &Tally) -> Option<Wrong> {
    let words = facts.framework.words.reports.as_ref()?;
    let idle: Vec<_> = told(facts, tally).filter(|(_, queues)| queues.is_empty()).collect();
    let names = list(idle.iter().map(|(pod, _)| *pod));
    (!idle.is_empty()).then(|| {
        let text = format!(
            "{} from no queue, such as {names}: their workers have lost their consumers ({}); delete these pods.",
            match idle.len() {
                1 => "1 pod lives and fetches".to_owned(),
                many => format!("{many} pods live and fetch"),
            },
            words.no_consumers
        );
        ("NothingFetched", text)
    })
}

/// Problem: the workers fetch from queues that the pool does not count, or the pool counts queues that no worker
/// fetches from.
fn other_queues(facts: &Facts, tally: &Tally) -> Option<Wrong> {
    let words = facts
        .framework
        .words
        .reports
        .as_ref()
        .filter(|_| facts.learned.is_none())?;
    let counted: BTreeSet<_> = tally.queues.iter().map(|queue| queue.queue.as_str()).collect();
    let fetched: BTreeSet<_> = told(facts, tally)
        .flat_map(|(_, queues)| queues.iter().map(String::as_str))
        .collect();
    (!fetched.is_empty() && fetched != counted).then(|| {
        let text = format!(
            "The workers fetch {}, the pool counts {}: give `queues` the names that the workers fetch ({}).",
            list(fetched.iter().copied()),
            list(counted.iter().copied()),
            words.queues
        );
        ("WorkersUseOtherQueues", text)
    })
}

/// Missing queues. Only RabbitMQ can report them; a Redis list that is empty does not exist.
fn missing(tally: &Tally) -> Option<Wrong> {
    let missing = tally.queues.iter().filter(|queue| queue.missing);
    let names: Vec<_> = missing.map(|queue| queue.queue.as_str()).collect();
    (!names.is_empty()).then(|| {
        let text = format!(
            "The broker knows no queue `{}`: counted as empty until it is declared.",
            names.join("`, `")
        );
        ("QueueMissing", text)
    })
}

fn shared(facts: &Facts) -> Option<Wrong> {
    let SharedQueue { queue, pool } = facts.shared?;
    let text = format!(
        "The pool `{pool}` counts the queue `{queue}`, too, for another target: both order workers for all of its tasks. Let \
         one pool count it, or give each target a queue of its own."
    );
    Some(("QueueShared", text))
}

/// First names, and the number of others.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    let shown: Vec<_> = names.iter().take(NAMES).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
