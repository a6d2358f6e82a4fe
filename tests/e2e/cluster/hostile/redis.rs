//! A Redis that wants to take the operator down: it speaks the protocol, and everything that it says costs as much as it can.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    runtime::{self, Runtime},
};

/// Names and keys are as long as they may be.
const LONG: usize = 250;
/// An answer of a worker, in bytes.
const ANSWER: usize = 1_800_000;

/// The server; it ends with the test.
pub struct HostileRedis {
    port: u16,
    /// Of its own: the test wants to be served as well.
    runtime: Option<Runtime>,
    /// What it has said, in bytes.
    said: Arc<AtomicU64>,
}

impl HostileRedis {
    /// Its workers call themselves after this Deployment.
    pub fn start(deployment: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener for the runtime");
        let port = listener.local_addr().expect("its address").port();
        let said = Arc::<AtomicU64>::default();
        let (count, deployment) = (said.clone(), deployment.to_owned());
        let tickets = Arc::<Mutex<Vec<String>>>::default();
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a thread");
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("the listener");
            while let Ok((stream, _)) = listener.accept().await {
                let server = Session {
                    said: count.clone(),
                    tickets: tickets.clone(),
                    deployment: deployment.clone(),
                    number: 0,
                };
                tokio::spawn(server.serve(BufReader::new(stream)));
            }
        });
        Self {
            port,
            runtime: Some(runtime),
            said,
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }
}

impl Drop for HostileRedis {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Session {
    said: Arc<AtomicU64>,
    /// What was asked of workers, to be answered.
    tickets: Arc<Mutex<Vec<String>>>,
    deployment: String,
    number: u64,
}

impl Session {
    async fn serve(mut self, mut stream: BufReader<TcpStream>) {
        while let Some(command) = command(&mut stream).await {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            if let ["PSUBSCRIBE", pattern] = words[..] {
                return self.flood(stream.get_mut(), pattern).await;
            }
            let answer = self.answer(&words);
            if !self.say(stream.get_mut(), answer.as_bytes()).await {
                return;
            }
        }
    }

    async fn say(&self, stream: &mut TcpStream, bytes: &[u8]) -> bool {
        self.said.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        stream.write_all(bytes).await.is_ok()
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// A text that was never said before, as long as it may be.
    fn long(&mut self, begin: &str) -> String {
        let text = format!("{begin}{}-", self.next());
        format!("{text:x<LONG$}")
    }

    fn node(&mut self) -> String {
        let begin = format!("celery@{}-abc-", self.deployment);
        self.long(&begin)
    }

    /// Workers without end beat, as fast as it can.
    async fn flood(&mut self, stream: &mut TcpStream, pattern: &str) {
        let channel = pattern.replace('*', "worker.heartbeat");
        loop {
            let mut crowd = String::new();
            for _ in 0..200 {
                let node = self.node();
                let body =
                    json!({"type": "worker-heartbeat", "hostname": node, "active": 1, "processed": 7, "freq": 2.0});
                crowd += &list(&["pmessage".into(), pattern.into(), channel.clone(), envelope(&body, "")]);
            }
            if !self.say(stream, crowd.as_bytes()).await {
                return;
            }
        }
    }

    fn answer(&mut self, words: &[&str]) -> String {
        match *words {
            ["PING"] => "+PONG\r\n".into(),
            ["INFO", ..] => bulk("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n"),
            ["LLEN", ..] => format!(":{}\r\n", 3_000 + self.next() % 7),
            ["HLEN" | "SCARD", ..] => format!(":{}\r\n", 1_000 + self.next() % 7),
            ["LRANGE", _, start, stop] => {
                let many = span(start, stop);
                let messages: Vec<_> = (0..many).map(|_| self.message().to_string()).collect();
                list(&messages)
            }
            ["SMEMBERS", _] => {
                let member = |session: &mut Self| {
                    let pattern = ["*"; 100].join(".");
                    let queue = session.long("");
                    format!("{pattern}\u{6}\u{16}{pattern}\u{6}\u{16}{queue}")
                };
                let members: Vec<_> = (0..1_000).map(|_| member(self)).collect();
                list(&members)
            }
            ["ZRANGE", _, start, stop] => {
                let tags: Vec<_> = (0..span(start, stop)).map(|_| self.long("")).collect();
                list(&tags)
            }
            ["HSTRLEN", ..] => ":2000\r\n".into(),
            ["HMGET", _, ref tags @ ..] => {
                let kept = |session: &mut Self| {
                    let key = vec![session.next().to_string(); 80].join(".");
                    json!([session.message(), "celery", key]).to_string()
                };
                let kept: Vec<_> = tags.iter().map(|_| kept(self)).collect();
                list(&kept)
            }
            ["PUBLISH", _, text] => {
                self.tickets.lock().expect("the tickets").extend(ticket(text));
                ":1\r\n".into()
            }
            ["RPOP", _] => {
                let ticket = self.tickets.lock().expect("the tickets").last().cloned();
                match ticket {
                    Some(ticket) => bulk(&self.told(&ticket)),
                    None => "$-1\r\n".into(),
                }
            }
            _ => ":1\r\n".into(),
        }
    }

    fn message(&mut self) -> Value {
        let (id, queue) = (self.long(""), self.long(""));
        json!({"body": STANDARD.encode("[[], {}, {}]"), "content-encoding": "utf-8", "content-type": "application/json",
            "headers": {"lang": "py", "task": self.long("task."), "id": id, "eta": "2999-01-01T00:00:00Z"},
            "properties": {"delivery_tag": id, "delivery_info": {"exchange": self.long(""), "routing_key": queue}}})
    }

    /// What a worker answers, as large as an answer may be.
    fn told(&mut self, ticket: &str) -> String {
        let entry = match ticket.split('.').next() {
            Some("active_queues") => json!({"name": self.long("")}),
            _ => json!({"id": self.long(""), "acknowledged": true, "eta": "2999-01-01T00:00:00Z"}),
        };
        let many = ANSWER / 4 * 3 / entry.to_string().len();
        let body = json!({self.node(): vec![entry; many]});
        envelope(&body, ticket)
    }
}

/// What stands in kombu's envelope of a question.
fn ticket(text: &str) -> Option<String> {
    let envelope: Value = serde_json::from_str(text).ok()?;
    let body = STANDARD.decode(envelope["body"].as_str()?).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    Some(body["ticket"].as_str()?.to_owned())
}

fn envelope(body: &Value, ticket: &str) -> String {
    json!({"body": STANDARD.encode(body.to_string()), "content-encoding": "utf-8", "content-type": "application/json",
        "headers": {"ticket": ticket}, "properties": {"body_encoding": "base64"}})
    .to_string()
}

fn span(start: &str, stop: &str) -> u64 {
    let number = |text: &str| text.parse::<i64>().unwrap_or(0);
    u64::try_from(number(stop) - number(start) + 1).unwrap_or(1).min(5_000)
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn list(texts: &[String]) -> String {
    let items: String = texts.iter().map(|text| bulk(text)).collect();
    format!("*{}\r\n{items}", texts.len())
}

async fn command(stream: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let count: usize = line(stream).await?.strip_prefix('*')?.parse().ok()?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length: usize = line(stream).await?.strip_prefix('$')?.parse().ok()?;
        let mut word = vec![0; length + 2];
        stream.read_exact(&mut word).await.ok()?;
        word.truncate(length);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Some(words)
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    Some(line.trim_end().to_owned())
}
