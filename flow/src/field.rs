//! The velocity field v(t, x): what a solver follows, and where evaluations are counted.

use crate::Error;
use crate::state::Rows;

/// A velocity field over a batch of samples.
pub trait Field<S> {
    /// v(t, x), for all samples at one time.
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error>;

    /// v(t_i, x_i) for some of the samples, each at a time of its own: sample i of `x` is sample `rows[i]` of the batch.
    fn velocity_rows(&mut self, times: &[f64], rows: &[usize], x: &S) -> Result<S, Error>;

    /// How often the network has been evaluated so far for a sample of the batch, counted where it is called. Samples
    /// differ only where `velocity_rows` was asked.
    fn spent(&self, row: usize) -> usize;

    /// The most that any sample has cost.
    fn evaluations(&self) -> usize;

    /// The most evaluations that one call can cost a sample: 2 under guidance. A budget is kept by it.
    fn evaluations_per_call(&self) -> usize {
        1
    }
}

impl<S, F: Field<S> + ?Sized> Field<S> for &mut F {
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error> {
        (**self).velocity(t, x)
    }

    fn velocity_rows(&mut self, times: &[f64], rows: &[usize], x: &S) -> Result<S, Error> {
        (**self).velocity_rows(times, rows, x)
    }

    fn spent(&self, row: usize) -> usize {
        (**self).spent(row)
    }

    fn evaluations(&self) -> usize {
        (**self).evaluations()
    }

    fn evaluations_per_call(&self) -> usize {
        (**self).evaluations_per_call()
    }
}

/// Evaluations counted for a whole batch and for some of its samples.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    all: usize,
    rows: Vec<usize>,
}

impl Tally {
    /// Every sample was evaluated so often.
    pub fn add(&mut self, count: usize) {
        self.all += count;
    }

    /// These samples were evaluated so often.
    pub fn add_rows(&mut self, rows: &[usize], count: usize) {
        for row in rows {
            if *row >= self.rows.len() {
                self.rows.resize(row + 1, 0);
            }
            self.rows[*row] += count;
        }
    }

    /// What this sample has cost.
    pub fn of(&self, row: usize) -> usize {
        self.all + self.rows.get(row).copied().unwrap_or(0)
    }

    /// The most that any sample has cost.
    pub fn most(&self) -> usize {
        self.all + self.rows.iter().copied().max().unwrap_or(0)
    }
}

/// A field given by a closure; each call counts as one evaluation. Samples at times of their own are asked one by one,
/// so the closure must not care which sample of a batch it sees.
pub struct FnField<F> {
    function: F,
    tally: Tally,
}

impl<F> FnField<F> {
    /// The field v(t, x) = `function(t, x)`.
    pub fn new(function: F) -> Self {
        Self { function, tally: Tally::default() }
    }
}

impl<S: Rows, F: FnMut(f64, &S) -> Result<S, Error>> Field<S> for FnField<F> {
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error> {
        self.tally.add(1);
        (self.function)(t, x)
    }

    fn velocity_rows(&mut self, times: &[f64], rows: &[usize], x: &S) -> Result<S, Error> {
        let mut all = x.clone();
        for (i, t) in times.iter().enumerate() {
            let alone = if times.len() == 1 { x.clone() } else { x.select(&[i]) };
            all = all.replace(&[i], &(self.function)(*t, &alone)?);
        }
        self.tally.add_rows(rows, 1);
        Ok(all)
    }

    fn spent(&self, row: usize) -> usize {
        self.tally.of(row)
    }

    fn evaluations(&self) -> usize {
        self.tally.most()
    }
}
