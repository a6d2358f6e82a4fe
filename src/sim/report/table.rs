//! One table, in Markdown and in HTML.
#![deny(clippy::disallowed_methods)]

use super::{escape, escape_markdown};

/// Rows of text under a caption. Columns of numbers are aligned to the right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Caption of the table.
    pub caption: String,
    /// Headings of the columns, units included.
    pub head: Vec<String>,
    /// Rows, each as long as the head; a cell that is missing is empty, one too many is left out.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Empty table.
    pub fn new(caption: impl Into<String>, head: &[&str]) -> Self {
        Self {
            caption: caption.into(),
            head: head.iter().map(|&heading| heading.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Markdown of the table, caption first, with a line feed at the end.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let head = line(self.head.iter().map(|cell| escape_markdown(cell)).collect());
        let rules = (0..self.head.len()).map(|column| if self.is_numbers(column) { "---:" } else { "---" });
        let rules = line(rules.map(str::to_owned).collect());
        let rows = self.rows.iter().map(|row| {
            let cells = (0..self.head.len()).map(|column| escape_markdown(cell(row, column)));
            line(cells.collect())
        });
        let rows: String = rows.collect();
        format!("**{}**\n\n{head}{rules}{rows}", escape_markdown(&self.caption))
    }

    /// HTML `<table>`.
    pub fn html(&self) -> String {
        let class = |column| if self.is_numbers(column) { " class=\"n\"" } else { "" };
        let head = self.head.iter().enumerate();
        let head: String = head
            .map(|(column, cell)| format!("<th scope=\"col\"{}>{}</th>", class(column), escape(cell)))
            .collect();
        let rows = self.rows.iter().map(|row| {
            let cells = (0..self.head.len()).map(|column| {
                let tag = if column == 0 { "th scope=\"row\"" } else { "td" };
                let end = if column == 0 { "th" } else { "td" };
                format!("<{tag}{}>{}</{end}>", class(column), escape(cell(row, column)))
            });
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        });
        let rows: String = rows.collect();
        let caption = escape(&self.caption);
        // A wide table scrolls by itself, not with the page; `tabindex` lets the keyboard do it.
        format!(
            "<div class=\"wide\" tabindex=\"0\"><table>\n<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n\
             <tbody>\n{rows}</tbody>\n</table></div>\n"
        )
    }

    /// Whether every cell with a content begins like a number; a dash has none.
    fn is_numbers(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().map(|row| cell(row, column));
        let is_number = |cell: &str| {
            cell.trim_start_matches(['-', '−', '+'])
                .starts_with(|c: char| c.is_ascii_digit())
        };
        column > 0 && cells.all(|cell| matches!(cell, "" | "–") || is_number(cell))
    }
}

fn cell(row: &[String], column: usize) -> &str {
    row.get(column).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("Cost & waits", &["policy", "pod-h", "missed"]);
        table.rows.push(vec!["a|<b>".into(), "1.5 ± 0.2".into(), "S4".into()]);
        table.rows.push(vec!["c".into(), "–".into()]);
        table
    }

    #[test]
    fn markdown_has_a_cell_for_every_column() {
        let expected = "**Cost &amp; waits**\n\n| policy | pod-h | missed |\n| --- | ---: | --- |\n\
                        | a\\|&lt;b&gt; | 1.5 ± 0.2 | S4 |\n| c | – |  |\n";
        assert_eq!(table().markdown(), expected);
    }

    #[test]
    fn html_shows_the_same_cells() {
        let html = table().html();
        assert!(html.contains("<caption>Cost &amp; waits</caption>"), "{html}");
        let row = "<tr><th scope=\"row\">a|&lt;b&gt;</th><td class=\"n\">1.5 ± 0.2</td><td>S4</td></tr>";
        assert!(html.contains(row), "{html}");
        let short = "<tr><th scope=\"row\">c</th><td class=\"n\">–</td><td></td></tr>";
        assert!(html.contains(short), "{html}");
    }

    #[test]
    fn an_empty_table_has_its_head() {
        let table = Table::new("None", &["a", "b"]);
        assert!(table.markdown().ends_with("| a | b |\n| --- | ---: |\n"));
        assert!(table.html().contains("<tbody>\n</tbody>"));
    }
}
