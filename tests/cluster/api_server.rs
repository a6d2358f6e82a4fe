//! An API server that refuses something, or falls silent: one watch slows no other, no call waits for ever.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use crate::{
    stage::Stage,
    support::{
        bed::{kubeconfig, unique},
        operator::{Operator, Options},
    },
};

/// A copy of the kubeconfig with these texts replaced, in a file of its own.
fn kubeconfig_with(change: impl Fn(&mut serde_json::Value)) -> String {
    let text = std::fs::read_to_string(kubeconfig()).expect("the kubeconfig");
    let mut config: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
    change(&mut config);
    let file = std::env::temp_dir().join(format!("twp-kubeconfig-{}", unique()));
    std::fs::write(&file, config.to_string()).expect("a kubeconfig");
    file.to_str().expect("a path").to_owned()
}

#[tokio::test]
async fn deployments_that_may_not_be_listed_are_said_and_slow_no_other_namespace() {
    let (good, bad) = (Stage::redis("granted").await, Stage::redis("refused").await);
    for stage in [&good, &bad] {
        let ns = &stage.ns;
        ns.kubectl(&["create", "serviceaccount", "op"]).await;
        let pools = [
            "--verb=list,watch,patch",
            "--resource=taskworkerpools,taskworkerpools/status",
        ];
        ns.kubectl(&["create", "role", "pools", pools[0], pools[1]]).await;
        ns.kubectl(&[
            "create",
            "role",
            "rest",
            "--verb=get,patch,create",
            "--resource=secrets,deployments/scale,events.events.k8s.io",
        ])
        .await;
        ns.kubectl(&[
            "create",
            "role",
            "targets",
            "--verb=list,watch",
            "--resource=deployments.apps",
        ])
        .await;
    }
    let account = format!("--serviceaccount={}:op", good.ns.name);
    for (stage, roles) in [
        (&good, &["pools", "rest", "targets"][..]),
        (&bad, &["pools", "rest"][..]),
    ] {
        for role in roles {
            stage
                .ns
                .kubectl(&["create", "rolebinding", role, "--role", role, &account])
                .await;
        }
    }
    let token = good.ns.kubectl(&["create", "token", "op"]).await;
    let file = kubeconfig_with(|config| config["users"][0]["user"] = json!({"token": token.trim()}));
    for stage in [&good, &bad] {
        stage.workers("mail", 0).await;
        stage.pool("mail", json!({})).await;
        stage.publish(30).await;
    }
    let options = Options {
        kubeconfig: Some(file),
        ..Options::default()
    };
    let operator = Operator::launch(&format!("{},{}", good.ns.name, bad.ns.name), options).await;
    good.ns.wait_replicas("mail", 3).await;
    let message = bad.ns.wait_condition("mail", "Ready", "False", "TargetMissing").await;
    assert!(message.contains("cannot be listed (status 403)"), "{message}");
    good.publish(20).await;
    good.ns.wait_replicas("mail", 5).await;
    assert!(operator.metric("twp_watch_errors_total").await > 0.0);
}

/// A way to the API server that can fall silent: connections that exist then never say a word again.
struct Way {
    port: u16,
    silenced: Arc<AtomicUsize>,
}

impl Way {
    async fn open(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let silenced = Arc::new(AtomicUsize::new(0));
        let era = silenced.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (to, era) = (to.clone(), era.clone());
                tokio::spawn(async move {
                    let born = era.load(Ordering::Relaxed);
                    let mut far = TcpStream::connect(to).await.expect("the API server");
                    let silence = async {
                        while era.load(Ordering::Relaxed) == born {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        // Neither read nor closed from here on.
                        () = silence => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, silenced }
    }

    fn fall_silent(&self) {
        self.silenced.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up_and_made_again() {
    let stage = Stage::redis("hung").await;
    stage.workers("mail", 0).await;
    stage.pool("mail", json!({})).await;
    let text = std::fs::read_to_string(kubeconfig()).expect("the kubeconfig");
    let config: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
    let server = config["clusters"][0]["cluster"]["server"]
        .as_str()
        .expect("a server")
        .to_owned();
    let way = Way::open(server.trim_start_matches("https://").to_owned()).await;
    let file = kubeconfig_with(|config| {
        config["clusters"][0]["cluster"]["server"] = json!(format!("https://127.0.0.1:{}", way.port));
    });
    let options = Options {
        kubeconfig: Some(file),
        ..Options::default()
    };
    let mut operator = Operator::start_with(&stage.ns.name, options).await;
    stage.ns.wait_working("mail").await;
    // Everything that is open now hangs: the watches, and the connections that the next call would use.
    way.fall_silent();
    stage.publish(30).await;
    stage.ns.wait_replicas("mail", 3).await;
    assert_eq!(operator.ended(), None, "the operator lives on");
}
