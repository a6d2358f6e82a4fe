//! Labels beside dots, where there is room.
#![deny(clippy::disallowed_methods)]

use super::LETTER;

/// Space that a dot or a label takes.
#[derive(Clone, Copy)]
struct Space {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Space {
    fn meets(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn is_within(&self, other: &Self) -> bool {
        self.left >= other.left && self.right <= other.right && self.top >= other.top && self.bottom <= other.bottom
    }
}

/// Dots, and the labels that they should have.
pub(super) struct DotLabels<'a> {
    paper: Space,
    wishes: Vec<(f64, f64, &'a str)>,
}

impl<'a> DotLabels<'a> {
    /// Labels that do not leave this space.
    pub(super) fn within(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        let paper = Space {
            left,
            top,
            right,
            bottom,
        };
        Self {
            paper,
            wishes: Vec::new(),
        }
    }

    /// Adds a dot, and its label.
    pub(super) fn add(&mut self, x: f64, y: f64, label: &'a str) {
        self.wishes.push((x, y, label));
    }

    /// Each label with the start of its base line, placed in the order of the dots: one without a free place is left
    /// out, and the dot's own title still shows it.
    pub(super) fn placed(&self) -> Vec<(f64, f64, &'a str)> {
        let dots = self.wishes.iter().map(|(x, y, _)| Space {
            left: x - 4.0,
            top: y - 4.0,
            right: x + 4.0,
            bottom: y + 4.0,
        });
        let mut taken: Vec<_> = dots.collect();
        let mut placed = Vec::new();
        for &(x, y, label) in self.wishes.iter().filter(|(.., label)| !label.is_empty()) {
            let width = LETTER * label.chars().count() as f64;
            let (right, left, middle) = (x + 7.0, x - 7.0 - width, x - width / 2.0);
            let places = [
                (right, y + 4.0),
                (left, y + 4.0),
                (middle, y - 7.0),
                (middle, y + 15.0),
                (right, y - 5.0),
                (right, y + 13.0),
                (left, y - 5.0),
                (left, y + 13.0),
            ];
            let space = |(x, y): (f64, f64)| Space {
                left: x,
                top: y - 9.0,
                right: x + width,
                bottom: y + 2.0,
            };
            let is_free = |place: &(f64, f64)| {
                let space = space(*place);
                space.is_within(&self.paper) && !taken.iter().any(|other| space.meets(other))
            };
            if let Some(place) = places.into_iter().find(is_free) {
                taken.push(space(place));
                placed.push((place.0, place.1, label));
            }
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_clear_of_dots_of_each_other_and_of_the_edge() {
        let mut labels = DotLabels::within(0.0, 0.0, 300.0, 300.0);
        labels.add(100.0, 100.0, "free");
        labels.add(290.0, 200.0, "at the edge");
        labels.add(200.0, 50.0, "beside a dot");
        labels.add(215.0, 50.0, "");
        let placed = labels.placed();
        assert_eq!(placed[0], (107.0, 104.0, "free"));
        assert!(placed[1].0 < 290.0 && placed[1].2 == "at the edge");
        assert!(placed[2].0 < 200.0, "{placed:?}");
        assert_eq!(placed.len(), 3);
    }

    #[test]
    fn a_crowd_is_thinned_rather_than_smeared() {
        let mut labels = DotLabels::within(0.0, 0.0, 300.0, 300.0);
        for _ in 0..50 {
            labels.add(150.0, 150.0, "the same place");
        }
        assert!((1..=6).contains(&labels.placed().len()), "{}", labels.placed().len());
        let long = "much too long ".repeat(10);
        let mut labels = DotLabels::within(0.0, 0.0, 300.0, 300.0);
        labels.add(150.0, 150.0, &long);
        assert_eq!(labels.placed(), []);
    }
}
