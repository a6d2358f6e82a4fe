//! Which pod a node is: by what follows the first `@` of its name (`celery@%h` by default, and in a pod `%h` is its name).
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeSet, sync::Arc};

use super::workers::Workers;
use crate::framework::pods::{is_pod_of, pod_among};

/// The pod that runs this node, if it is one of the Deployment's.
pub(super) fn pod_of<'a>(node: &'a str, deployment: &str) -> Option<&'a str> {
    let (_, host) = node.split_once('@')?;
    is_pod_of(host, deployment).then_some(host)
}

/// The nodes of a pool whose names alone do not say which pod they are, with their pods: found by the names of the pods.
#[derive(Clone, Debug, Default)]
pub(super) struct Placed {
    /// Pod and node.
    pub(super) nodes: Vec<(String, String)>,
    /// Of these workers and pods.
    of: (u64, Arc<BTreeSet<String>>),
}

impl Placed {
    /// Looks again, if other workers or other pods are there than before.
    pub(super) fn renew(&mut self, workers: &Workers, target: &str, pods: &Arc<BTreeSet<String>>) {
        let of = (workers.generation(), pods.clone());
        if self.of == of {
            return;
        }
        let odd = workers.all().filter(|(node, _)| pod_of(node, target).is_none());
        let placed = odd.filter_map(|(node, _)| Some((pod_among(host(node), pods)?.to_owned(), node.to_owned())));
        self.nodes = if pods.is_empty() { Vec::new() } else { placed.collect() };
        self.of = of;
    }
}

/// What follows the first `@`; a node without one is all host.
pub(super) fn host(node: &str) -> &str {
    node.split_once('@').map_or(node, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_at_sign_counts() {
        assert_eq!(pod_of("w1@mail-6d5f7c9b8-abcde", "mail"), Some("mail-6d5f7c9b8-abcde"));
        assert_eq!(pod_of("mail-6d5f7c9b8-abcde", "mail"), None);
        assert_eq!(pod_of("a@b@mail-6d5f7c9b8-abcde", "mail"), None);
    }

    #[test]
    fn only_the_host_counts() {
        assert_eq!(host("mail-6d5f7c9b8-abcde@node-7"), "node-7");
        assert_eq!(host("mail-6d5f7c9b8-abcde"), "mail-6d5f7c9b8-abcde");
    }
}
