use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::{
    broker::{PoolId, url},
    controller::{
        effect::Effect,
        event_loop::Controller,
        fixture::{FakeApi, FakeRedis, Stage, controller, key, listed, pool, target, until},
        fleet::Fleet,
        input::{Done, Input, PoolSeen},
        pool::{Text, UrlSource},
        state::{PoolInput, tests::Alone},
    },
    model::{Intent, PodIntent},
};

fn from_secret() -> Value {
    json!({"targetRef": {"name": "mail"}, "broker": {"urlFrom": {"secretKeyRef": {"name": "env", "key": "url"}}},
        "profile": "Economy", "scaleDown": {"idleSeconds": 5}})
}

/// Controller that does nothing by itself, with one pool of these replicas; and what must be kept alive as long.
fn one_pool(api: &Arc<FakeApi>, replicas: u32) -> (Controller, PoolId, impl Sized) {
    let (mut controller, own, samples) = controller(api);
    controller.take(target("mail", replicas, 1));
    controller.take(listed(&["mail"]));
    controller.take(pool("mail", &from_secret()));
    let id = controller.fleet.pools.id(&key("mail")).unwrap();
    (controller, id, (own, samples))
}

/// A pool of three whose broker is that of the Secret, once it has been counted there.
async fn three(api: &Arc<FakeApi>) -> Stage {
    let stage = Stage::new(api);
    stage.say(target("mail", 3, 1)).await;
    stage.say(listed(&["mail"])).await;
    stage.say(pool("mail", &from_secret())).await;
    until("the work is counted", || api.status("mail")["work"]["waiting"] == 6).await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_secret_is_noticed_when_pods_are_made_anew_while_the_old_broker_answers() {
    let (old, new) = (FakeRedis::start(6).await, FakeRedis::start(500).await);
    let api = Arc::<FakeApi>::default();
    api.secret(Some(old.url()));
    let stage = three(&api).await;
    api.secret(Some(new.url()));
    old.holds(0);
    stage.say(target("mail", 3, 2)).await;
    until("the new broker is asked", || new.connections() > 0).await;
    until("its work is answered", || api.scales().last().is_some_and(|to| *to > 3)).await;
    let scales = api.scales();
    assert!(
        scales.iter().all(|to| *to >= 3),
        "nothing goes down meanwhile: {scales:?}"
    );
}

/// No template tells: the application is handed another address by some other way.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_down_before_the_references_were_read_again() {
    let (old, new) = (FakeRedis::start(6).await, FakeRedis::start(500).await);
    let api = Arc::<FakeApi>::default();
    api.secret(Some(old.url()));
    let _stage = three(&api).await;
    api.secret(Some(new.url()));
    old.holds(0);
    until("the new work is answered", || !api.scales().is_empty()).await;
    assert!(api.scales()[0] > 3, "{:?}", api.scales());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_kept_while_its_secret_cannot_be_read() {
    let redis = FakeRedis::start(6).await;
    let api = Arc::<FakeApi>::default();
    api.secret(Some(redis.url()));
    let stage = three(&api).await;
    api.secret(None);
    let before = api.count("/secrets/env");
    stage.say(target("mail", 3, 2)).await;
    until("the Secret is read again", || api.count("/secrets/env") > before).await;
    redis.holds(500);
    until("the old address still counts", || {
        api.scales().last().is_some_and(|to| *to > 3)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_url_is_tried_when_one_cannot_be_reached_and_back_round() {
    let (first, second) = (FakeRedis::start(6).await, FakeRedis::start(500).await);
    let api = Arc::<FakeApi>::default();
    api.secret(Some(format!("{};{}", first.url(), second.url())));
    let _stage = three(&api).await;
    assert_eq!(second.connections(), 0, "one after the other");
    let said = |text: &str| condition(&api, "mail", "SourceAvailable", "True").contains(text);
    first.dies();
    until("the second is in use", || {
        said("(address 2 of the 2 in the broker URL)")
    })
    .await;
    until("its work is answered", || api.scales().last() == Some(&10)).await;
    second.dies();
    first.holds(7);
    until("the first is in use", || said("(address 1 of the 2 in the broker URL)")).await;
    assert!(api.scales().iter().all(|to| *to > 3), "{:?}", api.scales());
}

/// The text of this condition, if it has this status.
fn condition(api: &FakeApi, pool: &str, kind: &str, status: &str) -> String {
    let conditions = api.status(pool)["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions
        .into_iter()
        .find(|one| one["type"] == kind && one["status"] == status);
    found.map_or_else(String::new, |one| one["message"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_secret_a_pool_keeps_its_minimum_and_its_fallback() {
    let api = Arc::<FakeApi>::default();
    let stage = Stage::new(&api);
    stage.say(target("mail", 0, 1)).await;
    stage.say(listed(&["mail"])).await;
    let mut spec = from_secret();
    spec["minReplicas"] = json!(2);
    spec["fallback"] = json!({"replicas": 5, "afterSeconds": 1});
    stage.say(pool("mail", &spec)).await;
    until("the fallback is written", || api.scales().contains(&5)).await;
    assert_eq!(api.scales()[0], 2, "the minimum comes first");
    until("it is told", || {
        api.notes().iter().any(|note| note.contains("at least 5 replicas"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pools_that_count_one_queue_say_so_both() {
    let redis = FakeRedis::start(6).await;
    let api = Arc::<FakeApi>::default();
    api.secret(Some(redis.url()));
    let stage = Stage::new(&api);
    for name in ["mail", "other"] {
        stage.say(target(name, 3, 1)).await;
    }
    stage.say(listed(&["mail", "other"])).await;
    for name in ["mail", "other"] {
        let mut spec = from_secret();
        spec["targetRef"]["name"] = json!(name);
        stage.say(pool(name, &spec)).await;
    }
    for (name, other) in [("mail", "`shop/other`"), ("other", "`shop/mail`")] {
        until("the other pool is named", || {
            let message = condition(&api, name, "QueuesMatch", "False");
            message.contains(other) && message.contains("`celery`")
        })
        .await;
    }
}

#[tokio::test]
async fn whom_a_pool_has_told_to_stop_at_a_broker_that_it_leaves_is_told_to_fetch_again_there() {
    let (old, new) = (FakeRedis::start(0).await, FakeRedis::start(0).await);
    let (pod, node) = ("mail-6d5f7c9b8-aaaa0", "celery@mail-6d5f7c9b8-aaaa0");
    old.beats(node);
    let api = Arc::<FakeApi>::default();
    let (mut controller, id, _theirs) = one_pool(&api, 3);
    let address = |redis: &FakeRedis| {
        crate::broker::url::all(&redis.url())
            .unwrap()
            .into_iter()
            .map(Arc::new)
            .collect()
    };
    resolved(&mut controller, id, address(&old));
    let stopped = PodIntent {
        intent: Intent::Cordon([(node.to_owned(), ["celery".to_owned()].into())].into()),
        since: Moment::ZERO,
    };
    controller.fleet.pools.get_mut(id).unwrap().drain.intents = [(pod.to_owned(), stopped)].into();
    resolved(&mut controller, id, address(&old));
    assert_eq!(controller.effects.uncordons(), 0, "it is the same broker");
    resolved(&mut controller, id, address(&new));
    until("it is told", || old.told("add_consumer") > 0).await;
    assert_eq!(old.told("cancel_consumer"), 0);
}

/// The references are read again, and lead there.
fn resolved(controller: &mut Controller, id: PoolId, addresses: Vec<Arc<Address>>) {
    let tasks = &mut controller.fleet.pools.get_mut(id).unwrap().tasks;
    let asked = *tasks.resolving.get_or_insert(0);
    controller.take(Input::Done(id, Done::Resolved(asked, Ok(addresses))));
}

#[test]
fn an_answer_to_an_older_question_leads_nowhere() {
    let mut alone = Alone::new(3);
    let addresses = |url: &str| url::all(url).unwrap().into_iter().map(Arc::new).collect::<Vec<_>>();
    alone.on(PoolInput::Wake, 0);
    let first = alone.state.tasks.resolving.unwrap();
    let mut other = alone.state.pool.clone().unwrap();
    other.source.url = UrlSource::Whole(Text::Plain("redis://new".into()));
    let seen = PoolSeen {
        identity: alone.state.identity.clone(),
        pool: Ok(other),
        status: None,
    };
    alone.on(PoolInput::Spec(Box::new(seen)), 1);
    alone.on(PoolInput::Wake, 1);
    alone.on(PoolInput::Done(Done::Resolved(first, Ok(addresses("redis://old")))), 2);
    assert_eq!(
        alone.state.link,
        BrokerLink::None,
        "it was asked for what the pool referred to before"
    );
    alone.resolved(addresses("redis://new"), 3);
    assert_eq!(alone.state.link.address().unwrap().host, "new");
}

#[test]
fn where_nobody_is_heard_for_long_the_first_address_is_tried_again() {
    let mut alone = Alone::new(3);
    let addresses: Vec<_> = crate::broker::url::all("redis://127.0.0.1:1;redis://127.0.0.1:2")
        .unwrap()
        .into_iter()
        .map(Arc::new)
        .collect();
    alone.on(PoolInput::Wake, 0);
    alone.resolved(addresses.clone(), 1);
    let at = |alone: &Alone| alone.state.link.address().cloned();
    for _ in 0..PATIENCE {
        assert_eq!(at(&alone), Some(addresses[0].clone()));
        alone.sample(Err(SampleError::Refused), 2);
    }
    assert_eq!(at(&alone), Some(addresses[1].clone()));
    let counted = |heard| {
        Ok(Tally {
            workers_heard: heard,
            ..Tally::default()
        })
    };
    alone.sample(counted(false), 3);
    assert_eq!(at(&alone), Some(addresses[1].clone()), "not at once");
    alone.sample(counted(true), 400);
    assert_eq!(at(&alone), Some(addresses[1].clone()), "somebody is there");
    alone.sample(counted(false), 401);
    assert_eq!(at(&alone), Some(addresses[0].clone()));
}

#[test]
fn references_are_read_again_once_when_the_management_api_refuses_the_password() {
    let mut alone = Alone::new(3);
    let address = crate::broker::url::all("amqp://127.0.0.1:1").unwrap().remove(0);
    alone.on(PoolInput::Wake, 0);
    alone.resolved(vec![Arc::new(address)], 0);
    let reads = |effects: Vec<PoolEffect>| {
        let is_read = |effect: &PoolEffect| matches!(effect, PoolEffect::Resolve { .. });
        effects.iter().filter(|effect| is_read(effect)).count()
    };
    let counted = |degraded| {
        Ok(Tally {
            degraded,
            ..Tally::default()
        })
    };
    let refused = Some(SampleError::ManagementAuthentication);
    let mut read = Vec::new();
    for (second, degraded) in [
        (10, None),
        (11, Some(SampleError::ManagementTimeout)),
        (12, refused),
        (13, refused),
    ] {
        read.push(reads(alone.sample(counted(degraded), second)));
    }
    assert_eq!(read, [0, 0, 1, 0]);
}

#[test]
fn tasks_that_vanished_are_an_event() {
    let mut alone = Alone::new(0);
    let address = crate::broker::url::all("redis://127.0.0.1:1").unwrap().remove(0);
    alone.on(PoolInput::Wake, 0);
    alone.resolved(vec![Arc::new(address)], 0);
    let mut told = Vec::new();
    for second in 0..20 {
        let mut tally = Tally::default();
        tally.work.ready = if second < 3 { 300 } else { 0 };
        told.extend(alone.sample(Ok(tally), second));
    }
    let vanished = told.into_iter().filter_map(|effect| match effect {
        PoolEffect::Publish(_, PoolEvent::TasksVanished { tasks }) => Some(tasks),
        _ => None,
    });
    assert_eq!(vanished.collect::<Vec<_>>(), [300]);
}

#[test]
fn references_are_read_again_each_minute_and_not_of_all_pools_at_once() {
    const POOLS: usize = 60;
    let mut fleet = Fleet::leading([None]);
    let at = |second: u64| Now {
        wall: jiff::Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
        moment: Duration::from_secs(1000 + second),
    };
    let mut effects = fleet.on(listed(&[]), at(0));
    for number in 0..POOLS {
        let name = format!("pool-{number}");
        let mut spec = from_secret();
        spec["targetRef"]["name"] = json!(name);
        effects.extend(fleet.on(target(&name, 3, 1), at(0)));
        effects.extend(fleet.on(pool(&name, &spec), at(0)));
    }
    let mut seconds = BTreeMap::new();
    for second in 0..300 {
        let mut reads = 0;
        while !effects.is_empty() {
            for effect in std::mem::take(&mut effects) {
                if let Effect::Pool(id, PoolEffect::Resolve { asked, .. }) = effect {
                    reads += 1;
                    let addresses = url::all("redis://redis").unwrap().into_iter().map(Arc::new).collect();
                    effects.extend(fleet.on(Input::Done(id, Done::Resolved(asked, Ok(addresses))), at(second)));
                }
            }
        }
        seconds.insert(second, reads);
        effects = fleet.wake_due(at(second + 1));
    }
    assert_eq!(seconds[&0], POOLS, "each at once");
    let later = seconds.values().sum::<usize>() - POOLS;
    assert!((4 * POOLS..=8 * POOLS).contains(&later), "{later} in five minutes");
    let most = seconds.range(1..).map(|(_, reads)| *reads).max().unwrap();
    assert!(most <= POOLS / 8, "{most} in one second: {seconds:?}");
    let id = fleet.pools.id(&key("pool-7")).unwrap();
    assert!(matches!(fleet.pools.get(id).unwrap().link, BrokerLink::Linked(_)));
}
