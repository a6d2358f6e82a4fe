use std::future::pending;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, advance},
};

use super::*;
use crate::telemetry::{Health, Metrics, Page};

/// Longest time that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest time that the kubelet waits for an answer.
const KUBELET: Duration = Duration::from_secs(2);

/// Lets paused time pass only as the test says while this runs: no answer comes because something else ran out of time,
/// and none is late because the machine is busy. It gives up in the end, so that a missing answer is noticed.
async fn stands_still() {
    let start = std::time::Instant::now();
    while start.elapsed() < PATIENCE {
        yield_now().await;
    }
}

/// Address of a server with these answers.
async fn served(answers: impl Handler) -> SocketAddr {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, answers));
    address
}

/// Sends these bytes and reads until the server hangs up.
async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A server that hangs up on unread bytes resets the connection: what came before counts.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// A GET as the kubelet and Prometheus send it.
async fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    talk(address, request.as_bytes()).await
}

#[tokio::test]
async fn each_server_answers_what_is_its_own() {
    let metrics = served(Page::new(Metrics::new("test"))).await;
    let probes = served(Health::default()).await;
    let good = get(metrics, "/metrics").await;
    assert!(good.starts_with("HTTP/1.1 200"), "{good}");
    assert!(good.contains("content-type: text/plain; version=0.0.4"), "{good}");
    assert!(good.contains("twp_build_info{version=\"test\"} 1"), "{good}");
    for (address, path, code) in [
        (metrics, "/livez", 404),
        (metrics, "/readyz", 404),
        (probes, "/livez", 200),
        (probes, "/readyz", 200),
        (probes, "/metrics", 404),
    ] {
        let said = get(address, path).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {code}")), "{path}: {said}");
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let address = served(Health::default()).await;
    let many = [b"GET /livez HTTP/1.1\r\nx: ", [b'a'; 3 * HEADER_BYTES].as_slice()].concat();
    let huge = talk(address, &many).await;
    assert!(!huge.contains("200"), "{huge}");
    let post = talk(address, b"POST /livez HTTP/1.1\r\ncontent-length: 0\r\n\r\n").await;
    assert!(post.starts_with("HTTP/1.1 405"), "{post}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_ends_its_request_is_cut_off() {
    let address = served(Health::default()).await;
    for begun in ["", "GET /livez HT"] {
        let start = Instant::now();
        assert!(!talk(address, begun.as_bytes()).await.contains("200"));
        assert!(start.elapsed() <= 2 * REQUEST);
    }
}

/// Never has an answer; reports that it was asked.
#[derive(Clone, Default)]
struct Never(Arc<Notify>);

impl Handler for Never {
    async fn answer(&self, _: &Request<()>) -> Response<Full<Bytes>> {
        self.0.notify_one();
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn no_connection_lives_for_ever() {
    let (never, time) = (Never::default(), tokio::spawn(stands_still()));
    let address = served(never.clone()).await;
    let start = Instant::now();
    let asking = tokio::spawn(async move { get(address, "/").await });
    never.0.notified().await;
    time.abort();
    assert_eq!(asking.await.unwrap(), "");
    assert!((CONNECTION..2 * CONNECTION).contains(&start.elapsed()));
}

#[tokio::test]
async fn the_oldest_silent_connection_goes_for_a_new_one() {
    let silent = Arc::new(Silent::default());
    let mut places: Vec<_> = (0..PLACES).map(|_| silent.enter()).collect();
    let speaks = places.remove(0);
    speaks.leave();
    let _in_its_place = silent.enter();
    let _one_more = silent.enter();
    // `notified` is ready at once for who was told.
    timeout(PATIENCE, places[0].gone.notified())
        .await
        .expect("the oldest is told");
    for (kept, who) in [(&speaks, "who has spoken"), (&places[1], "the second oldest")] {
        let told = timeout(Duration::ZERO, kept.gone.notified()).await;
        assert!(told.is_err(), "{who} stays");
    }
    assert_eq!(silent.queue().gone.len(), PLACES);
    drop(places);
    assert_eq!(silent.queue().gone.len(), 2, "who has ended has no place");
}

#[tokio::test(start_paused = true)]
async fn probes_are_answered_however_many_connections_say_nothing() {
    let _time = tokio::spawn(stands_still());
    let metrics = served(Page::new(Metrics::new("test"))).await;
    let probes = served(Health::default()).await;
    // A hundred a second on each port for three seconds; all are held until the end.
    let mut silent = Vec::new();
    for number in 0..300 {
        advance(Duration::from_millis(10)).await;
        for port in [metrics, probes] {
            silent.push(TcpStream::connect(port).await.unwrap());
        }
        if number % 5 > 0 {
            continue;
        }
        for (address, path) in [(probes, "/livez"), (probes, "/readyz"), (metrics, "/metrics")] {
            let said = timeout(KUBELET, get(address, path)).await;
            let said = said.unwrap_or_else(|_| panic!("{path} is not answered beside {number} others"));
            assert!(said.starts_with("HTTP/1.1 200"), "{path}: {said}");
        }
    }
}

#[tokio::test]
async fn a_burst_does_not_push_out_who_speaks() {
    let address = served(Health::default()).await;
    // On this one thread the server runs only when the test waits: all of these are in its backlog at once.
    let connect = || std::net::TcpStream::connect(address).unwrap();
    let mut asks = connect();
    std::io::Write::write_all(&mut asks, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let _silent: Vec<_> = (0..3 * PLACES).map(|_| connect()).collect();
    asks.set_nonblocking(true).unwrap();
    let mut said = String::new();
    let mut asks = TcpStream::from_std(asks).unwrap();
    let read = timeout(PATIENCE, asks.read_to_string(&mut said)).await;
    read.expect("an answer").unwrap();
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
}
