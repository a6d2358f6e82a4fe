//! What the view is handed.
use jiff::Timestamp;
use serde_json::json;

use super::super::*;
use crate::controller::fixture::{key, listed, pool, target};

fn at(second: u64) -> Now {
    Now {
        wall: Timestamp::UNIX_EPOCH,
        moment: Duration::from_secs(second),
    }
}

/// A fleet with a pool and its Deployment.
fn fleet(fleet: Fleet) -> Fleet {
    let mut fleet = fleet;
    let spec = json!({"targetRef": {"name": "mail-worker"}, "broker": {"url": "redis://redis"}});
    for input in [
        target("mail-worker", 2, 0),
        listed(&["mail-worker"]),
        pool("mail", &spec),
    ] {
        fleet.on(input, at(1));
    }
    fleet
}

fn shown(fleet: &Fleet) -> Option<usize> {
    Some(fleet.snapshot(at(2))?.entries.len())
}

#[test]
fn only_who_leads_and_is_to_show_it_has_something_to_show() {
    let mut standby = fleet(Fleet::new([None]).showing(true));
    assert_eq!(shown(&standby), None);
    assert!(standby.whole(&key("mail"), at(2)).is_none());
    standby.on(Input::Leads, at(3));
    assert_eq!(shown(&standby), Some(1));

    let off = fleet(Fleet::leading([None]));
    assert_eq!(shown(&off), Some(0), "nothing is kept");
    assert!(off.pools.all().all(|state| state.view.is_none()));
}

#[test]
fn a_pool_is_shown_until_it_is_gone() {
    let mut on = fleet(Fleet::leading([None]).showing(true));
    let whole = on.whole(&key("mail"), at(2)).unwrap().unwrap();
    let pool = whole.json().pool;
    assert_eq!(pool.replicas.set, Some(2));
    assert_eq!(pool.target.map(|target| target.name).as_deref(), Some("mail-worker"));
    assert!(on.whole(&key("other"), at(2)).unwrap().is_none());
    on.on(Input::PoolGone(key("mail")), at(3));
    assert_eq!(shown(&on), Some(0));
}
