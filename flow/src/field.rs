//! The velocity field v(t, x): what a solver follows, and where evaluations are counted.

use crate::Error;

/// A velocity field.
pub trait Field<S> {
    /// v(t, x).
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error>;

    /// How often the network has been evaluated so far, counted where it is called.
    fn evaluations(&self) -> usize;

    /// The most evaluations that one call of `velocity` can cost: 2 under guidance. A budget is kept by it.
    fn evaluations_per_call(&self) -> usize {
        1
    }
}

impl<S, F: Field<S> + ?Sized> Field<S> for &mut F {
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error> {
        (**self).velocity(t, x)
    }

    fn evaluations(&self) -> usize {
        (**self).evaluations()
    }

    fn evaluations_per_call(&self) -> usize {
        (**self).evaluations_per_call()
    }
}

/// A field given by a closure; each call counts as one evaluation.
pub struct FnField<F> {
    function: F,
    evaluations: usize,
}

impl<F> FnField<F> {
    /// The field v(t, x) = `function(t, x)`.
    pub fn new(function: F) -> Self {
        Self { function, evaluations: 0 }
    }
}

impl<S, F: FnMut(f64, &S) -> Result<S, Error>> Field<S> for FnField<F> {
    fn velocity(&mut self, t: f64, x: &S) -> Result<S, Error> {
        self.evaluations += 1;
        (self.function)(t, x)
    }

    fn evaluations(&self) -> usize {
        self.evaluations
    }
}
