//! `kubectl twp why POOL`: why it has this number of replicas, and what would change it.
//!
//! | file | kind | concept |
//! |---|---|---|
//! | `mod.rs` | shell | the command |
//! | `change.rs` | pure | what would change the number |
//! | `text.rs` | pure | the answer, for a person |

mod change;
pub(super) mod text;

use jiff::Timestamp;
use serde_json::json;

use super::{
    Answer, OutputArgs,
    cluster::{ClusterArgs, Connection, Source, block_on},
    status::is_finding,
};
use crate::{
    kube::plugin::{self, PoolEvent},
    view::types::Pool,
};

const EXAMPLES: &str = "\
Candidates are the numbers that each rule alone would ask for; the greatest within the limits is taken. They, the pods and the last
decisions come from the operator (view.enabled=true in its chart); without it the object's status and its Events are shown.
Ends with 2 if the pool is broken, degraded or late.

Examples:
  kubectl twp why mail
  kubectl twp why mail -n shop -o yaml";

/// Shows why a pool has this number of replicas, and what would change it.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct WhyArgs {
    /// Name of the pool.
    #[arg(value_name = "POOL")]
    pub pool: String,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Runs the command.
///
/// # Errors
/// Why the pool cannot be read.
pub fn run(args: &WhyArgs) -> Result<Answer, String> {
    let (pool, source, events) = block_on(async {
        let connection = Connection::new(&args.cluster).await?;
        let key = connection.key(&args.pool)?;
        let (pool, source) = connection.pool(&key).await?;
        // The operator's own log is better, and there is nothing else in Events that it does not tell.
        let events = match source {
            Source::Operator => Ok(Vec::new()),
            Source::Objects(_) => plugin::events(&connection.cluster, &key).await,
        };
        Ok((pool, source, events))
    })?;
    let mut aside = source.aside();
    let events = events.unwrap_or_else(|why| {
        aside.push_str(&plugin::explained("Events cannot be listed", why));
        aside.push('\n');
        Vec::new()
    });
    Ok(Answer {
        aside,
        ..answer(&pool, &source, &events, Timestamp::now())
    })
}

fn answer(pool: &Pool, source: &Source, events: &[PoolEvent], now: Timestamp) -> Answer {
    let changes = change::changes(pool);
    let told: Vec<_> = events
        .iter()
        .map(|event| json!({"at": event.at, "reason": event.reason, "note": event.note}))
        .collect();
    Answer {
        text: text::text(pool, &changes, events, now),
        value: json!({"source": source.name(), "pool": pool, "changes": changes, "events": told}),
        finding: is_finding(pool.state),
        ..Answer::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    #[test]
    fn no_text_of_a_pool_turns_a_terminal_around() {
        let nasty = "\u{1b}[2J\u{202e}\r";
        let mut pool = fixture::pools().remove(0);
        pool.name.push_str(nasty);
        for condition in &mut pool.conditions {
            for text in [
                &mut condition.kind,
                &mut condition.status,
                &mut condition.reason,
                &mut condition.message,
                &mut condition.docs,
            ] {
                text.push_str(nasty);
            }
        }
        let answer = answer(&pool, &Source::Operator, &[], Timestamp::UNIX_EPOCH);
        let obeyed = |letter: char| letter != '\n' && letter.is_control() || letter == '\u{202e}';
        assert!(!answer.text.contains(obeyed), "{:?}", answer.text);
    }

    #[test]
    fn the_answer_has_all_that_a_person_asks_for() {
        let pool = fixture::pool();
        let now = "2026-01-05T13:00:00Z".parse().unwrap();
        let answer = answer(&pool, &Source::Operator, &[], now);
        for part in [
            "shop/mail: Scaling\n",
            "  Scaling to 19: 412 tasks must start within 60 s",
            "12 set, 12 ready, 19 wanted (0 to 50)",
            "412 waiting (the oldest 18 s of 60 s), 48 running, 48 in flight, 90 scheduled",
            "6.1 s a task, 192 tasks a minute, 24 s to start, 4 at a time per replica",
            "  Deadline  19  chosen\n",
            "\nWhat would change it\n",
            "\nPods\n",
            "mail-worker-5d-a",
            "\nLast decisions\n",
            "12 > 19  Deadline",
            "the broker knows no queue of this name",
        ] {
            assert!(answer.text.contains(part), "{part:?} is not in\n{}", answer.text);
        }
        assert!(!answer.finding);
    }

    #[test]
    fn a_broken_pool_is_a_finding_with_its_cure_and_events() {
        let pool = fixture::pools().remove(0);
        let event = PoolEvent {
            at: "2026-01-05T12:58:00Z".parse().unwrap(),
            reason: "Scaled".to_owned(),
            note: "from 1 to 4".to_owned(),
        };
        let now = "2026-01-05T13:00:00Z".parse().unwrap();
        let answer = answer(&pool, &Source::Objects("off".to_owned()), &[event], now);
        assert!(answer.finding);
        let wrong = &pool.conditions[0];
        assert!(
            answer.text.contains(&wrong.message) && answer.text.contains(&wrong.docs),
            "{}",
            answer.text
        );
        assert!(
            answer.text.contains("2 min ago  Scaled  from 1 to 4"),
            "{}",
            answer.text
        );
        assert_eq!(answer.value["source"], "status");
        // What nobody can judge without the broker is said once, and what has a cause of its own is not left out.
        assert!(
            answer
                .text
                .contains("    2 more conditions cannot be judged until then: WorkersKnown, TargetFeasible\n"),
            "{}",
            answer.text
        );
        assert!(
            answer.text.contains("  Degraded=True SourceLost") && !answer.text.contains("WorkersKnown=Unknown"),
            "{}",
            answer.text
        );
    }
}
