//! Neighbours that mean harm: one pool's broker, and whoever reaches the operator's ports. The other pools do not notice.

use std::time::Duration;

use serde_json::json;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    cluster::hostile::redis::HostileRedis,
    cluster::many_pools,
    support::{
        bed::{PATIENCE, clock, eventually},
        figures,
        operator::{Operator, Options},
        stage::{Stage, pool, publish, workers},
    },
};

#[path = "hostile/redis.rs"]
mod redis;

/// Honest pools, on an honest broker.
const OTHERS: usize = 50;
/// For so long the neighbours do what they can.
const ATTACK: Duration = Duration::from_secs(40);
/// Connections a second that say nothing, on every port.
const CONNECTIONS: u64 = 100;
/// More memory than at rest, in MiB, that one broker may take from all.
const MOST: u64 = 64;

#[tokio::test]
async fn one_hostile_broker_and_silent_connections_harm_nobody_else() {
    let stage = Stage::redis("hostile").await;
    let names: Vec<_> = (0..OTHERS).map(|number| format!("p{number}")).collect();
    let objects = |name: &String| [workers(name, 0), pool(name, json!({"queues": [name]}))];
    let items: Vec<_> = names.iter().flat_map(objects).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    stage.ns.apply(list.to_string()).await;
    // The hostile broker is a process of this machine.
    let options = Options {
        env: vec![("TWP_BROKER_CIDRS", "0.0.0.0/0,127.0.0.0/8".to_owned())],
        ..Options::default()
    };
    let operator = Operator::start_with(&stage.ns.name, options).await;
    eventually("all honest pools are sampled", PATIENCE * 2, async || {
        match operator.metric("twp_source_up").await {
            up if up as usize == OTHERS => Ok(()),
            up => Err(up.to_string()),
        }
    })
    .await;
    let (idle, _) = many_pools::costs(operator.pid());

    let broker = HostileRedis::start("bad");
    stage.workers("bad", 3).await;
    stage.secret("bad", &broker.url()).await;
    let url = json!({"urlFrom": {"secretKeyRef": {"name": "bad", "key": "url"}}});
    stage.pool("bad", json!({"broker": url})).await;
    let silent = operator.addresses().map(|address| tokio::spawn(hold(address)));
    let began = Instant::now();
    let (mut most, mut probes, mut fine) = (idle, 0_u32, 0_u32);
    let mut connection = stage.connection().await;
    let mut asked = 0;
    let (mut published, mut late) = (Vec::new(), Vec::new());
    while began.elapsed() < ATTACK {
        if asked < OTHERS && began.elapsed() > Duration::from_millis(700) * u32::try_from(asked).expect("few") {
            publish(&mut connection, &names[asked], 30).await;
            published.push(clock());
            asked += 1;
        }
        probes += 1;
        fine += u32::from(operator.is_alive().await);
        most = most.max(many_pools::costs(operator.pid()).0);
        sleep(Duration::from_millis(100)).await;
    }
    for (name, published) in names.iter().zip(&published) {
        let at = eventually("an honest pool that got work has workers", PATIENCE, async || {
            many_pools::said_of(&operator, "scaled", name)
                .first()
                .copied()
                .ok_or_else(|| name.clone())
        });
        late.push(at.await - published);
    }
    silent.iter().for_each(tokio::task::JoinHandle::abort);
    late.sort_by(f64::total_cmp);
    let more = most.saturating_sub(idle) / 1024;
    println!(
        "a hostile broker that said {} MiB: {more} MiB more than {} MiB at rest; others after {:.2} s (median), {:.2} s (max); \
         {fine} of {probes} probes",
        broker.said() >> 20,
        idle / 1024,
        late[late.len() / 2],
        late[late.len() - 1],
    );
    figures::record_in("controller", "hostile_rss_mib", more);
    figures::record_in(
        "controller",
        "hostile_others_ms.median",
        (late[late.len() / 2] * 1e3) as u64,
    );
    figures::record_in(
        "controller",
        "hostile_others_ms.max",
        (late[late.len() - 1] * 1e3) as u64,
    );
    figures::record_in("controller", "probes_under_flood", vec![fine, probes]);
    assert!(broker.said() > 1 << 20, "it was asked: {}", operator.log());
    assert_eq!(fine, probes, "probes");
    assert!(more <= MOST, "{more} MiB");
}

/// Opens connections that say nothing, for as long as the other side keeps them.
async fn hold(address: String) {
    loop {
        let address = address.clone();
        tokio::spawn(async move {
            if let Ok(stream) = TcpStream::connect(&address).await {
                sleep(Duration::from_secs(30)).await;
                drop(stream);
            }
        });
        sleep(Duration::from_millis(1_000 / CONNECTIONS)).await;
    }
}
