//! Which settings are tried on valid before a model is run.

use crate::Result;
use crate::data::splitmix64;
use crate::recipe::Recipe;
use std::fmt;
use toml::{Table, Value};

/// The most combinations that a grid may have.
pub(super) const MOST: usize = 100_000;

/// Settings to be chosen on valid: some values of each, all combinations of which are the grid.
///
/// A trial trains a combination for a few epochs with one seed. The best value on valid wins, the earlier trial among equals; the test
/// part has no say. `n_trials` of the grid, drawn without repetition, make a random search.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tune {
    /// Epochs of a trial. Default in files: 10.
    pub epochs: usize,
    /// How many combinations to draw. `None`: all.
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
    /// Whether it is one of the training, not of the model.
    pub is_training: bool,
    /// Its name; that of a setting in a table is a path, such as `adam`, `lr`.
    pub path: Vec<String>,
    /// At least one value.
    pub values: Vec<Value>,
}

/// A setting that is `value`, within the tables that its path leads through.
pub(super) fn change(recipe: &mut Recipe, is_training: bool, path: &[String], value: &Value) -> Result<()> {
    let [first, inner @ ..] = path else { return Ok(()) };
    let within = |value: Value, key: &String| Value::Table(Table::from_iter([(key.clone(), value)]));
    let nested = inner.iter().rev().fold(value.clone(), within);
    match is_training {
        true => recipe.change_training(first, &nested),
        false => recipe.change_setting(first, &nested),
    }
}

/// A combination: which value of each choice.
pub(super) type Combination = Vec<usize>;

impl Tune {
    /// The number of combinations; `None` if it is above [`MOST`].
    pub(super) fn grid_size(&self) -> Option<usize> {
        let mut sizes = self.choices.iter().map(|choice| choice.values.len());
        sizes.try_fold(1usize, usize::checked_mul).filter(|n| *n <= MOST)
    }

    /// The combinations to try, in the order of the trials: the last choice changes fastest.
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

    /// The recipe with the settings of a combination.
    pub(super) fn chosen(&self, recipe: &Recipe, combination: &[usize]) -> Result<Recipe> {
        let mut recipe = recipe.clone();
        for (choice, &i) in self.choices.iter().zip(combination) {
            change(&mut recipe, choice.is_training, &choice.path, &choice.values[i])?;
        }
        Ok(recipe)
    }

    /// The recipe of a combination's trial.
    pub(super) fn trial(&self, recipe: &Recipe, combination: &[usize]) -> Result<Recipe> {
        let mut trial = self.chosen(recipe, combination)?.seed(self.seed).epochs(self.epochs);
        trial.training.patience = self.epochs;
        Ok(trial)
    }

    /// A combination as people read it: `lambda = 0.1, adam.lr = 0.001`.
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
