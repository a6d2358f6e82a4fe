use super::*;

const DAY: u64 = 86_400;
const NOW: u64 = 1_800_000_000;

fn worker(node: &str, separator: &str) -> String {
    format!("{separator}{separator}{node}.celery.pidbox")
}

fn entry(oid: &str, separator: &str) -> String {
    let (_, member) = control::reply_binding("", "celery", oid, separator);
    member
}

fn made(at: u64) -> String {
    format!("twp-operator-{at:x}-{:032x}", 7)
}

const CLIENT: &str = "881221a3-2d6c-3a50-8b93-0a2f1f7e5c11";

#[test]
fn the_workers_show_it_and_kombus_clients_where_no_worker_does() {
    let one = |separator: &str| Shown::One(separator.to_owned());
    let none = BTreeSet::new();
    for separator in [":", "\x06\x16", "::", "-", "/|", "§"] {
        let workers = [worker("celery@a", separator), worker("mail@b-1.example", separator)];
        assert_eq!(shown(&workers, &[], "celery", &none), one(separator), "{separator:?}");
        let clients = [entry(CLIENT, separator)];
        assert_eq!(shown(&[], &clients, "celery", &none), one(separator), "{separator:?}");
        // What is ours shows nothing: it may be wrong.
        let ours = [
            entry(&made(NOW), "!"),
            entry("twp-operator-0123456789abcdef0123456789abcdef", "!"),
        ];
        assert_eq!(shown(&[], &ours, "celery", &none), Shown::Nothing);
    }
    let noise = ["", ".celery.pidbox", "x", "::.celery.pidbox", "::celery@a.other.pidbox"].map(str::to_owned);
    assert_eq!(shown(&noise, &noise, "celery", &none), Shown::Nothing);
}

#[test]
fn where_dead_workers_contradict_the_living_ones_count_and_then_what_the_pool_says() {
    let workers = [worker("celery@old", "\x06\x16"), worker("celery@new", ":")];
    let nodes = BTreeSet::from(["celery@new"]);
    assert_eq!(shown(&workers, &[], "celery", &nodes), Shown::One(":".to_owned()));
    let several = shown(&workers, &[], "celery", &BTreeSet::from(["celery@other"]));
    assert_eq!(
        several,
        Shown::Several(BTreeSet::from([":".to_owned(), "\x06\x16".to_owned()]))
    );
    let bindings = ShownBindings {
        shown: several,
        ..ShownBindings::default()
    };
    assert_eq!(bindings.separator(&BTreeSet::from([":"])), Ok(":".to_owned()));
    for said in [
        BTreeSet::new(),
        BTreeSet::from(["!"]),
        BTreeSet::from([":", "\x06\x16"]),
    ] {
        assert_eq!(bindings.separator(&said), Err(NoSeparator::NotShown), "{said:?}");
    }
}

#[test]
fn entries_of_killed_operators_are_told_from_those_of_living_ones_and_of_others() {
    let own = made(NOW - DAY);
    let stale = |member: &str, separator| is_stale(member, "celery", separator, &own, NOW);
    assert!(!stale(&entry(&own, ":"), Some(":")), "our own, however old");
    assert!(
        stale(&entry(&own, "!"), Some(":")),
        "our own, joined by what breaks the application"
    );
    for (age, expected) in [(0, false), (STALE, false), (STALE + 1, true), (30 * DAY, true)] {
        assert_eq!(stale(&entry(&made(NOW - age), ":"), Some(":")), expected, "{age}");
        assert_eq!(stale(&entry(&made(NOW - age), ":"), None), expected, "{age}");
        assert!(stale(&entry(&made(NOW - age), "!"), Some(":")), "{age}");
    }
    // Earlier versions put no time into it, and joined by kombu's default whatever the application does.
    assert!(stale(
        &entry("twp-operator-0123456789abcdef0123456789abcdef", "\x06\x16"),
        None
    ));
    for other in [
        entry(CLIENT, "!"),
        entry("twp", "!"),
        worker("celery@twp-operator-1", "!"),
        String::new(),
    ] {
        assert!(!stale(&other, Some(":")), "{other:?}");
    }
    assert!(2 * RENEWED.as_secs() <= STALE, "a living operator's is never that old");
}

#[test]
fn an_address_tells_when_it_was_made_and_fits_the_names_that_rights_are_given_for() {
    let address = new_address([1, 2], Timestamp::from_second(NOW as i64).unwrap());
    let (_, member) = control::reply_binding("", "celery", &address, ":");
    assert_eq!(ours(&member, "celery"), Some((address.as_str(), ":".to_owned())));
    assert!(!is_stale(&member, "celery", Some(":"), "another", NOW));
    assert!(is_stale(&member, "celery", Some(":"), "another", NOW + STALE + 60));
    let pattern = lists("shop:", "celery");
    assert_eq!(pattern, "shop:twp-operator-*.reply.celery.pidbox");
    let list = control::reply_list("shop:", "celery", &address);
    let (begin, end) = pattern.split_once('*').unwrap();
    assert!(list.starts_with(begin) && list.ends_with(end), "{list}");
}
