//! Nearest neighbours by content: L2-normalised rows and their largest inner products.

use super::query::length;
use crate::data::ItemFeatures;
use half::f16;

/// The `n` largest positive entries in descending order; the earlier of equal ones comes first.
pub(super) fn nearest(cosines: &[f32], n: usize) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = cosines
        .iter()
        .enumerate()
        .filter(|(_, cosine)| **cosine > 0.0)
        .map(|(item, &cosine)| (item as u32, cosine))
        .collect();
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if n < all.len() {
        all.select_nth_unstable_by(n, order);
        all.truncate(n);
    }
    all.sort_unstable_by(order);
    all
}

/// L2-normalises rows, in half precision; rows of items that are not kept are zero.
pub(super) fn unit_halves(rows: &ItemFeatures, keep: impl Fn(usize) -> bool) -> Vec<f16> {
    let mut units = Vec::with_capacity(rows.values().len());
    for item in 0..rows.n_items() {
        let row = rows.row(item);
        let norm = if keep(item) { length(row) } else { 0.0 };
        let factor = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        units.extend(row.iter().map(|&x| f16::from_f64(f64::from(x) * factor)));
    }
    units
}
