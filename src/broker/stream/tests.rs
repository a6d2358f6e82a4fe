use std::future::Future;

use rustls::{RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::broker::Secret;

const CA: &str = include_str!("../testdata/ca.pem");
const OTHER_CA: &str = include_str!("../testdata/other-ca.pem");
const SERVER: &str = include_str!("../testdata/server.pem");
const SERVER_KEY: &str = include_str!("../testdata/server.key");
const EXPIRED: &str = include_str!("../testdata/expired.pem");
const CLIENT: &str = include_str!("../testdata/client.pem");
const CLIENT_KEY: &str = include_str!("../testdata/client.key");
const DEADLINE: Duration = Duration::from_secs(2);

/// Port of a server on loopback that runs `serve` with each connection.
async fn server<F, S>(serve: S) -> u16
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TcpStream) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(serve(tcp));
        }
    });
    port
}

/// Port of a TLS server that greets with `hello`; with `client_ca` it wants a certificate signed by that one.
async fn tls_server(chain: &str, client_ca: Option<&str>) -> u16 {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
                .unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(SERVER_KEY.as_bytes()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    server(move |tcp| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut tls) = acceptor.accept(tcp).await {
                let _ = tls.write_all(b"hello").await;
                let _ = tls.shutdown().await;
            }
        }
    })
    .await
}

fn trusting(ca: &str, server_name: Option<&str>) -> Tls {
    Tls {
        ca: Some(ca.to_owned()),
        identity: None,
        server_name: server_name.map(str::to_owned),
    }
}

/// Connects and reads all there is.
async fn read(host: &str, port: u16, tls: Option<&Tls>) -> Result<Vec<u8>, SampleError> {
    let mut stream = connect(&Egress::loopback(), host, port, tls, DEADLINE).await?;
    let mut all = Vec::new();
    match timeout(DEADLINE, stream.read_to_end(&mut all)).await {
        Err(_) => Err(SampleError::Timeout),
        Ok(Err(error)) => Err(classify(&error)),
        Ok(Ok(_)) => Ok(all),
    }
}

#[tokio::test]
async fn tls_verifies_the_chain_and_the_name() {
    let good = tls_server(SERVER, None).await;
    let expired = tls_server(EXPIRED, None).await;
    let refused = Err(SampleError::TlsCertificate);
    for (port, tls, expected) in [
        (good, trusting(CA, None), Ok(b"hello".to_vec())),
        (good, trusting(CA, Some("broker.test")), Ok(b"hello".to_vec())),
        (good, trusting(CA, Some("other.test")), refused.clone()),
        (good, trusting(CA, Some("not a name")), refused.clone()),
        (good, trusting(OTHER_CA, None), refused.clone()),
        (good, Tls::default(), refused.clone()),
        (expired, trusting(CA, None), refused.clone()),
    ] {
        assert_eq!(read("127.0.0.1", port, Some(&tls)).await, expected, "{tls:?}");
    }
    assert_eq!(read("localhost", good, Some(&trusting(CA, None))).await, refused);
}

#[tokio::test]
async fn a_server_may_want_our_certificate() {
    let port = tls_server(SERVER, Some(CA)).await;
    let with = |chain: &str, key: &str| Tls {
        identity: Some((chain.to_owned(), Secret::new(key))),
        ..trusting(CA, None)
    };
    let known = with(CLIENT, CLIENT_KEY);
    assert_eq!(read("127.0.0.1", port, Some(&known)).await, Ok(b"hello".to_vec()));
    let without = trusting(CA, None);
    assert_eq!(
        read("127.0.0.1", port, Some(&without)).await,
        Err(SampleError::TlsIdentity)
    );

    let picky = tls_server(SERVER, Some(OTHER_CA)).await;
    assert_eq!(
        read("127.0.0.1", picky, Some(&known)).await,
        Err(SampleError::TlsIdentity)
    );
}

#[tokio::test]
async fn a_port_of_the_other_kind_is_named() {
    let plain = server(|mut tcp| async move {
        let _ = tcp.write_all(b"-ERR Protocol error\r\n").await;
        let _ = tcp.read(&mut [0; 1024]).await;
    })
    .await;
    let tls = Tls::default();
    assert_eq!(
        read("127.0.0.1", plain, Some(&tls)).await,
        Err(SampleError::TlsNotSpoken)
    );

    let encrypted = tls_server(SERVER, None).await;
    let mut stream = connect(&Egress::loopback(), "127.0.0.1", encrypted, None, DEADLINE)
        .await
        .unwrap();
    stream.write_all(b"PING\r\n").await.unwrap();
    let error = stream.read(&mut [0; 16]).await.unwrap_err();
    assert_eq!(classify(&error), SampleError::TlsExpected);
}

#[tokio::test]
async fn failures_to_connect_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    assert_eq!(read("127.0.0.1", closed, None).await, Err(SampleError::Refused));
    assert_eq!(read("no-such-host.invalid", 6379, None).await, Err(SampleError::Dns));

    let silent = server(|tcp| async move {
        tokio::time::sleep(DEADLINE * 2).await;
        drop(tcp);
    })
    .await;
    let short = Duration::from_millis(50);
    let hung = connect(&Egress::loopback(), "127.0.0.1", silent, Some(&Tls::default()), short).await;
    assert_eq!(hung.unwrap_err(), SampleError::Timeout);

    let closing = server(|tcp| async move { drop(tcp) }).await;
    let tls = Tls::default();
    assert_eq!(
        read("127.0.0.1", closing, Some(&tls)).await,
        Err(SampleError::Disconnected)
    );
}

/// At an address that is not allowed it stays unknown what is there: a server, nothing at all, or silence.
#[tokio::test]
async fn an_address_that_is_not_allowed_is_not_tried() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let open = server(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        async {}
    })
    .await;
    let (silent, _listener, _queued) = silent_address().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nowhere = Egress::new(Vec::new(), Vec::new(), "cluster.local");
    let elsewhere = Egress::new(vec!["10.0.0.0/8".parse().unwrap()], Vec::new(), "cluster.local");
    let tls = Tls::default();
    for egress in [&nowhere, &elsewhere] {
        for host in ["127.0.0.1", "::ffff:127.0.0.1", "localhost", "0.0.0.0"] {
            for port in [open, silent.port(), closed.port()] {
                for tls in [None, Some(&tls)] {
                    let refused = connect(egress, host, port, tls, DEADLINE).await;
                    assert_eq!(refused.err(), Some(SampleError::NotAllowed), "{host}:{port}");
                }
            }
        }
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nobody came");
    let unknown = connect(&nowhere, "no-such-host.invalid", open, None, DEADLINE).await;
    assert_eq!(unknown.err(), Some(SampleError::Dns));

    // The API server is refused by the name that it has, too.
    for host in ["127.0.0.1", "localhost"] {
        let loopback = vec!["127.0.0.0/8".parse().unwrap()];
        let api_server = Egress::new(loopback, vec![host.into()], "cluster.local");
        let refused = connect(&api_server, "localhost", open, None, DEADLINE).await;
        assert_eq!(refused.err(), Some(SampleError::NotAllowed), "{host}");
    }
    connect(&Egress::loopback(), "localhost", open, None, DEADLINE)
        .await
        .unwrap();
}

#[tokio::test]
async fn reading_ends_where_the_budget_ends() {
    let endless = server(|mut tcp| async move { while tcp.write_all(&[b'x'; 4096]).await.is_ok() {} }).await;
    let mut stream = connect(&Egress::loopback(), "127.0.0.1", endless, None, DEADLINE)
        .await
        .unwrap();
    let budget = stream.budget();
    budget.arm(10_000);
    let mut all = Vec::new();
    let error = stream.read_to_end(&mut all).await.unwrap_err();
    assert_eq!(classify(&error), SampleError::TooLarge);
    assert!(all.len() < 10_000 + (1 << 16), "read {} bytes", all.len());

    budget.arm(1 << 20);
    assert!(stream.read(&mut [0; 100]).await.is_ok(), "armed again");
    budget.arm(0);
    assert!(stream.read(&mut [0; 100]).await.is_err(), "and disarmed");
}

/// Address that is silent: its queue of connections is full. The sockets have to be kept.
async fn silent_address() -> (SocketAddr, tokio::net::TcpListener, Vec<TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(tcp)) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        queued.push(tcp);
    }
    (address, listener, queued)
}

#[tokio::test]
async fn a_dead_address_does_not_hide_the_others() {
    let (silent, _listener, _queued) = silent_address().await;
    let alive = server(|_| async {}).await;
    let alive = SocketAddr::from(([127, 0, 0, 1], alive));
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for addresses in [
        vec![silent, alive],
        vec![closed, alive],
        vec![silent, silent, silent, closed, silent, alive],
        vec![alive, silent],
    ] {
        let connected = timeout(DEADLINE, connect_any(&addresses, DEADLINE)).await;
        let tcp = connected.expect("in time").expect("connected");
        assert_eq!(tcp.peer_addr().unwrap(), alive, "{addresses:?}");
    }
    assert_eq!(
        connect_any(&[closed, closed], DEADLINE).await.err(),
        Some(SampleError::Refused)
    );
    assert_eq!(connect_any(&[], DEADLINE).await.err(), Some(SampleError::Dns));
    let deadline = Duration::from_millis(300);
    assert!(
        timeout(deadline, connect_any(&[silent, closed], deadline))
            .await
            .is_err()
    );
}
