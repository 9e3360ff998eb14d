//! The gradient nodes, which keep the graph's pattern; the softmax also keeps its output, edge products their operands.

use super::EdgeBackend;
use crate::ops::node::{Kept, no_second_order, recorded};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::{FloatTensor, IntTensor};

/// Declares a node with one input that keeps ids; `$gradient` maps them and the output's gradient to the input's.
macro_rules! node {
    ($(#[$doc:meta])* $name:ident([IntTensor; $n:literal]), $gradient:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        struct $name<B: EdgeBackend>([IntTensor<B>; $n]);

        impl<B: EdgeBackend> Kept<B, 1> for $name<B> {
            fn gradients(self, g: FloatTensor<B>, _: [bool; 1]) -> [Option<FloatTensor<B>>; 1] {
                let gradient: fn([IntTensor<B>; $n], FloatTensor<B>) -> FloatTensor<B> = $gradient;
                [Some(gradient(self.0, g))]
            }
        }
    };
}

node!(
    /// `dx[e] = g[row e]`.
    SegmentSum([IntTensor; 2]),
    |[row_ptr, row_idx], g| B::expand_rows(row_ptr, row_idx, g)
);
node!(
    /// `dx[e] = g[col e]`.
    SegmentSumColumns([IntTensor; 3]),
    |[t_row_ptr, col_idx, order], g| B::expand_columns(t_row_ptr, col_idx, order, g)
);
node!(
    /// `dx[r] = Σ g[e]` over the edges of row `r`.
    ExpandRows([IntTensor; 2]),
    |[row_ptr, row_idx], g| B::segment_sum(row_ptr, row_idx, g)
);
node!(
    /// `dx[c] = Σ g[e]` over the edges of column `c`.
    ExpandColumns([IntTensor; 3]),
    |[t_row_ptr, col_idx, order], g| B::segment_sum_columns(t_row_ptr, col_idx, order, g)
);

/// `dx = y (g - Σ y g)` with the sum over the edges of the row.
#[derive(Debug, Clone)]
struct EdgeSoftmax<B: EdgeBackend> {
    row_ptr: IntTensor<B>,
    row_idx: IntTensor<B>,
    y: FloatTensor<B>,
}

impl<B: EdgeBackend> Kept<B, 1> for EdgeSoftmax<B> {
    fn gradients(self, g: FloatTensor<B>, _: [bool; 1]) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::edge_softmax_grad(self.row_ptr, self.row_idx, self.y, g))]
    }
}

/// `dx = A(g) y` and `dy = A(g)ᵀ x`.
#[derive(Debug, Clone)]
struct EdgeProducts<B: EdgeBackend> {
    row_ptr: IntTensor<B>,
    col_idx: IntTensor<B>,
    t_row_ptr: IntTensor<B>,
    t_col_idx: IntTensor<B>,
    order: IntTensor<B>,
    x: FloatTensor<B>,
    y: FloatTensor<B>,
}

impl<B: EdgeBackend> Kept<B, 2> for EdgeProducts<B> {
    fn gradients(self, g: FloatTensor<B>, [of_x, of_y]: [bool; 2]) -> [Option<FloatTensor<B>>; 2] {
        let t_g = B::float_select(g.clone(), 0, self.order);
        let (rp, ci, trp, tci) = (self.row_ptr, self.col_idx, self.t_row_ptr, self.t_col_idx);
        let dx = of_x.then(|| {
            let (rp, ci, trp, tci) = (rp.clone(), ci.clone(), trp.clone(), tci.clone());
            B::csr_spmm(rp, ci, g.clone(), trp, tci, t_g.clone(), self.y)
        });
        [dx, of_y.then(|| B::csr_spmm(trp, tci, t_g, rp, ci, g, self.x))]
    }
}

impl<B: EdgeBackend, C: CheckpointStrategy> EdgeBackend for Autodiff<B, C> {
    fn segment_sum(row_ptr: IntTensor<Self>, row_idx: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, of_x) = x.into_parts();
        let y = B::segment_sum(row_ptr.clone(), row_idx.clone(), x);
        recorded::<B, C, _, 1>([of_x], y, SegmentSum([row_ptr, row_idx]))
    }

    fn segment_sum_columns(
        t_row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        order: IntTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (x, of_x) = x.into_parts();
        let y = B::segment_sum_columns(t_row_ptr.clone(), col_idx.clone(), order.clone(), x);
        recorded::<B, C, _, 1>([of_x], y, SegmentSumColumns([t_row_ptr, col_idx, order]))
    }

    fn expand_rows(row_ptr: IntTensor<Self>, row_idx: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, of_x) = x.into_parts();
        let y = B::expand_rows(row_ptr.clone(), row_idx.clone(), x);
        recorded::<B, C, _, 1>([of_x], y, ExpandRows([row_ptr, row_idx]))
    }

    fn expand_columns(
        t_row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        order: IntTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (x, of_x) = x.into_parts();
        let y = B::expand_columns(t_row_ptr.clone(), col_idx.clone(), order.clone(), x);
        recorded::<B, C, _, 1>([of_x], y, ExpandColumns([t_row_ptr, col_idx, order]))
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
        let [(x, of_x), (y, of_y)] = [x, y].map(|t| t.into_parts());
        let kept = EdgeProducts { row_ptr, col_idx, t_row_ptr, t_col_idx, order, x, y };
        let c = kept.clone();
        let products = B::edge_products(c.row_ptr, row_idx, c.col_idx, c.t_row_ptr, c.t_col_idx, c.order, c.x, c.y);
        recorded::<B, C, _, 2>([of_x, of_y], products, kept)
    }

    fn edge_softmax(row_ptr: IntTensor<Self>, row_idx: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, of_x) = x.into_parts();
        let y = B::edge_softmax(row_ptr.clone(), row_idx.clone(), x);
        recorded::<B, C, _, 1>([of_x], y.clone(), EdgeSoftmax { row_ptr, row_idx, y })
    }

    fn edge_softmax_grad(
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        no_second_order("edge_softmax")
    }
}
