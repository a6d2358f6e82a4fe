//! Remote control: what workers are asked and told, and their answers.

use serde_json::{Value as Json, json};
use tokio::time::{sleep, timeout};

use super::*;
use crate::broker::fixture::Asker;
use crate::framework::celery::{self, Ask, Inspect, Mailbox, Order};

fn mailbox(nodes: &[&str]) -> Mailbox {
    Mailbox {
        separator: None,
        exchange: "celery".to_owned(),
        prefix: String::new(),
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
    }
}

fn ask_depth(queue: &str) -> Ask {
    Ask::Read(depth(queue))
}

fn ask(nodes: &[&str]) -> Ask {
    Ask::Inspect {
        method: Inspect::Reserved,
        mailbox: mailbox(nodes),
    }
}

fn stop(nodes: &[&str]) -> Ask {
    Ask::Tell {
        order: Order::CancelConsumer("mail".to_owned()),
        mailbox: mailbox(nodes),
    }
}

/// Published messages, once there are this many.
async fn published(fake: &Fake, number: usize) -> Vec<Json> {
    let mut all = Vec::new();
    for _ in 0..400 {
        all.extend(fake.published());
        if all.len() >= number {
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    sleep(Duration::from_millis(50)).await;
    all.extend(fake.published());
    all.iter().map(|body| serde_json::from_slice(body).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_and_orders_name_their_nodes_and_answers_tell_when_they_were_asked() {
    let fake = Fake::start().await;
    fake.answer(r#"{"celery@a":[]}"#, "reserved.1000");
    let mut endpoint = Asker::rabbitmq(address(fake.port));
    let reads = [stop(&["celery@a"]), ask(&["celery@a"]), ask(&[])];
    assert_eq!(endpoint.sample(&reads, at(1_000)).await, vec![Ok(Reply::Asked); 3]);
    let sent = published(&fake, 3).await;
    let order = json!({"method": "cancel_consumer", "arguments": {"queue": "mail"}, "destination": ["celery@a"],
        "pattern": null, "matcher": null});
    assert_eq!(sent[0], order);
    assert_eq!(sent[1]["destination"], json!(["celery@a"]));
    let ticket = sent[1]["ticket"].as_str().unwrap();
    assert!(ticket.starts_with("reserved.1000."), "{ticket}");
    assert_eq!((&sent[2]["destination"], sent.len()), (&Json::Null, 3));

    let answer = timeout(Duration::from_secs(3), endpoint.next_signal()).await.unwrap();
    let Some(celery::WorkerSignal::Inspected { node, asked, .. }) = answer.said() else {
        panic!("no answer");
    };
    assert_eq!((node.as_str(), asked), ("celery@a", at(1_000)));

    // Single workers are asked each time; all of them after two seconds, whoever else was asked meanwhile.
    for (moment, number) in [(1_500, 2), (2_500, 2), (3_000, 3)] {
        endpoint.sample(&reads, at(moment)).await.clear();
        assert_eq!(published(&fake, number).await.len(), number, "{moment}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_publication_is_told_and_not_tried_again_at_once() {
    let fake = Fake::start().await;
    fake.queue("q", Says::Ready(1));
    fake.forbid(60, 40);
    let mut endpoint = Asker::rabbitmq(address(fake.port));
    let reads = [ask_depth("q"), ask(&["celery@a"]), stop(&["celery@a"])];
    let refusal = refused("`write` on the exchange `celery.pidbox`");
    let refused = vec![ready(1), refusal.clone(), refusal];
    let ends = Instant::now() + Duration::from_secs(3);
    let mut moment = 0;
    loop {
        moment += 500;
        let answers = endpoint.sample(&reads, at(moment)).await;
        if answers == refused {
            break;
        }
        assert!(Instant::now() < ends, "{answers:?}");
        sleep(Duration::from_millis(10)).await;
    }
    // What is on its way arrives.
    sleep(Duration::from_millis(100)).await;
    fake.published();
    fake.channels();
    for later in 1..=10 {
        let answers = endpoint.sample(&reads, at(moment + later * 500)).await;
        assert_eq!(answers, refused, "it stays so, and spoils no count");
    }
    sleep(Duration::from_millis(2_500)).await;
    assert_eq!(
        (fake.published().len(), fake.channels()),
        (0, 0),
        "nothing is tried for a while"
    );
}

fn refused(right: &str) -> QueueAnswer {
    Ok(Reply::Refused {
        right: right.to_owned(),
    })
}

/// Samples as long as `done` is not satisfied with the last answer.
async fn until(endpoint: &mut Asker<RabbitMqEndpoint>, reads: &[Ask], done: impl Fn(&QueueAnswer) -> bool) {
    let ends = Instant::now() + Duration::from_secs(20);
    for moment in 1.. {
        let answers = endpoint.sample(reads, at(moment * 500)).await;
        let last = answers.last().unwrap();
        if done(last) {
            return;
        }
        assert!(Instant::now() < ends, "{answers:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Asks until an answer comes.
async fn answered(endpoint: &mut Asker<RabbitMqEndpoint>) {
    let ends = Instant::now() + Duration::from_secs(20);
    for moment in 1.. {
        endpoint.sample(&[ask(&["celery@a"])], at(moment * 2_000)).await.clear();
        if let Ok(signal) = timeout(Duration::from_millis(50), endpoint.next_signal()).await {
            let said = signal.said();
            assert!(matches!(said, Some(celery::WorkerSignal::Inspected { .. })), "{said:?}");
            return;
        }
        assert!(Instant::now() < ends, "no answer");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_exchange_that_nobody_has_needed_yet_is_declared_as_kombu_does() {
    let fake = Fake::start().await;
    fake.lacks("reply.celery.pidbox");
    fake.answer(r#"{"celery@a":[]}"#, "reserved.1000");
    let mut endpoint = Asker::rabbitmq(address(fake.port));
    answered(&mut endpoint).await;
    let plain = ("reply.celery.pidbox".to_owned(), "direct".to_owned(), 0);
    assert_eq!(fake.declared(), [plain], "neither durable nor deleted by itself");
    assert_eq!(fake.losses(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_declare_it_that_is_told_until_somebody_else_does() {
    let fake = Fake::start().await;
    fake.lacks("reply.celery.pidbox");
    fake.forbid(40, 10);
    fake.answer(r#"{"celery@a":[]}"#, "reserved.1000");
    let mut endpoint = Asker::rabbitmq(address(fake.port));
    let reads = [ask(&["celery@a"])];
    let right = refused("`configure` on the exchange `reply.celery.pidbox`");
    until(&mut endpoint, &reads, |answer| *answer == right).await;
    fake.gets("reply.celery.pidbox");
    answered(&mut endpoint).await;
    until(&mut endpoint, &reads, |answer| *answer == Ok(Reply::Asked)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_no_workers_nothing_is_refused() {
    let fake = Fake::start().await;
    fake.lacks("celery.pidbox");
    fake.answer(r#"{"celery@a":[]}"#, "reserved.1000");
    let mut endpoint = Asker::rabbitmq(address(fake.port));
    let ends = Instant::now() + Duration::from_secs(5);
    for moment in 1.. {
        let answers = endpoint.sample(&[ask(&[])], at(moment * 2_000)).await;
        assert_eq!(answers, [Ok(Reply::Asked)]);
        if fake.losses() > 0 {
            break;
        }
        assert!(Instant::now() < ends);
        sleep(Duration::from_millis(10)).await;
    }
    fake.gets("celery.pidbox");
    answered(&mut endpoint).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_that_is_refused_names_its_right() {
    for ((class, method), right) in [
        ((50, 10), "`configure` on queues `twp-operator.*`"),
        ((50, 20), "`read` on the exchange `reply.celery.pidbox`"),
        ((60, 20), "`read` on queues `twp-operator.*`"),
        ((60, 40), "`write` on the exchange `celery.pidbox`"),
    ] {
        let fake = Fake::start().await;
        fake.forbid(class, method);
        let mut endpoint = Asker::rabbitmq(address(fake.port));
        let right = refused(right);
        until(&mut endpoint, &[ask(&["celery@a"])], |answer| *answer == right).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_control_outlives_the_channel_numbers_of_its_connection() {
    let fake = Fake::start().await;
    // The first attempt takes three: to bind, to declare, to see who is there.
    fake.numbers(6);
    fake.lacks("reply.celery.pidbox");
    fake.forbid(40, 10);
    fake.answer(r#"{"celery@a":[]}"#, "reserved.1000");
    let mut endpoint = Asker::rabbitmq(address(fake.port));
    let ends = Instant::now() + Duration::from_secs(30);
    for moment in 1.. {
        endpoint.sample(&[ask(&["celery@a"])], at(moment * 2_000)).await.clear();
        if fake.losses() >= 4 {
            break;
        }
        assert!(Instant::now() < ends, "{}", fake.losses());
        sleep(Duration::from_millis(10)).await;
    }
    fake.permit_all();
    fake.gets("reply.celery.pidbox");
    answered(&mut endpoint).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_lost_channels_break_nothing() {
    let fake = Fake::start().await;
    fake.queue("q", Says::Ready(3));
    fake.answer(r#"{"celery@a":[]}"#, "reserved.1000");
    let mut endpoint = Asker::rabbitmq(address(fake.port));
    let celeryev = listen("celeryev");
    endpoint.listen(vec![celeryev.clone()]);
    let gone: Vec<Ask> = (0..60).map(|number| ask_depth(&format!("gone{number}"))).collect();
    let reads: Vec<Ask> = [ask_depth("q")].into_iter().chain(gone).collect();
    let mut moment = 0;
    while fake.losses() < 1_000 {
        moment += 60_000;
        // Work that comes and goes: a renewed connection is no reason for doubt.
        for (count, later) in [(3, 0), (0, 500)] {
            fake.queue("q", Says::Holds(count, 1));
            let answer = endpoint.sample(&reads, at(moment + later)).await.remove(0);
            let (ready, consumers) = (u64::from(count), Some(1));
            assert_eq!(answer, Ok(Reply::Depth { ready, consumers }));
        }
    }
    assert!(fake.connections() < 5, "{}", fake.connections());
    assert_eq!(fake.in_vain(), 0, "nothing is sent behind what may close its channel");
    answered(&mut endpoint).await;
    let ends = Instant::now() + Duration::from_secs(10);
    while endpoint.hearing(&celeryev) != Hearing::Works {
        assert!(Instant::now() < ends, "{:?}", endpoint.hearing(&celeryev));
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_is_dropped_and_the_next_one_heard() {
    let fake = Fake::start().await;
    fake.answer(
        &format!(r#"{{"celery@a":["{}"]}}"#, "x".repeat(20 << 20)),
        "reserved.1000",
    );
    let mut endpoint = Asker::rabbitmq(address(fake.port));
    for moment in [1_000, 3_000, 5_000] {
        endpoint.sample(&[ask(&["celery@a"])], at(moment)).await.clear();
        assert_eq!(published(&fake, 1).await.len(), 1);
        assert_eq!(fake.connections(), 2, "one to count, one to ask");
    }
    fake.answer(r#"{"celery@a":[]}"#, "reserved.1000");
    answered(&mut endpoint).await;
    assert_eq!((fake.connections(), fake.losses()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_another_form_is_dropped_and_breaks_nothing() {
    let fake = Fake::start().await;
    fake.form("application/x-python-serialize");
    fake.answer(r#"{"celery@a":[]}"#, "reserved.1000");
    let mut endpoint = Asker::rabbitmq(address(fake.port));
    for moment in [1_000, 3_000] {
        endpoint.sample(&[ask(&["celery@a"])], at(moment)).await.clear();
        published(&fake, 1).await;
        assert!(
            timeout(Duration::from_millis(100), endpoint.next_signal())
                .await
                .is_err()
        );
    }
    fake.form("application/json");
    answered(&mut endpoint).await;
    assert_eq!((fake.connections(), fake.losses()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_short_of_memory_is_counted_as_before() {
    let fake = Fake::start().await;
    fake.queue("q", Says::Holds(3, 1));
    fake.answer(r#"{"celery@a":[]}"#, "reserved.1000");
    fake.blocks(true);
    let mut endpoint = Asker::rabbitmq(address(fake.port));
    let counted = Ok(Reply::Depth {
        ready: 3,
        consumers: Some(1),
    });
    let (mut letters, mut told) = (Vec::new(), Vec::new());
    for moment in 1..40 {
        let answers = endpoint
            .sample(&[ask_depth("q"), ask(&["celery@a"])], at(moment * 2_000))
            .await;
        assert_eq!(answers[0], counted);
        sleep(Duration::from_millis(10)).await;
        letters.push(fake.published().len());
        told.push(answers[1].clone());
    }
    assert!(
        told[20..].iter().all(|told| *told == Err(SampleError::Blocked)),
        "{told:?}"
    );
    // It was told with one of the first letters: which one depends on how soon that was read.
    assert!(letters[20..].iter().all(|sent| *sent == 0), "{letters:?}");
    assert_eq!(fake.connections(), 2);
    fake.blocks(false);
    answered(&mut endpoint).await;
    assert_eq!(fake.connections(), 2);
}
