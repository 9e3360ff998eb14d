//! The gradient node: operands and output are kept, the matrix is not.

use super::LogSumExpBackend;
use crate::ops::MatmulPrecision;
use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;

#[derive(Debug)]
struct LseProducts;

impl<B: LogSumExpBackend> Backward<B, 2> for LseProducts {
    type State = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, (f32, MatmulPrecision, bool));

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [to_a, to_b] = ops.parents;
        let (a, b, lse, (scale, precision, columns)) = ops.state;
        let d_lse = grads.consume::<B>(&ops.node);
        let (da, db) = B::lse_products_grad(a, b, lse, d_lse, scale, precision, columns);
        if let Some(node) = to_a {
            grads.register::<B>(node.id, da);
        }
        if let Some(node) = to_b {
            grads.register::<B>(node.id, db);
        }
    }
}

impl<B: LogSumExpBackend, C: CheckpointStrategy> LogSumExpBackend for Autodiff<B, C> {
    fn lse_products(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        scale: f32,
        precision: MatmulPrecision,
        columns: bool,
    ) -> FloatTensor<Self> {
        let prepared = LseProducts.prepare::<C>([a.node(), b.node()]).compute_bound().stateful();
        let (a, b) = (a.into_primitive(), b.into_primitive());
        let out = B::lse_products(a.clone(), b.clone(), scale, precision, columns);
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((a, b, out.clone(), (scale, precision, columns)), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn lse_products_grad(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        d_lse: FloatTensor<Self>,
        scale: f32,
        precision: MatmulPrecision,
        columns: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        // The gradient of a gradient is not offered: the results are constants.
        let [a, b, lse, d_lse] = [a, b, lse, d_lse].map(|t| t.into_primitive());
        let (da, db) = B::lse_products_grad(a, b, lse, d_lse, scale, precision, columns);
        (FloatTensor::<Self>::new(da), FloatTensor::<Self>::new(db))
    }
}
