use super::*;

fn chart(x: Scale, y: Scale, series: Vec<Marks>) -> Chart {
    let series = series.into_iter().enumerate();
    Chart {
        title: "Waits & <costs>".into(),
        x: Measure {
            label: "time".into(),
            scale: x,
        },
        y: Measure {
            label: "pods \"ready\"".into(),
            scale: y,
        },
        series: series
            .map(|(index, marks)| Series {
                name: format!("policy <{index}>"),
                marks,
            })
            .collect(),
    }
}

/// Path of the first series' line, legend left out.
fn line(svg: &str) -> &str {
    let paths = svg
        .split("<path d=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    paths.max_by_key(|path| path.len()).unwrap()
}

/// Every element is closed, and nothing but elements has angle brackets.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, rest) = tag.split_once('>').unwrap();
        assert!(!rest.contains('>'), "{rest}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().unwrap()),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn lines_go_from_end_to_end_of_the_paper() {
    let svg = chart(
        Scale::Time,
        Scale::Linear,
        vec![Marks::Line(vec![(0.0, 0.0), (3600.0, 10.0)])],
    )
    .svg();
    assert_well_formed(&svg);
    // 34 + one line of legend + the plot; up is less.
    assert_eq!(line(&svg), "M66.0 322.0L698.0 52.0");
    assert!(
        svg.contains("role=\"img\" aria-label=\"Waits &amp; &lt;costs&gt;\""),
        "{svg}"
    );
    assert!(svg.contains("<title>Waits &amp; &lt;costs&gt;</title>"), "{svg}");
    assert!(
        svg.contains(">pods &quot;ready&quot;</text>") && svg.contains(">60 min</text>"),
        "{svg}"
    );
}

#[test]
fn steps_last_until_the_next() {
    let points = vec![(0.0, 2.0), (50.0, 10.0), (100.0, 4.0)];
    let svg = chart(Scale::Time, Scale::Linear, vec![Marks::Steps(points)]).svg();
    assert_eq!(line(&svg), "M66.0 268.0H382.0V52.0H698.0V214.0");
}

#[test]
fn what_cannot_be_shown_breaks_the_line() {
    let points = vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 2.0), (4.0, 1.0)];
    let svg = chart(Scale::Linear, Scale::Linear, vec![Marks::Line(points)]).svg();
    assert_well_formed(&svg);
    assert_eq!(line(&svg).matches('M').count(), 2);
    let points = vec![(1.0, 1.0), (2.0, 0.0), (f64::INFINITY, 1.0), (4.0, 1.0)];
    let svg = chart(Scale::Log, Scale::Log, vec![Marks::Line(points)]).svg();
    assert_well_formed(&svg);
    assert_eq!(line(&svg).matches('M').count(), 2);
}

#[test]
fn nothing_to_show_is_said() {
    for series in [
        vec![],
        vec![Marks::Line(vec![])],
        vec![Marks::Steps(vec![(f64::NAN, 1.0), (1.0, f64::INFINITY)])],
        vec![Marks::Dots(vec![])],
    ] {
        let svg = chart(Scale::Linear, Scale::Time, series).svg();
        assert_well_formed(&svg);
        assert!(svg.contains(">no data</text>"), "{svg}");
    }
}

#[test]
fn a_day_of_seconds_stays_small() {
    let points = (0..86_400).map(|x| (f64::from(x), f64::from(x % 700)));
    let svg = chart(Scale::Time, Scale::Linear, vec![Marks::Line(points.collect())]).svg();
    assert!(line(&svg).matches('L').count() < thin::POINTS);
    assert!(svg.len() < 20_000, "{}", svg.len());
}

#[test]
fn dots_have_labels_and_titles() {
    let dots = vec![((1.0, 5.0), "ours <x>".to_owned()), ((3.0, 50.0), "theirs".to_owned())];
    let svg = chart(Scale::Log, Scale::Linear, vec![Marks::Dots(dots)]).svg();
    assert_well_formed(&svg);
    assert!(
        svg.contains("<title>ours &lt;x&gt;</title>") && svg.contains(">ours &lt;x&gt;</text>"),
        "{svg}"
    );
}

#[test]
fn many_series_wrap_their_legend_and_differ() {
    let series = (0..20).map(|y| Marks::Line(vec![(0.0, f64::from(y)), (1.0, f64::from(y))]));
    let svg = chart(Scale::Linear, Scale::Linear, series.collect()).svg();
    assert_well_formed(&svg);
    assert!(
        svg.contains("y=\"54.0\"") && svg.contains("stroke-dasharray:6 3"),
        "{svg}"
    );
    let mut styles: Vec<_> = svg
        .split("style=\"stroke:var(--s")
        .skip(1)
        .map(|rest| rest.split('"').next())
        .collect();
    styles.sort_unstable();
    styles.dedup();
    assert_eq!(styles.len(), 20);
}
