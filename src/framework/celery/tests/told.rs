//! What workers say, and what they do not.

use super::*;

#[test]
fn what_workers_fetch_reaches_the_pool_and_that_it_is_nothing_only_once_it_has_been_so_for_long() {
    let fetches = |told: &[(u64, &[&str])]| {
        let mut all = Workers::default();
        for ago in [15, 0] {
            all.heard(&node(0), 0, 7, EVERY, now().moment - Duration::from_secs(ago));
        }
        for (at, queues) in told {
            let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
            all.told_queues(&node(0), &queues, Duration::from_secs(*at), now().moment);
        }
        let fetches = attended(&all).fetches.get(&format!("{MAIL}aaaa0")).cloned();
        fetches.map(|queues| queues.iter().cloned().collect::<Vec<_>>())
    };
    assert_eq!(fetches(&[(100, &["mail"])]), Some(vec!["mail".to_owned()]));
    assert_eq!(fetches(&[(90, &[]), (100, &[])]), None);
    assert_eq!(fetches(&[(75, &[]), (100, &[])]), Some(vec![]));
    // Another worker of the pod may still come, with other queues.
    let mut new = workers(&[0]);
    new.told_queues(&node(0), &["mail".to_owned()].into(), now().moment, now().moment);
    assert_eq!(attended(&new).fetches, Default::default());
    // Another one said goodbye: what it fetched is not known any more.
    let mut less = Workers::default();
    for ago in [15, 0] {
        less.heard(&node(0), 0, 7, EVERY, now().moment - Duration::from_secs(ago));
        less.heard(
            &format!("b@{MAIL}aaaa0"),
            0,
            7,
            EVERY,
            now().moment - Duration::from_secs(ago),
        );
    }
    less.told_queues(&node(0), &["mail".to_owned()].into(), now().moment, now().moment);
    assert!(!attended(&less).fetches.is_empty());
    less.left(&format!("b@{MAIL}aaaa0"), now().moment);
    assert_eq!(attended(&less).fetches, Default::default());
}

#[test]
fn who_answers_one_question_and_not_another_is_not_known() {
    let ago = |seconds| now().moment - Duration::from_secs(seconds);
    let mut all = Workers::default();
    (0..=10)
        .rev()
        .for_each(|beat| all.heard(&node(0), 0, 7, EVERY, ago(beat * 2)));
    all.told_queues(&node(0), &Default::default(), ago(1), ago(1));
    answers(&mut all, 0, Inspect::Active, 0, 0);
    let pod = attended(&all).pods[&format!("{MAIL}aaaa0")].clone();
    assert_eq!((pod.unresponsive, pod.partly, pod.report), (false, true, None));
}

#[test]
fn a_worker_that_had_no_time_to_say_what_it_is_is_what_the_others_are() {
    let ago = |seconds| now().moment - Duration::from_secs(seconds);
    let mut all = workers(&[0]);
    all.heard(&node(1), 0, 7, EVERY, ago(20));
    let silent = |all: &Workers| attended(all).pods[&format!("{MAIL}aaaa1")].solo;
    assert!(!silent(&all));
    let solo = Stats { solo: true, ..has(1) };
    all.told_stats(&node(0), &solo, ago(1), ago(1));
    assert!(silent(&all));
    assert!(!attended(&all).pods[&format!("{MAIL}aaaa0")].solo, "it is there");
}

#[test]
fn deaf_is_who_beats_without_a_gap_and_answers_nothing() {
    let ago = |seconds| now().moment - Duration::from_secs(seconds);
    let deaf = |beats: &[u64], came: Option<u64>| {
        let mut all = Workers::default();
        beats
            .iter()
            .for_each(|seconds| all.heard(&node(0), 0, 7, EVERY, ago(*seconds)));
        if let Some(came) = came {
            all.came(&node(0), ago(came));
        }
        attended(&all).pods[&format!("{MAIL}aaaa0")].unresponsive
    };
    assert!(deaf(&[20, 16, 12, 8, 4, 0], None));
    assert!(!deaf(&[14, 10, 6, 2], None), "not for long enough");
    assert!(
        !deaf(&[40, 36, 12, 8, 4, 0], None),
        "it ran something that kept it silent"
    );
    assert!(!deaf(&[40, 0], None), "this is its first word after that");
    assert!(!deaf(&[20, 16, 12, 8, 4, 0], Some(1)), "what it answered was void");
    // It has answered once, before it was silent for long: it takes questions, and these got lost.
    let mut once = Workers::default();
    once.heard(&node(0), 0, 7, EVERY, ago(80));
    once.inspected(&node(0), Inspect::Active, Inspection::default(), ago(80), ago(80));
    [20, 16, 12, 8, 4, 0]
        .iter()
        .for_each(|seconds| once.heard(&node(0), 0, 7, EVERY, ago(*seconds)));
    assert!(!attended(&once).pods[&format!("{MAIL}aaaa0")].unresponsive);
}
