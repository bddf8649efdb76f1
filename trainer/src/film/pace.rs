//! Which times a film shows: frame i of N shows t = g(u), u = i / (N - 1), so that it begins at 0 and ends at 1 exactly.
//!
//! - linear: g(u) = u.
//! - quadratic: g(u) = 1 - (1 - u)^2. The film slows evenly and stands still at the end.
//! - logarithmic: g(u) = (1 - e^u) / (1 - e) with e = 1/100, so that what is left of the way shrinks by about the same
//!   factor from frame to frame: 1 - t = 1, ..., 0.01 and then 0.
//!
//! The last two dwell near t = 1, where the picture gets its details.

/// How a film's frames are spaced in t.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Pace {
    /// Evenly
    Linear,
    /// Slower and slower towards the picture
    Quadratic,
    /// Quickly through the noise, long at the picture
    Logarithmic,
}

/// What is left of the way at the end of the logarithmic pace, before its last step.
const LEFT: f64 = 0.01;

impl Pace {
    /// g(u): 0 at 0, 1 at 1, increasing.
    pub fn at(self, u: f64) -> f64 {
        match self {
            _ if u <= 0.0 => 0.0,
            _ if u >= 1.0 => 1.0,
            Self::Linear => u,
            Self::Quadratic => 1.0 - (1.0 - u) * (1.0 - u),
            Self::Logarithmic => (1.0 - LEFT.powf(u)) / (1.0 - LEFT),
        }
    }

    /// The times of so many frames; one frame alone shows the end.
    pub fn times(self, frames: usize) -> Vec<f64> {
        match frames {
            0 => Vec::new(),
            1 => vec![1.0],
            n => (0..n).map(|i| self.at(i as f64 / (n - 1) as f64)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_pace_rises_from_0_to_1_exactly() {
        for pace in Pace::value_variants() {
            for frames in [2, 3, 48, 500] {
                let times = pace.times(frames);
                assert_eq!((times.len(), times[0], times[frames - 1]), (frames, 0.0, 1.0), "{pace:?}");
                assert!(times.windows(2).all(|t| t[0] < t[1]), "{pace:?} {frames}");
            }
            assert_eq!(pace.times(1), [1.0]);
        }
    }

    #[test]
    fn the_slow_paces_dwell_near_the_picture() {
        let late = |pace: Pace| pace.times(100).iter().filter(|t| **t > 0.75).count();
        assert_eq!(late(Pace::Linear), 25);
        assert_eq!(late(Pace::Quadratic), 50);
        assert!(late(Pace::Logarithmic) > 65, "{}", late(Pace::Logarithmic));
        assert!((Pace::Quadratic.at(0.5) - 0.75).abs() < 1e-12);
        assert!((Pace::Logarithmic.at(0.5) - 0.9 / 0.99).abs() < 1e-12);
    }
}
