//! What is watched and what is known of it; keys and answers go in, and what is wanted next comes out.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use jiff::Timestamp;

use crate::{cli::cluster::Source, kube::Key, view::types::Pool};

/// What was told, and when.
#[derive(Clone, Debug)]
pub(super) struct Picture<T> {
    pub what: T,
    pub source: Source,
    pub seen: Timestamp,
}

/// What a person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Press {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Enter,
    Right,
    Left,
    Escape,
    Erase,
    /// Ends it, whatever is on the screen.
    Interrupt,
    Letter(char),
}

/// What came from the cluster.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Pools(Vec<Pool>, Source),
    Pool(Box<Pool>, Source),
    /// There is no answer: why, and how long until it is asked again.
    Failed(String, Duration),
}

/// What is to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Pools,
    Pool(Key),
}

/// Why there is no answer now.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub why: String,
    /// Time from which it is asked again.
    pub again: Timestamp,
}

/// Everything that is on the screen, but for its size and its looks.
#[derive(Debug)]
pub(super) struct Top {
    /// Which pools they are, for people.
    pub scope: String,
    /// Whether they are of several namespaces.
    pub everywhere: bool,
    pub every: Duration,
    pub pools: Option<Picture<Vec<Pool>>>,
    /// The pool that is looked at by itself, and its name.
    pub one: Option<(Key, Option<Picture<Pool>>)>,
    pub failure: Option<Failure>,
    /// Part of the name, state or sentence of those that are shown.
    pub filter: String,
    /// Whether letters go into it.
    pub typing: bool,
    /// Number of the selected pool among those that are shown.
    pub selected: usize,
    /// First row of the list, and first line of the pool, that is on the screen.
    pub first: usize,
    pub line: usize,
    /// Number of rows, or of lines, that there was room for.
    pub room: usize,
    pub over: bool,
}

impl Top {
    pub(super) fn new(scope: String, everywhere: bool, every: Duration, one: Option<Key>) -> Self {
        Self {
            scope,
            everywhere,
            every,
            pools: None,
            one: one.map(|key| (key, None)),
            failure: None,
            filter: String::new(),
            typing: false,
            selected: 0,
            first: 0,
            line: 0,
            room: 1,
            over: false,
        }
    }

    pub(super) fn wanted(&self) -> Wanted {
        match &self.one {
            Some((key, _)) => Wanted::Pool(key.clone()),
            None => Wanted::Pools,
        }
    }

    /// Pools that have the filter in their name, state or sentence.
    pub(super) fn shown(&self) -> Vec<&Pool> {
        let filter = self.filter.to_lowercase();
        let has = |pool: &Pool| {
            let text = format!("{}/{} {:?} {}", pool.namespace, pool.name, pool.state, pool.message);
            text.to_lowercase().contains(&filter)
        };
        let pools = self.pools.iter().flat_map(|picture| &picture.what);
        pools.filter(|pool| filter.is_empty() || has(pool)).collect()
    }

    fn selected_key(&self) -> Option<Key> {
        self.shown().get(self.selected).map(|pool| key(pool))
    }

    /// Takes what came from the cluster, to this question.
    pub(super) fn tell(&mut self, told: Told, asked: &Wanted, now: Timestamp) {
        // It was asked for before somebody looked at something else.
        if *asked != self.wanted() {
            return;
        }
        match told {
            Told::Pools(what, source) => {
                let kept = self.selected_key();
                self.pools = Some(Picture {
                    what,
                    source,
                    seen: now,
                });
                self.select(kept);
            }
            Told::Pool(pool, source) => {
                if let Some((_, picture)) = &mut self.one {
                    *picture = Some(Picture {
                        what: *pool,
                        source,
                        seen: now,
                    });
                }
            }
            Told::Failed(why, pause) => {
                let again = jiff::SignedDuration::try_from(pause).unwrap_or_default();
                let again = now.checked_add(again).unwrap_or(now);
                self.failure = Some(Failure { why, again });
                return;
            }
        }
        self.failure = None;
    }

    /// Selects this pool again, wherever it is now; else what stands in its place.
    fn select(&mut self, kept: Option<Key>) {
        let shown = self.shown();
        let found = kept.and_then(|kept| shown.iter().position(|pool| key(pool) == kept));
        self.selected = found.unwrap_or(self.selected).min(shown.len().saturating_sub(1));
    }

    /// Takes a key.
    pub(super) fn press(&mut self, press: Press) {
        match press {
            Press::Interrupt => self.over = true,
            press if self.typing => self.type_in(press),
            Press::Letter('q') => self.over = true,
            press if self.one.is_some() => self.press_in_one(press),
            press => self.press_in_list(press),
        }
    }

    fn type_in(&mut self, press: Press) {
        let kept = self.selected_key();
        match press {
            Press::Letter(letter) => self.filter.push(letter),
            Press::Erase if self.filter.pop().is_some() => {}
            Press::Escape | Press::Erase => {
                self.filter.clear();
                self.typing = false;
            }
            Press::Enter => self.typing = false,
            Press::Up | Press::Down | Press::PageUp | Press::PageDown => return self.press_in_list(press),
            _ => {}
        }
        self.select(kept);
    }

    fn press_in_list(&mut self, press: Press) {
        let last = self.shown().len().saturating_sub(1);
        match press {
            Press::Enter | Press::Right | Press::Letter('l') => self.open(),
            Press::Letter('/') => self.typing = true,
            Press::Escape => {
                let kept = self.selected_key();
                self.filter.clear();
                self.select(kept);
            }
            press => self.selected = moved(self.selected, press, self.room, last),
        }
    }

    fn press_in_one(&mut self, press: Press) {
        match press {
            Press::Escape | Press::Left | Press::Erase | Press::Letter('h') => {
                self.one = None;
                self.failure = None;
            }
            // The number of lines is known where they are drawn.
            press => self.line = moved(self.line, press, self.room, usize::MAX),
        }
    }

    /// Looks at the selected pool by itself; until it is told, what the list has of it is shown.
    fn open(&mut self) {
        let Some(picture) = &self.pools else { return };
        let Some(pool) = self.shown().get(self.selected).copied() else {
            return;
        };
        let known = Picture {
            what: pool.clone(),
            source: picture.source.clone(),
            seen: picture.seen,
        };
        self.one = Some((key(pool), Some(known)));
        self.failure = None;
        self.line = 0;
    }
}

fn moved(at: usize, press: Press, room: usize, last: usize) -> usize {
    let to = match press {
        Press::Up | Press::Letter('k') => at.saturating_sub(1),
        Press::Down | Press::Letter('j') => at.saturating_add(1),
        Press::PageUp => at.saturating_sub(room),
        Press::PageDown => at.saturating_add(room),
        Press::First | Press::Letter('g') => 0,
        Press::Last | Press::Letter('G') => last,
        _ => at,
    };
    to.min(last)
}

fn key(pool: &Pool) -> Key {
    Key {
        namespace: pool.namespace.clone(),
        name: pool.name.clone(),
    }
}
