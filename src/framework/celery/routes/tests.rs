use super::*;

fn owned(exchange: &str, key: &str, members: &[&str]) -> Owner {
    let members: Vec<_> = members
        .iter()
        .map(|member| member.replace('|', "\u{6}\u{16}"))
        .collect();
    let queues = ["mail".to_owned(), "reports".to_owned()];
    let bindings = ExchangeBindings::of(&members, "\u{6}\u{16}", &queues);
    Owners::new(&queues, [(exchange, bindings)].into()).of(exchange, key)
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
        let (routing_key, topic) = (pattern, true);
        assert_eq!(
            QueueBinding { routing_key, topic }.matches(key),
            truth,
            "{pattern} {key}"
        );
    }
    let (pattern, key) = (vec!["#"; 100].join("."), vec!["a"; 200].join("."));
    assert!(topic_matches(&pattern, &key), "no pattern takes long");
}

#[test]
fn many_kinds_and_bindings_are_compared_up_to_a_limit_and_the_rest_is_unknown() {
    // As many as a set may have, all of which lead to the pool, and match nothing until their last word.
    let pattern = format!("{}.end", vec!["*"; 100].join("."));
    let members: Vec<_> = (0..1_000).map(|n| format!("{pattern}{n}|x|mail")).collect();
    let queues = ["mail".to_owned()];
    let bindings = || ExchangeBindings::of(&members, "|", &queues);
    let mut owners = Owners::new(&queues, [("tasks", bindings())].into());
    let key = |n: usize| format!("{}.{n}", vec!["a"; 100].join("."));
    let told: Vec<_> = (0..10_000).map(|n| owners.of("tasks", &key(n))).collect();
    assert!(told.iter().all(|owner| *owner == Owner::Unknown));
    assert_eq!(owners.left, 0);
    // What needs no comparison is known still.
    assert_eq!(owners.of("", "mail"), Owner::Pool);
    assert_eq!(owners.of("", "other"), Owner::Other);
}

#[test]
fn an_honest_application_with_many_topics_is_compared_whole() {
    let members: Vec<_> = (0..200).map(|n| format!("shop.area{n}.#|x|mail")).collect();
    let queues = ["mail".to_owned()];
    let mut owners = Owners::new(
        &queues,
        [("tasks", ExchangeBindings::of(&members, "|", &queues))].into(),
    );
    for n in 0..1_000 {
        let key = format!("shop.area{}.customer{n}.created", n % 250);
        let truth = if n % 250 < 200 { Owner::Pool } else { Owner::Other };
        assert_eq!(owners.of("tasks", &key), truth, "{key}");
    }
}
