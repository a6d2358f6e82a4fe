//! The fields of a pod that are read, and how far the pod has come by them. Pure.
#![deny(clippy::disallowed_methods)]

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::Pod as CorePod,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time},
};
use kube::Resource;
use serde::{Deserialize, Deserializer};

use crate::drain::{
    disruption::{Asks, DO_NOT_DISRUPT, PROTECTED, SAFE_TO_EVICT},
    pod::{BOOT, COST, DRAIN, DRAINING, Drain, Pod, Readiness},
};

/// Label by which a Deployment tells the pods of its templates apart.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// Label by which a StatefulSet does so.
const REVISION: &str = "controller-revision-hash";

/// Reasons for which a container waits that is about to run; any other reason means that it cannot.
const STARTS: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Largest assumed difference between a node's clock and ours.
const CLOCKS: SignedDuration = SignedDuration::from_secs(5);

/// Duration of a run after which a container may be started again at once.
const CRASHES_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// Programs that run a script with `-c`.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "zsh"];

/// Pod, with only the fields that are read.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = CorePod)]
pub(super) struct PodObject {
    #[serde(deserialize_with = "little_of")]
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: PodStatus,
}

/// Labels and annotations that are read.
const READ: [&str; 8] = [
    TEMPLATE_HASH,
    REVISION,
    DRAINING,
    DRAIN,
    COST,
    SAFE_TO_EVICT.0,
    DO_NOT_DISRUPT.0,
    PROTECTED,
];

/// Metadata as the server sends them: most of it, the fields' managers first of all, is for others, and ten thousand
/// pods have it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Whole<'a> {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    #[serde(borrow)]
    labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow)]
    annotations: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    owner_references: Option<Vec<OwnerReference>>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
}

fn little_of<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    let whole = Whole::deserialize(from)?;
    let read = |texts: BTreeMap<Cow<str>, Cow<str>>| {
        let texts = texts.into_iter().filter(|(name, _)| READ.contains(&name.as_ref()));
        let read: BTreeMap<_, _> = texts
            .map(|(name, text)| (name.into_owned(), text.into_owned()))
            .collect();
        (!read.is_empty()).then_some(read)
    };
    Ok(ObjectMeta {
        name: whole.name,
        namespace: whole.namespace,
        uid: whole.uid,
        labels: read(whole.labels),
        annotations: read(whole.annotations),
        owner_references: whole.owner_references,
        creation_timestamp: whole.creation_timestamp,
        deletion_timestamp: whole.deletion_timestamp,
        ..ObjectMeta::default()
    })
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: String,
    termination_grace_period_seconds: u64,
    containers: Vec<CommandLine>,
    init_containers: Vec<CommandLine>,
}

/// Command line of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CommandLine {
    name: String,
    command: Vec<String>,
    args: Vec<String>,
    restart_policy: String,
}

impl Spec {
    /// Init containers that run for as long as the pod does.
    fn sidecars(&self) -> impl Iterator<Item = &CommandLine> {
        let all = self.init_containers.iter();
        all.filter(|program| program.restart_policy == "Always")
    }

    /// Containers that run for as long as the pod does.
    fn programs(&self) -> impl Iterator<Item = &CommandLine> {
        self.containers.iter().chain(self.sidecars())
    }
}

impl CommandLine {
    /// Whether the command line contains this text.
    fn contains(&self, what: &str) -> bool {
        let mut words = self.command.iter().chain(&self.args);
        words.any(|word| word.to_ascii_lowercase().contains(what))
    }

    /// Whether a name in the command line begins with that of one of these programs.
    fn names(&self, programs: &[&str]) -> bool {
        let words = self.command.iter().chain(&self.args);
        let mut names = words.flat_map(|word| word.split(|letter: char| !letter.is_ascii_alphanumeric()));
        names.any(|name| {
            let name = name.to_ascii_lowercase();
            programs.iter().any(|program| name.starts_with(program))
        })
    }

    /// Whether a worker is started by a shell that is not replaced by it (`exec`, or one command alone) and traps no
    /// signal.
    fn is_shell_without_exec(&self) -> bool {
        let words: Vec<_> = self.command.iter().chain(&self.args).map(String::as_str).collect();
        let (Some(first), Some(script)) = (words.first(), words.last()) else {
            return false;
        };
        let is_shell = SHELLS.contains(&first.rsplit('/').next().unwrap_or_default());
        let several = script.trim().contains([';', '&', '|', '\n']);
        let hands_on = ["exec ", "trap "].iter().any(|word| script.contains(word));
        self.contains("worker") && is_shell && words.len() > 2 && several && !hands_on
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus {
    phase: String,
    conditions: Vec<PodCondition>,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    state: ContainerState,
    last_state: ContainerState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<ContainerWaiting>,
    running: Option<ContainerRunning>,
    terminated: Option<ContainerTerminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerWaiting {
    reason: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerTerminated {
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerRunning {
    started_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    last_transition_time: Option<Timestamp>,
}

impl ContainerStatus {
    /// Whether the container crashed again, and its node waits before it starts it once more. The pause is no shorter
    /// than the last one, because it doubles up to its maximum (kubelet: 10 s, 20 s … 5 min; it begins anew after a run
    /// of twice the maximum). The last one is measured from outside, so part of it was no pause. Meanwhile nodes report
    /// `terminated` as well as `CrashLoopBackOff`.
    fn backs_off(&self, now: Timestamp) -> bool {
        let ended = |state: &ContainerState| state.terminated.as_ref().and_then(|last| last.finished_at);
        let began = self.state.terminated.as_ref().and_then(|last| last.started_at);
        let (Some(before), Some(began), Some(ended)) = (ended(&self.last_state), began, ended(&self.state)) else {
            return false;
        };
        let pause = began.duration_since(before) * 2 / 3 - CLOCKS;
        ended.duration_since(began) < CRASHES_WITHIN && now.duration_since(ended) < pause
    }
}

impl PodObject {
    /// Pod for the drain plan; `None` if it has ended (such pods are no replicas). `programs`: names of those that run
    /// workers.
    pub(super) fn pod(self, programs: &[&str], now: Timestamp) -> Option<Pod> {
        if matches!(self.status.phase.as_str(), "Succeeded" | "Failed") {
            return None;
        }
        let readiness = self.readiness(programs, now);
        let annotation = |name: &str| self.metadata.annotations.as_ref().and_then(|all| all.get(name));
        let labelled = self
            .metadata
            .labels
            .as_ref()
            .is_some_and(|labels| labels.contains_key(DRAINING));
        // An annotation that cannot be read counts as one without content, so that it is taken away.
        let drain = annotation(DRAIN).map(|drain| serde_json::from_str::<Drain>(drain).unwrap_or_default());
        let mut controller = self.metadata.owner_references.iter().flatten();
        let controller = controller.find(|owner| owner.controller == Some(true));
        let replica_set = controller.filter(|owner| owner.kind == "ReplicaSet");
        let set = controller.filter(|owner| owner.kind == "StatefulSet");
        let ordinal = set.zip(self.metadata.name.as_ref()).and_then(|(set, name)| {
            let ordinal = name.strip_prefix(&set.name)?.strip_prefix('-')?;
            ordinal.parse().ok()
        });
        let template = if set.is_some() { REVISION } else { TEMPLATE_HASH };
        let hash = self.metadata.labels.as_ref().and_then(|labels| labels.get(template));
        Some(Pod {
            readiness,
            pending: self.status.phase == "Pending",
            began: self.began(programs, now).min(),
            renewed: self.began(programs, now).max(),
            killed_at: self.metadata.deletion_timestamp.as_ref().map(|at| at.0),
            owner: controller.map(|owner| owner.uid.clone()).unwrap_or_default(),
            replica_set: replica_set.map(|owner| owner.name.clone()).unwrap_or_default(),
            template_hash: hash.cloned().unwrap_or_default(),
            ordinal,
            grace: Duration::from_secs(self.spec.termination_grace_period_seconds),
            // The ReplicaSet controller, too, reads what is no number as 0.
            cost: annotation(COST).and_then(|cost| cost.parse().ok()),
            drain: drain.or_else(|| labelled.then(Drain::default)),
            shell: self.spec.programs().any(CommandLine::is_shell_without_exec),
            asks: Asks::read(annotation),
            name: self.metadata.name?,
            uid: self.metadata.uid.unwrap_or_default(),
        })
    }

    fn readiness(&self, programs: &[&str], now: Timestamp) -> Readiness {
        let mut conditions = self.status.conditions.iter();
        if conditions.any(|condition| condition.kind == "Ready" && condition.status == "True") {
            return Readiness::Ready;
        }
        // The container that began last counts: a sidecar may have run for long.
        if let Some(at) = self.began(programs, now).max() {
            return match now.duration_since(at) <= BOOT {
                true => Readiness::Booting,
                false => Readiness::NotReady,
            };
        }
        match (self.status.phase.as_str(), self.may_run(programs, now)) {
            ("Running" | "Unknown", true) => Readiness::Booting,
            ("Running" | "Unknown", false) => Readiness::Down,
            _ if self.spec.node_name.is_empty() => Readiness::Unassigned,
            (_, true) => Readiness::Creating,
            (_, false) => Readiness::Pending,
        }
    }

    /// Containers that a worker may run in: where a command line names one of these programs and a worker, those whose
    /// command line names a worker at all, if only by a script of that name; else all.
    fn workers<'a>(&'a self, names: &[&str]) -> impl Iterator<Item = &'a ContainerStatus> + use<'a> {
        let programs: Vec<_> = self.spec.programs().collect();
        let all = !programs
            .iter()
            .any(|program| program.names(names) && program.contains("worker"));
        let sidecars = self.status.init_container_statuses.iter();
        let sidecars = sidecars.filter(|container| self.spec.sidecars().any(|program| program.name == container.name));
        let is_worker = move |container: &&ContainerStatus| {
            let mut of_name = programs.iter().filter(|program| program.name == container.name);
            all || of_name.any(|program| program.contains("worker"))
        };
        self.status.container_statuses.iter().chain(sidecars).filter(is_worker)
    }

    /// Start times of the running ones among them. A container without a start time has just begun.
    fn began<'a>(&'a self, programs: &[&str], now: Timestamp) -> impl Iterator<Item = Timestamp> + use<'a> {
        let runs = self
            .workers(programs)
            .filter_map(|container| container.state.running.as_ref());
        runs.map(move |running| running.started_at.unwrap_or(now))
    }

    /// Whether a container may have begun although the node has not reported it yet: it does so a moment later, or many
    /// on a busy node.
    fn may_run(&self, programs: &[&str], now: Timestamp) -> bool {
        let containers: Vec<_> = self.workers(programs).collect();
        let held_back = |container: &ContainerStatus| {
            let reason = container.state.waiting.as_ref().map(|waiting| waiting.reason.as_str());
            reason.is_some_and(|reason| !reason.is_empty() && !STARTS.contains(&reason))
        };
        let cannot = |container: &ContainerStatus| held_back(container) || container.backs_off(now);
        if !containers.is_empty() && containers.iter().copied().all(cannot) {
            return false;
        }
        let states = containers
            .iter()
            .flat_map(|container| [&container.state, &container.last_state]);
        let ended = states.filter_map(|state| state.terminated.as_ref()?.finished_at);
        let mut conditions = self.status.conditions.iter();
        let assigned = conditions.find(|condition| condition.kind == "PodScheduled");
        let made = self.metadata.creation_timestamp.as_ref().map(|made| made.0);
        let since = ended
            .chain(assigned.and_then(|assigned| assigned.last_transition_time))
            .chain(made)
            .max();
        since.is_none_or(|since| now.duration_since(since) <= BOOT)
    }
}

#[cfg(test)]
mod tests;
