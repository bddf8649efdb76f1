//! Frames for the page: what was reached is read from the device, decoded, and told.
//!
//! A processor's numbers are there at once, and are told at once. A GPU's come later: reading begins when a state is
//! reached and is waited for when the next one is, so that the device has its next step to do before anybody waits.

use crate::attention::Attentive;
use crate::errand::Errand;
use crate::sampling::numbers;
use crate::shelf::Model;
use crate::views::{Moment, of_step};
use crate::{desk, pause, post};
use flow::integrate::Report;
use protocol::{Fault, ToPage};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Numbers on their way.
type Reading = Pin<Box<dyn Future<Output = Result<Vec<f32>, Fault>>>>;

/// A state that was reached, its numbers perhaps still on their way.
pub(crate) struct Reached {
    t: f64,
    times: Vec<f64>,
    accepted: usize,
    total_steps: Option<usize>,
    evaluations: usize,
    states: Reading,
    /// What is shown, where that is something else.
    shown: Option<Reading>,
}

impl Reached {
    /// Asks for a report's numbers, without waiting for them.
    pub(crate) async fn new(model: &Model, report: &Report<'_, Attentive>) -> Self {
        let x = &report.x.x;
        let states = begun(numbers(x.clone())).await;
        let shown = match &model.decoder {
            Some(_) => Some(begun(numbers(model.shown(x.clone()))).await),
            None => None,
        };
        Self {
            t: report.t,
            times: report.times.to_vec(),
            accepted: report.accepted,
            total_steps: report.total_steps,
            evaluations: report.evaluations,
            states,
            shown,
        }
    }
}

/// A future that was polled once: what it asks of a device is asked.
async fn begun(future: impl Future<Output = Result<Vec<f32>, Fault>> + 'static) -> Reading {
    let mut future: Reading = Box::pin(future);
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(done) => Box::pin(std::future::ready(done)),
        Poll::Pending => future,
    }
}

/// Tells the page of states, in order.
pub(crate) struct Teller<'a> {
    model: &'a Model,
    errand: &'a Errand,
    run: u64,
    last: Option<Moment>,
    /// When the first evaluation could begin.
    began_ms: Option<f64>,
    /// What was not evaluating since: decoding, views, pixels and messages.
    apart_ms: f64,
    worked_ms: f64,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(model: &'a Model, errand: &'a Errand, run: u64) -> Self {
        Self { model, errand, run, last: None, began_ms: None, apart_ms: 0.0, worked_ms: 0.0 }
    }

    /// Says that the loop goes on from here: what it took until the first time was the beginning's making.
    pub(crate) fn go_on(&mut self) {
        self.began_ms.get_or_insert_with(pause::worked_ms);
    }

    /// Waits for a state's numbers, and posts its frame.
    pub(crate) async fn tell(&mut self, reached: Reached) -> Result<(), Fault> {
        let Self { model, errand, .. } = *self;
        let states = reached.states.await?;
        let read_ms = pause::worked_ms();
        let shown = match reached.shown {
            Some(shown) => shown.await?,
            None => states.clone(),
        };
        let times =
            if reached.times.is_empty() { vec![reached.t; errand.plan.count] } else { reached.times.clone() };
        let now = Moment { times, states, shown };
        let step = match &self.last {
            Some(before) if errand.views => Some(of_step(model, before, &now).await?),
            _ => None,
        };
        let evaluations = if model.evaluated { reached.evaluations } else { 0 };
        if let Some(began_ms) = self.began_ms.filter(|_| reached.accepted > 0) {
            self.worked_ms = read_ms - began_ms - self.apart_ms;
        }
        let Some(mut bytes) = model.looks.pixels(&now.shown) else {
            return Err(Fault::NotFinite { t: reached.t });
        };
        if let Some((estimate, velocity)) = step {
            bytes.extend(estimate);
            bytes.extend(velocity);
        }
        self.last = Some(now);
        let frame = ToPage::Frame {
            run: self.run,
            t: reached.t,
            times: reached.times,
            accepted: reached.accepted,
            total_steps: reached.total_steps,
            evaluations,
            evaluation_ms: self.evaluation_ms(evaluations),
            count: errand.plan.count,
        };
        if desk::wants(self.run) {
            post::say_with(&frame, &bytes);
        }
        if self.began_ms.is_some() {
            self.apart_ms += pause::worked_ms() - read_ms;
        }
        Ok(())
    }

    /// Milliseconds for each of so many evaluations.
    pub(crate) fn evaluation_ms(&self, evaluations: usize) -> f64 {
        if evaluations == 0 { 0.0 } else { self.worked_ms / evaluations as f64 }
    }

    /// The numbers of what was last shown.
    pub(crate) fn last_shown(self) -> Vec<f32> {
        self.last.map(|last| last.shown).unwrap_or_default()
    }
}
