//! Promises of every tableau, over the whole registry.

use super::*;

/// A rooted tree: the list of the trees that hang from its root.
#[derive(Clone)]
struct Tree(Vec<Tree>);

impl Tree {
    fn size(&self) -> usize {
        1 + self.0.iter().map(Self::size).sum::<usize>()
    }

    /// gamma, the density.
    fn density(&self) -> f64 {
        self.size() as f64 * self.0.iter().map(Self::density).product::<f64>()
    }

    /// Phi_i, the elementary weight of stage i.
    fn weight(&self, a: &[&[f64]], i: usize) -> f64 {
        let below = |tree: &Tree| (0..i).map(|j| a[i][j] * tree.weight(a, j)).sum::<f64>();
        self.0.iter().map(below).product()
    }
}

/// All rooted trees with `size` nodes. `most` keeps the branches in descending order of index, so that each
/// multiset of branches is found once.
fn trees(size: usize) -> Vec<Tree> {
    fn forests(total: usize, smaller: &[Tree], most: usize) -> Vec<Vec<Tree>> {
        if total == 0 {
            return vec![vec![]];
        }
        let mut found = Vec::new();
        for index in (0..most).filter(|index| smaller[*index].size() <= total) {
            for mut rest in forests(total - smaller[index].size(), smaller, index + 1) {
                rest.push(smaller[index].clone());
                found.push(rest);
            }
        }
        found
    }
    let smaller: Vec<Tree> = (1..size).flat_map(trees).collect();
    forests(size - 1, &smaller, smaller.len()).into_iter().map(Tree).collect()
}

/// The largest violation of the order conditions up to `order`.
fn worst_condition(a: &[&[f64]], b: &[f64], order: usize) -> f64 {
    (1..=order)
        .flat_map(trees)
        .map(|tree| {
            let sum: f64 = b.iter().enumerate().map(|(i, b)| b * tree.weight(a, i)).sum();
            (sum - 1.0 / tree.density()).abs()
        })
        .fold(0.0, f64::max)
}

fn tableaus() -> impl Iterator<Item = (&'static str, &'static Tableau)> {
    Solver::all().filter_map(|solver| Some((solver.id(), solver.tableau()?)))
}

#[test]
fn there_are_as_many_rooted_trees_as_cayley_counted() {
    assert_eq!([1, 2, 3, 4, 5].map(|n| trees(n).len()), [1, 1, 2, 4, 9]);
}

#[test]
fn every_tableau_is_explicit_and_its_rows_sum_to_c() {
    for (id, tableau) in tableaus() {
        assert_eq!(tableau.c.len(), tableau.stages(), "{id}");
        assert_eq!(tableau.a.len(), tableau.stages(), "{id}");
        for (i, (row, c)) in tableau.a.iter().zip(tableau.c).enumerate() {
            assert_eq!(row.len(), i, "{id}: row {i}");
            assert!((row.iter().sum::<f64>() - c).abs() < 1e-14, "{id}: row {i}");
            assert!((0.0..=1.0).contains(c), "{id}: a stage outside its step");
        }
    }
}

#[test]
fn every_tableau_meets_the_conditions_of_its_order_and_no_higher() {
    for (id, tableau) in tableaus() {
        let worst = worst_condition(tableau.a, tableau.b, tableau.order);
        assert!(worst < 1e-14, "{id}: {worst:e}");
        assert!(worst_condition(tableau.a, tableau.b, tableau.order + 1) > 1e-6, "{id}: order understated");
    }
}

#[test]
fn every_embedded_solution_has_its_own_lower_order() {
    for (id, tableau) in tableaus() {
        let Some(embedded) = &tableau.embedded else { continue };
        assert_eq!(embedded.error.len(), tableau.stages(), "{id}");
        assert!(embedded.error.iter().sum::<f64>().abs() < 1e-14, "{id}: weights of a difference sum to 0");
        let b: Vec<f64> = tableau.b.iter().zip(embedded.error).map(|(b, e)| b - e).collect();
        assert!(worst_condition(tableau.a, &b, embedded.order) < 1e-14, "{id}");
        assert!(worst_condition(tableau.a, &b, embedded.order + 1) > 1e-6, "{id}: order understated");
        assert!(embedded.order < tableau.order, "{id}");
    }
}

#[test]
fn a_solver_that_chooses_its_steps_reuses_its_last_stage() {
    // The adaptive loop relies on it: the last velocity of a step is the first of the next.
    let fsal: Vec<_> = tableaus().filter(|(_, t)| t.first_same_as_last()).map(|(id, _)| id).collect();
    assert_eq!(fsal, ["bosh3", "dopri5", "tsit5"]);
    assert_eq!(Solver::adaptive_ids(), fsal);
}

#[test]
fn orders_and_evaluations_are_those_of_the_literature() {
    let found: Vec<_> =
        Solver::all().map(|solver| (solver.id(), solver.order(), solver.evaluations_per_step())).collect();
    assert_eq!(
        found,
        [
            ("euler", 1, 1),
            ("midpoint", 2, 2),
            ("heun", 2, 2),
            ("ralston", 2, 2),
            ("adams-bashforth-2", 2, 1),
            ("dpm-solver++-2m", 2, 1),
            ("unipc-2", 2, 1),
            ("heun3", 3, 3),
            ("bosh3", 3, 3),
            ("rk4", 4, 4),
            ("rk4-38", 4, 4),
            ("dopri5", 5, 6),
            ("tsit5", 5, 6),
            ("sde-euler", 1, 1)
        ]
    );
}
