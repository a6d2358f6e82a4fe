use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{advance, sleep, timeout},
};

use super::{
    super::shared_text::{FRESH, READERS},
    *,
};
use crate::telemetry::{PoolNumbers, server::serve};
use std::time::Duration;

/// Longest time that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Metrics whose text is much more than the sockets between take in.
fn many() -> Metrics {
    let metrics = Metrics::new("test");
    for number in 0..3000 {
        metrics.pool("shop", &format!("pool-{number}"), PoolNumbers::default());
    }
    metrics
}

/// The text that is shared now.
async fn text(page: &Page) -> Result<Bytes, std::fmt::Error> {
    page.shared.text(page.write()).await
}

/// A connection that has asked for the page, and the first bytes of the answer.
async fn ask(address: std::net::SocketAddr) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 12];
    let read = timeout(PATIENCE, stream.read_exact(&mut first)).await;
    read.expect("an answer").unwrap();
    (stream, String::from_utf8(first.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_within_a_second_share_one_text() {
    let metrics = many();
    let page = Page::new(metrics.clone());
    let first = text(&page).await.unwrap();
    metrics.status_written();
    advance(FRESH - Duration::from_millis(1)).await;
    let second = text(&page).await.unwrap();
    assert_eq!(second.as_ptr(), first.as_ptr(), "one buffer");
    advance(Duration::from_millis(1)).await;
    let third = text(&page).await.unwrap();
    assert_ne!(third, first, "written anew");
    assert!(
        String::from_utf8(third.to_vec())
            .unwrap()
            .contains("twp_status_writes_total 1")
    );
}

#[tokio::test]
async fn slow_readers_share_one_text_and_one_more_is_refused_at_once() {
    let socket = TcpSocket::new_v4().unwrap();
    // The server's connections take it over: they take in little.
    socket.set_send_buffer_size(16 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(64).unwrap();
    let address = listener.local_addr().unwrap();
    let page = Page::new(many());
    tokio::spawn(serve(listener, page.clone()));

    let mut slow = Vec::new();
    for _ in 0..READERS {
        let (stream, said) = ask(address).await;
        assert_eq!(said, "HTTP/1.1 200");
        slow.push(stream);
    }
    // None of them has read it, and all of them hold it.
    assert_eq!(page.shared.readers.available_permits(), 0);
    assert_eq!(ask(address).await.1, "HTTP/1.1 503");

    // A reader that reads it all, or hangs up, makes room.
    let mut all = Vec::new();
    let read = timeout(PATIENCE, slow.remove(0).read_to_end(&mut all)).await;
    read.expect("the whole text").unwrap();
    assert!(all.ends_with(&text(&page).await.unwrap()));
    drop(slow);
    let free = async {
        while page.shared.readers.available_permits() < READERS {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, free).await.expect("room for others");
    assert_eq!(ask(address).await.1, "HTTP/1.1 200");
}

#[tokio::test]
async fn what_one_reader_holds_is_the_shared_text() {
    let page = Page::new(many());
    let shared = text(&page).await.unwrap();
    let held = [body(&page).await, body(&page).await];
    for bytes in &held {
        assert_eq!(bytes.as_ptr(), shared.as_ptr(), "no copy");
    }
    assert_eq!(page.shared.readers.available_permits(), READERS - held.len());
}

/// The bytes of one answer, as they go to the socket.
async fn body(page: &Page) -> Bytes {
    let mut response = page.answer(&Request::get("/metrics").body(()).unwrap()).await;
    let frame = http_body_util::BodyExt::frame(response.body_mut()).await;
    frame.unwrap().unwrap().into_data().unwrap()
}
