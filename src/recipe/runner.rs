//! A run with checkpoints, resumption and an observer.

use super::folder::{Existing, Folder};
use super::{EpochSeconds, Progress, Recipe, Run, warm};
use crate::data::Dataset;
use crate::model::parameters;
use crate::nn::Init;
use crate::serve::Recommender;
use crate::train::{Checkpoint, Event, TrainState};
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::Device;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

type Observer<'a> = Box<dyn FnMut(&Progress) -> ControlFlow<()> + 'a>;

/// A run of a [`Recipe`], with a folder for its files and an observer of its progress.
///
/// ```
/// use std::ops::ControlFlow;
/// use viral::prelude::*;
/// use viral::recipe::Existing;
///
/// # fn main() -> viral::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path().join("run");
/// let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
/// let recipe = Recipe::lightgcn().epochs(2);
/// let runner = recipe.runner(&data, &Device::flex()).folder(&folder).observe(|progress| {
///     if progress.epoch_is_done() {
///         eprintln!("{progress}");
///     }
///     ControlFlow::Continue(())
/// });
/// runner.run()?;
/// // Two more epochs, from the checkpoint of the second.
/// let longer = recipe.epochs(4).runner(&data, &Device::flex()).folder(&folder).existing(Existing::Resume).run()?;
/// assert_eq!(longer.history().len(), 4);
/// let recommender = Recommender::load(&folder)?;
/// # assert_eq!(recommender.model_name(), Some("lightgcn"));
/// # Ok(())
/// # }
/// ```
pub struct Runner<'a> {
    recipe: Recipe,
    data: &'a Dataset,
    device: Device,
    folder: Option<PathBuf>,
    existing: Existing,
    observer: Option<Observer<'a>>,
    warm: Option<&'a Recommender>,
    shrink: f32,
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { recipe, folder, existing, .. } = self;
        f.debug_struct("Runner").field("recipe", recipe).field("folder", folder).field("existing", existing).finish()
    }
}

impl<'a> Runner<'a> {
    pub(super) fn new(recipe: Recipe, data: &'a Dataset, device: &Device) -> Self {
        let device = if device.is_autodiff() { device.clone() } else { device.clone().autodiff() };
        Self {
            recipe,
            data,
            device,
            folder: None,
            existing: Existing::Refuse,
            observer: None,
            warm: None,
            shrink: warm::SHRINK,
        }
    }

    /// Writes into a folder, which is created and locked: after each epoch `checkpoint.safetensors` and `seconds.json`,
    /// with the first of them `recipe.toml`, and at the end `model.safetensors` for [`Recommender::load`].
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_path_buf());
        self
    }

    /// Sets what to do if the folder has a run already; by default the new run is refused.
    pub fn existing(mut self, existing: Existing) -> Self {
        self.existing = existing;
        self
    }

    /// Warm start: begins with the parameters of an earlier model instead of fresh ones. After interactions, items or
    /// users were added, a few epochs then do what many did before.
    ///
    /// Rows of users and items are matched by external id; at least one must be known. New items begin with the mean of
    /// the rows of their nearest old neighbours by content, new users with fresh rows. The state of the optimizer is
    /// new. Parameters are shrunk towards fresh ones, see [`shrink`](Self::shrink).
    ///
    /// ```
    /// use viral::prelude::*;
    ///
    /// # fn main() -> viral::Result<()> {
    /// let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
    /// let yesterday = data.hold_out_items(0.1, 1)?.rest;
    /// let before = Recipe::lightgcn().epochs(3).run(&yesterday, &Device::flex())?.recommender()?;
    /// let run = Recipe::lightgcn().epochs(1).runner(&data, &Device::flex()).warm_start(&before).run()?;
    /// assert_eq!(run.embeddings().items().dims()[0], 50);
    /// # Ok(())
    /// # }
    /// ```
    pub fn warm_start(mut self, before: &'a Recommender) -> Self {
        self.warm = Some(before);
        self
    }

    /// Sets the share of the earlier parameters that a [warm start](Self::warm_start) keeps, from 0 to 1:
    /// `shrink * earlier + (1 - shrink) * fresh`. Default: 0.25.
    ///
    /// Parameters that are kept whole fit the old interactions too closely, and training on from them generalises worse
    /// than training anew. Shrinking them closes the gap (J. T. Ash and R. P. Adams, *On Warm-Starting Neural Network
    /// Training*, NeurIPS 2020). A share of 1 is better only for runs of one or two epochs.
    ///
    /// ```
    /// use viral::prelude::*;
    ///
    /// # fn main() -> viral::Result<()> {
    /// let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
    /// let before = Recipe::lightgcn().epochs(3).run(&data, &Device::flex())?.recommender()?;
    /// let run = Recipe::lightgcn().epochs(1).runner(&data, &Device::flex()).warm_start(&before).shrink(1.0).run()?;
    /// assert_eq!(run.history().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn shrink(mut self, shrink: f32) -> Self {
        self.shrink = shrink;
        self
    }

    /// Calls `observer` after each step and each epoch. It may stop the run, which then ends with the best epoch so
    /// far.
    pub fn observe(mut self, observer: impl FnMut(&Progress) -> ControlFlow<()> + 'a) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Trains the model.
    ///
    /// # Errors
    /// Those of [`Recipe::run`]; a folder that cannot be used, that has a run already or is in use by another process;
    /// a checkpoint of other settings (which the error names) or data, or of more epochs than requested; an earlier
    /// model whose parameters do not fit; to resume, a model in the folder that has changed since it was trained. A run that fails before its first epoch is done leaves the folder as it was.
    pub fn run(self) -> Result<Run<'a>> {
        let Self { recipe, data, device, folder, existing, mut observer, warm, shrink } = self;
        recipe.check()?;
        if !(0.0..=1.0).contains(&shrink) {
            return Err(Error::Config(format!(
                "a warm start that keeps {shrink} of the earlier parameters: give 0 to 1"
            )));
        }
        let trainer = &recipe.training;
        let mut folder = folder.map(|path| Folder::open(&path, existing, recipe.to_toml()?)).transpose()?;
        if let (Some(folder), Existing::Resume) = (&folder, existing) {
            check_unchanged(&folder.model())?;
        }
        let model = recipe.model.init(&data.train, &mut Init::new(trainer.seed, &device))?;
        if model.num_params() > 0 {
            recipe.check_epochs()?;
        }
        let model = match warm {
            Some(before) => warm::start(model, before, shrink, &recipe.model, data, &device)?,
            None => model,
        };
        let checkpoint = Checkpoint::new(&recipe.model, trainer, &data.fingerprint())?;
        let checkpoint = match warm {
            Some(_) => checkpoint.with_earlier_parameters(&parameters(&model)),
            None => checkpoint,
        };
        let (state, mut seconds) = match &folder {
            Some(folder) if existing == Existing::Resume => {
                let state = checkpoint.load(folder.checkpoint(), model)?;
                let seconds = folder.read_seconds(state.history().len());
                (state, seconds)
            }
            _ => (TrainState::new(model, trainer), Vec::new()),
        };
        let mut progress = Progress::new(trainer, state.history());
        let fit = trainer.fit_from(state, &data.train, &data.valid, &device, |event| {
            match event {
                Event::Step { epoch, step, n_steps } => progress.set_step(epoch, step, n_steps),
                Event::Epoch { report, state } => {
                    progress.set_epoch(report);
                    seconds.push(EpochSeconds { train: report.train_seconds, evaluation: report.eval_seconds });
                    if let Some(folder) = &mut folder {
                        checkpoint.save(folder.checkpoint(), state)?;
                        folder.written(&folder.checkpoint(), existing)?;
                        folder.write_seconds(&seconds)?;
                    }
                }
            }
            Ok(observer.as_mut().map_or(ControlFlow::Continue(()), |observer| observer(&progress)))
        })?;
        let run = Run::new(recipe, data, fit, seconds);
        if let Some(folder) = &mut folder {
            Recommender::new(run.model(), &run.recipe().model, data)?.save(folder.model())?;
            folder.written(&folder.model(), existing)?;
        }
        Ok(run)
    }
}

/// Refuses a model that a service or a program has changed since it was trained: a resumed run would replace it by the
/// one without these changes. What cannot be loaded has none.
fn check_unchanged(model: &Path) -> Result<()> {
    let drift = match model.exists().then(|| Recommender::load(model)) {
        Some(Ok(recommender)) => recommender.drift(),
        _ => return Ok(()),
    };
    if drift.is_none() {
        return Ok(());
    }
    let counts = [
        (drift.new_items, "new items"),
        (drift.removed_items, "items removed"),
        (drift.new_users, "new users"),
        (drift.new_interactions, "new interactions"),
    ];
    let counts: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let message = format!(
        "has changed since it was trained ({}), and resuming would replace it by a model without that; train into another folder \
         (--out), from this model on if you like (--warm-start), or move it away",
        counts.join(", ")
    );
    Err(Error::file(model, message))
}
