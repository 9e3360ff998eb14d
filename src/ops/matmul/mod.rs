//! Dense products `A B` in f32, or of operands rounded to bf16 and summed in f32.

mod backward;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
mod precision;

pub use precision::{MatmulPrecision, matmul_precision, with_matmul_precision};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

#[cfg_attr(not(feature = "fusion"), allow(dead_code))]
fn out_shape(a: &Shape, b: &Shape) -> Shape {
    let mut dims = a.to_vec();
    if let (Some(columns), Some(&of_b)) = (dims.last_mut(), b.to_vec().last()) {
        *columns = of_b;
    }
    Shape::from(dims)
}

/// Operations of a backend that has dense products in lower precision.
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait MatmulBackend: Backend {
    /// `A B` of two matrices in f32.
    #[fusion(default)]
    fn f32_matmul(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(a, b)
    }

    /// `A B` of f32 operands rounded to bf16, accumulated and returned in f32. All leading dimensions are equal.
    #[fusion(dtype = a, shape = out_shape(a, b))]
    fn bf16_matmul(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// `A B`, for operators whose bodies are tensor operations. In f32, both must be matrices.
pub(crate) fn product<B: MatmulBackend>(
    a: FloatTensor<B>,
    b: FloatTensor<B>,
    precision: MatmulPrecision,
) -> FloatTensor<B> {
    match precision {
        MatmulPrecision::F32 => B::f32_matmul(a, b),
        MatmulPrecision::Bf16 => B::bf16_matmul(a, b),
    }
}

/// Transposes the last two dimensions.
fn turned<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let rank = x.shape().num_dims();
    B::float_swap_dims(x, rank - 2, rank - 1)
}

/// Matrix product `C = A B` with gradients `dA = dC Bᵀ` and `dB = Aᵀ dC`; the operands of all three are rounded as
/// [`with_matmul_precision`] says.
///
/// By default it equals [`Tensor::matmul`]. With [`Bf16`](MatmulPrecision::Bf16), operands are rounded to the nearest
/// bf16, multiplied, and accumulated in f32; a GPU without such instructions rounds and multiplies in f32, as the CPU
/// does.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{MatmulPrecision, matmul, with_matmul_precision};
///
/// let device = Device::flex();
/// let product = || matmul(Tensor::<2>::full([1, 1], 1.001, &device), Tensor::ones([1, 1], &device)).into_scalar::<f32>();
/// assert_eq!(product(), 1.001);
/// // bf16 has seven bits after the binary point.
/// assert_eq!(with_matmul_precision(MatmulPrecision::Bf16, product), 1.0);
/// # }
/// ```
///
/// # Shapes
/// - `a`: `[.., n, d]`, `b`: `[.., d, m]`, with equal dimensions before the last two
/// - output: `[.., n, m]`
///
/// # Panics
/// When the shapes do not agree.
pub fn matmul<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let (of_a, of_b) = (a.dims(), b.dims());
    let agree = D >= 2 && of_a[..D - 2] == of_b[..D - 2] && of_a[D - 1] == of_b[D - 2];
    assert!(agree, "matmul: A is {of_a:?} but B is {of_b:?}");
    match matmul_precision() {
        MatmulPrecision::F32 if D > 2 => a.matmul(b),
        precision => Tensor::from_dispatch(product::<Dispatch>(a.into_dispatch(), b.into_dispatch(), precision)),
    }
}
