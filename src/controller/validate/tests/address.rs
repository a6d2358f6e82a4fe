//! From a URL to an address, and what is refused on the way.
use super::*;
use crate::broker::Kind;

/// The first of the addresses.
fn address(pool: &Pool, namespace: &str, texts: Texts) -> Result<Address, Problem> {
    Ok(addresses(pool, namespace, &texts)?.remove(0))
}

#[test]
fn a_url_leads_to_an_address() {
    let pool = good(json!({"broker": {"urlFrom": secret()}}));
    let address = address(&pool, "shop", texts("redis://user:pw@redis.example:6380/2")).unwrap();
    assert_eq!(
        (address.kind, &*address.host, address.port),
        (Kind::Redis { db: 2 }, "redis.example", 6380)
    );
    assert_eq!(address.password, Some(Secret::new("pw")));
    assert_eq!((address.tls, address.management), (None, None));
}

#[test]
fn a_host_of_one_word_is_a_service_beside_the_pool() {
    let pool = good(json!({"broker": {"urlFrom": secret()}}));
    for (url, host) in [
        ("redis://redis", "redis.shop.svc"),
        ("redis://redis.other", "redis.other"),
        ("redis://localhost", "localhost"),
        ("redis://10.0.0.1", "10.0.0.1"),
        ("redis://[::1]", "::1"),
    ] {
        assert_eq!(address(&pool, "shop", texts(url)).unwrap().host, host, "{url}");
    }
    let encrypted = address(&pool, "shop", texts("rediss://redis")).unwrap();
    assert_eq!(
        encrypted.tls.unwrap().server_name.as_deref(),
        Some("redis"),
        "the certificate's name stays"
    );
}

/// A password goes there, and the namespace may be called as a domain of the internet is.
#[test]
fn a_service_that_is_given_by_parts_never_leaves_the_cluster_and_its_certificate_keeps_the_name() {
    let parts = json!({"scheme": "rediss", "host": "redis.io"});
    let pool = good(json!({"broker": {"parts": parts}}));
    let within = address(&pool, "io", texts("rediss://:pw@redis.io")).unwrap();
    assert_eq!(within.host, "redis.io.svc");
    assert_eq!(within.tls.unwrap().server_name.as_deref(), Some("redis.io"));
    assert_eq!(
        address(&pool, "shop", texts("rediss://:pw@redis.io")).unwrap().host,
        "redis.io"
    );
    // The application resolves a whole URL's host by itself.
    let whole = good(json!({"broker": {"urlFrom": secret()}}));
    assert_eq!(
        address(&whole, "io", texts("rediss://:pw@redis.io")).unwrap().host,
        "redis.io"
    );
}

/// It gets the broker's password, so it is at that very host; one with its own password is where its URL says.
#[test]
fn the_management_api_of_a_service_that_is_given_by_parts_never_leaves_the_cluster() {
    let with = |management: Value, text: &str| {
        let parts = json!({"scheme": "amqp", "host": "mq.io"});
        let pool = good(json!({"broker": {"parts": parts, "management": management}}));
        let texts = Texts {
            management: Some(Secret::new(text)),
            ..texts("amqp://u:pw@mq.io")
        };
        address(&pool, "io", texts).unwrap().management.unwrap().host
    };
    let url = "http://mq.io:15672";
    assert_eq!(with(json!({ "url": url }), url), "mq.io.svc");
    assert_eq!(with(json!({"urlFrom": secret()}), "https://m:n@mq.io"), "mq.io");
}

#[test]
fn the_tls_fields_encrypt_any_address() {
    let pool = good(json!({"broker": {"urlFrom": secret(), "tls": {"serverName": "r"}}}));
    let with = |url: &str| Texts {
        ca: Some("CA".into()),
        identity: Some(("CERT".into(), Secret::new("KEY"))),
        ..texts(url)
    };
    for url in ["rediss://redis", "redis://redis", "amqp://rabbitmq"] {
        let tls = address(&pool, "shop", with(url)).unwrap().tls.unwrap();
        assert_eq!((tls.ca.as_deref(), tls.server_name.as_deref()), (Some("CA"), Some("r")));
        assert!(tls.identity.is_some());
    }
    // As `broker_use_ssl` does: the port that is not given is that of TLS.
    let empty = good(json!({"broker": {"urlFrom": secret(), "tls": {}}}));
    for (url, port) in [
        ("redis://redis", 6379),
        ("amqp://rabbitmq", 5671),
        ("amqp://rabbitmq:5672", 5672),
        ("rabbitmq", 5671),
        ("amqp://a:1;amqp://rabbitmq", 5671),
    ] {
        let last = addresses(&empty, "shop", &texts(url)).unwrap().pop().unwrap();
        let name = url.rsplit(['/', ';']).next().unwrap().split(':').next();
        assert_eq!(
            (last.port, last.tls.unwrap().server_name.as_deref()),
            (port, name),
            "{url}"
        );
    }
    let plain = good(json!({"broker": {"urlFrom": secret()}}));
    assert_eq!(address(&plain, "shop", texts("amqp://rabbitmq")).unwrap().tls, None);
}

#[test]
fn the_brokers_password_goes_to_the_brokers_host_only() {
    let with = |broker_url: &str, management: &str| {
        let pool = good(json!({"broker": {"urlFrom": secret(), "management": {"url": management}}}));
        let management = Some(Secret::new(management));
        address(
            &pool,
            "shop",
            Texts {
                management,
                ..texts(broker_url)
            },
        )
    };
    let same = with("amqp://u:pw@rabbitmq//", "http://rabbitmq:15672")
        .unwrap()
        .management
        .unwrap();
    assert_eq!(
        (&*same.user, same.password, &*same.host),
        ("u", Secret::new("pw"), "rabbitmq.shop.svc")
    );
    for (broker, management) in [
        ("amqps://u:pw@rabbitmq//", "https://rabbitmq"),
        ("amqps://u:pw@rabbitmq//", "https://rabbitmq:443/api"),
        ("amqp://u:pw@rabbitmq//", "https://rabbitmq"),
        ("amqps://u:pw@other;amqp://u:pw@rabbitmq", "http://rabbitmq"),
    ] {
        assert!(with(broker, management).is_ok(), "{broker} {management}");
    }
    let in_clear = with("amqps://u:pw@rabbitmq//", "http://rabbitmq:15672").unwrap_err();
    assert!(in_clear.message.contains("use https://"), "{}", in_clear.message);
    let other = with("amqp://u:pw@rabbitmq//", "http://elsewhere:15672").unwrap_err();
    assert!(
        other.message.contains("goes to the broker's host only"),
        "{}",
        other.message
    );
}

#[test]
fn a_management_url_from_a_secret_brings_its_own_password_to_any_host() {
    let pool = good(json!({"broker": {"urlFrom": secret(), "management": {"urlFrom": secret()}}}));
    let with = |url: &str| Texts {
        management: Some(Secret::new(url)),
        ..texts("amqp://u:pw@rabbitmq//")
    };
    let management = address(&pool, "shop", with("https://m:n@elsewhere.example:443"))
        .unwrap()
        .management
        .unwrap();
    assert_eq!((&*management.user, management.password), ("m", Secret::new("n")));
    let without = address(&pool, "shop", with("https://elsewhere.example")).unwrap_err();
    assert!(without.message.contains("is no management URL"), "{}", without.message);
}

/// Whoever writes a pool may name any key of any Secret in the namespace, and must not learn what is in it.
#[test]
fn of_a_secret_that_is_no_url_always_the_same_is_said() {
    let secrets = good(json!({"broker": {"urlFrom": secret(), "management": {"urlFrom": secret()}}}));
    let mut said = std::collections::BTreeSet::new();
    for text in [
        "",
        "two words",
        "a/b",
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
        "{\"auths\": {}}",
        "sentinel://h",
        "sqs://",
        "https://user:pw@h/x",
        "postgres://u:pw@h/db",
        "redis://h:99999",
        "redis://:a/b@h",
        "redis://h/x",
        "redis://[x]",
        "redis://h/0?credential_provider=x",
        "redis://h/0?x=y",
        "redis://h/0?ssl_cert_reqs=x",
        "amqps://h?ssl_ca_certs=x",
        "amqp://a;;amqp://b:x",
    ] {
        said.insert(address(&secrets, "shop", texts(text)).unwrap_err().message);
    }
    assert_eq!(said.len(), 1, "{said:#?}");
    let broker = said.pop_first().unwrap();
    for part in [
        "`broker.urlFrom`",
        "key `CELERY_BROKER_URL` of Secret `django-env`",
        "redis://",
        "amqps://",
        "percent-encoded",
        "Sentinel",
    ] {
        assert!(broker.contains(part), "{broker}");
    }
    for text in [
        "",
        "two words",
        "ftp://a:b@h",
        "http://h",
        "http://u@h",
        "http://u:p@h:x",
        "http://u:p@h?x=y",
        "http://u:a/b@h",
    ] {
        let management = Some(Secret::new(text));
        let texts = Texts {
            management,
            ..texts("amqp://rabbitmq")
        };
        said.insert(address(&secrets, "shop", texts).unwrap_err().message);
    }
    assert_eq!(said.len(), 1, "{said:#?}");

    // What everybody may read is told in full.
    let from = json!({"configMapKeyRef": {"name": "settings", "key": "url"}});
    for open in [json!({"urlFrom": from}), json!({"url": "redis://h"})] {
        let open = good(json!({ "broker": open }));
        let problem = address(&open, "shop", texts("redis://h:99999")).unwrap_err();
        assert!(
            problem.message.contains("the port is not a number"),
            "{}",
            problem.message
        );
    }
}

#[test]
fn what_belongs_to_the_other_broker_is_refused() {
    let pool = good(json!({"broker": {"urlFrom": secret(), "keyPrefix": "shop:"}}));
    let problem = address(&pool, "shop", texts("amqp://rabbitmq//")).unwrap_err();
    assert!(
        problem
            .message
            .contains("`broker.keyPrefix` must not be set with RabbitMQ")
    );
    let pool = good(json!({"broker": {"urlFrom": secret(), "management": {"urlFrom": secret()}}}));
    let management = Some(Secret::new("http://a:b@c"));
    let problem = address(
        &pool,
        "shop",
        Texts {
            management,
            ..texts("redis://redis")
        },
    )
    .unwrap_err();
    assert!(
        problem
            .message
            .contains("`broker.management` must not be set with Redis")
    );
}

#[test]
fn parts_with_a_scheme_that_the_framework_does_not_read_are_told_the_right_ones() {
    let pool = good(json!({"framework": "RQ", "broker": {"parts": {"scheme": "amqp", "host": "r"}}}));
    let why = address(&pool, "shop", texts("amqp://r")).unwrap_err().message;
    let begins = "`broker.parts` gives no broker URL that the operator can use: it must be redis:// or rediss://";
    assert!(why.starts_with(begins), "{why}");
}

#[test]
fn the_framework_follows_from_the_address() {
    let pool = good(json!({"broker": {"urlFrom": secret()}}));
    for (url, kind) in [
        ("redis://redis/5", "Redis { db: 5 }"),
        ("amqp://rabbitmq//", "RabbitMq { management: false }"),
    ] {
        let address = address(&pool, "shop", texts(url)).unwrap();
        let application = application(&pool, pool.app.queues.clone(), &address, None);
        assert!(format!("{application:?}").contains(kind), "{application:?}");
    }
}

#[test]
fn no_message_quotes_a_url_or_a_password() {
    let plain = |url: String| pool(&with(json!({"broker": {"url": url}}))).unwrap_err().message;
    let referred = |url: String, management: Option<String>| {
        let pool = good(json!({"broker": {"urlFrom": secret(), "management": {"urlFrom": secret()}}}));
        let management = management.map(Secret::new);
        address(
            &pool,
            "shop",
            Texts {
                management,
                ..texts(&url)
            },
        )
        .map_or_else(|problem| problem.message, |address| format!("{address:?}"))
    };
    let mut messages = vec![
        plain(format!("redis://:{CANARY}@secret-host:6379/0")),
        plain(format!("amqp://user:{CANARY_ENCODED}@secret-host//")),
    ];
    for scheme in ["redis", "rediss", "amqp", "sentinel", "sqs", "what"] {
        for password in [CANARY, CANARY_ENCODED] {
            messages.push(referred(format!("{scheme}://user:{password}@host:port/0"), None));
            messages.push(referred(
                format!("{scheme}://user:{password}@host:1/x?y={password}"),
                None,
            ));
            messages.push(referred(
                format!("amqp://u:{password}@host//"),
                Some(format!("{scheme}://m:{password}@host")),
            ));
        }
    }
    for message in messages {
        for part in ["na:ry", "ca/na", "ca%2F", "%23pw", "#pw", "secret-host"] {
            assert!(!message.contains(part), "{part} is in: {message}");
        }
    }
}
