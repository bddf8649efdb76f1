//! From one noise to another along the sphere: slerp (Shoemake 1985).
//!
//! slerp(a, b, s) = sin((1 - s) w) / sin w a + sin(s w) / sin w b, with w the angle between a and b. A straight line between
//! two Gaussian noises passes through a middle that is too short by sqrt 2, such as no model was trained on; on the sphere the
//! length goes evenly from one's to the other's. By `libm`, so that the trainer and a browser draw the same bits.

use crate::real;

/// Noises whose angle is smaller than this, or that point away from each other, are mixed along the straight line.
const LEAST_SINE: f64 = 1e-6;

/// The noise at share `s` of the way from `a` to `b`, 0 to 1; the ends are `a` and `b` exactly.
pub fn slerp(a: &[f32], b: &[f32], s: f64) -> Vec<f32> {
    if s <= 0.0 {
        return a.to_vec();
    }
    if s >= 1.0 {
        return b.to_vec();
    }
    let inner =
        |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let lengths = libm::sqrt(inner(a, a) * inner(b, b));
    let angle = if lengths > 0.0 { libm::acos((inner(a, b) / lengths).clamp(-1.0, 1.0)) } else { 0.0 };
    let (from, to) = match real::sin(angle) {
        sine if sine < LEAST_SINE => (1.0 - s, s),
        sine => (real::sin((1.0 - s) * angle) / sine, real::sin(s * angle) / sine),
    };
    a.iter().zip(b).map(|(a, b)| (from * f64::from(*a) + to * f64::from(*b)) as f32).collect()
}

/// Noises at even shares of the way from `a` to `b`, both ends among them, one after another; one alone is `a`.
pub fn noises(a: &[f32], b: &[f32], count: usize) -> Vec<f32> {
    (0..count).flat_map(|i| slerp(a, b, i as f64 / count.saturating_sub(1).max(1) as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(x: &[f32]) -> f64 {
        x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn the_ends_are_exact_and_the_way_stays_on_the_sphere() {
        let (a, b) = (crate::noise::gaussian(1, 0, 784), crate::noise::gaussian(2, 0, 784));
        let all = noises(&a, &b, 11);
        assert_eq!((&all[..784], &all[10 * 784..]), (&a[..], &b[..]));
        let (low, high) = (length(&a).min(length(&b)), length(&a).max(length(&b)));
        for noise in all.chunks(784) {
            assert!(length(noise) > 0.97 * low && length(noise) < 1.03 * high, "{}", length(noise));
        }
    }

    #[test]
    fn equal_steps_are_equal_angles() {
        let middle = slerp(&[2.0, 0.0], &[0.0, 2.0], 0.5);
        assert!(middle.iter().all(|x| (x - 2f32.sqrt()).abs() < 1e-6), "{middle:?}");
        let third = slerp(&[1.0, 0.0], &[0.0, 1.0], 1.0 / 3.0);
        assert!((f64::from(third[0]) - 30f64.to_radians().cos()).abs() < 1e-6, "{third:?}");
    }

    #[test]
    fn equal_and_opposite_noises_make_no_nonsense() {
        assert_eq!(slerp(&[1.0, 2.0], &[1.0, 2.0], 0.3), [1.0, 2.0]);
        assert!(slerp(&[1.0, 2.0], &[-1.0, -2.0], 0.3).iter().all(|x| x.is_finite()));
        assert_eq!(slerp(&[0.0; 2], &[0.0; 2], 0.5), [0.0; 2]);
        assert_eq!(noises(&[1.0], &[5.0], 1), [1.0]);
    }
}
