//! Training order: shuffled pairs, each with a negative item, as a function of (seed, epoch, step).

use super::Interactions;
use super::counter::{below, draw, stream};

/// Domain separators of the random streams in their keys.
const ORDER: u64 = 1;
const NEGATIVES: u64 = 2;

/// Samples training batches. Samplers with equal seeds give the same batches on every machine, whatever was drawn
/// before: a run that resumes at a step continues exactly.
///
/// ```
/// use viral::data::{Interactions, Sampler};
///
/// let train = Interactions::from_pairs(2, 4, &[(0, 0), (0, 1), (1, 2)]);
/// let order = Sampler::new(7, 2).epoch(&train, 0);
/// assert_eq!((order.n_steps(), order.n_pairs()), (2, 3));
/// let triplets = order.batch(0);
/// for ((&user, &positive), &negative) in triplets.users().iter().zip(triplets.positives()).zip(triplets.negatives()) {
///     assert!(train.contains(user as usize, positive) && !train.contains(user as usize, negative));
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    seed: u64,
    batch_size: usize,
}

/// The triples `(users[i], positives[i], negatives[i])` of one step, in host memory.
///
/// ```
/// use viral::data::Triplets;
///
/// let triplets = Triplets::new(vec![0, 1], vec![0, 3], vec![2, 2]);
/// assert_eq!((triplets.len(), triplets.positives()), (2, &[0, 3][..]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Triplets {
    users: Vec<u32>,
    positives: Vec<u32>,
    negatives: Vec<u32>,
}

impl Triplets {
    /// Creates triples of a user, an item they have interacted with and one they have not.
    ///
    /// # Panics
    /// When the three lists differ in length.
    pub fn new(users: Vec<u32>, positives: Vec<u32>, negatives: Vec<u32>) -> Self {
        let lengths = [users.len(), positives.len(), negatives.len()];
        assert!(lengths.iter().all(|&n| n == lengths[0]), "triplets: lists of {lengths:?} users, positives, negatives");
        Self { users, positives, negatives }
    }

    /// Returns the users; a user may occur several times.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// Returns the positives: for each triple, an item of the user in train.
    pub fn positives(&self) -> &[u32] {
        &self.positives
    }

    /// Returns the negatives: for each triple, an item that the user does not have in train.
    pub fn negatives(&self) -> &[u32] {
        &self.negatives
    }

    /// Number of triples.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there are no triples.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

/// The shuffled train pairs of one epoch.
#[derive(Debug, Clone)]
pub struct EpochOrder<'a> {
    train: &'a Interactions,
    batch_size: usize,
    negatives: u64,
    pairs: Vec<(u32, u32)>,
}

impl Sampler {
    /// Creates a sampler of `batch_size` pairs per step.
    ///
    /// # Panics
    /// When `batch_size` is 0.
    pub fn new(seed: u64, batch_size: usize) -> Self {
        assert!(batch_size > 0, "sampler: batch_size is 0");
        Self { seed, batch_size }
    }

    /// Returns the seed of all draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of pairs per step; the last step of an epoch may have fewer.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Shuffles the train pairs for an epoch, by hash. Pairs of users who have every item are left out, since there is
    /// no negative for them. O(pairs).
    pub fn epoch<'a>(&self, train: &'a Interactions, epoch: usize) -> EpochOrder<'a> {
        let key = stream(&[self.seed, ORDER, epoch as u64]);
        let has_negatives = |user: u32| train.of_user(user as usize).len() < train.n_items();
        let pairs = train.pairs().filter(|&(user, _)| has_negatives(user));
        let pairs = sorted(pairs.zip(0..).map(|(pair, i)| (draw(key, i), pair)), train.n_pairs());
        let negatives = stream(&[self.seed, NEGATIVES, epoch as u64]);
        EpochOrder { train, batch_size: self.batch_size, negatives, pairs }
    }
}

impl EpochOrder<'_> {
    /// Number of steps, including the last, possibly shorter one.
    pub fn n_steps(&self) -> usize {
        self.pairs.len().div_ceil(self.batch_size)
    }

    /// Number of pairs: the train pairs without those of users who have every item.
    pub fn n_pairs(&self) -> usize {
        self.pairs.len()
    }

    /// Returns the batch of a step. Negatives are uniform over the items that the user does not have in train,
    /// including items without any train interaction. O(batch · log(items of a user)).
    ///
    /// # Panics
    /// When `step` is not below [`n_steps`](Self::n_steps).
    pub fn batch(&self, step: usize) -> Triplets {
        assert!(step < self.n_steps(), "sampler: step {step} of {}", self.n_steps());
        let start = step * self.batch_size;
        let pairs = &self.pairs[start..self.pairs.len().min(start + self.batch_size)];
        let negative = |(i, &(user, _)): (usize, &(u32, u32))| {
            let seen = self.train.of_user(user as usize);
            absent(seen, self.train.n_items(), draw(self.negatives, (start + i) as u64))
        };
        Triplets {
            users: pairs.iter().map(|&(user, _)| user).collect(),
            positives: pairs.iter().map(|&(_, item)| item).collect(),
            negatives: pairs.iter().enumerate().map(negative).collect(),
        }
    }

    /// Iterates over all batches, in order.
    pub fn batches(&self) -> impl ExactSizeIterator<Item = Triplets> + '_ {
        (0..self.n_steps()).map(|step| self.batch(step))
    }
}

/// Sorts pairs by their hashes, which are distinct because `draw` is a bijection.
///
/// This is a bucket sort: hashes are uniform, so their leading bits spread `n_about` pairs over buckets of about ten
/// pairs, each of which is sorted separately.
fn sorted(hashed: impl Iterator<Item = (u64, (u32, u32))> + Clone, n_about: usize) -> Vec<(u32, u32)> {
    let bits = (n_about / 8).max(2).ilog2();
    let bucket = |hash: u64| (hash >> (64 - bits)) as usize;
    let mut ends = vec![0; (1 << bits) + 1];
    hashed.clone().for_each(|(hash, _)| ends[bucket(hash) + 1] += 1);
    (1..ends.len()).for_each(|b| ends[b] += ends[b - 1]);
    let mut pairs = vec![(0, (0, 0)); ends[1 << bits]];
    for pair in hashed {
        let place = &mut ends[bucket(pair.0)]; // the bucket's start, which moves to its end
        pairs[*place] = pair;
        *place += 1;
    }
    let mut start = 0;
    for end in ends {
        pairs[start..end].sort_unstable_by_key(|&(hash, _)| hash);
        start = end;
    }
    pairs.into_iter().map(|(_, pair)| pair).collect()
}

/// Maps 64 random bits to a uniform item below `n_items` that is not in the ascending list `seen`.
///
/// It needs one draw and no rejection: the r-th absent item is r plus the number of seen items before it, and
/// `seen[k] - k` counts the absent items before `seen[k]`.
pub(crate) fn absent(seen: &[u32], n_items: usize, bits: u64) -> u32 {
    let rank = below((n_items - seen.len()) as u32, bits);
    let before = match seen.len() {
        0..=32 => seen.iter().zip(0..).take_while(|&(&item, k)| item - k <= rank).count(),
        _ => absent_before(seen, rank),
    };
    rank + before as u32
}

/// Counts entries with `seen[k] - k <= rank` by binary search: the left side never decreases with k.
fn absent_before(seen: &[u32], rank: u32) -> usize {
    let (mut low, mut high) = (0, seen.len());
    while low < high {
        let middle = (low + high) / 2;
        if seen[middle] - middle as u32 <= rank {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toy() -> Interactions {
        // User 1 has no items, user 2 all but item 3, user 3 all; item 5 has only one other user.
        let pairs = [(0, 0), (0, 2), (2, 0), (2, 1), (2, 2), (2, 4), (2, 5)];
        let everything = (0..6).map(|item| (3, item));
        Interactions::from_pairs(4, 6, &pairs.into_iter().chain(everything).collect::<Vec<_>>())
    }

    #[test]
    fn an_epoch_is_every_pair_once_with_a_negative() {
        let train = toy();
        for epoch in 0..50 {
            let order = Sampler::new(7, 3).epoch(&train, epoch);
            let batches: Vec<Triplets> = order.batches().collect();
            assert_eq!(batches.iter().map(Triplets::len).collect::<Vec<_>>(), [3, 3, 1]);
            let mut pairs = Vec::new();
            for batch in &batches {
                for ((&user, &positive), &negative) in batch.users.iter().zip(&batch.positives).zip(&batch.negatives) {
                    assert!(negative < 6 && !train.contains(user as usize, negative));
                    assert!(user != 2 || negative == 3);
                    pairs.push((user, positive));
                }
            }
            pairs.sort_unstable();
            // All pairs except those of user 3, who has every item.
            assert_eq!(pairs, train.pairs().filter(|&(user, _)| user != 3).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_batch_depends_on_seed_epoch_and_step_alone() {
        let pairs: Vec<_> = (0..1000).map(|i| (i % 50, i * 7 % 301)).collect();
        let train = Interactions::from_pairs(50, 301, &pairs);
        let batch = |seed, epoch, step| Sampler::new(seed, 64).epoch(&train, epoch).batch(step);
        assert_eq!(batch(1, 2, 3), batch(1, 2, 3));
        assert_eq!(Sampler::new(1, 64).epoch(&train, 2).batches().nth(3), Some(batch(1, 2, 3)));
        for other in [batch(2, 2, 3), batch(1, 3, 3), batch(1, 2, 4)] {
            assert_ne!(batch(1, 2, 3), other);
        }
    }

    #[test]
    fn the_order_never_changes_between_versions() {
        let train = Interactions::from_pairs(2, 5, &[(0, 0), (0, 1), (1, 2), (1, 4)]);
        let batch = Sampler::new(42, 4).epoch(&train, 1).batch(0);
        // Computed from the definition by an independent Python program; resuming checkpoints relies on it.
        let expected = Triplets { users: vec![1, 1, 0, 0], positives: vec![2, 4, 1, 0], negatives: vec![0, 1, 3, 4] };
        assert_eq!(batch, expected);
    }

    #[test]
    fn negatives_are_uniform_over_the_absent_items() {
        let train = Interactions::from_pairs(1, 8, &[(0, 1), (0, 4), (0, 7)]);
        let mut seen = [0u32; 8];
        for epoch in 0..10_000 {
            Sampler::new(3, 8).epoch(&train, epoch).batch(0).negatives.iter().for_each(|&n| seen[n as usize] += 1);
        }
        for (item, &count) in seen.iter().enumerate() {
            // 30,000 draws over 5 items: five standard deviations are 346.
            let expected = if train.contains(0, item as u32) { 0 } else { 6000 };
            assert!(count.abs_diff(expected) < 346 && (expected > 0 || count == 0), "{item}: {count}");
        }
    }

    #[test]
    fn the_direct_draw_equals_a_list_of_the_absent() {
        let long: Vec<u32> = (0..200).filter(|item| item % 3 != 1).collect();
        for seen in [vec![], vec![0], vec![9], vec![0, 1, 2], vec![3, 5, 8], long] {
            let n_items = if seen.len() > 10 { 200 } else { 10 };
            let list: Vec<u32> = (0..n_items as u32).filter(|item| !seen.contains(item)).collect();
            for (rank, &item) in list.iter().enumerate() {
                // The midpoint of the interval of 64-bit numbers that map to this rank.
                let bits = ((rank as u128 * 2 + 1) * (1u128 << 63) / list.len() as u128) as u64;
                assert_eq!(absent(&seen, n_items, bits), item);
                assert_eq!(rank + absent_before(&seen, rank as u32), item as usize);
            }
        }
    }

    #[test]
    #[should_panic(expected = "triplets: lists of [2, 1, 2]")]
    fn lists_of_different_lengths_are_no_triplets() {
        Triplets::new(vec![0, 1], vec![0], vec![2, 2]);
    }

    #[test]
    fn no_pairs_are_no_steps() {
        let order = Sampler::new(0, 4);
        assert_eq!(order.epoch(&Interactions::from_pairs(3, 3, &[]), 0).n_steps(), 0);
        let everything = Interactions::from_pairs(1, 2, &[(0, 0), (0, 1)]);
        assert_eq!((order.epoch(&everything, 0).n_steps(), order.epoch(&everything, 0).n_pairs()), (0, 0));
    }
}
