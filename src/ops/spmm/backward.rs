//! The gradients of the products, written once for every backend.

use super::SpmmBackend;
use crate::ops::node::{Kept, no_second_order, recorded};
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, TensorMetadata};

type Csr<B> = (IntTensor<B>, IntTensor<B>, FloatTensor<B>);

/// A constant matrix and its transpose.
#[derive(Debug, Clone)]
struct CsrPair<B: SpmmBackend> {
    a: Csr<B>,
    at: Csr<B>,
}

/// `dX = Aᵀ dY`: keeps the constant matrix, never `X`.
#[derive(Debug, Clone)]
struct Spmm<B: SpmmBackend>(CsrPair<B>);

impl<B: SpmmBackend> Kept<B, 1> for Spmm<B> {
    fn gradients(self, dy: FloatTensor<B>, _: [bool; 1]) -> [Option<FloatTensor<B>>; 1] {
        let CsrPair { a: (rp, ci, v), at: (trp, tci, tv) } = self.0;
        [Some(B::csr_spmm(trp, tci, tv, rp, ci, v, dy))]
    }
}

/// `dX = Σ c_l (Aᵀ)ˡ dY`.
#[derive(Debug, Clone)]
struct Polynomial<B: SpmmBackend>(CsrPair<B>, Vec<f32>);

impl<B: SpmmBackend> Kept<B, 1> for Polynomial<B> {
    fn gradients(self, dy: FloatTensor<B>, _: [bool; 1]) -> [Option<FloatTensor<B>>; 1] {
        let Self(CsrPair { a: (rp, ci, v), at: (trp, tci, tv) }, coefficients) = self;
        [Some(B::csr_polynomial(trp, tci, tv, rp, ci, v, dy, coefficients))]
    }
}

/// `dX = Σ c_l (Aᵀ)ˡ dY`, where `dY` has the gradients at the given rows and zeros elsewhere.
#[derive(Debug, Clone)]
struct PolynomialRows<B: SpmmBackend>(CsrPair<B>, Vec<f32>, IntTensor<B>);

impl<B: SpmmBackend> Kept<B, 1> for PolynomialRows<B> {
    fn gradients(self, g: FloatTensor<B>, _: [bool; 1]) -> [Option<FloatTensor<B>>; 1] {
        let Self(CsrPair { a: (rp, ci, v), at: (trp, tci, tv) }, coefficients, ids) = self;
        let n = rp.shape()[0] - 1;
        [Some(B::csr_polynomial_rows_grad(trp, tci, tv, rp, ci, v, g, coefficients, ids, n))]
    }
}

/// Pattern and operands of `A(values) X`.
#[derive(Debug, Clone)]
struct SpmmValues<B: SpmmBackend> {
    row_ptr: IntTensor<B>,
    col_idx: IntTensor<B>,
    row_idx: IntTensor<B>,
    t_row_ptr: IntTensor<B>,
    t_col_idx: IntTensor<B>,
    order: IntTensor<B>,
    values: FloatTensor<B>,
    x: FloatTensor<B>,
}

impl<B: SpmmBackend> Kept<B, 2> for SpmmValues<B> {
    fn gradients(self, dy: FloatTensor<B>, [of_values, of_x]: [bool; 2]) -> [Option<FloatTensor<B>>; 2] {
        let s = self;
        let d_values = of_values.then(|| B::csr_sddmm(s.row_idx, s.col_idx.clone(), dy.clone(), s.x));
        let dx = of_x.then(|| {
            let t_values = B::float_select(s.values.clone(), 0, s.order);
            B::csr_spmm(s.t_row_ptr, s.t_col_idx, t_values, s.row_ptr, s.col_idx, s.values, dy)
        });
        [d_values, dx]
    }
}

/// A sampled product, each place of which contributes to the gradients of both sides.
#[derive(Debug, Clone)]
struct Sddmm<B: SpmmBackend> {
    rows: IntTensor<B>,
    cols: IntTensor<B>,
    y: FloatTensor<B>,
    x: FloatTensor<B>,
    /// Whether both sides are the same tensor.
    alike: bool,
}

impl<B: SpmmBackend> Kept<B, 2> for Sddmm<B> {
    fn gradients(self, g: FloatTensor<B>, [of_y, of_x]: [bool; 2]) -> [Option<FloatTensor<B>>; 2] {
        let Self { rows, cols, y, x, alike } = self;
        let (n, m) = (y.shape()[0], x.shape()[0]);
        // The same tensor on both sides gets one gradient: it is as large as the tensor, however few the places.
        if alike {
            let here = B::int_cat(vec![rows.clone(), cols.clone()], 0);
            let there = B::int_cat(vec![cols, rows], 0);
            let g = B::float_cat(vec![g.clone(), g], 0);
            return [Some(B::csr_sddmm_grad(here, there, g, x, n)), None];
        }
        let dy = of_y.then(|| B::csr_sddmm_grad(rows.clone(), cols.clone(), g.clone(), x, n));
        [dy, of_x.then(|| B::csr_sddmm_grad(cols, rows, g, y, m))]
    }
}

impl<B: SpmmBackend, C: CheckpointStrategy> SpmmBackend for Autodiff<B, C> {
    fn csr_spmm(
        rp: IntTensor<Self>,
        ci: IntTensor<Self>,
        v: FloatTensor<Self>,
        trp: IntTensor<Self>,
        tci: IntTensor<Self>,
        tv: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let ((x, of_x), v, tv) = (x.into_parts(), v.into_primitive(), tv.into_primitive());
        let pair = CsrPair { a: (rp.clone(), ci.clone(), v.clone()), at: (trp.clone(), tci.clone(), tv.clone()) };
        recorded::<B, C, _, 1>([of_x], B::csr_spmm(rp, ci, v, trp, tci, tv, x), Spmm(pair))
    }

    fn csr_polynomial(
        rp: IntTensor<Self>,
        ci: IntTensor<Self>,
        v: FloatTensor<Self>,
        trp: IntTensor<Self>,
        tci: IntTensor<Self>,
        tv: FloatTensor<Self>,
        x: FloatTensor<Self>,
        coefficients: Vec<f32>,
    ) -> FloatTensor<Self> {
        let ((x, of_x), v, tv) = (x.into_parts(), v.into_primitive(), tv.into_primitive());
        let pair = CsrPair { a: (rp.clone(), ci.clone(), v.clone()), at: (trp.clone(), tci.clone(), tv.clone()) };
        let y = B::csr_polynomial(rp, ci, v, trp, tci, tv, x, coefficients.clone());
        recorded::<B, C, _, 1>([of_x], y, Polynomial(pair, coefficients))
    }

    fn csr_polynomial_rows(
        rp: IntTensor<Self>,
        ci: IntTensor<Self>,
        v: FloatTensor<Self>,
        trp: IntTensor<Self>,
        tci: IntTensor<Self>,
        tv: FloatTensor<Self>,
        x: FloatTensor<Self>,
        coefficients: Vec<f32>,
        ids: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let ((x, of_x), v, tv) = (x.into_parts(), v.into_primitive(), tv.into_primitive());
        let pair = CsrPair { a: (rp.clone(), ci.clone(), v.clone()), at: (trp.clone(), tci.clone(), tv.clone()) };
        let y = B::csr_polynomial_rows(rp, ci, v, trp, tci, tv, x, coefficients.clone(), ids.clone());
        recorded::<B, C, _, 1>([of_x], y, PolynomialRows(pair, coefficients, ids))
    }

    fn csr_polynomial_rows_grad(
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: FloatTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: Vec<f32>,
        _: IntTensor<Self>,
        _: usize,
    ) -> FloatTensor<Self> {
        no_second_order("spmm_polynomial_rows")
    }

    fn csr_sddmm(
        rows: IntTensor<Self>,
        cols: IntTensor<Self>,
        y: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let alike = y.id() == x.id() && y.is_tracked();
        let [(y, of_y), (x, of_x)] = [y, x].map(|t| t.into_parts());
        let out = B::csr_sddmm(rows.clone(), cols.clone(), y.clone(), x.clone());
        recorded::<B, C, _, 2>([of_y, of_x], out, Sddmm { rows, cols, y, x, alike })
    }

    fn csr_sddmm_grad(
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: usize,
    ) -> FloatTensor<Self> {
        no_second_order("sddmm")
    }

    fn csr_spmm_values(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        row_idx: IntTensor<Self>,
        t_row_ptr: IntTensor<Self>,
        t_col_idx: IntTensor<Self>,
        order: IntTensor<Self>,
        values: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [(values, of_values), (x, of_x)] = [values, x].map(|t| t.into_parts());
        let kept = SpmmValues { row_ptr, col_idx, row_idx, t_row_ptr, t_col_idx, order, values, x };
        let c = kept.clone();
        let y = B::csr_spmm_values(c.row_ptr, c.col_idx, c.row_idx, c.t_row_ptr, c.t_col_idx, c.order, c.values, c.x);
        recorded::<B, C, _, 2>([of_values, of_x], y, kept)
    }
}
