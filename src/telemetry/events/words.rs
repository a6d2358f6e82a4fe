//! Text of Events. Pure.
#![deny(clippy::disallowed_methods)]

use super::limit::Limit;
use crate::model::tame;

/// Longest note that the API server accepts, in bytes.
const NOTE_BYTES: usize = 1024;
/// Longest reason and action that the API server accepts, in bytes.
const WORD_BYTES: usize = 128;

/// Event about a pool that a user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolEvent {
    /// The target got another number of replicas.
    Scaled {
        /// Number of replicas before.
        from: u32,
        /// Number of replicas after.
        to: u32,
        /// Reason, in one sentence.
        sentence: String,
    },
    /// Another writer changed the target's replicas, and they were put back.
    ReplicasOverwritten {
        /// Name of the field manager that changed them.
        manager: String,
        /// Number of replicas found.
        found: u32,
        /// Number of replicas put back.
        restored: u32,
    },
    /// The broker has not been readable for `spec.fallback.afterSeconds`, and `spec.fallback` sets the replicas.
    FallbackStarted {
        /// Minimum number of replicas that is kept.
        replicas: u32,
        /// Reason why the broker cannot be read, never in the broker's words.
        why: String,
    },
    /// The broker can be read again.
    FallbackEnded,
    /// A condition changed.
    ConditionChanged {
        /// Reason of the condition.
        reason: String,
        /// Type of the condition.
        kind: String,
        /// Status of the condition now.
        status: String,
        /// Message of the condition.
        message: String,
        /// Whether the change is for the worse.
        warns: bool,
    },
    /// Waiting tasks are gone, and no worker took them.
    TasksVanished {
        /// Number of tasks.
        tasks: u64,
    },
}

impl PoolEvent {
    /// Reason of the Event: a word in PascalCase.
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

    /// Note for people: at most 1 kB, without control characters.
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

    /// Action of the Event. kube's recorder takes events of equal action, reason and object within 6 minutes for one
    /// event and repeats the *first* note, so the action differs where the numbers in the note differ.
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

    /// Whether the Event is a warning.
    pub(super) fn warns(&self) -> bool {
        match self {
            Self::Scaled { .. } | Self::FallbackEnded => false,
            Self::ReplicasOverwritten { .. } | Self::FallbackStarted { .. } | Self::TasksVanished { .. } => true,
            Self::ConditionChanged { warns, .. } => *warns,
        }
    }

    /// Limit that applies to the Event.
    pub(super) fn limit(&self) -> Limit {
        match self {
            Self::Scaled { .. } | Self::ReplicasOverwritten { .. } => Limit::WORK,
            _ => Limit::NEWS,
        }
    }
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
        assert_eq!(note, tame(&note, NOTE_BYTES));
    }
}
