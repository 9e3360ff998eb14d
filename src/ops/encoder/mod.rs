//! A pre-norm encoder layer for sequences of one token. On the CPU the hidden layer is never held for all rows.

mod backward;
mod default;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod rows;

use super::matmul::{MatmulBackend, MatmulPrecision, matmul_precision};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Dispatch, backend_extension};
use burn::tensor::Tensor;

/// The sizes of a layer, which determine the offsets of its weights in one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    d: usize,
    hidden: usize,
}

/// The weights of a layer, or one value for each of them; matrices are `[d_in, d_out]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights<T> {
    gain_attention: T,
    shift_attention: T,
    value: T,
    value_bias: T,
    output: T,
    output_bias: T,
    gain_feed_forward: T,
    shift_feed_forward: T,
    up: T,
    up_bias: T,
    down: T,
    down_bias: T,
}

impl Sizes {
    /// Infers the sizes from the width and the length of the weight vector, 2 d² + 2 d h + 7 d + h.
    fn new(d: usize, n_weights: usize) -> Self {
        let fixed = 2 * d * d + 7 * d;
        let hidden = n_weights.saturating_sub(fixed) / (2 * d + 1);
        assert_eq!(fixed + hidden * (2 * d + 1), n_weights, "encoder layer: {n_weights} weights do not fit width {d}");
        Self { d, hidden }
    }

    /// Calls `take(rows, columns)` for each weight in the order of the vector; a bias is one row.
    fn weights<T>(self, mut take: impl FnMut(usize, usize) -> T) -> Weights<T> {
        let Self { d, hidden } = self;
        Weights {
            gain_attention: take(1, d),
            shift_attention: take(1, d),
            value: take(d, d),
            value_bias: take(1, d),
            output: take(d, d),
            output_bias: take(1, d),
            gain_feed_forward: take(1, d),
            shift_feed_forward: take(1, d),
            up: take(d, hidden),
            up_bias: take(1, hidden),
            down: take(hidden, d),
            down_bias: take(1, d),
        }
    }
}

/// The default bodies follow the equations and run on every backend; a backend with an implementation of its own
/// overrides them.
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait EncoderBackend: MatmulBackend {
    /// See [`one_token_layer`].
    #[fusion(default)]
    fn encoder_layer(
        x: FloatTensor<Self>,
        kv: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        x_scale: f32,
        kv_scale: f32,
        precision: MatmulPrecision,
    ) -> FloatTensor<Self> {
        default::forward::<Self>(x, kv, weights, [x_scale, kv_scale], precision)
    }

    /// The gradients of `x`, `kv` and `weights`; the layer is recomputed.
    #[fusion(default)]
    fn encoder_layer_grad(
        x: FloatTensor<Self>,
        kv: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        x_scale: f32,
        kv_scale: f32,
        precision: MatmulPrecision,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        default::gradients::<Self>(x, kv, weights, dy, [x_scale, kv_scale], precision)
    }
}

/// Applies a pre-norm encoder layer to sequences of one token: `h = s x + W_o W_v LN₁(s' kv)`,
/// `y = h + W₂ relu(W₁ LN₂ h)`, each product with its bias. Every query has a single key, so attention returns the
/// value itself.
///
/// The backward pass recomputes the layer, so only the inputs are kept; O(n d (d + h)) operations. On the CPU, rows are
/// processed in blocks, in memory that does not grow with `n`. Operands of products, also in the backward pass, are
/// rounded as [`with_matmul_precision`](super::with_matmul_precision) says at the call.
///
/// # Shapes
/// - `x`, `kv`, output: `[n, d]`; the scales are `s` and `s'`
/// - `weights`: `[2 d² + 2 d h + 7 d + h]`, with row-major matrices: gain and shift of `LN₁`, `W_v: [d, d]`, its bias,
///   `W_o: [d, d]`, its bias, gain and shift of `LN₂`, `W₁: [d, h]`, its bias, `W₂: [h, d]`, its bias
///
/// # Panics
/// When the shapes do not agree.
pub fn one_token_layer(x: Tensor<2>, kv: Tensor<2>, weights: Tensor<1>, [x_scale, kv_scale]: [f32; 2]) -> Tensor<2> {
    assert_eq!(x.dims(), kv.dims(), "encoder layer: x is {:?} but kv is {:?}", x.dims(), kv.dims());
    let _ = Sizes::new(x.dims()[1], weights.dims()[0]);
    let (x, kv, weights) = (x.into_dispatch(), kv.into_dispatch(), weights.into_dispatch());
    let precision = matmul_precision();
    Tensor::from_dispatch(<Dispatch as EncoderBackend>::encoder_layer(x, kv, weights, x_scale, kv_scale, precision))
}

#[cfg(feature = "cube")]
impl EncoderBackend for burn_cubecl::CubeBackend {}
