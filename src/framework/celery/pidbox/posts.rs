//! Letters on Redis: what is published, and how many clients receive it.
#![deny(clippy::disallowed_methods)]

use super::super::{
    ask::{Ask, Inspect},
    control::{self, ReplyTo},
    wire::Wire,
};
use crate::model::{Moment, Query, Reply, SampleError};

/// Question or command to publish.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) payload: Vec<u8>,
    /// Largest number of answers that it brings.
    pub(super) answers: u64,
    /// Question, if it goes to all workers.
    pub(super) to_all: Option<Inspect>,
}

/// Publication for this letter. Questions need our entry, commands do not.
pub(super) fn post(
    exchange: &str,
    (number, letter): &(usize, Ask),
    bound: bool,
    reply: &ReplyTo,
    now: Moment,
) -> Option<Post> {
    match letter {
        Ask::Inspect { method, mailbox: of } if bound => Some(Post {
            payload: control::request(*method, &of.nodes, reply, Wire::Kombu, exchange, now),
            answers: if of.nodes.is_empty() {
                u64::MAX
            } else {
                of.nodes.len() as u64
            },
            to_all: of.nodes.is_empty().then_some(*method),
        }),
        Ask::Tell { order, mailbox: of } => {
            let tag = format!("{}.{}.{number}", reply.oid, now.as_millis());
            Some(Post {
                payload: control::order(order, &of.nodes, Wire::Kombu, exchange, &tag),
                answers: 0,
                to_all: None,
            })
        }
        _ => None,
    }
}

/// Queries that publish all of them under this name.
pub(super) fn publish_on(name: &str, posts: &[Post]) -> Vec<Query> {
    let publish = |post: &Post| Query::Publish {
        channel: name.to_owned(),
        payload: post.payload.clone(),
    };
    posts.iter().map(publish).collect()
}

/// Number of clients that received each.
pub(super) fn heard(replies: Vec<Result<Reply, SampleError>>) -> Vec<Result<u64, SampleError>> {
    let number = |reply| match reply {
        Ok(Reply::Number(number)) => Ok(number),
        Ok(_) => Err(SampleError::Protocol),
        Err(error) => Err(error),
    };
    replies.into_iter().map(number).collect()
}
