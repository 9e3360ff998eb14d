//! Imputes missing content by walks on an item graph: personalised PageRank and heat diffusion.

use super::impute::{filled, without_self};
use super::normalize::{add_self_loops, normalize_symmetric};
use crate::data::ItemFeatures;
use rayon::prelude::*;
use sprs::CsMat;

/// Replaces missing rows by means of the existing ones, weighted by walks on `graph`; rows that no walk connects
/// to an existing one become the mean of all.
///
/// ```text
/// x_i = Σ_j P[i, j] x_j / Σ_j P[i, j] over j with a row,   P = Σ_l c_l Hˡ,   H = D^-½ (A + I) D^-½
/// ```
///
/// `weights` are the `c_l`, for l from 0 on, given by [`page_rank_weights`] or [`heat_weights`]. `P` is never
/// materialised: O(edges · width) time per walk length, and as much memory as the features.
///
/// ```
/// use viral::data::{Interactions, ItemFeatures};
/// use viral::graph::{impute_by_walks, item_cooccurrence, page_rank_weights};
///
/// let graph = item_cooccurrence(&Interactions::from_pairs(2, 4, &[(0, 0), (0, 1), (1, 1), (1, 2)]), 10);
/// let features = ItemFeatures::new(4, 1, vec![4.0, 0.0, 8.0, 1.0])?;
/// // It is as near to the first item as to the third, and no walk leads to the fourth.
/// let row = impute_by_walks(&features, &graph, &page_rank_weights(0.1)).row(1).to_vec();
/// assert!((row[0] - 6.0).abs() < 1e-5);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Shapes
/// - `graph`: `[n_items, n_items]`, non-negative
///
/// # Panics
/// When the graph has another shape.
pub fn impute_by_walks(features: &ItemFeatures, graph: &CsMat<f32>, weights: &[f64]) -> ItemFeatures {
    let graph = normalize_symmetric(&add_self_loops(&without_self(features, graph)), 0.0);
    let Some(known) = features.there() else { return features.clone() };
    let (n_items, width) = (features.n_items(), features.width());
    // An extra last column is 1 for existing rows, so that its walks sum up the weights.
    let stride = width + 1;
    let mut walked = vec![0f32; n_items * stride];
    for (item, row) in walked.chunks_exact_mut(stride).enumerate().filter(|(item, _)| known[*item]) {
        row[..width].copy_from_slice(features.row(item));
        row[width] = 1.0;
    }
    let mut sums = vec![0f64; n_items * stride];
    for (length, &weight) in weights.iter().enumerate() {
        if length > 0 {
            let mut next = vec![0f32; n_items * stride];
            next.par_chunks_exact_mut(stride).enumerate().for_each(|(item, row)| {
                for (neighbor, &edge) in graph.outer_view(item).iter().flat_map(|edges| edges.iter()) {
                    row.iter_mut().zip(&walked[neighbor * stride..][..stride]).for_each(|(x, y)| *x += edge * y);
                }
            });
            walked = next;
        }
        sums.par_iter_mut().zip(&walked).for_each(|(sum, &x)| *sum += weight * f64::from(x));
    }
    filled(features, |item, row| {
        let (sum, total) = (&sums[item * stride..][..width], sums[item * stride + width]);
        row.iter_mut().zip(sum).for_each(|(x, sum)| *x = (sum / total) as f32);
        total > 0.0
    })
}

/// Returns the weights `c_l = α (1 - α)ˡ` of personalised PageRank: walks that end at each node with probability
/// `alpha`. The series is truncated when less than 2 % of the total weight is left, or after a thousand terms.
///
/// ```
/// use viral::graph::page_rank_weights;
///
/// let weights = page_rank_weights(0.1);
/// assert!(weights[0] == 0.1 && weights.iter().sum::<f64>() > 0.98 && weights.len() == 38);
/// ```
///
/// # Panics
/// When `alpha` is not above 0 and at most 1.
pub fn page_rank_weights(alpha: f64) -> Vec<f64> {
    assert!(alpha > 0.0 && alpha <= 1.0, "page rank: a chance of {alpha} to return; it must be above 0 and at most 1");
    let n = (0..1000).take_while(|&l| (1.0 - alpha).powi(l) >= 0.02).count().max(1);
    (0..n as i32).map(|l| alpha * (1.0 - alpha).powi(l)).collect()
}

/// Returns the weights `c_l = e^-t tˡ / l!` of heat diffusion, `exp(-t (I - H))`, for a time of `t`. The series is
/// truncated when less than a millionth of the total weight is left.
///
/// ```
/// use viral::graph::heat_weights;
///
/// assert!((heat_weights(5.0).iter().sum::<f64>() - 1.0).abs() < 1e-6);
/// ```
///
/// # Panics
/// When `time` is not from 0 to 100.
pub fn heat_weights(time: f64) -> Vec<f64> {
    assert!((0.0..=100.0).contains(&time), "heat: a time of {time}; it must be from 0 to 100");
    let (mut weights, mut weight, mut sum) = (Vec::new(), (-time).exp(), 0.0);
    while sum < 1.0 - 1e-6 {
        weights.push(weight);
        sum += weight;
        weight *= time / weights.len() as f64;
    }
    weights
}
