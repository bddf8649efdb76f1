//! A state that listens: whenever the loop measures the error of a step, messages come in, and a run that is no longer
//! wanted ends there.
//!
//! A worker hears nothing while it computes, and the loop tells its observer only of accepted steps. A tolerance that
//! is hard to meet rejects many in a row, and none of them would otherwise let the page be heard.

use crate::{desk, pause, post};
use burn::tensor::Tensor;
use flow::Error;
use flow::guidance::{At, Conditional};
use flow::state::{Masked, Rows, State};
use models::ConditionalNetwork;
use protocol::ToPage;

/// A batch of images on its way, and the run that it belongs to; none for a self-test, which nobody cancels.
#[derive(Clone)]
pub(crate) struct Attentive {
    /// The images.
    pub(crate) x: Tensor<4>,
    /// The page's number of the run.
    pub(crate) run: Option<u64>,
}

impl Attentive {
    /// Other images of the same run.
    fn with(&self, x: Tensor<4>) -> Self {
        Self { x, run: self.run }
    }
}

impl State for Attentive {
    fn combine(terms: &[(f64, &Self)]) -> Self {
        let tensors: Vec<(f64, &Tensor<4>)> = terms.iter().map(|(c, state)| (*c, &state.x)).collect();
        Self { x: State::combine(&tensors), run: terms.iter().find_map(|(_, state)| state.run) }
    }

    fn projection(of: &Self, onto: &Self) -> Self {
        of.with(State::projection(&of.x, &onto.x))
    }

    fn gaussian(&self, seed: u64, first_image: u64, draw: u64) -> Self {
        self.with(self.x.gaussian(seed, first_image, draw))
    }
}

impl Rows for Attentive {
    fn samples(&self) -> usize {
        self.x.samples()
    }

    fn select(&self, rows: &[usize]) -> Self {
        self.with(Rows::select(&self.x, rows))
    }

    fn replace(&self, rows: &[usize], values: &Self) -> Self {
        self.with(self.x.replace(rows, &values.x))
    }

    fn combine_rows(terms: &[(&[f64], &Self)]) -> Self {
        let tensors: Vec<(&[f64], &Tensor<4>)> = terms.iter().map(|(c, state)| (*c, &state.x)).collect();
        Self { x: Rows::combine_rows(&tensors), run: terms.iter().find_map(|(_, state)| state.run) }
    }

    async fn error_ratios(err: &Self, y0: &Self, y1: &Self, rtol: f64, atol: f64) -> Result<Vec<f64>, Error> {
        let ratios = Rows::error_ratios(&err.x, &y0.x, &y1.x, rtol, atol).await?;
        let Some(run) = y0.run else { return Ok(ratios) };
        post::say(&ToPage::Alive);
        pause::breathe().await;
        if desk::wants(run) {
            Ok(ratios)
        } else {
            Err(Error::Field { reason: "the run is no longer wanted".to_owned() })
        }
    }

    async fn inner(a: &Self, b: &Self) -> Result<Vec<f64>, Error> {
        Rows::inner(&a.x, &b.x).await
    }
}

impl Masked for Attentive {
    fn masked(mask: &Self, inside: &Self, outside: &Self) -> Self {
        outside.with(Masked::masked(&mask.x, &inside.x, &outside.x))
    }
}

/// The network of [`Attentive`] states.
pub(crate) struct Attending<'a>(pub(crate) ConditionalNetwork<'a>);

impl Conditional<Attentive> for Attending<'_> {
    fn conditional(&mut self, at: At<'_>, state: &Attentive) -> Result<Attentive, Error> {
        Ok(state.with(self.0.conditional(at, &state.x)?))
    }

    fn unconditional(&mut self, at: At<'_>, state: &Attentive) -> Result<Attentive, Error> {
        Ok(state.with(self.0.unconditional(at, &state.x)?))
    }

    fn both(&mut self, at: At<'_>, state: &Attentive) -> Result<(Attentive, Attentive), Error> {
        let (conditional, unconditional) = self.0.both(at, &state.x)?;
        Ok((state.with(conditional), state.with(unconditional)))
    }

    fn weak(&mut self, at: At<'_>, state: &Attentive) -> Result<Attentive, Error> {
        Ok(state.with(self.0.weak(at, &state.x)?))
    }
}
