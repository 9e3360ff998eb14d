//! Divergence of a run: numbers that are not finite, and finite ones that no run recovers from.

use crate::data::TrainSet;
use crate::{Error, Result};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// Largest ratio of an epoch's mean loss to the first loss. Losses fall in training; parts of an objective may rise for
/// a time, but only by a few times.
const MOST_LOSS: f64 = 1e4;

/// Cap on the first loss in this ratio. Ranking losses begin near 1; a first loss far above that comes from features
/// that no learning rate suits.
const LARGEST_FIRST_LOSS: f64 = 1e4;

/// Largest ratio of a parameter's largest entry to that at the start (or to 1, if that is larger). A step of Adam moves
/// an entry by little more than the learning rate, and entries that make scores near 1 are themselves near 1 or below.
const MOST_GROWTH: f64 = 1e6;

/// Larger entries of features make scores and gradients that no usual learning rate suits.
const LARGE_FEATURE: f32 = 1e4;

/// The initial sizes against which a run is checked.
pub(super) struct Divergence {
    /// Largest absolute entry of each parameter at the start, in the order of a visit.
    start: Vec<f64>,
}

impl Divergence {
    /// Starts from these [`sizes`].
    pub(super) fn new(start: Vec<(String, f64)>) -> Self {
        Self { start: start.into_iter().map(|(_, size)| size).collect() }
    }

    /// Returns an error if an epoch has diverged. `first` is the loss of the run's first step or epoch, `now` the
    /// [`sizes`] after it.
    pub(super) fn check(
        &self,
        epoch: usize,
        [loss, first]: [f64; 2],
        now: Vec<(String, f64)>,
        data: &TrainSet,
    ) -> Result<()> {
        let bound = MOST_LOSS * first.abs().clamp(1.0, LARGEST_FIRST_LOSS);
        // NaN is out of bounds, too.
        if loss.abs().partial_cmp(&bound).is_none_or(|order| order.is_gt()) {
            return Err(diverged(epoch, format!("the loss is {loss:.1e}, and was {first:.1e} at first"), data));
        }
        for ((name, size), start) in now.into_iter().zip(&self.start) {
            if size.partial_cmp(&(MOST_GROWTH * start.max(1.0))).is_none_or(|order| order.is_gt()) {
                let found =
                    format!("entries of the parameter '{name}' run to {size:.1e}, and ran to {start:.1e} at first");
                return Err(diverged(epoch, found, data));
            }
        }
        Ok(())
    }
}

/// Makes the error of a run that diverged, with the features that may be the cause.
pub(super) fn diverged(epoch: usize, found: String, data: &TrainSet) -> Error {
    let largest = |values: &[f32]| values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let sizes = data.features.iter().map(|(modality, features)| (modality.to_string(), largest(features.values())));
    let features = sizes.filter(|(_, size)| *size > LARGE_FEATURE).max_by(|a, b| a.1.total_cmp(&b.1));
    Error::Diverged { epoch, found, features }
}

/// Name and largest absolute entry of each parameter.
pub(crate) fn sizes<M: Module>(model: &M) -> Vec<(String, f64)> {
    #[derive(Default)]
    struct Sizes {
        path: Vec<String>,
        found: Vec<(String, f64)>,
    }
    impl ModuleVisitor for Sizes {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val().inner();
            let size = match value.dims().contains(&0) {
                true => 0.0,
                false => f64::from(value.abs().max().into_scalar::<f32>()),
            };
            self.found.push((self.path.join("."), size));
        }
    }
    let mut sizes = Sizes::default();
    model.visit(&mut sizes);
    sizes.found
}
