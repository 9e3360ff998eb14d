//! The gradient node: both operands are kept, nothing as large as them is made beside their gradients.

use super::BlocksBackend;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, TensorMetadata};

/// `dx = [w₀ g₀ ‖ …]`, `dw_k = ⟨g_k, x_k⟩`.
#[derive(Debug)]
struct Weigh;

impl<B: BlocksBackend> Backward<B, 2> for Weigh {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([of_x, of_w], (x, w)) = (ops.parents, ops.state);
        let g = grads.consume::<B>(&ops.node);
        if let Some(of_w) = of_w {
            grads.register::<B>(of_w.id, B::block_products(g.clone(), x, w.shape()[1]));
        }
        if let Some(of_x) = of_x {
            grads.register::<B>(of_x.id, B::weigh_blocks(g, w));
        }
    }
}

impl<B: BlocksBackend, C: CheckpointStrategy> BlocksBackend for Autodiff<B, C> {
    fn weigh_blocks(x: FloatTensor<Self>, w: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = Weigh.prepare::<C>([x.node(), w.node()]).compute_bound().stateful();
        let (x, w) = (x.into_primitive(), w.into_primitive());
        let out = B::weigh_blocks(x.clone(), w.clone());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((x, w), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn block_products(a: FloatTensor<Self>, b: FloatTensor<Self>, blocks: usize) -> FloatTensor<Self> {
        // The gradient of a gradient is not offered: the result is a constant.
        FloatTensor::<Self>::new(B::block_products(a.into_primitive(), b.into_primitive(), blocks))
    }
}
