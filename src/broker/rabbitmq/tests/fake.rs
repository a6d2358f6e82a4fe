//! A broker that knows the handshake, passive declares, and one consumer and publisher.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What a queue answers.
#[derive(Clone, Copy)]
pub(super) enum Says {
    Ready(u32),
    Code(u16),
    Nothing,
}

#[derive(Default)]
struct State {
    /// What was published, bodies only.
    published: Vec<Vec<u8>>,
    /// Whoever publishes is refused, as RabbitMQ does: later, by closing the channel.
    refuses: bool,
    /// The body and the ticket of the answer to each publication.
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
                let serving = accepting.clone();
                let serve = async move { serving.serve(tcp).await.unwrap_or_default() };
                accepting.state.lock().unwrap().connections.spawn(serve);
            }
        });
        fake
    }

    /// From now on.
    pub(super) fn queue(&self, name: &str, says: Says) {
        self.state.lock().unwrap().queues.insert(name.to_owned(), says);
    }

    /// What was published since the last call.
    pub(super) fn published(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.state.lock().unwrap().published)
    }

    /// From now on whoever publishes is refused, or is not.
    pub(super) fn refuse(&self, refuses: bool) {
        self.state.lock().unwrap().refuses = refuses;
    }

    /// From now on each publication brings this answer.
    pub(super) fn answer(&self, body: &str, ticket: &str) {
        let answer = (body.as_bytes().to_vec(), ticket.to_owned());
        self.state.lock().unwrap().answer = Some(answer);
    }

    /// Channels opened since the last call.
    pub(super) fn channels(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().channels_opened)
    }

    /// Breaks all connections.
    pub(super) fn break_off(&self) {
        self.state.lock().unwrap().connections.abort_all();
    }

    async fn serve(&self, mut tcp: TcpStream) -> std::io::Result<()> {
        tcp.read_exact(&mut [0; 8]).await?;
        tcp.write_all(&super::start(b"")).await?;
        let mut closed = Vec::new();
        loop {
            let (kind, channel, payload) = read(&mut tcp).await?;
            if kind == 3 {
                // Without the frame's end.
                let body = payload[..payload.len() - 1].to_vec();
                let answer = {
                    let mut state = self.state.lock().unwrap();
                    state.published.push(body);
                    state.answer.clone()
                };
                if let Some((body, ticket)) = answer {
                    tcp.write_all(&delivery(channel, &body, &ticket)).await?;
                }
                continue;
            }
            let method = (kind == 1).then(|| (payload[1], payload[3]));
            if closed.contains(&channel) && method != Some((20, 41)) {
                continue;
            }
            let answer: Vec<u8> = match method {
                Some((10, 11)) => [&[0, 10, 0, 30, 7, 0xFF][..], &131_072_u32.to_be_bytes(), &[0, 60]].concat(),
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
                Some((60, 20)) => vec![0, 60, 0, 21, 1, b'c'],
                Some((60, 40)) if self.state.lock().unwrap().refuses => {
                    closed.push(channel);
                    [&[0, 20, 0, 40][..], &403_u16.to_be_bytes(), b"\x07NOT_YOU\0\x3C\0\x28"].concat()
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
                    match says.unwrap_or(Says::Code(404)) {
                        Says::Ready(ready) => {
                            [&[0, 50, 0, 11, payload[6]][..], name, &ready.to_be_bytes(), &[0; 4]].concat()
                        }
                        Says::Code(code) => {
                            closed.push(channel);
                            [&[0, 20, 0, 40][..], &code.to_be_bytes(), b"\x07NOT_YOU\0\x32\0\x0A"].concat()
                        }
                        Says::Nothing => {
                            closed.push(channel);
                            continue;
                        }
                    }
                }
                _ => continue,
            };
            let mut frame = super::frame(&answer);
            frame[1..3].copy_from_slice(&channel.to_be_bytes());
            tcp.write_all(&frame).await?;
        }
    }
}

/// `basic.deliver` to the consumer `c` with this body and the header `ticket`.
fn delivery(channel: u16, body: &[u8], ticket: &str) -> Vec<u8> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes();
    let method = [&[0, 60, 0, 60, 1, b'c'][..], &1_u64.to_be_bytes(), &[0, 0, 0]].concat();
    let ticket = [b"\x06ticketS", &size(ticket.as_bytes())[..], ticket.as_bytes()].concat();
    // Class 60, no weight, the body's size, and of the properties the headers alone.
    let length = u64::try_from(body.len()).unwrap().to_be_bytes();
    let header = [&[0, 60, 0, 0][..], &length, &[0x20, 0], &size(&ticket), &ticket].concat();
    let frames = [(1, &method[..]), (2, &header), (3, body)].map(|(kind, payload)| {
        let mut frame = super::frame(payload);
        frame[0] = kind;
        frame[1..3].copy_from_slice(&channel.to_be_bytes());
        frame
    });
    frames.concat()
}

async fn read(tcp: &mut TcpStream) -> std::io::Result<(u8, u16, Vec<u8>)> {
    let mut header = [0; 7];
    tcp.read_exact(&mut header).await?;
    let size = u32::from_be_bytes(header[3..].try_into().unwrap());
    let mut payload = vec![0; size as usize + 1];
    tcp.read_exact(&mut payload).await?;
    Ok((header[0], u16::from_be_bytes([header[1], header[2]]), payload))
}
