//! The layer's row-wise steps between its products on the CPU, except for the norms.

use crate::linalg::{at_least, vectorised};

vectorised! {
    /// `relu(x + bias)`.
    pub(super) fn activate(x: &mut [f32], bias: &[f32]) {
        for x in x.chunks_exact_mut(bias.len()) {
            for (x, b) in x.iter_mut().zip(bias) {
                *x = at_least(0.0, *x + b);
            }
        }
    }
}

vectorised! {
    /// Gradient of the ReLU: `g` where the activation is positive, zero elsewhere.
    pub(super) fn gate(g: &mut [f32], activated: &[f32]) {
        for (g, a) in g.iter_mut().zip(activated) {
            *g = if *a > 0.0 { *g } else { 0.0 };
        }
    }
}

vectorised! {
    /// `y = scale · x + (y + bias)`, rounded step by step as in separate layers.
    pub(super) fn add_residual(y: &mut [f32], x: &[f32], scale: f32, bias: &[f32]) {
        for (y, x) in y.chunks_exact_mut(bias.len()).zip(x.chunks_exact(bias.len())) {
            for ((y, x), b) in y.iter_mut().zip(x).zip(bias) {
                *y = scale * x + (*y + b);
            }
        }
    }
}
