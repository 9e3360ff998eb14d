//! Edge dropout: a random subset of the user–item pairs in each epoch.

use crate::data::{Interactions, splitmix64};
use crate::error::Short;
use crate::named::named;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which pairs edge dropout is likely to keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pruning {
    /// All pairs with equal probability.
    Uniform,
    /// With probability proportional to `1/√(deg(u) deg(i))`: popular items lose the most pairs (FREEDOM, arXiv
    /// 2211.06924).
    #[default]
    DegreeSensitive,
}

named! {
    Pruning, "pruning":
    Uniform => "uniform",
    DegreeSensitive => "degree_sensitive",
}

/// Samples the pairs that a training graph keeps (edge dropout).
///
/// ```text
/// n = floor(pairs · (1 - dropout)) pairs without replacement, P(next = (u, i)) ∝ 1/√(deg(u) deg(i))
/// ```
///
/// Sampling uses exponential keys: taking the `n` smallest `-ln(U)/w` has the same distribution as FREEDOM's
/// `torch.multinomial`. The kept pairs depend only on `(seed, epoch)`.
///
/// A draw takes O(pairs) time and memory.
///
/// ```
/// use viral::data::Interactions;
/// use viral::graph::{EdgePruner, Pruning, bipartite_adjacency_of};
///
/// let pairs: Vec<(u32, u32)> = (0..10).map(|user| (user, user / 2)).collect();
/// let pruner = EdgePruner::new(&Interactions::from_pairs(10, 5, &pairs), 0.8, Pruning::DegreeSensitive)?;
/// let (first, second) = (pruner.kept(1, 0), pruner.kept(1, 1));
/// assert!(pruner.kept(1, 0) == first && first.len() == pruner.n_kept() && second.len() == first.len());
/// let graph = bipartite_adjacency_of(10, 5, &first, 0.0);
/// assert_eq!(graph.nnz(), 2 * first.len());
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EdgePruner {
    pairs: Vec<(u32, u32)>,
    /// Inverse sampling weight `1 / w` of each pair.
    inverse_weights: Vec<f64>,
    n_kept: usize,
}

impl EdgePruner {
    /// Prepares sampling of `floor(pairs · (1 - dropout))` pairs; `dropout` must be in `[0, 1)`.
    pub fn new(interactions: &Interactions, dropout: f64, pruning: Pruning) -> Result<Self> {
        if !(0.0..1.0).contains(&dropout) {
            let short = Short(dropout);
            return Err(Error::Config(format!(
                "edge_dropout, the share of pairs to drop, is {short}; it must be in [0, 1)"
            )));
        }
        let pairs: Vec<(u32, u32)> = interactions.pairs().collect();
        let (users, items) = (interactions.user_degrees(), interactions.item_degrees());
        let inverse_weight = |&(user, item): &(u32, u32)| match pruning {
            Pruning::Uniform => 1.0,
            Pruning::DegreeSensitive => (f64::from(users[user as usize]) * f64::from(items[item as usize])).sqrt(),
        };
        let inverse_weights = pairs.iter().map(inverse_weight).collect();
        let n_kept = (pairs.len() as f64 * (1.0 - dropout)) as usize;
        Ok(Self { pairs, inverse_weights, n_kept })
    }

    /// Number of pairs that each draw keeps.
    pub fn n_kept(&self) -> usize {
        self.n_kept
    }

    /// Samples the pairs kept in `epoch`, sorted by user and then by item.
    pub fn kept(&self, seed: u64, epoch: u64) -> Vec<(u32, u32)> {
        let stream = splitmix64(splitmix64(seed) ^ epoch);
        let mut keys: Vec<(u64, u32)> = Vec::with_capacity(self.pairs.len());
        for (e, &inverse_weight) in self.inverse_weights.iter().enumerate() {
            // 53 bits in (0, 1]; the bits of non-negative floats sort as the numbers do.
            let uniform = ((splitmix64(stream ^ e as u64) >> 11) + 1) as f64 / (1u64 << 53) as f64;
            keys.push(((-uniform.ln() * inverse_weight + 0.0).to_bits(), e as u32));
        }
        if self.n_kept < keys.len() {
            keys.select_nth_unstable(self.n_kept);
            keys.truncate(self.n_kept);
        }
        let mut is_kept = vec![false; self.pairs.len()];
        keys.iter().for_each(|&(_, e)| is_kept[e as usize] = true);
        self.pairs.iter().zip(is_kept).filter(|(_, kept)| *kept).map(|(&pair, _)| pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 users: item 0 belongs to everybody, item 1 + u only to user u.
    fn star() -> Interactions {
        let pairs: Vec<(u32, u32)> = (0..40).flat_map(|u| [(u, 0), (u, u + 1)]).collect();
        Interactions::from_pairs(40, 41, &pairs)
    }

    #[test]
    fn the_draw_is_a_function_of_seed_and_epoch() {
        let pruner = EdgePruner::new(&star(), 0.8, Pruning::DegreeSensitive).unwrap();
        assert_eq!(pruner.kept(1, 2), pruner.kept(1, 2));
        assert_ne!(pruner.kept(1, 2), pruner.kept(1, 3));
        assert_ne!(pruner.kept(1, 2), pruner.kept(2, 2));
        assert_ne!(pruner.kept(1, 2), pruner.kept(2, 1));
    }

    #[test]
    fn it_keeps_the_floor_of_the_share_each_pair_once() {
        for (dropout, n) in [(0.0, 80), (0.8, 15), (0.99, 0), (0.5, 40)] {
            // 80 · (1 - 0.8) is 15.999… in f64 and its floor is 15, like int() in FREEDOM.
            let pruner = EdgePruner::new(&star(), dropout, Pruning::Uniform).unwrap();
            let kept = pruner.kept(7, 0);
            assert_eq!((kept.len(), pruner.n_kept()), (n, n), "dropout {dropout}");
            assert!(kept.windows(2).all(|w| w[0] < w[1]));
            assert!(kept.iter().all(|&(u, i)| star().contains(u as usize, i)));
        }
    }

    #[test]
    fn one_pair_is_kept_in_proportion_to_its_weight() {
        // Weights are 1/√(2·40) for 40 pairs and 1/√(2·1) for 40: the second kind gets √40/(√40 + 1) of the draws.
        let pruner = EdgePruner::new(&star(), 0.98, Pruning::DegreeSensitive).unwrap();
        assert_eq!(pruner.n_kept(), 1);
        let n = 20_000;
        let rare = (0..n).filter(|&epoch| pruner.kept(5, epoch)[0].1 != 0).count() as f64 / n as f64;
        let p = 40f64.sqrt() / (40f64.sqrt() + 1.0);
        // Four standard errors.
        assert!((rare - p).abs() < 4.0 * (p * (1.0 - p) / n as f64).sqrt(), "{rare} for {p}");
        let uniform = EdgePruner::new(&star(), 0.98, Pruning::Uniform).unwrap();
        let rare = (0..n).filter(|&epoch| uniform.kept(5, epoch)[0].1 != 0).count() as f64 / n as f64;
        assert!((rare - 0.5).abs() < 4.0 * 0.5 / (n as f64).sqrt(), "{rare}");
    }

    #[test]
    fn a_dropout_outside_its_range_is_an_error() {
        for dropout in [1.0, -0.1, f64::NAN] {
            assert!(EdgePruner::new(&star(), dropout, Pruning::Uniform).is_err());
        }
    }
}
