use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn reply_to() -> ReplyTo {
    ReplyTo { oid: "twp-1234".into() }
}

const ASKED: Moment = Duration::from_secs(5);

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_request_is_what_celery_sends() {
    let body = parse(&request(
        Inspect::Active,
        &[],
        &reply_to(),
        Wire::Plain,
        "celery",
        ASKED,
    ));
    let truth = json!({"method": "active", "arguments": {"safe": true}, "destination": null, "pattern": null, "matcher": null,
        "ticket": body["ticket"], "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "twp-1234"}});
    assert_eq!(body, truth);
    assert!(body["ticket"].as_str().unwrap().starts_with("active.5000."));

    let envelope = parse(&request(
        Inspect::Active,
        &[],
        &reply_to(),
        Wire::Kombu,
        "celery",
        ASKED,
    ));
    let inner = STANDARD.decode(envelope["body"].as_str().unwrap()).unwrap();
    assert_eq!(parse(&inner), truth);
    assert_eq!(envelope["properties"]["body_encoding"], "base64");
    let info = json!({"exchange": "celery.pidbox", "routing_key": ""});
    assert_eq!(envelope["properties"]["delivery_info"], info);
    assert!(envelope["properties"]["delivery_tag"].is_string());
}

#[test]
fn questions_and_orders_to_single_nodes_name_them() {
    let nodes = ["a@w1".to_owned(), "b@w1".to_owned()];
    let question = request(Inspect::ActiveQueues, &nodes, &reply_to(), Wire::Plain, "celery", ASKED);
    assert_eq!(parse(&question)["destination"], json!(nodes));
    assert_eq!(parse(&question)["method"], "active_queues");
    for (what, method) in [
        (Order::CancelConsumer("q".into()), "cancel_consumer"),
        (Order::AddConsumer("q".into()), "add_consumer"),
    ] {
        // Without ticket and reply_to nobody answers.
        let truth = json!({"method": method, "arguments": {"queue": "q"}, "destination": nodes, "pattern": null,
            "matcher": null});
        assert_eq!(parse(&order(&what, &nodes, Wire::Plain, "celery", "")), truth);
        let envelope = parse(&order(&what, &nodes, Wire::Kombu, "celery", "tag"));
        let inner = STANDARD.decode(envelope["body"].as_str().unwrap()).unwrap();
        assert_eq!(parse(&inner), truth);
        assert_eq!(envelope["properties"]["delivery_tag"], "tag");
    }
}

#[test]
fn names_on_redis() {
    assert_eq!(channel("", 0, "celery"), "/0.celery.pidbox");
    assert_eq!(channel("myapp:", 3, "myctl"), "myapp:/3.myctl.pidbox");
    assert_eq!(
        reply_binding("myapp:", "celery", "o", "\x06\x16"),
        (
            "myapp:_kombu.binding.reply.celery.pidbox".into(),
            "o\u{6}\u{16}\u{6}\u{16}o.reply.celery.pidbox".into()
        )
    );
    assert_eq!(reply_list("myapp:", "celery", "o"), "myapp:o.reply.celery.pidbox");
}

/// An answer to `active` of a worker with one early and one late acknowledging task.
const ACTIVE: &str = r#"{"w1@vm":[
 {"id":"a","name":"capp.sleep","args":[20.0,"0"],"kwargs":{},"type":"capp.sleep","hostname":"w1@vm","time_start":1795343146.6,
  "acknowledged":true,"delivery_info":{"exchange":"","routing_key":"celery","priority":0,"redelivered":false},"worker_pid":27102},
 {"id":"b","name":"capp.late","args":[],"kwargs":{},"hostname":"w1@vm","time_start":1795343146.6,"acknowledged":false,"worker_pid":27103}]}"#;

fn inspected(method: Inspect, tasks: u32, acknowledged: u32) -> Option<WorkerSignal> {
    Some(WorkerSignal::Inspected {
        node: "w1@vm".into(),
        method,
        answer: Inspection {
            tasks,
            acknowledged,
            due: None,
        },
        asked: ASKED,
    })
}

fn on_redis(body: &str, ticket: &str) -> Vec<u8> {
    format!(
        r#"{{"body":"{}","content-encoding":"utf-8","content-type":"application/json","headers":{{"ticket":"{ticket}","clock":3}},
        "properties":{{"delivery_info":{{"exchange":"reply.celery.pidbox","routing_key":"twp-1234"}},"body_encoding":"base64"}}}}"#,
        STANDARD.encode(body)
    )
    .into_bytes()
}

#[test]
fn answers_become_counts() {
    assert_eq!(
        answer(&on_redis(ACTIVE, "active.5000"), None, Wire::Kombu),
        inspected(Inspect::Active, 2, 1)
    );
    assert_eq!(
        answer(ACTIVE.as_bytes(), Some("active.5000"), Wire::Plain),
        inspected(Inspect::Active, 2, 1)
    );
    assert_eq!(
        answer(br#"{"w1@vm":[]}"#, Some("reserved.5000"), Wire::Plain),
        inspected(Inspect::Reserved, 0, 0)
    );
}

#[test]
fn scheduled_tasks_say_when_the_first_is_due() {
    let task = |eta: &str| {
        format!(r#"{{"eta":{eta},"priority":6,"request":{{"id":"x","acknowledged":false,"eta":"1970-01-01"}}}}"#)
    };
    let told = |etas: &[&str]| {
        let tasks: Vec<_> = etas.iter().map(|eta| task(eta)).collect();
        let body = format!(r#"{{"w1@vm":[{}]}}"#, tasks.join(","));
        match answer(body.as_bytes(), Some("scheduled.5000"), Wire::Plain) {
            Some(WorkerSignal::Inspected { answer, .. }) => (answer.tasks, answer.due.map(|due| due.to_string())),
            other => panic!("{other:?}"),
        }
    };
    let at = |time: &str| Some(time.to_owned());
    let (ten, eight) = (
        r#""2026-11-23T10:00:00.250000+00:00""#,
        r#""2026-11-23T10:00:00+02:00""#,
    );
    assert_eq!(told(&[ten]), (1, at("2026-11-23T10:00:00.25Z")));
    assert_eq!(told(&[ten, eight]), (2, at("2026-11-23T08:00:00Z")));
    assert_eq!(told(&[]), (0, None));
    for odd in ["null", r#""soon""#, "{}", "[1]", "true", "\"\"", "1e300"] {
        assert_eq!(told(&[ten, odd, eight]), (3, None), "{odd}");
    }
}

#[test]
fn the_answer_to_stats_becomes_slots() {
    let stats = r#"{"w1@vm":{"pool":{"max-concurrency":3,"processes":[1,2,3]}}}"#;
    let node = "w1@vm".to_owned();
    assert_eq!(
        answer(&on_redis(stats, "stats.5000"), None, Wire::Kombu),
        Some(WorkerSignal::Stats {
            node,
            stats: crate::framework::celery::Stats {
                slots: Some(3),
                ..crate::framework::celery::Stats::default()
            },
            asked: ASKED
        })
    );
    assert_eq!(answer(stats.as_bytes(), Some("active.5000"), Wire::Plain), None);
    assert_eq!(answer(ACTIVE.as_bytes(), Some("stats.5000"), Wire::Plain), None);
}

/// As Celery 5.7 answers, shortened.
const QUEUES: &str = r#"{"w1@vm":[{"name":"mail","exchange":{"name":"mail","type":"direct","arguments":null,"durable":true,
 "passive":false,"auto_delete":false,"delivery_mode":null,"no_declare":false},"routing_key":"mail","queue_arguments":null,
 "binding_arguments":null,"consumer_arguments":null,"durable":true,"exclusive":false,"auto_delete":false,"no_ack":false,
 "alias":null,"bindings":[],"no_declare":null,"expires":null,"message_ttl":null,"max_length":null,"max_priority":null},
 {"name":"bulk"}]}"#;

#[test]
fn the_answer_to_active_queues_becomes_their_names() {
    let told = |body: &str| answer(body.as_bytes(), Some("active_queues.5000"), Wire::Plain);
    let from = |queues: &[&str]| {
        Some(WorkerSignal::Queues {
            node: "w1@vm".into(),
            queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
            asked: ASKED,
        })
    };
    assert_eq!(told(QUEUES), from(&["bulk", "mail"]));
    assert_eq!(
        answer(&on_redis(QUEUES, "active_queues.5000"), None, Wire::Kombu),
        from(&["bulk", "mail"])
    );
    assert_eq!(told(r#"{"w1@vm":[]}"#), from(&[]));
    // None of these may pass for a worker that fetches from nowhere.
    for other in [
        r#"{"w1@vm":null}"#,
        r#"{"w1@vm":{}}"#,
        r#"{"w1@vm":{"error":"KeyError('active_queues')"}}"#,
        r#"{"w1@vm":"[]"}"#,
        r#"{"w1@vm":[null]}"#,
        r#"{"w1@vm":["mail"]}"#,
        r#"{"w1@vm":[{"name":null}]}"#,
        r#"{"w1@vm":[{"name":7}]}"#,
        r#"{"w1@vm":[{"routing_key":"mail"}]}"#,
        r#"{"w 1":[]}"#,
        "[]",
        "null",
        "",
    ] {
        assert_eq!(told(other), None, "{other}");
    }
    for ticket in [
        "active_queues",
        "active_queues.",
        "active_queues.x",
        "active_queues.-1",
        ".5000",
    ] {
        assert_eq!(answer(QUEUES.as_bytes(), Some(ticket), Wire::Plain), None, "{ticket}");
    }
    assert_eq!(told(&format!(r#"{{"w1@vm":{}"#, "[".repeat(100_000))), None);
}

#[test]
fn anything_else_says_nothing() {
    for (payload, ticket) in [
        (ACTIVE, None),
        (ACTIVE, Some("ping")),
        (r#"{"w1@vm":{"error":"KeyError('nosuch')"}}"#, Some("active.5000")),
        (r#"{"w1@vm":{"ok":"pong"}}"#, Some("active.5000")),
        (r#"{"w1@vm":null}"#, Some("active.5000")),
        (r#"{"w1@vm":[1]}"#, Some("active.5000")),
        (r#"{"w1@vm":[{"acknowledged":"yes"}]}"#, Some("active.5000")),
        (r#"{"w\n1":[]}"#, Some("active.5000")),
        (r#"{"":[]}"#, Some("active.5000")),
        ("[]", Some("active.5000")),
        ("", Some("active.5000")),
    ] {
        assert_eq!(answer(payload.as_bytes(), ticket, Wire::Plain), None, "{payload}");
    }
    assert_eq!(
        answer(&on_redis(ACTIVE, "other"), Some("active.5000"), Wire::Kombu),
        None
    );
    assert_eq!(
        answer("[".repeat(100_000).as_bytes(), Some("active.5000"), Wire::Plain),
        None
    );
}

proptest! {
    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(answer(&bytes, Some("active.5000"), Wire::Plain), None);
        prop_assert_eq!(answer(&bytes, Some("stats.5000"), Wire::Plain), None);
        prop_assert_eq!(answer(&bytes, Some("active_queues.5000"), Wire::Plain), None);
        prop_assert_eq!(answer(&bytes, None, Wire::Kombu), None);
    }
}

#[test]
fn a_separator_is_found_in_the_bindings_of_workers() {
    for (member, separator) in [
        ("\x06\x16\x06\x16celery@pod.celery.pidbox", Some("\x06\x16")),
        ("::celery@pod.celery.pidbox", Some(":")),
        ("::::celery@pod.celery.pidbox", Some("::")),
        ("||aa@pod.celery.pidbox", Some("|")),
        ("celery@pod.celery.pidbox", None),
        ("::celery@pod.other.pidbox", None),
        ("::celery.pidbox", None),
        ("", None),
        ("§§celery@pod.celery.pidbox", Some("§")),
        ("aacelery@pod.celery.pidbox", None),
    ] {
        assert_eq!(separator_of(member, "celery").as_deref(), separator, "{member:?}");
    }
}

#[test]
fn questions_of_one_moment_have_tickets_of_their_own() {
    let ticket = |nodes: &[&str]| {
        let nodes: Vec<_> = nodes.iter().map(|node| (*node).to_owned()).collect();
        let body = parse(&request(
            Inspect::Active,
            &nodes,
            &reply_to(),
            Wire::Plain,
            "celery",
            ASKED,
        ));
        body["ticket"].as_str().unwrap().to_owned()
    };
    let asked = |ticket: &str| match answer(ACTIVE.as_bytes(), Some(ticket), Wire::Plain) {
        Some(WorkerSignal::Inspected { asked, .. }) => asked,
        other => panic!("{other:?}"),
    };
    let (all, one) = (ticket(&[]), ticket(&["w1@vm"]));
    assert_ne!(asked(&all), asked(&one));
    assert_eq!(asked(&one), asked(&ticket(&["w1@vm"])));
    for ticket in [all, one] {
        assert_eq!(asked(&ticket).as_millis(), ASKED.as_millis());
    }
}

#[test]
fn a_pong_says_who_is_there_and_a_list_of_too_many_queues_nothing() {
    let pong = answer(br#"{"w1@vm":{"ok":"pong"}}"#, Some("ping.5000"), Wire::Plain);
    assert_eq!(
        pong,
        Some(WorkerSignal::Pong {
            node: "w1@vm".into(),
            asked: ASKED
        })
    );
    let queues = |names: usize, length: usize| {
        let list: Vec<_> = (0..names).map(|n| json!({"name": format!("{n:0length$}")})).collect();
        answer(
            json!({"w1@vm": list}).to_string().as_bytes(),
            Some("active_queues.5000"),
            Wire::Plain,
        )
        .is_some()
    };
    for (names, length, told) in [
        (256, 9, true),
        (257, 9, false),
        (1, 255, true),
        (1, 256, false),
        (64, 255, true),
        (65, 255, false),
    ] {
        assert_eq!(queues(names, length), told, "{names} names of {length} letters");
    }
}

#[test]
fn an_answer_is_one_nodes_and_no_larger_than_it_must_be() {
    let ask = |body: &str, method: &str| answer(body.as_bytes(), Some(&format!("{method}.5000")), Wire::Plain);
    for (one, method) in [
        (r#"[{"name":"mail"}]"#, "active_queues"),
        (r#"{"ok":"pong"}"#, "ping"),
        (r#"{"pool":{"max-concurrency":3}}"#, "stats"),
        ("[]", "active"),
    ] {
        assert!(ask(&format!(r#"{{"w1@vm":{one}}}"#), method).is_some(), "{method}");
        assert!(ask("{}", method).is_none());
        let several = format!(r#"{{"w1@vm":{one},"w2@vm":{one}}}"#);
        assert!(ask(&several, method).is_none(), "nobody answers for others: {method}");
        let padding = " ".repeat(300_000);
        let large = format!(r#"{{"w1@vm":{padding}{one}}}"#);
        assert_eq!(ask(&large, method).is_some(), method == "active", "{method}");
        let on_redis = answer(&on_redis(&large, &format!("{method}.5000")), None, Wire::Kombu);
        assert_eq!(on_redis.is_some(), method == "active", "{method}");
    }
}
