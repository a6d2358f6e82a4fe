//! Means over seeds, with confidence intervals.
#![deny(clippy::disallowed_methods)]

/// Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// Mean with its 95 % confidence interval, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean; NaN if there are no values or one of them is no number.
    pub mean: f64,
    /// Half the interval's width: the mean ± this. NaN for fewer than two values, which say nothing about their spread.
    pub half: f64,
}

impl Estimate {
    /// Estimate from independent values, such as one of each seed.
    pub fn of(values: &[f64]) -> Self {
        let mean = mean(values);
        let freedom = values.len().saturating_sub(1);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (squares / freedom as f64).sqrt();
        Self {
            mean,
            half: student(freedom) * deviation / (values.len() as f64).sqrt(),
        }
    }

    /// Text such as `82.6 ± 0.3`; a dash for what is unknown.
    pub fn text(&self, decimals: usize) -> String {
        if self.half.is_finite() {
            format!("{} ± {}", number(self.mean, decimals), number(self.half, decimals))
        } else {
            number(self.mean, decimals)
        }
    }
}

/// Number with this many decimals; a dash if it is none.
pub fn number(value: f64, decimals: usize) -> String {
    if value.is_finite() {
        format!("{value:.decimals$}")
    } else {
        "–".into()
    }
}

/// Arithmetic mean; NaN for no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Geometric mean of ratios: twice as expensive here and half as expensive there is the same. NaN for no values, or one
/// that is not above 0.
pub fn geometric_mean(values: &[f64]) -> f64 {
    let logs: Vec<_> = values.iter().map(|value| value.ln()).collect();
    let mean = mean(&logs).exp();
    if mean > 0.0 { mean } else { f64::NAN }
}

/// Quantile of Student's t; NaN for no degree of freedom.
fn student(freedom: usize) -> f64 {
    match freedom {
        0 => f64::NAN,
        1..=30 => STUDENT[freedom - 1],
        // Cornish and Fisher's series around the normal quantile 1.96, right to three decimals from here on.
        _ => 1.95996 + 2.3722 / freedom as f64 + 2.8225 / (freedom as f64).powi(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_students() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(estimate.mean, 2.5);
        // t of 3 degrees · √(5/3) / √4
        assert!((estimate.half - 3.182 * (5.0f64 / 3.0).sqrt() / 2.0).abs() < 1e-12);
        assert_eq!(estimate.text(1), "2.5 ± 2.1");
    }

    #[test]
    fn many_seeds_come_near_the_normal_distribution() {
        assert!((student(31) - 2.0395).abs() < 5e-4);
        assert!((student(60) - 2.0003).abs() < 5e-4);
        assert!((student(1_000_000) - 1.95996).abs() < 1e-4);
        assert!((2..100).all(|freedom| student(freedom) < student(freedom - 1)));
    }

    #[test]
    fn too_little_is_shown_as_unknown() {
        assert_eq!(Estimate::of(&[7.0]).text(2), "7.00");
        assert_eq!(Estimate::of(&[]).text(2), "–");
        assert_eq!(Estimate::of(&[1.0, f64::NAN]).text(2), "–");
        assert_eq!(Estimate::of(&[1.0, f64::INFINITY]).text(2), "–");
    }

    #[test]
    fn ratios_are_averaged_as_ratios() {
        assert!((geometric_mean(&[2.0, 0.5]) - 1.0).abs() < 1e-12);
        assert!((geometric_mean(&[1.0, 2.0, 4.0]) - 2.0).abs() < 1e-12);
        for none in [&[][..], &[0.0, 1.0], &[-1.0], &[f64::NAN]] {
            assert!(geometric_mean(none).is_nan(), "{none:?}");
        }
    }
}
