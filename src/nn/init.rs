//! Parameter initialisation from a device and one stream of random numbers.
//!
//! Numbers are drawn on the host in the order in which layers are built, so a seed gives the same parameters on every
//! device and with any number of threads.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
#[cfg(feature = "flex")]
use std::ops::Range;

/// A device and the random stream that initialises parameters on it.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use viral::nn::{Init, xavier_uniform};
///
/// let draw = |seed| xavier_uniform([4, 8], &mut Init::new(seed, &Device::flex())).val().into_data();
/// assert_eq!(draw(1), draw(1));
/// assert_ne!(draw(1), draw(2));
/// # }
/// ```
#[derive(Debug)]
pub struct Init {
    device: Device,
    rng: ChaCha8Rng,
}

impl Init {
    /// Initialises parameters on `device` from `seed`; training needs an autodiff device.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { device: device.clone(), rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Returns the device of the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn uniform(&mut self) -> f64 {
        self.rng.random::<f64>()
    }

    /// Draws a parameter of independent uniform values in `[-bound, bound)`.
    pub fn uniform_param<const D: usize>(&mut self, shape: [usize; D], bound: f64) -> Param<Tensor<D>> {
        let n = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|_| ((2.0 * self.uniform() - 1.0) * bound) as f32).collect();
        Param::from_data(TensorData::new(values, shape), &self.device)
    }

    /// Like [`uniform_param`](Self::uniform_param), but keeps only some rows.
    #[cfg(feature = "flex")]
    pub(crate) fn uniform_rows(&mut self, [n, d]: [usize; 2], bound: f64, rows: Range<usize>) -> Param<Tensor<2>> {
        let mut values = Vec::with_capacity(rows.len() * d);
        for row in 0..n {
            for _ in 0..d {
                let value = ((2.0 * self.uniform() - 1.0) * bound) as f32;
                if rows.contains(&row) {
                    values.push(value);
                }
            }
        }
        Param::from_data(TensorData::new(values, [rows.len(), d]), &self.device)
    }

    /// Draws a parameter of independent normal values of mean 0 and standard deviation `std` (Box-Muller).
    pub fn normal_param<const D: usize>(&mut self, shape: [usize; D], std: f64) -> Param<Tensor<D>> {
        let n: usize = shape.iter().product();
        let mut values = Vec::with_capacity(n + 1);
        while values.len() < n {
            let radius = std * (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
            values.extend([(radius * cos) as f32, (radius * sin) as f32]);
        }
        values.truncate(n);
        Param::from_data(TensorData::new(values, shape), &self.device)
    }

    /// Creates a parameter with one value everywhere.
    pub fn constant_param<const D: usize>(&mut self, shape: [usize; D], value: f32) -> Param<Tensor<D>> {
        let n = shape.iter().product();
        Param::from_data(TensorData::new(vec![value; n], shape), &self.device)
    }
}

/// Like [`xavier_uniform`], but keeps only some rows.
#[cfg(feature = "flex")]
pub(crate) fn xavier_uniform_rows(shape: [usize; 2], rows: Range<usize>, init: &mut Init) -> Param<Tensor<2>> {
    init.uniform_rows(shape, (6.0 / (shape[0] + shape[1]) as f64).sqrt(), rows)
}

/// Draws a Xavier uniform parameter: bound `√(6 / (rows + columns))`.
pub fn xavier_uniform(shape: [usize; 2], init: &mut Init) -> Param<Tensor<2>> {
    init.uniform_param(shape, (6.0 / (shape[0] + shape[1]) as f64).sqrt())
}

/// Draws a Xavier normal parameter: standard deviation `√(2 / (rows + columns))`.
pub fn xavier_normal(shape: [usize; 2], init: &mut Init) -> Param<Tensor<2>> {
    init.normal_param(shape, (2.0 / (shape[0] + shape[1]) as f64).sqrt())
}

/// Creates a linear layer `y = x W + b` with PyTorch's default initialisation: weight and bias uniform within
/// `1 / √d_in`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{Init, affine, linear};
///
/// let device = Device::flex();
/// let layer = linear(3, 2, &mut Init::new(0, &device));
/// let y = affine(&layer, Tensor::<2>::zeros([5, 3], &device));
/// assert_eq!(y.dims(), [5, 2]);
/// # }
/// ```
pub fn linear(d_in: usize, d_out: usize, init: &mut Init) -> Linear {
    let weight = init.uniform_param([d_in, d_out], 1.0 / (d_in as f64).sqrt());
    with_default_bias(weight, init)
}

/// Creates a linear layer from a weight `[d_in, d_out]` and PyTorch's default bias, uniform within `1 / √d_in`.
pub(crate) fn with_default_bias(weight: Param<Tensor<2>>, init: &mut Init) -> Linear {
    let [d_in, d_out] = weight.dims();
    Linear { weight, bias: Some(init.uniform_param([d_out], 1.0 / (d_in as f64).sqrt())) }
}

/// Creates a linear layer with a Xavier uniform weight and a zero bias.
pub(crate) fn xavier_linear(d_in: usize, d_out: usize, init: &mut Init) -> Linear {
    Linear { weight: xavier_uniform([d_in, d_out], init), bias: Some(init.constant_param([d_out], 0.0)) }
}
