//! Plan by which a pool takes over from another autoscaler, without a worker being stopped by it.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

/// Step of the plan.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PlanStep {
    /// What to do, and why.
    pub what: String,
    /// Commands.
    pub commands: Vec<String>,
}

/// What the plan is about.
pub(in crate::cli) struct Takeover<'a> {
    /// Pool, as it is written.
    pub(in crate::cli) pool: &'a Value,
    /// Resource of the other autoscaler, such as `scaledobject mail`.
    pub(in crate::cli) other: String,
    /// Name of the HorizontalPodAutoscaler that does the scaling.
    pub(in crate::cli) hpa: String,
    /// Whether it is KEDA's.
    pub(in crate::cli) keda: bool,
    /// Whether KEDA would set the replicas back when it goes.
    pub(in crate::cli) restores: bool,
    /// File of the pool.
    pub(in crate::cli) file: &'a str,
    /// Whether it was paused by an annotation.
    pub(in crate::cli) paused: bool,
}

/// Steps by which the pool takes over.
pub(in crate::cli) fn plan(of: &Takeover) -> Vec<PlanStep> {
    let name = of.pool["metadata"]["name"].as_str().unwrap_or_default();
    let kubectl = match of.pool["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("kubectl -n {namespace}"),
        None => "kubectl".into(),
    };
    let target = &of.pool["spec"]["targetRef"];
    let kind = target["kind"].as_str().unwrap_or("Deployment");
    let target = target["name"].as_str().unwrap_or_default();
    let other = &of.other;
    let mut steps = Vec::new();
    let mut step = |what: String, commands: &[String]| {
        steps.push(PlanStep {
            what,
            commands: commands.to_vec(),
        });
    };
    step(
        "Create the pool beside the other autoscaler. With `mode: Observe` it decides, reports and writes nothing."
            .into(),
        &[format!("{kubectl} apply -f {}", of.file)],
    );
    step(
        "Compare for as long as you like: DESIRED beside REPLICAS, and why. Go on when `SourceAvailable`, `QueuesMatch` and \
         `WorkersKnown` are True."
            .into(),
        &[format!("{kubectl} get twp {name}"), format!("{kubectl} describe twp {name}")],
    );
    if of.restores {
        step(
            "`restoreToOriginalReplicaCount` would set the replicas back to an old number when the ScaledObject is deleted, and stop \
             busy workers: turn it off."
                .into(),
            &[format!(
                "{kubectl} patch {other} --type=merge -p '{{\"spec\":{{\"advanced\":{{\"restoreToOriginalReplicaCount\":false}}}}}}'"
            )],
        );
    }
    match (of.keda, of.paused) {
        (true, false) => step(
            "Pause KEDA: it deletes its HorizontalPodAutoscaler, and the replicas stay as they are. Not with `paused-replicas`, which \
             would set a number. From here on nobody scales until step \"Act\", so do not wait long."
                .into(),
            &[
                format!("{kubectl} annotate {other} autoscaling.keda.sh/paused=true --overwrite"),
                format!("{kubectl} wait --for=delete hpa/{} --timeout=60s", of.hpa),
            ],
        ),
        (true, true) => step("KEDA is paused already: leave it so.".into(), &[]),
        (false, _) => step(
            "Delete the HorizontalPodAutoscaler: the replicas stay as they are. From here on nobody scales until step \"Act\", so do \
             not wait long. Delete it in Git, if it comes from there."
                .into(),
            &[format!("{kubectl} delete {other}")],
        ),
    }
    step(
        format!(
            "If the manifest of {kind} `{target}` has `replicas:`, take the line out without applying it, and have it forgotten \
             (docs/adopt.md; for server-side apply, Argo CD, Flux and Helm docs/gitops.md). Applied in another order it would set 1."
        ),
        &[format!(
            "{kubectl} apply set-last-applied -f {}.yaml",
            kind.to_lowercase()
        )],
    );
    step(
        "Act: the pool takes the number over as it is, and from then on removes only workers that hold nothing. Set it in the \
         manifest as well."
            .into(),
        &[
            format!("{kubectl} patch twp {name} --type=merge -p '{{\"spec\":{{\"mode\":\"Act\"}}}}'"),
            format!("{kubectl} wait twp/{name} --for=condition=ScalingActive --timeout=60s"),
        ],
    );
    if of.keda {
        step(
            "Delete the ScaledObject: without `restoreToOriginalReplicaCount` KEDA leaves the replicas as they are. Delete it in Git, \
             if it comes from there, and TriggerAuthentications that nobody else uses."
                .into(),
            &[format!("{kubectl} delete {other}")],
        );
    }
    steps
}
