//! A sparse matrix on a device, with the transpose that its backward pass needs.

mod module;

use crate::data::Csr;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use sprs::CsMat;
use std::sync::{Arc, OnceLock};

/// Compressed sparse rows (CSR) on one device; indices are 32-bit on every device.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) row_ptr: Tensor<1, Int>, // [n_rows + 1]
    pub(crate) col_idx: Tensor<1, Int>, // [nnz]
    pub(crate) values: Tensor<1>,       // [nnz]
}

/// A constant sparse matrix `A` and its transpose, copied to a device once.
///
/// It is a graph: the nonzero `A[i, j]` is an edge from node `j` to node `i`, so row `i` receives. Edges are numbered
/// row by row, by ascending column within a row. Everything that belongs to edges, such as [`values`](Self::values), is
/// in this order.
///
/// As a field of a module it moves along with the module and has no parameters. Its tensors are constants of the plain
/// device, even if an autodiff device was given; operators accept them beside tracked tensors.
///
/// Memory: 8 bytes per nonzero and 4 per row for each of `A` and `Aᵀ`; a symmetric matrix shares the buffers of both.
/// The first operation on edges ([`rows`](Self::rows), [`spmm_values`]) adds 8 per nonzero. Cloning is cheap: tensors
/// are reference-counted.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, spmm};
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(2, 3, &[(1, 2, 0.5), (0, 1, 2.0), (1, 0, 1.0)], &device);
/// assert_eq!((graph.dims(), graph.nnz()), ([2, 3], 3));
/// assert_eq!(graph.rows().into_data().iter::<i32>().collect::<Vec<_>>(), [0, 1, 1]);
/// assert_eq!(graph.cols().into_data().iter::<i32>().collect::<Vec<_>>(), [1, 0, 2]);
///
/// let x = Tensor::<2>::from_data([[1.0], [10.0], [100.0]], &device);
/// let y = spmm(&graph, x); // [2, 1]
/// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [20.0, 51.0]);
/// ```
///
/// [`spmm_values`]: super::spmm_values
#[derive(Debug, Clone)]
pub struct SparseMatrix {
    n_rows: usize,
    n_cols: usize,
    nnz: usize,
    symmetric: bool,
    pub(crate) a: Rows,
    pub(crate) at: Rows,
    edges: Arc<OnceLock<Edges>>,
}

/// Positions of the nonzeros, for operators on edges.
#[derive(Debug, Clone)]
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
    /// When the matrix has 2³¹ - 1 or more rows, columns or nonzeros, or when it is not a valid matrix: row pointers
    /// decrease, or columns are out of range or do not ascend within a row.
    pub fn new(matrix: &CsMat<f32>, device: &Device) -> Self {
        let owned;
        let m = if matrix.is_csr() {
            matrix
        } else {
            owned = matrix.to_csr();
            &owned
        };
        check_size(m.rows(), m.cols(), m.nnz());
        let row_ptr = m.indptr().to_proper().iter().map(|&p| p as u32).collect();
        let col_idx = m.indices().iter().map(|&c| c as u32).collect();
        Self::assemble(&Csr::from_parts(m.cols(), row_ptr, col_idx), m.data().to_vec(), device).0
    }

    /// Builds the matrix of the edges `(row, column, value)`, given in any order. O(edges + rows + columns) time.
    ///
    /// Repeated edges are refused rather than summed: only the caller knows whether one counts twice, and which of the
    /// two a tensor on edges means.
    ///
    /// # Panics
    /// When a row or column is out of range, when an edge is given twice, or when there are 2³¹ - 1 or more rows,
    /// columns or edges.
    pub fn from_edges(n_rows: usize, n_cols: usize, edges: &[(u32, u32, f32)], device: &Device) -> Self {
        check_size(n_rows, n_cols, edges.len());
        let pair = |e: usize| (edges[e].0, edges[e].1);
        match Csr::from_distinct(n_rows, n_cols, edges.len(), pair) {
            Ok((pattern, source)) => {
                let values = source.iter().map(|&e| edges[e as usize].2).collect();
                Self::on_edges(&pattern, values, device)
            }
            Err((row, col)) => panic!("SparseMatrix::from_edges: the edge ({row}, {col}) is given twice"),
        }
    }

    /// Like [`assemble`](Self::assemble), for a matrix whose edges are going to be used: they are stored at once.
    pub(crate) fn on_edges(pattern: &Csr, values: Vec<f32>, device: &Device) -> Self {
        let (matrix, order) = Self::assemble(pattern, values, device);
        let device = matrix.device();
        let edges = || Edges { row_idx: indices(signed(pattern.row_idx()), &device), order: indices(order, &device) };
        matrix.edges.get_or_init(edges);
        matrix
    }

    /// Builds the matrix; also returns the position of each nonzero of the transpose in it.
    fn assemble(pattern: &Csr, values: Vec<f32>, device: &Device) -> (Self, Vec<i32>) {
        let (turned, order) = pattern.transpose();
        let t_values: Vec<f32> = order.iter().map(|&e| values[e as usize]).collect();
        let symmetric = turned == *pattern && t_values == values;

        // Constants live on the plain device; operators accept them beside autodiff tensors.
        let device = device.clone().inner();
        let rows = |csr: &Csr, values: Vec<f32>| Rows {
            row_ptr: indices(signed(csr.row_ptr().to_vec()), &device),
            col_idx: indices(signed(csr.col_idx().to_vec()), &device),
            values: Tensor::from_data(TensorData::new(values, [csr.nnz()]), (&device, DType::F32)),
        };
        let a = rows(pattern, values);
        let at = if symmetric { a.clone() } else { rows(&turned, t_values) };
        let [n_rows, n_cols] = [pattern.n_rows(), pattern.n_cols()];
        let matrix = Self { n_rows, n_cols, nnz: pattern.nnz(), symmetric, a, at, edges: Arc::default() };
        (matrix, signed(order))
    }

    /// Returns the positions of the nonzeros, computed on first use: most graphs have constant values.
    pub(crate) fn edges(&self) -> &Edges {
        self.edges.get_or_init(|| {
            let pattern = self.pattern();
            let (_, order) = pattern.transpose();
            let device = self.device();
            Edges { row_idx: indices(signed(pattern.row_idx()), &device), order: indices(signed(order), &device) }
        })
    }

    /// Returns the pattern, copied to host memory.
    pub(crate) fn pattern(&self) -> Csr {
        let host = |t: &Tensor<1, Int>| t.to_data().iter::<i32>().map(|i| i as u32).collect();
        Csr::from_parts(self.n_cols, host(&self.a.row_ptr), host(&self.a.col_idx))
    }

    /// Returns a matrix with the same pattern and other constant values, without a gradient. O(nonzeros) time.
    ///
    /// For values with a gradient, use [`spmm_values`](super::spmm_values), which takes them beside the matrix.
    ///
    /// # Shapes
    /// - `values`: `[nnz]`, in the order of edges
    ///
    /// # Panics
    /// When there are not as many values as nonzeros.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use viral::ops::SparseMatrix;
    ///
    /// let graph = SparseMatrix::from_edges(2, 2, &[(0, 1, 1.0), (1, 0, 1.0)], &Device::flex());
    /// let halves = graph.with_values(graph.values() * 0.5);
    /// assert_eq!(halves.values().into_data().iter::<f32>().collect::<Vec<_>>(), [0.5, 0.5]);
    /// ```
    pub fn with_values(&self, values: Tensor<1>) -> Self {
        let [n] = values.dims();
        assert_eq!(n, self.nnz, "SparseMatrix::with_values: {} nonzeros, {n} values", self.nnz);
        let values = values.inner().to_device(&self.device()).cast(DType::F32);
        let turned = values.clone().select(0, self.edges().order.clone());
        let (a, at) = (Rows { values, ..self.a.clone() }, Rows { values: turned, ..self.at.clone() });
        // Whether the new values are symmetric is unknown without reading them.
        Self { symmetric: false, a, at, ..self.clone() }
    }

    /// Returns `[n_rows, n_cols]`.
    pub fn dims(&self) -> [usize; 2] {
        [self.n_rows, self.n_cols]
    }

    /// Returns the number of stored values, the edges of the graph.
    pub fn nnz(&self) -> usize {
        self.nnz
    }

    /// Returns the row of each nonzero in the order of edges, `[nnz]`: the receiving nodes.
    pub fn rows(&self) -> Tensor<1, Int> {
        self.edges().row_idx.clone()
    }

    /// Returns the column of each nonzero in the order of edges, `[nnz]`: the sending nodes.
    pub fn cols(&self) -> Tensor<1, Int> {
        self.a.col_idx.clone()
    }

    /// Returns the stored values in the order of edges, `[nnz]`.
    pub fn values(&self) -> Tensor<1> {
        self.a.values.clone()
    }

    /// Returns whether `A = Aᵀ` in pattern and values, as found at construction; `false` after
    /// [`with_values`](Self::with_values).
    pub fn is_symmetric(&self) -> bool {
        self.symmetric
    }

    /// Returns the plain device that the matrix is on.
    pub fn device(&self) -> Device {
        self.a.col_idx.device()
    }

    /// Computes `A x`, differentiable in `x`. See [`spmm`](super::spmm).
    pub fn matmul(&self, x: Tensor<2>) -> Tensor<2> {
        super::spmm(self, x)
    }
}

fn check_size(n_rows: usize, n_cols: usize, nnz: usize) {
    let limit = i32::MAX as usize;
    let fits = n_rows < limit && n_cols < limit && nnz < limit;
    assert!(fits, "sparse matrix [{n_rows}, {n_cols}] with {nnz} nonzeros is too large for 32-bit indices");
}

/// Converts indices below 2³¹ to the type that devices use.
fn signed(indices: Vec<u32>) -> Vec<i32> {
    indices.into_iter().map(|i| i as i32).collect()
}

/// Makes a tensor of 32-bit indices, `[n]`.
pub(crate) fn indices(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), (device, DType::I32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(x: Tensor<1, Int>) -> Vec<i32> {
        x.into_data().iter().collect()
    }

    fn floats(x: Tensor<1>) -> Vec<f32> {
        x.into_data().iter().collect()
    }

    #[test]
    fn edges_in_any_order_are_numbered_row_after_row() {
        let edges = [(2, 1, 5.0), (0, 3, 1.0), (2, 0, 4.0), (0, 0, -1.0)];
        let a = SparseMatrix::from_edges(4, 4, &edges, &Device::flex().autodiff());
        assert_eq!((ints(a.rows()), ints(a.cols())), (vec![0, 0, 2, 2], vec![0, 3, 0, 1]));
        assert_eq!(floats(a.values()), [-1.0, 1.0, 4.0, 5.0]);
        assert_eq!(floats(a.at.values.clone()), [-1.0, 4.0, 5.0, 1.0]);
        assert!(!a.is_symmetric());
        // The same matrix from one in host memory: its edges are computed when they are asked for.
        let mut triplets = sprs::TriMat::new((4, 4));
        edges.iter().for_each(|&(row, col, value)| triplets.add_triplet(row as usize, col as usize, value));
        let b = SparseMatrix::new(&triplets.to_csr(), &Device::flex());
        assert_eq!(
            (ints(b.rows()), ints(b.cols()), floats(b.values())),
            (ints(a.rows()), ints(a.cols()), floats(a.values()))
        );
        assert_eq!(ints(b.edges().order.clone()), ints(a.edges().order.clone()));
    }

    #[test]
    fn symmetry_is_of_pattern_and_values() {
        let of = |value| SparseMatrix::from_edges(2, 2, &[(0, 1, 1.0), (1, 0, value)], &Device::flex());
        assert!(of(1.0).is_symmetric() && !of(2.0).is_symmetric());
        let other = of(1.0).with_values(Tensor::from_data([3.0, 4.0], &Device::flex()));
        assert!(!other.is_symmetric());
        assert_eq!((floats(other.values()), floats(other.at.values.clone())), (vec![3.0, 4.0], vec![4.0, 3.0]));
    }

    #[test]
    #[should_panic(expected = "the edge (1, 0) is given twice")]
    fn an_edge_given_twice_panics() {
        SparseMatrix::from_edges(2, 2, &[(1, 0, 1.0), (0, 0, 1.0), (1, 0, 2.0)], &Device::flex());
    }
}
