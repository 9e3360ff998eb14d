//! The CPU path, which reads and writes each row once.

use super::OrthogonalBackend;
use crate::linalg::{dot, vectorised};
use crate::ops::host::{dense, filled, floats};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

const ROWS: usize = 256;

vectorised! {
    fn forward(v: &[f32], r: &[f32], d: usize, epsilon: f32, out: &mut [f32]) {
        for ((v, r), out) in v.chunks_exact(d).zip(r.chunks_exact(d)).zip(out.chunks_exact_mut(d)) {
            let share = dot::<M>(v, r) / (dot::<M>(r, r) + epsilon);
            for ((o, v), r) in out.iter_mut().zip(v).zip(r) {
                *o = v - share * r;
            }
        }
    }
}

vectorised! {
    fn backward(v: &[f32], r: &[f32], g: &[f32], d: usize, epsilon: f32, out: &mut [f32]) {
        let rows = v.chunks_exact(d).zip(r.chunks_exact(d)).zip(g.chunks_exact(d));
        for (((v, r), g), out) in rows.zip(out.chunks_exact_mut(d)) {
            let s = dot::<M>(r, r) + epsilon;
            let (c, e) = (dot::<M>(v, r) / s, dot::<M>(g, r) / s);
            for (((o, v), r), g) in out.iter_mut().zip(v).zip(r).zip(g) {
                *o = 2.0 * c * e * r - (c * g + e * v);
            }
        }
    }
}

impl OrthogonalBackend for Flex {
    fn complement(v: FloatTensor<Self>, r: FloatTensor<Self>, epsilon: f32) -> FloatTensor<Self> {
        let (v, r) = (dense(&v), dense(&r));
        let (shape, vs, rs) = ([v.shape()[0], v.shape()[1]], floats(&v), floats(&r));
        let d = shape[1];
        let out = filled(vs.len(), ROWS * d, |i, out| {
            let of = i * ROWS * d..i * ROWS * d + out.len();
            forward(&vs[of.clone()], &rs[of], d, epsilon, out);
        });
        Self::float_from_data(TensorData::new(out, shape), &v.device())
    }

    fn complement_grad(
        v: FloatTensor<Self>,
        r: FloatTensor<Self>,
        g: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let [v, r, g] = [v, r, g].map(|t| dense(&t));
        let (shape, [vs, rs, gs]) = ([v.shape()[0], v.shape()[1]], [&v, &r, &g].map(floats));
        let d = shape[1];
        let out = filled(vs.len(), ROWS * d, |i, out| {
            let of = i * ROWS * d..i * ROWS * d + out.len();
            backward(&vs[of.clone()], &rs[of.clone()], &gs[of], d, epsilon, out);
        });
        Self::float_from_data(TensorData::new(out, shape), &v.device())
    }
}
