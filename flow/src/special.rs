//! The few special functions that schedules and time distributions need, from `libm` so that every platform
//! gives the same bits.

use crate::real;
use std::f64::consts::FRAC_1_SQRT_2;

/// log(u / (1 - u)); minus and plus infinity at 0 and 1.
pub(crate) fn logit(u: f64) -> f64 {
    libm::log(u) - libm::log1p(-u)
}

/// 1 / (1 + e^-x), the inverse of [`logit`].
pub(crate) fn sigmoid(x: f64) -> f64 {
    // e^x for negative x, so that the left tail keeps its relative accuracy.
    if x >= 0.0 {
        1.0 / (1.0 + real::exp(-x))
    } else {
        let e = real::exp(x);
        e / (1.0 + e)
    }
}

/// The standard normal distribution's cumulative probability.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// The z below which a standard normal value lies with probability u in (0, 1).
pub(crate) fn normal_quantile(u: f64) -> f64 {
    // The lower half keeps the relative accuracy of small probabilities, the upper half mirrors it.
    if u > 0.5 {
        return -normal_quantile(1.0 - u);
    }
    invert(normal_cdf, -40.0, 0.0, u)
}

/// The x below which a Beta(a, b) value lies with probability u in (0, 1).
pub(crate) fn beta_quantile(a: f64, b: f64, u: f64) -> f64 {
    invert(|x| incomplete_beta(a, b, x), 0.0, 1.0, u)
}

/// The regularized incomplete beta function I_x(a, b), by its continued fraction.
///
/// Press et al., Numerical Recipes, section 6.4 (Lentz's method); it converges fast for x < (a + 1) / (a + b + 2).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let tiny = f64::MIN_POSITIVE / f64::EPSILON;
    let guard = |v: f64| if v.abs() < tiny { tiny } else { v };
    let (mut c, mut d) = (1.0, 1.0 / guard(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / guard(1.0 + term * d);
            c = guard(1.0 + term / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    let log_front =
        a * libm::log(x) + b * libm::log1p(-x) + libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b);
    real::exp(log_front) * fraction / a
}

/// Where the increasing `f` reaches `target`, by halving [low, high] until no number lies between.
fn invert(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64, target: f64) -> f64 {
    for _ in 0..1100 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if f(middle) < target { low = middle } else { high = middle }
    }
    0.5 * (low + high)
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

    #[test]
    fn quantiles_undo_their_distributions() {
        for i in 1..200 {
            let u = f64::from(i) / 200.0;
            assert!((normal_cdf(normal_quantile(u)) - u).abs() < 1e-15);
            for (a, b) in [(0.6, 0.6), (0.2, 5.0), (3.0, 1.5)] {
                assert!((incomplete_beta(a, b, beta_quantile(a, b, u)) - u).abs() < 1e-13, "{a}, {b}, {u}");
            }
            // Beta(1, 1) is uniform, and Beta(2, 1) has the distribution x^2.
            assert!((beta_quantile(1.0, 1.0, u) - u).abs() < 1e-14);
            assert!((beta_quantile(2.0, 1.0, u) - u.sqrt()).abs() < 1e-14);
        }
        // Abramowitz and Stegun, table 26.5: the upper 2.5% point.
        assert!((normal_quantile(0.975) - 1.959963984540054).abs() < 1e-14);
    }
}
