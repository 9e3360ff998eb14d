//! The CPU path, which reads each score once forward, and reads and writes it once backward.

use super::SoftplusBackend;
use crate::linalg::{MulAdd, at_least, exp, sum, vectorised};
use crate::ops::host::{dense, filled, floats};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

const ROWS: usize = 16;

/// `ln(1 + t)` for `t` in `[0, 1]`: `2 atanh(s)` with `s = t / (2 + t) ≤ ⅓`, as a series to `s¹³`.
#[inline(always)]
fn log1p<M: MulAdd>(t: f32) -> f32 {
    let s = t / (2.0 + t);
    let q = s * s;
    let series = 1.0 / 13.0;
    let series = M::mul_add(series, q, 1.0 / 11.0);
    let series = M::mul_add(series, q, 1.0 / 9.0);
    let series = M::mul_add(series, q, 1.0 / 7.0);
    let series = M::mul_add(series, q, 1.0 / 5.0);
    let series = M::mul_add(series, q, 1.0 / 3.0);
    2.0 * s * (series * q + 1.0)
}

vectorised! {
    fn forward(p: &[f32], n: &[f32], m: usize, out: &mut [f32]) {
        for ((&p, n), out) in p.iter().zip(n.chunks_exact(m)).zip(out) {
            let mut lanes = [0f32; 16];
            let (heads, tail) = n.as_chunks::<16>();
            for n in heads {
                for (lane, n) in lanes.iter_mut().zip(n) {
                    let x = n - p;
                    *lane += at_least(0.0, x) + log1p::<M>(exp::<M>(-x.abs()));
                }
            }
            for n in tail {
                let x = n - p;
                lanes[0] += at_least(0.0, x) + log1p::<M>(exp::<M>(-x.abs()));
            }
            *out = lanes.iter().sum();
        }
    }
}

vectorised! {
    fn backward(p: &[f32], n: &[f32], g: &[f32], m: usize, out: &mut [f32]) {
        for (((&p, &g), n), out) in p.iter().zip(g).zip(n.chunks_exact(m)).zip(out.chunks_exact_mut(m)) {
            for (o, n) in out.iter_mut().zip(n) {
                let x = n - p;
                let t = exp::<M>(-x.abs());
                let sigma = if x < 0.0 { t } else { 1.0 } / (1.0 + t);
                *o = g * sigma;
            }
        }
    }
}

vectorised! {
    /// Writes minus the sum of each row.
    fn lost(dn: &[f32], m: usize, out: &mut [f32]) {
        for (r, out) in out.iter_mut().enumerate() {
            *out = -sum(&dn[r * m..][..m]);
        }
    }
}

impl SoftplusBackend for Flex {
    fn softplus_rows(p: FloatTensor<Self>, n: FloatTensor<Self>) -> FloatTensor<Self> {
        let (p, n) = (dense(&p), dense(&n));
        let (rows, m) = (n.shape()[0], n.shape()[1]);
        let (ps, ns) = (floats(&p), floats(&n));
        let out = match m {
            0 => vec![0.0; rows],
            _ => filled(rows, ROWS, |i, out| forward(&ps[i * ROWS..], &ns[i * ROWS * m..], m, out)),
        };
        Self::float_from_data(TensorData::new(out, [rows]), &n.device())
    }

    fn softplus_rows_grad(
        p: FloatTensor<Self>,
        n: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (p, n, g) = (dense(&p), dense(&n), dense(&g));
        let (rows, m) = (n.shape()[0], n.shape()[1]);
        let (ps, ns, gs) = (floats(&p), floats(&n), floats(&g));
        let dn = filled(ns.len(), ROWS * m.max(1), |i, out| {
            backward(&ps[i * ROWS..], &ns[i * ROWS * m..], &gs[i * ROWS..], m, out);
        });
        let dp = filled(rows, ROWS, |i, out| lost(&dn[i * ROWS * m..], m, out));
        let of = |values, shape: &[usize]| Self::float_from_data(TensorData::new(values, shape), &n.device());
        (of(dp, &[rows]), of(dn, &[rows, m]))
    }
}
