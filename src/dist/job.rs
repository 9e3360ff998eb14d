//! Training runs over ranks.

use super::agree::check_alike;
use super::evaluate::hits;
use super::model::{OwnEmbeddings, Part as ModelPart, Split};
use super::parts::Ranks;
use super::{Collective, all_or_none, checkpoint};
use crate::Result;
use crate::data::{Dataset, Features, Part};
use crate::eval::Metrics;
use crate::model::HostEmbeddings;
use crate::nn::Init;
use crate::recipe::{EpochSeconds, Existing, Folder, Progress, Recipe};
use crate::train::{Checkpoint, EpochReport, Event, Fit, TrainState};
use burn::module::Module;
use burn::tensor::Device;
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

type Observer<'a> = Box<dyn FnMut(&Progress) -> ControlFlow<()> + 'a>;

/// A run of a [`Recipe`] over ranks; each rank makes one and runs it.
///
/// ```
/// use viral::dist::{Job, Threads};
/// use viral::prelude::*;
/// use viral::recipe::Existing;
///
/// # fn main() -> viral::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path().join("run");
/// let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
/// let recipe = Recipe::lightgcn().epochs(2);
/// for rank in Threads::run(2, |rank| Job::new(rank, &recipe, &data).folder(&folder).run().map(|_| ())) {
///     rank?;
/// }
/// // Two more epochs, in one process.
/// let run = recipe.epochs(4).runner(&data, &Device::flex()).folder(&folder).existing(Existing::Resume).run()?;
/// assert_eq!(run.history().len(), 4);
/// # Ok(())
/// # }
/// ```
pub struct Job<'a> {
    world: &'a dyn Collective,
    recipe: Recipe,
    data: Cow<'a, Dataset>,
    folder: Option<PathBuf>,
    existing: Existing,
    observer: Option<Observer<'a>>,
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { world, recipe, folder, existing, .. } = self;
        let rank = (world.rank(), world.size());
        let mut debug = f.debug_struct("Job");
        debug.field("rank", &rank).field("recipe", recipe).field("folder", folder).field("existing", existing).finish()
    }
}

impl<'a> Job<'a> {
    /// Prepares this rank's share of a run on the CPU. All ranks need the same recipe and the same data. A job that
    /// owns the data frees the features of other ranks' items once it has built the model.
    pub fn new(world: &'a dyn Collective, recipe: &Recipe, data: impl Into<Cow<'a, Dataset>>) -> Self {
        let data = data.into();
        Self { world, recipe: recipe.clone(), data, folder: None, existing: Existing::Refuse, observer: None }
    }

    /// Rank 0 writes into a folder, as [`Runner::folder`](crate::recipe::Runner::folder) does: after each epoch the
    /// checkpoint, with the same bytes at any number of ranks. To resume, all ranks must see the folder.
    ///
    /// `model.safetensors` is not written, because it is one file with the whole model: to get it, resume the finished
    /// run in one process.
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_path_buf());
        self
    }

    /// Sets what to do if the folder has a run already; by default the new run is refused. The earlier run may have had
    /// another number of ranks.
    pub fn existing(mut self, existing: Existing) -> Self {
        self.existing = existing;
        self
    }

    /// Calls `observer` after each step and each epoch. It may stop the run, on all ranks after the same step.
    pub fn observe(mut self, observer: impl FnMut(&Progress) -> ControlFlow<()> + 'a) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Trains the model.
    ///
    /// # Errors
    /// Those of [`Runner::run`](crate::recipe::Runner::run); a model that cannot be split; more ranks than rows; a rank
    /// whose version, data or settings differ from those of rank 0; a rank that is gone. Whatever keeps the ranks from
    /// starting is an error on all of them.
    pub fn run(self) -> Result<Trained<'a>> {
        let Self { world, recipe, mut data, folder, existing, mut observer } = self;
        let checked = recipe.check().and_then(|()| ModelPart::check(&recipe.model));
        all_or_none(world, checked)?;
        check_alike(world, &recipe, &data)?;
        recipe.check_epochs()?;
        let trainer = &recipe.training;
        let ranks = Ranks::new(world, &data.train.interactions)?;
        let path = folder;
        let opened = match &path {
            Some(path) if world.rank() == 0 => Folder::open(path, existing, recipe.to_toml()?).map(Some),
            _ => Ok(None),
        };
        let mut folder = all_or_none(world, opened)?;
        let device = Device::flex().autodiff();
        let made = ModelPart::new(&recipe.model, &data.train, &mut Init::new(trainer.seed, &device), &ranks);
        let (model, mut part) = all_or_none(world, made)?;
        let checkpoint = Checkpoint::new(&recipe.model, trainer, &data.fingerprint())?;
        // The part holds what this rank needs of the features.
        if let Cow::Owned(data) = &mut data {
            data.train.features = Features::new();
        }
        let state = match &path {
            Some(path) if existing == Existing::Resume => {
                checkpoint::load(&ranks, &checkpoint, &Folder::checkpoint_in(path), model)
            }
            _ => Ok(TrainState::new(model, trainer)),
        };
        let state = all_or_none(world, state)?;
        let mut seconds = match &folder {
            Some(folder) if existing == Existing::Resume => folder.read_seconds(state.history().len()),
            _ => Vec::new(),
        };
        let mut progress = Progress::new(trainer, state.history());
        let split = Split { ranks: &ranks, part: &mut part, seen: &data.train.interactions };
        let fit = trainer.fit_held(split, state, &data.train, &data.valid, &device, |event| {
            match event {
                Event::Step { epoch, step, n_steps } => progress.set_step(epoch, step, n_steps),
                Event::Epoch { report, state } => {
                    progress.set_epoch(report);
                    seconds.push(EpochSeconds { train: report.train_seconds, evaluation: report.eval_seconds });
                    if let Some(path) = &path {
                        checkpoint::save(&ranks, &checkpoint, &Folder::checkpoint_in(path), state)?;
                    }
                    if let Some(folder) = &mut folder {
                        folder.written(&folder.checkpoint(), existing)?;
                        folder.write_seconds(&seconds)?;
                    }
                }
            }
            Ok(observer.as_mut().map_or(ControlFlow::Continue(()), |observer| observer(&progress)))
        })?;
        let nnz = part.nnz();
        let Fit { model, best_epoch, history, .. } = fit;
        let embeddings = part.embed(&model.valid(), &ranks)?;
        Ok(Trained { ranks, data, best_epoch, history, embeddings, nnz })
    }
}

impl From<Dataset> for Cow<'_, Dataset> {
    fn from(data: Dataset) -> Self {
        Self::Owned(data)
    }
}

impl<'a> From<&'a Dataset> for Cow<'a, Dataset> {
    fn from(data: &'a Dataset) -> Self {
        Self::Borrowed(data)
    }
}

/// The result of a [`Job`], of which each rank holds its part.
pub struct Trained<'a> {
    ranks: Ranks<'a>,
    data: Cow<'a, Dataset>,
    best_epoch: Option<usize>,
    history: Vec<EpochReport>,
    embeddings: OwnEmbeddings,
    nnz: usize,
}

impl std::fmt::Debug for Trained<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rank, epochs) = (self.ranks.world.rank(), self.history.len());
        f.debug_struct("Trained").field("rank", &rank).field("epochs", &epochs).finish_non_exhaustive()
    }
}

impl Trained<'_> {
    /// The epoch whose parameters the model has, from 0.
    pub fn best_epoch(&self) -> Option<usize> {
        self.best_epoch
    }

    /// One report per epoch, the same on every rank except for the times.
    pub fn history(&self) -> &[EpochReport] {
        &self.history
    }

    /// Sizes of this rank's part: users, items, and nonzeros in its rows of the graph.
    pub fn own_sizes(&self) -> [usize; 3] {
        [self.ranks.own_users().len(), self.ranks.own_items().len(), self.nnz]
    }

    /// Evaluates as [`Run::test`](crate::recipe::Run::test) and [`valid`](crate::recipe::Run::valid) do: each rank
    /// ranks its users, and all ranks get the metrics of all users. All ranks must call it.
    ///
    /// # Errors
    /// If the part is empty, a cut-off is 0, a vector is not finite, or a rank is gone.
    pub fn evaluate(&self, part: Part, cutoffs: &[usize]) -> Result<Metrics> {
        let depth = cutoffs.iter().copied().max().unwrap_or(0);
        let seen = &self.data.train.interactions;
        hits(&self.ranks, &self.embeddings, seen, self.data.part(part), depth)?.metrics(cutoffs)
    }

    /// Gathers the vectors of all users and items on rank 0, which must have room for them. All ranks must call it.
    ///
    /// # Errors
    /// If a rank is gone.
    pub fn embeddings(&self) -> Result<Option<HostEmbeddings>> {
        let OwnEmbeddings { users, items, d, blocks } = &self.embeddings;
        let lengths = |rows: Vec<usize>| rows.iter().map(|n| n * d).collect::<Vec<_>>();
        let users = self.ranks.world.gather(users, &lengths(self.ranks.users.lengths()))?;
        let items = self.ranks.world.gather(items, &lengths(self.ranks.items.lengths()))?;
        match (users, items) {
            (Some(users), Some(items)) => HostEmbeddings::new(users, items, blocks.clone()).map(Some),
            _ => Ok(None),
        }
    }
}
