//! An hour as one line of bars.
#![deny(clippy::disallowed_methods)]

/// Bars from the lowest, which is 0 alone, to the highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Points as bars of one column each, the newest at the end, in at most this many columns: where there are more, each bar is the most of
/// several. A blank stands for what is not known.
pub(super) fn spark(points: &[Option<u32>], columns: usize) -> String {
    if columns == 0 {
        return String::new();
    }
    let each = points.len().div_ceil(columns).max(1);
    let top = most(points).unwrap_or(0);
    let mut bars: Vec<_> = points
        .rchunks(each)
        .map(|some| most(some).map_or(' ', |value| bar(value, top)))
        .collect();
    bars.reverse();
    bars.into_iter().collect()
}

/// The most of what is known.
pub(super) fn most(points: &[Option<u32>]) -> Option<u32> {
    points.iter().flatten().max().copied()
}

fn bar(value: u32, top: u32) -> char {
    let steps = BARS.len() as u64 - 1;
    let height = (u64::from(value) * steps).div_ceil(u64::from(top.max(1)));
    BARS[usize::try_from(height.min(steps)).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_something_and_the_most_differ() {
        let points = [Some(0), Some(1), None, Some(500), Some(1000)];
        assert_eq!(spark(&points, 9), "▁▂ ▅█");
        assert_eq!(spark(&[Some(0); 3], 9), "▁▁▁");
        assert_eq!(spark(&[Some(u32::MAX)], 9), "█");
        assert_eq!(spark(&[], 9), "");
        assert_eq!(spark(&points, 0), "");
    }

    #[test]
    fn many_points_share_a_bar_and_a_spike_is_seen() {
        let mut points = [Some(0); 30];
        points[29] = Some(7);
        assert_eq!(spark(&points, 10), "▁▁▁▁▁▁▁▁▁█");
        points[3] = Some(7);
        points[0] = None;
        // Three bars are not full: what is left over is the oldest.
        assert_eq!(spark(&points, 8).chars().count(), 8);
        assert_eq!(most(&points), Some(7));
    }
}
