//! A run: events in the order of time, from the first arrival until all is done.
//!
//! | file | concept |
//! |---|---|
//! | `engine.rs` | the loop, deliveries, and what a tick does |
//! | `lives.rs` | how pods come and go |
//! | `view.rs` | what a scaler can see |
#![deny(clippy::disallowed_methods)]

mod lives;
mod view;

use super::{
    Run, Scaler, Seconds, Seen, Victims, Waits, Workload,
    agenda::{Agenda, RunEvent},
    count::{Counters, HOUR},
    pods::{Phase, PodSet},
    queue::TaskQueue,
    world::World,
};
use std::collections::VecDeque;

/// Seconds after the last arrival for which a run goes on, even if nothing is left to do.
const AFTERWARDS: Seconds = 600.0;
/// Seconds after the last arrival after which a run ends, even if tasks are left: a policy may never serve them.
const PATIENCE: Seconds = 24.0 * HOUR;
/// Seconds between two points of the series.
const SERIES_STEP: Seconds = 10.0;
/// Seconds whose arrivals decide how many pods there are at first.
const FIRST_SPAN: Seconds = 300.0;
/// Shortest and longest period of a scaler, in seconds.
const PERIODS: (Seconds, Seconds) = (0.1, 1e9);
/// Largest lag, in seconds.
const LONGEST_LAG: Seconds = HOUR;

/// Runs a workload under a policy: until 600 s after the last arrival and until all tasks have ended, at most 24 h
/// after the last arrival. Start-up times come from `seed` and the pod's number only: all policies meet the same ones.
pub fn run(workload: &Workload, world: &World, scaler: &mut dyn Scaler, seed: u64, sample_series: bool) -> Run {
    let mut engine = Engine::new(workload, world, seed, Rhythm::of(scaler));
    engine.begin(sample_series);
    while let Some((at, event)) = engine.agenda.next_until(engine.end()) {
        engine.now = at;
        engine.happens(event, scaler);
    }
    engine.finish()
}

/// Number of pods that are ready when a run begins: where the world does not say, enough for what arrives at first, and
/// one more.
pub fn first_pods(workload: &Workload, world: &World) -> u32 {
    if let Some(pods) = world.first_pods {
        return world.clamp(pods);
    }
    let first = workload.tasks.iter().take_while(|task| task.arrival < FIRST_SPAN);
    let work: Seconds = first.map(|task| task.duration).sum();
    let busy = work / FIRST_SPAN / f64::from(workload.slots.max(1));
    world.clamp((busy.ceil() as u32).saturating_add(1))
}

/// Times of a scaler's ticks.
struct Rhythm {
    phase: Seconds,
    period: Seconds,
}

impl Rhythm {
    fn of(scaler: &dyn Scaler) -> Self {
        Self {
            phase: scaler.phase().max(0.0),
            period: scaler.period().max(PERIODS.0).min(PERIODS.1),
        }
    }

    /// Time of a tick, counted from 0. Not by adding up, so that errors do not add up.
    fn at(&self, tick: u32) -> Seconds {
        self.phase + self.period * f64::from(tick)
    }
}

struct Engine<'a> {
    workload: &'a Workload,
    world: &'a World,
    seed: u64,
    rhythm: Rhythm,
    now: Seconds,
    agenda: Agenda,
    queue: TaskQueue<'a>,
    pods: PodSet,
    count: Counters,
    /// Number of ticks.
    ticks: u32,
    recorded: u32,
    /// Records of the tasks for later ticks.
    records: VecDeque<Seen>,
    /// Start-up times since the last tick.
    started: Vec<Seconds>,
    /// Number of completions when the counter last restarted.
    counted_from: u64,
}

impl<'a> Engine<'a> {
    fn new(workload: &'a Workload, world: &'a World, seed: u64, rhythm: Rhythm) -> Self {
        Self {
            workload,
            world,
            seed,
            rhythm,
            now: 0.0,
            agenda: Agenda::default(),
            queue: TaskQueue::new(&workload.tasks),
            pods: PodSet::default(),
            count: Counters::default(),
            ticks: 0,
            recorded: 0,
            records: VecDeque::new(),
            started: Vec::new(),
            counted_from: 0,
        }
    }

    fn begin(&mut self, sample_series: bool) {
        for _ in 0..first_pods(self.workload, self.world) {
            let pod = self.pods.create(self.now);
            self.becomes_ready(pod);
        }
        self.enter_arrival(0);
        let resets = self.world.counter_resets.iter().map(|at| (*at, RunEvent::CounterReset));
        let purges = self.world.purges.iter().map(|at| (*at, RunEvent::Purge));
        for (at, event) in resets.chain(purges) {
            self.agenda.enter(at.max(0.0), event);
        }
        self.plan_record();
        self.agenda.enter(self.rhythm.at(0), RunEvent::Tick);
        if sample_series {
            self.agenda.enter(self.now, RunEvent::Sample);
        }
    }

    /// Time at which the run is over, as far as is known now.
    fn end(&self) -> Seconds {
        let last = self.workload.tasks.last().map_or(0.0, |task| task.arrival);
        match self.queue.open() {
            0 => self.now.max(last + AFTERWARDS),
            _ => last + PATIENCE,
        }
    }

    fn happens(&mut self, event: RunEvent, scaler: &mut dyn Scaler) {
        match event {
            RunEvent::Arrival { task } => {
                self.queue.arrive(task);
                self.enter_arrival(task + 1);
                self.deliver();
            }
            RunEvent::Completion { pod, task } => self.completes(pod, task),
            RunEvent::Ready { pod } => self.starts_up(pod),
            RunEvent::Kill { pod } => self.kill(pod),
            RunEvent::Return { task } => {
                self.queue.give_back(task.0);
                self.deliver();
            }
            RunEvent::Purge => self.queue.purge(),
            RunEvent::CounterReset => self.counted_from = self.queue.finished,
            RunEvent::Beat { pod } => self.beat(pod),
            RunEvent::Record => {
                self.records.push_back(self.tasks_now());
                self.plan_record();
            }
            RunEvent::Tick => self.tick(scaler),
            RunEvent::Sample => {
                self.count.run.series.push(self.point());
                self.agenda.enter(self.now + SERIES_STEP, RunEvent::Sample);
            }
        }
    }

    fn enter_arrival(&mut self, task: usize) {
        if let Some(next) = self.workload.tasks.get(task) {
            self.agenda.enter(next.arrival, RunEvent::Arrival { task });
        }
    }

    /// Plans the record for a tick, one lag before it.
    fn plan_record(&mut self) {
        let at = self.rhythm.at(self.recorded) - self.world.metric_lag.min(LONGEST_LAG);
        self.agenda.enter(at.max(self.now), RunEvent::Record);
        self.recorded += 1;
    }

    /// Puts the pod into the line if it may hold more.
    fn line_up(&mut self, pod: usize) {
        let candidate = self.pods.get_mut(pod);
        if self.world.prefetch == 0 || !candidate.in_line {
            candidate.in_line = true;
            self.queue.line.push_back(pod);
        }
    }

    /// Number of tasks that the pod may hold beyond those it has, with prefetch.
    fn credit(&self, pod: usize) -> usize {
        let (pod, slots) = (self.pods.get(pod), self.workload.slots as usize);
        // Acknowledged tasks do not count, so a pod that acknowledges early fetches ahead even with a multiplier of 1.
        let counts = if self.world.early_ack {
            pod.reserved.len()
        } else {
            pod.held()
        };
        (slots * self.world.prefetch as usize).saturating_sub(counts)
    }

    /// Delivers what waits to the pods in line.
    fn deliver(&mut self) {
        while self.queue.waiting() > 0
            && let Some(pod) = self.queue.line.pop_front()
        {
            self.pods.get_mut(pod).in_line = false;
            // Who leaves does not leave the line, which would have to be searched.
            if self.pods.get(pod).phase != Phase::Ready {
                continue;
            }
            if let Some(task) = self.queue.deliver(self.now) {
                self.take(pod, task);
            }
            if self.world.prefetch > 0 && self.credit(pod) > 0 {
                self.line_up(pod);
            }
        }
        self.queue.note_backlog();
    }

    fn take(&mut self, pod: usize, task: usize) {
        let taker = self.pods.get_mut(pod);
        if taker.running.len() < self.workload.slots as usize {
            self.start(pod, task);
        } else {
            taker.reserved.push_back(task);
        }
    }

    fn start(&mut self, pod: usize, task: usize) {
        let runner = self.pods.get_mut(pod);
        runner.taken += 1;
        runner.running.push(task);
        let end = self.queue.start(task, self.now);
        self.agenda.enter(end, RunEvent::Completion { pod, task });
    }

    fn completes(&mut self, pod: usize, task: usize) {
        let runner = self.pods.get_mut(pod);
        let Some(slot) = runner.running.iter().position(|running| *running == task) else {
            return; // It was killed with its pod.
        };
        runner.running.swap_remove(slot);
        self.queue.finish(task);
        if runner.phase == Phase::Ready {
            if let Some(next) = runner.reserved.pop_front() {
                self.start(pod, next);
            }
            self.line_up(pod);
            self.deliver();
        } else if runner.running.is_empty() {
            self.leave(pod);
        }
    }

    fn tick(&mut self, scaler: &mut dyn Scaler) {
        let seen = self.seen();
        if let Some(wanted) = scaler.tick(&seen) {
            self.scale(self.world.clamp(wanted), scaler.victims());
        }
        self.ticks += 1;
        self.agenda.enter(self.rhythm.at(self.ticks), RunEvent::Tick);
    }

    fn scale(&mut self, wanted: u32, order: Victims) {
        let before = self.pods.live();
        for _ in before..wanted {
            self.create();
        }
        for pod in self.pods.victims(before.saturating_sub(wanted), order) {
            match self.pods.get(pod).phase {
                Phase::Starting => self.remove(pod),
                _ => self.stop(pod),
            }
        }
        let after = self.pods.live();
        if after != before {
            self.count.scaled(before, after, self.now);
        }
    }

    fn finish(mut self) -> Run {
        let end = self.end();
        for pod in self.pods.present() {
            self.count.pod_existed(pod.created, end);
        }
        let each_wait = self.queue.each_wait(end);
        Run {
            tasks: self.queue.finished,
            each_wait: match self.count.run.series.is_empty() {
                true => Vec::new(),
                false => each_wait.clone(),
            },
            waits: Waits::of(each_wait, self.workload.wait_target),
            redelivered: self.queue.redelivered,
            lost: self.queue.lost,
            purged: self.queue.dropped,
            max_backlog: self.queue.most_waiting,
            ..self.count.run
        }
    }
}

#[cfg(test)]
mod tests;
