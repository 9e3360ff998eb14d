//! Activation functions of the feed-forward part.

use burn::tensor::{Tensor, activation};

/// What stands between the two products of the feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    /// `x Φ(x)`, with the error function.
    Gelu,
    /// The same through a hyperbolic tangent.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

impl Activation {
    /// The names that configurations use.
    pub(super) const NAMES: [&str; 4] = ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"];

    pub(super) fn by_name(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            _ => None,
        }
    }

    /// The function of each element of `x + bias`.
    ///
    /// # Shapes
    /// - x: `[n_rows, d]`
    /// - bias: `[d]`
    pub(super) fn of_sum(self, x: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
        #[cfg(feature = "flex")]
        if self == Self::Gelu && x.device() == burn::tensor::Device::flex() {
            return gelu_of_sum(x, bias);
        }
        let x = x + bias.unsqueeze();
        match self {
            Self::Gelu => activation::gelu(x),
            Self::GeluTanh => activation::gelu_approximate(x),
            Self::Relu => activation::relu(x),
        }
    }
}

/// `x Φ(x) = x (1 + erf(x / √2)) / 2` of `x + bias`, element by element where they lie in host memory: the backend's own
/// error function takes 20 times as long, and would be a fifth of an encoder's time.
#[cfg(feature = "flex")]
fn gelu_of_sum(x: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    use burn::tensor::DType;
    use rayon::prelude::*;

    let (device, d) = (x.device(), bias.dims()[0]);
    let (mut x, bias) = (x.into_data(), bias.into_data());
    if let (Ok(values), Ok(bias)) = (x.as_mut_slice::<f32>(), bias.as_slice::<f32>()) {
        let vectors = pulp::Arch::new();
        values.par_chunks_mut(16 * d.max(1)).for_each(|rows| {
            vectors.dispatch(|| {
                for row in rows.chunks_exact_mut(d.max(1)) {
                    row.iter_mut().zip(bias).for_each(|(x, &bias)| *x = gelu_of(*x + bias));
                }
            });
        });
        return Tensor::from_data(x, (&device, DType::F32));
    }
    // Numbers of another kind, which weights never are.
    activation::gelu(Tensor::from_data(x, &device) + Tensor::<1>::from_data(bias, &device).unsqueeze())
}

#[cfg(any(feature = "flex", test))]
#[inline(always)] // into the loop that is compiled for the machine's vectors
fn gelu_of(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// `erf(z) ≈ z P(z²) / Q(z²)`, at most 4.5e-7 away from it, and exactly ±1 from |z| = 4 on, as in 32 bits it is.
///
/// The coefficients are a minimax fit of ours in 64 bits (error 2.1e-8); no branch, so that it compiles to vectors.
#[cfg(any(feature = "flex", test))]
#[inline(always)]
fn erf(z: f32) -> f32 {
    use std::f32::consts::FRAC_2_SQRT_PI;
    const P: [f32; 6] = [FRAC_2_SQRT_PI, 0.196_248_9, 0.053_467_47, 0.004_003_644_5, 0.000_288_041_73, 1.974_834e-6];
    const Q: [f32; 6] = [1.0, 0.507_252_2, 0.116_476_4, 0.015_444_417, 0.001_216_360_3, 3.748_092e-5];
    let z = z.clamp(-4.0, 4.0);
    let t = z * z;
    let polynomial = |c: [f32; 6]| ((((c[5] * t + c[4]) * t + c[3]) * t + c[2]) * t + c[1]) * t + c[0];
    (z * polynomial(P) / polynomial(Q)).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_is_close_and_odd() {
        // erf from tables: Abramowitz and Stegun, table 7.1.
        let table = [(0.0, 0.0), (0.1, 0.112_462_9), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (1.5, 0.966_105_1f32)];
        let table = table.iter().chain(&[(2.0, 0.995_322_3), (3.0, 0.999_977_9), (4.0, 1.0), (9.0, 1.0)]);
        for &(z, expected) in table {
            assert!((erf(z) - expected).abs() < 1e-6, "erf({z}) is {}", erf(z));
            assert_eq!(erf(-z), -erf(z));
        }
        assert_eq!((gelu_of(-100.0), gelu_of(100.0)), (0.0, 100.0));
        assert!(erf(f32::NAN).is_nan());
    }

    #[cfg(feature = "flex")]
    #[test]
    fn gelu_is_the_backends_own() {
        let device = burn::tensor::Device::flex();
        let values: Vec<f32> = (-4000..4000).map(|i| i as f32 / 500.0).collect();
        let x = Tensor::<2>::from_data(burn::tensor::TensorData::new(values, [80, 100]), &device);
        let bias: Vec<f32> = (0..100).map(|i| i as f32 / 50.0 - 1.0).collect();
        let bias = Tensor::<1>::from_data(burn::tensor::TensorData::new(bias, [100]), &device);
        let ours = Activation::Gelu.of_sum(x.clone(), bias.clone()).into_data().try_into_vec::<f32>().unwrap();
        let theirs = activation::gelu(x + bias.unsqueeze()).into_data().try_into_vec::<f32>().unwrap();
        let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 2e-6, "{worst}");
    }
}
