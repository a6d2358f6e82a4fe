//! Pod of a worker, by the name of the host that it runs on.
//!
//! In a pod the host's name is the pod's name. A Deployment's pods are named `<deployment>-<template hash>-<random>`; the
//! API server cuts `<deployment>-<template hash>-` to 58 characters before it appends 5 random ones (`generateName`, at
//! most 63 in all). So a host of such a name is known by it alone. A StatefulSet's are named `<statefulset>-<ordinal>`.
//!
//! Many applications name their workers otherwise (`edx.lms.core.default.<host>`, `<host>-1`, host names with a domain).
//! Those are known once the target's pods have been listed: by the pod's name, wherever it stands in the worker's. A name in
//! which no pod's stands, or those of several, says nothing. A StatefulSet's pod must stand there alone, between other
//! characters than those of names: `mail-1` is a part of `mail-12` and of `airmail-1`, of which neither may be meant.
#![deny(clippy::disallowed_methods)]

use std::{cmp::Reverse, collections::BTreeSet};

use crate::model::{Workload, WorkloadKind};

/// Characters of `generateName` that the API server keeps.
const MAX_BASE: usize = 58;
/// Random characters that the API server appends.
const RANDOM: usize = 5;
/// Longest template hash in characters (a 32-bit number in decimal digits, each replaced).
const MAX_HASH: usize = 10;

/// Whether this is the name of one of the target's pods.
pub(super) fn is_pod_of(host: &str, target: &Workload) -> bool {
    match target.kind {
        WorkloadKind::Deployment => is_whole(host, &target.name) || is_cut(host, &target.name),
        WorkloadKind::StatefulSet => numbered(host).is_some_and(|set| !set.is_empty() && set == target.name),
    }
}

/// Pod among these whose name is part of this host's: the longest, because one pod's name may be a part of another's.
/// `None`: there is none, or there are several in different places.
pub(super) fn pod_among<'a>(host: &str, pods: &'a BTreeSet<String>, kind: WorkloadKind) -> Option<&'a str> {
    let mut found: Vec<&str> = pods
        .iter()
        .map(String::as_str)
        .filter(|pod| match kind {
            WorkloadKind::Deployment => host.contains(pod),
            WorkloadKind::StatefulSet => stands_alone(host, pod),
        })
        .collect();
    found.sort_by_key(|pod| Reverse(pod.len()));
    let (longest, others) = found.split_first()?;
    // What stands alone is no part of another one.
    let is_part = |other: &&str| kind == WorkloadKind::Deployment && longest.contains(other);
    others.iter().all(is_part).then_some(longest)
}

/// Whether a text stands somewhere in a host's name, and characters of pods' names neither before nor after it.
fn stands_alone(host: &str, pod: &str) -> bool {
    let of_names = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
    host.match_indices(pod).any(|(at, _)| {
        let (before, after) = (host.as_bytes()[..at].last(), host.as_bytes().get(at + pod.len()));
        !before.is_some_and(|letter| of_names(*letter)) && !after.is_some_and(|letter| of_names(*letter))
    })
}

/// Name of the StatefulSet whose pod has this name, if it is one: what stands before the ordinal.
fn numbered(pod: &str) -> Option<&str> {
    let (set, ordinal) = pod.rsplit_once('-')?;
    let canonical = ordinal == "0" || !ordinal.starts_with('0');
    (canonical && ordinal.parse::<u32>().is_ok() && ordinal.bytes().all(|digit| digit.is_ascii_digit())).then_some(set)
}

/// Whether a host's name has the form of a pod of any other target of this kind. A Deployment's pod may have its worker's
/// number appended, a StatefulSet's own has one.
pub(super) fn is_any_pod(host: &str, kind: WorkloadKind) -> bool {
    is_random(host) || kind == WorkloadKind::StatefulSet && numbered(host).is_some()
}

fn is_random(host: &str) -> bool {
    let mut parts = host.rsplitn(3, '-');
    let (random, hash, deployment) = (parts.next(), parts.next(), parts.next());
    random.is_some_and(|random| random.len() == RANDOM && is_plain(random))
        && hash.is_some_and(|hash| (1..=MAX_HASH).contains(&hash.len()) && is_plain(hash))
        && deployment.is_some_and(|name| !name.is_empty() && !name.contains('.'))
}

/// Common beginning of the names of this Deployment's pods.
pub(super) fn common_prefix(deployment: &str) -> &str {
    deployment.get(..MAX_BASE).unwrap_or(deployment)
}

fn is_whole(pod: &str, deployment: &str) -> bool {
    let parts = pod
        .strip_prefix(deployment)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(hash, random)| {
        (1..=MAX_HASH).contains(&hash.len()) && is_plain(hash) && random.len() == RANDOM && is_plain(random)
    })
}

/// Whether the base filled all 58 characters: then the hash, the dash or even the Deployment's own name was cut.
fn is_cut(pod: &str, deployment: &str) -> bool {
    let Some((base, random)) = pod.split_at_checked(MAX_BASE) else {
        return false;
    };
    let whole = format!("{deployment}-");
    let hash = match base.strip_prefix(&whole) {
        Some(hash) => hash,
        None if whole.starts_with(base) => "",
        None => return false,
    };
    random.len() == RANDOM && is_plain(random) && hash.len() <= MAX_HASH && is_plain(hash)
}

fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_pod(pod: &str, deployment: &str) -> bool {
        is_pod_of(pod, &deployment.into())
    }

    #[test]
    fn the_pods_of_a_deployment_and_no_others() {
        assert!(is_pod("worker-6d5f7c9b8-abcde", "worker"));
        assert!(is_pod("mail-x-6d5f7c9b8-abcde", "mail-x"));
        for (pod, deployment) in [
            ("mail-x-6d5f7c9b8-abcde", "mail"),
            ("mail-6d5f7c9b8-abcde", "mail-6d5f7c9b8"),
            ("mail-6d5f7c9b8-abcde", "mai"),
            ("mail-6d5f7c9b8-abcd", "mail"),
            ("mail--abcde", "mail"),
            ("mail-0", "mail"),
            ("mail", "mail"),
            ("", "mail"),
            ("mail-6d5f7c9b8-abcde", ""),
            ("mail-6D5F7C9B8-abcde", "mail"),
        ] {
            assert!(!is_pod(pod, deployment), "{pod} {deployment}");
        }
    }

    #[test]
    fn a_pod_is_known_by_its_name_anywhere_in_the_host() {
        let pods = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let two = pods(&["mail-6d5f7c9b8-abcde", "mail-6d5f7c9b8-fghij", "x-mail-6d5f7c9b8-abcde"]);
        for (host, pod) in [
            ("mail-6d5f7c9b8-abcde", Some("mail-6d5f7c9b8-abcde")),
            (
                "edx.lms.core.default.mail-6d5f7c9b8-abcde",
                Some("mail-6d5f7c9b8-abcde"),
            ),
            ("edxmail-6d5f7c9b8-fghij", Some("mail-6d5f7c9b8-fghij")),
            ("mail-6d5f7c9b8-abcde-1", Some("mail-6d5f7c9b8-abcde")),
            (
                "mail-6d5f7c9b8-abcde.workers.shop.svc.cluster.local",
                Some("mail-6d5f7c9b8-abcde"),
            ),
            ("mail-6d5f7c9b8-abcde", Some("mail-6d5f7c9b8-abcde")),
            // The longer name contains the shorter one.
            ("x-mail-6d5f7c9b8-abcde", Some("x-mail-6d5f7c9b8-abcde")),
            ("worker", None),
            ("mail-6d5f7c9b8-abcde.mail-6d5f7c9b8-fghij", None),
            ("mail-6d5f7c9b8-abcd", None),
        ] {
            assert_eq!(pod_among(host, &two, WorkloadKind::Deployment), pod, "{host}");
        }
        let nobody = pods(&[]);
        assert_eq!(
            pod_among("mail-6d5f7c9b8-abcde", &nobody, WorkloadKind::Deployment),
            None
        );
    }

    #[test]
    fn a_stateful_sets_pods_are_numbered() {
        let set = |name: &str| Workload {
            kind: WorkloadKind::StatefulSet,
            name: name.to_owned(),
        };
        for (host, name) in [("mail-0", "mail"), ("mail-12", "mail"), ("mail-1-2", "mail-1")] {
            assert!(is_pod_of(host, &set(name)), "{host} {name}");
        }
        for (host, name) in [
            ("mail-01", "mail"),
            ("mail-+1", "mail"),
            ("mail-", "mail"),
            ("mail-1-2", "mail"),
            ("airmail-1", "mail"),
            ("mail-6d5f7c9b8-abcde", "mail"),
            ("-1", ""),
        ] {
            assert!(!is_pod_of(host, &set(name)), "{host} {name}");
        }
    }

    #[test]
    fn a_stateful_sets_pod_stands_alone_in_a_host() {
        let pods: BTreeSet<_> = ["mail-1", "mail-12"].map(str::to_owned).into();
        for (host, pod) in [
            ("mail-1", Some("mail-1")),
            ("mail-12", Some("mail-12")),
            ("mail-1.workers.shop.svc.cluster.local", Some("mail-1")),
            ("edx.lms.mail-12", Some("mail-12")),
            ("mail-123", None),
            ("airmail-1", None),
            ("x-mail-1", None),
            ("mail-1-2", None),
            ("mail-1.mail-12", None),
        ] {
            assert_eq!(pod_among(host, &pods, WorkloadKind::StatefulSet), pod, "{host}");
        }
    }

    #[test]
    fn long_names_are_cut_by_the_api_server() {
        for length in 40..=70 {
            let deployment = "d".repeat(length);
            let base = format!("{deployment}-6d5f7c9b8-");
            let base = base.get(..MAX_BASE).unwrap_or(&base);
            let pod = format!("{base}x7k2p");
            assert!(is_pod(&pod, &deployment), "{length}");
            assert!(pod.starts_with(common_prefix(&deployment)));
        }
        let deployment = "d".repeat(50);
        assert!(!is_pod(&format!("{deployment}-other-wx7k2p"), &deployment));
        assert!(!is_pod(&"é".repeat(40), &deployment));
    }
}
