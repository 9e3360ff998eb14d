//! The gradients of both products, written once for every backend.

use super::SpmmBackend;
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, TensorMetadata};

type Matrix<B> = (IntTensor<B>, IntTensor<B>, FloatTensor<B>);

/// `dX = Aᵀ dY`: the state is the constant structure, never `X`.
#[derive(Debug)]
struct Spmm;

impl<B: SpmmBackend> Backward<B, 1> for Spmm {
    type State = [Matrix<B>; 2];

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x] = ops.parents;
        let [(rp, ci, v), (trp, tci, tv)] = ops.state;
        let dy = grads.consume::<B>(&ops.node);
        if let Some(x) = x {
            grads.register::<B>(x.id, B::csr_spmm(trp, tci, tv, rp, ci, v, dy));
        }
    }
}

/// `dX = Σ c_l (Aᵀ)ˡ dY`.
#[derive(Debug)]
struct Polynomial;

impl<B: SpmmBackend> Backward<B, 1> for Polynomial {
    type State = ([Matrix<B>; 2], Vec<f32>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x] = ops.parents;
        let ([(rp, ci, v), (trp, tci, tv)], coefficients) = ops.state;
        let dy = grads.consume::<B>(&ops.node);
        if let Some(x) = x {
            grads.register::<B>(x.id, B::csr_polynomial(trp, tci, tv, rp, ci, v, dy, coefficients));
        }
    }
}

/// `dX = Σ c_l (Aᵀ)ˡ dY`, where `dY` has the gradients at some rows and zeros elsewhere.
#[derive(Debug)]
struct PolynomialRows;

impl<B: SpmmBackend> Backward<B, 1> for PolynomialRows {
    type State = ([Matrix<B>; 2], Vec<f32>, IntTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x] = ops.parents;
        let ([(rp, ci, v), (trp, tci, tv)], coefficients, ids) = ops.state;
        let g = grads.consume::<B>(&ops.node);
        let n = rp.shape()[0] - 1;
        if let Some(x) = x {
            let dx = B::csr_polynomial_rows_grad(trp, tci, tv, rp, ci, v, g, coefficients, ids, n);
            grads.register::<B>(x.id, dx);
        }
    }
}

/// Pattern and operands of `A(values) X`.
#[derive(Debug, Clone)]
struct ValuesState<B: SpmmBackend> {
    row_ptr: IntTensor<B>,
    col_idx: IntTensor<B>,
    row_idx: IntTensor<B>,
    t_row_ptr: IntTensor<B>,
    t_col_idx: IntTensor<B>,
    order: IntTensor<B>,
    values: FloatTensor<B>,
    x: FloatTensor<B>,
}

#[derive(Debug)]
struct SpmmValues;

impl<B: SpmmBackend> Backward<B, 2> for SpmmValues {
    type State = ValuesState<B>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [values, x] = ops.parents;
        let s = ops.state;
        let dy = grads.consume::<B>(&ops.node);
        if let Some(values) = values {
            let d_values = B::csr_sddmm(s.row_idx, s.col_idx.clone(), dy.clone(), s.x);
            grads.register::<B>(values.id, d_values);
        }
        if let Some(x) = x {
            let t_values = B::float_select(s.values.clone(), 0, s.order);
            let dx = B::csr_spmm(s.t_row_ptr, s.t_col_idx, t_values, s.row_ptr, s.col_idx, s.values, dy);
            grads.register::<B>(x.id, dx);
        }
    }
}

/// A share of each side for each place.
#[derive(Debug)]
struct Sddmm;

impl<B: SpmmBackend> Backward<B, 2> for Sddmm {
    type State = (IntTensor<B>, IntTensor<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (rows, cols, y, x) = ops.state;
        let g = grads.consume::<B>(&ops.node);
        let (n, m) = (y.shape()[0], x.shape()[0]);
        match ops.parents {
            // One tensor on both sides has one gradient: it is as large as the tensor, however few the places.
            [Some(both), Some(other)] if both.id == other.id => {
                let here = B::int_cat(vec![rows.clone(), cols.clone()], 0);
                let there = B::int_cat(vec![cols, rows], 0);
                let g = B::float_cat(vec![g.clone(), g], 0);
                grads.register::<B>(both.id, B::csr_sddmm_grad(here, there, g, x, n));
            }
            [of_y, of_x] => {
                if let Some(of_y) = of_y {
                    let dy = B::csr_sddmm_grad(rows.clone(), cols.clone(), g.clone(), x, n);
                    grads.register::<B>(of_y.id, dy);
                }
                if let Some(of_x) = of_x {
                    grads.register::<B>(of_x.id, B::csr_sddmm_grad(cols, rows, g, y, m));
                }
            }
        }
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
        let (v, tv) = (v.into_primitive(), tv.into_primitive());
        let prepared = Spmm.prepare::<C>([x.node()]).compute_bound().stateful();
        let state = [(rp.clone(), ci.clone(), v.clone()), (trp.clone(), tci.clone(), tv.clone())];
        let y = B::csr_spmm(rp, ci, v, trp, tci, tv, x.into_primitive());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish(state, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
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
        let (v, tv) = (v.into_primitive(), tv.into_primitive());
        let prepared = Polynomial.prepare::<C>([x.node()]).compute_bound().stateful();
        let state = [(rp.clone(), ci.clone(), v.clone()), (trp.clone(), tci.clone(), tv.clone())];
        let y = B::csr_polynomial(rp, ci, v, trp, tci, tv, x.into_primitive(), coefficients.clone());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((state, coefficients), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
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
        let (v, tv) = (v.into_primitive(), tv.into_primitive());
        let prepared = PolynomialRows.prepare::<C>([x.node()]).compute_bound().stateful();
        let matrices = [(rp.clone(), ci.clone(), v.clone()), (trp.clone(), tci.clone(), tv.clone())];
        let state = (matrices, coefficients.clone(), ids.clone());
        let y = B::csr_polynomial_rows(rp, ci, v, trp, tci, tv, x.into_primitive(), coefficients, ids);
        match prepared {
            OpsKind::Tracked(prep) => prep.finish(state, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn csr_polynomial_rows_grad(
        rp: IntTensor<Self>,
        ci: IntTensor<Self>,
        v: FloatTensor<Self>,
        trp: IntTensor<Self>,
        tci: IntTensor<Self>,
        tv: FloatTensor<Self>,
        g: FloatTensor<Self>,
        coefficients: Vec<f32>,
        ids: IntTensor<Self>,
        n_rows: usize,
    ) -> FloatTensor<Self> {
        // The gradient of a gradient is not offered: the result is a constant.
        let (v, tv, g) = (v.into_primitive(), tv.into_primitive(), g.into_primitive());
        FloatTensor::<Self>::new(B::csr_polynomial_rows_grad(rp, ci, v, trp, tci, tv, g, coefficients, ids, n_rows))
    }

    fn csr_sddmm(
        row_idx: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        y: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let prepared = Sddmm.prepare::<C>([y.node(), x.node()]).compute_bound().stateful();
        let (y, x) = (y.into_primitive(), x.into_primitive());
        let out = B::csr_sddmm(row_idx.clone(), col_idx.clone(), y.clone(), x.clone());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((row_idx, col_idx, y, x), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn csr_sddmm_grad(
        row_idx: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        g: FloatTensor<Self>,
        x: FloatTensor<Self>,
        n_rows: usize,
    ) -> FloatTensor<Self> {
        // The gradient of a gradient is not offered: the result is a constant.
        let dy = B::csr_sddmm_grad(row_idx, col_idx, g.into_primitive(), x.into_primitive(), n_rows);
        FloatTensor::<Self>::new(dy)
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
        let prepared = SpmmValues.prepare::<C>([values.node(), x.node()]).compute_bound().stateful();
        let (values, x) = (values.into_primitive(), x.into_primitive());
        let s = ValuesState { row_ptr, col_idx, row_idx, t_row_ptr, t_col_idx, order, values, x };
        let c = s.clone();
        let y = B::csr_spmm_values(c.row_ptr, c.col_idx, c.row_idx, c.t_row_ptr, c.t_col_idx, c.order, c.values, c.x);
        match prepared {
            OpsKind::Tracked(prep) => prep.finish(s, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}
