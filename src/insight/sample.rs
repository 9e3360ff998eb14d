//! Stratified samples of the rows of a map, and the trustworthiness of a map.

use super::pca::check_rows;
use crate::data::{draw, stream};
use crate::linalg::squared_distances;
use crate::{Error, Result};
use rayon::prelude::*;

/// Purpose of the random streams of samples, part of their keys.
const SAMPLE: u64 = 36;

/// Draws a stratified sample: at most `limit` indices, ascending, such that every group keeps its share.
///
/// Shares are rounded by the largest remainder, so that no group is off by a whole index. The indices that represent a
/// group depend only on the seed and the indices. All indices are returned if `limit` allows. O(n log n).
///
/// ```
/// use viral::insight::stratified_sample;
///
/// let groups: Vec<u32> = (0..100).map(|i| u32::from(i % 10 == 0)).collect();
/// let sample = stratified_sample(&groups, 20, 1);
/// assert_eq!(sample.iter().filter(|&&i| groups[i] == 1).count(), 2);
/// assert_eq!(stratified_sample(&groups, 200, 1).len(), 100);
/// ```
pub fn stratified_sample(groups: &[u32], limit: usize, seed: u64) -> Vec<usize> {
    let n = groups.len();
    if n <= limit {
        return (0..n).collect();
    }
    let key = stream(&[seed, SAMPLE]);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_unstable_by_key(|&i| (groups[i], draw(key, i as u64)));
    let strata: Vec<&[usize]> = order.chunk_by(|&a, &b| groups[a] == groups[b]).collect();
    let mut kept: Vec<usize> = strata.iter().map(|stratum| stratum.len() * limit / n).collect();
    let mut by_remainder: Vec<usize> = (0..strata.len()).collect();
    by_remainder.sort_by_key(|&s| std::cmp::Reverse(strata[s].len() * limit % n));
    let missing = limit - kept.iter().sum::<usize>();
    by_remainder[..missing].iter().for_each(|&s| kept[s] += 1);
    let mut sample: Vec<usize> =
        strata.iter().zip(kept).flat_map(|(stratum, n)| stratum[..n].iter().copied()).collect();
    sample.sort_unstable();
    sample
}

/// Computes the trustworthiness of a map: how well it preserves neighbourhoods, from 0 to 1 (Venna and Kaski, 2001).
///
/// ```text
/// T(k) = 1 − 2 / (n k (2n − 3k − 1)) Σ_i Σ_{j among the k nearest of i on the map} max(0, r(i, j) − k)
/// ```
///
/// where `r(i, j)` is the rank of row `j` by distance from row `i`, from 1. Ties go to the lower row. O(n² (width + log
/// n)), on all threads.
///
/// ```
/// use viral::insight::trustworthiness;
///
/// let rows: Vec<f32> = (0..10).map(|i| i as f32).collect();
/// let kept: Vec<[f32; 2]> = rows.iter().map(|&x| [0.0, 2.0 * x]).collect();
/// assert_eq!(trustworthiness(&rows, 1, &kept, 2)?, 1.0);
/// let mixed: Vec<[f32; 2]> = rows.iter().map(|&x| [x * 3.0 % 10.0, 0.0]).collect();
/// assert!(trustworthiness(&rows, 1, &mixed, 2)? < 0.6);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// When a number is not finite, or `k` is not from 1 to less than half of the rows.
///
/// # Panics
/// When the length of `rows` is not a multiple of `width`, or there is not one place for each row.
pub fn trustworthiness(rows: &[f32], width: usize, places: &[[f32; 2]], k: usize) -> Result<f64> {
    let n = check_rows(rows, width)?;
    assert_eq!(n, places.len(), "trustworthiness: {n} rows and {} places", places.len());
    check_rows(places.as_flattened(), 2)?;
    Error::require(k > 0 && 2 * k < n, "k", k, &format!("from 1 to less than half of the {n} rows"))?;
    let ranked = |i: usize, rows: &[f32], width: usize| {
        let mut distances = vec![0f32; n];
        squared_distances(&rows[i * width..][..width], rows, &mut distances);
        let mut order: Vec<usize> = (0..n).filter(|&j| j != i).collect();
        order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        order
    };
    let penalty = |i: usize| {
        let mut rank = vec![0usize; n];
        ranked(i, rows, width).iter().enumerate().for_each(|(place, &j)| rank[j] = place + 1);
        ranked(i, places.as_flattened(), 2)[..k].iter().map(|&j| rank[j].saturating_sub(k)).sum::<usize>()
    };
    let sum: usize = (0..n).into_par_iter().map(penalty).sum();
    Ok(1.0 - 2.0 * sum as f64 / (n * k * (2 * n - 3 * k - 1)) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_keeps_its_share() {
        let groups: Vec<u32> = (0..1000).map(|i| [0, 0, 0, 7, 7, 3][i % 6]).collect();
        let count = |places: &[usize], group: u32| places.iter().filter(|&&i| groups[i] == group).count();
        for limit in [0, 1, 10, 333, 999] {
            let sample = stratified_sample(&groups, limit, 5);
            assert_eq!(sample.len(), limit);
            assert!(sample.windows(2).all(|pair| pair[0] < pair[1]));
            let all: Vec<usize> = (0..1000).collect();
            for group in [0, 3, 7] {
                let share = count(&all, group) as f64 * limit as f64 / 1000.0;
                assert!((count(&sample, group) as f64 - share).abs() < 1.0, "{group} of {limit}");
            }
        }
        assert_eq!(stratified_sample(&groups, 50, 1), stratified_sample(&groups, 50, 1));
        assert_ne!(stratified_sample(&groups, 50, 1), stratified_sample(&groups, 50, 2));
    }

    #[test]
    fn trustworthiness_by_hand() {
        // On the map the last point stands near the first two: each of the three has the other at rank 3 for its nearest.
        let (rows, places) = ([0.0, 1.0, 2.1, 3.3], [[0.0, 0.0], [1.0, 0.0], [2.1, 0.0], [0.1, 0.0]]);
        let penalties = 2.0 + 2.0 + 0.0 + 2.0;
        assert_eq!(trustworthiness(&rows, 1, &places, 1).unwrap(), 1.0 - 2.0 * penalties / (4.0 * (8.0 - 3.0 - 1.0)));
        assert!(trustworthiness(&rows, 1, &places, 2).is_err());
    }
}
