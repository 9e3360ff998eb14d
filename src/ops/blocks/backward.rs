//! The gradient nodes: both operands are kept, nothing as large as them is made beside their gradients.

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

/// `da = [g₀ b₀ ‖ …]`, `db = [g₀ a₀ ‖ …]`.
#[derive(Debug)]
struct Products;

impl<B: BlocksBackend> Backward<B, 2> for Products {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([of_a, of_b], (a, b)) = (ops.parents, ops.state);
        let g = grads.consume::<B>(&ops.node);
        if let Some(of_a) = of_a {
            grads.register::<B>(of_a.id, B::weigh_blocks(b, g.clone()));
        }
        if let Some(of_b) = of_b {
            grads.register::<B>(of_b.id, B::weigh_blocks(a, g));
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
        let prepared = Products.prepare::<C>([a.node(), b.node()]).compute_bound().stateful();
        let (a, b) = (a.into_primitive(), b.into_primitive());
        let out = B::block_products(a.clone(), b.clone(), blocks);
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((a, b), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}
