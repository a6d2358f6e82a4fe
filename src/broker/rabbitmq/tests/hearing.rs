//! Heartbeats: whether the workers can be heard, and why not.

use tokio::time::sleep;

use super::*;

fn celeryev() -> Subscription {
    listen("celeryev")
}

/// Listens and samples until the subscription has this state.
async fn hears(fake: &Fake, endpoint: &mut RabbitMqEndpoint, wanted: Hearing) {
    fake.queue("q", Says::Ready(1));
    let ends = Instant::now() + Duration::from_secs(20);
    for moment in 1.. {
        endpoint.sample(&[depth("q")], at(moment * 2_000)).await.clear();
        let hearing = endpoint.hearing(&celeryev());
        if hearing == wanted {
            return;
        }
        assert!(Instant::now() < ends, "{hearing:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn listening(fake: &Fake) -> RabbitMqEndpoint {
    let mut endpoint = RabbitMqEndpoint::new(address(fake.port), Egress::loopback());
    endpoint.listen(vec![celeryev()]);
    endpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_once_the_queue_is_read_and_each_exchange_has_its_own_state() {
    let fake = Fake::start().await;
    let mut endpoint = listening(&fake);
    assert_eq!(endpoint.hearing(&celeryev()), Hearing::NotYet);
    hears(&fake, &mut endpoint, Hearing::Works).await;
    assert_eq!(endpoint.hearing(&listen("other")), Hearing::NotYet);
    fake.break_off();
    fake.close();
    let failing = |hearing: &Hearing| matches!(hearing, Hearing::Failing(_));
    let ends = Instant::now() + Duration::from_secs(10);
    for moment in 100.. {
        endpoint.sample(&[depth("q")], at(moment * 2_000)).await.clear();
        if failing(&endpoint.hearing(&celeryev())) {
            return;
        }
        assert!(Instant::now() < ends, "a dead broker is heard");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_nobody_has_needed_yet_is_declared_as_celery_does_or_awaited() {
    let fake = Fake::start().await;
    fake.lacks("celeryev");
    hears(&fake, &mut listening(&fake), Hearing::Works).await;
    assert_eq!(
        fake.declared(),
        [("celeryev".to_owned(), "topic".to_owned(), 2)],
        "durable"
    );

    let fake = Fake::start().await;
    fake.lacks("celeryev");
    fake.forbid(40, 10);
    let mut endpoint = listening(&fake);
    while fake.losses() < 2 {
        endpoint.sample(&[depth("q")], at(500)).await.clear();
        sleep(Duration::from_millis(10)).await;
    }
    hears(&fake, &mut endpoint, Hearing::NotYet).await;
    fake.gets("celeryev");
    hears(&fake, &mut endpoint, Hearing::Works).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_named() {
    for ((class, method), right) in [
        ((50, 10), "`configure` on queues `twp-operator.*`"),
        ((50, 20), "`read` on the exchange `celeryev`"),
        ((60, 20), "`read` on queues `twp-operator.*`"),
    ] {
        let fake = Fake::start().await;
        fake.forbid(class, method);
        let right = right.to_owned();
        hears(&fake, &mut listening(&fake), Hearing::Refused { right }).await;
    }
}
