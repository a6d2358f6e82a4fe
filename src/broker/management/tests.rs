use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use super::*;
use crate::broker::Secret;

/// Server that answers each request by its path, and records the request's head.
struct Server {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, connections, answer) = (Arc::<Mutex<_>>::default(), Arc::<Mutex<_>>::default(), Arc::new(answer));
        let server = Self {
            port,
            heads: Arc::clone(&heads),
            connections: Arc::clone(&connections),
        };
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                let (heads, answer) = (Arc::clone(&heads), Arc::clone(&answer));
                tokio::spawn(async move {
                    let mut tcp = BufReader::new(tcp);
                    let mut head = String::new();
                    while tcp.read_line(&mut head).await.is_ok_and(|read| read > 0) {
                        if head.ends_with("\r\n\r\n") {
                            let head = std::mem::take(&mut head);
                            let says = answer(head.split(' ').nth(1).unwrap());
                            heads.lock().unwrap().push(head);
                            if tcp.write_all(&says).await.is_err() || says.is_empty() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    fn client(&self) -> Client {
        let management = Management {
            https: false,
            host: "127.0.0.1".into(),
            port: self.port,
            path: String::new(),
            user: "guest".into(),
            password: Secret::new("hunter2"),
        };
        Client::new(Egress::loopback(), management, "/", Tls::default())
    }

    fn paths(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        heads
            .iter()
            .map(|head| head.split(' ').nth(1).unwrap().to_owned())
            .collect()
    }
}

fn says(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn ok(body: &str) -> Vec<u8> {
    says("200 OK", body)
}

fn item(name: &str, ready: u64, unacked: u64) -> String {
    format!(r#"{{"messages_ready":{ready},"messages_unacknowledged":{unacked},"name":"{name}"}}"#)
}

fn page(items: &[String], pages: u64) -> Vec<u8> {
    ok(&format!(
        r#"{{"items":[{}],"page":1,"page_count":{pages},"page_size":500}}"#,
        items.join(",")
    ))
}

fn totals(ready: u64, unacked: u64) -> Result<Reply, SampleError> {
    Ok(Reply::Totals { ready, unacked })
}

#[tokio::test]
async fn a_few_queues_are_asked_one_by_one_over_one_connection() {
    let server = Server::start(|path| match path.split(['/', '?']).nth(4) {
        Some("a") => ok(&item("a", 1, 2)),
        _ => ok(&item("b%2Fc", 3, 4)),
    });
    let server = server.await;
    let mut client = server.client();
    for _ in 0..3 {
        assert_eq!(client.totals(&["a", "b/c"]).await, Ok(vec![totals(1, 2), totals(3, 4)]));
    }
    assert_eq!(*server.connections.lock().unwrap(), 1);
    let head = server.heads.lock().unwrap()[1].to_ascii_lowercase();
    assert!(head.starts_with("get /api/queues/%2f/b%2fc?disable_stats=true&enable_queue_totals=true&columns=name,"));
    assert!(head.contains(&format!("\r\nhost: 127.0.0.1:{}\r\n", server.port)));
    assert!(head.contains("\r\nauthorization: basic z3vlc3q6ahvudgvymg==\r\n"));
}

#[tokio::test]
async fn an_old_server_is_asked_for_the_list_and_remembered() {
    let server = Server::start(|path| match path.contains("page_size") {
        true => page(&[item("a", 1, 2), item("other", 9, 9)], 1),
        false => ok(r#"{"name":"a"}"#),
    });
    let server = server.await;
    let mut client = server.client();
    for _ in 0..2 {
        let answers = client.totals(&["a", "gone"]).await;
        assert_eq!(answers, Ok(vec![totals(1, 2), Ok(Reply::Missing)]));
    }
    let single: Vec<bool> = server.paths().iter().map(|path| !path.contains("page_size")).collect();
    assert_eq!(single, [true, false, false]);
}

#[tokio::test]
async fn a_queue_that_is_not_found_is_missing_only_if_the_list_is_there_without_it() {
    let missing = says("404 Not Found", r#"{"error":"Object Not Found"}"#);
    let answer = missing.clone();
    let server = Server::start(move |path| match path.contains("page_size") {
        true => page(&[], 0),
        false => answer.clone(),
    });
    assert_eq!(server.await.client().totals(&["q"]).await, Ok(vec![Ok(Reply::Missing)]));
    let hidden = Server::start(move |_| missing.clone()).await;
    assert_eq!(hidden.client().totals(&["q"]).await, Err(SampleError::Management));
}

#[tokio::test]
async fn a_list_without_any_queue_that_was_there_says_nothing() {
    let count = Mutex::new(0);
    let server = Server::start(move |path| {
        *count.lock().unwrap() += 1;
        match (path.contains("page_size"), *count.lock().unwrap()) {
            (false, 1) => ok(&item("q", 3, 2)),
            (false, _) => says("404 Not Found", "{}"),
            (true, _) => page(&[], 0),
        }
    });
    let mut client = server.await.client();
    assert_eq!(client.totals(&["q"]).await, Ok(vec![totals(3, 2)]));
    assert_eq!(client.totals(&["q"]).await, Err(SampleError::Management));
}

#[tokio::test]
async fn many_queues_are_read_page_by_page_and_no_further_than_needed() {
    let server = Server::start(|path| {
        let number: u64 = path
            .split("&page=")
            .nth(1)
            .and_then(|rest| rest.split('&').next())
            .unwrap()
            .parse()
            .unwrap();
        page(&[item(&format!("q{}", number - 1), number, 0)], 30)
    });
    let server = server.await;
    let names: Vec<String> = (0..12).map(|number| format!("q{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let expected = (1..=12).map(|ready| totals(ready, 0)).collect();
    assert_eq!(server.client().totals(&names).await, Ok(expected));
    assert_eq!(server.paths().len(), 12);
}

#[tokio::test]
async fn pages_without_end_are_given_up() {
    let server = Server::start(|_| page(&[item("q0", 1, 0)], u64::MAX)).await;
    let mut client = server.client();
    client.old = true;
    assert_eq!(client.totals(&["q0", "q1"]).await, Err(SampleError::Management));
    assert_eq!(server.paths().len(), 64);
}

#[tokio::test]
async fn what_is_not_an_answer_is_an_error_and_never_a_count() {
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{}", item("q", 0, 0)).into_bytes();
    let chunk = format!("{:x}\r\n{}\r\n", 60_000, " ".repeat(60_000));
    let endless = [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        &chunk.repeat(40),
    ]
    .concat();
    let bad = [
        (
            says("401 Unauthorized", "hunter2"),
            SampleError::ManagementAuthentication,
        ),
        (says("403 Forbidden", ""), SampleError::Management),
        (says("302 Found", ""), SampleError::Management),
        (says("500 Oops", ""), SampleError::Management),
        (ok("<html>"), SampleError::Management),
        (ok(&"[".repeat(100_000)), SampleError::Management),
        (ok(&" ".repeat(1_100_000)), SampleError::Management),
        (endless.into_bytes(), SampleError::Management),
        (
            head("content-length: 60\r\ncontent-encoding: gzip"),
            SampleError::Management,
        ),
        (head(&format!("x: {}", "y".repeat(1 << 20))), SampleError::Management),
        (head(&"x: y\r\n".repeat(100)), SampleError::Management),
        (b"\x15\x03\x03\0\x02\x02\x46".to_vec(), SampleError::ManagementTls),
        (b"AMQP\0\0\x09\x01".to_vec(), SampleError::Management),
        (Vec::new(), SampleError::ManagementUnreachable),
        (head("content-length: 99999"), SampleError::ManagementTimeout),
    ];
    for (answer, error) in bad {
        let shown = String::from_utf8_lossy(&answer).chars().take(60).collect::<String>();
        let server = Server::start(move |_| answer.clone()).await;
        let mut client = server.client();
        assert_eq!(client.totals(&["q"]).await, Err(error), "{shown}");
        assert!(!format!("{client:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_made_anew() {
    let count = Mutex::new(0);
    let server = Server::start(move |_| {
        let mut count = count.lock().unwrap();
        *count += 1;
        // Every second request finds the connection closed.
        if *count % 2 == 0 {
            Vec::new()
        } else {
            ok(&item("q", 1, 0))
        }
    });
    let server = server.await;
    let mut client = server.client();
    for _ in 0..3 {
        assert_eq!(client.totals(&["q"]).await, Ok(vec![totals(1, 0)]));
    }
    assert_eq!(*server.connections.lock().unwrap(), 3);
}
