//! Principal component analysis (PCA) of rows of numbers.

use crate::data::{draw, stream};
use crate::linalg::symmetric_eigen;
use crate::{Error, Result};
use rayon::prelude::*;

/// Purpose of the random stream of initial directions, part of its key.
const START: u64 = 34;

/// Number of directions searched for in addition to those asked for.
const SPARE: usize = 6;

/// Krylov depth: products with the covariance before a restart from the best directions so far.
const DEPTH: usize = 8;

/// Maximum number of rounds; needing more means that something is wrong.
const MOST_ROUNDS: usize = 500;

/// Relative size of the residual `C v − λ v` at which a component counts as exact.
const TOLERANCE: f64 = 1e-8;

/// Principal components: the directions along which rows vary most.
///
/// ```text
/// C = Σ_i (x_i − x̄)(x_i − x̄)ᵀ / (n − 1),    C v_j = λ_j v_j,    λ_1 ≥ λ_2 ≥ …,    y_i = V (x_i − x̄)
/// ```
///
/// The covariance is never formed. A restarted block Krylov method searches from fixed initial directions until every
/// component is exact to `‖C v − λ v‖ ≤ 1e-8 λ_1`. So wide rows cost no more than their products: O(n · width · 8) for
/// each of some tens to hundreds. The sign of a component makes its entry of largest magnitude positive. The result is
/// bit-identical at any number of threads.
///
/// ```
/// use viral::insight::Pca;
///
/// // Points along the diagonal.
/// let pca = Pca::fit(&[0.0, 0.1, 1.0, 0.9, 2.0, 2.0, 3.0, 3.0], 2, 1)?;
/// assert!(pca.explained() > 0.99);
/// let places = pca.project(&[0.0, 0.0, 3.0, 3.0]);
/// assert!((places[1] - places[0] - 18f32.sqrt()).abs() < 0.01);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    mean: Vec<f64>,
    components: Vec<f64>,
    variances: Vec<f64>,
    total: f64,
}

impl Pca {
    /// Computes the first `k` components of rows of `width` numbers each.
    ///
    /// # Errors
    /// When a number is not finite, or there are fewer than `k + 1` rows or `k` columns, or `k` is 0.
    ///
    /// # Panics
    /// When the length of `rows` is not a multiple of `width`.
    pub fn fit(rows: &[f32], width: usize, k: usize) -> Result<Self> {
        let n = check_rows(rows, width)?;
        if k == 0 || n <= k || width < k {
            return Err(Error::Data(format!("{n} rows of {width} columns have no {k} principal components")));
        }
        let mut mean = sums_of(rows, width, width, |row, sums| {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        });
        mean.iter_mut().for_each(|sum| *sum /= n as f64);
        let squares = sums_of(rows, width, width, |row, sums| {
            sums.iter_mut()
                .zip(row.iter().zip(&mean))
                .for_each(|(sum, (&x, mean))| *sum += (f64::from(x) - mean).powi(2));
        });
        let total = squares.iter().sum::<f64>() / (n - 1) as f64;
        let (variances, components) = components(rows, width, k, &mean)?;
        Ok(Self { mean, components, variances, total })
    }

    /// The variances along the components, largest first.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// The components, concatenated; each is a unit vector.
    pub fn components(&self) -> &[f64] {
        &self.components
    }

    /// Explained variance: the share of the total variance along the components; 1 if the total is 0.
    pub fn explained(&self) -> f64 {
        if self.total > 0.0 { self.variances.iter().sum::<f64>() / self.total } else { 1.0 }
    }

    /// Projects rows onto the components, `[n, k]`.
    ///
    /// # Panics
    /// When the rows have another width.
    pub fn project(&self, rows: &[f32]) -> Vec<f32> {
        let width = self.mean.len();
        assert!(rows.len().is_multiple_of(width), "project: {} values are no rows of {width}", rows.len());
        let place = |row: &[f32]| {
            let centred: Vec<f64> = row.iter().zip(&self.mean).map(|(&x, mean)| f64::from(x) - mean).collect();
            self.components.chunks_exact(width).map(|v| dot(v, &centred) as f32).collect::<Vec<f32>>()
        };
        rows.par_chunks_exact(width).flat_map_iter(place).collect()
    }
}

/// Returns the number of rows, or an error if a number is not finite.
pub(super) fn check_rows(rows: &[f32], width: usize) -> Result<usize> {
    assert!(width > 0 && rows.len().is_multiple_of(width), "{} values are no rows of {width}", rows.len());
    match rows.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(Error::Data(format!("row {} holds {}; a map needs finite numbers", at / width, rows[at]))),
        None => Ok(rows.len() / width),
    }
}

/// Sums over rows, in parts that depend only on sizes, not on the number of threads.
fn sums_of(rows: &[f32], width: usize, n_sums: usize, add: impl Fn(&[f32], &mut [f64]) + Sync) -> Vec<f64> {
    let part = (rows.len() / width).div_ceil(64).max(64) * width;
    let parts: Vec<Vec<f64>> = rows
        .par_chunks(part)
        .map(|rows| {
            let mut sums = vec![0.0; n_sums];
            rows.chunks_exact(width).for_each(|row| add(row, &mut sums));
            sums
        })
        .collect();
    let mut sums = vec![0.0; n_sums];
    parts.iter().for_each(|part| sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x));
    sums
}

/// Returns the product of the covariance with each vector.
fn times_covariance(rows: &[f32], width: usize, mean: &[f64], vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let add = |row: &[f32], sums: &mut [f64]| {
        let centred: Vec<f64> = row.iter().zip(mean).map(|(&x, mean)| f64::from(x) - mean).collect();
        for (v, sums) in vectors.iter().zip(sums.chunks_exact_mut(width)) {
            let along = dot(v, &centred);
            sums.iter_mut().zip(&centred).for_each(|(sum, x)| *sum += along * x);
        }
    };
    let n = (rows.len() / width - 1) as f64;
    let sums = sums_of(rows, width, vectors.len() * width, add);
    sums.chunks_exact(width).map(|sums| sums.iter().map(|sum| sum / n).collect()).collect()
}

fn components(rows: &[f32], width: usize, k: usize, mean: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    let n_block = (k + SPARE).min(width);
    let uniform =
        |v: usize, at: usize| (draw(stream(&[START, v as u64]), at as u64) >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    let mut block: Vec<Vec<f64>> = (0..n_block).map(|v| (0..width).map(|at| uniform(v, at)).collect()).collect();
    for _ in 0..MOST_ROUNDS {
        // An orthonormal basis of block, C block, C² block, …, and C times each of its vectors.
        let (mut basis, mut images): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
        for _ in 0..DEPTH {
            let first = basis.len();
            block.into_iter().for_each(|v| add_orthonormal(&mut basis, v));
            images.extend(times_covariance(rows, width, mean, &basis[first..]));
            block = images[first..].to_vec();
        }
        let m = basis.len();
        let inner = |i: usize, j: usize| dot(&basis[i.max(j)], &images[i.min(j)]);
        let projected: Vec<f64> = (0..m * m).map(|at| inner(at / m, at % m)).collect();
        let (values, vectors) = symmetric_eigen(projected, m);
        let combined = |of: &[Vec<f64>], v: usize| {
            let mut sum = vec![0.0; width];
            for (x, factor) in of.iter().zip(&vectors[v * m..]) {
                sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += factor * x);
            }
            sum
        };
        block = (0..n_block.min(m)).map(|v| combined(&basis, v)).collect();
        let is_exact = (0..k).all(|v| {
            let off = combined(&images, v)
                .iter()
                .zip(&block[v])
                .map(|(image, x)| (image - values[v] * x).powi(2))
                .sum::<f64>();
            off.sqrt() <= TOLERANCE * values[0].max(f64::MIN_POSITIVE)
        });
        if is_exact {
            block.truncate(k);
            block.iter_mut().for_each(|v| turn(v));
            return Ok((values[..k].iter().map(|value| value.max(0.0)).collect(), block.concat()));
        }
    }
    Err(Error::Data(format!("the {k} principal components of {width} columns were not found in {MOST_ROUNDS} rounds")))
}

/// Extends the basis by the part of a vector that is orthogonal to it, unless that is only rounding error.
fn add_orthonormal(basis: &mut Vec<Vec<f64>>, mut v: Vec<f64>) {
    let before = dot(&v, &v).sqrt();
    // The second pass removes what rounding left of large parts.
    for _ in 0..2 {
        for b in basis.iter() {
            let along = dot(b, &v);
            v.iter_mut().zip(b).for_each(|(x, b)| *x -= along * b);
        }
    }
    let length = dot(&v, &v).sqrt();
    if length > 1e-10 * before && length > f64::MIN_POSITIVE {
        v.iter_mut().for_each(|x| *x /= length);
        basis.push(v);
    }
}

/// Flips the sign so that the entry of largest magnitude is positive.
fn turn(v: &mut [f64]) {
    let largest = v.iter().fold(0f64, |a, &b| if b.abs() > a.abs() { b } else { a });
    if largest < 0.0 {
        v.iter_mut().for_each(|x| *x = -*x);
    }
}

/// Inner product in eight independent sums, so that it vectorises.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0f64; 8];
    for (a, b) in a.iter().zip(b) {
        (0..8).for_each(|lane| sums[lane] += a[lane] * b[lane]);
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose covariance is diagonal and known: all combinations of signs, scaled.
    fn box_corners(scales: &[f32]) -> Vec<f32> {
        (0..1usize << scales.len())
            .flat_map(|corner| scales.iter().enumerate().map(move |(i, s)| if corner >> i & 1 == 0 { *s } else { -s }))
            .collect()
    }

    #[test]
    fn a_known_covariance_is_found_whatever_is_equal_in_it() {
        let rows = box_corners(&[1.0, 3.0, 2.0, 3.0, 0.0]);
        let pca = Pca::fit(&rows, 5, 4).unwrap();
        let factor = 32.0 / 31.0;
        let near = pca.variances().iter().zip([9.0, 9.0, 4.0, 1.0]).all(|(x, y)| (x - y * factor).abs() < 1e-9);
        assert!(near && (pca.explained() - 1.0).abs() < 1e-12, "{:?}", pca.variances());
        // The third column is the third component, pointing up.
        assert!((pca.components()[2 * 5 + 2] - 1.0).abs() < 1e-7);
        let again = Pca::fit(&rows, 5, 4).unwrap();
        assert_eq!(pca, again);
    }

    #[test]
    fn equal_rows_have_components_without_variance() {
        let pca = Pca::fit(&[2.0; 30], 3, 2).unwrap();
        assert_eq!((pca.variances(), pca.explained()), (&[0.0, 0.0][..], 1.0));
        assert!(pca.project(&[2.0; 6]).iter().all(|x| *x == 0.0));
    }

    #[test]
    fn useless_rows_are_errors() {
        for (rows, width, k) in [(vec![1.0; 4], 2, 2), (vec![1.0; 9], 1, 2), (vec![1.0; 9], 3, 0)] {
            assert!(Pca::fit(&rows, width, k).unwrap_err().to_string().contains("principal components"));
        }
        let error = Pca::fit(&[1.0, 2.0, 3.0, f32::NAN], 2, 1).unwrap_err().to_string();
        assert_eq!(error, "row 1 holds NaN; a map needs finite numbers");
    }
}
