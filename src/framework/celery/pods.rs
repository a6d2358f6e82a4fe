//! Pod of a node: given by the part of its name after the first `@` (`celery@%h` by default, and in a pod `%h` is its
//! name).
#![deny(clippy::disallowed_methods)]

use std::{collections::BTreeSet, sync::Arc};

use super::workers::Workers;
use crate::{
    framework::pods::{is_pod_of, pod_among},
    model::Workload,
};

/// Pod that runs this node, if it is one of the target's.
pub(super) fn pod_of<'a>(node: &'a str, target: &Workload) -> Option<&'a str> {
    let (_, host) = node.split_once('@')?;
    is_pod_of(host, target).then_some(host)
}

/// Nodes of a pool whose pods follow only from the list of pods, not from the form of the name.
#[derive(Clone, Debug, Default)]
pub(super) struct Placed {
    /// Pod and node.
    pub(super) nodes: Vec<(String, String)>,
    /// Generation of the workers, and the pods, for which this was computed.
    of: (u64, Arc<BTreeSet<String>>),
}

impl Placed {
    /// Computes it again if the workers or the pods have changed.
    pub(super) fn renew(&mut self, workers: &Workers, target: &Workload, pods: &Arc<BTreeSet<String>>) {
        let of = (workers.generation(), pods.clone());
        if self.of == of {
            return;
        }
        let odd = workers.all().filter(|(node, _)| pod_of(node, target).is_none());
        let placed =
            odd.filter_map(|(node, _)| Some((pod_among(host(node), pods, target.kind)?.to_owned(), node.to_owned())));
        self.nodes = if pods.is_empty() { Vec::new() } else { placed.collect() };
        self.of = of;
    }
}

/// Part after the first `@`; a node without one is all host.
pub(super) fn host(node: &str) -> &str {
    node.split_once('@').map_or(node, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_at_sign_counts() {
        let mail = Workload::from("mail");
        assert_eq!(pod_of("w1@mail-6d5f7c9b8-abcde", &mail), Some("mail-6d5f7c9b8-abcde"));
        assert_eq!(pod_of("mail-6d5f7c9b8-abcde", &mail), None);
        assert_eq!(pod_of("a@b@mail-6d5f7c9b8-abcde", &mail), None);
    }

    #[test]
    fn only_the_host_counts() {
        assert_eq!(host("mail-6d5f7c9b8-abcde@node-7"), "node-7");
        assert_eq!(host("mail-6d5f7c9b8-abcde"), "mail-6d5f7c9b8-abcde");
    }
}
