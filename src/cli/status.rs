//! `kubectl twp status`: all pools on one screen, the worst first.

use serde_json::json;

use super::{
    Answer, OutputArgs,
    cluster::{ClusterArgs, Connection, Source, block_on, worst_first},
    columns::{columns, plain},
};
use crate::{
    model::form,
    view::{
        State,
        types::{Pool, Work},
    },
};

const EXAMPLES: &str = "\
States, the worst first: Broken (the spec does not work), Degraded (something keeps the pool from its target), Late (the oldest task has
waited for longer than the wait target), Unknown (not counted yet), Limited (by maxReplicas), Scaling, Working, Idle, Suspended.
Ends with 2 if a pool is broken, degraded or late.

Examples:
  kubectl twp status -A
  kubectl twp status -n shop -o json";

/// Shows all pools, the worst first.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    /// Pools of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
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
/// Why the pools cannot be read.
pub fn run(args: &StatusArgs) -> Result<Answer, String> {
    let (mut pools, overlooked, source) = block_on(async {
        let connection = Connection::new(&args.cluster).await?;
        let (pools, source) = connection.pools(args.all_namespaces).await?;
        let overlooked = match source {
            Source::Operator => connection.overlooked(args.all_namespaces, &pools).await,
            Source::Objects(_) => Vec::new(),
        };
        Ok((pools, overlooked, source))
    })?;
    let told = unknown(&overlooked);
    pools.extend(overlooked);
    worst_first(&mut pools);
    let mut answer = answer(&pools, &source, args.all_namespaces);
    answer.aside += &told;
    Ok(answer)
}

/// What is said of pools that the operator does not know.
fn unknown(pools: &[Pool]) -> String {
    let Some(first) = pools.first() else {
        return String::new();
    };
    let (number, of) = (pools.len(), form(pools.len() as u64, "pool is", "pools are"));
    format!(
        "{number} {of} unknown to the operator that was asked, such as `{}/{}`: it does not watch the namespace (`watchNamespaces` of the chart), \
         or has not seen it yet. What is shown is the object's last status.\n",
        plain(&first.namespace),
        plain(&first.name)
    )
}

/// Whether somebody ought to look.
pub(super) fn is_finding(state: State) -> bool {
    matches!(state, State::Broken | State::Degraded | State::Late)
}

fn answer(pools: &[Pool], source: &Source, everywhere: bool) -> Answer {
    Answer {
        text: text(pools, everywhere),
        aside: source.aside(),
        value: json!({"source": source.name(), "pools": pools}),
        finding: pools.iter().any(|pool| is_finding(pool.state)),
        ..Answer::default()
    }
}

fn text(pools: &[Pool], everywhere: bool) -> String {
    if pools.is_empty() {
        return match everywhere {
            true => "There is no TaskWorkerPool.\n".to_owned(),
            false => "There is no TaskWorkerPool in this namespace; -A shows all.\n".to_owned(),
        };
    }
    let head = ["STATE", "POOL", "WAIT", "WAITING", "RUNNING", "REPLICAS", "WHY"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(pools.iter().map(|pool| row(pool, everywhere)));
    columns(&rows) + &summary(pools)
}

fn row(pool: &Pool, everywhere: bool) -> [String; 7] {
    [
        format!("{:?}", pool.state),
        match everywhere {
            true => format!("{}/{}", pool.namespace, pool.name),
            false => pool.name.clone(),
        },
        wait(pool),
        tasks(pool, |work| work.waiting),
        tasks(pool, |work| work.running),
        replicas(pool),
        pool.message.clone(),
    ]
}

/// Number of tasks; with `?` if it was so when the broker could be read last.
pub(super) fn tasks(pool: &Pool, of: fn(&Work) -> u64) -> String {
    match &pool.work {
        Some(work) if work.fresh => of(work).to_string(),
        Some(work) => format!("{}?", of(work)),
        None => "?".to_owned(),
    }
}

/// How long the oldest task has waited, of how long it may.
pub(super) fn wait(pool: &Pool) -> String {
    let target = pool.promise.wait_seconds.map(|target| format!("/{target} s"));
    let work = pool.work.as_ref().filter(|work| work.fresh);
    let oldest = work.and_then(|work| match work.waiting {
        0 => Some(0),
        _ => work.oldest_wait_seconds,
    });
    let oldest = oldest.map_or("?".to_owned(), |oldest| oldest.to_string());
    match target {
        Some(target) => oldest + &target,
        None => format!("{oldest} s"),
    }
}

/// Replicas that are there, that are wanted, and the most there may be.
pub(super) fn replicas(pool: &Pool) -> String {
    let number = |number: Option<u32>| number.map_or("?".to_owned(), |number| number.to_string());
    let there = match (pool.replicas.set, pool.replicas.ready) {
        (Some(set), Some(ready)) if ready < set => format!("{set} ({ready} ready)"),
        (set, _) => number(set),
    };
    match pool.replicas.wanted {
        wanted if wanted == pool.replicas.set => format!("{there} of {}", pool.replicas.max),
        wanted => format!("{there} > {} of {}", number(wanted), pool.replicas.max),
    }
}

/// `4 pools: 1 degraded, 3 working.`
pub(super) fn summary(pools: &[Pool]) -> String {
    let mut by_state: Vec<(State, usize)> = Vec::new();
    for pool in pools {
        match by_state.last_mut() {
            Some((state, number)) if *state == pool.state => *number += 1,
            _ => by_state.push((pool.state, 1)),
        }
    }
    let each = by_state
        .iter()
        .map(|(state, number)| format!("{number} {}", format!("{state:?}").to_lowercase()));
    let all = pools.len();
    format!(
        "{all} {}: {}.\n",
        form(all as u64, "pool", "pools"),
        each.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    #[test]
    fn all_pools_are_on_one_screen_and_the_worst_ends_with_a_finding() {
        let pools = fixture::pools();
        let answer = answer(&pools, &Source::Operator, true);
        assert!(answer.finding, "{}", answer.text);
        let first = answer.text.lines().nth(1).unwrap_or_default().to_owned();
        let worst = &pools[0];
        assert!(first.starts_with(&format!("{:?} ", worst.state)), "{first}");
        assert!(
            first.contains(&format!("{}/{}", worst.namespace, worst.name)),
            "{first}"
        );
        let last = answer.text.lines().last().unwrap_or_default();
        assert!(last.starts_with(&format!("{} pools: ", pools.len())), "{last}");
        assert_eq!(answer.aside, "");
        assert!(answer.value["pools"][0]["name"].is_string());
    }

    #[test]
    fn numbers_that_nobody_knows_are_no_zeros() {
        let mut pool = fixture::pools().remove(0);
        pool.work = None;
        pool.replicas = crate::view::types::Replicas {
            max: 9,
            ..Default::default()
        };
        let row = row(&pool, false);
        assert_eq!(
            (row[3].as_str(), row[4].as_str(), row[5].as_str()),
            ("?", "?", "? of 9")
        );
        pool.replicas.set = Some(3);
        pool.replicas.ready = Some(1);
        pool.replicas.wanted = Some(5);
        assert_eq!(replicas(&pool), "3 (1 ready) > 5 of 9");
    }

    #[test]
    fn where_the_operator_cannot_be_asked_it_is_said_beside_the_table() {
        let answer = answer(&[], &Source::Objects("its view is off".to_owned()), false);
        assert!(answer.aside.contains("its view is off"), "{}", answer.aside);
        assert!(!answer.finding && answer.text.contains("-A shows all"));
    }
}
