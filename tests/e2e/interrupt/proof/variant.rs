//! What a run is about.

use serde_json::{Value, json};

/// Where tasks wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broker {
    Redis,
    /// RabbitMQ, a classic queue.
    Classic,
    /// RabbitMQ, a quorum queue.
    Quorum,
}

impl Broker {
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Classic => "classic",
            Self::Quorum => "quorum",
        }
    }
}

/// When a task is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// When it ends.
    Late,
    /// When it starts: Celery's default.
    Early,
}

impl Acks {
    pub fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Early => "early",
        }
    }
}

/// A broker, and workers as KEDA was measured with: two processes each, Celery's prefetch (4 × 2), 30 s of grace.
#[derive(Clone, Debug)]
pub struct Variant {
    pub broker: Broker,
    pub acks: Acks,
    /// Celery's prefetch multiplier; `None` is its default, 4.
    pub prefetch: Option<u32>,
    /// Task slots of a worker.
    pub slots: u32,
    /// The slots are threads, not processes.
    pub threads: bool,
    /// The workers' grace period, in seconds.
    pub grace: u32,
    /// The pool knows RabbitMQ's management API.
    pub management: bool,
    /// A policy drops tasks of the quorum queue that were given back so often.
    pub limit: Option<u32>,
}

impl Variant {
    pub fn new(broker: Broker, acks: Acks) -> Self {
        Self {
            broker,
            acks,
            prefetch: None,
            slots: 2,
            threads: false,
            grace: 30,
            management: false,
            limit: None,
        }
    }

    pub fn with_management(mut self) -> Self {
        self.management = true;
        self
    }

    pub fn with_prefetch(mut self, multiplier: u32) -> Self {
        self.prefetch = Some(multiplier);
        self
    }

    pub fn with_limit(mut self, deliveries: u32) -> Self {
        self.limit = Some(deliveries);
        self
    }

    pub fn with_slots(mut self, slots: u32) -> Self {
        self.slots = slots;
        self
    }

    pub fn with_threads(mut self, slots: u32) -> Self {
        (self.slots, self.threads) = (slots, true);
        self
    }

    /// Such as `classic-late-management`.
    pub fn name(&self) -> String {
        let mut name = format!("{}-{}", self.broker.name(), self.acks.name());
        if let Some(multiplier) = self.prefetch {
            name.push_str(&format!("-prefetch{multiplier}"));
        }
        if let Some(limit) = self.limit {
            name.push_str(&format!("-limit{limit}"));
        }
        if self.management {
            name.push_str("-management");
        }
        name
    }

    /// What it is, for the figures.
    pub fn figures(&self) -> Value {
        json!({
            "cell": self.name(), "broker": self.broker.name(), "acks": self.acks.name(), "prefetch": self.prefetch.unwrap_or(4),
            "slots": self.slots, "pool": if self.threads { "threads" } else { "prefork" }, "management": self.management,
            "delivery_limit": self.limit,
        })
    }

    /// The workers' command.
    pub fn command(&self) -> Vec<String> {
        let slots = self.slots.to_string();
        let mut command = vec![
            "python3", "-m", "celery", "-A", "nap", "worker", "-l", "info", "-c", &slots,
        ];
        command.extend(["-Q", "tasks", "--without-gossip", "--without-mingle"]);
        if self.threads {
            command.extend(["-P", "threads"]);
        }
        command.into_iter().map(str::to_owned).collect()
    }
}
