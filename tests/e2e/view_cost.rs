//! What the view costs: two operators of the same pools at rest, side by side, one with its view and one without; then somebody
//! looks at it. `TWP_POOLS` is the number of pools, `TWP_OPERATOR` a release build. Part of `make verify`.

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
const STRETCH: Duration = Duration::from_secs(60);
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

    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let view = free.expect("a port").to_string();
    let options = Options {
        env: vec![("TWP_VIEW_LISTEN", view.clone())],
        ..Options::default()
    };
    let (off, on) = tokio::join!(
        Operator::start(&stage.ns.name),
        Operator::start_with(&stage.ns.name, options)
    );
    for operator in [&off, &on] {
        eventually("all are sampled", PATIENCE * 4, async || {
            match operator.metric("twp_source_up").await {
                up if up as usize == pools => Ok(()),
                up => Err(format!("{up} of {pools}")),
            }
        })
        .await;
    }
    let rest = watched(&off, &on, "at rest").await;
    let looking = (0..READERS).map(|_| looks(&view, pools));
    let (looked, answers) = tokio::join!(watched(&off, &on, "looked at"), futures::future::join_all(looking));
    println!(
        "{} answers, {} kB each",
        answers.iter().map(|one| one.0).sum::<usize>(),
        answers[0].1 / 1024
    );
    for (what, [of_off, of_on]) in [("", rest), ("looked_at.", looked)] {
        let record = |name: &str, value: u64| figures::record_in("plugin", &format!("{what}{name}"), value);
        record("rss_mib_api_off", of_off.rss / 1024);
        record("rss_mib_api_on", of_on.rss / 1024);
        record("cpu_ticks_api_off", of_off.cpu);
        record("cpu_ticks_api_on", of_on.cpu);
    }
    let most = rest[0].rss + MOST_PER_POOL * pools as u64 + MOST;
    assert!(rest[1].rss <= most, "{} kB, and {most} are allowed", rest[1].rss);
}

/// Resident memory at the end, in kB, and processor time, in ticks of 10 ms.
#[derive(Clone, Copy, Debug)]
struct Cost {
    rss: u64,
    cpu: u64,
}

async fn watched(off: &Operator, on: &Operator, what: &str) -> [Cost; 2] {
    let before = [off, on].map(|operator| costs(operator.pid()).1);
    sleep(STRETCH).await;
    let after = [off, on].map(|operator| costs(operator.pid()));
    let cost = |at: usize| Cost {
        rss: after[at].0,
        cpu: after[at].1 - before[at],
    };
    let both = [cost(0), cost(1)];
    println!("{what}, off and on, for {STRETCH:?}: {both:?}");
    both
}

/// Looks like the page for a while: number of answers, and the length of one.
async fn looks(view: &str, pools: usize) -> (usize, usize) {
    let (end, mut answers, mut length) = (Instant::now() + STRETCH, 0, 0);
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
        (answers, length) = (answers + 1, answer.len());
        sleep(EVERY).await;
    }
    (answers, length)
}
