//! What a pool names and is not there, or is wrong: it is said in a condition, no other pool is held up, and once it is
//! mended the pool works by itself.

use serde_json::json;

use crate::{
    stage::{CANARY, ENCODED, Stage},
    support::operator::{Operator, Options},
};

/// Everything the operator and its libraries would ever log.
fn talkative() -> Options {
    Options {
        log_level: Some("trace".to_owned()),
        ..Options::default()
    }
}

#[tokio::test]
async fn a_missing_secret_is_named_and_used_once_it_is_there() {
    let stage = Stage::redis("secret").await;
    stage.workers("mail", 0).await;
    stage.publish(30).await;
    let from = json!({"urlFrom": {"secretKeyRef": {"name": "later", "key": "url"}}});
    stage.pool("mail", json!({ "broker": from })).await;
    let operator = Operator::start_with(&stage.ns.name, talkative()).await;

    let message = stage
        .ns
        .wait_condition("mail", "Ready", "False", "ReferenceMissing")
        .await;
    assert!(message.contains("`later`"), "the message names the Secret: {message}");

    stage.secret("later", &stage.url()).await;
    stage.ns.wait_replicas("mail", 3).await;
    stage.ns.wait_working("mail").await;
    stage.assert_discreet(&operator).await;
}

#[tokio::test]
async fn a_missing_deployment_is_named_and_scaled_once_it_is_there() {
    let stage = Stage::redis("target").await;
    stage.publish(30).await;
    stage.pool("mail", json!({})).await;
    let _operator = Operator::start(&stage.ns.name).await;

    let message = stage.ns.wait_condition("mail", "Ready", "False", "TargetMissing").await;
    assert!(
        message.contains("`mail`"),
        "the message names the Deployment: {message}"
    );

    stage.workers("mail", 0).await;
    stage.ns.wait_replicas("mail", 3).await;
    stage.ns.wait_working("mail").await;
}

#[tokio::test]
async fn a_wrong_password_is_said_and_mended_by_the_secret_alone() {
    let stage = Stage::redis("password").await;
    stage.workers("mail", 2).await;
    stage.publish(30).await;
    let right = stage.url();
    stage
        .secret("broker", &right.replace(ENCODED, &format!("{ENCODED}2")))
        .await;
    stage.pool("mail", json!({})).await;
    let operator = Operator::start_with(&stage.ns.name, talkative()).await;

    stage
        .ns
        .wait_condition("mail", "SourceAvailable", "False", "AuthenticationFailed")
        .await;
    assert_eq!(stage.ns.replicas("mail").await, Ok(2), "unknown is not zero");
    stage.ns.wait_event(&["AuthenticationFailed"]).await;

    stage.secret("broker", &right).await;
    stage.ns.wait_replicas("mail", 3).await;
    stage
        .ns
        .wait_condition("mail", "SourceAvailable", "True", "Sampled")
        .await;
    stage.assert_discreet(&operator).await;
}

#[tokio::test]
async fn a_key_that_the_acl_refuses_is_an_error_and_never_an_empty_queue() {
    let stage = Stage::redis("acl").await;
    stage.workers("mail", 2).await;
    stage.publish(30).await;
    let acl = |keys: &str| {
        let rules = ["ACL", "SETUSER", "operator", "reset", "on", "+@all", "allchannels"].map(str::to_owned);
        let mut rules = Vec::from(rules);
        rules.extend([format!(">{CANARY}"), keys.to_owned()]);
        rules
    };
    set_acl(&stage, &acl("~other")).await;
    stage.secret("broker", &stage.url().replace("//:", "//operator:")).await;
    stage.pool("mail", json!({})).await;
    let operator = Operator::start(&stage.ns.name).await;

    stage
        .ns
        .wait_condition("mail", "SourceAvailable", "False", "PermissionDenied")
        .await;
    assert_eq!(stage.ns.replicas("mail").await, Ok(2), "unknown is not zero");

    set_acl(&stage, &acl("~*")).await;
    stage.ns.wait_replicas("mail", 3).await;
    stage.assert_discreet(&operator).await;
}

async fn set_acl(stage: &Stage, command: &[String]) {
    let mut connection = stage.connection().await;
    let mut set = redis::Cmd::new();
    set.arg(command);
    let () = set.query_async(&mut connection).await.expect("ACL SETUSER");
}

#[tokio::test]
async fn bad_pools_are_told_apart_and_never_stop_a_good_one() {
    let stage = Stage::redis("bad").await;
    let url = stage.url();
    let bad = [
        (
            "port",
            url.replace(":6379", ":6390"),
            "SourceAvailable",
            "ConnectionRefused",
        ),
        (
            "tls",
            url.replace("redis://", "rediss://"),
            "SourceAvailable",
            "TlsNotSpoken",
        ),
        (
            "scheme",
            url.replace("redis://", "memcached://"),
            "Ready",
            "InvalidSpec",
        ),
        ("letters", url.replace(ENCODED, "c4n4ry/:@%#pw"), "Ready", "InvalidSpec"),
        ("empty", String::new(), "Ready", "InvalidSpec"),
        (
            "host",
            url.replace(&stage.host, "nowhere.invalid"),
            "SourceAvailable",
            "HostNotFound",
        ),
    ];
    for (name, url, ..) in &bad {
        stage.workers(name, 1).await;
        stage.secret(&format!("url-{name}"), url).await;
        let from = json!({"urlFrom": {"secretKeyRef": {"name": format!("url-{name}"), "key": "url"}}});
        stage.pool(name, json!({ "broker": from })).await;
    }
    stage.workers("good", 0).await;
    stage.pool("good", json!({})).await;
    let operator = Operator::start_with(&stage.ns.name, talkative()).await;
    stage.publish(30).await;

    stage.ns.wait_replicas("good", 3).await;
    for (name, _, condition, reason) in &bad {
        stage.ns.wait_condition(name, condition, "False", reason).await;
        assert_eq!(stage.ns.replicas(name).await, Ok(1), "{name} is held");
    }
    stage.purge().await;
    stage.ns.wait_replicas("good", 0).await;
    stage.assert_discreet(&operator).await;
}
