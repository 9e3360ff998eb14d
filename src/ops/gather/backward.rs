//! The gradient node: ids and the number of rows are kept, no values.

use super::GatherBackend;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, TensorMetadata};

#[derive(Debug)]
struct Gather;

impl<B: GatherBackend> Backward<B, 1> for Gather {
    type State = (IntTensor<B>, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([x], (ids, n_rows)) = (ops.parents, ops.state);
        let g = grads.consume::<B>(&ops.node);
        if let Some(x) = x {
            grads.register::<B>(x.id, B::gather_rows_grad(ids, g, n_rows));
        }
    }
}

/// The first row and the number of all rows.
#[derive(Debug)]
struct Range;

impl<B: GatherBackend> Backward<B, 1> for Range {
    type State = [usize; 2];

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([x], [first, n_rows]) = (ops.parents, ops.state);
        let g = grads.consume::<B>(&ops.node);
        if let Some(x) = x {
            grads.register::<B>(x.id, B::row_range_grad(g, first, n_rows));
        }
    }
}

impl<B: GatherBackend, C: CheckpointStrategy> GatherBackend for Autodiff<B, C> {
    fn gather_rows(x: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        let prepared = Gather.prepare::<C>([x.node()]).compute_bound().stateful();
        let x = x.into_primitive();
        let n_rows = x.shape()[0];
        let rows = B::gather_rows(x, ids.clone());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((ids, n_rows), rows),
            OpsKind::UnTracked(prep) => prep.finish(rows),
        }
    }

    fn row_range(x: FloatTensor<Self>, first: usize, len: usize) -> FloatTensor<Self> {
        let prepared = Range.prepare::<C>([x.node()]).compute_bound().stateful();
        let x = x.into_primitive();
        let n_rows = x.shape()[0];
        let rows = B::row_range(x, first, len);
        match prepared {
            OpsKind::Tracked(prep) => prep.finish([first, n_rows], rows),
            OpsKind::UnTracked(prep) => prep.finish(rows),
        }
    }

    fn row_range_grad(g: FloatTensor<Self>, first: usize, n_rows: usize) -> FloatTensor<Self> {
        FloatTensor::<Self>::new(B::row_range_grad(g.into_primitive(), first, n_rows))
    }

    fn gather_rows_grad(ids: IntTensor<Self>, g: FloatTensor<Self>, n_rows: usize) -> FloatTensor<Self> {
        // The gradient of a gradient is not offered: the result is a constant.
        FloatTensor::<Self>::new(B::gather_rows_grad(ids, g.into_primitive(), n_rows))
    }
}
