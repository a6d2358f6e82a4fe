//! A broker that knows the handshake, passive declares, exchanges, and one consumer and publisher.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

/// Behaviour of a queue.
#[derive(Clone, Copy)]
pub(super) enum Says {
    /// Answers with this number of messages, and no consumers.
    Ready(u32),
    /// Answers with this number of messages and of consumers.
    Holds(u32, u32),
    /// The same, after this number of milliseconds.
    Late(u64, u32, u32),
    /// Closes the channel with this code and the text `NOT_FOUND - no queue '…'`.
    Code(u16),
    /// Closes the channel with this code and text.
    Objects(u16, &'static str),
    /// Never answers.
    Nothing,
}

/// Exchange that a client declared: its name, its type, and the bits `passive`, `durable`, `auto-delete`, `internal`.
pub(super) type Declared = (String, String, u8);

#[derive(Default)]
struct State {
    /// Published messages, bodies only.
    published: Vec<Vec<u8>>,
    /// Methods that are refused (403). The publisher learns it as with RabbitMQ: later, by the end of the channel.
    forbidden: BTreeSet<(u8, u8)>,
    /// Exchanges that do not exist; all others do.
    missing: BTreeSet<String>,
    declared: Vec<Declared>,
    /// Number of channels that were closed upon an error.
    losses: usize,
    /// Number of methods that came on a channel while it was being closed: one that came a moment later would break the
    /// connection.
    in_vain: usize,
    connected: usize,
    /// Whether every login is refused.
    closed: bool,
    /// Code and text with which channels that hang are closed, upon the next frame that arrives.
    late: Option<(u16, &'static str)>,
    /// The content type of answers.
    form: Option<&'static str>,
    /// Whether the broker is short of memory: connections that publish are blocked.
    blocks: watch::Sender<bool>,
    /// Number of channels that connections get.
    numbers: Option<u16>,
    /// Body and ticket of the answer to each publication.
    answer: Option<(Vec<u8>, String)>,
    queues: BTreeMap<String, Says>,
    channels_opened: usize,
    connections: JoinSet<()>,
}

#[derive(Clone)]
pub(super) struct Fake {
    pub(super) port: u16,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let fake = Self { port, state };
        let accepting = fake.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                if accepting.state.lock().unwrap().closed {
                    return;
                }
                let serving = accepting.clone();
                let serve = async move { serving.serve(tcp).await.unwrap_or_default() };
                accepting.state.lock().unwrap().connections.spawn(serve);
            }
        });
        fake
    }

    /// Sets the behaviour of a queue.
    pub(super) fn queue(&self, name: &str, says: Says) {
        self.state.lock().unwrap().queues.insert(name.to_owned(), says);
    }

    /// Messages that were published since the last call.
    pub(super) fn published(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.state.lock().unwrap().published)
    }

    /// Refuses the method of this class from now on.
    pub(super) fn forbid(&self, class: u8, method: u8) {
        self.state.lock().unwrap().forbidden.insert((class, method));
    }

    /// Refuses nothing from now on.
    pub(super) fn permit_all(&self) {
        self.state.lock().unwrap().forbidden.clear();
    }

    /// Lacks this exchange from now on, until a client declares it.
    pub(super) fn lacks(&self, exchange: &str) {
        self.state.lock().unwrap().missing.insert(exchange.to_owned());
    }

    /// Has the exchange, as if another client had declared it.
    pub(super) fn gets(&self, exchange: &str) {
        self.state.lock().unwrap().missing.remove(exchange);
    }

    /// Exchanges that were declared since the last call.
    pub(super) fn declared(&self) -> Vec<Declared> {
        std::mem::take(&mut self.state.lock().unwrap().declared)
    }

    /// Number of channels that ended upon an error.
    pub(super) fn losses(&self) -> usize {
        self.state.lock().unwrap().losses
    }

    /// Number of methods that came on a channel while it was being closed.
    pub(super) fn in_vain(&self) -> usize {
        self.state.lock().unwrap().in_vain
    }

    /// Closes the channels that hang, as soon as something else arrives.
    pub(super) fn gives_up(&self, code: u16, text: &'static str) {
        self.state.lock().unwrap().late = Some((code, text));
    }

    /// Refuses every login from now on.
    pub(super) fn close(&self) {
        self.state.lock().unwrap().closed = true;
    }

    /// Gives each connection this number of channels from now on.
    pub(super) fn numbers(&self, numbers: u16) {
        self.state.lock().unwrap().numbers = Some(numbers);
    }

    /// Number of connections made.
    pub(super) fn connections(&self) -> usize {
        self.state.lock().unwrap().connected
    }

    /// Gives answers this content type from now on.
    pub(super) fn form(&self, form: &'static str) {
        self.state.lock().unwrap().form = Some(form);
    }

    /// Whether connections that publish are blocked from now on.
    pub(super) fn blocks(&self, blocks: bool) {
        self.state.lock().unwrap().blocks.send_replace(blocks);
    }

    /// Answers each publication like this from now on.
    pub(super) fn answer(&self, body: &str, ticket: &str) {
        let answer = (body.as_bytes().to_vec(), ticket.to_owned());
        self.state.lock().unwrap().answer = Some(answer);
    }

    /// Number of channels opened since the last call.
    pub(super) fn channels(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().channels_opened)
    }

    /// Breaks all connections.
    pub(super) fn break_off(&self) {
        self.state.lock().unwrap().connections.abort_all();
    }

    /// Reason why this method is answered by the end of the channel.
    fn objects(&self, (class, method): (u8, u8), payload: &[u8]) -> Option<(u16, String)> {
        let state = self.state.lock().unwrap();
        // The names that follow: `exchange` of a publication or declaration, `queue` and `exchange` of a binding.
        let mut names = Vec::new();
        let mut rest = payload.get(6..).unwrap_or_default();
        while let Some((name, behind)) = rest
            .split_first()
            .and_then(|(size, rest)| rest.split_at_checked(usize::from(*size)))
        {
            names.push(String::from_utf8_lossy(name).into_owned());
            rest = behind;
        }
        let name = |place: usize| names.get(place).cloned().unwrap_or_default();
        if state.forbidden.contains(&(class, method)) {
            let what = match (class, method) {
                (40, 10) | (60, 40) => format!("exchange '{}'", name(0)),
                (50, 20) => format!("exchange '{}'", name(1)),
                _ => format!("queue '{}'", name(0)),
            };
            return Some((
                403,
                format!("ACCESS_REFUSED - access to {what} in vhost '/' refused for user 'u'"),
            ));
        }
        let exchange = match (class, method) {
            (40, 10) if only_asks(payload) => name(0),
            (60, 40) => name(0),
            (50, 20) => name(1),
            _ => return None,
        };
        let missing = state.missing.contains(&exchange);
        missing.then(|| (404, format!("NOT_FOUND - no exchange '{exchange}' in vhost '/'")))
    }

    async fn serve(&self, mut tcp: TcpStream) -> std::io::Result<()> {
        self.state.lock().unwrap().connected += 1;
        tcp.read_exact(&mut [0; 8]).await?;
        tcp.write_all(&super::start(b"")).await?;
        // Channels that are closed, and channels whose process hangs.
        let (mut closed, mut silent) = (Vec::new(), Vec::new());
        let mut open = BTreeSet::new();
        let (mut from, mut tcp) = tcp.into_split();
        let (frames, mut arriving) = mpsc::channel(1);
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Ok(frame) = read(&mut from).await {
                if frames.send(frame).await.is_err() {
                    return;
                }
            }
        });
        let mut blocks = self.state.lock().unwrap().blocks.subscribe();
        let mut blocked = false;
        loop {
            let arrived = tokio::select! {
                arrived = arriving.recv() => arrived,
                _ = blocks.changed(), if blocked => {
                    blocked = false;
                    tcp.write_all(&on(0, &[0, 10, 0, 61])).await?;
                    continue;
                }
            };
            let Some((kind, channel, payload)) = arrived else {
                return Ok(());
            };
            let late = self.state.lock().unwrap().late.take();
            if let Some((code, text)) = late {
                for hangs in std::mem::take(&mut silent) {
                    closed.push(hangs);
                    tcp.write_all(&on(hangs, &close(code, text))).await?;
                }
            }
            if kind == 3 && !closed.contains(&channel) {
                // Without the frame's end.
                let body = payload[..payload.len() - 1].to_vec();
                let (answer, form, blocking) = {
                    let mut state = self.state.lock().unwrap();
                    state.published.push(body);
                    let form = state.form.unwrap_or("application/json");
                    (state.answer.clone(), form, *state.blocks.borrow())
                };
                if blocking {
                    blocked = true;
                    tcp.write_all(&on(0, &[0, 10, 0, 60, 3, b'l', b'o', b'w'])).await?;
                } else if let Some((body, ticket)) = answer {
                    tcp.write_all(&delivery(channel, &body, &ticket, form)).await?;
                }
                continue;
            }
            let method = (kind == 1).then(|| (payload[1], payload[3]));
            if silent.contains(&channel) {
                continue;
            }
            if closed.contains(&channel) && method != Some((20, 41)) {
                self.state.lock().unwrap().in_vain += 1;
                continue;
            }
            // As RabbitMQ does (504, expected 'channel.open').
            match method {
                Some((20, 10)) => _ = open.insert(channel),
                Some((20, 40 | 41)) => _ = open.remove(&channel),
                _ if channel > 0 && !open.contains(&channel) => return Ok(()),
                _ => {}
            }
            if let Some((code, text)) = method.and_then(|method| self.objects(method, &payload)) {
                closed.push(channel);
                self.state.lock().unwrap().losses += 1;
                tcp.write_all(&on(channel, &close(code, &text))).await?;
                continue;
            }
            let answer: Vec<u8> = match method {
                Some((10, 11)) => {
                    let numbers = self.state.lock().unwrap().numbers.unwrap_or(2047).to_be_bytes();
                    [&[0, 10, 0, 30][..], &numbers, &131_072_u32.to_be_bytes(), &[0, 60]].concat()
                }
                Some((10, 40)) => vec![0, 10, 0, 41, 0],
                Some((10, 50)) => vec![0, 10, 0, 51],
                Some((20, 10)) => {
                    self.state.lock().unwrap().channels_opened += 1;
                    vec![0, 20, 0, 11, 0, 0, 0, 0]
                }
                Some((20, 40)) => vec![0, 20, 0, 41],
                Some((20, 41)) => {
                    closed.retain(|closed| *closed != channel);
                    continue;
                }
                // A queue of the client's own: not passive.
                Some((50, 10)) if payload[7 + usize::from(payload[6])] & 1 == 0 => {
                    let name = &payload[6..7 + usize::from(payload[6])];
                    [&[0, 50, 0, 11][..], name, &[0; 8]].concat()
                }
                Some((50, 20)) => vec![0, 50, 0, 21],
                Some((60, 10)) => vec![0, 60, 0, 11],
                Some((60, 20)) => vec![0, 60, 0, 21, 1, b'c'],
                Some((40, 10)) => {
                    let mut state = self.state.lock().unwrap();
                    let declared = declared(&payload);
                    state.missing.remove(&declared.0);
                    state.declared.push(declared);
                    vec![0, 40, 0, 11]
                }
                Some((50, 10)) => {
                    let name = &payload[7..7 + usize::from(payload[6])];
                    let says = self
                        .state
                        .lock()
                        .unwrap()
                        .queues
                        .get(std::str::from_utf8(name).unwrap())
                        .copied();
                    let counts = |ready: u32, consumers: u32| {
                        let counts = [ready.to_be_bytes(), consumers.to_be_bytes()].concat();
                        [&[0, 50, 0, 11, payload[6]][..], name, &counts].concat()
                    };
                    let queue = String::from_utf8_lossy(name);
                    let (code, text) = match says.unwrap_or(Says::Code(404)) {
                        Says::Ready(ready) => {
                            tcp.write_all(&on(channel, &counts(ready, 0))).await?;
                            continue;
                        }
                        Says::Holds(ready, consumers) => {
                            tcp.write_all(&on(channel, &counts(ready, consumers))).await?;
                            continue;
                        }
                        Says::Late(millis, ready, consumers) => {
                            sleep(Duration::from_millis(millis)).await;
                            tcp.write_all(&on(channel, &counts(ready, consumers))).await?;
                            continue;
                        }
                        Says::Nothing => {
                            silent.push(channel);
                            continue;
                        }
                        Says::Code(code) => (code, format!("NOT_FOUND - no queue '{queue}' in vhost '/'")),
                        Says::Objects(code, text) => (code, text.to_owned()),
                    };
                    closed.push(channel);
                    self.state.lock().unwrap().losses += 1;
                    close(code, &text)
                }
                _ => continue,
            };
            tcp.write_all(&on(channel, &answer)).await?;
        }
    }
}

/// A method's frame on this channel.
fn on(channel: u16, method: &[u8]) -> Vec<u8> {
    let mut frame = super::frame(method);
    frame[1..3].copy_from_slice(&channel.to_be_bytes());
    frame
}

/// `channel.close`.
fn close(code: u16, text: &str) -> Vec<u8> {
    let size = [u8::try_from(text.len()).unwrap()];
    [
        &[0, 20, 0, 40][..],
        &code.to_be_bytes(),
        &size,
        text.as_bytes(),
        &[0; 4],
    ]
    .concat()
}

/// What `exchange.declare` says.
fn declared(payload: &[u8]) -> Declared {
    let name = usize::from(payload[6]);
    let kind = usize::from(payload[7 + name]);
    let text = |from: usize, size: usize| String::from_utf8(payload[from..from + size].to_vec()).unwrap();
    (text(7, name), text(8 + name, kind), payload[8 + name + kind])
}

/// `exchange.declare` only asks.
fn only_asks(payload: &[u8]) -> bool {
    declared(payload).2 & 1 == 1
}

/// `basic.deliver` to the consumer `c` with this body, the header `ticket` and the content type.
fn delivery(channel: u16, body: &[u8], ticket: &str, form: &str) -> Vec<u8> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes();
    let method = [&[0, 60, 0, 60, 1, b'c'][..], &1_u64.to_be_bytes(), &[0, 0, 0]].concat();
    let ticket = [b"\x06ticketS", &size(ticket.as_bytes())[..], ticket.as_bytes()].concat();
    // Class 60, no weight, the body's size, and of the properties the content type and the headers.
    let length = u64::try_from(body.len()).unwrap().to_be_bytes();
    let form = [&[u8::try_from(form.len()).unwrap()], form.as_bytes()].concat();
    let header = [&[0, 60, 0, 0][..], &length, &[0xA0, 0], &form, &size(&ticket), &ticket].concat();
    let bodies = body.chunks(8_000).map(|part| (3, part));
    let frames = [(1, &method[..]), (2, &header)].into_iter().chain(bodies);
    let frames = frames.map(|(kind, payload)| {
        let mut frame = on(channel, payload);
        frame[0] = kind;
        frame
    });
    frames.collect::<Vec<_>>().concat()
}

async fn read(tcp: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u8, u16, Vec<u8>)> {
    let mut header = [0; 7];
    tcp.read_exact(&mut header).await?;
    let size = u32::from_be_bytes(header[3..].try_into().unwrap());
    let mut payload = vec![0; size as usize + 1];
    tcp.read_exact(&mut payload).await?;
    Ok((header[0], u16::from_be_bytes([header[1], header[2]]), payload))
}
