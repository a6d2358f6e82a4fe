use super::{
    contestants::{BALANCED, ECONOMY, stock_keda},
    findings::{Findings, RunsOverTime},
    sensitivity::{table, variations},
    *,
};
use crate::sim::{Scaler, Task, report::compare::Comparison};
use std::collections::BTreeSet;

/// Ten minutes with a batch in it.
fn small() -> TaskSource {
    let tasks = (0..300).map(|number| Task {
        arrival: if number < 100 { f64::from(number) * 6.0 } else { 300.0 },
        duration: 4.0,
    });
    let mut tasks: Vec<_> = tasks.collect();
    tasks.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
    RECORDINGS[0].source(tasks)
}

#[test]
fn names_are_unique_and_the_figures_find_theirs() {
    let all = contestants();
    let names: BTreeSet<_> = all.iter().map(Contestant::name).collect();
    assert_eq!(names.len(), all.len());
    for name in [BALANCED, ECONOMY, &stock_keda().name()] {
        assert!(names.contains(name), "{name}");
    }
    let varied: BTreeSet<_> = variations().into_iter().map(|it| it.variant.name).collect();
    assert_eq!(varied.len(), variations().len());
}

#[test]
fn each_seed_looks_at_its_own_moments() {
    let draw = small().draw(1, &World::default()).unwrap();
    let phases = (1..=10).map(|seed| {
        let ours = Variant::balanced().build(&draw.workload, &World::default(), seed);
        assert!((0.0..1.0).contains(&ours.phase()));
        (ours.phase() * 20.0) as u32
    });
    assert_eq!(phases.collect::<BTreeSet<_>>().len(), 10);
}

#[test]
fn the_hint_is_a_multiple_of_the_true_mean() {
    let draw = small().draw(1, &World::default()).unwrap();
    let hints = |name: &str| {
        let mut all = variations().into_iter();
        let variation = all.find(|it| it.variant.name == name).unwrap();
        variation
            .variant
            .build(&draw.workload, &variation.world, 1)
            .policy
            .hint()
    };
    assert_eq!(hints("as it comes"), Some(4.0));
    assert_eq!(hints("hint twice too high"), Some(8.0));
    assert_eq!(hints("no counter, hint twice too low"), Some(2.0));
}

#[test]
fn a_recording_has_the_same_tasks_but_other_pods() {
    let world = World::default();
    let [one, two] = [1, 2].map(|seed| small().draw(seed, &world).unwrap());
    assert_eq!((&one.workload, one.bound), (&two.workload, two.bound));
    let [a, b] = [&one, &two].map(|draw| play(&stock_keda(), draw, &world, false).run);
    assert_ne!(a, b);
}

#[test]
fn the_findings_have_every_table_figure_and_number() {
    let world = World::default();
    let draws: Vec<_> = [1, 2].iter().map(|seed| small().draw(*seed, &world).unwrap()).collect();
    let mut outcomes = Vec::new();
    for draw in &draws {
        outcomes.extend(contestants().iter().map(|one| play(one, draw, &world, false)));
    }
    let some = variations().into_iter().take(6);
    let varied: Vec<_> = some.map(|it| it.play(&draws[0]).unwrap()).collect();
    // Slower pods have a bound of their own.
    assert!(varied[5].bound > varied[0].bound, "{varied:?}");
    assert_eq!(table(&varied).rows.len(), 6);
    let watched = play(&contestants()[0], &draws[0], &world, true);
    let findings = Findings {
        comparison: Comparison::of(&outcomes),
        targets: vec![("AZ-conv".into(), 60.0)],
        variations: varied,
        watched: vec![RunsOverTime {
            title: "AZ-conv, seed 1".into(),
            runs: vec![(watched.policy, watched.run)],
        }],
        decide_us: 3.5,
    };
    let expert = findings.against_the_expert();
    assert_eq!((expert.rows.len(), expert.rows[0].len()), (1, expert.head.len()));
    assert!(expert.rows[0][1].starts_with("KEDA"), "{expert:?}");
    let html = findings.page().html();
    assert_eq!(
        (html.matches("<table>").count(), html.matches("<figure>").count()),
        (4, 5)
    );
    let figures = findings.figures();
    assert_eq!(figures["decide_us"], 3.5);
    assert_eq!(figures["policies"].as_array().map(Vec::len), Some(contestants().len()));
    assert_eq!(figures["sensitivity"].as_array().map(Vec::len), Some(6));
    assert!(
        figures["expert"][0]["balanced_ratio"]
            .as_f64()
            .is_some_and(|it| it > 0.0)
    );
}
