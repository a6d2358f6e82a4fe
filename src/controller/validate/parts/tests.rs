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
        host: host.into(),
        password: password.map(|password| (Secret::new(password), Vec::new())),
        ..PartTexts::default()
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
        path: Some("2".into()),
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
        port: Some("5671\n".into()),
        path: Some("/".into()),
        user: Some("shop user".into()),
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
        let mut named = texts(host, Some("pw"));
        named.password = Some((
            Secret::new("pw"),
            vec!["other.example".into(), host.to_ascii_uppercase()],
        ));
        assert!(read(&foreign, &named).is_ok(), "{host}");
    }
    // Without a password there is nothing to keep.
    assert!(read(&foreign, &texts("redis.example", None)).is_ok());
    let beside = json!({"scheme": "redis", "hostFrom": secret("s", "h"), "passwordFrom": secret("s", "p")});
    assert!(read(&parts_of(beside).unwrap(), &texts("redis.example", Some("pw"))).is_ok());
    let apart = json!({"scheme": "redis", "hostFrom": secret("t", "h"), "passwordFrom": secret("s", "p")});
    let why = read(&parts_of(apart).unwrap(), &texts("hidden.example", Some("pw"))).unwrap_err();
    assert!(!why.contains("hidden"), "what another Secret holds is not told: {why}");
}

#[test]
fn what_is_no_part_of_an_address_is_named_with_its_field_and_never_quoted() {
    let from = json!({"scheme": "redis", "hostFrom": secret("s", "h"), "portFrom": secret("s", "port"),
        "databaseFrom": secret("s", "db")});
    let from = parts_of(from).unwrap();
    let good = PartTexts {
        port: Some("1".into()),
        path: Some("1".into()),
        ..texts("r", None)
    };
    for (bad, field) in [
        (
            PartTexts {
                host: "canary/".into(),
                ..good.clone()
            },
            "hostFrom",
        ),
        (
            PartTexts {
                host: String::new(),
                ..good.clone()
            },
            "hostFrom",
        ),
        (
            PartTexts {
                host: "user@canary".into(),
                ..good.clone()
            },
            "hostFrom",
        ),
        (
            PartTexts {
                port: Some("canary".into()),
                ..good.clone()
            },
            "portFrom",
        ),
        (
            PartTexts {
                port: Some("0".into()),
                ..good.clone()
            },
            "portFrom",
        ),
        (
            PartTexts {
                path: Some("canary".into()),
                ..good.clone()
            },
            "databaseFrom",
        ),
    ] {
        let why = read(&from, &bad).unwrap_err();
        assert!(
            why.contains(&format!("`broker.parts.{field}`")) && !why.contains("canary"),
            "{why}"
        );
    }
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
