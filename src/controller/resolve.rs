//! Reads the Secrets and ConfigMaps that a pool names, by name and nothing more, and makes the broker's address of them.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret as KubeSecret},
};
use kube::Api;

use super::{
    pool::{Pool, Problem, Text},
    validate::{self, Texts},
};
use crate::{
    api::{KeyRef, ValueFrom},
    broker::{Address, Secret},
    kube::{CallError, Class, Cluster},
};

/// The address of the pool's broker that Celery tries first.
///
/// # Errors
/// As [`addresses`].
pub async fn address(cluster: &Cluster, namespace: &str, pool: &Pool) -> Result<Arc<Address>, Problem> {
    let addresses = addresses(cluster, namespace, pool).await?;
    let first = addresses.into_iter().next();
    first.ok_or_else(|| Problem::invalid("the broker URL is empty"))
}

/// The addresses of the pool's broker, in the order in which Celery tries them: at least one.
///
/// # Errors
/// A [`Problem`] that names the object, the key or the field; never a value.
pub async fn addresses(cluster: &Cluster, namespace: &str, pool: &Pool) -> Result<Vec<Arc<Address>>, Problem> {
    let mut reader = Reader {
        cluster,
        namespace,
        secrets: BTreeMap::new(),
        config_maps: BTreeMap::new(),
    };
    let source = &pool.source;
    let texts = Texts {
        url: reader.text("broker.urlFrom", &source.url).await?,
        ca: match &source.ca {
            Some(from) => Some(reader.value("broker.tls.caFrom", from).await?),
            None => None,
        },
        identity: match &source.identity {
            Some((cert, key)) => Some((
                reader.value("broker.tls.clientCertFrom", cert).await?,
                Secret::new(reader.value("broker.tls.clientKeyFrom", key).await?),
            )),
            None => None,
        },
        management: match &source.management {
            Some(text) => Some(reader.text("broker.management.urlFrom", text).await?),
            None => None,
        },
    };
    let addresses = validate::addresses(pool, namespace, &texts)?;
    Ok(addresses.into_iter().map(Arc::new).collect())
}

/// Reads each object once, however many of its keys are named.
struct Reader<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    secrets: BTreeMap<String, BTreeMap<String, ByteString>>,
    config_maps: BTreeMap<String, BTreeMap<String, String>>,
}

impl Reader<'_> {
    async fn text(&mut self, field: &str, text: &Text) -> Result<Secret, Problem> {
        match text {
            Text::Plain(text) => Ok(Secret::new(text.clone())),
            Text::From(from) => Ok(Secret::new(self.value(field, from).await?)),
        }
    }

    async fn value(&mut self, field: &str, from: &ValueFrom) -> Result<String, Problem> {
        let value = match (&from.secret_key_ref, &from.config_map_key_ref) {
            (Some(at), None) => self.secret(at).await,
            (None, Some(at)) => self.config_map(at).await,
            _ => {
                return Err(Problem::invalid(format!(
                    "`{field}` must set exactly one of `secretKeyRef` and `configMapKeyRef`"
                )));
            }
        };
        value.map_err(|failure| failure.problem(field, from))
    }

    async fn secret(&mut self, at: &KeyRef) -> Result<String, Failure> {
        if !self.secrets.contains_key(&at.name) {
            let api: Api<KubeSecret> = Api::namespaced(self.cluster.client.clone(), self.namespace);
            let secret = self.cluster.call(Class::Read, api.get(&at.name)).await?;
            self.secrets.insert(at.name.clone(), secret.data.unwrap_or_default());
        }
        let data = self.secrets.get(&at.name);
        let value = data.and_then(|data| data.get(&at.key)).ok_or(Failure::NoKey)?;
        String::from_utf8(value.0.clone()).map_err(|_| Failure::NotText)
    }

    async fn config_map(&mut self, at: &KeyRef) -> Result<String, Failure> {
        if !self.config_maps.contains_key(&at.name) {
            let api: Api<ConfigMap> = Api::namespaced(self.cluster.client.clone(), self.namespace);
            let map = self.cluster.call(Class::Read, api.get(&at.name)).await?;
            self.config_maps.insert(at.name.clone(), map.data.unwrap_or_default());
        }
        let data = self.config_maps.get(&at.name);
        data.and_then(|data| data.get(&at.key)).cloned().ok_or(Failure::NoKey)
    }
}

/// Why a key could not be read.
enum Failure {
    Call(CallError),
    NoKey,
    NotText,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Failure {
    fn problem(&self, field: &str, from: &ValueFrom) -> Problem {
        let what = validate::describe(from);
        match self {
            Self::Call(error) if error.is_not_found() => Problem::waiting(
                "ReferenceMissing",
                format!("`{field}`: {what} does not exist: create it in the pool's namespace"),
            ),
            Self::Call(CallError::Refused { code: 403 }) => Problem::waiting(
                "ReferenceForbidden",
                format!("`{field}`: the operator may not read {what}: check its Role"),
            ),
            Self::Call(error) => Problem::waiting(
                "ReferenceUnreadable",
                format!("`{field}`: {what} could not be read: {error}"),
            ),
            Self::NoKey => Problem::waiting("ReferenceMissing", format!("`{field}`: there is no {what}: add it")),
            Self::NotText => Problem::waiting("ReferenceUnreadable", format!("`{field}`: {what} is not UTF-8 text")),
        }
    }
}
