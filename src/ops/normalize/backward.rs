//! The gradient node: only the input is kept.

use super::NormalizeBackend;
use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;

#[derive(Debug)]
struct Normalize;

impl<B: NormalizeBackend> Backward<B, 1> for Normalize {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node] = ops.parents;
        let g = grads.consume::<B>(&ops.node);
        if let Some(node) = node {
            grads.register::<B>(node.id, B::normalize_grad(ops.state, g));
        }
    }
}

impl<B: NormalizeBackend, C: CheckpointStrategy> NormalizeBackend for Autodiff<B, C> {
    fn normalize(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = Normalize.prepare::<C>([x.node()]).compute_bound().stateful();
        let x = x.into_primitive();
        let y = B::normalize(x.clone());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish(x, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn normalize_grad(x: FloatTensor<Self>, g: FloatTensor<Self>) -> FloatTensor<Self> {
        // The gradient of a gradient is not offered: the result is a constant.
        FloatTensor::<Self>::new(B::normalize_grad(x.into_primitive(), g.into_primitive()))
    }
}
