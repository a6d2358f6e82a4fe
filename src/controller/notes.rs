//! Log lines and metrics for the notes of the state.

use super::effect::Note;
use crate::{
    kube::Key,
    telemetry::{Direction, Metrics},
};

/// Writes a note to the log and the metrics.
pub fn tell(key: &Key, note: &Note, metrics: &Metrics) {
    let Key { namespace, name } = key;
    let pool = (namespace.as_str(), name.as_str());
    match note {
        Note::Decided {
            replicas,
            rule,
            sentence,
            held,
        } => {
            tracing::info!(namespace, name, replicas, rule, why = sentence, "decided");
            if *held {
                metrics.held(pool, rule);
            }
        }
        Note::Scaled {
            from,
            to,
            rule,
            sentence,
        } => {
            metrics.scale_written();
            if from != to {
                let direction = if to > from { Direction::Up } else { Direction::Down };
                metrics.scaled(pool, direction, rule);
                tracing::info!(namespace, name, from, to, rule, why = sentence, "scaled");
            }
        }
        Note::Overwritten {
            manager,
            found,
            restored,
        } => {
            metrics.overwritten(pool, manager);
            tracing::warn!(namespace, name, manager, found, restored, "replicas overwritten");
        }
        Note::ScaleFailed(why) => {
            metrics.scale_failed(pool);
            tracing::warn!(namespace, name, why = %why, "the target could not be written");
        }
        Note::ListFailed(why) => tracing::warn!(namespace, name, why = %why, "the target's pods could not be listed"),
        Note::ProtectFailed(why) => tracing::warn!(namespace, name, why = %why, "busy pods could not be protected"),
        Note::StatusWritten => metrics.status_written(),
        Note::StatusFailed(why) => tracing::warn!(namespace, name, why = %why, "the status could not be written"),
        Note::SourceFailed(why) => metrics.source_failed(pool, why.label()),
        Note::SourceChanged => tracing::info!(
            namespace,
            name,
            "the broker is another one now: what was counted before is forgotten"
        ),
        Note::QueuesLearned(queues) => tracing::info!(
            namespace,
            name,
            queues,
            "the workers fetch from other queues than before: those are counted"
        ),
        Note::NextAddress { why, next, of } => tracing::warn!(
            namespace,
            name,
            why = %why,
            next,
            of,
            "the broker cannot be reached: the next address of the broker URL is tried"
        ),
        Note::TasksVanished(tasks) => {
            tracing::warn!(namespace, name, tasks, "waiting tasks vanished without being started");
        }
        Note::PodsLeft => tracing::info!(namespace, name, "pods were left on their way out"),
    }
}
