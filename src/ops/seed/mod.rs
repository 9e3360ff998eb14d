//! A backward pass that starts from a gradient which is known already, rather than from a loss.

mod backward;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

/// The default body serves every backend.
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait SeedBackend: Backend {
    /// A zero, whatever `x` and `dx` are.
    #[fusion(default)]
    fn with_gradient(x: FloatTensor<Self>, dx: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_zeros(Shape::new([1]), &x.device(), dx.dtype().into())
    }
}

/// A scalar to start a backward pass from, whose gradient with respect to `x` is `dx`. Its value is zero.
///
/// As a term of what `backward` is called on, it does what `⟨x, dx⟩` would, which is its oracle, without the products. It must not be
/// scaled, for its own gradient is taken to be one.
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
