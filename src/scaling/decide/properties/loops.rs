//! What holds over time, when decisions are carried out.
use super::*;

/// Period in which nothing changes in the world, and whether the broker answers.
#[derive(Clone, Debug)]
struct WorldPeriod {
    ticks: u32,
    answers: bool,
    seen: Observation,
    due_ticks: Option<u32>,
}

const TICK: Duration = Duration::from_millis(500);

fn stretches() -> impl Strategy<Value = Vec<WorldPeriod>> {
    let tasks = (0_u64..40, 0_u64..8, 0_u64..3, 0_u64..2);
    let work = (tasks, any::<bool>(), option::of(0_u64..4)).prop_map(
        |((ready, in_flight, scheduled, due_soon), stays, unheld)| Work {
            ready,
            in_flight,
            running: in_flight / 2,
            scheduled,
            due_soon,
            stay: stays.then_some(KeepAlive::Unreported),
            unheld,
            ..Work::default()
        },
    );
    let work = prop_oneof![2 => work, 1 => Just(Work::default())];
    let workers = (0_u32..4, prop::bool::weighted(0.8), option::of(0_u64..3));
    let stretch = (
        1_u32..300,
        prop::bool::weighted(0.85),
        work,
        workers,
        prop::bool::weighted(0.1),
        option::of(0_u32..200),
    );
    vec(
        stretch.prop_map(
            |(ticks, answers, work, (busy_pods, workers_heard, processed), rollout, due_ticks)| WorldPeriod {
                ticks,
                answers,
                seen: Observation {
                    reading: Reading::Fresh(work),
                    busy_pods,
                    workers_heard,
                    processed,
                    rollout,
                    ..at(0., 0)
                },
                due_ticks,
            },
        ),
        1..8,
    )
}

/// Closed loop: the world tick by tick, the decisions carried out at the next tick. Calls `decide` always, or only when
/// the observation contains something new or the last decision asked for it. Returns the replicas at each tick.
fn replicas_over_time(policy: &Policy, world: &[WorldPeriod], skip: bool) -> Vec<u32> {
    let (mut memory, mut last, mut trajectory) = (Memory::default(), None::<(Observation, Decision)>, vec![]);
    let (mut now, mut replicas, mut counted, mut count) = (s(0.), 3, None, None);
    for stretch in world {
        let due = stretch.due_ticks.map(|ticks| now + TICK * ticks);
        for _ in 0..stretch.ticks {
            if stretch.answers {
                (counted, count) = (Some(now), Some(stretch.seen.reading.clone()));
            }
            let age = counted.map(|at| now - at);
            let reading = match (age, &count) {
                (Some(age), Some(Reading::Fresh(work))) if age > policy.stale_after() && age < s(60.) => {
                    Reading::Stale {
                        work: work.clone(),
                        age,
                        why: Some(SampleError::Timeout),
                    }
                }
                (Some(age), Some(fresh)) if age <= policy.stale_after() => fresh.clone(),
                _ => Reading::Unknown {
                    why: SampleError::Timeout,
                },
            };
            let next_due_in = due.map(|due| due.saturating_sub(now));
            let seen = Observation {
                now,
                wall: wall(now.as_secs_f64()),
                reading,
                replicas,
                ready: replicas,
                next_due_in,
                ..stretch.seen.clone()
            };
            let nothing_new = last.as_ref().is_some_and(|(before, decision)| {
                later(before, now) == seen && now < before.now + decision.decide_again_in
            });
            if !(skip && nothing_new) {
                let (next, decision) = decide(policy, memory, &seen);
                memory = next;
                replicas = decision.replicas;
                last = Some((seen, decision));
            }
            trajectory.push(replicas);
            now += TICK;
        }
    }
    trajectory
}

fn small_rules() -> impl Strategy<Value = Option<Rules>> {
    let kind = prop_oneof![Just(PolicyType::Pods), Just(PolicyType::Percent)];
    let policy = (kind, 1_u32..60, 1_u64..60).prop_map(|(kind, value, period)| BehaviorPolicy {
        kind,
        value,
        period: Duration::from_secs(period),
    });
    let window = option::of((0_u64..90).prop_map(Duration::from_secs));
    let select = prop_oneof![Just(Select::Max), Just(Select::Min)];
    option::of(
        (window, select, vec(policy, 0..3)).prop_map(|(window, select, policies)| Rules {
            window,
            select,
            policies,
        }),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_caller_that_skips_what_is_not_new_misses_nothing(
        world in stretches(),
        (min, backlog) in (0_u32..3, 1_u32..4),
        idle in 0_u64..100,
        fallback in option::of((0_u32..9, 0_u64..100)),
        (up, down) in (small_rules(), small_rules()),
        schedule in option::weighted(0.3, 1_u32..9),
    ) {
        let mut policy = pool(min, 12, backlog).idle(idle as f64).period(0.5).up(up).down(down);
        if let Some((replicas, after)) = fallback {
            policy = policy.fallback(replicas, after as f64);
        }
        if let Some(min) = schedule {
            policy = policy.schedule("often", "1-59/5 * * * *", "3-59/5 * * * *", min);
        }
        let dense = replicas_over_time(&policy, &world, false);
        let skipping = replicas_over_time(&policy, &world, true);
        let differs = dense.iter().zip(&skipping).position(|(dense, skipping)| dense != skipping);
        prop_assert_eq!(differs, None, "dense {:?} skipping {:?}", dense, skipping);
    }

    #[test]
    fn the_sampling_period_shifts_a_step_down_by_at_most_itself(
        gaps in vec(0.1_f64..60., 1..40),
        fixed in option::of(0.1_f64..60.),
        (before, after) in (40_u64..200, 0_u64..40),
    ) {
        let longest = fixed.unwrap_or_else(|| gaps.iter().copied().fold(0., f64::max));
        let policy = pool(0, 50, 10).period(longest);
        let mut gaps = gaps.into_iter().cycle().map(|gap| fixed.unwrap_or(gap));
        let irregular = time_to_settle(&policy, before, after, || gaps.next().unwrap());
        let dense = time_to_settle(&policy, before, after, || 0.1);
        prop_assert!(irregular >= dense - s(0.2), "{irregular:?} before {dense:?}");
        prop_assert!(irregular <= dense + s(longest + 0.2), "{irregular:?} long after {dense:?}");
    }
}

/// Seconds until the replicas reach what the work needs, after 200 s of work and then less. Samples come after the
/// given gaps; between them `decide` is called again when the last decision asked for it.
fn time_to_settle(policy: &Policy, before: u64, after: u64, mut gap: impl FnMut() -> f64) -> Duration {
    let wanted = u32::try_from(after.div_ceil(10)).unwrap();
    let (mut memory, mut seen) = (Memory::default(), at(0., 0).waiting(before));
    let mut sample = s(gap());
    loop {
        let (next, decision) = decide(policy, memory, &seen);
        memory = next;
        if seen.now > s(200.) && decision.replicas == wanted {
            return seen.now;
        }
        let look = seen.now + decision.decide_again_in;
        let now = look.min(sample);
        if now == sample {
            let waiting = if now > s(200.) { after } else { before };
            seen = at(now.as_secs_f64(), decision.replicas).waiting(waiting);
            sample = now + s(gap());
        }
        seen = Observation {
            now,
            wall: wall(now.as_secs_f64()),
            replicas: decision.replicas,
            ready: decision.replicas,
            ..seen
        };
    }
}
