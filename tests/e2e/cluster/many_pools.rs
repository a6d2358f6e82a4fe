//! Three hundred pools on one Redis: what they cost while nothing changes, what a restart changes, and how soon work is
//! answered that comes to many at once. `TWP_POOLS=1000` and `TWP_OPERATOR` (a release build) measure more.

use std::{collections::BTreeMap, time::Duration};

use redis::aio::MultiplexedConnection;
use serde_json::json;

use crate::support::{
    bed::{PATIENCE, clock, eventually},
    figures,
    operator::{Operator, Options},
    stage::{Stage, pool, workers},
};

/// So many pools, unless `TWP_POOLS` says another number.
const POOLS: usize = 300;
/// Every so many get work at once.
const EVERY: usize = 10;
const QUIET: Duration = Duration::from_secs(15);

/// Resident memory in kB and processor time in clock ticks of a process.
pub fn costs(pid: u32) -> (u64, u64) {
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
    let pools = std::env::var("TWP_POOLS").map_or(POOLS, |pools| pools.parse().expect("a number"));
    let names: Vec<_> = (0..pools).map(|number| format!("p{number}")).collect();
    crowd(&stage, &names).await;
    let operator = Operator::start(&stage.ns.name).await;
    begun(&operator, pools).await;
    let writes = || written(&operator);

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
                crate::support::stage::CANARY,
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
        "{pools} pools: {} MiB resident, {:.1} % of a core, {connections} connections, {idle} writes in {QUIET:?}",
        rss / 1024,
        cpu as f64 / QUIET.as_secs_f64()
    );
    figures::record("connections_300_pools", u64::try_from(connections).unwrap());
    figures::record("writes_idle_per_s", idle / QUIET.as_secs_f64());
    assert!((1..=3).contains(&connections), "{clients}");
    assert_eq!(idle, 0.0, "{}", operator.log());

    let before = transitions(&stage).await;
    drop(operator);
    let operator = Operator::launch(&stage.ns.name, Options::default()).await;
    restarted(&operator, pools, "restart").await;
    assert_eq!(transitions(&stage).await, before, "no condition has changed");
    figures::record_in("controller", &format!("restart_{pools}.transitions"), 0);

    drop(operator);
    for how in ENDS.iter().filter(|_| pools > POOLS) {
        take_over_at_rest(&stage, pools, how).await;
    }
    let first = |names: &[String]| names.iter().step_by(EVERY).cloned().collect::<Vec<_>>();
    let busy = first(&names);
    let work = Work::of(&stage, &busy).await;
    let began = clock();
    let operator = Operator::launch(&stage.ns.name, Options::default()).await;
    work.comes().await;
    late(&operator, busy.len(), began, &format!("restart_{pools}.first_write_ms")).await;
    drop(operator);

    let operator = Operator::start(&stage.ns.name).await;
    sampled(&operator, pools).await;
    let busy = first(&names[1..]);
    let began = Work::of(&stage, &busy).await.comes().await;
    late(
        &operator,
        busy.len(),
        began,
        &format!("spike_{}_of_{pools}_ms", busy.len()),
    )
    .await;
    drop(operator);

    // Long: only where more than the usual is to be measured.
    for (at, how) in ENDS.iter().enumerate().filter(|_| pools > POOLS) {
        take_over_at_work(&stage, &names, &first(&names[2 + at..]), how).await;
    }
}

/// Makes pools of these names, each with a Deployment of that name.
pub async fn crowd(stage: &Stage, names: &[String]) {
    for names in names.chunks(250) {
        let objects = |name: &String| [workers(name, 0), pool(name, json!({"queues": [name]}))];
        let items: Vec<_> = names.iter().flat_map(objects).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let apply = ["apply", "--server-side", "-f", "-"];
        stage.ns.try_kubectl(&apply, &list.to_string()).await.expect("pools");
    }
}

/// Waits until an operator has adopted all pools, and writes nothing any longer.
pub async fn begun(operator: &Operator, pools: usize) {
    // Hundreds of writes: a busy machine takes minutes for them.
    eventually("all pools are adopted and told so", PATIENCE * 4, async || {
        let (scales, statuses) = (
            operator.metric("twp_scale_writes_total").await,
            operator.metric("twp_status_writes_total").await,
        );
        if scales >= pools as f64 && statuses >= pools as f64 {
            Ok(())
        } else {
            Err(format!("{scales} scales, {statuses} statuses"))
        }
    })
    .await;
    // Until the last write of the beginning is done.
    let mut before = written(operator).await;
    eventually("the beginning is over", PATIENCE * 4, async || {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let last = std::mem::replace(&mut before, written(operator).await);
        if (before - last).abs() < 0.5 {
            Ok(())
        } else {
            Err(format!("{last} → {before} writes"))
        }
    })
    .await;
}

/// Number of its writes.
async fn written(operator: &Operator) -> f64 {
    operator.metric("twp_scale_writes_total").await + operator.metric("twp_status_writes_total").await
}

/// How a leader ends before its standby takes over.
const ENDS: [&str; 2] = ["rollout", "sigkill"];

/// One of two or more operators of these pools, of which one leads.
async fn candidate(stage: &Stage, name: &str) -> Operator {
    let env = [
        ("TWP_LEADER_ELECTION", "true"),
        ("POD_NAMESPACE", stage.ns.name.as_str()),
        ("POD_NAME", name),
    ];
    let options = Options {
        env: env.map(|(key, value)| (key, value.to_owned())).into(),
        ..Options::default()
    };
    Operator::launch(&stage.ns.name, options).await
}

async fn end(mut leader: Operator, how: &str) {
    match how {
        "sigkill" => leader.kill(),
        _ => drop(leader.stop().await),
    }
}

/// A standby takes over while nothing happens: nothing is written, nothing is told.
async fn take_over_at_rest(stage: &Stage, pools: usize, how: &str) {
    let leader = candidate(stage, "one").await;
    sampled(&leader, pools).await;
    let standby = candidate(stage, "two").await;
    standby.wait_ready().await;
    let before = transitions(stage).await;
    end(leader, how).await;
    restarted(&standby, pools, how).await;
    let after = transitions(stage).await;
    let moved = after.iter().filter(|(name, seen)| before.get(*name) != Some(seen));
    let moved = moved.count();
    figures::record_in("controller", &format!("{how}_{pools}.transitions"), moved);
    assert_eq!(moved, 0, "no condition has changed");
}

/// A standby takes over while every tenth pool gets work.
async fn take_over_at_work(stage: &Stage, names: &[String], busy: &[String], how: &str) {
    let pools = names.len();
    let leader = candidate(stage, "one").await;
    sampled(&leader, pools).await;
    let standby = candidate(stage, "two").await;
    standby.wait_ready().await;
    let work = Work::of(stage, busy).await;
    let ((), began) = tokio::join!(end(leader, how), work.comes());
    late(&standby, busy.len(), began, &format!("{how}_{pools}.first_write_ms")).await;
    let leads = said(&standby, "leading").first().copied().expect("it leads") - began;
    println!("{how}: the new leader leads after {leads:.2} s");
    figures::record_in("controller", &format!("{how}_{pools}.leads_ms"), (leads * 1e3) as u64);
}

/// What a person would see of the pools: each condition's state, and since when it has been so.
async fn transitions(stage: &Stage) -> BTreeMap<String, String> {
    let list = stage.ns.kubectl(&["get", "twp", "-o", "json"]).await;
    let list: serde_json::Value = serde_json::from_str(&list).expect("a list");
    let pools = list["items"].as_array().expect("items").iter();
    let seen = |pool: &serde_json::Value| {
        let conditions = pool["status"]["conditions"].as_array().expect("conditions").iter();
        let words = conditions.map(|one| format!("{}={} {}", one["type"], one["status"], one["lastTransitionTime"]));
        (
            pool["metadata"]["name"].to_string(),
            words.collect::<Vec<_>>().join(", "),
        )
    };
    pools.map(seen).collect()
}

/// Waits until the broker has answered for all of them.
async fn sampled(operator: &Operator, pools: usize) {
    eventually("all are sampled", PATIENCE * 4, async || {
        match operator.metric("twp_source_up").await {
            up if up as usize == pools => Ok(()),
            up => Err(format!("{up} of {pools}")),
        }
    })
    .await;
}

/// Pools at rest, and another process: nothing is written or told of them.
async fn restarted(operator: &Operator, pools: usize, how: &str) {
    sampled(operator, pools).await;
    tokio::time::sleep(QUIET).await;
    let text = operator.metrics().await;
    let calls = |parts: [&str; 2]| {
        let lines = text.lines().filter(|line| line.starts_with("twp_api_calls_total"));
        let these = lines.filter(|line| parts.iter().all(|part| line.contains(part)));
        let numbers = these.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        numbers.sum::<u64>()
    };
    let [statuses, events, scales, throttled] = [
        calls(["class=\"status\"", ""]),
        calls(["class=\"event\"", ""]),
        calls(["class=\"scale\"", ""]),
        calls(["", "outcome=\"throttled\""]),
    ];
    let (rss, _) = costs(operator.pid());
    println!(
        "{how} at {pools} pools: {statuses} statuses, {events} Events, {scales} scales, {throttled} throttled, {} MiB",
        rss / 1024
    );
    figures::record_in("controller", &format!("{how}_{pools}.status_writes"), statuses);
    figures::record_in("controller", &format!("{how}_{pools}.events"), events);
    figures::record_in("controller", &format!("{how}_{pools}.throttled"), throttled);
    figures::record_in("controller", &format!("{how}_{pools}.rss_mib"), rss / 1024);
    assert_eq!(
        (statuses, events, scales, throttled),
        (0, 0, 0, 0),
        "{}",
        operator.log()
    );
}

/// Work for these pools, all at one moment, once it is let go.
struct Work {
    connection: MultiplexedConnection,
    pipe: redis::Pipeline,
}

impl Work {
    async fn of(stage: &Stage, names: &[String]) -> Self {
        let mut pipe = redis::pipe();
        pipe.atomic();
        for name in names {
            let tasks: Vec<_> = (0..20)
                .map(|_| crate::support::stage::message(name).to_string())
                .collect();
            pipe.lpush(name, tasks).ignore();
        }
        let connection = stage.connection().await;
        Self { connection, pipe }
    }

    /// Says when.
    async fn comes(mut self) -> f64 {
        let began = clock();
        let () = self.pipe.query_async(&mut self.connection).await.expect("work");
        began
    }
}

/// How long after that moment the replicas of each of so many pools were written, by the log.
async fn late(operator: &Operator, pools: usize, began: f64, figure: &str) {
    let mut took = eventually("all of them get workers", PATIENCE * 2, async || {
        let at = said(operator, "scaled");
        if at.len() >= pools {
            Ok(at)
        } else {
            Err(format!("{} of {pools}", at.len()))
        }
    })
    .await;
    took.iter_mut().for_each(|at| *at -= began);
    took.sort_by(f64::total_cmp);
    let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
    let decided = said(operator, "decided").into_iter().filter(|at| *at > began);
    let mut decided: Vec<_> = decided.map(|at| at - began).collect();
    decided.sort_by(f64::total_cmp);
    println!(
        "decided: {:.2?}",
        decided.iter().step_by((decided.len() / 10).max(1)).collect::<Vec<_>>()
    );
    println!(
        "written: {:.2?}",
        took.iter().step_by((took.len() / 10).max(1)).collect::<Vec<_>>()
    );
    if most > median + 1.0 {
        let log = operator.log();
        let last = log
            .lines()
            .rfind(|line| line.contains("\"scaled\""))
            .unwrap_or_default();
        let name = last
            .split("\"name\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or("?");
        let name = format!("\"name\":\"{name}\"");
        log.lines()
            .filter(|line| line.contains(&name))
            .for_each(|line| println!("late: {line}"));
        log.lines()
            .filter(|line| line.contains("WARN"))
            .for_each(|line| println!("late: {line}"));
    }
    let text = operator.metrics().await;
    text.lines()
        .filter(|line| line.starts_with("twp_source_errors") || line.starts_with("twp_api_calls"))
        .for_each(|line| println!("{line}"));
    println!("{figure}: {pools} pools, first write after {median:.2} s (median), {most:.2} s (max)");
    figures::record_in("controller", &format!("{figure}.median"), (median * 1e3) as u64);
    figures::record_in("controller", &format!("{figure}.max"), (most * 1e3) as u64);
}

/// When it logged this, in seconds since the epoch.
fn said(operator: &Operator, what: &str) -> Vec<f64> {
    said_where(operator, what, |_| true)
}

/// The same of this pool only.
pub fn said_of(operator: &Operator, what: &str, pool: &str) -> Vec<f64> {
    said_where(operator, what, |fields| fields["name"] == pool)
}

fn said_where(operator: &Operator, what: &str, is: impl Fn(&serde_json::Value) -> bool) -> Vec<f64> {
    let log = operator.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let these = lines.filter(|line| {
        let fields = line.get("fields").unwrap_or(line);
        fields["message"] == what && is(fields)
    });
    let at = these.filter_map(|line| {
        let at: jiff::Timestamp = line["timestamp"].as_str()?.parse().ok()?;
        Some(at.as_millisecond() as f64 / 1e3)
    });
    at.collect()
}
