//! Samplers: one for each distinct address, shared by its pools.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use tokio::sync::mpsc;

use crate::broker::{
    self, Address, Clock, Egress, Kind, PoolId, RabbitMqEndpoint, RedisEndpoint, Sampled, SamplerHandle, SamplerInput,
};

/// Samplers by address.
pub struct Endpoints {
    clock: Clock,
    egress: Egress,
    out: mpsc::Sender<Sampled>,
    samplers: HashMap<Arc<Address>, (SamplerHandle, BTreeSet<PoolId>)>,
}

impl Endpoints {
    /// Connections go only where `egress` allows; samples are sent to `out`.
    pub fn new(clock: Clock, egress: Egress, out: mpsc::Sender<Sampled>) -> Self {
        Self {
            clock,
            egress,
            out,
            samplers: HashMap::new(),
        }
    }

    /// Samples for this pool at this address from now on; uses an endpoint that exists already.
    pub fn join(&mut self, address: &Arc<Address>, id: PoolId, subscription: SamplerInput) {
        let new = || {
            (
                sampler(address, self.egress.clone(), self.clock, self.out.clone()),
                BTreeSet::new(),
            )
        };
        let (sampler, users) = self.samplers.entry(address.clone()).or_insert_with(new);
        users.insert(id);
        sampler.send(subscription);
    }

    /// Sends the sampler at this address an input for a pool.
    pub fn tell(&self, address: &Arc<Address>, subscription: SamplerInput) {
        if let Some((sampler, _)) = self.samplers.get(address) {
            sampler.send(subscription);
        }
    }

    /// Rules for connections.
    pub fn egress(&self) -> Egress {
        self.egress.clone()
    }

    /// Ends the samples for this pool; the last pool to leave closes the connection.
    pub fn leave(&mut self, address: &Arc<Address>, id: PoolId) {
        if let Some((sampler, users)) = self.samplers.get_mut(address) {
            users.remove(&id);
            sampler.send(SamplerInput::Remove { id });
            if users.is_empty() {
                self.samplers.remove(address);
            }
        }
    }
}

/// Starts a sampler of this broker.
pub fn sampler(address: &Address, egress: Egress, clock: Clock, out: mpsc::Sender<Sampled>) -> SamplerHandle {
    match address.kind {
        Kind::Redis { .. } => broker::spawn(RedisEndpoint::new(address.clone(), egress), clock, out),
        Kind::RabbitMq { .. } => broker::spawn(RabbitMqEndpoint::new(address.clone(), egress), clock, out),
    }
}
