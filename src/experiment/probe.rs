//! Ablation of content: whether a model uses a modality, by retraining with uninformative features in its place.

use super::comparison::{Runs, compare};
use super::job::Selection;
use super::journal::Journal;
use super::run::Notice;
use super::session::{OpenData, Session};
use super::{ComparisonSettings, DataSource, Experiment, Figure, ModelRow};
use crate::data::{Dataset, Knockout, Modality};
use crate::eval::{Difference, Metric};
use crate::model::ModelConfig;
use crate::recipe::Recipe;
use crate::report::Table;
use crate::train::TrainerConfig;
use crate::{Error, Result};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::Path;

/// The figure by which arms are compared, as in the published studies.
const FIGURE: Figure = Figure { metric: Metric::Recall, k: 10 };
const WHOLE: &str = "whole";

/// Ablation study of content, by retraining a model with knocked-out modalities.
///
/// The model is trained on the unchanged data (the whole), and once more for each arm. An arm replaces one modality, or
/// all together, by a [`Knockout`] in training and in the test. R@10 of an arm is compared with that of the whole, user
/// by user. Deleting a block of a trained model, as `viral report` does, answers another question: a model trained
/// without a modality may compensate for it.
///
/// On Amazon Baby, graph models are known to lose 14 to 28 % of R@10 with noise in place of text, and no more than 5 %
/// with noise in place of images; VBPR hardly reacts to either (*Are Multimodal Embeddings Truly Beneficial for
/// Recommendation?*, arXiv 2508.07399).
///
/// ```
/// use std::ops::ControlFlow;
/// use viral::data::Knockout;
/// use viral::experiment::Probe;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let out = folder.path().join("out");
/// let data = PlantedConfig::new().with_n_users(60).with_n_items(40).generate().data;
/// let mut probe = Probe::new(Recipe::named("profile-match")?);
/// probe.knockouts = vec![Knockout::Noise];
/// let report = probe.run(&data, &Device::flex(), &out, |_| ControlFlow::Continue(()))?;
/// assert_eq!(report.arms.len(), 3); // text, visual, and both
/// println!("{}", report.to_text());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Probe {
    /// The model with its training.
    pub recipe: Recipe,
    /// What takes the place of a modality. Default: all kinds.
    pub knockouts: Vec<Knockout>,
    /// Seeds of the training. Default: that of the recipe.
    pub seeds: Vec<u64>,
}

/// Result of an arm: the model trained with some modalities knocked out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProbeArm {
    /// The knocked-out modalities.
    pub modalities: Vec<Modality>,
    /// What replaces them.
    pub knockout: Knockout,
    /// R@10 on the test part, mean over seeds.
    pub recall: f64,
    /// R@10 minus that of the whole, with its 95 % interval over users; each user's value is the mean over seeds.
    pub difference: Difference,
    /// p value of the sign-flip permutation test, after Holm's correction for all arms.
    pub p: f64,
}

/// Results of [`Probe::run`]. Serialises all fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProbeReport {
    /// Name of the data set.
    pub data: String,
    /// Its [`fingerprint`](Dataset::fingerprint), with all content.
    pub fingerprint: String,
    /// Settings of the model.
    pub config: ModelConfig,
    /// Settings of its training.
    pub training: TrainerConfig,
    /// Seeds of the training.
    pub seeds: Vec<u64>,
    /// R@10 of the whole, mean over seeds; `None` if the probe was stopped before.
    pub whole: Option<f64>,
    /// The finished arms.
    pub arms: Vec<ProbeArm>,
}

impl Probe {
    /// Builds a probe with every knockout and the seed of the recipe.
    pub fn new(recipe: Recipe) -> Self {
        Self { seeds: vec![recipe.training.seed], recipe, knockouts: Knockout::ALL.to_vec() }
    }

    /// Returns the arms for a data set: the knocked-out modalities, of those that the model reads, and their replacement.
    fn arms(&self, data: &Dataset) -> Vec<(Vec<Modality>, Knockout)> {
        // Of a modality that the model does not read, nothing can be lost.
        let unused = self.recipe.model.unused_modalities(data.features());
        let is_read = |modality: &&Modality| !unused.contains(modality);
        let all: Vec<Modality> = data.features().modalities().filter(is_read).cloned().collect();
        let mut sets: Vec<Vec<Modality>> = all.iter().map(|modality| vec![modality.clone()]).collect();
        if all.len() > 1 {
            sets.push(all);
        }
        let of =
            |set: &Vec<Modality>| self.knockouts.iter().map(|&knockout| (set.clone(), knockout)).collect::<Vec<_>>();
        sets.iter().flat_map(of).collect()
    }

    /// Trains and measures what is not finished yet, and returns the report.
    ///
    /// The folder is that of an experiment, with a line for each finished run in `results.jsonl`. If the process is
    /// killed at any moment, the next call resumes. If `observe` returns `Break`, the report has only the complete
    /// arms.
    ///
    /// # Errors
    /// Data without content, or with nothing held out; a repeated seed or knockout; those of [`Session::run`] and of the model's training.
    pub fn run(
        &self,
        data: &Dataset,
        device: &Device,
        out: impl AsRef<Path>,
        observe: impl FnMut(Notice) -> ControlFlow<()>,
    ) -> Result<ProbeReport> {
        let arms = self.arms(data);
        let experiment = self.experiment(data, &arms)?;
        let open = OpenData::new(data.clone(), &experiment.models)?;
        let fingerprint = data.fingerprint();
        let out = out.as_ref();
        let mut session = Session { experiment, out: out.into(), data: vec![open], journal: Journal::read(out)? };
        let outcome = session.run(device, &Selection::all(), observe)?;
        if let Some((_, error)) = outcome.failures.into_iter().next() {
            return Err(error);
        }
        let mut report = ProbeReport {
            data: data.name.clone(),
            fingerprint,
            config: self.recipe.model.clone(),
            training: self.recipe.training.clone(),
            seeds: self.seeds.clone(),
            whole: None,
            arms: Vec::new(),
        };
        let mut rows: Vec<Runs> = Vec::new();
        let mut done: Vec<usize> = Vec::new();
        for (place, row) in session.experiment.models.iter().enumerate() {
            let (records, missing) = session.runs(0, place)?;
            if missing.is_empty() {
                rows.push(Runs { name: &row.name, records });
                done.push(place);
            }
        }
        if done.first() != Some(&0) {
            return Ok(report);
        }
        let recall = |runs: &Runs| {
            let values = runs.records.iter().map(|record| record.figure(FIGURE).unwrap_or(f64::NAN));
            values.sum::<f64>() / runs.records.len() as f64
        };
        report.whole = Some(recall(&rows[0]));
        let pairs: Vec<(usize, usize)> = (1..rows.len()).map(|arm| (arm, 0)).collect();
        let (found, lost) = compare(&session.journal, &rows, &pairs, &session.experiment.comparison)?;
        if !lost.is_empty() {
            let message =
                format!("there is no file of what each user got for: {}; take another folder", lost.join(", "));
            return Err(Error::file(out, message));
        }
        for ((row, &place), comparison) in rows[1..].iter().zip(&done[1..]).zip(found) {
            let (modalities, knockout) = arms[place - 1].clone();
            let (recall, p) = (recall(row), comparison.holm);
            report.arms.push(ProbeArm { modalities, knockout, recall, difference: comparison.difference, p });
        }
        Ok(report)
    }

    /// Builds the experiment of the whole and the arms.
    fn experiment(&self, data: &Dataset, arms: &[(Vec<Modality>, Knockout)]) -> Result<Experiment> {
        let model = self.recipe.model.name();
        data.features().require_any(&format!("the probe of {model}"))?;
        for (part, pairs) in [("valid", &data.valid), ("test", &data.test)] {
            if pairs.n_pairs() == 0 {
                return Err(Error::Data(format!("data set {}: a probe needs a {part} part", data.name)));
            }
        }
        if data.test.user_degrees().iter().filter(|&&degree| degree > 0).count() < 2 {
            return Err(Error::Data(format!(
                "data set {}: a probe compares users, and one alone has something in the test part; hold out more",
                data.name
            )));
        }
        let is_repeated = |n: usize, same: &dyn Fn(usize, usize) -> bool| (1..n).any(|i| (0..i).any(|j| same(i, j)));
        if self.seeds.is_empty() || is_repeated(self.seeds.len(), &|i, j| self.seeds[i] == self.seeds[j]) {
            return Err(Error::Config("probe: name one seed at least, and none twice".into()));
        }
        let kinds = &self.knockouts;
        if kinds.is_empty() || is_repeated(kinds.len(), &|i, j| kinds[i] == kinds[j]) {
            return Err(Error::Config("probe: name one knockout at least, and none twice".into()));
        }
        let row = |name: String, knockout: Vec<(Modality, Knockout)>| ModelRow {
            name,
            recipe: self.recipe.clone(),
            seeds: self.seeds.clone(),
            data: Vec::new(),
            knockout,
            tune: None,
            published: Vec::new(),
        };
        let mut models = vec![row(WHOLE.into(), Vec::new())];
        models.extend(arms.iter().map(|(modalities, knockout)| {
            let knocked_out = modalities.iter().map(|modality| (modality.clone(), *knockout)).collect();
            row(arm_name(modalities, *knockout), knocked_out)
        }));
        Ok(Experiment {
            name: format!("{model}-probe"),
            data: vec![DataSource::new(&data.name)],
            models,
            cutoffs: vec![FIGURE.k],
            contrasts: Vec::new(),
            comparison: ComparisonSettings { figure: FIGURE, ..ComparisonSettings::default() },
        })
    }
}

/// Returns the name of an arm, such as `text as noise` or `text and visual permuted`.
fn arm_name(modalities: &[Modality], knockout: Knockout) -> String {
    let names: Vec<&str> = modalities.iter().map(Modality::as_str).collect();
    let as_what = match knockout {
        Knockout::Noise => "as noise",
        Knockout::Permuted => "permuted",
        Knockout::Mean => "as their mean",
    };
    format!("{} {as_what}", names.join(" and "))
}

impl ProbeArm {
    /// Returns the name of the arm, such as `text as noise`.
    pub fn name(&self) -> String {
        arm_name(&self.modalities, self.knockout)
    }

    /// The difference as a share of the whole: −0.2 is a fifth less.
    pub fn relative(&self, whole: f64) -> f64 {
        self.difference.mean / whole.max(f64::MIN_POSITIVE)
    }
}

impl ProbeReport {
    /// The arms as a table.
    pub fn table(&self) -> Table {
        let mut table =
            Table::new(["trained with", "R@10", "difference", "95 % from", "to", "of the whole, %", "p (Holm)"]);
        let blank = || "–".to_string();
        if let Some(whole) = self.whole {
            table.row([WHOLE.into(), format!("{whole:.4}"), blank(), blank(), blank(), blank(), blank()]);
            for arm in &self.arms {
                let Difference { mean, low, high, .. } = arm.difference;
                table.row([
                    arm.name(),
                    format!("{:.4}", arm.recall),
                    format!("{mean:+.4}"),
                    format!("{low:+.4}"),
                    format!("{high:+.4}"),
                    format!("{:+.1}", 100.0 * arm.relative(whole)),
                    format!("{:.1e}", arm.p),
                ]);
            }
        }
        table
    }

    /// States in words what follows for each modality, and what does not.
    pub fn words(&self) -> String {
        let Some(whole) = self.whole else {
            return "The probe was broken off before anything could be compared.".into();
        };
        let mut sets: Vec<&[Modality]> = Vec::new();
        self.arms.iter().for_each(|arm| {
            if !sets.contains(&&arm.modalities[..]) {
                sets.push(&arm.modalities)
            }
        });
        let mut text = String::new();
        for set in sets {
            let arms: Vec<&ProbeArm> = self.arms.iter().filter(|arm| arm.modalities == set).collect();
            let worse = arms.iter().filter(|arm| arm.difference.high < 0.0).count();
            let mut changes: Vec<f64> = arms.iter().map(|arm| 100.0 * arm.relative(whole)).collect();
            changes.sort_by(f64::total_cmp);
            let (name, n) = (set.iter().map(Modality::as_str).collect::<Vec<_>>().join(" and "), arms.len());
            let range = match changes[..] {
                [only] => format!("{only:+.1} %"),
                _ => format!("{:+.1} to {:+.1} %", changes[0], changes[n - 1]),
            };
            let said = match worse {
                0 => format!("these users do not show that anything is lost without {name}, nor that nothing is"),
                _ if worse == n && set.len() > 1 => {
                    "the lists are worse with every knockout: the model uses one of these at least".to_string()
                }
                _ if worse == n => format!("the lists are worse with every knockout: the model uses {name}"),
                _ => "the lists are worse with some knockouts and not with others: nothing follows".to_string(),
            };
            // Writing to a string cannot fail.
            let _ = write!(text, "Without {name} {range} of R@10; {said}. ");
        }
        text.push_str(
            "What does not follow: that content which is not used is worth nothing, for another model may use it; nor that what is \
             lost was due to one modality alone where two say the same.",
        );
        text
    }

    /// The table and the words, for a terminal.
    pub fn to_text(&self) -> String {
        let (model, n) = (self.config.name(), self.seeds.len());
        let seeds = if n == 1 { "one seed".to_string() } else { format!("{n} seeds") };
        format!(
            "{model} on {}: trained anew with features that say nothing; test part, {seeds}\n\n{}\n{}\n",
            self.data,
            self.table().to_text(),
            self.words()
        )
    }
}
