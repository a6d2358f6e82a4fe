//! Configurations that are compared: each peer with many settings, so that none loses for lack of tuning.
#![deny(clippy::disallowed_methods)]
use super::{
    Configuration, aws,
    keda::{self, Load, Metric},
    kpa, latency, sla, wpa,
};

/// Configurations that share a column of the tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Name of the column.
    pub name: &'static str,
    /// Configurations, of which the best counts.
    pub configurations: Vec<Configuration>,
}

/// All groups; the expert's contains those of stock KEDA.
pub fn groups() -> Vec<Group> {
    let group = |name, configurations| Group { name, configurations };
    vec![
        group("KEDA as it comes", keda_defaults()),
        group("KEDA stock", keda_stock()),
        group("KEDA expert", keda_expert()),
        group("WPA", wpas()),
        group("KPA", kpas()),
        group("AWS backlog per instance", awses()),
        group("latency step", latency_steps()),
        group("SLA-hybrid", sla_hybrids()),
    ]
}

/// All configurations, each once.
pub fn all() -> Vec<Configuration> {
    let mut all: Vec<Configuration> = Vec::new();
    for configuration in groups().into_iter().flat_map(|group| group.configurations) {
        if !all.contains(&configuration) {
            all.push(configuration);
        }
    }
    all
}

/// KEDA's Redis and RabbitMQ scalers with their own targets (2).
pub fn keda_defaults() -> Vec<Configuration> {
    [keda::REDIS_DEFAULT, keda::RABBITMQ_DEFAULT]
        .map(Configuration::Keda)
        .to_vec()
}

/// KEDA with the HPA as it comes: targets and windows (18).
pub fn keda_stock() -> Vec<Configuration> {
    let targets = [0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0];
    cross(&targets, &[300.0, 60.0], |target, window| {
        let load = Load::PerSlot(target, Metric::All);
        Configuration::Keda(keda::KedaSettings::stock(load, window))
    })
}

/// KEDA in the hands of an expert: a formula, a behavior that does not limit the way up, any window (56).
pub fn keda_expert() -> Vec<Configuration> {
    let target = |target| Load::PerSlot(target, Metric::All);
    let stock = |load, window| Configuration::Keda(keda::KedaSettings::stock(load, window));
    let unlimited = |load, window| Configuration::Keda(keda::KedaSettings::unlimited(load, window));
    let mut all = keda_stock();
    all.extend(cross(&[0.2, 0.4, 0.6, 0.8], &[300.0, 60.0], |share, window| {
        stock(Load::Formula(share), window)
    }));
    let windows = [300.0, 60.0, 0.0];
    all.extend(cross(
        &[0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0],
        &windows,
        |tasks, window| unlimited(target(tasks), window),
    ));
    all.extend(cross(&[0.4, 0.6, 0.8], &windows, |share, window| {
        unlimited(Load::Formula(share), window)
    }));
    all
}

/// WPA: targets and delays (8).
pub fn wpas() -> Vec<Configuration> {
    cross(&[0.5, 1.0, 2.0, 4.0], &[wpa::DELAY, 120.0], |target, delay| {
        Configuration::Wpa(wpa::WpaSettings::new(target, delay))
    })
}

/// KPA: utilisations (4).
pub fn kpas() -> Vec<Configuration> {
    [0.5, 0.7, 1.0, 1.5]
        .map(|utilisation| Configuration::Kpa(kpa::KpaSettings { utilisation }))
        .to_vec()
}

/// AWS: acceptable latencies (3).
pub fn awses() -> Vec<Configuration> {
    [0.05, 0.2, 1.0]
        .map(|latency| Configuration::Aws(aws::AwsSettings { latency }))
        .to_vec()
}

/// Latency steps: thresholds and steps (9).
pub fn latency_steps() -> Vec<Configuration> {
    cross(&[0.1, 0.25, 0.5], &[1, 3, 8], |up, step| {
        Configuration::Latency(latency::LatencySettings { up, step })
    })
}

/// SLA-hybrid: thresholds and steps down (4).
pub fn sla_hybrids() -> Vec<Configuration> {
    cross(&[0.5, 0.2], &[1, 100], |threshold, down| {
        Configuration::Sla(sla::SlaSettings { threshold, down })
    })
}

/// All pairs of the first and the second.
fn cross<A: Copy, B: Copy>(first: &[A], second: &[B], make: impl Fn(A, B) -> Configuration) -> Vec<Configuration> {
    let pairs = first.iter().flat_map(|&a| second.iter().map(move |&b| (a, b)));
    pairs.map(|(a, b)| make(a, b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::input::fixture::{seen, workload};
    use std::collections::BTreeSet;

    #[test]
    fn the_groups_are_complete() {
        let sizes: Vec<_> = groups().iter().map(|group| group.configurations.len()).collect();
        assert_eq!(sizes, [2, 18, 56, 8, 4, 3, 9, 4]);
        assert_eq!(all().len(), 2 + 56 + 8 + 4 + 3 + 9 + 4);
    }

    #[test]
    fn names_are_unique_and_the_scalers_own() {
        let names: BTreeSet<_> = all().iter().map(Configuration::name).collect();
        assert_eq!(names.len(), all().len());
        for configuration in all() {
            assert_eq!(configuration.build(&workload()).name(), configuration.name());
        }
        for name in [
            "KEDA target 3c unlimited-up, 60 s",
            "KEDA target 1c stock, 300 s",
            "KEDA formula φ 0.4 unlimited-up, 0 s",
            "WPA target 2c, 120 s",
            "KPA u 0.7",
            "AWS latency 0.05T",
            "latency step +3 above 0.25T",
            "SLA-hybrid 0.2, down 100",
        ] {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn nobody_leaves_the_limits_whatever_is_seen() {
        let mut odd = vec![workload(); 3];
        odd[1].tasks.clear();
        odd[2].wait_target = 0.0;
        odd[2].slots = 0;
        for (workload, configuration) in odd
            .iter()
            .flat_map(|workload| all().into_iter().map(move |it| (workload, it)))
        {
            let mut scaler = configuration.build(workload);
            for tick_number in 0..100_u32 {
                let mut seen = seen(f64::from(tick_number) * 10.0, 0, tick_number % 7 * 50);
                if tick_number % 3 == 0 {
                    seen.waiting = u64::MAX;
                    seen.in_flight = u64::MAX;
                    seen.oldest_wait = 1e9;
                    seen.arrived = u64::MAX;
                }
                let wanted = scaler.tick(&seen).unwrap_or(1);
                // It may go on from above the limits step by step.
                assert!(
                    (1..=200.max(seen.replicas)).contains(&wanted),
                    "{} wants {wanted}",
                    scaler.name()
                );
            }
        }
    }
}
