use super::*;

fn owned(exchange: &str, key: &str, members: &[&str]) -> Owner {
    let members: Vec<_> = members
        .iter()
        .map(|member| member.replace('|', "\u{6}\u{16}"))
        .collect();
    let queues = ["mail".to_owned(), "reports".to_owned()];
    owner(exchange, key, &queues, &bindings(&members, "\u{6}\u{16}"))
}

#[test]
fn whose_an_entry_is() {
    use Owner::{Other, Pool, Unknown};
    for (exchange, key, members, truth) in [
        ("", "mail", &[][..], Pool),
        ("", "other", &[], Other),
        ("", "", &[], Unknown),
        // Bindings not known.
        ("tasks", "mail", &[], Pool),
        ("tasks", "report.daily", &[], Unknown),
        ("tasks", "", &[], Unknown),
        // Direct: equal keys.
        ("tasks", "daily", &["daily||reports"], Pool),
        ("tasks", "daily", &["daily||other", "weekly||reports"], Other),
        ("tasks", "mail", &["mail||other"], Other),
        // Topic.
        ("tasks", "report.daily", &[r"report.#|^report\..*?$|reports"], Pool),
        ("tasks", "mail.daily", &[r"report.#|^report\..*?$|reports"], Other),
        // Fanout.
        ("all", "whatever", &["||reports"], Pool),
        ("all", "", &["||other"], Other),
        // What is no binding is none.
        ("tasks", "report.daily", &["odd", "", "a|b"], Unknown),
    ] {
        assert_eq!(owned(exchange, key, members), truth, "{exchange} {key} {members:?}");
    }
}

#[test]
fn topics_as_kombu_matches_them() {
    // Checked with kombu 5.7's own `TopicExchange`.
    for (pattern, key, truth) in [
        ("report.#", "report.daily", true),
        ("report.#", "report.daily.eu", true),
        ("report.#", "report.", true),
        ("report.#", "report", false),
        ("report.#", "reports.daily", false),
        ("#", "", true),
        ("#", "a.b", true),
        ("*", "a", true),
        ("*", "", false),
        ("*.daily", "report.daily", true),
        ("*.daily", ".daily", false),
        ("report.*", "report.daily.eu", false),
        ("report.*", "report.daily.", false),
        ("#.eu.#", "a.b.eu.c", true),
        ("#.eu.#", "eu", false),
        ("*.*", "a.b", true),
        ("*.#", "a.b.c", true),
        ("#.*", "a.b.c", true),
        ("*", "a.", false),
        ("", "", true),
        ("", "a", false),
        ("é.#", "é.ü", true),
    ] {
        assert_eq!(topic_matches(pattern, key), truth, "{pattern} {key}");
    }
    let (pattern, key) = (vec!["#"; 100].join("."), vec!["a"; 200].join("."));
    assert!(topic_matches(&pattern, &key), "no pattern takes long");
}

#[test]
fn parts_are_rounded_up() {
    assert_eq!(part(10, 0, 0), 10);
    assert_eq!(part(10, 0, 3), 0);
    assert_eq!(part(10, 1, 3), 4);
    assert_eq!(part(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
    assert_eq!(part(u64::MAX, u64::MAX, 1), u64::MAX);
}
