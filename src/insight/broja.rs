//! BROJA union information of two sources, by alternating scaling, with a bound on its error.

use super::pid::PidOptions;
use super::table::JointTable;
use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;

/// Lower bound of the cells of the common table. Without it, cells that no label needs would become 0 for good.
const FLOOR: f64 = 1e-200;

/// Maximum number of Sinkhorn sweeps for one label in a round.
const SWEEPS: usize = 50;

/// Number of rounds without a change of the value after which the search stops.
const STABLE_ROUNDS: usize = 20;

/// Why the search for the union information ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stopped {
    /// The certified bound on the error fell to the requested gap.
    Gap,
    /// The value hardly changed in each of 20 rounds, while the bound was still above.
    Stable,
    /// The maximum number of rounds was reached.
    Limit,
}

/// The minimum of `I_Q(X1 X2; Y)` over distributions with the table's `P(x1, y)` and `P(x2, y)`, in bits.
pub(super) struct Union {
    /// The value at a distribution with these margins: never below the optimum.
    pub(super) value: f64,
    /// The optimum is at least `value - gap`.
    pub(super) gap: f64,
    pub(super) rounds: usize,
    pub(super) stopped: Stopped,
}

/// One label: its margins over both sources and the factors that scale the common table to them.
struct Label {
    p: f64,
    margins: [Vec<f64>; 2],
    factors: [Vec<f64>; 2],
    /// The scaled table, `[x1, x2]`.
    q: Vec<f64>,
}

/// Minimises by alternating over `Q = Σ_y diag(u_y) R diag(v_y)` and `R = Σ_y Q_y`, information projections of each
/// other.
pub(super) fn union_information(table: &JointTable, options: &PidOptions) -> Union {
    let (mut labels, [n1, n2]) = labels(table);
    let entropy: f64 = labels.iter().map(|label| -label.p * label.p.ln()).sum();
    let mut common = product(&labels, n1, n2);
    let (mut best, mut bound, mut last, mut n_stable) = (f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, 0);
    let mut rounds = 0;
    let stopped = loop {
        labels.iter_mut().for_each(|label| label.scale(&common, n2));
        bound = bound.max(dual(&labels, n1, n2));
        common.fill(0.0);
        for label in &mut labels {
            common.iter_mut().zip(&label.q).for_each(|(sum, q)| *sum += q);
            label.round(n2);
        }
        common.iter_mut().for_each(|cell| *cell = cell.max(FLOOR));
        let value = primal(&labels, n1 * n2);
        best = best.min(value);
        rounds += 1;
        n_stable = if (value - last).abs() < options.change * LN_2 { n_stable + 1 } else { 0 };
        last = value;
        if best - bound <= options.gap * LN_2 {
            break Stopped::Gap;
        } else if n_stable >= STABLE_ROUNDS {
            break Stopped::Stable;
        } else if rounds >= options.max_rounds {
            break Stopped::Limit;
        }
    };
    Union { value: ((entropy + best) / LN_2).max(0.0), gap: ((best - bound) / LN_2).max(0.0), rounds, stopped }
}

/// Returns the labels that occur, over the values of each source that occur.
fn labels(table: &JointTable) -> (Vec<Label>, [usize; 2]) {
    let n_labels = table.sizes()[2];
    let joints = [0, 1].map(|source| {
        let joint = table.joint(source);
        let rows = joint.chunks_exact(n_labels).filter(|cells| cells.iter().any(|p| *p > 0.0));
        rows.map(<[f64]>::to_vec).collect::<Vec<Vec<f64>>>()
    });
    let sizes = [joints[0].len(), joints[1].len()];
    let target = table.target();
    let occurring = (0..n_labels).filter(|&y| target[y] > 0.0);
    let label = |y: usize| {
        let margins = [0, 1].map(|source: usize| joints[source].iter().map(|cells| cells[y]).collect::<Vec<f64>>());
        let factors =
            [0, 1].map(|source: usize| margins[source].iter().map(|p| f64::from(u8::from(*p > 0.0))).collect());
        Label { p: target[y], q: vec![0.0; sizes[0] * sizes[1]], margins, factors }
    };
    (occurring.map(label).collect(), sizes)
}

/// `P(x1) P(x2)`.
fn product(labels: &[Label], n1: usize, n2: usize) -> Vec<f64> {
    let sum = |source: usize, value: usize| labels.iter().map(|label| label.margins[source][value]).sum::<f64>();
    let (p1, p2): (Vec<f64>, Vec<f64>) = ((0..n1).map(|x| sum(0, x)).collect(), (0..n2).map(|x| sum(1, x)).collect());
    p1.iter().flat_map(|a| p2.iter().map(move |b| (a * b).max(FLOOR))).collect()
}

impl Label {
    /// Scales the common table to the margins by Sinkhorn sweeps, starting from the factors of the previous round, into
    /// `q`.
    fn scale(&mut self, common: &[f64], n2: usize) {
        let [rows, columns] = &self.margins;
        let [u, v] = &mut self.factors;
        let mut sums = vec![0.0; n2];
        for _ in 0..SWEEPS {
            let mut off = 0.0;
            sums.fill(0.0);
            for ((cells, u), &margin) in common.chunks_exact(n2).zip(u.iter_mut()).zip(rows) {
                if margin == 0.0 {
                    continue;
                }
                let inner: f64 = cells.iter().zip(v.iter()).map(|(cell, v)| cell * v).sum();
                off += (margin - *u * inner).abs();
                *u = margin / inner.max(f64::MIN_POSITIVE);
                sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += *u * cell);
            }
            for ((v, sum), &margin) in v.iter_mut().zip(&sums).zip(columns) {
                *v = if margin == 0.0 { 0.0 } else { margin / sum.max(f64::MIN_POSITIVE) };
            }
            if off <= 1e-10 * self.p {
                break;
            }
        }
        // `u` and `v` are determined up to a factor, which must not diverge.
        let largest = v.iter().fold(0.0, |a: f64, &b| a.max(b));
        v.iter_mut().for_each(|v| *v /= largest);
        u.iter_mut().for_each(|u| *u *= largest);
        for ((q, cells), u) in self.q.chunks_exact_mut(n2).zip(common.chunks_exact(n2)).zip(u.iter()) {
            q.iter_mut().zip(cells.iter().zip(v.iter())).for_each(|(q, (cell, v))| *q = u * cell * v);
        }
    }

    /// Makes the margins of `q` exact: scales down rows and columns that are too large, and distributes the deficit
    /// over the rows and columns that lack it (Altschuler, Weed and Rigollet, 2017).
    fn round(&mut self, n2: usize) {
        let [rows, columns] = &self.margins;
        let mut sums = vec![0.0; n2];
        for (cells, &margin) in self.q.chunks_exact_mut(n2).zip(rows) {
            let factor = at_most_one(margin, cells.iter().sum());
            cells.iter_mut().for_each(|cell| *cell *= factor);
            sums.iter_mut().zip(&*cells).for_each(|(sum, cell)| *sum += cell);
        }
        let factors: Vec<f64> = columns.iter().zip(&sums).map(|(&margin, &sum)| at_most_one(margin, sum)).collect();
        let mut missing_rows = Vec::with_capacity(rows.len());
        let mut sums = vec![0.0; n2];
        for (cells, &margin) in self.q.chunks_exact_mut(n2).zip(rows) {
            cells.iter_mut().zip(&factors).for_each(|(cell, factor)| *cell *= factor);
            sums.iter_mut().zip(&*cells).for_each(|(sum, cell)| *sum += cell);
            missing_rows.push((margin - cells.iter().sum::<f64>()).max(0.0));
        }
        let missing: Vec<f64> = columns.iter().zip(&sums).map(|(margin, sum)| (margin - sum).max(0.0)).collect();
        let total: f64 = missing.iter().sum();
        if total > 0.0 {
            for (cells, row) in self.q.chunks_exact_mut(n2).zip(missing_rows) {
                cells.iter_mut().zip(&missing).for_each(|(cell, column)| *cell += row * (column / total));
            }
        }
    }
}

fn at_most_one(margin: f64, sum: f64) -> f64 {
    if sum > margin { margin / sum } else { 1.0 }
}

/// `-H_Q(Y | X1 X2)` in nats.
fn primal(labels: &[Label], n_cells: usize) -> f64 {
    let log = |q: f64| if q > 0.0 { q * q.ln() } else { 0.0 };
    let cell = |at: usize| {
        let (mut joint, mut sum) = (0.0, 0.0);
        for label in labels {
            joint += log(label.q[at]);
            sum += label.q[at];
        }
        joint - log(sum)
    };
    (0..n_cells).map(cell).sum()
}

/// Returns a lower bound of `-H_Q(Y | X1 X2)` from the dual problem, in nats.
///
/// By Gibbs' inequality `Σ_y Q(y | x) ln Q(y | x) ≥ Σ_y Q(y | x) (λ_y(x1) + μ_y(x2))` wherever
/// `Σ_y exp(λ_y(x1) + μ_y(x2)) ≤ 1`, and the mean of the right-hand side is the same for every `Q` with the margins. The
/// logarithms of the factors, lowered until the condition holds, are such `λ` and `μ`.
fn dual(labels: &[Label], n1: usize, n2: usize) -> f64 {
    let mut largest = 0f64;
    for (x1, x2) in (0..n1).flat_map(|x1| (0..n2).map(move |x2| (x1, x2))) {
        largest = largest.max(labels.iter().map(|label| label.factors[0][x1] * label.factors[1][x2]).sum());
    }
    let mut sum = 0.0;
    for (margins, factors) in labels.iter().flat_map(|label| label.margins.iter().zip(&label.factors)) {
        sum += margins.iter().zip(factors).filter(|(p, _)| **p > 0.0).map(|(p, factor)| p * factor.ln()).sum::<f64>();
    }
    let bound = sum - largest.ln();
    // Factors that overflow or underflow prove nothing.
    if bound.is_finite() { bound } else { f64::NEG_INFINITY }
}
