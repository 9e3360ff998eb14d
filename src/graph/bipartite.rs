//! The bipartite user–item graph.

use crate::data::{Csr, Interactions, check_ids};
use sprs::CsMat;
#[cfg(feature = "flex")]
use std::ops::Range;

/// Epsilon that MMRec (and so LightGCN, FREEDOM and their published figures) adds to every degree.
pub const MMREC_EPS: f64 = 1e-7;

/// Builds the symmetrically normalised user–item adjacency matrix, users first.
///
/// ```text
/// A[u, U+i] = A[U+i, u] = 1 / √((deg(u) + eps)(deg(i) + eps))      (1), with eps = 0
/// ```
///
/// With `eps` 0 this is Eq. 1 of the paper and of LightGCN (arXiv 2002.02126); with [`MMREC_EPS`] it is MMRec's
/// `get_norm_adj_mat`. Values are computed in `f64` and rounded once. The row of a node without pairs is empty.
///
/// Time and memory O(pairs + users + items): sorting is by counting only.
///
/// ```
/// use viral::data::Interactions;
/// use viral::graph::bipartite_adjacency;
///
/// // User 0 interacted with both items, user 1 only with the second.
/// let graph = bipartite_adjacency(&Interactions::from_pairs(2, 2, &[(0, 0), (0, 1), (1, 1)]), 0.0);
/// assert_eq!((graph.shape(), graph.nnz()), ((4, 4), 6));
/// // Item 1 is node 2 + 1; it and user 0 have degree 2.
/// assert!((graph[[0, 3]] - 0.5).abs() < 1e-6 && graph[[3, 0]] == graph[[0, 3]]);
/// ```
///
/// # Shapes
/// - output: `[n_users + n_items, n_users + n_items]`
pub fn bipartite_adjacency(interactions: &Interactions, eps: f64) -> CsMat<f32> {
    adjacency(interactions.csr(), eps)
}

/// Like [`bipartite_adjacency`], for distinct pairs in any order: the kept pairs of a pruned graph, normalised by their
/// own degrees (FREEDOM, arXiv 2211.06924).
///
/// Time and memory O(pairs + users + items).
///
/// ```
/// use viral::graph::bipartite_adjacency_of;
///
/// let graph = bipartite_adjacency_of(2, 2, &[(1, 1), (0, 1)], 0.0);
/// assert_eq!(graph.nnz(), 4);
/// assert!((graph[[1, 3]] - 0.5f32.sqrt()).abs() < 1e-6);
/// ```
///
/// # Shapes
/// - output: `[n_users + n_items, n_users + n_items]`
///
/// # Panics
/// When an id is out of range or a pair is given twice.
pub fn bipartite_adjacency_of(n_users: usize, n_items: usize, pairs: &[(u32, u32)], eps: f64) -> CsMat<f32> {
    check_ids(n_users, n_items, pairs);
    match Csr::from_distinct(n_users, n_items, pairs.len(), |e| pairs[e]) {
        Ok((pattern, _)) => adjacency(&pattern, eps),
        Err((user, item)) => panic!("bipartite_adjacency_of: user {user} and item {item} are given twice"),
    }
}

/// Builds the unweighted user–item adjacency matrix, users first, as input for other normalisations.
///
/// Time and memory O(pairs + users + items).
///
/// ```
/// use viral::data::Interactions;
/// use viral::graph::{add_self_loops, bipartite_pattern, row_stochastic};
///
/// // LATTICE's user-item graph: D⁻¹ (A + I).
/// let pattern = bipartite_pattern(&Interactions::from_pairs(1, 2, &[(0, 0), (0, 1)]));
/// let graph = row_stochastic(&add_self_loops(&pattern));
/// assert_eq!((graph[[0, 0]], graph[[1, 0]]), (1.0 / 3.0, 0.5));
/// ```
///
/// # Shapes
/// - output: `[n_users + n_items, n_users + n_items]`
pub fn bipartite_pattern(interactions: &Interactions) -> CsMat<f32> {
    assemble(interactions.csr(), |_, _| 1.0)
}

/// Builds the interaction matrix, `R[u, i] = 1` where user `u` interacted with item `i`. It propagates from items to
/// users; its transpose propagates from users to items.
///
/// For layers that treat the two sides separately. Time and memory O(pairs + users).
///
/// ```
/// use viral::data::Interactions;
/// use viral::graph::{interaction_matrix, uniform_rows};
///
/// let items_to_users = interaction_matrix(&Interactions::from_pairs(2, 3, &[(0, 0), (0, 2), (1, 2)]));
/// let users_to_items = items_to_users.transpose_view().to_csr();
/// assert_eq!((items_to_users.shape(), users_to_items.shape()), ((2, 3), (3, 2)));
/// // MMGCN: a node receives the mean of its neighbours.
/// assert_eq!(uniform_rows(&users_to_items)[[2, 0]], 0.5);
/// ```
///
/// # Shapes
/// - output: `[n_users, n_items]`
pub fn interaction_matrix(interactions: &Interactions) -> CsMat<f32> {
    let pairs = interactions.csr();
    let pointers = pairs.row_ptr().iter().map(|&p| p as usize).collect();
    let columns = pairs.col_idx().iter().map(|&item| item as usize).collect();
    CsMat::new((pairs.n_rows(), pairs.n_cols()), pointers, columns, vec![1.0; pairs.nnz()])
}

/// Computes `1/√(deg + eps)`. It is read only where there is an edge, so a degree of 0 does no harm.
fn inverse_roots(degrees: &[u32], eps: f64) -> Vec<f64> {
    degrees.iter().map(|&d| 1.0 / (f64::from(d) + eps).sqrt()).collect()
}

fn adjacency(pairs: &Csr, eps: f64) -> CsMat<f32> {
    let [users, items] = [pairs.row_degrees(), pairs.col_degrees()].map(|degrees| inverse_roots(&degrees, eps));
    assemble(pairs, |user, item| (users[user] * items[item]) as f32)
}

/// Some rows of a matrix in CSR format: row pointers, columns and values.
#[cfg(feature = "flex")]
pub(crate) type SomeRows = (Vec<i32>, Vec<u32>, Vec<f32>);

/// Computes only some users' rows of [`bipartite_adjacency`], followed by some items' rows, from the pattern of the
/// pairs.
#[cfg(feature = "flex")]
pub(crate) fn bipartite_rows(pairs: &Csr, eps: f64, users: &Range<usize>, items: &Range<usize>) -> SomeRows {
    let degrees = [pairs.row_degrees(), pairs.col_degrees()];
    let ends = degrees[0][users.clone()].iter().chain(&degrees[1][items.clone()]).scan(0, |end, &degree| {
        *end += degree as i32;
        Some(*end)
    });
    let pointers: Vec<i32> = std::iter::once(0).chain(ends).collect();
    let n = pointers[pointers.len() - 1] as usize;
    let [of_users, of_items] = degrees.map(|degrees| inverse_roots(&degrees, eps));
    let (mut columns, mut values) = (vec![0; n], vec![0f32; n]);
    let mut next: Vec<usize> = pointers[users.len()..].iter().map(|&p| p as usize).collect();
    let mut at = 0;
    for (user, of_user) in of_users.iter().enumerate() {
        for &item in pairs.row(user) {
            let (row, value) = (item as usize, (of_user * of_items[item as usize]) as f32);
            if users.contains(&user) {
                (columns[at], values[at]) = ((pairs.n_rows() + row) as u32, value);
                at += 1;
            }
            if items.contains(&row) {
                let place = &mut next[row - items.start];
                (columns[*place], values[*place]) = (user as u32, value);
                *place += 1;
            }
        }
    }
    (pointers, columns, values)
}

/// Builds `[[0, R], [Rᵀ, 0]]` from the pattern of `R`.
fn assemble(pairs: &Csr, value: impl Fn(usize, usize) -> f32) -> CsMat<f32> {
    let (n_users, n_pairs) = (pairs.n_rows(), pairs.nnz());
    let n = n_users + pairs.n_cols();
    let (by_item, _) = pairs.transpose();
    let mut pointers = Vec::with_capacity(n + 1);
    pointers.extend(pairs.row_ptr()[..n_users].iter().map(|&p| p as usize));
    pointers.extend(by_item.row_ptr().iter().map(|&p| n_pairs + p as usize));
    let (mut columns, mut values) = (Vec::with_capacity(2 * n_pairs), Vec::with_capacity(2 * n_pairs));
    for user in 0..n_users {
        columns.extend(pairs.row(user).iter().map(|&item| n_users + item as usize));
        values.extend(pairs.row(user).iter().map(|&item| value(user, item as usize)));
    }
    for item in 0..pairs.n_cols() {
        columns.extend(by_item.row(item).iter().map(|&user| user as usize));
        values.extend(by_item.row(item).iter().map(|&user| value(user as usize, item)));
    }
    CsMat::new((n, n), pointers, columns, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User 0 has items 0 and 1, user 2 has item 1; user 1 and item 2 have no interactions.
    const PAIRS: [(u32, u32); 3] = [(2, 1), (0, 1), (0, 0)];

    #[cfg(feature = "flex")]
    #[test]
    fn some_rows_are_those_of_all() {
        let pairs: Vec<(u32, u32)> =
            (0..40u32).flat_map(|u| (0..u % 5).map(move |k| (u, (u * 7 + k * 3) % 17))).collect();
        let data = Interactions::from_pairs(40, 17, &pairs);
        let all = bipartite_adjacency(&data, MMREC_EPS);
        for (users, items) in [(0..40, 0..17), (3..21, 5..11), (0..0, 16..17), (39..40, 0..0)] {
            let (pointers, columns, values) = bipartite_rows(data.csr(), MMREC_EPS, &users, &items);
            let rows = users.chain(items.start + 40..items.end + 40);
            assert_eq!(pointers.len(), rows.clone().count() + 1);
            for (row, span) in rows.zip(pointers.windows(2)) {
                let span = span[0] as usize..span[1] as usize;
                let expected = all.outer_view(row).unwrap();
                assert!(columns[span.clone()].iter().map(|&c| c as usize).eq(expected.indices().iter().copied()));
                assert_eq!(&values[span], expected.data());
            }
        }
    }

    #[test]
    fn values_are_inverse_roots_of_the_degrees() {
        let a = bipartite_adjacency(&Interactions::from_pairs(3, 3, &PAIRS), 0.0);
        assert_eq!(a.shape(), (6, 6));
        assert_eq!(a.nnz(), 6);
        // deg(user 0) = 2, deg(item 0) = 1, deg(item 1) = 2, deg(user 2) = 1.
        let (half, root) = (0.5f32, std::f64::consts::FRAC_1_SQRT_2 as f32);
        for (row, column, value) in [(0, 3, root), (0, 4, half), (2, 4, root)] {
            assert!((a.get(row, column).unwrap() - value).abs() < 1e-7, "{row} {column}");
            assert_eq!(a.get(column, row), a.get(row, column));
        }
        assert_eq!(a.outer_view(1).unwrap().nnz(), 0);
        assert_eq!(a.outer_view(5).unwrap().nnz(), 0);
    }

    #[test]
    fn pairs_in_any_order_give_the_same_graph() {
        let interactions = Interactions::from_pairs(3, 3, &PAIRS);
        for eps in [0.0, MMREC_EPS, 0.5] {
            assert_eq!(bipartite_adjacency_of(3, 3, &PAIRS, eps), bipartite_adjacency(&interactions, eps));
        }
        let with_eps = bipartite_adjacency_of(3, 3, &PAIRS, 0.5);
        assert_eq!(with_eps.get(0, 3), Some(&((1.0 / (2.5f64 * 1.5).sqrt()) as f32)));
    }

    #[test]
    fn a_graph_without_pairs_is_empty() {
        let a = bipartite_adjacency_of(2, 1, &[], 0.0);
        assert_eq!((a.shape(), a.nnz()), ((3, 3), 0));
    }

    #[test]
    fn the_pattern_is_ones() {
        let a = bipartite_pattern(&Interactions::from_pairs(3, 3, &PAIRS));
        assert!(a.data().iter().all(|&x| x == 1.0) && a.nnz() == 6);
    }

    #[test]
    fn the_matrix_of_interactions_is_a_block_of_the_pattern() {
        let interactions = Interactions::from_pairs(3, 3, &PAIRS);
        let (all, block) = (bipartite_pattern(&interactions), interaction_matrix(&interactions));
        assert_eq!((block.shape(), block.nnz()), ((3, 3), 3));
        for user in 0..3 {
            for item in 0..3 {
                assert_eq!(block.get(user, item), all.get(user, 3 + item), "{user} {item}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "user 0 and item 1 are given twice")]
    fn a_pair_given_twice_panics() {
        bipartite_adjacency_of(1, 2, &[(0, 1), (0, 0), (0, 1)], 0.0);
    }
}
