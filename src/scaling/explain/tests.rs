use super::super::{PolicyType, Rule, Select, fixture::*, *};

#[track_caller]
fn says(policy: Policy, series: &[Observation], sentence: &str) {
    assert_eq!(last_of(&policy, series).sentence, sentence);
}

#[test]
fn the_work() {
    let p = || pool(0, 20, 10);
    let mixed = at(0., 5).waiting(400).running(12, 5);
    says(
        p(),
        &[mixed],
        "Capped at 20 by maxReplicas (42 would do): 412 tasks (400 waiting, 12 running), 10 per replica.",
    );
    let all = at(0., 5).waiting(40).running(12, 5).reserved(3).due_soon(1);
    says(
        p(),
        &[all],
        "6 replicas: 56 tasks (40 waiting, 12 running, 3 prefetched, 1 due soon), 10 per replica.",
    );
    says(
        p(),
        &[at(0., 0).waiting(1)],
        "1 replica: 1 task (1 waiting), 10 per replica.",
    );
    says(
        pool(2, 20, 10),
        &[at(0., 0).waiting(1)],
        "Keeping 2 by minReplicas (1 would do): 1 task (1 waiting), 10 per replica.",
    );
    says(
        pool(0, 20, 1),
        &[at(0., 1).waiting(4).running(4, 1)],
        "5 replicas: 8 tasks (4 waiting, 4 running), 1 per replica; running tasks stay on their pods.",
    );
}

#[test]
fn no_work() {
    let p = || pool(0, 20, 10);
    says(p(), &[at(0., 0)], "Idle: no work.");
    says(p(), &[at(0., 0), at(99., 0)], "Idle: no work.");
    says(p(), &[at(0., 1), at(60., 1)], "Idle: no work for 60 s.");
    says(
        p(),
        &[at(0., 0).scheduled(4)],
        "Idle: no work; 4 scheduled tasks are not due yet.",
    );
    says(
        p(),
        &[at(0., 0).scheduled(1)],
        "Idle: no work; 1 scheduled task is not due yet.",
    );
    says(pool(2, 20, 10), &[at(0., 0)], "Keeping 2 by minReplicas: no work.");
    says(
        p().idle(1.5),
        &[at(0., 1).waiting(1), at(60., 1).waiting(1), at(61., 1)],
        "Keeping 1: idle for less than scaleDown.idleSeconds (1.5 s).",
    );
}

#[test]
fn scheduled_work() {
    let p = || pool(0, 20, 10);
    says(
        p(),
        &[at(0., 0).due_soon(25)],
        "3 replicas: 25 scheduled tasks come due within 30 s, 10 per replica.",
    );
    says(
        p(),
        &[at(0., 0).due_soon(1)],
        "1 replica: 1 scheduled task comes due within 30 s, 10 per replica.",
    );
    says(
        p(),
        &[at(0., 1).scheduled_in_memory(4)],
        "Keeping 1: a worker holds 4 scheduled tasks whose due time is not known.",
    );
    says(
        p(),
        &[at(0., 0).scheduled(4).due_in(9.)],
        "1 replica: a scheduled task comes due within 30 s.",
    );
    says(
        p(),
        &[at(0., 1).scheduled(4).due_in(90.)],
        "Keeping 1: a scheduled task comes due within 90 s.",
    );
    says(
        p(),
        &[at(0., 1).stay(KeepAlive::Unreported)],
        "Keeping 1: some workers have not answered whether they hold scheduled tasks.",
    );
    says(
        p(),
        &[at(0., 1).stay(KeepAlive::Refused)],
        "Keeping 1: the broker's permissions refuse to ask the workers whether they hold scheduled tasks.",
    );
}

#[test]
fn work_of_dead_workers() {
    let dead = |t, tasks| at(t, 1).reserved(tasks).unheld(Some(tasks));
    for policy in [pool(0, 20, 10), waits(0, 20, 60.)] {
        let known = |tasks| [dead(0., tasks), dead(8., tasks), dead(200., tasks)];
        says(
            policy.clone(),
            &known(4),
            "Keeping 1: 4 tasks of a dead or stopping worker (in `unacked`) return to the queue after the visibility timeout.",
        );
        says(
            policy,
            &known(1),
            "Keeping 1: 1 task of a dead or stopping worker (in `unacked`) returns to the queue after the visibility timeout.",
        );
    }
}

#[test]
fn silent_is_not_dead() {
    let silent = |t, replicas| at(t, replicas).reserved(2).unheld(Some(2)).silent(1);
    says(
        pool(0, 20, 10),
        &[silent(0., 1), silent(8., 1), silent(200., 1)],
        "1 replica: 2 tasks (2 prefetched), 10 per replica.",
    );
    let keep_one = |t, seen: Observation| Observation { now: s(t), ..seen };
    for (seen, sentence) in [
        (
            at(0., 3).silent(2),
            "Keeping 2 (0 would do): 2 silent pods may run tasks.",
        ),
        (
            at(0., 3).running(1, 1).silent(1),
            "Keeping 2 (1 would do): 1 task runs, and 1 silent pod may run more.",
        ),
        (
            at(0., 3).silent(3).unheard(),
            "Keeping 3 (0 would do): 3 silent pods may run tasks.",
        ),
    ] {
        says(
            pool(0, 20, 10),
            &[0., 100., 200.].map(|t| keep_one(t, seen.clone())),
            sentence,
        );
    }
}

#[test]
fn what_holds_replicas_back() {
    let p = || pool(0, 20, 10);
    let full = |t| at(t, 7).waiting(70);
    let down = |seen: Observation| [full(0.), full(100.), seen];
    says(
        p(),
        &down(at(101., 7).waiting(30)),
        "Keeping 7 (3 would do): the 30 s scale-down window has not passed.",
    );
    says(
        p(),
        &down(at(101., 7).waiting(60)),
        "Keeping 7 (6 would do): the 60 s scale-down window has not passed.",
    );
    says(
        p(),
        &down(at(101., 7).waiting(9).rollout()),
        "Keeping 7 (1 would do): the target is rolling out.",
    );
    says(
        p(),
        &[full(0.), at(101., 7), at(200., 7).running(5, 5)],
        "Keeping 5 (1 would do): they run tasks.",
    );
    says(
        p(),
        &[full(0.), at(101., 7), at(200., 7).reserved(9).unheard()],
        "Keeping 3 (1 would do): 9 reserved or running tasks may be on any of them.",
    );
    says(
        p(),
        &[at(0., 7)],
        "Keeping 7 (0 would do): the work has been watched for less than 60 s.",
    );
    let stuck = |t, tasks| at(t, 2).waiting(tasks).processed(0);
    says(
        p(),
        &[stuck(0., 20), stuck(15., 400)],
        "Keeping 2: 400 tasks wait and the workers start none, so more workers would not help.",
    );
    says(p().suspended(), &[at(0., 1)], "Suspended: replicas stay at 1.");
}

/// Sentences of the pools in `tests/contract`.
#[test]
fn the_status_contract() {
    let p = || pool(0, 8, 2);
    let waiting = |tasks| at(0., 0).waiting(tasks);
    says(p(), &[waiting(12)], "6 replicas: 12 tasks (12 waiting), 2 per replica.");
    says(
        p(),
        &[waiting(200)],
        "Capped at 8 by maxReplicas (100 would do): 200 tasks (200 waiting), 2 per replica.",
    );
    says(pool(1, 8, 2), &[at(0., 1)], "Keeping 1 by minReplicas: no work.");
    says(p().suspended(), &[at(0., 6)], "Suspended: replicas stay at 6.");
}

#[test]
fn behavior() {
    let up = |select| pool(0, 20, 10).up(rules(select, None, &[allows(PolicyType::Pods, 2, 60.)]));
    says(
        up(Select::Max),
        &[at(0., 0).waiting(50)],
        "Keeping 2 (5 would do): behavior.scaleUp allows no more for now.",
    );
    says(
        up(Select::Disabled),
        &[at(0., 1).waiting(50)],
        "Keeping 1 (5 would do): behavior.scaleUp is disabled.",
    );
    let down = pool(0, 20, 10).down(rules(Select::Max, None, &[allows(PolicyType::Pods, 2, 60.)]));
    says(
        down,
        &[at(0., 7), at(60., 7)],
        "Keeping 5 (0 would do): behavior.scaleDown allows no fewer for now.",
    );
}

#[test]
fn no_reading() {
    let p = || pool(0, 20, 10);
    says(
        p(),
        &[at(0., 5).unknown()],
        "Holding 5 replicas: the broker cannot be read (Timeout); nothing is scaled down.",
    );
    says(
        p(),
        &[at(9., 1).stale(5.)],
        "Holding 1 replica: the last count is older than 3 s (Timeout); nothing is scaled down.",
    );
    says(
        pool(2, 20, 10),
        &[at(0., 0).unknown()],
        "Keeping 2 by minReplicas: the broker cannot be read (Timeout).",
    );
    says(
        p().fallback(3, 30.),
        &[at(0., 0).unknown(), at(30., 0).unknown()],
        "Fallback: at least 3 replicas while the broker cannot be read (Timeout), after fallback.afterSeconds (30 s).",
    );
}

#[test]
fn nobody_has_said_which_queues_there_are() {
    let p = || pool(0, 20, 10);
    says(
        p(),
        &[at(0., 0).untold()],
        "Holding 0 replicas: no worker has said yet which queues it fetches from; start one (minReplicas: 1, or scale the \
         target to 1 once).",
    );
    says(
        p(),
        &[at(0., 2).untold(), at(99., 2).untold()],
        "Holding 2 replicas: no worker has said yet which queues it fetches from; nothing is scaled down.",
    );
    says(
        pool(1, 20, 10),
        &[at(0., 0).untold()],
        "Keeping 1 by minReplicas: no worker has said yet which queues it fetches from.",
    );
    // The broker is read, so the fallback's time has not begun.
    let untold = |then: Observation| [at(0., 0).untold(), at(29., 0).untold(), then];
    for (then, sentence) in [
        (
            at(99., 0).untold(),
            "Holding 0 replicas: no worker has said yet which queues it fetches from; start one (minReplicas: 1, or scale \
             the target to 1 once).",
        ),
        (
            at(58., 0).unknown(),
            "Holding 0 replicas: the broker cannot be read (Timeout); nothing is scaled down.",
        ),
        (
            at(59., 0).unknown(),
            "Fallback: at least 3 replicas while the broker cannot be read (Timeout), after fallback.afterSeconds (30 s).",
        ),
    ] {
        says(p().fallback(3, 30.), &untold(then), sentence);
    }
    // No count is one without work.
    says(
        p(),
        &[at(0., 5), at(300., 5).untold(), at(301., 5)],
        "Keeping 5 (0 would do): the work has been watched for less than 60 s.",
    );
}

#[test]
fn a_countdown_changes_no_sentence() {
    let policy = pool(0, 20, 10).fallback(3, 30.);
    let full = |t| at(t, 7).waiting(70);
    for waiting in [
        [full(0.), at(101., 7).waiting(30), at(105., 7).waiting(30)],
        [full(0.), at(101., 7).unknown(), at(105., 7).unknown()],
        [full(0.), at(101., 7).stale(4.), at(105., 7).stale(8.)],
        [full(0.), at(1., 7), at(5., 7)],
    ] {
        let [.., before, _] = &waiting;
        let earlier = last_of(&policy, &[waiting[0].clone(), before.clone()]).sentence;
        assert_eq!(last_of(&policy, &waiting).sentence, earlier);
    }
}

#[test]
fn reasons_are_the_rules_names() {
    for rule in [Rule::Backlog, Rule::CoolingDown, Rule::BlockedQueue, Rule::Suspended] {
        assert_eq!(rule.reason(), format!("{rule:?}"));
    }
}

#[test]
fn schedules() {
    let p = |min| pool(0, 20, 10).schedule("office", "1 12 * * *", "5 12 * * *", min);
    says(p(2), &[at(60., 0)], "Keeping 2 by the schedule \"office\": no work.");
    says(
        p(2),
        &[at(60., 2).waiting(1)],
        "Keeping 2 by the schedule \"office\" (1 would do): 1 task (1 waiting), 10 per replica.",
    );
    says(
        p(30),
        &[at(60., 0)],
        "Keeping 20 by the schedule \"office\" (it asks for 30, maxReplicas is 20): no work.",
    );
    says(
        p(2),
        &[at(60., 0).unknown()],
        "Keeping 2 by the schedule \"office\": the broker cannot be read (Timeout).",
    );
}

#[test]
fn the_wait_target() {
    says(
        waits(0, 50, 60.0),
        &[at(0., 0).waiting(400)],
        "19 replicas: 400 tasks must start within 60 s (6 s each, 4 at a time per replica).",
    );
    says(
        waits(0, 10, 60.0),
        &[at(0., 0).waiting(1), at(1., 0).waiting(400)],
        "Capped at 10 by maxReplicas (19 would do): 400 tasks must start within 60 s (6 s each, 4 at a time per replica).",
    );
    says(
        waits(0, 50, 60.0),
        &[at(0., 1).running(2, 1)],
        "1 replica: 2 tasks run.",
    );
    says(
        waits(0, 50, 60.0),
        &[at(0., 1).running(4, 1).reserved(146)],
        "1 replica: 146 tasks must start within 60 s (6 s each, 4 at a time per replica); 146 of them are prefetched by \
         busy workers, and no other can start those.",
    );
    let pending = |t, waiting| at(t, 10).ready_pods(4).waiting(waiting);
    says(
        waits(0, 1000, 60.0),
        &[at(0., 4), pending(1., 0), pending(299., 0), pending(300., 5000)],
        "12 replicas (220 would do): 5000 tasks must start within 60 s (6 s each, 4 at a time per replica); no more while \
         6 pods are not ready.",
    );
    says(
        waits(0, 50, 60.0),
        &std::array::from_fn::<_, 121, _>(|n| at(n as f64, 1).waiting(u64::from(n % 3 == 1 && n < 118))),
        "1 replica: nothing waits or runs; for what may still come at the recent rate.",
    );
    says(
        waits(0, 50, 60.0),
        &[at(0., 1).waiting(1).running(1, 1), at(60., 1), at(130., 1)],
        "Idle: no work for 60 s.",
    );
}
