//! The table: a pool, what is seen and when, and what must come out, in the shape of the HPA's own tests.
use super::super::{PolicyType::*, Rule::*, Select::*, fixture::*, *};

/// Expects this number and rule from the last observation of the series.
#[track_caller]
fn row(what: &str, policy: Policy, series: &[Observation], replicas: u32, rule: Rule) {
    let decision = last_of(&policy, series);
    let told = (decision.replicas, decision.rule);
    assert_eq!(told, (replicas, rule), "{what}: {}", decision.sentence);
}

/// Expects that time alone changes the decision after this number of seconds.
#[track_caller]
fn looks_again(what: &str, policy: Policy, series: &[Observation], seconds: f64) {
    assert_eq!(last_of(&policy, series).decide_again_in, s(seconds), "{what}");
}

#[test]
fn backlog() {
    let p = || pool(0, 20, 10);
    row("one task is one worker", p(), &[at(0., 0).waiting(1)], 1, Backlog);
    row("from zero straight to N", p(), &[at(0., 0).waiting(95)], 10, Backlog);
    row("exactly full", p(), &[at(0., 0).waiting(100)], 10, Backlog);
    row("one more", p(), &[at(0., 0).waiting(101)], 11, Backlog);
    row("up at once, however recent the start", p(), &[at(0., 3).waiting(60)], 6, Backlog);
    row("in flight counts", p(), &[at(0., 1).waiting(9).reserved(2)], 2, Backlog);
    row("enough already", p(), &[at(0., 2).waiting(15)], 2, Backlog);
    row("more than the maximum", p(), &[at(0., 2).waiting(900)], 20, Maximum);
    row("less than the minimum", pool(3, 20, 10), &[at(0., 0).waiting(5)], 3, Minimum);
    row("no work, minimum", pool(2, 20, 10), &[at(0., 0)], 2, Minimum);
    row("contradicting limits: the maximum counts", pool(9, 4, 10), &[at(0., 0)], 4, Minimum);
    row("a maximum of 0", pool(0, 0, 10), &[at(0., 0).waiting(5)], 0, Maximum);
    row("0 for each is 1 for each", pool(0, 20, 0), &[at(0., 0).waiting(5)], 5, Backlog);
    row("running tasks need only their own", pool(0, 20, 1), &[at(0., 1).running(4, 1)], 1, Backlog);
    row("and the others come on top", pool(0, 20, 1), &[at(0., 1).running(4, 1).waiting(4)], 5, Backlog);
    row("no third step", pool(0, 20, 1), &[at(0., 5).running(4, 1).waiting(4)], 5, Backlog);
    row("up during a rollout", p(), &[at(0., 1).waiting(50).rollout()], 5, Backlog);
}

/// A worker with prefetch 150 and concurrency 2: no other worker can start what it has fetched.
#[test]
fn what_a_worker_has_fetched_orders_nobody() {
    let hoards = |t, replicas| Observation { slots: Some(2), ..at(t, replicas).running(2, 1).reserved(148).processed(2) };
    let p = |each| Policy { slots: Some(2), ..pool(0, 20, each) };
    let w = || Policy { slots: Some(2), ..waits(0, 20, 60.) };
    row("backlog", p(2), &[hoards(0., 1)], 1, Backlog);
    row("beside free ones", p(2), &[hoards(0., 4), hoards(90., 4)], 1, Backlog);
    row("what waits comes on top", p(2), &[hoards(0., 1).waiting(10)], 6, Backlog);
    row("as many as usual count", p(10), &[at(0., 3).running(6, 3).reserved(18)], 3, Backlog);
    row("nobody says who", p(2), &[hoards(0., 1).unheard()], 20, Maximum);
    row("a silent one may hold some", p(2), &[hoards(0., 2).silent(1)], 2, Backlog);
    row("not said yet: all that are there", p(2), &[at(0., 2).reserved(148)], 2, Backlog);
    row("wait", w(), &[at(0., 1).waiting(150), hoards(1., 1), hoards(30., 1), hoards(200., 1)], 1, Deadline);
    row("wait, without a history", w(), &[hoards(0., 1)], 1, Deadline);
    row("wait, beside free ones", w(), &[hoards(0., 4), hoards(90., 4), hoards(300., 4)], 1, Deadline);
    let first = last_of(&w(), &[at(0., 1).waiting(60)]).replicas;
    let beside = last_of(&w(), &[hoards(0., 1).waiting(60)]).replicas;
    assert!(beside > first && beside <= first + 2, "{beside} for 60 more, {first} without a hoarder");
}

#[test]
fn limited_only_when_a_limit_binds() {
    for (policy, series, limited) in [
        (pool(0, 20, 10), at(0., 2).waiting(900), Some(Maximum)),
        (pool(0, 20, 10), at(0., 20).waiting(200), None),
        (pool(2, 20, 10), at(0., 2), Some(Minimum)),
        (pool(2, 20, 10), at(0., 5), None),
        (pool(0, 20, 10), at(0., 25).waiting(900), Some(Maximum)),
        (pool(0, 20, 10), at(0., 3).unknown(), None),
    ] {
        assert_eq!(last_of(&policy, std::slice::from_ref(&series)).limited, limited, "{series:?}");
    }
}

#[test]
fn windows() {
    let p = || pool(1, 20, 10);
    let full = |t| at(t, 10).waiting(95);
    row("nothing goes down at once", p(), &[full(0.), full(100.), at(101., 10).waiting(30)], 10, Window);
    row("a clear surplus: 29 s", p(), &[full(0.), at(101., 10).waiting(30), at(130.9, 10).waiting(30)], 10, Window);
    row("a clear surplus: 30 s", p(), &[full(0.), at(101., 10).waiting(30), at(131., 10).waiting(30)], 3, Backlog);
    row("a small one: 59 s", p(), &[full(0.), at(101., 10).waiting(85), at(160.9, 10).waiting(85)], 10, Window);
    row("a small one: 60 s", p(), &[full(0.), at(101., 10).waiting(85), at(161., 10).waiting(85)], 9, Backlog);
    let dip = [full(0.), at(100., 10).waiting(30), at(110., 10).waiting(70), at(115., 10).waiting(30)];
    let then = |t| [&dip[..], &[at(t, 10).waiting(30)]].concat();
    row("down to the highest of 30 s", p(), &then(130.), 7, Window);
    row("the peak held until 115 s", p(), &then(145.), 3, Backlog);
    row(
        "one sample in 60 s is enough, if it held",
        p().period(60.),
        &[full(0.), full(60.), at(120., 10).waiting(30), at(180., 10).waiting(30)],
        3,
        Backlog,
    );
    row("a lowered maximum counts at once", pool(1, 4, 10), &[full(0.), full(30.), full(60.)], 4, Maximum);
    row("never during a rollout", p(), &[full(0.), at(61., 10), at(200., 10).rollout()], 10, Rollout);
    looks_again("at the end of the window", p(), &[full(0.), full(100.), at(101., 10).waiting(30)], 30.);
    looks_again("nothing pending", p(), &[full(0.), full(100.), full(101.)], 30.);
}

#[test]
fn after_a_start_or_a_gap_nothing_goes_down_for_a_window() {
    let p = || pool(0, 20, 10);
    row("started", p(), &[at(0., 10)], 10, JustStarted);
    row("59 s of readings", p(), &[at(0., 10), at(59.9, 10)], 10, JustStarted);
    row("60 s of readings and of no work", p(), &[at(0., 10), at(60., 10)], 0, Idle);
    let gap = [at(0., 10), at(100., 10).unknown(), at(101., 10)];
    row("a gap", p(), &gap, 10, JustStarted);
    row("after it", p(), &[&gap[..], &[at(160.9, 10)]].concat(), 10, JustStarted);
    row("a window after it", p(), &[&gap[..], &[at(161., 10)]].concat(), 0, Idle);
    row("stale is a gap too", p(), &[at(0., 10), at(90., 10).stale(4.), at(91., 10)], 10, JustStarted);
    let (memory, _) = decide(&p(), Memory::default(), &at(0., 10));
    let (_, decision) = decide(&p(), memory, &at(64., 10));
    assert_eq!(decision.rule, JustStarted, "silence for more than a minute");
    looks_again("when the window ends", p().idle(5.), &[at(0., 10), at(20., 10)], 40.);
}

#[test]
fn to_the_minimum_when_idle() {
    let p = || pool(0, 20, 10);
    let work = |t, n| at(t, n).waiting(5);
    row("no work, but not for long", p(), &[work(0., 1), work(100., 1), at(101., 1)], 1, CoolingDown);
    row("59 s", p(), &[work(0., 1), at(101., 1), at(160.9, 1)], 1, CoolingDown);
    row("60 s", p(), &[work(0., 1), at(101., 1), at(161., 1)], 0, Idle);
    row("a task in between", p(), &[work(0., 1), at(101., 1), work(150., 1), at(170., 1)], 1, CoolingDown);
    row("no window after the idle time", p().idle(5.), &[work(0., 9), at(101., 9), at(106., 9)], 0, Idle);
    row("many wait for their window", p(), &[work(0., 9).waiting(90), at(101., 9), at(120., 9)], 9, Window);
    row("the last one for its idle time", p().idle(300.), &[work(0., 9), at(101., 9), at(140., 9)], 1, CoolingDown);
    row("0 s idle, one reading", p().idle(0.), &[work(0., 1), work(99., 1), at(100., 1)], 1, CoolingDown);
    row("0 s idle, two readings", p().idle(0.), &[work(0., 1), at(100., 1), at(101., 1)], 0, Idle);
    row("idle to a minimum of 2", pool(2, 20, 10), &[work(0., 9), at(101., 9), at(161., 9)], 2, Idle);
    row("already there", pool(2, 20, 10), &[work(0., 2), at(101., 2), at(161., 2)], 2, Minimum);
    row("asleep", p(), &[at(0., 0)], 0, Idle);
    let took = |t, tasks| at(t, 1).processed(tasks);
    row("tasks between two counts", p(), &[took(0., 5), took(59., 5), took(60., 6)], 1, CoolingDown);
    row("59 s after them", p(), &[took(0., 5), took(60., 6), took(119.9, 6)], 1, CoolingDown);
    row("60 s after them", p(), &[took(0., 5), took(60., 6), took(120., 6)], 0, Idle);
    row("with a wait target", waits(0, 20, 60.), &[took(0., 5), took(59., 5), took(60., 6)], 1, Deadline);
    row("0 s idle", p().idle(0.), &[took(0., 5), took(99., 5), took(100., 6)], 1, CoolingDown);
    row("a worker left", p(), &[took(0., 5), took(30., 3), took(60., 3)], 0, Idle);
    row("a worker left, another worked", p(), &[took(0., 5), took(30., 3), took(60., 4)], 1, CoolingDown);
    row("the workers fell silent", p(), &[took(0., 5), at(30., 1).unheard(), took(60., 5)], 0, Idle);
    row("they worked meanwhile", p(), &[took(0., 5), at(30., 1).unheard(), took(60., 6)], 1, CoolingDown);
    let gap = |seen: Observation, after: Observation| [seen, at(100., 1).unknown(), after];
    let slow = || p().idle(300.);
    let then = |series: &[Observation], seen: Observation| [series, &[seen]].concat();
    row("nobody counted in a gap", slow(), &then(&gap(at(0., 1), at(101., 1)), at(390., 1)), 1, CoolingDown);
    row("in time", slow(), &then(&gap(at(0., 1), at(101., 1)), at(401., 1)), 0, Idle);
    row("nothing was done in a gap", slow(), &then(&gap(took(0., 5), took(101., 5)), took(300., 5)), 0, Idle);
    row("something was", slow(), &then(&gap(took(0., 5), took(101., 6)), took(300., 6)), 1, CoolingDown);
    looks_again("when idle", p().idle(55.), &[work(0., 1), at(101., 1), at(150., 1)], 6.);
}

#[test]
fn running_work_is_never_interrupted() {
    let p = || pool(0, 20, 10);
    let full = |t| at(t, 10).waiting(95);
    let later = |seen: Observation| [full(0.), Observation { now: s(101.), ..seen.clone() }, seen];
    row("busy pods stay", p(), &later(at(200., 10).running(7, 7)), 7, RunningWork);
    row("running tasks need slots", p(), &later(at(200., 10).running(9, 1)), 3, RunningWork);
    row("silent pods may be busy", p(), &later(at(200., 10).silent(4)), 4, RunningWork);
    row("beside those that are", p(), &later(at(200., 10).running(7, 3).silent(4)), 7, RunningWork);
    row("and those that need the room", p(), &later(Observation { drains: true, ..at(200., 10).running(7, 3).silent(4) }), 6, RunningWork);
    row("nobody is heard", p(), &later(at(200., 10).silent(10).unheard()), 10, RunningWork);
    row("nobody is heard, some hold tasks", p(), &later(at(200., 10).reserved(30).silent(2).unheard()), 8, RunningWork);
    row("silent above the maximum", pool(0, 4, 10), &later(at(200., 10).silent(6)), 6, RunningWork);
    row("unheard: all in flight", p(), &later(at(200., 10).reserved(9).unheard()), 3, RunningWork);
    row("busy pods are not trusted then", p(), &later(at(200., 10).running(1, 9).unheard()), 1, Backlog);
    row("never more than there are", p(), &later(at(200., 3).reserved(90).unheard()), 9, Backlog);
    row("above the maximum", pool(0, 4, 10), &later(at(200., 10).running(7, 7)), 7, RunningWork);
    let drains = |seen| Observation { drains: true, ..seen };
    row("workers that can be emptied: only the room counts", p(), &later(drains(at(200., 10).running(9, 7))), 3, RunningWork);
    row("and no more than the maximum", pool(0, 2, 10), &later(drains(at(200., 10).running(9, 7))), 2, RunningWork);
    row("slots unknown: busy pods stay", Policy { slots: None, ..p() }, &later(drains(at(200., 10).running(9, 7))), 7, RunningWork);
    row("idle, yet a pod is busy", p(), &later(Observation { busy_pods: 2, ..at(200., 10) }), 2, RunningWork);
    row("0 slots are 1", Policy { slots: Some(0), ..p() }, &later(at(200., 10).running(3, 1)), 3, RunningWork);
    row("unknown slots: the workers' word counts", Policy { slots: None, ..p() }, &later(at(200., 10).running(9, 2)), 2, RunningWork);
}

#[test]
fn unread() {
    let p = || pool(0, 20, 10);
    let f = || p().fallback(3, 30.);
    row("never read", p(), &[at(0., 5).unknown()], 5, Unknown);
    row("held for ever", p(), &[at(0., 5), at(9999., 5).unknown()], 5, Unknown);
    row("at least the minimum", pool(2, 20, 10), &[at(0., 0).unknown()], 2, Minimum);
    row("above the maximum", p(), &[at(0., 25).unknown()], 25, Unknown);
    row("stale work does not raise", p(), &[at(9., 1).waiting(90).stale(5.)], 1, Stale);
    row("stale quiet does not lower", p(), &[at(0., 9), at(99., 9), at(199., 9).stale(5.)], 9, Stale);
    row("not yet", f(), &[at(0., 0).unknown(), at(29., 0).unknown()], 0, Unknown);
    row("fallback, from zero too", f(), &[at(0., 0).unknown(), at(30., 0).unknown()], 3, Fallback);
    row("since the last fresh one", f(), &[at(0., 1), at(2., 1).unknown(), at(29., 1).unknown()], 1, Unknown);
    row("for 30 s", f(), &[at(0., 1), at(2., 1).unknown(), at(30., 1).unknown()], 3, Fallback);
    row("stale, by its age", f(), &[at(99., 0).stale(30.)], 3, Fallback);
    row("never fewer", f(), &[at(0., 7).unknown(), at(30., 7).unknown()], 7, Fallback);
    row("never above the maximum", pool(0, 2, 10).fallback(3, 0.), &[at(0., 1).unknown()], 2, Fallback);
    row("nor below the present number", pool(0, 2, 10).fallback(3, 0.), &[at(0., 5).unknown()], 5, Fallback);
    row("it ends with a reading", f(), &[at(0., 3).unknown(), at(30., 3).unknown(), at(31., 3)], 3, JustStarted);
    row("suspended", f().suspended(), &[at(0., 7), at(99., 7).waiting(500)], 7, Suspended);
    row("suspended below the minimum", pool(2, 4, 1).suspended(), &[at(0., 0)], 0, Suspended);
    looks_again("when the fallback is due", f(), &[at(0., 0).unknown(), at(12., 0).unknown()], 18.);
}

#[test]
fn scheduled() {
    let p = || pool(0, 20, 10);
    row("due soon", p(), &[at(0., 0).due_soon(25)], 3, Scheduled);
    row("due later", p(), &[at(0., 0).scheduled(25).due_in(31.)], 0, Idle);
    row("due by now", p(), &[at(0., 0).scheduled(25).due_in(30.)], 1, Scheduled);
    row("due later, counted before", p(), &[at(0., 0).due_soon(25).due_in(31.)], 0, Idle);
    row("a worker is there: it stays for its idle time more", p(), &[at(0., 1).scheduled(2).due_in(90.)], 1, Scheduled);
    row("… and no longer", p(), &[at(0., 1).scheduled(2).due_in(170.), at(60., 1).scheduled(2).due_in(110.)], 0, Idle);
    row("in a worker's memory", p(), &[at(0., 1).scheduled_in_memory(2)], 1, Scheduled);
    row("perhaps in a worker's memory", p(), &[at(0., 1).stay(KeepAlive::Unreported), at(600., 1).stay(KeepAlive::Unreported)], 1, Scheduled);
    let memory = |t| at(t, 5).scheduled_in_memory(2);
    row("one keeps them", p(), &[memory(0.), memory(60.), memory(600.)], 1, Scheduled);
    row("work besides", p(), &[at(0., 1).scheduled_in_memory(2).waiting(30)], 3, Backlog);
    looks_again("when it is to be woken", p(), &[at(0., 0).scheduled(1).due_in(50.)], 20.);
    looks_again("at most a minute", p(), &[at(0., 0).scheduled(1).due_in(5000.)], 60.);
}

#[test]
fn a_start_up_ahead() {
    // From the order at 1 s until the worker was heard at 41 s: 40 s, and 5 on top.
    let learned = [
        at(0., 0).waiting(1).unheard(),
        at(1., 1).waiting(1).ready_pods(0).unheard(),
        at(31., 1).waiting(1).unheard(),
        at(41., 1),
    ];
    for p in [pool(0, 20, 10), waits(0, 20, 60.)] {
        let then = |seen: Observation| [&learned[..], &[seen]].concat();
        row("too early", p.clone(), &then(at(600., 0).scheduled(2).due_in(46.).unheard()), 0, Idle);
        row("now", p.clone(), &then(at(600., 0).scheduled(2).due_in(45.).unheard()), 1, Scheduled);
        row("soon after work", p.clone(), &then(at(43., 1).scheduled(2).due_in(45.)), 1, Scheduled);
    }
}

#[test]
fn stranded() {
    let (p, w) = (|| pool(0, 20, 1), || waits(0, 20, 60.));
    let dead = |t, replicas| at(t, replicas).reserved(40).unheld(Some(40));
    row("not known yet: others could not start them", p(), &[dead(0., 3)], 3, Backlog);
    row("known", p(), &[dead(0., 3), dead(8., 3), dead(79., 3)], 1, Stranded);
    row("known", w(), &[dead(0., 3), dead(8., 3), dead(200., 3)], 1, Stranded);
    row("for ever", p(), &[dead(0., 1), dead(8., 1), dead(9999., 1)], 1, Stranded);
    row("work besides", p(), &[dead(0., 3), dead(8., 3), dead(79., 3).waiting(2)], 2, Backlog);
    row("held by the workers", p(), &[at(0., 3).reserved(40), at(8., 3).reserved(40)], 3, Backlog);
    row("it is given back", p(), &[dead(0., 1), dead(8., 1), at(9., 1).waiting(40)], 20, Maximum);
    let nobody = |t, replicas| dead(t, replicas).ready_pods(0).unheard();
    row("the operator came later", p(), &[nobody(0., 0)], 1, Stranded);
    row("the operator came later", w(), &[nobody(0., 0)], 1, Stranded);
    row("its worker starts", w(), &[nobody(0., 0), nobody(1., 1), dead(20., 1).unheard()], 1, Stranded);
    row("its worker tells", w(), &[nobody(0., 0), nobody(1., 1), dead(20., 1)], 1, Stranded);
    row("nobody is heard, but they are there", p(), &[dead(0., 1).unheard(), dead(99., 1).unheard()], 20, Maximum);
    let silent = |t| dead(t, 3).silent(1);
    row("a silent worker may hold them", p(), &[silent(0.), silent(8.), silent(600.)], 1, Backlog);
    row("a silent worker may hold them", w(), &[silent(0.), silent(8.), silent(600.)], 1, Deadline);
    let loud = |seen: Observation| [dead(0., 3), dead(8., 3), dead(79., 3), seen];
    row("one fell silent", p(), &loud(dead(80., 3).silent(1)), 1, Backlog);
    row("it speaks again", p(), &[silent(0.), silent(90.), dead(91., 1), dead(98., 1)], 1, Backlog);
    row("and does not hold them", p(), &[silent(0.), silent(90.), dead(91., 1), dead(99., 1)], 1, Stranded);
    let comes = |t| dead(t, 1).unheard().silent(1);
    row("its worker has said nothing yet", p(), &[nobody(0., 0), nobody(1., 1), comes(20.)], 1, Stranded);
    row("it never says anything", p(), &[nobody(0., 0), nobody(1., 1), comes(20.), comes(90.)], 20, Maximum);
    looks_again("when it is confirmed", p(), &[dead(0., 20), dead(2., 20)], 6.);
}

#[test]
fn blocked_queue() {
    let p = || pool(0, 20, 10);
    let stuck = |t, waiting| at(t, 2).waiting(waiting).processed(7);
    row("14 s: not yet", p(), &[stuck(0., 20), stuck(14., 50)], 5, Backlog);
    row("15 s", p(), &[stuck(0., 20), stuck(15., 50)], 2, BlockedQueue);
    row("it moves", p(), &[stuck(0., 20), stuck(15., 20), stuck(16., 50).processed(8)], 5, Backlog);
    row(
        "it moved in between",
        p(),
        &[stuck(0., 20), stuck(9., 20).processed(8), stuck(16., 50).processed(8)],
        5,
        Backlog,
    );
    row(
        "a fall is no progress",
        p(),
        &[stuck(0., 20), stuck(9., 20).processed(3), stuck(16., 50).processed(3)],
        2,
        BlockedQueue,
    );
    row(
        "a rise after a fall is",
        p(),
        &[stuck(0., 20), stuck(9., 20).processed(3), stuck(16., 50).processed(4)],
        5,
        Backlog,
    );
    row("something runs", p(), &[stuck(0., 20), stuck(16., 50).running(1, 1)], 6, Backlog);
    row("nobody tells", p(), &[at(0., 2).waiting(20), at(16., 2).waiting(50)], 5, Backlog);
    row("not heard", p(), &[stuck(0., 20).unheard(), stuck(16., 50).unheard()], 5, Backlog);
    row("heard for 10 s", p(), &[stuck(0., 20).unheard(), stuck(6., 20), stuck(16., 50)], 5, Backlog);
    row("ready for 10 s", p(), &[stuck(0., 20).ready_pods(0), stuck(6., 20), stuck(16., 50)], 5, Backlog);
    let fewer = Observation { replicas: 1, ..stuck(0., 20) };
    row("new replicas get their time", p(), &[fewer, stuck(6., 20), stuck(16., 50)], 5, Backlog);
    row("the minimum all the same", pool(3, 20, 10), &[stuck(0., 20), stuck(15., 50)], 3, BlockedQueue);
}

/// The blocked queue is reported whatever the recommendation, and takes nothing away.
#[test]
fn a_blocked_queue_is_told_whatever_the_wish() {
    let stuck = |t, replicas, waiting| at(t, replicas).waiting(waiting).processed(7);
    let told = |policy: &Policy, series: &[Observation]| {
        let decision = last_of(policy, series);
        (decision.replicas, decision.rule, decision.blocked)
    };
    for (what, policy, waiting, expected) in [
        ("more are wanted", pool(0, 20, 10), 50, (2, BlockedQueue, true)),
        ("the maximum", pool(0, 2, 10), 50, (2, Maximum, true)),
        ("as many as there are", pool(0, 20, 10), 20, (2, Backlog, true)),
        ("the minimum", pool(2, 20, 10), 5, (2, Minimum, true)),
        ("fewer would do", pool(0, 20, 10), 5, (2, JustStarted, true)),
        ("the wait target", waits(0, 2, 60.), 50, (2, Deadline, true)),
        ("suspended", pool(0, 20, 10).suspended(), 50, (2, Suspended, true)),
    ] {
        assert_eq!(told(&policy, &[stuck(0., 2, waiting), stuck(15., 2, waiting)]), expected, "{what}");
        assert!(!told(&policy, &[stuck(0., 2, waiting), stuck(14.9, 2, waiting)]).2, "{what}: not yet");
    }
    let full = pool(0, 2, 10);
    let for_long = |t| stuck(t, 2, 50);
    assert!(told(&full, &[for_long(0.), for_long(60.), for_long(1080.)]).2, "18 minutes");
    assert!(!told(&full, &[for_long(0.), for_long(60.), for_long(90.).processed(8)]).2, "it moves");
    assert!(!told(&full, &[for_long(0.), for_long(60.), at(61., 2).processed(7)]).2, "nothing waits");
    assert!(!told(&full, &[for_long(0.), for_long(60.), for_long(61.).running(1, 1)]).2, "something runs");
    assert!(!told(&full, &[for_long(0.), for_long(60.), for_long(70.).stale(5.)]).2, "an old reading");
    looks_again("when it counts as blocked", full, &[for_long(0.), for_long(5.)], 10.);
}

#[test]
fn behavior_up() {
    let p = |select, window, policies: &[BehaviorPolicy]| pool(0, 100, 1).up(rules(select, window, policies));
    let hpa = [allows(Percent, 100, 15.), allows(Pods, 4, 15.)];
    let want = |t, n| at(t, n).waiting(50);
    row("the larger", p(Max, None, &hpa), &[want(0., 1)], 5, Behavior);
    row("the smaller", p(Min, None, &hpa), &[want(0., 10)], 14, Behavior);
    row("used up", p(Max, None, &hpa), &[want(0., 1), want(1., 5)], 5, Behavior);
    row("next period", p(Max, None, &hpa), &[want(0., 1), want(1., 5), want(16., 5)], 10, Behavior);
    row("asking again gives the same", p(Max, None, &hpa), &[want(0., 1), want(1., 1)], 5, Behavior);
    row("percent from zero", p(Max, None, &hpa[..1]), &[want(0., 0)], 1, Behavior);
    row("disabled", p(Disabled, None, &[]), &[want(0., 1)], 1, Behavior);
    row("no policies: no limit", p(Max, None, &[]), &[want(0., 1)], 50, Backlog);
    row("not needed", p(Max, None, &hpa), &[at(0., 1).waiting(3)], 3, Backlog);
    row("the minimum at once", Policy { min: 8, ..p(Max, None, &hpa) }, &[want(0., 1)], 8, Behavior);
    let small = |t| at(t, 5).waiting(5);
    row("window", p(Max, Some(30.), &[]), &[small(0.), want(10., 5), want(39.9, 5)], 5, Behavior);
    row(
        "its smallest wish",
        p(Max, Some(30.), &[]),
        &[small(0.), want(10., 5), want(20., 5).waiting(9), want(45., 5)],
        9,
        Behavior,
    );
    row("window over", p(Max, Some(30.), &[]), &[small(0.), want(10., 5), want(40., 5)], 50, Backlog);
    assert_eq!(last_of(&p(Max, None, &hpa), &[want(0., 1)]).limited, Some(Behavior));
    looks_again("when the period ends", p(Max, None, &hpa), &[want(0., 1), want(1., 5)], 15.);
}

#[test]
fn behavior_down() {
    let p = |select, window, policies: &[BehaviorPolicy]| pool(0, 100, 1).down(rules(select, window, policies));
    let seen = |t, n, waiting| at(t, n).waiting(waiting);
    let fall = |n| [seen(0., 20, 20), seen(100., 20, 5), seen(170., n, 5)];
    row("no policies", p(Max, None, &[]), &fall(20), 5, Backlog);
    row("pods", p(Max, None, &[allows(Pods, 4, 60.)]), &fall(20), 16, Behavior);
    row("used up", p(Max, None, &[allows(Pods, 4, 60.)]), &fall(16), 16, Behavior);
    row("percent, rounded down", p(Max, None, &[allows(Percent, 12, 60.)]), &fall(20), 17, Behavior);
    row("the larger", p(Max, None, &[allows(Pods, 4, 60.), allows(Percent, 10, 60.)]), &fall(20), 16, Behavior);
    row("the smaller", p(Min, None, &[allows(Pods, 4, 60.), allows(Percent, 10, 60.)]), &fall(20), 18, Behavior);
    row("disabled", p(Disabled, None, &[]), &fall(20), 20, Behavior);
    row(
        "its own window",
        p(Max, Some(300.), &[]),
        &[seen(0., 20, 20), seen(301., 20, 5), seen(399., 20, 5)],
        20,
        Window,
    );
    row("a window of 0", p(Max, Some(0.), &[]), &[seen(0., 20, 20), seen(70., 20, 20), seen(71., 20, 5)], 5, Backlog);
    row("but not right after a start", p(Max, Some(0.), &[]), &[seen(0., 20, 20), seen(9., 20, 5)], 20, JustStarted);
    row(
        "its window before idle",
        p(Max, Some(300.), &[]),
        &[seen(0., 2, 2), seen(301., 2, 0), seen(399., 2, 0)],
        2,
        Window,
    );
    row(
        "idle by policies",
        p(Max, None, &[allows(Pods, 1, 60.)]),
        &[seen(0., 3, 3), seen(99., 3, 0), seen(200., 3, 0)],
        2,
        Behavior,
    );
    row("a lowered maximum at once", Policy { max: 8, ..p(Disabled, None, &[]) }, &fall(20), 8, Behavior);
}

/// Schedule with 2 replicas from 12:01 to 12:05 of the fixture's day, which begins at 12:00.
#[test]
fn schedules() {
    let p = || pool(0, 20, 10).schedule("office", "1 12 * * *", "5 12 * * *", 2);
    let work = |t, n| at(t, n).waiting(45);
    row("a start-up time before: not yet", p(), &[at(29., 0)], 0, Idle);
    row("a start-up time before", p(), &[at(30., 0)], 2, Schedule);
    row("in force", p(), &[at(0., 0), at(200., 2)], 2, Schedule);
    row("a floor, no ceiling", p(), &[at(200., 2).waiting(45)], 5, Backlog);
    row("more than the work asks for", p(), &[at(200., 0).waiting(5)], 2, Schedule);
    row("down to it when idle", p(), &[work(100., 5), at(161., 5), at(222., 5)], 2, Idle);
    row("after the end, idle for long", p(), &[at(200., 2), at(299., 2), at(300., 2)], 0, Idle);
    let few = |t, n| at(t, n).waiting(5);
    row("after the end: the window", p(), &[few(200., 2), few(299., 2), few(300., 2)], 2, Window);
    row("after the window", p(), &[few(200., 2), few(299., 2), few(359., 2), few(360., 2)], 1, Backlog);
    row("after the end, work runs", p(), &[at(200., 2), at(400., 2).running(2, 2)], 2, RunningWork);
    row("the maximum wins", pool(0, 1, 10).schedule("office", "1 12 * * *", "5 12 * * *", 9), &[at(60., 0)], 1, Schedule);
    row("a higher minimum", Policy { min: 3, ..p() }, &[at(60., 0)], 3, Minimum);
    row("a minimum as high", Policy { min: 2, ..p() }, &[at(60., 0)], 2, Minimum);
    row("the highest", p().schedule("noon", "2 12 * * *", "3 12 * * *", 4), &[at(120., 2)], 4, Schedule);
    row("while the broker cannot be read", p(), &[at(60., 0).unknown()], 2, Schedule);
    row("or was read long ago", p(), &[at(60., 1).stale(5.)], 2, Schedule);
    row("nothing goes down then", p(), &[at(60., 2).unknown(), at(400., 2).unknown()], 2, Unknown);
    row("no behavior delays it", p().up(rules(Disabled, None, &[])), &[at(60., 0)], 2, Schedule);
    row("nor a blocked queue", pool(0, 20, 10).schedule("office", "1 12 * * *", "5 12 * * *", 3),
        &[at(0., 2).waiting(20).processed(7), at(45., 2).waiting(50).processed(7)], 3, BlockedQueue);
    row("suspended", p().suspended(), &[at(60., 0)], 0, Suspended);
    looks_again("before the start", p(), &[at(10., 0)], 20.);
    looks_again("before the end", p(), &[at(30., 0), at(280., 2)], 20.);
    looks_again("unread, before the start", p(), &[at(10., 0).unknown()], 20.);
    assert_eq!(last_of(&p(), &[at(60., 2)]).limited, Some(Schedule));
    assert_eq!(last_of(&p(), &[at(60., 2).waiting(15)]).limited, None);
}

/// Pods that do not come are reported whatever the target, and however seldom there is an observation.
#[test]
fn pods_that_do_not_come_are_told_of() {
    let pending = |t| at(t, 3).ready_pods(1).waiting(25);
    for policy in [pool(0, 20, 10), waits(0, 20, 600.), pool(0, 20, 10).suspended()] {
        let told = |series: &[Observation]| last_of(&policy, series).trouble;
        let series = |t| [at(0., 1).waiting(25), pending(1.), pending(t)];
        assert_eq!(told(&series(91.)), None, "three times what pods usually take");
        assert_eq!(told(&series(91.1)), Some(Trouble::PodsNotReady { pods: 2 }));
        assert_eq!(told(&[&series(100.)[..], &[at(101., 3).waiting(25)]].concat()), None, "they are there");
        assert_eq!(told(&[&series(100.)[..], &[at(101., 1).waiting(5)]].concat()), None, "they are not wanted any more");
        let unread = [&series(100.)[..], &[pending(101.).unknown()]].concat();
        assert_eq!(told(&unread), Some(Trouble::PodsNotReady { pods: 2 }), "the broker has nothing to do with it");
    }
    let soon = last_of(&pool(0, 20, 10), &[at(0., 1).waiting(25), pending(1.), pending(85.)]).decide_again_in;
    assert_eq!(soon, s(6.));
}

/// Wait rule: what it orders, what it knows, what holds it back.
#[test]
fn the_wait_target() {
    let policy = waits(0, 100, 60.0);
    let burst = [at(0., 0), at(1., 0).waiting(400)];
    let first = last_of(&policy, &burst);
    assert_eq!((first.replicas, first.rule), (19, Rule::Deadline));

    // Ordered ones are reckoned in: nothing new while they start.
    let started = [at(0., 0), at(1., 0).waiting(400), at(2., 19).ready_pods(0).waiting(400)];
    assert_eq!(last_of(&policy, &started).replicas, 19);

    // A few that are never ready hold nothing back; many do, and the sentence says so.
    let late = |ready: u32| {
        let mut series = vec![at(0., 10), at(1., 10)];
        series.extend((2..300).map(|t| at(f64::from(t), 10).ready_pods(ready)));
        series.push(at(301., 10).ready_pods(ready).waiting(5000));
        last_of(&Policy { max: 1000, ..policy.clone() }, &series)
    };
    let (one, half, most) = (late(9), late(5), late(4));
    assert_eq!(one.trouble, Some(Trouble::PodsNotReady { pods: 1 }));
    for as_many_are_there in [&one, &half] {
        let all = as_many_are_there.replicas > 100 && !as_many_are_there.sentence.contains("only");
        assert!(all, "{as_many_are_there:?}");
    }
    assert_eq!((most.replicas, most.trouble), (12, Some(Trouble::PodsNotReady { pods: 6 })));

    // Never ready: only few more are ordered, and the reason is given.
    let mut stuck = vec![at(0., 0), at(1., 0).waiting(400)];
    stuck.extend((2..200).map(|t| at(f64::from(t), 19).ready_pods(0).waiting(4000)));
    let decision = last_of(&policy, &stuck);
    assert_eq!((decision.replicas, decision.trouble), (19, Some(Trouble::PodsNotReady { pods: 19 })));

    // Without a reading nothing falls, and what was learned survives a restart.
    let lost = [at(0., 9).running(4, 1), at(1., 9).unknown()];
    assert_eq!(last_of(&policy, &lost).replicas, 9);
    let learned = Estimates { task: Some(2.0), startup: Some(90.0), rate: 0.0, slots: None, in_time: None, arrived: None };
    let (_, decision) = decide(&policy, Memory::remembering(&learned), &at(0., 1));
    assert_eq!(decision.estimates.unwrap().startup, Some(90.0));
    assert_eq!(
        decision.trouble,
        Some(Trouble::SlowerThanTarget { startup: s(90.0), in_time: None })
    );
}
