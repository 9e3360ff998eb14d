//! Partial information decomposition (PID): what two sources tell about a target, together and each alone.

use super::broja::{Stopped, union_information};
use super::table::JointTable;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Settings of [`decompose`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PidOptions {
    /// The search stops when its certified error is at most this, in bits. Default: 1e-4.
    pub gap: f64,
    /// The search also stops when the value changes by less than this in each of 20 rounds, in bits: if the optimum is
    /// on the boundary, the bound falls more slowly than the error. 0 waits for the bound. Default: 1e-7.
    pub change: f64,
    /// Maximum number of rounds of the search. Default: 20,000.
    pub max_rounds: usize,
}

impl Default for PidOptions {
    fn default() -> Self {
        Self { gap: 1e-4, change: 1e-7, max_rounds: 20_000 }
    }
}

impl PidOptions {
    pub(super) fn check(&self) -> Result<()> {
        Error::require_positive("gap", self.gap)?;
        let is_change = self.change.is_finite() && self.change >= 0.0;
        Error::require(is_change, "change", self.change, "a number from 0 on")?;
        Error::require(self.max_rounds > 0, "max_rounds", self.max_rounds, "at least 1")
    }
}

/// The four atoms of `I(X1 X2; Y)`, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Atoms {
    /// Redundant information, which both sources share.
    pub redundancy: f64,
    /// Unique information, which only the first or only the second source has.
    pub unique: [f64; 2],
    /// Synergistic information, which only both sources have together.
    pub synergy: f64,
}

impl Atoms {
    /// Computes the atoms from `I(X1 X2; Y)`, `I(X1; Y)`, `I(X2; Y)` and the union information.
    fn new(total: f64, [first, second]: [f64; 2], union: f64) -> Self {
        Self { redundancy: first + second - union, unique: [union - second, union - first], synergy: total - union }
    }

    /// Their sum, `I(X1 X2; Y)`.
    pub fn total(&self) -> f64 {
        self.redundancy + self.unique[0] + self.unique[1] + self.synergy
    }

    /// Redundancy, both unique parts, synergy and the total.
    pub(super) fn all(&self) -> [f64; 5] {
        [self.redundancy, self.unique[0], self.unique[1], self.synergy, self.total()]
    }
}

/// A partial information decomposition, with a bound on its error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pid {
    /// Plug-in values: the atoms of the table as it is.
    pub atoms: Atoms,
    /// The atoms corrected for the mean bias of mutual information estimated from few observations (Miller, 1955); they
    /// may be slightly below 0. `None` for a table of given probabilities.
    pub corrected: Option<Atoms>,
    /// Certified bound on the error: at the exact optimum, redundancy and synergy are larger, and both unique parts
    /// smaller, by at most this many bits.
    pub gap: f64,
    /// Number of rounds of the search.
    pub rounds: usize,
    /// Why the search ended.
    pub stopped: Stopped,
}

/// Splits `I(X1 X2; Y)` into redundancy, unique information of either source, and synergy.
///
/// Follows Bertschinger, Rauh, Olbrich, Jost and Ay, *Quantifying Unique Information*, 2014, known as BROJA:
///
/// ```text
/// V  = min I_Q(X1 X2; Y)   over Q with Q(x1, y) = P(x1, y) and Q(x2, y) = P(x2, y)
/// R  = I(X1; Y) + I(X2; Y) − V        U1 = V − I(X2; Y)
/// S  = I(X1 X2; Y) − V                U2 = V − I(X1; Y)
/// ```
///
/// All are in bits, none is negative, and they sum to `I(X1 X2; Y)`. `V` is found by alternating information
/// projections (Banerjee, Rauh and Montúfar, *Computing the Unique Information*, 2018). [`Pid::gap`] bounds its error:
/// the value is attained by a distribution with exactly these margins, and a dual feasible point bounds how far below
/// it the optimum can be.
///
/// Time O(x1 · x2 · y) per sweep, with at most 50 sweeps per round and tens to thousands of rounds, on the calling
/// thread.
///
/// ```
/// use viral::insight::{JointTable, PidOptions, decompose};
///
/// // y is the XOR of two fair coins: neither alone tells anything, together they tell all.
/// let table = JointTable::from_weights([2, 2, 2], &[1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0])?;
/// let pid = decompose(&table, &PidOptions::default())?;
/// assert!((pid.atoms.synergy - 1.0).abs() < 1e-4 && pid.atoms.redundancy.abs() < 1e-4 && pid.gap <= 1e-4);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// When an option is out of range.
pub fn decompose(table: &JointTable, options: &PidOptions) -> Result<Pid> {
    options.check()?;
    Ok(decompose_checked(table, options))
}

/// [`decompose`] with options that were checked.
pub(super) fn decompose_checked(table: &JointTable, options: &PidOptions) -> Pid {
    let (total, single) = (table.information(), table.single_information());
    let union = union_information(table, options);
    let corrected = table
        .biases()
        .map(|[joint, first, second]| Atoms::new(total - joint, [single[0] - first, single[1] - second], union.value));
    Pid {
        atoms: Atoms::new(total, single, union.value),
        corrected,
        gap: union.gap,
        rounds: union.rounds,
        stopped: union.stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{draw, stream};
    use rayon::prelude::*;

    /// `(x1, x2, y, weight)` as a table.
    fn gate(cells: &[(usize, usize, usize, f64)]) -> JointTable {
        let size = |value: fn(&(usize, usize, usize, f64)) -> usize| cells.iter().map(value).max().unwrap() + 1;
        let [a, b, c] = [size(|cell| cell.0), size(|cell| cell.1), size(|cell| cell.2)];
        let mut weights = vec![0.0; a * b * c];
        cells.iter().for_each(|&(x1, x2, y, p)| weights[(x1 * b + x2) * c + y] += p);
        JointTable::from_weights([a, b, c], &weights).unwrap()
    }

    /// A function of two sources of `n` values each, all pairs equally likely.
    fn of(n: usize, y: impl Fn(usize, usize) -> usize) -> JointTable {
        let pairs = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
        gate(&pairs.map(|(a, b)| (a, b, y(a, b), 1.0)).collect::<Vec<_>>())
    }

    fn equally_likely(cells: &[(usize, usize, usize)]) -> JointTable {
        gate(&cells.iter().map(|&(a, b, y)| (a, b, y, 1.0)).collect::<Vec<_>>())
    }

    /// Each source has a shared bit r, a bit of its own and an input of an XOR; y tells r, both own bits and the XOR.
    fn rdn_unq_xor() -> JointTable {
        let mut cells = Vec::new();
        for bits in 0..32usize {
            let [r, own1, own2, a, b] = [0, 1, 2, 3, 4].map(|i| bits >> i & 1);
            cells.push((r * 4 + own1 * 2 + a, r * 4 + own2 * 2 + b, r * 8 + own1 * 4 + own2 * 2 + (a ^ b)));
        }
        equally_likely(&cells)
    }

    #[test]
    fn gates_have_the_known_parts() {
        // Redundancy, unique of the first and of the second, synergy.
        let random: Vec<_> = (0..8)
            .map(|bits| (bits & 1, bits >> 1 & 1, if bits >> 2 == 0 { bits & 1 } else { bits >> 1 & 1 }))
            .collect();
        let shared = |bits: usize| [bits & 1, bits >> 1 & 1, bits >> 2];
        let redundant_xor: Vec<_> =
            (0..8).map(shared).map(|[r, a, b]| (r * 2 + a, r * 2 + b, r * 2 + (a ^ b))).collect();
        let gates = [
            ("and", of(2, |a, b| a & b), [0.311278, 0.0, 0.0, 0.5]),
            ("or", of(2, |a, b| a | b), [0.311278, 0.0, 0.0, 0.5]),
            ("xor", of(2, |a, b| a ^ b), [0.0, 0.0, 0.0, 1.0]),
            ("sum", of(2, |a, b| a + b), [0.5, 0.0, 0.0, 1.0]),
            ("copy", of(2, |a, b| 2 * a + b), [0.0, 1.0, 1.0, 0.0]),
            ("unique of the first", of(2, |a, _| a), [0.0, 1.0, 0.0, 0.0]),
            ("redundant", equally_likely(&[(0, 0, 0), (1, 1, 1)]), [1.0, 0.0, 0.0, 0.0]),
            ("redundant and xor", equally_likely(&redundant_xor), [1.0, 0.0, 0.0, 1.0]),
            ("redundant, unique and xor", rdn_unq_xor(), [1.0, 1.0, 1.0, 1.0]),
            ("xor and and", of(2, |a, b| 2 * (a ^ b) + (a & b)), [0.5, 0.0, 0.0, 1.0]),
            ("reduced or", gate(&[(0, 0, 0, 0.5), (0, 1, 1, 0.25), (1, 0, 1, 0.25)]), [0.311278, 0.0, 0.0, 0.688722]),
            ("pointwise unique", equally_likely(&[(0, 1, 1), (1, 0, 1), (0, 2, 2), (2, 0, 2)]), [0.5, 0.0, 0.0, 0.5]),
            (
                "difference",
                equally_likely(&[(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 1)]),
                [0.122556, 0.188722, 0.188722, 0.0],
            ),
            ("random", equally_likely(&random), [0.188722, 0.0, 0.0, 0.311278]),
            (
                "boom",
                equally_likely(&[(0, 0, 1), (0, 0, 2), (0, 2, 0), (1, 2, 1), (2, 0, 2), (2, 1, 2)]),
                [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 0.125815],
            ),
            (
                "unequal xor",
                gate(&[(0, 0, 0, 0.1), (0, 1, 1, 0.2), (1, 0, 1, 0.3), (1, 1, 0, 0.4)]),
                [0.034852, 0.0, 0.089660, 0.875489],
            ),
        ];
        for (name, table, expected) in gates {
            let pid = decompose(&table, &PidOptions::default()).unwrap();
            let found = &pid.atoms.all()[..4];
            println!("{name}: {found:.6?}, gap {:.1e} after {} rounds ({:?})", pid.gap, pid.rounds, pid.stopped);
            let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= 1e-4);
            assert!(near && pid.gap <= 1e-4, "{name}: {found:?} for {expected:?}, gap {}", pid.gap);
            assert!((pid.atoms.total() - table.information()).abs() < 1e-12 && pid.corrected.is_none());
        }
    }

    /// Sizes up to 7, weights of several kinds, with and without zeros.
    fn random_table(number: u64) -> JointTable {
        let key = stream(&[11, number]);
        let sizes = [0, 1, 2].map(|at| 1 + (draw(key, at) % 7) as usize);
        let (kind, holes) = (draw(key, 3) % 3, draw(key, 4) % 4);
        let weights: Vec<f64> = (0..(sizes[0] * sizes[1] * sizes[2]) as u64)
            .map(|cell| {
                let bits = draw(key, 10 + cell);
                let size = (bits >> 32) as f64 / (1u64 << 32) as f64;
                match (kind, bits % 8 < 2 * holes && cell > 0) {
                    (_, true) => 0.0,
                    (0, _) => size + 1e-3,
                    (1, _) => (size * 30.0 - 15.0).exp(),
                    _ => (size * 5.0).ceil(),
                }
            })
            .collect();
        JointTable::from_weights(sizes, &weights).unwrap()
    }

    #[test]
    fn random_tables_have_parts_that_are_not_negative() {
        let options = PidOptions { max_rounds: 50, ..PidOptions::default() };
        let worst = (0..20_000u64)
            .into_par_iter()
            .map(|number| {
                let table = random_table(number);
                let pid = decompose(&table, &options).unwrap();
                let [redundancy, first, second, synergy, total] = pid.atoms.all();
                // Unique parts are those of a distribution with the margins; the others lack what the optimum would add.
                let fine =
                    first >= -1e-9 && second >= -1e-9 && redundancy >= -pid.gap - 1e-9 && synergy >= -pid.gap - 1e-9;
                assert!(fine && pid.gap.is_finite() && total >= 0.0, "{number}: {:?} {pid:?}", table.sizes());
                pid.gap
            })
            .reduce(|| 0.0, f64::max);
        println!("largest gap: {worst:.1e} bit");
    }

    #[test]
    fn useless_options_are_errors() {
        let table = of(2, |a, b| a & b);
        for options in
            [PidOptions { gap: 0.0, ..Default::default() }, PidOptions { max_rounds: 0, ..Default::default() }]
        {
            assert!(decompose(&table, &options).unwrap_err().to_string().contains("must be"));
        }
    }

    #[test]
    fn independent_samples_keep_their_parts_near_zero_once_corrected() {
        // Random labels: the true values are all 0.
        let (k, n) = (10, 40_000u64);
        let mut counts = vec![0u64; k * k * 2];
        (0..n).for_each(|i| counts[(draw(stream(&[3]), i) % (2 * k * k) as u64) as usize] += 1);
        let pid = decompose(&JointTable::from_counts([k, k, 2], &counts).unwrap(), &PidOptions::default()).unwrap();
        let expected = ((k * k - 1) as f64) / (2.0 * n as f64 * std::f64::consts::LN_2);
        let corrected = pid.corrected.unwrap();
        assert!((pid.atoms.synergy - expected).abs() < 0.5 * expected, "{pid:?}");
        assert!(corrected.total().abs() < 0.4 * expected && corrected.synergy.abs() < 0.5 * expected, "{pid:?}");
    }
}
