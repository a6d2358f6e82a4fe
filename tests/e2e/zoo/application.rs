//! A set-up's application at one broker.

use std::time::Duration;

use serde_json::json;

use super::{
    ground::{Ground, Place, push},
    set_up::SetUp,
    stand,
};
use crate::support::{
    app::{App, Load},
    bed::Namespace,
    truth::Truth,
};

/// To publish takes as long as the load says.
const PUBLISHED: Duration = Duration::from_secs(200);

pub struct Application<'a> {
    pub ground: &'a Ground,
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
            "settings": stand::settings(self.ground, self.set_up), "broker": self.place.app, "seat": self.seat,
            "bystander": bystander,
        });
        push(&mut self.ground.records().await, "open", &asked).await;
    }
}

impl App for Application<'_> {
    fn name(&self) -> &str {
        &self.set_up.name
    }

    async fn publish(&self, load: &[Load]) {
        let asked = json!({"publish": load});
        let sent = self.ground.ask(&format!("{}:asked", self.seat), asked, PUBLISHED).await;
        sent.unwrap_or_else(|failed| panic!("{}: publish: {failed}", self.name()));
    }

    async fn workers(&self, replicas: i32) {
        stand::workers(self.ns, self.ground, self.set_up, self.place, replicas).await;
    }

    async fn truth(&self) -> Truth {
        let name = self.name();
        Truth {
            published: self.ground.recorded(name, "published").await,
            sent: self.ground.recorded(name, "sent").await,
            started: self.ground.recorded(name, "started").await,
            ended: self.ground.recorded(name, "ended").await,
        }
    }
}
