//! Replies that no honest server gives: each ends in time, in little memory, in the right word.

use std::time::Instant;

use futures::future::join_all;

use super::*;

/// The answer to one count, and it came in time.
async fn answer(act: impl Fn() -> Act + Clone + Send + Sync + 'static) -> Result<u64, SampleError> {
    let server = Server::start(move |_, _| act()).await;
    let started = Instant::now();
    let mut answers = numbers(endpoint(&server).sample(&[list("celery")], seconds(1)).await);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    answers.pop().unwrap()
}

#[tokio::test]
async fn replies_that_are_no_counts() {
    use SampleError::*;
    let cases = [
        (":-5\r\n", Protocol),
        (":9223372036854775808\r\n", Protocol),
        (":9223372036854775807\r\n", Protocol),
        (":1099511627777\r\n", Protocol),
        (":1e9\r\n", Protocol),
        (":\r\n", Protocol),
        ("+OK\r\n", Protocol),
        ("$-1\r\n", Protocol),
        ("$1\r\n5\r\n", Protocol),
        ("*0\r\n", Protocol),
        ("*-1\r\n", Protocol),
        ("_\r\n", Protocol),
        (",1.5\r\n", Protocol),
        (":1\r\n:2\r\n", Protocol),
        (">2\r\n+pubsub\r\n+x\r\n:1\r\n", Protocol),
        ("\n", Protocol),
        ("\0\0\0\0", Protocol),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", Protocol),
        ("AMQP\0\0\u{9}\u{1}", Protocol),
        ("\u{15}\u{3}\u{3}\0\u{2}\u{2}\n", Protocol),
        ("-ASK 1 169.254.169.254:1\r\n", RedisCluster),
        ("-READONLY You can't write\r\n", ReadOnly),
        ("-MASTERDOWN Link with MASTER is down\r\n", MasterDown),
        ("-ERR max number of clients reached\r\n", TooManyConnections),
        ("-DENIED Redis is running in protected mode\r\n", Permission),
        ("-ERR cAn4ry\r\n", ServerError(Word::default())),
        ("-\r\n", ServerError(Word::default())),
        (":5", Timeout),
        ("$536870912000\r\nx", Timeout),
        ("*2147483647\r\n", TooLarge),
        ("", Timeout),
    ];
    let answers = join_all(cases.map(|(reply, _)| answer(move || say(reply)))).await;
    for ((reply, expected), answer) in cases.into_iter().zip(answers) {
        assert_eq!(answer, Err(expected), "{reply:?}");
    }
}

#[tokio::test]
async fn replies_without_end() {
    for (first, again) in [
        ("+", "x"),
        ("-", "x"),
        ("$600000000\r\n", "x"),
        ("*20000000\r\n", ":1\r\n"),
        ("", "*1\r\n"),
        ("", ":1\r\n"),
        ("%1000000\r\n", ":1\r\n"),
        ("", ">2\r\n+a\r\n+b\r\n"),
        ("", "\r\n"),
    ] {
        let flood = move || Act::Flood(first.into(), again.repeat(10_000).into());
        let error = answer(flood).await.unwrap_err();
        assert!(
            matches!(error, SampleError::TooLarge | SampleError::Protocol),
            "{first:?} {again:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn replies_cut_short_or_slow() {
    for reply in ["", ":", ":1", "$10\r\nabc", "*3\r\n:1\r\n"] {
        let cut = move || Act::Last(reply.into());
        assert_eq!(answer(cut).await, Err(SampleError::Disconnected), "{reply:?}");
    }
    assert_eq!(answer(|| Act::Slowly(b":0\r\n".to_vec())).await, Ok(0));
    let line = || Act::Slowly([b"+".to_vec(), vec![b'1'; 900]].concat());
    assert_eq!(answer(line).await, Err(SampleError::Timeout));
}

#[tokio::test]
async fn nobody_there() {
    let closed = Server::start(|_, _| say("")).await.port + 1;
    let answers = RedisEndpoint::new(address(closed), Egress::loopback())
        .sample(&[list("a")], seconds(1))
        .await;
    assert!(matches!(
        answers.as_slice(),
        [Err(SampleError::Refused | SampleError::Timeout)]
    ));
}

#[tokio::test]
async fn nobody_is_asked_where_no_broker_may_be() {
    let server = Server::start(|_, _| say(":1")).await;
    let nowhere = Egress::new(Vec::new(), Vec::new(), "cluster.local");
    let mut redis = RedisEndpoint::new(address(server.port), nowhere);
    redis.listen(vec![workers::pattern("0.celeryev/*")]);
    let answers = redis.sample(&[list("a")], seconds(1)).await;
    assert_eq!(answers, [Err(SampleError::NotAllowed)]);
    let failing = Hearing::Failing(SampleError::NotAllowed);
    let heard = async {
        while redis.hearing(&workers::pattern("0.celeryev/*")) != failing {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), heard)
        .await
        .expect("the heartbeats say so, too");
    assert_eq!(server.connections(), 0);
}
