//! What our entry is joined by, and what is done about those of killed operators.

use std::sync::Mutex;

use super::*;
use crate::framework::celery::{Ask, Inspect, Mailbox, Order};

const SET: &str = "_kombu.binding.reply.celery.pidbox";
const WORKERS: &str = "_kombu.binding.celery.pidbox";

fn mailbox(separator: Option<&str>, nodes: &[&str]) -> Mailbox {
    Mailbox {
        exchange: "celery".to_owned(),
        prefix: String::new(),
        separator: separator.map(str::to_owned),
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
    }
}

fn ask(separator: Option<&str>, nodes: &[&str]) -> Ask {
    Ask::Inspect {
        method: Inspect::Active,
        mailbox: mailbox(separator, nodes),
    }
}

fn tell(separator: Option<&str>) -> Ask {
    Ask::Tell {
        order: Order::CancelConsumer("mail".to_owned()),
        mailbox: mailbox(separator, &["celery@a"]),
    }
}

fn worker(node: &str, separator: &str) -> String {
    format!("{separator}{separator}{node}.celery.pidbox")
}

/// The sets of an application, which a test may change meanwhile.
#[derive(Clone, Default)]
struct Sets(Arc<Mutex<(Vec<String>, Vec<String>)>>);

impl Sets {
    fn of(workers: &[String], replies: &[String]) -> Self {
        let sets = Self::default();
        sets.are(workers, replies);
        sets
    }

    fn are(&self, workers: &[String], replies: &[String]) {
        *self.0.lock().unwrap() = (workers.to_vec(), replies.to_vec());
    }

    fn answer(&self, words: &[&str]) -> Act {
        let (workers, replies) = self.0.lock().unwrap().clone();
        let members = |set: &str| {
            if set == WORKERS {
                workers.clone()
            } else {
                replies.clone()
            }
        };
        match words {
            ["SCARD", set] => say(format!(":{}\r\n", members(set).len())),
            ["SMEMBERS", set] => say(array(members(set).iter().map(bulk))),
            ["PUBLISH", ..] => say(":1\r\n"),
            ["RPOP", ..] => say("$-1\r\n"),
            _ => say(":1\r\n"),
        }
    }

    async fn server(&self) -> Server {
        let sets = self.clone();
        Server::start(move |_, words| sets.answer(words)).await
    }
}

/// What the members that were added are joined by.
fn added(log: &[String]) -> Vec<String> {
    let members = log.iter().filter_map(|command| command.strip_prefix("SADD "));
    let separator = |member: &str| {
        let joined = member.strip_prefix(SET).unwrap().trim_start();
        let oid = joined.strip_suffix(".reply.celery.pidbox").unwrap();
        let oid = &oid[oid.rfind("twp-operator-").unwrap()..];
        let both = joined.split(oid).nth(1).unwrap();
        let (first, second) = both.split_at(both.len() / 2);
        assert_eq!(first, second, "{member:?}");
        first.to_owned()
    };
    members.map(separator).collect()
}

fn published(log: &[String]) -> usize {
    log.iter().filter(|command| command.starts_with("PUBLISH")).count()
}

#[tokio::test]
async fn our_entry_is_joined_as_the_application_joins_its_own_whatever_the_pool_says() {
    for shown in [":", "\x06\x16", "|"] {
        for said in [None, Some(":"), Some("\x06\x16")] {
            let server = Sets::of(&[worker("celery@a", shown)], &[]).server().await;
            let mut redis = asker(&server);
            let answers = redis.sample(&[ask(said, &[])], seconds(1)).await;
            assert_eq!(answers, [Ok(Reply::Asked)]);
            let log = server.log();
            assert_eq!(added(&log), [shown], "the pool says {said:?}");
            assert_eq!(published(&log), 1);
        }
    }
}

#[tokio::test]
async fn where_no_worker_is_bound_nothing_is_written_whatever_the_pool_says() {
    let sets = Sets::default();
    let server = sets.server().await;
    let mut redis = asker(&server);
    // A worker announces itself before it is bound: a wrong word of the pool would be the first that it reads.
    for (at, said) in [(1, None), (3, Some(":")), (5, None)] {
        let answers = redis
            .sample(&[ask(said, &[]), ask(said, &["celery@a"]), tell(said)], seconds(at))
            .await;
        assert_eq!(answers, vec![Ok(Reply::Asked); 3], "it is not refused");
        let log = server.log();
        assert_eq!(added(&log), [""; 0], "{log:?}");
        assert_eq!(published(&log), 1, "the order, which nobody answers: {log:?}");
    }
    sets.are(&[worker("celery@a", ":")], &[]);
    redis.sample(&[ask(None, &[])], seconds(7)).await.clear();
    assert_eq!(added(&server.log()), [":"]);
    // FLUSHALL: the workers are there and hear, but their bindings are gone.
    sets.are(&[], &[]);
    for at in [70, 80] {
        redis.sample(&[ask(None, &[])], seconds(at)).await.clear();
        assert_eq!(added(&server.log()), [":"], "as it was shown last");
    }
}

#[tokio::test]
async fn the_sets_are_not_read_for_each_question_but_again_after_a_minute_and_on_another_connection() {
    let sets = Sets::of(&[worker("celery@a", ":")], &[]);
    let broken = Arc::new(AtomicBool::new(false));
    let (now, all) = (Arc::clone(&broken), sets.clone());
    let server = Server::start(move |_, words| match words {
        _ if now.swap(false, Ordering::Relaxed) => Act::Last(Vec::new()),
        words => all.answer(words),
    })
    .await;
    let mut redis = asker(&server);
    let mut reads = Vec::new();
    for at in [1, 3, 30, 60, 61, 63] {
        redis.sample(&[ask(None, &["celery@a"])], seconds(at)).await.clear();
        let log = server.log();
        reads.push(log.iter().filter(|command| command.starts_with("SMEMBERS")).count());
    }
    assert_eq!(reads, [1, 0, 0, 0, 1, 0]);
    sets.are(&[worker("celery@a", "|")], &[]);
    broken.store(true, Ordering::Relaxed);
    redis.sample(&[ask(None, &["celery@a"])], seconds(64)).await.clear();
    server.log();
    redis.sample(&[ask(None, &["celery@a"])], seconds(66)).await.clear();
    let log = server.log();
    assert_eq!(added(&log), ["|"], "{log:?}");
    let taken = log
        .iter()
        .position(|command| command.starts_with("SREM") && command.contains("::"));
    let made = log.iter().position(|command| command.starts_with("SADD"));
    assert!(taken.unwrap() < made.unwrap(), "the old entry goes first: {log:?}");
}

#[tokio::test]
async fn sets_that_may_not_be_read_leave_the_pools_word_and_else_name_the_right() {
    let server = Server::start(|_, words| match words {
        ["SCARD", ..] => say("-NOPERM No permissions to access a key\r\n"),
        _ => say(":1\r\n"),
    })
    .await;
    redis_says(&server, Some(":"), Reply::Asked).await;
    assert_eq!(added(&server.log()), [":"]);
    let right = format!("`SMEMBERS` on `{WORKERS}`");
    redis_says(&server, None, Reply::Refused { right }).await;
    let log = server.log();
    assert_eq!((added(&log).len(), published(&log)), (0, 0), "{log:?}");
    // Another client's entry is a second witness.
    let client = "881221a3-2d6c-3a50-8b93-0a2f1f7e5c11";
    let server = Server::start(move |_, words| match words {
        ["SCARD", WORKERS] => say("-NOPERM No permissions to access a key\r\n"),
        ["SMEMBERS", SET] => say(array([bulk(format!("{client}::{client}.reply.celery.pidbox"))])),
        _ => say(":1\r\n"),
    })
    .await;
    redis_says(&server, None, Reply::Asked).await;
    assert_eq!(added(&server.log()), [":"]);
}

async fn redis_says(server: &Server, said: Option<&str>, expected: Reply) {
    let answers = asker(server).sample(&[ask(said, &[])], seconds(1)).await;
    assert_eq!(answers, [Ok(expected)]);
}

#[tokio::test]
async fn what_killed_operators_left_is_taken_away_and_what_living_ones_have_is_not() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let entry = |oid: &str, separator: &str| format!("{oid}{separator}{separator}{oid}.reply.celery.pidbox");
    let made = |age: u64| format!("twp-operator-{:x}-{:032x}", now - age, 7);
    let (living, killed, first) = (made(3_600), made(10_000), format!("twp-operator-{:032x}", 9));
    let client = "881221a3-2d6c-3a50-8b93-0a2f1f7e5c11";
    let replies = [
        entry(&living, ":"),
        entry(&killed, ":"),
        entry(&first, "\x06\x16"),
        entry(client, ":"),
        entry(&made(5), "\x06\x16"),
    ];
    let server = Sets::of(&[worker("celery@a", ":")], &replies).server().await;
    let mut redis = asker(&server);
    redis.sample(&[ask(None, &[])], seconds(1)).await.clear();
    let log = server.log();
    let taken: Vec<_> = log.iter().filter_map(|command| command.strip_prefix("SREM ")).collect();
    let expected = [&replies[1], &replies[2], &replies[4]].map(|member| format!("{SET} {member}"));
    assert_eq!(taken, expected);
    let lists: Vec<_> = log.iter().filter_map(|command| command.strip_prefix("DEL ")).collect();
    let expected = [killed, first, made(5)].map(|oid| format!("{oid}.reply.celery.pidbox"));
    assert_eq!(lists, expected);
}

#[tokio::test]
async fn our_address_is_made_anew_after_an_hour_also_while_answers_are_outstanding() {
    let server = Sets::of(&[worker("celery@a", ":")], &[]).server().await;
    let mut redis = asker(&server);
    let mut members = Vec::new();
    for at in [10, 3_600, 3_609, 3_610, 3_612] {
        redis.sample(&[ask(None, &["celery@a"])], seconds(at)).await.clear();
        let log = server.log();
        members.extend(
            log.into_iter()
                .filter_map(|command| Some((at, command.strip_prefix("SADD ")?.to_owned()))),
        );
    }
    let times: Vec<_> = members.iter().map(|(at, _)| *at).collect();
    // It is put there again every two seconds.
    assert_eq!(times, [10, 3_600, 3_609, 3_610, 3_612]);
    assert_eq!([&members[0].1, &members[3].1], [&members[2].1, &members[4].1]);
    assert_ne!(members[2].1, members[3].1);
    redis.farewell().await;
    assert!(server.log().contains(&format!("SREM {}", members[3].1)));
}

#[tokio::test]
async fn an_application_whose_channels_leave_the_database_out_is_found() {
    let heard = Arc::new(AtomicBool::new(true));
    let hears = Arc::clone(&heard);
    let sets = Sets::of(&[worker("celery@a", ":")], &[]);
    let server = Server::start(move |_, words| match words {
        ["PUBLISH", "celery.pidbox", _] if hears.load(Ordering::Relaxed) => say(":1\r\n"),
        ["PUBLISH", "celery.pidbox", _] => say("-NOPERM No permissions to access a channel\r\n"),
        ["PUBLISH", ..] => say(":0\r\n"),
        words => sets.answer(words),
    })
    .await;
    let channels = |log: Vec<String>| -> Vec<String> {
        let channel = |command: &String| Some(command.strip_prefix("PUBLISH ")?.split(' ').next()?.to_owned());
        log.iter().filter_map(channel).collect()
    };
    let mut redis = asker(&server);
    for (at, expected) in [(1, &["/0.celery.pidbox", "celery.pidbox"][..]), (2, &["celery.pidbox"])] {
        redis.sample(&[ask(None, &["celery@a"])], seconds(at)).await.clear();
        assert_eq!(channels(server.log()), expected);
    }
    // Where the other name is refused, that is nothing to anybody; and it is tried once in a minute.
    heard.store(false, Ordering::Relaxed);
    let mut redis = asker(&server);
    for (at, expected) in [(1, 2), (3, 1), (60, 1), (61, 2)] {
        let answers = redis.sample(&[ask(None, &["celery@a"])], seconds(at)).await;
        assert_eq!(answers, [Ok(Reply::Asked)]);
        assert_eq!(channels(server.log()).len(), expected, "{at}");
    }
}
