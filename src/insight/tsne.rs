//! Exact t-SNE: maps in which near rows stay near.

use super::pca::{Pca, check_rows};
use crate::data::{draw, stream};
use crate::linalg::{forces, squared_distances};
use crate::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Purpose of the random stream that separates equal rows, part of its key.
const JITTER: u64 = 35;

/// Steps of early exaggeration, with low momentum.
const EARLY_STEPS: usize = 250;

/// Affinities below this are set to 0: products with subnormal numbers take thirty times as long.
const NOTHING: f32 = 1e-30;

/// Settings of [`Tsne`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TsneOptions {
    /// Perplexity: about how many neighbours a row has. Default: 30.
    pub perplexity: f64,
    /// Steps of gradient descent. Default: 1,000.
    pub steps: usize,
    /// Early exaggeration: the factor of attraction in the first 250 steps. Default: 12.
    pub exaggeration: f64,
    /// Seed of the jitter that separates equal rows. Default: 0.
    pub seed: u64,
}

impl Default for TsneOptions {
    fn default() -> Self {
        Self { perplexity: 30.0, steps: 1000, exaggeration: 12.0, seed: 0 }
    }
}

/// A two-dimensional map of rows by t-SNE (van der Maaten and Hinton, 2008), exact and reproducible.
///
/// ```text
/// p_j|i ∝ exp(−β_i ‖x_i − x_j‖²) with perplexity 2^H(p_·|i) as asked,    p_ij = (p_j|i + p_i|j) / 2n
/// q_ij ∝ w_ij = 1 / (1 + ‖y_i − y_j‖²),    minimise KL(P ‖ Q) by ∂/∂y_i = 4 Σ_j (p_ij − q_ij) w_ij (y_i − y_j)
/// ```
///
/// The map is initialised with the first two [principal components](Pca), which preserves the global arrangement (Kobak
/// and Berens, 2019). Sums over all pairs have a fixed order, so the result is bit-identical at any number of threads.
/// Distances between far clusters and sizes of clusters mean nothing; say so next to the picture.
///
/// Time O(n² · steps), memory 8 n² bytes. More than [`Tsne::MOST_ROWS`] rows are rejected: take a
/// [`stratified_sample`](super::stratified_sample).
///
/// ```
/// use viral::insight::{Tsne, TsneOptions};
///
/// // Two clusters of ten.
/// let rows: Vec<f32> = (0..20).flat_map(|i| [(i % 2 * 5) as f32, (i / 2) as f32 * 0.1, 1.0]).collect();
/// let mut options = TsneOptions::default();
/// options.perplexity = 5.0;
/// let map = Tsne::fit(&rows, 3, &options)?;
/// let [first, second] = [map.places()[0], map.places()[1]];
/// assert!((first[0] - second[0]).hypot(first[1] - second[1]) > 2.0);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tsne {
    places: Vec<[f32; 2]>,
    divergence: f64,
}

impl Tsne {
    /// Maximum number of rows.
    pub const MOST_ROWS: usize = 5000;

    /// Computes a map of rows of `width` numbers each. Distances are Euclidean: L2-normalise the rows if only
    /// directions matter.
    ///
    /// # Errors
    /// When a number is not finite, there are fewer than four rows or more than [`MOST_ROWS`](Self::MOST_ROWS), the perplexity is not
    /// from 1 to `(n − 1) / 2`, or an option is out of range.
    ///
    /// # Panics
    /// When the length of `rows` is not a multiple of `width`.
    pub fn fit(rows: &[f32], width: usize, options: &TsneOptions) -> Result<Self> {
        let n = check_rows(rows, width)?;
        if !(4..=Self::MOST_ROWS).contains(&n) {
            let most = Self::MOST_ROWS;
            return Err(Error::Data(format!(
                "a map of {n} rows; t-SNE takes from 4 to {most}: take a stratified sample"
            )));
        }
        let (perplexity, most) = (options.perplexity, (n - 1) as f64 / 2.0);
        let wanted = format!("from 1 to half of the other rows, {most}");
        Error::require((1.0..=most).contains(&perplexity), "perplexity", perplexity, &wanted)?;
        Error::require_positive("exaggeration", options.exaggeration)?;
        Error::require(options.steps > 0, "steps", options.steps, "at least 1")?;
        let p = affinities(rows, width, perplexity);
        let mut descent = Descent::new(start(rows, width, options.seed)?, options);
        for step in 0..options.steps {
            descent.step(&p, step);
        }
        let (places, divergence) = (descent.places(), divergence(&p, &descent));
        match divergence.is_finite() {
            true => Ok(Self { places, divergence }),
            false => Err(Error::Data("the map's places became infinite; scale the rows to lengths near 1".into())),
        }
    }

    /// The coordinates of each row on the map.
    pub fn places(&self) -> &[[f32; 2]] {
        &self.places
    }

    /// Kullback–Leibler divergence `KL(P ‖ Q)` of the map, in nats.
    pub fn divergence(&self) -> f64 {
        self.divergence
    }
}

/// Returns the affinities `p_ij`, `[n, n]`.
fn affinities(rows: &[f32], width: usize, perplexity: f64) -> Vec<f32> {
    let n = rows.len() / width;
    let mut conditional = vec![0f32; n * n];
    conditional.par_chunks_exact_mut(n).enumerate().for_each(|(i, p)| {
        squared_distances(&rows[i * width..][..width], rows, p);
        neighbours(p, i, perplexity.ln());
    });
    let symmetric = |i: usize, p: &mut [f32]| {
        for (j, p) in p.iter_mut().enumerate() {
            let sum = (conditional[i * n + j] + conditional[j * n + i]) / (2 * n) as f32;
            *p = if sum < NOTHING { 0.0 } else { sum };
        }
    };
    let mut p = vec![0f32; n * n];
    p.par_chunks_exact_mut(n).enumerate().for_each(|(i, p)| symmetric(i, p));
    p
}

/// Turns the squared distances of row `i` to all rows into conditional probabilities with the given entropy, in nats.
fn neighbours(distances: &mut [f32], i: usize, entropy: f64) {
    let others = |distances: &[f32]| (0..distances.len()).filter(move |&j| j != i).collect::<Vec<usize>>();
    let others = others(distances);
    let nearest = others.iter().map(|&j| f64::from(distances[j])).fold(f64::INFINITY, f64::min);
    let mean = others.iter().map(|&j| f64::from(distances[j]) - nearest).sum::<f64>() / others.len() as f64;
    // β is in units of the mean distance; equal distances are equal neighbours whatever β is.
    let unit = if mean > 0.0 { 1.0 / mean } else { 1.0 };
    let (mut low, mut high, mut beta) = (0f64, f64::INFINITY, 1f64);
    let mut weights = vec![0f64; others.len()];
    let mut sum = 1.0;
    for _ in 0..64 {
        let mut along = 0.0;
        sum = 0.0;
        for (weight, &j) in weights.iter_mut().zip(&others) {
            let distance = (f64::from(distances[j]) - nearest) * unit;
            *weight = (-beta * distance).exp();
            sum += *weight;
            along += *weight * distance;
        }
        let difference = sum.ln() + beta * along / sum - entropy;
        if difference.abs() < 1e-6 {
            break;
        } else if difference > 0.0 {
            low = beta;
            beta = if high.is_finite() { (low + high) / 2.0 } else { beta * 2.0 };
        } else {
            high = beta;
            beta = (low + high) / 2.0;
        }
    }
    distances[i] = 0.0;
    others.iter().zip(weights).for_each(|(&j, weight)| distances[j] = (weight / sum) as f32);
}

/// Returns the initial places: the first two principal components, the first scaled to standard deviation 1e-4, with
/// jitter of a hundredth of that to separate equal rows.
fn start(rows: &[f32], width: usize, seed: u64) -> Result<[Vec<f64>; 2]> {
    let n = rows.len() / width;
    let k = width.min(2);
    let pca = Pca::fit(rows, width, k)?;
    let (projected, deviation) = (pca.project(rows), pca.variances()[0].sqrt());
    let scale = if deviation > 0.0 { 1e-4 / deviation } else { 0.0 };
    Ok([0, 1].map(|axis| {
        let key = stream(&[seed, JITTER, axis as u64]);
        let jitter = |i: usize| ((draw(key, i as u64) >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * 1e-6;
        let along = |i: usize| if axis < k { f64::from(projected[i * k + axis]) * scale } else { 0.0 };
        (0..n).map(|i| along(i) + jitter(i)).collect()
    }))
}

/// Gradient descent with momentum and adaptive gains for each coordinate (Jacobs, 1988).
struct Descent {
    y: [Vec<f64>; 2],
    velocity: [Vec<f64>; 2],
    gains: [Vec<f64>; 2],
    rate: f64,
    exaggeration: f64,
}

impl Descent {
    fn new(y: [Vec<f64>; 2], options: &TsneOptions) -> Self {
        let n = y[0].len();
        let rate = (n as f64 / options.exaggeration / 4.0).max(50.0);
        let (velocity, gains) = ([vec![0.0; n], vec![0.0; n]], [vec![1.0; n], vec![1.0; n]]);
        Self { y, velocity, gains, rate, exaggeration: options.exaggeration }
    }

    /// The sums of forces on every point.
    fn forces(&self, p: &[f32]) -> Vec<[f64; 5]> {
        let [xs, ys] = [0, 1].map(|axis: usize| self.y[axis].iter().map(|&y| y as f32).collect::<Vec<f32>>());
        let of = |(i, p): (usize, &[f32])| {
            let mut sums = [0.0; 5];
            forces([xs[i], ys[i]], &xs, &ys, p, &mut sums);
            sums[4] -= 1.0; // the point itself
            sums
        };
        p.par_chunks_exact(xs.len()).enumerate().map(of).collect()
    }

    fn step(&mut self, p: &[f32], step: usize) {
        let (exaggeration, momentum) = if step < EARLY_STEPS { (self.exaggeration, 0.5) } else { (1.0, 0.8) };
        let sums = self.forces(p);
        let z: f64 = sums.iter().map(|sums| sums[4]).sum();
        for axis in 0..2 {
            let (y, velocity, gains) = (&mut self.y[axis], &mut self.velocity[axis], &mut self.gains[axis]);
            for (((y, v), gain), sums) in y.iter_mut().zip(velocity).zip(gains).zip(&sums) {
                let gradient = 4.0 * (exaggeration * sums[axis] - sums[axis + 2] / z);
                *gain = if gradient * *v < 0.0 { *gain + 0.2 } else { (*gain * 0.8).max(0.01) };
                *v = momentum * *v - self.rate * *gain * gradient;
                *y += *v;
            }
        }
    }

    fn places(&self) -> Vec<[f32; 2]> {
        self.y[0].iter().zip(&self.y[1]).map(|(&x, &y)| [x as f32, y as f32]).collect()
    }
}

/// Returns the divergence `Σ p ln(p / q)`.
fn divergence(p: &[f32], descent: &Descent) -> f64 {
    let places = descent.places();
    let z: f64 = descent.forces(p).iter().map(|sums| sums[4]).sum();
    let of = |(i, p): (usize, &[f32])| {
        let mut sum = 0.0;
        for (j, &p) in p.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            let (dx, dy) = (f64::from(places[i][0] - places[j][0]), f64::from(places[i][1] - places[j][1]));
            sum += f64::from(p) * (f64::from(p) * (1.0 + dx * dx + dy * dy) * z).ln();
        }
        sum
    };
    let rows: Vec<f64> = p.par_chunks_exact(places.len()).enumerate().map(of).collect();
    rows.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_have_the_entropy_asked_for() {
        for perplexity in [2.0, 5.0, 12.0] {
            let mut p: Vec<f32> = (0..30).map(|j| (j * j % 17) as f32 * 0.3 + 0.1).collect();
            neighbours(&mut p, 4, f64::ln(perplexity));
            let entropy: f64 = p.iter().filter(|p| **p > 0.0).map(|&p| -f64::from(p) * f64::from(p).ln()).sum();
            assert!((entropy.exp() - perplexity).abs() < 1e-3 && p[4] == 0.0, "{}", entropy.exp());
            assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
        let mut equal = [0.5f32; 5];
        neighbours(&mut equal, 0, f64::ln(2.0));
        assert_eq!(equal, [0.0, 0.25, 0.25, 0.25, 0.25]);
    }

    #[test]
    fn awkward_rows_have_places_and_useless_ones_are_errors() {
        let options = TsneOptions { perplexity: 3.0, steps: 300, ..Default::default() };
        for (rows, width) in [(vec![1.0f32; 40], 2), ((0..12).map(|i| i as f32).collect(), 1), (vec![0.0; 10], 1)] {
            let map = Tsne::fit(&rows, width, &options).unwrap();
            assert!(map.places().iter().flatten().all(|x| x.is_finite()), "{map:?}");
            // Equal rows are separated.
            assert!(map.places().iter().skip(1).all(|place| place != &map.places()[0]));
        }
        let message = |n: usize, options: &TsneOptions| Tsne::fit(&vec![0.5; n], 1, options).unwrap_err().to_string();
        assert!(message(3, &options).contains("from 4 to 5000"));
        assert!(message(5001, &options).contains("stratified sample"));
        assert!(message(6, &options).contains("perplexity is 3; it must be from 1 to half of the other rows, 2.5"));
        assert!(message(9, &TsneOptions { steps: 0, ..options }).contains("steps"));
        assert!(message(9, &TsneOptions { exaggeration: f64::NAN, ..options }).contains("exaggeration"));
    }
}
