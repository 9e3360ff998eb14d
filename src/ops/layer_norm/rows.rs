//! Layer normalisation row by row, on the CPU.

use super::EPSILON;
use crate::linalg::{dot, dot3, sum, vectorised};
use crate::ops::host::FEW;

vectorised! {
    /// `out = gain · (s x - mean) / √(variance + ε) + shift`, row by row. Every step is rounded as in separate layers:
    /// where a hidden value is nearly zero, the last bit decides whether it passes the ReLU.
    pub(crate) fn norm(x: &[f32], scale: f32, gain: &[f32], shift: &[f32], out: &mut [f32]) {
        let d = gain.len();
        for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
            for (o, x) in out.iter_mut().zip(x) {
                *o = scale * x;
            }
            let mean = sum(out) / d as f32;
            for o in out.iter_mut() {
                *o -= mean;
            }
            let inverse = 1.0 / (dot::<M>(out, out) / d as f32 + EPSILON).sqrt();
            for ((o, g), b) in out.iter_mut().zip(gain).zip(shift) {
                *o = *o * inverse * g + b;
            }
        }
    }
}

vectorised! {
    /// Gradients of [`norm`] from `dy`: `dx ← s · dx_norm + keep · dx` in place; adds those of gain and shift to
    /// `d_gain` and `d_shift`. `scratch` has room for three rows.
    pub(crate) fn norm_grad(
        x: &[f32], scale: f32, gain: &[f32], dy: &[f32], keep: f32, dx: &mut [f32], d_gain: &mut [f32], d_shift: &mut [f32],
        scratch: &mut [f32],
    ) {
        let d = gain.len();
        let (hat, sums) = scratch.split_at_mut(d);
        let (gains, shifts) = sums.split_at_mut(d);
        let few = FEW * d;
        for ((x, dy), dx) in x.chunks(few).zip(dy.chunks(few)).zip(dx.chunks_mut(few)) {
            gains.fill(0.0);
            shifts.fill(0.0);
            for ((x, dy), dx) in x.chunks_exact(d).zip(dy.chunks_exact(d)).zip(dx.chunks_exact_mut(d)) {
                let mean = scale * sum(x) / d as f32;
                for (h, x) in hat.iter_mut().zip(x) {
                    *h = M::mul_add(scale, *x, -mean);
                }
                let inverse = 1.0 / (dot::<M>(hat, hat) / d as f32 + EPSILON).sqrt();
                for (((h, dy), gain), shift) in hat.iter_mut().zip(dy).zip(gains.iter_mut()).zip(shifts.iter_mut()) {
                    *h *= inverse;
                    *gain = M::mul_add(*dy, *h, *gain);
                    *shift += dy;
                }
                let (mean, along) = (dot::<M>(dy, gain) / d as f32, dot3::<M>(dy, gain, hat) / d as f32);
                let factor = scale * inverse;
                for (((dx, dy), g), h) in dx.iter_mut().zip(dy).zip(gain).zip(hat.iter()) {
                    let rest = M::mul_add(-along, *h, M::mul_add(*dy, *g, -mean));
                    *dx = M::mul_add(factor, rest, keep * *dx);
                }
            }
            for (sums, part) in [(&mut *d_gain, &*gains), (&mut *d_shift, &*shifts)] {
                sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
        }
    }
}
