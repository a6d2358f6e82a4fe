//! Asks the cluster again and again for what is looked at.

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use super::state::{Told, Wanted};
use crate::{
    cli::cluster::{Connection, Source},
    model::Backoff,
};

/// Shortest time between two looks at the objects: their statuses are not written more often.
const OBJECTS: Duration = Duration::from_secs(5);
/// Longest time until it is tried again.
const LONGEST: Duration = Duration::from_secs(30);

/// Asks for what is wanted, at once when that changes and else in this rhythm; ends when nobody listens any more.
pub(super) async fn watch(
    connection: Connection,
    everywhere: bool,
    every: Duration,
    mut wanted: watch::Receiver<Wanted>,
    told: mpsc::Sender<(Wanted, Told)>,
) {
    let mut backoff = Backoff::default();
    loop {
        let asked = wanted.borrow_and_update().clone();
        let answer = tokio::select! {
            answer = ask(&connection, everywhere, &asked) => answer,
            changed = wanted.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let (answer, pause) = match answer {
            Ok((answer, source)) => {
                backoff.succeeded();
                let pause = if source == Source::Operator {
                    every
                } else {
                    every.max(OBJECTS)
                };
                (answer, pause)
            }
            Err(why) => {
                let pause = backoff.failed(every, every.max(LONGEST));
                (Told::Failed(why, pause), pause)
            }
        };
        if told.send((asked, answer)).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(pause) => {}
            changed = wanted.changed() => if changed.is_err() { return },
        }
    }
}

async fn ask(connection: &Connection, everywhere: bool, wanted: &Wanted) -> Result<(Told, Source), String> {
    match wanted {
        Wanted::Pools => {
            let (pools, source) = connection.pools(everywhere).await?;
            Ok((Told::Pools(pools, source.clone()), source))
        }
        Wanted::Pool(key) => {
            let (pool, source) = connection.pool(key).await?;
            Ok((Told::Pool(Box::new(pool), source.clone()), source))
        }
    }
}
