//! A way to the API server that this test stands in: `kubectl proxy`, so that HTTP can be read, and a proxy of ours before it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
    process::Child,
    sync::Mutex as AsyncMutex,
    time::sleep,
};

use crate::support::bed::{kubeconfig_with, kubectl_command};

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All goes through.
    Open,
    /// The next write of replicas goes through, and its answer does not, nor any other on its connection.
    Forget,
    /// All but watches and leases are refused, as API Priority and Fairness does.
    TooMany,
    /// Every write but a lease's takes its time.
    SlowWrites,
}

/// So long each write takes.
const SLOW: Duration = Duration::from_secs(5);

/// As the API server says it.
const REFUSAL: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 43\r\n\r\nToo many requests, please try again later.\n";

/// The proxy; `kubectl proxy` ends with it.
pub struct ApiProxy {
    port: u16,
    state: Arc<State>,
    _proxy: Child,
}

struct State {
    mode: Mutex<Mode>,
    turned_away: AtomicUsize,
}

impl State {
    /// What to do with a request that begins so.
    fn of(&self, head: &str) -> Mode {
        let mut mode = self.mode.lock().expect("the mode");
        let lease = head.lines().next().is_some_and(|line| line.contains("/leases"));
        let watch = head.starts_with("GET ") && head.contains("watch=true");
        let writes = !head.starts_with("GET ");
        match *mode {
            Mode::Forget if head.starts_with("PATCH ") && head.contains("/scale?") => {
                *mode = Mode::Open;
                Mode::Forget
            }
            Mode::TooMany if !lease && !watch => Mode::TooMany,
            Mode::SlowWrites if !lease && writes => Mode::SlowWrites,
            _ => Mode::Open,
        }
    }
}

impl ApiProxy {
    pub async fn open() -> Self {
        let mut proxy = kubectl_command(&["proxy", "--port=0"])
            .kill_on_drop(true)
            .spawn()
            .expect("kubectl proxy");
        let mut said = BufReader::new(proxy.stdout.take().expect("what it says")).lines();
        let line = said.next_line().await.expect("what it says").expect("where it listens");
        let to = line.rsplit(' ').next().expect("an address").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let state = Arc::new(State {
            mode: Mutex::new(Mode::Open),
            turned_away: AtomicUsize::new(0),
        });
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&to).await.expect("kubectl proxy");
                tokio::spawn(pass_on(near, far, shared.clone()));
            }
        });
        Self {
            port,
            state,
            _proxy: proxy,
        }
    }

    /// For an operator that goes through it.
    pub fn kubeconfig(&self) -> String {
        kubeconfig_with(|config| {
            config["clusters"][0]["cluster"] = json!({"server": format!("http://127.0.0.1:{}", self.port)});
            config["users"][0]["user"] = json!({});
        })
    }

    pub fn set(&self, mode: Mode) {
        *self.state.mode.lock().expect("the mode") = mode;
    }

    pub fn mode(&self) -> Mode {
        *self.state.mode.lock().expect("the mode")
    }

    /// So many requests were refused or held up.
    pub fn turned_away(&self) -> usize {
        self.state.turned_away.load(Ordering::Relaxed)
    }
}

/// Carries requests and answers of one connection.
async fn pass_on(near: TcpStream, far: TcpStream, state: Arc<State>) {
    let ((mut from_near, to_near), (mut from_far, mut to_far)) = (near.into_split(), far.into_split());
    let (to_near, deaf) = (Arc::new(AsyncMutex::new(to_near)), Arc::new(AsyncMutex::new(false)));
    let (answers_to, lost) = (to_near.clone(), deaf.clone());
    let requests = async move {
        while let Some((text, head)) = request(&mut from_near).await {
            match state.of(&head) {
                Mode::Open => {}
                Mode::Forget => *lost.lock().await = true,
                Mode::SlowWrites => {
                    state.turned_away.fetch_add(1, Ordering::Relaxed);
                    sleep(SLOW).await;
                }
                Mode::TooMany => {
                    state.turned_away.fetch_add(1, Ordering::Relaxed);
                    if say(&to_near, REFUSAL.as_bytes()).await.is_err() {
                        return;
                    }
                    continue;
                }
            }
            if to_far.write_all(&text).await.is_err() {
                return;
            }
        }
    };
    let answers = async move {
        let mut text = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from_far.read(&mut text).await {
            if !*deaf.lock().await && say(&answers_to, &text[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(requests, answers);
}

async fn say(to: &AsyncMutex<OwnedWriteHalf>, text: &[u8]) -> std::io::Result<()> {
    to.lock().await.write_all(text).await
}

/// One whole request, and its head.
async fn request(from: &mut (impl AsyncReadExt + Unpin)) -> Option<(Vec<u8>, String)> {
    let (mut text, mut part) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let end = text.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&text[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            if text.len() >= end + length.unwrap_or(0) {
                return Some((text, head));
            }
        }
        match from.read(&mut part).await {
            Ok(read @ 1..) => text.extend_from_slice(&part[..read]),
            _ => return None,
        }
    }
}
