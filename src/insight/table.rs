//! Joint distributions of two sources and a target.

use crate::{Error, Result};

/// The joint distribution of two sources `x1`, `x2` and a target `y`, as probabilities in the order `[x1, x2, y]`.
///
/// ```
/// use viral::insight::JointTable;
///
/// // Four observations of y = x1 and x2.
/// let table = JointTable::from_counts([2, 2, 2], &[1, 0, 1, 0, 1, 0, 0, 1])?;
/// assert_eq!((table.n_samples(), table.probability(1, 1, 1)), (Some(4), 0.25));
/// assert!((table.information() - 0.8113).abs() < 1e-4);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct JointTable {
    sizes: [usize; 3],
    p: Vec<f64>,
    n_samples: Option<u64>,
}

impl JointTable {
    /// Builds a table of observed frequencies. Its decompositions can be corrected for the number of observations.
    ///
    /// # Errors
    /// When a size is 0, there are not `x1 · x2 · y` counts, or all are 0.
    pub fn from_counts(sizes: [usize; 3], counts: &[u64]) -> Result<Self> {
        let weights: Vec<f64> = counts.iter().map(|&count| count as f64).collect();
        let n = counts.iter().try_fold(0u64, |sum, &count| sum.checked_add(count));
        let n = n.ok_or_else(|| Error::Data("a joint table: the counts add up to more than 64 bits hold".into()))?;
        Ok(Self { n_samples: Some(n), ..Self::from_weights(sizes, &weights)? })
    }

    /// Builds a table of known probabilities, or of weights in proportion to them.
    ///
    /// # Errors
    /// When a size is 0, there are not `x1 · x2 · y` weights, one is negative or not finite, or all are 0.
    pub fn from_weights(sizes: [usize; 3], weights: &[f64]) -> Result<Self> {
        let n_cells = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size)).unwrap_or(usize::MAX);
        if n_cells == 0 || n_cells != weights.len() {
            let [a, b, c] = sizes;
            let found = weights.len();
            return Err(Error::Data(format!(
                "a joint table of {a} x {b} x {c} cells has one number a cell, not {found}"
            )));
        }
        if let Some(at) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            let weight = weights[at];
            return Err(Error::Data(format!("a joint table: cell {at} is {weight}; it must be finite and at least 0")));
        }
        let largest = weights.iter().fold(0.0, |a: f64, &b| a.max(b));
        if largest == 0.0 {
            return Err(Error::Data("a joint table: all cells are 0; give at least one observation".into()));
        }
        // Divides by the largest first: the sum of large numbers may be infinite.
        let sum: f64 = weights.iter().map(|weight| weight / largest).sum();
        let p: Vec<f64> = weights.iter().map(|weight| weight / largest / sum).collect();
        Ok(Self { sizes, p, n_samples: None })
    }

    /// Numbers of values of `x1`, `x2` and `y`.
    pub fn sizes(&self) -> [usize; 3] {
        self.sizes
    }

    /// The probability of a cell.
    ///
    /// # Panics
    /// When a value is out of range.
    pub fn probability(&self, x1: usize, x2: usize, y: usize) -> f64 {
        let [a, b, c] = self.sizes;
        assert!(x1 < a && x2 < b && y < c, "cell ({x1}, {x2}, {y}) of {a} x {b} x {c}");
        self.p[(x1 * b + x2) * c + y]
    }

    /// Number of observations; `None` for given probabilities.
    pub fn n_samples(&self) -> Option<u64> {
        self.n_samples
    }

    /// Mutual information `I(X1 X2; Y)`, in bits.
    pub fn information(&self) -> f64 {
        let [_, _, c] = self.sizes;
        let pairs: Vec<f64> = self.p.chunks_exact(c).map(|cells| cells.iter().sum()).collect();
        information(&self.p, &pairs, &self.target())
    }

    /// Mutual information of each source alone, `I(X1; Y)` and `I(X2; Y)`, in bits.
    pub fn single_information(&self) -> [f64; 2] {
        let target = self.target();
        [0, 1].map(|source| {
            let joint = self.joint(source);
            let values: Vec<f64> = joint.chunks_exact(target.len()).map(|cells| cells.iter().sum()).collect();
            information(&joint, &values, &target)
        })
    }

    /// Returns the mean bias of mutual information estimated from this many observations, to first order: for
    /// `I(X1 X2; Y)`, `I(X1; Y)` and `I(X2; Y)`, in bits.
    pub(super) fn biases(&self) -> Option<[f64; 3]> {
        let n = self.n_samples? as f64;
        let target = occupied(&self.target());
        let bias = |joint: usize, values: usize| {
            (joint as f64 - values as f64 - target as f64 + 1.0) / (2.0 * n * std::f64::consts::LN_2)
        };
        let [_, _, c] = self.sizes;
        let pairs = self.p.chunks_exact(c).filter(|cells| cells.iter().any(|p| *p > 0.0)).count();
        let single = [0, 1].map(|source| {
            let joint = self.joint(source);
            let values = joint.chunks_exact(c).filter(|cells| cells.iter().any(|p| *p > 0.0)).count();
            bias(occupied(&joint), values)
        });
        Some([bias(occupied(&self.p), pairs), single[0], single[1]])
    }

    /// `P(y)`.
    pub(super) fn target(&self) -> Vec<f64> {
        let mut target = vec![0.0; self.sizes[2]];
        self.p.chunks_exact(self.sizes[2]).for_each(|cells| {
            target.iter_mut().zip(cells).for_each(|(sum, p)| *sum += p);
        });
        target
    }

    /// `P(x, y)` of source 0 or 1, `[x, y]`.
    pub(super) fn joint(&self, source: usize) -> Vec<f64> {
        let [_, b, c] = self.sizes;
        let mut joint = vec![0.0; self.sizes[source] * c];
        for (pair, cells) in self.p.chunks_exact(c).enumerate() {
            let value = if source == 0 { pair / b } else { pair % b };
            joint[value * c..][..c].iter_mut().zip(cells).for_each(|(sum, p)| *sum += p);
        }
        joint
    }
}

fn occupied(cells: &[f64]) -> usize {
    cells.iter().filter(|p| **p > 0.0).count()
}

/// Returns the mutual information `Σ p(a, y) log₂ (p(a, y) / p(a) p(y))`, never below 0.
fn information(joint: &[f64], values: &[f64], target: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (cells, value) in joint.chunks_exact(target.len()).zip(values) {
        for (&p, target) in cells.iter().zip(target) {
            if p > 0.0 {
                // Divides twice: the product of two tiny probabilities would be 0.
                sum += p * (p / value / target).log2();
            }
        }
    }
    sum.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_distribution_is_refused() {
        for (sizes, weights, words) in [
            ([2, 1, 1], vec![1.0], "2 x 1 x 1 cells has one number a cell, not 1"),
            ([0, 1, 1], vec![], "has one number a cell"),
            ([usize::MAX, 2, 2], vec![1.0; 4], "has one number a cell"),
            ([1, 1, 2], vec![0.5, -0.1], "cell 1 is -0.1"),
            ([1, 1, 2], vec![f64::NAN, 1.0], "cell 0 is NaN"),
            ([1, 1, 2], vec![0.0; 2], "all cells are 0"),
        ] {
            let message = JointTable::from_weights(sizes, &weights).unwrap_err().to_string();
            assert!(message.contains(words), "'{words}' is missing in: {message}");
        }
        assert!(JointTable::from_counts([1, 1, 2], &[u64::MAX, 1]).is_err());
    }

    #[test]
    fn scale_does_not_matter_even_near_the_ends() {
        let weights = [3.0, 1.0, 0.0, 2.0];
        let plain = JointTable::from_weights([2, 1, 2], &weights).unwrap();
        for scale in [1e307, 1e-300] {
            let scaled = JointTable::from_weights([2, 1, 2], &weights.map(|x| x * scale / 3.0)).unwrap();
            assert!((scaled.information() - plain.information()).abs() < 1e-12);
        }
    }

    #[test]
    fn mutual_information_and_bias_by_hand() {
        // y = x1 for eight observations, x2 constant.
        let table = JointTable::from_counts([2, 1, 2], &[4, 0, 0, 4]).unwrap();
        assert_eq!((table.information(), table.single_information()), (1.0, [1.0, 0.0]));
        // Two joint cells, two values, two labels: (2 - 2 - 2 + 1) / (2 · 8 · ln 2).
        let expected = -1.0 / (16.0 * std::f64::consts::LN_2);
        let [joint, first, second] = table.biases().unwrap();
        assert!((joint - expected).abs() < 1e-15 && (first - expected).abs() < 1e-15 && second == 0.0);
        assert_eq!(JointTable::from_weights([1, 1, 1], &[2.0]).unwrap().biases(), None);
    }
}
