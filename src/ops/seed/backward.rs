//! The gradient node, which keeps only the gradient.

use super::SeedBackend;
use crate::ops::node::{Kept, recorded};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;

#[derive(Debug, Clone)]
struct Seed<B: SeedBackend> {
    dx: FloatTensor<B>,
}

impl<B: SeedBackend> Kept<B, 1> for Seed<B> {
    fn gradients(self, _: FloatTensor<B>, _: [bool; 1]) -> [Option<FloatTensor<B>>; 1] {
        [Some(self.dx)]
    }
}

impl<B: SeedBackend, C: CheckpointStrategy> SeedBackend for Autodiff<B, C> {
    fn with_gradient(x: FloatTensor<Self>, dx: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((x, of_x), dx) = (x.into_parts(), dx.into_primitive());
        recorded::<B, C, _, 1>([of_x], B::with_gradient(x, dx.clone()), Seed { dx })
    }
}
