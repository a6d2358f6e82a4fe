use jiff::Timestamp;

use super::*;

/// As Celery 5.7 wrote it to Redis.
fn sample(eta: &str) -> String {
    format!(
        r#"{{"body":"W1syMC4wLCAiMCJdLCB7fSwgeyJjYWxsYmFja3MiOiBudWxsfV0=","content-encoding":"utf-8","content-type":"application/json",
 "headers":{{"lang":"py","task":"capp.sleep","id":"881221a3-0000","shadow":null,"eta":{eta},"expires":null,"group":null,"group_index":null,
  "retries":0,"timelimit":[null,null],"root_id":"r","parent_id":null,"argsrepr":"(20.0, '0')","kwargsrepr":"{{}}","origin":"gen15474@vm",
  "ignore_result":false,"replaced_task_nesting":0,"stamped_headers":null,"stamps":{{}}}},
 "properties":{{"correlation_id":"c","reply_to":"r","delivery_mode":2,"delivery_info":{{"exchange":"","routing_key":"celery"}},
  "priority":0,"body_encoding":"base64","delivery_tag":"ddb9060d"}}}}"#
    )
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

#[test]
fn a_queued_message() {
    let entry = queued(sample("null").as_bytes());
    assert_eq!((&*entry.exchange, &*entry.routing_key, entry.eta), ("", "celery", None));
    let entry = queued(sample("\"2026-11-23T10:00:00.123456+02:00\"").as_bytes());
    assert_eq!(entry.eta, at("2026-11-23T08:00:00.123456Z"));
}

#[test]
fn a_message_that_says_when_it_was_published() {
    let stamped = |value: &str| {
        let message = sample("null").replace("\"lang\":\"py\"", &format!("\"lang\":\"py\",\"enqueued_at\":{value}"));
        queued(message.as_bytes())
    };
    assert_eq!(stamped("1795343146.25").published, at("2026-11-22T10:25:46.25Z"));
    assert_eq!(
        stamped("\"2026-11-22T10:25:46Z\"").published,
        at("2026-11-22T10:25:46Z")
    );
    for odd in ["null", "\"yesterday\"", "[[1]]", "{\"a\":1}"] {
        let entry = stamped(odd);
        assert_eq!((entry.published, &*entry.routing_key), (None, "celery"), "{odd}");
    }
    assert_eq!(queued(sample("null").as_bytes()).published, None);
}

#[test]
fn an_unacked_entry() {
    let entry = unacked(
        format!(
            r#"[{}, "tasks", "report.daily"]"#,
            sample("\"2026-11-23T10:00:00+00:00\"")
        )
        .as_bytes(),
    );
    assert_eq!((&*entry.exchange, &*entry.routing_key), ("tasks", "report.daily"));
    assert_eq!(entry.eta, at("2026-11-23T10:00:00Z"));
}

#[test]
fn due_times() {
    for (eta, truth) in [
        ("2026-11-23T10:00:00", at("2026-11-23T10:00:00Z")),
        ("2026-11-23T10:00:00.5", at("2026-11-23T10:00:00.5Z")),
        ("2026-11-23 10:00:00-05:30", at("2026-11-23T15:30:00Z")),
        ("2026-11-23T10:00:00Z", at("2026-11-23T10:00:00Z")),
        ("", None),
        ("tomorrow", None),
        ("99999-01-01T00:00:00", None),
        ("2026-02-31T00:00:00", None),
    ] {
        assert_eq!(iso_8601(eta), truth, "{eta}");
    }
}

#[test]
fn one_odd_field_does_not_spoil_its_neighbours() {
    for odd in ["7", "-7", "1.5", "true", "[[{}]]", "{\"a\":[1]}", "1e999"] {
        let entry = queued(sample(odd).as_bytes());
        let ok = odd != "1e999";
        assert_eq!(entry.routing_key, if ok { "celery" } else { "" }, "{odd}");
        assert_eq!(entry.eta, None);
    }
    let entry = unacked(br#"[{"headers":{}}, null, "q"]"#);
    assert_eq!((&*entry.exchange, &*entry.routing_key), ("", "q"));
}

#[test]
fn hostile_bytes_are_an_unknown_message() {
    let deep = "[".repeat(200_000);
    let deep_body = format!(r#"{{"body":{}"#, "{\"a\":".repeat(200_000));
    let long = format!(r#"[{{}},"","{}"]"#, "q".repeat(256));
    let cases: Vec<&[u8]> = vec![
        b"",
        b"null",
        b"1",
        b"\xff\xfe",
        b"[]",
        b"[{}]",
        b"[{},\"\",\"q\",1]",
        b"{\"headers\":1}",
        b"(dp0\nS'pickle'",
        deep.as_bytes(),
        deep_body.as_bytes(),
        long.as_bytes(),
    ];
    for bytes in cases {
        assert_eq!(queued(bytes), MessageInfo::default());
        assert_eq!(unacked(bytes), MessageInfo::default());
    }
}

#[test]
fn a_deep_body_is_skipped_without_recursion() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let message = sample("null").replace("\"lang\":\"py\"", &format!("\"lang\":{deep}"));
    assert_eq!(queued(message.as_bytes()).routing_key, "celery");
}
