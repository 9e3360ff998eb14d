//! Reference implementation: sorts all entries.

use super::check_operands;
use burn::tensor::{DType, Int, Tensor, TensorData};

/// Reference implementation of [`masked_top_k`](super::masked_top_k), by a full sort in host memory.
#[doc(hidden)]
pub fn reference_masked_top_k(
    scores: Tensor<2>,
    row_ptr: Tensor<1, Int>,
    items: Tensor<1, Int>,
    k: usize,
) -> (Tensor<2, Int>, Tensor<2>) {
    check_operands(&scores, &row_ptr);
    let ([rows, n_items], device) = (scores.dims(), scores.device().inner());
    let host = |x: Tensor<1, Int>| x.into_data().iter::<i32>().collect::<Vec<i32>>();
    let scores: Vec<f32> = scores.into_data().iter().collect();
    let (ids, best) = sorted(&scores, n_items, &host(row_ptr), &host(items), k);
    let ids = Tensor::from_data(TensorData::new(ids, [rows, k]), (&device, DType::I32));
    (ids, Tensor::from_data(TensorData::new(best, [rows, k]), (&device, DType::F32)))
}

/// Returns the ids and scores of the `k` best of each row of `n_items` scores.
pub(super) fn sorted(scores: &[f32], n_items: usize, row_ptr: &[i32], items: &[i32], k: usize) -> (Vec<i32>, Vec<f32>) {
    let rows = row_ptr.len() - 1;
    let (mut ids, mut best) = (Vec::with_capacity(rows * k), Vec::with_capacity(rows * k));
    for (row, span) in row_ptr.windows(2).enumerate() {
        let row_scores = &scores[row * n_items..][..n_items];
        let mut masked = vec![false; n_items];
        items[span[0] as usize..span[1] as usize].iter().for_each(|&item| masked[item as usize] = true);
        let mut left: Vec<usize> = (0..n_items).filter(|&item| !masked[item]).collect();
        let order = |item: usize| if row_scores[item].is_finite() { row_scores[item] } else { f32::INFINITY };
        // The sort is stable and the two zeros are equal, so ties stay in the order of ids.
        left.sort_by(|&a, &b| order(b).partial_cmp(&order(a)).unwrap_or(std::cmp::Ordering::Equal));
        left.truncate(k);
        ids.extend(left.iter().map(|&item| item as i32));
        best.extend(left.iter().map(|&item| row_scores[item]));
        ids.resize((row + 1) * k, -1);
        best.resize((row + 1) * k, f32::NEG_INFINITY);
    }
    (ids, best)
}
