//! What no worker holds.

use super::*;
use crate::framework::celery::Inspection;

#[test]
fn what_no_worker_holds_is_perhaps_a_dead_ones() {
    let unheld = |unacked: u64, workers: &Workers| {
        let database = Database::default().with("unacked", held("celery", unacked, &[300]));
        sample(&redis(&["celery"]), &database, workers, None).work.unheld
    };
    assert_eq!(unheld(4, &Workers::default()), Some(4), "nobody is heard");
    assert_eq!(unheld(0, &Workers::default()), None);
    let mut all = workers(&[0, 0]);
    assert_eq!(unheld(4, &all), None, "nobody has told");
    for method in [Inspect::Active, Inspect::Reserved] {
        answers(&mut all, 0, method, 0, 0);
    }
    assert_eq!(unheld(4, &all), None, "not all have told");
    answers(&mut all, 1, Inspect::Active, 2, 1);
    answers(&mut all, 1, Inspect::Reserved, 2, 0);
    assert_eq!(
        unheld(4, &all),
        Some(1),
        "one runs and two are reserved; another one is acknowledged"
    );
    assert_eq!(unheld(2, &all), Some(0));
    // What another pool's worker holds may be among them.
    let other = "celery@web-6d5f7c9b8-aaaa0";
    all.heard(other, 0, 0, EVERY, now().moment);
    assert_eq!(unheld(9, &all), Some(6));
    let two = Inspection {
        tasks: 2,
        ..Inspection::default()
    };
    for method in [Inspect::Active, Inspect::Reserved] {
        all.inspected(other, method, two, now().moment, now().moment);
    }
    assert_eq!(unheld(9, &all), Some(2));
    let later = Now {
        moment: now().moment + std::time::Duration::from_secs(16),
        ..now()
    };
    let old = crate::framework::celery::own::Own::among(&all, (&"mail".into(), &[]), nobody(), later.moment);
    assert_eq!(old.unheld(9), Some(9), "they have fallen silent");
}

#[test]
fn workers_are_asked_what_they_hold_only_when_it_matters() {
    use Inspect::{Active, Reserved};
    let asked = |workers: &Workers, work: Work| {
        let last = Tally {
            work,
            ..Tally::default()
        };
        let reads = CeleryPool::new(redis(&["celery"])).asks(workers, Some(&last), now());
        let methods = reads.into_iter().filter_map(|read| match read {
            Ask::Inspect { method, mailbox } if [Active, Reserved].contains(&method) => {
                assert!(!mailbox.nodes.is_empty(), "nobody is asked who is not meant");
                Some((method, mailbox.nodes.len()))
            }
            _ => None,
        });
        methods.collect::<Vec<_>>()
    };
    let work = |ready, in_flight, running, unheld| Work {
        ready,
        in_flight,
        running,
        unheld,
        ..Work::default()
    };
    assert_eq!(asked(&workers(&[0]), work(0, 4, 0, None)), [(Reserved, 1), (Active, 1)]);
    assert_eq!(asked(&workers(&[0]), work(0, 4, 4, None)), [], "all of it runs");
    assert_eq!(asked(&workers(&[0]), work(9, 4, 0, None)), [], "there is enough to do");
    assert_eq!(asked(&workers(&[0]), work(9, 4, 0, Some(0))), []);
    // Another application's worker may hold them.
    let mut others = workers(&[0]);
    others.heard("celery@web-6d5f7c9b8-aaaa0", 0, 0, EVERY, now().moment);
    assert_eq!(asked(&others, work(9, 4, 0, Some(4))), [(Reserved, 2), (Active, 2)]);
    assert_eq!(asked(&others, work(0, 4, 0, None)), [(Reserved, 1), (Active, 1)]);
    let mut told = workers(&[0]);
    answers(&mut told, 0, Active, 0, 0);
    answers(&mut told, 0, Reserved, 0, 0);
    assert_eq!(asked(&told, work(0, 4, 0, None)), [], "they have just told");
}
