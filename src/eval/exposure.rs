//! Item exposure: how evenly recommendation lists cover a catalogue.

use super::ranking::Ranking;
use crate::{Error, Result};

/// Exposure of each item of a catalogue: the number of lists that contain it.
///
/// ```
/// use viral::data::Interactions;
/// use viral::eval::{Exposure, rank};
///
/// let ranking = rank(&[1.0, -1.0], &[0.3, 0.2, 0.1], 1, &Interactions::from_pairs(2, 3, &[]), &[0, 1], 2)?;
/// // The lists are 0, 1 and 2, 1.
/// let exposure = Exposure::of(&ranking, 2, 3)?;
/// assert_eq!((exposure.counts(), exposure.coverage()), (&[1, 2, 1][..], 3));
/// assert_eq!((exposure.gini(), exposure.entropy_bits()), (0.25, 1.5));
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    counts: Vec<u64>,
    total: u64,
}

impl Exposure {
    /// Counts the first `k` items of each list; `n_items` is the size of the catalogue.
    ///
    /// # Errors
    /// When `k` is 0 or above [`Ranking::k`], the catalogue has fewer than two items, or all lists are empty.
    ///
    /// # Panics
    /// When an item is not below `n_items`.
    pub fn of(ranking: &Ranking, k: usize, n_items: usize) -> Result<Self> {
        check_cutoff(ranking, k)?;
        let mut counts = vec![0u64; n_items];
        for row in 0..ranking.users().len() {
            for &item in ranking.items(row).iter().take(k) {
                assert!((item as usize) < n_items, "item {item} of {n_items}");
                counts[item as usize] += 1;
            }
        }
        Self::from_counts(counts)
    }

    /// Builds the exposure from counts, one for each item.
    ///
    /// # Errors
    /// When there are fewer than two items, or all counts are 0.
    pub fn from_counts(counts: Vec<u64>) -> Result<Self> {
        let total = counts.iter().sum();
        match total > 0 && counts.len() > 1 {
            true => Ok(Self { counts, total }),
            false => Err(Error::Data(format!("{total} places of {} items say nothing of evenness", counts.len()))),
        }
    }

    /// Number of lists that contain each item.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Number of places in all lists.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Number of items in at least one list.
    pub fn coverage(&self) -> usize {
        self.counts.iter().filter(|count| **count > 0).count()
    }

    /// Gini index of concentration: 0 if all items are shown equally often, 1 if only a single one is shown.
    ///
    /// ```text
    /// G = Σ_j (2j − n − 1) c_j / ((n − 1) Σ c)        c_1 ≤ … ≤ c_n, items that are never shown included
    /// ```
    ///
    /// O(items log items).
    pub fn gini(&self) -> f64 {
        let n = self.counts.len() as f64;
        let terms =
            self.ascending().into_iter().zip(1..).map(|(count, j)| (2.0 * f64::from(j) - n - 1.0) * count as f64);
        terms.sum::<f64>() / ((n - 1.0) * self.total as f64)
    }

    /// Shannon entropy of the exposure in bits: `−Σ p_i log₂ p_i`, where `p_i` is the item's share of all places.
    pub fn entropy_bits(&self) -> f64 {
        let shares = self.counts.iter().filter(|count| **count > 0).map(|&count| count as f64 / self.total as f64);
        -shares.map(|p| p * p.log2()).sum::<f64>()
    }

    /// The Lorenz curve: the share of all places that the least shown items hold, as points
    /// `(share of items, share of places)` from (0, 0) to (1, 1). Twice the area between the curve and the diagonal is
    /// `G (n − 1) / n`.
    pub fn lorenz(&self) -> Vec<(f64, f64)> {
        let n = self.counts.len() as f64;
        let mut sum = 0u64;
        let points = self.ascending().into_iter().zip(1..).map(|(count, j)| {
            sum += count;
            (f64::from(j) / n, sum as f64 / self.total as f64)
        });
        std::iter::once((0.0, 0.0)).chain(points).collect()
    }

    fn ascending(&self) -> Vec<u64> {
        let mut counts = self.counts.clone();
        counts.sort_unstable();
        counts
    }
}

/// Returns an error unless `k` is between 1 and the number of ranks.
pub(super) fn check_cutoff(ranking: &Ranking, k: usize) -> Result<()> {
    let wanted = format!("from 1 to the {} ranks that were asked for", ranking.k());
    Error::require((1..=ranking.k()).contains(&k), "the cutoff", k, &wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_evenness() {
        let all = Exposure::from_counts(vec![3; 4]).unwrap();
        assert_eq!((all.gini(), all.entropy_bits(), all.coverage()), (0.0, 2.0, 4));
        let one = Exposure::from_counts(vec![0, 7, 0]).unwrap();
        assert_eq!((one.gini(), one.entropy_bits(), one.coverage()), (1.0, 0.0, 1));
        for counts in [vec![], vec![5], vec![0, 0]] {
            assert!(Exposure::from_counts(counts).unwrap_err().to_string().contains("say nothing of evenness"));
        }
    }

    #[test]
    fn the_area_over_the_lorenz_curve_is_the_index() {
        let exposure = Exposure::from_counts(vec![5, 0, 1, 9, 2, 2]).unwrap();
        let curve = exposure.lorenz();
        let area: f64 = curve.windows(2).map(|p| (p[1].0 - p[0].0) * (p[0].1 + p[1].1) / 2.0).sum();
        assert!((1.0 - 2.0 * area - exposure.gini() * 5.0 / 6.0).abs() < 1e-12);
        assert_eq!((curve[0], curve[6]), ((0.0, 0.0), (1.0, 1.0)));
    }
}
