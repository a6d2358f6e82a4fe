//! Address of the broker by parts, as most charts carry it: only the password is in a Secret.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ValueFrom;

/// Address of the broker by parts, for applications that are given host, user and password apart. No part is
/// percent-encoded.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.host) != has(self.hostFrom)")
        .message("must set exactly one of `host` and `hostFrom`"),
    validation = Rule::new("!has(self.port) || !has(self.portFrom)")
        .message("must not set both `port` and `portFrom`"),
    validation = Rule::new("!has(self.database) || !has(self.databaseFrom)")
        .message("must not set both `database` and `databaseFrom`"),
    validation = Rule::new("!has(self.virtualHost) || !has(self.virtualHostFrom)")
        .message("must not set both `virtualHost` and `virtualHostFrom`"),
    validation = Rule::new("!has(self.user) || !has(self.userFrom)")
        .message("must not set both `user` and `userFrom`"),
    validation = Rule::new("!has(self.passwordFrom) || has(self.passwordFrom.secretKeyRef)")
        .message("`passwordFrom` must name a key of a Secret").field_path(".passwordFrom"),
    validation = Rule::new("!self.scheme.startsWith('redis') || (!has(self.virtualHost) && !has(self.virtualHostFrom))")
        .message("`virtualHost` must not be set with Redis"),
    validation = Rule::new("self.scheme.startsWith('redis') || (!has(self.database) && !has(self.databaseFrom))")
        .message("`database` must not be set with RabbitMQ: it has virtual hosts")
)]
pub struct BrokerParts {
    /// Scheme of the broker URL: `redis` or `amqp`, with TLS `rediss` or `amqps`. Example: `amqp`.
    pub scheme: Scheme,

    /// Host name or IP address, 1 to 253 characters. A name of one word is a Service in the pool's namespace. Exactly
    /// one of `host` and `hostFrom`. Example: `rabbitmq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub host: Option<String>,

    /// Key of a Secret or ConfigMap that holds the host. Exactly one of `host` and `hostFrom`. Example:
    /// `{configMapKeyRef: {name: env, key: REDIS_HOST}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_from: Option<ValueFrom>,

    /// Port, 1 to 65535. Default: 6379 for Redis, 5672 for RabbitMQ, 5671 for RabbitMQ with TLS. Example: 6380.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,

    /// Key of a Secret or ConfigMap that holds the port, instead of `port`. Default: none. Example: `{secretKeyRef:
    /// {name: rabbitmq-default-user, key: port}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_from: Option<ValueFrom>,

    /// Database number (Redis), 0 to 1000000. Default: 0. Example: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub database: Option<i32>,

    /// Key of a Secret or ConfigMap that holds the database number, instead of `database`. Default: none. Example:
    /// `{configMapKeyRef: {name: env, key: REDIS_DB}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_from: Option<ValueFrom>,

    /// Virtual host (RabbitMQ), 1 to 255 characters. Default: `/`. Example: `shop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub virtual_host: Option<String>,

    /// Key of a Secret or ConfigMap that holds the virtual host, instead of `virtualHost`. Default: none. Example:
    /// `{configMapKeyRef: {name: env, key: RABBITMQ_VHOST}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_host_from: Option<ValueFrom>,

    /// User, 1 to 255 characters. Default: none for Redis, `guest` for RabbitMQ. Example: `shop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub user: Option<String>,

    /// Key of a Secret or ConfigMap that holds the user, instead of `user`. Default: none. Example: `{secretKeyRef:
    /// {name: rabbitmq-default-user, key: username}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_from: Option<ValueFrom>,

    /// Key of a Secret that holds the password. Default: no password for Redis, `guest` for RabbitMQ. Example:
    /// `{secretKeyRef: {name: redis, key: redis-password}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_from: Option<ValueFrom>,
}

/// Scheme of the broker URL: `redis`, `rediss`, `amqp` or `amqps`.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Redis.
    Redis,
    /// Redis with TLS.
    Rediss,
    /// RabbitMQ.
    Amqp,
    /// RabbitMQ with TLS.
    Amqps,
}

impl Scheme {
    /// The scheme as in a URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Rediss => "rediss",
            Self::Amqp => "amqp",
            Self::Amqps => "amqps",
        }
    }
}
