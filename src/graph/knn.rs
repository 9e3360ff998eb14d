//! Exact k-nearest neighbours of items by content.

use super::normalize::normalize_symmetric;
use super::rows::RowLists;
use crate::data::ItemFeatures;
use crate::linalg::top_products;
use crate::{Error, Result};
use sprs::CsMat;
use std::ops::Range;

/// The nearest neighbours of every item, nearest first, as found by [`knn_exact`] and
/// [`knn_approximate`](super::knn_approximate).
///
/// ```
/// use viral::data::ItemFeatures;
/// use viral::graph::knn_exact;
///
/// let neighbors = knn_exact(&[&ItemFeatures::new(2, 2, vec![3.0, 4.0, 4.0, 3.0])?], 2, true)?;
/// assert_eq!(neighbors.index, [0, 1, 1, 0]); // each item is its own first neighbour
/// assert_eq!(neighbors.binary()[[0, 1]], 1.0); // all edges alike
/// assert!((neighbors.weighted()[[0, 1]] - 0.96).abs() < 1e-6); // by cosine
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors {
    /// Number of items.
    pub n_items: usize,
    /// Number of neighbours of each item.
    pub k: usize,
    /// Neighbour ids, row-major: `[n_items, k]`.
    pub index: Vec<u32>,
    /// Cosine similarity of each neighbour: `[n_items, k]`.
    pub cosine: Vec<f32>,
}

/// Finds the exact `k` nearest neighbours of every item by mean cosine similarity over the modalities.
///
/// ```text
/// S = Σ_m S_m / M,   S_m[i, j] = cos(x_m[i], x_m[j])              (3), with M = 2
/// ```
///
/// With `include_self` every item is its own first neighbour, even among duplicates. An item whose features are all 0
/// has cosine 0 with everything, including itself. Ties go to the lower id.
///
/// The computation is one product of the concatenated unit vectors of all modalities: time O(n² · Σ width) in blocks of
/// a matrix product; memory O(n · (k + Σ width)) and one tile per thread. The result does not depend on the number of
/// threads. For catalogues too large for quadratic time, see [`knn_approximate`](super::knn_approximate).
///
/// ```
/// use viral::data::ItemFeatures;
/// use viral::graph::knn_exact;
///
/// let features = ItemFeatures::new(3, 2, vec![1.0, 0.0, 0.0, 1.0, 0.8, 0.6])?;
/// let neighbors = knn_exact(&[&features], 1, false)?;
/// assert_eq!(neighbors.index, [2, 2, 0]);
/// assert!((neighbors.cosine[0] - 0.8).abs() < 1e-6);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// When `k` is 0 or there are fewer than `k` candidates.
///
/// # Panics
/// When there is no modality or they have different numbers of items.
pub fn knn_exact(modalities: &[&ItemFeatures], k: usize, include_self: bool) -> Result<Neighbors> {
    let n_items = check_k(modalities, k, include_self)?;
    Ok(exact_rows(modalities, 0..n_items, k, include_self).into_neighbors(k))
}

/// Finds the `k` nearest neighbours of a range of items.
pub(super) fn exact_rows(modalities: &[&ItemFeatures], items: Range<usize>, k: usize, include_self: bool) -> RowLists {
    let width = modalities.iter().map(|m| m.width()).sum();
    let units = unit_rows(modalities, width);
    let (first, n_others) = (items.start, k - usize::from(include_self));
    let row = |query: usize| &units[(first + query) * width..][..width];
    // Exclude the item itself here; `gather` puts it first where it is wanted, regardless of rounding.
    let others = top_products(items.len(), row, &units, width, n_others, |query, columns, scores| {
        if columns.contains(&(first + query)) {
            scores[first + query - columns.start] = f32::NEG_INFINITY;
        }
    });
    gather(modalities, items, k, include_self, |item| {
        let range = others.places(item - first);
        others.ids[range.clone()].iter().copied().zip(others.scores[range].iter().copied())
    })
}

/// Returns the number of items, or an error if they cannot have `k` neighbours each.
pub(super) fn check_k(modalities: &[&ItemFeatures], k: usize, include_self: bool) -> Result<usize> {
    let n_items =
        modalities.first().map_or_else(|| panic!("nearest neighbours: no modality is given"), |m| m.n_items());
    for modality in modalities {
        let other = modality.n_items();
        assert_eq!(other, n_items, "nearest neighbours: modalities of {n_items} and of {other} items");
    }
    let candidates = if include_self { n_items } else { n_items.saturating_sub(1) };
    if k == 0 || k > candidates {
        return Err(Error::Config(format!(
            "{k} nearest neighbours of {n_items} items: there must be between 1 and {candidates}{}",
            if include_self { ", the item itself included" } else { "" }
        )));
    }
    Ok(n_items)
}

/// Collects the rows of `items`: `others` gives an item's neighbours and sums of cosines, nearest first; the item
/// itself is put in front if `include_self`.
pub(super) fn gather<I: Iterator<Item = (u32, f32)>>(
    modalities: &[&ItemFeatures],
    items: Range<usize>,
    k: usize,
    include_self: bool,
    others: impl Fn(usize) -> I,
) -> RowLists {
    let share = 1.0 / modalities.len() as f32;
    let (mut ids, mut values) = (Vec::with_capacity(items.len() * k), Vec::with_capacity(items.len() * k));
    for item in items.clone() {
        if include_self {
            ids.push(item as u32);
            let present = modalities.iter().filter(|m| m.row(item).iter().any(|&x| x != 0.0)).count();
            values.push(present as f32 * share);
        }
        for (id, score) in others(item) {
            ids.push(id);
            values.push((score * share).clamp(-1.0, 1.0));
        }
    }
    RowLists { lengths: vec![k as u32; items.len()], ids, values }
}

/// L2-normalises the rows of every modality and concatenates them; rows of zeros stay zeros.
pub(crate) fn unit_rows(modalities: &[&ItemFeatures], width: usize) -> Vec<f32> {
    let n_items = modalities[0].n_items();
    let mut units = Vec::with_capacity(n_items * width);
    for item in 0..n_items {
        for modality in modalities {
            let row = modality.row(item);
            let norm = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
            let factor = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            units.extend(row.iter().map(|&x| (f64::from(x) * factor) as f32));
        }
    }
    units
}

impl Neighbors {
    /// Returns the graph with every edge 1, `[n_items, n_items]`. As in the other two graphs, a cosine of 0 makes no
    /// edge, except a self-loop: an item without content is similar to no other, and would otherwise have the first
    /// items as neighbours.
    pub fn binary(&self) -> CsMat<f32> {
        self.graph(|_| 1.0)
    }

    /// Returns `D^-1/2 B D^-1/2` of the [`binary`](Self::binary) graph, with eps 1e-7: edges between items with k
    /// neighbours are `1 / k`.
    pub fn normalized(&self) -> CsMat<f32> {
        normalize_symmetric(&self.binary(), 1e-7)
    }

    /// Returns the graph weighted by cosine similarity.
    pub fn weighted(&self) -> CsMat<f32> {
        self.graph(|cosine| cosine)
    }

    fn graph(&self, weight: impl Fn(f32) -> f32) -> CsMat<f32> {
        let (n, k, ids, cosines) = (self.n_items, self.k, self.index.len(), self.cosine.len());
        let fits = k > 0 && n.checked_mul(k) == Some(ids) && ids == cosines;
        assert!(fits, "Neighbors: {n} items with {k} neighbours each, but {ids} ids and {cosines} cosines");
        let (mut columns, mut values) = (Vec::with_capacity(self.index.len()), Vec::with_capacity(self.index.len()));
        let mut row: Vec<(u32, f32)> = Vec::with_capacity(self.k);
        let mut pointers = vec![0];
        for (item, (index, cosine)) in self.index.chunks(self.k).zip(self.cosine.chunks(self.k)).enumerate() {
            let near = index.iter().copied().zip(cosine.iter().copied());
            row.clear();
            row.extend(near.filter(|&(id, cosine)| cosine != 0.0 || id as usize == item));
            row.sort_unstable_by_key(|&(id, _)| id);
            columns.extend(row.iter().map(|&(id, _)| id as usize));
            values.extend(row.iter().map(|&(_, cosine)| weight(cosine)));
            pointers.push(columns.len());
        }
        CsMat::new((self.n_items, self.n_items), pointers, columns, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::splitmix64;

    fn features(rows: &[[f32; 2]]) -> ItemFeatures {
        ItemFeatures::new(rows.len(), 2, rows.concat()).unwrap()
    }

    #[test]
    fn neighbours_come_nearest_first() {
        // Directions of 0, 90, 30 and 200 degrees; norms do not matter.
        let x = features(&[[2.0, 0.0], [0.0, 0.1], [3f32.sqrt(), 1.0], [-0.939_693, -0.342_02]]);
        let found = knn_exact(&[&x], 3, false).unwrap();
        assert_eq!(found.index, [2, 1, 3, 2, 0, 3, 0, 1, 3, 1, 0, 2]);
        assert!((found.cosine[0] - 0.75f32.sqrt()).abs() < 1e-6);
        let with_self = knn_exact(&[&x], 2, true).unwrap();
        assert_eq!(with_self.index, [0, 2, 1, 2, 2, 0, 3, 1]);
        assert_eq!(with_self.cosine[0], 1.0);
    }

    #[test]
    fn self_is_first_even_among_duplicates_and_ties_go_to_the_lower_id() {
        let x = features(&[[1.0, 2.0]; 4]);
        assert_eq!(knn_exact(&[&x], 3, true).unwrap().index, [0, 1, 2, 1, 0, 2, 2, 0, 1, 3, 0, 1]);
    }

    #[test]
    fn an_item_without_features_is_orthogonal_to_all() {
        let x = features(&[[1.0, 0.0], [0.0, 0.0], [1.0, 0.1]]);
        let found = knn_exact(&[&x], 2, true).unwrap();
        assert_eq!(found.index[2..4], [1, 0]);
        assert_eq!(found.cosine[2..4], [0.0, 0.0]);
        // So it has no neighbour but itself, and is no other item's neighbour.
        let graph = knn_exact(&[&x], 2, true).unwrap().normalized();
        assert_eq!(graph.indices(), [0, 2, 1, 0, 2]);
        assert!(graph.data().iter().zip([0.5, 0.5, 1.0, 0.5, 0.5]).all(|(v, expected)| (v - expected).abs() < 1e-6));
        assert_eq!(knn_exact(&[&x], 2, false).unwrap().binary().indices(), [2, 0]);
    }

    #[test]
    fn the_mean_is_of_cosines_not_of_vectors() {
        // Modality one says 0 is like 1, modality two, a hundred times as long, says 0 is like 2.
        let one = features(&[[1.0, 0.0], [1.0, 0.0], [0.6, 0.8]]);
        let two = features(&[[100.0, 0.0], [0.0, 100.0], [80.0, 60.0]]);
        let found = knn_exact(&[&one, &two], 2, false).unwrap();
        assert_eq!(found.index[..2], [2, 1]);
        assert!((found.cosine[0] - 0.7).abs() < 1e-6 && (found.cosine[1] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn more_neighbours_than_items_is_an_error() {
        let x = features(&[[1.0, 0.0], [0.0, 1.0]]);
        assert!(knn_exact(&[&x], 2, true).is_ok());
        for (k, include_self) in [(0, true), (3, true), (2, false)] {
            let error = knn_exact(&[&x], k, include_self).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{k} nearest neighbours of 2 items")), "{error}");
        }
    }

    #[test]
    #[should_panic(expected = "Neighbors: 3 items with 2 neighbours each, but 4 ids and 6 cosines")]
    fn neighbours_of_other_lengths_panic() {
        Neighbors { n_items: 3, k: 2, index: vec![0; 4], cosine: vec![1.0; 6] }.binary();
    }

    #[test]
    fn any_number_of_threads_gives_the_same_neighbours() {
        let (n, width) = (700, 33);
        let values = (0..(n * width) as u64).map(|i| (splitmix64(i) >> 40) as f32 / (1 << 23) as f32 - 1.0).collect();
        let x = ItemFeatures::new(n, width, values).unwrap();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| knn_exact(&[&x], 10, true).unwrap())
        };
        assert_eq!(run(1), run(4));
    }
}
