//! Specification of an experiment: data sets, models, seeds and comparisons.

use super::{DataSource, Figure, Tune};
use crate::Result;
use crate::data::{Dataset, Knockout, Modality, read_text};
use crate::eval::Metric;
use crate::recipe::Recipe;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::Path;

/// Knockouts draw with the same seed in all runs, so that runs of different seeds differ only in training.
const KNOCKOUT_SEED: u64 = 0;

/// An experiment: every model on every data set with every seed. It is read from a TOML file; see the [module](super)
/// for an example.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Experiment {
    /// Its name, also that of its folder of results.
    pub name: String,
    /// The data sets, in the order of the tables.
    pub data: Vec<DataSource>,
    /// The models, in the order of the tables.
    pub models: Vec<ModelRow>,
    /// Cutoffs of the tables, among [`CUTOFFS`](super::CUTOFFS). Default in files: 10 and 20.
    pub cutoffs: Vec<usize>,
    /// Which models are compared; if empty, every pair.
    pub contrasts: Vec<Contrast>,
    /// How they are compared.
    pub comparison: ComparisonSettings,
}

/// A row of the tables: a model with its settings.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelRow {
    /// Its name in tables.
    pub name: String,
    /// Settings of model and training; the seed is set run by run.
    pub recipe: Recipe,
    /// Seeds of its runs.
    pub seeds: Vec<u64>,
    /// The data sets that it is run on; if empty, all.
    pub data: Vec<String>,
    /// Replacements for modalities in training and test; empty in most experiments.
    pub knockout: Vec<(Modality, Knockout)>,
    /// Hyperparameter search on the validation part before the runs.
    pub tune: Option<Tune>,
    /// Published figures to print next to the results: data set, figure, value.
    pub published: Vec<(String, Figure, f64)>,
}

impl ModelRow {
    /// Returns the data for training and test: a data set with the knockouts applied. Its name tells them, because
    /// lines of results contain it.
    ///
    /// # Errors
    /// A knocked-out modality that the data set lacks.
    pub(super) fn data<'a>(&self, data: &'a Dataset) -> Result<Cow<'a, Dataset>> {
        if self.knockout.is_empty() {
            return Ok(Cow::Borrowed(data));
        }
        let mut data = data.clone();
        for (modality, knockout) in &self.knockout {
            data.name = format!("{}, {modality} {knockout}", data.name);
        }
        data.train.features = data.features().with_knockouts(&self.knockout, KNOCKOUT_SEED)?;
        Ok(Cow::Owned(data))
    }

    /// Whether it is run on a data set.
    pub(super) fn is_on(&self, data: &str) -> bool {
        self.data.is_empty() || self.data.iter().any(|name| name == data)
    }
}

/// Comparisons of one model with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Contrast {
    /// The model.
    pub of: String,
    /// The others. Default: all.
    #[serde(default)]
    pub against: Vec<String>,
}

/// Settings of the paired comparisons between models. The defaults are those of the page of `viral report` as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ComparisonSettings {
    /// The figure. Default: `R@20`.
    pub figure: Figure,
    /// Sign flips of the permutation test, and resamples of the interval. Default: 10,000.
    pub resamples: usize,
    /// Seed of both. Default: 0.
    pub seed: u64,
}

impl Default for ComparisonSettings {
    fn default() -> Self {
        Self { figure: Figure::new(Metric::Recall, 20), resamples: 10_000, seed: 0 }
    }
}

impl Experiment {
    /// Reads an experiment from a TOML file.
    ///
    /// # Errors
    /// A file that cannot be read, or is invalid; the error names file, line and key.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = read_text(path)?;
        super::file::parse(&text, path)
    }

    /// Parses an experiment from TOML; errors call the text `experiment.toml`.
    ///
    /// # Errors
    /// Invalid text; the error names line and key.
    pub fn from_toml(text: &str) -> Result<Self> {
        super::file::parse(text, Path::new("experiment.toml"))
    }

    /// Returns the pairs of models to compare on a data set, as indices into [`models`](Self::models).
    pub(super) fn pairs(&self, data: &str) -> Vec<(usize, usize)> {
        let here: Vec<usize> = (0..self.models.len()).filter(|&i| self.models[i].is_on(data)).collect();
        if self.contrasts.is_empty() {
            return here.iter().enumerate().flat_map(|(i, &a)| here[..i].iter().map(move |&b| (a, b))).collect();
        }
        let mut pairs = Vec::new();
        for contrast in &self.contrasts {
            let Some(&a) = here.iter().find(|&&i| self.models[i].name == contrast.of) else { continue };
            let is_other = |b: &usize| contrast.against.is_empty() || contrast.against.contains(&self.models[*b].name);
            pairs.extend(here.iter().copied().filter(|&b| b != a).filter(is_other).map(|b| (a, b)));
        }
        // A pair that comes twice would count twice in the corrections.
        let mut seen = std::collections::HashSet::new();
        pairs.retain(|&(a, b)| seen.insert((a.min(b), a.max(b))));
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(contrasts: &[(&str, &[&str])]) -> Experiment {
        let row = |name: &str| ModelRow {
            name: name.into(),
            recipe: Recipe::lightgcn(),
            seeds: vec![1],
            data: if name == "c" { vec!["x".into()] } else { Vec::new() },
            knockout: Vec::new(),
            tune: None,
            published: Vec::new(),
        };
        let contrast = |(of, against): &(&str, &[&str])| Contrast {
            of: of.to_string(),
            against: against.iter().map(|name| name.to_string()).collect(),
        };
        Experiment {
            name: "e".into(),
            data: vec![DataSource::new("x"), DataSource::new("y")],
            models: ["a", "b", "c"].map(row).to_vec(),
            cutoffs: vec![20],
            contrasts: contrasts.iter().map(contrast).collect(),
            comparison: ComparisonSettings::default(),
        }
    }

    #[test]
    fn pairs_are_what_the_contrasts_say_once_each() {
        let all = experiment(&[]);
        assert_eq!((all.pairs("x"), all.pairs("y")), (vec![(1, 0), (2, 0), (2, 1)], vec![(1, 0)]));
        let one = experiment(&[("c", &[])]);
        assert_eq!((one.pairs("x"), one.pairs("y")), (vec![(2, 0), (2, 1)], vec![]));
        assert_eq!(experiment(&[("b", &["c"]), ("c", &["b", "a"])]).pairs("x"), [(1, 2), (2, 0)]);
    }
}
