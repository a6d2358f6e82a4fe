//! The screen as it is drawn: golden texts in `tests/top/screens` (`UPDATE=1` writes them), strangers' texts, sizes and keys.

use std::{fs, path::Path, time::Duration};

use jiff::Timestamp;
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Color};

use super::{
    draw::draw,
    look::Look,
    state::{Press, Told, Top, Wanted},
};
use crate::{
    cli::{cluster::Source, fixture},
    kube::Key,
    view::types::{Pool, Queue},
};

const LOOK: Look = Look { colours: true };

fn at(text: &str) -> Timestamp {
    format!("2026-01-05T{text}Z").parse().unwrap()
}

fn top(pools: Vec<Pool>) -> Top {
    let mut top = Top::new("All namespaces".to_owned(), true, Duration::from_secs(2), None);
    top.tell(Told::Pools(pools, Source::Operator), &Wanted::Pools, at("13:00:00"));
    top
}

/// The screen of one pool.
fn one(pool: Pool, source: Source) -> Top {
    let key = Key {
        namespace: pool.namespace.clone(),
        name: pool.name.clone(),
    };
    let mut top = Top::new(
        "Namespace shop".to_owned(),
        false,
        Duration::from_secs(2),
        Some(key.clone()),
    );
    top.tell(Told::Pool(Box::new(pool), source), &Wanted::Pool(key), at("13:00:00"));
    top
}

fn drawn(top: &mut Top, columns: u16, rows: u16, now: Timestamp) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(top, frame.buffer_mut(), LOOK, now)).unwrap();
    terminal.backend().buffer().clone()
}

/// The rows of the screen, without the blanks at their ends. What a wide letter covers is no column of its own.
fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let (mut line, mut x) = (String::new(), 0);
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(super::fit::width(symbol)).unwrap().max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn screen(top: &mut Top, columns: u16, rows: u16) -> String {
    text(&drawn(top, columns, rows, at("13:00:01")))
}

fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/top/screens")
        .join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, wanted,
        "UPDATE=1 cargo test --all-features --lib cli::top writes {name}"
    );
}

#[test]
fn the_list_at_80_and_160_columns() {
    golden("list-80.txt", &screen(&mut top(fixture::pools()), 80, 24));
    golden("list-160.txt", &screen(&mut top(fixture::pools()), 160, 50));
}

#[test]
fn one_pool_at_80_and_160_columns() {
    golden(
        "one-80.txt",
        &screen(&mut one(fixture::pool(), Source::Operator), 80, 50),
    );
    golden(
        "one-160.txt",
        &screen(&mut one(fixture::pool(), Source::Operator), 160, 50),
    );
}

#[test]
fn what_stands_beside_another_part_keeps_its_weight() {
    let buffer = drawn(&mut one(fixture::pool(), Source::Operator), 160, 50, at("13:00:01"));
    let row = |words: &str| {
        (0..50)
            .find(|y| text(&buffer).lines().nth(usize::from(*y)).unwrap().contains(words))
            .unwrap()
    };
    let is_bold = |x, words| {
        buffer[(x, row(words))]
            .modifier
            .contains(ratatui::style::Modifier::BOLD)
    };
    assert!(is_bold(0, "Replicas  12") && is_bold(80, "Last hour") && is_bold(80, "Pods: 1 silent"));
    assert!(!is_bold(12, "Replicas  12") && !is_bold(82, "NAME"));
}

#[test]
fn what_only_its_object_shows_is_called_so() {
    let pool = Pool {
        detail: None,
        ..fixture::pools().remove(0)
    };
    let source = Source::Objects("the operator's view is off".to_owned());
    golden("stored-80.txt", &screen(&mut one(pool, source), 80, 50));
}

#[test]
fn no_pool_is_told_and_nothing_can_be_opened() {
    let mut top = top(Vec::new());
    top.press(Press::Enter);
    top.press(Press::Last);
    let text = screen(&mut top, 80, 24);
    assert!(text.contains("There is no TaskWorkerPool."), "{text}");
    assert_eq!(top.wanted(), Wanted::Pools);
}

/// Pools of which each has another name.
fn many(number: usize) -> Vec<Pool> {
    let one = fixture::pools().remove(1);
    (0..number)
        .map(|at| Pool {
            name: format!("mail-{at:04}"),
            ..one.clone()
        })
        .collect()
}

#[test]
fn a_thousand_pools_are_scrolled_through() {
    let mut top = top(many(1000));
    let text = screen(&mut top, 80, 24);
    assert!(
        text.contains("1000 pools: 1000 scaling.") && text.contains("> shop       mail-0000"),
        "{text}"
    );
    let rows = text.lines().filter(|line| line.contains(" mail-")).count();
    assert_eq!(rows, 16, "{text}");
    for (press, times, name, place) in [
        (Press::Down, 1, "mail-0001", "2 of 1000"),
        (Press::Letter('j'), 20, "mail-0021", "22 of 1000"),
        (Press::PageDown, 2, "mail-0053", "54 of 1000"),
        (Press::Letter('k'), 3, "mail-0050", "51 of 1000"),
        (Press::Last, 1, "mail-0999", "1000 of 1000"),
        (Press::Down, 5, "mail-0999", "1000 of 1000"),
        (Press::PageUp, 1, "mail-0983", "984 of 1000"),
        (Press::First, 1, "mail-0000", "1 of 1000"),
        (Press::Up, 1, "mail-0000", "1 of 1000"),
    ] {
        (0..times).for_each(|_| top.press(press));
        let text = screen(&mut top, 80, 24);
        assert!(text.contains(&format!("> shop       {name}")), "{press:?}\n{text}");
        assert!(text.contains(&format!("{place}\n")), "{press:?}\n{text}");
        assert_eq!(
            text.lines().filter(|line| line.contains(" mail-")).count(),
            16,
            "{press:?}\n{text}"
        );
    }
    // The rows stand still while the selected one moves among them.
    top.press(Press::Last);
    screen(&mut top, 80, 24);
    top.press(Press::Up);
    let text = screen(&mut top, 80, 24);
    assert!(
        text.contains("> shop       mail-0998") && text.contains("  shop       mail-0999"),
        "{text}"
    );
    // A terminal that becomes smaller keeps it on the screen.
    top.press(Press::Last);
    assert!(screen(&mut top, 60, 12).contains("> shop       mail-0999"));
}

#[test]
fn the_selected_pool_stays_selected_wherever_it_moves() {
    let mut top = top(fixture::pools());
    top.press(Press::Down);
    let mut moved = fixture::pools();
    moved.swap(0, 1);
    top.tell(
        Told::Pools(moved.clone(), Source::Operator),
        &Wanted::Pools,
        at("13:00:02"),
    );
    assert!(screen(&mut top, 80, 24).contains("> shop       mail "));
    // One that is gone leaves its place to the next one.
    moved.remove(0);
    top.tell(Told::Pools(moved, Source::Operator), &Wanted::Pools, at("13:00:04"));
    assert!(screen(&mut top, 80, 24).contains("> billing    pdf "));
}

#[test]
fn a_filter_leaves_the_pools_with_it_in_their_names() {
    let mut top = top(fixture::pools());
    for press in "/news".chars().map(Press::Letter) {
        top.press(press);
    }
    let text = screen(&mut top, 80, 24);
    assert!(
        text.contains("/news▏") && text.contains("newsletter") && !text.contains("pdf "),
        "{text}"
    );
    // `q` is a letter of a name there.
    top.press(Press::Letter('q'));
    assert!(!top.over && screen(&mut top, 80, 24).contains("No pool has `newsq` in its name, state or sentence."));
    top.press(Press::Erase);
    top.press(Press::Enter);
    top.press(Press::Enter);
    let key = Key {
        namespace: "shop".to_owned(),
        name: "newsletter".to_owned(),
    };
    assert_eq!(top.wanted(), Wanted::Pool(key));
    top.press(Press::Escape);
    assert!(screen(&mut top, 80, 24).contains("Esc shows all"));
    top.press(Press::Escape);
    assert!(screen(&mut top, 80, 24).contains("billing    pdf"));
    for press in "/DEGR".chars().map(Press::Letter) {
        top.press(press);
    }
    let text = screen(&mut top, 80, 24);
    assert!(
        text.contains("> billing    pdf") && !text.contains("newsletter"),
        "{text}"
    );
    top.press(Press::Escape);
    top.press(Press::Last);
    // The pool that was selected among few is selected among all.
    assert!(screen(&mut top, 80, 24).contains("> shop       newsletter"));
    top.press(Press::Letter('q'));
    assert!(top.over);
}

#[test]
fn a_pool_is_opened_with_what_the_list_has_and_filled_with_what_is_told() {
    let mut top = top(fixture::pools());
    top.press(Press::Down);
    top.press(Press::Enter);
    let text = screen(&mut top, 80, 40);
    assert!(
        text.contains("shop/mail  Scaling") && text.contains("Asking for pods"),
        "{text}"
    );
    let wanted = top.wanted();
    // An answer to what was asked before changes nothing.
    top.tell(
        Told::Pools(Vec::new(), Source::Operator),
        &Wanted::Pools,
        at("13:00:02"),
    );
    top.tell(
        Told::Pool(Box::new(fixture::pool()), Source::Operator),
        &wanted,
        at("13:00:02"),
    );
    let text = screen(&mut top, 80, 40);
    assert!(text.contains("mail-worker-5d-a") && !text.contains("Asking"), "{text}");
    top.press(Press::Last);
    let text = screen(&mut top, 80, 16);
    assert!(
        text.contains("32 min") || text.contains("30 min"),
        "the end of it:\n{text}"
    );
    top.press(Press::Escape);
    assert!(screen(&mut top, 80, 24).contains("3 pools"));
}

#[test]
fn what_is_old_is_called_old_until_it_is_told_again() {
    let mut top = top(fixture::pools());
    let live = text(&drawn(&mut top, 80, 24, at("13:00:05")));
    assert!(live.contains("live, every 2 s"), "{live}");
    // Nobody has said that it failed, but nothing came either.
    let silent = text(&drawn(&mut top, 80, 24, at("13:00:30")));
    assert!(silent.contains("30 s old") && !silent.contains("live"), "{silent}");
    let why = "TaskWorkerPools cannot be read: the cluster does not know you (401): log in again";
    top.tell(
        Told::Failed(why.to_owned(), Duration::from_secs(8)),
        &Wanted::Pools,
        at("13:00:31"),
    );
    let failed = text(&drawn(&mut top, 160, 24, at("13:00:33")));
    assert!(
        failed.contains(
            "This was told at 13:00:00 UTC, 33 s ago; the next try is in 6 s. TaskWorkerPools cannot be read"
        ) && failed.contains("billing"),
        "{failed}"
    );
    let tries = text(&drawn(&mut top, 160, 24, at("13:00:39")));
    assert!(tries.contains("it is being tried again"), "{tries}");
    top.tell(
        Told::Pools(fixture::pools(), Source::Operator),
        &Wanted::Pools,
        at("13:00:40"),
    );
    let again = text(&drawn(&mut top, 80, 24, at("13:00:41")));
    assert!(again.contains("live") && !again.contains("This was told"), "{again}");
}

/// All texts of a pool as somebody might write them who wants to harm a terminal, or just has long names in another script.
fn hostile() -> Pool {
    let nasty = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}電子郵便\r\n\t\u{200b}\u{85}".repeat(40);
    let mut pool = fixture::pool();
    pool.name = nasty.clone();
    pool.namespace = nasty.clone();
    pool.message = nasty.clone();
    pool.queues.extend((0..50).map(|_| Queue {
        name: nasty.clone(),
        waiting: u64::MAX,
        missing: true,
    }));
    pool.conditions = fixture::pools().remove(0).conditions;
    for condition in &mut pool.conditions {
        for text in [
            &mut condition.kind,
            &mut condition.reason,
            &mut condition.message,
            &mut condition.docs,
        ] {
            text.clone_from(&nasty);
        }
    }
    let detail = pool.detail.as_mut().unwrap();
    for pod in &mut detail.pods {
        pod.name.clone_from(&nasty);
        pod.seconds = Some(u64::MAX);
        pod.running = Some(u32::MAX);
    }
    for decision in &mut detail.decisions {
        decision.rule.clone_from(&nasty);
        decision.message.clone_from(&nasty);
    }
    for text in [
        &mut pool.target.as_mut().unwrap().name,
        &mut pool.broker.as_mut().unwrap().host,
        &mut pool.mode,
    ] {
        text.clone_from(&nasty);
    }
    pool
}

#[test]
fn strangers_texts_command_no_terminal_and_break_no_line_at_any_size() {
    let source = || Source::Objects("\u{1b}[31mwhy\u{7}".repeat(90));
    let sizes = [1, 2, 3, 5, 8, 13, 21, 34, 55]
        .into_iter()
        .flat_map(|columns| [1, 2, 3, 7, 13].map(|rows| (columns, rows)));
    for (columns, rows) in sizes.chain([(80, 24), (160, 50), (300, 90)]) {
        let mut list = top(vec![hostile(), fixture::pool(), hostile()]);
        let mut alone = one(hostile(), source());
        list.filter = "電".to_owned();
        alone.tell(
            Told::Failed("\u{1b}[0mno".repeat(99), Duration::MAX),
            &alone.wanted(),
            at("13:00:00"),
        );
        for top in [&mut list, &mut alone] {
            let buffer = drawn(top, columns, rows, at("13:00:01"));
            let obeyed = buffer.content().iter().find(|cell| {
                cell.symbol()
                    .chars()
                    .any(|letter| letter.is_control() || ('\u{202a}'..='\u{202e}').contains(&letter))
            });
            assert_eq!(obeyed, None, "at {columns} x {rows}");
            assert_eq!(text(&buffer).lines().count(), usize::from(rows));
        }
    }
}

#[test]
fn a_narrow_terminal_leaves_out_columns_and_a_wide_one_none() {
    let titles = |columns| {
        let text = screen(&mut top(fixture::pools()), columns, 24);
        let line = text.lines().find(|line| line.contains("POOL")).unwrap().to_owned();
        line.split("  ")
            .map(|title| title.trim().to_owned())
            .filter(|title| !title.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        titles(160),
        "NAMESPACE POOL STATE WAITING WAIT RUNNING REPLICAS LAST HOUR"
    );
    assert_eq!(titles(80), "NAMESPACE POOL STATE WAITING WAIT REPLICAS LAST HOUR");
    assert_eq!(titles(66), "NAMESPACE POOL STATE WAITING WAIT REPLICAS");
    assert_eq!(titles(50), "NAMESPACE POOL STATE WAITING");
    assert_eq!(titles(24), "POOL STATE");
}

#[test]
fn without_colours_nothing_is_coloured_and_the_selected_row_is_still_marked() {
    let colours = |look| {
        let mut buffer = Buffer::empty(ratatui::layout::Rect::new(0, 0, 80, 24));
        draw(&mut top(fixture::pools()), &mut buffer, look, at("13:00:30"));
        let coloured = buffer
            .content()
            .iter()
            .filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
            .count();
        (coloured, text(&buffer))
    };
    let (many, text) = colours(LOOK);
    let (none, same) = colours(Look { colours: false });
    assert!(many > 0 && none == 0, "{many} {none}");
    assert_eq!(text, same);
    assert!(same.contains("> billing"), "{same}");
}
