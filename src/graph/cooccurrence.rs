//! Co-occurrence graphs: users with items in common, and items with users in common.

use super::normalize::{row_stochastic, softmax_rows, uniform_rows};
use super::rows::{RowLists, RowMaker};
use crate::Result;
use crate::data::Interactions;
use crate::named::named;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sprs::CsMat;
use std::ops::Range;

/// Number of rows per parallel task.
const CHUNK: usize = 256;

/// How to weight a user's neighbours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NeighborWeight {
    /// Softmax over the neighbours' counts: the authors' `softmax`, without their random padding.
    #[default]
    Softmax,
    /// Counts divided by their sum.
    Counts,
    /// Equal weights.
    Uniform,
}

named! {
    NeighborWeight, "weight of neighbours":
    Softmax => "softmax",
    Counts => "counts",
    Uniform => "uniform",
}

/// Builds the user–user graph: each user's `k` neighbours with most items in common, weighted.
///
/// ```text
/// C = R Rᵀ,  C[u, u] = 0;   A[u, ·] = weight(top-k of C[u, ·])      (§2.4 of the paper, as Eq. 3)
/// ```
///
/// Nearly all counts on real data are 1, so the tie-breaking rule determines the graph: higher count first, then lower
/// id. A user with fewer than `k` neighbours keeps those; a user without any has an empty row. The authors' code
/// (`generate-u-u-matrix.py`) instead pads short rows by random repeats, drawn anew in every epoch.
///
/// Time O(Σ_i deg(i)²) over items; memory O(k · users) and one counter per user and thread: `R Rᵀ` is never
/// materialised.
///
/// ```
/// use viral::data::Interactions;
/// use viral::graph::{NeighborWeight, user_cooccurrence};
///
/// // Users 0 and 1 have two items in common, users 0 and 2 have one.
/// let interactions = Interactions::from_pairs(3, 3, &[(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 2)]);
/// let graph = user_cooccurrence(&interactions, 10, NeighborWeight::Counts);
/// assert!((graph[[0, 1]] - 2.0 / 3.0).abs() < 1e-6 && graph[[2, 0]] == 1.0);
/// ```
///
/// # Shapes
/// - output: `[n_users, n_users]`
pub fn user_cooccurrence(interactions: &Interactions, k: usize, weight: NeighborWeight) -> CsMat<f32> {
    weighted(&cooccurrence_counts(interactions, k), weight)
}

/// Like [`user_cooccurrence`], with rows computed by `users`.
pub(crate) fn user_cooccurrence_by(
    users: &dyn RowMaker,
    interactions: &Interactions,
    k: usize,
    weight: NeighborWeight,
) -> Result<CsMat<f32>> {
    Ok(weighted(&counts_by(users, interactions, k)?, weight))
}

fn weighted(counts: &CsMat<f32>, weight: NeighborWeight) -> CsMat<f32> {
    match weight {
        NeighborWeight::Softmax => softmax_rows(counts),
        NeighborWeight::Counts => row_stochastic(counts),
        NeighborWeight::Uniform => uniform_rows(counts),
    }
}

/// Like [`user_cooccurrence`], but weighted by the number of common items.
///
/// ```
/// use viral::data::Interactions;
/// use viral::graph::cooccurrence_counts;
///
/// let interactions = Interactions::from_pairs(2, 2, &[(0, 0), (0, 1), (1, 0), (1, 1)]);
/// assert_eq!(cooccurrence_counts(&interactions, 1)[[0, 1]], 2.0);
/// ```
///
/// # Shapes
/// - output: `[n_users, n_users]`
pub fn cooccurrence_counts(interactions: &Interactions, k: usize) -> CsMat<f32> {
    count_rows(interactions, 0..interactions.n_users(), k).into_graph()
}

/// Like [`cooccurrence_counts`], with rows computed by `users`.
fn counts_by(users: &dyn RowMaker, interactions: &Interactions, k: usize) -> Result<CsMat<f32>> {
    let lists = users.rows(interactions.n_users(), &|users| Ok(count_rows(interactions, users, k)))?;
    Ok(lists.into_graph())
}

/// Computes the rows of a range of users.
fn count_rows(interactions: &Interactions, users: Range<usize>, k: usize) -> RowLists {
    let n_users = interactions.n_users();
    let (users_of_item, _) = interactions.csr().transpose();
    let chunks: Vec<RowLists> = (0..users.len().div_ceil(CHUNK))
        .into_par_iter()
        .map_init(
            || (vec![0u32; n_users], Vec::new()),
            |(counts, met): &mut (Vec<u32>, Vec<u64>), chunk| {
                let mut lists = RowLists::default();
                let first = users.start + chunk * CHUNK;
                for user in first..users.end.min(first + CHUNK) {
                    for &item in interactions.of_user(user) {
                        for &other in users_of_item.row(item as usize) {
                            if counts[other as usize] == 0 {
                                met.push(u64::from(other));
                            }
                            counts[other as usize] += 1;
                        }
                    }
                    // Packs the count into the upper half and the inverted id into the lower, so that larger is better.
                    for met in met.iter_mut() {
                        let other = *met as usize;
                        let count = if other == user { 0 } else { counts[other] };
                        *met = u64::from(count) << 32 | u64::from(!(other as u32));
                        counts[other] = 0;
                    }
                    if met.len() > k {
                        met.select_nth_unstable_by(k, |a, b| b.cmp(a));
                        met.truncate(k);
                    }
                    met.retain(|met| met >> 32 != 0);
                    met.sort_unstable_by_key(|met| !(*met as u32));
                    lists.ids.extend(met.iter().map(|met| !(*met as u32)));
                    lists.values.extend(met.iter().map(|met| (met >> 32) as f32));
                    lists.lengths.push(met.len() as u32);
                    met.clear();
                }
                lists
            },
        )
        .collect();
    RowLists::concat(chunks)
}

/// Mixes co-occurrence, items taken by the same users, into an item graph.
///
/// ```text
/// A[i, ·] = (1 − share) S[i, ·] + share · C[i, ·] / Σ_j C[i, j],   C = the k largest numbers of common users in Rᵀ R, C[i, i] = 0
/// ```
///
/// An item that co-occurs with no other keeps its row, so new items have only neighbours with similar content. Ties go
/// to the lower id. Time O(Σ_u deg(u)²) over users.
///
/// ```
/// use sprs::CsMat;
/// use viral::data::Interactions;
/// use viral::graph::with_cooccurrence;
///
/// let interactions = Interactions::from_pairs(1, 3, &[(0, 0), (0, 1)]);
/// let graph = with_cooccurrence(&CsMat::eye(3), &interactions, 10, 0.25);
/// assert_eq!((graph[[0, 0]], graph[[0, 1]], graph[[2, 2]], graph.nnz()), (0.75, 0.25, 1.0, 5));
/// ```
///
/// # Shapes
/// - `graph`, output: `[n_items, n_items]`
///
/// # Panics
/// When the graph does not have one row per item.
pub fn with_cooccurrence(graph: &CsMat<f32>, interactions: &Interactions, k: usize, share: f32) -> CsMat<f32> {
    mixed(graph, &item_counts(interactions, k), share)
}

/// Like [`with_cooccurrence`], with the co-occurrence rows computed by `items`.
pub(crate) fn with_cooccurrence_by(
    items: &dyn RowMaker,
    graph: &CsMat<f32>,
    interactions: &Interactions,
    k: usize,
    share: f32,
) -> Result<CsMat<f32>> {
    Ok(mixed(graph, &counts_by(items, &of_items(interactions), k)?, share))
}

fn mixed(graph: &CsMat<f32>, counts: &CsMat<f32>, share: f32) -> CsMat<f32> {
    let together = row_stochastic(counts).map(|weight| weight * share);
    assert_eq!(graph.shape(), together.shape(), "with_cooccurrence: graph and items");
    let mut graph = graph.clone();
    for (mut row, together) in graph.outer_iterator_mut().zip(together.outer_iterator()) {
        if together.nnz() > 0 {
            row.iter_mut().for_each(|(_, weight)| *weight *= 1.0 - share);
        }
    }
    &graph + &together
}

/// Like [`cooccurrence_counts`], for items: counts the users that two items have in common, `[n_items, n_items]`.
pub(super) fn item_counts(interactions: &Interactions, k: usize) -> CsMat<f32> {
    cooccurrence_counts(&of_items(interactions), k)
}

/// Returns the transposed interactions, with items in place of users.
fn of_items(interactions: &Interactions) -> Interactions {
    let pairs: Vec<(u32, u32)> = interactions.pairs().map(|(user, item)| (item, user)).collect();
    Interactions::from_pairs(interactions.n_items(), interactions.n_users(), &pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::rows::Piecewise;

    /// Common items: users 0 and 1 have two, 0 and 2 one, 0 and 3 one, 1 and 3 one; user 4 shares none.
    fn interactions() -> Interactions {
        Interactions::from_pairs(5, 4, &[(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 2), (3, 1), (4, 3)])
    }

    #[test]
    fn counts_are_common_items() {
        let counts = cooccurrence_counts(&interactions(), 5).to_dense();
        #[rustfmt::skip]
        let expected = [
            0.0, 2.0, 1.0, 1.0, 0.0,
            2.0, 0.0, 0.0, 1.0, 0.0,
            1.0, 0.0, 0.0, 0.0, 0.0,
            1.0, 1.0, 0.0, 0.0, 0.0,
            0.0, 0.0, 0.0, 0.0, 0.0,
        ];
        assert_eq!(counts.as_slice().unwrap(), expected);
    }

    #[test]
    fn a_tie_goes_to_the_lower_id() {
        let graph = user_cooccurrence(&interactions(), 2, NeighborWeight::Counts);
        let row = graph.outer_view(0).unwrap();
        assert_eq!(row.indices(), [1, 2]);
        assert!((row.data()[0] - 2.0 / 3.0).abs() < 1e-7);
        assert_eq!(
            user_cooccurrence(&interactions(), 1, NeighborWeight::Uniform).outer_view(3).unwrap().indices(),
            [0]
        );
    }

    #[test]
    fn weights_sum_to_one_over_the_real_neighbours() {
        for weight in [NeighborWeight::Softmax, NeighborWeight::Counts, NeighborWeight::Uniform] {
            let graph = user_cooccurrence(&interactions(), 3, weight);
            for (user, row) in graph.outer_iterator().enumerate() {
                let sum: f32 = row.data().iter().sum();
                let expected = if user == 4 { 0.0 } else { 1.0 };
                assert!((sum - expected).abs() < 1e-6, "{weight:?} of user {user}: {sum}");
            }
        }
    }

    #[test]
    fn rows_made_piece_by_piece_are_the_same() {
        let pairs: Vec<(u32, u32)> =
            (0..700).flat_map(|user| (0..9).map(move |n| (user, (user * 7 + n * n) % 90))).collect();
        let interactions = Interactions::from_pairs(700, 90, &pairs);
        let whole = user_cooccurrence(&interactions, 6, NeighborWeight::Softmax);
        let mixed = with_cooccurrence(&CsMat::eye(90), &interactions, 5, 0.25);
        for n in [1, 37, 256, 699] {
            let pieces = Piecewise(n);
            let users = user_cooccurrence_by(&pieces, &interactions, 6, NeighborWeight::Softmax).unwrap();
            assert_eq!(users, whole, "{n} at a time");
            let items = with_cooccurrence_by(&pieces, &CsMat::eye(90), &interactions, 5, 0.25).unwrap();
            assert_eq!(items, mixed, "{n} at a time");
        }
    }

    #[test]
    fn nobody_and_nothing_are_empty() {
        assert_eq!(cooccurrence_counts(&Interactions::from_pairs(3, 2, &[]), 2).nnz(), 0);
        assert_eq!(cooccurrence_counts(&interactions(), 0).nnz(), 0);
    }
}
