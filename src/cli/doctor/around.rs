//! What only the person who asks may see: what else scales the target, what keeps the operator from a broker, why pods do not start.

use crate::{
    api::{Mode, TaskWorkerPool},
    controller::validate,
    doctor::Finding,
    kube::{
        Cluster, TargetKey,
        autoscalers::Autoscalers,
        neighbors,
        plugin::{self, Viewed},
        targets,
    },
};

/// Part that is about other autoscalers.
const AUTOSCALERS: &str = "Autoscalers";
/// Part that is about pods that do not start.
const EVENTS: &str = "Pod events";

/// What stands around the target of a pool.
pub(super) async fn target(cluster: &Cluster, object: &TaskWorkerPool) -> Vec<Finding> {
    // What is wrong with a spec the operator says.
    let Ok(pool) = validate::pool(object) else {
        return Vec::new();
    };
    let target = TargetKey {
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        workload: pool.target,
    };
    let mut findings = autoscalers(cluster, &target, object.spec.mode).await;
    findings.extend(events(cluster, &target).await);
    findings
}

async fn autoscalers(cluster: &Cluster, target: &TargetKey, mode: Mode) -> Vec<Finding> {
    let found = match Autoscalers::read(cluster, &target.namespace).await.of(target) {
        Ok(found) => found,
        Err(why) => {
            let what = "HorizontalPodAutoscalers and ScaledObjects cannot be listed";
            return vec![Finding::unknown(AUTOSCALERS, plugin::explained(what, why))];
        }
    };
    if found.is_empty() {
        return vec![Finding::good(AUTOSCALERS, "nothing else scales the target")];
    }
    let told = found.into_iter().map(|other| {
        let (kind, name, namespace) = (other.kind, other.name, &target.namespace);
        let what = format!("{kind} `{name}` scales the same {} `{}`", target.workload.kind.name(), target.workload.name);
        match mode {
            Mode::Observe => Finding::good(AUTOSCALERS, format!("{what}; the pool observes, and writes nothing")),
            Mode::Act => Finding::wrong(
                AUTOSCALERS,
                format!(
                    "{what}: both write its replicas; delete it (`kubectl -n {namespace} delete {} {name}`), in the order of \
                     docs/adopt.md",
                    kind.to_lowercase()
                ),
            ),
        }
    });
    told.collect()
}

/// Warnings about pods of a target that are not ready.
async fn events(cluster: &Cluster, target: &TargetKey) -> Vec<Finding> {
    let Ok(Some(seen)) = targets::one(cluster, target).await else {
        // The operator says that there is none; without the right to see it nothing can be said.
        return Vec::new();
    };
    if seen.selector.is_empty() {
        return Vec::new();
    }
    // A rollout that does not get on has all of its old pods ready.
    match neighbors::warnings(cluster, target, (&seen.selector, seen.ready < seen.replicas)).await {
        Ok(found) => {
            let told = found.into_iter();
            told.map(|warning| {
                Finding::wrong(
                    EVENTS,
                    format!("{}: {}: {}", warning.about, warning.reason, warning.note),
                )
            })
            .collect()
        }
        Err(why) => vec![Finding::unknown(
            EVENTS,
            plugin::explained("pods and Events cannot be listed", why),
        )],
    }
}

/// NetworkPolicies that may keep the operator from a broker, which it does not reach.
pub(super) async fn policies(cluster: &Cluster, operator: &Viewed) -> Vec<Finding> {
    let what = "NetworkPolicy";
    let Viewed { namespace, labels, .. } = operator;
    match neighbors::egress_policies(cluster, namespace, labels).await {
        Ok(found) => {
            let told = found.into_iter();
            told.map(|name| {
                Finding::unknown(
                    what,
                    format!(
                        "`{namespace}/{name}` limits where the operator's pods may connect: does it allow the broker?"
                    ),
                )
            })
            .collect()
        }
        Err(why) => vec![Finding::unknown(
            what,
            plugin::explained(&format!("NetworkPolicies in `{namespace}` cannot be listed"), why),
        )],
    }
}
