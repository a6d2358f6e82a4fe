//! Fewer points for the same picture.
#![deny(clippy::disallowed_methods)]

/// Largest number of points of a line.
pub(super) const POINTS: usize = 600;

/// Points in order, at most [`POINTS`] of them: of each bucket the lowest and the highest, so that no spike gets lost.
/// A bucket in which nothing can be shown becomes a point of NaN, where the line breaks.
pub(super) fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let size = points.len().div_ceil(POINTS / 2);
    points.chunks(size).flat_map(extremes).collect()
}

fn extremes(bucket: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let shown = || {
        bucket
            .iter()
            .enumerate()
            .filter(|(_, (x, y))| x.is_finite() && y.is_finite())
    };
    let lowest = shown().min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1));
    let highest = shown().max_by(|(_, a), (_, b)| a.1.total_cmp(&b.1));
    let (Some((low, _)), Some((high, _))) = (lowest, highest) else {
        return vec![(f64::NAN, f64::NAN)];
    };
    let mut kept = vec![low.min(high), low.max(high)];
    kept.dedup();
    kept.into_iter().map(|index| bucket[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_stay_and_order_stays() {
        let mut points: Vec<_> = (0..100_000).map(|x| (f64::from(x), 1.0)).collect();
        points[77_777].1 = 50.0;
        points[12_345].1 = -50.0;
        let thinned = thin(&points);
        assert!(thinned.len() <= POINTS, "{}", thinned.len());
        assert!(thinned.contains(&(77_777.0, 50.0)) && thinned.contains(&(12_345.0, -50.0)));
        assert!(thinned.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_long_gap_stays_a_gap_and_a_hole_closes() {
        let mut points: Vec<_> = (0..6_000).map(|x| (f64::from(x), 1.0)).collect();
        points[10].1 = f64::NAN;
        points[3_000..4_000].fill((0.0, f64::INFINITY));
        let breaks = thin(&points).iter().filter(|(_, y)| y.is_nan()).count();
        assert_eq!(breaks, 50);
    }

    #[test]
    fn few_points_are_left_alone() {
        assert_eq!(thin(&[]), []);
        assert_eq!(thin(&[(1.0, 2.0), (0.0, 3.0)]), [(1.0, 2.0), (0.0, 3.0)]);
    }
}
