//! A Redis on loopback that says what the test wants it to say.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// What the server does in answer to one command.
pub enum Act {
    /// Replies.
    Say(Vec<u8>),
    /// Replies byte by byte.
    Slowly(Vec<u8>),
    /// Replies and hangs up.
    Last(Vec<u8>),
    /// Says the first, then the second again and again.
    Flood(Vec<u8>, Vec<u8>),
}

/// Shorthand for a reply.
pub fn say(reply: impl AsRef<[u8]>) -> Act {
    Act::Say(reply.as_ref().to_vec())
}

/// RESP of a text.
pub fn bulk(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

/// RESP of an array.
pub fn array(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let items: Vec<_> = items.into_iter().collect();
    [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat()
}

/// A Redis in which one worker is bound, its entry joined by this, and whose other replies are 0.
pub fn one_bound(separator: &str, words: &[&str]) -> Act {
    match words {
        ["SCARD", set] => say(if set.contains("reply") { ":0\r\n" } else { ":1\r\n" }),
        ["SMEMBERS", set] if !set.contains("reply") => {
            say(array([bulk(format!("{separator}{separator}celery@a.celery.pidbox"))]))
        }
        ["SMEMBERS", _] => say("*0\r\n"),
        _ => say(":0\r\n"),
    }
}

/// A running server.
pub struct Server {
    pub port: u16,
    log: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
    round_trips: Arc<Mutex<usize>>,
}

impl Server {
    /// Answers each command but `PING`, given the connection's number and the command's words.
    pub async fn start(script: impl Fn(usize, &[&str]) -> Act + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            log: Arc::default(),
            connections: Arc::default(),
            round_trips: Arc::default(),
        };
        let (log, connections) = (Arc::clone(&server.log), Arc::clone(&server.connections));
        let round_trips = Arc::clone(&server.round_trips);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let number = {
                    let mut connections = connections.lock().unwrap();
                    *connections += 1;
                    *connections
                };
                let marks = (Arc::clone(&log), Arc::clone(&round_trips));
                tokio::spawn(serve(tcp, number, script.clone(), marks));
            }
        });
        server
    }

    /// The commands since the last call.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// How often a client waited for replies before it went on, the greetings aside.
    pub fn round_trips(&self) -> usize {
        *self.round_trips.lock().unwrap()
    }
}

/// Where the commands and the round trips are noted.
type Marks = (Arc<Mutex<Vec<String>>>, Arc<Mutex<usize>>);

async fn serve(tcp: TcpStream, number: usize, script: impl Fn(usize, &[&str]) -> Act, (log, round_trips): Marks) {
    let _ = tcp.set_nodelay(true);
    let mut tcp = BufReader::with_capacity(1 << 20, tcp);
    loop {
        let waits = tcp.buffer().is_empty();
        let Some(words) = command(&mut tcp).await else {
            return;
        };
        if words == ["PING"] {
            let _ = tcp.write_all(b"+PONG\r\n").await;
            continue;
        }
        *round_trips.lock().unwrap() += usize::from(waits);
        log.lock().unwrap().push(words.join(" "));
        let act = script(number, &words.iter().map(String::as_str).collect::<Vec<_>>());
        let said = match act {
            Act::Say(reply) => tcp.write_all(&reply).await,
            Act::Last(reply) => {
                let _ = tcp.write_all(&reply).await;
                return;
            }
            Act::Slowly(reply) => {
                for byte in reply {
                    let _ = tcp.write_all(&[byte]).await;
                    sleep(Duration::from_millis(1)).await;
                }
                Ok(())
            }
            Act::Flood(first, again) => {
                let _ = tcp.write_all(&first).await;
                while tcp.write_all(&again).await.is_ok() {}
                return;
            }
        };
        if said.is_err() {
            return;
        }
    }
}

async fn command(tcp: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(tcp).await? {
        let mut word = vec![0; number(tcp).await? + 2];
        tcp.read_exact(&mut word).await.ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Some(words)
}

async fn number(tcp: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = Vec::new();
    tcp.read_until(b'\n', &mut line).await.ok()?;
    if line.first() == Some(&0x16) {
        // To a TLS handshake Redis is silent: it looks for a line end, and not beyond a NUL.
        std::future::pending().await
    }
    std::str::from_utf8(&line).ok()?.trim_end().get(1..)?.parse().ok()
}

/// Waits until it is true, half a minute at most.
pub async fn eventually<F: Future<Output = bool>>(check: impl Fn() -> F) {
    for _ in 0..6_000 {
        if check().await {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("it never happened");
}
