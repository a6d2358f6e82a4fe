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
    cluster::{
        api_proxy::{ApiProxy, Mode},
        rights::grant,
    },
    support::{
        bed::{PATIENCE, eventually, kubeconfig, kubeconfig_with},
        figures,
        operator::{Operator, Options},
        stage::{Stage, publish},
    },
};

#[tokio::test]
async fn deployments_that_may_not_be_listed_are_said_and_slow_no_other_namespace() {
    let (good, bad) = (Stage::redis("granted").await, Stage::redis("refused").await);
    let options = grant(&good.ns, &[(&good.ns, ""), (&bad.ns, "targets")]).await;
    for stage in [&good, &bad] {
        stage.workers("mail", 0).await;
        stage.pool("mail", json!({})).await;
        stage.publish(30).await;
    }
    let operator = Operator::launch(&format!("{},{}", good.ns.name, bad.ns.name), options).await;
    good.ns.wait_replicas("mail", 3).await;
    let message = bad.ns.wait_condition("mail", "Ready", "False", "TargetMissing").await;
    assert!(message.contains("cannot be listed (status 403)"), "{message}");
    good.publish(20).await;
    good.ns.wait_replicas("mail", 5).await;
    assert!(operator.metric("twp_watch_errors_total").await > 0.0);
}

#[tokio::test]
async fn a_status_that_may_not_be_written_is_logged_and_the_pool_scales() {
    let stage = Stage::redis("mute").await;
    let options = grant(&stage.ns, &[(&stage.ns, "statuses")]).await;
    stage.workers("mail", 0).await;
    stage.pool("mail", json!({})).await;
    stage.publish(30).await;
    let operator = Operator::start_with(&stage.ns.name, options).await;
    stage.ns.wait_replicas("mail", 3).await;
    eventually("the log says so", PATIENCE, async || {
        let log = operator.log();
        let said = log.lines().any(|line| {
            line.contains("the status could not be written") && line.contains("refused the call with status 403")
        });
        if said { Ok(()) } else { Err(log) }
    })
    .await;
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

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_told_of_and_not_called_a_failure() {
    let stage = Stage::redis("lost").await;
    stage.workers("mail", 0).await;
    stage.pool("mail", json!({})).await;
    let proxy = ApiProxy::open().await;
    let options = Options {
        kubeconfig: Some(proxy.kubeconfig()),
        ..Options::default()
    };
    let operator = Operator::start_with(&stage.ns.name, options).await;
    let writes = |wished: f64| {
        let operator = &operator;
        async move {
            eventually(&format!("{wished} writes of replicas"), PATIENCE, async || {
                let seen = operator.metric("twp_scale_writes_total").await;
                if seen == wished { Ok(()) } else { Err(seen.to_string()) }
            })
            .await;
        }
    };
    writes(1.0).await;

    proxy.set(Mode::Forget);
    stage.publish(30).await;
    stage.ns.wait_replicas("mail", 3).await;
    assert_eq!(proxy.mode(), Mode::Open, "its answer was lost");
    writes(2.0).await;
    stage.ns.wait_event(&["Scaled", "from 0 to 3"]).await;
    stage
        .ns
        .wait_condition("mail", "ScalingActive", "True", "Scaling")
        .await;
    let last = stage.ns.pool("mail").await.expect("the pool").status.expect("a status");
    let last = last.last_scale.expect("the last change");
    assert_eq!((last.from, last.to), (0, 3));
    let said = operator.log();
    assert_eq!(said.matches("the target could not be written").count(), 1, "{said}");
    assert_eq!(said.matches("\"scaled\"").count(), 1, "{said}");
}

/// An API server in trouble for so long: the lease is kept, the counts are fresh, and workers that are needed come as soon as
/// it is over. How soon is a figure.
async fn troubled(name: &str, mode: Mode, lasts: Duration) {
    let stage = Stage::redis(name).await;
    for name in ["mail", "other"] {
        stage.workers(name, 0).await;
        stage.pool(name, json!({"queues": [name]})).await;
    }
    let proxy = ApiProxy::open().await;
    let options = Options {
        kubeconfig: Some(proxy.kubeconfig()),
        env: vec![
            ("TWP_LEADER_ELECTION", "true".to_owned()),
            ("POD_NAMESPACE", stage.ns.name.clone()),
        ],
        ..Options::default()
    };
    let mut operator = Operator::start_with(&stage.ns.name, options).await;
    for name in ["mail", "other"] {
        stage.ns.wait_working(name).await;
    }
    proxy.set(mode);
    let mut connection = stage.connection().await;
    publish(&mut connection, "mail", 30).await;
    eventually("it is counted at once", PATIENCE, async || {
        match operator.metric("twp_queue_waiting_tasks").await {
            30.0 => Ok(()),
            seen => Err(seen.to_string()),
        }
    })
    .await;
    tokio::time::sleep(lasts).await;
    publish(&mut connection, "other", 30).await;
    proxy.set(Mode::Open);
    let over = tokio::time::Instant::now();
    for name in ["mail", "other"] {
        stage.ns.wait_replicas(name, 3).await;
    }
    let late = u64::try_from(over.elapsed().as_millis()).expect("a number");
    println!("{name}: workers {late} ms after it was over, {:?}", proxy.turned_away());
    figures::record_in("controller", &format!("api_{name}.late_ms"), late);
    assert_eq!(operator.ended(), None, "the lease is kept: {}", operator.log());
    figures::record_in("controller", &format!("api_{name}.lease_lost"), 0);
    assert!(proxy.turned_away() > 0);
}

#[tokio::test]
async fn an_api_server_that_refuses_calls_for_a_while_costs_neither_the_lease_nor_a_rise() {
    troubled("429", Mode::TooMany, Duration::from_secs(20)).await;
}

#[tokio::test]
async fn an_api_server_that_is_slow_to_write_costs_neither_the_lease_nor_a_rise() {
    troubled("slow", Mode::SlowWrites, Duration::from_secs(40)).await;
}
