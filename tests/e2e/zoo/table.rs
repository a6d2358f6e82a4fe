//! The answers as a table, and as figures.

use serde_json::json;

use super::questions::{Answer, QUESTIONS};
use crate::support::figures;

/// The answers that one set-up got.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub answers: Vec<Answer>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// For people: a line for each set-up, and below it what is not right.
pub fn show(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut text = format!("{:width$}  {}  seconds\n", "", QUESTIONS.join("  "));
    for row in rows {
        text.push_str(&format!("{:width$}", row.name));
        for (question, answer) in QUESTIONS.iter().zip(&row.answers) {
            let cell = match answer {
                Answer::Right => "yes",
                Answer::Wrong(_) => "NO",
                Answer::Cannot(_) => "–",
            };
            text.push_str(&format!("  {cell:<0$}", question.len()));
        }
        text.push_str(&format!("  {:.0}\n", row.seconds));
    }
    for row in rows {
        for (question, answer) in QUESTIONS.iter().zip(&row.answers) {
            match answer {
                Answer::Right => {}
                Answer::Wrong(seen) => text.push_str(&format!("  NO {}, {question}: {seen}\n", row.name)),
                Answer::Cannot(why) => text.push_str(&format!("  – {}, {question}: {why}\n", row.name)),
            }
        }
    }
    text
}

/// Whether every cell is right, or says why it cannot be.
pub fn is_right(rows: &[Row]) -> bool {
    count(rows, |answer| matches!(answer, Answer::Wrong(_))) == 0
}

/// As `zoo` if these are all of them, as `zoo_third` if they are the quick ones.
pub fn record(rows: &[Row]) {
    let path = match std::env::var("TWP_ZOO").as_deref() {
        Ok("all") => "zoo",
        Ok("quick") | Err(_) => "zoo_third",
        // A few by name are no figure.
        Ok(_) => return,
    };
    let table: serde_json::Map<_, _> = rows
        .iter()
        .map(|row| {
            let cells = QUESTIONS.iter().zip(&row.answers).map(|(question, answer)| {
                let cell = match answer {
                    Answer::Right => json!(true),
                    Answer::Wrong(_) => json!(false),
                    Answer::Cannot(why) => json!(why),
                };
                ((*question).to_owned(), cell)
            });
            (row.name.clone(), serde_json::Value::Object(cells.collect()))
        })
        .collect();
    let zoo = json!({
        "set_ups": rows.len(), "questions": rows.len() * QUESTIONS.len(),
        "right": count(rows, |answer| *answer == Answer::Right),
        "cannot": count(rows, |answer| matches!(answer, Answer::Cannot(_))), "table": table,
    });
    figures::record_in("real", path, zoo);
}

fn count(rows: &[Row], of: impl Fn(&Answer) -> bool) -> usize {
    rows.iter()
        .flat_map(|row| &row.answers)
        .filter(|answer| of(answer))
        .count()
}
