//! What holds for every input.
mod loops;

use super::super::{
    fixture::{at, last_of, later, pool, s, wall},
    *,
};
use crate::model::WAKE_AHEAD;
use proptest::{collection::vec, option, prelude::*};

/// Numbers of all sizes, small ones and the extremes more often.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0_u32..12, 1 => Just(u32::MAX), 1 => any::<u32>()]
}

fn tasks() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0_u64..60, 1 => Just(u64::MAX), 1 => any::<u64>()]
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![6 => (0_u64..200_000).prop_map(Duration::from_millis), 1 => Just(Duration::MAX), 1 => Just(Duration::ZERO)]
}

fn rules() -> impl Strategy<Value = Option<Rules>> {
    let kind = prop_oneof![Just(PolicyType::Pods), Just(PolicyType::Percent)];
    let policy = (kind, number(), time()).prop_map(|(kind, value, period)| BehaviorPolicy { kind, value, period });
    let select = prop_oneof![Just(Select::Max), Just(Select::Min), Just(Select::Disabled)];
    option::of(
        (option::of(time()), select, vec(policy, 0..3)).prop_map(|(window, select, policies)| Rules {
            window,
            select,
            policies,
        }),
    )
}

fn targets() -> impl Strategy<Value = TargetRule> {
    let profile = prop_oneof![
        Just(Profile::Economy),
        Just(Profile::Balanced),
        Just(Profile::Responsive)
    ];
    let wait = (time(), option::of(time()), profile).prop_map(|(within, hint, profile)| {
        TargetRule::Wait(Wait {
            within,
            hint,
            tuning: profile.tuning(),
        })
    });
    prop_oneof![number().prop_map(TargetRule::Backlog), wait]
}

/// A few schedules now and then, some of them with frequent changes.
fn schedules() -> impl Strategy<Value = Vec<Schedule>> {
    let expressions = prop_oneof![
        Just(("0 8 * * MON-FRI", "0 18 * * MON-FRI")),
        Just(("30 2 * * *", "15 2 * * *")),
        Just(("*/3 * * * *", "*/5 * * * *")),
        Just(("0 2-4 * * *", "30 1,2 * * *")),
    ];
    let zone = prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/New_York")];
    let schedule = (expressions, zone, number())
        .prop_map(|((start, end), zone, min)| Schedule::new("office", start, end, zone, min).unwrap());
    prop_oneof![19 => Just(Vec::new()), 1 => vec(schedule, 1..3)]
}

/// Any time; those at which clocks change more often.
fn walls() -> impl Strategy<Value = Timestamp> {
    let near = |text: &str, hours: i64| {
        let at = text.parse::<Timestamp>().unwrap().as_second();
        (at..at + 3600 * hours).prop_map(|second| Timestamp::from_second(second).unwrap())
    };
    prop_oneof![
        4 => near("2026-01-05T00:00:00Z", 24 * 365),
        1 => near("2026-03-29T00:00:00Z", 4),
        1 => near("2026-11-01T04:00:00Z", 4),
        1 => prop_oneof![Just(Timestamp::MIN), Just(Timestamp::MAX), Just(Timestamp::UNIX_EPOCH)],
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let fallback = option::of((number(), time()).prop_map(|(replicas, after)| Fallback { replicas, after }));
    let behavior = (rules(), rules()).prop_map(|(up, down)| Behavior { up, down });
    let numbers = (number(), number(), targets(), option::of(number()), schedules());
    (numbers, time(), time(), behavior, fallback, prop::bool::weighted(0.05)).prop_map(
        |((min, max, target, slots, schedules), idle, period, behavior, fallback, suspended)| Policy {
            stranded: ("", ""),
            min,
            max,
            schedules,
            target,
            slots,
            idle,
            behavior,
            fallback,
            suspended,
            period,
        },
    )
}

fn works() -> impl Strategy<Value = Work> {
    // On the heap: series of these would be too large for a test's stack.
    let since = prop_oneof![walls().prop_map(Since::Published), time().prop_map(Since::Seen)].boxed();
    let tasks = (tasks(), tasks(), tasks(), tasks(), tasks());
    (
        tasks,
        prop::bool::weighted(0.3),
        option::of(since),
        option::of(0_u64..9),
    )
        .prop_map(
            |((ready, in_flight, running, scheduled, due_soon), stays, oldest, unheld)| Work {
                ready,
                in_flight,
                running,
                scheduled,
                due_soon,
                stay: stays.then_some(KeepAlive::UnknownDue),
                unheld,
                oldest,
                ..Work::default()
            },
        )
}

fn readings() -> impl Strategy<Value = Reading> {
    let why = SampleError::Timeout;
    prop_oneof![
        6 => works().prop_map(Reading::Fresh),
        2 => Just(Reading::Fresh(Work::default())),
        1 => (works(), time()).prop_map(move |(work, age)| Reading::Stale { work, age, why: None }),
        1 => Just(Reading::Unknown { why }),
        1 => Just(Reading::Untold),
    ]
}

fn observations() -> impl Strategy<Value = Observation> {
    let workers = (
        number(),
        prop::bool::weighted(0.7),
        option::of(number()),
        option::of(tasks()),
        prop_oneof![3 => Just(0), 1 => number()],
    );
    let target = (number(), number(), prop::bool::weighted(0.2));
    ((time(), walls()), readings(), target, workers, option::of(time())).prop_map(
        |(
            (now, wall),
            reading,
            (replicas, ready, rollout),
            (busy_pods, workers_heard, slots, processed, silent_pods),
            next_due_in,
        )| {
            Observation {
                now,
                wall,
                reading,
                counted: Counted::at(now),
                replicas,
                ready,
                rollout,
                busy_pods,
                drains: false,
                workers_heard,
                // What is purged is seen sooner or later.
                reports_often: busy_pods % 2 == 0,
                silent_pods,
                slots,
                processed,
                next_due_in,
            }
        },
    )
}

/// Whether the numbers are ones that a real cluster may have.
fn is_plausible(seen: &Observation) -> bool {
    let work = match &seen.reading {
        Reading::Fresh(work) | Reading::Stale { work, .. } => work.clone(),
        Reading::Untold | Reading::Unknown { .. } => Work::default(),
    };
    let tasks = work
        .ready
        .max(work.in_flight)
        .max(work.running)
        .max(seen.processed.unwrap_or(0));
    tasks < 1 << 30 && seen.replicas.max(seen.ready) < 1 << 20 && seen.now < Duration::from_secs(1 << 30)
}

/// Memory after a series of observations.
fn memory_of(policy: &Policy, series: &[Observation]) -> Memory {
    series
        .iter()
        .fold(Memory::default(), |memory, seen| decide(policy, memory, seen).0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn total_within_limits_and_never_lower_on_a_guess(
        policy in policies(),
        series in vec(observations(), 0..8),
        seen in observations(),
    ) {
        let (memory, decision) = decide(&policy, memory_of(&policy, &series), &seen);
        let (replicas, current) = (decision.replicas, seen.replicas);
        prop_assert!(replicas <= policy.max.max(current));
        let least = policy.min.max(floor(&policy.schedules, seen.wall, WAKE_AHEAD).replicas);
        prop_assert!(policy.suspended || replicas >= least.min(policy.max));
        if let Reading::Fresh(work) = &seen.reading && replicas < current {
            prop_assert!(!seen.rollout);
            // Where no worker reports slots, the workers' own reports protect the pods, or each pod is taken to run one
            // task.
            let protected = if seen.workers_heard { policy.slots.map_or(0, |_| work.running) } else { work.in_flight };
            let slots = u64::from(policy.slots.unwrap_or(1).max(1));
            prop_assert!(u64::from(replicas) >= protected.div_ceil(slots).min(u64::from(current)));
            let busy = if seen.workers_heard { seen.busy_pods } else { 0 };
            prop_assert!(replicas >= busy.saturating_add(seen.silent_pods).min(current));
        } else {
            prop_assert!(replicas >= current);
        }
        prop_assert!(decision.decide_again_in >= s(0.05) && decision.decide_again_in <= s(60.));
        prop_assert!(decision.sentence.ends_with('.') && !decision.sentence.contains('\n'));

        let (again, repeated) = decide(&policy, memory.clone(), &seen);
        prop_assert_eq!((again, repeated), (memory, decision), "the same observation again");
    }

    #[test]
    fn more_work_never_asks_for_fewer(
        policy in policies(),
        series in vec(observations(), 0..8),
        seen in observations(),
        ready in tasks(),
        running in tasks(),
    ) {
        // Where the wait rule computes with numbers that no cluster has, their last digits are lost.
        let all = series.iter().chain([&seen]);
        let plausible = ready.max(running) < 1 << 30 && all.clone().all(is_plausible);
        if !plausible && matches!(policy.target, TargetRule::Wait(_)) {
            return Ok(());
        }
        let memory = memory_of(&policy, &series);
        let mut more = seen.clone();
        // Running tasks show how slow tasks are, and how many a pod runs: with more of them fewer pods may be enough.
        let known = matches!(policy.target, TargetRule::Backlog(_));
        if let Reading::Fresh(work) = &mut more.reading {
            work.ready = work.ready.saturating_add(ready);
            if known && work.in_flight.checked_add(running).is_some() {
                work.in_flight += running;
                work.running = work.running.saturating_add(running);
            }
        }
        let (_, less) = decide(&policy, memory.clone(), &seen);
        let (_, more) = decide(&policy, memory, &more);
        prop_assert!(more.wanted >= less.wanted, "{less:?} {more:?}");
        prop_assert!(more.replicas >= less.replicas || more.rule == Rule::BlockedQueue, "{less:?} {more:?}");
    }

    #[test]
    fn sentences_are_short(
        work in (0..=1_000_000_u64, 0..=1_000_000_u64, 0..=1_000_000_u64, 0..=1_000_000_u64),
        replicas in 0..=1000_u32,
        each in 1..=1000_u32,
        max in 0..=1000_u32,
    ) {
        let (ready, reserved, running, due) = work;
        let seen = at(0., replicas).waiting(ready).running(running, replicas).reserved(reserved).due_soon(due);
        let sentence = last_of(&pool(0, max, each), &[seen]).sentence;
        prop_assert!(sentence.len() < 160, "{} {}", sentence.len(), sentence);
    }
}

/// A million inputs, plain and absurd ones, each with the memory of those before it: too many for a strategy to draw.
#[test]
fn a_million_inputs_and_no_panic() {
    let mut state = 0_u64;
    // SplitMix64 (Steele, Lea, Flood 2014).
    let mut draw = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut number = move |usual: u64| match draw() % 16 {
        0 => u64::MAX,
        1 => 0,
        2 => draw(),
        _ => draw() % usual,
    };
    let (mut memory, mut now) = (Memory::default(), Duration::ZERO);
    let mut policy = pool(0, 10, 1);
    for n in 0..1_000_000 {
        if n % 50 == 0 {
            (memory, now) = (Memory::default(), Duration::ZERO);
            policy = pool(number(3) as u32, number(50) as u32, number(9) as u32);
            policy.period = Duration::from_millis(number(60_000));
            policy.slots = (number(4) > 0).then(|| number(9) as u32);
            if number(8) > 1 {
                let profile = [Profile::Economy, Profile::Balanced, Profile::Responsive][n / 50 % 3];
                policy.target = TargetRule::Wait(Wait {
                    within: Duration::from_millis(number(90_000)),
                    hint: (number(2) > 0).then(|| Duration::from_millis(number(60_000))),
                    tuning: profile.tuning(),
                });
            }
        }
        now = now.saturating_add(Duration::from_millis(number(9_000)));
        let (replicas, running) = (number(30) as u32, number(60));
        let mut seen = at(0., replicas).ready_pods(number(30) as u32).waiting(number(500));
        seen = seen
            .running(running.min(u64::MAX / 2), (number(20)) as u32)
            .processed(number(100_000));
        (seen.now, seen.counted) = (now, Counted::at(now));
        seen.workers_heard = number(5) > 0;
        let decision;
        (memory, decision) = decide(&policy, memory, &seen);
        assert!(decision.replicas <= policy.max.max(replicas));
    }
}
