//! Configuration of a pool's Celery application.
#![deny(clippy::disallowed_methods)]

use serde::Deserialize;

use crate::framework::celery::ask::{Ask, Inspect, Mailbox};
use crate::framework::registry::App;
use crate::model::{BrokerKind, Named, Place, Subscription, Workload};

use super::{events, wire::Wire};

/// Configuration of a pool's Celery application, as the pool's spec gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeleryConfig {
    /// Kind of broker.
    pub broker: BrokerKind,
    /// Names of the queues.
    pub queues: Vec<String>,
    /// Prefix of all keys (`global_keyprefix`); usually empty. Redis only.
    pub key_prefix: String,
    /// Priority steps (`priority_steps`): by default 0 to 9, which include Celery's own 0, 3, 6, 9; a key that does not
    /// exist costs nothing. Redis only.
    pub priority_steps: Vec<u8>,
    /// Separator (`sep`) between a queue's name and a step, and in bindings; `\x06\x16` if neither the pool sets it nor
    /// the application shows another one. Redis only.
    pub separator: Option<String>,
    /// Hash of unacknowledged messages (`unacked_key`), by default `unacked`. Redis only.
    pub unacked_key: String,
    /// Index of that hash (`unacked_index_key`), by default `unacked_index`. Redis only.
    pub unacked_index_key: String,
    /// Exchange for remote control (`control_exchange`), by default `celery`.
    pub control_exchange: String,
    /// Exchange for events (`event_exchange`), by default `celeryev`.
    pub event_exchange: String,
    /// Pattern to subscribe to for heartbeats, if not the usual one (Redis ACLs compare its text). Redis only.
    pub heartbeat_channel: Option<String>,
    /// Target, by whose name the workers in its pods are recognised.
    pub target: Workload,
}

impl Default for CeleryConfig {
    /// Configuration with Celery's own defaults and the queue `celery` in database 0.
    fn default() -> Self {
        Self {
            broker: BrokerKind::Redis { db: 0 },
            queues: vec!["celery".into()],
            key_prefix: String::new(),
            priority_steps: (0..=9).collect(),
            separator: None,
            unacked_key: "unacked".into(),
            unacked_index_key: "unacked_index".into(),
            control_exchange: "celery".into(),
            event_exchange: "celeryev".into(),
            heartbeat_channel: None,
            target: Workload::default(),
        }
    }
}

/// Celery's default steps (`priority_steps`).
const STEPS: [u8; 4] = [0, 3, 6, 9];

/// Options that affect the keys of queues, as an application's workers report them. An option that is not reported has
/// Celery's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerOptions {
    /// Priority steps.
    pub priority_steps: Option<Vec<u8>>,
    /// Separator.
    pub separator: Option<String>,
}

/// Separator that kombu puts between a queue's name and a step, and in bindings, unless the application sets another
/// one (`sep`).
pub const SEPARATOR: &str = "\x06\x16";

/// Fields of `spec.celery`, as far as they are given.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Options {
    priority_steps: Option<Vec<u8>>,
    separator: Option<String>,
    unacked_key: Option<String>,
    unacked_index_key: Option<String>,
    control_exchange: Option<String>,
    event_exchange: Option<String>,
    heartbeat_channel: Option<String>,
}

fn options(app: &App) -> Result<Options, String> {
    let options = Option::<Options>::deserialize(&app.options);
    options
        .map(Option::unwrap_or_default)
        .map_err(|_| "`celery.prioritySteps` must be numbers from 0 to 255".to_owned())
}

/// Whether the options can work.
///
/// # Errors
/// A sentence that names the field.
pub fn check(app: &App) -> Result<(), String> {
    options(app).map(drop)
}

impl CeleryConfig {
    /// Configuration from a pool's spec, at this broker; the options have been checked ([`check`]).
    pub(super) fn of(app: &App, broker: BrokerKind) -> Self {
        let usual = Self::default();
        let options = options(app).unwrap_or_default();
        Self {
            broker,
            queues: app.queues.clone(),
            key_prefix: app.key_prefix.clone(),
            priority_steps: options.priority_steps.unwrap_or(usual.priority_steps),
            separator: options.separator,
            unacked_key: options.unacked_key.unwrap_or(usual.unacked_key),
            unacked_index_key: options.unacked_index_key.unwrap_or(usual.unacked_index_key),
            control_exchange: options.control_exchange.unwrap_or(usual.control_exchange),
            event_exchange: options.event_exchange.unwrap_or(usual.event_exchange),
            heartbeat_channel: options.heartbeat_channel,
            target: app.target.clone(),
        }
    }

    /// Keys that the application writes and the pool does not count: a reason, and a sentence with the fix.
    pub(super) fn uncounted(&self, application: &BrokerOptions) -> Option<(&'static str, String)> {
        if !matches!(self.broker, BrokerKind::Redis { .. }) {
            return None;
        }
        let steps = application.priority_steps.as_deref().unwrap_or(&STEPS);
        let uncounted: Vec<_> = steps
            .iter()
            .filter(|step| !self.priority_steps.contains(step))
            .map(u8::to_string)
            .collect();
        if !uncounted.is_empty() {
            let text = format!(
                "The application has the priority steps {}, which the pool does not count: give `celery.prioritySteps` all \
                 of the application's `priority_steps`.",
                uncounted.join(", ")
            );
            return Some(("PriorityStepsDiffer", text));
        }
        // If the pool does not set it, it is looked for.
        let said = self.separator.as_deref()?;
        let own = application.separator.as_deref().unwrap_or(SEPARATOR);
        (own != said).then(|| {
            let text = format!(
                "The application's separator is {own:?}, the pool's {said:?}: give `celery.separator` the application's \
                 `sep`, or leave it out."
            );
            ("SeparatorDiffers", text)
        })
    }

    /// Question to all workers. Perhaps none is running yet, so the separator is the one that workers show, never the
    /// pool's: a wrong one would be in the bindings when the first worker starts.
    pub(super) fn inspect(&self, method: Inspect) -> Ask {
        Ask::Inspect {
            method,
            mailbox: Mailbox {
                separator: None,
                ..self.mailbox(Vec::new())
            },
        }
    }

    /// Separator of the parts of a key or a binding.
    pub(super) fn separator(&self) -> &str {
        self.separator.as_deref().unwrap_or(SEPARATOR)
    }

    pub(super) fn mailbox(&self, nodes: Vec<String>) -> Mailbox {
        Mailbox {
            exchange: self.control_exchange.clone(),
            prefix: match self.broker {
                BrokerKind::Redis { .. } => self.key_prefix.clone(),
                BrokerKind::RabbitMq { .. } => String::new(),
            },
            separator: self.separator.clone(),
            nodes,
        }
    }

    /// Place where the application's workers announce themselves.
    pub fn listen(&self) -> Subscription {
        match self.broker {
            BrokerKind::Redis { db } => {
                let usual = || format!("{}/{db}.{}/*", self.key_prefix, self.event_exchange);
                Subscription {
                    place: Place::Pattern {
                        pattern: self.heartbeat_channel.clone().unwrap_or_else(usual),
                        channel: Named::new("not of tasks", |channel| !events::is_of_tasks(channel)),
                    },
                    read: Named::new("kombu", |payload| events::signals(payload, Wire::Kombu)),
                }
            }
            BrokerKind::RabbitMq { .. } => Subscription {
                place: Place::TopicExchange {
                    exchange: self.event_exchange.clone(),
                    key: events::KEY,
                },
                read: Named::new("celery", |payload| events::signals(payload, Wire::Plain)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::registry::DEFAULT;

    fn app(options: serde_json::Value) -> App {
        App {
            framework: DEFAULT,
            queues: vec!["mail".into()],
            told: false,
            key_prefix: "shop:".into(),
            target: "mail-worker".into(),
            options,
        }
    }

    #[test]
    fn every_option_of_the_spec_arrives() {
        let broker = BrokerKind::Redis { db: 3 };
        let usual = CeleryConfig {
            broker,
            queues: vec!["mail".into()],
            key_prefix: "shop:".into(),
            target: "mail-worker".into(),
            ..CeleryConfig::default()
        };
        assert_eq!(CeleryConfig::of(&app(serde_json::Value::Null), broker), usual);
        assert_eq!(usual.priority_steps, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let all = app(
            serde_json::json!({"prioritySteps": [0, 255], "separator": ":", "unackedKey": "u",
            "unackedIndexKey": "i", "controlExchange": "c", "eventExchange": "e", "heartbeatChannel": "h"}),
        );
        assert_eq!(check(&all), Ok(()));
        let expected = CeleryConfig {
            priority_steps: vec![0, 255],
            separator: Some(":".into()),
            unacked_key: "u".into(),
            unacked_index_key: "i".into(),
            control_exchange: "c".into(),
            event_exchange: "e".into(),
            heartbeat_channel: Some("h".into()),
            ..usual
        };
        assert_eq!(CeleryConfig::of(&all, broker), expected);
        let wrong = check(&app(serde_json::json!({"prioritySteps": [256]}))).unwrap_err();
        assert!(wrong.contains("prioritySteps"), "{wrong}");
    }

    #[test]
    fn other_steps_and_another_separator_are_told() {
        let with = |steps: Option<&[u8]>, separator: Option<&str>| BrokerOptions {
            priority_steps: steps.map(<[u8]>::to_vec),
            separator: separator.map(str::to_owned),
        };
        let usual = CeleryConfig::default();
        let colon = CeleryConfig {
            separator: Some(":".into()),
            priority_steps: vec![0, 5],
            ..CeleryConfig::default()
        };
        let rabbit = CeleryConfig {
            broker: BrokerKind::RabbitMq { management: false },
            ..colon.clone()
        };
        for (application, pool, reason) in [
            (with(None, None), &usual, None),
            (with(Some(&[0, 1, 9]), Some(":")), &usual, None),
            (with(Some(&[0, 10]), None), &usual, Some("PriorityStepsDiffer")),
            (with(None, Some(":")), &colon, Some("PriorityStepsDiffer")),
            (with(Some(&[0]), Some(":")), &colon, None),
            (with(Some(&[0]), None), &colon, Some("SeparatorDiffers")),
            (with(Some(&[0, 10]), None), &rabbit, None),
        ] {
            let found = pool.uncounted(&application);
            assert_eq!(found.as_ref().map(|(reason, _)| *reason), reason, "{found:?}");
        }
    }
}
