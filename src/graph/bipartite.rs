//! The user-item graph.

use crate::data::Interactions;
use sprs::CsMat;

/// What MMRec (and so LightGCN, FREEDOM and their published figures) adds to every degree.
pub const MMREC_EPS: f64 = 1e-7;

/// The symmetrically normalised user-item graph, users first.
///
/// ```text
/// A[u, U+i] = A[U+i, u] = 1 / √((deg(u) + eps)(deg(i) + eps))      (1), with eps = 0
/// ```
///
/// With `eps` 0 this is Eq. 1 of the paper and of LightGCN (He et al. 2020, Eq. 3); with [`MMREC_EPS`] it is MMRec's
/// `get_norm_adj_mat`. Values are computed in `f64` and rounded once. A node without pairs has an empty row.
///
/// Time and memory O(pairs + users + items): no sorting but by counting.
///
/// ```
/// use viral::data::Interactions;
/// use viral::graph::bipartite_adjacency;
///
/// // User 0 met both items, user 1 the second alone.
/// let graph = bipartite_adjacency(&Interactions::from_pairs(2, 2, &[(0, 0), (0, 1), (1, 1)]), 0.0);
/// assert_eq!((graph.shape(), graph.nnz()), ((4, 4), 6));
/// // Item 1 is node 2 + 1; it and user 0 have two edges each.
/// assert!((graph[[0, 3]] - 0.5).abs() < 1e-6 && graph[[3, 0]] == graph[[0, 3]]);
/// ```
///
/// # Shapes
/// - output: `[n_users + n_items, n_users + n_items]`
pub fn bipartite_adjacency(interactions: &Interactions, eps: f64) -> CsMat<f32> {
    let (n_users, n_items) = (interactions.n_users(), interactions.n_items());
    let [users, items] = [interactions.user_degrees(), interactions.item_degrees()].map(|d| inverse_roots(&d, eps));
    assemble(n_users, n_items, interactions.offsets(), interactions.items(), |u, i| (users[u] * items[i]) as f32)
}

/// As [`bipartite_adjacency`], of pairs in any order, each given once: the kept pairs of a pruned graph, normalised by their
/// own degrees (FREEDOM, Zhou & Shen 2023, §3.2).
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
    let (mut user_degrees, mut item_degrees) = (vec![0u32; n_users], vec![0u32; n_items]);
    for &(user, item) in pairs {
        assert!((user as usize) < n_users, "user {user} of {n_users}");
        assert!((item as usize) < n_items, "item {item} of {n_items}");
        user_degrees[user as usize] += 1;
        item_degrees[item as usize] += 1;
    }
    // By item first, then by user in that order: every user's items come out ascending.
    let mut by_item = vec![0u32; pairs.len()];
    let mut next = starts(&item_degrees);
    for &(user, item) in pairs {
        by_item[next[item as usize]] = user;
        next[item as usize] += 1;
    }
    let offsets = starts(&user_degrees);
    let mut items = vec![0u32; pairs.len()];
    let mut next_of_user = offsets.clone();
    let mut start = 0;
    for (item, &end) in next[..n_items].iter().enumerate() {
        for &user in &by_item[start..end] {
            items[next_of_user[user as usize]] = item as u32;
            next_of_user[user as usize] += 1;
        }
        start = end;
    }
    for (user, row) in offsets.windows(2).enumerate() {
        if let Some(twice) = items[row[0]..row[1]].windows(2).find(|w| w[0] == w[1]) {
            panic!("bipartite_adjacency_of: user {user} and item {} are given twice", twice[0]);
        }
    }
    let [users, degrees] = [user_degrees, item_degrees].map(|d| inverse_roots(&d, eps));
    assemble(n_users, n_items, &offsets, &items, |u, i| (users[u] * degrees[i]) as f32)
}

/// The user-item graph with every edge 1, users first: the raw material of other normalisations.
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
    let (n_users, n_items) = (interactions.n_users(), interactions.n_items());
    assemble(n_users, n_items, interactions.offsets(), interactions.items(), |_, _| 1.0)
}

/// `1/√(deg + eps)`; only read where there is an edge, so a degree of 0 does no harm.
fn inverse_roots(degrees: &[u32], eps: f64) -> Vec<f64> {
    degrees.iter().map(|&d| 1.0 / (f64::from(d) + eps).sqrt()).collect()
}

/// Where each row begins, given its length; one entry more than rows.
pub(crate) fn starts(lengths: &[u32]) -> Vec<usize> {
    let mut starts = Vec::with_capacity(lengths.len() + 1);
    let mut sum = 0;
    starts.push(0);
    for &length in lengths {
        sum += length as usize;
        starts.push(sum);
    }
    starts
}

/// `[[0, R], [Rᵀ, 0]]` from the rows of `R`.
fn assemble(
    n_users: usize,
    n_items: usize,
    offsets: &[usize],
    items: &[u32],
    value: impl Fn(usize, usize) -> f32,
) -> CsMat<f32> {
    let (n, nnz) = (n_users + n_items, items.len());
    let mut item_degrees = vec![0u32; n_items];
    for &item in items {
        item_degrees[item as usize] += 1;
    }
    let mut pointers = Vec::with_capacity(n + 1);
    pointers.extend_from_slice(&offsets[..n_users]);
    pointers.extend(starts(&item_degrees).iter().map(|start| nnz + start));
    let mut next = pointers[n_users..].to_vec();
    let (mut columns, mut values) = (vec![0usize; 2 * nnz], vec![0f32; 2 * nnz]);
    for user in 0..n_users {
        for e in offsets[user]..offsets[user + 1] {
            let item = items[e] as usize;
            let value = value(user, item);
            (columns[e], values[e]) = (n_users + item, value);
            let back = next[item];
            (columns[back], values[back]) = (user, value);
            next[item] += 1;
        }
    }
    CsMat::new((n, n), pointers, columns, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User 0 met items 0 and 1, user 2 met item 1; user 1 and item 2 met nobody.
    const PAIRS: [(u32, u32); 3] = [(2, 1), (0, 1), (0, 0)];

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
    #[should_panic(expected = "user 0 and item 1 are given twice")]
    fn a_pair_given_twice_panics() {
        bipartite_adjacency_of(1, 2, &[(0, 1), (0, 0), (0, 1)], 0.0);
    }
}
