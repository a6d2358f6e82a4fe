//! The JSON as it is published, and the pools with which the page is tested (`tests/view/`): written by these types, so that
//! they cannot drift.

mod sample;

use std::{fs, path::Path, sync::Arc, time::Duration};

use super::*;
use crate::{
    api::ConditionStatus,
    kube::Key,
    scaling::Rule,
    view::{
        record::{Decided, PoolView},
        types::{Refusal, State},
    },
};
use sample::{Sample, leader, now, three, told, whole};

fn snapshot(views: &[PoolView]) -> Snapshot {
    Snapshot {
        now: now(3600),
        entries: views.iter().map(PoolView::entry).collect(),
    }
}

fn all(samples: &[Sample]) -> Pools<Each> {
    let views: Vec<_> = samples.iter().map(Sample::view).collect();
    list(snapshot(&views), leader())
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

/// Compares with a file of the repository; UPDATE=1 writes it.
fn is_published(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/view").join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, text).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == text,
        "tests/view/{file} is out of date: UPDATE=1 cargo test --lib view::"
    );
}

#[test]
fn the_json_is_as_published() {
    is_published("pools.json", &pretty(&all(&three())));
    let busy = three().remove(1).view();
    is_published("pool.json", &pretty(&one(&whole(&busy), leader())));
    let standby = Leader {
        version: None,
        ..leader()
    };
    let standby = refusal("NotLeader", "This replica stands by.".into(), Some(standby));
    is_published("standby.json", &pretty(&standby));
}

/// Whoever reads it has the same types: what is written is read, and written again the same.
#[test]
fn what_is_written_can_be_read() {
    let text = pretty(&all(&three()));
    let read: Pools = serde_json::from_str(&text).unwrap();
    assert_eq!(pretty(&read), text);
    let order: Vec<_> = read.pools.iter().map(|pool| (pool.name.as_str(), pool.state)).collect();
    assert_eq!(
        order,
        [
            ("pdf", State::Degraded),
            ("mail", State::Scaling),
            ("newsletter", State::Idle)
        ]
    );
    let busy = &read.pools[1];
    assert!(busy.detail.is_none() && busy.sparkline.waiting.len() <= 30 && busy.sparkline.waiting.len() > 20);
    let lost = &read.pools[0].sparkline;
    assert_eq!(lost.waiting.last(), Some(&None), "what cannot be counted is not known");
    let text = pretty(&one(&whole(&three().remove(1).view()), leader()));
    let read: OnePool = serde_json::from_str(&text).unwrap();
    assert_eq!(pretty(&read), text);
    assert_eq!(read.pool.detail.unwrap().history.waiting.len(), 120);
    let text = pretty(&refusal("Busy", "Ask again.".into(), None));
    assert_eq!(pretty(&serde_json::from_str::<Refusal>(&text).unwrap()), text);
}

#[test]
fn the_worst_of_the_same_kind_comes_first() {
    let late = |name: &'static str, oldest, waiting| Sample {
        name,
        oldest,
        waiting,
        ..Sample::default()
    };
    let pools = all(&[
        late("a", 61, 10),
        late("b", 900, 1),
        late("c", 59, 2),
        late("d", 59, 7),
        late("e", 61, 10),
    ]);
    let text = pretty(&pools);
    let read: Pools = serde_json::from_str(&text).unwrap();
    let names: Vec<_> = read.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(
        names,
        ["b", "a", "e", "d", "c"],
        "late ones first, by how late; then by what waits, then by name"
    );
}

#[test]
fn the_rule_that_set_the_number_is_always_told() {
    let sample = Sample::default();
    for rule in [
        Rule::Deadline,
        Rule::Suspended,
        Rule::Unknown,
        Rule::Fallback,
        Rule::Maximum,
    ] {
        let mut record = sample.record(now(0));
        record.decision = record
            .decision
            .map(|(_, replicas, candidates)| (rule, replicas, candidates));
        let chosen: Vec<_> = candidates(&record).into_iter().filter(|one| one.chosen).collect();
        assert_eq!(chosen.len(), 1, "{rule:?}");
        assert_eq!(chosen[0].rule, rule.reason());
    }
}

#[test]
fn a_pool_of_which_nothing_is_known_is_there() {
    let view = PoolView::new(&Key {
        namespace: "shop".into(),
        name: "new".into(),
    });
    let text = pretty(&list(snapshot(&[view]), leader()));
    let read: Pools = serde_json::from_str(&text).unwrap();
    let new = &read.pools[0];
    assert_eq!(
        (new.state, new.work.is_none(), new.sparkline.waiting.len()),
        (State::Unknown, true, 0)
    );
}

#[test]
fn the_log_keeps_the_last_twenty() {
    let mut view = Sample::default().view();
    for to in 0..30 {
        view.decided(Decided {
            at: now(0).wall,
            from: 0,
            to,
            rule: Rule::Rate,
            sentence: String::new(),
        });
    }
    let log: Vec<_> = view.log().iter().map(|decided| decided.to).collect();
    assert_eq!(log, (10..30).rev().collect::<Vec<_>>());
}

/// The list costs the event loop a pointer or two a pool: no text is copied, no number is read.
#[test]
fn ten_thousand_pools_are_handed_out_by_reference() {
    let sample = Sample {
        waiting: 5,
        ..Sample::default()
    };
    let views: Vec<_> = (0..10_000_u64)
        .map(|_| {
            let mut view = PoolView::new(&Key {
                namespace: "shop".into(),
                name: "mail".into(),
            });
            view.tell(sample.record(now(0)), Duration::ZERO);
            view
        })
        .collect();
    assert!(size_of::<Entry>() <= 2 * size_of::<usize>());
    let handed = snapshot(&views);
    for (entry, view) in handed.entries.iter().zip(&views) {
        assert!(Arc::ptr_eq(&entry.record, &view.entry().record));
    }
    #[expect(clippy::disallowed_methods, reason = "it is measured")]
    let quickest = |what: &mut dyn FnMut()| {
        let once = |_| {
            let start = std::time::Instant::now();
            what();
            start.elapsed()
        };
        (0..5).map(once).min().unwrap()
    };
    let handing = quickest(&mut || drop(snapshot(&views)));
    let writing = quickest(&mut || drop(serde_json::to_vec(&list(snapshot(&views[..1000]), leader())).unwrap()));
    println!("10,000 handed out in {handing:?}, 1,000 of them written in {writing:?}");
    assert!(
        handing < writing,
        "{handing:?} for ten times as many as are written in {writing:?}"
    );
}

/// While a reader has the hour, the pool goes on with a copy of it.
#[test]
fn who_reads_stops_nobody() {
    let sample = Sample::default();
    let mut view = sample.view();
    let before = view.entry();
    view.tell(sample.then([9_999, 1], [1; 3], now(3700)), now(3700).moment);
    let last = |entry: &Entry| {
        entry
            .ring
            .as_ref()
            .unwrap()
            .columns(now(3700).moment)
            .waiting
            .last()
            .copied()
    };
    assert_eq!(last(&before), Some(Some(0)));
    assert_eq!(last(&view.entry()), Some(Some(9_999)));
}

/// Pools for `tests/view/page.py`: a thousand, and some with hostile names.
#[test]
fn pools_for_the_page() {
    let names: Vec<_> = (0..1000).map(|number| format!("pool-{number:04}")).collect();
    let namespaces = ["shop", "billing", "media", "search"];
    let thousand: Vec<_> = names
        .iter()
        .zip(0..)
        .map(|(name, number): (_, i64)| Sample {
            namespace: namespaces[(number % 4) as usize],
            name,
            waiting: number * 7 % 500,
            oldest: number % 75,
            wanted: (number % 40) as i32,
            set: (number % 37) as i32,
            message: "Scaling to 19: 412 tasks must start within 60 s [target.waitSeconds].",
            ..Sample::default()
        })
        .collect();
    let long = "n".repeat(253);
    let hostile = [
        "<img src=x onerror=alert(1)>",
        "\"><script>alert(1)</script>",
        "\u{202e}gnp.exe",
        "a/../../b?c#d",
        "__proto__",
        "{{7*7}}",
        long.as_str(),
    ];
    let hostile: Vec<_> = hostile
        .iter()
        .map(|name| Sample {
            namespace: name,
            name,
            waiting: 3,
            message: name,
            wrong: vec![told("Degraded", ConditionStatus::True, name, name)],
            ..Sample::default()
        })
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/view");
    fs::create_dir_all(&folder).unwrap();
    let write = |file: &str, text: String| fs::write(folder.join(file), text).unwrap();
    write("thousand.json", serde_json::to_string(&all(&thousand)).unwrap());
    write("hostile.json", serde_json::to_string(&all(&hostile)).unwrap());
    write(
        "hostile-one.json",
        serde_json::to_string(&one(&whole(&hostile[0].view()), leader())).unwrap(),
    );
}

/// From this the page `docs/reference/api.md` is made.
#[test]
fn the_schema_is_as_published() {
    let mut schemas = schemars::generate::SchemaSettings::default()
        .for_serialize()
        .into_generator();
    schemas.subschema_for::<Pools>();
    schemas.subschema_for::<OnePool>();
    schemas.subschema_for::<Refusal>();
    let all = schemas.take_definitions(true);
    is_published("schema.json", &pretty(&all));
}
