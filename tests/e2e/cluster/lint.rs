//! `kubectl twp lint` beside the real API server: hundreds of pools, each with something changed, and one verdict on each.

mod mutations;

use std::time::Duration;

use futures::{StreamExt, stream};
use kube::Client;
use serde_json::json;
use taskworkerpool::cli::lint::{Origin, Report};

use crate::support::{
    bed::{PATIENCE, client, eventually},
    figures,
};
use mutations::{Mutation, all};

/// Number of questions at once.
const AT_ONCE: usize = 8;

/// What the API server would say of a text, as strictly as `kubectl` asks it; nothing is created.
async fn asked(client: &Client, text: &str) -> Result<Option<String>, String> {
    let request = hyper::Request::post(
        "/apis/taskworkerpool.dev/v1alpha1/namespaces/default/taskworkerpools?dryRun=All&fieldValidation=Strict",
    )
    .header("content-type", "application/yaml")
    .body(text.as_bytes().to_vec())
    .unwrap();
    match client.request_text(request).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) if [400, 422].contains(&status.code) => Ok(Some(status.message.clone())),
        // The CRD is away for a moment, or the server is busy.
        Err(error) => Err(error.to_string()),
    }
}

/// Texts of the faults for which the API server would refuse it.
fn judged(text: &str) -> Option<String> {
    let findings = Report::new(&[("pool.yaml", text)]).findings.into_iter();
    let refused = findings.filter(|finding| matches!(finding.origin, Origin::ApiServer | Origin::File));
    let told: Vec<_> = refused.map(|finding| finding.message).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_verdict_of_lint_is_the_api_servers() {
    let client = client().await;
    let mutations = all();
    let compared = stream::iter(&mutations).map(|Mutation { name, text }| {
        let client = client.clone();
        async move {
            let real = eventually("an answer of the API server", PATIENCE, async || {
                asked(&client, text).await
            })
            .await;
            (name, text, judged(text), real)
        }
    });
    let compared: Vec<_> = compared.buffer_unordered(AT_ONCE).collect().await;
    let refused = compared.iter().filter(|(.., real)| real.is_some()).count();
    let wrong: Vec<_> = compared
        .iter()
        .filter(|(.., ours, real)| ours.is_some() != real.is_some())
        .collect();
    figures::record_in(
        "plugin",
        "lint_agrees",
        json!([compared.len() - wrong.len(), compared.len()]),
    );
    println!("{} pools, {refused} of them refused", compared.len());
    for (name, text, ours, real) in &wrong {
        println!("{name}\n  lint: {ours:?}\n  API server: {real:?}\n  {text}");
    }
    assert!(
        compared.len() >= 400 && refused >= 200 && compared.len() - refused >= 100,
        "too few of a kind"
    );
    assert!(
        wrong.is_empty(),
        "{} of {} verdicts differ",
        wrong.len(),
        compared.len()
    );
}

#[tokio::test]
async fn the_api_server_can_be_told_from_a_lint_that_says_yes_to_all() {
    // What is compared above is the server's own word.
    let client = client().await;
    let ask = |text: &'static str| {
        let client = client.clone();
        async move {
            eventually("an answer", Duration::from_secs(60), async || {
                asked(&client, text).await
            })
            .await
        }
    };
    let good = "apiVersion: taskworkerpool.dev/v1alpha1\nkind: TaskWorkerPool\nmetadata: {name: lint-a}\nspec:\n  \
                targetRef: {name: a}\n  broker: {url: redis://redis}\n";
    assert_eq!(ask(good).await, None);
    assert!(
        ask("apiVersion: taskworkerpool.dev/v1alpha1\nkind: TaskWorkerPool\nmetadata: {name: lint-a}\n")
            .await
            .is_some()
    );
}
