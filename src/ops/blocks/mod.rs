//! Blocks of columns: scaling by a weight per row and block, and block-wise inner products of two matrices. Each is the
//! other's gradient.

mod backward;
#[cfg(feature = "flex")]
mod flex;
mod reference;

pub use reference::{reference_block_products, reference_weigh_blocks};

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
pub trait BlocksBackend: Backend {
    /// `out[r, k, c] = w[r, k] x[r, k, c]` of `[n, blocks · d]` by `[n, blocks]`.
    #[fusion(default)]
    fn weigh_blocks(x: FloatTensor<Self>, w: FloatTensor<Self>) -> FloatTensor<Self> {
        let (shape, [n, blocks]) = (x.shape(), [w.shape()[0], w.shape()[1]]);
        let out = Self::float_mul(apart::<Self>(x, blocks), Self::float_reshape(w, Shape::new([n, blocks, 1])));
        Self::float_reshape(out, shape)
    }

    /// `out[r, k] = Σ_c a[r, k, c] b[r, k, c]`, `[n, blocks]`.
    #[fusion(default)]
    fn block_products(a: FloatTensor<Self>, b: FloatTensor<Self>, blocks: usize) -> FloatTensor<Self> {
        let n = a.shape()[0];
        let products = Self::float_mul(apart::<Self>(a, blocks), apart::<Self>(b, blocks));
        Self::float_reshape(Self::float_sum_dim(products, 2), Shape::new([n, blocks]))
    }
}

/// Reshapes `[n, blocks · d]` to `[n, blocks, d]`.
fn apart<B: Backend>(x: FloatTensor<B>, blocks: usize) -> FloatTensor<B> {
    let (n, width) = (x.shape()[0], x.shape()[1]);
    B::float_reshape(x, Shape::new([n, blocks, width / blocks]))
}

/// Multiplies each block of columns by its weight in each row, `[w₀ x₀ ‖ w₁ x₁ ‖ …]` (14), with gradients to both.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::weigh_blocks;
///
/// let device = Device::flex();
/// let (x, w) = (Tensor::from_floats([[1.0, 2.0, 3.0, 4.0]], &device), Tensor::from_floats([[10.0, 0.5]], &device));
/// assert_eq!(weigh_blocks(x, w).into_data().iter::<f32>().collect::<Vec<_>>(), [10.0, 20.0, 1.5, 2.0]);
/// # }
/// ```
///
/// # Shapes
/// - `x`: `[n, blocks · d]`, `w`: `[n, blocks]`; output: that of `x`
///
/// # Panics
/// When the shapes do not agree.
pub fn weigh_blocks(x: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
    let ([n, width], [n_w, blocks]) = (x.dims(), w.dims());
    let agree = n == n_w && blocks > 0 && width.is_multiple_of(blocks);
    assert!(agree, "weigh_blocks: x is [{n}, {width}] but w is [{n_w}, {blocks}]");
    Tensor::from_dispatch(<Dispatch as BlocksBackend>::weigh_blocks(x.into_dispatch(), w.into_dispatch()))
}

/// Computes `⟨a_k, b_k⟩` for each row and block `k`: the share of each block in an inner product of rows, with
/// gradients to both.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::block_products;
///
/// let device = Device::flex();
/// let (a, b) = (Tensor::from_floats([[1.0, 2.0, 3.0, 4.0]], &device), Tensor::from_floats([[1.0, 1.0, 2.0, 0.5]], &device));
/// assert_eq!(block_products(a, b, 2).into_data().iter::<f32>().collect::<Vec<_>>(), [3.0, 8.0]);
/// # }
/// ```
///
/// # Shapes
/// - `a`, `b`: `[n, blocks · d]`; output: `[n, blocks]`
///
/// # Panics
/// When the shapes differ, or the blocks do not divide the width.
pub fn block_products(a: Tensor<2>, b: Tensor<2>, blocks: usize) -> Tensor<2> {
    let (of_a, of_b) = (a.dims(), b.dims());
    let agree = of_a == of_b && blocks > 0 && of_a[1].is_multiple_of(blocks);
    assert!(agree, "block_products: a is {of_a:?} and b is {of_b:?}, in {blocks} blocks");
    Tensor::from_dispatch(<Dispatch as BlocksBackend>::block_products(a.into_dispatch(), b.into_dispatch(), blocks))
}

#[cfg(feature = "cube")]
impl BlocksBackend for burn_cubecl::CubeBackend {}
