//! Protection of busy pods from node autoscalers, which stop pods, too. Pure.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::model::{Moment, PodReport};

/// Annotation that cluster-autoscaler reads before it empties a node (its FAQ), and the value that keeps the pod.
pub const SAFE_TO_EVICT: (&str, &str) = ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false");

/// Annotation that Karpenter reads before it empties a node (its documentation, "Disruption"), and the value that keeps
/// the pod.
pub const DO_NOT_DISRUPT: (&str, &str) = ("karpenter.sh/do-not-disrupt", "true");

/// Both annotations.
const ASKS: [(&str, &str); 2] = [SAFE_TO_EVICT, DO_NOT_DISRUPT];

/// Annotation that records what the operator has written for that: as JSON, the earlier values.
pub const PROTECTED: &str = "taskworkerpool.dev/protected";

/// Annotations for node autoscalers on a pod, and which of them the operator wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// Present values, in the order of [`ASKS`].
    now: [Option<String>; 2],
    /// Values before the operator wrote, by annotation, for those it wrote; `None`: it wrote nothing.
    before: Option<BTreeMap<String, Option<String>>>,
}

impl Asks {
    /// Reads a pod's annotations.
    pub fn read<'a>(annotation: impl Fn(&str) -> Option<&'a String>) -> Self {
        Self {
            now: ASKS.map(|(name, _)| annotation(name).cloned()),
            // If it cannot be read, no annotation is known to be the operator's: those of others stay.
            before: annotation(PROTECTED).map(|before| serde_json::from_str(before).unwrap_or_default()),
        }
    }

    /// Annotations to write so that the pod is protected, or no longer by the operator; `None` removes one. Empty if it
    /// is so already: what others wrote for the same purpose is neither written nor removed.
    pub fn changes(&self, busy: bool) -> BTreeMap<String, Option<String>> {
        let mut changes = BTreeMap::new();
        let mut before = self.before.clone().unwrap_or_default();
        for ((name, value), now) in ASKS.into_iter().zip(&self.now) {
            let asks = now.as_deref() == Some(value);
            if busy && !asks {
                before.insert(name.to_owned(), now.clone());
                changes.insert(name.to_owned(), Some(value.to_owned()));
            } else if !busy
                && asks
                && let Some(before) = before.get(name)
            {
                changes.insert(name.to_owned(), before.clone());
            }
        }
        if busy && !changes.is_empty() {
            changes.insert(PROTECTED.to_owned(), serde_json::to_string(&before).ok());
        } else if !busy && self.before.is_some() {
            changes.insert(PROTECTED.to_owned(), None);
        }
        changes
    }
}

/// Time for which a pod stays protected after it was last busy, so that short tasks do not cause a write each.
const STAYS: Duration = Duration::from_secs(30);

/// Time when each pod was last seen busy.
#[derive(Debug, Default)]
pub struct Protection {
    busy: BTreeMap<String, Moment>,
}

impl Protection {
    /// Takes in the workers' reports; returns the pods to protect. A pod that has fallen silent may be busy.
    pub fn of(&mut self, pods: &BTreeMap<String, PodReport>, now: Moment) -> BTreeSet<String> {
        for (name, pod) in pods {
            let reserved = pod.report.as_ref().map_or(0, |told| told.reserved);
            if pod.running > 0 || reserved > 0 || !pod.fresh {
                self.busy.insert(name.clone(), now);
            }
        }
        self.busy.retain(|_, at| now.saturating_sub(*at) <= STAYS);
        self.busy.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(running: u32, fresh: bool) -> PodReport {
        PodReport {
            running,
            fresh,
            ..PodReport::default()
        }
    }

    /// Annotations after the pod was busy, and after it has been idle again.
    fn protected_and_back(annotations: &[(&str, &str)]) -> [BTreeMap<String, String>; 3] {
        let own = annotations
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let then = |mut annotations: BTreeMap<String, String>, busy| {
            for (name, value) in Asks::read(|name| annotations.get(name)).changes(busy) {
                match value {
                    Some(value) => annotations.insert(name, value),
                    None => annotations.remove(&name),
                };
            }
            let again = Asks::read(|name| annotations.get(name)).changes(busy);
            assert!(again.is_empty(), "once is enough: {again:?}");
            annotations
        };
        let own: BTreeMap<_, _> = own.collect();
        let busy = then(own.clone(), true);
        let idle = then(busy.clone(), false);
        [own, busy, idle]
    }

    #[test]
    fn a_busy_pod_is_protected_and_gets_back_what_its_owner_wrote() {
        let (evict, disrupt) = (SAFE_TO_EVICT.0, DO_NOT_DISRUPT.0);
        let all: [&[(&str, &str)]; 6] = [
            &[],
            &[(evict, "true")],
            &[(evict, "true"), (disrupt, "false"), ("other", "x")],
            &[(disrupt, "true")],
            &[(evict, "false")],
            &[(evict, "false"), (disrupt, "true")],
        ];
        for annotations in all {
            let [own, busy, idle] = protected_and_back(annotations);
            for (name, value) in ASKS {
                assert_eq!(busy.get(name).map(String::as_str), Some(value), "{annotations:?}");
            }
            assert_eq!(idle, own);
        }
        let [own, busy, _] = protected_and_back(all[5]);
        assert_eq!(busy, own, "its owner protects it: nothing is written");
    }

    #[test]
    fn what_others_wrote_meanwhile_stays() {
        let (evict, disrupt) = (SAFE_TO_EVICT.0, DO_NOT_DISRUPT.0);
        let [_, mut annotations, _] = protected_and_back(&[]);
        annotations.insert(evict.to_owned(), "true".to_owned());
        let changes = Asks::read(|name| annotations.get(name)).changes(false);
        assert_eq!(
            changes,
            [(disrupt.to_owned(), None), (PROTECTED.to_owned(), None)].into()
        );
        annotations.insert(PROTECTED.to_owned(), "not ours".to_owned());
        let changes = Asks::read(|name| annotations.get(name)).changes(false);
        assert_eq!(changes, [(PROTECTED.to_owned(), None)].into());
    }

    #[test]
    fn busy_and_silent_pods_are_protected_and_idle_ones_half_a_minute_longer() {
        let mut protection = Protection::default();
        let mut at = |second, a, b| {
            let pods = [("a".to_owned(), a), ("b".to_owned(), b)].into();
            let all = protection.of(&pods, Duration::from_secs(second));
            all.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(at(0, pod(0, true), pod(0, true)), "");
        assert_eq!(at(1, pod(2, true), pod(0, false)), "a b");
        assert_eq!(at(31, pod(0, true), pod(0, false)), "a b");
        assert_eq!(at(32, pod(0, true), pod(0, true)), "b");
        assert_eq!(at(62, pod(0, true), pod(0, true)), "");
    }
}
