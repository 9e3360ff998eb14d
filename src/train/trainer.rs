//! The loop: epochs of batches, a look at valid after each, the best one kept.

use super::divergence::{Divergence, diverged};
use super::term_sum::TermSum;
use super::{AdamConfig, TrainState};
use crate::data::{Interactions, Sampler, StepKey, TrainSet};
use crate::eval::Metric;
use crate::model::{Batch, Embeddings, Trainable, load_parameters, parameters};
use crate::ops::{MatmulPrecision, with_matmul_precision};
use crate::{Error, Result};
use burn::module::{ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

/// Settings of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainerConfig {
    /// At most so many epochs. Default: 1000.
    pub epochs: usize,
    /// Epochs without a better valid value before the run ends. Default: 20.
    pub patience: usize,
    /// Which epoch's parameters the run gives back. Default: those of the best epoch on valid.
    pub keep: Keep,
    /// Triplets a step. Default: 2048.
    pub batch_size: BatchSize,
    /// Seed of the order, the negatives, the pruning and whatever else is drawn. Default: 0.
    pub seed: u64,
    /// The metric on valid that decides, at [`monitor_k`](Self::monitor_k). Default: recall.
    pub monitor: Metric,
    /// Its cutoff. Default: 20.
    pub monitor_k: usize,
    /// The optimizer; its learning rate is that of the first epoch. Default: [`AdamConfig::default`].
    pub adam: AdamConfig,
    /// What the learning rate is multiplied by after each epoch. Default: 1.
    pub lr_decay: f64,
    /// Precision of the dense products of objectives and their gradients. Evaluation is always in f32. Default: f32.
    pub precision: MatmulPrecision,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        Self {
            epochs: 1000,
            patience: 20,
            keep: Keep::Best,
            batch_size: BatchSize::Triplets(2048),
            seed: 0,
            monitor: Metric::Recall,
            monitor_k: 20,
            adam: AdamConfig::default(),
            lr_decay: 1.0,
            precision: MatmulPrecision::F32,
        }
    }
}

/// Which epoch's parameters a run gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Those of the epoch with the best valid value; the run ends early when none gets better.
    #[default]
    Best,
    /// Those of the last epoch. All epochs are run, and there need not be a valid part: for training on everything that is
    /// known.
    Last,
}

/// Triplets a step, as a number or by the size of the data. In files: `2048`, or `{ steps_per_epoch = 15 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BatchSize {
    /// So many.
    Triplets(usize),
    /// As many as make about so many steps an epoch: train pairs over steps, rounded up to a power of two and clamped to 256
    /// to 8,192.
    StepsPerEpoch {
        /// Steps an epoch.
        steps_per_epoch: usize,
    },
}

impl BatchSize {
    /// The number of triplets for `data`.
    pub fn triplets(self, data: &TrainSet) -> usize {
        match self {
            Self::Triplets(n) => n,
            Self::StepsPerEpoch { steps_per_epoch } => {
                (data.interactions.n_pairs() / steps_per_epoch.max(1)).next_power_of_two().clamp(256, 8192)
            }
        }
    }
}

impl From<usize> for BatchSize {
    fn from(triplets: usize) -> Self {
        Self::Triplets(triplets)
    }
}

/// What an epoch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// From 0.
    pub epoch: usize,
    /// Mean over steps of the weighted sum.
    pub loss: f64,
    /// Mean over steps of each term before weighting.
    pub terms: BTreeMap<String, f64>,
    /// The monitored metric on valid; `None` where nothing is held out for it.
    pub valid: Option<f64>,
    /// Seconds of training.
    #[serde(skip)]
    pub train_seconds: f64,
    /// Seconds of evaluation.
    #[serde(skip)]
    pub eval_seconds: f64,
}

/// Whether the device of every parameter has gradients.
struct HaveGradients(bool);

impl ModuleVisitor for HaveGradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 &= param.val().is_autodiff();
    }
}

/// What a run tells its observer.
#[derive(Debug)]
pub enum Event<'a, M> {
    /// A step is done.
    Step {
        /// From 0.
        epoch: usize,
        /// From 0.
        step: usize,
        /// Steps of the epoch.
        n_steps: usize,
    },
    /// An epoch is done and evaluated; `state` can be saved as a checkpoint.
    Epoch {
        /// The epoch.
        report: &'a EpochReport,
        /// Where the run stands.
        state: &'a TrainState<M>,
    },
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct Fit<M> {
    /// With the parameters that [`TrainerConfig::keep`] asks for.
    pub model: M,
    /// The epoch whose parameters these are, from 0; `None` where no epoch was run, as for a model without parameters.
    pub best_epoch: Option<usize>,
    /// One report an epoch.
    pub history: Vec<EpochReport>,
}

impl<M: Trainable> Fit<M> {
    /// The best epoch's vectors, on the device that the model is on.
    pub fn embeddings(&self) -> Embeddings {
        self.model.valid().embed()
    }
}

impl TrainerConfig {
    /// The schedule that [`ViralConfig::new`](crate::model::ViralConfig::new) was measured with: some 15 large steps an
    /// epoch (256 to 8,192 triplets each), a learning rate that starts at 5e-3 and falls by 8 % an epoch.
    pub fn for_viral() -> Self {
        Self {
            batch_size: BatchSize::StepsPerEpoch { steps_per_epoch: 15 },
            adam: AdamConfig { lr: 5e-3, ..AdamConfig::default() },
            lr_decay: 0.92,
            ..Self::default()
        }
    }

    /// Trains on `data` until valid stops getting better.
    ///
    /// `device` is the one that the model is on, and has gradients: `Device::flex().autodiff()`.
    ///
    /// # Errors
    /// When a setting is impossible, the device has no gradients, or train or valid is empty; [`Error::Diverged`] when the loss
    /// stops being a number, or it or a parameter grows without bound.
    pub fn fit<M: Trainable>(
        &self,
        model: M,
        data: &TrainSet,
        valid: &Interactions,
        device: &Device,
    ) -> Result<Fit<M>> {
        self.fit_from(TrainState::new(model, self), data, valid, device, |_| Ok(ControlFlow::Continue(())))
    }

    /// [`fit`](Self::fit) from any state, telling `observe` of each step and epoch; it may break off the run.
    ///
    /// The same state, config and data give the same bits, whatever was before and however many threads there are.
    pub fn fit_from<M: Trainable>(
        &self,
        mut state: TrainState<M>,
        data: &TrainSet,
        valid: &Interactions,
        device: &Device,
        mut observe: impl FnMut(Event<M>) -> Result<ControlFlow<()>>,
    ) -> Result<Fit<M>> {
        self.check()?;
        let trains = state.model.num_params() > 0;
        let mut gradients = HaveGradients(device.is_autodiff());
        state.model.visit(&mut gradients);
        if trains && !gradients.0 {
            let message =
                "the model is on a device without gradients; make it with Init::new(seed, &device.autodiff())";
            return Err(Error::Config(message.into()));
        }
        if trains && self.keep == Keep::Best && valid.n_pairs() == 0 {
            return Err(Error::Data(
                "valid is empty: nothing would say which epoch is the best; hold some pairs out, or keep the last epoch \
                 (Keep::Last) of a fixed number"
                    .into(),
            ));
        }
        state.adopt(self);
        let divergence = Divergence::new(&state.model);
        while trains && state.next_epoch < self.epochs && !self.is_over(&state) {
            let epoch = state.next_epoch;
            let start = Instant::now();
            let mut interrupted = false;
            let (loss, first, terms);
            (state, [loss, first], terms) = self.train_epoch(state, data, device, |step, n_steps| {
                interrupted = observe(Event::Step { epoch, step, n_steps })?.is_break();
                Ok(interrupted)
            })?;
            if interrupted {
                break;
            }
            let first = state.history.first().map_or(first, |report| report.loss);
            divergence.check(epoch, [loss, first], &state.model, data)?;
            let train_seconds = start.elapsed().as_secs_f64();
            let start = Instant::now();
            let value = (valid.n_pairs() > 0).then(|| self.validate(&state.model, data, valid)).transpose()?;
            let eval_seconds = start.elapsed().as_secs_f64();
            let better = value.is_some_and(|value| state.stopping.update(epoch, value));
            if better || self.keep == Keep::Last {
                state.best = parameters(&state.model);
            }
            state.history.push(EpochReport { epoch, loss, terms, valid: value, train_seconds, eval_seconds });
            state.next_epoch += 1;
            if let Some(report) = state.history.last()
                && observe(Event::Epoch { report, state: &state })?.is_break()
            {
                break;
            }
        }
        let best_epoch = match self.keep {
            Keep::Best => state.stopping.best().map(|(epoch, _)| epoch),
            Keep::Last => state.next_epoch.checked_sub(1),
        };
        Ok(Fit { model: load_parameters(state.model, state.best)?, best_epoch, history: state.history })
    }

    fn check(&self) -> Result<()> {
        let Self { adam: AdamConfig { lr, beta_1, beta_2, epsilon }, lr_decay, .. } = *self;
        let (setting, n) = match self.batch_size {
            BatchSize::Triplets(n) => ("batch_size", n),
            BatchSize::StepsPerEpoch { steps_per_epoch } => ("batch_size.steps_per_epoch", steps_per_epoch),
        };
        Error::require(n > 0, setting, n, "at least 1")?;
        Error::require(self.monitor_k > 0, "monitor_k", self.monitor_k, "at least 1")?;
        for (setting, value) in [("adam.lr", lr), ("adam.epsilon", epsilon), ("lr_decay", lr_decay)] {
            Error::require_positive(setting, value)?;
        }
        for (setting, value) in [("adam.beta_1", beta_1), ("adam.beta_2", beta_2)] {
            Error::require((0.0..1.0).contains(&value), setting, value, "from 0 to below 1")?;
        }
        Ok(())
    }

    fn is_over<M>(&self, state: &TrainState<M>) -> bool {
        self.keep == Keep::Best && state.next_epoch > 0 && state.stopping.is_over(state.next_epoch - 1)
    }

    fn validate<M: Trainable>(&self, model: &M, data: &TrainSet, valid: &Interactions) -> Result<f64> {
        let metrics = model.valid().embed().evaluate_against(&data.interactions, valid, &[self.monitor_k])?;
        Ok(metrics.mean(self.monitor, self.monitor_k))
    }

    /// The mean loss and that of the first step, and the mean terms of one epoch; ends early when `after_step` says so. The state is taken and given back so
    /// that the optimizer owns the parameters and can write them where they are.
    fn train_epoch<M: Trainable>(
        &self,
        mut state: TrainState<M>,
        data: &TrainSet,
        device: &Device,
        mut after_step: impl FnMut(usize, usize) -> Result<bool>,
    ) -> Result<(TrainState<M>, [f64; 2], BTreeMap<String, f64>)> {
        let epoch = state.next_epoch;
        state.model.begin_epoch(self.seed, epoch)?;
        state.adam.set_lr(self.adam.lr * self.lr_decay.powi(epoch as i32));
        let order = Sampler::new(self.seed, self.batch_size.triplets(data)).epoch(&data.interactions, epoch);
        let n_steps = order.n_steps();
        if n_steps == 0 {
            return Err(Error::Data("there is no train pair to learn from".into()));
        }
        // Sums stay on the device until the epoch is over, so that no step waits for a number. Terms are told by name: a step
        // may leave one out, and weights may change from step to step.
        let mut sums: Vec<TermSum> = Vec::new();
        let mut first: Option<Tensor<1>> = None;
        for step in 0..n_steps {
            let key = StepKey { seed: self.seed, epoch, step };
            let batch = Batch::new(&order.batch(step), key, device);
            let objective = with_matmul_precision(self.precision, || state.model.objective(&batch));
            let total = objective.total();
            first.get_or_insert_with(|| total.clone().inner());
            let gradients = total.backward();
            objective.terms().iter().for_each(|term| TermSum::add(&mut sums, term));
            drop(objective);
            state.model = state.adam.step(state.model, gradients);
            if after_step(step, n_steps)? {
                break;
            }
        }
        let mut terms = BTreeMap::new();
        let mut loss = 0.0;
        for TermSum { name, runs, n } in sums {
            let (mut mean, mut weighted) = (0.0, 0.0);
            for (weight, sum) in runs {
                let part = f64::from(sum.into_scalar::<f32>());
                mean += part / n as f64;
                weighted += weight * (part / n_steps as f64);
            }
            if !mean.is_finite() {
                return Err(diverged(epoch, format!("the mean of the term '{name}' is {mean}"), data));
            }
            loss += weighted;
            terms.insert(name.to_string(), mean);
        }
        let first = first.map_or(loss, |first| f64::from(first.into_scalar::<f32>()));
        Ok((state, [loss, first], terms))
    }
}
