use serde_json::json;

use super::*;

fn read(spec: Value, status: Value) -> Target {
    let object: SlimDeployment = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "mail-worker", "namespace": "shop", "uid": "u-1", "generation": 5, "resourceVersion": "42"},
        "spec": spec, "status": status,
    }))
    .unwrap();
    let (key, target) = Target::read(&object).unwrap();
    assert_eq!((&*key.namespace, key.workload), ("shop", "mail-worker".into()));
    target
}

/// A Deployment whose `metadata.managedFields` are these: manager, subresource, whether it owns the replicas.
fn owned(fields: &[(&str, &str, bool)]) -> Target {
    let entries: Vec<_> = fields
        .iter()
        .map(|(manager, subresource, replicas)| {
            let owns = if *replicas {
                json!({"f:spec": {"f:replicas": {}}})
            } else {
                json!({"f:spec": {"f:template": {}}})
            };
            json!({"manager": manager, "operation": "Apply", "subresource": subresource, "fieldsV1": owns})
        })
        .collect();
    let object = json!({"metadata": {"name": "w", "namespace": "s", "uid": "u", "managedFields": entries}});
    Target::read(&serde_json::from_value::<SlimDeployment>(object).unwrap())
        .unwrap()
        .1
}

#[test]
fn a_deployment_is_read() {
    let selector = json!({"matchLabels": {"app": "mail"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]});
    let target = read(
        json!({"replicas": 3, "selector": selector}),
        json!({"readyReplicas": 2}),
    );
    assert_eq!(
        (&*target.uid, target.version, target.replicas, target.ready),
        ("u-1", 42, 3, 2)
    );
    assert!(
        target.selector.contains("app=mail") && target.selector.contains("tier in (a,b)"),
        "{}",
        target.selector
    );
}

#[test]
fn pods_have_30_s_to_end_where_the_template_says_nothing() {
    let grace = |pods: Value| read(json!({"template": {"spec": pods}}), json!({})).grace;
    assert_eq!(grace(json!({})), 30);
    assert_eq!(grace(json!({"terminationGracePeriodSeconds": 0})), 0);
    assert_eq!(grace(json!({"terminationGracePeriodSeconds": 600})), 600);
}

#[test]
fn replicas_that_are_not_told_are_one() {
    assert_eq!(read(json!({}), json!({})).replicas, 1);
    assert_eq!(read(json!({"replicas": 0}), json!({})).replicas, 0);
    assert_eq!(read(json!({"replicas": -3}), json!({})).replicas, 0);
}

#[test]
fn an_object_without_a_name_is_none() {
    assert_eq!(Target::read(&SlimDeployment::default()), None);
}

#[test]
fn a_rollout_is_seen_while_it_makes_progress() {
    let stuck = json!([{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]);
    let moves = json!([{"type": "Progressing", "reason": "ReplicaSetUpdated"}]);
    let at = |observed: i64, replicas: i32, updated: i32, conditions: &Value| json!({"observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated, "conditions": conditions});
    for (what, spec, status, rollout) in [
        ("old pods are left", json!({}), at(5, 4, 1, &moves), true),
        ("all are new", json!({}), at(5, 4, 4, &moves), false),
        ("nothing runs", json!({}), at(5, 0, 0, &moves), false),
        ("the deadline is over", json!({}), at(5, 4, 1, &stuck), false),
        ("it is paused", json!({"paused": true}), at(5, 4, 1, &moves), false),
        ("the status is of before", json!({}), at(4, 4, 1, &moves), false),
        ("there is no status", json!({}), json!({}), false),
    ] {
        assert_eq!(read(spec, status).rollout, rollout, "{what}");
    }
}

#[test]
fn the_owners_of_the_replicas_are_found_also_through_scale() {
    let ours = owned(&[("kubectl", "", false), (MANAGER, "scale", true)]);
    assert!(ours.is_ours());
    assert_eq!(
        (ours.owners.as_slice(), ours.other_owner()),
        (&[MANAGER.to_owned()][..], None)
    );
    let shared = owned(&[("flux", "", true), (MANAGER, "scale", true)]);
    assert!(shared.is_ours());
    assert_eq!(shared.other_owner(), Some("flux"));
    let lost = owned(&[("kubectl", "scale", true), (MANAGER, "", false)]);
    assert!(!lost.is_ours());
    assert_eq!(lost.other_owner(), Some("kubectl"));
    assert_eq!(owned(&[]).owners, Vec::<String>::new());
}

#[test]
fn a_resource_version_is_a_number() {
    assert_eq!([version(Some("17")), version(Some("x")), version(None)], [17, 0, 0]);
}

#[test]
fn a_changed_template_is_seen_and_a_changed_number_is_none() {
    let template =
        |value: &str| json!({"spec": {"containers": [{"name": "w", "env": [{"name": "A", "value": value}]}]}});
    let of = |replicas: u32, value: &str| {
        read(json!({"replicas": replicas, "template": template(value)}), json!({})).template
    };
    assert_eq!(of(1, "a"), of(2, "a"));
    assert_ne!(of(1, "a"), of(1, "b"));
}

#[test]
fn the_words_of_the_deployment_are_read_cut_and_tamed() {
    let conditions = |failure: &str, progress: &str| {
        json!({"conditions": [
            {"type": "ReplicaFailure", "status": failure, "reason": "FailedCreate", "message": "exceeded\u{1b}[31m quota".to_owned() + &"x".repeat(999)},
            {"type": "Progressing", "status": progress, "reason": "ProgressDeadlineExceeded", "message": "timed out"},
        ]})
    };
    let troubled = read(json!({}), conditions("True", "False"));
    let failure = troubled.failure.unwrap();
    assert!(
        failure.starts_with("exceeded [31m quotax") && failure.len() == WORDS,
        "{failure}"
    );
    assert_eq!(troubled.stuck.as_deref(), Some("timed out"));
    let well = read(json!({}), conditions("False", "True"));
    assert_eq!((well.failure, well.stuck), (None, None));
}

#[test]
fn the_commands_of_the_template_are_read() {
    let spec = json!({"template": {"spec": {"containers": [
        {"name": "w", "command": ["celery"], "args": ["-A", "app", "worker", "-B"]}, {"name": "none"},
    ]}}});
    assert_eq!(
        read(spec, json!({})).commands[0],
        ["celery", "-A", "app", "worker", "-B"]
    );
}

fn stateful_set(spec: Value, status: Value) -> (TargetKey, Target) {
    let meta = json!({"name": "mail", "namespace": "shop", "uid": "u-1", "generation": 5});
    let object = json!({"metadata": meta, "spec": spec, "status": status});
    Target::read(&serde_json::from_value::<SlimStatefulSet>(object).unwrap()).unwrap()
}

#[test]
fn a_stateful_set_is_read() {
    let (key, target) = stateful_set(
        json!({"replicas": 3, "ordinals": {"start": 5}, "selector": {"matchLabels": {"app": "mail"}}}),
        json!({"readyReplicas": 2, "observedGeneration": 5}),
    );
    assert_eq!(key.workload.kind, WorkloadKind::StatefulSet);
    assert_eq!((target.replicas, target.ready, target.ordinals.start), (3, 2, 5));
    assert_eq!(stateful_set(json!({}), json!({})).1.ordinals, Ordinals::default());
}

#[test]
fn a_stateful_set_rolls_out_what_its_strategy_lets_it() {
    for (strategy, updated, rolls) in [
        (
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
            3,
            true,
        ),
        (json!({"type": "RollingUpdate"}), 4, false),
        (
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}),
            1,
            false,
        ),
        (
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}),
            1,
            true,
        ),
        (
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 9}}),
            0,
            false,
        ),
        (json!({"type": "OnDelete"}), 0, false),
    ] {
        let status = json!({"observedGeneration": 5, "replicas": 4, "updatedReplicas": updated});
        let (_, target) = stateful_set(json!({"replicas": 4, "updateStrategy": strategy}), status);
        assert_eq!(target.rollout, rolls, "{strategy} {updated}");
    }
}

#[test]
fn pods_that_end_are_neither_a_rollout_nor_ready() {
    let status = |updated: i32, current: &str| {
        let status = json!({"observedGeneration": 5, "replicas": 4, "readyReplicas": 4, "currentReplicas": 1,
            "updatedReplicas": updated, "currentRevision": current, "updateRevision": "b"});
        let (_, target) = stateful_set(json!({"replicas": 2}), status);
        (target.rollout, target.ready)
    };
    assert_eq!(status(2, "b"), (false, 2), "two of one revision end");
    assert_eq!(status(4, "b"), (false, 4));
    assert_eq!(status(3, "a"), (true, 4), "one is of the revision before");
    assert_eq!(status(2, "a"), (true, 3), "and one ends");
}

#[test]
fn how_a_stateful_set_ends_its_pods_is_read() {
    let one_by_one = |policy: &str| {
        stateful_set(json!({"podManagementPolicy": policy}), json!({}))
            .1
            .ordinals
            .one_by_one
    };
    assert!(one_by_one("OrderedReady") && !one_by_one("Parallel"));
}
