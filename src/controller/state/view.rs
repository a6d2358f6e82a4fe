//! What the view shows of a pool: kept only where it is on.

use std::collections::{BTreeMap, BTreeSet};

use super::PoolState;
use crate::{
    api::Status,
    controller::{pool::Pool, report},
    kube::Target,
    model::{Intent, Moment, Now, PodReport, Tally},
    scaling::Decision,
    view::{Decided, PodSeen, PodState, Record, Whole, types},
};

/// Number of pods that are shown.
const PODS: usize = 500;

impl PoolState {
    /// Keeps what is told of the pool now.
    pub(super) fn show(&mut self, pool: Option<&Pool>, status: &Status, now: Moment) {
        if self.view.is_none() {
            return;
        }
        let record = self.shown(pool, status, now);
        if let Some(view) = &mut self.view {
            view.tell(record, now);
        }
    }

    /// Keeps a decision that changed something.
    pub(super) fn show_decision(&mut self, from: u32, decision: &Decision, now: Now) {
        if let Some(view) = &mut self.view {
            view.decided(Decided {
                at: now.wall,
                from,
                to: decision.replicas,
                rule: decision.rule,
                sentence: decision.sentence.clone(),
            });
        }
    }

    fn shown(&self, pool: Option<&Pool>, status: &Status, now: Moment) -> Record {
        let decision = self.decision.as_ref().map(|(_, decision)| decision);
        let decision = decision.filter(|_| status.decision.is_some());
        let (key, address) = (&self.identity.key, self.link.address());
        let wrong = status.conditions.iter().filter(|condition| !report::is_well(condition));
        let queues = self.samples.last.as_ref().map_or(0, |(tally, _)| tally.queues.len());
        let last = self.samples.last.as_ref().map_or(now, |(_, at)| at.moment);
        let record = Record {
            counted_before: last,
            broker: address.map(|address| types::Broker {
                kind: address.kind.name().to_owned(),
                host: address.host.clone(),
            }),
            queues_omitted: u32::try_from(queues.saturating_sub(status.queues.len())).unwrap_or(u32::MAX),
            decision: decision.map(|decision| (decision.rule, decision.replicas, decision.candidates)),
            estimates: decision.and_then(|decision| decision.estimates),
            status: Status {
                message: status.message.clone(),
                replicas: status.replicas,
                ready_replicas: status.ready_replicas,
                desired_replicas: status.desired_replicas,
                work: status.work.clone(),
                queues: status.queues.clone(),
                conditions: wrong.cloned().collect(),
                ..Status::default()
            },
            ..pool.map_or_else(|| Record::new(key.clone()), |pool| pool.record(key.clone()))
        };
        match self.samples.before.filter(|_| !record.is_lost()) {
            Some(before) => Record {
                counted_before: before,
                ..record
            },
            None => record,
        }
    }

    /// All that is known of the pool; `None`: nothing is kept.
    pub fn whole(&self, target: Option<&Target>, now: Now) -> Option<Whole> {
        let view = self.view.as_ref()?;
        let mut pods = self.pods(target);
        let omitted = pods.len().saturating_sub(PODS);
        pods.truncate(PODS);
        Some(Whole {
            now,
            entry: view.entry(),
            log: view.log(),
            pods,
            pods_omitted: u32::try_from(omitted).unwrap_or(u32::MAX),
        })
    }

    /// Pods whose workers are heard or are missed, and those that are known to start.
    fn pods(&self, target: Option<&Target>) -> Vec<PodSeen> {
        let none = BTreeMap::new();
        let tally: Option<&Tally> = self.samples.last.as_ref().map(|(tally, _)| &**tally);
        let heard = tally.map_or(&none, |tally| &tally.pods);
        let missed: BTreeSet<&str> = tally.map_or_else(BTreeSet::new, |tally| self.roster.not_heard(tally).collect());
        let unheard = |name: &str, state, since| PodSeen {
            name: name.to_owned(),
            state,
            running: None,
            holds: None,
            since,
            fresh: false,
        };
        let missed = missed.into_iter().filter(|name| !heard.contains_key(*name));
        let missed = missed.map(|name| unheard(name, PodState::Silent, self.roster.silent_since(name)));
        let starts = target.map_or(0, |target| target.replicas.saturating_sub(target.ready));
        let starting = self.roster.not_ready().filter(|name| !heard.contains_key(*name));
        let starting = starting.take(usize::try_from(starts).unwrap_or(0));
        let starting = starting.map(|name| unheard(name, PodState::Starting, None));
        let heard = heard.iter().map(|(name, report)| self.pod(name, report));
        let mut pods: Vec<_> = heard.chain(missed).chain(starting).collect();
        pods.sort_by(|a, b| (a.state, &a.name).cmp(&(b.state, &b.name)));
        pods
    }

    fn pod(&self, name: &str, report: &PodReport) -> PodSeen {
        let intent = self.drain.intents.get(name).map(|intent| &intent.intent);
        let answer = report.report.as_ref();
        let reserved = answer.map_or(0, |answer| answer.reserved);
        let (state, since) = match intent {
            Some(Intent::Cordon(_)) => (PodState::Draining, None),
            _ if !report.live => (PodState::Silent, report.silent),
            _ if report.running > 0 => (PodState::Busy, None),
            _ if reserved > 0 => (PodState::Reserved, None),
            _ => (PodState::Idle, report.idle_since),
        };
        PodSeen {
            name: name.to_owned(),
            state,
            running: report.live.then_some(report.running),
            holds: answer.map(|answer| [answer.reserved, answer.scheduled]),
            since,
            fresh: report.fresh,
        }
    }
}

#[cfg(test)]
mod tests;
