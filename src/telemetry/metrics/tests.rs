use std::collections::BTreeSet;

use super::*;

fn numbers() -> PoolNumbers {
    PoolNumbers {
        desired: 7,
        current: 3,
        max: 20,
        queues: vec![("mail".into(), 412), ("a\"b\\c\n".into(), 1)],
        in_flight: Some(12),
        ready: 2,
        oldest_wait: Some(12.5),
        wait_target: Some(60.0),
        in_time: Some(0.995),
        task_seconds: Some(0.25),
        arrivals: Some(3.0),
        source_up: Some(true),
        conditions: vec![("Degraded", "True")],
        ..PoolNumbers::default()
    }
}

/// Metrics in which everything was counted once.
fn busy() -> Metrics {
    let metrics = Metrics::new("0.1.0");
    metrics.pool("shop", "mail", numbers());
    let mail = ("shop", "mail");
    metrics.source_failed(mail, "Timeout");
    metrics.scaled(mail, Direction::Up, "Backlog");
    metrics.scaled(mail, Direction::Down, "Idle");
    metrics.scale_failed(mail);
    metrics.held(mail, "Window");
    metrics.overwritten(mail, "kubectl-edit");
    metrics.watch_failed("Deployment");
    metrics.sampled(0.05);
    metrics.status_written();
    metrics.scale_written();
    metrics.leads("twp-operator", true);
    metrics
}

#[test]
fn each_number_has_its_series() {
    let text = busy().text().unwrap();
    for line in [
        "twp_build_info{version=\"0.1.0\"} 1",
        "twp_pool_desired_replicas{namespace=\"shop\",name=\"mail\"} 7",
        "twp_pool_current_replicas{namespace=\"shop\",name=\"mail\"} 3",
        "twp_pool_ready_replicas{namespace=\"shop\",name=\"mail\"} 2",
        "twp_pool_oldest_wait_seconds{namespace=\"shop\",name=\"mail\"} 12.5",
        "twp_pool_wait_target_seconds{namespace=\"shop\",name=\"mail\"} 60.0",
        "twp_pool_tasks_in_time_ratio{namespace=\"shop\",name=\"mail\"} 0.995",
        "twp_pool_task_seconds{namespace=\"shop\",name=\"mail\"} 0.25",
        "twp_pool_arrivals_per_second{namespace=\"shop\",name=\"mail\"} 3.0",
        "twp_pool_max_replicas{namespace=\"shop\",name=\"mail\"} 20",
        "twp_pool_in_flight_tasks{namespace=\"shop\",name=\"mail\"} 12",
        "twp_queue_waiting_tasks{namespace=\"shop\",name=\"mail\",queue=\"mail\"} 412",
        "twp_queue_waiting_tasks{namespace=\"shop\",name=\"mail\",queue=\"a\\\"b\\\\c\\n\"} 1",
        "twp_source_up{namespace=\"shop\",name=\"mail\"} 1",
        "twp_pool_condition{namespace=\"shop\",name=\"mail\",type=\"Degraded\",status=\"True\"} 1",
        "twp_source_errors_total{namespace=\"shop\",name=\"mail\",kind=\"Timeout\"} 1",
        "twp_scale_events_total{namespace=\"shop\",name=\"mail\",direction=\"up\",reason=\"Backlog\"} 1",
        "twp_scale_errors_total{namespace=\"shop\",name=\"mail\"} 1",
        "twp_decisions_held_total{namespace=\"shop\",name=\"mail\",reason=\"Window\"} 1",
        "twp_target_overwrites_total{namespace=\"shop\",name=\"mail\",manager=\"kubectl\"} 1",
        "twp_watch_errors_total{kind=\"Deployment\"} 1",
        "twp_source_sample_duration_seconds_bucket{le=\"0.02\"} 0",
        "twp_source_sample_duration_seconds_bucket{le=\"0.1\"} 1",
        "twp_source_sample_duration_seconds_count 1",
        "twp_status_writes_total 1",
        "twp_scale_writes_total 1",
        "leader_election_master_status{name=\"twp-operator\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

/// What a pool with one queue costs, its counters aside: they come with what they count.
#[test]
fn a_usual_pool_has_twelve_series() {
    let metrics = Metrics::new("0.1.0");
    let usual = PoolNumbers {
        queues: vec![("mail".into(), 412)],
        conditions: Vec::new(),
        ..numbers()
    };
    metrics.pool("shop", "mail", usual);
    let text = metrics.text().unwrap();
    let series = text.lines().filter(|line| line.contains("name=\"mail\"")).count();
    assert_eq!(series, 12, "{text}");
}

#[test]
fn a_forgotten_pool_leaves_no_series() {
    let metrics = busy();
    metrics.pool("shop", "other", numbers());
    metrics.forget("shop", "mail");
    let text = metrics.text().unwrap();
    assert!(!text.contains("name=\"mail\""), "{text}");
    assert!(text.contains("name=\"other\""), "{text}");
}

#[test]
fn what_is_unknown_has_no_series() {
    let metrics = busy();
    metrics.pool("shop", "mail", PoolNumbers::default());
    let text = metrics.text().unwrap();
    assert!(!text.contains("twp_queue_waiting_tasks{"), "{text}");
    assert!(!text.contains("twp_pool_in_flight_tasks{"), "{text}");
    assert!(!text.contains("twp_source_up{"), "{text}");
}

/// Rules of `promtool check metrics`: HELP and TYPE before a metric's series, each once, counters end in `_total`.
#[test]
fn every_metric_is_described_once() {
    let text = busy().text().unwrap();
    let (mut described, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.ends_with('.') && !help.ends_with(".."), "{line}");
            assert!(described.insert(name), "{name} is described twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(described.contains(name), "{name} has no help");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        } else {
            let series = line.split([' ', '{']).next().unwrap();
            let of = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| series.strip_suffix(end));
            let known = described.contains(series) || of.is_some_and(|name| described.contains(name));
            assert!(known, "{series} is not described");
            assert!(seen.insert(line.rsplit_once(' ').unwrap().0), "{line} occurs twice");
        }
    }
    assert!(!described.is_empty());
}

#[test]
fn managers_are_a_bounded_set() {
    for (manager, label) in [
        ("kubectl", "kubectl"),
        ("kubectl-edit", "kubectl"),
        ("kubectl-client-side-apply", "kubectl-client-side-apply"),
        ("keda-operator", "keda"),
        ("kube-controller-manager", "kube-controller-manager"),
        ("kubectlx", "other"),
        ("", "other"),
    ] {
        assert_eq!(known_manager(manager), label, "{manager}");
    }
}
