use super::*;
use crate::broker::{Kind, Tls};

/// `host:port user/password vhost-or-db [tls]`; a missing user or password is `-`.
fn read(text: &str) -> String {
    let address = match parse(text) {
        Ok(address) => address,
        Err(error) => return format!("{error:?}"),
    };
    let user = address.user.as_deref().unwrap_or("-");
    let password = address.password.as_ref().map_or("-", Secret::expose);
    let place = match &address.kind {
        Kind::Redis { db } => format!("db {db}"),
        Kind::RabbitMq { vhost } => format!("vhost {vhost}"),
    };
    let tls = if address.tls.is_some() { " tls" } else { "" };
    format!("{}:{} {user} {password} {place}{tls}", address.host, address.port)
}

/// Measured with kombu 5.7.0 and 5.6.2.
#[test]
fn amqp_as_kombu_reads_it() {
    for (url, expected) in [
        ("amqp://", "localhost:5672 guest guest vhost /"),
        ("amqp://host", "host:5672 guest guest vhost /"),
        ("amqp://host/", "host:5672 guest guest vhost /"),
        ("amqp://host//", "host:5672 guest guest vhost /"),
        ("amqp://host/%2f", "host:5672 guest guest vhost /"),
        ("amqp://host/%2F", "host:5672 guest guest vhost /"),
        ("amqp://host/vhost", "host:5672 guest guest vhost vhost"),
        ("amqp://host//vhost", "host:5672 guest guest vhost /vhost"),
        ("amqp://host/%2fvhost", "host:5672 guest guest vhost /vhost"),
        ("amqp://host///", "host:5672 guest guest vhost //"),
        ("amqp://host/vh/sub", "host:5672 guest guest vhost vh/sub"),
        ("amqp://host/my%20vh", "host:5672 guest guest vhost my vh"),
        ("amqp://host/a%2", "host:5672 guest guest vhost a%2"),
        ("amqp://host/%25", "host:5672 guest guest vhost %"),
        ("amqp://u:p%40ss%2Fw%3A%23@host/v", "host:5672 u p@ss/w:# vhost v"),
        ("amqp://u%40corp:p+w@host/v", "host:5672 u@corp p+w vhost v"),
        ("amqp://u:p@ss@h/v", "h:5672 u p@ss vhost v"),
        ("amqp://u:p:q@h:12/v", "h:12 u p:q vhost v"),
        ("amqp://u:p%zz@h/v", "h:5672 u p%zz vhost v"),
        ("amqp://u@host/v", "host:5672 u guest vhost v"),
        ("amqp://:pw@host/v", "host:5672 guest pw vhost v"),
        ("amqp://:@h/", "h:5672 guest guest vhost /"),
        ("amqp://@h/", "h:5672 guest guest vhost /"),
        ("amqp:///v", "localhost:5672 guest guest vhost v"),
        ("amqp://u:p@/v", "localhost:5672 u p vhost v"),
        ("amqp://:5673/v", "localhost:5673 guest guest vhost v"),
        ("pyamqp://u:p@host/v", "host:5672 u p vhost v"),
        ("amqps://u:p@host/v", "host:5671 u p vhost v tls"),
        ("amqps://h//?ssl=", "h:5671 guest guest vhost / tls"),
        ("amqp://h//?ssl=1", "h:5671 guest guest vhost / tls"),
        ("amqp://h?ssl=1", "h:5671 guest guest vhost / tls"),
        ("amqp://h:1/v?ssl=false", "h:1 guest guest vhost v tls"),
        ("amqp://h//?ssl=", "h:5672 guest guest vhost /"),
        (
            "amqp://h/v?heartbeat=30&connect_timeout=7&login_method=PLAIN",
            "h:5672 guest guest vhost v",
        ),
        ("amqp://h/v#fragment", "h:5672 guest guest vhost v"),
        ("amqp://[::1]:5673/v", "::1:5673 guest guest vhost v"),
        ("amqp://[::1]/v", "::1:5672 guest guest vhost v"),
        ("AMQP://HOST.Example/V", "host.example:5672 guest guest vhost V"),
        ("amqp://u:p@h:0/v", "h:5672 u p vhost v"),
        ("host", "host:5672 guest guest vhost /"),
        ("amqp://u:p@a/v;b;c:5674", "a:5672 u p vhost v"),
        ("amqp://u:p@a/v;amqp://b/", "a:5672 u p vhost v"),
        ("amqp://h/v;", "h:5672 guest guest vhost v"),
    ] {
        assert_eq!(read(url), expected, "{url}");
    }
}

/// Measured with kombu 5.7.0 and 5.6.2.
#[test]
fn redis_as_kombu_reads_it() {
    for (url, expected) in [
        ("redis://", "127.0.0.1:6379 - - db 0"),
        ("redis://host", "host:6379 - - db 0"),
        ("redis://host/", "host:6379 - - db 0"),
        ("redis://host/%2f", "host:6379 - - db 0"),
        ("redis://host//0", "host:6379 - - db 0"),
        ("redis://host:6380/3", "host:6380 - - db 3"),
        ("redis://:pw@host/0", "host:6379 - pw db 0"),
        ("redis://u:p%40w@host/1", "host:6379 u p@w db 1"),
        ("redis://u:@host/1", "host:6379 u - db 1"),
        ("redis://u@host/1", "host:6379 u - db 1"),
        ("redis://:p%w@h/0", "h:6379 - p%w db 0"),
        ("redis://:a:b@h/0", "h:6379 - a:b db 0"),
        ("redis://h:/0", "h:6379 - - db 0"),
        ("redis://h:0/0", "h:6379 - - db 0"),
        ("redis://[::1]:6380/2", "::1:6380 - - db 2"),
        ("redis://h/0\n", "h:6379 - - db 0"),
        ("redis://h/0 ", "h:6379 - - db 0"),
        ("REDIS://h/0", "h:6379 - - db 0"),
        ("rediss://h/0", "h:6379 - - db 0 tls"),
        (
            "rediss://h/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/p&ssl_check_hostname=true",
            "h:6379 - - db 0 tls",
        ),
        ("redis://h/0?ssl_cert_reqs=none", "h:6379 - - db 0 tls"),
        ("redis://h?ssl_ca_certs=/p", "h:6379 - - db 0 tls"),
        ("redis://h/0?ssl_ca_certs=", "h:6379 - - db 0"),
        ("redis://u:p@a/1;redis://x:y@b/2", "a:6379 u p db 1"),
        ("redis://a/1;redis://x:y@b/2", "a:6379 - - db 1"),
    ] {
        assert_eq!(read(url), expected, "{url}");
    }
}

#[test]
fn what_celery_cannot_use_is_refused() {
    use UrlError::*;
    for (url, expected) in [
        ("", Empty),
        (";redis://h", Empty),
        ("host:5673", NoScheme),
        ("redis:host", NoScheme),
        ("u:p@h/v", NoScheme),
        ("redis://host/abc", Database),
        ("redis://host/-1", Database),
        ("redis://host/0/", Database),
        ("redis://host///0", Database),
        ("redis://host/99999999999", Database),
        ("redis://h:99999/0", Port),
        ("redis://h:abc/0", Port),
        ("redis://h:-1/0", Port),
        ("redis://h:+1/0", Port),
        ("redis://h:1:2/0", Port),
        ("redis://[::1/2", Host),
        ("redis://[nonsense]/2", Host),
        ("redis://[::1]x/2", Host),
        ("redis://a,b/0", Host),
        ("redis://a b/0", Host),
        ("redis://a%0d%0ab/0", Host),
        ("redis://u:p@h%2fx/0", Host),
        ("amqp://u:p#x@h/v", NotEncoded),
        ("amqp://u:p/x@h/v", NotEncoded),
        ("amqp://u:p?x@h/v", NotEncoded),
        ("amqp://u:12/x@h/v", NotEncoded),
        ("amqp://u:12;x@h/v", NotEncoded),
        ("redis://:p#x@h/0", NotEncoded),
        ("redis://h/0?virtual_host=5", Parameter),
        ("redis://h/0?db=4", Parameter),
        ("redis://h/0?global_keyprefix=x", Parameter),
        ("redis://h/0?visibility_timeout=60", Parameter),
        ("redis://h/0?SSL_CERT_REQS=none", Parameter),
        ("rediss://h/0?ssl_cert_reqs=bogus", CertReqs),
        ("amqp://h/v?frame_max=1", Parameter),
        ("amqp://h/v?failover_strategy=shuffle", Parameter),
        ("amqps://h/v?ssl_cert_reqs=none", TlsParameter),
        ("amqp://h/v?ssl_ca_certs=/p", TlsParameter),
        ("sentinel://h1:26379/0;sentinel://h2:26379/0", Sentinel),
        ("redis+socket:///run/redis.sock", Unsupported("redis+socket")),
        ("sqs://", Unsupported("sqs")),
        ("SQS://", Unsupported("sqs")),
        ("py-amqp://h", Unsupported("py-amqp")),
        ("valkey://h", Unsupported("valkey")),
        ("rediscluster://h", Unsupported("rediscluster")),
        ("s3cret://h", UnknownScheme),
    ] {
        assert_eq!(parse(url), Err(expected), "{url}");
    }
}

#[test]
fn all_urls_of_a_list_are_read_in_their_order() {
    let hosts = |text: &str| -> Result<Vec<_>, UrlError> {
        let one = |address: Address| {
            let password = address.password.map(|password| password.expose().to_owned());
            format!("{}:{} {}", address.host, address.port, password.unwrap_or_default())
        };
        Ok(all(text)?.into_iter().map(one).collect())
    };
    for (url, expected) in [
        ("redis://u:p@a/1;redis://:x@b:6380/2", vec!["a:6379 p", "b:6380 x"]),
        ("amqp://u:p@a/v;b;c:5674", vec!["a:5672 p", "b:5672 p", "c:5674 p"]),
        ("amqp://u:p@a/v;amqp://b/", vec!["a:5672 p", "b:5672 guest"]),
        ("amqp://h/v;", vec!["h:5672 guest"]),
        ("a;b", vec!["a:5672 guest", "b:5672 guest"]),
    ] {
        assert_eq!(hosts(url).unwrap(), expected, "{url}");
    }
    assert_eq!(hosts("redis://a;sqs://b"), Err(UrlError::Unsupported("sqs")));
    assert_eq!(hosts("redis://a;b c"), Err(UrlError::Host));
}

#[test]
fn a_credential_provider_is_refused_for_what_it_is() {
    let refused = parse("redis://h/0?credential_provider=app.Provider").unwrap_err();
    assert_eq!(refused, UrlError::CredentialProvider);
    assert!(refused.to_string().contains("give it a URL of its own"), "{refused}");
}

#[test]
fn no_error_and_no_debug_shows_the_url() {
    const CANARIES: [&str; 8] = [
        "cAn4ry",
        "cAn4ry/x",
        "cAn4ry:x",
        "cAn4ry@x",
        "cAn4ry#x",
        "cAn4ry?x",
        "cAn4ry%zz",
        "cAn4ry;x",
    ];
    let shapes: [fn(&str) -> String; 7] = [
        |secret| format!("amqp://u:{secret}@h/v"),
        |secret| format!("redis://:{secret}@h:x/0"),
        |secret| format!("rediss://{secret}@h/0"),
        |secret| format!("u:{secret}@h/v"),
        |secret| format!("{secret}://h"),
        |secret| format!("http://u:{secret}@h/v"),
        |secret| format!("redis://h/{secret}?{secret}={secret}"),
    ];
    for secret in CANARIES {
        for shape in shapes {
            let url = shape(secret);
            for error in [parse(&url).err(), management(&url).err()].into_iter().flatten() {
                assert!(!format!("{error} {error:?}").contains("cAn4ry"), "{url}");
            }
        }
    }
    let mut address = parse("amqps://can4ry:can4ry@can4ry/can4ry").unwrap();
    address.management = Some(management("http://can4ry:can4ry@can4ry/can4ry").unwrap());
    let kind = address.kind.clone();
    let tls = Tls {
        ca: Some("can4ry".to_owned()),
        ..Tls::default()
    };
    for shown in [
        format!("{address:?}"),
        format!("{:?}", address.management),
        format!("{kind:?} {tls:?}"),
    ] {
        assert!(!shown.contains("can4ry"), "{shown}");
    }
}

#[test]
fn a_password_is_seen_wherever_it_is() {
    for url in [
        "redis://:p@h/0",
        "amqp://u:p@h",
        "amqp://a;amqp://u:p@h",
        "amqp://u:p/q@h",
        "u:p@h",
        "x+y://u:p@h",
    ] {
        assert!(has_password(url), "{url}");
    }
    for url in [
        "",
        "redis://h:6379/0",
        "redis://u@h/0",
        "redis://u:@h/0",
        "amqp://",
        "h:5672",
        "amqp://h:5672//",
    ] {
        assert!(!has_password(url), "{url}");
    }
}

#[test]
fn the_management_api_has_a_user_a_host_and_perhaps_a_path() {
    let read = |text: &str| match management(text) {
        Err(error) => format!("{error:?}"),
        Ok(m) => format!(
            "{} {}:{}{} {} {}",
            m.https,
            m.host,
            m.port,
            m.path,
            m.user,
            m.password.expose()
        ),
    };
    for (url, expected) in [
        ("http://u:p@h", "false h:15672 u p"),
        ("https://u:p@h/", "true h:15671 u p"),
        ("http://u:p%40w%2F@h:8080/rabbit/", "false h:8080/rabbit u p@w/"),
        ("http://u:p@h:15672/api/", "false h:15672 u p"),
        ("http://u:p@[::1]:1/a/api\n", "false ::1:1/a u p"),
        ("http://h", "NoCredentials"),
        ("http://u@h", "NoCredentials"),
        ("http://u:p@", "Host"),
        ("amqp://u:p@h", "Management"),
        ("h:15672", "Management"),
        ("http://u:p@h/?x=1", "Management"),
        ("http://u:p@h:x", "Port"),
        ("http://u:p/w@h", "NotEncoded"),
    ] {
        assert_eq!(read(url), expected, "{url}");
    }
}
