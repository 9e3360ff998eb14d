//! The gradient node, which keeps only the input.

use super::NormalizeBackend;
use crate::ops::node::{Kept, no_second_order, recorded};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;

#[derive(Debug, Clone)]
struct Normalize<B: NormalizeBackend> {
    x: FloatTensor<B>,
}

impl<B: NormalizeBackend> Kept<B, 1> for Normalize<B> {
    fn gradients(self, g: FloatTensor<B>, _: [bool; 1]) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::normalize_grad(self.x, g))]
    }
}

impl<B: NormalizeBackend, C: CheckpointStrategy> NormalizeBackend for Autodiff<B, C> {
    fn normalize(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, of_x) = x.into_parts();
        recorded::<B, C, _, 1>([of_x], B::normalize(x.clone()), Normalize { x })
    }

    fn normalize_grad(_: FloatTensor<Self>, _: FloatTensor<Self>) -> FloatTensor<Self> {
        no_second_order("l2_normalize")
    }
}
