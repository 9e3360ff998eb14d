//! Dropout whose mask is a function of a key.

use super::{Distribution, numbers};
use crate::data::StreamKey;
use burn::tensor::Tensor;

/// Dropout as a function of a key: `y = m ⊙ x / (1 - rate)`; entries of `m` are 0 with probability `rate`, else 1.
///
/// The mask is [`keep_mask`](super::keep_mask) with `keep = 1 - rate`, and the gradient passes through it:
/// `dx = m ⊙ dy / (1 - rate)`. A rate of 0 returns `x` itself. The expected value of `y` is `x`, so inference leaves
/// dropout out and scales nothing.
///
/// # Panics
/// When `rate` is not in [0, 1).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::data::StepKey;
/// use viral::ops::dropout;
///
/// let x = Tensor::<2>::ones([3, 4], &Device::flex().autodiff()).require_grad();
/// let key = StepKey { seed: 7, epoch: 0, step: 3 };
/// let y = dropout(x.clone(), 0.5, key.stream("dropout"));
/// assert!(y.to_data().iter::<f32>().all(|y| y == 0.0 || y == 2.0));
///
/// let gradients = y.clone().sum().backward();
/// x.grad(&gradients).unwrap().into_data().assert_eq(&y.into_data(), true);
/// ```
pub fn dropout<const D: usize>(x: Tensor<D>, rate: f64, key: StreamKey) -> Tensor<D> {
    assert!((0.0..1.0).contains(&rate), "dropout: the rate {rate} is not in [0, 1)");
    if rate == 0.0 {
        return x;
    }
    let keep = 1.0 - rate;
    let mask = numbers(x.dims(), Distribution::mask(keep, (1.0 / keep) as f32), 0, key, &x.device());
    let dtype = x.dtype();
    x * mask.cast(dtype)
}
