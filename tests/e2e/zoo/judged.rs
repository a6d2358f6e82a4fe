//! Whether the questions find what is wrong: made-up worlds with one fault each.

use serde_json::json;
use taskworkerpool::api::{Condition, Status};

use super::{
    conditions,
    questions::{Answer, Everything, QUESTIONS, ask},
    set_up::SetUp,
    watch::{Sample, Seen},
};

fn set_up(expect: serde_json::Value) -> SetUp {
    serde_json::from_value(json!({"about": "a test", "broker": "redis", "expect": expect})).expect("a set-up")
}

fn condition(kind: &str, status: &str, reason: &str) -> Condition {
    let now = "2026-01-01T00:00:00Z";
    let condition = json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": now});
    serde_json::from_value(condition).expect("a condition")
}

/// The first second of the world is this one of the clock.
const ZERO: i64 = 1_767_225_600;

/// What the pool says in a second in which it counts so many tasks.
fn status(second: i64, ready: i64, in_flight: i64) -> Status {
    let at = jiff::Timestamp::from_second(ZERO + second).expect("a time").to_string();
    let work = json!({"waiting": ready, "inFlight": in_flight, "scheduled": 0, "sampledAt": at});
    let good = ["Ready", "SourceAvailable", "ScalingActive"].map(|kind| condition(kind, "True", "Well"));
    let mut status: Status = serde_json::from_value(json!({"work": work, "desiredReplicas": 0})).expect("a status");
    status.conditions = good
        .into_iter()
        .chain([condition("Degraded", "False", "AsExpected")])
        .collect();
    status
}

/// One task from second 10 to 40, on a worker that is up from 0 to 60 and answers every two seconds.
fn world() -> Everything {
    let at = |second: i64| (ZERO + second) as f64;
    let records = json!({
        "published": [{"id": "t", "retries": 0, "at": at(10)}],
        "sent": [{"at": at(10)}],
        "started": [{"id": "t", "retries": 0, "attempt": "1", "node": "celery@w-a", "pod": "w-a", "at": at(10)}],
        "ended": [{"id": "t", "retries": 0, "attempt": "1", "at": at(40)}],
        "words": [
            {"what": "ready", "node": "celery@w-a", "pod": "w-a", "at": at(0)},
            {"what": "ending", "node": "celery@w-a", "pod": "w-a", "at": at(60)},
        ],
        "pings": (0..40).map(|round| json!({
            "begin": at(round * 2), "end": at(round * 2), "failed": null,
            "answered": if round < 30 { vec!["celery@w-a"] } else { vec![] },
        })).collect::<Vec<_>>(),
    });
    let samples = (0..80).map(|second| Sample {
        at: at(second),
        replicas: i32::from(second < 60),
        pods: (0..i32::from(second < 60)).map(|_| pod("w-a")).collect(),
        status: status(second, 0, i64::from((10..40).contains(&second))),
    });
    Everything {
        truth: serde_json::from_value(records.clone()).expect("records"),
        words: serde_json::from_value(records["words"].clone()).expect("words"),
        errors: Vec::new(),
        pings: serde_json::from_value(records["pings"].clone()).expect("pings"),
        samples: samples.collect(),
        lines: Vec::new(),
        begun: at(0),
        done: true,
    }
}

fn pod(name: &str) -> Seen {
    Seen {
        name: name.to_owned(),
        ready: true,
        ..Seen::default()
    }
}

/// The questions that were answered with no.
fn noes(world: &Everything) -> Vec<&'static str> {
    let answers = ask(&set_up(json!({})), world);
    let noes = QUESTIONS.into_iter().zip(answers);
    noes.filter(|(_, answer)| *answer != Answer::Right)
        .map(|(question, _)| question)
        .collect()
}

#[test]
fn a_good_world_is_right() {
    assert_eq!(
        noes(&world()),
        Vec::<&str>::new(),
        "{:?}",
        ask(&set_up(json!({})), &world())
    );
}

#[test]
fn a_count_that_is_wrong_is_found_and_one_that_lags_a_little_is_not() {
    let mut wrong = world();
    wrong.samples[25].status = status(25, 0, 0);
    assert_eq!(noes(&wrong), ["count"]);
    let mut lags = world();
    for second in 40..45 {
        lags.samples[second].status = status(39, 0, 1);
    }
    assert_eq!(noes(&lags), Vec::<&str>::new());
    for second in 45..52 {
        lags.samples[second].status = status(39, 0, 1);
    }
    assert_eq!(noes(&lags), ["count"]);
}

#[test]
fn a_task_that_is_cut_off_lost_or_repeated_is_found() {
    let mut lost = world();
    lost.truth.ended.clear();
    assert!(noes(&lost).contains(&"whole"));
    let mut again = world();
    let mut second = again.truth.started[0].clone();
    second.attempt = "2".to_owned();
    let mut end = again.truth.ended[0].clone();
    end.attempt = "2".to_owned();
    again.truth.started.push(second);
    again.truth.ended.push(end);
    assert!(noes(&again).contains(&"once"));
}

#[test]
fn a_silent_worker_a_restart_and_an_error_are_found() {
    let mut silent = world();
    silent.pings[12].answered.clear();
    assert_eq!(noes(&silent), ["bystander"]);
    let mut restarted = world();
    restarted.samples[30].pods[0].restarts = 1;
    assert_eq!(noes(&restarted), ["bystander"]);
    let mut loud = world();
    loud.lines
        .push("a: [: ERROR/MainProcess] KeyError('celery.pidbox')".to_owned());
    assert_eq!(noes(&loud), ["no error"]);
}

#[test]
fn a_pool_that_stays_up_says_why_or_is_wrong() {
    let mut stays = world();
    stays.samples.last_mut().expect("a sample").replicas = 1;
    assert_eq!(noes(&stays), ["minimum"]);
    let says = json!({"type": "WorkersKnown", "status": "False", "reasons": ["NobodyHeard"], "atEnd": true});
    let set_up = set_up(json!({"replicas": 1, "says": [says]}));
    assert!(matches!(ask(&set_up, &stays)[6], Answer::Wrong(_)), "nobody said so");
    let last = stays.samples.last_mut().expect("a sample");
    last.status.conditions.retain(|condition| condition.kind != "Degraded");
    last.status
        .conditions
        .push(condition("WorkersKnown", "False", "NobodyHeard"));
    assert_eq!(ask(&set_up, &stays)[5..], [Answer::Right, Answer::Right]);
}

#[test]
fn a_condition_that_is_not_so_is_found() {
    for (kind, state, reason) in [
        ("WorkersKnown", "False", "NobodyHeard"),
        ("TargetFeasible", "False", "NothingStarts"),
        ("Degraded", "True", "SourceLost"),
        ("ScalingLimited", "True", "Maximum"),
        ("SomethingNew", "True", "Why"),
    ] {
        let mut wrong = world();
        let conditions = &mut wrong.samples[45].status.conditions;
        conditions.retain(|one| one.kind != kind);
        conditions.push(condition(kind, state, reason));
        assert!(!conditions::all(&set_up(json!({})), &wrong).is_empty(), "{kind}");
    }
}

#[test]
fn a_pod_that_was_ready_for_a_moment_may_be_told_of_a_little_later() {
    let told = |second: usize| {
        let mut world = world();
        world.samples[44].pods.push(pod("w-crashes"));
        let conditions = &mut world.samples[second].status.conditions;
        conditions.push(condition("WorkersKnown", "Unknown", "Starting"));
        conditions::all(&set_up(json!({})), &world)
    };
    assert_eq!(told(48), Vec::<String>::new());
    assert!(!told(52).is_empty());
}
