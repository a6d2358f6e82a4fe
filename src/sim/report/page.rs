//! Page of a report: one HTML file that needs nothing else, and the same as Markdown without the figures.
#![deny(clippy::disallowed_methods)]

use super::{
    escape, escape_markdown,
    svg::{COLOURS, Chart, DARK},
    table::Table,
};

/// Report, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportPage {
    /// Heading of the page.
    pub title: String,
    /// Parts that follow.
    pub blocks: Vec<Block>,
}

/// Part of a report. Texts are plain: nothing in them is markup.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Heading of a section.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A table, which brings its caption.
    Table(Table),
    /// A figure, which brings its title.
    Figure(Chart),
}

/// Style sheet; colours come before it, as variables.
const STYLE: &str = "
body{margin:2rem auto;max-width:64rem;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1,h2{line-height:1.2}h2{margin-top:2.5rem}
.wide{overflow-x:auto;margin:1.5rem 0}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding-bottom:.4rem}
th,td{text-align:left;font-weight:400;padding:.25rem .7rem;border-bottom:1px solid var(--grid);white-space:nowrap}
thead th{font-weight:600}.n{text-align:right}
figure{margin:1.5rem 0}svg{max-width:100%;height:auto}
";

impl ReportPage {
    /// Whole file: no script, no font, no picture from elsewhere.
    pub fn html(&self) -> String {
        let title = escape(&self.title);
        let body: String = self.blocks.iter().map(Block::html).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>\n{}{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n",
            variables()
        )
    }

    /// The same as Markdown, with a note where each figure is; `html_file` names the file that has them.
    pub fn markdown(&self, html_file: &str) -> String {
        let mut text = format!("# {}\n", escape_markdown(&self.title));
        for block in &self.blocks {
            text.push('\n');
            text += &block.markdown(html_file);
        }
        text
    }
}

impl Block {
    fn html(&self) -> String {
        match self {
            Self::Heading(text) => format!("<h2>{}</h2>\n", escape(text)),
            Self::Text(text) => format!("<p>{}</p>\n", escape(text)),
            Self::Table(table) => table.html(),
            Self::Figure(chart) => format!("<figure>\n{}</figure>\n", chart.svg()),
        }
    }

    fn markdown(&self, html_file: &str) -> String {
        match self {
            Self::Heading(text) => format!("## {}\n", escape_markdown(text)),
            Self::Text(text) => format!("{}\n", escape_markdown(text)),
            Self::Table(table) => table.markdown(),
            Self::Figure(chart) => {
                let (title, file) = (escape_markdown(&chart.title), escape_markdown(html_file));
                format!("Figure: {title} (in {file})\n")
            }
        }
    }
}

/// Colours of figures and text for a light page, and for a dark one where the reader's system asks for it.
fn variables() -> String {
    let series = |colours: [&str; COLOURS.len()]| {
        let variables = colours.iter().enumerate();
        variables
            .map(|(index, colour)| format!("--s{index}:{colour};"))
            .collect::<String>()
    };
    format!(
        ":root{{color-scheme:light dark;--ink:#1d2430;--paper:#fff;--grid:#d8dde4;{}}}\n\
         @media (prefers-color-scheme:dark){{:root{{--ink:#dde3ea;--paper:#14181e;--grid:#343c47;{}}}}}",
        series(COLOURS),
        series(DARK)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::report::svg::{Marks, Series};

    fn page() -> ReportPage {
        let mut table = Table::new("Costs", &["policy", "pod-h"]);
        table.rows.push(vec!["<ours>".into(), "1.2".into()]);
        let figure = Chart {
            title: "Pods & time".into(),
            series: vec![Series {
                name: "</svg><script>".into(),
                marks: Marks::Line(vec![(0.0, 1.0)]),
            }],
            ..Chart::default()
        };
        ReportPage {
            title: "Policies <compared>".into(),
            blocks: vec![
                Block::Heading("One & all".into()),
                Block::Text("1 < 2 *here*".into()),
                Block::Table(table),
                Block::Figure(figure),
            ],
        }
    }

    #[test]
    fn html_stands_alone() {
        let html = page().html();
        assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
        for part in [
            "<title>Policies &lt;compared&gt;</title>",
            "<h2>One &amp; all</h2>",
            "<p>1 &lt; 2 *here*</p>",
            "&lt;ours&gt;",
            "aria-label=\"Pods &amp; time\"",
            "--s7:",
            "prefers-color-scheme:dark",
        ] {
            assert!(html.contains(part), "{part} is missing in {html}");
        }
        for foreign in ["<script", "href=", "src=", "@import", "url("] {
            assert!(!html.contains(foreign), "{foreign} in {html}");
        }
    }

    #[test]
    fn markdown_says_where_the_figures_are() {
        let expected = "# Policies &lt;compared&gt;\n\n## One &amp; all\n\n1 &lt; 2 \\*here\\*\n\n**Costs**\n\n\
                        | policy | pod-h |\n| --- | ---: |\n| &lt;ours&gt; | 1.2 |\n\n\
                        Figure: Pods &amp; time (in report.html)\n";
        assert_eq!(page().markdown("report.html"), expected);
    }
}
