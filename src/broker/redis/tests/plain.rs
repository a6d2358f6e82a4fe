//! Reads that are one command each.
use super::*;
use crate::model::{ListEnd, StreamGroup};

fn key() -> String {
    "k".to_owned()
}

fn texts(texts: &[Option<&str>]) -> Result<Reply, SampleError> {
    let texts = texts.iter().map(|text| text.map(str::to_owned));
    Ok(Reply::Texts(texts.collect()))
}

/// What each read sends, what the server says, and what that means.
#[tokio::test]
async fn a_read_is_one_command_and_its_reply() {
    let group = |name: &str, rest: &[(&str, Vec<u8>)]| {
        let rest = rest.iter().flat_map(|(field, value)| [bulk(field), value.clone()]);
        array([bulk("name"), bulk(name)].into_iter().chain(rest))
    };
    let entry = |id: &str| array([bulk(id), array([bulk("data"), bulk("{}")])]);
    for (query, sent, said, meant) in [
        (
            Query::ListLength { key: key() },
            "LLEN k",
            b":7\r\n".to_vec(),
            Ok(Reply::Number(7)),
        ),
        (
            Query::Exists { key: key() },
            "EXISTS k",
            b":1\r\n".to_vec(),
            Ok(Reply::Number(1)),
        ),
        (
            Query::ListEnd {
                key: key(),
                end: ListEnd::Left,
            },
            "LINDEX k 0",
            bulk("id"),
            texts(&[Some("id")]),
        ),
        (
            Query::ListEnd {
                key: key(),
                end: ListEnd::Right,
            },
            "LINDEX k -1",
            b"$-1\r\n".to_vec(),
            texts(&[None]),
        ),
        (
            Query::ScoreCount {
                key: key(),
                up_to: None,
            },
            "ZCOUNT k -inf +inf",
            b":2\r\n".to_vec(),
            Ok(Reply::Number(2)),
        ),
        (
            Query::ScoreCount {
                key: key(),
                up_to: Some(12),
            },
            "ZCOUNT k -inf 12",
            b"-WRONGTYPE Operation against a key\r\n".to_vec(),
            Err(SampleError::WrongType),
        ),
        (
            Query::LowestScore { key: key() },
            "ZRANGE k 0 0 WITHSCORES",
            array([bulk("id"), bulk("1.5")]),
            texts(&[Some("id"), Some("1.5")]),
        ),
        (
            Query::HashFields {
                key: key(),
                fields: &["state", "hostname"],
            },
            "HMGET k state hostname",
            array([bulk("idle"), b"$-1\r\n".to_vec()]),
            texts(&[Some("idle"), None]),
        ),
        (
            Query::StreamGroups { key: key() },
            "XINFO GROUPS k",
            array([
                group(
                    "new",
                    &[
                        ("consumers", b":1\r\n".to_vec()),
                        ("pending", b":4\r\n".to_vec()),
                        ("last-delivered-id", bulk("5-1")),
                        ("entries-read", b"$-1\r\n".to_vec()),
                        ("lag", b":9\r\n".to_vec()),
                    ],
                ),
                group("old", &[("pending", b":1\r\n".to_vec()), ("lag", b"$-1\r\n".to_vec())]),
            ]),
            Ok(Reply::Groups(vec![
                StreamGroup {
                    name: "new".into(),
                    consumers: 1,
                    pending: 4,
                    lag: Some(9),
                    last_delivered: "5-1".into(),
                },
                StreamGroup {
                    name: "old".into(),
                    pending: 1,
                    ..StreamGroup::default()
                },
            ])),
        ),
        (
            Query::StreamGroups { key: key() },
            "XINFO GROUPS k",
            b"-ERR no such key\r\n".to_vec(),
            Ok(Reply::Missing),
        ),
        (
            Query::StreamAfter {
                key: key(),
                after: "5-1".into(),
                most: 100,
            },
            "XRANGE k 5-2 + COUNT 100",
            array([entry("6-0"), entry("7-0")]),
            texts(&[Some("6-0"), Some("7-0")]),
        ),
        (
            Query::StreamAfter {
                key: key(),
                after: "5".into(),
                most: 1,
            },
            "XRANGE k 5-1 + COUNT 1",
            array([]),
            texts(&[]),
        ),
        (
            Query::StreamGroups { key: key() },
            "XINFO GROUPS k",
            b":1\r\n".to_vec(),
            Err(SampleError::Protocol),
        ),
    ] {
        let server = Server::start(move |_, _| Act::Say(said.clone())).await;
        let mut endpoint = endpoint(&server);
        assert_eq!(
            endpoint.sample(std::slice::from_ref(&query), seconds(1)).await,
            [meant],
            "{query:?}"
        );
        assert_eq!(server.log(), [sent]);
    }
}

/// Where there are several servers, the key says which one is asked.
#[test]
fn a_command_carries_the_key_that_it_names() {
    let (key, member) = (key(), "member".to_owned());
    let words = |query: &Query| {
        let mut commands = Commands::default();
        Question::new(query).ask(&mut commands);
        commands.key(0).map(|key| String::from_utf8_lossy(key).into_owned())
    };
    for query in [
        list("k"),
        set("k"),
        Query::ScanHash {
            hash: key.clone(),
            index: "index".to_owned(),
            decoder: message::UNACKED,
        },
        Query::ListLength { key: key.clone() },
        Query::Exists { key: key.clone() },
        Query::ListEnd {
            key: key.clone(),
            end: ListEnd::Left,
        },
        Query::ScoreCount {
            key: key.clone(),
            up_to: Some(12),
        },
        Query::LowestScore { key: key.clone() },
        Query::HashFields {
            key: key.clone(),
            fields: &["state", "", "a-hostname-of-more-than-nine-letters"],
        },
        Query::StreamGroups { key: key.clone() },
        Query::StreamAfter {
            key: key.clone(),
            after: "5-1".to_owned(),
            most: 100,
        },
        Query::AddMember {
            key: key.clone(),
            member: member.clone(),
        },
        Query::RemoveMember {
            key: key.clone(),
            member,
        },
        Query::Delete { key: key.clone() },
    ] {
        assert_eq!(words(&query).as_ref(), Some(&key), "{query:?}");
    }
    let publish = Query::Publish {
        channel: "k".to_owned(),
        payload: b"x".as_slice().into(),
    };
    assert_eq!(words(&publish), None, "any server passes it on");
}

#[tokio::test]
async fn an_empty_list_is_doubted_right_after_a_reconnect() {
    let server = Server::start(|connection, _| match connection {
        1 => Act::Last(b":3\r\n".to_vec()),
        _ => say(":0\r\n"),
    })
    .await;
    let mut endpoint = endpoint(&server);
    let reads = [Query::ListLength { key: key() }];
    assert_eq!(endpoint.sample(&reads, seconds(1)).await, [Ok(Reply::Number(3))]);
    assert!(
        endpoint.sample(&reads, seconds(2)).await[0].is_err(),
        "the connection has ended"
    );
    assert_eq!(
        endpoint.sample(&reads, seconds(9)).await,
        [Err(SampleError::JustReconnected)]
    );
    assert_eq!(endpoint.sample(&reads, seconds(30)).await, [Ok(Reply::Number(0))]);
}

#[tokio::test]
async fn a_stream_that_is_gone_is_doubted_right_after_a_reconnect() {
    let group = |pending: &str| {
        let pending = format!(":{pending}\r\n").into_bytes();
        array([array([bulk("name"), bulk("g"), bulk("pending"), pending])])
    };
    let server = Server::start(move |connection, _| match connection {
        1 => Act::Last(group("2")),
        _ => say("-ERR no such key\r\n"),
    })
    .await;
    let mut endpoint = endpoint(&server);
    let reads = [Query::StreamGroups { key: key() }];
    assert!(matches!(
        endpoint.sample(&reads, seconds(1)).await[0],
        Ok(Reply::Groups(_))
    ));
    assert!(endpoint.sample(&reads, seconds(2)).await[0].is_err());
    assert_eq!(
        endpoint.sample(&reads, seconds(9)).await,
        [Err(SampleError::JustReconnected)]
    );
    assert_eq!(endpoint.sample(&reads, seconds(30)).await, [Ok(Reply::Missing)]);
}
