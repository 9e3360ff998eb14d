//! The gradient node: it keeps the gradient alone.

use super::SeedBackend;
use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;

#[derive(Debug)]
struct Seed;

impl<B: SeedBackend> Backward<B, 1> for Seed {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x] = ops.parents;
        grads.consume::<B>(&ops.node);
        if let Some(x) = x {
            grads.register::<B>(x.id, ops.state);
        }
    }
}

impl<B: SeedBackend, C: CheckpointStrategy> SeedBackend for Autodiff<B, C> {
    fn with_gradient(x: FloatTensor<Self>, dx: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = Seed.prepare::<C>([x.node()]).compute_bound().stateful();
        let dx = dx.into_primitive();
        let zero = B::with_gradient(x.into_primitive(), dx.clone());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish(dx, zero),
            OpsKind::UnTracked(prep) => prep.finish(zero),
        }
    }
}
