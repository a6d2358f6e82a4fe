//! `kubectl twp` with an operator that the chart installed: what it tells of pools, from either replica, and without its view.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{Install, with_pool};
use crate::support::{
    bed::{Namespace, PATIENCE, eventually, kubeconfig},
    figures,
    stage::Stage,
};

/// Runs the plugin: its code, and what it printed.
fn plugin(args: &[&str]) -> (Option<i32>, String, String) {
    let program = env!("CARGO_BIN_EXE_kubectl-twp");
    let said = Command::new(program)
        .args(args)
        .env("KUBECONFIG", kubeconfig())
        .output();
    let Output { status, stdout, stderr } = said.expect("the plugin");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

fn value(args: &[&str]) -> Value {
    let (code, out, err) = plugin(args);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {code:?} {error}: {out}\n{err}"))
}

async fn suspended(stage: &Stage) -> bool {
    stage.ns.pool("mail").await.expect("the pool").spec.suspend
}

#[tokio::test]
async fn the_plugin_tells_what_the_operator_knows() {
    let ns = Namespace::new("twp-plugin").await;
    let install = Install::new(&ns, &["view.enabled=true"]);
    let stage = with_pool("plugged").await;
    let own = stage.ns.name.clone();
    stage.ns.wait_replicas("mail", 3).await;

    // Whichever of the two replicas is asked first, the one that acts answers.
    let why = ["why", "mail", "-n", own.as_str(), "-o", "json"];
    let told = eventually("the operator tells why", PATIENCE, async || {
        let told = value(&why);
        let chosen = &told["pool"]["candidates"][0];
        match told["source"] == "operator" && chosen["replicas"] == 3 {
            true => Ok(told),
            false => Err(told.to_string()),
        }
    })
    .await;
    assert_eq!(told["pool"]["replicas"]["set"], 3, "{told}");
    assert_eq!(told["pool"]["candidates"][0]["rule"], "Backlog", "{told}");
    assert!(
        told["pool"]["detail"]["decisions"]
            .as_array()
            .is_some_and(|all| !all.is_empty()),
        "{told}"
    );
    let (_, text, _) = plugin(&why[..4]);
    assert!(
        text.contains("3 set, ") && text.contains("\nCandidates\n") && text.contains("Last decisions"),
        "{text}"
    );

    // What a pool with one queue costs a Prometheus.
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}:8080/proxy/metrics",
        ns.name,
        install.holder().await
    );
    let page = ns.kubectl(&["get", "--raw", &path]).await;
    let series = page
        .lines()
        .filter(|line| line.contains(&format!("namespace=\"{own}\"")))
        .count();
    figures::record_in("install", "series_per_pool", series);
    assert!((1..=12).contains(&series), "{series} series of one pool:\n{page}");

    let (_, text, aside) = plugin(&["status", "-A"]);
    assert!(text.contains(&format!("{own}/mail")), "{text}\n{aside}");
    assert_eq!(aside, "");

    // Hands off, and on again.
    let (code, text, _) = plugin(&["suspend", "mail", "-n", &own]);
    assert_eq!(
        (code, text.as_str()),
        (Some(0), "`mail` is suspended: its replicas stay as they are.\n")
    );
    assert!(suspended(&stage).await);
    stage.ns.wait_condition("mail", "Suspended", "True", "Suspended").await;
    let (code, text, _) = plugin(&["resume", "mail", "-n", &own]);
    assert_eq!(
        (code, text.as_str()),
        (Some(0), "`mail` is resumed: it follows its work again.\n")
    );
    assert!(!suspended(&stage).await);

    // What is not there is an error, with what helps.
    let (code, _, said) = plugin(&["why", "letters", "-n", &own]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("there is no TaskWorkerPool `letters`") && said.contains("kubectl get twp -A"),
        "{said}"
    );
    let (code, _, said) = plugin(&["status", "--context", "nowhere"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("--context nowhere"), "{said}");

    examined(&ns, &stage).await;

    // What no pool can be called is no other pool.
    for name in ["mail#x", "mail?dryRun=All", "MAIL", ""] {
        let (code, _, said) = plugin(&["suspend", name, "-n", &own]);
        assert!(
            code == Some(1) && said.contains("names have small letters"),
            "{code:?}: {said}"
        );
    }
    assert!(!suspended(&stage).await);

    // A pool that does not work is a finding. Where no operator can be asked, the objects are.
    let broken = json!({"broker": {"url": null, "urlFrom": {"secretKeyRef": {"name": "none", "key": "url"}}}});
    stage.ns.change_pool("mail", broken).await;
    stage
        .ns
        .wait_condition("mail", "Ready", "False", "ReferenceMissing")
        .await;
    let away = ["status", "-n", own.as_str(), "--operator-namespace", own.as_str()];
    let (code, text, aside) = plugin(&away);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("Broken") && text.contains("`none`"), "{text}");
    assert!(aside.contains("no operator runs"), "{aside}");
}

/// `doctor` runs the operator's own program in its pod, and looks around from outside.
async fn examined(operator: &Namespace, stage: &Stage) {
    let ask = ["doctor", "mail", "-n", stage.ns.name.as_str(), "-o", "json"];
    let found = |level: &str| {
        let findings: Vec<Value> = serde_json::from_value(value(&ask)["findings"].take()).expect("findings");
        let these = findings.into_iter().filter(|finding| finding["level"] == level);
        let pairs = these.map(|finding| {
            [&finding["what"], &finding["text"]].map(|text| text.as_str().unwrap_or_default().to_owned())
        });
        pairs.collect::<Vec<_>>()
    };
    // The workers of this stage fit on no node: only who asks can see it.
    let unscheduled = |wrong: &[[String; 2]]| {
        wrong
            .iter()
            .any(|[what, text]| what == "Pod events" && text.contains("FailedScheduling"))
    };
    let (code, text, aside) = plugin(&ask[..4]);
    assert_eq!(code, Some(2), "{text}{aside}");
    let wrong = found("wrong");
    assert!(wrong.len() == 1 && unscheduled(&wrong), "{wrong:?}");
    let good: Vec<_> = found("ok").into_iter().map(|[what, _]| what).collect();
    for part in [
        "Operator",
        "Pool",
        "Target",
        "References",
        "Egress",
        "TCP",
        "Authentication",
        "Queue",
        "Replicas",
        "Autoscalers",
    ] {
        assert!(good.iter().any(|what| what == part), "{part}: {text}");
    }

    // A name that the operator's pod cannot resolve, and a policy that may be why.
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "nothing-out"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]},
    });
    operator.apply(policy.to_string()).await;
    let elsewhere = json!({"broker": {"url": "redis://nowhere.invalid:6379/0", "urlFrom": null}});
    stage.ns.change_pool("mail", elsewhere).await;
    let (wrong, unknown) = (found("wrong"), found("unknown"));
    let says =
        |all: &[[String; 2]], what: &str, part: &str| all.iter().any(|[is, text]| is == what && text.contains(part));
    assert!(
        says(&wrong, "DNS", "nowhere.invalid") && unscheduled(&wrong),
        "{wrong:?}"
    );
    assert!(says(&unknown, "NetworkPolicy", "nothing-out"), "{unknown:?}");

    // Where no operator runs its half is missing, which is said; the other one is left.
    let away = [
        "doctor",
        "mail",
        "-n",
        stage.ns.name.as_str(),
        "--operator-namespace",
        stage.ns.name.as_str(),
    ];
    let (code, text, _) = plugin(&away);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("none runs") && text.contains("FailedScheduling") && !text.contains("nowhere.invalid"),
        "{text}"
    );
}
