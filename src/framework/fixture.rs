//! A Redis as far as frameworks read it, for their tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::registry::{App, row};
use crate::model::{
    BrokerKind, Framework, ListEnd, Moment, Now, Query, Reply, Roster, SampleError, Step, StreamGroup, Tally,
};

/// Keys and what they hold.
#[derive(Default)]
pub struct Redis {
    pub lists: BTreeMap<String, Vec<String>>,
    pub sets: BTreeMap<String, BTreeSet<String>>,
    pub scores: BTreeMap<String, BTreeMap<String, i64>>,
    pub hashes: BTreeMap<String, BTreeMap<String, String>>,
    pub texts: BTreeSet<String>,
    /// Groups, and ids of the entries.
    pub streams: BTreeMap<String, (Vec<StreamGroup>, Vec<String>)>,
}

impl Redis {
    pub fn push(&mut self, key: &str, elements: &[&str]) {
        let list = self.lists.entry(key.to_owned()).or_default();
        list.extend(elements.iter().map(|element| (*element).to_owned()));
    }

    pub fn score(&mut self, key: &str, members: &[(&str, i64)]) {
        let members = members.iter().map(|(member, score)| ((*member).to_owned(), *score));
        self.scores.entry(key.to_owned()).or_default().extend(members);
    }

    pub fn hash(&mut self, key: &str, fields: &[(&str, &str)]) {
        let fields = fields
            .iter()
            .map(|(field, value)| ((*field).to_owned(), (*value).to_owned()));
        self.hashes.entry(key.to_owned()).or_default().extend(fields);
    }

    fn answer(&self, query: &Query) -> Result<Reply, SampleError> {
        let number = |size: usize| Ok(Reply::Number(size as u64));
        let stream = |key: &String| self.streams.get(key);
        let wrong = |key: &String| match stream(key) {
            Some(_) => Err(SampleError::WrongType),
            None => Ok(()),
        };
        match query {
            Query::ListLength { key } => {
                wrong(key)?;
                number(self.lists.get(key).map_or(0, Vec::len))
            }
            Query::ListEnd { key, end } => {
                wrong(key)?;
                let list = self.lists.get(key);
                let element = list.and_then(|list| match end {
                    ListEnd::Left => list.first(),
                    ListEnd::Right => list.last(),
                });
                Ok(Reply::Texts(vec![element.cloned()]))
            }
            Query::ScoreCount { key, up_to } => {
                let all = self.scores.get(key).into_iter().flatten();
                number(
                    all.filter(|(_, score)| up_to.is_none_or(|up_to| **score <= up_to))
                        .count(),
                )
            }
            Query::LowestScore { key } => {
                let all = self.scores.get(key).into_iter().flatten();
                let lowest = all.min_by_key(|(_, score)| **score);
                Ok(Reply::Texts(lowest.map_or_else(Vec::new, |(member, score)| {
                    vec![Some(member.clone()), Some(score.to_string())]
                })))
            }
            Query::Exists { key } => number(usize::from(self.texts.contains(key))),
            Query::SetMembers { key } => {
                let members = self.sets.get(key).into_iter().flatten();
                Ok(Reply::Members(members.cloned().collect()))
            }
            Query::HashFields { key, fields } => {
                let value = |field: &&str| self.hashes.get(key).and_then(|hash| hash.get(*field)).cloned();
                Ok(Reply::Texts(fields.iter().map(value).collect()))
            }
            Query::StreamGroups { key } => match stream(key) {
                _ if self.lists.contains_key(key) => Err(SampleError::WrongType),
                Some((groups, _)) => Ok(Reply::Groups(groups.clone())),
                None => Ok(Reply::Missing),
            },
            Query::StreamAfter { key, after, most } => {
                let ids = stream(key).into_iter().flat_map(|(_, ids)| ids);
                let later = ids.filter(|id| *id > after).take(*most as usize);
                Ok(Reply::Texts(later.cloned().map(Some).collect()))
            }
            other => panic!("not read: {other:?}"),
        }
    }
}

/// A pool's application on a Redis, and a clock.
pub struct Bench {
    framework: Box<dyn Framework>,
    pub redis: Redis,
    pub now: Now,
}

impl Bench {
    /// At a full second, for the target `mail` with these queues.
    pub fn new(framework: &str, queues: &[&str], key_prefix: &str) -> Self {
        let app = App {
            framework: row(framework),
            queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
            told: false,
            key_prefix: key_prefix.to_owned(),
            target: "mail".into(),
            options: serde_json::Value::Null,
        };
        assert_eq!((app.framework.check)(&app), Ok(()));
        let application = (app.framework.application)(&app, BrokerKind::Redis { db: 0 }, None);
        let mut framework = application.make([1, 2]);
        framework.add(1, application);
        Self {
            framework,
            redis: Redis::default(),
            now: Now {
                wall: jiff::Timestamp::from_second(1_800_000_000).unwrap(),
                moment: Moment::from_secs(1_000),
            },
        }
    }

    /// Counts these queues from now on.
    pub fn queues(&mut self, queues: &[&str]) {
        let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
        self.framework.queues(1, queues);
    }

    pub fn pods(&mut self, pods: &[&str], ready: u32) {
        let pods = Arc::new(pods.iter().map(|pod| (*pod).to_owned()).collect());
        self.framework.roster(1, Roster { pods, ready });
    }

    /// Sets the number of bytes that may be remembered.
    pub fn allow(&mut self, bytes: usize) {
        self.framework.allow(bytes);
    }

    /// Number of bytes that are remembered, and whether anything was dropped for lack of room.
    pub fn held(&mut self) -> (usize, bool) {
        self.framework.held()
    }

    /// Time passes on the wall clock alone, as when it is set.
    pub fn drift(&mut self, by: Duration) {
        self.now.wall += by;
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now.moment += Duration::from_secs(seconds);
        self.now.wall += Duration::from_secs(seconds);
    }

    /// Counts once. Some keys are refused.
    pub fn count_but(&mut self, refused: impl Fn(&Query) -> bool) -> Result<Arc<Tally>, SampleError> {
        self.count_failing(|query| refused(query).then_some(SampleError::Permission))
    }

    /// Counts once. Some queries fail.
    pub fn count_failing(&mut self, fails: impl Fn(&Query) -> Option<SampleError>) -> Result<Arc<Tally>, SampleError> {
        let mut queries = self.framework.start(1, self.now);
        for _ in 0..3 {
            let answer = |query: &Query| fails(query).map_or_else(|| self.redis.answer(query), Err);
            let replies = queries.iter().map(answer).collect();
            match self.framework.next(1, queries, replies, self.now)? {
                Step::Ask(more) => queries = more,
                Step::Done(tally) => return Ok(tally),
            }
        }
        panic!("more than three steps")
    }

    /// Counts once.
    pub fn count(&mut self) -> Arc<Tally> {
        self.count_but(|_| false).unwrap()
    }
}
