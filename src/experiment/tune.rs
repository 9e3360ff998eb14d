//! Hyperparameter search on the validation part, before a model is run.

use crate::Result;
use crate::data::splitmix64;
use crate::recipe::Recipe;
use std::fmt;
use toml::{Table, Value};

/// Maximum number of combinations in a grid.
pub(super) const MOST: usize = 100_000;

/// Hyperparameter search on the validation part: a grid of all combinations of the given values.
///
/// A trial trains one combination for a few epochs with one seed. The trial with the best validation value wins, the
/// earlier one in case of a tie; the test part is never used. If `n_trials` is set, that many combinations are drawn
/// without replacement: a random search.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tune {
    /// Epochs of a trial. Default in files: 10.
    pub epochs: usize,
    /// Number of combinations to draw. `None`: all.
    pub n_trials: Option<usize>,
    /// Seed of the draw and of every trial. Default in files: 0.
    pub seed: u64,
    /// The settings to choose.
    pub choices: Vec<Choice>,
}

/// A setting and the values that it may take.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Choice {
    /// Whether it is a training setting, not a model setting.
    pub is_training: bool,
    /// Its name, as a path through nested tables, such as `adam`, `lr`.
    pub path: Vec<String>,
    /// Candidate values, at least one.
    pub values: Vec<Value>,
}

/// Sets the setting at `path`, through nested tables, to `value`.
pub(super) fn change(recipe: &mut Recipe, is_training: bool, path: &[String], value: &Value) -> Result<()> {
    let [first, inner @ ..] = path else { return Ok(()) };
    let within = |value: Value, key: &String| Value::Table(Table::from_iter([(key.clone(), value)]));
    let nested = inner.iter().rev().fold(value.clone(), within);
    match is_training {
        true => recipe.change_training(first, &nested),
        false => recipe.change_setting(first, &nested),
    }
}

/// A combination: the index of a value for each choice.
pub(super) type Combination = Vec<usize>;

impl Tune {
    /// Returns the number of combinations, or `None` if it is above [`MOST`].
    pub(super) fn grid_size(&self) -> Option<usize> {
        let mut sizes = self.choices.iter().map(|choice| choice.values.len());
        sizes.try_fold(1usize, usize::checked_mul).filter(|n| *n <= MOST)
    }

    /// Returns the combinations to try, in the order of the trials: the last choice changes fastest.
    pub(super) fn combinations(&self) -> Vec<Combination> {
        let size = self.grid_size().unwrap_or(0);
        let mut order: Vec<usize> = (0..size).collect();
        if let Some(n) = self.n_trials.filter(|n| *n < size) {
            let stream = splitmix64(self.seed);
            order.sort_by_key(|&i| (splitmix64(stream ^ i as u64), i));
            order.truncate(n);
            order.sort_unstable();
        }
        let digits = |mut i: usize| {
            let mut combination: Combination = self
                .choices
                .iter()
                .rev()
                .map(|choice| {
                    let n = choice.values.len();
                    let digit = i % n;
                    i /= n;
                    digit
                })
                .collect();
            combination.reverse();
            combination
        };
        order.into_iter().map(digits).collect()
    }

    /// Returns the recipe with the settings of a combination.
    pub(super) fn chosen(&self, recipe: &Recipe, combination: &[usize]) -> Result<Recipe> {
        let mut recipe = recipe.clone();
        for (choice, &i) in self.choices.iter().zip(combination) {
            change(&mut recipe, choice.is_training, &choice.path, &choice.values[i])?;
        }
        Ok(recipe)
    }

    /// Returns the recipe of a trial: the settings of a combination, without early stopping.
    pub(super) fn trial(&self, recipe: &Recipe, combination: &[usize]) -> Result<Recipe> {
        let mut trial = self.chosen(recipe, combination)?.seed(self.seed).epochs(self.epochs);
        trial.training.patience = self.epochs;
        Ok(trial)
    }

    /// Formats a combination: `lambda = 0.1, adam.lr = 0.001`.
    pub(super) fn describe(&self, combination: &[usize]) -> String {
        let settings =
            self.choices.iter().zip(combination).map(|(choice, &i)| format!("{choice} = {}", choice.values[i]));
        settings.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tune(n_trials: Option<usize>) -> Tune {
        let choice = |is_training, path: &[&str], values: &[f64]| Choice {
            is_training,
            path: path.iter().map(|key| key.to_string()).collect(),
            values: values.iter().map(|x| Value::Float(*x)).collect(),
        };
        let choices = vec![choice(false, &["reg"], &[0.1, 0.2, 0.3]), choice(true, &["adam", "lr"], &[1e-3, 1e-2])];
        Tune { epochs: 4, n_trials, seed: 3, choices }
    }

    #[test]
    fn the_grid_has_every_combination_once() {
        let all = tune(None).combinations();
        assert_eq!(all, [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]);
        assert_eq!(tune(Some(6)).combinations(), all);
        let some = tune(Some(4)).combinations();
        assert!(some.len() == 4 && some.is_sorted_by(|a, b| a < b) && some.iter().all(|c| all.contains(c)));
        assert!((4..20).any(|seed| Tune { seed, ..tune(Some(4)) }.combinations() != some));
        let mut many = tune(None);
        many.choices = vec![Choice { values: vec![Value::Integer(0); 1000], ..many.choices[0].clone() }; 30];
        assert_eq!(many.grid_size(), None);
    }

    #[test]
    fn a_combination_changes_what_it_names_and_nothing_else() {
        let (mut tune, base) = (tune(None), Recipe::named("lightgcn").unwrap());
        let recipe = tune.chosen(&base, &[2, 1]).unwrap();
        assert_eq!(recipe, base.clone().set("reg", "0.3").unwrap().learning_rate(1e-2));
        let trial = tune.trial(&base, &[0, 0]).unwrap().training;
        assert_eq!((trial.epochs, trial.patience, trial.seed, trial.adam.lr), (4, 4, 3, 1e-3));
        assert_eq!(tune.describe(&[1, 0]), "reg = 0.2, adam.lr = 0.001");
        tune.choices[0].path = vec!["no_such".into()];
        assert!(tune.chosen(&base, &[0, 0]).is_err());
    }
}
