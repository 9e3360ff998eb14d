//! k-nearest-neighbour graphs of embeddings: the pattern of a learned graph.

use super::{SparseMatrix, l2_normalize, lives_in_host_memory, masked_top_k};
use crate::data::Csr;
use crate::linalg::top_products;
use burn::tensor::{DType, Int, Tensor, TensorData};

/// Scores held on a device at a time: 64 MiB.
const SCORES: usize = 1 << 24;
/// Replaces a NaN cosine: ranks behind all others, but before excluded entries.
const LAST: f32 = f32::MIN;

/// Builds the k-nearest-neighbour graph of rows by cosine, as a constant: the choice of neighbours has no gradient.
///
/// The values are the cosines. With `include_self`, every row is one of its own `k` neighbours, even among duplicates.
/// Ties go to the lower id; a zero row has cosine 0 with all rows, itself included. Every row has exactly `k` edges. A
/// row that is not finite ranks last for all others, and the values of its edges are NaN, so that a diverged model is
/// noticed.
///
/// To learn through the neighbours' similarities, recompute the edges' cosines with a gradient, as
/// [`nn::LearnedItemGraph`](crate::nn::LearnedItemGraph) does: the pattern of LATTICE (*Mining Latent Structures for
/// Multimedia Recommendation*, MM 2021, arXiv 2104.09036).
///
/// O(n² · d) time by blocks of rows, O(n · (k + d)) memory and 64 MiB of scores on a GPU. On the CPU the search is
/// exact and does not depend on the number of threads; a GPU may swap neighbours whose cosines differ by less than the
/// rounding error of its matrix product.
///
/// # Shapes
/// - `x`: `[n, d]`; output: `[n, n]`, row `i` has the neighbours of row `i`
///
/// # Panics
/// When `k` is 0 or there are fewer than `k` candidates.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::knn_pattern;
///
/// let x = Tensor::<2>::from_data([[1.0, 0.0], [3.0, 0.1], [0.0, 2.0], [0.1, 1.0]], &Device::flex());
/// let graph = knn_pattern(x, 1, false);
/// assert_eq!(graph.cols().into_data().iter::<i32>().collect::<Vec<_>>(), [1, 0, 3, 2]);
/// ```
pub fn knn_pattern(x: Tensor<2>, k: usize, include_self: bool) -> SparseMatrix {
    let x = x.inner().cast(DType::F32);
    let ([n, d], device) = (x.dims(), x.device());
    let candidates = if include_self { n } else { n.saturating_sub(1) };
    assert!(k > 0 && k <= candidates, "knn_pattern: {k} neighbours of [{n}, {d}], where there are {candidates}");
    let k_others = k - usize::from(include_self);
    let units = l2_normalize(x);
    let (ids, cosines) = match lives_in_host_memory(&device) {
        true => nearest_on_host(&floats(units.clone()), d, k_others),
        false => nearest_on_device(&units, k_others),
    };
    let own: Vec<f32> = match include_self {
        true => floats((units.clone() * units).sum_dim(1)),
        false => Vec::new(),
    };

    let (mut col_idx, mut values) = (Vec::with_capacity(n * k), Vec::with_capacity(n * k));
    let mut row: Vec<(u32, f32)> = Vec::with_capacity(k);
    for i in 0..n {
        row.clear();
        row.extend(own.get(i).map(|&square| (i as u32, square)));
        let places = i * k_others..(i + 1) * k_others;
        row.extend(ids[places.clone()].iter().copied().zip(cosines[places].iter().copied()));
        row.sort_unstable_by_key(|&(id, _)| id);
        col_idx.extend(row.iter().map(|&(id, _)| id));
        values.extend(row.iter().map(|&(_, cosine)| if cosine == LAST { f32::NAN } else { cosine }));
    }
    let row_ptr = (0..=n).map(|i| (i * k) as u32).collect();
    SparseMatrix::on_edges(&Csr::from_parts(n, row_ptr, col_idx), values, &device)
}

fn floats(x: Tensor<2>) -> Vec<f32> {
    x.into_data().iter().collect()
}

/// Returns the ids and the products of the `k` other rows with the largest products with each row: `[n, k]` each.
fn nearest_on_host(units: &[f32], d: usize, k: usize) -> (Vec<u32>, Vec<f32>) {
    let n = units.len().checked_div(d).unwrap_or(0);
    let row = |i: usize| &units[i * d..][..d];
    let nearest = top_products(n, row, units, d, k, |i, columns, scores| {
        scores.iter_mut().filter(|score| score.is_nan()).for_each(|score| *score = LAST);
        if columns.contains(&i) {
            scores[i - columns.start] = f32::NEG_INFINITY;
        }
    });
    (nearest.ids, nearest.scores)
}

/// Like [`nearest_on_host`], by blocks of rows on the device.
fn nearest_on_device(units: &Tensor<2>, k: usize) -> (Vec<u32>, Vec<f32>) {
    let ([n, _], device) = (units.dims(), units.device());
    let (mut ids, mut cosines) = (Vec::with_capacity(n * k), Vec::with_capacity(n * k));
    if k == 0 {
        return (ids, cosines);
    }
    let block = (SCORES / n).clamp(1, n);
    let ints = |range: std::ops::Range<usize>| {
        let values: Vec<i32> = range.map(|i| i as i32).collect();
        let len = values.len();
        Tensor::<1, Int>::from_data(TensorData::new(values, [len]), (&device, DType::I32))
    };
    for first in (0..n).step_by(block) {
        let rows = block.min(n - first);
        let scores = units.clone().narrow(0, first, rows).matmul(units.clone().transpose()); // [rows, n]
        let unknown = scores.clone().is_nan();
        let scores = scores.mask_fill(unknown, LAST);
        // Each row masks one entry: itself.
        let (best, scores) = masked_top_k(scores, ints(0..rows + 1), ints(first..first + rows), k);
        ids.extend(best.into_data().iter::<i32>().map(|id| id as u32));
        cosines.extend(scores.into_data().iter::<f32>());
    }
    (ids, cosines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ItemFeatures, splitmix64};
    use crate::graph::knn_exact;
    use burn::tensor::Device;

    fn columns(graph: &SparseMatrix) -> Vec<i32> {
        graph.cols().into_data().iter().collect()
    }

    fn matrix(rows: &[f32], d: usize) -> Tensor<2> {
        Tensor::from_data(TensorData::new(rows.to_vec(), [rows.len() / d, d]), &Device::flex().autodiff())
    }

    #[test]
    fn neighbours_are_those_of_the_graph_in_host_memory() {
        for (n, d) in [(2, 1), (17, 3), (700, 33)] {
            let x: Vec<f32> = (0..(n * d) as u64).map(|i| (splitmix64(i) >> 40) as f32 / 8e6 - 1.0).collect();
            let features = ItemFeatures::new(n, d, x.clone()).unwrap();
            for (k, include_self) in [(1, false), (1, true), (2.min(n - 1), false), (10.min(n), true)] {
                let expected = knn_exact(&[&features], k, include_self).unwrap();
                let found = knn_pattern(matrix(&x, d), k, include_self);
                let mut ids: Vec<Vec<u32>> = expected.index.chunks(k).map(<[u32]>::to_vec).collect();
                ids.iter_mut().for_each(|ids| ids.sort_unstable());
                let ids: Vec<i32> = ids.concat().into_iter().map(|id| id as i32).collect();
                assert_eq!(columns(&found), ids, "[{n}, {d}], {k} neighbours, itself {include_self}");
                let sum: f32 = found.values().into_data().iter::<f32>().sum();
                assert!((sum - expected.cosine.iter().sum::<f32>()).abs() < 1e-4 * (n * k) as f32);
                assert_eq!(found.nnz(), n * k);
            }
        }
    }

    #[test]
    fn ties_go_to_the_lower_id_and_zeros_are_like_nobody() {
        let same = knn_pattern(matrix(&[1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0], 2), 3, true);
        assert_eq!(columns(&same), [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 3]);
        let zero = knn_pattern(matrix(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.1], 2), 2, true);
        assert_eq!(columns(&zero), [0, 2, 0, 1, 0, 2]);
        assert_eq!(zero.values().into_data().iter::<f32>().collect::<Vec<_>>()[2..4], [0.0, 0.0]);
    }

    #[test]
    fn a_row_that_is_no_number_is_last_and_seen() {
        let graph = knn_pattern(matrix(&[1.0, 0.0, f32::NAN, 0.0, -1.0, 0.0, 1.0, 1.0], 2), 2, false);
        assert_eq!(columns(&graph), [2, 3, 0, 2, 0, 3, 0, 2]);
        let values: Vec<f32> = graph.values().into_data().iter().collect();
        assert!(values[2..4].iter().all(|v| v.is_nan()) && values.iter().filter(|v| v.is_nan()).count() == 2);
    }

    #[test]
    fn any_number_of_threads_gives_the_same_pattern() {
        let x: Vec<f32> = (0..1500 * 8).map(|i| (splitmix64(i) >> 62) as f32 - 1.5).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let graph = knn_pattern(matrix(&x, 8), 10, true);
                (columns(&graph), graph.values().into_data().iter::<f32>().map(f32::to_bits).collect::<Vec<_>>())
            })
        };
        assert_eq!(run(1), run(2));
    }

    #[test]
    #[should_panic(expected = "knn_pattern: 3 neighbours of [3, 1], where there are 2")]
    fn more_neighbours_than_there_are_panic() {
        knn_pattern(matrix(&[1.0, 2.0, 3.0], 1), 3, false);
    }
}
