//! The gradient nodes, which keep both operands and allocate nothing of that size but their gradients.

use super::BlocksBackend;
use crate::ops::node::{Kept, recorded};
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, TensorMetadata};

/// `dx = [w₀ g₀ ‖ …]`, `dw_k = ⟨g_k, x_k⟩`.
#[derive(Debug, Clone)]
struct Weigh<B: BlocksBackend> {
    x: FloatTensor<B>,
    w: FloatTensor<B>,
}

impl<B: BlocksBackend> Kept<B, 2> for Weigh<B> {
    fn gradients(self, g: FloatTensor<B>, [of_x, of_w]: [bool; 2]) -> [Option<FloatTensor<B>>; 2] {
        let Self { x, w } = self;
        let dw = of_w.then(|| B::block_products(g.clone(), x, w.shape()[1]));
        [of_x.then(|| B::weigh_blocks(g, w)), dw]
    }
}

/// `da = [g₀ b₀ ‖ …]`, `db = [g₀ a₀ ‖ …]`.
#[derive(Debug, Clone)]
struct Products<B: BlocksBackend> {
    a: FloatTensor<B>,
    b: FloatTensor<B>,
}

impl<B: BlocksBackend> Kept<B, 2> for Products<B> {
    fn gradients(self, g: FloatTensor<B>, [of_a, of_b]: [bool; 2]) -> [Option<FloatTensor<B>>; 2] {
        let da = of_a.then(|| B::weigh_blocks(self.b, g.clone()));
        [da, of_b.then(|| B::weigh_blocks(self.a, g))]
    }
}

impl<B: BlocksBackend, C: CheckpointStrategy> BlocksBackend for Autodiff<B, C> {
    fn weigh_blocks(x: FloatTensor<Self>, w: FloatTensor<Self>) -> FloatTensor<Self> {
        let [(x, of_x), (w, of_w)] = [x, w].map(|t| t.into_parts());
        recorded::<B, C, _, 2>([of_x, of_w], B::weigh_blocks(x.clone(), w.clone()), Weigh { x, w })
    }

    fn block_products(a: FloatTensor<Self>, b: FloatTensor<Self>, blocks: usize) -> FloatTensor<Self> {
        let [(a, of_a), (b, of_b)] = [a, b].map(|t| t.into_parts());
        recorded::<B, C, _, 2>([of_a, of_b], B::block_products(a.clone(), b.clone(), blocks), Products { a, b })
    }
}
