//! Watches of all objects of one kind, in one namespace or in all. Makes no decisions.
//!
//! Rights needed: `list` and `watch` on what is watched.

use std::time::Duration;

use futures::StreamExt;
pub use kube::core::DeserializeGuard;
use kube::{
    Api, Client, Resource,
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc, time::sleep};

use super::{CallError, Identity, Key};
use crate::model::Backoff;

/// Duration of a watch in seconds: what happens meanwhile on a dead connection is seen when it begins anew.
const WATCHES: u32 = 50;

/// First pause after a refusal, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(10);

/// Scope of a watch: a namespace, or all of them.
pub type Scope = Option<String>;

/// Result of a watch.
#[derive(Debug)]
pub enum Shown<K> {
    /// Present state of an object.
    Present(Identity, K),
    /// An object was deleted.
    Gone(Key),
    /// All objects have been listed: others are gone.
    Listed(Vec<Key>),
    /// The watch failed; it is tried again.
    Failed(CallError),
}

/// Watches the objects of one scope, and sends what `read` makes of each result, until the receiver is dropped.
pub async fn watch<K, T>(client: Client, scope: Scope, out: mpsc::Sender<T>, read: impl Fn(Shown<K>) -> Option<T>)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + 'static,
{
    let api: Api<K> = match &scope {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    // A connection may die silently: the watch ends by itself, on our side at the latest a little later.
    let begin = || watcher(api.clone(), watcher::Config::default().timeout(WATCHES)).default_backoff();
    let mut stream = Box::pin(begin());
    let (mut listed, mut backoff) = (Vec::new(), Backoff::default());
    while let Some(event) = stream.next().await {
        let shown = match event {
            Ok(Event::Init) => {
                listed.clear();
                None
            }
            Ok(Event::InitApply(object)) => Identity::of(object.meta()).map(|identity| {
                listed.push(identity.key.clone());
                Shown::Present(identity, object)
            }),
            Ok(Event::InitDone) => Some(Shown::Listed(std::mem::take(&mut listed))),
            Ok(Event::Apply(object)) => Identity::of(object.meta()).map(|identity| Shown::Present(identity, object)),
            Ok(Event::Delete(object)) => Identity::of(object.meta()).map(|identity| Shown::Gone(identity.key)),
            Err(error) => Some(Shown::Failed(call_error(error))),
        };
        let refused = matches!(&shown, Some(Shown::Failed(CallError::Refused { code: 401..=404 })));
        let lists = matches!(&shown, Some(Shown::Listed(_)));
        if let Some(input) = shown.and_then(&read)
            && out.send(input).await.is_err()
        {
            return;
        }
        if lists {
            backoff.succeeded();
        }
        if refused {
            // What there is when the right is back is listed anew: a watch that goes on where it was says nothing.
            sleep(backoff.failed(FIRST, MOST)).await;
            stream = Box::pin(begin());
        }
    }
}

fn call_error(error: watcher::Error) -> CallError {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.into(),
        watcher::Error::WatchError(status) => CallError::Refused { code: status.code },
        watcher::Error::NoResourceVersion => CallError::NotUnderstood,
    }
}

#[cfg(test)]
mod tests;
