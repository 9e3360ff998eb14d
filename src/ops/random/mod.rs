//! Random tensors as a function of a key: the same numbers on every device and with any number of threads.

#[cfg(feature = "cube")]
mod cube;
mod distribution;
mod dropout;
mod host;
mod normal;
mod reference;
mod threefry;

pub use dropout::dropout;
pub use reference::{reference_dropout, reference_keep_mask, reference_normal, reference_uniform};

use crate::data::StreamKey;
use burn::tensor::{DType, Device, Tensor, TensorData};
use distribution::Distribution;

/// Returns the numbers of a stream from block `first` on, two per block, on the device without autodiff.
fn numbers<const D: usize>(
    shape: [usize; D],
    distribution: Distribution,
    first: u64,
    key: StreamKey,
    device: &Device,
) -> Tensor<D> {
    // Constants live on the plain device; operators accept them beside autodiff tensors.
    let device = device.clone().inner();
    #[cfg(feature = "cube")]
    if matches!(device.as_dispatch(), burn::backend::DispatchDevice::Cube(_)) {
        use cube::RandomBackend;
        let counter = distribution.counter(first);
        let start = [key.0, key.0 >> 32, counter, counter >> 32].map(|word| word as u32 as i32).to_vec();
        let start = super::indices(start, &device).into_dispatch();
        let numbers = <burn::backend::Dispatch as RandomBackend>::random_numbers(start, shape.into(), distribution);
        return Tensor::from_dispatch(numbers);
    }
    let numbers = host::numbers(distribution, key.0, first, shape.iter().product());
    Tensor::from_data(TensorData::new(numbers, shape), (&device, DType::F32))
}

/// Samples independent uniform numbers in [0, 1) as a function of a key.
///
/// The number at row-major position `i` depends on the key and `i` alone: it is `k · 2⁻²⁴`, where `k` is 24 bits of the
/// counter-based generator Threefry-2x32 with 20 rounds. The bits are the same on every device and with any number of
/// threads. Use different streams for tensors that must be independent of each other.
///
/// The result is a constant: it is on the device without autodiff, and can be combined with tensors of either kind.
///
/// ```
/// use burn::tensor::Device;
/// use viral::data::StepKey;
/// use viral::ops::uniform;
///
/// let key = StepKey { seed: 7, epoch: 2, step: 40 };
/// let noise = uniform([3, 4], key.stream("noise"), &Device::flex());
/// let again = uniform([12], key.stream("noise"), &Device::flex());
/// noise.reshape([12]).into_data().assert_eq(&again.into_data(), true);
/// ```
pub fn uniform<const D: usize>(shape: [usize; D], key: StreamKey, device: &Device) -> Tensor<D> {
    numbers(shape, Distribution::Uniform, 0, key, device)
}

/// [`uniform`] from position `first` of the stream on, which must be even.
#[doc(hidden)]
pub fn uniform_from<const D: usize>(shape: [usize; D], first: u64, key: StreamKey, device: &Device) -> Tensor<D> {
    assert!(first.is_multiple_of(2), "uniform_from: position {first} is odd");
    numbers(shape, Distribution::Uniform, first / 2, key, device)
}

/// Samples a mask of ones and zeros as a function of a key: each entry is 1 with probability `keep`.
///
/// An entry is 1 exactly where [`uniform`] of the same key is below `keep`. The comparison is one of integers, so the
/// mask is the same on every device. With `keep = 1` every entry is 1, with `keep = 0` none is.
///
/// The result is a constant: it is on the device without autodiff, and can be combined with tensors of either kind.
///
/// # Panics
/// When `keep` is not in [0, 1].
///
/// ```
/// use burn::tensor::Device;
/// use viral::data::StreamKey;
/// use viral::ops::keep_mask;
///
/// let mask = keep_mask([100, 100], 0.9, StreamKey::new(1).stream("edges"), &Device::flex());
/// let kept: f32 = mask.sum().into_scalar();
/// assert!((kept - 9_000.0).abs() < 150.0); // five standard deviations
/// ```
pub fn keep_mask<const D: usize>(shape: [usize; D], keep: f64, key: StreamKey, device: &Device) -> Tensor<D> {
    assert!((0.0..=1.0).contains(&keep), "keep_mask: the probability {keep} is not in [0, 1]");
    numbers(shape, Distribution::mask(keep, 1.0), 0, key, device)
}

/// Samples independent standard normal numbers (mean 0, variance 1) as a function of a key.
///
/// Box–Muller: positions `2j` and `2j + 1` are `√(-2 ln u) cos φ` and `√(-2 ln u) sin φ`, where `u` and `φ` follow from
/// the two words of block `j`. All numbers are finite and below 5.8 in absolute value. They are independent of the
/// numbers of [`uniform`] for the same key. Their bits are the same on every CPU; other devices round differently, by
/// less than 1e-6 for numbers up to 1 and by less than 1e-6 of the number beyond.
///
/// The result is a constant: it is on the device without autodiff, and can be combined with tensors of either kind.
///
/// ```
/// use burn::tensor::Device;
/// use viral::data::StreamKey;
/// use viral::ops::normal;
///
/// let x = normal([100, 100], StreamKey::new(1).stream("noise"), &Device::flex());
/// let mean: f32 = x.clone().mean().into_scalar();
/// let variance: f32 = (x.clone() * x).mean().into_scalar();
/// assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.071); // five standard errors
/// ```
pub fn normal<const D: usize>(shape: [usize; D], key: StreamKey, device: &Device) -> Tensor<D> {
    numbers(shape, Distribution::Normal, 0, key, device)
}
