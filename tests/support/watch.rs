//! One pool's sampler of a test's own, for any framework.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use taskworkerpool::{
    broker::{
        Address, Clock, Egress, Kind, RabbitMqEndpoint, RedisEndpoint, Sampled, SamplerHandle, SamplerInput, spawn,
        url::addresses,
    },
    framework::registry::{App, row},
    model::{Application, Intent, Moment, PodIntent, Roster, SampleError, Tally},
};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};

/// A count must be right within this time of the last change.
const SETTLES: Duration = Duration::from_secs(180);
/// So many equal samples in a row are no accident …
const IN_A_ROW: usize = 4;
/// … and so many more must follow.
const STAYS: usize = 8;

/// One pool's sampler, as the controller runs it, and everything it said.
pub struct Watch {
    samples: Arc<Mutex<Vec<Sampled>>>,
    news: Arc<Notify>,
    sampler: SamplerHandle,
    clock: Clock,
}

impl Watch {
    /// Samples an application of a framework by its row, as a pool's: its URL, its queues, its key prefix and its target.
    pub fn of(framework: &str, url: &str, queues: &[String], (key_prefix, target): (&str, &str)) -> Self {
        let framework = row(framework);
        let app = App {
            framework,
            queues: queues.to_vec(),
            told: false,
            key_prefix: key_prefix.to_owned(),
            target: target.into(),
            options: Value::Null,
        };
        (framework.check)(&app).expect("options that can work");
        let address = addresses(url, framework.dialect, false)
            .expect("a broker URL")
            .remove(0);
        let application = (framework.application)(&app, address.broker(), None);
        Self::new(address, application)
    }

    /// Tells it the target's pods.
    pub fn roster(&self, pods: &[String]) {
        let roster = Roster {
            pods: Arc::new(pods.iter().cloned().collect()),
            ready: u32::try_from(pods.len()).expect("few pods"),
        };
        self.sampler.send(SamplerInput::Roster { id: 1, roster });
    }

    /// Samples from now on, every 500 ms.
    pub fn new(address: Address, application: Application) -> Self {
        let (out, mut incoming) = mpsc::channel(16);
        let clock = Clock::start();
        // Some servers are processes of this machine.
        let anywhere = ["0.0.0.0/0", "127.0.0.0/8"].map(|network| network.parse().expect("a network"));
        let egress = Egress::new(anywhere.into(), Vec::new(), "cluster.local");
        let sampler = match address.kind {
            Kind::Redis { .. } => spawn(RedisEndpoint::new(address, egress), clock, out),
            Kind::RabbitMq { .. } => spawn(RabbitMqEndpoint::new(address, egress), clock, out),
        };
        sampler.send(SamplerInput::Add {
            id: 1,
            application,
            period: Duration::from_millis(500),
        });
        let samples = Arc::new(Mutex::new(Vec::new()));
        let news = Arc::new(Notify::new());
        let (into, tell) = (samples.clone(), news.clone());
        tokio::spawn(async move {
            while let Some(sample) = incoming.recv().await {
                into.lock().expect("the samples").push(sample);
                tell.notify_one();
            }
        });
        Self {
            samples,
            news,
            sampler,
            clock,
        }
    }

    /// Looks after this pod from now on, and after no other.
    pub fn attend(&self, pod: &str, intent: Intent) {
        self.attend_all(&[pod.to_owned()], intent);
    }

    /// Looks after these pods from now on, and after no other.
    pub fn attend_all(&self, pods: &[String], intent: Intent) {
        let pod_intent = PodIntent {
            intent,
            since: self.now(),
        };
        let intents = pods.iter().map(|pod| (pod.clone(), pod_intent.clone())).collect();
        self.sampler.send(SamplerInput::Intend { id: 1, intents });
    }

    /// Now, on the clock of its samples.
    pub fn now(&self) -> Moment {
        self.clock.now().moment
    }

    /// Everything it said so far.
    pub fn history(&self) -> Vec<Sampled> {
        self.samples.lock().expect("the samples").clone()
    }

    /// Waits until its samples hold what is expected, several times in a row; then they must go on so.
    pub async fn settles(&self, what: &str, holds: impl Fn(&Tally) -> bool) -> Arc<Tally> {
        match self.settled(&holds).await {
            (true, Some(Sampled { result: Ok(tally), .. })) => tally,
            (_, seen) => {
                let right = |sample: &Sampled| sample.result.as_ref().is_ok_and(|tally| holds(tally));
                let marks = self
                    .history()
                    .iter()
                    .map(|sample| if right(sample) { '+' } else { '-' })
                    .collect::<String>();
                panic!("{what}: awaited for {SETTLES:?}, or it did not stay so ({marks}); seen last: {seen:#?}")
            }
        }
    }

    /// The same as a verdict, with the sample that spoke last.
    pub async fn settled(&self, holds: impl Fn(&Tally) -> bool) -> (bool, Option<Sampled>) {
        let (mut seen, mut in_a_row) = (self.history().len(), 0);
        let end = Instant::now() + SETTLES;
        loop {
            let Some(sample) = self.after(seen, end).await else {
                // Nothing new at the end: what was said last tells more than that.
                return (false, self.history().pop());
            };
            let sample = Some(sample);
            seen += 1;
            let right = matches!(&sample, Some(Sampled { result: Ok(tally), .. }) if holds(tally));
            if right {
                in_a_row += 1;
            } else if in_a_row >= IN_A_ROW || Instant::now() >= end {
                return (false, sample);
            } else {
                in_a_row = 0;
            }
            if in_a_row == IN_A_ROW + STAYS {
                return (true, sample);
            }
        }
    }

    /// Waits for a sample that fails in a way that lasts, and says why.
    pub async fn fails(&self) -> SampleError {
        let lasting = |error| !matches!(error, SampleError::NotYet);
        self.fails_as(lasting).await.expect("a sample that fails")
    }

    /// Waits for a sample that fails in one of these ways.
    pub async fn fails_as(&self, way: impl Fn(SampleError) -> bool) -> Option<SampleError> {
        let end = Instant::now() + SETTLES;
        let mut seen = 0;
        while let Some(sample) = self.after(seen, end).await {
            seen += 1;
            match sample.result {
                Err(error) if way(error) => return Some(error),
                _ if Instant::now() >= end => return None,
                _ => {}
            }
        }
        None
    }

    /// The sample with this number, as soon as it is there.
    async fn after(&self, number: usize, end: Instant) -> Option<Sampled> {
        loop {
            let news = self.news.notified();
            if let Some(sample) = self.samples.lock().expect("the samples").get(number) {
                return Some(sample.clone());
            }
            if timeout(
                end.saturating_duration_since(Instant::now()) + Duration::from_secs(5),
                news,
            )
            .await
            .is_err()
            {
                return None;
            }
        }
    }
}

/// A broker URL as the operator reads it.
pub fn address(broker: &str, management: Option<&str>) -> Address {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let mut address = taskworkerpool::broker::url::parse(broker).expect("a broker URL");
    address.management = management.map(|url| taskworkerpool::broker::url::management(url).expect("its URL"));
    address
}
