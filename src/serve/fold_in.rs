//! Fold-in: the vector of a user who was not in training, from the items they liked.

use super::ridge::ridge;
use crate::data::Interactions;
use crate::model::HostEmbeddings;
use serde_json::Value;

/// The linear map from the mean vector of a user's items to the user's own vector, fitted to all training users.
///
/// ```text
/// x_u = mean of z_i over the train items of u,   W = (XᵀX + λ I)⁻¹ XᵀU,   z_new = Wᵀ x_new
/// ```
///
/// Training gives no vector to users who come later. This map, a ridge regression over the users with a history,
/// computes one. Unlike a plain mean of item vectors, it captures how a model weighs its blocks and how popular items
/// count.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FoldIn {
    /// `[d, d]`.
    map: Vec<f32>,
    exact: Option<Exact>,
}

/// How a model that is not trained makes users' vectors from their items: known, and not to be fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Exact {
    /// The mean of the items, scaled to length 1: ProfileMatch.
    UnitMean,
    /// The sum of the items: AttributeKnn.
    Sum,
    /// 1 for each item: AttributeKnn over a number of neighbours.
    Indicator,
    /// 1 for everybody: popularity.
    One,
}

impl Exact {
    fn of(config: &Value) -> Option<Self> {
        let n_neighbors = config.get("n_neighbors").and_then(Value::as_u64);
        match (config.get("model")?.as_str()?, n_neighbors) {
            ("profile-match", _) => Some(Self::UnitMean),
            ("attribute-knn", None | Some(0)) => Some(Self::Sum),
            ("attribute-knn", Some(_)) => Some(Self::Indicator),
            ("popularity", _) => Some(Self::One),
            _ => None,
        }
    }
}

impl FoldIn {
    /// Fits the map in O(train pairs · d + users · d²) time and O(d²) memory.
    pub(super) fn fit(vectors: &HostEmbeddings, train: &Interactions) -> Self {
        let d = vectors.d();
        let fitted = ridge(train, [d, d], |user, x, y| {
            x.extend(mean_of_items(vectors, train.of_user(user)));
            y.extend_from_slice(vectors.user(user));
        });
        // Without histories, with zero vectors, or with sums beyond 32 bits, the map is the identity.
        Self::from_map(fitted.unwrap_or_default(), d)
            .unwrap_or_else(|| Self { map: identity(d).collect(), exact: None })
    }

    /// The fold-in of a model that makes users' vectors from their items by a rule; `None` for other settings. The map is
    /// the identity then, and not used.
    pub(super) fn exact(config: &Value, d: usize) -> Option<Self> {
        Exact::of(config).map(|exact| Self { map: identity(d).collect(), exact: Some(exact) })
    }

    /// Wraps a matrix; `None` if its size is not `[d, d]` or a value is not finite.
    pub(super) fn from_map(map: Vec<f32>, d: usize) -> Option<Self> {
        (map.len() == d * d && map.iter().all(|w| w.is_finite())).then_some(Self { map, exact: None })
    }

    /// The matrix, `[d, d]`, row-major.
    pub(super) fn map(&self) -> &[f32] {
        &self.map
    }

    /// The vector of a user with this history, `[d]`.
    pub(super) fn vector(&self, vectors: &HostEmbeddings, items: &[u32]) -> Vec<f32> {
        let d = vectors.d();
        match self.exact {
            Some(Exact::UnitMean) => {
                let mean = mean_of_items(vectors, items);
                let length = mean.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                let scale = if length > 0.0 { length.recip() } else { 0.0 };
                return mean.into_iter().map(|x| (f64::from(x) * scale) as f32).collect();
            }
            Some(Exact::Sum) => {
                let n = items.len() as f32;
                return mean_of_items(vectors, items).into_iter().map(|x| x * n).collect();
            }
            Some(Exact::Indicator) => {
                let mut vector = vec![0.0; d];
                // Items that came later have no place of their own.
                items.iter().filter(|&&item| (item as usize) < d).for_each(|&item| vector[item as usize] = 1.0);
                return vector;
            }
            Some(Exact::One) => return vec![1.0; d],
            None => {}
        }
        let mean = mean_of_items(vectors, items);
        let mut sums = vec![0f64; d];
        for (x, row) in mean.iter().zip(self.map.chunks_exact(d.max(1))) {
            sums.iter_mut().zip(row).for_each(|(sum, &w)| *sum += f64::from(*x) * f64::from(w));
        }
        sums.into_iter().map(|sum| sum as f32).collect()
    }
}

/// The identity matrix, `[d, d]`.
fn identity(d: usize) -> impl Iterator<Item = f32> {
    (0..d * d).map(move |at| if at / d == at % d { 1.0 } else { 0.0 })
}

/// Mean vector of the items, `[d]`; zero if there are none.
fn mean_of_items(vectors: &HostEmbeddings, items: &[u32]) -> Vec<f32> {
    let mut sum = vec![0f32; vectors.d()];
    for &item in items {
        sum.iter_mut().zip(vectors.item(item as usize)).for_each(|(sum, z)| *sum += z);
    }
    let n = items.len().max(1) as f32;
    sum.iter_mut().for_each(|sum| *sum /= n);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::splitmix64;

    /// The users are a known linear map of the mean of their items.
    #[test]
    fn the_map_is_found_again() {
        let (n_users, n_items, d) = (500, 40, 3);
        let noise = |tag: u64, at: usize| (splitmix64(tag << 40 | at as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        let items: Vec<f32> = (0..n_items * d).map(|at| noise(1, at)).collect();
        let pairs: Vec<(u32, u32)> =
            (0..n_users as u32).flat_map(|u| (0..4).map(move |i| (u, (u * 7 + i * i * 3) % 40))).collect();
        let train = Interactions::from_pairs(n_users, n_items, &pairs);
        let blocks = vec![("a".to_string(), 1), ("b".to_string(), 2)];
        let alone = HostEmbeddings::new(Vec::new(), items.clone(), blocks.clone()).unwrap();
        // u = (2 x₀, x₁ - x₂, 3 x₂)
        let of_items = (0..n_users).map(|user| mean_of_items(&alone, train.of_user(user)));
        let users = of_items.flat_map(|x| [2.0 * x[0], x[1] - x[2], 3.0 * x[2]]).collect();
        let vectors = HostEmbeddings::new(users, items, blocks).unwrap();
        let fold_in = FoldIn::fit(&vectors, &train);
        for user in [0, 17, 499] {
            let found = fold_in.vector(&vectors, train.of_user(user));
            let close = found.iter().zip(vectors.user(user)).all(|(a, b)| (a - b).abs() < 0.02);
            assert!(close, "{found:?} for {:?}", vectors.user(user));
        }
    }

    /// A map with an infinite entry would make an unreadable file.
    #[test]
    fn where_sums_are_too_large_the_mean_stays() {
        let (n_users, blocks) = (100, vec![("a".to_string(), 2)]);
        let users = (0..2 * n_users).map(|at| if at % 2 == 0 { 1e22 } else { 1.0 }).collect();
        let vectors = HostEmbeddings::new(users, vec![1e15, 0.0, 0.0, 1e15], blocks).unwrap();
        let pairs: Vec<(u32, u32)> = (0..n_users as u32).map(|user| (user, user % 2)).collect();
        let fold_in = FoldIn::fit(&vectors, &Interactions::from_pairs(n_users, 2, &pairs));
        assert_eq!(fold_in.map(), [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn without_histories_the_mean_stays() {
        let blocks = vec![("a".to_string(), 2)];
        let vectors = HostEmbeddings::new(vec![1.0; 4], vec![1.0, 0.0, 3.0, 2.0], blocks).unwrap();
        let fold_in = FoldIn::fit(&vectors, &Interactions::from_pairs(2, 2, &[]));
        assert_eq!(fold_in.vector(&vectors, &[0, 1]), [2.0, 1.0]);
        assert_eq!(fold_in.vector(&vectors, &[]), [0.0, 0.0]);
    }
}
