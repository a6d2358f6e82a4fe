//! A pool takes over the replicas of a running Deployment in each of the four ways of docs/gitops.md, by the commands of that
//! page, while two of three workers run a task: nobody may cut one off, and afterwards the number is the operator's.
//!
//! | file | concept |
//! |---|---|
//! | `page.rs` | the page's commands |
//! | `pipeline.rs` | whoever applies the Deployment, in one of the four ways |
//! | `held.rs` | the tasks, and what became of them |
//! | `number.rs` | the replicas: where they come to, where they stay |
//! | `shell.rs` | commands as a page has them |
//! | `moves/` | the same from a HorizontalPodAutoscaler and from KEDA, by the plan that `kubectl twp convert` prints |

mod held;
mod moves;
mod number;
mod page;
mod pipeline;
mod shell;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;

use self::{
    held::Held,
    pipeline::{Pipeline, Way},
};
use crate::support::{celery_stage::CeleryStage, figures, operator::Operator, stage::pool};

/// As on the page.
const REPLICAS: i32 = 3;
/// The tasks that run meanwhile: fewer than there are workers, so that the operator's first change comes as well.
const BUSY: i32 = 2;

#[tokio::test]
async fn a_running_deployment_is_adopted_in_four_ways_and_no_task_is_cut_off() {
    let stage = CeleryStage::new("adoption", "redis").await;
    let operator = Operator::start(&stage.ns.name).await;
    let adopted = async |way| Adoption::new(&stage, way).adopted().await;
    let each = tokio::join!(
        adopted(Way::ClientSide),
        adopted(Way::ServerSide),
        adopted(Way::ArgoCd),
        adopted(Way::Helm)
    );
    println!("cut off by client-side apply, server-side apply, Argo CD's way and Helm's: {each:?}");
    let cut_off = each.0 + each.1 + each.2 + each.3;
    figures::record_in("install", "adoption_cut_off", cut_off);
    assert_eq!(cut_off, 0, "{each:?}\n{}", operator.log());
    stage.undisturbed(&[], &operator).await;
}

/// One Deployment with a queue and a pool of the same name.
struct Adoption<'a> {
    stage: &'a CeleryStage,
    pipeline: Pipeline<'a>,
    name: &'static str,
    held: Held<'a>,
}

impl<'a> Adoption<'a> {
    fn new(stage: &'a CeleryStage, way: Way) -> Self {
        let name = way.name();
        let celery = ["celery", "-A", "nap", "worker", "-l", "info", "-c", "1", "-Q", name];
        // A grace period too short for any task: who is told to end is cut off.
        let manifest = stage.deployment(name, REPLICAS, &celery, 1);
        // A replica for each task, and none without a task as soon as may be.
        let spec = json!({
            "queues": [name], "target": {"backlogPerReplica": 1},
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        });
        Self {
            stage,
            pipeline: Pipeline::new(&stage.ns, way, manifest, &pool(name, spec)),
            name,
            held: Held::new(stage, name, BUSY as usize),
        }
    }

    /// From a Deployment without a pool to none of its workers left: how many of its tasks were cut off.
    async fn adopted(mut self) -> usize {
        self.pipeline.first_apply().await;
        self.stage.ns.wait_ready(self.name).await;
        self.held.publish().await;
        self.held.wait_busy(BUSY as usize).await;

        self.pipeline.hand_over().await;
        number::comes_to(&self.stage.ns, self.name, BUSY).await;
        assert_eq!(self.owners().await, ["twp-operator"], "{}", self.name);
        // The pipeline goes on, with a change that makes no new pods.
        self.pipeline.change("minReadySeconds", json!(1));
        self.pipeline.apply_again().await;
        number::stays(&self.stage.ns, self.name, BUSY).await;
        let spec = self.stage.ns.deployment(self.name).await.expect("the Deployment").spec;
        let applied = spec.and_then(|spec| spec.min_ready_seconds);
        assert_eq!(applied, Some(1), "{}: it was applied", self.name);

        self.held.release().await;
        let cut_off = self.held.wait_over().await;
        if cut_off == 0 {
            number::comes_to(&self.stage.ns, self.name, 0).await;
            self.pipeline.apply_again().await;
            number::stays(&self.stage.ns, self.name, 0).await;
        }
        cut_off
    }

    /// The field managers that own the number.
    async fn owners(&self) -> Vec<String> {
        let found = self.stage.ns.api::<Deployment>().get(self.name).await;
        let entries = found.expect("the Deployment").metadata.managed_fields;
        let owns = entries.unwrap_or_default().into_iter().filter(|entry| {
            let fields = entry.fields_v1.as_ref();
            fields.is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
        });
        owns.filter_map(|entry| entry.manager).collect()
    }
}
