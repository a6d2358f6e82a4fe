//! Queues whose node, process or leader is gone: unknown, not empty, and without harm for other queues.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn only_a_queue_that_the_broker_calls_absent_is_missing() {
    let fake = Fake::start().await;
    let mut endpoint = RabbitMqEndpoint::new(address(fake.port), Egress::loopback());
    assert_eq!(endpoint.sample(&[depth("gone")], at(0)).await, [Ok(Reply::Missing)]);
    for (number, text) in [
        "NOT_FOUND - home node 'b@h' of durable queue 'q' in vhost '/' is down or inaccessible",
        "NOT_FOUND - queue 'q' in vhost '/' process is stopped by supervisor",
        "NOT_FOUND - queue 'q' in vhost '/' has crashed and failed to restart",
        "NOT_FOUND - failed to perform operation on queue 'q' in vhost '/' due to timeout",
        "NOT_FOUND - exclusive no queue 'q'",
    ]
    .into_iter()
    .enumerate()
    {
        let queue = format!("q{number}");
        fake.queue(&queue, Says::Objects(404, text));
        assert_eq!(
            endpoint.sample(&[depth(&queue)], at(500)).await,
            [Err(SampleError::NotReady)],
            "{text}"
        );
        fake.queue(&queue, Says::Holds(300, 2));
        let counted = Ok(Reply::Depth {
            ready: 300,
            consumers: Some(2),
        });
        assert_eq!(endpoint.sample(&[depth(&queue)], at(60_000)).await, [counted]);
    }
    assert_eq!(fake.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_queue_without_a_leader_is_not_an_empty_queue() {
    let fake = Fake::start().await;
    let mut endpoint = RabbitMqEndpoint::new(address(fake.port), Egress::loopback());
    let counts = |ready, consumers| {
        Ok(Reply::Depth {
            ready,
            consumers: Some(consumers),
        })
    };
    fake.queue("q", Says::Holds(500, 8));
    assert_eq!(endpoint.sample(&[depth("q")], at(0)).await, [counts(500, 8)]);
    fake.queue("q", Says::Holds(0, 0));
    for moment in [500, 1_000, 30_000, 60_000] {
        let answers = endpoint.sample(&[depth("q")], at(moment)).await;
        assert_eq!(answers, [Err(SampleError::QueueUnsure)], "{moment}");
    }
    fake.queue("q", Says::Holds(500, 8));
    assert_eq!(endpoint.sample(&[depth("q")], at(60_400)).await, [counts(500, 8)]);
}

/// RabbitMQ gives the leader a quarter of a second, and says 0 and 0 then.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_nothing_that_took_long_is_no_empty_queue() {
    let fake = Fake::start().await;
    fake.queue("late", Says::Late(260, 0, 0));
    fake.queue("q", Says::Holds(0, 0));
    let first = async |queue| {
        RabbitMqEndpoint::new(address(fake.port), Egress::loopback())
            .sample(&[depth(queue)], at(0))
            .await
    };
    assert_eq!(first("late").await, [Err(SampleError::QueueUnsure)]);
    let nothing = Reply::Depth {
        ready: 0,
        consumers: Some(0),
    };
    assert_eq!(first("q").await, [Ok(nothing)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_hangs_takes_one_channel_and_nobody_along() {
    let fake = Fake::start().await;
    fake.queue("hangs", Says::Nothing);
    fake.queue("q", Says::Ready(1));
    let mut endpoint = RabbitMqEndpoint::new(address(fake.port), Egress::loopback());
    let reads = [depth("q"), depth("hangs")];
    let expected = [ready(1), Err(SampleError::Timeout)];
    assert_eq!(endpoint.sample(&reads, at(0)).await, expected);
    fake.channels();
    for moment in (1..600).map(|number| number * 500) {
        assert_eq!(endpoint.sample(&reads, at(moment)).await, expected, "{moment}");
    }
    assert_eq!(fake.channels(), 2, "one for what answers, one for what hangs");
    // A minute later the broker gives up. The connection stays.
    fake.gives_up(
        404,
        "NOT_FOUND - failed to perform operation on queue 'hangs' in vhost '/' due to timeout",
    );
    let not_ready = [ready(1), Err(SampleError::NotReady)];
    let ends = Instant::now() + Duration::from_secs(5);
    while endpoint.sample(&reads, at(301_000)).await != not_ready {
        assert!(Instant::now() < ends);
    }
    assert_eq!(fake.connections(), 1);
    // And once it answers again it is counted.
    fake.queue("hangs", Says::Ready(3));
    assert_eq!(endpoint.sample(&reads, at(400_000)).await, [ready(1), ready(3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_hangs_alone_is_no_reason_to_give_the_connection_up() {
    let fake = Fake::start().await;
    fake.queue("hangs", Says::Nothing);
    let mut endpoint = RabbitMqEndpoint::new(address(fake.port), Egress::loopback());
    for moment in [0, 500, 1_000, 100_000] {
        assert_eq!(
            endpoint.sample(&[depth("hangs")], at(moment)).await,
            [Err(SampleError::Timeout)]
        );
    }
    assert_eq!(fake.connections(), 1);
}
