//! Plans that nobody wrote: valid ones from `flow`'s registries, damaged ones, and texts that mean harm. All from a seed.

use flow::controller::Controller;
use flow::guidance::Guidance;
use flow::registry::Entry;
use flow::schedule::Schedule;
use flow::solver::Solver;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a plan's fields are called, and what is near.
const NAMES: [&str; 16] = [
    "solver",
    "schedule",
    "steps",
    "tol",
    "controller",
    "guidance",
    "seed",
    "digit",
    "count",
    "model",
    "Solver",
    "sede",
    "steps ",
    "__proto__",
    "constructor",
    "toString",
];
/// Numbers that are none, or too many.
const NUMBERS: [&str; 18] = [
    "NaN",
    "nan",
    "inf",
    "-inf",
    "Infinity",
    "1e308",
    "1e309",
    "-1e400",
    "1e-400",
    "-0",
    "0x10",
    "1_000",
    "١٢",
    "4294967296",
    "18446744073709551616",
    "-1",
    "0",
    "1.0000000000000000000000000001",
];
/// Names with and without a meaning where a choice stands.
const CHOICES: [&str; 10] = [
    "heun",
    "rk4",
    "dopri5",
    "shift",
    "linear",
    "optimal",
    "interval",
    "autoguidance",
    "constructor",
    "logit-normal-cdf",
];
/// Texts of other languages.
const TEXTS: [&str; 10] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "'; drop table plans; --",
    "../../../etc/passwd",
    "{\"a\":1}",
    "${1+1}",
    "\u{0}",
    "\u{feff}",
    "\u{202e}gnp",
];
/// Small models that ship, and names that are none.
const MODELS: [&str; 5] = ["mnist-unet", "latent-small", "mnist-vae", "no-such-model", ""];
/// What damages a text: parts of an address that mean something, and characters that should not.
const SPLINTERS: [&str; 20] = [
    "&",
    "=",
    "%",
    "%zz",
    "%00",
    "%F0%9F%98%80",
    "?",
    "#",
    ":",
    ",",
    "-1",
    "1e999",
    "NaN",
    "inf",
    "+",
    "<script>",
    "\u{202e}",
    "solver=",
    "&steps=1&steps=2",
    "'\"",
];

/// A die: deterministic, and the same on every machine.
pub struct Die(ChaCha8Rng);

impl Die {
    /// The die of this seed.
    pub fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `many`.
    pub fn below(&mut self, many: usize) -> usize {
        (self.0.next_u64() % many as u64) as usize
    }

    /// A number from 0 to 1.
    pub fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// An entry by its id, with a value for each of its parameters: inside its range, at its ends, or a bit outside.
    fn choice(&mut self, entry: &Entry) -> String {
        let values: Vec<String> = entry
            .params
            .iter()
            .map(|spec| {
                let width = spec.max - spec.min;
                let value = match self.below(6) {
                    0 => spec.min,
                    1 => spec.max,
                    2 => spec.max + 0.1 * width,
                    _ => spec.min + self.share() * width,
                };
                format!("{}={value}", spec.name)
            })
            .collect();
        if values.is_empty() || self.below(3) == 0 {
            entry.id.to_owned()
        } else {
            format!("{}:{}", entry.id, values.join(","))
        }
    }

    /// A plan's text: valid, or nearly so.
    pub fn plan(&mut self) -> String {
        let solvers: Vec<Solver> = Solver::all().collect();
        let solver = &solvers[self.below(solvers.len())];
        let schedules = Schedule::family().entries;
        let guidances = Guidance::family().entries;
        let controllers = Controller::family().entries;
        let mut fields = vec![format!("solver={}", self.choice(solver.choice().entry()))];
        fields.push(if solver.adaptive() && self.below(2) == 0 {
            "tol=0.4".to_owned()
        } else {
            format!("steps={}", 1 + self.below(2))
        });
        let others = [("schedule", schedules), ("guidance", guidances), ("controller", controllers)];
        for (name, entries) in others {
            if self.below(2) == 0 {
                let entry = self.of(&entries);
                fields.push(format!("{name}={}", self.choice(entry)));
            }
        }
        if self.below(3) == 0 {
            fields.push(format!("digit={}", self.of(&["any", "0", "9", "10", "seven"])));
        }
        if self.below(4) == 0 {
            fields.push(format!("model={}", self.of(&MODELS)));
        }
        fields.push(format!("seed={}", self.0.next_u64() >> self.below(64)));
        fields.join("&")
    }

    /// The same text with one to three damages: something cut out, doubled, or put in.
    pub fn damaged(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(3) {
            let at = self.below(characters.len() + 1);
            let end = (at + 1 + self.below(8)).min(characters.len());
            match self.below(3) {
                0 => drop(characters.drain(at..end)),
                1 => {
                    let again = characters[at..end].to_vec();
                    characters.splice(at..at, again);
                }
                _ => {
                    let splinter = self.of(&SPLINTERS);
                    drop(characters.splice(at..at, splinter.chars()));
                }
            }
        }
        characters.into_iter().collect()
    }

    /// A text that means harm: fields that there are, with values that nobody should write, of any length.
    pub fn hostile(&mut self) -> String {
        let mut fields = Vec::new();
        for _ in 0..=self.below(5) {
            let name = match self.below(8) {
                0 => self.characters(12),
                1 => String::new(),
                _ => self.of(&NAMES).to_owned(),
            };
            let value = match self.below(8) {
                0 => self.of(&NUMBERS).to_owned(),
                1 => "9".repeat(1 + self.below(400)),
                2 => self.characters(30),
                3 => (0..self.below(20)).map(|_| format!("%{:02x}", self.below(256))).collect(),
                4 => format!("{}:{}={}", self.of(&CHOICES), self.characters(4), self.of(&NUMBERS)),
                5 => format!("{}:{}", self.of(&CHOICES), "k=1,".repeat(self.below(200))),
                6 => self.of(&TEXTS).to_owned(),
                _ => self.of(&CHOICES).to_owned(),
            };
            fields.push(format!("{name}={value}"));
        }
        // Once in a thousand it is as long as servers allow addresses to be.
        if self.below(1_000) == 0 {
            fields.push("x".repeat(8_000));
        }
        fields.join(self.of(&["&", "&&", "&amp;", ";"]))
    }

    /// Characters from everywhere.
    fn characters(&mut self, most: usize) -> String {
        let count = self.below(most + 1);
        (0..count)
            .filter_map(|_| {
                let reach = self.of(&[0x80_u32, 0x800, 0x1_0000, 0x11_0000]);
                char::from_u32((self.0.next_u64() % u64::from(reach)) as u32)
            })
            .collect()
    }

    /// A query: valid, damaged or hostile, a third of each.
    pub fn query(&mut self) -> String {
        match self.below(3) {
            0 => self.plan(),
            1 => {
                let plan = self.plan();
                self.damaged(&plan)
            }
            _ => self.hostile(),
        }
    }
}
