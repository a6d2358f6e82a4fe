//! The management API beside the counts.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::time::sleep;

use super::*;
use crate::broker::Management;

/// Management API that answers each request with this, or never; and the number of requests.
async fn managing(says: Option<String>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let (count, says) = (count.clone(), says.clone());
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while tcp.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                    count.fetch_add(1, Ordering::Relaxed);
                    if let Some(says) = &says {
                        let _ = tcp.write_all(says.as_bytes()).await;
                    }
                }
            });
        }
    });
    (port, requests)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn management(port: u16) -> Management {
    Management {
        https: false,
        host: "127.0.0.1".into(),
        port,
        path: String::new(),
        user: "guest".into(),
        password: Secret::new("old"),
    }
}

fn managed(fake: &Fake, port: u16) -> RabbitMqEndpoint {
    let address = Address {
        management: Some(management(port)),
        ..address(fake.port)
    };
    RabbitMqEndpoint::new(address, Egress::loopback())
}

/// Samples until the totals are this; the count beside them is there each time.
async fn until(endpoint: &mut RabbitMqEndpoint, wanted: QueueAnswer) {
    let ends = Instant::now() + Duration::from_secs(20);
    for moment in 1.. {
        let answers = endpoint.sample(&[depth("q"), totals("q")], at(moment * 500)).await;
        assert_eq!(answers[0], ready(1));
        if answers[1] == wanted {
            return;
        }
        assert!(Instant::now() < ends, "{answers:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_does_not_answer_keeps_no_count_back() {
    let (port, requests) = managing(None).await;
    let fake = Fake::start().await;
    fake.queue("q", Says::Ready(1));
    let mut endpoint = managed(&fake, port);
    let reads = [depth("q"), totals("q")];
    for moment in 0..50 {
        let answers = endpoint.sample(&reads, at(moment * 500)).await;
        assert_eq!(answers[0], ready(1));
    }
    assert_eq!(
        requests.load(Ordering::Relaxed),
        1,
        "one is asked, and no other meanwhile"
    );
    until(&mut endpoint, Err(SampleError::ManagementTimeout)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_told_and_not_repeated() {
    let (port, requests) = managing(Some("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n".into())).await;
    let fake = Fake::start().await;
    fake.queue("q", Says::Ready(1));
    let mut endpoint = managed(&fake, port);
    until(&mut endpoint, Err(SampleError::ManagementAuthentication)).await;
    for moment in 1_000..1_200 {
        endpoint.sample(&[totals("q")], at(moment * 500)).await.clear();
    }
    assert_eq!(requests.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_not_there_is_told_as_such() {
    let fake = Fake::start().await;
    fake.queue("q", Says::Ready(1));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    until(&mut managed(&fake, port), Err(SampleError::ManagementUnreachable)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_that_are_there_are_told_with_the_count() {
    let (port, _) = managing(Some(ok(
        r#"{"messages_ready":1,"messages_unacknowledged":2,"name":"q"}"#,
    )))
    .await;
    let fake = Fake::start().await;
    fake.queue("q", Says::Ready(1));
    until(&mut managed(&fake, port), Ok(Reply::Totals { ready: 1, unacked: 2 })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_queues_those_that_the_api_does_not_show_are_declared() {
    let (port, requests) = managing(Some(ok(r#"{"items":[],"page_count":0}"#))).await;
    let fake = Fake::start().await;
    let names: Vec<String> = (0..MANY + 1).map(|number| format!("q{number}")).collect();
    for name in &names {
        fake.queue(name, Says::Ready(7));
    }
    let mut endpoint = managed(&fake, port);
    let reads: Vec<Query> = names.iter().flat_map(|name| [depth(name), totals(name)]).collect();
    for moment in 0..3 {
        let answers = endpoint.sample(&reads, at(moment * 500)).await;
        assert!(answers.iter().step_by(2).all(|depth| *depth == ready(7)), "{answers:?}");
    }
    assert!(requests.load(Ordering::Relaxed) > 0);
}

/// Neither the broker nor its management API is asked at an address that is not allowed, and both give the same error.
#[tokio::test]
async fn nobody_is_asked_where_no_broker_may_be() {
    let (port, requests) = managing(Some(ok("{}"))).await;
    let egress = Egress::new(Vec::new(), Vec::new(), "cluster.local");
    let address = Address {
        management: Some(management(port)),
        ..address(port)
    };
    let mut endpoint = RabbitMqEndpoint::new(address, egress);
    let ends = Instant::now() + Duration::from_secs(20);
    for moment in 1.. {
        let answers = endpoint.sample(&[depth("q"), totals("q")], at(moment * 500)).await;
        assert_eq!(answers[0], Err(SampleError::NotAllowed));
        if answers[1] == answers[0] {
            break;
        }
        assert_eq!(answers[1], Err(SampleError::NotYet));
        assert!(Instant::now() < ends, "{answers:?}");
    }
    assert_eq!(requests.load(Ordering::Relaxed), 0);
}
