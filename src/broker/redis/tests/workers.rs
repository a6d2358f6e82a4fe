//! What workers say: heartbeats and answers to remote control.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use super::{server::eventually, *};
use crate::work::Mailbox;

/// kombu's envelope around this body.
fn envelope(body: &Json, ticket: &str) -> Vec<u8> {
    let body = STANDARD.encode(body.to_string());
    json!({"body": body, "headers": {"ticket": ticket}, "properties": {}})
        .to_string()
        .into_bytes()
}

fn heartbeat(node: &str) -> Vec<u8> {
    let body = json!({"type": "worker-heartbeat", "hostname": node, "active": 2, "processed": 7});
    array([
        bulk("pmessage"),
        bulk("/0.celeryev/*"),
        bulk("/0.celeryev/worker.heartbeat"),
        bulk(envelope(&body, "")),
    ])
}

fn heard(node: &str) -> Signal {
    Signal::Heartbeat {
        node: node.to_owned(),
        active: 2,
        processed: 7,
    }
}

async fn next(redis: &mut RedisEndpoint) -> Signal {
    timeout(Duration::from_secs(3), redis.next_signal())
        .await
        .expect("a signal")
}

fn pattern(text: &str) -> Listen {
    Listen::Pattern(text.to_owned())
}

const SUBSCRIBED: &[u8] = b"*3\r\n$10\r\npsubscribe\r\n$13\r\n/0.celeryev/*\r\n:1\r\n";

#[tokio::test]
async fn heartbeats_are_heard_again_after_a_reconnect() {
    let server = Server::start(|connection, words| match words {
        ["PSUBSCRIBE", "/0.celeryev/*"] if connection == 1 => Act::Last([SUBSCRIBED, &heartbeat("celery@a")].concat()),
        ["PSUBSCRIBE", "/0.celeryev/*"] => Act::Slowly([SUBSCRIBED, &heartbeat("celery@b")].concat()),
        _ => say("-ERR\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    let wishes = vec![pattern("/0.celeryev/*"), Listen::TopicExchange("celeryev".to_owned())];
    redis.listen(wishes.clone());
    redis.listen(wishes);
    assert_eq!(next(&mut redis).await, heard("celery@a"));
    assert_eq!(next(&mut redis).await, heard("celery@b"));
    assert_eq!(server.connections(), 2);

    redis.listen(Vec::new());
    assert!(timeout(Duration::from_millis(50), redis.next_signal()).await.is_err());
}

#[tokio::test]
async fn what_is_no_heartbeat_is_skipped() {
    let noise = |payload: Vec<u8>| array([bulk("pmessage"), bulk("p"), bulk("c"), bulk(payload)]);
    let messages = [
        SUBSCRIBED.to_vec(),
        noise(b"cAn4ry".to_vec()),
        noise(vec![b'x'; 100_000]),
        noise(envelope(&json!([{"type": "task-received"}]), "")),
        array([bulk("pong"), bulk("")]),
        array([]),
        heartbeat("celery@a"),
    ]
    .concat();
    let server = Server::start(move |_, _| say(&messages)).await;
    let mut redis = endpoint(&server);
    redis.listen(vec![pattern("p")]);
    assert_eq!(next(&mut redis).await, heard("celery@a"));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_flood_neither_blocks_nor_grows() {
    let server = Server::start(|_, _| Act::Flood(SUBSCRIBED.to_vec(), heartbeat("celery@a").repeat(100))).await;
    let mut redis = endpoint(&server);
    redis.listen(vec![pattern("p")]);
    eventually(|| async { redis.signals.1.len() == SIGNALS }).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(redis.signals.1.len(), SIGNALS);

    let giant = Server::start(|_, _| Act::Flood(b"*4\r\n$100000000\r\n".to_vec(), vec![b'x'; 65_536])).await;
    let mut redis = endpoint(&giant);
    redis.listen(vec![pattern("p")]);
    eventually(|| async { giant.connections() > 1 }).await;
    redis.listen(Vec::new());
}

fn inspect() -> Read {
    Read::Inspect {
        method: Inspect::Active,
        mailbox: Mailbox {
            exchange: "celery".to_owned(),
            prefix: "shop:".to_owned(),
            nodes: Vec::new(),
        },
    }
}

/// A command without the random part of our address.
fn plain(command: &str) -> String {
    let shown: Vec<_> = command.split("twp-operator-").collect();
    let rest: Vec<_> = shown
        .iter()
        .skip(1)
        .map(|part| part.get(32..).unwrap_or_default())
        .collect();
    [&shown[..1], &rest].concat().join("OID")
}

#[tokio::test]
async fn workers_are_asked_and_their_answers_collected() {
    let answer = envelope(
        &json!({"celery@a": [{"acknowledged": true}, {"acknowledged": false}]}),
        "active.1000",
    );
    let server = Server::start(move |_, words| match words {
        ["PUBLISH", ..] => say(":1\r\n"),
        ["RPOP", ..] => say(array([bulk(&answer)])),
        _ => say(":0\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    let mut log = Vec::new();
    for at in [1, 2, 3] {
        assert_eq!(redis.sample(&[inspect()], seconds(at)).await, [Ok(Reply::Asked)]);
        log.push(server.log().iter().map(|command| plain(command)).collect::<Vec<_>>());
    }
    let bound = "shop:_kombu.binding.reply.celery.pidbox OID\x06\x16\x06\x16OID.reply.celery.pidbox";
    assert_eq!(log[0][0], format!("SADD {bound}"));
    assert!(
        log[0][1].starts_with("PUBLISH shop:/0.celery.pidbox {"),
        "{}",
        log[0][1]
    );
    let list = "shop:OID.reply.celery.pidbox";
    assert_eq!(
        log[1],
        [
            format!("RPOP {list} 64"),
            format!("SREM {bound}"),
            format!("DEL {list}")
        ]
    );
    assert_eq!(log[2].len(), 2, "asked again after two seconds: {:?}", log[2]);

    let Signal::Inspected {
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
        _ => say(":0\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
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
async fn an_endpoint_that_is_dropped_takes_its_entry_back() {
    let server = Server::start(|_, _| say(":1\r\n")).await;
    let mut redis = endpoint(&server);
    redis.sample(&[inspect()], seconds(1)).await.clear();
    server.log();
    drop(redis);
    eventually(|| async { server.log().iter().any(|command| command.starts_with("SREM")) }).await;
}

#[tokio::test]
async fn refused_remote_control_pauses_and_spoils_no_count() {
    let server = Server::start(|_, words| match words {
        ["LLEN", ..] => say(":0\r\n"),
        ["SADD", ..] => say(":1\r\n"),
        _ => say("-NOPERM cAn4ry\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    let mut asked = Vec::new();
    for at in [1, 2, 100, 302] {
        let answers = redis.sample(&[list("a"), inspect()], seconds(at)).await;
        assert_eq!(numbers(answers), [Ok(0), Ok(0)]);
        asked.push(
            server
                .log()
                .iter()
                .filter(|command| command.starts_with("PUBLISH"))
                .count(),
        );
    }
    assert_eq!(asked, [1, 0, 0, 1]);
    assert_eq!(server.connections(), 1);
}
