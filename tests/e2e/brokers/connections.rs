//! TLS and plain, wrong passwords, ports, certificates, vhosts; a missing queue beside another.

use serde_json::json;
use taskworkerpool::{
    broker::{Address, Tls},
    framework::celery::CeleryConfig,
    model::SampleError,
};

use crate::support::{
    app::{App, AppStage, Load},
    celery::{Celery, watching},
    certificates::Certificates,
    watch::address,
};

const NAME: &str = "broker.test";

async fn mount(certificates: &Certificates, stage: &AppStage) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"},
        "stringData": {
            "ca.pem": certificates.ca, "server.pem": certificates.certificate, "server.key": certificates.key,
        },
    });
    stage.ns.apply(secret.to_string()).await;
}

/// The address with this CA and the name in the server's certificate.
fn trusting(url: &str, ca: &str) -> Address {
    Address {
        tls: Some(Tls {
            ca: Some(ca.to_owned()),
            server_name: Some(NAME.to_owned()),
            ..Tls::default()
        }),
        ..address(url, None)
    }
}

/// The first error that a sampler of this address gives.
async fn error_of(address: Address) -> SampleError {
    watching(address, CeleryConfig::default()).fails().await
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_behind_tls_and_without() {
    let (stage, certificates) = (&AppStage::new("redis-tls").await, Certificates::new(NAME));
    mount(&certificates, stage).await;
    let tls = [
        "--tls-port",
        "6378",
        "--tls-auth-clients",
        "no",
        "--tls-ca-cert-file",
        "/tls/ca.pem",
        "--tls-cert-file",
        "/tls/server.pem",
        "--tls-key-file",
        "/tls/server.key",
    ];
    let sealed = stage.redis_with("sealed", &tls).await;
    let app = Celery::new(stage, "sealed-app", &format!("redis://{sealed}/1"));
    app.publish(&[Load::endless(3)]).await;

    let url = format!("rediss://{sealed}:6378/1");
    let watch = watching(trusting(&url, &certificates.ca), app.config());
    watch
        .settles("3 ready, through TLS", |tally| tally.work.ready == 3)
        .await;

    assert_eq!(
        error_of(trusting(&url, &certificates.stranger)).await,
        SampleError::TlsCertificate
    );
    assert_eq!(
        error_of(address(&url, None)).await,
        SampleError::TlsCertificate,
        "the system's CAs did not sign it"
    );
    let to_plain = format!("rediss://{sealed}:6379/1");
    assert_eq!(
        error_of(trusting(&to_plain, &certificates.ca)).await,
        SampleError::TlsNotSpoken
    );
    let plain = error_of(address(&format!("redis://{sealed}:6378/1"), None)).await;
    assert!(
        matches!(plain, SampleError::TlsExpected | SampleError::Disconnected),
        "{plain:?}"
    );
    let closed = error_of(address(&format!("redis://{sealed}:15672/1"), None)).await;
    assert_eq!(closed, SampleError::Refused);
    let no_such_db = error_of(address(&format!("redis://{sealed}/999"), None)).await;
    assert_eq!(no_such_db, SampleError::NoSuchVhost);
}

const RABBITMQ_TLS: &str = "listeners.ssl.default = 5671\nssl_options.cacertfile = /tls/ca.pem\n\
    ssl_options.certfile = /tls/server.pem\nssl_options.keyfile = /tls/server.key\nssl_options.verify = verify_none\n";

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_behind_tls_and_without() {
    let (stage, certificates) = (&AppStage::new("rabbitmq-tls").await, Certificates::new(NAME));
    mount(&certificates, stage).await;
    let sealed = stage.rabbitmq("sealed", "RABBITMQ", RABBITMQ_TLS).await;
    let app = Celery::new(stage, "sealed-app", &format!("amqp://{sealed}//"));
    app.publish(&[Load::endless(3)]).await;

    let url = format!("amqps://guest:guest@{sealed}//");
    let watch = watching(trusting(&url, &certificates.ca), app.config());
    watch
        .settles("3 ready, through TLS", |tally| tally.work.ready == 3)
        .await;

    assert_eq!(
        error_of(trusting(&url, &certificates.stranger)).await,
        SampleError::TlsCertificate
    );
    let to_plain = format!("amqps://{sealed}:5672//");
    assert_eq!(
        error_of(trusting(&to_plain, &certificates.ca)).await,
        SampleError::TlsNotSpoken
    );
    let plain = error_of(address(&format!("amqp://{sealed}:5671//"), None)).await;
    assert!(
        matches!(plain, SampleError::TlsExpected | SampleError::Disconnected),
        "{plain:?}"
    );
    let closed = error_of(address(&format!("amqp://{sealed}:5673//"), None)).await;
    assert!(
        matches!(closed, SampleError::Refused | SampleError::Timeout),
        "{closed:?}"
    );
    let wrong = error_of(address(&format!("amqp://guest:wrong@{sealed}//"), None)).await;
    assert_eq!(wrong, SampleError::Authentication);
    let nowhere = error_of(address(&format!("amqp://{sealed}/nowhere"), None)).await;
    assert_eq!(nowhere, SampleError::NoSuchVhost);

    let config = CeleryConfig {
        queues: vec!["gone".to_owned(), app.queue.clone()],
        ..app.config()
    };
    let beside = watching(address(&app.broker, None), config);
    beside
        .settles("one queue is missing, 3 ready in the other", |tally| {
            let seen: Vec<_> = tally.queues.iter().map(|queue| (queue.missing, queue.ready)).collect();
            seen == [(true, 0), (false, 3)]
        })
        .await;
}
