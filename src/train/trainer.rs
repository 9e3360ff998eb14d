//! The training loop: epochs of batches, validation after each epoch, the best epoch kept.

use super::divergence::{Divergence, diverged, sizes};
use super::term_sum::TermSum;
use super::{EpochReport, Event, Fit, Keep, TrainState, TrainerConfig};
use crate::data::{Interactions, Sampler, StepKey, TrainSet, Triplets};
use crate::loss::Objective;
use crate::model::{Batch, Trainable, load_parameters, parameters};
use crate::ops::with_matmul_precision;
use crate::{Error, Result};
use burn::module::{ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

/// Mean of each term, by name.
type Means = BTreeMap<String, f64>;

/// The result of the forward and backward pass on a batch.
pub(crate) struct Step {
    pub(crate) objective: Objective,
    /// The objective's weighted sum, without a gradient.
    pub(crate) total: Tensor<1>,
    pub(crate) gradients: Gradients,
}

impl Step {
    /// Computes the gradients of the objective's sum.
    pub(crate) fn of(objective: Objective) -> Self {
        let total = objective.total();
        Self { total: total.clone().inner(), gradients: total.backward(), objective }
    }
}

/// Holds a model during training, as a whole or in part.
pub(crate) trait Holds<M> {
    /// Prepares the model for an epoch.
    fn begin_epoch(&mut self, model: &mut M, seed: u64, epoch: usize) -> Result<()>;

    /// The objective of a batch, with the gradients of the local parameters.
    fn step(&self, model: &M, batch: &Triplets, key: StepKey) -> Result<Step>;

    /// Name and largest absolute entry of each parameter.
    fn sizes(&self, model: &M) -> Result<Vec<(String, f64)>>;

    /// The monitored metric on valid.
    fn validate(&self, model: &M, config: &TrainerConfig, valid: &Interactions) -> Result<f64>;
}

/// The whole model is here.
struct Whole<'a> {
    data: &'a TrainSet,
    device: &'a Device,
}

impl<M: Trainable> Holds<M> for Whole<'_> {
    fn begin_epoch(&mut self, model: &mut M, seed: u64, epoch: usize) -> Result<()> {
        model.begin_epoch(seed, epoch)
    }

    fn step(&self, model: &M, batch: &Triplets, key: StepKey) -> Result<Step> {
        Ok(Step::of(model.objective(&Batch::new(batch, key, self.device))))
    }

    fn sizes(&self, model: &M) -> Result<Vec<(String, f64)>> {
        Ok(sizes(model))
    }

    fn validate(&self, model: &M, config: &TrainerConfig, valid: &Interactions) -> Result<f64> {
        let seen = &self.data.interactions;
        let metrics = model.valid().embed().evaluate_against(seen, valid, &[config.monitor_k])?;
        Ok(metrics.mean(config.monitor, config.monitor_k))
    }
}

/// Whether every parameter is on a device with gradients.
struct HaveGradients(bool);

impl ModuleVisitor for HaveGradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 &= param.val().is_autodiff();
    }
}

impl TrainerConfig {
    /// Trains on `data` with early stopping on `valid`.
    ///
    /// `device` is the one that the model is on, with gradients: `Device::flex().autodiff()`.
    ///
    /// # Errors
    /// If a setting is impossible, the device has no gradients, train is empty, or valid is empty and the best epoch is
    /// to be kept; [`Error::Diverged`] if the loss is no longer finite, or it or a parameter grows without bound.
    pub fn fit<M: Trainable>(
        &self,
        model: M,
        data: &TrainSet,
        valid: &Interactions,
        device: &Device,
    ) -> Result<Fit<M>> {
        self.fit_from(TrainState::new(model, self), data, valid, device, |_| Ok(ControlFlow::Continue(())))
    }

    /// [`fit`](Self::fit) from any state. `observe` is called after each step and epoch; it may stop the run.
    ///
    /// The same state, settings and data give the same bits, whatever came before and at any number of threads.
    pub fn fit_from<M: Trainable>(
        &self,
        state: TrainState<M>,
        data: &TrainSet,
        valid: &Interactions,
        device: &Device,
        observe: impl FnMut(Event<M>) -> Result<ControlFlow<()>>,
    ) -> Result<Fit<M>> {
        self.fit_held(Whole { data, device }, state, data, valid, device, observe)
    }

    /// [`fit_from`](Self::fit_from) for a model that may be held in part.
    pub(crate) fn fit_held<M: Trainable>(
        &self,
        mut held: impl Holds<M>,
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
                "valid is empty: nothing would say which epoch is the best; hold some pairs out, or keep the last of a \
                 fixed number of epochs (--keep-last --epochs N)"
                    .into(),
            ));
        }
        state.adopt(self);
        let divergence = Divergence::new(held.sizes(&state.model)?);
        while trains && state.next_epoch < self.epochs && !self.is_over(&state) {
            let epoch = state.next_epoch;
            let start = Instant::now();
            let mut interrupted = false;
            let (loss, first, terms);
            (state, [loss, first], terms) = self.train_epoch(&mut held, state, data, |step, n_steps| {
                interrupted = observe(Event::Step { epoch, step, n_steps })?.is_break();
                Ok(interrupted)
            })?;
            if interrupted {
                break;
            }
            let first = state.history.first().map_or(first, |report| report.loss);
            divergence.check(epoch, [loss, first], held.sizes(&state.model)?, data)?;
            let train_seconds = start.elapsed().as_secs_f64();
            let start = Instant::now();
            let value = (valid.n_pairs() > 0).then(|| held.validate(&state.model, self, valid)).transpose()?;
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

    fn is_over<M>(&self, state: &TrainState<M>) -> bool {
        self.keep == Keep::Best && state.next_epoch > 0 && state.stopping.is_over(state.next_epoch - 1)
    }

    /// Trains one epoch; returns the mean loss, the loss of the first step, and the mean terms. It ends early if
    /// `after_step` says so. The state is taken and returned, so that the optimizer owns the parameters and can update
    /// them in place.
    fn train_epoch<M: Trainable>(
        &self,
        held: &mut impl Holds<M>,
        mut state: TrainState<M>,
        data: &TrainSet,
        mut after_step: impl FnMut(usize, usize) -> Result<bool>,
    ) -> Result<(TrainState<M>, [f64; 2], Means)> {
        let epoch = state.next_epoch;
        held.begin_epoch(&mut state.model, self.seed, epoch)?;
        state.adam.set_lr(self.adam.lr * self.lr_decay.powi(epoch as i32));
        let order = Sampler::new(self.seed, self.batch_size.triplets(data)).epoch(&data.interactions, epoch);
        let n_steps = order.n_steps();
        if n_steps == 0 {
            let n_items = data.interactions.n_items();
            let why = match data.interactions.n_pairs() {
                0 => String::new(),
                _ => format!(
                    ": who has any of the items has all of them, and none is left to rank below (items: {n_items}); take data with \
                     more items, or hold out fewer"
                ),
            };
            return Err(Error::Data(format!("there is no train pair to learn from{why}")));
        }
        // Sums stay on the device until the epoch is over, so that no step waits for a number. Terms are matched by
        // name: a step may leave one out, and weights may change between steps.
        let mut sums: Vec<TermSum> = Vec::new();
        let mut first: Option<Tensor<1>> = None;
        for step in 0..n_steps {
            let key = StepKey { seed: self.seed, epoch, step };
            let batch = order.batch(step);
            let made = with_matmul_precision(self.precision, || held.step(&state.model, &batch, key))?;
            let Step { objective, total, gradients } = made;
            first.get_or_insert(total);
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
