//! What a pool names and is not there, or is wrong: it is said in a condition, no other pool is held up, and once it is
//! mended the pool works by itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{
    bed::{image, kubeconfig},
    operator::{Operator, Options},
    pods::server,
    stage::{CANARY, ENCODED, Stage, message},
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
async fn a_port_that_wants_tls_is_said_and_read_once_the_pool_speaks_it() {
    let stage = Stage::redis("sealed").await;
    let url = format!("redis://:{ENCODED}@{}:6379/0", sealed(&stage).await);
    stage.secret("sealed", &url).await;
    stage.workers("mail", 2).await;
    let from = json!({"secretKeyRef": {"name": "sealed", "key": "url"}});
    stage.pool("mail", json!({"broker": {"urlFrom": from}})).await;
    let operator = Operator::start(&stage.ns.name).await;

    stage
        .ns
        .wait_condition("mail", "SourceAvailable", "False", "TlsExpected")
        .await;
    assert_eq!(stage.ns.replicas("mail").await, Ok(2), "unknown is not zero");

    stage.secret("sealed", &url.replace("redis://", "rediss://")).await;
    stage
        .ns
        .wait_condition("mail", "SourceAvailable", "False", "CertificateNotTrusted")
        .await;
    let trust = json!({"caFrom": {"secretKeyRef": {"name": "tls", "key": "ca.pem"}}, "serverName": "broker.test"});
    stage.ns.change_pool("mail", json!({"broker": {"tls": trust}})).await;
    stage.ns.wait_replicas("mail", 3).await;
    stage
        .ns
        .wait_condition("mail", "SourceAvailable", "True", "Sampled")
        .await;
    stage.assert_discreet(&operator).await;
}

/// A second Redis, behind TLS only, with 30 tasks in it: its address.
async fn sealed(stage: &Stage) -> String {
    let tls = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"}, "stringData": {
        "ca.pem": include_str!("../../../src/broker/testdata/ca.pem"),
        "server.pem": include_str!("../../../src/broker/testdata/server.pem"),
        "server.key": include_str!("../../../src/broker/testdata/server.key"),
    }});
    let command = [
        "redis-server --port 0 --tls-port 6379 --tls-auth-clients no --tls-ca-cert-file /tls/ca.pem",
        "--tls-cert-file /tls/server.pem --tls-key-file /tls/server.key --requirepass",
    ];
    let mut command: Vec<&str> = command.iter().flat_map(|part| part.split(' ')).collect();
    command.push(CANARY);
    let mut objects = server("sealed", &image("REDIS"), &command, &[6379]);
    let pod = &mut objects["items"][0]["spec"]["template"]["spec"];
    pod["volumes"] = json!([{"name": "tls", "secret": {"secretName": "tls"}}]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "tls", "mountPath": "/tls"}]);
    stage.ns.apply(format!("{tls}\n---\n{objects}")).await;
    stage.ns.wait_ready("sealed").await;

    let tasks: Vec<String> = (0..30).map(|_| message("celery").to_string()).collect();
    let mut push = "redis-cli --tls --insecure --no-auth-warning -a"
        .split(' ')
        .collect::<Vec<_>>();
    push.extend([CANARY, "lpush", "celery"]);
    push.extend(tasks.iter().map(String::as_str));
    assert_eq!(stage.ns.exec("deploy/sealed", &push).await.trim(), "30");
    stage.ns.cluster_ip("sealed").await
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

#[tokio::test]
async fn a_pool_learns_nothing_of_places_where_no_broker_may_be() {
    let stage = Stage::redis("egress").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let open = listener.local_addr().expect("its address");
    let text = std::fs::read_to_string(kubeconfig()).expect("the kubeconfig");
    let config: Value = serde_saphyr::from_str(&text).expect("YAML");
    let api_server = config["clusters"][0]["cluster"]["server"].as_str().expect("a server");
    let api_server = api_server.trim_start_matches("https://");
    let places = ["127.0.0.1:1", &open.to_string(), "169.254.169.254:80", api_server];
    for (number, place) in places.iter().enumerate() {
        let name = format!("mail-{number}");
        stage.workers(&name, 1).await;
        let broker = json!({"url": format!("redis://{place}/0")});
        stage.pool(&name, json!({ "broker": broker })).await;
    }
    let operator = Operator::start(&stage.ns.name).await;
    let mut said = BTreeSet::new();
    for number in 0..places.len() {
        let name = format!("mail-{number}");
        let told = stage
            .ns
            .wait_condition(&name, "SourceAvailable", "False", "AddressNotAllowed");
        said.insert(told.await);
    }
    assert_eq!(said.len(), 1, "the same of all: {said:?}");
    assert!(said.iter().all(|said| said.contains("`brokerCidrs`")), "{said:?}");
    drop(operator);

    // With a list only what is in it: not this Redis …
    stage.pool("mail-1", json!({})).await;
    let env = vec![("TWP_BROKER_CIDRS", "192.0.2.0/24,127.0.0.0/8".to_owned())];
    let options = Options { env, ..talkative() };
    let operator = Operator::start_with(&stage.ns.name, options).await;
    let lost = |pool, why| stage.ns.wait_condition(pool, "SourceAvailable", "False", why);
    lost("mail-1", "AddressNotAllowed").await;
    // … but loopback, which it names.
    lost("mail-0", "ConnectionRefused").await;
    stage.assert_discreet(&operator).await;
}
