//! RabbitMQ's management API, in the only form that is fresh and always there: the totals
//! (`disable_stats=true&enable_queue_totals=true`). The default statistics are up to 10 s old, say 0 for new queues, and
//! are gone where metrics collection is off.
//!
//! | file | concept |
//! |---|---|
//! | `management.rs` | the client: which form is asked, page by page |
//! | `http.rs` | one kept-alive connection, bounded in bytes and headers |
//! | `page.rs` | paths and bodies (pure) |

mod http;
mod page;

use std::{collections::BTreeMap, time::Duration};

use tokio::time::timeout;

use self::{
    http::Http,
    page::{Body, Item, Paths, QueuePage},
};
use super::{Egress, Management, Tls};
use crate::model::{Reply, SampleError};

/// Time for all requests of one call. No sample waits for it.
const DEADLINE: Duration = Duration::from_secs(5);

/// Largest number of queues that are asked one by one, if the server can do that.
const FEW: usize = 10;

/// Largest number of pages; a virtual host with more queues than fit on them cannot be sampled this way.
const PAGES: u64 = 64;

/// Answers, one for each queue.
type Answers = Vec<Result<Reply, SampleError>>;

/// Client of one virtual host's management API.
#[derive(Debug)]
pub(super) struct Client {
    http: Http,
    paths: Paths,
    /// Whether the server is older than 4.0: it leaves the totals out of the form for a single queue.
    old: bool,
    /// Whether the server has found one of the queues once.
    knows: bool,
}

impl Client {
    /// Client that connects when it is first asked, with `tls` if the API is https.
    pub(super) fn new(egress: Egress, management: Management, vhost: &str, tls: Tls) -> Self {
        Self {
            paths: Paths::new(&management.path, vhost),
            http: Http::new(egress, management, tls),
            old: false,
            knows: false,
        }
    }

    /// Number of ready and of unacknowledged messages of each queue, in the order asked.
    ///
    /// # Errors
    /// There is no answer for any of them.
    pub(super) async fn totals(&mut self, queues: &[&str]) -> Result<Answers, SampleError> {
        match timeout(DEADLINE, self.ask(queues)).await {
            Ok(answers) => answers.map_err(of_the_api),
            Err(_) => {
                self.http.disconnect();
                Err(SampleError::ManagementTimeout)
            }
        }
    }

    async fn ask(&mut self, queues: &[&str]) -> Result<Answers, SampleError> {
        if !self.old
            && queues.len() <= FEW
            && let Some(answers) = self.one_by_one(queues).await?
        {
            return Ok(answers);
        }
        let found = self.list(queues).await?;
        // A node that is cut off from its cluster says that there is nothing.
        if found.is_empty() && self.knows {
            return Err(SampleError::Management);
        }
        self.knows = self.knows || !found.is_empty();
        let answer = |queue: &&str| match found.get(*queue) {
            Some(item) => item.totals(),
            None => Ok(Reply::Missing),
        };
        Ok(queues.iter().map(answer).collect())
    }

    /// Answers of the form for a single queue; `None`: only the list form can answer. That is so on servers before 4.0,
    /// and when a queue is not found: the queue may be missing, or the operator may lack the right to see the virtual
    /// host.
    async fn one_by_one(&mut self, queues: &[&str]) -> Result<Option<Answers>, SampleError> {
        let mut answers = Vec::with_capacity(queues.len());
        for queue in queues {
            let Body::Found(body) = self.http.get(&self.paths.queue(queue)).await? else {
                return Ok(None);
            };
            let item = page::queue(&body)?;
            if item.has_no_totals() {
                self.old = true;
                return Ok(None);
            }
            answers.push(item.totals());
        }
        self.knows = true;
        Ok(Some(answers))
    }

    /// Totals of the list form, page by page until all of `queues` are found or the pages end.
    async fn list(&mut self, queues: &[&str]) -> Result<BTreeMap<String, Item>, SampleError> {
        let mut found = BTreeMap::new();
        for number in 1..=PAGES {
            let Body::Found(body) = self.http.get(&self.paths.page(queues, number)).await? else {
                return Err(SampleError::Management);
            };
            let QueuePage { items, page_count } = page::list(&body)?;
            let wanted = items.into_iter().filter(|item| queues.contains(&item.name.as_str()));
            found.extend(wanted.map(|item| (item.name.clone(), item)));
            if number >= page_count || queues.iter().all(|queue| found.contains_key(*queue)) {
                return Ok(found);
            }
        }
        Err(SampleError::TooLarge)
    }
}

/// The same error as one of the management API: it is another server than the broker.
fn of_the_api(error: SampleError) -> SampleError {
    match error {
        SampleError::Timeout => SampleError::ManagementTimeout,
        SampleError::Authentication => SampleError::ManagementAuthentication,
        SampleError::Dns | SampleError::Refused | SampleError::Disconnected => SampleError::ManagementUnreachable,
        SampleError::TlsNotSpoken
        | SampleError::TlsExpected
        | SampleError::TlsCertificate
        | SampleError::TlsIdentity => SampleError::ManagementTls,
        SampleError::NotAllowed => SampleError::NotAllowed,
        _ => SampleError::Management,
    }
}

#[cfg(test)]
mod tests;
