//! The study's figures, as `flow-digits study` writes them for the page (`results.json`), and the curves they make.
//!
//! A cell is a plan and what its pictures were worth. Cells that differ in nothing but what stands along the axis are a
//! curve; what else differs between the curves of a part gives them their names, out of `flow`'s registries.

use flow::guidance::Guidance;
use flow::registry::Choice;
use flow::schedule::Schedule;
use flow::solver::Solver;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The version of the format that this page reads.
const FORMAT: u32 = 1;

/// A study.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Study {
    format: u32,
    /// Which classifier judged.
    pub(crate) extractor: String,
    /// Against which images.
    pub(crate) reference: String,
    #[serde(default)]
    models: BTreeMap<String, String>,
    /// Its grids.
    pub(crate) parts: Vec<Part>,
    /// What it decided.
    pub(crate) claims: Vec<Claim>,
}

/// A grid of cells.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Part {
    id: String,
    /// Its title.
    pub(crate) title: String,
    /// What it shows.
    pub(crate) about: String,
    axis: Axis,
    cells: Vec<Cell>,
}

/// What stands along a part's axis.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Axis {
    Evaluations,
    ScheduleParameter(String),
    GuidanceParameter(String),
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
struct Cell {
    model: String,
    guidance: String,
    solver: String,
    schedule: String,
    budget: Option<usize>,
    tolerance: Option<f64>,
    plan: Option<String>,
    evaluations: Option<f64>,
    images: Option<usize>,
    fid: Option<[f64; 3]>,
    accuracy: Option<[f64; 3]>,
}

/// A statement of the literature, and what was measured.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Claim {
    /// The statement.
    pub(crate) says: String,
    /// Who says so.
    pub(crate) source: String,
    /// What it came to, in words.
    pub(crate) conclusion: String,
    #[serde(rename = "for")]
    pro: usize,
    against: usize,
    undecided: usize,
}

/// A curve of a part.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Curve {
    /// What makes it differ from the others.
    pub(crate) label: String,
    /// Its points, by ascending place.
    pub(crate) points: Vec<Point>,
}

/// A cell that was computed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Point {
    /// The place on the axis.
    pub(crate) at: f64,
    /// The plan, in its text form.
    pub(crate) plan: String,
    /// Evaluations an image, on average.
    pub(crate) evaluations: f64,
    /// How many images were judged.
    pub(crate) images: usize,
    /// The distance from real digits, and its interval.
    pub(crate) fid: [f64; 3],
    /// The part of the digits that are read as asked, and its interval.
    pub(crate) accuracy: [f64; 3],
}

impl Study {
    /// The same with these labels for models that it does not name itself.
    pub(crate) fn with_labels(mut self, labels: BTreeMap<String, String>) -> Self {
        for (id, label) in labels {
            self.models.entry(id).or_insert(label);
        }
        self
    }

    /// Reads a study; the error is for the console.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let study: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if study.format == FORMAT { Ok(study) } else { Err(format!("format {}, not {FORMAT}", study.format)) }
    }

    /// The curves of a part, in the order of their first cells.
    pub(crate) fn curves(&self, part: &Part) -> Vec<Curve> {
        let names = |cell: &Cell| part.names(cell, &self.models);
        let all: Vec<Vec<String>> = part.cells.iter().map(names).collect();
        let differs: Vec<bool> =
            (0..NAMES).map(|i| all.windows(2).any(|pair| pair[0][i] != pair[1][i])).collect();
        let mut curves: Vec<Curve> = Vec::new();
        for (cell, names) in part.cells.iter().zip(&all) {
            let (Some(at), Some(point)) = (part.place(cell), cell.point()) else { continue };
            let told = names.iter().zip(&differs).filter(|(name, differs)| **differs && !name.is_empty());
            let told: Vec<&str> = told.map(|(name, _)| name.as_str()).collect();
            let label = if told.is_empty() { names[SOLVER].clone() } else { told.join(" · ") };
            let point = Point { at, ..point };
            match curves.iter_mut().find(|curve| curve.label == label) {
                Some(curve) => curve.points.push(point),
                None => curves.push(Curve { label, points: vec![point] }),
            }
        }
        for curve in &mut curves {
            curve.points.sort_by(|a, b| a.at.total_cmp(&b.at));
        }
        curves
    }
}

/// What a cell's name is made of: model, solver, schedule, guidance, budget.
const NAMES: usize = 5;
const SOLVER: usize = 1;

impl Part {
    /// What stands along the axis.
    pub(crate) fn axis_label(&self) -> &str {
        match &self.axis {
            Axis::Evaluations => "evaluations",
            Axis::ScheduleParameter(name) | Axis::GuidanceParameter(name) => name,
        }
    }

    /// Whether the axis is one of ratios: evaluations are, a parameter is not.
    pub(crate) fn axis_is_logarithmic(&self) -> bool {
        self.axis == Axis::Evaluations
    }

    fn place(&self, cell: &Cell) -> Option<f64> {
        match &self.axis {
            // A model that evaluates nothing is as good at every budget: a level line through what it was offered.
            Axis::Evaluations => match (cell.evaluations, cell.budget) {
                (Some(0.0), Some(offered)) => Some(offered as f64),
                (evaluations, _) => evaluations,
            },
            Axis::ScheduleParameter(name) => Schedule::parse(&cell.schedule).ok()?.choice().get(name),
            Axis::GuidanceParameter(name) => cell.guidance.parse::<Guidance>().ok()?.choice().get(name),
        }
    }

    /// A cell's names, without what stands along the axis.
    fn names(&self, cell: &Cell, models: &BTreeMap<String, String>) -> Vec<String> {
        let along = |axis: fn(&Axis) -> Option<&str>| axis(&self.axis);
        let schedule = along(|axis| match axis {
            Axis::ScheduleParameter(name) => Some(name),
            _ => None,
        });
        let guidance = along(|axis| match axis {
            Axis::GuidanceParameter(name) => Some(name),
            _ => None,
        });
        let label = |choice: Option<&Choice>, text: &str, without: Option<&str>| {
            choice.map_or_else(|| text.to_owned(), |choice| named(choice, without))
        };
        let solver = Solver::parse(&cell.solver).ok();
        let curve = Schedule::parse(&cell.schedule).ok().filter(|_| cell.tolerance.is_none());
        let form = cell.guidance.parse::<Guidance>().ok();
        let budget = match (self.axis_is_logarithmic(), cell.budget) {
            (false, Some(budget)) => crate::words::counted(budget, "evaluation"),
            _ => String::new(),
        };
        vec![
            models.get(&cell.model).unwrap_or(&cell.model).clone(),
            label(solver.as_ref().map(Solver::choice), &cell.solver, None),
            match cell.tolerance {
                Some(_) => "tolerance".to_owned(),
                None => label(curve.as_ref().map(Schedule::choice), &cell.schedule, schedule),
            },
            label(form.as_ref().map(Guidance::choice), &cell.guidance, guidance),
            budget,
        ]
    }
}

/// A choice in words: its label, and the parameters that are not at their defaults. A scale is always told.
fn named(choice: &Choice, without: Option<&str>) -> String {
    let values = choice.entry().params.iter().zip(choice.values());
    let told = values.filter(|(spec, value)| {
        Some(spec.name) != without && (spec.name == "scale" || spec.default != **value)
    });
    let told: Vec<String> = told.map(|(spec, value)| format!("{} {value}", spec.name)).collect();
    let label = choice.entry().label;
    if told.is_empty() { label.to_owned() } else { format!("{label} ({})", told.join(", ")) }
}

impl Cell {
    fn point(&self) -> Option<Point> {
        Some(Point {
            at: 0.0,
            plan: self.plan.clone()?,
            evaluations: self.evaluations?,
            images: self.images?,
            fid: self.fid?,
            accuracy: self.accuracy?,
        })
    }
}

impl Claim {
    /// How the comparisons went: "7 for it, 0 against, 1 undecided".
    pub(crate) fn counts(&self) -> String {
        format!("{} for it, {} against, {} undecided", self.pro, self.against, self.undecided)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two schedules at two budgets, one cell impossible, one missing; and a part along a parameter.
    const TEXT: &str = r#"{"format":1,"name":"study","title":"T","about":"A","seed":42,"extractor":"judge","reference":"MNIST",
        "models":{"m":"U-Net"},
        "parts":[{"id":"schedules","title":"Where","about":"","axis":"evaluations","cells":[
            {"model":"m","guidance":"1","solver":"heun","schedule":"linear","budget":8,"plan":"solver=heun&schedule=linear&steps=4","evaluations":8.0,"images":100,"fid":[3.0,2.0,4.0],"accuracy":[0.9,0.8,0.95],"bend":0.1,"length":1.0,"ms_per_image":3.0},
            {"model":"m","guidance":"1","solver":"heun","schedule":"linear","budget":4,"plan":"solver=heun&schedule=linear&steps=2","evaluations":4.0,"images":100,"fid":[9.0,8.0,9.5],"accuracy":[0.7,0.6,0.75],"bend":0.1,"length":1.0,"ms_per_image":3.0},
            {"model":"m","guidance":"1","solver":"heun","schedule":"shift:k=2","budget":4,"impossible":"too few"},
            {"model":"m","guidance":"1","solver":"heun","schedule":"shift:k=2","budget":8,"plan":"solver=heun&schedule=shift:k=2&steps=4","evaluations":8.0,"images":100,"fid":[2.0,1.5,2.5],"accuracy":[0.9,0.8,0.95],"bend":0.1,"length":1.0,"ms_per_image":3.0},
            {"model":"m","guidance":"1","solver":"heun","schedule":"shift:k=2","budget":16,"missing":true}]},
          {"id":"mu","title":"Mu","about":"","axis":{"schedule-parameter":"mu"},"cells":[
            {"model":"m","guidance":"1","solver":"heun","schedule":"logit-normal-cdf:mu=-1,std=1","budget":8,"plan":"solver=heun","evaluations":8.0,"images":100,"fid":[2.0,1.5,2.5],"accuracy":[0.9,0.8,0.95],"bend":0.1,"length":1.0,"ms_per_image":3.0},
            {"model":"m","guidance":"1","solver":"heun","schedule":"logit-normal-cdf:mu=1,std=1","budget":8,"plan":"solver=heun","evaluations":8.0,"images":100,"fid":[2.0,1.5,2.5],"accuracy":[0.9,0.8,0.95],"bend":0.1,"length":1.0,"ms_per_image":3.0}]}],
        "claims":[{"id":"c","says":"S","source":"X","part":"schedules","conclusion":"holds","for":2,"against":0,"undecided":1}]}"#;

    #[test]
    fn cells_become_curves_named_by_what_differs() {
        let study = Study::parse(TEXT).unwrap();
        let curves = study.curves(&study.parts[0]);
        let labels: Vec<&str> = curves.iter().map(|curve| curve.label.as_str()).collect();
        assert_eq!(labels, ["Even", "Shift (k 2)"]);
        let places: Vec<f64> = curves[0].points.iter().map(|point| point.at).collect();
        assert_eq!(places, [4.0, 8.0]);
        assert_eq!(curves[1].points.len(), 1, "impossible and missing cells are no points");
        assert_eq!(study.claims[0].counts(), "2 for it, 0 against, 1 undecided");
    }

    #[test]
    fn a_model_that_evaluates_nothing_is_a_level_line_through_its_budgets() {
        let study = Study::parse(&TEXT.replace("\"evaluations\":8.0", "\"evaluations\":0.0")).unwrap();
        let curves = study.curves(&study.parts[0]);
        let points: Vec<(f64, f64)> =
            curves[0].points.iter().map(|point| (point.at, point.evaluations)).collect();
        assert_eq!(points, [(4.0, 4.0), (8.0, 0.0)]);
    }

    #[test]
    fn a_parameter_along_the_axis_is_not_in_the_name() {
        let study = Study::parse(TEXT).unwrap();
        let curves = study.curves(&study.parts[1]);
        assert_eq!(curves.len(), 1, "{curves:?}");
        assert_eq!(curves[0].points.iter().map(|point| point.at).collect::<Vec<_>>(), [-1.0, 1.0]);
    }

    #[test]
    fn the_study_that_ships_is_read_whole_and_every_point_s_plan_is_a_plan() {
        let study = Study::parse(include_str!("../../../public/results.json")).unwrap();
        assert!(!study.parts.is_empty() && !study.claims.is_empty());
        for part in &study.parts {
            let curves = study.curves(part);
            assert!(!curves.is_empty());
            for point in curves.iter().flat_map(|curve| &curve.points) {
                assert!(point.plan.parse::<flow::plan::SamplePlan>().is_ok(), "{}", point.plan);
            }
        }
    }

    #[test]
    fn another_format_is_refused() {
        let error = Study::parse(&TEXT.replacen("\"format\":1", "\"format\":2", 1)).unwrap_err();
        assert!(error.contains("format 2"), "{error}");
    }
}
