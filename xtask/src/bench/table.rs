//! What was found, as Markdown.

use std::collections::BTreeSet;

use anyhow::Result;

use super::browser::{self, RIVAL, Variant};
use super::native::{self, Row};
use super::wait::Visit;
use super::{Part, RECIPE};

/// The least, the middle and the most of some values; NaN of none.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        let (count, half) = (sorted.len(), sorted.len() / 2);
        let median =
            if count > 0 && count.is_multiple_of(2) { (at(half - 1) + at(half)) / 2.0 } else { at(half) };
        Self { least: at(0), median, most: at(count.wrapping_sub(1)) }
    }

    /// The ratios of two lists, turn by turn: what else the machine did in a turn met both.
    fn ratio(over: &[f64], under: &[f64]) -> Self {
        Self::of(over.iter().zip(under).map(|(over, under)| over / under))
    }

    fn as_ratio(self) -> String {
        if self.median.is_nan() {
            return "-".to_owned();
        }
        format!("{:.2} ({:.2} to {:.2})", self.median, self.least, self.most)
    }
}

/// Milliseconds with three digits that count.
fn ms(value: f64) -> String {
    match value {
        value if value.is_nan() => "-".to_owned(),
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

fn label(id: &str) -> &str {
    match id {
        "ours-cpu" => "flow-digits, CPU worker (Burn Flex)",
        "ours-gpu" => "flow-digits, GPU worker (Burn WGPU)",
        "ort-wasm" => "onnxruntime-web, wasm",
        "ort-webgpu" => "onnxruntime-web, WebGPU",
        "tfjs-wasm" => "TensorFlow.js, wasm",
        "tfjs-webgpu" => "TensorFlow.js, WebGPU",
        other => other,
    }
}

/// The page's beginning.
pub(super) fn preamble(machine: &str, turns: u64, only: Option<Part>) -> String {
    let command = match only {
        None | Some(Part::Wait) => "cargo xtask bench".to_owned(),
        Some(Part::Browser) => "cargo xtask bench --only browser".to_owned(),
        Some(Part::Native) => "cargo xtask bench --only native".to_owned(),
    };
    format!(
        "# Beside other runtimes\n\nWritten by `{command} --turns {turns}`; [benchmarks.md](../benchmarks.md) says what is compared, and how.\n\n\
         All variants evaluate the same trained network (`mnist-unet`, as shipped) on the same inputs; their velocities were \
         compared first, and the greatest difference is given. A time is milliseconds of one evaluation of a batch. Variants \
         take turns, and a ratio is that of the times of a turn: its median over the turns, and its range. Below 1 is faster.\n\n\
         Machine: {machine}.\n"
    )
}

/// The browser's tables.
pub(super) fn browser(found: &browser::Found, programs: &str) -> Result<Vec<String>> {
    let mut sections = vec![format!(
        "## In the browser\n\n{}; our workers are {programs}. One thread each, 128-bit SIMD.\n",
        found.browser
    )];
    for (i, group) in found.groups.iter().enumerate() {
        let title = match (i, &found.adapter) {
            (0, _) => "### On the CPU\n".to_owned(),
            (_, Some(adapter)) if found.software => format!(
                "### Through WebGPU, on a software adapter ({adapter})\n\nNo graphics processor: these are times of a program on the \
                 CPU that imitates one. They show that all of it runs and agrees, and say nothing about speed on a real one.\n"
            ),
            (_, adapter) => format!("### Through WebGPU ({})\n", adapter.as_deref().unwrap_or_default()),
        };
        sections.push(title);
        let rivals = if i == 0 { &[RIVAL][..] } else { &[RIVAL, "ort-webgpu"] };
        sections.push(group_table(group, rivals));
    }
    if found.adapter.is_none() {
        sections.push(
            "Chromium has no WebGPU adapter here, so nothing was measured through WebGPU.\n".to_owned(),
        );
    }
    Ok(sections)
}

/// How long a visitor waits.
pub(super) fn wait(visits: &[Visit; 2]) -> String {
    let mut text = "## What a visitor waits for\n\nSeconds since navigation, from a server on the same machine, without WebGPU: the page's first run, 16 \
                    digits with guidance. The first visit begins with an empty cache. Median (least to most).\n\n\
                    | visit | its first step is on screen | its last |\n|---|---|---|\n"
        .to_owned();
    for (name, visit) in ["first", "second"].iter().zip(visits) {
        let seconds = |ms: &[f64]| Spread::of(ms.iter().map(|ms| ms / 1000.0)).as_ratio();
        text += &format!("| {name} | {} | {} |\n", seconds(&visit.step), seconds(&visit.done));
    }
    text
}

/// The times of variants that took turns with each other, beside those of each of the `rivals` that ran.
fn group_table(group: &[Variant], rivals: &[&str]) -> String {
    let rivals: Vec<&Variant> = rivals
        .iter()
        .filter_map(|id| group.iter().find(|variant| variant.id == *id && variant.failed.is_none()))
        .collect();
    let mut head = "| | batch | least ms | median ms |".to_owned();
    for rival in &rivals {
        head += &format!(" time over {} | least over least |", label(&rival.id));
    }
    let columns = head.matches('|').count();
    let mut lines = vec![head + " greatest difference |", "|---".repeat(columns) + "|"];
    let batches: BTreeSet<usize> = group.iter().flat_map(|variant| variant.ms.keys().copied()).collect();
    for batch in batches {
        for variant in group {
            let Some(times) = variant.ms.get(&batch).filter(|times| !times.is_empty()) else { continue };
            let spread = Spread::of(times.iter().copied());
            let name: Vec<&str> =
                [Some(label(&variant.id)), variant.version.as_deref()].into_iter().flatten().collect();
            let (least, median) = (ms(spread.least), ms(spread.median));
            let mut line = format!("| {} | {batch} | {least} | {median} |", name.join(" "));
            for rival in &rivals {
                let theirs = rival.ms.get(&batch).map_or(&[][..], Vec::as_slice);
                let least = spread.least / Spread::of(theirs.iter().copied()).least;
                line += &format!(" {} | {} |", Spread::ratio(times, theirs).as_ratio(), ms(least));
            }
            let difference = match variant.id.as_str() {
                "ours-cpu" => "compared with".to_owned(),
                _ => variant
                    .differences
                    .get(&batch)
                    .map_or("-".to_owned(), |difference| format!("{difference:.0e}")),
            };
            lines.push(format!("{line} {difference} |"));
        }
    }
    for variant in group {
        if let Some(why) = &variant.failed {
            lines.push(format!("\n{} did not run: {why}", label(&variant.id)));
        }
    }
    lines.join("\n") + "\n"
}

/// The native tables.
pub(super) fn native(found: &native::Found) -> Vec<String> {
    let mut sections = vec![format!(
        "## Native\n\n`flow-digits` (Burn; {}) beside {}. Training is a step of `{RECIPE}`: forwards and backwards, the norm of the \
         gradient and clipping, AdamW, the average of the weights.\n",
        found.profile,
        found.torch.as_deref().unwrap_or("nothing"),
    )];
    if let Err(why) = &found.torch {
        sections.push(format!("Ours alone: {why}.\n"));
    }
    let on_cpu = |row: &&Row| row.device == "cpu";
    sections.push("### On the CPU\n".to_owned());
    sections.push(native_table(found.rows.iter().filter(on_cpu)));
    sections.push("### On a graphics processor\n".to_owned());
    match &found.gpu {
        Ok(name) => {
            sections.push(format!("{name}. Times include reading the answer back.\n"));
            sections.push(native_table(found.rows.iter().filter(|row| !on_cpu(row))));
        }
        Err(why) => sections.push(format!("Nothing was measured: {why}.\n")),
    }
    sections.push("### Instructions and cycles of an evaluation, one thread\n".to_owned());
    match &found.counts {
        Ok(counts) => {
            let mut lines = vec![
                "| | batch | million instructions | million cycles |".to_owned(),
                "|---|---|---|---|".to_owned(),
            ];
            lines.extend(counts.iter().map(|count| {
                let [instructions, cycles] = [count.instructions, count.cycles].map(|n| n / 1e6);
                format!("| {} | {} | {instructions:.1} | {cycles:.1} |", count.program, count.batch)
            }));
            sections.push(lines.join("\n") + "\n");
        }
        Err(why) => sections.push(format!("None: {why}.\n")),
    }
    sections
}

fn native_table<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let mut lines = vec![
        "| | threads | batch | ours, least ms | ours, median ms | PyTorch, least ms | PyTorch, median ms | our time over PyTorch's | greatest difference |".to_owned(),
        "|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    for row in rows {
        let all = |turns: &[Vec<f64>]| Spread::of(turns.iter().flatten().copied());
        let medians = |turns: &[Vec<f64>]| {
            turns.iter().map(|turn| Spread::of(turn.iter().copied()).median).collect::<Vec<_>>()
        };
        let (ours, theirs) = (all(&row.ours), all(&row.theirs));
        lines.push(format!(
            "| {}, {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.device,
            if row.training { "training step" } else { "evaluation" },
            row.threads,
            row.batch,
            ms(ours.least),
            ms(ours.median),
            ms(theirs.least),
            ms(theirs.median),
            Spread::ratio(&medians(&row.ours), &medians(&row.theirs)).as_ratio(),
            row.difference.map_or("-".to_owned(), |difference| format!("{difference:.0e}")),
        ));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_middle_of_an_even_number_lies_between_two() {
        assert_eq!(Spread::of([4.0, 1.0, 3.0, 2.0]), Spread { least: 1.0, median: 2.5, most: 4.0 });
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { least: 1.0, median: 2.0, most: 3.0 });
        assert!(Spread::of([]).median.is_nan());
    }

    #[test]
    fn a_ratio_is_taken_turn_by_turn() {
        // The second turn was disturbed, and both alike: the ratio does not notice.
        let ratio = Spread::ratio(&[2.0, 20.0, 3.0], &[1.0, 10.0, 1.0]);
        assert_eq!(ratio.as_ratio(), "2.00 (2.00 to 3.00)");
        assert_eq!(Spread::ratio(&[1.0], &[]).as_ratio(), "-");
    }

    #[test]
    fn a_wait_is_given_in_seconds_for_both_visits() {
        let visit = |step: &[f64], done: &[f64]| Visit { step: step.to_vec(), done: done.to_vec() };
        let text = wait(&[visit(&[2000.0, 1000.0, 1500.0], &[4000.0]), visit(&[900.0], &[2500.0])]);
        assert!(text.contains("| first | 1.50 (1.00 to 2.00) | 4.00 (4.00 to 4.00) |"), "{text}");
        assert!(text.contains("| second | 0.90 (0.90 to 0.90) | 2.50 (2.50 to 2.50) |"), "{text}");
    }

    #[test]
    fn milliseconds_keep_three_digits() {
        assert_eq!([0.123, 4.567, 45.67, 456.7, f64::NAN].map(ms), ["0.12", "4.57", "45.7", "457", "-"]);
    }

    #[test]
    fn the_browsers_table_holds_who_ran_and_names_who_did_not() {
        let line = r#"{"browser":"Chromium 1","adapter":"google swiftshader","software":true,"groups":[
            {"variants":[{"id":"ours-cpu","differences":{"1":0},"ms":{"1":[6.0,4.0,5.0]}},
            {"id":"ort-wasm","version":"1.30.0","differences":{"1":7e-6},"ms":{"1":[4.0,4.0,4.0]}}]},
            {"variants":[{"id":"ort-wasm","ms":{}},{"id":"ours-gpu","failed":"no adapter","ms":{}}]}]}"#;
        let found = browser::read(&line.replace('\n', " ")).unwrap();
        let text = browser(&found, "`a.wasm`").unwrap().join("\n");
        let ours = "| flow-digits, CPU worker (Burn Flex) | 1 | 4.00 | 5.00 | 1.25 (1.00 to 1.50) | 1.00 | compared with |";
        assert!(text.contains(ours), "{text}");
        let theirs = "| onnxruntime-web, wasm 1.30.0 | 1 | 4.00 | 4.00 | 1.00 (1.00 to 1.00) | 1.00 | 7e-6 |";
        assert!(text.contains(theirs), "{text}");
        assert!(
            text.contains("|---|---|---|---|---|---|---|\n| flow-digits"),
            "as many columns below as above: {text}"
        );
        assert!(text.contains("flow-digits, GPU worker (Burn WGPU) did not run: no adapter"), "{text}");
        assert!(
            text.contains("software adapter (google swiftshader)") && text.contains("No graphics processor"),
            "{text}"
        );
    }

    #[test]
    fn the_native_table_says_what_is_missing() {
        let row = Row {
            device: "cpu".to_owned(),
            threads: 1,
            batch: 16,
            training: false,
            ours: vec![vec![30.0, 50.0, 40.0]],
            theirs: vec![vec![20.0]],
            difference: Some(2e-6),
        };
        let found = native::Found {
            profile: "release".to_owned(),
            torch: Ok("PyTorch 2.9.0".to_owned()),
            rows: vec![row],
            gpu: Err("there is none".to_owned()),
            counts: Err("nobody counts here".to_owned()),
        };
        let text = native(&found).join("\n");
        assert!(
            text.contains(
                "| cpu, evaluation | 1 | 16 | 30.0 | 40.0 | 20.0 | 20.0 | 2.00 (2.00 to 2.00) | 2e-6 |"
            ),
            "{text}"
        );
        assert!(
            text.contains("Nothing was measured: there is none.")
                && text.contains("None: nobody counts here."),
            "{text}"
        );
    }

    #[test]
    fn the_preamble_names_the_command_that_makes_it_again() {
        assert!(
            preamble("a machine", 3, Some(Part::Native))
                .contains("`cargo xtask bench --only native --turns 3`")
        );
    }
}
