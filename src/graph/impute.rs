//! Imputes missing content by means: of all items, or of co-occurring ones.

use super::cooccurrence::item_counts;
use crate::data::{Interactions, ItemFeatures};
use rayon::prelude::*;
use sprs::CsMat;

/// Builds the item–item co-occurrence graph: each item's `k` neighbours with most users in common, unweighted.
///
/// ```text
/// C = Rᵀ R,  C[i, i] = 0;   A[i, j] = 1 for j in the top-k of C[i, ·] with C[i, j] > 0
/// ```
///
/// Ties go to the lower id; an item with fewer neighbours keeps those. The graph is not symmetric. Time
/// O(Σ_u deg(u)²) over users.
///
/// ```
/// use viral::data::Interactions;
/// use viral::graph::item_cooccurrence;
///
/// let interactions = Interactions::from_pairs(2, 4, &[(0, 0), (0, 1), (1, 1), (1, 2)]);
/// let graph = item_cooccurrence(&interactions, 1);
/// assert_eq!((graph.nnz(), graph[[0, 1]], graph[[1, 0]], graph[[2, 1]]), (3, 1.0, 1.0, 1.0));
/// ```
///
/// # Shapes
/// - output: `[n_items, n_items]`
pub fn item_cooccurrence(interactions: &Interactions, k: usize) -> CsMat<f32> {
    item_counts(interactions, k).map(|_| 1.0)
}

/// Replaces missing rows by the mean of all existing rows; changes nothing if there are none.
///
/// ```
/// use viral::data::ItemFeatures;
/// use viral::graph::impute_mean;
///
/// let features = ItemFeatures::new(3, 1, vec![1.0, 0.0, 4.0])?;
/// assert_eq!(impute_mean(&features).values(), [1.0, 2.5, 4.0]);
/// # Ok::<(), viral::Error>(())
/// ```
pub fn impute_mean(features: &ItemFeatures) -> ItemFeatures {
    filled(features, |_, _| false)
}

/// Replaces missing rows by the mean of the existing rows of their neighbours in `graph`, or else of all existing rows.
///
/// ```text
/// x_i = mean of x_j over j with A[i, j] > 0, j ≠ i, and x_j not missing
/// ```
///
/// This is *NeighMean* of *Do We Really Need to Drop Items with Missing Modalities in Multimodal Recommendation?* (CIKM
/// 2024, arXiv 2408.11767), where the mean excludes the item itself and neighbours without a row.
///
/// ```
/// use viral::data::{Interactions, ItemFeatures};
/// use viral::graph::{impute_neighbors, item_cooccurrence};
///
/// let graph = item_cooccurrence(&Interactions::from_pairs(1, 4, &[(0, 0), (0, 1), (0, 2)]), 10);
/// let features = ItemFeatures::new(4, 1, vec![1.0, 0.0, 2.0, 9.0])?;
/// assert_eq!(impute_neighbors(&features, &graph).row(1), [1.5]);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Shapes
/// - `graph`: `[n_items, n_items]`
///
/// # Panics
/// When the graph has another shape.
pub fn impute_neighbors(features: &ItemFeatures, graph: &CsMat<f32>) -> ItemFeatures {
    impute_multi_hop(features, &graph.map(|&weight| f32::from(u8::from(weight > 0.0))), 1)
}

/// Replaces missing rows by propagating existing rows over `n_hops` hops of `graph`; rows that nothing reaches become
/// the mean of all existing rows.
///
/// ```text
/// x_i ← Σ_j A[i, j] x_j / Σ_j A[i, j]   over j ≠ i that have a row by now, for each missing i, n_hops times
/// ```
///
/// Existing rows stay fixed. With more hops, the result converges to the harmonic function, in which each missing row
/// is the mean of its neighbours. This is *MultiHop* of *Training-free Graph-based Imputation of Missing Modalities in
/// Multimodal Recommendation* (arXiv 2602.17354), with means over neighbours that have a row, so rows not yet reached
/// do not count as zeros.
///
/// ```
/// use viral::data::{Interactions, ItemFeatures};
/// use viral::graph::{impute_multi_hop, item_cooccurrence};
///
/// // A chain of items of which only the first has a row.
/// let graph = item_cooccurrence(&Interactions::from_pairs(2, 3, &[(0, 0), (0, 1), (1, 1), (1, 2)]), 10);
/// let features = ItemFeatures::new(3, 1, vec![4.0, 0.0, 0.0])?;
/// assert_eq!(impute_multi_hop(&features, &graph, 2).values(), [4.0, 4.0, 4.0]);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Shapes
/// - `graph`: `[n_items, n_items]`, non-negative
///
/// # Panics
/// When the graph has another shape.
pub fn impute_multi_hop(features: &ItemFeatures, graph: &CsMat<f32>, n_hops: usize) -> ItemFeatures {
    let graph = without_self(features, graph);
    let Some(known) = features.there() else { return features.clone() };
    let width = features.width();
    let (mut rows, mut there) = (features.values().to_vec(), known.to_vec());
    for _ in 0..n_hops {
        let hop = |item: usize| -> Option<Vec<f32>> {
            if known[item] {
                return None;
            }
            let row = graph.outer_view(item)?;
            let neighbors = row.iter().filter(|&(neighbor, &weight)| there[neighbor] && weight > 0.0);
            let mut sum = Sum::new(width);
            neighbors.for_each(|(neighbor, &weight)| sum.add(weight, &rows[neighbor * width..][..width]));
            sum.mean()
        };
        let hops: Vec<Option<Vec<f32>>> = (0..features.n_items()).into_par_iter().map(hop).collect();
        for (item, row) in hops.into_iter().enumerate() {
            if let Some(row) = row {
                rows[item * width..][..width].copy_from_slice(&row);
                there[item] = true;
            }
        }
    }
    filled(features, |item, row| {
        row.copy_from_slice(&rows[item * width..][..width]);
        there[item]
    })
}

/// A weighted sum of rows, accumulated in `f64` and in order.
struct Sum {
    total: f64,
    row: Vec<f64>,
}

impl Sum {
    fn new(width: usize) -> Self {
        Self { total: 0.0, row: vec![0.0; width] }
    }

    fn add(&mut self, weight: f32, row: &[f32]) {
        self.total += f64::from(weight);
        self.row.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(weight) * f64::from(x));
    }

    fn mean(self) -> Option<Vec<f32>> {
        (self.total > 0.0).then(|| self.row.iter().map(|sum| (sum / self.total) as f32).collect())
    }
}

/// Returns the mean of all existing rows.
pub(super) fn mean_row(features: &ItemFeatures) -> Option<Vec<f32>> {
    let mut sum = Sum::new(features.width());
    (0..features.n_items()).filter(|&item| features.has(item)).for_each(|item| sum.add(1.0, features.row(item)));
    sum.mean()
}

/// Fills missing rows with `fill`, or with the mean of all existing rows where `fill` returns false.
pub(super) fn filled(features: &ItemFeatures, mut fill: impl FnMut(usize, &mut [f32]) -> bool) -> ItemFeatures {
    let (Some(there), Some(mean)) = (features.there(), mean_row(features)) else { return features.clone() };
    let mut values = features.values().to_vec();
    for (item, row) in values.chunks_exact_mut(features.width()).enumerate().filter(|(item, _)| !there[*item]) {
        if !fill(item, row) {
            row.copy_from_slice(&mean);
        }
    }
    // A mean that cancels to zeros counts as missing again.
    ItemFeatures::from_finite(features.n_items(), features.width(), values)
}

/// Zeroes the self-loops of the graph, so that no item is its own neighbour.
pub(super) fn without_self(features: &ItemFeatures, graph: &CsMat<f32>) -> CsMat<f32> {
    let (shape, n_items) = (graph.shape(), features.n_items());
    assert_eq!(shape, (n_items, n_items), "imputation: a graph {shape:?} for {n_items} items");
    let mut other = graph.to_csr();
    for (item, mut row) in other.outer_iterator_mut().enumerate() {
        row.iter_mut().filter(|(neighbor, _)| *neighbor == item).for_each(|(_, weight)| *weight = 0.0);
    }
    other
}
