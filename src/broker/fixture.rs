//! Endpoint together with Celery's messages to workers, combined as in the sampler.

use std::ops::{Deref, DerefMut};

use super::{Address, Egress, Endpoint, Kind, RabbitMqEndpoint, RedisEndpoint};
use crate::{
    framework::celery::{Ask, Pidbox},
    model::{BrokerKind, Moment, Now, Query, Reply, SampleError},
};

/// Asks the endpoint, and sends messages to workers through it.
pub struct Asker<E> {
    endpoint: E,
    pidbox: Pidbox,
}

impl Asker<RedisEndpoint> {
    pub fn redis(address: Address) -> Self {
        let db = match address.kind {
            Kind::Redis { db } => db,
            Kind::RabbitMq { .. } => 0,
        };
        Self {
            endpoint: RedisEndpoint::new(address, Egress::loopback()),
            pidbox: Pidbox::new(BrokerKind::Redis { db }, [7, 11]),
        }
    }
}

impl Asker<RabbitMqEndpoint> {
    pub fn rabbitmq(address: Address) -> Self {
        Self {
            endpoint: RabbitMqEndpoint::new(address, Egress::loopback()),
            pidbox: Pidbox::new(BrokerKind::RabbitMq { management: false }, [7, 11]),
        }
    }
}

impl<E: Endpoint> Asker<E> {
    /// Answers, one for each question, in their order.
    pub async fn sample(&mut self, asks: &[Ask], moment: Moment) -> Vec<Result<Reply, SampleError>> {
        let now = Now {
            wall: jiff::Timestamp::now(),
            moment,
        };
        let reads: Vec<Query> = asks.iter().filter_map(of_the_broker).collect();
        let mut counts = self.endpoint.sample(&reads, moment).await.into_iter();
        asks.iter().for_each(|ask| self.pidbox.write(ask.clone()));
        let mut replies = Vec::new();
        loop {
            let reads = self.pidbox.converse(replies, self.endpoint.connection(), now);
            if reads.is_empty() {
                break;
            }
            replies = self.endpoint.sample(&reads, moment).await;
        }
        let answer = |ask: &Ask| match ask.mailbox() {
            Some(mailbox) => self.pidbox.standing(mailbox, moment),
            None => counts.next().unwrap(),
        };
        asks.iter().map(answer).collect()
    }

    /// Sends what must be sent before the end.
    pub async fn farewell(mut self) {
        let reads = self.pidbox.farewell();
        let replies = self.endpoint.sample(&reads, Moment::ZERO).await;
        assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    }
}

fn of_the_broker(ask: &Ask) -> Option<Query> {
    match ask {
        Ask::Read(read) => Some(read.clone()),
        _ => None,
    }
}

impl<E> Deref for Asker<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.endpoint
    }
}

impl<E> DerefMut for Asker<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.endpoint
    }
}
