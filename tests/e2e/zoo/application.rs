//! A set-up's application at one broker.

use std::time::Duration;

use serde_json::json;

use super::{
    objects,
    set_up::SetUp,
    stage::{Place, ZooStage},
};
use crate::support::{
    app::{App, Load},
    bed::Namespace,
    truth::Truth,
};

/// To publish takes as long as the load says.
const PUBLISHED: Duration = Duration::from_secs(200);

pub struct Application<'a> {
    pub stage: &'a ZooStage,
    pub ns: &'a Namespace,
    pub set_up: &'a SetUp,
    pub place: &'a Place,
    /// Its client's name: there is one for each broker that the application is at.
    pub seat: String,
}

impl Application<'_> {
    /// Opens its client, and so many seconds later the client's bystander.
    pub async fn open(&self, bystander: u64) {
        let asked = json!({
            "settings": objects::settings(self.stage, self.set_up), "broker": self.place.app, "seat": self.seat,
            "bystander": bystander,
        });
        self.stage.records().await.push("open", &asked).await;
    }
}

impl App for Application<'_> {
    fn name(&self) -> &str {
        &self.set_up.name
    }

    async fn publish(&self, load: &[Load]) {
        let asked = json!({"publish": load});
        let records = self.stage.records().await;
        let sent = records
            .ask::<u32>(&format!("{}:asked", self.seat), asked, PUBLISHED)
            .await;
        sent.unwrap_or_else(|failed| panic!("{}: publish: {failed}", self.name()));
    }

    async fn workers(&self, replicas: i32) {
        objects::workers(self.ns, self.stage, self.set_up, self.place, replicas).await;
    }

    async fn truth(&self) -> Truth {
        let (records, name) = (self.stage.records().await, self.name());
        Truth {
            published: records.list(&format!("{name}:published")).await,
            sent: records.list(&format!("{name}:sent")).await,
            started: records.list(&format!("{name}:started")).await,
            ended: records.list(&format!("{name}:ended")).await,
        }
    }
}
