//! The CPU path: a block of rows goes through the whole layer while it is in cache.
//!
//! A group of neighbouring blocks is processed in order and sums its own gradients of the weights; the groups' sums are
//! added in order. Groups depend on the sizes alone, so the bits do not depend on the number of threads.

use super::rows::{activate, add_residual, gate};
use super::{EncoderBackend, Sizes, Weights};
use crate::linalg::{Left, Right, View, matmul, matmul_strided};
use crate::ops::MatmulPrecision;
use crate::ops::host::{add_columns, dense, filled_with, floats, groups, summed, zeros};
use crate::ops::layer_norm::{norm, norm_grad};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;
use rayon::prelude::*;
use std::borrow::Cow;

/// Rows of a block.
const ROWS: usize = 256;
/// Hidden units of a row that are computed at a time.
const HIDDEN: usize = 256;

/// A layer's input and weights. Operands of products are rounded to `precision`, the weight matrices at the start.
struct Layer<'a> {
    x: &'a [f32],
    kv: &'a [f32],
    w: Weights<&'a [f32]>,
    attention: &'a Attention,
    matrices: Matrices<'a>,
    sizes: Sizes,
    x_scale: f32,
    kv_scale: f32,
    precision: MatmulPrecision,
}

/// A range of hidden units of the feed-forward network.
#[derive(Clone, Copy)]
struct Stretch {
    first: usize,
    n: usize,
}

/// The layer's matrices or their transposes as right operands, those of the feed-forward network stretch by stretch.
struct Matrices<'a> {
    attention: Right<'a>,
    feed_forward: Vec<(Stretch, Right<'a>, Right<'a>)>,
}

impl<'a> Matrices<'a> {
    fn new(
        attention: &'a [f32],
        w: &Weights<&'a [f32]>,
        Sizes { d, hidden }: Sizes,
        turn: fn(View<'a>) -> View<'a>,
    ) -> Self {
        let right = |data, dims, from, part| Right::new(turn(View::new(data, dims).part(from, part)));
        let stretch = |first| {
            let s = Stretch { first, n: HIDDEN.min(hidden - first) };
            (s, right(w.up, [d, hidden], [0, first], [d, s.n]), right(w.down, [hidden, d], [first, 0], [s.n, d]))
        };
        let feed_forward = (0..hidden).step_by(HIDDEN).map(stretch).collect();
        Self { attention: right(attention, [d, d], [0, 0], [d, d]), feed_forward }
    }
}

/// The two linear layers between the norm of `kv` and the residual, merged into one, which halves the work.
struct Attention {
    /// `W_v W_o`, `[d, d]`.
    weight: Vec<f32>,
    /// `b_v W_o + b_o`.
    bias: Vec<f32>,
}

impl Attention {
    fn new(w: &Weights<&[f32]>, d: usize, precision: MatmulPrecision) -> Self {
        let (mut weight, mut bias) = (vec![0f32; d * d], w.output_bias.to_vec());
        let output = View::new(w.output, [d, d]);
        matmul(&mut weight, View::new(w.value, [d, d]), output, 1.0, false);
        matmul(&mut bias, View::new(w.value_bias, [1, d]), output, 1.0, true);
        precision.round(&mut weight);
        Self { weight, bias }
    }

    /// Splits the gradients of the merged layer, stored in `value` and `output_bias`, into those of both layers.
    fn split_gradients(w: &Weights<&[f32]>, d: usize, sums: Weights<&mut [f32]>) {
        let of_weight = sums.value.to_vec();
        let (of_weight, of_bias) = (View::new(&of_weight, [d, d]), View::new(sums.output_bias, [1, d]));
        let (value, output) = (View::new(w.value, [d, d]), View::new(w.output, [d, d]));
        matmul(sums.value, of_weight, output.t(), 1.0, false);
        matmul(sums.output, value.t(), of_weight, 1.0, false);
        matmul(sums.output, View::new(w.value_bias, [d, 1]), of_bias, 1.0, true);
        matmul(sums.value_bias, of_bias, output.t(), 1.0, false);
    }
}

/// Buffers that a worker reuses from block to block.
struct Scratch {
    normed_kv: Vec<f32>,
    h: Vec<f32>,
    normed_h: Vec<f32>,
    hidden: Vec<f32>,
    d_hidden: Vec<f32>,
    d_rows: Vec<f32>,
    operand: Vec<f32>,
    row: Vec<f32>,
}

impl Scratch {
    fn new(d: usize) -> Self {
        let rows = || vec![0f32; ROWS * d];
        let hidden = || vec![0f32; ROWS * HIDDEN];
        let (normed_kv, h, normed_h, d_rows) = (rows(), rows(), rows(), rows());
        Self {
            normed_kv,
            h,
            normed_h,
            hidden: hidden(),
            d_hidden: hidden(),
            d_rows,
            operand: Vec::new(),
            row: vec![0.0; (3 * d).max(HIDDEN)],
        }
    }
}

impl<'a> Layer<'a> {
    fn new(
        [x, kv]: [&'a [f32]; 2],
        w: Weights<&'a [f32]>,
        attention: &'a Attention,
        sizes: Sizes,
        [x_scale, kv_scale]: [f32; 2],
        precision: MatmulPrecision,
    ) -> Self {
        let matrices = Matrices::new(&attention.weight, &w, sizes, |weight| weight);
        Self { x, kv, w, attention, matrices, sizes, x_scale, kv_scale, precision }
    }

    /// Computes `relu(W₁ LN₂ h)` of a stretch, rounded as an operand.
    fn hide(&self, normed_h: &Left, s: Stretch, up: &Right, hidden: &mut [f32]) {
        up.multiply_left(hidden, normed_h, 1.0, false);
        activate(hidden, &self.w.up_bias[s.first..][..s.n]);
        self.precision.round(hidden);
    }

    /// Computes `LN₁ kv` and `LN₂ h`, rounded as operands, and `h` for the rows from `first` on, into the scratch.
    fn to_h(&self, first: usize, rows: usize, scratch: &mut Scratch) {
        let (w, d) = (&self.w, self.sizes.d);
        let n = rows * d;
        let block = first * d..first * d + n;
        let Scratch { normed_kv, h, normed_h, .. } = scratch;
        let [normed_kv, normed_h] = [normed_kv, normed_h].map(|x| &mut x[..n]);
        norm(&self.kv[block.clone()], self.kv_scale, w.gain_attention, w.shift_attention, normed_kv);
        self.precision.round(normed_kv);
        self.matrices.attention.multiply(&mut h[..n], View::new(normed_kv, [rows, d]), 1.0, false);
        add_residual(&mut h[..n], &self.x[block], self.x_scale, &self.attention.bias);
        norm(&h[..n], 1.0, w.gain_feed_forward, w.shift_feed_forward, normed_h);
        self.precision.round(normed_h);
    }

    fn forward(&self) -> Vec<f32> {
        let d = self.sizes.d;
        filled_with(
            self.x.len(),
            ROWS * d,
            || Scratch::new(d),
            |scratch, block, y| {
                let rows = y.len() / d;
                self.to_h(block * ROWS, rows, scratch);
                let normed_h = Left::new(View::new(&scratch.normed_h, [rows, d]));
                for (s, up, down) in &self.matrices.feed_forward {
                    let hidden = &mut scratch.hidden[..rows * s.n];
                    self.hide(&normed_h, *s, up, hidden);
                    down.multiply(y, View::new(hidden, [rows, s.n]), 1.0, true);
                }
                add_residual(y, &scratch.h[..y.len()], 1.0, self.w.down_bias);
            },
        )
    }

    /// Adds a block's share to the gradients of the weights and writes the gradients of its rows.
    fn block_gradients(
        &self,
        back: &Matrices,
        first: usize,
        dy: &[f32],
        sums: &mut [f32],
        [d_x, d_kv]: [&mut [f32]; 2],
        scratch: &mut Scratch,
    ) {
        let (w, Sizes { d, hidden }) = (&self.w, self.sizes);
        let (n, rows) = (dy.len(), dy.len() / d);
        self.to_h(first, rows, scratch);
        let sums = parts_mut(self.sizes, sums);
        let Scratch { normed_kv, h, normed_h, hidden: activated, d_hidden, d_rows, operand, row } = scratch;
        let [normed_kv, normed_h] = [normed_kv, normed_h].map(|x| View::new(x, [rows, d]));
        let (of_y, d_rows) = (View::new(self.precision.operand_in(dy, operand), [rows, d]), &mut d_rows[..n]);

        // y = h + W₂ relu(W₁ LN₂ h)
        let (normed_h_left, of_y_left, of_y) = (Left::new(normed_h), Left::new(of_y), Right::new(of_y));
        d_rows.fill(0.0);
        for ((s, up, _), (_, up_back, down_back)) in self.matrices.feed_forward.iter().zip(&back.feed_forward) {
            let (activated, d_hidden) = (&mut activated[..rows * s.n], &mut d_hidden[..rows * s.n]);
            self.hide(&normed_h_left, *s, up, activated);
            down_back.multiply_left(d_hidden, &of_y_left, 1.0, false);
            gate(d_hidden, activated);
            add_columns(d_hidden, &mut sums.up_bias[s.first..][..s.n], row);
            self.precision.round(d_hidden);
            of_y.multiply(&mut sums.down[s.first * d..][..s.n * d], View::new(activated, [rows, s.n]).t(), 1.0, true);
            let of_hidden = View::new(d_hidden, [rows, s.n]);
            matmul_strided(&mut sums.up[s.first..], hidden, normed_h.t(), of_hidden, 1.0, true);
            up_back.multiply(d_rows, of_hidden, 1.0, true);
        }
        add_columns(dy, sums.down_bias, row);
        d_x.copy_from_slice(dy);
        norm_grad(
            &h[..n],
            1.0,
            w.gain_feed_forward,
            d_rows,
            1.0,
            d_x,
            sums.gain_feed_forward,
            sums.shift_feed_forward,
            row,
        );

        // h = s x + W_o W_v LN₁(s' kv)
        let of_h = View::new(self.precision.operand_in(d_x, operand), [rows, d]);
        matmul(sums.value, normed_kv.t(), of_h, 1.0, true);
        add_columns(d_x, sums.output_bias, row);
        back.attention.multiply(d_rows, of_h, 1.0, false);
        let kv = &self.kv[first * d..][..n];
        norm_grad(
            kv,
            self.kv_scale,
            w.gain_attention,
            d_rows,
            0.0,
            d_kv,
            sums.gain_attention,
            sums.shift_attention,
            row,
        );
        d_x.iter_mut().for_each(|x| *x *= self.x_scale);
    }

    /// Returns the gradients of `x`, `kv` and the weights.
    fn gradients(&self, dy: &[f32], n_weights: usize) -> [Vec<f32>; 3] {
        let (d, n) = (self.sizes.d, self.x.len());
        let back = Matrices::new(&self.attention.weight, &self.w, self.sizes, View::t);
        let (mut d_x, mut d_kv) = (zeros(n), zeros(n));
        let blocks = dy.chunks(ROWS * d).zip(d_x.chunks_mut(ROWS * d)).zip(d_kv.chunks_mut(ROWS * d));
        let mut blocks = (0..).step_by(ROWS).zip(blocks);
        let groups = groups(n.div_ceil(ROWS * d), 4 * n_weights);
        let groups: Vec<Vec<_>> = groups.into_iter().map(|group| blocks.by_ref().take(group.len()).collect()).collect();
        let work = |group: Vec<_>| {
            let (mut sums, mut scratch) = (vec![0f32; n_weights], Scratch::new(d));
            for (first, ((dy, d_x), d_kv)) in group {
                self.block_gradients(&back, first, dy, &mut sums, [d_x, d_kv], &mut scratch);
            }
            sums
        };
        let parts: Vec<Vec<f32>> = groups.into_par_iter().with_max_len(1).map(work).collect();
        let mut weights = summed(&parts, n_weights);
        Attention::split_gradients(&self.w, d, parts_mut(self.sizes, &mut weights));
        [d_x, d_kv, weights]
    }
}

/// Returns all weights, with the matrices rounded as operands.
fn operands(weights: &[f32], sizes: Sizes, precision: MatmulPrecision) -> Cow<'_, [f32]> {
    let mut weights = Cow::Borrowed(weights);
    if precision != MatmulPrecision::F32 {
        let w = parts_mut(sizes, weights.to_mut());
        for matrix in [w.value, w.output, w.up, w.down] {
            precision.round(matrix);
        }
    }
    weights
}

/// Splits the vector of all weights into the individual ones.
fn parts(sizes: Sizes, mut weights: &[f32]) -> Weights<&[f32]> {
    sizes.weights(|rows, columns| weights.split_off(..rows * columns).unwrap_or_default())
}

/// Like [`parts`], for weights or gradients that are written to.
fn parts_mut(sizes: Sizes, mut weights: &mut [f32]) -> Weights<&mut [f32]> {
    sizes.weights(|rows, columns| weights.split_off_mut(..rows * columns).unwrap_or_default())
}

impl EncoderBackend for Flex {
    fn encoder_layer(
        x: FloatTensor<Self>,
        kv: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        x_scale: f32,
        kv_scale: f32,
        precision: MatmulPrecision,
    ) -> FloatTensor<Self> {
        let [x, kv, weights] = [x, kv, weights].map(|t| dense(&t));
        let [n, d] = [x.shape()[0], x.shape()[1]];
        let sizes = Sizes::new(d, weights.shape()[0]);
        let weights = operands(floats(&weights), sizes, precision);
        let w = parts(sizes, &weights);
        let attention = Attention::new(&w, d, precision);
        let y = Layer::new([floats(&x), floats(&kv)], w, &attention, sizes, [x_scale, kv_scale], precision).forward();
        Self::float_from_data(TensorData::new(y, [n, d]), &x.device())
    }

    fn encoder_layer_grad(
        x: FloatTensor<Self>,
        kv: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        x_scale: f32,
        kv_scale: f32,
        precision: MatmulPrecision,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [x, kv, weights, dy] = [x, kv, weights, dy].map(|t| dense(&t));
        let (n, d, n_weights) = (x.shape()[0], x.shape()[1], weights.shape()[0]);
        let sizes = Sizes::new(d, n_weights);
        let weights = operands(floats(&weights), sizes, precision);
        let w = parts(sizes, &weights);
        let attention = Attention::new(&w, d, precision);
        let layer = Layer::new([floats(&x), floats(&kv)], w, &attention, sizes, [x_scale, kv_scale], precision);
        let [d_x, d_kv, d_weights] = layer.gradients(floats(&dy), n_weights);
        let rows = |values| Self::float_from_data(TensorData::new(values, [n, d]), &x.device());
        (rows(d_x), rows(d_kv), Self::float_from_data(TensorData::new(d_weights, [n_weights]), &x.device()))
    }
}
