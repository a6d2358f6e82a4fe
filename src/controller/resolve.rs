//! Reads the objects that a pool refers to, by name and nothing more, and builds the broker's address from them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    pool::{Parts, Pool, Problem, Text, UrlSource},
    validate::{self, PartTexts, Texts},
};
use crate::{
    api::{KeyRef, ValueFrom},
    broker::{Address, Secret},
    kube::{
        CallError,
        secrets::{At, Data, References},
    },
};

/// Address of the pool's broker that Celery tries first.
///
/// # Errors
/// As [`addresses`].
pub async fn address(references: &References, namespace: &str, pool: &Pool) -> Result<Arc<Address>, Problem> {
    let addresses = addresses(references, namespace, pool).await?;
    let first = addresses.into_iter().next();
    first.ok_or_else(|| Problem::invalid("the broker URL is empty"))
}

/// Addresses of the pool's broker, in the order in which Celery tries them: at least one.
///
/// # Errors
/// A [`Problem`] that names the object, the key or the field; never a value.
pub async fn addresses(references: &References, namespace: &str, pool: &Pool) -> Result<Vec<Arc<Address>>, Problem> {
    let mut reader = ReferenceReader {
        references,
        namespace,
        read: HashMap::new(),
    };
    let source = &pool.source;
    let texts = Texts {
        url: match &source.url {
            UrlSource::Whole(text) => reader.text("broker.urlFrom", text).await?,
            UrlSource::Parts(parts) => {
                let texts = reader.parts(parts).await?;
                validate::url_of_parts(parts, &texts, namespace)?
            }
        },
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
struct ReferenceReader<'a> {
    references: &'a References,
    namespace: &'a str,
    read: HashMap<At, Data>,
}

impl ReferenceReader<'_> {
    async fn parts(&mut self, parts: &Parts) -> Result<PartTexts, Problem> {
        let path = format!("broker.parts.{}From", parts.path_field());
        Ok(PartTexts {
            host: self.text("broker.parts.hostFrom", &parts.host).await?,
            port: self.perhaps("broker.parts.portFrom", parts.port.as_ref()).await?,
            path: self.perhaps(&path, parts.path.as_ref()).await?,
            user: self.perhaps("broker.parts.userFrom", parts.user.as_ref()).await?,
            password: match &parts.password {
                Some(from) => Some(Secret::new(self.value("broker.parts.passwordFrom", from).await?)),
                None => None,
            },
            hosts: self.hosts(),
        })
    }

    async fn perhaps(&mut self, field: &str, text: Option<&Text>) -> Result<Option<Secret>, Problem> {
        match text {
            Some(text) => self.text(field, text).await.map(Some),
            None => Ok(None),
        }
    }

    /// Hosts that the Secrets which have been read name, by Secret.
    fn hosts(&self) -> BTreeMap<String, Vec<String>> {
        let hosts = self.read.iter().filter_map(|(at, data)| match at {
            At::Secret(_, name) => Some((name.clone(), data.hosts.clone())),
            At::ConfigMap(..) => None,
        });
        hosts.collect()
    }

    async fn text(&mut self, field: &str, text: &Text) -> Result<Secret, Problem> {
        match text {
            Text::Plain(text) => Ok(Secret::new(text.clone())),
            Text::From(from) => Ok(Secret::new(self.value(field, from).await?)),
        }
    }

    async fn value(&mut self, field: &str, from: &ValueFrom) -> Result<String, Problem> {
        let namespace = self.namespace.to_owned();
        let (at, key) = match (&from.secret_key_ref, &from.config_map_key_ref) {
            (Some(KeyRef { name, key }), None) => (At::Secret(namespace, name.clone()), key),
            (None, Some(KeyRef { name, key })) => (At::ConfigMap(namespace, name.clone()), key),
            _ => {
                return Err(Problem::invalid(format!(
                    "`{field}` must set exactly one of `secretKeyRef` and `configMapKeyRef`"
                )));
            }
        };
        let value = self.key(at, key).await;
        value.map_err(|failure| failure.problem(field, from))
    }

    async fn key(&mut self, at: At, key: &str) -> Result<String, Failure> {
        if !self.read.contains_key(&at) {
            let data = self.references.read(&at).await?;
            self.read.insert(at.clone(), data);
        }
        let value = self
            .read
            .get(&at)
            .and_then(|data| data.values.get(key))
            .ok_or(Failure::NoKey)?;
        String::from_utf8(value.clone()).map_err(|_| Failure::NotText)
    }
}

/// Reason why a key could not be read.
pub(super) enum Failure {
    /// The object could not be read.
    Call(CallError),
    /// It has no such key.
    NoKey,
    /// The value is no text.
    NotText,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Failure {
    /// Problem of the pool whose field refers to it.
    pub(super) fn problem(&self, field: &str, from: &ValueFrom) -> Problem {
        let what = validate::describe(from);
        match self {
            Self::Call(error) if error.is_not_found() => {
                let (key, object) = validate::named(from);
                Problem::waiting(
                    "ReferenceMissing",
                    format!(
                        "`{field}`: {object} does not exist: create it in the pool's namespace, with the key `{key}`"
                    ),
                )
            }
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
