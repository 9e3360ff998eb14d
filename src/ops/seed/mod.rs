//! A backward pass that starts from a known gradient instead of a loss.

mod backward;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

/// The default body runs on every backend.
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait SeedBackend: Backend {
    /// Returns 0, whatever `x` and `dx` are.
    #[fusion(default)]
    fn with_gradient(x: FloatTensor<Self>, dx: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_zeros(Shape::new([1]), &x.device(), dx.dtype().into())
    }
}

/// Returns a scalar of value zero whose gradient with respect to `x` is `dx`, to start a backward pass from.
///
/// As a term of what `backward` is called on, it acts like `⟨x, dx⟩`, its reference in tests, without the products. It
/// must not be scaled, because its own gradient is taken to be one.
pub(crate) fn with_gradient(x: Tensor<2>, dx: Tensor<2>) -> Tensor<1> {
    assert_eq!(x.dims(), dx.dims(), "with_gradient: a gradient has the shape of what it is of");
    Tensor::from_dispatch(<Dispatch as SeedBackend>::with_gradient(x.into_dispatch(), dx.into_dispatch()))
}

impl SeedBackend for burn::backend::Flex {}

#[cfg(feature = "cube")]
impl SeedBackend for burn_cubecl::CubeBackend {}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn it_does_what_a_product_would() {
        let device = Device::flex().autodiff();
        let leaf = || Tensor::<2>::from_floats([[1.0, -2.0], [0.5, 3.0]], &device).require_grad();
        let dx = Tensor::from_floats([[0.25, 4.0], [-1.0, 2.0]], &device);
        let [seeded, product] = [leaf(), leaf()];
        let of = |x: &Tensor<2>| [x.clone() * x.clone(), x.clone().exp()];
        let [a, b] = of(&seeded);
        let terms = with_gradient(a, dx.clone()) + with_gradient(b, dx.clone());
        assert_eq!(terms.clone().into_scalar::<f32>(), 0.0);
        let found = seeded.grad(&terms.backward()).unwrap();
        let [a, b] = of(&product);
        let expected = product.grad(&((a * dx.clone()).sum() + (b * dx).sum()).backward()).unwrap();
        assert_eq!(found.into_data(), expected.into_data());
    }
}
