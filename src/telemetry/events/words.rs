//! What an Event says. Pure.
#![deny(clippy::disallowed_methods)]

use super::limit::Limit;

/// The API server refuses longer notes.
const NOTE_BYTES: usize = 1024;
/// The API server refuses longer reasons and actions.
const WORD_BYTES: usize = 128;

/// Something a user must know about a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolEvent {
    /// The target got another number of replicas.
    Scaled {
        /// Before.
        from: u32,
        /// After.
        to: u32,
        /// Why, in one sentence.
        sentence: String,
    },
    /// Someone else changed the target's replicas, and they were put back.
    ReplicasOverwritten {
        /// The field manager that did it.
        manager: String,
        /// Replicas found.
        found: u32,
        /// Replicas put back.
        restored: u32,
    },
    /// The broker could not be read for so long that `spec.fallback` sets the replicas.
    FallbackStarted {
        /// Replicas kept at least.
        replicas: u32,
        /// Why the broker cannot be read, in our own words.
        why: String,
    },
    /// The broker can be read again.
    FallbackEnded,
    /// A condition changed.
    ConditionChanged {
        /// The condition's reason.
        reason: String,
        /// The condition's type.
        kind: String,
        /// The condition's status now.
        status: String,
        /// The condition's message.
        message: String,
        /// The change is for the worse.
        warns: bool,
    },
    /// Waiting tasks are gone, and no worker took them.
    TasksVanished {
        /// So many.
        tasks: u64,
    },
}

impl PoolEvent {
    /// The reason: a word in PascalCase.
    pub fn reason(&self) -> String {
        match self {
            Self::Scaled { .. } => "Scaled".to_owned(),
            Self::ReplicasOverwritten { .. } => "ReplicasOverwritten".to_owned(),
            Self::FallbackStarted { .. } => "FallbackStarted".to_owned(),
            Self::FallbackEnded => "FallbackEnded".to_owned(),
            Self::TasksVanished { .. } => "TasksVanished".to_owned(),
            Self::ConditionChanged { reason, .. } => tame(reason, WORD_BYTES),
        }
    }

    /// What a person reads: at most 1 kB, without control characters.
    pub fn note(&self) -> String {
        let note = match self {
            Self::Scaled { from, to, sentence } => format!("Scaled from {from} to {to} replicas: {sentence}"),
            Self::ReplicasOverwritten {
                manager,
                found,
                restored,
            } => {
                // The manager's name is foreign text: it must not push the rest out of the note.
                let manager = tame(manager, WORD_BYTES);
                format!("{manager:?} set the target to {found} replicas; they were put back to {restored}")
            }
            Self::FallbackStarted { replicas, why } => {
                format!("The broker cannot be read, so there are at least {replicas} replicas (spec.fallback): {why}")
            }
            Self::FallbackEnded => "The broker can be read again".to_owned(),
            Self::TasksVanished { tasks } => format!(
                "{tasks} waiting tasks vanished without being started: was a queue purged, the broker flushed, or do workers \
                 take them that are not the target's? (They may have expired or been revoked, too.)"
            ),
            Self::ConditionChanged {
                kind, status, message, ..
            } => format!("{kind} is {status}: {message}"),
        };
        tame(&note, NOTE_BYTES)
    }

    /// What was done. kube's recorder takes events of equal action, reason and object within 6 minutes for one event and
    /// repeats the *first* note, so the action differs where the numbers in the note differ.
    pub(super) fn action(&self) -> String {
        let action = match self {
            Self::Scaled { from, to, .. } => format!("Scale{from}To{to}"),
            Self::ReplicasOverwritten { found, restored, .. } => format!("Restore{found}To{restored}"),
            Self::FallbackStarted { replicas, .. } => format!("FallBackTo{replicas}"),
            Self::FallbackEnded => "ResumeScaling".to_owned(),
            Self::TasksVanished { tasks } => format!("Miss{tasks}"),
            Self::ConditionChanged { kind, status, .. } => format!("Set{kind}{status}"),
        };
        tame(&action, WORD_BYTES)
    }

    /// Something is not as it should be.
    pub(super) fn warns(&self) -> bool {
        match self {
            Self::Scaled { .. } | Self::FallbackEnded => false,
            Self::ReplicasOverwritten { .. } | Self::FallbackStarted { .. } | Self::TasksVanished { .. } => true,
            Self::ConditionChanged { warns, .. } => *warns,
        }
    }

    /// How often it may be said.
    pub(super) fn limit(&self) -> Limit {
        match self {
            Self::Scaled { .. } | Self::ReplicasOverwritten { .. } => Limit::WORK,
            _ => Limit::NEWS,
        }
    }
}

/// The text without characters that a terminal obeys (controls, changes of writing direction), cut to so many bytes.
pub fn tame(text: &str, bytes: usize) -> String {
    let mut tame = String::with_capacity(text.len().min(bytes));
    for letter in text.chars() {
        let letter = if obeyed(letter) { ' ' } else { letter };
        if tame.len() + letter.len_utf8() > bytes {
            break;
        }
        tame.push(letter);
    }
    tame
}

/// Control characters (Unicode Cc), line and paragraph separators, and the bidirectional controls of UAX #9.
fn obeyed(letter: char) -> bool {
    let separator = matches!(letter, '\u{2028}' | '\u{2029}');
    let direction =
        matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || separator || direction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(sentence: &str) -> PoolEvent {
        PoolEvent::Scaled {
            from: 2,
            to: 9,
            sentence: sentence.into(),
        }
    }

    fn condition() -> PoolEvent {
        PoolEvent::ConditionChanged {
            reason: "Timeout".into(),
            kind: "SourceAvailable".into(),
            status: "False".into(),
            message: "the broker did not answer in time".into(),
            warns: true,
        }
    }

    #[test]
    fn each_event_has_its_words() {
        let overwritten = PoolEvent::ReplicasOverwritten {
            manager: "argocd\u{1b}[31m".into(),
            found: 1,
            restored: 9,
        };
        let fallback = PoolEvent::FallbackStarted {
            replicas: 3,
            why: "the broker did not answer in time".into(),
        };
        for (event, action, reason, note, warns) in [
            (
                scaled("7 need 46s"),
                "Scale2To9",
                "Scaled",
                "Scaled from 2 to 9 replicas: 7 need 46s",
                false,
            ),
            (
                overwritten,
                "Restore1To9",
                "ReplicasOverwritten",
                "\"argocd [31m\" set the target to 1 replicas; they were put back to 9",
                true,
            ),
            (
                fallback,
                "FallBackTo3",
                "FallbackStarted",
                "The broker cannot be read, so there are at least 3 replicas (spec.fallback): \
                 the broker did not answer in time",
                true,
            ),
            (
                PoolEvent::FallbackEnded,
                "ResumeScaling",
                "FallbackEnded",
                "The broker can be read again",
                false,
            ),
            (
                PoolEvent::TasksVanished { tasks: 300 },
                "Miss300",
                "TasksVanished",
                "300 waiting tasks vanished without being started: was a queue purged, the broker flushed, or do workers take \
                 them that are not the target's? (They may have expired or been revoked, too.)",
                true,
            ),
            (
                condition(),
                "SetSourceAvailableFalse",
                "Timeout",
                "SourceAvailable is False: the broker did not answer in time",
                true,
            ),
        ] {
            assert_eq!(event.action(), action);
            assert_eq!(event.reason(), reason);
            assert_eq!(event.note(), note);
            assert_eq!(event.warns(), warns);
        }
    }

    #[test]
    fn notes_are_short_and_tame() {
        let note = scaled(&"ä\n\u{202e}\0".repeat(2000)).note();
        assert!(note.len() <= NOTE_BYTES && note.len() > NOTE_BYTES - 4);
        assert!(!note.contains(obeyed));
    }
}
