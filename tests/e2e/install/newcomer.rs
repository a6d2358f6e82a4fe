//! Somebody with a Django application, a cluster and the README: from the first line that is pasted to the first worker.

use std::{fs, os::unix::fs::symlink, process::Command, time::Instant};

use serde_json::json;

use super::{Uninstalled, root};
use crate::support::{
    bed::{eventually, image, kubeconfig_in, unique},
    celery_stage::{CeleryStage, LONG},
    figures,
};

/// The fenced block of the README that contains this.
fn block(readme: &str, language: &str, contains: &str) -> String {
    let fence = format!("```{language}\n");
    let blocks = readme.split(fence.as_str()).skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    let found = blocks.find(|block| block.contains(contains));
    found
        .unwrap_or_else(|| panic!("the README has no {language} block with {contains}"))
        .to_owned()
}

/// What a newcomer types: the README's lines, but for the image, which the test bed has already, the CRD, which another test
/// may have applied, and the last line, which would never end.
fn typed(readme: &str) -> String {
    let operator = image("OPERATOR");
    let (repository, tag) = operator.rsplit_once(':').expect("an image with a tag");
    let install = block(readme, "sh", "helm install");
    let lines = install.lines().filter(|line| !line.starts_with("docker "));
    let lines = lines.map(|line| {
        let helm = std::env::var("TWP_HELM").unwrap_or_else(|_| "helm".to_owned());
        let line = line.replace(
            "helm install",
            &format!("{helm} install --take-ownership --force-conflicts"),
        );
        let given = format!("--set image.repository={repository} --set image.tag={tag}");
        line.replace("--set image.repository=registry.example/twp-operator", &given)
            .replace(" --watch", "")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_newcomer_scales_by_pasting_the_readme() {
    let stage = CeleryStage::new("newcomer", "redis").await;
    // The application, as the README finds it.
    let env = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "django-env"},
        "stringData": {"CELERY_BROKER_URL": stage.url()},
    });
    let worker = ["python3", "-m", "celery", "-A", "nap", "worker", "-c", "4"];
    let workers = stage.deployment("mail-worker", 0, &worker, 60);
    stage.ns.apply(format!("{env}\n---\n{workers}\n")).await;
    stage.publish("[(number, 1) for number in range(40)]").await;

    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let desk = std::env::temp_dir().join(format!("twp-newcomer-{}", unique()));
    fs::create_dir(&desk).expect("a directory");
    symlink(root().join("charts"), desk.join("charts")).expect("a link");
    fs::write(desk.join("pool.yaml"), block(&readme, "yaml", "kind: TaskWorkerPool")).expect("a file");
    let script = typed(&readme);
    let _uninstalled = Uninstalled("twp-system");
    let begin = Instant::now();
    let said = Command::new("sh")
        .args(["-euc", &script])
        .env("KUBECONFIG", kubeconfig_in(&stage.ns.name))
        .current_dir(&desk)
        .output()
        .expect("a shell");
    let text = [said.stdout, said.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(said.status.success(), "{script}\n{text:?}");
    eventually("the first workers are ordered", LONG, async || {
        match stage.ns.replicas("mail-worker").await? {
            0 => Err(stage.ns.kubectl(&["get", "twp", "-o", "wide"]).await),
            _ => Ok(()),
        }
    })
    .await;
    figures::record_in("install", "newcomer_seconds", begin.elapsed().as_secs());
    stage.wait_ended(40).await;
    fs::remove_dir_all(&desk).expect("a directory");
}
