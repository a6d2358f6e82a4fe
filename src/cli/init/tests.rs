//! What `init` makes of workers: where the broker is, which queues there are, what it asks, and what it refuses.

use super::*;

mod stops;

/// Deployment `mail` with these containers.
fn deployment(containers: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: mail}}\nspec:\n  replicas: 0\n  template:\n    spec:\n      \
         containers:\n{containers}\n---\n"
    )
}

/// The same with a worker of this command and environment.
fn worker(command: &str, env: &str) -> String {
    deployment(&format!("      - {{name: worker, command: [{command}], env: [{env}]}}"))
}

const CELERY: &str = "celery, -A, shop, worker";
const URL: &str = "{name: CELERY_BROKER_URL, value: 'redis://redis:6379/0'}";

fn outcome(text: &str, choice: &Choice) -> Result<Proposal, Stop> {
    let world = World::of_files(&[("a.yaml", text)]).unwrap();
    init(&world, None, choice).unwrap().remove(0).1
}

fn proposal(text: &str) -> Proposal {
    outcome(text, &Choice::default()).unwrap_or_else(|stop| panic!("{stop:?}\n{text}"))
}

fn stopped(text: &str) -> Stop {
    outcome(text, &Choice::default()).expect_err(text)
}

/// Variable with a value, or from a key of a Secret.
fn var(name: &str, value: &str) -> String {
    match value.strip_prefix("secret:") {
        Some(key) => format!("{{name: {name}, valueFrom: {{secretKeyRef: {{name: shop, key: {key}}}}}}}"),
        None => format!("{{name: {name}, value: '{value}'}}"),
    }
}

/// Names of variables with their values.
type Pairs<'a> = &'a [(&'a str, &'a str)];

fn vars(pairs: Pairs) -> String {
    let vars: Vec<_> = pairs.iter().map(|(name, value)| var(name, value)).collect();
    vars.join(", ")
}

fn secret(key: &str) -> Value {
    json!({"secretKeyRef": {"name": "shop", "key": key}})
}

#[test]
fn the_broker_is_where_the_variables_say() {
    let table: [(&str, Pairs, Value); 16] = [
        (
            CELERY,
            &[("CELERY_BROKER_URL", "redis://redis:6379/0")],
            json!({"url": "redis://redis:6379/0"}),
        ),
        (
            CELERY,
            &[("CELERY_BROKER_URL", "secret:url")],
            json!({"urlFrom": secret("url")}),
        ),
        // The name of the broker counts more than that of a server, and results are no broker.
        (
            CELERY,
            &[
                ("REDIS_URL", "secret:redis"),
                ("SHOP_BROKER_URL", "secret:url"),
                ("CELERY_RESULT_BACKEND_URL", "secret:result"),
            ],
            json!({"urlFrom": secret("url")}),
        ),
        (
            CELERY,
            &[("AIRFLOW__CELERY__BROKER_URL", "secret:url")],
            json!({"urlFrom": secret("url")}),
        ),
        (
            CELERY,
            &[("REDIS_CACHE_URL", "secret:cache"), ("CLOUDAMQP_URL", "secret:url")],
            json!({"urlFrom": secret("url")}),
        ),
        // Two names for one thing are no question.
        (
            CELERY,
            &[("REDIS_URL", "secret:url"), ("REDIS_TLS_URL", "secret:url")],
            json!({"urlFrom": secret("url")}),
        ),
        // Put together by Kubernetes, with a password of its own.
        (
            CELERY,
            &[
                ("PASSWORD", "secret:password"),
                ("CELERY_BROKER_URL", "amqp://shop:$(PASSWORD)@rabbitmq:5672/eu"),
            ],
            json!({"parts": {"scheme": "amqp", "host": "rabbitmq", "port": 5672, "virtualHost": "eu", "user": "shop",
                "passwordFrom": secret("password")}}),
        ),
        // Only what stands before it is known to a variable.
        (
            CELERY,
            &[
                ("HOST", "redis"),
                ("BROKER_URL", "redis://$(HOST):6379/1"),
                ("HOST", "other"),
            ],
            json!({"url": "redis://redis:6379/1"}),
        ),
        // By parts, with the database of the broker.
        (
            CELERY,
            &[
                ("REDIS_HOST", "redis:6390"),
                ("REDIS_DB", "0"),
                ("REDIS_CELERY_DB", "2"),
                ("REDIS_SSL", "true"),
                ("REDIS_PASSWORD", "secret:p"),
            ],
            json!({"parts": {"scheme": "rediss", "host": "redis", "port": 6390, "database": 2, "passwordFrom": secret("p")}}),
        ),
        (
            CELERY,
            &[
                ("DD_CELERY_BROKER_SCHEME", "amqp"),
                ("DD_CELERY_BROKER_HOST", "rabbitmq"),
                ("REDIS_HOST", "redis"),
            ],
            json!({"parts": {"scheme": "amqp", "host": "rabbitmq"}}),
        ),
        // A whole URL counts more than parts that are named after the broker, too.
        (
            CELERY,
            &[
                ("SHOP_BROKER_HOST", "redis"),
                ("SHOP_BROKER_PORT", "6379"),
                ("SHOP_BROKER_URL", "secret:url"),
            ],
            json!({"urlFrom": secret("url")}),
        ),
        // The command line itself.
        (
            "celery, -b, '$(BROKER)', worker",
            &[("BROKER", "secret:url"), ("REDIS_URL", "secret:other")],
            json!({"urlFrom": secret("url")}),
        ),
        (
            "sh, -c, 'rq worker -u $REDIS mail'",
            &[("REDIS", "secret:url")],
            json!({"urlFrom": secret("url")}),
        ),
        // RQ and taskiq have their work in Redis alone.
        (
            "rq, worker",
            &[("REDIS_URL", "secret:url"), ("AMQP_URL", "secret:amqp")],
            json!({"urlFrom": secret("url")}),
        ),
        (
            "taskiq, worker, a:b",
            &[("TASKIQ_REDIS_URL", "secret:url"), ("REDIS_URL", "secret:r")],
            json!({"urlFrom": secret("url")}),
        ),
        (
            CELERY,
            &[("CELERY_BROKER_URL", "secret:url"), ("BROKER_USE_SSL", "true")],
            json!({"urlFrom": secret("url"), "tls": {"enabled": true}}),
        ),
    ];
    for (command, env, broker) in table {
        let found = proposal(&worker(command, &vars(env)));
        assert_eq!(found.pool["spec"]["broker"], broker, "{env:?}");
        assert!(!found.is_open(), "{env:?}: {:?}", found.remarks);
        found.yaml().unwrap();
    }
}

#[test]
fn a_password_is_never_shown_and_a_line_is_left_for_it() {
    for env in [
        &[("CELERY_BROKER_URL", "redis://:hunter2@redis:6379/0")][..],
        &[("CELERY_BROKER_URL", "amqp://a:hunter2@x/;amqp://b:hunter2@y/")],
        &[("CELERY_BROKER_URL", "redis://redis:6379/0?password=hunter2")],
        &[("REDIS_HOST", "redis"), ("REDIS_PASSWORD", "hunter2")],
        &[
            ("HOST", "secret:host"),
            ("CELERY_BROKER_URL", "redis://:hunter2@$(HOST):6379/0"),
        ],
    ] {
        let found = proposal(&worker(CELERY, &vars(env)));
        let all = format!("{}{}{:?}", found.yaml().unwrap(), json!(found), found);
        assert!(
            found.is_open() && all.contains("TODO") && !all.contains("hunter2"),
            "{all}"
        );
    }
    let by_command = proposal(&worker("celery, -b, 'redis://:hunter2@redis/0', worker", ""));
    assert!(by_command.is_open() && !format!("{by_command:?}").contains("hunter2"));
}

#[test]
fn a_secret_that_cannot_be_read_leaves_a_line_to_fill_in() {
    let whole =
        "      - {name: worker, command: [celery, worker], envFrom: [{secretRef: {name: shop, optional: true}}]}";
    let found = proposal(&deployment(whole));
    assert_eq!(found.pool["spec"]["broker"]["urlFrom"]["secretKeyRef"]["name"], "shop");
    assert!(
        found.is_open()
            && found
                .yaml()
                .unwrap()
                .contains("TODO the container takes all of Secret `shop`")
    );

    let mut world = World::of_files(&[("", &deployment(whole))]).unwrap();
    world.secrets.insert(
        (None, "shop".into()),
        Err("Secret `shop` cannot be read: you lack the right to (403)".into()),
    );
    let found = init(&world, None, &Choice::default()).unwrap().remove(0).1.unwrap();
    assert!(
        found
            .yaml()
            .unwrap()
            .replace("\n  # ", " ")
            .contains("you lack the right to (403)"),
        "{}",
        found.yaml().unwrap()
    );
    // Whoever names the variable knows.
    let choice = Choice {
        broker_env: Some("BROKER_URL".into()),
        ..Choice::default()
    };
    let found = outcome(&deployment(whole), &choice).unwrap();
    assert_eq!(found.pool["spec"]["broker"], json!({"urlFrom": secret("BROKER_URL")}));
    // Nothing at all.
    let found = proposal(&worker(CELERY, ""));
    assert_eq!(
        found.pool["spec"]["broker"]["urlFrom"]["secretKeyRef"],
        json!({"name": "mail-broker", "key": "url"})
    );
}

#[test]
fn of_a_secret_in_a_cluster_the_scheme_counts() {
    let text = worker(CELERY, &vars(&[("CELERY_BROKER_URL", "secret:url")]));
    let with = |value: &str| {
        let mut world = World::of_files(&[("", text.as_str())]).unwrap();
        let keys = [("url".to_owned(), world::scheme(value.as_bytes()))].into();
        world.secrets.insert((None, "shop".into()), Ok(keys));
        assert!(!format!("{world:?}").contains("hunter2"), "{world:?}");
        init(&world, None, &Choice::default()).unwrap().remove(0).1
    };
    assert!(with("redis://:hunter2@redis/0").is_ok());
    assert!(
        matches!(with("sentinel://:hunter2@a;sentinel://:hunter2@b"), Err(Stop::Refused(why)) if why.contains("sentinel://"))
    );
    assert!(matches!(with("sqs://key:hunter2@"), Err(Stop::Refused(why)) if why.contains("`sqs://`")));
    assert_eq!(world::scheme(b"not a url hunter2://x"), None);
}

#[test]
fn queues_and_slots_come_from_the_command() {
    let table: [(&str, Value, Value); 9] = [
        (
            "celery, worker, -Q, 'mail,pdf', -c, '4'",
            json!(["mail", "pdf"]),
            json!(4),
        ),
        ("celery, worker, --autoscale=10,2", json!(["celery"]), json!(10)),
        ("celery, worker, -P, solo, -c, '4'", json!(["celery"]), Value::Null),
        ("airflow, celery, worker", json!(["default"]), Value::Null),
        (
            "sh, -c, 'celery worker -Q a -c 2 -n a@%h & celery worker -Q b -c 3 -n b@%h'",
            json!(["a", "b"]),
            json!(5),
        ),
        ("rq, worker, high, low", json!(["high", "low"]), Value::Null),
        ("python, manage.py, rqworker", json!(["default"]), Value::Null),
        ("rq, worker-pool, -n, '3', mail", json!(["mail"]), json!(3)),
        (
            "taskiq, worker, 'a:b', -w, '1', --max-async-tasks, '7'",
            json!(["taskiq"]),
            json!(7),
        ),
    ];
    for (command, queues, slots) in table {
        let found = proposal(&worker(command, &var("REDIS_URL", "secret:url")));
        let spec = &found.pool["spec"];
        assert_eq!(
            (&spec["queues"], &spec["worker"]["concurrency"]),
            (&queues, &slots),
            "{command}"
        );
        found.yaml().unwrap();
    }
    let excludes = proposal(&worker("celery, worker, -X, slow", URL));
    assert_eq!(
        (&excludes.pool["spec"]["queuesFrom"], &excludes.pool["spec"]["queues"]),
        (&json!("Workers"), &Value::Null)
    );
    // Workers that run tell which queues they take; from none nobody could.
    let running = worker(CELERY, URL).replace("replicas: 0", "replicas: 2");
    assert_eq!(proposal(&running).pool["spec"]["queuesFrom"], "Workers");
    let airflow = worker("airflow, celery, worker", URL).replace("replicas: 0", "replicas: 2");
    assert_eq!(proposal(&airflow).pool["spec"]["queues"], json!(["default"]));
    let unknown = proposal(&worker("celery, worker, -Q, $(QUEUES)", URL));
    assert!(unknown.is_open(), "{unknown:?}");
}

#[test]
fn what_matters_is_said() {
    let table = [
        ("celery, worker, -B", "the workers run beat", true),
        ("celery, worker, -n, one", "does not have its pod's", true),
        ("celery, worker, -n, 'one@%h'", "by the command", false),
        ("celery, worker, -n, 'mail-%h'", "by the command", false),
        ("sh, -c, 'exec celery worker -n one@$HOSTNAME'", "by the command", false),
        ("celery, worker, -P, solo", "says nothing while it runs a task", false),
        (
            "celery, worker, --prefetch-multiplier=8",
            "busy workers hold tasks",
            false,
        ),
        ("sh, -c, 'sleep 1; celery worker'", "does not hand SIGTERM on", false),
        (
            "celery, worker, --time-limit=900",
            "set `terminationGracePeriodSeconds: 900`",
            false,
        ),
        ("celery, worker, --time-limit=20", "worker: {maxTaskSeconds: 20}", false),
        (
            "rq, worker, --name, one, mail",
            "RQ refuses a second worker of one name",
            true,
        ),
    ];
    for (command, words, open) in table {
        let found = proposal(&worker(command, &var("REDIS_URL", "secret:url")));
        let yaml = found.yaml().unwrap();
        let flat = yaml.replace("\n#  ", "").replace("\n  #", "");
        assert!(flat.contains(words), "{command}: {yaml}");
        assert_eq!(found.is_open(), open, "{command}: {yaml}");
    }
    let beat = proposal(&worker("celery, worker, --beat", URL));
    assert_eq!(beat.pool["spec"]["minReplicas"], 1);
}
