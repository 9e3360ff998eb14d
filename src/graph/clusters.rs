//! Approximate k-nearest neighbours by clustering, for catalogues too large for an exact search.

use super::knn::{Neighbors, check_k, gather, unit_rows};
use super::rows::RowLists;
use crate::data::{ItemFeatures, splitmix64};
use crate::linalg::{TopK, top_products};
use crate::{Error, Result};
use rayon::prelude::*;
use std::ops::Range;

/// Rounds of k-means; centres that have nearly converged serve as well.
const ROUNDS: usize = 4;
/// Number of items per centre in the sample for k-means.
const SAMPLE: usize = 32;

/// Finds the approximate `k` nearest neighbours of every item (ANN search) in a few near clusters. Replaces
/// [`knn_exact`](super::knn_exact) for large catalogues.
///
/// Spherical k-means forms √n clusters. The candidates of an item are the items of the `n_probe` clusters nearest to
/// its own, including its own. Most of the nearest neighbours are found, and all of them if `n_probe` is the number of
/// clusters; those found have exact cosines and are in exact order.
///
/// For a million items of width 128, the exact search takes 256 · 10¹² operations and 16 probes take 4 · 10¹². On real
/// items, 16 of 84 clusters contain 93 % of the ten nearest by text and 87 % by picture (Amazon Baby,
/// `tests/suite/graphs.rs`).
///
/// Time O(n · √n · n_probe · Σ width), memory O(n · (k + Σ width)). The result is deterministic and does not depend on
/// the number of threads.
///
/// ```
/// use viral::data::ItemFeatures;
/// use viral::graph::{knn_approximate, knn_exact};
///
/// let angles = (0..100).flat_map(|item| [(item as f32).cos(), (item as f32).sin()]).collect();
/// let features = ItemFeatures::new(100, 2, angles)?;
/// // With all ten clusters, the search is exact.
/// let (near, exact) = (knn_approximate(&[&features], 3, false, 10)?, knn_exact(&[&features], 3, false)?);
/// assert_eq!(near.index, exact.index);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// When `k` is 0, there are fewer than `k` candidates, or `n_probe` is 0.
///
/// # Panics
/// When there is no modality or they have different numbers of items.
pub fn knn_approximate(
    modalities: &[&ItemFeatures],
    k: usize,
    include_self: bool,
    n_probe: usize,
) -> Result<Neighbors> {
    let n_items = check_k(modalities, k, include_self)?;
    Ok(approximate_rows(modalities, 0..n_items, k, include_self, n_probe)?.into_neighbors(k))
}

/// Finds the `k` nearest neighbours of a range of items, with clusters of all items.
pub(super) fn approximate_rows(
    modalities: &[&ItemFeatures],
    items: Range<usize>,
    k: usize,
    include_self: bool,
    n_probe: usize,
) -> Result<RowLists> {
    if n_probe == 0 {
        return Err(Error::Config("0 clusters to search for neighbours: there must be one at least".to_string()));
    }
    let n_items = modalities[0].n_items();
    let width = modalities.iter().map(|m| m.width()).sum();
    let units = unit_rows(modalities, width);
    let clusters = Clusters::new(&units, width, (n_items as f64).sqrt().ceil() as usize);
    let n_others = k - usize::from(include_self);
    let found: Vec<(TopK, Vec<u32>)> = (0..clusters.len())
        .into_par_iter()
        .with_max_len(1)
        .map(|cluster| {
            let members = within(&clusters.members[cluster], &items);
            if members.is_empty() {
                return (TopK::default(), Vec::new());
            }
            let candidates = clusters.around(cluster, n_probe, k);
            let near: Vec<f32> = candidates.iter().flat_map(|&item| row(&units, width, item)).copied().collect();
            let best = top_products(
                members.len(),
                |query| row(&units, width, members[query]),
                &near,
                width,
                n_others,
                |query, columns, scores| {
                    // Exclude the item itself, which is in its own cluster.
                    let own = candidates.partition_point(|&item| item < members[query]);
                    if columns.contains(&own) {
                        scores[own - columns.start] = f32::NEG_INFINITY;
                    }
                },
            );
            (best, candidates)
        })
        .collect();
    let mut place = vec![(0, 0); n_items];
    for (cluster, members) in clusters.members.iter().enumerate() {
        let members = within(members, &items);
        members.iter().enumerate().for_each(|(query, &item)| place[item as usize] = (cluster, query));
    }
    Ok(gather(modalities, items, k, include_self, |item| {
        let (cluster, query) = place[item];
        let (best, candidates) = &found[cluster];
        let range = best.places(query);
        best.ids[range.clone()].iter().map(|&id| candidates[id as usize]).zip(best.scores[range].iter().copied())
    }))
}

/// Returns those ascending ids that are in a range.
fn within<'m>(ids: &'m [u32], range: &Range<usize>) -> &'m [u32] {
    let first = |end: usize| ids.partition_point(|&id| (id as usize) < end);
    &ids[first(range.start)..first(range.end)]
}

fn row(units: &[f32], width: usize, item: u32) -> &[f32] {
    &units[item as usize * width..][..width]
}

/// Items clustered by their nearest centre.
struct Clusters {
    /// Items of each cluster, ascending.
    members: Vec<Vec<u32>>,
    /// For each cluster, all clusters by proximity, nearest first.
    order: TopK,
}

impl Clusters {
    fn new(units: &[f32], width: usize, n: usize) -> Self {
        let n_items = units.len() / width;
        let mut sample: Vec<u32> = (0..n_items as u32).collect();
        // A pseudorandom order, unrelated to that of the catalogue.
        sample.sort_unstable_by_key(|&item| (splitmix64(u64::from(item)), item));
        sample.truncate(SAMPLE * n);
        let mut centers: Vec<f32> = sample[..n].iter().flat_map(|&item| row(units, width, item)).copied().collect();
        for _ in 0..ROUNDS {
            let nearest =
                top_products(sample.len(), |q| row(units, width, sample[q]), &centers, width, 1, |_, _, _| ());
            let mut sums = vec![0f32; n * width];
            for (&item, &center) in sample.iter().zip(&nearest.ids) {
                let sum = &mut sums[center as usize * width..][..width];
                sum.iter_mut().zip(row(units, width, item)).for_each(|(sum, x)| *sum += x);
            }
            for (center, sum) in centers.chunks_exact_mut(width).zip(sums.chunks_exact(width)) {
                let norm = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
                // A centre without items stays where it is.
                if norm > 0.0 {
                    center.iter_mut().zip(sum).for_each(|(center, sum)| *center = sum / norm);
                }
            }
        }
        let mut members = vec![Vec::new(); n];
        let nearest = top_products(n_items, |q| row(units, width, q as u32), &centers, width, 1, |_, _, _| ());
        nearest.ids.iter().zip(0..).for_each(|(&center, item)| members[center as usize].push(item));
        // A cluster is nearest to itself, even if centres coincide.
        let order = top_products(
            n,
            |q| row(&centers, width, q as u32),
            &centers,
            width,
            n,
            |own, columns, scores| {
                if columns.contains(&own) {
                    scores[own - columns.start] = f32::INFINITY;
                }
            },
        );
        Self { members, order }
    }

    fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns the items of the `n_probe` clusters nearest to one, ascending; of more clusters if those have fewer than
    /// `k` other items.
    fn around(&self, cluster: usize, n_probe: usize, k: usize) -> Vec<u32> {
        let near = &self.order.ids[self.order.places(cluster)];
        let mut items = Vec::new();
        for (i, &other) in near.iter().enumerate() {
            if i >= n_probe && items.len() > k {
                break;
            }
            items.extend_from_slice(&self.members[other as usize]);
        }
        items.sort_unstable();
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::knn_exact;

    /// Generates items around 40 directions, as far from them as those are from each other.
    fn features(n: usize, width: usize, seed: u64) -> ItemFeatures {
        let noise = |i: u64| (splitmix64(seed << 40 | i) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        let value = |item: usize, c: usize| {
            let group = splitmix64(item as u64) % 40;
            noise(group << 20 | c as u64) + 0.7 * noise(1 << 30 | (item * width + c) as u64)
        };
        let values = (0..n * width).map(|i| value(i / width, i % width)).collect();
        ItemFeatures::new(n, width, values).unwrap()
    }

    #[test]
    fn with_all_clusters_it_is_the_exact_search() {
        let (text, visual) = (features(900, 24, 1), features(900, 16, 2));
        for (modalities, include_self) in [(vec![&text], true), (vec![&text, &visual], false)] {
            let exact = knn_exact(&modalities, 10, include_self).unwrap();
            let near = knn_approximate(&modalities, 10, include_self, 30).unwrap();
            assert_eq!(near.index, exact.index);
            assert!(near.cosine.iter().zip(&exact.cosine).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn a_few_clusters_hold_most_of_the_nearest() {
        let text = features(2500, 24, 3);
        let exact = knn_exact(&[&text], 10, false).unwrap();
        let found = |n_probe| {
            let near = knn_approximate(&[&text], 10, false, n_probe).unwrap();
            let rows = near.index.chunks(10).zip(exact.index.chunks(10));
            rows.map(|(near, exact)| near.iter().filter(|id| exact.contains(id)).count()).sum::<usize>() as f64
                / 25_000.0
        };
        let (few, more) = (found(2), found(8));
        assert!(few > 0.6 && more > 0.95 && more < 1.0, "{few} of the nearest with 2 clusters, {more} with 8");
    }

    #[test]
    fn duplicates_and_items_without_features_have_their_k_neighbours() {
        let mut values = vec![0.0; 60 * 3];
        values[..30 * 3].fill(1.0);
        values[59 * 3] = 1.0;
        let text = ItemFeatures::new(60, 3, values).unwrap();
        let near = knn_approximate(&[&text], 20, true, 1).unwrap();
        assert_eq!(near.index.len(), 60 * 20);
        for (item, row) in near.index.chunks(20).enumerate() {
            assert_eq!(row[0], item as u32);
            assert_eq!(row.iter().collect::<std::collections::HashSet<_>>().len(), 20);
        }
        assert!(knn_approximate(&[&text], 20, true, 0).unwrap_err().to_string().contains("at least"));
        assert!(knn_approximate(&[&text], 61, true, 4).is_err());
    }

    #[test]
    fn any_number_of_threads_finds_the_same() {
        let text = features(1200, 16, 4);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| knn_approximate(&[&text], 10, true, 3).unwrap())
        };
        assert_eq!(run(1), run(3));
    }
}
