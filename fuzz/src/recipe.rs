//! Recipes: the TOML of a training and of a study, with overrides.
//!
//! Lines that begin with `--set ` are overrides, the others are the recipe. Promises: a text is a recipe or is refused in
//! words; what was accepted is written and read again to the same recipe, and what its texts name (path, times, plan) reads.

use flow::path::Path;
use flow::plan::SamplePlan;
use flow::time::TimeDistribution;
use trainer::recipe::Recipe;
use trainer::study::StudyRecipe;

/// See the module. Whether it is a recipe.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let (sets, lines): (Vec<&str>, Vec<&str>) = text.split('\n').partition(|line| line.starts_with("--set "));
    let sets: Vec<String> = sets.iter().map(|set| set["--set ".len()..].to_owned()).collect();
    let text = lines.join("\n");
    match Recipe::parse(&text, "recipe", &sets) {
        Ok(recipe) => {
            accepted(&recipe);
            return true;
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match StudyRecipe::parse(&text) {
        Ok(_) => true,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

fn accepted(recipe: &Recipe) {
    let written = match recipe.to_toml() {
        Ok(written) => written,
        Err(error) => panic!("{recipe:?} can't be written: {error}"),
    };
    match Recipe::parse(&written, "again", &[]) {
        Ok(again) => assert_eq!(&again, recipe, "{written}"),
        Err(error) => panic!("{written}\ndoes not read back: {error}"),
    }
    if let Some(flow) = &recipe.flow {
        assert!(flow.path.parse::<Path>().is_ok() && flow.time.parse::<TimeDistribution>().is_ok());
    }
    assert!(recipe.output.plan.as_ref().is_none_or(|plan| plan.parse::<SamplePlan>().is_ok()));
    if let Some(architecture) = &recipe.architecture {
        assert!(architecture.multiply_adds() > 0);
    }
}
