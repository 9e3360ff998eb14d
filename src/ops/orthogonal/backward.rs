//! The gradient node, which keeps both inputs and no intermediate results.

use super::OrthogonalBackend;
use crate::ops::node::{Kept, no_second_order, recorded};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;

#[derive(Debug, Clone)]
struct Complement<B: OrthogonalBackend> {
    v: FloatTensor<B>,
    r: FloatTensor<B>,
    epsilon: f32,
}

impl<B: OrthogonalBackend> Kept<B, 2> for Complement<B> {
    fn gradients(self, g: FloatTensor<B>, [of_v, of_r]: [bool; 2]) -> [Option<FloatTensor<B>>; 2] {
        let Self { v, r, epsilon } = self;
        let dr = of_r.then(|| B::complement_grad(v, r.clone(), g.clone(), epsilon));
        // The map is linear and symmetric in v, so its gradient is the same map.
        [of_v.then(|| B::complement(g, r, epsilon)), dr]
    }
}

impl<B: OrthogonalBackend, C: CheckpointStrategy> OrthogonalBackend for Autodiff<B, C> {
    fn complement(v: FloatTensor<Self>, r: FloatTensor<Self>, epsilon: f32) -> FloatTensor<Self> {
        let [(v, of_v), (r, of_r)] = [v, r].map(|t| t.into_parts());
        let out = B::complement(v.clone(), r.clone(), epsilon);
        recorded::<B, C, _, 2>([of_v, of_r], out, Complement { v, r, epsilon })
    }

    fn complement_grad(_: FloatTensor<Self>, _: FloatTensor<Self>, _: FloatTensor<Self>, _: f32) -> FloatTensor<Self> {
        no_second_order("orthogonal_complement")
    }
}
