//! Axis: places of values, and which of them are named.
#![deny(clippy::disallowed_methods)]

/// Scale of an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Linear, and from 0: lengths read as amounts.
    #[default]
    Linear,
    /// Logarithmic. Values of 0 and below are left out.
    Log,
    /// Seconds, named in seconds, minutes or hours.
    Time,
}

impl Scale {
    /// Whether a value can be shown at all.
    pub(super) fn shows(self, value: f64) -> bool {
        // Beyond this differences and powers are no numbers any more.
        let most = if self == Self::Time { 1e12 } else { 1e100 };
        value.abs() < most && (self != Self::Log || value > 1e-100)
    }
}

/// Axis over some values.
#[derive(Debug, PartialEq)]
pub(super) struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
    /// Values that the axis names, with their names.
    pub(super) ticks: Vec<(f64, String)>,
}

/// Largest number of values that are named.
const TICKS: f64 = 8.0;
/// Distances between named moments, in seconds, up to a day.
const SPANS: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0,
    86_400.0,
];

impl Axis {
    /// Axis over these values; `None` without a value that can be shown.
    pub(super) fn over(scale: Scale, values: impl Iterator<Item = f64>) -> Option<Self> {
        let values = values.filter(|value| scale.shows(*value));
        let (from, to) = values.fold(None, |range, value| {
            let (from, to) = range.unwrap_or((value, value));
            Some((value.min(from), value.max(to)))
        })?;
        Some(match scale {
            Scale::Linear => Self::linear(from.min(0.0), to.max(0.0)),
            Scale::Log => Self::log(from, to),
            Scale::Time => Self::time(from, to),
        })
    }

    fn linear(from: f64, to: f64) -> Self {
        let to = if to - from < 1e-100 { from + 1.0 } else { to };
        let step = round_up((to - from) / TICKS * 1.4);
        let (first, last) = ((from / step).floor(), (to / step).ceil());
        Self {
            scale: Scale::Linear,
            from: first * step,
            to: last * step,
            ticks: steps(first, last, step, |value| plain(value, step)),
        }
    }

    fn log(from: f64, to: f64) -> Self {
        let (low, high) = (from.log10().floor(), to.log10().ceil());
        let high = if high > low { high } else { low + 1.0 };
        // Few decades name 1, 2 and 5; many name a power of ten here and there.
        let stride = ((high - low) / TICKS).ceil();
        let factors: &[f64] = if high - low <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let decades = (0..=((high - low) / stride) as u32).map(|step| 10f64.powf(low + f64::from(step) * stride));
        let named = decades.flat_map(|decade| factors.iter().map(move |factor| factor * decade));
        let named: Vec<f64> = named.collect();
        // The axis ends at the nearest named values around its own.
        let below = named.iter().copied().filter(|named| *named <= from * 1.000_001);
        let from = below.reduce(f64::max).unwrap_or(10f64.powf(low));
        let above = named
            .iter()
            .copied()
            .filter(|named| *named >= to * 0.999_999 && *named > from);
        let to = above.reduce(f64::min).unwrap_or(10f64.powf(high));
        let shown = named.into_iter().filter(|named| (from..=to).contains(named));
        Self {
            scale: Scale::Log,
            from,
            to,
            ticks: shown.map(|value| (value, plain(value, value))).collect(),
        }
    }

    fn time(from: f64, to: f64) -> Self {
        let to = if to - from < 1.0 { from + 1.0 } else { to };
        let least = (to - from) / TICKS;
        let span = SPANS.into_iter().find(|span| *span >= least);
        let span = span.unwrap_or_else(|| round_up(least / 86_400.0) * 86_400.0);
        let (unit, name) = match span {
            3600.0.. => (3600.0, "h"),
            60.0.. => (60.0, "min"),
            _ => (1.0, "s"),
        };
        Self {
            scale: Scale::Time,
            from,
            to,
            ticks: steps((from / span).ceil(), (to / span).floor(), span, |at| {
                format!("{} {name}", plain(at / unit, 1.0))
            }),
        }
    }

    /// Place of a value along the axis, 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        let along = |value: f64| if self.scale == Scale::Log { value.ln() } else { value };
        (along(value) - along(self.from)) / (along(self.to) - along(self.from))
    }
}

/// Smallest of 1, 2, 5, 10, 20, … and their tenths that is no less.
fn round_up(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    let factors = [1.0, 2.0, 5.0].into_iter();
    let least = factors.map(|factor| factor * decade).find(|round| *round >= value);
    least.unwrap_or(10.0 * decade)
}

fn steps(first: f64, last: f64, step: f64, name: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    let count = (last - first).max(-1.0) as i64;
    let values = (0..=count).map(|index| (first + index as f64) * step);
    values.map(|value| (value, name(value))).collect()
}

/// Number with as many decimals as the step to the next one needs, thousands apart.
fn plain(value: f64, step: f64) -> String {
    let size = step.log10();
    if !(-6.0..9.0).contains(&size) {
        return format!("{value:.0e}");
    }
    let decimals = (-size - 1e-9).ceil().max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, whole) = whole.split_at(whole.len() - whole.trim_start_matches('-').len());
    let mut grouped = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(scale: Scale, values: &[f64]) -> Vec<String> {
        let axis = Axis::over(scale, values.iter().copied()).unwrap();
        axis.ticks.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn amounts_start_at_zero_and_are_named_roundly() {
        assert_eq!(names(Scale::Linear, &[3.0, 9.7]), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(names(Scale::Linear, &[0.01, 0.34]), ["0.0", "0.1", "0.2", "0.3", "0.4"]);
        assert_eq!(names(Scale::Linear, &[-3.0, 3.0]), ["-4", "-2", "0", "2", "4"]);
        assert_eq!(
            names(Scale::Linear, &[2400.0]),
            ["0", "500", "1,000", "1,500", "2,000", "2,500"]
        );
    }

    #[test]
    fn time_is_named_in_the_unit_that_fits() {
        let day = ["0 h", "3 h", "6 h", "9 h", "12 h", "15 h", "18 h", "21 h", "24 h"];
        assert_eq!(names(Scale::Time, &[0.0, 86_400.0]), day);
        assert_eq!(names(Scale::Time, &[0.0, 1_500.0])[..3], ["0 min", "5 min", "10 min"]);
        assert_eq!(names(Scale::Time, &[61.0, 79.0])[..2], ["65 s", "70 s"]);
        assert!(names(Scale::Time, &[0.0, 864_000.0]).len() < 9);
    }

    #[test]
    fn factors_are_named_by_one_two_and_five() {
        assert_eq!(names(Scale::Log, &[1.2, 4.0, -1.0, 0.0]), ["1", "2", "5"]);
        assert_eq!(
            names(Scale::Log, &[0.5, 30.0]),
            ["0.5", "1", "2", "5", "10", "20", "50"]
        );
        assert_eq!(names(Scale::Log, &[1.0, 1_000_000.0]).len(), 7);
        assert!(names(Scale::Log, &[1e-90, 1e90]).len() < 10);
    }

    #[test]
    fn places_are_between_the_ends() {
        for scale in [Scale::Linear, Scale::Log, Scale::Time] {
            for values in [[1.0, 1.0], [0.3, 77_777.0], [1e-90, 1e90], [2.0, 5.0], [1e9, 1e9 + 1.0]] {
                let axis = Axis::over(scale, values.into_iter()).unwrap();
                for value in values.into_iter().filter(|value| scale.shows(*value)) {
                    let place = axis.place(value);
                    assert!((-1e-6..=1.000_001).contains(&place), "{scale:?} {values:?}: {place}");
                }
                assert!(axis.ticks.len() < 12, "{scale:?} {values:?}: {:?}", axis.ticks);
            }
        }
    }

    #[test]
    fn without_a_value_there_is_no_axis() {
        assert_eq!(Axis::over(Scale::Linear, [f64::NAN, f64::INFINITY].into_iter()), None);
        assert_eq!(Axis::over(Scale::Log, [0.0, -1.0].into_iter()), None);
    }
}
