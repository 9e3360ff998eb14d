//! The CPU path: one pass over rows, in blocks of rows, for the values of each row, and one over edges, in blocks of
//! edges, so that a row of many edges does not keep one thread busy alone.

use super::EdgeBackend;
use crate::linalg::{dot, exp, sum, vectorised};
use crate::ops::host::{dense, filled, floats, ints};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

/// Rows of one task.
const ROWS: usize = 64;
/// Edges of one task.
const EDGES: usize = 1024;

vectorised! {
    /// `out[r] = Σ x[e]` over the edges of each row, from the first row of `row_ptr` on.
    fn row_sums(row_ptr: &[i32], x: &[f32], d: usize, out: &mut [f32]) {
        for (out, span) in out.chunks_exact_mut(d).zip(row_ptr.windows(2)) {
            let x = &x[span[0] as usize * d..span[1] as usize * d];
            if let [out] = out {
                *out = sum(x);
            } else {
                for x in x.chunks_exact(d) {
                    out.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
                }
            }
        }
    }
}

vectorised! {
    /// The largest logit of each row and head, and the reciprocal of its sum of exponentials: `[rows, 2 · heads]`.
    fn scales(row_ptr: &[i32], x: &[f32], heads: usize, out: &mut [f32]) {
        for (out, span) in out.chunks_exact_mut(2 * heads).zip(row_ptr.windows(2)) {
            let x = &x[span[0] as usize * heads..span[1] as usize * heads];
            let (largest, scale) = out.split_at_mut(heads);
            largest.fill(f32::NEG_INFINITY);
            scale.fill(0.0);
            if heads == 1 {
                let mut lanes = [f32::NEG_INFINITY; 16];
                let (chunks, tail) = x.as_chunks::<16>();
                for chunk in chunks {
                    lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = if x > *lane { x } else { *lane });
                }
                let all = lanes.iter().chain(tail);
                let top = all.fold(f32::NEG_INFINITY, |top, &x| if x > top { x } else { top });
                let mut sums = [0f32; 16];
                for chunk in chunks {
                    sums.iter_mut().zip(chunk).for_each(|(sum, &x)| *sum += exp::<M>(x - top));
                }
                let rest: f32 = tail.iter().map(|&x| exp::<M>(x - top)).sum();
                (largest[0], scale[0]) = (top, sums.iter().sum::<f32>() + rest);
            } else {
                for x in x.chunks_exact(heads) {
                    largest.iter_mut().zip(x).for_each(|(top, &x)| *top = if x > *top { x } else { *top });
                }
                for x in x.chunks_exact(heads) {
                    for ((sum, top), x) in scale.iter_mut().zip(largest.iter()).zip(x) {
                        *sum += exp::<M>(x - top);
                    }
                }
            }
            scale.iter_mut().for_each(|sum| *sum = 1.0 / *sum);
        }
    }
}

vectorised! {
    /// Computes the softmax weights of the edges from `first` on.
    fn weights(row_ptr: &[i32], row_idx: &[i32], x: &[f32], scales: &[f32], heads: usize, first: usize, out: &mut [f32]) {
        let end = first + out.len() / heads;
        let mut e = first;
        while e < end {
            let row = row_idx[e] as usize;
            let stop = (row_ptr[row + 1] as usize).min(end);
            let (largest, scale) = scales[row * 2 * heads..][..2 * heads].split_at(heads);
            let x = &x[e * heads..stop * heads];
            let out = &mut out[(e - first) * heads..(stop - first) * heads];
            if heads == 1 {
                let (top, scale) = (largest[0], scale[0]);
                out.iter_mut().zip(x).for_each(|(out, x)| *out = exp::<M>(x - top) * scale);
            } else {
                for (out, x) in out.chunks_exact_mut(heads).zip(x.chunks_exact(heads)) {
                    for (((out, x), top), scale) in out.iter_mut().zip(x).zip(largest).zip(scale) {
                        *out = exp::<M>(x - top) * scale;
                    }
                }
            }
            e = stop;
        }
    }
}

vectorised! {
    /// `Σ y g` over the edges of each row: `[rows, heads]`.
    fn products(row_ptr: &[i32], y: &[f32], g: &[f32], heads: usize, out: &mut [f32]) {
        for (out, span) in out.chunks_exact_mut(heads).zip(row_ptr.windows(2)) {
            let span = span[0] as usize * heads..span[1] as usize * heads;
            let (y, g) = (&y[span.clone()], &g[span]);
            if let [out] = out {
                *out = dot::<M>(y, g);
            } else {
                for (y, g) in y.chunks_exact(heads).zip(g.chunks_exact(heads)) {
                    for ((sum, y), g) in out.iter_mut().zip(y).zip(g) {
                        *sum = M::mul_add(*y, *g, *sum);
                    }
                }
            }
        }
    }
}

vectorised! {
    /// `y (g - products[row])` for the edges from the first of `row_idx` on.
    fn gradients(row_idx: &[i32], y: &[f32], g: &[f32], products: &[f32], heads: usize, out: &mut [f32]) {
        let edges = out.chunks_exact_mut(heads).zip(y.chunks_exact(heads)).zip(g.chunks_exact(heads));
        for (((out, y), g), &row) in edges.zip(row_idx) {
            let products = &products[row as usize * heads..][..heads];
            for (((out, y), g), product) in out.iter_mut().zip(y).zip(g).zip(products) {
                *out = y * (g - product);
            }
        }
    }
}

impl EdgeBackend for Flex {
    fn segment_sum(row_ptr: IntTensor<Self>, _: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (row_ptr, x) = (dense(&row_ptr), dense(&x));
        let (rp, xs, d) = (ints(&row_ptr), floats(&x), x.shape()[1]);
        let n = rp.len() - 1;
        let out = filled(n * d, ROWS * d.max(1), |block, out| row_sums(&rp[block * ROWS..], xs, d, out));
        Self::float_from_data(TensorData::new(out, [n, d]), &x.device())
    }

    fn edge_softmax(row_ptr: IntTensor<Self>, row_idx: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (row_ptr, row_idx, x) = (dense(&row_ptr), dense(&row_idx), dense(&x));
        let (rp, ri, xs, heads) = (ints(&row_ptr), ints(&row_idx), floats(&x), x.shape()[1]);
        let (n, nnz) = (rp.len() - 1, ri.len());
        let chunk = heads.max(1);
        let scales = filled(n * 2 * heads, ROWS * 2 * chunk, |block, out| scales(&rp[block * ROWS..], xs, heads, out));
        let out =
            filled(nnz * heads, EDGES * chunk, |block, out| weights(rp, ri, xs, &scales, heads, block * EDGES, out));
        Self::float_from_data(TensorData::new(out, [nnz, heads]), &x.device())
    }

    fn edge_softmax_grad(
        row_ptr: IntTensor<Self>,
        row_idx: IntTensor<Self>,
        y: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (row_ptr, row_idx, y, g) = (dense(&row_ptr), dense(&row_idx), dense(&y), dense(&g));
        let (rp, ri, ys, gs, heads) = (ints(&row_ptr), ints(&row_idx), floats(&y), floats(&g), y.shape()[1]);
        let (n, nnz) = (rp.len() - 1, ri.len());
        let chunk = heads.max(1);
        let products = filled(n * heads, ROWS * chunk, |block, out| products(&rp[block * ROWS..], ys, gs, heads, out));
        let out = filled(nnz * heads, EDGES * chunk, |block, out| {
            let first = block * EDGES;
            let values = first * heads..first * heads + out.len();
            gradients(&ri[first..], &ys[values.clone()], &gs[values], &products, heads, out);
        });
        Self::float_from_data(TensorData::new(out, [nnz, heads]), &y.device())
    }
}
