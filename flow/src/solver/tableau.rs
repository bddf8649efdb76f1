//! Butcher tableaus: a Runge-Kutta method as data.

/// An explicit Runge-Kutta method: k_i = v(t + c_i h, x + h sum_j a_ij k_j), x' = x + h sum_i b_i k_i.
#[derive(Debug)]
pub struct Tableau {
    /// The classical order of the solution.
    pub order: usize,
    /// c, where in the step each stage looks.
    pub c: &'static [f64],
    /// The rows of a below its diagonal: row i has i entries.
    pub a: &'static [&'static [f64]],
    /// b, the weights of the solution.
    pub b: &'static [f64],
    /// The embedded solution that the error is measured against, if there is one.
    pub embedded: Option<Embedded>,
}

/// The embedded solution of lower order.
#[derive(Debug)]
pub struct Embedded {
    /// Its order: the exponent of the step-size controller is -1 / (order + 1).
    pub order: usize,
    /// b minus its weights, so that h sum_i e_i k_i is the error estimate.
    pub error: &'static [f64],
}

impl Tableau {
    /// How many stages there are.
    pub fn stages(&self) -> usize {
        self.b.len()
    }

    /// First same as last: the last stage is the velocity at the step's end, so the next step starts with it.
    pub fn first_same_as_last(&self) -> bool {
        let last = self.stages() - 1;
        last > 0 && self.c[last] == 1.0 && self.b[last] == 0.0 && self.a[last] == &self.b[..last]
    }

    /// How many stages the solution itself needs.
    pub fn stages_for_solution(&self) -> usize {
        self.stages() - usize::from(self.first_same_as_last())
    }
}
