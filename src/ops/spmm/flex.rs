//! The CPU path: rows are shared out among threads in fixed blocks, and each row is summed by one of them.

use super::SpmmBackend;
use crate::ops::host::filled;
use crate::ops::simd::vectorised;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

/// Rows of one task: small enough to balance rows of very different degree, large enough to hide the scheduling.
const ROWS: usize = 64;
/// Nonzeros of one task of the sampled product.
const EDGES: usize = 4096;

fn floats(tensor: &FloatTensor<Flex>) -> &[f32] {
    match tensor.as_slice() {
        Some(slice) => slice,
        None => panic!("sparse operators on the CPU take contiguous f32, not {:?}", tensor.dtype()),
    }
}

fn ints(tensor: &IntTensor<Flex>) -> &[i32] {
    match tensor.as_slice() {
        Some(slice) => slice,
        None => panic!("sparse operators on the CPU take contiguous i32 indices, not {:?}", tensor.dtype()),
    }
}

fn product(
    row_ptr: &IntTensor<Flex>,
    col_idx: &IntTensor<Flex>,
    values: &FloatTensor<Flex>,
    x: FloatTensor<Flex>,
) -> FloatTensor<Flex> {
    let (x, values) = (x.to_contiguous(), values.to_contiguous());
    let d = x.shape()[1];
    let (rp, ci, v, xs) = (ints(row_ptr), ints(col_idx), floats(&values), floats(&x));
    let n = rp.len() - 1;
    let out = filled(n * d, ROWS * d, |block, out| rows(&rp[block * ROWS..], ci, v, xs, d, out));
    Flex::float_from_data(TensorData::new(out, [n, d]), &x.device())
}

/// Columns of a row that are summed in registers at a time.
const COLS: usize = 64;

vectorised! {
    /// `out[r] = Σ values[e] x[col_idx[e]]` for the rows that `row_ptr` begins with; every place of `out` is written once.
    fn rows(row_ptr: &[i32], col_idx: &[i32], values: &[f32], x: &[f32], d: usize, out: &mut [f32]) {
        for (out, span) in out.chunks_exact_mut(d).zip(row_ptr.windows(2)) {
            let span = span[0] as usize..span[1] as usize;
            let (cols, values) = (&col_idx[span.clone()], &values[span]);
            let mut first = 0;
            while first + COLS <= d {
                let mut sum = [0f32; COLS];
                for (&c, &w) in cols.iter().zip(values) {
                    let x: &[f32; COLS] = x[c as usize * d + first..].first_chunk().unwrap_or(&[0.0; COLS]);
                    for (s, &x) in sum.iter_mut().zip(x) {
                        *s += w * x;
                    }
                }
                out[first..first + COLS].copy_from_slice(&sum);
                first += COLS;
            }
            let tail = &mut out[first..];
            tail.fill(0.0);
            for (&c, &w) in cols.iter().zip(values) {
                let x = &x[c as usize * d + first..][..tail.len()];
                for (o, &x) in tail.iter_mut().zip(x) {
                    *o += w * x;
                }
            }
        }
    }
}

vectorised! {
    /// `out[e] = ⟨y[row_idx[e]], x[col_idx[e]]⟩`, summed in 16 lanes.
    fn edges(row_idx: &[i32], col_idx: &[i32], y: &[f32], x: &[f32], d: usize, out: &mut [f32]) {
        for ((out, &r), &c) in out.iter_mut().zip(row_idx).zip(col_idx) {
            let (y, x) = (&y[r as usize * d..][..d], &x[c as usize * d..][..d]);
            let mut lanes = [0f32; 16];
            let (ys, xs) = (y.chunks_exact(16), x.chunks_exact(16));
            let tail: f32 = ys.remainder().iter().zip(xs.remainder()).map(|(a, b)| a * b).sum();
            for (y, x) in ys.zip(xs) {
                for l in 0..16 {
                    lanes[l] += y[l] * x[l];
                }
            }
            *out = lanes.iter().sum::<f32>() + tail;
        }
    }
}

impl SpmmBackend for Flex {
    fn csr_spmm(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        values: FloatTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        product(&row_ptr, &col_idx, &values, x)
    }

    fn csr_sddmm(
        row_idx: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        y: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (y, x) = (y.to_contiguous(), x.to_contiguous());
        let d = x.shape()[1];
        let (ri, ci, ys, xs) = (ints(&row_idx), ints(&col_idx), floats(&y), floats(&x));
        let n = ri.len();
        let out = filled(n, EDGES, |block, out| edges(&ri[block * EDGES..], &ci[block * EDGES..], ys, xs, d, out));
        Self::float_from_data(TensorData::new(out, [n]), &x.device())
    }

    fn csr_spmm_values(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        _: IntTensor<Self>,
        values: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        product(&row_ptr, &col_idx, &values, x)
    }
}
