//! A recipe as MLflow's flat parameters: `train.learning_rate`, `architecture.channels` and so on.

use crate::recipe::Recipe;
use anyhow::Result;
use std::collections::BTreeMap;
use toml::Value;

/// Servers before 2.8 refuse longer values.
const LONGEST: usize = 500;

/// Keys by dots, values as text.
pub(super) fn flat(recipe: &Recipe) -> Result<BTreeMap<String, String>> {
    let mut flat = BTreeMap::new();
    walk("", &toml::Table::try_from(recipe)?, &mut flat);
    Ok(flat)
}

fn walk(prefix: &str, table: &toml::Table, flat: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            Value::Table(inner) => walk(&format!("{key}."), inner, flat),
            Value::String(text) => {
                flat.insert(key, text.chars().take(LONGEST).collect());
            }
            other => {
                flat.insert(key, other.to_string().chars().take(LONGEST).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_become_dots_and_lists_stay_readable() {
        let text = include_str!("../../../recipes/mnist-unet.toml");
        let flat = flat(&Recipe::parse(text, "test", &[]).unwrap()).unwrap();
        assert_eq!(flat["architecture.channels"], "[32, 64]");
        assert_eq!(flat["train.batch"], "64");
        assert_eq!(flat["flow.path"], "linear");
    }
}
