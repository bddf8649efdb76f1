//! e^x four at a time, and what is made of it: SiLU and softmax.
//!
//! e^x = 2^k 2^f with k the whole number nearest to x / ln 2; 2^f for |f| <= 1/2 is a polynomial of degree 6
//! (Cephes, `expf`, in base two), off by at most 2 units in the last place.

use wide::{f32x4, i32x4};

/// e^x for x from -87 to 88; outside, what it is there.
#[inline(always)]
pub(crate) fn exp(x: f32x4) -> f32x4 {
    let x = x.fast_max(f32x4::splat(-87.0)).fast_min(f32x4::splat(88.0));
    // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the lowest bits.
    let magic = f32x4::splat(12_582_912.0);
    let shifted = x * f32x4::splat(std::f32::consts::LOG2_E) + magic;
    let whole = shifted - magic;
    // ln 2 in two parts, so that little is lost.
    let rest = x - whole * f32x4::splat(0.693_359_4) + whole * f32x4::splat(2.121_944_4e-4);
    let mut power = f32x4::splat(1.987_569_2e-4);
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        power = power * rest + f32x4::splat(coefficient);
    }
    let power = power * rest * rest + rest + f32x4::ONE;
    let exponent: i32x4 = bits(shifted) << 23;
    floats(bits(power) + exponent)
}

#[inline(always)]
fn bits(x: f32x4) -> i32x4 {
    i32x4::new(x.to_array().map(|x| x.to_bits() as i32))
}

#[inline(always)]
fn floats(x: i32x4) -> f32x4 {
    f32x4::new(x.to_array().map(|x| f32::from_bits(x as u32)))
}

/// x / (1 + e^-x).
#[inline(always)]
pub(crate) fn silu4(x: f32x4) -> f32x4 {
    x / (f32x4::ONE + exp(-x))
}

/// SiLU of every number, in place: x / (1 + e^-x) (Hendrycks and Gimpel 2016, arXiv 1606.08415).
pub fn silu(x: &mut [f32]) {
    each(x, silu4);
}

/// Applies `f` to every number in place, four at a time.
pub(crate) fn each(x: &mut [f32], f: impl Fn(f32x4) -> f32x4) {
    let (whole, rest) = x.as_chunks_mut::<4>();
    for four in whole {
        *four = f(f32x4::new(*four)).to_array();
    }
    for one in rest {
        *one = f(f32x4::splat(*one)).to_array()[0];
    }
}

/// Softmax of a row, in place.
pub fn softmax(row: &mut [f32]) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    each(row, |x| exp(x - f32x4::splat(most)));
    let one = 1.0 / row.iter().sum::<f32>();
    each(row, |x| x * f32x4::splat(one));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_agrees_with_the_exact_one_to_three_units_in_the_last_place() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let (got, want) = (exp(f32x4::splat(x)).to_array()[0], f64::from(x).exp());
            let error = (f64::from(got) - want).abs() / want;
            assert!(error < 3.0 * f64::from(f32::EPSILON), "{x}: {got} for {want}");
        }
    }

    #[test]
    fn silu_and_softmax_are_what_their_formulas_say() {
        let mut x: Vec<f32> = (0..23).map(|i| i as f32 - 11.0).collect();
        let given = x.clone();
        silu(&mut x);
        for (got, x) in x.iter().zip(&given) {
            assert!((got - x / (1.0 + (-x).exp())).abs() < 1e-6, "{x}");
        }
        let mut row = given.clone();
        softmax(&mut row);
        let all: f32 = given.iter().map(|x| x.exp()).sum();
        for (got, x) in row.iter().zip(&given) {
            assert!((got - x.exp() / all).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn extremes_stay_finite() {
        let mut x = [-1e30, -100.0, 0.0, 100.0, 1e30];
        silu(&mut x);
        assert!(x.iter().all(|x| x.is_finite()), "{x:?}");
        assert_eq!((x[2], x[3]), (0.0, 100.0));
    }
}
