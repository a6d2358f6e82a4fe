use serde_json::{Value, json};

use super::*;

fn parts_of(spec: Value) -> Result<Parts, Problem> {
    parts(&serde_json::from_value(spec).unwrap())
}

fn secret(name: &str, key: &str) -> Value {
    json!({"secretKeyRef": {"name": name, "key": key}})
}

fn texts(host: &str, password: Option<&str>) -> PartTexts {
    PartTexts {
        host: Secret::new(host),
        port: None,
        path: None,
        user: None,
        password: password.map(Secret::new),
        hosts: BTreeMap::new(),
    }
}

fn some(text: &str) -> Option<Secret> {
    Some(Secret::new(text))
}

/// The Secret `owner` names these hosts in its annotation.
fn named(texts: &PartTexts, owner: &str, hosts: &[&str]) -> PartTexts {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    PartTexts {
        hosts: BTreeMap::from([(owner.to_owned(), hosts)]),
        ..texts.clone()
    }
}

fn read(parts: &Parts, texts: &PartTexts) -> Result<String, String> {
    let url = url_of_parts(parts, texts, "shop");
    url.map(|url| url.expose().to_owned())
        .map_err(|problem| problem.message)
}

#[test]
fn parts_are_joined_and_nothing_has_to_be_percent_encoded() {
    let redis =
        parts_of(json!({"scheme": "redis", "host": "r", "database": 2, "passwordFrom": secret("s", "p")})).unwrap();
    let with = PartTexts {
        path: some("2"),
        ..texts("r", Some("a/b:c@d#e?f;g%h\n"))
    };
    assert_eq!(
        read(&redis, &with).unwrap(),
        "redis://:a%2Fb%3Ac%40d%23e%3Ff%3Bg%25h@r/2"
    );
    let amqp = parts_of(
        json!({"scheme": "amqps", "hostFrom": secret("s", "h"), "portFrom": secret("s", "port"),
        "userFrom": secret("s", "u"), "passwordFrom": secret("s", "p"), "virtualHost": "/"}),
    )
    .unwrap();
    let with = PartTexts {
        port: some("5671\n"),
        path: some("/"),
        user: some("shop user"),
        ..texts("b-1.mq.example", Some("pw"))
    };
    assert_eq!(
        read(&amqp, &with).unwrap(),
        "amqps://shop%20user:pw@b%2D1.mq.example:5671/%2F".replace("%2D", "-")
    );
    let plain = parts_of(json!({"scheme": "redis", "host": "::1"})).unwrap();
    assert_eq!(read(&plain, &texts("::1", None)).unwrap(), "redis://[::1]");
}

#[test]
fn a_password_goes_where_its_owner_wanted_it() {
    let foreign = parts_of(json!({"scheme": "redis", "host": "x", "passwordFrom": secret("s", "p")})).unwrap();
    for host in [
        "redis",
        "redis.shop",
        "redis.shop.svc",
        "redis.shop.svc.cluster.local",
        "redis-0.redis.shop.svc.cluster.local.",
    ] {
        assert!(read(&foreign, &texts(host, Some("pw"))).is_ok(), "{host}");
    }
    for host in [
        "redis.example",
        "10.0.0.1",
        "::1",
        "redis.other.svc",
        "shop.svc",
        "redis.shop.evil.example",
        "redisshop.svc",
        ".shop.svc",
    ] {
        let why = read(&foreign, &texts(host, Some("canary"))).unwrap_err();
        assert!(
            why.contains(&format!("`taskworkerpool.dev/hosts: {host}`")),
            "{host}: {why}"
        );
        assert!(!why.contains("canary"), "{why}");
        let named = named(
            &texts(host, Some("pw")),
            "s",
            &["other.example", &host.to_ascii_uppercase()],
        );
        assert!(read(&foreign, &named).is_ok(), "{host}");
    }
    // Where nothing is from a Secret there is nothing to keep.
    let open = json!({"scheme": "redis", "host": "x", "userFrom": {"configMapKeyRef": {"name": "s", "key": "u"}}});
    let with = PartTexts {
        user: some("shop"),
        ..texts("redis.example", None)
    };
    assert!(read(&parts_of(open).unwrap(), &with).is_ok());
    let beside = json!({"scheme": "redis", "hostFrom": secret("s", "h"), "passwordFrom": secret("s", "p")});
    assert!(read(&parts_of(beside).unwrap(), &texts("redis.example", Some("pw"))).is_ok());
    let apart = json!({"scheme": "redis", "hostFrom": secret("t", "h"), "passwordFrom": secret("s", "p")});
    let why = read(&parts_of(apart).unwrap(), &texts("hidden.example", Some("pw"))).unwrap_err();
    assert!(!why.contains("hidden"), "what another Secret holds is not told: {why}");
}

/// Whatever the field is called, its author may have named the key with somebody's password.
#[test]
fn each_part_from_a_secret_goes_where_the_owner_of_that_secret_wanted_it() {
    let foreign = PartTexts {
        port: some("1"),
        path: some("1"),
        user: some("canary"),
        ..texts("evil.example", Some("canary"))
    };
    for (scheme, field) in [
        ("redis", "userFrom"),
        ("redis", "databaseFrom"),
        ("redis", "portFrom"),
        ("amqp", "userFrom"),
        ("amqp", "virtualHostFrom"),
        ("amqp", "portFrom"),
        ("amqp", "passwordFrom"),
    ] {
        let spec = |host: &str, value: Value| {
            parts_of(json!({"scheme": scheme, host: value, field: secret("db", "password")})).unwrap()
        };
        let plain = spec("host", json!("evil.example"));
        let why = url_of_parts(&plain, &foreign, "shop").unwrap_err();
        assert_eq!(why.reason, "HostNotAllowed", "{field}");
        for part in [
            format!("`broker.parts.{field}`"),
            "Secret `db`".to_owned(),
            "`taskworkerpool.dev/hosts: evil.example`".to_owned(),
        ] {
            assert!(why.message.contains(&part), "{}", why.message);
        }
        assert!(!why.message.contains("canary"), "{}", why.message);
        assert!(
            read(&plain, &named(&foreign, "db", &["evil.example"])).is_ok(),
            "{field}"
        );
        assert!(read(&plain, &named(&foreign, "other", &["evil.example"])).is_err());
        let beside = spec("hostFrom", secret("db", "host"));
        assert!(read(&beside, &foreign).is_ok(), "{field}");
        let apart = spec("hostFrom", secret("other", "host"));
        assert!(read(&apart, &foreign).is_err(), "{field}");
    }
}

#[test]
fn a_secret_that_says_where_it_may_go_says_it_of_no_other() {
    let two = json!({"scheme": "amqp", "host": "evil.example", "userFrom": secret("db", "password"),
        "passwordFrom": secret("own", "p")});
    let two = parts_of(two).unwrap();
    let with = PartTexts {
        user: some("canary"),
        ..texts("evil.example", Some("pw"))
    };
    let why = read(&two, &named(&with, "own", &["evil.example"])).unwrap_err();
    assert!(
        why.contains("`broker.parts.userFrom`") && why.contains("Secret `db`"),
        "{why}"
    );
    let all = json!({"scheme": "amqp", "hostFrom": secret("s", "host"), "portFrom": secret("s", "port"),
        "userFrom": secret("s", "u"), "virtualHostFrom": secret("s", "v"), "passwordFrom": secret("s", "p")});
    let with = PartTexts {
        port: some("5672"),
        path: some("v"),
        ..with
    };
    assert!(read(&parts_of(all).unwrap(), &with).is_ok());
}

/// Whether a value can be used is not told before it is known that it may go there.
#[test]
fn a_value_that_may_not_go_there_is_not_looked_at() {
    let spec = json!({"scheme": "redis", "host": "evil.example", "portFrom": secret("db", "pin"),
        "databaseFrom": secret("db", "pin")});
    let spec = parts_of(spec).unwrap();
    let said = ["1", "70000", "no number"].map(|pin| {
        let with = PartTexts {
            port: some(pin),
            path: some(pin),
            ..texts("evil.example", None)
        };
        read(&spec, &with).unwrap_err()
    });
    assert!(said.iter().all(|one| *one == said[0]), "{said:#?}");
}

#[test]
fn of_a_value_in_a_secret_the_same_is_said_whatever_it_is_and_of_a_config_map_what_is_wrong() {
    let spec = |kind: &str| {
        let from = |key: &str| json!({ kind: {"name": "s", "key": key} });
        parts_of(
            json!({"scheme": "redis", "hostFrom": from("h"), "portFrom": from("port"), "databaseFrom": from("db")}),
        )
        .unwrap()
    };
    let good = PartTexts {
        port: some("1"),
        path: some("1"),
        ..texts("r", None)
    };
    let bad = |field: &str, text: &str| {
        let mut bad = good.clone();
        match field {
            "host" => bad.host = Secret::new(text),
            "port" => bad.port = some(text),
            _ => bad.path = some(text),
        }
        bad
    };
    for (field, key, wanted, values) in [
        (
            "host",
            "h",
            "a host name or an IP address",
            ["canary/", "", "user@canary"],
        ),
        ("port", "port", "a number from 1 to 65535", ["canary", "0", "70000"]),
        ("database", "db", "a database number", ["canary", "-1", ""]),
    ] {
        for value in values {
            let why = read(&spec("secretKeyRef"), &bad(field, value)).unwrap_err();
            assert_eq!(
                why,
                format!("the value that `broker.parts.{field}From` names (key `{key}` of Secret `s`) cannot be used")
            );
            let why = read(&spec("configMapKeyRef"), &bad(field, value)).unwrap_err();
            assert!(
                why.contains(&format!("`broker.parts.{field}From`")) && why.contains(wanted),
                "{why}"
            );
            assert!(!why.contains("canary"), "{why}");
        }
    }
    let shown = format!("{:?}", bad("database", "canary"));
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn parts_that_contradict_each_other_are_named() {
    for (spec, field) in [
        (json!({"scheme": "redis"}), "host"),
        (
            json!({"scheme": "redis", "host": "r", "virtualHost": "v"}),
            "virtualHost",
        ),
        (json!({"scheme": "amqp", "host": "r", "database": 1}), "database"),
        (
            json!({"scheme": "amqp", "host": "r", "user": "u", "userFrom": secret("s", "u")}),
            "user",
        ),
        (
            json!({"scheme": "amqp", "host": "r", "passwordFrom": {"configMapKeyRef": {"name": "m", "key": "p"}}}),
            "passwordFrom",
        ),
    ] {
        let why = parts_of(spec).unwrap_err().message;
        assert!(why.contains(&format!("`broker.parts.{field}`")), "{why}");
    }
}
