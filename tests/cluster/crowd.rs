//! Three hundred pools on one Redis: what they cost while nothing changes.

use std::time::Duration;

use serde_json::json;

use crate::{
    stage::{Stage, pool, workers},
    support::{
        bed::{PATIENCE, eventually},
        figures,
        operator::Operator,
    },
};

const POOLS: usize = 300;
const QUIET: Duration = Duration::from_secs(15);

/// Resident memory in kB and processor time in clock ticks of a process.
fn costs(pid: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process");
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("its memory");
    let rss = rss.trim().trim_end_matches(" kB").parse().expect("kB");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("its name").1.split_whitespace().collect();
    (
        rss,
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap(),
    )
}

#[tokio::test]
async fn three_hundred_pools_share_the_connections_and_write_nothing_while_nothing_changes() {
    let stage = Stage::redis("crowd").await;
    let names: Vec<_> = (0..POOLS).map(|number| format!("p{number}")).collect();
    let items: Vec<_> = names
        .iter()
        .flat_map(|name| [workers(name, 0), pool(name, json!({"queues": [name]}))])
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    stage
        .ns
        .try_kubectl(&["apply", "--server-side", "-f", "-"], &list.to_string())
        .await
        .expect("300 pools");
    let operator = Operator::start(&stage.ns.name).await;
    // Hundreds of writes: a busy machine takes minutes for them.
    eventually("all pools are adopted and told so", PATIENCE * 4, async || {
        let (scales, statuses) = (
            operator.metric("twp_scale_writes_total").await,
            operator.metric("twp_status_writes_total").await,
        );
        if scales >= POOLS as f64 && statuses >= POOLS as f64 {
            Ok(())
        } else {
            Err(format!("{scales} scales, {statuses} statuses"))
        }
    })
    .await;
    // Until the last write of the beginning is done.
    let writes =
        async || operator.metric("twp_scale_writes_total").await + operator.metric("twp_status_writes_total").await;
    let mut before = writes().await;
    eventually("the beginning is over", PATIENCE * 4, async || {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let last = std::mem::replace(&mut before, writes().await);
        if (before - last).abs() < 0.5 {
            Ok(())
        } else {
            Err(format!("{last} → {before} writes"))
        }
    })
    .await;

    // A machine so busy that the broker does not answer for seconds is a change: such a stretch proves nothing.
    let decided = || operator.log().matches("\"decided\"").count();
    let (rss, cpu, idle) = eventually("a stretch in which nothing changes", PATIENCE * 4, async || {
        let (said, before, (_, cpu)) = (decided(), writes().await, costs(operator.pid()));
        tokio::time::sleep(QUIET).await;
        let (idle, (rss, cpu_after)) = (writes().await - before, costs(operator.pid()));
        match decided() - said {
            0 => Ok((rss, cpu_after - cpu, idle)),
            changed => Err(format!("{changed} decisions changed")),
        }
    })
    .await;
    let clients = stage
        .ns
        .exec(
            "deploy/broker",
            &[
                "redis-cli",
                "--no-auth-warning",
                "-a",
                crate::stage::CANARY,
                "client",
                "list",
            ],
        )
        .await;
    // kube-proxy shows the machine's own address for what comes from it; the pod's own redis-cli comes from loopback.
    let connections = clients
        .lines()
        .filter(|line| line.contains("addr=") && !line.contains("addr=127.0.0.1:"))
        .count();
    println!(
        "300 pools: {} MiB resident, {:.1} % of a core, {connections} connections, {idle} writes in {QUIET:?}",
        rss / 1024,
        cpu as f64 / QUIET.as_secs_f64()
    );
    figures::record("connections_300_pools", u64::try_from(connections).unwrap());
    figures::record("writes_idle_per_s", idle / QUIET.as_secs_f64());
    assert!((1..=3).contains(&connections), "{clients}");
    assert_eq!(idle, 0.0, "{}", operator.log());
}
