//! What a study found: every cell with its figure, why it has none, and what the claims come to.

use super::cell::{Allowance, Cell};
use super::ledger::{Figure, Ledger};
use super::recipe::{Claim, Selection, StudyRecipe};
use super::run::{Models, key, settled};
use crate::fid::Difference;
use anyhow::Result;
use flow::plan::SamplePlan;
use serde::Serialize;

/// What is known of a cell.
#[derive(Clone, Debug)]
pub enum Settled {
    /// It was computed.
    Figure(Box<SamplePlan>, Box<Figure>),
    /// It was not computed yet, or failed.
    Missing,
    /// It cannot be, and why.
    Impossible(String),
}

/// A cell and what is known of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The cell.
    pub cell: Cell,
    /// Its model's id.
    pub model: String,
    /// What is known.
    pub settled: Settled,
}

impl Row {
    /// Its plan and figure, if it was computed.
    pub fn figure(&self) -> Option<(&SamplePlan, &Figure)> {
        match &self.settled {
            Settled::Figure(plan, figure) => Some((plan, figure)),
            Settled::Missing | Settled::Impossible(_) => None,
        }
    }

    /// What the cell is, in the order model, guidance, solver, schedule.
    pub fn names(&self) -> [String; 4] {
        let plan = &self.cell.plan;
        [self.model.clone(), plan.guidance.to_string(), plan.solver.to_string(), plan.schedule.to_string()]
    }
}

/// One pair of cells that a claim compares.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// What both cells share, in words.
    pub shared: String,
    /// Distance of the side that the claim holds better.
    pub better: f64,
    /// Distance of the other side.
    pub than: f64,
    /// The first less the second: below 0 speaks for the claim.
    pub difference: f64,
    /// Lower end of its 95% interval, by the paired bootstrap.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Distances of a pixel from the reference solution, both sides, where they have one reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<[f64; 2]>,
}

impl Comparison {
    /// The claim's side is better, beyond the interval.
    pub fn speaks_for(&self) -> bool {
        self.high < 0.0
    }

    /// The other side is, beyond the interval.
    pub fn speaks_against(&self) -> bool {
        self.low > 0.0
    }
}

/// What a claim came to.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The claim's id.
    pub id: String,
    /// The statement.
    pub says: String,
    /// Who says so.
    pub source: String,
    /// The part that decided it.
    pub part: String,
    /// One of `holds`, `holds in part`, `mixed`, `does not hold`, `the opposite holds`, `no difference seen`, `not measured`.
    pub conclusion: &'static str,
    /// Comparisons for it, against it, and undecided.
    pub counts: [usize; 3],
    /// In how many pairs the claim's side ends closer to the reference solution, and of how many; both 0 where the sides have
    /// different references.
    pub closer: [usize; 2],
    /// Every pair.
    pub comparisons: Vec<Comparison>,
}

/// All that a study found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The recipe.
    pub recipe: StudyRecipe,
    /// The judge in words.
    pub extractor: String,
    /// The reference set in words.
    pub reference: String,
    /// All cells, in the recipe's order.
    pub rows: Vec<Row>,
    /// The claims.
    pub verdicts: Vec<Verdict>,
}

impl Findings {
    /// Gathers the figures of all cells from the ledger.
    ///
    /// # Errors
    /// A claim whose texts the registries refuse.
    pub fn gather(
        recipe: &StudyRecipe,
        cells: &[Cell],
        models: &Models,
        ledger: &Ledger,
        (extractor, reference): (String, String),
    ) -> Result<Self> {
        let mut rows = Vec::with_capacity(cells.len());
        for cell in cells {
            let stem = || cell.model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let name = match models.get(&cell.model) {
                Some(Ok(model)) => model.name.clone(),
                _ => stem(),
            };
            let settled = match settled(cell, models) {
                Err(why) => Settled::Impossible(why),
                Ok(mut plan) => match ledger.get(&key(cell, &plan, models, &extractor)) {
                    None => Settled::Missing,
                    Some(figure) => {
                        plan.model.clone_from(&name);
                        Settled::Figure(Box::new(plan), Box::new(figure))
                    }
                },
            };
            rows.push(Row { cell: cell.clone(), model: name, settled });
        }
        let verdicts =
            recipe.claims.iter().map(|claim| verdict(recipe, claim, &rows)).collect::<Result<_>>()?;
        Ok(Self { recipe: recipe.clone(), extractor, reference, rows, verdicts })
    }

    /// The rows of a part.
    pub fn of_part(&self, number: usize) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.cell.part == number)
    }
}

fn verdict(recipe: &StudyRecipe, claim: &Claim, rows: &[Row]) -> Result<Verdict> {
    let (better, than, only) = (claim.better.normal()?, claim.than.normal()?, claim.only.normal()?);
    let part = recipe.parts.iter().position(|part| part.id == claim.part);
    let rows: Vec<&Row> = rows.iter().filter(|row| Some(row.cell.part) == part).collect();
    let mut comparisons = Vec::new();
    for row in &rows {
        let cell = &row.cell;
        if !cell.fits(&row.model, &better) || !cell.fits(&row.model, &only) {
            continue;
        }
        let wanted = partner(row, &than);
        let other = rows
            .iter()
            .find(|other| other.cell.allowance == cell.allowance && other.cell.fits(&other.model, &wanted));
        let (Some((_, ours)), Some((_, theirs))) = (row.figure(), other.and_then(|other| other.figure()))
        else {
            continue;
        };
        if let Some(Difference { value, low, high }) = ours.distance().less(&theirs.distance()) {
            let shared = shared(row, &better, &than);
            // Another model or another guidance is another flow.
            let one_flow =
                [&better.model, &than.model, &better.guidance, &than.guidance].iter().all(|s| s.is_none());
            comparisons.push(Comparison {
                errors: ours.error.zip(theirs.error).filter(|_| one_flow).map(|(a, b)| [a, b]),
                shared,
                better: ours.fid,
                than: theirs.fid,
                difference: value,
                low,
                high,
            });
        }
    }
    let count = |of: fn(&Comparison) -> bool| comparisons.iter().filter(|c| of(c)).count();
    let (pro, contra) = (count(Comparison::speaks_for), count(Comparison::speaks_against));
    let counts = [pro, contra, comparisons.len() - pro - contra];
    let errors: Vec<[f64; 2]> = comparisons.iter().filter_map(|c| c.errors).filter(|[a, b]| a != b).collect();
    let closer = [errors.iter().filter(|[a, b]| a < b).count(), errors.len()];
    Ok(Verdict {
        id: claim.id.clone(),
        says: claim.says.clone(),
        source: claim.source.clone(),
        part: claim.part.clone(),
        conclusion: conclusion(counts),
        counts,
        closer,
        comparisons,
    })
}

/// Holds when no pair speaks against it and at least half of all speak for it, and likewise for its opposite.
fn conclusion([pro, contra, open]: [usize; 3]) -> &'static str {
    let all = pro + contra + open;
    match (pro, contra) {
        _ if all == 0 => "not measured",
        (0, 0) => "no difference seen",
        (_, 0) if 2 * pro >= all => "holds",
        (0, _) if 2 * contra >= all => "the opposite holds",
        (0, _) => "does not hold",
        (_, 0) => "holds in part",
        _ => "mixed",
    }
}

/// What the other side of a row is: the row itself with these values.
fn partner(row: &Row, than: &Selection) -> Selection {
    let [model, guidance, solver, schedule] = row.names();
    Selection {
        model: than.model.clone().or(Some(model)),
        guidance: than.guidance.clone().or(Some(guidance)),
        solver: than.solver.clone().or(Some(solver)),
        schedule: than.schedule.clone().or(Some(schedule)),
    }
}

/// What a pair shares, in words.
fn shared(row: &Row, better: &Selection, than: &Selection) -> String {
    let [model, guidance, solver, schedule] = row.names();
    let differs = |a: &Option<String>, b: &Option<String>| a.is_some() || b.is_some();
    let mut words = Vec::new();
    for (differs, word) in [
        (differs(&better.model, &than.model), model),
        (differs(&better.solver, &than.solver), solver),
        (differs(&better.schedule, &than.schedule), schedule),
        (differs(&better.guidance, &than.guidance), format!("guidance {guidance}")),
    ] {
        if !differs {
            words.push(word);
        }
    }
    words.push(match row.cell.allowance {
        Allowance::Evaluations(n) => format!("{n} evaluations"),
        Allowance::Tolerance(tolerance) => format!("tolerance {tolerance}"),
    });
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::{Opened, cells};
    use std::path::PathBuf;

    const RECIPE: &str = r#"
        name = "small"
        title = "Small"
        about = "A test."
        images = 200
        [[part]]
        id = "grid"
        title = "Grid"
        about = "A grid."
        models = ["a", "b", "gone"]
        solvers = ["euler", "dopri5"]
        schedules = ["linear", "cosine", "optimal"]
        evaluations = [4, 12]
        [[claim]]
        id = "cosine"
        says = "Cosine is better."
        source = "A test"
        part = "grid"
        better = { schedule = "cosine" }
        than = { schedule = "linear" }
        [[claim]]
        id = "b"
        says = "Model b is better with Euler."
        source = "A test"
        part = "grid"
        better = { model = "b" }
        than = { model = "a" }
        only = { solver = "euler", schedule = "linear" }
    "#;

    fn opened(name: &str) -> Opened {
        Opened { name: name.into(), knots: flow::schedule::KnotTable::default(), identity: name.into() }
    }

    /// Cosine is worse by 1 with wide intervals at 4 evaluations and better by 1 with narrow ones at 12; model b is worse.
    fn figure(plan: &SamplePlan, model: &str, evaluations: usize) -> Figure {
        let cosine = plan.schedule.id() == "cosine";
        let sign = if evaluations == 4 { 1.0 } else { -1.0 };
        let fid = 5.0 + if cosine { sign } else { 0.0 } + if model == "b" { 0.5 } else { 0.0 };
        let spread = if evaluations == 4 { 4.0 } else { 0.01 };
        let alternate = if cosine { -1.0 } else { 1.0 };
        let resamples =
            (0..40).map(|i| (fid + alternate * spread * (f64::from(i) / 39.0 - 0.5)) as f32).collect();
        Figure {
            steps: None,
            evaluations: evaluations as f64,
            most_evaluations: evaluations,
            images: 200,
            accuracy: 0.9,
            fid,
            fid_low: fid,
            fid_high: fid,
            resamples,
            bend: 0.0,
            length: 1.0,
            // Cosine ends closer where it is worse: twice at 4 evaluations, by Euler alone.
            error: Some(if cosine == (evaluations == 4) { 0.1 } else { 0.2 }),
            seconds: 1.0,
            device: "test".into(),
        }
    }

    fn findings(folder: &std::path::Path, complete: bool) -> Findings {
        let recipe = StudyRecipe::parse(RECIPE).unwrap();
        let cells = cells(&recipe).unwrap();
        let mut models: Models = ["a", "b"].map(|name| (PathBuf::from(name), Ok(opened(name)))).into();
        models.insert(PathBuf::from("gone"), Err("no such file".into()));
        let ledger = Ledger::open(folder).unwrap();
        for cell in cells.iter().filter(|_| complete) {
            if let (Ok(plan), Allowance::Evaluations(n)) = (settled(cell, &models), cell.allowance) {
                let key = key(cell, &plan, &models, "judge");
                ledger.add(&key, "", &figure(&plan, &cell.model.display().to_string(), n)).unwrap();
            }
        }
        Findings::gather(&recipe, &cells, &models, &ledger, ("judge".into(), "set".into())).unwrap()
    }

    #[test]
    fn every_cell_is_told_of_computed_or_impossible_or_missing() {
        let folder = tempfile::tempdir().unwrap();
        let found = findings(folder.path(), true);
        assert_eq!(found.rows.len(), 3 * 2 * 3 * 2);
        let count = |of: fn(&Settled) -> bool| found.rows.iter().filter(|row| of(&row.settled)).count();
        // dopri5 cannot do 4 evaluations; without a table nothing can take fitted knots; the third model is gone.
        assert_eq!(count(|s| matches!(s, Settled::Impossible(_))), 2 * (2 + 4) + 12);
        assert!(
            found
                .rows
                .iter()
                .any(|row| matches!(&row.settled, Settled::Impossible(why) if why == "no such file"))
        );
        assert_eq!(count(|s| matches!(s, Settled::Missing)), 0);
        let other = tempfile::tempdir().unwrap();
        let empty = findings(other.path(), false);
        assert!(empty.rows.iter().all(|row| row.figure().is_none()));
        assert!(empty.verdicts.iter().all(|verdict| verdict.conclusion == "not measured"));
    }

    #[test]
    fn a_claim_compares_cells_that_differ_in_nothing_else_and_judges_by_paired_intervals() {
        let folder = tempfile::tempdir().unwrap();
        let found = findings(folder.path(), true);
        let [cosine, b] = &found.verdicts[..] else { panic!("two claims") };
        // Euler at 4 and 12, dopri5 at 12, on two models.
        assert_eq!((cosine.comparisons.len(), cosine.counts), (6, [4, 0, 2]));
        assert_eq!((cosine.conclusion, cosine.closer), ("holds", [2, 6]));
        let at_12 =
            cosine.comparisons.iter().find(|c| c.shared.contains("a, euler, guidance 1, 12")).unwrap();
        assert!((at_12.difference + 1.0).abs() < 1e-6 && at_12.high < 0.0, "{at_12:?}");
        // Model b's resamples move with model a's: even under wide intervals the difference is sure.
        assert_eq!((b.counts, b.conclusion, b.closer), ([0, 2, 0], "the opposite holds", [0, 0]));
    }

    #[test]
    fn conclusions_say_no_more_than_the_pairs() {
        for (counts, expected) in [
            ([0, 0, 0], "not measured"),
            ([0, 0, 5], "no difference seen"),
            ([3, 0, 3], "holds"),
            ([2, 0, 3], "holds in part"),
            ([3, 1, 0], "mixed"),
            ([0, 3, 3], "the opposite holds"),
            ([0, 1, 5], "does not hold"),
        ] {
            assert_eq!(conclusion(counts), expected, "{counts:?}");
        }
    }
}
