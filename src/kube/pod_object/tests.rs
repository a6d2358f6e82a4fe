use serde_json::json;

use super::*;

#[test]
fn a_pod_whose_node_is_about_to_start_it_may_run_already() {
    let old = "2025-12-31T23:58:59Z";
    let new = "2025-12-31T23:59:01Z";
    let waiting = |reason: &str| json!({"state": {"waiting": {"reason": reason}}});
    let crashed = |at: &str| json!({"state": {"waiting": {}}, "lastState": {"terminated": {"finishedAt": at}}});
    let ended = |at: &str| json!({"state": {"terminated": {"finishedAt": at}}});
    let runs = |at: &str| json!({"state": {"running": {"startedAt": at}}});
    let all = [
        ("Pending", "", new, vec![], Readiness::Unassigned),
        ("Pending", "n", new, vec![], Readiness::Creating),
        ("Pending", "n", old, vec![], Readiness::Pending),
        (
            "Pending",
            "n",
            new,
            vec![waiting("ContainerCreating")],
            Readiness::Creating,
        ),
        (
            "Pending",
            "n",
            old,
            vec![waiting("ContainerCreating")],
            Readiness::Pending,
        ),
        (
            "Pending",
            "n",
            new,
            vec![waiting("ImagePullBackOff")],
            Readiness::Pending,
        ),
        (
            "Pending",
            "n",
            new,
            vec![waiting("ImagePullBackOff"), waiting("PodInitializing")],
            Readiness::Creating,
        ),
        ("Running", "n", old, vec![ended(old)], Readiness::Down),
        ("Running", "n", old, vec![ended(new)], Readiness::Booting),
        ("Running", "n", old, vec![crashed(new)], Readiness::Booting),
        ("Running", "n", old, vec![crashed(old)], Readiness::Down),
        ("Running", "n", new, vec![waiting("CrashLoopBackOff")], Readiness::Down),
        ("Running", "n", old, vec![runs(new)], Readiness::Booting),
        ("Running", "n", old, vec![runs(old)], Readiness::NotReady),
    ];
    for (phase, node, assigned, containers, expected) in all {
        // The pod may have waited for a node for long.
        let made = if node.is_empty() { new } else { old };
        let pod = json!({
            "metadata": {"name": "a", "creationTimestamp": made}, "spec": {"nodeName": node},
            "status": {"phase": phase, "containerStatuses": containers, "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": assigned},
            ]},
        });
        let object: PodObject = serde_json::from_value(pod.clone()).unwrap();
        assert_eq!(
            object.readiness(&["celery"], "2026-01-01T00:00:00Z".parse().unwrap()),
            expected,
            "{pod}"
        );
    }
}

#[test]
fn a_container_that_crashed_again_does_not_run_while_its_node_backs_off() {
    // As a node of Kubernetes 1.36 says it: ended, and again after 14 s, 28 s, 51 s.
    let at = |second: i64| (Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)).to_string();
    let seen = |before: Option<i64>, began: i64, ended: i64, now: i64| {
        let last = before.map(|ended| json!({"terminated": {"startedAt": at(ended), "finishedAt": at(ended)}}));
        let pod = json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n", "containers": [{"name": "w"}]}, "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "w", "lastState": last.unwrap_or_else(|| json!({})),
                "state": {"terminated": {"startedAt": at(began), "finishedAt": at(ended)}}}],
        }});
        let object: PodObject = serde_json::from_value(pod).unwrap();
        object.readiness(&["celery"], Timestamp::UNIX_EPOCH + SignedDuration::from_secs(now))
    };
    assert_eq!(
        seen(None, 1000, 1001, 1001),
        Readiness::Booting,
        "the first time it is started again at once"
    );
    assert_eq!(
        seen(Some(1001), 1002, 1002, 1002),
        Readiness::Booting,
        "nor did its node wait the last time"
    );
    for (before, began, down) in [(1002, 1016, 1020), (1016, 1044, 1057), (1044, 1095, 1123)] {
        assert_eq!(seen(Some(before), began, began, began), Readiness::Down);
        assert_eq!(seen(Some(before), began, began, down), Readiness::Down);
        assert_eq!(
            seen(Some(before), began, began, down + 2),
            Readiness::Booting,
            "its node may not have told yet"
        );
    }
    assert_eq!(seen(Some(1000), 1300, 1359, 1360), Readiness::Down);
    assert_eq!(
        seen(Some(1000), 1300, 1360, 1361),
        Readiness::Booting,
        "it ran for long"
    );
}

#[test]
fn a_worker_may_be_a_sidecar() {
    let down = json!({"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
    let seen = |policy: &str| {
        let pod = json!({
            "metadata": {"name": "a"},
            "spec": {"nodeName": "n", "containers": [{"name": "main"}],
                "initContainers": [{"name": "w", "command": ["celery", "worker"], "restartPolicy": policy}]},
            "status": {"phase": "Running", "containerStatuses": [down],
                "initContainerStatuses": [{"name": "w", "state": {"running": {"startedAt": "2025-12-31T23:00:00Z"}}}]},
        });
        let object: PodObject = serde_json::from_value(pod).unwrap();
        object.readiness(&["celery"], "2026-01-01T00:00:00Z".parse().unwrap())
    };
    assert_eq!((seen("Always"), seen("")), (Readiness::NotReady, Readiness::Down));
}

#[test]
fn of_several_containers_the_workers_tell_and_of_those_the_one_that_began_last() {
    let [old, new] = ["2025-12-31T23:58:59Z", "2025-12-31T23:59:01Z"];
    let runs = |name: &str, at: &str| json!({"name": name, "state": {"running": {"startedAt": at}}});
    let down = |name: &str| json!({"name": name, "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
    let seen = |phase: &str, statuses: [serde_json::Value; 2]| {
        let pod = json!({
            "metadata": {"name": "a"},
            "spec": {"nodeName": "n", "containers": [
                {"name": "flower", "command": ["celery", "-A", "shop", "flower"]},
                {"name": "first", "command": ["sh", "-c", "exec celery -A shop worker"]},
                {"name": "second", "args": ["/start-worker.sh"]},
            ]},
            "status": {"phase": phase, "containerStatuses": statuses},
        });
        let object: PodObject = serde_json::from_value(pod).unwrap();
        let pod = object
            .pod(&["celery"], "2026-01-01T00:00:00Z".parse().unwrap())
            .unwrap();
        (pod.readiness, pod.pending, pod.began.map(|at| at.to_string()))
    };
    let began = |at: &str| Some(at.to_owned());
    let both = [runs("first", old), runs("second", new)];
    assert_eq!(seen("Running", both.clone()), (Readiness::Booting, false, began(old)));
    assert_eq!(
        seen("Pending", both),
        (Readiness::Booting, true, began(old)),
        "an image is still pulled"
    );
    let crashed = [down("first"), runs("flower", old)];
    assert_eq!(seen("Running", crashed), (Readiness::Down, false, None));
    let one = [down("first"), runs("second", old)];
    assert_eq!(
        seen("Running", one),
        (Readiness::NotReady, false, began(old)),
        "a script may be a worker"
    );
}

#[test]
fn beside_a_sidecar_the_worker_tells_of_whichever_framework_it_is() {
    let [old, new] = ["2025-12-31T20:00:00Z", "2025-12-31T23:00:00Z"];
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let seen = |programs: &[&str], command: &[&str], state: serde_json::Value| {
        let pod = json!({
            "metadata": {"name": "a"},
            "spec": {"nodeName": "n", "containers": [
                {"name": "w", "command": command}, {"name": "mesh", "args": ["proxy", "sidecar", "--concurrency=2"]},
            ]},
            "status": {"phase": "Running", "containerStatuses": [
                {"name": "w", "state": state}, {"name": "mesh", "state": {"running": {"startedAt": old}}},
            ]},
        });
        let object: PodObject = serde_json::from_value(pod).unwrap();
        let pod = object.pod(programs, now).unwrap();
        (pod.readiness, pod.began.map(|at| at.to_string()))
    };
    let restarted = json!({"running": {"startedAt": new}});
    let down = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    for (program, command) in [
        ("rq", &["rq", "worker", "mail"][..]),
        ("rq", &["sh", "-c", "exec /venv/bin/rq worker-pool mail"]),
        ("rq", &["python", "manage.py", "rqworker", "mail"]),
        ("taskiq", &["taskiq", "worker", "shop:broker"]),
        ("celery", &["celery", "-A", "shop", "worker"]),
    ] {
        let began = Some(new.to_owned());
        assert_eq!(
            seen(&[program], command, restarted.clone()),
            (Readiness::NotReady, began),
            "{command:?}"
        );
        assert_eq!(
            seen(&[program], command, down.clone()),
            (Readiness::Down, None),
            "{command:?}"
        );
    }
    // Nobody knows what a script starts.
    for (programs, command) in [
        (&["rq"][..], &["torque", "worker"][..]),
        (&["rq"], &["/start"]),
        (&[], &["rq", "worker"]),
    ] {
        assert_eq!(
            seen(programs, command, restarted.clone()).1.as_deref(),
            Some(old),
            "{command:?}"
        );
    }
}

#[test]
fn a_shell_that_goes_on_beside_its_worker_hands_no_signal_on() {
    let shell = |command: &[&str]| {
        let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "w", "command": command}]}});
        let object: PodObject = serde_json::from_value(pod).unwrap();
        object
            .pod(&["celery"], "2026-01-01T00:00:00Z".parse().unwrap())
            .unwrap()
            .shell
    };
    for deaf in [
        ["sh", "-c", "python manage.py migrate; celery -A shop worker"],
        [
            "/bin/bash",
            "-c",
            "celery -A shop worker -n a@%h & celery -A shop worker -n b@%h & wait",
        ],
        ["/bin/sh", "-ec", "migrate && celery -A shop worker"],
    ] {
        assert!(shell(&deaf), "{deaf:?}");
    }
    for hears in [
        &["sh", "-c", "celery -A shop worker"][..],
        &["sh", "-c", "migrate && exec celery -A shop worker"],
        &["bash", "-c", "trap 'kill $!' TERM; celery -A shop worker & wait"],
        &["sh", "-c", "nginx; sleep 9"],
        &["tini", "--", "sh", "-c", "exec celery -A shop worker"],
        &["celery", "-A", "shop", "worker"],
    ] {
        assert!(!shell(hears), "{hears:?}");
    }
}

#[test]
fn of_a_pods_metadata_only_what_is_read_is_kept() {
    let pod = json!({"metadata": {
        "name": "mail-6d5f7c9b8-aaaa0", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generateName": "mail-",
        "labels": {"app": "mail", TEMPLATE_HASH: "6d5f7c9b8", DRAINING: "true"},
        "annotations": {"somebody/else": "x".repeat(100_000), COST: "7"},
        "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:conditions": {}}}}],
        "finalizers": ["somebody/else"], "deletionTimestamp": "2026-01-01T00:00:00Z",
    }});
    for object in [
        serde_json::from_value::<PodObject>(pod.clone()).unwrap(),
        serde_json::from_str(&pod.to_string()).unwrap(),
    ] {
        let metadata = object.metadata;
        let keys = |texts: &Option<BTreeMap<String, String>>| {
            texts.iter().flatten().map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        assert_eq!(keys(&metadata.labels), [TEMPLATE_HASH, DRAINING]);
        assert_eq!(keys(&metadata.annotations), [COST]);
        assert_eq!((metadata.managed_fields, metadata.finalizers), (None, None));
        assert!(metadata.deletion_timestamp.is_some() && metadata.name.is_some() && metadata.namespace.is_some());
    }
}

#[test]
fn a_stateful_sets_pod_is_known_by_its_owner_and_its_ordinal() {
    let numbered = |name: &str, owner: serde_json::Value| {
        let object = json!({"metadata": {"name": name, "ownerReferences": [owner]}, "status": {"phase": "Running"}});
        let object: PodObject = serde_json::from_value(object).unwrap();
        object.pod(&[], Timestamp::UNIX_EPOCH).unwrap().ordinal
    };
    let set = |controller: bool| json!({"kind": "StatefulSet", "name": "mail-1", "uid": "u", "controller": controller});
    assert_eq!(numbered("mail-1-12", set(true)), Some(12));
    for (name, owner) in [
        ("mail-1-12", set(false)),
        ("mail-1", set(true)),
        ("mail-1-x", set(true)),
        ("mail-2-1", set(true)),
        (
            "mail-1-12",
            json!({"kind": "ReplicaSet", "name": "mail-1", "uid": "u", "controller": true}),
        ),
    ] {
        assert_eq!(numbered(name, owner), None, "{name}");
    }
}
