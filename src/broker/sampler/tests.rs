mod fake;

use std::sync::Mutex;

use self::fake::{Fake, Seen, here, listen, queues};
use super::*;
use crate::{
    framework::celery,
    model::{PodIntents, Query},
};

struct Bench {
    handle: SamplerHandle,
    out: mpsc::Receiver<Sampled>,
    seen: Arc<Mutex<Seen>>,
    signals: mpsc::Sender<Signal>,
}

impl Bench {
    fn new(takes: Duration, fails: &'static str) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let (signals, heard) = mpsc::channel(8);
        let (out, samples) = mpsc::channel(4096);
        let endpoint = Fake {
            seen: Arc::clone(&seen),
            takes,
            fails,
            signals: heard,
        };
        Self {
            handle: spawn(endpoint, Clock::start(), out),
            out: samples,
            seen,
            signals,
        }
    }

    fn add(&self, id: PoolId, keys: &[&'static str], period: u64) {
        self.handle.send(SamplerInput::Add {
            id,
            application: queues(keys),
            period: Duration::from_millis(period),
        });
    }

    async fn next(&mut self) -> Sampled {
        self.out.recv().await.unwrap()
    }

    fn calls(&self) -> Vec<(u128, usize)> {
        let seen = self.seen.lock().unwrap();
        seen.calls
            .iter()
            .map(|(at, reads)| ((*at - BEFORE).as_millis(), reads.len()))
            .collect()
    }
}

const FAST: Duration = Duration::from_millis(1);

async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn ready(sampled: &Sampled) -> Result<u64, SampleError> {
    sampled
        .result
        .as_ref()
        .map(|tally| tally.work.ready)
        .map_err(|error| *error)
}

#[tokio::test(start_paused = true)]
async fn equal_reads_are_asked_once_and_every_pool_gets_its_own_replies() {
    let mut bench = Bench::new(FAST, "");
    bench.add(1, &["a", "b"], 500);
    bench.add(2, &["b", "b", "c"], 500);
    assert_eq!(ready(&bench.next().await), Ok(14));
    assert_eq!(ready(&bench.next().await), Ok(21));
    assert_eq!(bench.calls(), [(0, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_sample_may_take_three_steps_and_no_more() {
    let mut bench = Bench::new(FAST, "");
    bench.add(1, &["asks"], 500);
    bench.add(2, &["asks", "endless"], 500);
    bench.add(3, &["a"], 500);
    let mut counts = Vec::new();
    for _ in 0..3 {
        let sampled = bench.next().await;
        counts.push((sampled.id, ready(&sampled)));
    }
    counts.sort();
    assert_eq!(counts, [(1, Ok(7)), (2, Err(SampleError::Timeout)), (3, Ok(7))]);
    assert_eq!(bench.calls(), [(0, 3), (0, 2), (0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_queue_spoils_no_other_pool_and_its_own_pool_waits_a_second() {
    let mut bench = Bench::new(FAST, "bad");
    bench.add(1, &["bad"], 500);
    bench.add(2, &["good"], 500);
    assert_eq!(ready(&bench.next().await), Err(SampleError::WrongType));
    assert_eq!(ready(&bench.next().await), Ok(7));
    pass(1300).await;
    assert_eq!(bench.calls(), [(0, 2), (500, 1), (1000, 2)]);
}

#[tokio::test(start_paused = true)]
async fn the_first_sample_comes_at_once_and_neighbours_join_the_batch() {
    let mut bench = Bench::new(FAST, "");
    bench.add(1, &["a"], 1000);
    bench.next().await;
    pass(150).await;
    bench.add(2, &["b"], 1000);
    assert_eq!(bench.next().await.id, 2);
    assert_eq!(bench.calls(), [(0, 1), (151, 1)]);
    // 151 ms apart is less than a quarter of the period: from now on they share a tick.
    pass(2000).await;
    assert_eq!(bench.calls(), [(0, 1), (151, 1), (1000, 2), (2000, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_dear_endpoint_is_sampled_one_twentieth_of_the_time() {
    let bench = Bench::new(Duration::from_millis(200), "");
    bench.add(1, &["a"], 500);
    pass(8600).await;
    // The first one may have been dear because it connected; from the second on it is known.
    assert_eq!(bench.calls(), [(0, 1), (500, 1), (4500, 1), (8500, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_sample_says_how_much_later_than_wished_the_next_one_comes() {
    let mut dear = Bench::new(Duration::from_millis(200), "");
    dear.add(1, &["a"], 500);
    let millis = async |bench: &mut Bench| bench.next().await.rest.as_millis();
    assert_eq!(
        [
            millis(&mut dear).await,
            millis(&mut dear).await,
            millis(&mut dear).await
        ],
        [0, 3500, 3500]
    );
    let mut cheap = Bench::new(FAST, "");
    cheap.add(1, &["a"], 500);
    assert_eq!([millis(&mut cheap).await, millis(&mut cheap).await], [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn even_the_dearest_endpoint_is_sampled_every_ten_seconds() {
    let bench = Bench::new(Duration::from_secs(3), "");
    bench.add(1, &["a"], 500);
    pass(24_000).await;
    assert_eq!(bench.calls(), [(0, 1), (3000, 1), (13_000, 1), (23_000, 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_hangs_is_given_up_and_asked_again() {
    let mut bench = Bench::new(Duration::from_secs(3600), "");
    bench.add(1, &["a"], 500);
    let sampled = bench.next().await;
    assert_eq!(ready(&sampled), Err(SampleError::Timeout));
    pass(100).await;
    assert_eq!(bench.calls(), [(0, 1), (5000, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_removed_pool_is_not_sampled_and_a_replaced_one_at_once() {
    let mut bench = Bench::new(FAST, "");
    bench.add(1, &["a"], 500);
    bench.next().await;
    bench.add(1, &["b", "c"], 500);
    assert_eq!(ready(&bench.next().await), Ok(14));
    bench.handle.send(SamplerInput::Remove { id: 1 });
    pass(5000).await;
    assert_eq!(bench.calls(), [(0, 1), (1, 2)]);
    let wishes = |keys: &[&str]| -> Vec<Subscription> { keys.iter().map(|key| listen(key)).collect() };
    assert_eq!(
        bench.seen.lock().unwrap().listens,
        [wishes(&["a"]), wishes(&["b"]), wishes(&[])]
    );
}

#[tokio::test(start_paused = true)]
async fn a_thousand_pools_are_one_call_a_tick() {
    let bench = Bench::new(FAST, "");
    for id in 0..1000 {
        bench.add(id, &[Box::leak(format!("q{id}").into_boxed_str())], 500);
    }
    pass(1100).await;
    assert_eq!(bench.calls(), [(0, 1000), (500, 1000), (1000, 1000)]);
}

#[tokio::test(start_paused = true)]
async fn an_equal_tally_is_the_same_allocation() {
    let mut bench = Bench::new(FAST, "");
    bench.add(1, &["a"], 500);
    let (first, second) = (bench.next().await.result.unwrap(), bench.next().await.result.unwrap());
    assert!(Arc::ptr_eq(&first, &second));
    bench.signals.send(here()).await.unwrap();
    let third = bench.next().await.result.unwrap();
    assert!(third.workers_heard && !Arc::ptr_eq(&second, &third));
    // The worker falls silent and is forgotten.
    pass(20_000).await;
    while let Ok(sampled) = bench.out.try_recv() {
        assert!(sampled.result.is_ok());
    }
    assert!(!bench.next().await.result.unwrap().workers_heard);
}

#[tokio::test(start_paused = true)]
async fn a_framework_talks_to_workers_after_the_counts_and_says_goodbye_however_it_ends() {
    talks_and_ends(true).await;
    talks_and_ends(false).await;
}

async fn talks_and_ends(drops_the_handle: bool) {
    let mut bench = Bench::new(FAST, "");
    let seen = Arc::clone(&bench.seen);
    bench.add(1, &["talks"], 500);
    assert_eq!(ready(&bench.next().await), Ok(7));
    let asked = || -> Vec<Vec<String>> {
        let mut seen = seen.lock().unwrap();
        let queue = |read: &Query| match read {
            Query::QueueDepth { queue } => queue.clone(),
            other => panic!("{other:?}"),
        };
        let calls = std::mem::take(&mut seen.calls).into_iter();
        calls.map(|(_, reads)| reads.iter().map(queue).collect()).collect()
    };
    assert_eq!(asked(), [vec!["talks"], vec!["a", "b"], vec!["c"]]);
    match drops_the_handle {
        true => drop(bench.handle),
        false => drop(bench.out),
    }
    bench.signals.closed().await;
    assert_eq!(asked(), [vec!["bye"]]);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_handle_and_with_its_listener() {
    let mut bench = Bench::new(FAST, "");
    bench.add(1, &["a"], 500);
    bench.next().await;
    drop(bench.handle);
    assert!(bench.out.recv().await.is_none());
    assert!(bench.signals.is_closed());

    let mut bench = Bench::new(FAST, "");
    bench.add(1, &["a"], 500);
    bench.next().await;
    drop(bench.out);
    pass(1000).await;
    assert!(bench.signals.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_pods_are_looked_after_is_sampled_each_second_however_dear_that_is() {
    let bench = Bench::new(Duration::from_millis(200), "");
    bench.add(1, &["a"], 500);
    pass(4600).await;
    assert_eq!(bench.calls(), [(0, 1), (500, 1), (4500, 1)]);
    let pod_intent = crate::model::PodIntent {
        intent: crate::model::Intent::Report,
        since: Moment::ZERO,
    };
    let attend = |intents| bench.handle.send(SamplerInput::Intend { id: 1, intents });
    attend([("pod".to_owned(), pod_intent)].into());
    pass(2500).await;
    let calls = bench.calls();
    assert_eq!(
        calls[3..],
        [(4700, 1), (5700, 1), (6700, 1)],
        "at once, then each second"
    );
    attend(PodIntents::new());
    pass(5000).await;
    assert!(bench.calls().len() - calls.len() <= 3, "and then as before");
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_now_and_then_silences_nobody() {
    let mut pace = Pace::default();
    let at = Moment::from_secs;
    for (second, millis) in [
        (1, 1),
        (2, 900),
        (3, 900),
        (4, 1),
        (5, 900),
        (6, 900),
        (7, 900),
        (8, 900),
    ] {
        pace.took(at(second), Duration::from_millis(millis));
        assert!(pace.not_before < at(second + 1), "{second}");
    }
    pace.took(at(9), Duration::from_millis(900));
    assert_eq!(pace.not_before, at(19), "five in a row are its nature");
}

#[tokio::test(start_paused = true)]
async fn other_queues_of_a_pool_are_counted_at_once() {
    let mut bench = Bench::new(FAST, "");
    bench.add(1, &["a"], 60_000);
    assert_eq!(ready(&bench.next().await), Ok(7));
    pass(500).await;
    bench.handle.send(SamplerInput::Queues {
        id: 1,
        queues: vec!["a".into(), "c".into()],
    });
    assert_eq!(ready(&bench.next().await), Ok(14));
    assert_eq!(bench.calls(), [(0, 1), (501, 2)]);
}

static HALL: room::Room = room::Room::of(600_000, 10_000);

#[tokio::test(start_paused = true)]
async fn all_endpoints_together_remember_no_more_workers_than_the_process_has_room_for() {
    let sampler = || {
        let (signals, heard) = mpsc::channel(5_000);
        let endpoint = Fake {
            seen: Arc::default(),
            takes: FAST,
            fails: "",
            signals: heard,
        };
        let (out, _) = mpsc::channel(1);
        let mut sampler = Sampler::new(endpoint, Clock::start(), out, room::Share::of(&HALL));
        sampler.subscribe(SamplerInput::Add {
            id: 1,
            application: celery::application(celery::CeleryConfig::default(), None),
            period: FAST,
        });
        (signals, sampler)
    };
    let beat = |number: usize| {
        Signal::from(celery::WorkerSignal::Heartbeat {
            node: format!("celery@{number}"),
            active: 0,
            processed: 0,
            interval: Duration::from_secs(2),
        })
    };
    let remembered = |sampler: &mut Sampler<Fake>| -> usize {
        let frameworks = sampler.frameworks.values_mut();
        frameworks.map(|framework| framework.held().0).sum()
    };
    let mut held = Vec::new();
    let mut samplers: Vec<_> = (0..3).map(|_| sampler()).collect();
    for (signals, sampler) in &mut samplers {
        (0..5_000).for_each(|number| signals.try_send(beat(number)).unwrap());
        // The runtime lets a task go on for a while only.
        for number in 0..100 {
            sampler.hear(beat(number));
            tokio::task::yield_now().await;
        }
        held.push(remembered(sampler));
    }
    assert!(held[0] > 400_000 && held.iter().all(|held| *held > 5_000), "{held:?}");
    assert!(held.iter().sum::<usize>() <= 600_000, "{held:?}");
    let (_, mut last) = samplers.pop().unwrap();
    drop(samplers);
    // What is left of others' room is there again.
    last.hear(beat(5_000));
    assert_eq!(room::Share::of(&HALL).most(), (600_000 - remembered(&mut last)) / 6 * 5);
}
