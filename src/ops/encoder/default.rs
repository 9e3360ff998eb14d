//! The layer and its gradients from whole-tensor operations: the fallback for backends without a faster path.

use super::{Sizes, Weights};
use crate::ops::layer_norm::{standardise, standardise_grad};
use crate::ops::matmul::{MatmulBackend, MatmulPrecision, product};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Slice};

type Of<B> = FloatTensor<B>;

fn split<B: Backend>(weights: Of<B>, d: usize) -> Weights<Of<B>> {
    let mut start = 0;
    Sizes::new(d, weights.shape().num_elements()).weights(|rows, columns| {
        let end = start + rows * columns;
        let part = B::float_slice(weights.clone(), &[Slice::from(start as isize..end as isize)]);
        start = end;
        B::float_reshape(part, Shape::new([rows, columns]))
    })
}

fn t<B: Backend>(x: Of<B>) -> Of<B> {
    B::float_swap_dims(x, 0, 1)
}

/// `x W + b`.
fn linear<B: MatmulBackend>(x: Of<B>, weight: Of<B>, bias: Of<B>, precision: MatmulPrecision) -> Of<B> {
    B::float_add(product::<B>(x, weight, precision), bias)
}

/// Intermediate results of the layer.
struct Steps<B: Backend> {
    attention: (Of<B>, Of<B>),
    normed_kv: Of<B>,
    value: Of<B>,
    feed_forward: (Of<B>, Of<B>),
    normed_h: Of<B>,
    hidden: Of<B>,
    y: Of<B>,
}

fn steps<B: MatmulBackend>(
    x: Of<B>,
    kv: Of<B>,
    w: &Weights<Of<B>>,
    [x_scale, kv_scale]: [f32; 2],
    precision: MatmulPrecision,
) -> Steps<B> {
    let linear = |x: Of<B>, weight: &Of<B>, bias: &Of<B>| linear::<B>(x, weight.clone(), bias.clone(), precision);
    let norm =
        |hat: &Of<B>, gain: &Of<B>, shift: &Of<B>| B::float_add(B::float_mul(hat.clone(), gain.clone()), shift.clone());
    let attention = standardise::<B>(B::float_mul_scalar(kv, kv_scale.into()));
    let normed_kv = norm(&attention.0, &w.gain_attention, &w.shift_attention);
    let value = linear(normed_kv.clone(), &w.value, &w.value_bias);
    let attended = linear(value.clone(), &w.output, &w.output_bias);
    let h = B::float_add(B::float_mul_scalar(x, x_scale.into()), attended);
    let feed_forward = standardise::<B>(h.clone());
    let normed_h = norm(&feed_forward.0, &w.gain_feed_forward, &w.shift_feed_forward);
    let hidden = B::relu(linear(normed_h.clone(), &w.up, &w.up_bias));
    let y = B::float_add(h, linear(hidden.clone(), &w.down, &w.down_bias));
    Steps { attention, normed_kv, value, feed_forward, normed_h, hidden, y }
}

pub(super) fn forward<B: MatmulBackend>(
    x: Of<B>,
    kv: Of<B>,
    weights: Of<B>,
    scales: [f32; 2],
    precision: MatmulPrecision,
) -> Of<B> {
    let w = split::<B>(weights, x.shape()[1]);
    steps::<B>(x, kv, &w, scales, precision).y
}

pub(super) fn gradients<B: MatmulBackend>(
    x: Of<B>,
    kv: Of<B>,
    weights: Of<B>,
    dy: Of<B>,
    [x_scale, kv_scale]: [f32; 2],
    precision: MatmulPrecision,
) -> (Of<B>, Of<B>, Of<B>) {
    let w = split::<B>(weights, x.shape()[1]);
    let s = steps::<B>(x, kv, &w, [x_scale, kv_scale], precision);
    let columns = |g: &Of<B>| B::float_sum_dim(g.clone(), 0);
    let matrix = |input: Of<B>, g: &Of<B>| product::<B>(t::<B>(input), g.clone(), precision);
    let back = |g: &Of<B>, weight: Of<B>| product::<B>(g.clone(), t::<B>(weight), precision);

    let (d_down, d_down_bias) = (matrix(s.hidden.clone(), &dy), columns(&dy));
    let d_hidden = B::relu_backward(s.hidden, back(&dy, w.down));
    let (d_up, d_up_bias) = (matrix(s.normed_h, &d_hidden), columns(&d_hidden));
    let [dh, d_gain_f, d_shift_f] = standardise_grad::<B>(s.feed_forward, w.gain_feed_forward, back(&d_hidden, w.up));
    let dh = B::float_add(dh, dy);
    let (d_output, d_output_bias) = (matrix(s.value, &dh), columns(&dh));
    let d_value = back(&dh, w.output);
    let (d_w_value, d_value_bias) = (matrix(s.normed_kv, &d_value), columns(&d_value));
    let [d_kv, d_gain_a, d_shift_a] = standardise_grad::<B>(s.attention, w.gain_attention, back(&d_value, w.value));

    let in_order = [
        d_gain_a,
        d_shift_a,
        d_w_value,
        d_value_bias,
        d_output,
        d_output_bias,
        d_gain_f,
        d_shift_f,
        d_up,
        d_up_bias,
        d_down,
        d_down_bias,
    ];
    let flat = |x: Of<B>| {
        let n = x.shape().num_elements();
        B::float_reshape(x, Shape::new([n]))
    };
    let weights = B::float_cat(in_order.into_iter().map(flat).collect(), 0);
    (B::float_mul_scalar(dh, x_scale.into()), B::float_mul_scalar(d_kv, kv_scale.into()), weights)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::super::EncoderBackend;
    use super::*;
    use crate::data::splitmix64;
    use crate::ops::host::floats;
    use burn::backend::Flex;
    use burn::backend::ops::FloatTensorOps;
    use burn::tensor::TensorData;

    fn noise(shape: &[usize], tag: u64, scale: f32) -> Of<Flex> {
        let n = shape.iter().product::<usize>() as u64;
        let unit = |i| (splitmix64(tag << 32 | i) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        let values: Vec<f32> = (0..n).map(|i| scale * unit(i)).collect();
        Flex::float_from_data(TensorData::new(values, shape.to_vec()), &Default::default())
    }

    /// In f32, compares the largest difference with the largest value. Rounded operands differ by a whole step wherever
    /// the unrounded ones differ at all, as they do where one product does the work of two, and a step can flip the
    /// rectifier; so in bf16 the norm of the difference must be small.
    fn check(found: &[Of<Flex>], expected: &[Of<Flex>], precision: MatmulPrecision) {
        let [found, expected] = [found, expected].map(|all| all.iter().flat_map(floats).copied().collect::<Vec<f32>>());
        assert_eq!(found.len(), expected.len());
        let difference: Vec<f32> = found.iter().zip(&expected).map(|(f, e)| f - e).collect();
        let largest = |x: &[f32]| x.iter().fold(0f32, |m, x| m.max(x.abs()));
        let length = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>().sqrt();
        let (off, allowed) = match precision {
            MatmulPrecision::F32 => (largest(&difference) / largest(&expected), 1e-5),
            MatmulPrecision::Bf16 => (length(&difference) / length(&expected), 4e-2),
        };
        assert!(off <= allowed, "{precision:?}: {off:e} off");
    }

    #[test]
    fn blocks_and_whole_tensors_agree_in_values_and_gradients() {
        for (n, d, hidden) in [(1, 1, 1), (3, 7, 5), (256, 8, 256), (257, 63, 257), (600, 64, 130), (515, 20, 1024)] {
            let n_weights = 2 * d * d + 2 * d * hidden + 7 * d + hidden;
            let (x, kv, dy) = (noise(&[n, d], 1, 1.0), noise(&[n, d], 2, 1.0), noise(&[n, d], 3, 1.0));
            let w = noise(&[n_weights], 4, 0.5);
            let all = || (x.clone(), kv.clone(), w.clone());
            for precision in [MatmulPrecision::F32, MatmulPrecision::Bf16] {
                let ((a, b, c), [s, t]) = (all(), [1.5, 0.7]);
                let expected = forward::<Flex>(x.clone(), kv.clone(), w.clone(), [s, t], precision);
                check(&[Flex::encoder_layer(a, b, c, s, t, precision)], &[expected], precision);
                let (a, b, c) = all();
                let found: [_; 3] = Flex::encoder_layer_grad(a, b, c, dy.clone(), s, t, precision).into();
                let (a, b, c) = all();
                let expected: [_; 3] = gradients::<Flex>(a, b, c, dy.clone(), [s, t], precision).into();
                check(&found, &expected, precision);
            }
        }
    }
}
