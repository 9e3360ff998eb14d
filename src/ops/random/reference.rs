//! Reference implementations: one position at a time in host memory, in double precision where it rounds.

use super::distribution::{Distribution, NORMAL};
use super::threefry::words;
use crate::data::StreamKey;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Returns the two normal numbers of two words: cosine and sine of an angle, times a radius.
pub(super) fn normal_pair(a: u32, b: u32) -> (f64, f64) {
    let u = f64::from(2 * (a >> 9) + 1) / f64::from(1 << 24);
    let radius = (-2.0 * u.ln()).sqrt();
    let (quadrant, rest) = (b >> 30, b & 0x3FFF_FFFF);
    let t = f64::from(2 * (rest >> 7) + 1) / f64::from(1 << 23) - 1.0;
    let angle = std::f64::consts::FRAC_PI_4 * (2.0 * f64::from(quadrant) + t);
    (radius * angle.cos(), radius * angle.sin())
}

/// Returns the word of a position.
fn word(key: StreamKey, position: u64) -> u32 {
    let (a, b) = words(key.0, position / 2);
    if position.is_multiple_of(2) { a } else { b }
}

fn tensor<const D: usize>(shape: [usize; D], device: &Device, number: impl Fn(u64) -> f32) -> Tensor<D> {
    let n: usize = shape.iter().product();
    let numbers: Vec<f32> = (0..n as u64).map(number).collect();
    Tensor::from_data(TensorData::new(numbers, shape), (&device.clone().inner(), DType::F32))
}

/// Reference implementation of [`uniform_from`](super::uniform_from) and [`uniform`](super::uniform), by position.
#[doc(hidden)]
pub fn reference_uniform<const D: usize>(shape: [usize; D], first: u64, key: StreamKey, device: &Device) -> Tensor<D> {
    tensor(shape, device, |i| Distribution::uniform(word(key, first + i)))
}

/// Reference implementation of [`keep_mask`](super::keep_mask), by its definition.
#[doc(hidden)]
pub fn reference_keep_mask<const D: usize>(shape: [usize; D], keep: f64, key: StreamKey, device: &Device) -> Tensor<D> {
    tensor(shape, device, |i| if f64::from(Distribution::uniform(word(key, i))) < keep { 1.0 } else { 0.0 })
}

/// Reference implementation of [`normal`](super::normal), in double precision.
#[doc(hidden)]
pub fn reference_normal<const D: usize>(shape: [usize; D], key: StreamKey, device: &Device) -> Tensor<D> {
    tensor(shape, device, |i| {
        let (a, b) = words(key.0, (i / 2) | NORMAL);
        let (x, y) = normal_pair(a, b);
        if i.is_multiple_of(2) { x as f32 } else { y as f32 }
    })
}

/// Reference implementation of [`dropout`](super::dropout), by tensor operations.
#[doc(hidden)]
pub fn reference_dropout<const D: usize>(x: Tensor<D>, rate: f64, key: StreamKey) -> Tensor<D> {
    let mask = reference_keep_mask(x.dims(), 1.0 - rate, key, &x.device()).cast(x.dtype());
    x * mask / (1.0 - rate)
}
