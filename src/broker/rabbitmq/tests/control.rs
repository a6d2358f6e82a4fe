//! Remote control: what workers are asked and told, and their answers.

use serde_json::{Value as Json, json};
use tokio::time::{sleep, timeout};

use super::*;
use crate::work::Order;

fn mailbox(nodes: &[&str]) -> Mailbox {
    Mailbox {
        separator: None,
        exchange: "celery".to_owned(),
        prefix: String::new(),
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
    }
}

fn ask(nodes: &[&str]) -> Read {
    Read::Inspect {
        method: Inspect::Reserved,
        mailbox: mailbox(nodes),
    }
}

fn stop(nodes: &[&str]) -> Read {
    Read::Tell {
        order: Order::CancelConsumer("mail".to_owned()),
        mailbox: mailbox(nodes),
    }
}

/// What was published, once there is so much of it.
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
    let mut endpoint = RabbitMqEndpoint::new(address(fake.port));
    let reads = [stop(&["celery@a"]), ask(&["celery@a"]), ask(&[])];
    assert_eq!(endpoint.sample(&reads, at(1_000)).await, vec![Ok(Reply::Asked); 3]);
    let sent = published(&fake, 3).await;
    let order = json!({"method": "cancel_consumer", "arguments": {"queue": "mail"}, "destination": ["celery@a"],
        "pattern": null, "matcher": null});
    assert_eq!(sent[0], order);
    assert_eq!(
        (&sent[1]["destination"], &sent[1]["ticket"]),
        (&json!(["celery@a"]), &json!("reserved.1000"))
    );
    assert_eq!((&sent[2]["destination"], sent.len()), (&Json::Null, 3));

    let answer = timeout(Duration::from_secs(3), endpoint.next_signal()).await.unwrap();
    let Signal::Inspected { node, asked, .. } = answer else {
        panic!("{answer:?}");
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
    fake.refuse(true);
    let mut endpoint = RabbitMqEndpoint::new(address(fake.port));
    let reads = [depth("q"), ask(&["celery@a"]), stop(&["celery@a"])];
    let refused = vec![ready(1), Ok(refused()), Ok(refused())];
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

fn refused() -> Reply {
    Reply::Refused { right: String::new() }
}
