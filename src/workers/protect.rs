//! Which pods are to be left alone by others that stop pods: node autoscalers. Pure.
#![deny(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::work::{Moment, PodWork};

/// What cluster-autoscaler looks at before it empties a node (its FAQ), and the value that keeps the pod.
pub const SAFE_TO_EVICT: (&str, &str) = ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false");

/// What Karpenter looks at before it empties a node (its documentation, "Disruption"), and the value that keeps the pod.
pub const DO_NOT_DISRUPT: (&str, &str) = ("karpenter.sh/do-not-disrupt", "true");

/// A pod stays protected for so long after it was last busy, so that short tasks do not make a write each.
const STAYS: Duration = Duration::from_secs(30);

/// Since when each pod has been seen busy last.
#[derive(Debug, Default)]
pub struct Protection {
    busy: BTreeMap<String, Moment>,
}

impl Protection {
    /// Takes in what the workers say now: the pods to protect. One that has fallen silent may be busy.
    pub fn of(&mut self, pods: &BTreeMap<String, PodWork>, now: Moment) -> BTreeSet<String> {
        for (name, pod) in pods {
            let reserved = pod.told.as_ref().map_or(0, |told| told.reserved);
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

    fn pod(running: u32, fresh: bool) -> PodWork {
        PodWork {
            running,
            fresh,
            ..PodWork::default()
        }
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
