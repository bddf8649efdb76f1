//! Fitted knots: for some numbers of steps, where the steps of one model fall.

use crate::Error;
use std::collections::BTreeMap;

/// Knots by their number of steps. A table that exists is valid: each row has one knot more than steps, begins with 0,
/// ends with 1 and strictly increases.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnotTable {
    rows: BTreeMap<usize, Vec<f64>>,
}

impl KnotTable {
    /// A table of these rows: the number of steps, and its knots.
    ///
    /// # Errors
    /// A row that is not as above, by its number of steps.
    pub fn new(rows: impl IntoIterator<Item = (usize, Vec<f64>)>) -> Result<Self, Error> {
        let mut table = BTreeMap::new();
        for (steps, knots) in rows {
            let refuse = |got: String, accepts: &'static str| Error::Knots { steps, got, accepts };
            if steps == 0 || steps > super::MOST_STEPS || knots.len() != steps + 1 {
                return Err(refuse(format!("{} knots", knots.len()), "one knot more than steps"));
            }
            if knots[0] != 0.0 || knots[steps] != 1.0 {
                let got = format!("knots from {} to {}", knots[0], knots[steps]);
                return Err(refuse(got, "knots from 0 to 1"));
            }
            // A NaN is not less than anything, so it is refused.
            let rises = |k: &[f64]| k[0] < k[1];
            if let Some(pair) = knots.windows(2).find(|k| !rises(k)) {
                return Err(refuse(format!("{} before {}", pair[0], pair[1]), "strictly increasing knots"));
            }
            table.insert(steps, knots);
        }
        Ok(Self { rows: table })
    }

    /// The knots of so many steps, if they were fitted.
    pub fn get(&self, steps: usize) -> Option<&[f64]> {
        self.rows.get(&steps).map(Vec::as_slice)
    }

    /// The numbers of steps that were fitted, ascending.
    pub fn counts(&self) -> Vec<usize> {
        self.rows.keys().copied().collect()
    }

    /// All rows, by ascending number of steps.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[f64])> {
        self.rows.iter().map(|(steps, knots)| (*steps, knots.as_slice()))
    }

    /// Whether nothing was fitted.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_rows_make_a_table() {
        let table = KnotTable::new([(2, vec![0.0, 0.7, 1.0]), (1, vec![0.0, 1.0])]).unwrap();
        assert_eq!((table.counts(), table.get(2)), (vec![1, 2], Some(&[0.0, 0.7, 1.0][..])));
        assert_eq!((table.get(3), table.is_empty(), table.iter().count()), (None, false, 2));
        for (steps, knots) in [
            (0, vec![0.0]),
            (2, vec![0.0, 1.0]),
            (2, vec![0.1, 0.5, 1.0]),
            (2, vec![0.0, 0.5, 0.9]),
            (2, vec![0.0, 0.0, 1.0]),
            (3, vec![0.0, 0.6, 0.5, 1.0]),
            (2, vec![0.0, f64::NAN, 1.0]),
        ] {
            let refused = KnotTable::new([(steps, knots)]);
            assert!(matches!(refused, Err(Error::Knots { steps: s, .. }) if s == steps));
        }
    }
}
