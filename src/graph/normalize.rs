//! Normalises the values of a graph; the sparsity pattern stays.
//!
//! Each function takes O(edges) time and returns a new graph. Sums are computed in `f64`.

use sprs::CsMat;

/// Normalises symmetrically, `D^-1/2 A D^-1/2`: `A'[i, j] = A[i, j] / √((s_i + eps)(s_j + eps))` with the row sums `s`.
///
/// If `s + eps` of a node is not positive, its edges become 0 (as in LATTICE, where an infinite inverse root is set to
/// 0). MMRec's item graphs use an `eps` of 1e-7.
///
/// ```
/// use sprs::CsMat;
/// use viral::graph::normalize_symmetric;
///
/// let graph = CsMat::new((2, 2), vec![0, 1, 2], vec![1, 0], vec![4.0, 4.0]);
/// assert_eq!(normalize_symmetric(&graph, 0.0).data(), [1.0, 1.0]);
/// ```
///
/// # Panics
/// When `graph` is not square.
pub fn normalize_symmetric(graph: &CsMat<f32>, eps: f64) -> CsMat<f32> {
    assert_eq!(graph.rows(), graph.cols(), "normalize_symmetric: the graph is {:?}", graph.shape());
    let mut graph = graph.to_csr();
    let root = |sum: f64| if sum + eps > 0.0 { 1.0 / (sum + eps).sqrt() } else { 0.0 };
    let roots: Vec<f64> = row_sums(&graph).into_iter().map(root).collect();
    for (i, mut row) in graph.outer_iterator_mut().enumerate() {
        for (j, value) in row.iter_mut() {
            *value = (f64::from(*value) * (roots[i] * roots[j])) as f32;
        }
    }
    graph
}

/// Normalises each row to sum 1, `D^-1 A`: `A'[i, j] = A[i, j] / s_i` with the row sums `s`. A row whose sum is 0
/// becomes 0.
///
/// ```
/// use sprs::CsMat;
/// use viral::graph::row_stochastic;
///
/// let graph = CsMat::new((2, 2), vec![0, 2, 3], vec![0, 1, 1], vec![1.0, 3.0, 5.0]);
/// assert_eq!(row_stochastic(&graph).data(), [0.25, 0.75, 1.0]);
/// ```
pub fn row_stochastic(graph: &CsMat<f32>) -> CsMat<f32> {
    let graph = graph.to_csr();
    let sums = row_sums(&graph);
    map_rows(graph, |i, values| {
        let factor = if sums[i] == 0.0 { 0.0 } else { 1.0 / sums[i] };
        values.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
    })
}

/// Takes the softmax over the edges of each row: `A'[i, j] = exp(A[i, j]) / Σ_l exp(A[i, l])`. An empty row stays
/// empty.
///
/// ```
/// use sprs::CsMat;
/// use viral::graph::softmax_rows;
///
/// let graph = CsMat::new((2, 2), vec![0, 2, 2], vec![0, 1], vec![7.0, 7.0]);
/// assert_eq!(softmax_rows(&graph).data(), [0.5, 0.5]);
/// ```
pub fn softmax_rows(graph: &CsMat<f32>) -> CsMat<f32> {
    map_rows(graph.to_csr(), |_, values| {
        let max = values.iter().fold(f32::NEG_INFINITY, |max, &x| max.max(x));
        let exp = |x: f32| f64::from(x - max).exp();
        let sum: f64 = values.iter().map(|&x| exp(x)).sum();
        values.iter_mut().for_each(|value| *value = (exp(*value) / sum) as f32);
    })
}

/// Gives all `n_i` edges of row `i` equal weights, `A'[i, j] = 1 / n_i`; an empty row stays empty.
///
/// ```
/// use sprs::CsMat;
/// use viral::graph::uniform_rows;
///
/// let graph = CsMat::new((2, 2), vec![0, 2, 3], vec![0, 1, 1], vec![1.0, 9.0, 5.0]);
/// assert_eq!(uniform_rows(&graph).data(), [0.5, 0.5, 1.0]);
/// ```
pub fn uniform_rows(graph: &CsMat<f32>) -> CsMat<f32> {
    map_rows(graph.to_csr(), |_, values| {
        let share = 1.0 / values.len() as f32;
        values.fill(share);
    })
}

/// Adds the identity, `A + I`. O(edges + nodes) time.
///
/// ```
/// use sprs::CsMat;
/// use viral::graph::add_self_loops;
///
/// let graph = CsMat::new((2, 2), vec![0, 1, 1], vec![1], vec![3.0]);
/// assert_eq!(add_self_loops(&graph).data(), [1.0, 3.0, 1.0]);
/// ```
///
/// # Panics
/// When `graph` is not square.
pub fn add_self_loops(graph: &CsMat<f32>) -> CsMat<f32> {
    assert_eq!(graph.rows(), graph.cols(), "add_self_loops: the graph is {:?}", graph.shape());
    &graph.to_csr() + &CsMat::<f32>::eye(graph.rows())
}

fn row_sums(graph: &CsMat<f32>) -> Vec<f64> {
    graph.outer_iterator().map(|row| row.data().iter().map(|&x| f64::from(x)).sum()).collect()
}

/// Applies `change(row, values)` to every row of `graph`, which must be in CSR format.
fn map_rows(mut graph: CsMat<f32>, mut change: impl FnMut(usize, &mut [f32])) -> CsMat<f32> {
    for i in 0..graph.rows() {
        let row = graph.indptr().outer_inds_sz(i);
        change(i, &mut graph.data_mut()[row]);
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[[0, 1, 3], [0, 0, 4], [0, 0, 0]]`
    fn graph() -> CsMat<f32> {
        CsMat::new((3, 3), vec![0, 2, 3, 3], vec![1, 2, 2], vec![1.0, 3.0, 4.0])
    }

    #[test]
    fn rows_sum_to_one_or_nothing() {
        assert_eq!(row_stochastic(&graph()).data(), [0.25, 0.75, 1.0]);
        assert_eq!(uniform_rows(&graph()).data(), [0.5, 0.5, 1.0]);
        let soft = softmax_rows(&graph());
        let e = 2f64.exp();
        assert!((f64::from(soft.data()[1]) - e / (1.0 + e)).abs() < 1e-7);
        assert!((soft.data()[0] + soft.data()[1] - 1.0).abs() < 1e-6);
        assert_eq!(soft.data()[2], 1.0);
    }

    #[test]
    fn how_a_graph_is_stored_does_not_matter() {
        let by_columns = graph().to_csc();
        for normalize in [row_stochastic, softmax_rows, uniform_rows, |g: &CsMat<f32>| normalize_symmetric(g, 0.1)] {
            assert_eq!(normalize(&by_columns), normalize(&graph()));
        }
    }

    #[test]
    fn symmetric_divides_by_both_roots() {
        // Row sums are 4, 4 and 0: node 2 has no root, so edges to it become 0.
        assert_eq!(normalize_symmetric(&graph(), 0.0).data(), [0.25, 0.0, 0.0]);
        // With eps 5: roots 1/3, 1/3 and 1/√5.
        let shifted = normalize_symmetric(&graph(), 5.0);
        assert!((f64::from(shifted.data()[1]) - 1.0 / 5f64.sqrt()).abs() < 1e-7);
    }

    #[test]
    fn huge_logits_stay_finite() {
        let mut big = graph();
        big.data_mut().copy_from_slice(&[1e30, -1e30, 7.0]);
        assert_eq!(softmax_rows(&big).data(), [1.0, 0.0, 1.0]);
    }

    #[test]
    fn negative_and_cancelling_sums_stay_finite() {
        let mut mixed = graph();
        mixed.data_mut().copy_from_slice(&[1.0, -1.0, -2.0]);
        assert_eq!(row_stochastic(&mixed).data(), [0.0, 0.0, 1.0]);
        assert!(normalize_symmetric(&mixed, 0.0).data().iter().all(|x| *x == 0.0));
    }

    #[test]
    fn self_loops_reach_every_node() {
        let looped = add_self_loops(&graph()).to_dense();
        assert_eq!(looped.as_slice().unwrap(), [1.0, 1.0, 3.0, 0.0, 1.0, 4.0, 0.0, 0.0, 1.0]);
    }
}
