//! The few special functions that schedules and time distributions need, from `libm` so that every platform
//! gives the same bits.

use std::f64::consts::FRAC_1_SQRT_2;

/// log(u / (1 - u)); minus and plus infinity at 0 and 1.
pub(crate) fn logit(u: f64) -> f64 {
    libm::log(u) - libm::log1p(-u)
}

/// 1 / (1 + e^-x), the inverse of [`logit`].
pub(crate) fn sigmoid(x: f64) -> f64 {
    // e^x for negative x, so that the left tail keeps its relative accuracy.
    if x >= 0.0 {
        1.0 / (1.0 + libm::exp(-x))
    } else {
        let e = libm::exp(x);
        e / (1.0 + e)
    }
}

/// The standard normal distribution's cumulative probability.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoid_undoes_logit_and_saturates_without_nan() {
        for i in 1..1000 {
            let u = i as f64 / 1000.0;
            assert!((sigmoid(logit(u)) - u).abs() < 1e-15);
        }
        assert_eq!(sigmoid(f64::NEG_INFINITY), 0.0);
        assert_eq!(sigmoid(f64::INFINITY), 1.0);
        assert_eq!(logit(0.0), f64::NEG_INFINITY);
        assert_eq!(logit(1.0), f64::INFINITY);
    }

    #[test]
    fn normal_cdf_has_the_tabulated_values() {
        // Abramowitz and Stegun, table 26.1.
        assert!((normal_cdf(1.0) - 0.841344746068543).abs() < 1e-15);
        assert!((normal_cdf(-3.0) - 0.001349898031630).abs() < 1e-15);
        assert_eq!(normal_cdf(0.0), 0.5);
    }
}
