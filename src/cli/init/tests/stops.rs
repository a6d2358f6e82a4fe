//! Where `init` asks or refuses, and what it says of other objects.

use super::*;

#[test]
fn where_two_fit_it_asks() {
    let two = deployment(&format!(
        "      - {{name: a, command: [celery, worker], env: [{URL}]}}\n      - {{name: b, command: [celery, worker, -Q, b], env: [{URL}]}}"
    ));
    assert!(matches!(stopped(&two), Stop::Asks(what) if what.contains("`a`, `b`") && what.contains("--container")));
    let chosen = |name: &str| {
        outcome(
            &two,
            &Choice {
                container: Some(name.into()),
                ..Choice::default()
            },
        )
    };
    assert_eq!(chosen("b").unwrap().pool["spec"]["queues"], json!(["b"]));
    assert!(matches!(chosen("c"), Err(Stop::Asks(what)) if what.contains("there are `a`, `b`")));

    for env in [
        &[("REDIS_URL", "secret:redis"), ("RABBITMQ_URL", "secret:rabbitmq")][..],
        &[("REDIS_URL", "secret:redis"), ("RABBITMQ_HOST", "rabbitmq")],
        &[("A_BROKER_URL", "secret:a"), ("B_BROKER_URL", "secret:b")],
    ] {
        let text = worker(CELERY, &vars(env));
        let (first, second) = (env[0].0, env[1].0);
        assert!(
            matches!(stopped(&text), Stop::Asks(what) if what.contains(first) && what.contains(second) && what.contains("--broker-env")),
            "{env:?}"
        );
        let choice = Choice {
            broker_env: Some(second.into()),
            ..Choice::default()
        };
        assert!(outcome(&text, &choice).is_ok(), "{env:?}");
    }
    let choice = Choice {
        broker_env: Some("GONE".into()),
        ..Choice::default()
    };
    assert!(
        matches!(outcome(&worker(CELERY, URL), &choice), Err(Stop::Asks(what)) if what.contains("it has `CELERY_BROKER_URL`"))
    );
}

#[test]
fn what_no_pool_is_for_is_refused_by_name() {
    let beside = deployment(&format!(
        "      - {{name: web, command: [gunicorn, shop]}}\n      - {{name: worker, command: [celery, worker], env: [{URL}]}}"
    ));
    let pool = "apiVersion: taskworkerpool.dev/v1alpha1\nkind: TaskWorkerPool\nmetadata: {name: old}\nspec: {targetRef: {name: mail}, \
                broker: {url: 'redis://redis/0'}}\n";
    let table = [
        (
            worker("sh, -c, 'gunicorn shop & celery worker'", URL),
            "serves web pages (`gunicorn`) and runs workers in one",
        ),
        (beside.clone(), "container `web` serves web pages"),
        (
            worker("celery, -A, shop, beat", URL),
            "celery beat, of which there must be one",
        ),
        (worker("celery, -A, shop, flower", URL), "runs flower"),
        (worker("bundle, exec, sidekiq", URL), "runs Sidekiq"),
        (worker("dramatiq, shop", URL), "runs Dramatiq"),
        (worker("node, node_modules/bullmq/worker.js", URL), "runs BullMQ"),
        (worker("arq, shop.Settings", URL), "runs arq"),
        (worker("huey_consumer, shop.huey", URL), "runs Huey"),
        (worker("supervisord", URL), "`supervisord`, which starts others"),
        (worker("gunicorn, shop", URL), "no container runs workers"),
        (worker("", URL), "has no command: its image's own is not seen here"),
        (worker("python, run.py", URL), "seen: `run.py`"),
        (
            worker(CELERY, URL).replace("Deployment", "DaemonSet"),
            "a DaemonSet runs its workers in its own way",
        ),
        (
            worker(CELERY, URL)
                .replace("apps/v1", "batch/v1")
                .replace("Deployment", "Job"),
            "a Job runs its workers",
        ),
        (
            worker(CELERY, URL) + pool,
            "TaskWorkerPool `old` names Deployment/mail already",
        ),
        (
            worker(CELERY, &var("CELERY_BROKER_URL", "sqs://aws")),
            "the broker's scheme is `sqs://`",
        ),
        (worker("rq, worker, -u, 'amqp://rabbitmq/'", ""), "RQ on RabbitMQ"),
        (
            worker(
                CELERY,
                &vars(&[("CELERY_BROKER_URL", "secret:url"), ("CELERY_USE_SENTINEL", "true")]),
            ),
            "speaks of Sentinel",
        ),
    ];
    for (text, words) in table {
        assert!(
            matches!(stopped(&text), Stop::Refused(why) if why.contains(words)),
            "{words}: {:?}",
            stopped(&text)
        );
    }
    // Who says which container it is has seen the other one.
    let choice = Choice {
        container: Some("worker".into()),
        ..Choice::default()
    };
    assert!(
        outcome(&beside, &choice)
            .unwrap()
            .yaml()
            .unwrap()
            .contains("the pod's `web` go with it")
    );
}

#[test]
fn beside_another_autoscaler_the_pool_observes() {
    let scaler = |api: &str, kind: &str, spec: &str| {
        format!(
            "apiVersion: {api}\nkind: {kind}\nmetadata: {{name: old}}\nspec: {{scaleTargetRef: {{kind: Deployment, name: mail}}, {spec}}}\n---\n"
        )
    };
    let hpa = scaler(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "minReplicas: 2, maxReplicas: 30",
    );
    let keda = scaler("keda.sh/v1alpha1", "ScaledObject", "maxReplicaCount: 40");
    let made = hpa.replace("name: old", "name: keda-hpa-old");
    for (others, told, limits, page) in [
        (
            hpa.clone(),
            "HorizontalPodAutoscaler `old`",
            [2, 30],
            "docs/from-hpa.md",
        ),
        (keda.clone() + &made, "ScaledObject `old`", [0, 40], "docs/from-keda.md"),
    ] {
        let found = proposal(&(others + &worker(CELERY, URL)));
        let spec = &found.pool["spec"];
        assert_eq!(
            (&spec["mode"], &spec["minReplicas"], &spec["maxReplicas"]),
            (&json!("Observe"), &json!(limits[0]), &json!(limits[1]))
        );
        let yaml = found.yaml().unwrap();
        assert!(yaml.contains(told) && yaml.contains(page), "{yaml}");
        assert!(
            found.steps.iter().any(|step| step.what.starts_with("Act:")),
            "{:?}",
            found.steps
        );
    }
    let elsewhere = hpa.replace("name: mail}", "name: other}");
    assert_eq!(
        proposal(&(elsewhere + &worker(CELERY, URL))).pool["spec"]["mode"],
        "Act"
    );
}

#[test]
fn all_workers_of_the_files_get_a_pool_or_the_one_that_is_named() {
    let text = worker(CELERY, URL)
        + &worker("gunicorn, shop", "").replace("name: mail", "name: web")
        + &worker("rq, worker", &var("REDIS_URL", "redis://redis")).replace("name: mail", "name: jobs");
    let world = World::of_files(&[("a.yaml", text.as_str())]).unwrap();
    let all = answer(&init(&world, None, &Choice::default()).unwrap()).unwrap();
    assert_eq!(
        (all.text.matches("kind: TaskWorkerPool").count(), all.finding),
        (2, false)
    );
    assert!(
        all.aside
            .contains("Deployment/web: no pool: container `worker` serves web pages"),
        "{}",
        all.aside
    );
    let wanted = |name: &str| init(&world, Some(&Wanted::read(name).unwrap()), &Choice::default());
    assert_eq!(wanted("deploy/jobs").unwrap().len(), 1);
    // A Job that stands for itself is named, what belongs to another object is not.
    let job = worker(CELERY, URL)
        .replace("apps/v1", "batch/v1")
        .replace("Deployment", "Job");
    let owned = job.replace(
        "name: mail}",
        "name: mail, ownerReferences: [{kind: CronJob, name: nightly}]}",
    );
    let number = |text: &str| {
        let world = World::of_files(&[("a.yaml", text)]).unwrap();
        init(&world, None, &Choice::default()).unwrap().len()
    };
    assert_eq!(
        [number(&(text.clone() + &job)), number(&(text.clone() + &owned))],
        [4, 3]
    );
    assert!(wanted("sts/jobs").is_err_and(|why| why.contains("no StatefulSet `jobs`")));
    let refused = answer(&wanted("deployment/web").unwrap()).unwrap();
    assert_eq!((refused.text.as_str(), refused.finding), ("", true));
    for (text, words) in [
        ("mail", "such as `deploy/mail`"),
        ("job/mail", "give `deploy/NAME` or `sts/NAME`"),
        ("deploy/", "give a kind"),
    ] {
        assert!(Wanted::read(text).is_err_and(|why| why.contains(words)), "{text}");
    }
}
