//! What the API server says of a pool; that it agrees with a real one is in `tests/e2e/cluster/lint.rs`.

use std::collections::BTreeSet;

use super::*;

const POOL: &str = "apiVersion: taskworkerpool.dev/v1alpha1\nkind: TaskWorkerPool\nmetadata: {name: mail}\nspec:\n  \
                    targetRef: {name: mail-worker}\n  broker: {url: redis://redis:6379/0}\n";

/// What is said of the only pool of a text: line and message of each fault.
fn said(text: &str) -> Vec<(u64, Judge, String)> {
    let (objects, unreadable) = read(text);
    assert_eq!(unreadable, [], "{text}");
    let pools: Vec<_> = objects.iter().filter(|object| is_pool(object)).collect();
    assert_eq!(pools.len(), 1, "{text}");
    match CheckedPool::read(pools[0]) {
        Ok(_) => Vec::new(),
        Err(faults) => {
            let line = |fault: &Fault| pools[0].node.line_of(&fault.path);
            faults
                .into_iter()
                .map(|fault| (line(&fault), fault.judge, fault.message))
                .collect()
        }
    }
}

#[test]
fn objects_are_found_in_documents_and_lists() {
    let list = format!(
        "kind: List\napiVersion: v1\nitems:\n- kind: Deployment\n  apiVersion: apps/v1\n  metadata: {{name: a, namespace: shop}}\n- {}",
        POOL.trim_end().replace('\n', "\n  ")
    );
    let text = format!(
        "# workers\n---\nkind: Deployment\napiVersion: apps/v1\n--- # the pool\n{list}\n---\n# end\n---\nnull\n"
    );
    let (objects, unreadable) = read(&text);
    assert_eq!(unreadable, []);
    let found: Vec<_> = objects
        .iter()
        .map(|object| (object.kind.as_str(), object.name.as_str(), object.group()))
        .collect();
    assert_eq!(
        found,
        [
            ("Deployment", "", "apps"),
            ("Deployment", "a", "apps"),
            ("TaskWorkerPool", "mail", GROUP)
        ]
    );
    assert_eq!(objects[1].namespace.as_deref(), Some("shop"));
    assert_eq!(objects[2].node.line_of("spec.broker"), 17);
}

const GROUP: &str = crate::api::GROUP;

#[test]
fn what_is_no_yaml_is_told_with_its_line() {
    let (objects, unreadable) = read(&format!("{POOL}---\na: [\n---\nkind: TaskWorkerPool\na: 1\na: 2\n"));
    assert_eq!(objects.len(), 1);
    let told: Vec<_> = unreadable.iter().map(|part| (part.line, part.of_pools)).collect();
    assert_eq!(told, [(8, false), (12, true)]);
    assert!(
        unreadable[1].message.ends_with("duplicate mapping key: a"),
        "{unreadable:?}"
    );
}

#[test]
fn a_good_pool_has_all_defaults() {
    let (objects, _) = read(&POOL.replace("{name: mail-worker}", "{name: mail-worker, kind: null}"));
    let pool = CheckedPool::read(&objects[0]).unwrap();
    assert_eq!((pool.spec.max_replicas, pool.pool.policy.max), (10, 10));
}

#[test]
fn faults_name_line_field_and_fix() {
    let api = Judge::ApiServer;
    let with = |line: &str| format!("{POOL}  {line}\n");
    for (text, line, judge, part) in [
        (
            with("minReplicas: 30"),
            7,
            api,
            "`minReplicas` must be less than or equal to `maxReplicas`",
        ),
        (with("queues: [a, a]"), 7, api, "`queues` must not name a queue twice"),
        (
            with("minReplicas: many"),
            7,
            api,
            "`spec.minReplicas` must be a whole number (without quotes), not a text",
        ),
        (
            with("maxReplicas: 1.5"),
            7,
            api,
            "`spec.maxReplicas` must be a whole number",
        ),
        (
            with("maxReplicas: 20000"),
            7,
            api,
            "`spec.maxReplicas` must be 1 to 10000, not 20000",
        ),
        (
            with("maxReplicas: 0"),
            7,
            api,
            "`spec.maxReplicas` must be 1 to 10000, not 0",
        ),
        (
            with("minReplica: 1"),
            7,
            api,
            "`spec.minReplica` is no field of a TaskWorkerPool: did you mean `minReplicas`?",
        ),
        (
            with("profile: Fast"),
            7,
            api,
            "`spec.profile` must be one of `Economy`, `Balanced`, `Responsive`",
        ),
        (
            with("queues: []"),
            7,
            api,
            "`spec.queues` must have 1 to 64 items, not 0",
        ),
        (with("queues: [\"a\\u0001\"]"), 7, api, "`spec.queues[0]` must match"),
        (
            with("suspend: 'yes'"),
            7,
            api,
            "`spec.suspend` must be `true` or `false` (without quotes), not a text",
        ),
        (with("status: {}"), 7, api, "`spec.status` is no field"),
        (
            with("fallback: {}"),
            7,
            api,
            "`spec.fallback.replicas` must be set, such as `3`",
        ),
        (
            POOL.replace("{url: redis://redis:6379/0}", "{}"),
            6,
            api,
            "`spec.broker` must set exactly one of `url`",
        ),
        (
            POOL.replace("redis://", "redis://:pw@"),
            6,
            api,
            "`spec.broker.url` must not carry a password",
        ),
        (
            POOL.replace("v1alpha1", "v1"),
            1,
            api,
            "`apiVersion` must be `taskworkerpool.dev/v1alpha1`",
        ),
        (
            POOL.replace("name: mail}", "name: Mail}"),
            3,
            api,
            "`metadata.name` must be a name of small letters",
        ),
        (
            POOL.replace("name: mail}", "nam: mail}"),
            3,
            api,
            "`metadata.nam` is no field",
        ),
        (
            POOL.replace("redis://redis", "http://redis"),
            6,
            Judge::Operator,
            "`broker.url`",
        ),
        (
            POOL.replace("redis://redis", "sentinel://redis"),
            6,
            Judge::Operator,
            "Sentinel is not supported",
        ),
        (
            POOL.replace("{url: redis://redis:6379/0}", "{parts: {scheme: redis, host: a b}}"),
            6,
            Judge::Operator,
            "`broker.parts.host` must be a host name",
        ),
        (
            with("framework: Taskiq\n  queuesFrom: Workers"),
            8,
            Judge::Operator,
            "`queuesFrom` must not be set",
        ),
        (
            with("schedules: [{name: a, start: 0 8 * * 9, end: 0 9 * * 1, minReplicas: 1}]"),
            7,
            Judge::Operator,
            "`schedules[0].start`",
        ),
    ] {
        let found = said(&text);
        let hit = found
            .iter()
            .any(|(at, whose, message)| (*at, *whose) == (line, judge) && message.contains(part));
        assert!(hit, "{part}: {found:?}\n{text}");
    }
}

#[test]
fn every_schema_in_the_definition_is_one_that_is_judged_here() {
    // What the walk does not know would be let through without a word.
    fn all(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
        for (key, value) in schema.as_object().into_iter().flatten() {
            found.insert(key.clone());
            match key.as_str() {
                "properties" => value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .for_each(|(_, inner)| all(inner, found)),
                "items" => all(value, found),
                _ => {}
            }
        }
    }
    let crd = crate::api::crd().unwrap();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut found = BTreeSet::new();
    all(spec, &mut found);
    let judged = [
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-validations",
    ];
    let unknown: Vec<_> = found.iter().filter(|key| !judged.contains(&key.as_str())).collect();
    assert_eq!(unknown, Vec::<&String>::new());
}
