use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::framework::celery::message;

/// Where it does not matter when.
const MOMENT: Moment = Moment::ZERO;

fn message(tag: usize, eta: bool, padding: usize) -> Vec<u8> {
    let eta = if eta {
        format!("\"{}\"", time(tag))
    } else {
        "null".into()
    };
    format!(
        r#"{{"body":"{}","headers":{{"eta":{eta}}},"properties":{{"delivery_info":{{"exchange":"","routing_key":"q{}"}},"delivery_tag":"{tag}"}}}}"#,
        "x".repeat(padding),
        tag % 3,
    )
    .into_bytes()
}

fn entry(tag: usize, eta: bool) -> Vec<u8> {
    let message = String::from_utf8(message(tag, eta, 0)).unwrap();
    format!(r#"[{message},"","q{}"]"#, tag % 3).into_bytes()
}

fn time(tag: usize) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + i64::try_from(tag).unwrap()).unwrap()
}

/// What a full scan finds.
fn full<'a>(total: usize, all: impl Iterator<Item = &'a Vec<u8>>, decoder: Decoder) -> Scan {
    if decoder == message::QUEUED {
        return Scan::of_one_kind(total as u64, all.map(|bytes| decoder.read(bytes).eta));
    }
    let mut names = Names::default();
    let seen: Vec<_> = all.map(|bytes| names.keep(decoder.read(bytes))).collect();
    Scan::of(total as u64, seen.iter())
}

fn looked(scan: &Scan) -> u64 {
    scan.kinds.values().map(|kind| kind.count).sum()
}

fn etas(scan: &Scan) -> Vec<Timestamp> {
    let mut etas: Vec<_> = scan.kinds.values().flat_map(|kind| kind.etas.clone()).collect();
    etas.sort_unstable();
    etas
}

/// A Redis list; the front is index 0, the back the oldest element.
type List = VecDeque<Vec<u8>>;

fn lrange(list: &List, (start, stop): (i64, i64)) -> Vec<Vec<u8>> {
    let length = i64::try_from(list.len()).unwrap();
    let (start, stop) = ((length + start).max(0), length + stop);
    (start..=stop)
        .filter_map(|n| list.get(usize::try_from(n).ok()?).cloned())
        .collect()
}

/// One sample as the broker takes it; gives the scan and the size of each turn in messages and bytes.
fn sample(scan: &mut ListScan, list: &List) -> (Scan, Vec<(usize, usize)>) {
    let length = list.len() as u64;
    let mut turns = Vec::new();
    let mut result = Scan::default();
    while let Some(range) = scan.plan(length, true) {
        let elements = lrange(list, range);
        turns.push((elements.len(), elements.iter().map(Vec::len).sum()));
        result = scan.absorb(length, range, elements, message::QUEUED, MOMENT);
        if !scan.wants_more() {
            break;
        }
    }
    (result, turns)
}

fn list(messages: impl IntoIterator<Item = (usize, bool)>) -> List {
    messages.into_iter().fold(List::new(), |mut list, (tag, eta)| {
        list.push_front(message(tag, eta, 0));
        list
    })
}

#[test]
fn thirty_countdowns_are_told_from_ready_tasks_in_the_first_sample() {
    let list = list((0..30).map(|tag| (tag, true)));
    let (scan, turns) = sample(&mut ListScan::default(), &list);
    assert_eq!((scan.total, etas(&scan).len()), (30, 30));
    assert_eq!(turns.len(), 2, "{turns:?}");
}

#[test]
fn a_list_that_stands_still_costs_one_element() {
    let list = list((0..300).map(|tag| (tag, tag % 2 == 0)));
    let mut scan = ListScan::default();
    let (first, _) = sample(&mut scan, &list);
    let (second, turns) = sample(&mut scan, &list);
    assert_eq!(first, second);
    assert_eq!(looked(&second), 300);
    assert_eq!(turns.iter().map(|(messages, _)| messages).sum::<usize>(), 1);
}

#[test]
fn the_oldest_one_is_known_since_it_became_that() {
    let stamped = |tag: usize, at: &str| {
        let message = String::from_utf8(message(tag, false, 0)).unwrap();
        message
            .replace("\"eta\":null", &format!("\"eta\":null,\"enqueued_at\":\"{at}\""))
            .into_bytes()
    };
    let mut list = list([(1, false), (2, true)]);
    list.push_front(stamped(3, "1795343146"));
    let mut scan = ListScan::default();
    let mut look = |list: &List, second: u64| {
        let range = scan.plan(list.len() as u64, true).unwrap();
        let now = Moment::from_secs(second);
        let found = scan.absorb(list.len() as u64, range, lrange(list, range), message::QUEUED, now);
        let oldest = found.oldest.unwrap();
        (
            oldest.seen.as_secs(),
            oldest.published.map(|at| at.as_second()),
            oldest.eta.is_some(),
        )
    };
    assert_eq!(look(&list, 10), (10, None, false));
    list.push_front(message(4, false, 0));
    assert_eq!(look(&list, 20), (10, None, false), "the same one");
    list.pop_back();
    assert_eq!(look(&list, 30), (30, None, true));
    list.pop_back();
    assert_eq!(look(&list, 40), (40, Some(1_795_343_146), false));
    list.pop_back();
    assert_eq!(look(&list, 50), (50, None, false));
}

#[test]
fn a_long_list_is_looked_at_in_part() {
    let mut scan = ListScan::default();
    let due = list((0..10_000).map(|tag| (tag, false)));
    let (found, _) = sample(&mut scan, &due);
    assert_eq!((found.total, looked(&found)), (10_000, 500));

    let later = list((0..10_000).map(|tag| (tag, true)));
    let mut scan = ListScan::default();
    let mut read = 0;
    for _ in 0..3 {
        let (found, turns) = sample(&mut scan, &later);
        assert!(turns.iter().all(|(messages, _)| *messages <= MAX_ELEMENTS + 1));
        read += turns.iter().map(|(messages, _)| messages).sum::<usize>();
        assert!((1_900..=2_000).contains(&looked(&found)), "{}", looked(&found));
    }
    assert!(read < 2_100, "each element is read about once: {read}");
}

#[test]
fn large_messages_are_read_one_by_one_and_not_all() {
    let list: List = (0..200).map(|tag| message(tag, true, 600_000)).collect();
    let mut scan = ListScan::default();
    let (_, turns) = sample(&mut scan, &list);
    // Nothing is known of their size in the very first turn; then one comes at a time, with the one that overlaps.
    assert!(turns.iter().skip(1).all(|(_, bytes)| *bytes <= 2 << 20), "{turns:?}");
    let bytes = |turns: &[(usize, usize)]| turns.iter().map(|(_, bytes)| bytes).sum::<usize>();
    assert!(bytes(&turns) <= 6 << 20, "{turns:?}");
    let (_, turns) = sample(&mut scan, &list);
    assert!(bytes(&turns) <= 6 << 20, "{turns:?}");
}

#[test]
fn a_list_that_moves_costs_what_it_moved() {
    let mut list = list((0..1_000).map(|tag| (tag, false)));
    let mut scan = ListScan::default();
    sample(&mut scan, &list);
    for n in 0..40 {
        list.truncate(list.len() - 20);
        list.push_front(message(5_000 + n, false, 0));
        let (found, turns) = sample(&mut scan, &list);
        assert!(looked(&found) >= 50);
        assert!(
            turns.iter().map(|(messages, _)| messages).sum::<usize>() <= 60,
            "{turns:?}"
        );
    }
}

#[test]
fn too_large_a_reply_is_asked_for_in_smaller_parts_and_given_up_at_one() {
    let mut scan = ListScan::default();
    let ranges: Vec<_> = std::iter::from_fn(|| {
        let range = scan.plan(9, true)?;
        scan.refused(9);
        Some(range)
    })
    .collect();
    assert_eq!(ranges, [(-4, -1), (-1, -1)]);
    assert_eq!(scan.plan(10, true), Some((-1, -1)), "another length is another list");
    assert!(!scan.wants_more());
}

#[test]
fn ranges_are_sane_for_any_length() {
    let mut scan = ListScan::default();
    assert_eq!(scan.plan(0, true), None);
    assert_eq!(scan.plan(u64::MAX, true), Some((-4, -1)));
    let found = scan.absorb(u64::MAX, (-4, -1), vec![b"\xff".to_vec(); 3], message::QUEUED, MOMENT);
    assert_eq!((found.total, looked(&found)), (u64::MAX, 3));
    assert_eq!(
        scan.absorb(0, (-1, -1), vec![], message::QUEUED, MOMENT),
        Scan::default()
    );
}

#[derive(Clone, Debug)]
enum Move {
    Push(usize, bool),
    Pop(usize),
    Restore(bool),
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        (1..80_usize, any::<bool>()).prop_map(|(n, eta)| Move::Push(n, eta)),
        (1..90_usize).prop_map(Move::Pop),
        any::<bool>().prop_map(Move::Restore),
    ]
}

fn apply(list: &mut List, step: &Move, tag: &mut usize) {
    match step {
        Move::Push(n, eta) => (0..*n).for_each(|_| {
            *tag += 1;
            list.push_front(message(*tag, *eta, 0));
        }),
        Move::Pop(n) => list.truncate(list.len().saturating_sub(*n)),
        Move::Restore(eta) => {
            *tag += 1;
            list.push_back(message(*tag, *eta, 0));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_list_is_scanned_in_full_wherever_tasks_may_not_be_due(
        rounds in prop::collection::vec(prop::collection::vec(moves(), 0..4), 1..25)
    ) {
        let (mut list, mut tag, mut scan) = (List::new(), 0, ListScan::default());
        for steps in rounds {
            steps.iter().for_each(|step| apply(&mut list, step, &mut tag));
            let (found, _) = sample(&mut scan, &list);
            let truth = full(list.len(), list.iter(), message::QUEUED);
            prop_assert_eq!(found.total, truth.total);
            let oldest: Vec<_> = list.iter().rev().take(50).cloned().collect();
            let eta_near = !etas(&full(oldest.len(), oldest.iter(), message::QUEUED)).is_empty();
            if eta_near || list.len() <= 50 {
                prop_assert_eq!(&found.kinds, &truth.kinds);
            }
            let next = list.back().map(|message| message::QUEUED.read(message).eta);
            prop_assert_eq!(found.oldest.map(|oldest| oldest.eta), next);
            let truth = etas(&truth);
            prop_assert!(etas(&found).iter().all(|eta| truth.binary_search(eta).is_ok()));
        }
    }

    #[test]
    fn a_list_that_moves_between_turns_is_never_counted_beyond_its_length(
        steps in prop::collection::vec(moves(), 1..60)
    ) {
        let (mut list, mut tag, mut scan) = (List::new(), 0, ListScan::default());
        for step in steps {
            let length = list.len() as u64;
            if let Some(range) = scan.plan(length, true) {
                apply(&mut list, &step, &mut tag);
                let found = scan.absorb(length, range, lrange(&list, range), message::QUEUED, MOMENT);
                prop_assert_eq!(found.total, length);
                prop_assert!(looked(&found) <= length);
            } else {
                apply(&mut list, &step, &mut tag);
            }
        }
        // It stands still: two samples later nothing stale is left.
        sample(&mut scan, &list);
        let (found, _) = sample(&mut scan, &list);
        let truth = etas(&full(list.len(), list.iter(), message::QUEUED));
        prop_assert!(etas(&found).iter().all(|eta| truth.binary_search(eta).is_ok()));
    }

    #[test]
    fn a_hash_is_scanned_in_full(
        rounds in prop::collection::vec((0..200_usize, 0..200_usize, any::<bool>()), 1..20)
    ) {
        let (mut hash, mut tag, mut scan) = (BTreeMap::new(), 0, HashScan::default());
        for (come, go, eta) in rounds {
            for _ in 0..go {
                hash.pop_first();
            }
            for _ in 0..come {
                tag += 1;
                hash.insert(tag.to_string(), entry(tag, eta));
            }
            let found = sample_hash(&mut scan, &hash).0;
            prop_assert_eq!(found, full(hash.len(), hash.values(), message::UNACKED));
        }
    }

    #[test]
    fn no_bytes_break_a_digest(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(message::QUEUED.read(&bytes), MessageInfo::default());
        prop_assert_eq!(message::UNACKED.read(&bytes), MessageInfo::default());
    }
}

type Hash = BTreeMap<String, Vec<u8>>;

fn sample_hash(scan: &mut HashScan, hash: &Hash) -> (Scan, usize) {
    let tags: Vec<_> = hash.keys().take(MAX_TAGS).cloned().collect();
    let mut read = 0;
    loop {
        let asked = scan.missing(&tags);
        read += asked.len();
        let fetched = asked.into_iter().map(|tag| (tag.clone(), hash.get(&tag).cloned()));
        let found = scan.absorb(&tags, hash.len() as u64, fetched.collect(), message::UNACKED);
        if !scan.wants_more() {
            return (found, read);
        }
    }
}

#[test]
fn a_hash_is_read_once_and_up_to_the_caps() {
    let hash: Hash = (0..12_000).map(|tag| (format!("{tag:06}"), entry(tag, true))).collect();
    let mut scan = HashScan::default();
    let reads: Vec<_> = (0..8).map(|_| sample_hash(&mut scan, &hash).1).collect();
    assert!(reads.iter().all(|read| *read <= MAX_LOOK + MAX_FETCH), "{reads:?}");
    assert_eq!(reads.iter().sum::<usize>(), MAX_TAGS);
    let (found, _) = sample_hash(&mut scan, &hash);
    assert_eq!((found.total, looked(&found)), (12_000, 10_000));
}

#[test]
fn tags_that_are_gone_do_not_keep_others_from_being_read() {
    let mut scan = HashScan::default();
    let tags: Vec<_> = (0..40).map(|tag| tag.to_string()).collect();
    for _ in 0..4 {
        let fetched = scan.missing(&tags).into_iter().map(|tag| {
            let there = tag.parse::<usize>().unwrap() >= 20;
            (tag, there.then(|| entry(1, false)))
        });
        let fetched = fetched.collect();
        scan.absorb(&tags, 20, fetched, message::UNACKED);
    }
    let found = scan.absorb(&tags, 20, vec![], message::UNACKED);
    assert_eq!(looked(&found), 20);
}

#[test]
fn a_value_that_is_too_large_counts_as_unknown() {
    let mut scan = HashScan::default();
    let tags: Vec<_> = (0..20).map(|tag| tag.to_string()).collect();
    let mut asked = Vec::new();
    for _ in 0..2 {
        asked = scan.missing(&tags);
        scan.refused(&asked);
    }
    assert_eq!(asked.len(), 1);
    assert!(!scan.missing(&tags).contains(&asked[0]));
    let found = scan.absorb(&tags, 20, vec![], message::UNACKED);
    assert_eq!(found.kinds[&(String::new(), String::new())].count, 1);
}

#[test]
fn names_in_use_are_shared_and_unused_ones_forgotten() {
    let mut names = Names::default();
    let first = names.keep(MessageInfo::default());
    let second = names.keep(MessageInfo::default());
    assert!(Arc::ptr_eq(&first.name, &second.name));
    for n in 0..2_000 {
        names.keep(MessageInfo {
            routing_key: n.to_string(),
            ..MessageInfo::default()
        });
    }
    assert_eq!(names.0.len(), MAX_KINDS);
    let beyond = names.keep(MessageInfo {
        routing_key: "one more".into(),
        ..MessageInfo::default()
    });
    assert!(Arc::ptr_eq(&first.name, &beyond.name), "of an unknown kind");
    names.tidy();
    assert_eq!(names.0.len(), 1);
}

#[test]
fn of_a_list_no_names_are_kept_and_nothing_more_where_there_is_no_room() {
    let mut list = list((0..300).map(|tag| (tag, tag % 2 == 0)));
    let mut scan = ListScan::default();
    assert_eq!(scan.plan(300, false), None, "there is no room for the first one");
    let (found, _) = sample(&mut scan, &list);
    assert_eq!(found.kinds.keys().collect::<Vec<_>>(), [&Name::default()]);
    assert_eq!((looked(&found), scan.known()), (300, 300));
    // Ten go and many come: those that are left are known still.
    list.truncate(290);
    (300..600).for_each(|tag| list.push_front(message(tag, true, 0)));
    let (length, range) = (list.len() as u64, scan.plan(list.len() as u64, false).unwrap());
    assert_eq!(range, (-1, -1));
    let found = scan.absorb(length, range, lrange(&list, range), message::QUEUED, MOMENT);
    assert_eq!((looked(&found), found.total), (290, 590));
    let (found, _) = sample(&mut scan, &list);
    assert_eq!(looked(&found), 590, "there is room again");
}
