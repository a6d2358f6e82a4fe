//! What the view costs: an operator of pools at rest without it, with it, and while somebody looks, in turn. `TWP_POOLS` is the number of pools, `TWP_OPERATOR` a release build. Part of `make verify`.

use std::{net::TcpListener, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    cluster::many_pools::{begun, costs, crowd},
    support::{
        bed::{PATIENCE, eventually},
        figures,
        operator::{Operator, Options},
        stage::Stage,
    },
};

/// Pools, unless `TWP_POOLS` says another number.
const POOLS: usize = 300;
/// Time for which both are watched.
const STRETCH: Duration = Duration::from_secs(40);
const ROUNDS: usize = 2;
/// Time between two questions, as the page has it, and readers.
const EVERY: Duration = Duration::from_secs(2);
const READERS: usize = 3;
/// Most memory that the view may take, in kB: 4 kB a pool, and what an answer to each reader takes.
const MOST_PER_POOL: u64 = 4;
const MOST: u64 = 8 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn the_view_costs_little_at_rest_and_while_somebody_looks() {
    let stage = Stage::redis("looked-at").await;
    let pools = std::env::var("TWP_POOLS").map_or(POOLS, |pools| pools.parse().expect("a number"));
    let names: Vec<_> = (0..pools).map(|number| format!("p{number}")).collect();
    crowd(&stage, &names).await;
    let adopter = Operator::start(&stage.ns.name).await;
    begun(&adopter, pools).await;
    drop(adopter);

    // One at a time, and each twice: two that ask one Redis at the same moments would delay each other.
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        for how in [How::Off, How::On, How::LookedAt] {
            all.push((how, cost(&stage, pools, how).await));
        }
    }
    let mean = |how: How, what: fn(&Cost) -> u64| {
        let these: Vec<_> = all
            .iter()
            .filter(|(is, _)| *is == how)
            .map(|(_, cost)| what(cost))
            .collect();
        these.iter().sum::<u64>() / these.len() as u64
    };
    for (how, name) in [(How::Off, "api_off"), (How::On, "api_on"), (How::LookedAt, "looked_at")] {
        figures::record_in("plugin", &format!("rss_mib_{name}"), mean(how, |cost| cost.rss) / 1024);
        figures::record_in("plugin", &format!("us_per_sample_{name}"), mean(how, Cost::per_sample));
    }
    let [off, on] = [How::Off, How::On].map(|how| mean(how, |cost| cost.rss));
    let most = off + MOST_PER_POOL * pools as u64 + MOST;
    assert!(on <= most, "{on} kB, and {most} are allowed");
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Without the view.
    Off,
    /// With it, while nobody looks.
    On,
    /// While some look.
    LookedAt,
}

/// What an operator of its own costs for a while.
async fn cost(stage: &Stage, pools: usize, how: How) -> Cost {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let view = free.expect("a port").to_string();
    let mut options = Options::default();
    if how != How::Off {
        options.env.push(("TWP_VIEW_LISTEN", view.clone()));
    }
    let operator = Operator::start_with(&stage.ns.name, options).await;
    eventually("all are sampled", PATIENCE * 4, async || {
        match operator.metric("twp_source_up").await {
            up if up as usize == pools => Ok(()),
            up => Err(format!("{up} of {pools}")),
        }
    })
    .await;
    let readers = if how == How::LookedAt { READERS } else { 0 };
    let looking = (0..readers).map(|_| looks(&view, pools));
    let (cost, answers) = tokio::join!(watched(&operator), futures::future::join_all(looking));
    println!(
        "{how:?}: {cost:?}, {} us a sample, {} answers",
        cost.per_sample(),
        answers.iter().sum::<usize>()
    );
    cost
}

/// Resident memory at the end, in kB, processor time, in ticks of 10 ms, and samples of pools. Where the machine has much to do one
/// of two samples more seldom than the other.
#[derive(Clone, Copy, Debug)]
struct Cost {
    rss: u64,
    cpu: u64,
    samples: u64,
}

impl Cost {
    /// Processor time, in microseconds.
    fn per_sample(&self) -> u64 {
        self.cpu * 10_000 / self.samples.max(1)
    }
}

async fn samples(operator: &Operator) -> u64 {
    operator.metric("twp_source_sample_duration_seconds_count").await as u64
}

async fn watched(operator: &Operator) -> Cost {
    let (cpu, sampled) = (costs(operator.pid()).1, samples(operator).await);
    sleep(STRETCH).await;
    let (rss, after) = costs(operator.pid());
    Cost {
        rss,
        cpu: after - cpu,
        samples: samples(operator).await - sampled,
    }
}

/// Looks like the page for a while: number of answers.
async fn looks(view: &str, pools: usize) -> usize {
    let (end, mut answers) = (Instant::now() + STRETCH, 0);
    while Instant::now() < end {
        let mut stream = TcpStream::connect(view).await.expect("the view");
        let question = format!("GET /api/v1/pools HTTP/1.1\r\nHost: {view}\r\nConnection: close\r\n\r\n");
        stream.write_all(question.as_bytes()).await.expect("a question");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(
            answer.matches("\"namespace\":").count() >= pools,
            "{} bytes",
            answer.len()
        );
        answers += 1;
        sleep(EVERY).await;
    }
    answers
}
