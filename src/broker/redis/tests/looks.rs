//! Looks into keys that are too large or too slow, and long outages: what is counted stays counted.

use std::sync::atomic::AtomicUsize;

use super::*;

#[tokio::test]
async fn giants_in_a_queue_that_moves_cut_off_nobody() {
    for size in [3 << 20, 20 << 20] {
        let length = Arc::new(AtomicUsize::new(10));
        let moves = Arc::clone(&length);
        let giant = array([bulk(vec![b'x'; size])]);
        let server = Server::start(move |_, words| match words {
            ["LLEN", "fat"] => say(format!(":{}\r\n", moves.load(Ordering::Relaxed))),
            ["LLEN", "thin"] => say(":1\r\n"),
            ["LRANGE", "fat", ..] => say(&giant),
            ["LRANGE", "thin", ..] => say(array([bulk(message("thin", "null", 10))])),
            _ => say("-ERR\r\n"),
        })
        .await;
        let mut redis = endpoint(&server);
        for n in 0..100_u64 {
            let fat = 10 + n % 7;
            length.store(10 + (n % 7) as usize, Ordering::Relaxed);
            let counts = numbers(
                redis
                    .sample(&[list("fat"), list("thin")], Duration::from_millis(1_000 + 500 * n))
                    .await,
            );
            if size < 16 << 20 || counts[1].is_ok() {
                assert_eq!(counts, [Ok(fat), Ok(1)], "{n}");
            }
        }
        let looks = server
            .log()
            .iter()
            .filter(|command| command.starts_with("LRANGE fat"))
            .count();
        assert!(looks <= 4, "{looks} looks of {size} bytes in 50 s");
        let most = if size < 16 << 20 { 1 } else { 4 };
        assert!(server.connections() <= most, "{} connections", server.connections());
    }
}

#[tokio::test]
async fn a_look_that_takes_too_long_leaves_the_number_and_is_not_repeated_at_once() {
    let server = Server::start(|_, words| match words {
        ["LLEN", _] => say(":4\r\n"),
        ["LRANGE", _, start, _] => {
            let n = start.trim_start_matches('-').parse::<usize>().unwrap().min(4);
            Act::Slowly(array((0..n).map(|_| bulk(message("celery", "null", 300)))))
        }
        _ => say("-ERR\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    for at in [1, 2, 4, 5, 6, 8] {
        assert_eq!(
            numbers(redis.sample(&[list("celery")], seconds(at)).await),
            [Ok(4)],
            "{at}"
        );
    }
    assert!(server.connections() <= 3, "{}", server.connections());
}

#[tokio::test]
async fn a_hash_whose_values_come_too_slowly_keeps_its_number() {
    let server = Server::start(|_, words| match words {
        ["HLEN", _] => say(":1\r\n"),
        ["ZRANGE", ..] => say(array([bulk("a")])),
        ["HSTRLEN", ..] => say(":2000\r\n"),
        ["HMGET", ..] => Act::Slowly(array([bulk("x".repeat(2_000))])),
        _ => say("-ERR\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    for at in [1, 2, 3] {
        assert_eq!(numbers(redis.sample(&[hash()], seconds(at)).await), [Ok(1)], "{at}");
    }
    let fetched = server
        .log()
        .iter()
        .filter(|command| command.starts_with("HMGET"))
        .count();
    assert_eq!(fetched, 1);
}

#[tokio::test]
async fn a_fall_to_zero_is_doubted_however_long_the_outage_was() {
    for outage in [60, 125, 300, 3_600] {
        let broken = Arc::new(AtomicBool::new(false));
        let b = Arc::clone(&broken);
        let server = Server::start(move |connection, words| match (connection, words) {
            (_, _) if b.load(Ordering::Relaxed) => Act::Last(Vec::new()),
            (1, ["LLEN", _]) => say(":5\r\n"),
            (1, ["LRANGE", ..]) => say(array([bulk(message("q", "null", 10))])),
            _ => say(":0\r\n"),
        })
        .await;
        let mut redis = endpoint(&server);
        let mut at = 1;
        assert_eq!(numbers(redis.sample(&[list("q")], seconds(at)).await), [Ok(5)]);
        broken.store(true, Ordering::Relaxed);
        for _ in 0..5 {
            at += outage / 5;
            let unknown = numbers(redis.sample(&[list("q")], seconds(at)).await);
            assert_eq!(unknown, [Err(SampleError::Disconnected)]);
        }
        broken.store(false, Ordering::Relaxed);
        at += 10;
        for (after, expected) in [
            (0, Err(SampleError::JustReconnected)),
            (9, Err(SampleError::JustReconnected)),
            (10, Ok(0)),
        ] {
            let counted = numbers(redis.sample(&[list("q")], seconds(at + after)).await);
            assert_eq!(counted, [expected], "{outage} s, {after} s after");
        }
    }
}

#[tokio::test]
async fn servers_of_other_kinds_are_named() {
    for (db, reply, expected) in [
        (0, "-MOVED 3999 169.254.169.254:6379\r\n", SampleError::RedisCluster),
        (
            0,
            "-CROSSSLOT Keys in request don't hash to the same slot\r\n",
            SampleError::RedisCluster,
        ),
        (0, "-CLUSTERDOWN Hash slot not served\r\n", SampleError::RedisCluster),
        (
            1,
            "-ERR SELECT is not allowed in cluster mode\r\n",
            SampleError::RedisCluster,
        ),
        (1, "-ERR invalid DB index\r\n", SampleError::NoSuchVhost),
        (1, "-ERR DB index is out of range\r\n", SampleError::NoSuchVhost),
        (
            1,
            "-ERR something of tomorrow\r\n",
            SampleError::ServerError(Word::default()),
        ),
        (1, "-NEWWORD c4nary\r\n", SampleError::ServerError(Word::of("NEWWORD"))),
        (0, "-OOM command not allowed\r\n", SampleError::OutOfMemory),
        (
            1,
            "-ERR max number of clients reached\r\n",
            SampleError::TooManyConnections,
        ),
        (
            0,
            "-ERR unknown command `LLEN`, with args beginning with: `a`, \r\n",
            SampleError::UnknownCommand,
        ),
    ] {
        let server = Server::start(move |_, words| match words {
            ["INFO", ..] => say("-NOPERM no\r\n"),
            _ => say(reply),
        })
        .await;
        assert_eq!(first_error(&server, db).await, Err(expected), "{reply}");
    }
    let labels = [
        SampleError::RedisCluster,
        SampleError::OutOfMemory,
        SampleError::RedisSentinel,
    ]
    .map(SampleError::label);
    assert_eq!(labels, ["RedisCluster", "RedisOutOfMemory", "RedisSentinel"]);
    let unknown = SampleError::ServerError(Word::of("NEWWORD")).to_string();
    assert!(unknown.contains("`NEWWORD`"), "{unknown}");
    for db in [0, 1] {
        let sentinel = Server::start(|_, words| match words {
            ["INFO", "server"] => say(bulk("# Server\r\nredis_version:8.0.2\r\nredis_mode:sentinel\r\n")),
            [command, ..] => say(format!(
                "-ERR unknown command '{command}', with args beginning with: 'a' \r\n"
            )),
            [] => say(""),
        })
        .await;
        assert_eq!(first_error(&sentinel, db).await, Err(SampleError::RedisSentinel));
    }
}

async fn first_error(server: &Server, db: u32) -> Result<u64, SampleError> {
    let to = Address {
        kind: Kind::Redis { db },
        ..address(server.port)
    };
    numbers(
        RedisEndpoint::new(to, Egress::loopback())
            .sample(&[list("a")], seconds(1))
            .await,
    )[0]
}

#[tokio::test]
async fn what_is_remembered_of_lists_is_bounded_and_the_rest_is_due() {
    let later = message("a-name-of-their-own", "\"2126-01-01T00:00:00+00:00\"", 0);
    let server = Server::start(move |_, words| match words {
        ["LLEN", _] => say(":2000\r\n"),
        ["LRANGE", _, start, stop] => {
            let [start, stop] = [start, stop].map(|index| index.trim_start_matches('-').parse::<usize>().unwrap());
            let one = |n: usize| bulk(later.replace("their", &n.to_string()));
            say(array((stop..=start.min(2_000)).rev().map(one)))
        }
        _ => say("-ERR\r\n"),
    })
    .await;
    let mut redis = endpoint(&server);
    let reads: Vec<_> = (0..40).map(|n| list(&format!("queue{n}"))).collect();
    let mut due = 0;
    for at in 1..30 {
        let answers = redis.sample(&reads, seconds(at)).await;
        let of = |answer: Result<Reply, SampleError>| match answer {
            Ok(Reply::Scan(scan)) => {
                assert!(
                    scan.kinds
                        .keys()
                        .all(|(exchange, key)| exchange.is_empty() && key.is_empty())
                );
                scan.total - scan.kinds.values().map(|kind| kind.etas.len() as u64).sum::<u64>()
            }
            other => panic!("{other:?}"),
        };
        due = answers.into_iter().map(of).sum();
    }
    let known: usize = redis.memory.lists.values().map(|kept| kept.scan.known()).sum();
    assert!((49_000..51_000).contains(&known), "{known} messages");
    assert_eq!(due, 80_000 - known as u64);
}
