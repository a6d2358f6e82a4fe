//! What is found in manifests beyond the API server's verdict, which `src/cli/manifest/tests.rs` has.

use super::*;

/// A pool with these lines in its spec.
fn pool(name: &str, lines: &str) -> String {
    format!(
        "apiVersion: taskworkerpool.dev/v1alpha1\nkind: TaskWorkerPool\nmetadata: {{name: {name}}}\nspec:\n  \
         targetRef: {{name: {name}-worker}}\n  broker: {{url: redis://redis:6379/0}}\n{lines}---\n"
    )
}

/// The Deployment that it names, with these lines in its spec and that command.
fn deployment(name: &str, spec: &str, command: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}-worker}}\nspec:\n{spec}  template:\n    spec:\n      containers:\n      \
         - name: worker\n        command: [{command}]\n---\n"
    )
}

const CELERY: &str = "celery, -A, shop, worker";

/// Line, severity and message of all that is found.
fn found(text: &str) -> Vec<(u64, Severity, String)> {
    let findings = Report::new(&[("all.yaml", text)]).findings.into_iter();
    findings
        .map(|finding| (finding.line, finding.severity, finding.message))
        .collect()
}

#[test]
fn a_good_set_of_manifests_has_no_finding() {
    let shop = pool(
        "mail",
        "  queues: [mail]\n  worker: {concurrency: 4, maxTaskSeconds: 25}\n  scaleDown: {removal: Graceful}\n",
    ) + &pool("reports", "  queues: [reports]\n  minReplicas: 1\n  mode: Observe\n")
        + &deployment("mail", "", CELERY)
        + &deployment(
            "reports",
            "  replicas: 2\n",
            "\"sh\", -c, \"exec celery -A shop worker\"",
        )
        + "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {scaleTargetRef: {kind: Deployment, \
           name: reports-worker}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n";
    assert_eq!(found(&shop), []);
}

#[test]
fn fields_that_do_nothing_are_told() {
    let no_effect = |path: &str| format!("`{path}` has no effect");
    for (lines, line, part) in [
        (
            "  worker:\n    maxTaskSeconds: 9\n",
            8,
            no_effect("worker.maxTaskSeconds"),
        ),
        (
            "  target: {backlogPerReplica: 1}\n  worker: {expectedTaskMilliseconds: 9}\n",
            8,
            no_effect("worker.expectedTaskMilliseconds"),
        ),
        (
            "  minReplicas: 10\n  scaleDown: {idleSeconds: 9}\n",
            8,
            no_effect("scaleDown"),
        ),
        (
            "  minReplicas: 2\n  fallback: {replicas: 2}\n",
            8,
            no_effect("fallback"),
        ),
        (
            "  mode: Observe\n  protectFromDisruption: true\n",
            8,
            no_effect("protectFromDisruption"),
        ),
        (
            "  behavior:\n    scaleUp:\n      selectPolicy: Disabled\n      policies: [{type: Pods, value: 1, periodSeconds: 9}]\n",
            10,
            no_effect("behavior.scaleUp.policies"),
        ),
        (
            "  minReplicas: 1\n  schedules:\n  - {name: a, start: 0 8 * * 1, end: 0 9 * * 1, minReplicas: 1}\n",
            9,
            no_effect("schedules[0].minReplicas"),
        ),
        (
            "  schedules:\n  - {name: a, start: 0 8 * * 1, end: 0 9 * * 1, minReplicas: 11}\n",
            8,
            "`schedules[0].minReplicas` is 11, and only 10 come".to_owned(),
        ),
    ] {
        let all = found(&pool("mail", lines));
        let [(at, severity, message)] = all.as_slice() else {
            panic!("{lines}: {all:?}")
        };
        assert_eq!((*at, *severity), (line, Severity::Warning), "{message}");
        assert!(message.contains(&part), "{message}");
    }
    let rabbit = |text: String| text.replace("redis://redis:6379/0", "amqp://rabbitmq//");
    for (text, part) in [
        (
            rabbit(pool("mail", "  celery: {separator: \":\"}\n")),
            no_effect("celery.separator"),
        ),
        (
            pool("mail", "").replace("/0}", "/0, tls: {enabled: false, serverName: x}}"),
            no_effect("broker.tls.serverName"),
        ),
        (
            pool("mail", "").replace("redis://redis:6379/0", "rediss://redis:6379/0, tls: {enabled: false}"),
            no_effect("broker.tls.enabled"),
        ),
    ] {
        let all = found(&text);
        assert!(all.len() == 1 && all[0].2.contains(&part), "{all:?}");
    }
}

#[test]
fn the_target_in_the_same_manifests_is_looked_at() {
    let graceful = "  worker: {maxTaskSeconds: 40}\n  scaleDown: {removal: Graceful}\n";
    for (lines, target, part) in [
        (
            "",
            deployment("mail", "  replicas: 3\n", CELERY),
            "`spec.replicas` is the operator's",
        ),
        (
            graceful,
            deployment("mail", "", CELERY),
            "`terminationGracePeriodSeconds` is 30 by default, and a task may take 40 s",
        ),
        (
            "",
            deployment("mail", "", "celery, -A, shop, worker, -B"),
            "`minReplicas: 1`, or run `celery beat` in a Deployment",
        ),
        (
            "",
            deployment("mail", "", "celery, -A, shop, worker, --beat"),
            "which stops with the last of them",
        ),
        (
            "  minReplicas: 1\n",
            deployment("mail", "", "celery, -A, shop, worker, -EB"),
            "each replica runs one",
        ),
        (
            "",
            deployment("mail", "", "sh, -c, \"gunicorn shop & celery -A shop worker\""),
            "the pods are web server and worker in one",
        ),
    ] {
        let all = found(&(pool("mail", lines) + &target));
        assert!(all.len() == 1 && all[0].2.contains(part), "{part}: {all:?}");
    }
    // The line is that of the Deployment, also in another file.
    let (own, target) = (pool("mail", ""), deployment("mail", "  replicas: 3\n", CELERY));
    let report = Report::new(&[("a.yaml", &own), ("b.yaml", &target)]);
    let places: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.file.as_str(), finding.line, finding.object.as_str()))
        .collect();
    assert_eq!(places, [("b.yaml", 5, "Deployment/mail-worker")]);
    // One in another namespace is another one.
    let elsewhere = target.replace("{name: mail-worker}", "{name: mail-worker, namespace: b}");
    assert_eq!(found(&(own + &elsewhere)), []);
}

#[test]
fn others_in_the_way_are_told() {
    let scaler = |version: &str, kind: &str, target: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: other}}\nspec:\n  scaleTargetRef: {target}\n---\n"
        )
    };
    let hpa = scaler(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "{kind: Deployment, name: mail-worker}",
    );
    let keda = scaler("keda.sh/v1alpha1", "ScaledObject", "{name: mail-worker}");
    let shared = pool("other", "").replace("6379/0", "6379");
    let elsewhere = pool("other", "").replace("{name: other}", "{name: other, namespace: b}");
    let there = elsewhere.replace("//redis:", "//redis.default.svc:");
    for (text, part) in [
        (
            &hpa,
            "`spec.scaleTargetRef` names `mail-worker`, which the pool `mail` scales",
        ),
        (&keda, "set `mode: Observe` on the pool until then"),
        (
            &pool("other", "").replace("other-worker", "mail-worker"),
            "`targetRef` names `mail-worker`, as TaskWorkerPool/mail does",
        ),
        (&there, "`queues` has `celery`, as TaskWorkerPool/mail has"),
        (
            &shared,
            "`queues` has `celery`, as TaskWorkerPool/mail has on the same broker",
        ),
    ] {
        let all = found(&(pool("mail", "") + text));
        assert!(all.len() == 1 && all[0].2.contains(part), "{part}: {all:?}");
    }
    for other in [
        scaler("keda.sh/v1alpha1", "ScaledObject", "{name: mail}"),
        scaler(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "{kind: StatefulSet, name: mail-worker}",
        ),
        pool("other", "").replace("6379/0", "6379/1"),
        elsewhere,
        pool("other", "  queues: [other]\n"),
        pool("other", "  framework: RQ\n"),
    ] {
        assert_eq!(found(&(pool("mail", "") + &other)), [], "{other}");
    }
}

#[test]
fn errors_come_first_on_a_line_and_pools_are_counted() {
    let text =
        pool("mail", "  minReplicas: 11\n") + &pool("b", "") + "{{ a template }}\n---\nkind: TaskWorkerPool\na: [\n";
    let report = Report::new(&[("all.yaml", &text)]);
    let told: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.severity, finding.origin))
        .collect();
    assert_eq!(
        told,
        [
            (Severity::Error, Origin::ApiServer),
            (Severity::Warning, Origin::File),
            (Severity::Error, Origin::File)
        ]
    );
    assert_eq!(report.pools, 2);
    let first = report.findings[0].to_string();
    assert_eq!(
        first,
        "all.yaml:7: error: TaskWorkerPool/mail: `minReplicas` must be less than or equal to `maxReplicas`"
    );
}
