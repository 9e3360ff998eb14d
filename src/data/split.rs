//! Splits each user's interactions into train, valid and test.

use super::counter::{draw, stream};
use super::{Part, Ties};

/// The 8:1:1 ratios of train, valid and test, as in MMRec's data sets.
pub const RATIOS: [u32; 3] = [8, 1, 1];

/// Domain separator of the random stream in its key.
const SPLIT: u64 = 3;

/// Splits each user's interactions randomly. Returns the part of each pair, in the order of `pairs`. O(pairs · log
/// pairs).
///
/// Test and valid each get ⌊n·r/Σr⌋ of a user's n interactions, but at least one (test first) as long as one stays in
/// train. At 8:1:1, 5 interactions are split 3, 1, 1; 2 are split 1, 0, 1; a single one is train. The draw depends only
/// on seed, user and item, not on the order of the pairs or the machine.
///
/// ```
/// use viral::data::{Part, RATIOS, random_split};
///
/// let pairs: Vec<(u32, u32)> = (0..10).map(|item| (0, item)).collect();
/// let parts = random_split(&pairs, RATIOS, 7);
/// let n = |part| parts.iter().filter(|&&p| p == part).count();
/// assert_eq!([n(Part::Train), n(Part::Valid), n(Part::Test)], [8, 1, 1]);
/// ```
///
/// # Panics
/// When the train ratio is 0.
pub fn random_split(pairs: &[(u32, u32)], ratios: [u32; 3], seed: u64) -> Vec<Part> {
    let key = stream(&[seed, SPLIT]);
    split_users(pairs, ratios, |index| {
        let (user, item) = pairs[index];
        (draw(key, u64::from(user) << 32 | u64::from(item)), 0)
    })
}

/// Splits each user's interactions by time: the earliest are train, then follow valid and test. Events at the same time
/// are ordered by [`Ties`], not by ids or the order of `pairs`. Returns the part of each pair. O(pairs · log pairs).
///
/// Sizes are as in [`random_split`]. The split is temporal only within each user: one user's test may precede another's
/// train.
///
/// ```
/// use viral::data::{Part, RATIOS, Ties, temporal_split};
///
/// let pairs = [(0, 3), (0, 1), (0, 2)];
/// let ties = Ties::new(0, &["ann"], &["cup", "cot", "hat", "mug"]);
/// let parts = temporal_split(&pairs, &[30.0, 10.0, 20.0], RATIOS, &ties);
/// assert_eq!(parts, [Part::Test, Part::Train, Part::Valid]);
/// ```
///
/// # Panics
/// When the numbers of times and pairs differ, the train ratio is 0, or `ties` does not know a user or an item.
pub fn temporal_split(pairs: &[(u32, u32)], times: &[f64], ratios: [u32; 3], ties: &Ties) -> Vec<Part> {
    assert_eq!(pairs.len(), times.len(), "temporal_split: {} pairs and {} times", pairs.len(), times.len());
    // Flipping the bits of negative numbers orders the bit patterns as the numbers (IEEE 754 totalOrder).
    split_users(pairs, ratios, |index| {
        let bits = (times[index] + 0.0).to_bits(); // -0 is 0
        (if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }, ties.key(pairs[index]))
    })
}

/// Sorts each user's pairs by `key`, ties by position, and cuts them into train, valid and test.
fn split_users(pairs: &[(u32, u32)], ratios: [u32; 3], key: impl Fn(usize) -> (u64, u64)) -> Vec<Part> {
    assert!(ratios[0] > 0, "split: the train ratio is 0");
    let mut order: Vec<_> = pairs.iter().enumerate().map(|(i, pair)| (pair.0, key(i), i)).collect();
    order.sort_unstable();
    let mut parts = vec![Part::Train; pairs.len()];
    for of_user in order.chunk_by(|a, b| a.0 == b.0) {
        let [n_train, n_valid, _] = sizes(of_user.len(), ratios);
        for (_, _, index) in &of_user[n_train..][..n_valid] {
            parts[*index] = Part::Valid;
        }
        for (_, _, index) in &of_user[n_train + n_valid..] {
            parts[*index] = Part::Test;
        }
    }
    parts
}

/// Returns how many of `n` interactions go to each part.
fn sizes(n: usize, ratios: [u32; 3]) -> [usize; 3] {
    let total: u128 = ratios.iter().map(|&ratio| u128::from(ratio)).sum();
    let share = |ratio: u32| (n as u128 * u128::from(ratio) / total) as usize;
    let [_, mut valid, mut test] = ratios.map(share);
    let mut train = n - valid - test;
    for (part, ratio) in [(&mut test, ratios[2]), (&mut valid, ratios[1])] {
        if *part == 0 && ratio > 0 && train > 1 {
            *part = 1;
            train -= 1;
        }
    }
    [train, valid, test]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_ratios_and_leave_a_train_item() {
        // 5 to 14 interactions are split as in MMRec's Baby and Sports: (n - 2, 1, 1).
        for n in 5..15 {
            assert_eq!(sizes(n, RATIOS), [n - 2, 1, 1]);
        }
        assert_eq!([1, 2, 3, 4].map(|n| sizes(n, RATIOS)), [[1, 0, 0], [1, 0, 1], [1, 1, 1], [2, 1, 1]]);
        assert_eq!(sizes(100, RATIOS), [80, 10, 10]);
        assert_eq!(sizes(10, [1, 0, 1]), [5, 0, 5]);
        assert_eq!(sizes(3, [1, 100, 100]), [1, 1, 1]);
    }

    #[test]
    fn a_random_split_depends_on_the_seed_not_on_the_order() {
        let pairs: Vec<(u32, u32)> = (0..40).flat_map(|user| (0..10).map(move |i| (user, i * 3 + user))).collect();
        let parts = random_split(&pairs, RATIOS, 1);
        for of_user in parts.chunks(10) {
            let count = |part| of_user.iter().filter(|&&p| p == part).count();
            assert_eq!([Part::Train, Part::Valid, Part::Test].map(count), [8, 1, 1]);
        }
        let reversed: Vec<_> = pairs.iter().rev().copied().collect();
        assert_eq!(random_split(&reversed, RATIOS, 1).into_iter().rev().collect::<Vec<_>>(), parts);
        assert_ne!(random_split(&pairs, RATIOS, 2), parts);
    }

    #[test]
    fn a_temporal_split_holds_out_the_latest() {
        let pairs = [(0, 4), (1, 0), (0, 3), (0, 2), (0, 1)];
        let expected = [Part::Train, Part::Train, Part::Valid, Part::Test, Part::Train];
        let ids: Vec<String> = (0..5).map(|id| id.to_string()).collect();
        let ties = Ties::new(0, &ids, &ids);
        assert_eq!(temporal_split(&pairs, &[-3.5, 9.0, 7.0, 7.5, 0.0], RATIOS, &ties), expected);
        let zeros = |times: &[f64]| temporal_split(&[(0, 0), (0, 1)], times, RATIOS, &ties);
        assert_eq!(zeros(&[0.0, -0.0]), zeros(&[0.0, 0.0]), "-0 is 0");
    }

    #[test]
    fn what_becomes_test_of_one_day_has_nothing_to_do_with_ids_or_the_order_of_pairs() {
        let ids: Vec<String> = (0..100).map(|id| format!("{id:03}")).collect();
        let ties = Ties::new(0, &ids, &ids);
        let pairs: Vec<(u32, u32)> = (0..1000).map(|i| (i / 10, i % 10 * 10)).collect();
        let parts = temporal_split(&pairs, &[1.0; 1000], RATIOS, &ties);
        let mut tests = [0; 10];
        pairs
            .iter()
            .zip(&parts)
            .filter(|(_, part)| **part == Part::Test)
            .for_each(|(p, _)| tests[p.1 as usize / 10] += 1);
        // Binomial(100, 0.1) has a standard deviation of 3; five of them are allowed.
        assert!(tests.iter().all(|&n| n < 25), "{tests:?}");
        let turned: Vec<_> = pairs.iter().rev().copied().collect();
        let of_turned = temporal_split(&turned, &[1.0; 1000], RATIOS, &ties);
        assert_eq!(of_turned.into_iter().rev().collect::<Vec<_>>(), parts);
    }

    #[test]
    fn no_pairs_have_no_parts() {
        assert!(random_split(&[], RATIOS, 0).is_empty());
    }
}
