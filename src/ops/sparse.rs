//! A sparse matrix on a device, with the transpose that its backward needs.

use burn::module::Module;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use sprs::CsMat;
use std::sync::{Arc, OnceLock};

/// Compressed sparse rows on one device; indices are 32-bit on every device.
#[derive(Module, Debug)]
pub(crate) struct Csr {
    pub(crate) row_ptr: Tensor<1, Int>, // [n_rows + 1]
    pub(crate) col_idx: Tensor<1, Int>, // [nnz]
    pub(crate) values: Tensor<1>,       // [nnz]
}

/// A constant sparse matrix `A` and its transpose, moved to a device once.
///
/// Memory: 8 bytes a nonzero and 4 a row for each of `A` and `Aᵀ`; a symmetric matrix shares the buffers of both. The first
/// [`spmm_values`] adds 8 a nonzero. Cloning is free: tensors are reference-counted.
///
/// [`spmm_values`]: super::spmm_values
#[derive(Module, Debug)]
pub struct SparseMatrix {
    n_rows: usize,
    n_cols: usize,
    nnz: usize,
    pub(crate) a: Csr,
    pub(crate) at: Csr,
    #[module(skip)]
    edges: Arc<OnceLock<Edges>>,
}

/// Where the nonzeros are, for products whose values are a tensor.
#[derive(Debug)]
pub(crate) struct Edges {
    /// Row of each nonzero.
    pub(crate) row_idx: Tensor<1, Int>,
    /// `at.values[e] = a.values[order[e]]`.
    pub(crate) order: Tensor<1, Int>,
}

impl SparseMatrix {
    /// Copies `matrix` to `device`. O(nonzeros) time.
    ///
    /// # Panics
    /// When the matrix has 2³¹ or more rows, columns or nonzeros.
    pub fn new(matrix: &CsMat<f32>, device: &Device) -> Self {
        let owned;
        let m = if matrix.is_csr() {
            matrix
        } else {
            owned = matrix.to_csr();
            &owned
        };
        let (n_rows, n_cols, nnz) = (m.rows(), m.cols(), m.nnz());
        let limit = i32::MAX as usize;
        assert!(n_rows < limit && n_cols < limit && nnz < limit, "sparse matrix [{n_rows}, {n_cols}] is too large");
        let row_ptr: Vec<i32> = m.indptr().to_proper().iter().map(|&p| p as i32).collect();
        let col_idx: Vec<i32> = m.indices().iter().map(|&c| c as i32).collect();
        let (t_row_ptr, t_col_idx, order) = transpose(n_cols, &row_ptr, &col_idx);
        let values = m.data();
        let t_values: Vec<f32> = order.iter().map(|&e| values[e as usize]).collect();
        let symmetric = t_row_ptr == row_ptr && t_col_idx == col_idx && t_values == values;

        // Constants live on the plain device; operators accept them beside autodiff tensors.
        let device = device.clone().inner();
        let int = |v: Vec<i32>| indices(v, &device);
        let float = |v: Vec<f32>| {
            let n = v.len();
            Tensor::<1>::from_data(TensorData::new(v, [n]), (&device, DType::F32))
        };
        let a = Csr { row_ptr: int(row_ptr), col_idx: int(col_idx), values: float(values.to_vec()) };
        let at = match symmetric {
            true => a.clone(),
            false => Csr { row_ptr: int(t_row_ptr), col_idx: int(t_col_idx), values: float(t_values) },
        };
        Self { n_rows, n_cols, nnz, a, at, edges: Arc::default() }
    }

    /// Made when they are first needed: most graphs have constant values.
    pub(crate) fn edges(&self) -> &Edges {
        self.edges.get_or_init(|| {
            let host = |t: &Tensor<1, Int>| t.to_data().iter::<i32>().collect::<Vec<i32>>();
            let (row_ptr, col_idx) = (host(&self.a.row_ptr), host(&self.a.col_idx));
            let (_, _, order) = transpose(self.n_cols, &row_ptr, &col_idx);
            let rows = row_ptr.windows(2).zip(0..);
            let row_idx = rows.flat_map(|(span, row)| (span[0]..span[1]).map(move |_| row)).collect();
            let device = self.a.col_idx.device();
            Edges { row_idx: indices(row_idx, &device), order: indices(order, &device) }
        })
    }

    /// `[n_rows, n_cols]`.
    pub fn dims(&self) -> [usize; 2] {
        [self.n_rows, self.n_cols]
    }

    /// Number of stored values.
    pub fn nnz(&self) -> usize {
        self.nnz
    }

    /// The stored values, row after row, `[nnz]`.
    pub fn values(&self) -> Tensor<1> {
        self.a.values.clone()
    }

    /// `A x`, differentiable in `x`. See [`spmm`](super::spmm).
    pub fn matmul(&self, x: Tensor<2>) -> Tensor<2> {
        super::spmm(self, x)
    }
}

/// Row pointers, columns and source positions of the transpose: one counting sort.
fn transpose(n_cols: usize, row_ptr: &[i32], col_idx: &[i32]) -> (Vec<i32>, Vec<i32>, Vec<i32>) {
    let mut t_row_ptr = vec![0i32; n_cols + 1];
    for &c in col_idx {
        t_row_ptr[c as usize + 1] += 1;
    }
    for c in 0..n_cols {
        t_row_ptr[c + 1] += t_row_ptr[c];
    }
    let mut next = t_row_ptr.clone();
    let (mut t_col, mut order) = (vec![0i32; col_idx.len()], vec![0i32; col_idx.len()]);
    for (row, span) in row_ptr.windows(2).enumerate() {
        for e in span[0] as usize..span[1] as usize {
            let at = &mut next[col_idx[e] as usize];
            t_col[*at as usize] = row as i32;
            order[*at as usize] = e as i32;
            *at += 1;
        }
    }
    (t_row_ptr, t_col, order)
}

/// `[n]`, 32-bit.
pub(crate) fn indices(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), (device, DType::I32))
}
