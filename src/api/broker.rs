//! Where the broker is, and the references to Secrets and ConfigMaps that say so.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The broker that holds the queues: exactly one of `url` and `urlFrom`.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.url) != has(self.urlFrom)")
        .message("must set exactly one of `url` and `urlFrom`"),
    // On the object, not on the field: a refused field is quoted with its value.
    validation = Rule::new("!has(self.url) || !self.url.matches('(?s)://[^:]*:.+@')")
        .message("must not carry a password: put the URL in a Secret and use `urlFrom`").field_path(".url"),
    validation = Rule::new("!has(self.tls) || !has(self.tls.clientCertFrom) || has(self.tls.clientKeyFrom)")
        .message("`tls.clientKeyFrom` must be set with `tls.clientCertFrom`").field_path(".tls"),
    validation = Rule::new("!has(self.tls) || !has(self.tls.clientKeyFrom) || has(self.tls.clientCertFrom)")
        .message("`tls.clientCertFrom` must be set with `tls.clientKeyFrom`").field_path(".tls")
)]
pub struct Broker {
    /// The broker URL, as Celery's `broker_url`: schemes `redis`, `rediss`, `amqp`, `amqps`, `pyamqp`; without a
    /// password (put a URL with a password in a Secret and use `urlFrom`). A host name of one word is a Service in the
    /// pool's namespace. Up to 2048 characters. Example: `redis://redis:6379/0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub url: Option<String>,

    /// The Secret or ConfigMap key that holds the broker URL: the application's own, read again when it changes the
    /// credentials. Example: `{secretKeyRef: {name: django-env, key: CELERY_BROKER_URL}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<ValueFrom>,

    /// Prefix of every Redis key, Celery's `global_keyprefix`; up to 255 characters. Default: none.
    /// Example: `"shop:"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub key_prefix: Option<String>,

    /// Encrypts the connection, also where the URL does not say so (as Celery's `broker_use_ssl`; `{}` is enough), and
    /// says how to verify the broker's certificate and who we are. The certificate is always verified. Default: encrypted
    /// with `rediss` and `amqps`, the system's certificate authorities, no client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// RabbitMQ's management API: with it delivered and unfinished tasks are counted by the broker itself. Default: not
    /// used. Example: `{url: "http://rabbitmq:15672"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management: Option<Management>,
}

/// How to verify the broker's certificate and who we are. PEM texts, never paths.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// The key that holds certificates to trust, PEM. Default: the system's. Example:
    /// `{configMapKeyRef: {name: ca, key: ca.crt}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_from: Option<ValueFrom>,

    /// The key that holds our certificate chain, PEM; goes with `clientKeyFrom`. Default: none. Example:
    /// `{secretKeyRef: {name: client, key: tls.crt}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_from: Option<ValueFrom>,

    /// The key that holds our private key, PEM; goes with `clientCertFrom`. Default: none. Example:
    /// `{secretKeyRef: {name: client, key: tls.key}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key_from: Option<ValueFrom>,

    /// The name that the broker's certificate must carry, 1 to 253 characters. Default: the host in the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
}

/// RabbitMQ's management API: exactly one of `url` and `urlFrom`.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.url) != has(self.urlFrom)")
        .message("must set exactly one of `url` and `urlFrom`"),
    validation = Rule::new("!has(self.url) || !self.url.matches('(?s)://[^:]*:.+@')")
        .message("must not carry a password: put the URL in a Secret and use `urlFrom`").field_path(".url")
)]
pub struct Management {
    /// The management URL without a password, up to 2048 characters; the broker URL's user and password are used, only if
    /// the host is the same, and only with https where the connection to the broker is encrypted. Example: `http://rabbitmq:15672`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub url: Option<String>,

    /// The Secret or ConfigMap key that holds the management URL with its own user and password. Example:
    /// `{secretKeyRef: {name: rabbitmq, key: management-url}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<ValueFrom>,
}

/// A key of a Secret or of a ConfigMap in the pool's namespace: exactly one of the two.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretKeyRef) != has(self.configMapKeyRef)")
    .message("must set exactly one of `secretKeyRef` and `configMapKeyRef`"))]
pub struct ValueFrom {
    /// A key of a Secret. Example: `{name: django-env, key: CELERY_BROKER_URL}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,

    /// A key of a ConfigMap. Example: `{name: settings, key: broker-url}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
}

/// One key of a named object.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct KeyRef {
    /// The object's name, 1 to 253 characters. Example: `django-env`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,

    /// The key in its data, 1 to 253 characters. Example: `CELERY_BROKER_URL`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}
