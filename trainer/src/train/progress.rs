//! What a person sees of a training: a bar on a terminal, a line now and then elsewhere.

use super::State;
use crate::monitor::Sample;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often a run without a terminal prints a line.
const LOG_EVERY: Duration = Duration::from_secs(30);

/// The bar and the speed.
pub(super) struct Progress {
    bar: ProgressBar,
    steps: u64,
    at: Instant,
    said: Instant,
    seconds_a_step: f64,
    /// Seconds of the step before.
    pub(super) last_seconds: f64,
    smooth_loss: f32,
}

impl Progress {
    pub(super) fn new(steps: u64, at: u64) -> Self {
        let bar = ProgressBar::new(steps).with_position(at);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left") {
            bar.set_style(style);
        }
        bar.reset_eta();
        let now = Instant::now();
        Self { bar, steps, at: now, said: now, seconds_a_step: 0.0, last_seconds: 0.0, smooth_loss: 0.0 }
    }

    /// Images a second, smoothed; pauses for reports and checkpoints are not counted.
    pub(super) fn step(&mut self, images: usize) -> f64 {
        self.last_seconds = self.at.elapsed().as_secs_f64();
        self.seconds_a_step = if self.seconds_a_step == 0.0 {
            self.last_seconds
        } else {
            0.95 * self.seconds_a_step + 0.05 * self.last_seconds
        };
        images as f64 / self.seconds_a_step
    }

    pub(super) fn forget_pause(&mut self) {
        self.at = Instant::now();
    }

    pub(super) fn say(&mut self, state: &State, loss: f32, speed: f64, machine: &Sample) {
        // A skipped step's loss would stay in the average for ever.
        if loss.is_finite() {
            self.smooth_loss =
                if self.smooth_loss == 0.0 { loss } else { 0.99 * self.smooth_loss + 0.01 * loss };
        }
        let skipped = if state.skipped > 0 { format!(", {} skipped", state.skipped) } else { String::new() };
        let machine = match machine.words() {
            words if words.is_empty() => words,
            words => format!(", {words}"),
        };
        let text = format!("loss {:.4}, {speed:.0} images/s{skipped}{machine}", self.smooth_loss);
        self.bar.set_message(text.clone());
        self.bar.set_position(state.step);
        if !bar_is_visible() && self.said.elapsed() > LOG_EVERY {
            self.said = Instant::now();
            let left = (self.steps - state.step) as f64 * self.seconds_a_step;
            crate::outln!("step {}/{}: {text}, {:.0} min left", state.step, self.steps, left / 60.0);
        }
    }

    /// Says a report's figures.
    pub(super) fn report(&self, report: &Map<String, Value>) {
        let text = Value::Object(report.clone()).to_string();
        self.bar.println(&text);
        if !bar_is_visible() {
            crate::outln!("{text}");
        }
    }

    pub(super) fn warn(&self, text: &str) {
        self.bar.suspend(|| crate::errln!("warning: {text}"));
    }

    pub(super) fn finish(&self) {
        self.bar.finish();
    }
}

fn bar_is_visible() -> bool {
    std::io::stderr().is_terminal()
}
