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
        "412 tasks outstanding (400 waiting, 12 running) need 42 replicas at 10 each; the maximum is 20.",
    );
    let all = at(0., 5).waiting(40).running(12, 5).reserved(3).due_soon(1);
    says(
        p(),
        &[all],
        "56 tasks outstanding (40 waiting, 12 running, 3 in flight, 1 due soon) need 6 replicas at 10 each.",
    );
    says(
        p(),
        &[at(0., 0).waiting(1)],
        "1 task outstanding (1 waiting) needs 1 replica at 10 each.",
    );
    says(
        pool(2, 20, 10),
        &[at(0., 0).waiting(1)],
        "1 task outstanding (1 waiting) needs 1 replica at 10 each; the minimum is 2.",
    );
    says(
        pool(0, 20, 1),
        &[at(0., 1).waiting(4).running(4, 1)],
        "8 tasks outstanding (4 waiting, 4 running) need 5 replicas at 1 each, running ones only theirs.",
    );
}

#[test]
fn no_work() {
    let p = || pool(0, 20, 10);
    says(p(), &[at(0., 0)], "No work.");
    says(p(), &[at(0., 0), at(99., 0)], "No work.");
    says(p(), &[at(0., 1), at(60., 1)], "No work for 60 s.");
    says(
        p(),
        &[at(0., 0).scheduled(4)],
        "No work; 4 scheduled tasks are not due yet.",
    );
    says(
        p(),
        &[at(0., 0).scheduled(1)],
        "No work; 1 scheduled task is not due yet.",
    );
    says(pool(2, 20, 10), &[at(0., 0)], "No work; the minimum is 2.");
    says(
        p().idle(1.5),
        &[at(0., 1).waiting(1), at(60., 1).waiting(1), at(61., 1)],
        "1 replica kept: no work, but not for 1.5 s yet.",
    );
}

#[test]
fn scheduled_work() {
    let p = || pool(0, 20, 10);
    says(
        p(),
        &[at(0., 0).due_soon(25)],
        "25 scheduled tasks come due within 30 s and need 3 replicas at 10 each.",
    );
    says(
        p(),
        &[at(0., 0).due_soon(1)],
        "1 scheduled task comes due within 30 s and needs 1 replica at 10 each.",
    );
    says(
        p(),
        &[at(0., 1).scheduled_in_memory(4)],
        "4 scheduled tasks live in a worker's memory, due at a time that is not known: 1 replica for that.",
    );
    says(
        p(),
        &[at(0., 0).scheduled(4).due_in(9.)],
        "A scheduled task comes due within 30 s and needs 1 replica.",
    );
    says(
        p(),
        &[at(0., 1).scheduled(4).due_in(90.)],
        "A scheduled task comes due within 90 s and needs 1 replica.",
    );
    says(
        p(),
        &[at(0., 1).stay(KeepAlive::Unreported)],
        "The workers have not all said whether they hold tasks that are not due: 1 replica until they do.",
    );
    says(
        p(),
        &[at(0., 1).stay(KeepAlive::Refused)],
        "The broker's permissions refuse to ask the workers whether they hold tasks that are not due: 1 replica in case they do.",
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
            "4 tasks wait in `unacked` for a worker that died or is stopping: 1 replica to give them back after the visibility timeout.",
        );
        says(
            policy,
            &known(1),
            "1 task waits in `unacked` for a worker that died or is stopping: 1 replica to give it back after the visibility timeout.",
        );
    }
}

#[test]
fn silent_is_not_dead() {
    let silent = |t, replicas| at(t, replicas).reserved(2).unheld(Some(2)).silent(1);
    says(
        pool(0, 20, 10),
        &[silent(0., 1), silent(8., 1), silent(200., 1)],
        "2 tasks outstanding (2 in flight) need 1 replica at 10 each.",
    );
    let keep_one = |t, seen: Observation| Observation { now: s(t), ..seen };
    for (seen, sentence) in [
        (
            at(0., 3).silent(2),
            "2 replicas kept: none is needed, but 2 silent pods may run tasks.",
        ),
        (
            at(0., 3).running(1, 1).silent(1),
            "2 replicas kept: 1 is enough, but 1 task runs, and 1 silent pod may run more.",
        ),
        (
            at(0., 3).silent(3).unheard(),
            "3 replicas kept: none is needed, but 3 silent pods may run tasks.",
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
        "7 replicas kept: 3 are enough, but a 30 s window has not passed.",
    );
    says(
        p(),
        &down(at(101., 7).waiting(60)),
        "7 replicas kept: 6 are enough, but a 60 s window has not passed.",
    );
    says(
        p(),
        &down(at(101., 7).waiting(9).rollout()),
        "7 replicas kept: 1 is enough, but the target is rolling out.",
    );
    says(
        p(),
        &[full(0.), at(101., 7), at(200., 7).running(5, 5)],
        "5 replicas kept: 1 is enough, but 5 run tasks.",
    );
    says(
        p(),
        &[full(0.), at(101., 7), at(200., 7).reserved(9).unheard()],
        "3 replicas kept: 1 is enough, but 9 tasks in flight may run on any of them.",
    );
    says(
        p(),
        &[at(0., 7)],
        "7 replicas kept: none is needed, but the work has been watched for less than 60 s.",
    );
    let stuck = |t, tasks| at(t, 2).waiting(tasks).processed(0);
    says(
        p(),
        &[stuck(0., 20), stuck(15., 400)],
        "2 replicas kept: 400 tasks wait and the workers start none of them, so more workers would not help.",
    );
    says(p().suspended(), &[at(0., 1)], "Suspended: hands off 1 replica.");
}

#[test]
fn behavior() {
    let up = |select| pool(0, 20, 10).up(rules(select, None, &[allows(PolicyType::Pods, 2, 60.)]));
    says(
        up(Select::Max),
        &[at(0., 0).waiting(50)],
        "2 replicas: 5 are needed, but behavior.scaleUp allows no more for now.",
    );
    says(
        up(Select::Disabled),
        &[at(0., 1).waiting(50)],
        "1 replica: 5 are needed, but behavior.scaleUp is disabled.",
    );
    let down = pool(0, 20, 10).down(rules(Select::Max, None, &[allows(PolicyType::Pods, 2, 60.)]));
    says(
        down,
        &[at(0., 7), at(60., 7)],
        "5 replicas: none is needed, but behavior.scaleDown allows no fewer for now.",
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
        "The minimum is 2 replicas; the broker cannot be read (Timeout).",
    );
    says(
        p().fallback(3, 30.),
        &[at(0., 0).unknown(), at(30., 0).unknown()],
        "The broker could not be read for 30 s (Timeout): at least 3 replicas, as the fallback says.",
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
    says(
        p(2),
        &[at(60., 0)],
        "No work; the schedule \"office\" keeps at least 2.",
    );
    says(
        p(2),
        &[at(60., 2).waiting(1)],
        "1 task outstanding (1 waiting) needs 1 replica at 10 each; the schedule \"office\" keeps at least 2.",
    );
    says(
        p(30),
        &[at(60., 0)],
        "No work; the schedule \"office\" keeps at least 30, but the maximum is 20.",
    );
    says(
        p(2),
        &[at(60., 0).unknown()],
        "2 replicas: the schedule \"office\" keeps at least 2; the broker cannot be read (Timeout).",
    );
}

#[test]
fn the_wait_target() {
    says(
        waits(0, 50, 60.0),
        &[at(0., 0).waiting(400)],
        "400 tasks wait to start within 60 s: at 6 s each that needs 19 replicas of 4 slots.",
    );
    says(
        waits(0, 10, 60.0),
        &[at(0., 0).waiting(1), at(1., 0).waiting(400)],
        "400 tasks wait to start within 60 s: at 6 s each that needs 19 replicas of 4 slots; the maximum is 10.",
    );
    says(
        waits(0, 50, 60.0),
        &[at(0., 1).running(2, 1)],
        "2 tasks run and need 1 replica.",
    );
    says(
        waits(0, 50, 60.0),
        &[at(0., 1).running(4, 1).reserved(146)],
        "146 tasks wait to start within 60 s, 146 of them fetched by busy workers, and no other can start those: \
         at 6 s each that needs 1 replica of 4 slots.",
    );
    let pending = |t, waiting| at(t, 10).ready_pods(4).waiting(waiting);
    says(
        waits(0, 1000, 60.0),
        &[at(0., 4), pending(1., 0), pending(299., 0), pending(300., 5000)],
        "5000 tasks wait to start within 60 s: at 6 s each that needs 220 replicas of 4 slots, but only 12 are ordered \
         while 6 pods are not ready.",
    );
    says(
        waits(0, 50, 60.0),
        &std::array::from_fn::<_, 121, _>(|n| at(n as f64, 1).waiting(u64::from(n % 3 == 1 && n < 118))),
        "Nothing waits or runs now: 1 replica for what may still come at the recent rate.",
    );
    says(
        waits(0, 50, 60.0),
        &[at(0., 1).waiting(1).running(1, 1), at(60., 1), at(130., 1)],
        "No work for 60 s.",
    );
}
