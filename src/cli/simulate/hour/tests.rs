//! The hour as a question: what is said where something is not known; and in `counted.rs` how true the arrivals are.

mod counted;

use serde_json::json;

use super::*;
use crate::{
    api::TaskWorkerPool,
    cli::{
        fixture,
        simulate::{
            answer::SimulationReport,
            plan::{RunOptions, RunPlan},
            play,
        },
    },
    controller::validate,
};

fn spec(spec: serde_json::Value) -> Pool {
    let mut object = json!({
        "apiVersion": "taskworkerpool.dev/v1alpha1", "kind": "TaskWorkerPool",
        "metadata": {"name": "mail", "namespace": "shop"},
        "spec": {"targetRef": {"name": "mail-worker"}, "broker": {"url": "redis://redis:6379/0"}, "maxReplicas": 50},
    });
    for (field, value) in spec.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    let object: TaskWorkerPool = serde_json::from_value(object).unwrap();
    validate::pool(&object).unwrap()
}

/// The pool of the view's own tests, with a Deployment that has another grace period than is usual.
fn found() -> Found {
    let workload = json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 90}}}});
    Found {
        pool: spec(json!({"target": {"waitSeconds": 60}})),
        told: fixture::pool(),
        target: Ok(workload.to_string()),
    }
}

fn history(found: &mut Found) -> &mut types::History {
    &mut found.told.detail.as_mut().unwrap().history
}

fn refused(found: &Found, given: &Given) -> String {
    question(found, given).err().unwrap()
}

#[test]
fn the_hour_is_simulated_with_what_is_known_of_the_pool() {
    let found = found();
    let asked = question(&found, &Given::default()).unwrap();
    // 96 tasks a point; of the first one not all are known, the last one is not over.
    let points = found.told.detail.as_ref().unwrap().history.arrived.len();
    let Trace::Hour(hour) = &asked.trace else { panic!() };
    let known = points - 1 - hour.unknown;
    assert_eq!((hour.points, asked.tasks.len()), (points - 1, known * 96));
    assert!(asked.tasks.iter().all(|task| task.duration == 6.1));
    assert_eq!(
        (asked.start_up, asked.grace, asked.pool.pool.policy.slots),
        (24.0, 90.0, Some(4))
    );

    let options = RunOptions {
        start_up: asked.start_up,
        grace: asked.grace,
        late_after: 60.0,
        keda: true,
        series: false,
        seed: 1,
    };
    let (tasks, trace) = (asked.tasks.len(), asked.trace.clone());
    let plan = RunPlan::new(asked.pool, asked.tasks, &options);
    let report = SimulationReport::new(&plan, play(&plan));
    let text = report.text(&trace);
    for part in [
        &format!("mail on the last hour of shop/mail: {tasks} tasks in "),
        "with 4 slots, ready after 24 s (median), killed after 90 s",
        "\narrivals: as the operator counted them, in 119 points of 30 s",
        "\nseconds of a task: 6.1, learned by the operator\n",
        "\nseconds until a pod is ready: 24, learned by the operator\n",
        "\nseconds of the grace period: 90, from Deployment mail-worker\n",
        "\ntasks at a time in a replica: 4, learned by the operator\n",
        "KEDA target 4 stock",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(!text.contains("is not set"), "{text}");
    let value = report.value(&trace);
    assert_eq!(
        (
            &value["trace"]["fromCluster"],
            &value["trace"]["tasks"],
            &value["trace"]["pointSeconds"]
        ),
        (&json!("shop/mail"), &json!(tasks), &json!(30))
    );
    assert_eq!(
        value["trace"]["numbers"]["graceSeconds"],
        json!({"value": 90.0, "from": "target"})
    );
}

#[test]
fn what_a_flag_or_the_spec_says_counts_over_what_was_learned() {
    let mut found = found();
    found.pool = spec(json!({"target": {"waitSeconds": 60}, "worker": {"concurrency": 8}}));
    let given = Given {
        mean_task: Some(2.5),
        start_up: Some(7.0),
        grace: Some(1.0),
    };
    let asked = question(&found, &given).unwrap();
    assert_eq!(
        (asked.start_up, asked.grace, asked.pool.pool.policy.slots),
        (7.0, 1.0, Some(8))
    );
    assert!(asked.tasks.iter().all(|task| task.duration == 2.5));
    let said = asked.trace.sentences().join("\n");
    for part in [
        "2.5, given by --mean-task-seconds",
        "7, given by --start-up-seconds",
        "1, given by --grace-seconds",
        "8, `worker.concurrency`",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
}

#[test]
fn what_nobody_says_is_told_to_be_assumed() {
    let mut found = found();
    found.target = Err("there is no Deployment `mail-worker`".to_owned());
    let learned = found.told.estimates.as_mut().unwrap();
    (learned.startup_seconds, learned.concurrency) = (None, None);
    let asked = question(&found, &Given::default()).unwrap();
    assert_eq!(
        (asked.start_up, asked.grace, asked.pool.pool.policy.slots),
        (25.0, 30.0, None)
    );
    let said = asked.trace.sentences().join("\n");
    for part in [
        "25, assumed: the operator has not seen a pod start yet; --start-up-seconds says otherwise",
        "30, assumed: there is no Deployment `mail-worker`; --grace-seconds says otherwise",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
}

#[test]
fn points_that_are_not_known_are_told_and_are_a_gap() {
    let mut found = found();
    let history = history(&mut found);
    for point in 0..120 {
        history.arrived[point] = match point {
            20..40 => None,
            10 | 50 => Some(3),
            _ => Some(0),
        };
    }
    let asked = question(&found, &Given::default()).unwrap();
    let arrivals: Vec<_> = asked.tasks.iter().map(|task| task.arrival).collect();
    assert_eq!(arrivals, [0.0, 10.0, 20.0, 1200.0, 1210.0, 1220.0]);
    let said = asked.trace.sentences().remove(0);
    assert!(
        said.contains("in 119 points of 30 s") && said.contains("20 of them (10 min) are not known: nothing arrives"),
        "{said}"
    );
    assert_eq!(asked.trace.value()["unknownPoints"], 20);
}

#[test]
fn without_enough_to_go_by_it_says_what_is_lacking_and_what_helps() {
    let learned = |found: &mut Found| found.told.estimates.as_mut().unwrap().task_milliseconds = None;
    let few = |found: &mut Found| {
        let arrived = &mut history(found).arrived;
        let known = arrived.len() - 10;
        arrived[..known].fill(None);
    };
    let backlog = |found: &mut Found| {
        history(found).arrived.fill(None);
        found.pool = spec(json!({"target": {"backlogPerReplica": 2}}));
    };
    type Change<'a> = &'a dyn Fn(&mut Found);
    let table: [(Change, &str); 7] = [
        (&learned, "how long a task takes: give it with --mean-task-seconds"),
        (
            &few,
            "knows the arrivals of 4 min of the last hour so far, and 5 min are the least",
        ),
        (
            &|found| history(found).arrived.fill(Some(90_000)),
            "10710000 tasks arrived in the hour, and a simulation takes 10000000 at most",
        ),
        (
            &backlog,
            "only for a pool with `target.waitSeconds`, which this one has not: give POOL.yaml",
        ),
        (
            &|found| history(found).arrived.fill(Some(0)),
            "no task arrived in the 60 min of the last hour",
        ),
        (
            &|found| history(found).arrived.clear(),
            "older than this plugin, upgrade it",
        ),
        (
            &|found| found.told.detail = None,
            "of another version than this plugin?",
        ),
    ];
    for (change, expected) in table {
        let mut found = found();
        change(&mut found);
        let said = refused(&found, &Given::default());
        assert!(said.contains(expected), "{expected:?}: {said}");
    }
    let mut found = found();
    learned(&mut found);
    let given = Given {
        mean_task: Some(1.0),
        ..Given::default()
    };
    assert!(question(&found, &given).is_ok());
}
