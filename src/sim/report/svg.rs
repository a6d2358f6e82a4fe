//! Figures as SVG: lines, steps and labelled dots over two axes. No script; colours are CSS variables with a fallback,
//! so that a page can set them for its light or dark side, and a figure alone is legible on both.
#![deny(clippy::disallowed_methods)]

mod axis;
mod labels;
mod thin;

pub use axis::Scale;

use super::escape;
use axis::Axis;
use labels::DotLabels;

/// Colours of series, in order: fallbacks of the variables `--s0`, `--s1`, ….
pub(super) const COLOURS: [&str; 8] = [
    "#2f7ed8", "#d9632a", "#2a9d6f", "#b04fb5", "#c29a12", "#1aa0b8", "#cf4b6c", "#7d8794",
];
/// Colours of series on a dark page.
pub(super) const DARK: [&str; 8] = [
    "#6cabf5", "#f28f5c", "#5fcf9f", "#d88adc", "#e6c34a", "#5ccfe0", "#f2849e", "#a9b3bf",
];

const WIDTH: f64 = 720.0;
/// Height of the plot itself, without title, legend and axis.
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 22.0;
const BOTTOM: f64 = 46.0;
/// Mean width of a letter, approximately.
const LETTER: f64 = 6.3;

/// A figure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// Title, also the figure's name for those who do not see it.
    pub title: String,
    /// Horizontal axis.
    pub x: Measure,
    /// Vertical axis.
    pub y: Measure,
    /// Series, drawn in this order.
    pub series: Vec<Series>,
}

/// Quantity of an axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measure {
    /// Label, unit included.
    pub label: String,
    /// Scale of the axis.
    pub scale: Scale,
}

/// Marks with one name and colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// Marks to draw, in the units of the axes.
    pub marks: Marks,
}

/// Points (x, y). One that an axis cannot show, such as NaN, breaks a line and is no dot.
#[derive(Clone, Debug, PartialEq)]
pub enum Marks {
    /// A line from point to point.
    Line(Vec<(f64, f64)>),
    /// Each y lasts until the next x: replicas.
    Steps(Vec<(f64, f64)>),
    /// A dot each, with its label.
    Dots(Vec<((f64, f64), String)>),
}

impl Chart {
    /// Element `<svg>` of the figure.
    pub fn svg(&self) -> String {
        let legend = self.legend();
        let top = 34.0 + 18.0 * legend.1 as f64;
        let height = top + HEIGHT + BOTTOM;
        let title = escape(&self.title);
        let body = match self.axes() {
            Some((x, y)) => Plot { x, y, top }.draw(self),
            None => text(WIDTH / 2.0, top + HEIGHT / 2.0, "middle", "no data"),
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{title}\" font-family=\"system-ui, sans-serif\" \
             font-size=\"11\">\n<title>{title}</title>\n\
             <text x=\"{LEFT}\" y=\"18\" font-size=\"14\" font-weight=\"600\" style=\"{INK}\">{title}</text>\n\
             {}{body}</svg>\n",
            legend.0
        )
    }

    /// Axes over all points of which both values can be shown.
    fn axes(&self) -> Option<(Axis, Axis)> {
        let points = || {
            let all = self.series.iter().flat_map(|series| series.marks.points());
            all.filter(|(x, y)| self.x.scale.shows(*x) && self.y.scale.shows(*y))
        };
        let x = Axis::over(self.x.scale, points().map(|(x, _)| x))?;
        let y = Axis::over(self.y.scale, points().map(|(_, y)| y))?;
        Some((x, y))
    }

    /// Legend, and the number of its lines.
    fn legend(&self) -> (String, usize) {
        let (mut drawn, mut x, mut lines) = (String::new(), LEFT, 1);
        for (index, series) in self.series.iter().enumerate() {
            let width = 24.0 + LETTER * (series.name.chars().count() as f64 + 2.0);
            if x > LEFT && x + width > WIDTH {
                (x, lines) = (LEFT, lines + 1);
            }
            let y = 18.0 + 18.0 * lines as f64;
            let (middle, end) = (y - 4.0, x + 16.0);
            drawn += &match series.marks {
                Marks::Dots(_) => dot(x + 8.0, middle, index, ""),
                _ => path(&format!("M{x:.1} {middle:.1}H{end:.1}"), index),
            };
            drawn += &text(x + 22.0, y, "start", &series.name);
            x += width;
        }
        (drawn, lines)
    }
}

impl Marks {
    fn points(&self) -> Box<dyn Iterator<Item = (f64, f64)> + '_> {
        match self {
            Self::Line(points) | Self::Steps(points) => Box::new(points.iter().copied()),
            Self::Dots(dots) => Box::new(dots.iter().map(|(point, _)| *point)),
        }
    }
}

/// Positions on the paper.
struct Plot {
    x: Axis,
    y: Axis,
    top: f64,
}

impl Plot {
    fn draw(&self, chart: &Chart) -> String {
        let mut drawn = self.frame(chart);
        let mut labels = DotLabels::within(LEFT, self.top, WIDTH - RIGHT, self.top + HEIGHT);
        for (index, series) in chart.series.iter().enumerate() {
            match &series.marks {
                Marks::Line(points) => drawn += &self.line(chart, points, index, false),
                Marks::Steps(points) => drawn += &self.line(chart, points, index, true),
                Marks::Dots(dots) => {
                    for (point, label) in dots {
                        if let Some((x, y)) = self.paper(chart, *point) {
                            drawn += &dot(x, y, index, label);
                            labels.add(x, y, label);
                        }
                    }
                }
            }
        }
        // Last: a label must keep clear of every dot, also of those that come after its own.
        for (x, y, label) in labels.placed() {
            drawn += &text(x, y, "start", label);
        }
        drawn
    }

    /// Both axes, their named values and the lines across.
    fn frame(&self, chart: &Chart) -> String {
        let (right, bottom) = (WIDTH - RIGHT, self.top + HEIGHT);
        let mut drawn = String::new();
        for (value, name) in &self.y.ticks {
            let y = bottom - HEIGHT * self.y.place(*value);
            drawn += &format!("<path d=\"M{LEFT} {y:.1}H{right}\" style=\"stroke:var(--grid,#8884)\"/>\n");
            drawn += &text(LEFT - 6.0, y + 4.0, "end", name);
        }
        for (value, name) in &self.x.ticks {
            let x = LEFT + (right - LEFT) * self.x.place(*value);
            drawn += &format!("<path d=\"M{x:.1} {bottom}v5\" style=\"stroke:var(--ink,#888)\"/>\n");
            drawn += &text(x, bottom + 18.0, "middle", name);
        }
        drawn += &format!("<path d=\"M{LEFT} {bottom}H{right}\" style=\"stroke:var(--ink,#888)\"/>\n");
        drawn += &text((LEFT + right) / 2.0, bottom + 36.0, "middle", &chart.x.label);
        let middle = self.top + HEIGHT / 2.0;
        drawn += &format!(
            "<text transform=\"translate(14 {middle}) rotate(-90)\" text-anchor=\"middle\" style=\"{INK}\">{}</text>\n",
            escape(&chart.y.label)
        );
        drawn
    }

    fn line(&self, chart: &Chart, points: &[(f64, f64)], index: usize, steps: bool) -> String {
        let (mut drawn, mut open) = (String::new(), false);
        for point in thin::thin(points) {
            let Some((x, y)) = self.paper(chart, point) else {
                open = false;
                continue;
            };
            drawn += &match (open, steps) {
                (false, _) => format!("M{x:.1} {y:.1}"),
                (true, false) => format!("L{x:.1} {y:.1}"),
                (true, true) => format!("H{x:.1}V{y:.1}"),
            };
            open = true;
        }
        if drawn.is_empty() { drawn } else { path(&drawn, index) }
    }

    fn paper(&self, chart: &Chart, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        (chart.x.scale.shows(x) && chart.y.scale.shows(y)).then(|| {
            let x = LEFT + (WIDTH - RIGHT - LEFT) * self.x.place(x);
            (x, self.top + HEIGHT - HEIGHT * self.y.place(y))
        })
    }
}

const INK: &str = "fill:var(--ink,#888)";

fn colour(index: usize) -> String {
    let index = index % COLOURS.len();
    format!("var(--s{index},{})", COLOURS[index])
}

/// Element of a line. When the colours repeat, dashes tell the lines apart.
fn path(along: &str, index: usize) -> String {
    let dashes = match index / COLOURS.len() {
        0 => "",
        1 => ";stroke-dasharray:6 3",
        _ => ";stroke-dasharray:2 3",
    };
    let colour = colour(index);
    format!("<path d=\"{along}\" fill=\"none\" stroke-width=\"1.6\" style=\"stroke:{colour}{dashes}\"/>\n")
}

fn dot(x: f64, y: f64, index: usize, label: &str) -> String {
    let (colour, label) = (colour(index), escape(label));
    format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" style=\"fill:{colour}\"><title>{label}</title></circle>\n")
}

fn text(x: f64, y: f64, anchor: &str, content: &str) -> String {
    let content = escape(content);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" style=\"{INK}\">{content}</text>\n")
}

#[cfg(test)]
mod tests;
