//! Objects that stand in a pool's way: other autoscalers, and other pools.
#![deny(clippy::disallowed_methods)]

use super::{PoolIn, finding::named};
use crate::cli::manifest::Object;

/// Whether an object is an autoscaler of the pool's target; then a sentence about it.
pub(super) fn autoscaler(object: &Object, pool: &PoolIn) -> Option<String> {
    let target = &pool.checked.pool.target;
    let (path, kind) = match (object.group(), object.kind.as_str()) {
        ("autoscaling", "HorizontalPodAutoscaler") => (["spec", "scaleTargetRef"], None),
        ("keda.sh", "ScaledObject") => (["spec", "scaleTargetRef"], Some("Deployment")),
        _ => return None,
    };
    let reference = object.get(&path)?;
    let same =
        reference.text("kind").or(kind) == Some(target.kind.name()) && reference.text("name") == Some(&target.name);
    if !same || !object.is_beside(pool.object) {
        return None;
    }
    // An observing pool beside another autoscaler is the way to compare them.
    pool.checked.pool.acts().then(|| {
        format!(
            "`spec.scaleTargetRef` names `{}`, which the pool `{}` scales: they overwrite each other; delete this object, or set \
             `mode: Observe` on the pool until then",
            target.name, pool.object.name
        )
    })
}

/// What two pools have in common: field of the second with a sentence about it.
pub(super) fn shared(one: &PoolIn, other: &PoolIn) -> Option<(&'static str, String)> {
    let (first, second) = (&one.checked.pool, &other.checked.pool);
    let name = named(one.object);
    if first.target == second.target && one.object.is_beside(other.object) {
        let text = format!(
            "`targetRef` names `{}`, as {name} does: only the older of the two acts; make one pool of them, with all `queues`",
            first.target.name
        );
        return Some(("spec.targetRef", text));
    }
    let queue = first
        .app
        .queues
        .iter()
        .find(|queue| second.app.queues.contains(queue))?;
    let same_keys = first.app.key_prefix == second.app.key_prefix && first.app.framework == second.app.framework;
    (same_keys && same_broker(one, other)).then(|| {
        let text = format!(
            "`queues` has `{queue}`, as {name} has on the same broker: both order workers for all of its tasks; give each \
             Deployment a queue of its own, or let one pool count it"
        );
        ("spec.queues", text)
    })
}

/// Whether two pools surely have the same broker: the same address, or the same reference to it.
fn same_broker(one: &PoolIn, other: &PoolIn) -> bool {
    let (first, second) = (&one.checked.pool.source, &other.checked.pool.source);
    // A reference is to an object of the namespace, and so is a host name of one word, which an address has whole.
    let same_text = first.url == second.url && one.object.is_beside(other.object);
    same_text || matches!((&one.addresses, &other.addresses), (Some(one), Some(other)) if one == other)
}
