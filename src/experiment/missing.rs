//! Evaluation with missing content: recall as a function of the share of items without it, with nested masks.

use super::job::{Job, JobKind, JobState};
use super::journal::{Journal, Writer};
use super::key::{Kind, key};
use super::missing_report::{Figures, MissingReport, MissingRow};
use super::record::{Line, RunRecord, Trained};
use super::run::Notice;
use super::{CUTOFFS, DEPTH};
use crate::data::{Dataset, Modality, Part, missing_items};
use crate::eval::{Difference, Metric, Metrics, bootstrap_interval, paired_differences};
use crate::graph::Imputation;
use crate::model::{Embeddings, Model};
use crate::named::named;
use crate::recipe::{Existing, Recipe, embed_with};
use crate::{Error, Result};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

/// The cutoff of all figures.
pub(super) const K: usize = 20;
const RESAMPLES: usize = 2000;
/// Names in lines of results.
const MISSING: &str = "recall@20 of items without content";
const OTHERS: &str = "recall@20 of the other items";

/// Where content is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MissingIn {
    /// In training and in the test: the model is retrained without the missing content.
    #[serde(rename = "train+test")]
    TrainAndTest,
    /// Only in the test: the model is trained on all content and then frozen.
    Test,
}

named! {
    MissingIn, "part that content is missing in":
    TrainAndTest => "train+test",
    Test => "test",
}

/// Evaluation of a model with missing content: what to remove, and how to impute it.
///
/// For each seed, a share of the items loses the given modalities, all on the same items. The items are drawn uniformly
/// and [nested](missing_items). An [`Imputation`] may fill the gaps from the remaining content and from train pairs.
/// R@20 is measured over all held-out items, over those that lost content, and over the others, each time with all
/// items as candidates. LightGCN, which uses no content, is the baseline (`floor`).
///
/// ```
/// use std::ops::ControlFlow;
/// use viral::experiment::{MissingGrid, MissingIn};
/// use viral::graph::Imputation;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let out = folder.path().join("out");
/// let data = PlantedConfig::new().with_n_users(60).with_n_items(40).generate().data;
/// let mut grid = MissingGrid::new(Recipe::named("profile-match")?);
/// grid.floor = grid.floor.epochs(2);
/// grid.modalities = vec![vec![Modality::Text], vec![Modality::Text, Modality::Visual]];
/// grid.shares = vec![0.5];
/// grid.missing_in = vec![MissingIn::Test];
/// grid.imputations = vec![Imputation::ZeroAware, Imputation::Mean];
/// let report = grid.run(&data, &Device::flex(), &out, |_| ControlFlow::Continue(()))?;
/// assert_eq!(report.rows.len(), 4);
/// println!("{}", report.to_text());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MissingGrid {
    /// The model with its training.
    pub recipe: Recipe,
    /// LightGCN with its training, the baseline. It is trained with the model's seed.
    pub floor: Recipe,
    /// Sets of modalities that are lost together, one for each curve. Default: text.
    pub modalities: Vec<Vec<Modality>>,
    /// Shares of the items that lose them, above 0 and up to 1. Default: 0.1, 0.2 … 0.9.
    pub shares: Vec<f64>,
    /// What takes the place of missing content. Default: nothing.
    pub imputations: Vec<Imputation>,
    /// Where content is missing. Default: in training and in the test.
    pub missing_in: Vec<MissingIn>,
    /// Seeds of the items that lose content. Default: 0.
    pub seeds: Vec<u64>,
}

/// One point of a curve: a retrained or frozen model with one draw of items.
struct Cell<'a> {
    missing_in: MissingIn,
    modalities: &'a [Modality],
    share: f64,
    imputation: Imputation,
    seed: u64,
}

impl MissingGrid {
    /// Builds the grid of one curve: text is missing in training and test, and the model is retrained at each point.
    pub fn new(recipe: Recipe) -> Self {
        Self {
            recipe,
            floor: Recipe::lightgcn(),
            modalities: vec![vec![Modality::Text]],
            shares: (1..10).map(|tenth| f64::from(tenth) / 10.0).collect(),
            imputations: vec![Imputation::ZeroAware],
            missing_in: vec![MissingIn::TrainAndTest],
            seeds: vec![0],
        }
    }

    fn check(&self, data: &Dataset) -> Result<()> {
        let is_empty = [
            ("modalities", self.modalities.iter().any(Vec::is_empty) || self.modalities.is_empty()),
            ("shares", self.shares.is_empty()),
            ("imputations", self.imputations.is_empty()),
            ("parts that content is missing in", self.missing_in.is_empty()),
            ("seeds", self.seeds.is_empty()),
        ];
        if let Some((what, _)) = is_empty.iter().find(|(_, is_empty)| *is_empty) {
            return Err(Error::Config(format!("missing content: there are no {what}; name one at least")));
        }
        if let Some(share) = self.shares.iter().find(|share| !(**share > 0.0 && **share <= 1.0)) {
            return Err(Error::Config(format!(
                "missing content: a share of {share}; it must be above 0 and at most 1"
            )));
        }
        let lost = |modalities: &Vec<Modality>| {
            let mut names: Vec<String> = modalities.iter().map(ToString::to_string).collect();
            names.sort_unstable();
            names.join(" and ")
        };
        // A point that comes twice would count twice in the table.
        for (what, values) in [
            ("loss of", self.modalities.iter().map(lost).collect::<Vec<_>>()),
            ("share", self.shares.iter().map(ToString::to_string).collect()),
            ("imputation", self.imputations.iter().map(ToString::to_string).collect()),
            ("part", self.missing_in.iter().map(ToString::to_string).collect()),
            ("seed", self.seeds.iter().map(ToString::to_string).collect()),
        ] {
            if let Some(twice) = (1..values.len()).find(|&i| values[..i].contains(&values[i])) {
                return Err(Error::Config(format!("missing content: the {what} {} comes twice", values[twice])));
            }
        }
        let mut all = self.modalities.iter().flatten();
        if let Some(modality) = all.find(|modality| data.features().get(modality).is_none()) {
            return Err(Error::MissingModality {
                model: "missing content".into(),
                modality: Some(modality.to_string()),
                file: format!("{}.npy", modality.file_stem()),
                available: data.features().modalities().map(Modality::to_string).collect(),
            });
        }
        let unused = self.recipe.model.unused_modalities(data.features());
        if let Some(set) = self.modalities.iter().find(|set| set.iter().all(|modality| unused.contains(modality))) {
            let (set, model) = (lost(set), self.recipe.model.name());
            return Err(Error::Config(format!(
                "missing content: {model} does not read {set}, so it loses nothing without it"
            )));
        }
        match data.test.n_pairs() {
            0 => Err(Error::Data(format!("data set {}: nothing is held out for a test", data.name))),
            _ => Ok(()),
        }
    }

    fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        let curves =
            self.missing_in.iter().flat_map(|&missing_in| self.modalities.iter().map(move |m| (missing_in, m)));
        curves.flat_map(move |(missing_in, modalities)| {
            self.shares.iter().flat_map(move |&share| {
                self.imputations.iter().flat_map(move |&imputation| {
                    self.seeds.iter().map(move |&seed| Cell { missing_in, modalities, share, imputation, seed })
                })
            })
        })
    }

    /// Measures the points that are not measured yet, and returns the report.
    ///
    /// The folder `out` has a line for each finished point in `results.jsonl`, and the checkpoints of the models on
    /// full data. If the process is killed at any moment, the next call resumes and writes the same lines. If `observe`
    /// returns `Break`, the report has only the complete rows.
    ///
    /// # Errors
    /// Invalid settings, or modalities that the data lack; those of [`Recipe::run`] and
    /// [`Run::embed_with`](crate::recipe::Run::embed_with); a folder that cannot be written to, or that another process
    /// is writing to.
    pub fn run(
        &self,
        data: &Dataset,
        device: &Device,
        out: impl AsRef<Path>,
        mut observe: impl FnMut(Notice) -> ControlFlow<()>,
    ) -> Result<MissingReport> {
        self.check(data)?;
        let (mut journal, mut writer) = Journal::write(out.as_ref())?;
        let of = 2 + self.cells().count();
        let seed = self.recipe.training.seed;
        let job = |model: String| Job {
            data: data.name.clone(),
            model,
            kind: JobKind::Run { seed },
            state: JobState::Waiting,
        };
        let (floor, fingerprint) = (self.floor.clone().seed(seed), data.fingerprint());
        let mut whole = Vec::new();
        for (number, recipe) in [(1, &floor), (2, &self.recipe)] {
            let job = job(recipe.model.name().to_string());
            let folder = out.as_ref().join("full").join(key(Kind::Run, &fingerprint, &recipe.model, &recipe.training)?);
            let Some(run) = trained(recipe, data, device, &folder, &job, [number, of], &mut observe)? else {
                return Ok(MissingReport::new(self, data, None, Vec::new()));
            };
            whole.push(run);
        }
        let [(floor, _), (full, model)] = [&whole[0], &whole[1]];
        for (i, cell) in self.cells().enumerate() {
            let job = job(format!("{} {cell}", self.recipe.model.name()));
            let known_by = self.key(&cell, &fingerprint)?;
            let (folder, place) = (journal.running(&known_by[1]), [3 + i, of]);
            if journal.run(&known_by[1]).is_some() {
                // The process was killed between writing the line and cleaning up.
                let _ = std::fs::remove_dir_all(&folder);
                continue;
            }
            let summary = match cell.missing_in {
                MissingIn::Test => {
                    if observe(Notice::Started { job: &job, number: 3 + i, of }).is_break() {
                        break;
                    }
                    let z = embed_with(&self.recipe, model, data, self.filled(&cell, data)?.features())?;
                    self.test(&z, (&cell, data), &known_by, (&mut journal, &mut writer))?
                }
                MissingIn::TrainAndTest => {
                    let filled = self.filled(&cell, data)?;
                    let run = trained(&self.recipe, &filled, device, &folder, &job, place, &mut observe)?;
                    let Some((z, _)) = run else { break };
                    self.test(&z, (&cell, data), &known_by, (&mut journal, &mut writer))?
                }
            };
            if folder.exists() {
                std::fs::remove_dir_all(&folder).map_err(Error::io(&folder))?;
            }
            if observe(Notice::Finished { job: &job, summary: &summary }).is_break() {
                break;
            }
        }
        let _ = std::fs::remove_dir(journal.running(""));
        let rows = self.rows(&journal, data, floor)?;
        let recall = |z: &Embeddings| Ok::<f64, Error>(z.evaluate(data, Part::Test, &[K])?.recall(K));
        Ok(MissingReport::new(self, data, Some([recall(full)?, recall(floor)?]), rows))
    }

    /// Returns what a point's result depends on apart from the model, and its key.
    fn key(&self, cell: &Cell, fingerprint: &str) -> Result<[String; 2]> {
        let depends_on = format!("{fingerprint} {cell} {}", cell.share);
        let key = key(Kind::Run, &depends_on, &self.recipe.model, &self.recipe.training)?;
        Ok([depends_on, key])
    }

    /// Returns the data of a point: with content removed, then imputed.
    fn filled(&self, cell: &Cell, data: &Dataset) -> Result<Dataset> {
        let mut filled = data.clone();
        filled.train.features = data.features().without(cell.modalities, &cell.missing(data));
        filled.train.features = cell.imputation.apply(&filled.train)?;
        Ok(filled)
    }

    /// Evaluates embeddings on the test part and journals the result.
    fn test(
        &self,
        z: &Embeddings,
        (cell, data): (&Cell, &Dataset),
        [depends_on, key]: &[String; 2],
        (journal, writer): (&mut Journal, &mut Writer),
    ) -> Result<String> {
        journal.add_test_read(writer, key)?;
        let hits = z.hits(data, Part::Test, DEPTH)?;
        let metrics = hits.metrics(&CUTOFFS)?;
        let trained = Trained::new(key, (&data.name, depends_on), &self.recipe, None);
        let mut record = RunRecord::new(trained, &metrics);
        let figures = Figures::measured(z, data, &cell.missing(data), metrics.recall(K))?;
        let of_parts = [(MISSING, figures.missing), (OTHERS, figures.others)];
        record.test.extend(of_parts.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?))));
        journal.add(writer, key, Line::Run(record), Some(&hits))?;
        Ok(format!("R@{K} {:.4}", figures.all))
    }

    /// Returns the finished points, grouped over seeds. Points with unfinished seeds are left out.
    fn rows(&self, journal: &Journal, data: &Dataset, floor: &Embeddings) -> Result<Vec<MissingRow>> {
        let (mut rows, of_floor, fingerprint) =
            (Vec::new(), floor.evaluate(data, Part::Test, &[K])?, data.fingerprint());
        let cells: Vec<Cell> = self.cells().collect();
        for cells in cells.chunks(self.seeds.len()) {
            let (mut figures, mut floors, mut metrics) = (Vec::new(), Vec::new(), Vec::new());
            for cell in cells {
                let Some(record) = journal.run(&self.key(cell, &fingerprint)?[1]) else { break };
                let of = |name: &str| record.test.get(name).copied();
                figures.push(Figures {
                    all: of("recall@20").unwrap_or(f64::NAN),
                    missing: of(MISSING),
                    others: of(OTHERS),
                });
                floors.push(Figures::measured(floor, data, &cell.missing(data), of_floor.recall(K))?);
                metrics.extend(journal.hits(record)?.map(|hits| hits.metrics(&[K])).transpose()?);
            }
            if figures.len() < cells.len() {
                continue;
            }
            let above_floor = match metrics.len() == cells.len() {
                true => Some(above(&metrics, &of_floor)?),
                false => None,
            };
            let Cell { missing_in, modalities, share, imputation, .. } = cells[0];
            rows.push(MissingRow {
                missing_in,
                modalities: modalities.to_vec(),
                share,
                imputation,
                figures,
                floors,
                above_floor,
            });
        }
        Ok(rows)
    }
}

impl Cell<'_> {
    /// Which items lose content.
    fn missing(&self, data: &Dataset) -> Vec<bool> {
        missing_items(data.n_items(), self.share, self.seed)
    }
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing_in, modalities, share, imputation, seed } = self;
        let names: Vec<&str> = modalities.iter().map(Modality::as_str).collect();
        write!(f, "without {:.0} % of {} in {missing_in}, {imputation}, items {seed},", share * 100.0, names.join("+"))
    }
}

fn above(metrics: &[Metrics], floor: &Metrics) -> Result<Difference> {
    let differences = paired_differences(metrics, std::slice::from_ref(floor), Metric::Recall, K)?;
    bootstrap_interval(&differences, RESAMPLES, 0)
}

/// Trains in a folder, resuming from its checkpoint if there is one. Returns the embeddings and the model, or `None` if
/// the observer stopped it.
fn trained(
    recipe: &Recipe,
    data: &Dataset,
    device: &Device,
    folder: &Path,
    job: &Job,
    [number, of]: [usize; 2],
    observe: &mut impl FnMut(Notice) -> ControlFlow<()>,
) -> Result<Option<(Embeddings, Model)>> {
    if observe(Notice::Started { job, number, of }).is_break() {
        return Ok(None);
    }
    let existing = match folder.join("checkpoint.safetensors").is_file() {
        true => Existing::Resume,
        false => Existing::Overwrite,
    };
    let is_broken = std::cell::Cell::new(false);
    let runner = recipe.runner(data, device).folder(folder).existing(existing).observe(|progress| {
        let flow = observe(Notice::Progress { job, progress });
        is_broken.set(flow.is_break());
        flow
    });
    let run = runner.run()?;
    Ok((!is_broken.get()).then(|| (run.embeddings().clone(), run.model().clone())))
}
