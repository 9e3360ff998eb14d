//! The gradient node: both inputs are kept, nothing between.

use super::OrthogonalBackend;
use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;

#[derive(Debug)]
struct Complement;

impl<B: OrthogonalBackend> Backward<B, 2> for Complement {
    type State = (FloatTensor<B>, FloatTensor<B>, f32);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([of_v, of_r], (v, r, epsilon)) = (ops.parents, ops.state);
        let g = grads.consume::<B>(&ops.node);
        if let Some(of_r) = of_r {
            grads.register::<B>(of_r.id, B::complement_grad(v, r.clone(), g.clone(), epsilon));
        }
        if let Some(of_v) = of_v {
            // The map is symmetric in v: its gradient is the same map.
            grads.register::<B>(of_v.id, B::complement(g, r, epsilon));
        }
    }
}

impl<B: OrthogonalBackend, C: CheckpointStrategy> OrthogonalBackend for Autodiff<B, C> {
    fn complement(v: FloatTensor<Self>, r: FloatTensor<Self>, epsilon: f32) -> FloatTensor<Self> {
        let prepared = Complement.prepare::<C>([v.node(), r.node()]).compute_bound().stateful();
        let (v, r) = (v.into_primitive(), r.into_primitive());
        let out = B::complement(v.clone(), r.clone(), epsilon);
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((v, r, epsilon), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn complement_grad(
        v: FloatTensor<Self>,
        r: FloatTensor<Self>,
        g: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        // The gradient of a gradient is not offered: the result is a constant.
        let dr = B::complement_grad(v.into_primitive(), r.into_primitive(), g.into_primitive(), epsilon);
        FloatTensor::<Self>::new(dr)
    }
}
