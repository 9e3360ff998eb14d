//! Row gathering: the embedding lookup of a batch.

mod backward;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{DType, IndexingUpdateOp, Int, Shape, Slice, Tensor};

#[cfg_attr(not(feature = "fusion"), allow(dead_code))]
fn with_rows(n_rows: &usize, g: &Shape) -> Shape {
    [*n_rows, g[1]].into()
}

/// The default bodies run on every backend; a backend with an implementation of its own overrides them.
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait GatherBackend: Backend {
    /// `out[e] = X[ids[e]]`.
    #[fusion(default)]
    fn gather_rows(x: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        Self::float_select(x, 0, ids)
    }

    /// `dX[ids[e]] += g[e]`, starting from `n_rows` rows of zeros.
    #[fusion(dtype = g, shape = with_rows(n_rows, g))]
    fn gather_rows_grad(ids: IntTensor<Self>, g: FloatTensor<Self>, n_rows: usize) -> FloatTensor<Self> {
        let (shape, device, dtype) = (Shape::new([n_rows, g.shape()[1]]), g.device(), g.dtype());
        Self::float_select_assign(Self::float_zeros(shape, &device, dtype.into()), 0, ids, g, IndexingUpdateOp::Add)
    }

    /// Copies `len` rows from `first` on.
    #[fusion(default)]
    fn row_range(x: FloatTensor<Self>, first: usize, len: usize) -> FloatTensor<Self> {
        Self::float_slice(x, &[Slice::from(first as isize..(first + len) as isize)])
    }

    /// Copies `g` to the rows from `first` on of `n_rows` rows of zeros.
    #[fusion(default)]
    fn row_range_grad(g: FloatTensor<Self>, first: usize, n_rows: usize) -> FloatTensor<Self> {
        let (len, shape) = (g.shape()[0], Shape::new([n_rows, g.shape()[1]]));
        let zeros = Self::float_zeros(shape, &g.device(), g.dtype().into());
        Self::float_slice_assign(zeros, &[Slice::from(first as isize..(first + len) as isize)], g)
    }
}

/// Gathers rows by id (embedding lookup): `out[e] = X[ids[e]]`. Gradients of a row that is taken repeatedly are summed.
///
/// It equals [`Tensor::select`], its reference in tests. Its gradient, as large as X however few rows are taken, is
/// written only once on the CPU, by all threads.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::gather_rows;
///
/// let device = Device::flex();
/// let x = Tensor::from_floats([[1.0], [2.0], [3.0]], &device);
/// let rows = gather_rows(x, Tensor::from_ints([2, 0, 2], &device));
/// assert_eq!(rows.into_data().iter::<f32>().collect::<Vec<_>>(), [3.0, 1.0, 3.0]);
/// # }
/// ```
///
/// # Shapes
/// - `x`: `[n, d]`, `ids`: `[m]`, each below `n`; output: `[m, d]`
///
/// # Panics
/// On the CPU where an id is not below `n`.
pub fn gather_rows(x: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<2> {
    let ids = ids.cast(DType::I32).into_dispatch();
    Tensor::from_dispatch(<Dispatch as GatherBackend>::gather_rows(x.into_dispatch(), ids))
}

/// Copies `len` rows of X from `first` on. It equals [`Tensor::narrow`], its reference in tests, but returns a tensor
/// of its own, so that X can be freed.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::row_range;
///
/// let x = Tensor::from_floats([[1.0], [2.0], [3.0]], &Device::flex());
/// assert_eq!(row_range(x, 1, 2).into_data().iter::<f32>().collect::<Vec<_>>(), [2.0, 3.0]);
/// # }
/// ```
///
/// # Shapes
/// - `x`: `[n, d]`; output: `[len, d]`
///
/// # Panics
/// When X has fewer than `first + len` rows.
pub fn row_range(x: Tensor<2>, first: usize, len: usize) -> Tensor<2> {
    let n = x.dims()[0];
    assert!(first + len <= n, "row_range: {len} rows from {first} on of {n}");
    Tensor::from_dispatch(<Dispatch as GatherBackend>::row_range(x.into_dispatch(), first, len))
}
