//! Budget of calls to the API server: which call may be made now. Pure.
//!
//! All calls of the process share one budget: a number of calls at once, and a number a second. The most important
//! calls go first, and the last places are kept for them. After a 429 (the answer of API Priority and Fairness) all
//! calls of that class wait.
#![deny(clippy::disallowed_methods)]

use std::{collections::VecDeque, time::Duration};

/// Purpose of a call; the first classes go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Writes of replicas.
    Scale,
    /// Writes of marks on pods that are to go.
    Pods,
    /// Reads of pods, Secrets, ConfigMaps and Deployments.
    Read,
    /// Write of a pool's status.
    Status,
    /// Write of an Event.
    Event,
}

/// All classes, in their order.
const CLASSES: [Class; 5] = [Class::Scale, Class::Pods, Class::Read, Class::Status, Class::Event];

impl Class {
    /// Label for metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Scale => "scale",
            Self::Pods => "pods",
            Self::Read => "read",
            Self::Status => "status",
            Self::Event => "event",
        }
    }

    const fn place(self) -> usize {
        self as usize
    }

    /// Sixteenths of all places that this class and those after it may take: the rest is kept for those before.
    const fn share(self) -> usize {
        match self {
            Self::Scale => 16,
            Self::Pods => 12,
            Self::Read => 10,
            Self::Status => 6,
            Self::Event => 2,
        }
    }

    /// Whether the class waits for the rate. The other classes count towards it, and go on at once.
    const fn is_paced(self) -> bool {
        matches!(self, Self::Status | Self::Event)
    }

    /// Largest number of waiting calls. Status and Events are written again, or may be lost; the others never are.
    const fn line(self) -> usize {
        match self {
            Self::Event => 256,
            _ => usize::MAX,
        }
    }
}

/// Size of the budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Largest number of calls at once, 1 at least.
    pub in_flight: usize,
    /// Calls a second on average, 1 at least: statuses and Events wait for it, all others count towards it. Twice as
    /// many may come at once.
    pub per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 32,
            per_second: 50,
        }
    }
}

/// Number of a caller in the queue.
pub type CallerNumber = u64;

/// Budget, and the callers that wait for it. Moments are times since the process began.
#[derive(Debug)]
pub struct CallBudget {
    limits: Limits,
    /// Number of calls under way, by class.
    calls: [usize; CLASSES.len()],
    /// Number of calls that may still be made now; negative after many that do not wait.
    tokens: f64,
    /// Time when `tokens` was computed.
    counted: Duration,
    /// Earliest time of the next call, by class.
    not_before: [Duration; CLASSES.len()],
    lines: [VecDeque<CallerNumber>; CLASSES.len()],
    last: CallerNumber,
}

impl CallBudget {
    /// Budget without any calls yet.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits {
            in_flight: limits.in_flight.max(1),
            per_second: limits.per_second.max(1),
        };
        Self {
            limits,
            calls: [0; CLASSES.len()],
            tokens: f64::from(limits.per_second) * 2.0,
            counted: Duration::ZERO,
            not_before: [Duration::ZERO; CLASSES.len()],
            lines: [const { VecDeque::new() }; CLASSES.len()],
            last: 0,
        }
    }

    /// Adds a caller to the queue; `None`: too many wait already.
    pub fn ask(&mut self, class: Class) -> Option<CallerNumber> {
        let line = &mut self.lines[class.place()];
        if line.len() >= class.line() {
            return None;
        }
        self.last += 1;
        line.push_back(self.last);
        Some(self.last)
    }

    /// Takes a caller out of the queue.
    pub fn give_up(&mut self, class: Class, number: CallerNumber) {
        self.lines[class.place()].retain(|other| *other != number);
    }

    /// Callers that may call now (their calls are under way from now on), and the time to ask again if nothing happens
    /// before.
    pub fn admit(&mut self, now: Duration) -> (Vec<CallerNumber>, Option<Duration>) {
        self.refill(now);
        let mut admitted = Vec::new();
        let mut again: Option<Duration> = None;
        for class in CLASSES {
            let place = class.place();
            while !self.lines[place].is_empty() {
                let held = self.not_before[place].max(self.affordable(class, now));
                if held > now {
                    again = Some(again.map_or(held, |again| again.min(held)));
                    break;
                }
                if !self.has_room(class) {
                    break;
                }
                admitted.extend(self.lines[place].pop_front());
                self.calls[place] += 1;
                // A burst of calls that do not wait costs the others a second at most.
                self.tokens = (self.tokens - 1.0).max(-f64::from(self.limits.per_second));
            }
        }
        (admitted, again)
    }

    /// Ends a call.
    pub fn done(&mut self, class: Class) {
        let calls = &mut self.calls[class.place()];
        *calls = calls.saturating_sub(1);
    }

    /// Lets all calls of this class wait for `pause`, because the server asked for it.
    pub fn wait(&mut self, class: Class, pause: Duration, now: Duration) {
        let until = &mut self.not_before[class.place()];
        *until = now.saturating_add(pause).max(*until);
    }

    /// Number of waiting callers.
    #[cfg(test)]
    fn waiting(&self, class: Class) -> usize {
        self.lines[class.place()].len()
    }

    fn refill(&mut self, now: Duration) {
        let rate = f64::from(self.limits.per_second);
        let since = now.saturating_sub(self.counted).as_secs_f64();
        self.tokens = (self.tokens + since * rate).min(rate * 2.0);
        self.counted = self.counted.max(now);
    }

    /// Time at which the rate allows a call of this class.
    fn affordable(&self, class: Class, now: Duration) -> Duration {
        if !class.is_paced() || self.tokens >= 1.0 {
            return now;
        }
        let missing = (1.0 - self.tokens) / f64::from(self.limits.per_second);
        now + Duration::from_secs_f64(missing) + Duration::from_millis(1)
    }

    /// Whether there is a place for a call of this class.
    fn has_room(&self, class: Class) -> bool {
        CLASSES[..=class.place()].iter().all(|before| {
            let calls: usize = self.calls[before.place()..].iter().sum();
            calls < (self.limits.in_flight * before.share() / 16).max(1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        in_flight: 16,
        per_second: 10,
    };

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn asked(budget: &mut CallBudget, class: Class, count: usize) -> Vec<CallerNumber> {
        (0..count).filter_map(|_| budget.ask(class)).collect()
    }

    #[test]
    fn what_matters_most_goes_first_and_finds_a_place() {
        let mut budget = CallBudget::new(LIMITS);
        for class in [Class::Event, Class::Status, Class::Read] {
            asked(&mut budget, class, 20);
        }
        let (first, _) = budget.admit(at(0));
        assert_eq!(first.len(), 10, "the others' places are kept");
        let writes = asked(&mut budget, Class::Scale, 8);
        let (next, _) = budget.admit(at(0));
        assert_eq!(next, writes[..6], "as many as there are places");
        budget.done(Class::Read);
        assert_eq!(
            budget.admit(at(0)).0,
            writes[6..7],
            "before those that waited for longer"
        );
        budget.done(Class::Scale);
        assert_eq!(budget.admit(at(0)).0, writes[7..]);
    }

    #[test]
    fn what_nobody_waits_for_comes_so_often_a_second() {
        let mut budget = CallBudget::new(LIMITS);
        asked(&mut budget, Class::Status, 100);
        let mut admitted = 0;
        for second in 0..5_u64 {
            for tenth in 0..10 {
                let (now, _) = budget.admit(at(second * 1000 + tenth * 100));
                admitted += now.len();
                now.iter().for_each(|_| budget.done(Class::Status));
            }
        }
        assert!((60..=70).contains(&admitted), "20 at once and 10 a second: {admitted}");
        let (_, again) = budget.admit(at(4_910));
        assert!(
            again.is_some_and(|again| again > at(4_910) && again <= at(5_020)),
            "{again:?}"
        );
        for class in [Class::Scale, Class::Pods, Class::Read] {
            let others = asked(&mut budget, class, 5);
            assert_eq!(budget.admit(at(4_910)).0, others, "{class:?}");
            others.iter().for_each(|_| budget.done(class));
        }
    }

    #[test]
    fn a_burst_of_reads_costs_a_status_no_more_than_a_second() {
        let mut budget = CallBudget::new(LIMITS);
        for _ in 0..1000 {
            budget.ask(Class::Read);
            budget.admit(at(0));
            budget.done(Class::Read);
        }
        let status = asked(&mut budget, Class::Status, 1);
        assert!(budget.admit(at(1000)).0.is_empty());
        assert_eq!(budget.admit(at(1200)).0, status);
    }

    #[test]
    fn who_is_asked_to_wait_waits_and_the_others_do_not() {
        let mut budget = CallBudget::new(LIMITS);
        budget.wait(Class::Status, at(3000), at(0));
        budget.wait(Class::Status, at(1000), at(0));
        let (status, read) = (asked(&mut budget, Class::Status, 2), asked(&mut budget, Class::Read, 2));
        assert_eq!(budget.admit(at(10)), (read, Some(at(3000))));
        assert_eq!(budget.admit(at(3000)).0, status);
    }

    #[test]
    fn lines_end_and_who_gives_up_is_forgotten() {
        let mut budget = CallBudget::new(LIMITS);
        let events = asked(&mut budget, Class::Event, 1000);
        assert_eq!(events.len(), 256);
        assert_eq!(budget.ask(Class::Event), None);
        budget.give_up(Class::Event, events[0]);
        assert_eq!(
            (budget.waiting(Class::Event), budget.admit(at(0)).0),
            (255, events[1..3].to_vec())
        );
    }

    #[test]
    fn the_smallest_budget_still_serves_every_class() {
        let mut budget = CallBudget::new(Limits {
            in_flight: 0,
            per_second: 0,
        });
        for class in CLASSES {
            let number = budget.ask(class);
            let (admitted, _) = budget.admit(at(10_000 * (1 + class.place() as u64)));
            assert_eq!(admitted, number.into_iter().collect::<Vec<_>>(), "{class:?}");
            budget.done(class);
        }
    }
}
