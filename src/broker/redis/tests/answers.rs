//! Answers of any size and number, and errors that have nothing to do with rights.

use std::sync::atomic::AtomicUsize;

use futures::FutureExt;
use serde_json::json;

use super::{workers::envelope, *};
use crate::framework::celery;
use crate::framework::celery::{Ask, Inspect, Mailbox, Order};

fn mailbox(nodes: &[&str]) -> Mailbox {
    Mailbox {
        exchange: "celery".to_owned(),
        prefix: String::new(),
        separator: Some(":".to_owned()),
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
    }
}

fn ask(method: Inspect, nodes: &[&str]) -> Ask {
    Ask::Inspect {
        method,
        mailbox: mailbox(nodes),
    }
}

fn tell() -> Ask {
    Ask::Tell {
        order: Order::CancelConsumer("mail".to_owned()),
        mailbox: mailbox(&["celery@a"]),
    }
}

fn millis(millis: u64) -> Moment {
    Duration::from_millis(millis)
}

/// The nodes whose answers came.
fn answers(redis: &mut RedisEndpoint) -> Vec<String> {
    let mut nodes = Vec::new();
    while let Some(signal) = redis.signals.1.next().now_or_never() {
        if let Some(celery::WorkerSignal::Inspected { node, .. }) = signal.said() {
            nodes.push(node);
        }
    }
    nodes
}

/// A Redis with nothing in it but a worker that is bound, and where everything works.
fn empty(words: &[&str]) -> Act {
    match words {
        ["LLEN", ..] => say(":0\r\n"),
        ["RPOP", ..] => say("$-1\r\n"),
        ["SCARD" | "SMEMBERS", ..] => one_bound(":", words),
        _ => say(":1\r\n"),
    }
}

#[tokio::test]
async fn what_passes_is_no_missing_right_and_is_tried_again_at_the_next_sample() {
    for (error, why) in [
        (
            "-LOADING Redis is loading the dataset in memory\r\n",
            SampleError::Loading,
        ),
        (
            "-READONLY You can't write against a read only replica.\r\n",
            SampleError::ReadOnly,
        ),
        (
            "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
            SampleError::OutOfMemory,
        ),
        (
            "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.\r\n",
            SampleError::Misconfigured,
        ),
        ("-BUSY Redis is busy running a script.\r\n", SampleError::Busy),
        (
            "-NOREPLICAS Not enough good replicas to write.\r\n",
            SampleError::NoReplicas,
        ),
        (
            "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
            SampleError::MasterDown,
        ),
        (
            "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
            SampleError::TryAgain,
        ),
        (
            "-ERR something of tomorrow\r\n",
            SampleError::ServerError(Word::default()),
        ),
    ] {
        for sick_command in ["SADD", "PUBLISH", "RPOP", "SCARD", "SMEMBERS"] {
            let sick = Arc::new(AtomicBool::new(true));
            let now = Arc::clone(&sick);
            let server = Server::start(move |_, words| match words {
                [command, ..] if *command == sick_command && now.load(Ordering::Relaxed) => say(error),
                _ => empty(words),
            })
            .await;
            let mut redis = asker(&server);
            for at in [1_000, 3_000] {
                let reads = [Ask::Read(list("q")), ask(Inspect::Active, &[]), tell()];
                let replies = redis.sample(&reads, millis(at)).await;
                let fails = match sick_command {
                    // The first answers are fetched with the next sample.
                    "RPOP" => at > 1_000,
                    // What nobody knows the meaning of may last for ever: as if nothing was shown.
                    "SCARD" | "SMEMBERS" => at == 1_000 && !error.starts_with("-ERR"),
                    _ => at == 1_000,
                };
                let expected = if fails { Err(why) } else { Ok(Reply::Asked) };
                assert_eq!(
                    replies[1..],
                    [expected.clone(), expected],
                    "{sick_command} {error} {at}"
                );
                sick.store(sick_command == "RPOP" && at < 3_000, Ordering::Relaxed);
            }
            let published = server
                .log()
                .iter()
                .filter(|command| command.starts_with("PUBLISH"))
                .count();
            let unwritten = match sick_command {
                "SADD" => true,
                // What nobody knows the meaning of may last for ever.
                "SCARD" | "SMEMBERS" => !error.starts_with("-ERR"),
                _ => false,
            };
            let expected = if unwritten { 3 } else { 4 };
            assert_eq!(published, expected, "{sick_command} {error}");
            assert_eq!(server.connections(), 1);
        }
    }
}

#[tokio::test]
async fn a_command_that_is_unknown_is_refused_by_name() {
    let server = Server::start(|_, words| match words {
        ["SADD", ..] => say("-ERR unknown command 'SADD', with args beginning with: '_kombu'\r\n"),
        ["INFO", ..] => say(bulk("redis_mode:standalone")),
        words => one_bound(":", words),
    })
    .await;
    let replies = asker(&server).sample(&[ask(Inspect::Active, &[])], seconds(1)).await;
    let right = "`SADD` on `_kombu.binding.reply.celery.pidbox`".to_owned();
    assert_eq!(replies, [Ok(Reply::Refused { right })]);
}

#[tokio::test]
async fn our_entry_is_put_there_again_for_it_may_be_lost() {
    let ends = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ends);
    let server = Server::start(move |connection, words| match words {
        ["LLEN", ..] if connection == 1 && end.load(Ordering::Relaxed) => Act::Last(b":0\r\n".to_vec()),
        _ => empty(words),
    })
    .await;
    let mut redis = asker(&server);
    let mut added = async |at| {
        let replies = redis
            .sample(&[Ask::Read(list("q")), ask(Inspect::Active, &["celery@a"])], millis(at))
            .await;
        let log = server.log();
        (
            log.iter().filter(|command| command.starts_with("SADD")).count(),
            replies,
        )
    };
    assert_eq!(added(10_000).await.0, 1);
    assert_eq!(added(10_500).await.0, 0);
    assert_eq!(added(12_000).await.0, 1, "a flush, an eviction");
    // A server that begins anew has lost it, too.
    ends.store(true, Ordering::Relaxed);
    let mut at = 12_100;
    let added_again = loop {
        let (count, replies) = added(at).await;
        if at > 12_100 && replies.iter().all(Result::is_ok) {
            break count;
        }
        at += 50;
    };
    assert!(at < 14_000 && added_again == 1, "{added_again} at {at}");
}

/// A hundred workers, each of which answers with so many tasks of 900 bytes.
async fn crowd(answer: Vec<u8>) -> (Server, Arc<AtomicUsize>) {
    let busy = Arc::new(AtomicUsize::new(5));
    let (queue, left) = (Arc::clone(&busy), Arc::new(AtomicUsize::new(0)));
    let server = Server::start(move |_, words| match words {
        ["LLEN", ..] => say(format!(":{}\r\n", queue.load(Ordering::Relaxed))),
        ["LRANGE", ..] => say(array([bulk(message("q", "null", 10))])),
        ["PUBLISH", ..] => {
            left.fetch_add(100, Ordering::Relaxed);
            say(":100\r\n")
        }
        ["RPOP", _] => {
            let one = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            one.map_or_else(|_| say("$-1\r\n"), |_| say(bulk(&answer)))
        }
        ["DEL", ..] => {
            left.store(0, Ordering::Relaxed);
            say(":1\r\n")
        }
        words => one_bound(":", words),
    })
    .await;
    (server, busy)
}

#[tokio::test]
async fn the_large_answers_of_many_workers_all_come_on_one_connection() {
    let task = json!({"id": "881221a3", "args": ["x".repeat(900)], "acknowledged": false});
    let answer = envelope(&json!({"celery@a": vec![task; 36]}), "reserved.1000");
    let (server, busy) = crowd(answer).await;
    let mut redis = asker(&server);
    let mut came = 0;
    let mut at = 1_000;
    while at < 21_000 {
        let mut reads = vec![Ask::Read(list("q"))];
        if at % 5_000 == 0 {
            reads.push(ask(Inspect::Reserved, &[]));
        }
        let counted = numbers(redis.sample(&reads, millis(at)).await)[0];
        assert_eq!(counted, Ok(busy.load(Ordering::Relaxed) as u64), "{at}");
        busy.store(if at < 10_000 { 5 } else { 0 }, Ordering::Relaxed);
        came += answers(&mut redis).len();
        at += 500;
    }
    assert_eq!((came, server.connections()), (400, 1));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_the_matter_of_its_node_alone() {
    let giant = envelope(&json!({"celery@a": ["x".repeat(4 << 20)]}), "scheduled.1000");
    let other = envelope(&json!({"celery@b": []}), "scheduled.1000");
    let next = AtomicUsize::new(0);
    let next = Arc::new(next);
    let server = Server::start(move |_, words| match words {
        ["PUBLISH", ..] => {
            next.store(2, Ordering::Relaxed);
            say(":2\r\n")
        }
        ["RPOP", ..] => match next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)) {
            Ok(2) => say(bulk(&giant)),
            Ok(_) => say(bulk(&other)),
            Err(_) => say("$-1\r\n"),
        },
        words => one_bound(":", words),
    })
    .await;
    let mut redis = asker(&server);
    let reads = [Ask::Read(list("q")), ask(Inspect::Scheduled, &["celery@a", "celery@b"])];
    let mut came = Vec::new();
    for at in 1..6 {
        let replies = redis.sample(&reads, seconds(at)).await;
        assert_eq!(numbers(replies), [Ok(0), Ok(0)], "{at}");
        came.extend(answers(&mut redis));
    }
    assert_eq!(came, ["celery@b"; 4]);
    assert_eq!(server.connections(), 1);
    assert!(
        server.log().iter().any(|command| command.starts_with("SREM")),
        "nobody is waited for"
    );
}
