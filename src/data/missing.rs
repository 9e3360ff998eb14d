//! Removes item content, to measure how well a model works without it.

use super::counter::{draw, stream};
use super::{Features, Modality};

/// Domain separator of these draws in the key.
const MISSING: u64 = 50;

/// Draws uniformly which items lose their content: `round(share · n_items)` of them.
///
/// With the same seed, the items of a smaller share are a subset of those of a larger one, so a curve over shares does
/// not have the noise of independent draws. Deterministic. O(n_items ln n_items) time.
///
/// ```
/// use viral::data::missing_items;
///
/// let (some, more) = (missing_items(1000, 0.3, 7), missing_items(1000, 0.4, 7));
/// assert_eq!(some.iter().filter(|missing| **missing).count(), 300);
/// assert!(some.iter().zip(&more).all(|(some, more)| *more || !*some));
/// ```
///
/// # Panics
/// When `share` is not from 0 to 1.
pub fn missing_items(n_items: usize, share: f64, seed: u64) -> Vec<bool> {
    assert!((0.0..=1.0).contains(&share), "missing items: a share of {share}; it must be from 0 to 1");
    let key = stream(&[seed, MISSING]);
    let mut order: Vec<usize> = (0..n_items).collect();
    order.sort_unstable_by_key(|&item| (draw(key, item as u64), item));
    let mut missing = vec![false; n_items];
    let n_missing = (share * n_items as f64).round() as usize;
    order.iter().take(n_missing).for_each(|&item| missing[item] = true);
    missing
}

impl Features {
    /// Removes the content of items with `true` from the given modalities; modalities that are missing are ignored.
    ///
    /// ```
    /// use viral::data::{Features, ItemFeatures, Modality};
    ///
    /// let of = |width: usize| ItemFeatures::new(2, width, vec![0.5; 2 * width]);
    /// let features = Features::new().with(Modality::Text, of(2)?).with(Modality::Visual, of(3)?);
    /// let fewer = features.without(&[Modality::Text], &[true, false]);
    /// let missing = fewer.iter().map(|(_, features)| features.n_missing());
    /// assert_eq!(missing.collect::<Vec<_>>(), [1, 0]);
    /// # Ok::<(), viral::Error>(())
    /// ```
    ///
    /// # Panics
    /// When `missing` does not have one entry per item.
    pub fn without(&self, modalities: &[Modality], missing: &[bool]) -> Self {
        let fewer = |(modality, features): (&Modality, &super::ItemFeatures)| {
            let features = features.clone();
            let features = if modalities.contains(modality) { features.without(missing) } else { features };
            (modality.clone(), features)
        };
        self.iter().map(fewer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(missing: &[bool]) -> Vec<usize> {
        (0..missing.len()).filter(|&item| missing[item]).collect()
    }

    #[test]
    fn sets_are_nested_and_follow_their_seed() {
        for seed in 0..5 {
            let mut before = vec![false; 97];
            for tenth in 0..=10 {
                let missing = missing_items(97, f64::from(tenth) / 10.0, seed);
                assert_eq!(ids(&missing).len(), (f64::from(tenth) * 9.7).round() as usize);
                assert!(ids(&before).iter().all(|&item| missing[item]), "{tenth} tenths");
                before = missing;
            }
        }
        assert_ne!(missing_items(97, 0.5, 0), missing_items(97, 0.5, 1));
        assert!(missing_items(0, 0.5, 0).is_empty());
    }

    #[test]
    fn items_are_drawn_evenly() {
        let mut counts = [0u32; 50];
        for seed in 0..2000 {
            ids(&missing_items(50, 0.3, seed)).iter().for_each(|&item| counts[item] += 1);
        }
        // Binomial(2000, 0.3) has a standard deviation of 20.5; five of them are allowed.
        assert!(counts.iter().all(|&n| n.abs_diff(600) < 103), "{counts:?}");
    }

    #[test]
    #[should_panic(expected = "missing items: a share of 30")]
    fn a_percentage_panics() {
        missing_items(10, 30.0, 0);
    }
}
