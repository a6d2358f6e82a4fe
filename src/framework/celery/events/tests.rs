use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::*;

/// As a Celery 5.7 worker sent it.
const HEARTBEAT: &str = r#"{"hostname":"w1@vm","utcoffset":0.0,"pid":27096,"clock":7,"freq":2.0,"active":1,"processed":17,
 "loadavg":[6.63,7.66,4.75],"sw_ident":"py-celery","sw_ver":"5.7.0","sw_sys":"Linux","timestamp":1795343146.68,"type":"worker-heartbeat"}"#;

fn plain(body: &str) -> Vec<WorkerSignal> {
    read(body.as_bytes(), Wire::Plain)
}

fn heartbeat(active: u32, processed: u64) -> Vec<WorkerSignal> {
    let node = "w1@vm".into();
    vec![WorkerSignal::Heartbeat {
        node,
        active,
        processed,
        interval: std::time::Duration::from_secs(2),
    }]
}

#[test]
fn a_heartbeat_on_both_wires() {
    let envelope = format!(
        r#"{{"body":"{}","content-encoding":"utf-8","content-type":"application/json","headers":{{"hostname":"w1@vm"}},
        "properties":{{"delivery_mode":1,"delivery_info":{{"exchange":"celeryev","routing_key":"worker.heartbeat"}},"priority":0,
        "body_encoding":"base64","delivery_tag":"d"}}}}"#,
        STANDARD.encode(HEARTBEAT)
    );
    assert_eq!(read(envelope.as_bytes(), Wire::Kombu), heartbeat(1, 17));
    assert_eq!(plain(HEARTBEAT), heartbeat(1, 17));
    assert_eq!(read(HEARTBEAT.as_bytes(), Wire::Kombu), vec![]);
    assert_eq!(read(envelope.as_bytes(), Wire::Plain), vec![]);
}

#[test]
fn coming_and_going() {
    let mut came = heartbeat(1, 17);
    came.push(WorkerSignal::Online { node: "w1@vm".into() });
    assert_eq!(plain(&HEARTBEAT.replace("heartbeat", "online")), came);
    let gone = WorkerSignal::Offline { node: "w1@vm".into() };
    assert_eq!(plain(&HEARTBEAT.replace("heartbeat", "offline")), vec![gone]);
    assert_eq!(plain(&HEARTBEAT.replace("worker-heartbeat", "task-received")), vec![]);
}

#[test]
fn numbers_are_clamped() {
    for (number, active, processed) in [
        ("-3", 0, 0),
        ("2.9", 2, 2),
        ("null", 0, 0),
        ("99999999999", 10_000, 99_999_999_999),
        ("1e300", 10_000, u64::MAX),
    ] {
        let body = HEARTBEAT
            .replace("\"active\":1", &format!("\"active\":{number}"))
            .replace("\"processed\":17", &format!("\"processed\":{number}"));
        assert_eq!(plain(&body), heartbeat(active, processed), "{number}");
    }
}

#[test]
fn anything_else_says_nothing() {
    let long = HEARTBEAT.replace("w1@vm", &"n".repeat(256));
    let cases = [
        "",
        "null",
        "[]",
        &format!("[{HEARTBEAT}]"),
        r#"["worker-heartbeat","w1@vm",1,1]"#,
        r#"{"type":"worker-heartbeat"}"#,
        r#"{"type":"worker-heartbeat","hostname":7}"#,
        r#"{"type":"worker-heartbeat","hostname":""}"#,
        r#"{"type":"worker-heartbeat","hostname":"a\u0000b@c"}"#,
        r#"{"type":"worker-heartbeat","hostname":"a@b\n"}"#,
        r#"{"type":"worker-heartbeat","hostname":"a@b","active":"1"}"#,
        &long,
        &"[".repeat(100_000),
    ];
    for case in cases {
        assert_eq!(plain(case), vec![], "{}", case.get(..80).unwrap_or(case));
    }
    assert_eq!(read(br#"{"body":"not base64!"}"#, Wire::Kombu), vec![]);
    assert_eq!(read(br#"{"body":"/w=="}"#, Wire::Kombu), vec![]);
}

proptest! {
    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(read(&bytes, Wire::Plain), vec![]);
        prop_assert_eq!(read(&bytes, Wire::Kombu), vec![]);
    }
}
