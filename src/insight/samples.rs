//! Observations of two sources and a target, in groups: labels are permuted within groups, groups resampled as a whole.

use super::table::JointTable;
use crate::data::{below, draw, stream};
use crate::{Error, Result};

/// Purposes of streams of random numbers, part of their keys.
const PERMUTATION: u64 = 31;
const RESAMPLE: u64 = 32;

/// Observations `(x1, x2, y)` that come in groups, such as the pairs of one user.
///
/// ```
/// use viral::insight::Samples;
///
/// // Two numbers a pair, in two bins each; pairs 0 and 1 are of one user, 2 and 3 of another.
/// let (first, second) = ([0.1, 0.9, 0.2, 0.8], [3.0, 3.5, 7.0, 9.0]);
/// let samples = Samples::binned([&first, &second], &[0, 1, 0, 1], &[0, 0, 1, 1], 2)?;
/// assert_eq!((samples.n(), samples.n_groups(), samples.sizes()), (4, 2, [2, 2, 2]));
/// assert_eq!(samples.table().single_information(), [1.0, 0.0]);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    sizes: [usize; 3],
    /// Sorted by group, as are `labels`: flat index of the two sources, `x1 · sizes[1] + x2`.
    pairs: Vec<u32>,
    labels: Vec<u32>,
    /// CSR offsets: where each group begins, and the end.
    offsets: Vec<usize>,
}

impl Samples {
    /// Builds samples from sources that are already categories numbered from 0. Equal numbers in `groups` form a group.
    ///
    /// # Errors
    /// When there is no observation, or the table of all values would have 2²⁴ cells or more.
    ///
    /// # Panics
    /// When the lists differ in length.
    pub fn new(sources: [&[u32]; 2], labels: &[u32], groups: &[u32]) -> Result<Self> {
        let lengths = [sources[0].len(), sources[1].len(), labels.len(), groups.len()];
        assert!(lengths.iter().all(|n| *n == lengths[0]), "samples: lists of {lengths:?} values");
        if labels.is_empty() {
            return Err(Error::Data("a decomposition needs at least one observation".into()));
        }
        let size = |values: &[u32]| values.iter().map(|&x| x as usize + 1).max().unwrap_or(0);
        let sizes = [size(sources[0]), size(sources[1]), size(labels)];
        let n_cells = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size)).filter(|&n| n < 1 << 24);
        if n_cells.is_none() {
            let [a, b, c] = sizes;
            return Err(Error::Data(format!("{a} x {b} x {c} values are too many for a table; use fewer bins")));
        }
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|&i| groups[i]);
        let mut offsets = vec![0];
        offsets.extend((1..order.len()).filter(|&i| groups[order[i - 1]] != groups[order[i]]));
        offsets.push(order.len());
        let pair = |i: &usize| sources[0][*i] * sizes[1] as u32 + sources[1][*i];
        Ok(Self {
            sizes,
            pairs: order.iter().map(pair).collect(),
            labels: order.iter().map(|&i| labels[i]).collect(),
            offsets,
        })
    }

    /// Builds samples from measured values, each source discretised into `n_bins` quantile bins of equally many values.
    ///
    /// The edges of the bins are the values at ranks `j n / n_bins`. Equal values share a bin, so there are fewer bins
    /// if many values are equal. The decomposition depends on the number of bins: state it with the result.
    ///
    /// # Errors
    /// Those of [`new`](Self::new); when a value is not finite or `n_bins` is not from 1 to 4096.
    ///
    /// # Panics
    /// When the lists differ in length.
    pub fn binned(values: [&[f64]; 2], labels: &[u32], groups: &[u32], n_bins: usize) -> Result<Self> {
        Error::require((1..=4096).contains(&n_bins), "n_bins", n_bins, "from 1 to 4096")?;
        let [first, second] = [bins(values[0], n_bins)?, bins(values[1], n_bins)?];
        Self::new([&first, &second], labels, groups)
    }

    /// Number of observations.
    pub fn n(&self) -> usize {
        self.labels.len()
    }

    /// Number of groups.
    pub fn n_groups(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Numbers of values of `x1`, `x2` and `y`.
    pub fn sizes(&self) -> [usize; 3] {
        self.sizes
    }

    /// Returns the table of how often each `(x1, x2, y)` was observed.
    pub fn table(&self) -> JointTable {
        self.counted(&self.labels, 0..self.n_groups())
    }

    /// Returns the table with labels permuted at random within each group, so that the sources tell nothing about them.
    pub(super) fn permuted(&self, seed: u64, number: u64) -> JointTable {
        let key = stream(&[seed, PERMUTATION, number]);
        let mut labels = self.labels.clone();
        for range in self.offsets.windows(2) {
            for place in (range[0] + 1..range[1]).rev() {
                let other = range[0] + below((place - range[0] + 1) as u32, draw(key, place as u64)) as usize;
                labels.swap(place, other);
            }
        }
        self.counted(&labels, 0..self.n_groups())
    }

    /// Returns the table of a bootstrap sample: as many groups as there are, drawn with replacement.
    pub(super) fn resampled(&self, seed: u64, number: u64) -> JointTable {
        let key = stream(&[seed, RESAMPLE, number]);
        let n = self.n_groups();
        self.counted(&self.labels, (0..n as u64).map(|i| below(n as u32, draw(key, i)) as usize))
    }

    /// Returns the table of half of the groups, drawn without replacement.
    pub(super) fn halved(&self, seed: u64, number: u64) -> JointTable {
        let key = stream(&[seed, RESAMPLE, number]);
        let mut groups: Vec<usize> = (0..self.n_groups()).collect();
        let half = groups.len().div_ceil(2);
        for place in 0..half {
            let other = place + below((groups.len() - place) as u32, draw(key, place as u64)) as usize;
            groups.swap(place, other);
        }
        self.counted(&self.labels, groups[..half].iter().copied())
    }

    fn counted(&self, labels: &[u32], groups: impl Iterator<Item = usize>) -> JointTable {
        let [a, b, c] = self.sizes;
        let mut counts = vec![0u64; a * b * c];
        for group in groups {
            for place in self.offsets[group]..self.offsets[group + 1] {
                counts[self.pairs[place] as usize * c + labels[place] as usize] += 1;
            }
        }
        match JointTable::from_counts(self.sizes, &counts) {
            Ok(table) => table,
            Err(e) => unreachable!("at least one group of at least one observation: {e}"),
        }
    }
}

fn bins(values: &[f64], n_bins: usize) -> Result<Vec<u32>> {
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::Data(format!("value {at} of a source is {}; only finite values have a bin", values[at])));
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut edges: Vec<f64> = (1..n_bins).filter_map(|j| sorted.get(j * sorted.len() / n_bins).copied()).collect();
    // An edge at the smallest value, or at another edge, would bound an empty bin.
    edges.dedup_by(|a, b| a == b);
    edges.retain(|edge| sorted.first().is_some_and(|least| least < edge));
    Ok(values.iter().map(|value| edges.partition_point(|edge| edge <= value) as u32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_equally_many_and_equal_values_share_one() {
        let values: Vec<f64> = (0..12).map(|i| f64::from(i * 5 % 12)).collect();
        let found = bins(&values, 4).unwrap();
        assert!((0..4).all(|bin| found.iter().filter(|b| **b == bin).count() == 3), "{found:?}");
        assert!(values.iter().zip(&found).all(|(value, bin)| (*value / 3.0) as u32 == *bin));
        assert_eq!(bins(&[1.0, 0.0, 1.0, 0.0, 0.0, -0.0], 3).unwrap(), [1, 0, 1, 0, 0, 0]);
        assert_eq!(bins(&[2.0; 5], 3).unwrap(), [0; 5]);
        assert!(bins(&[0.0, f64::NAN], 2).unwrap_err().to_string().contains("value 1"));
    }

    fn toy() -> Samples {
        // Group 7 has three observations, group 2 two, group 9 one; in no order.
        let (x1, x2) = ([0, 1, 2, 0, 1, 2], [0, 0, 1, 1, 0, 1]);
        Samples::new([&x1, &x2], &[0, 1, 1, 0, 1, 0], &[7, 2, 7, 7, 2, 9]).unwrap()
    }

    #[test]
    fn groups_keep_their_labels_and_come_whole() {
        let samples = toy();
        assert_eq!((samples.n_groups(), samples.n(), samples.sizes()), (3, 6, [3, 2, 2]));
        for number in 0..50 {
            let table = samples.permuted(1, number);
            // The sources' counts stay; group 2 has label 1 only, group 9 label 0 only.
            let cell = |x1, x2, y| (table.probability(x1, x2, y) * 6.0).round() as u64;
            assert_eq!(table.n_samples(), Some(6));
            assert_eq!(cell(1, 0, 1), 2);
            assert_eq!((cell(0, 0, 0) + cell(0, 0, 1), cell(2, 1, 0) + cell(2, 1, 1)), (1, 2));
            let n = samples.resampled(1, number).n_samples().unwrap();
            assert!((3..=9).contains(&n));
            let half = samples.halved(1, number).n_samples().unwrap();
            assert!([3, 4, 5].contains(&half), "two of the groups of 3, 2 and 1: {half}");
        }
        assert_ne!(samples.permuted(1, 0), samples.permuted(1, 5));
        assert_eq!(samples.resampled(4, 2), samples.resampled(4, 2));
    }

    #[test]
    fn useless_samples_are_errors() {
        assert!(Samples::new([&[], &[]], &[], &[]).unwrap_err().to_string().contains("at least one"));
        let far = [u32::MAX, 0];
        assert!(Samples::new([&far, &far], &[0, 1], &[0, 1]).unwrap_err().to_string().contains("fewer bins"));
        assert!(Samples::binned([&[1.0], &[1.0]], &[0], &[0], 0).is_err());
    }

    #[test]
    #[should_panic(expected = "lists of [1, 1, 2, 1]")]
    fn lists_of_other_lengths_panic() {
        let _ = Samples::new([&[0], &[0]], &[0, 1], &[0]);
    }
}
