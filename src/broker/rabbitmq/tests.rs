use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

mod control;
mod fake;
mod hearing;
mod totals;
mod trouble;

use self::fake::{Fake, Says};
use super::*;
use crate::broker::Secret;
use crate::framework::celery::CeleryConfig;
use crate::model::BrokerKind;
use crate::model::{Letter, Named, Postbox};

fn address(port: u16) -> Address {
    Address {
        kind: Kind::RabbitMq { vhost: "/".into() },
        host: "127.0.0.1".into(),
        port,
        user: Some("guest".into()),
        password: Some(Secret::new("hunter2")),
        tls: None,
        management: None,
    }
}

fn depth(queue: &str) -> Query {
    Query::QueueDepth { queue: queue.into() }
}

/// Subscription to workers on this exchange.
fn listen(exchange: &str) -> Subscription {
    let config = CeleryConfig {
        broker: BrokerKind::RabbitMq { management: false },
        event_exchange: exchange.to_owned(),
        ..CeleryConfig::default()
    };
    config.listen()
}

fn totals(queue: &str) -> Query {
    Query::QueueTotals { queue: queue.into() }
}

/// Broker that answers the client's greeting, and whatever comes after it, with one of `says` each, and then keeps the
/// connection open in silence.
async fn broker(says: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let says = says.clone();
            tokio::spawn(async move {
                let mut greeting = [0; 8];
                tcp.read_exact(&mut greeting).await.unwrap();
                assert_eq!(&greeting, b"AMQP\0\0\x09\x01");
                for say in says {
                    let _ = tcp.write_all(&say).await;
                    let _ = tcp.read(&mut [0; 1024]).await;
                }
                while tcp.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    port
}

/// Method frame on channel 0.
fn frame(payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap();
    [&[1, 0, 0][..], &size.to_be_bytes(), payload, &[0xCE]].concat()
}

/// `connection.start` with these server properties.
fn start(properties: &[u8]) -> Vec<u8> {
    let size = u32::try_from(properties.len()).unwrap();
    let tail = b"\0\0\0\x05PLAIN\0\0\0\x05en_US";
    frame(&[&[0, 10, 0, 10, 0, 9][..], &size.to_be_bytes(), properties, tail].concat())
}

/// `connection.close` with a reply code and text.
fn close(code: u16, text: &str) -> Vec<u8> {
    let text = [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    frame(&[&[0, 10, 0, 50][..], &code.to_be_bytes(), &text, &[0; 4]].concat())
}

/// Field `a`: an array in an array in an array … as deep as one frame allows.
fn bomb() -> Vec<u8> {
    let mut value = vec![b'V'];
    while value.len() < 8000 {
        let size = u32::try_from(value.len()).unwrap();
        value = [&b"A"[..], &size.to_be_bytes(), &value].concat();
    }
    [&b"\x01a"[..], &value].concat()
}

/// Number of threads of this process that carry a connection.
fn threads() -> usize {
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .flatten()
        .map(name)
        .filter(|name| name.starts_with("lapin-io-loop"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_broker_gets_an_error_and_no_more() {
    let once = |says: &[u8]| vec![says.to_vec()];
    let refuses = |code, text| vec![start(b""), close(code, text)];
    let says = [
        (Vec::new(), SampleError::Timeout),
        (once(b"HTTP/1.1 400 Bad Request\r\n\r\n"), SampleError::Protocol),
        (once(b"AMQP\0\0\x09\x01"), SampleError::Protocol),
        (once(b"\x15\x03\x01\0\x02\x02\x0A"), SampleError::TlsExpected),
        (once(b"\x01\0\0\xFF\xFF\xFF\xFF"), SampleError::TooLarge),
        (once(&frame(b"\xFF\xFF\xFF\xFF")), SampleError::Protocol),
        (
            refuses(403, "ACCESS_REFUSED - guest:hunter2"),
            SampleError::Authentication,
        ),
        (
            refuses(530, "NOT_ALLOWED - vhost / not found"),
            SampleError::NoSuchVhost,
        ),
        (
            refuses(530, "NOT_ALLOWED - access to vhost '/' refused"),
            SampleError::Permission,
        ),
        (refuses(530, "NOT_ALLOWED - vhost '/' is down"), SampleError::NotReady),
        (
            refuses(
                530,
                "NOT_ALLOWED - access to vhost '/' refused for user 'u': connection limit (1) is reached",
            ),
            SampleError::TooManyConnections,
        ),
        (
            refuses(
                530,
                "NOT_ALLOWED - connection refused for user 'u': user connection limit (1) is reached",
            ),
            SampleError::TooManyConnections,
        ),
        (refuses(541, "INTERNAL_ERROR"), SampleError::NotReady),
        (once(&start(&bomb())), SampleError::Protocol),
    ];
    for (says, error) in says {
        let shown = format!(
            "{:?}",
            says.last()
                .map(|says| String::from_utf8_lossy(says).chars().take(80).collect::<String>())
        );
        let mut endpoint = RabbitMqEndpoint::new(address(broker(says).await), Egress::loopback());
        let answers = endpoint
            .sample(&[depth("q"), totals("q"), depth("r")], Moment::ZERO)
            .await;
        let expected = [Err(error), Err(SampleError::Management), Err(error)];
        assert_eq!(answers, expected, "{shown}");
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }
    // Those of other tests end as well.
    let ends = Instant::now() + Duration::from_secs(60);
    while threads() > 0 && Instant::now() < ends {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(threads(), 0, "a connection's thread outlives it");
}

fn ready(count: u64) -> QueueAnswer {
    Ok(Reply::Depth {
        ready: count,
        consumers: Some(0),
    })
}

const fn at(millis: u64) -> Moment {
    Duration::from_millis(millis)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_forbidden_queue_spoils_no_other() {
    let fake = Fake::start().await;
    for number in 0..40 {
        fake.queue(&format!("q{number}"), Says::Ready(number));
    }
    fake.queue("secret", Says::Code(403));
    let mut endpoint = RabbitMqEndpoint::new(address(fake.port), Egress::loopback());
    let mut reads: Vec<Query> = (0..40).map(|number| depth(&format!("q{number}"))).collect();
    reads.insert(0, depth("gone"));
    reads.insert(10, depth("secret"));
    reads.insert(20, depth("gone too"));
    let mut expected: Vec<QueueAnswer> = (0..40).map(ready).collect();
    expected.insert(0, Ok(Reply::Missing));
    expected.insert(10, Err(SampleError::Permission));
    expected.insert(20, Ok(Reply::Missing));
    assert_eq!(endpoint.sample(&reads, at(0)).await, expected);
    assert_eq!(fake.channels(), 3 + 3, "three lanes, three failures");
    // The answers of the three are repeated: nothing fails, no channel is opened.
    assert_eq!(endpoint.sample(&reads, at(500)).await, expected);
    assert_eq!(fake.channels(), 0);
    // They are probed apart: whoever fails takes nobody along.
    fake.queue("gone", Says::Ready(7));
    expected[0] = ready(7);
    assert_eq!(endpoint.sample(&reads, at(2000)).await, expected);
    assert_eq!(endpoint.sample(&reads, at(2500)).await, expected);
    assert_eq!(fake.channels(), 3, "one for each probe");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_made_anew_and_its_first_nothing_not_believed() {
    let fake = Fake::start().await;
    fake.queue("q", Says::Ready(3));
    let mut endpoint = RabbitMqEndpoint::new(address(fake.port), Egress::loopback());
    let reads = [depth("q")];
    assert_eq!(endpoint.sample(&reads, at(0)).await, [ready(3)]);
    fake.break_off();
    fake.queue("q", Says::Ready(0));
    let mut answers = endpoint.sample(&reads, at(500)).await;
    if answers == [Err(SampleError::Disconnected)] {
        answers = endpoint.sample(&reads, at(1000)).await;
    }
    assert_eq!(answers, [Err(SampleError::JustReconnected)]);
    assert_eq!(endpoint.sample(&reads, at(12_000)).await, [ready(0)]);
}

#[tokio::test]
async fn reads_of_other_brokers_are_refused_and_letters_answered_elsewhere() {
    let mut endpoint = RabbitMqEndpoint::new(address(1), Egress::loopback());
    let members = Query::SetMembers { key: "k".into() };
    let post = Query::Post {
        postbox: Postbox {
            exchange: "celery.pidbox".into(),
            replies: "reply.celery.pidbox".into(),
            ticket: "ticket",
            read: Named::new("nothing", |_, _| Vec::new()),
        },
        letter: Letter {
            begin: Vec::new(),
            end: None,
            headers: Vec::new(),
        },
    };
    let answers = endpoint.sample(&[members, post, depth("q")], at(0)).await;
    let expected = [Err(SampleError::Protocol), Ok(Reply::Asked), Err(SampleError::Refused)];
    assert_eq!(answers, expected);
}
