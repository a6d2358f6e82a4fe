//! Remote control: what workers are asked and told, and their answers.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use super::{
    workers::{envelope, next},
    *,
};
use crate::framework::celery;
use crate::framework::celery::{Ask, Inspect, Mailbox, Order};

fn mailbox(nodes: &[&str]) -> Mailbox {
    Mailbox {
        separator: Some("\x06\x16".into()),
        exchange: "celery".to_owned(),
        prefix: "shop:".to_owned(),
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
    }
}

fn inspect() -> Ask {
    Ask::Inspect {
        method: Inspect::Active,
        mailbox: mailbox(&[]),
    }
}

fn ask(method: Inspect, nodes: &[&str]) -> Ask {
    Ask::Inspect {
        method,
        mailbox: mailbox(nodes),
    }
}

fn stop(nodes: &[&str]) -> Ask {
    Ask::Tell {
        order: Order::CancelConsumer("mail".to_owned()),
        mailbox: mailbox(nodes),
    }
}

/// The bodies of the published messages among these commands.
fn published(log: &[String]) -> Vec<Json> {
    let payloads = log
        .iter()
        .filter_map(|command| command.strip_prefix("PUBLISH shop:/0.celery.pidbox "));
    payloads
        .map(|payload| {
            let envelope: Json = serde_json::from_str(payload).unwrap();
            let body = STANDARD.decode(envelope["body"].as_str().unwrap()).unwrap();
            serde_json::from_slice(&body).unwrap()
        })
        .collect()
}

/// A command without the random part of our address.
fn plain(command: &str) -> String {
    let shown: Vec<_> = command.split("twp-operator-").collect();
    let random = |c: char| c.is_ascii_hexdigit() || c == '-';
    let rest: Vec<_> = shown
        .iter()
        .skip(1)
        .map(|part| part.trim_start_matches(random))
        .collect();
    [&shown[..1], &rest].concat().join("OID")
}

/// The commands of a sample, without those that look for the application's separator.
fn plainly(log: &[String]) -> Vec<String> {
    let look = |command: &&String| command.starts_with("SCARD") || command.starts_with("SMEMBERS");
    log.iter()
        .filter(|command| !look(command))
        .map(|command| plain(command))
        .collect()
}

#[tokio::test]
async fn workers_are_asked_and_their_answers_collected() {
    let answer = envelope(
        &json!({"celery@a": [{"acknowledged": true}, {"acknowledged": false}]}),
        "active.1000",
    );
    let waiting = Arc::new(AtomicBool::new(false));
    let server = Server::start(move |_, words| match words {
        ["PUBLISH", ..] => say(":1\r\n"),
        ["RPOP", ..] if !waiting.swap(true, Ordering::Relaxed) => say(bulk(&answer)),
        ["RPOP", ..] => say("$-1\r\n"),
        words => one_bound("\x06\x16", words),
    })
    .await;
    let mut redis = asker(&server);
    let mut log = Vec::new();
    for at in [1, 2, 3] {
        assert_eq!(redis.sample(&[inspect()], seconds(at)).await, [Ok(Reply::Asked)]);
        log.push(plainly(&server.log()));
    }
    let bound = "shop:_kombu.binding.reply.celery.pidbox OID\x06\x16\x06\x16OID.reply.celery.pidbox";
    assert_eq!(log[0][0], format!("SADD {bound}"));
    assert!(
        log[0][1].starts_with("PUBLISH shop:/0.celery.pidbox {"),
        "{}",
        log[0][1]
    );
    let list = "shop:OID.reply.celery.pidbox";
    log[1].dedup();
    assert_eq!(
        log[1],
        [format!("RPOP {list}"), format!("SREM {bound}"), format!("DEL {list}")]
    );
    assert_eq!(log[2].len(), 2, "asked again after two seconds: {:?}", log[2]);

    let celery::WorkerSignal::Inspected {
        node, method, answer, ..
    } = next(&mut redis).await
    else {
        panic!("no answer");
    };
    assert_eq!((node.as_str(), method), ("celery@a", Inspect::Active));
    assert_eq!((answer.tasks, answer.acknowledged), (2, 1));
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_ten_seconds() {
    let server = Server::start(|_, words| match words {
        ["PUBLISH", ..] => say(":5\r\n"),
        ["RPOP", ..] => say("*-1\r\n"),
        words => one_bound("\x06\x16", words),
    })
    .await;
    let mut redis = asker(&server);
    redis.sample(&[inspect()], seconds(1)).await.clear();
    for (at, ended) in [(5, false), (10, false), (11, true), (12, false)] {
        server.log();
        redis.sample(&[], seconds(at)).await.clear();
        assert_eq!(
            server.log().iter().any(|command| command.starts_with("SREM")),
            ended,
            "{at}"
        );
    }
}

#[tokio::test]
async fn the_last_thing_said_takes_our_entry_back() {
    let server = Server::start(|_, words| match words {
        ["PUBLISH", ..] => say(":1\r\n"),
        words => one_bound("\x06\x16", words),
    })
    .await;
    let mut redis = asker(&server);
    redis.sample(&[inspect()], seconds(1)).await.clear();
    server.log();
    redis.farewell().await;
    assert!(server.log().iter().any(|command| command.starts_with("SREM")));
}

#[tokio::test]
async fn refused_remote_control_pauses_and_spoils_no_count() {
    let server = Server::start(|_, words| match words {
        ["LLEN", ..] => say(":0\r\n"),
        ["SADD", ..] => say(":1\r\n"),
        _ => say("-NOPERM cAn4ry\r\n"),
    })
    .await;
    let mut redis = asker(&server);
    let mut asked = Vec::new();
    for at in [1, 2, 60, 62] {
        let reads = [
            Ask::Read(list("a")),
            inspect(),
            ask(Inspect::Active, &["celery@a"]),
            stop(&["celery@a"]),
        ];
        let mut answers = redis.sample(&reads, seconds(at)).await;
        assert_eq!(answers.split_off(1), vec![Ok(refused()); 3], "{at}");
        assert_eq!(numbers(answers), [Ok(0)]);
        let publishes = |command: &&String| command.starts_with("PUBLISH");
        asked.push(server.log().iter().filter(publishes).count());
    }
    assert_eq!(asked, [3, 0, 0, 3], "refused once, and again after the pause");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn after_the_pause_it_goes_on_if_the_rights_are_there() {
    let granted = Arc::new(AtomicBool::new(false));
    let rights = Arc::clone(&granted);
    let server = Server::start(move |_, words| match words {
        ["PUBLISH", ..] if !rights.load(Ordering::Relaxed) => say("-NOPERM no\r\n"),
        _ => say(":1\r\n"),
    })
    .await;
    let mut redis = asker(&server);
    let tell = [stop(&["celery@a"])];
    assert_eq!(redis.sample(&tell, seconds(1)).await, [Ok(refused())]);
    granted.store(true, Ordering::Relaxed);
    assert_eq!(redis.sample(&tell, seconds(60)).await, [Ok(refused())]);
    assert_eq!(redis.sample(&tell, seconds(61)).await, [Ok(Reply::Asked)]);
}

#[tokio::test]
async fn an_order_names_its_nodes_and_nobody_answers_it() {
    let server = Server::start(|_, _| say(":2\r\n")).await;
    let mut redis = asker(&server);
    for at in [1, 2] {
        assert_eq!(
            redis.sample(&[stop(&["celery@a"])], seconds(at)).await,
            [Ok(Reply::Asked)]
        );
        let log = server.log();
        assert_eq!(log.len(), 1, "no list is bound, read or taken away: {log:?}");
        let order = json!({"method": "cancel_consumer", "arguments": {"queue": "mail"}, "destination": ["celery@a"],
            "pattern": null, "matcher": null});
        assert_eq!(published(&log), [order]);
    }
}

#[tokio::test]
async fn the_questions_and_orders_of_a_sample_go_in_one_round_trip_each_time() {
    let server = Server::start(|_, words| match words {
        ["PUBLISH", ..] => say(":2\r\n"),
        ["RPOP", ..] => say("$-1\r\n"),
        words => one_bound("\x06\x16", words),
    })
    .await;
    let mut redis = asker(&server);
    let nodes = ["celery@a", "celery@b"];
    let reads = [
        stop(&nodes[..1]),
        ask(Inspect::ActiveQueues, &nodes),
        ask(Inspect::Active, &nodes),
        ask(Inspect::Reserved, &nodes),
        inspect(),
    ];
    let round_trips = server.round_trips();
    redis.sample(&reads, seconds(1)).await.clear();
    let log = server.log();
    let methods: Vec<_> = published(&log).iter().map(|body| body["method"].clone()).collect();
    assert_eq!(
        methods,
        ["cancel_consumer", "active_queues", "active", "reserved", "active"]
    );
    assert_eq!(published(&log)[1]["destination"], json!(nodes));
    assert_eq!(published(&log)[4]["destination"], Json::Null);
    let ticket = published(&log)[1]["ticket"].as_str().unwrap().to_owned();
    assert!(ticket.starts_with("active_queues.1000."), "{ticket}");
    let bound = log.iter().filter(|command| command.starts_with("SADD")).count();
    assert_eq!((bound, log.len()), (1, 9), "{log:?}");
    assert_eq!(
        server.round_trips() - round_trips,
        4,
        "once in a while what the application shows (how much, then what), then our entry, then the rest"
    );
    // Single workers are asked each time; all of them not so often.
    redis.sample(&reads, Duration::from_millis(1_500)).await.clear();
    assert_eq!(published(&server.log()).len(), 4);
    // And the questions to single ones do not put the one to all off.
    redis.sample(&reads, seconds(3)).await.clear();
    assert_eq!(published(&server.log()).len(), 5);
}

#[tokio::test]
async fn of_the_workers_that_hear_a_question_only_those_that_are_meant_are_waited_for() {
    let server = Server::start(|_, words| match words {
        ["PUBLISH", ..] => say(":50\r\n"),
        ["RPOP", ..] => say(bulk(envelope(&json!({"celery@a": []}), "reserved.1000"))),
        words => one_bound("\x06\x16", words),
    })
    .await;
    let mut redis = asker(&server);
    redis
        .sample(&[ask(Inspect::Reserved, &["celery@a"])], seconds(1))
        .await
        .clear();
    server.log();
    redis.sample(&[], seconds(2)).await.clear();
    assert!(server.log().iter().any(|command| command.starts_with("SREM")));
    let celery::WorkerSignal::Inspected { asked, .. } = next(&mut redis).await else {
        panic!("no answer");
    };
    assert_eq!(asked, seconds(1), "the time of the question");
}

fn refused() -> Reply {
    Reply::Refused {
        right: "`PUBLISH` on the channel `shop:/0.celery.pidbox`".to_owned(),
    }
}
