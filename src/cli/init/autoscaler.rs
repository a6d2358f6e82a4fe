//! Other autoscalers on the target: HorizontalPodAutoscalers and KEDA's ScaledObjects, and how the pool takes over from one.
#![deny(clippy::disallowed_methods)]

use super::{
    proposal::{FILE, Proposal},
    world::World,
};
use crate::cli::{
    convert::{Takeover, plan},
    manifest::{Content, Node, Object},
};

/// Autoscaler on a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    keda: bool,
    name: String,
    /// HorizontalPodAutoscaler that does the scaling.
    hpa: String,
    pub(super) least: i64,
    pub(super) most: i64,
    restores: bool,
    paused: bool,
}

impl Other {
    /// Kind and name.
    pub(super) fn told(&self) -> String {
        let kind = if self.keda {
            "ScaledObject"
        } else {
            "HorizontalPodAutoscaler"
        };
        format!("{kind} `{}`", self.name)
    }
}

/// Autoscalers on a workload, KEDA's first.
pub(super) fn others(object: &Object, world: &World) -> Vec<Other> {
    let beside = world
        .objects
        .iter()
        .map(|(_, other)| other)
        .filter(|other| other.is_beside(object));
    let mut others: Vec<_> = beside.filter_map(|other| of(other, object)).collect();
    others.sort_by_key(|other| !other.keda);
    // KEDA makes a HorizontalPodAutoscaler for each ScaledObject.
    let made: Vec<_> = others
        .iter()
        .filter(|other| other.keda)
        .map(|other| other.hpa.clone())
        .collect();
    others.retain(|other| other.keda || !made.contains(&other.name));
    others
}

fn of(other: &Object, object: &Object) -> Option<Other> {
    let keda = match (other.group(), other.kind.as_str()) {
        ("autoscaling", "HorizontalPodAutoscaler") => false,
        ("keda.sh", "ScaledObject") => true,
        _ => return None,
    };
    let target = other.get(&["spec", "scaleTargetRef"])?;
    let kind = target.text("kind").unwrap_or("Deployment");
    if kind != object.kind || target.text("name") != Some(&object.name) {
        return None;
    }
    let whole = |name: &str, usual: i64| other.get(&["spec", name]).and_then(number).unwrap_or(usual);
    let (least, most) = match keda {
        true => (whole("minReplicaCount", 0), whole("maxReplicaCount", 100)),
        false => (whole("minReplicas", 1), whole("maxReplicas", 10)),
    };
    let advanced = ["spec", "advanced", "horizontalPodAutoscalerConfig", "name"];
    let hpa = other
        .text(&advanced)
        .map_or_else(|| format!("keda-hpa-{}", other.name), str::to_owned);
    let restores = other.get(&["spec", "advanced", "restoreToOriginalReplicaCount"]);
    Some(Other {
        keda,
        hpa: if keda { hpa } else { other.name.clone() },
        name: other.name.clone(),
        least,
        most,
        restores: restores.is_some_and(|node| node.value() == true),
        paused: other
            .text(&["metadata", "annotations", "autoscaling.keda.sh/paused"])
            .is_some_and(|value| value == "true"),
    })
}

fn number(node: &Node) -> Option<i64> {
    match &node.content {
        Content::Scalar(value) => value.as_i64(),
        _ => None,
    }
}

/// Has the pool observe, and names the steps by which it takes over.
pub(super) fn hand_over(others: &[Other], to: &mut Proposal) {
    let Some(first) = others.first() else { return };
    let names: Vec<_> = others.iter().map(Other::told).collect();
    let page = if first.keda {
        "docs/from-keda.md"
    } else {
        "docs/from-hpa.md"
    };
    to.set("mode", "Observe");
    to.note(
        "mode",
        format!(
            "it writes nothing as long as {} scales the same target; then `Act`",
            names.join(" and ")
        ),
    );
    to.check(format!(
        "{} scales this workload as well: the pool takes over in the steps of {page}, which were printed with it",
        names.join(" and ")
    ));
    if first.keda {
        to.check(format!(
            "`kubectl twp convert` reads ScaledObject `{}` itself: its queues, its target, its behavior",
            first.name
        ));
    }
    to.steps = others
        .iter()
        .flat_map(|other| {
            let kind = if other.keda { "scaledobject" } else { "hpa" };
            plan(&Takeover {
                pool: &to.pool,
                file: FILE,
                other: format!("{kind} {}", other.name),
                hpa: other.hpa.clone(),
                keda: other.keda,
                restores: other.restores,
                paused: other.paused,
            })
        })
        .collect();
}
