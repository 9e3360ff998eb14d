//! Content profiles as a function of users' vectors.

use super::query::length;
use super::ridge::ridge;
use crate::data::{Features, Interactions, Modality};
use crate::model::HostEmbeddings;
use half::f16;

/// The linear map from users' vectors to the mean content of their items, which scores new content.
///
/// ```text
/// p_u = mean of x̂_i over the train items of u,   x̂_i = [√w_m x_im / ‖x_im‖] over modalities,   M = (UᵀU + λ I)⁻¹ UᵀP
/// ⟨z_u, M x̂_new⟩ ≈ ⟨p_u, x̂_new⟩
/// ```
///
/// The right-hand side is the score of a content profile. The left-hand side is the score of a new item with the vector
/// `M x̂_new` in the model's own space: it needs no history, and works for users who come later, too.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Profile {
    /// `[d, width]`, where `width` is the total of all modalities.
    map: Vec<f32>,
    width: usize,
}

impl Profile {
    /// Fits the map by ridge regression over all users with a history; `None` if the system is numerically singular.
    /// `units` are the L2-normalised rows of each modality, `[n_items, width]`, and `shares` their `w_m`. O(users · d ·
    /// width) time.
    pub(super) fn fit(
        vectors: &HostEmbeddings,
        train: &Interactions,
        modalities: &[(Modality, usize)],
        units: &[Vec<f16>],
        shares: &[f32],
    ) -> Option<Self> {
        let (d, width) = (vectors.d(), modalities.iter().map(|(_, width)| width).sum::<usize>());
        let map = ridge(train, [d, width], |user, x, y| {
            x.extend_from_slice(vectors.user(user));
            let mut first = y.len();
            y.resize(first + width, 0f32);
            let items = train.of_user(user);
            for (((_, width), units), share) in modalities.iter().zip(units).zip(shares) {
                let factor = share.sqrt() / items.len() as f32;
                for &item in items {
                    let row = &units[item as usize * width..][..*width];
                    y[first..].iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x.to_f32());
                }
                first += width;
            }
        });
        Self::from_map(map?, d, width)
    }

    /// Wraps a matrix; `None` if its size is not `[d, width]` or a value is not finite.
    pub(super) fn from_map(map: Vec<f32>, d: usize, width: usize) -> Option<Self> {
        (map.len() == d * width && map.iter().all(|w| w.is_finite())).then_some(Self { map, width })
    }

    /// The matrix, `[d, width]`, row-major.
    pub(super) fn map(&self) -> &[f32] {
        &self.map
    }

    /// `M x̂` of each row, `[n, d]`; a modality that a row lacks adds nothing.
    pub(super) fn vectors(&self, features: &Features, modalities: &[(Modality, usize)], shares: &[f32]) -> Vec<f32> {
        let n = features.iter().next().map_or(0, |(_, rows)| rows.n_items());
        let d = self.map.len().checked_div(self.width).unwrap_or(0);
        let mut vectors = vec![0f32; n * d];
        let mut x = vec![0f32; self.width];
        for (row, vector) in vectors.chunks_exact_mut(d.max(1)).enumerate() {
            let mut first = 0;
            for ((modality, width), share) in modalities.iter().zip(shares) {
                let part = &mut x[first..first + width];
                match features.get(modality) {
                    Some(rows) => {
                        let row = rows.row(row);
                        let norm = length(row);
                        let factor = if norm > 0.0 { f64::from(share.sqrt()) / norm } else { 0.0 };
                        part.iter_mut().zip(row).for_each(|(x, &y)| *x = (f64::from(y) * factor) as f32);
                    }
                    None => part.fill(0.0),
                }
                first += width;
            }
            for (z, row) in vector.iter_mut().zip(self.map.chunks_exact(self.width)) {
                *z = row.iter().zip(&x).map(|(w, x)| w * x).sum();
            }
        }
        vectors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ItemFeatures, splitmix64};

    /// If users' vectors are a linear map of their profiles, new items have the scores of the profiles.
    #[test]
    fn a_new_item_is_scored_as_by_the_profile() {
        let (n_users, n_items) = (400, 50);
        let noise = |tag: u64, at: usize| (splitmix64(tag << 40 | at as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        let modalities = [(Modality::Text, 3), (Modality::Visual, 2)];
        let shares = [0.75f32, 0.25];
        let units: Vec<Vec<f16>> = modalities
            .iter()
            .zip(1..)
            .map(|((_, width), tag)| {
                let rows: Vec<f32> = (0..n_items * width).map(|at| noise(tag, at)).collect();
                rows.chunks(*width).flat_map(|r| r.iter().map(|x| f16::from_f64(f64::from(*x) / length(r)))).collect()
            })
            .collect();
        let pairs: Vec<(u32, u32)> =
            (0..n_users as u32).flat_map(|u| (0..3).map(move |k| (u, (u * 7 + k * k * 11) % n_items as u32))).collect();
        let train = Interactions::from_pairs(n_users + 1, n_items, &pairs);
        // A profile has five numbers; a vector holds these in another basis, plus one without information.
        let profile = |user: usize| -> Vec<f32> {
            let items = train.of_user(user);
            let part = |m: usize| {
                let (width, units): (usize, &[f16]) = (modalities[m].1, &units[m]);
                let sum = move |at: usize| items.iter().map(|&i| units[i as usize * width + at].to_f32()).sum::<f32>();
                (0..width).map(move |at| sum(at) * shares[m].sqrt() / items.len() as f32)
            };
            part(0).chain(part(1)).collect()
        };
        let users: Vec<f32> = (0..n_users)
            .flat_map(|user| {
                let p = profile(user);
                [p[0] + p[1], p[1] - p[2], 2.0 * p[2], p[3] - p[4], p[4], 0.01 * noise(9, user)]
            })
            .chain([0.0; 6])
            .collect();
        let items = vec![0.0; n_items * 6];
        let vectors = HostEmbeddings::new(users, items, vec![("all".into(), 6)]).unwrap();
        let fitted = Profile::fit(&vectors, &train, &modalities, &units, &shares).unwrap();
        let new = Features::new()
            .with(Modality::Text, ItemFeatures::new(1, 3, vec![3.0, 0.0, 4.0]).unwrap())
            .with(Modality::Visual, ItemFeatures::new(1, 2, vec![0.0, 5.0]).unwrap());
        let z = fitted.vectors(&new, &modalities, &shares);
        let x = [0.6f32, 0.0, 0.8, 0.0, 1.0];
        for user in [0, 17, 399] {
            let found: f32 = vectors.user(user).iter().zip(&z).map(|(a, b)| a * b).sum();
            let by_profile = profile(user).into_iter().zip(x).zip([0.75f32, 0.75, 0.75, 0.25, 0.25]);
            let expected: f32 = by_profile.map(|((p, x), share)| p * x * share.sqrt()).sum();
            assert!((found - expected).abs() < 0.02, "{found} and {expected} of user {user}");
        }
        assert_eq!(Profile::from_map(vec![f32::NAN; 6], 2, 3), None);
    }
}
