//! Every data sample gets the noise that was drawn beside it.

use super::{Found, Rule};
use crate::rand_core::RngCore;
use crate::registry::Entry;

pub(super) struct Independent;

impl Rule for Independent {
    fn entry(&self) -> &'static Entry {
        &Entry {
            id: "independent",
            label: "Independent",
            about: "Every digit starts from whatever noise comes along.",
            when: "The default: it needs no computation and keeps class conditioning exact.",
            formula: "(x0, x1) ~ p0 p1",
            source: "Lipman et al. 2022, arXiv 2210.02747",
            params: &[],
        }
    }

    fn permutes(&self) -> bool {
        true
    }

    fn pair(
        &self,
        _: &[f64],
        _: &[f32],
        _: &[f32],
        _: usize,
        labels: &[usize],
        _: &mut dyn RngCore,
    ) -> Found {
        Found::rows((0..labels.len()).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::coupling::Coupling;
    use crate::noise;

    #[test]
    fn it_pairs_row_with_row() {
        let coupling = Coupling::parse("independent").unwrap();
        let x = [0.0; 8];
        assert_eq!(
            coupling.pair(&x, &x, 2, &[3, 1, 4, 1], &mut noise::rng(0, 0)).unwrap().rows,
            [0, 1, 2, 3]
        );
    }
}
