//! What workers say of themselves: heartbeats.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use super::{server::eventually, *};
use crate::framework::celery::{self, CeleryConfig};
use crate::model::BrokerKind;

/// kombu's envelope around this body.
pub fn envelope(body: &Json, ticket: &str) -> Vec<u8> {
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

fn heard(node: &str) -> celery::WorkerSignal {
    celery::WorkerSignal::Heartbeat {
        node: node.to_owned(),
        active: 2,
        processed: 7,
        interval: Duration::from_secs(0),
    }
}

pub async fn next(redis: &mut RedisEndpoint) -> celery::WorkerSignal {
    timeout(Duration::from_secs(30), redis.next_signal())
        .await
        .expect("a signal")
        .said()
        .expect("one of Celery")
}

pub fn pattern(text: &str) -> Subscription {
    let config = CeleryConfig {
        heartbeat_channel: Some(text.to_owned()),
        ..CeleryConfig::default()
    };
    config.listen()
}

fn exchange() -> Subscription {
    let config = CeleryConfig {
        broker: BrokerKind::RabbitMq { management: false },
        ..CeleryConfig::default()
    };
    config.listen()
}

const SUBSCRIBED: &[u8] = b"*3\r\n$10\r\npsubscribe\r\n$13\r\n/0.celeryev/*\r\n:1\r\n";

#[tokio::test]
async fn heartbeats_are_heard_again_after_a_reconnect() {
    let server = Server::start(|connection, words| match words {
        ["PSUBSCRIBE", "/0.celeryev/*"] if connection == 1 => Act::Last([SUBSCRIBED, &heartbeat("celery@a")].concat()),
        ["PSUBSCRIBE", "/0.celeryev/*"] => say([SUBSCRIBED, &heartbeat("celery@b")].concat()),
        _ => say("-ERR\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    let wishes = vec![pattern("/0.celeryev/*"), exchange()];
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
    let noise = |payload: Vec<u8>| array([bulk("pmessage"), bulk("/0.celeryev/*"), bulk("c"), bulk(payload)]);
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
    redis.listen(vec![pattern("/0.celeryev/*")]);
    assert_eq!(next(&mut redis).await, heard("celery@a"));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn workers_that_all_speak_at_once_are_heard_whatever_tasks_say() {
    let beats: Vec<u8> = (0..3_000).flat_map(|n| heartbeat(&format!("celery@{n}"))).collect();
    let task = array([
        bulk("pmessage"),
        bulk("/0.celeryev/*"),
        bulk("/0.celeryev/task.multi"),
        bulk(vec![b'x'; 1_000]),
    ]);
    let batch = array([bulk("pmessage"), bulk("p"), bulk("c"), bulk(vec![b'x'; 900_000])]);
    let all = [SUBSCRIBED.to_vec(), task.repeat(10_000), batch, beats].concat();
    let server = Server::start(move |_, _| say(&all)).await;
    let mut redis = endpoint(&server);
    redis.listen(vec![pattern("/0.celeryev/*")]);
    for n in 0..3_000 {
        assert_eq!(next(&mut redis).await, heard(&format!("celery@{n}")));
    }
    assert_eq!(redis.hearing(&pattern("/0.celeryev/*")), Hearing::Works);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_flood_neither_blocks_nor_grows() {
    let body = json!({"type": "worker-heartbeat", "hostname": "celery@a", "filling": "x".repeat(8_000)});
    let beat = array([bulk("pmessage"), bulk("p"), bulk("c"), bulk(envelope(&body, ""))]);
    let server = Server::start(move |_, _| Act::Flood(SUBSCRIBED.to_vec(), beat.repeat(10))).await;
    let mut redis = endpoint(&server);
    redis.listen(vec![pattern("p")]);
    // More came than is taken in: it is told that nobody is heard, until the next attempt.
    let flooded = Hearing::Failing(SampleError::Flooded);
    eventually(|| async { redis.hearing(&pattern("p")) == flooded }).await;
    assert!(redis.signals.1.len() <= signals::MOST);

    let giant = Server::start(|_, _| Act::Flood(b"*4\r\n$100000000\r\n".to_vec(), vec![b'x'; 65_536])).await;
    let mut redis = endpoint(&giant);
    redis.listen(vec![pattern("p")]);
    eventually(|| async { giant.connections() > 1 }).await;
    redis.listen(Vec::new());
}

/// The confirmation of a subscription.
fn subscribed(pattern: &str) -> Vec<u8> {
    array([bulk("psubscribe"), bulk(pattern), b":1\r\n".to_vec()])
}

fn refused(text: &str) -> Hearing {
    Hearing::Refused {
        right: format!("`PSUBSCRIBE` on `&{text}`"),
    }
}

#[tokio::test]
async fn a_refused_pattern_silences_no_other_and_is_tried_again() {
    let granted = Arc::new(AtomicBool::new(false));
    let rights = Arc::clone(&granted);
    let server = Server::start(move |_, words| match words {
        ["PSUBSCRIBE", "/0.celeryev/*"] => say([subscribed("/0.celeryev/*"), heartbeat("celery@a")].concat()),
        ["PSUBSCRIBE", pattern] if rights.load(Ordering::Relaxed) => say(subscribed(pattern)),
        ["PSUBSCRIBE", ..] => say("-NOPERM No permissions to access a channel\r\n"),
        _ => say("-ERR\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    let [own, a, b] = ["/0.celeryev/*", "/0.a/*", "shop:/0.celeryev/*"];
    assert_eq!(redis.hearing(&pattern(own)), Hearing::NotYet);
    redis.listen([a, own, b].map(pattern).to_vec());
    assert_eq!(next(&mut redis).await, heard("celery@a"));
    eventually(|| async { redis.hearing(&pattern(b)) == refused(b) }).await;
    assert_eq!(redis.hearing(&pattern(own)), Hearing::Works);
    assert_eq!(redis.hearing(&pattern(a)), refused(a));
    assert_eq!(redis.hearing(&pattern("another")), Hearing::NotYet);
    let tried = || server.log().iter().filter(|command| command.ends_with(b)).count();
    assert_eq!(tried(), 1);

    granted.store(true, Ordering::Relaxed);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    eventually(|| async { redis.hearing(&pattern(b)) == Hearing::Works }).await;
    assert_eq!(redis.hearing(&pattern(a)), Hearing::Works);
    assert_eq!((tried(), server.connections()), (1, 1));
}

#[tokio::test]
async fn a_subscription_that_breaks_is_failing_until_it_is_confirmed_again() {
    let error: Arc<std::sync::Mutex<Option<&str>>> = Arc::default();
    let says = Arc::clone(&error);
    let server = Server::start(move |_, words| match (*says.lock().unwrap(), words) {
        (Some(error), _) => Act::Last(error.into()),
        (None, ["PSUBSCRIBE", pattern]) => say(subscribed(pattern)),
        (None, _) => say("-ERR\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    let own = pattern("/0.celeryev/*");
    redis.listen(vec![own.clone()]);
    eventually(|| async { redis.hearing(&own) == Hearing::Works }).await;
    for (says, expected) in [
        ("", SampleError::Disconnected),
        (
            "-ERR max number of clients reached\r\n",
            SampleError::TooManyConnections,
        ),
        ("-LOADING Redis is loading\r\n", SampleError::Loading),
        ("-NOAUTH Authentication required.\r\n", SampleError::Authentication),
    ] {
        *error.lock().unwrap() = Some(says);
        // Another pattern, and so another connection; what is heard already is heard until that fails.
        redis.listen(vec![own.clone(), pattern(says)]);
        eventually(|| async { redis.hearing(&own) == Hearing::Failing(expected) }).await;
        *error.lock().unwrap() = None;
        redis.listen(vec![own.clone()]);
        assert_eq!(redis.hearing(&own), Hearing::Failing(expected));
        eventually(|| async { redis.hearing(&own) == Hearing::Works }).await;
    }
}
