//! A pool takes over from another autoscaler by the plan that `kubectl twp convert` prints, command by command, while every
//! worker runs a task and has a grace period of a second: nobody may cut one off.
//!
//! | file | concept |
//! |---|---|
//! | `autoscaler.rs` | the HorizontalPodAutoscaler with its metrics, and KEDA's part |
//! | `metrics.py` | an API of external metrics |
//!
//! The HorizontalPodAutoscaler is Kubernetes' own controller, on the length of a list. KEDA is not on the test bed:
//! what its operator would do to the objects is done by the test, and stated in `autoscaler.rs`.

mod autoscaler;

use std::{fs, path::PathBuf, process::Stdio};

use serde_json::{Value, json};
use tokio::process::Command;

use self::autoscaler::{Autoscaler, Metrics};
use super::{held::Held, number, shell};
use crate::support::{bed::unique, celery_stage::CeleryStage, figures, operator::Operator};

/// What the autoscaler may have, and has when the pool takes over.
const REPLICAS: i32 = 3;
/// Tasks: enough that the list alone asks for all of the replicas while each has a task and holds another.
const TASKS: usize = 12;
/// Tasks that run when most are over.
const LAST: i32 = 2;

#[tokio::test]
async fn a_busy_deployment_moves_from_an_hpa_and_from_keda_by_the_plan_of_convert() {
    let stage = CeleryStage::new("moves", "redis").await;
    let operator = Operator::start(&stage.ns.name).await;
    let metrics = Metrics::serve(&stage).await;
    let moved = async |autoscaler| Move::new(&stage, autoscaler).moved().await;
    let each = tokio::join!(moved(Autoscaler::Hpa), moved(Autoscaler::Keda));
    drop(metrics);
    println!("cut off in a move from an HPA and from KEDA: {each:?}");
    figures::record_in("plugin", "move_cut_off", each.0 + each.1);
    assert_eq!(each, (0, 0), "{}", operator.log());
    stage.undisturbed(&[], &operator).await;
}

/// One Deployment, its queue and its autoscaler, all of one name.
struct Move<'a> {
    stage: &'a CeleryStage,
    autoscaler: Autoscaler,
    name: &'static str,
    held: Held<'a>,
    /// With the files that the commands name.
    folder: PathBuf,
}

impl<'a> Move<'a> {
    fn new(stage: &'a CeleryStage, autoscaler: Autoscaler) -> Self {
        let name = autoscaler.name();
        let folder = std::env::temp_dir().join(format!("twp-move-{}", unique()));
        fs::create_dir_all(&folder).expect("a folder");
        Self {
            stage,
            autoscaler,
            name,
            held: Held::new(stage, name, TASKS),
            folder,
        }
    }

    /// From the autoscaler's workers, all busy, to the pool's last one: how many tasks were cut off.
    async fn moved(self) -> usize {
        let ns = &self.stage.ns;
        let celery = [
            "celery", "-A", "nap", "worker", "-l", "info", "-c", "1", "-Q", self.name,
        ];
        // Whoever is told to end is cut off.
        let mut deployment = self.stage.deployment(self.name, 1, &celery, 1);
        self.write("deployment.yaml", &deployment);
        self.run("kubectl apply -f deployment.yaml").await;
        ns.wait_ready(self.name).await;
        self.held.publish().await;
        self.write("autoscaler.yaml", &self.autoscaler.manifest(self.stage, REPLICAS));
        self.run("kubectl apply -f autoscaler.yaml").await;
        self.autoscaler.made(ns, REPLICAS).await;
        ns.wait_replicas(self.name, REPLICAS).await;
        self.held.wait_busy(REPLICAS as usize).await;

        let (pool, plan) = self.converted().await;
        self.write("pools.yaml", &pool);
        // What is to be done by the user, where a metric does not say where the broker is.
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("{}-broker", self.name)},
            "stringData": {"url": self.stage.url()},
        });
        ns.apply(secret.to_string()).await;
        let spec = deployment["spec"].as_object_mut().expect("a spec");
        spec.remove("replicas").expect("its replicas");
        for step in &plan {
            if step.iter().any(|command| command.contains("set-last-applied")) {
                self.write("deployment.yaml", &deployment);
            }
            let commands = step.join("\n");
            tokio::join!(self.run(&commands), self.autoscaler.plays(ns, &commands));
            if commands.contains("describe twp") {
                for condition in ["SourceAvailable", "QueuesMatch", "WorkersKnown"] {
                    let wait = format!(
                        "kubectl wait twp/{} --for=condition={condition} --timeout=120s",
                        self.name
                    );
                    self.run(&wait).await;
                }
            }
            assert_eq!(ns.replicas(self.name).await, Ok(REPLICAS), "after {commands}");
        }
        // The pipeline goes on: the number is not in its manifest any longer.
        self.run("kubectl apply -f deployment.yaml").await;
        number::stays(ns, self.name, REPLICAS).await;

        self.held.release_but(LAST as usize).await;
        number::comes_to(ns, self.name, LAST).await;
        self.held.release().await;
        let cut_off = self.held.wait_over().await;
        if cut_off == 0 {
            number::comes_to(ns, self.name, 1).await;
        }
        cut_off
    }

    /// The pool and the commands of each step, as the plugin gives them.
    async fn converted(&self) -> (Value, Vec<Vec<String>>) {
        let said = Command::new(env!("CARGO_BIN_EXE_kubectl-twp"))
            .args(["convert", "autoscaler.yaml", "deployment.yaml", "-o", "json"])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("the plugin");
        let text = String::from_utf8_lossy(&said.stdout);
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let draft = &value["drafts"][0];
        let steps = draft["plan"].as_array().expect("a plan").iter();
        let commands = |step: &Value| serde_json::from_value(step["commands"].clone()).expect("commands");
        (draft["pool"].clone(), steps.map(commands).collect())
    }

    fn write(&self, file: &str, value: &Value) {
        fs::write(self.folder.join(file), value.to_string()).expect("a file");
    }

    /// Runs commands in the Deployment's namespace.
    async fn run(&self, commands: &str) {
        let namespace = &self.stage.ns.name;
        let commands = commands
            .lines()
            .map(|line| match line.strip_prefix("kubectl ") {
                Some(rest) if !rest.starts_with("-n ") => format!("kubectl -n {namespace} {rest}"),
                _ => line.to_owned(),
            })
            .collect::<Vec<_>>();
        shell::run(&self.folder, &commands.join("\n")).await;
    }
}

impl Drop for Move<'_> {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.folder);
    }
}
