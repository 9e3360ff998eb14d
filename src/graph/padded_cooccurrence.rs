//! The user–user graph with short rows padded at random, anew in each epoch.

use crate::data::{below, draw, stream};
use rayon::prelude::*;
use sprs::CsMat;

/// Domain separator of these draws in the key.
const PADDING: u64 = 40;

/// Builds the user–user graph of DRAGON and COHESION as in their authors' code: rows with fewer than `k` neighbours are
/// padded to `k` by repeats, and each copy counts in the softmax over the counts.
///
/// ```text
/// the list of u: its neighbours; while it is shorter than k, append an entry drawn uniformly from the current list
/// A[u, v] = n_v exp(C[u, v]) / Σ_w n_w exp(C[u, w]),    n_v the copies of v in the list of u
/// ```
///
/// Repeats breed repeats (Pólya's urn): of two neighbours, each takes any number of the `k` places from 1 to `k - 1`
/// with equal probability. The copies of a neighbour form one edge. A row of `k` or more neighbours is the softmax over
/// them; an empty row stays empty. A draw depends only on `(seed, epoch)`, the user and the place.
///
/// `counts` come from [`cooccurrence_counts`](super::cooccurrence_counts) with the same `k`. Time O(users · k), and as
/// much memory as the graph.
///
/// ```
/// use viral::data::Interactions;
/// use viral::graph::{cooccurrence_counts, padded_cooccurrence};
///
/// // User 0 has one item in common with each of the others, who share none.
/// let interactions = Interactions::from_pairs(3, 2, &[(0, 0), (0, 1), (1, 0), (2, 1)]);
/// let counts = cooccurrence_counts(&interactions, 3);
/// let graph = padded_cooccurrence(&counts, 3, 7, 0);
/// let shares = [graph[[0, 1]], graph[[0, 2]]];
/// // One of the two neighbours is in the list twice.
/// assert!((shares[0] - 1.0 / 3.0).abs() < 1e-6 || (shares[0] - 2.0 / 3.0).abs() < 1e-6);
/// assert!((shares[0] + shares[1] - 1.0).abs() < 1e-6 && graph[[1, 0]] == 1.0);
/// assert_eq!(padded_cooccurrence(&counts, 3, 7, 0), graph);
/// ```
///
/// # Shapes
/// - `counts`, output: `[n_users, n_users]`
pub fn padded_cooccurrence(counts: &CsMat<f32>, k: usize, seed: u64, epoch: u64) -> CsMat<f32> {
    let mut graph = counts.to_csr();
    let key = stream(&[seed, PADDING, epoch]);
    let lengths: Vec<usize> = graph.outer_iterator().map(|row| row.nnz()).collect();
    let mut rest = graph.data_mut();
    let mut next = |n: usize| {
        let (row, behind) = std::mem::take(&mut rest).split_at_mut(n);
        rest = behind;
        row
    };
    let rows: Vec<&mut [f32]> = lengths.into_iter().map(&mut next).collect();
    rows.into_par_iter().enumerate().for_each_init(Vec::new, |list, (user, row)| {
        let copies = copies(row.len(), k, key, user as u64, list);
        let largest = row.iter().fold(f32::NEG_INFINITY, |max, &x| max.max(x));
        let weights = row.iter().zip(&copies).map(|(&count, &n)| f64::from(n) * f64::from(count - largest).exp());
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        row.iter_mut().zip(weights).for_each(|(value, weight)| *value = (weight / sum) as f32);
    });
    graph
}

/// Counts the copies of each of `n` neighbours in the padded list of `k`; `list` is scratch space.
fn copies(n: usize, k: usize, key: u64, user: u64, list: &mut Vec<u32>) -> Vec<u32> {
    let mut copies = vec![1; n];
    if n == 0 || n >= k {
        return copies;
    }
    list.clear();
    list.extend(0..n as u32);
    for place in n..k {
        let copied = list[below(place as u32, draw(key, user * k as u64 + place as u64)) as usize];
        copies[copied as usize] += 1;
        list.push(copied);
    }
    copies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Interactions;
    use crate::graph::{NeighborWeight, cooccurrence_counts, softmax_rows, user_cooccurrence};

    /// Row 0 has the counts 2 and 1, row 1 a single 2, row 2 none, row 3 four times 1.
    fn counts() -> CsMat<f32> {
        let values = vec![2.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0];
        CsMat::new((5, 5), vec![0, 2, 3, 3, 7, 7], vec![1, 4, 0, 0, 1, 2, 4], values)
    }

    #[test]
    fn the_edges_stay_and_rows_sum_to_one_or_nothing() {
        let graph = padded_cooccurrence(&counts(), 4, 1, 2);
        assert_eq!(graph.indices(), counts().indices());
        assert!(graph.outer_iterator().zip(counts().outer_iterator()).all(|(a, b)| a.nnz() == b.nnz()));
        let sums: Vec<f32> = graph.outer_iterator().map(|row| row.data().iter().sum()).collect();
        assert!(sums.iter().zip([1.0, 1.0, 0.0, 1.0, 0.0]).all(|(sum, one)| (sum - one).abs() < 1e-6), "{sums:?}");
        // A full row is not padded, and copies of a single neighbour do not change its share.
        assert_eq!(graph.data()[2..], softmax_rows(&counts()).data()[2..]);
    }

    #[test]
    fn enough_neighbours_give_the_graph_without_padding() {
        let pairs: Vec<(u32, u32)> = (0..12).flat_map(|u| [(u, u % 3), (u, 3 + u % 2)]).collect();
        let interactions = Interactions::from_pairs(12, 5, &pairs);
        let counts = cooccurrence_counts(&interactions, 4);
        assert!(counts.outer_iterator().all(|row| row.nnz() == 4));
        let expected = user_cooccurrence(&interactions, 4, NeighborWeight::Softmax);
        let graph = padded_cooccurrence(&counts, 4, 3, 5);
        assert_eq!(graph.indices(), expected.indices());
        assert!(graph.data().iter().zip(expected.data()).all(|(a, b)| (a - b).abs() < 1e-7));
    }

    #[test]
    fn the_draw_is_a_function_of_seed_and_epoch() {
        let draws = |seed| (0..20).map(|epoch| padded_cooccurrence(&counts(), 30, seed, epoch)).collect::<Vec<_>>();
        let (one, other) = (draws(1), draws(2));
        assert_eq!(one, draws(1));
        assert!(one.windows(2).any(|pair| pair[0] != pair[1]), "all epochs have the same copies");
        assert_ne!(one, other);
        // Earlier draws do not affect later ones.
        assert_eq!(padded_cooccurrence(&counts(), 30, 1, 17), one[17]);
    }

    /// Draws are from the growing list: of two neighbours, the first has 1, 2 or 3 of four places with probability 1/3
    /// each. Drawn from the neighbours only, it would be 1/4, 1/2 and 1/4.
    #[test]
    fn repeats_breed_repeats() {
        let (n, e) = (30_000, std::f64::consts::E);
        let mut seen = [0u32; 3];
        for epoch in 0..n {
            let graph = padded_cooccurrence(&counts(), 4, 9, epoch);
            let share = f64::from(graph.data()[0]);
            // a e² / (a e² + (4 - a) e) for a copies.
            let is = |a: f64| (share - a * e / (a * e + 4.0 - a)).abs() < 1e-6;
            let a = [1.0, 2.0, 3.0].iter().position(|&a| is(a));
            seen[a.unwrap_or_else(|| panic!("a share of {share} is none of three"))] += 1;
        }
        // Binomial(n, 1/3): five standard deviations.
        let bound = 5.0 * (n as f64 * 2.0 / 9.0).sqrt();
        assert!(seen.iter().all(|&s| (f64::from(s) - n as f64 / 3.0).abs() < bound), "{seen:?}");
    }

    #[test]
    fn any_number_of_threads_gives_the_same_graph() {
        let pairs: Vec<(u32, u32)> = (0..400).flat_map(|u| [(u, u % 150), (u, 150 + u * 7 % 90)]).collect();
        let counts = cooccurrence_counts(&Interactions::from_pairs(400, 240, &pairs), 9);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| padded_cooccurrence(&counts, 9, 1, 1))
        };
        assert_eq!(run(1), run(4));
    }
}
