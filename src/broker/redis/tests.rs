mod answers;
mod control;
mod hostile;
mod looks;
mod plain;
mod route;
mod separator;
mod server;
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use self::server::{Act, Server, array, bulk, one_bound, say};
use super::*;
use crate::framework::celery::message;
use crate::{
    broker::{Kind, Secret, Tls, fixture::Asker},
    model::Word,
};

fn address(port: u16) -> Address {
    Address {
        kind: Kind::Redis { db: 0 },
        host: "127.0.0.1".to_owned(),
        port,
        user: None,
        password: None,
        tls: None,
        management: None,
    }
}

fn endpoint(server: &Server) -> RedisEndpoint {
    RedisEndpoint::new(address(server.port), Egress::loopback())
}

fn asker(server: &Server) -> Asker<RedisEndpoint> {
    Asker::redis(address(server.port))
}

fn list(key: &str) -> Query {
    Query::ScanList {
        key: key.to_owned(),
        decoder: message::QUEUED,
    }
}

fn hash() -> Query {
    Query::ScanHash {
        hash: "unacked".to_owned(),
        index: "unacked_index".to_owned(),
        decoder: message::UNACKED,
    }
}

fn set(key: &str) -> Query {
    Query::SetMembers { key: key.to_owned() }
}

fn seconds(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

/// The scan' total, or the members' number.
fn numbers(answers: Vec<Result<Reply, SampleError>>) -> Vec<Result<u64, SampleError>> {
    let number = |reply| match reply {
        Reply::Scan(scan) => scan.total,
        Reply::Members(members) => members.len() as u64,
        Reply::Asked => 0,
        other => panic!("{other:?}"),
    };
    answers.into_iter().map(|answer| answer.map(number)).collect()
}

/// A Celery message with this `eta`.
fn message(routing_key: &str, eta: &str, filling: usize) -> String {
    format!(
        r#"{{"body":"{}","headers":{{"eta":{eta}}},"properties":{{"delivery_info":{{"exchange":"","routing_key":"{routing_key}"}}}}}}"#,
        "x".repeat(filling)
    )
}

#[tokio::test]
async fn an_idle_endpoint_costs_one_round_trip_on_one_connection() {
    let server = Server::start(|_, _| say(":0\r\n")).await;
    let mut redis = endpoint(&server);
    let reads = [list("a"), hash(), set("b"), list("c\x06\x163")];
    for _ in 0..2 {
        assert_eq!(numbers(redis.sample(&reads, seconds(1)).await), [Ok(0); 4]);
        assert_eq!(server.log(), ["LLEN a", "HLEN unacked", "SCARD b", "LLEN c\x06\x163"]);
    }
    assert_eq!(server.connections(), 1);
    assert!(redis.sample(&[], seconds(2)).await.is_empty());
}

#[tokio::test]
async fn many_reads_go_in_batches() {
    let server = Server::start(|_, _| say(":0\r\n")).await;
    let reads: Vec<_> = (0..2_500).map(|n| list(&format!("queue{n}"))).collect();
    let answers = endpoint(&server).sample(&reads, seconds(1)).await;
    assert_eq!(numbers(answers), vec![Ok(0); 2_500]);
}

#[tokio::test]
async fn one_refused_command_spoils_no_other() {
    let server = Server::start(|_, words| match words {
        ["LLEN", "noperm"] => say("-NOPERM this user has no permissions to access 'noperm'\r\n"),
        ["LLEN", "wrong"] => say("-WRONGTYPE Operation against a key\r\n"),
        ["LLEN", "loading"] => say("-LOADING Redis is loading\r\n"),
        ["LLEN", "moved"] => say("-MOVED 3999 169.254.169.254:6379\r\n"),
        ["SCARD", "huge"] => say(":1000000\r\n"),
        ["SCARD", _] => say(":2\r\n"),
        ["SMEMBERS", "set"] => say(array([bulk("x"), bulk("y")])),
        ["SMEMBERS", _] => say("-NOPERM\r\n"),
        _ => say(":0\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    let reads = [
        list("noperm"),
        list("a"),
        list("wrong"),
        list("loading"),
        list("moved"),
        set("huge"),
        set("set"),
        set("other"),
        Query::QueueDepth { queue: "q".to_owned() },
    ];
    for _ in 0..2 {
        assert_eq!(
            numbers(redis.sample(&reads, seconds(1)).await),
            [
                Err(SampleError::Permission),
                Ok(0),
                Err(SampleError::WrongType),
                Err(SampleError::Loading),
                Err(SampleError::RedisCluster),
                Err(SampleError::TooLarge),
                Ok(2),
                Err(SampleError::Permission),
                Err(SampleError::Protocol),
            ]
        );
    }
    assert_eq!(server.connections(), 1, "it is no reason to reconnect");
}

#[tokio::test]
async fn credentials_and_database_go_first() {
    let server = Server::start(|_, words| match words {
        ["AUTH" | "SELECT", ..] => say("+OK\r\n"),
        _ => say(":0\r\n"),
    })
    .await;
    let with = |user: Option<&str>, password: Option<&str>, db| Address {
        kind: Kind::Redis { db },
        user: user.map(str::to_owned),
        password: password.map(Secret::new),
        ..address(server.port)
    };
    for (address, expected) in [
        (with(Some("u"), Some("p"), 3), vec!["AUTH u p", "SELECT 3", "LLEN a"]),
        (with(None, Some("p"), 0), vec!["AUTH p", "LLEN a"]),
        (with(Some("u"), None, 0), vec!["AUTH u ", "LLEN a"]),
        (with(None, None, 1), vec!["SELECT 1", "LLEN a"]),
    ] {
        let answers = RedisEndpoint::new(address, Egress::loopback())
            .sample(&[list("a")], seconds(1))
            .await;
        assert_eq!(numbers(answers), [Ok(0)]);
        assert_eq!(server.log(), expected);
    }
}

#[tokio::test]
async fn refused_credentials_wait_for_seconds() {
    let server = Server::start(|_, words| match words {
        ["AUTH", ..] => say("-WRONGPASS invalid username-password pair cAn4ry\r\n"),
        ["SELECT", ..] => say("-ERR DB index is out of range\r\n"),
        _ => say("-NOAUTH Authentication required.\r\n"),
    })
    .await;
    let wrong = Address {
        password: Some(Secret::new("cAn4ry")),
        ..address(server.port)
    };
    for (address, expected) in [
        (wrong, SampleError::Authentication),
        (address(server.port), SampleError::Authentication),
        (
            Address {
                kind: Kind::Redis { db: 99 },
                ..address(server.port)
            },
            SampleError::NoSuchVhost,
        ),
    ] {
        let mut redis = RedisEndpoint::new(address, Egress::loopback());
        let before = server.connections();
        for _ in 0..3 {
            assert_eq!(
                redis.sample(&[list("a"), hash()], seconds(1)).await,
                [Err(expected), Err(expected)]
            );
        }
        assert_eq!(server.connections(), before + 1, "no attempt during the pause");
        redis.sample(&[list("a")], seconds(7)).await.clear();
        assert_eq!(server.connections(), before + 2);
    }
}

#[tokio::test]
async fn tls_to_a_plain_redis_is_named() {
    let server = Server::start(|_, _| say("-NOAUTH Authentication required.\r\n")).await;
    let encrypted = Address {
        tls: Some(Tls::default()),
        password: Some(Secret::new("cAn4ry")),
        ..address(server.port)
    };
    let answers = RedisEndpoint::new(encrypted, Egress::loopback())
        .sample(&[list("a")], seconds(1))
        .await;
    assert_eq!(answers, [Err(SampleError::TlsNotSpoken)]);
    assert_eq!(server.log(), [""; 0], "and no password is sent in plain");
}

#[tokio::test]
async fn a_list_is_looked_at_and_remembered() {
    let server = Server::start(|_, words| match words {
        ["LLEN", "celery"] => say(":2\r\n"),
        ["LRANGE", "celery", _, "-1"] => say(array([
            bulk(message("celery", "null", 10)),
            bulk(message("celery", "\"2126-01-01T00:00:00+00:00\"", 10)),
        ])),
        _ => say("-ERR\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    for _ in 0..2 {
        let Some(Ok(Reply::Scan(scan))) = redis.sample(&[list("celery")], seconds(1)).await.pop() else {
            panic!("no scan");
        };
        assert_eq!(scan.total, 2);
        let kinds: Vec<_> = scan.kinds.values().map(|kind| (kind.count, kind.etas.len())).collect();
        assert_eq!(kinds, [(2, 1)]);
    }
}

#[tokio::test]
async fn a_hash_is_read_once_and_without_its_giants() {
    let server = Server::start(|_, words| match words {
        ["HLEN", _] => say(":3\r\n"),
        ["ZRANGE", "unacked_index", "0", "9999"] => say(array([bulk("a"), bulk("gone"), bulk("giant")])),
        ["HSTRLEN", _, "giant"] => say(":10000000\r\n"),
        ["HSTRLEN", _, "gone"] => say(":0\r\n"),
        ["HSTRLEN", ..] => say(":200\r\n"),
        ["HMGET", _, "a", "gone"] => {
            let entry = format!("[{}, \"\", \"mail\"]", message("mail", "null", 10));
            say(array([bulk(entry), b"$-1\r\n".to_vec()]))
        }
        ["HMGET", _, "gone"] => say("*1\r\n$-1\r\n"),
        _ => say("-ERR\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    for _ in 0..2 {
        let Some(Ok(Reply::Scan(scan))) = redis.sample(&[hash()], seconds(1)).await.pop() else {
            panic!("no scan: {:?}", server.log());
        };
        assert_eq!(scan.total, 3);
        let mut kinds: Vec<_> = scan
            .kinds
            .iter()
            .map(|((_, key), kind)| (key.as_str(), kind.count))
            .collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [("", 1), ("mail", 1)]);
    }
    let fetched = server
        .log()
        .into_iter()
        .filter(|command| command.contains("HMGET") && command.contains(" a"));
    assert_eq!(fetched.count(), 1, "each value crosses the wire once");
}

#[tokio::test]
async fn too_much_in_one_key_leaves_the_numbers() {
    let server = Server::start(|_, words| match words {
        ["LLEN", "fat"] => say(":3\r\n"),
        ["LLEN", _] => say(":0\r\n"),
        ["LRANGE", ..] => Act::Flood(b"*3\r\n$100000000\r\n".to_vec(), vec![b'x'; 65_536]),
        _ => say("-ERR\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    let reads = [list("fat"), list("thin")];
    for n in 1..6 {
        assert_eq!(
            numbers(redis.sample(&reads, seconds(n * 10)).await),
            [Ok(3), Ok(0)],
            "{n}"
        );
    }
    assert!(server.connections() < 5, "it is not tried again and again");
}

#[tokio::test]
async fn a_fall_to_zero_with_a_reconnect_is_not_believed_at_once() {
    let fail = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&fail);
    let server = Server::start(move |connection, words| match (connection, words) {
        (1, _) if broken.load(Ordering::Relaxed) => Act::Last(Vec::new()),
        (1, ["SCARD", "busy"]) => say(":1\r\n"),
        (1, ["SMEMBERS", "busy"]) => say(array([bulk("x")])),
        _ => say(":0\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    let reads = [set("busy"), set("idle")];
    assert_eq!(numbers(redis.sample(&reads, seconds(1)).await), [Ok(1), Ok(0)]);
    fail.store(true, Ordering::Relaxed);
    assert_eq!(
        numbers(redis.sample(&reads, seconds(2)).await),
        [Err(SampleError::Disconnected); 2]
    );
    for (at, expected) in [
        (3, Err(SampleError::JustReconnected)),
        (12, Err(SampleError::JustReconnected)),
        (13, Ok(0)),
    ] {
        assert_eq!(
            numbers(redis.sample(&reads, seconds(at)).await),
            [expected, Ok(0)],
            "{at}"
        );
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_sample_that_was_dropped_leaves_no_connection_behind() {
    let server = Server::start(|connection, _| say(if connection == 1 { "" } else { ":0\r\n" })).await;
    let mut redis = endpoint(&server);
    let reads = [list("a")];
    let dropped = timeout(Duration::from_millis(50), redis.sample(&reads, seconds(1))).await;
    assert!(dropped.is_err());
    assert_eq!(numbers(redis.sample(&reads, seconds(2)).await), [Ok(0)]);
    assert_eq!(server.connections(), 2);
}
