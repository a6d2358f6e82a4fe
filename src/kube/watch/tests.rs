use serde_json::json;

use super::*;
use crate::kube::{SlimDeployment, fixture};

/// A connection may die without a word: what lasts for ever would see nothing for as long.
#[tokio::test]
async fn a_watch_lasts_less_than_a_minute() {
    let (client, log) = fixture::server(|asked| async move {
        if asked.uri.contains("watch=true") {
            std::future::pending::<()>().await;
        }
        let list = json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "metadata": {"resourceVersion": "7"}, "items": []});
        (200, list)
    });
    let (out, mut shown) = mpsc::channel(8);
    let watches = tokio::spawn(watch::<SlimDeployment, _>(client, Some("shop".into()), out, Some));
    let listed = shown.recv().await.expect("the list");
    assert!(matches!(listed, Shown::Listed(keys) if keys.is_empty()));
    let asked = loop {
        tokio::task::yield_now().await;
        let log = log.lock().unwrap();
        if let Some(asked) = log.iter().find(|asked| asked.uri.contains("watch=true")) {
            break asked.uri.clone();
        }
    };
    watches.abort();
    assert!(asked.contains("timeoutSeconds=50"), "{asked}");
}
