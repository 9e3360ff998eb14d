//! Fused epilogue of a linear layer: the bias and, if there is one, the leaky ReLU, in one pass.

mod backward;
#[cfg(feature = "flex")]
mod flex;
mod reference;

pub use reference::reference_bias_leaky_relu;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

/// The default bodies run on every backend; a backend with an implementation of its own overrides them.
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait BiasBackend: Backend {
    /// `relu(z) - slope · relu(-z)` with `z = x + bias`.
    #[fusion(default)]
    fn bias_rows(x: FloatTensor<Self>, bias: FloatTensor<Self>, slope: f32) -> FloatTensor<Self> {
        let d = bias.shape()[0];
        let z = Self::float_add(x, Self::float_reshape(bias, Shape::new([1, d])));
        if slope == 1.0 {
            return z;
        }
        let below = Self::relu(Self::float_neg(z.clone()));
        Self::float_sub(Self::relu(z), Self::float_mul_scalar(below, slope.into()))
    }

    /// The gradients of `x` and the bias: `dy` where `y > 0`, `slope · dy` elsewhere, and its column sums.
    #[fusion(default)]
    fn bias_rows_grad(
        y: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let d = dy.shape()[1];
        let dx = match slope {
            1.0 => dy,
            _ => {
                let above = Self::relu_backward(y, dy.clone());
                let (slope, rest) = (slope.into(), (1.0 - slope).into());
                Self::float_add(Self::float_mul_scalar(dy, slope), Self::float_mul_scalar(above, rest))
            }
        };
        (dx.clone(), Self::float_reshape(Self::float_sum_dim(dx, 0), Shape::new([d])))
    }
}

/// Adds a bias and applies a leaky ReLU: `y = z` where `z > 0` and `slope · z` elsewhere, with `z = x + b`. A slope of
/// 1 adds the bias alone. The backward pass keeps only the output, whose sign tells which case it was.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::bias_leaky_relu;
///
/// let device = Device::flex();
/// let y = bias_leaky_relu(Tensor::from_floats([[1.0, -3.0]], &device), Tensor::from_floats([1.0, 1.0], &device), 0.5);
/// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [2.0, -1.0]);
/// # }
/// ```
///
/// # Shapes
/// - `x`, output: `[n, d]`
/// - `bias`: `[d]`
///
/// # Panics
/// When the widths differ or the slope is not above 0.
pub fn bias_leaky_relu(x: Tensor<2>, bias: Tensor<1>, slope: f32) -> Tensor<2> {
    let ([n, d], [of_bias]) = (x.dims(), bias.dims());
    assert!(d == of_bias && slope > 0.0, "bias_leaky_relu: x is [{n}, {d}], the bias [{of_bias}], the slope {slope}");
    Tensor::from_dispatch(<Dispatch as BiasBackend>::bias_rows(x.into_dispatch(), bias.into_dispatch(), slope))
}

#[cfg(feature = "cube")]
impl BiasBackend for burn_cubecl::CubeBackend {}
