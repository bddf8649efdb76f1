//! Addresses that nobody wrote: plans at random, whole and damaged, never leave a blank page or an uncaught error.

use cross_tests::browser::{Tab, named};
use flow::controller::Controller;
use flow::guidance::Guidance;
use flow::plan::SamplePlan;
use flow::registry::Entry;
use flow::schedule::{KnotTable, Schedule};
use flow::solver::Solver;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// How many addresses are opened.
const ADDRESSES: usize = 200;
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
struct Die(ChaCha8Rng);

impl Die {
    fn below(&mut self, many: usize) -> usize {
        (self.0.next_u64() % many as u64) as usize
    }

    fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
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
    fn plan(&mut self) -> String {
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
    fn damaged(&mut self, text: &str) -> String {
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
}

/// What a reader must see: the instrument in a state that it has, the heading, controls, and a picture or a reason.
const SEEN: &str = "(() => { const data = document.querySelector('[data-testid=instrument]')?.dataset ?? {}; \
    const canvas = document.querySelector('[data-testid=digits]'); \
    return { state: data.state, words: document.querySelector('main').innerText.length, \
    controls: document.querySelectorAll('main input').length, drawn: (canvas?.width ?? 0) > 1, \
    said: document.querySelector('[data-testid=error]')?.innerText ?? '' } })()";

#[test]
fn two_hundred_addresses_at_random_never_leave_a_blank_page() {
    let Some((site, program)) = named("two_hundred_addresses") else { return };
    // No reader changes an address twenty times a second; a browser that is asked to ignores most of it.
    let mut tab = Tab::new(&program, &site, &["--disable-ipc-flooding-protection"]);
    tab.reduce_motion();
    tab.open("?backend=cpu&count=1&steps=1&seed=1");
    tab.picture("seed=1");
    let words = tab.eval(SEEN)["words"].as_u64().unwrap();
    let mut die = Die(ChaCha8Rng::seed_from_u64(20_261_125));
    let (mut whole, mut failures) = (0, Vec::new());
    for number in 0..ADDRESSES {
        let plan = die.plan();
        // First comes what keeps the work small, whatever happens to the rest.
        let address = if number % 2 == 0 { plan } else { die.damaged(&plan) };
        let address = format!("?backend=cpu&count=1&{address}");
        tab.visit(&address);
        // What the page makes of it: it begins with the part before a hash, and goes on past what it can't read.
        let query = address.split('#').next().unwrap_or_default();
        let wished = SamplePlan::parse_with_unknown(query).0;
        let follows = format!("location.search.includes('seed={}&')", wished.seed);
        // A run that its address makes long is left behind by the next one.
        let small = wished.expected_evaluations(&KnotTable::default()).is_some_and(|count| count <= 20);
        let state = "document.querySelector('[data-testid=instrument]').dataset.state";
        let settled = if small {
            format!("{follows} && ['done', 'error'].includes({state})")
        } else {
            format!("{follows} && {state} !== 'loading'")
        };
        tab.wait(&format!("answer to {address}"), &settled);
        let seen = tab.eval(SEEN);
        if seen["state"] == "error" {
            failures.push(format!("{address}: {}", seen["said"]));
        }
        whole += usize::from(seen["state"] == "done");
        assert!(seen["words"].as_u64() > Some(words / 2), "{address} leaves {seen}");
        assert!(seen["controls"].as_u64() > Some(10) && seen["drawn"] == true, "{address} leaves {seen}");
        assert_eq!(tab.complaints(), Vec::<String>::new(), "{address}");
    }
    println!("{whole} of {ADDRESSES} done, {} refused by the page in words", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(whole > ADDRESSES / 2, "only {whole} of {ADDRESSES} came to their end");
    tab.visit("?backend=cpu&count=1&steps=1&seed=1");
    tab.picture("seed=1");
}

#[test]
fn the_address_holds_what_is_on_screen_after_a_long_drag() {
    let mut tab = tab!("the_address_holds");
    tab.open("?backend=cpu&count=1&steps=2&guidance=1");
    tab.picture("count=1");
    // A finger that moves for long and stops at 5.
    tab.eval(
        "(async slider => { const move = async value => { slider.value = value; \
         slider.dispatchEvent(new Event('input', { bubbles: true })); await new Promise(done => setTimeout(done)) }; \
         for (let i = 0; i < 300; i++) await move(2 + i % 30); \
         await move(5); slider.dispatchEvent(new Event('change', { bubbles: true })); return true })\
         (document.querySelector('input[type=range][data-testid=steps]'))",
    );
    tab.picture("steps=5");
}
