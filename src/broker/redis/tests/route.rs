//! Several servers behind one route: what happens to one of them concerns nobody else's keys.

use futures::future::BoxFuture;

use super::*;
use crate::broker::redis::route::Take;

/// Two servers, one for the keys that begin with `a`, one for those with `b`; the second one may be broken.
#[derive(Clone, Debug, Default)]
struct Two(Arc<std::sync::Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    broken: Option<NoReply>,
    connections: u64,
    asked: Vec<String>,
}

impl Route for Two {
    fn begin(&mut self, _: Moment) {}

    fn ask_each<'a>(&'a mut self, commands: &'a Commands, take: &'a mut Take<'_>) -> BoxFuture<'a, ()> {
        let mut state = self.0.lock().unwrap();
        // Servers answer when they like.
        for place in (0..commands.count()).rev() {
            let key = commands.key(place).unwrap();
            state.asked.push(String::from_utf8_lossy(key).into_owned());
            let size = i64::from(!key.ends_with(b"empty"));
            take(place, Ok(Value::Number(size)));
            if let (b'b', Some(why)) = (key[0], state.broken) {
                take(place, Err(why));
            }
        }
        Box::pin(std::future::ready(()))
    }

    fn read(&self) -> u64 {
        0
    }

    fn generation(&self, _: Option<&[u8]>) -> u64 {
        self.0.lock().unwrap().connections
    }
}

fn length(key: &str) -> Query {
    Query::ListLength { key: key.to_owned() }
}

#[tokio::test]
async fn a_broken_server_fails_its_own_keys_alone() {
    let two = Two::default();
    let mut redis = RedisEndpoint::new(address(1), Egress::loopback());
    redis.route = Box::new(two.clone());
    let reads = ["a1", "b1", "a-empty", "b-empty", "a2"].map(length);
    let mut sample = async |at| redis.sample(&reads, seconds(at)).await;
    let [one, none] = [1, 0].map(|size| Ok(Reply::Number(size)));
    let well = [&one, &one, &none, &none, &one].map(Clone::clone);
    assert_eq!(sample(1).await, well);
    for error in [
        SampleError::Disconnected,
        SampleError::Timeout,
        SampleError::TooLarge,
        SampleError::Authentication,
    ] {
        two.0.lock().unwrap().broken = Some(NoReply::suspect(error));
        let broken = Err(error);
        let expected = [&one, &broken, &none, &broken, &one].map(Clone::clone);
        assert_eq!(sample(2).await, expected, "{error:?}");
    }
    two.0.lock().unwrap().broken = None;
    assert_eq!(sample(3).await, well);
    assert_eq!(
        two.0.lock().unwrap().asked[..5],
        ["a2", "b-empty", "a-empty", "b1", "a1"]
    );
}

#[tokio::test]
async fn another_generation_is_another_connection_and_doubts_a_fall_to_zero() {
    let two = Two::default();
    let mut redis = RedisEndpoint::new(address(1), Egress::loopback());
    redis.route = Box::new(two.clone());
    let read = list("a");
    redis.memory.begin(seconds(1));
    redis.memory.believe(&read, 1).unwrap();
    two.0.lock().unwrap().connections = 7;
    assert_eq!(
        redis.sample(&[length("a-empty")], seconds(2)).await,
        [Ok(Reply::Number(0))]
    );
    assert_eq!(redis.connection(), 7);
    assert_eq!(redis.memory.believe(&read, 0), Err(SampleError::JustReconnected));
}
