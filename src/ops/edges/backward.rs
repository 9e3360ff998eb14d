//! The gradient nodes: they keep the pattern, and the softmax its weights.

use super::EdgeBackend;
use burn::backend::Autodiff;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::{FloatTensor, IntTensor};

/// A node with one operand, whose gradient is `$gradient` of the state and the output's gradient.
macro_rules! node {
    ($(#[$doc:meta])* $name:ident, $state:ty, $gradient:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        struct $name;

        impl<B: EdgeBackend> Backward<B, 1> for $name {
            type State = $state;

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let [x] = ops.parents;
                let g = grads.consume::<B>(&ops.node);
                if let Some(x) = x {
                    let gradient: fn($state, FloatTensor<B>) -> FloatTensor<B> = $gradient;
                    grads.register::<B>(x.id, gradient(ops.state, g));
                }
            }
        }
    };
}

node!(
    /// `dx[e] = g[row e]`.
    SegmentSum,
    [IntTensor<B>; 2],
    |[row_ptr, row_idx], g| B::expand_rows(row_ptr, row_idx, g)
);
node!(
    /// `dx[e] = g[col e]`.
    SegmentSumColumns,
    [IntTensor<B>; 3],
    |[t_row_ptr, col_idx, order], g| B::expand_columns(t_row_ptr, col_idx, order, g)
);
node!(
    /// `dx[r] = Σ g[e]` over the edges of row `r`.
    ExpandRows,
    [IntTensor<B>; 2],
    |[row_ptr, row_idx], g| B::segment_sum(row_ptr, row_idx, g)
);
node!(
    /// `dx[c] = Σ g[e]` over the edges of column `c`.
    ExpandColumns,
    [IntTensor<B>; 3],
    |[t_row_ptr, col_idx, order], g| B::segment_sum_columns(t_row_ptr, col_idx, order, g)
);
node!(
    /// `dx = y (g - Σ y g)` with the sum over the edges of the row.
    EdgeSoftmax,
    (IntTensor<B>, IntTensor<B>, FloatTensor<B>),
    |(row_ptr, row_idx, y), g| B::edge_softmax_grad(row_ptr, row_idx, y, g)
);

/// Pattern and operands of inner products at edges.
#[derive(Debug, Clone)]
struct ProductsState<B: EdgeBackend> {
    row_ptr: IntTensor<B>,
    col_idx: IntTensor<B>,
    t_row_ptr: IntTensor<B>,
    t_col_idx: IntTensor<B>,
    order: IntTensor<B>,
    x: FloatTensor<B>,
    y: FloatTensor<B>,
}

/// `dx = A(g) y` and `dy = A(g)ᵀ x`.
#[derive(Debug)]
struct EdgeProducts;

impl<B: EdgeBackend> Backward<B, 2> for EdgeProducts {
    type State = ProductsState<B>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([of_x, of_y], s) = (ops.parents, ops.state);
        let g = grads.consume::<B>(&ops.node);
        let t_g = B::float_select(g.clone(), 0, s.order);
        let (rp, ci, trp, tci) = (s.row_ptr, s.col_idx, s.t_row_ptr, s.t_col_idx);
        if let Some(node) = of_x {
            let (rp, ci, trp, tci) = (rp.clone(), ci.clone(), trp.clone(), tci.clone());
            grads.register::<B>(node.id, B::csr_spmm(rp, ci, g.clone(), trp, tci, t_g.clone(), s.y));
        }
        if let Some(node) = of_y {
            grads.register::<B>(node.id, B::csr_spmm(trp, tci, t_g, rp, ci, g, s.x));
        }
    }
}

impl<B: EdgeBackend, C: CheckpointStrategy> EdgeBackend for Autodiff<B, C> {
    fn segment_sum(row_ptr: IntTensor<Self>, row_idx: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = SegmentSum.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = B::segment_sum(row_ptr.clone(), row_idx.clone(), x.into_primitive());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish([row_ptr, row_idx], y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn segment_sum_columns(
        t_row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        order: IntTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let prepared = SegmentSumColumns.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = B::segment_sum_columns(t_row_ptr.clone(), col_idx.clone(), order.clone(), x.into_primitive());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish([t_row_ptr, col_idx, order], y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn expand_rows(row_ptr: IntTensor<Self>, row_idx: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = ExpandRows.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = B::expand_rows(row_ptr.clone(), row_idx.clone(), x.into_primitive());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish([row_ptr, row_idx], y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn expand_columns(
        t_row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        order: IntTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let prepared = ExpandColumns.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = B::expand_columns(t_row_ptr.clone(), col_idx.clone(), order.clone(), x.into_primitive());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish([t_row_ptr, col_idx, order], y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn edge_products(
        row_ptr: IntTensor<Self>,
        row_idx: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        t_row_ptr: IntTensor<Self>,
        t_col_idx: IntTensor<Self>,
        order: IntTensor<Self>,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let prepared = EdgeProducts.prepare::<C>([x.node(), y.node()]).compute_bound().stateful();
        let (x, y) = (x.into_primitive(), y.into_primitive());
        let s = ProductsState { row_ptr, col_idx, t_row_ptr, t_col_idx, order, x, y };
        let c = s.clone();
        let products = B::edge_products(c.row_ptr, row_idx, c.col_idx, c.t_row_ptr, c.t_col_idx, c.order, c.x, c.y);
        match prepared {
            OpsKind::Tracked(prep) => prep.finish(s, products),
            OpsKind::UnTracked(prep) => prep.finish(products),
        }
    }

    fn edge_softmax(row_ptr: IntTensor<Self>, row_idx: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = EdgeSoftmax.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = B::edge_softmax(row_ptr.clone(), row_idx.clone(), x.into_primitive());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((row_ptr, row_idx, y.clone()), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn edge_softmax_grad(
        row_ptr: IntTensor<Self>,
        row_idx: IntTensor<Self>,
        y: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        // The gradient of a gradient is not offered: the result is a constant.
        FloatTensor::<Self>::new(B::edge_softmax_grad(row_ptr, row_idx, y.into_primitive(), g.into_primitive()))
    }
}
