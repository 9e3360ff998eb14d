//! Intra-list diversity.

use super::exposure::check_cutoff;
use super::ranking::Ranking;
use crate::data::ItemFeatures;
use crate::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Intra-list diversity by the features of one modality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ListDiversity {
    /// Mean diversity of the lists for which it is defined.
    pub mean: f64,
    /// Number of lists for which it is defined.
    pub n_lists: usize,
    /// Number of lists with fewer than two items with content. Their diversity is undefined and not part of the mean.
    pub n_undefined: usize,
    /// Number of places held by items without content, which are skipped.
    pub n_without_content: usize,
    /// Number of places in all lists.
    pub n_places: usize,
}

/// Intra-list diversity (Smyth and McClave, 2001; Ziegler et al., 2005) of the first `k` items of each list.
///
/// ```text
/// ILD = 2 / (m (m − 1)) Σ_{i < j} (1 − cos(f_i, f_j)) = 1 − (‖Σ f_i‖² − m) / (m (m − 1))        ‖f_i‖ = 1
/// ```
///
/// for the `m` items of a list that have content in the modality. Summing the vectors costs O(k · width) per list
/// instead of O(k² · width). Runs on all threads; the result is bit-identical at any number of threads.
///
/// ```
/// use viral::data::{Interactions, ItemFeatures};
/// use viral::eval::{intra_list_diversity, rank};
///
/// let text = ItemFeatures::new(3, 2, vec![1.0, 0.0, 0.0, 2.0, 0.0, 0.0])?; // the last item has no text
/// let ranking = rank(&[1.0], &[0.3, 0.2, 0.1], 1, &Interactions::from_pairs(1, 3, &[]), &[0], 3)?;
/// let found = intra_list_diversity(&ranking, &text, 3)?;
/// assert_eq!((found.mean, found.n_without_content), (1.0, 1));
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// When `k` is 0 or above [`Ranking::k`], or no list has two items with content.
///
/// # Panics
/// When an item has no row of features.
pub fn intra_list_diversity(ranking: &Ranking, features: &ItemFeatures, k: usize) -> Result<ListDiversity> {
    check_cutoff(ranking, k)?;
    let width = features.width();
    let of_list = |row: usize| {
        let items = &ranking.items(row)[..k.min(ranking.items(row).len())];
        let (mut sum, mut m) = (vec![0f64; width], 0usize);
        for &item in items {
            let vector = features.row(item as usize);
            let length = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
            if length > 0.0 {
                m += 1;
                sum.iter_mut().zip(vector).for_each(|(sum, &x)| *sum += f64::from(x) / length);
            }
        }
        let square: f64 = sum.iter().map(|x| x * x).sum();
        let m_float = m as f64;
        ((m > 1).then(|| 1.0 - (square - m_float) / (m_float * (m_float - 1.0))), m, items.len())
    };
    let lists: Vec<(Option<f64>, usize, usize)> = (0..ranking.users().len()).into_par_iter().map(of_list).collect();
    let defined: Vec<f64> = lists.iter().filter_map(|list| list.0).collect();
    if defined.is_empty() {
        return Err(Error::Data(format!("none of {} lists has two items with content", lists.len())));
    }
    let n_places: usize = lists.iter().map(|list| list.2).sum();
    Ok(ListDiversity {
        mean: defined.iter().sum::<f64>() / defined.len() as f64,
        n_lists: defined.len(),
        n_undefined: lists.len() - defined.len(),
        n_without_content: n_places - lists.iter().map(|list| list.1).sum::<usize>(),
        n_places,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Interactions, splitmix64};
    use crate::eval::rank;

    #[test]
    fn the_sum_of_vectors_gives_the_mean_over_pairs() {
        let (n, width) = (30usize, 7usize);
        let noise = |i: usize| (splitmix64(i as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        let mut values: Vec<f32> = (0..n * width).map(noise).collect();
        values[3 * width..4 * width].fill(0.0);
        let features = ItemFeatures::new(n, width, values).unwrap();
        let items: Vec<f32> = (0..n).map(|i| -(i as f32)).collect();
        let seen = Interactions::from_pairs(2, n, &(2..n as u32).map(|i| (1, i)).collect::<Vec<_>>());
        // The lists are 0 to 9, where 3 has no content, and 0 and 1.
        let ranking = rank(&[1.0, 1.0], &items, 1, &seen, &[0, 1], 10).unwrap();
        let cosine = |i: usize, j: usize| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
            let (a, b) = (features.row(i), features.row(j));
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        let mean = |items: &[usize]| {
            let pairs: Vec<f64> = items
                .iter()
                .flat_map(|&i| items.iter().map(move |&j| (i, j)))
                .filter(|(i, j)| i < j)
                .map(|(i, j)| 1.0 - cosine(i, j))
                .collect();
            pairs.iter().sum::<f64>() / pairs.len() as f64
        };
        let found = intra_list_diversity(&ranking, &features, 10).unwrap();
        let expected = (mean(&[0, 1, 2, 4, 5, 6, 7, 8, 9]) + mean(&[0, 1])) / 2.0;
        assert!((found.mean - expected).abs() < 1e-12, "{found:?} for {expected}");
        assert_eq!((found.n_lists, found.n_undefined, found.n_without_content, found.n_places), (2, 0, 1, 12));
        assert!(intra_list_diversity(&ranking, &features, 1).unwrap_err().to_string().contains("none of 2 lists"));
        assert!(intra_list_diversity(&ranking, &features, 11).unwrap_err().to_string().contains("cutoff is 11"));
    }
}
