//! Random numbers that are the same on every machine and in every version: figures of a benchmark are published with
//! their seed.
#![deny(clippy::disallowed_methods)]
use super::Seconds;
use std::f64::consts::TAU;

/// Generator: xoshiro256++ (Blackman and Vigna), its state filled by splitmix64.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// Generator of one purpose (`stream`) under a seed. Streams are independent: more draws for one purpose do not
    /// change what another one draws.
    pub fn new(seed: u64, stream: u64) -> Self {
        // Two rounds of splitmix64 keep (1, 0) and (0, 1) apart.
        let mut mixed = splitmix(&mut { seed }) ^ stream;
        Self {
            state: std::array::from_fn(|_| splitmix(&mut mixed)),
        }
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let drawn = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        drawn
    }

    /// Uniform number in `from..to`.
    pub fn uniform(&mut self, from: f64, to: f64) -> f64 {
        // The upper 53 bits: as many as a float holds exactly.
        const STEP: f64 = 1.0 / (1u64 << 53) as f64;
        from + (to - from) * ((self.next() >> 11) as f64 * STEP)
    }

    /// Whole number in `from..=to`, each equally likely.
    pub fn whole(&mut self, from: u32, to: u32) -> u32 {
        let choices = f64::from(to.saturating_sub(from)) + 1.0;
        // The conversion rounds down and cannot overflow: the product is below the number of choices.
        from + self.uniform(0.0, choices) as u32
    }

    /// Normal number, by Box and Muller.
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        // 1 − u is above 0, so that its logarithm exists.
        let radius = (-2.0 * (1.0 - self.uniform(0.0, 1.0)).ln()).sqrt();
        mean + deviation * radius * (TAU * self.uniform(0.0, 1.0)).cos()
    }

    /// Lognormal number with this mean and this coefficient of variation (deviation ÷ mean).
    pub fn lognormal(&mut self, mean: f64, variation: f64) -> f64 {
        let variance = (variation * variation).ln_1p();
        self.normal(mean.ln() - variance / 2.0, variance.sqrt()).exp()
    }

    /// Arrivals of a Poisson process in `0..until`, in order. `rate` gives arrivals per second at a moment and is
    /// nowhere above `ceiling` (what exceeds it is cut off).
    pub fn poisson(&mut self, rate: impl Fn(Seconds) -> f64, ceiling: f64, until: Seconds) -> Vec<Seconds> {
        let mut arrivals = Vec::new();
        // Thinning: candidates come at the ceiling's rate; each stays with the chance that the true rate gives it.
        let mut now = self.exponential(ceiling);
        while now < until {
            if self.uniform(0.0, ceiling) < rate(now) {
                arrivals.push(now);
            }
            now += self.exponential(ceiling);
        }
        arrivals
    }

    /// Time to the next event of a process with this rate.
    fn exponential(&mut self, rate: f64) -> Seconds {
        -(1.0 - self.uniform(0.0, 1.0)).ln() / rate
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 200_000;

    /// Mean and deviation of many draws.
    fn spread(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let drawn: Vec<f64> = (0..DRAWS).map(|_| draw()).collect();
        let mean = drawn.iter().sum::<f64>() / DRAWS as f64;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / DRAWS as f64;
        (mean, variance.sqrt())
    }

    fn close(found: f64, expected: f64, by: f64) {
        assert!((found - expected).abs() <= by, "{found} is not {expected} ± {by}");
    }

    #[test]
    fn the_first_draws_are_those_of_the_published_algorithms() {
        let mut state = 1_234_567;
        let splits: Vec<u64> = (0..3).map(|_| splitmix(&mut state)).collect();
        assert_eq!(
            splits,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
        let mut random = Random { state: [1, 2, 3, 4] };
        let draws: Vec<u64> = (0..4).map(|_| random.next()).collect();
        assert_eq!(
            draws,
            [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]
        );
    }

    #[test]
    fn seed_and_stream_both_matter() {
        let first = |seed, stream| Random::new(seed, stream).next();
        assert_eq!(first(1, 0), first(1, 0));
        let all = [first(0, 0), first(0, 1), first(1, 0), first(1, 1)];
        assert!((0..4).all(|a| (0..a).all(|b| all[a] != all[b])), "{all:?}");
    }

    #[test]
    fn uniform_and_whole_fill_their_range() {
        let mut random = Random::new(1, 0);
        let (mean, deviation) = spread(|| random.uniform(2.0, 4.0));
        close(mean, 3.0, 0.01);
        close(deviation, 2.0 / 12f64.sqrt(), 0.01);
        let whole: Vec<u32> = (0..1000).map(|_| random.whole(20, 24)).collect();
        assert!((20..=24).all(|n| whole.contains(&n)) && whole.iter().all(|n| (20..=24).contains(n)));
    }

    #[test]
    fn normal_and_lognormal_have_their_mean_and_deviation() {
        let mut random = Random::new(2, 0);
        let (mean, deviation) = spread(|| random.normal(-1.0, 3.0));
        close(mean, -1.0, 0.03);
        close(deviation, 3.0, 0.03);
        let (mean, deviation) = spread(|| random.lognormal(4.0, 1.0));
        close(mean, 4.0, 0.04);
        close(deviation, 4.0, 0.15);
    }

    #[test]
    fn thinning_follows_the_rate() {
        let mut random = Random::new(3, 0);
        let arrivals = random.poisson(|t| if t < 1000.0 { 1.0 } else { 9.0 }, 10.0, 2000.0);
        assert!(arrivals.is_sorted());
        let before = arrivals.iter().filter(|at| **at < 1000.0).count() as f64;
        close(before, 1000.0, 100.0);
        close(arrivals.len() as f64 - before, 9000.0, 300.0);
        assert!(random.poisson(|_| 1.0, f64::NAN, 10.0).is_empty());
    }
}
