//! Address of the broker, and references to Secrets and ConfigMaps that hold it.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::BrokerParts;

/// The broker that holds the queues: exactly one of `url`, `urlFrom` and `parts`.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.url), has(self.urlFrom), has(self.parts)].filter(set, set).size() == 1")
        .message("must set exactly one of `url`, `urlFrom` and `parts`"),
    // On the object, not on the field: a refused field is quoted with its value.
    validation = Rule::new("!has(self.url) || !self.url.matches('(?s)://[^:]*:.+@')")
        .message("must not carry a password: put the URL in a Secret and use `urlFrom`").field_path(".url"),
    validation = Rule::new("!has(self.tls) || !has(self.tls.clientCertFrom) || has(self.tls.clientKeyFrom)")
        .message("`tls.clientKeyFrom` must be set with `tls.clientCertFrom`").field_path(".tls"),
    validation = Rule::new("!has(self.tls) || !has(self.tls.clientKeyFrom) || has(self.tls.clientCertFrom)")
        .message("`tls.clientCertFrom` must be set with `tls.clientKeyFrom`").field_path(".tls")
)]
pub struct Broker {
    /// Broker URL, as the application reads it: schemes `redis`, `rediss` and, for Celery (`broker_url`), `amqp`,
    /// `amqps`, `pyamqp`; without a password (put a URL with a password in a Secret and use `urlFrom`). A host name of
    /// one word is a Service in the pool's namespace. Up to 2048 characters. Example: `redis://redis:6379/0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub url: Option<String>,

    /// Key of a Secret or ConfigMap that holds the broker URL, best the key that the application itself uses. It is
    /// read again each minute, so that changed credentials are noticed. Example: `{secretKeyRef: {name: django-env,
    /// key: CELERY_BROKER_URL}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<ValueFrom>,

    /// Address by parts, where no key holds a whole URL. Its references are read again each minute. What a Secret holds
    /// is sent to a host from the same Secret, to a Service in the pool's namespace, or to a host that the Secret's
    /// annotation `taskworkerpool.dev/hosts` names, and to no other. Default: none. Example: `{scheme: redis, host:
    /// redis, passwordFrom: {secretKeyRef: {name: redis, key: redis-password}}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<BrokerParts>,

    /// Prefix of every Redis key, Celery's `global_keyprefix` or RQ's `RQ_KEY_PREFIX`; up to 255 characters. Default:
    /// none, for RQ `rq`. Example: `"shop:"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub key_prefix: Option<String>,

    /// TLS settings: the certificate authorities to trust and the client certificate to present. The broker's
    /// certificate is always verified. Default: encrypted with `rediss` and `amqps`, the system's certificate
    /// authorities, no client certificate. Example: `{enabled: true}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// RabbitMQ's management API. With it the broker itself counts the tasks that are delivered and not finished.
    /// Default: not used. Example: `{url: "http://rabbitmq:15672"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management: Option<Management>,
}

/// TLS settings: the certificate authorities to trust and the client certificate to present. PEM texts, never paths.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Whether the connection is encrypted also if the URL does not say so, as with Celery's `broker_use_ssl`. Default:
    /// true where `tls` is set. Example: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,

    /// Key that holds the certificates to trust, PEM. Default: the system's. Example: `{configMapKeyRef: {name: ca,
    /// key: ca.crt}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_from: Option<ValueFrom>,

    /// Key that holds the operator's client certificate chain, PEM; goes with `clientKeyFrom`. Default: none. Example:
    /// `{secretKeyRef: {name: client, key: tls.crt}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_from: Option<ValueFrom>,

    /// Key that holds the private key of the client certificate, PEM; goes with `clientCertFrom`. Default: none.
    /// Example: `{secretKeyRef: {name: client, key: tls.key}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key_from: Option<ValueFrom>,

    /// Host name that the broker's certificate must carry, 1 to 253 characters. Default: the host in the URL.
    /// Example: `redis.example.com`.
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
    /// Management URL without a password, up to 2048 characters. The user and password of the broker URL are used, but
    /// only if the host is the same, and only with https where the connection to the broker is encrypted. Example:
    /// `http://rabbitmq:15672`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub url: Option<String>,

    /// Key of a Secret or ConfigMap that holds the management URL with its own user and password. Example:
    /// `{secretKeyRef: {name: rabbitmq, key: management-url}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_from: Option<ValueFrom>,
}

/// Key of a Secret or of a ConfigMap in the pool's namespace: exactly one of the two.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretKeyRef) != has(self.configMapKeyRef)")
    .message("must set exactly one of `secretKeyRef` and `configMapKeyRef`"))]
pub struct ValueFrom {
    /// Key of a Secret. Example: `{name: django-env, key: CELERY_BROKER_URL}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,

    /// Key of a ConfigMap. Example: `{name: settings, key: broker-url}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
}

/// Key of a named object.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct KeyRef {
    /// Name of the object, 1 to 253 characters. Example: `django-env`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,

    /// Key in the object's `data`, 1 to 253 characters. Example: `CELERY_BROKER_URL`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}
