//! A state that listens: whenever the loop measures the error of a step, messages come in, and a run that is no longer
//! wanted ends there.
//!
//! A worker hears nothing while it computes, and the loop tells its observer only of accepted steps. A tolerance that
//! is hard to meet rejects many in a row, and none of them would otherwise let the page be heard.

use crate::{desk, pause, post};
use burn::tensor::Tensor;
use flow::Error;
use flow::guidance::Conditional;
use flow::state::State;
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

impl State for Attentive {
    fn combine(terms: &[(f64, &Self)]) -> Self {
        let tensors: Vec<(f64, &Tensor<4>)> = terms.iter().map(|(c, state)| (*c, &state.x)).collect();
        Self { x: State::combine(&tensors), run: terms.iter().find_map(|(_, state)| state.run) }
    }

    async fn error_ratio(err: &Self, y0: &Self, y1: &Self, rtol: f64, atol: f64) -> Result<f64, Error> {
        let ratio = State::error_ratio(&err.x, &y0.x, &y1.x, rtol, atol).await?;
        let Some(run) = y0.run else { return Ok(ratio) };
        post::say(&ToPage::Alive);
        pause::breathe().await;
        if desk::wants(run) {
            Ok(ratio)
        } else {
            Err(Error::Field { reason: "the run is no longer wanted".to_owned() })
        }
    }
}

/// The network of [`Attentive`] states.
pub(crate) struct Attending<'a>(pub(crate) ConditionalNetwork<'a>);

impl Conditional<Attentive> for Attending<'_> {
    fn conditional(&mut self, t: f64, state: &Attentive) -> Result<Attentive, Error> {
        Ok(Attentive { x: self.0.conditional(t, &state.x)?, run: state.run })
    }

    fn unconditional(&mut self, t: f64, state: &Attentive) -> Result<Attentive, Error> {
        Ok(Attentive { x: self.0.unconditional(t, &state.x)?, run: state.run })
    }

    fn both(&mut self, t: f64, state: &Attentive) -> Result<(Attentive, Attentive), Error> {
        let (conditional, unconditional) = self.0.both(t, &state.x)?;
        Ok((Attentive { x: conditional, run: state.run }, Attentive { x: unconditional, run: state.run }))
    }
}
