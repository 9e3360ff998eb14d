//! What content, or a block of a model's score, tells about clicks: held-out pairs against sampled negatives.

use super::samples::Samples;
use crate::data::{Dataset, ItemFeatures, Modality, Part, TrainSet, absent, below, draw, stream};
use crate::eval::Ranking;
use crate::model::HostEmbeddings;
use crate::named::named;
use crate::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Purpose of the random streams of negatives, part of their keys.
const NEGATIVE: u64 = 33;

/// How to sample the negative for a held-out click, among the items that the user took in no part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Negatives {
    /// Uniformly.
    #[default]
    Uniform,
    /// With probability proportional to train interactions, so that popularity does not tell clicks from negatives.
    Popularity,
}

impl Negatives {
    /// Both kinds.
    pub const ALL: &'static [Self] = &[Self::Uniform, Self::Popularity];
}

named! {
    Negatives, "kind of negatives":
    Uniform => "uniform",
    Popularity => "popularity",
}

/// Held-out clicks, each with a sampled negative: an item that the same user took in no part.
///
/// Half of the pairs are clicks, so that a label has one bit of entropy.
///
/// ```
/// use viral::data::{Modality, Part, PlantedConfig};
/// use viral::insight::{ClickPairs, Negatives, PidOptions, decompose};
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(300).with_n_items(200).generate().data;
/// let pairs = ClickPairs::draw(&data, Part::Test, Negatives::Uniform, 1)?;
/// let [text, visual] = [Modality::Text, Modality::Visual].map(|modality| pairs.profile_cosines(&data.train, &modality));
/// let samples = pairs.samples([&text?, &visual?], 4)?;
/// let pid = decompose(&samples.table(), &PidOptions::default())?;
/// println!("{:?}", pid.corrected);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickPairs {
    /// Each click is followed by its negative.
    pairs: Vec<(u32, u32)>,
    n_skipped: usize,
}

impl ClickPairs {
    /// Draws a negative for every pair of `part` whose user has train interactions. The draw depends only on the seed,
    /// the user and the item.
    ///
    /// Train pairs are rejected: a user's profile contains them, so their similarity to it says nothing about taste.
    ///
    /// # Errors
    /// When `part` is train, or there are no such pairs.
    pub fn draw(data: &Dataset, part: Part, negatives: Negatives, seed: u64) -> Result<Self> {
        if part == Part::Train {
            let message = "train pairs are part of the users' profiles; measure information about valid or test pairs";
            return Err(Error::Config(message.into()));
        }
        let train = &data.train.interactions;
        let taken = train.union(&data.valid).union(&data.test);
        let popularity = train.item_degrees();
        // Prefix sums of the train interactions of items.
        let before: Vec<u64> = std::iter::once(0)
            .chain(popularity.iter().scan(0u64, |sum, &n| {
                *sum += u64::from(n);
                Some(*sum)
            }))
            .collect();
        let negative = |user: usize, item: u32| {
            let (taken, bits) = (taken.of_user(user), draw(stream(&[seed, NEGATIVE, user as u64]), u64::from(item)));
            match negatives {
                Negatives::Uniform if taken.len() < data.n_items() => Some(absent(taken, data.n_items(), bits)),
                Negatives::Uniform => None,
                Negatives::Popularity => absent_by_weight(taken, &before, bits),
            }
        };
        let held_out = data.part(part);
        let mut pairs = Vec::with_capacity(2 * held_out.n_pairs());
        for (user, item) in held_out.pairs().filter(|&(user, _)| !train.of_user(user as usize).is_empty()) {
            if let Some(other) = negative(user as usize, item) {
                pairs.extend([(user, item), (user, other)]);
            }
        }
        match pairs.is_empty() {
            true => {
                Err(Error::Data(format!("data set {}: no held-out pair of a user with train interactions", data.name)))
            }
            false => Ok(Self { n_skipped: held_out.n_pairs() - pairs.len() / 2, pairs }),
        }
    }

    /// Pairs of user and item; each click is followed by its negative.
    pub fn pairs(&self) -> &[(u32, u32)] {
        &self.pairs
    }

    /// Number of skipped held-out pairs: those of users without train interactions, or who took every item that could
    /// be drawn.
    pub fn n_skipped(&self) -> usize {
        self.n_skipped
    }

    /// Returns, for each pair, the cosine similarity of the item to the user's profile in one modality.
    ///
    /// ```text
    /// f̃_i = norm(norm(f_i) − mean of norm(f_j) over items j with train interactions)
    /// x_ui = ⟨f̃_i, norm(Σ f̃_j over train items j of u)⟩
    /// ```
    ///
    /// where `norm` scales to length 1 (L2). The cosine is 0 for an item without content, and for a user whose items
    /// have none. Information about clicks in this number is that of similarity to the profile, not of the modality: it
    /// lacks whatever a cosine does not see.
    ///
    /// # Errors
    /// When the data lack the modality.
    ///
    /// # Panics
    /// When the pairs are of other data.
    pub fn profile_cosines(&self, data: &TrainSet, modality: &Modality) -> Result<Vec<f64>> {
        let [features] = data.features.require([modality.clone()], "measured information")?;
        let train = &data.interactions;
        let (units, width) = (centred(features, data), features.width());
        let row = |item: u32| &units.values()[item as usize * width..][..width];
        let cosines = |pairs: &[(u32, u32)]| {
            let mut profile = vec![0f64; width];
            for &item in train.of_user(pairs[0].0 as usize) {
                profile.iter_mut().zip(row(item)).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            let length = profile.iter().map(|x| x * x).sum::<f64>().sqrt();
            let cosine = |&(_, item): &(u32, u32)| {
                let inner: f64 = profile.iter().zip(row(item)).map(|(a, &b)| a * f64::from(b)).sum();
                if length > 0.0 { inner / length } else { 0.0 }
            };
            pairs.iter().map(cosine).collect::<Vec<f64>>()
        };
        let users: Vec<&[(u32, u32)]> = self.pairs.chunk_by(|a, b| a.0 == b.0).collect();
        Ok(users.into_par_iter().flat_map_iter(cosines).collect())
    }

    /// Returns, for each block of columns, its share of the model's score of each pair, in the order of
    /// [`HostEmbeddings::blocks`].
    ///
    /// Two blocks as sources tell whether a third, such as the synergy block, has anything to add; one block against
    /// the rest tells what the model would lose without it.
    ///
    /// # Panics
    /// When pairs and embeddings are of different data.
    pub fn block_shares(&self, z: &HostEmbeddings) -> Vec<Vec<f64>> {
        let shares: Vec<Vec<f64>> =
            self.pairs.par_iter().map(|&(user, item)| z.attribute(user as usize, item as usize)).collect();
        (0..z.blocks().len()).map(|block| shares.iter().map(|shares| shares[block]).collect()).collect()
    }

    /// Builds [`Samples`] of two numbers for each pair, in `n_bins` quantile bins each. The label is 1 for a click,
    /// else 0; the pairs of a user form a group.
    ///
    /// # Errors
    /// Those of [`Samples::binned`].
    ///
    /// # Panics
    /// When there is not one number for each pair.
    pub fn samples(&self, values: [&[f64]; 2], n_bins: usize) -> Result<Samples> {
        let labels: Vec<u32> = (0..self.pairs.len()).map(|i| u32::from(i % 2 == 0)).collect();
        let users: Vec<u32> = self.pairs.iter().map(|pair| pair.0).collect();
        Samples::binned(values, &labels, &users, n_bins)
    }
}

/// Returns each block's mean share of the scores in a ranking: the mean over ranked pairs of `|share| / Σ |shares|`.
/// The shares of all blocks sum to 1.
///
/// Pairs whose shares are all 0 are skipped; if there are no others, all means are 0.
///
/// ```
/// use viral::data::Interactions;
/// use viral::insight::mean_block_shares;
/// use viral::model::HostEmbeddings;
///
/// let blocks = vec![("text".to_string(), 1), ("visual".to_string(), 1)];
/// let z = HostEmbeddings::new(vec![1.0, 1.0], vec![3.0, -1.0, 1.0, 1.0], blocks)?;
/// let ranking = z.rank(&Interactions::from_pairs(1, 2, &[]), &[0], 2)?;
/// assert_eq!(mean_block_shares(&z, &ranking), [("text".to_string(), 0.625), ("visual".to_string(), 0.375)]);
/// # Ok::<(), viral::Error>(())
/// ```
pub fn mean_block_shares(z: &HostEmbeddings, ranking: &Ranking) -> Vec<(String, f64)> {
    let of_user = |row: usize| {
        let (mut sums, mut n) = (vec![0f64; z.blocks().len()], 0usize);
        for &item in ranking.items(row) {
            let shares = z.attribute(ranking.users()[row] as usize, item as usize);
            let total: f64 = shares.iter().map(|share| share.abs()).sum();
            if total > 0.0 {
                n += 1;
                sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share.abs() / total);
            }
        }
        (sums, n)
    };
    let users: Vec<(Vec<f64>, usize)> = (0..ranking.users().len()).into_par_iter().map(of_user).collect();
    let n = users.iter().map(|user| user.1).sum::<usize>().max(1);
    let mean = |block: usize| users.iter().map(|user| user.0[block]).sum::<f64>() / n as f64;
    z.blocks().iter().enumerate().map(|(at, (name, _))| (name.clone(), mean(at))).collect()
}

/// L2-normalises rows, subtracts the mean of the non-empty rows with train interactions, and normalises again. Rows of
/// zeros stay.
fn centred(features: &ItemFeatures, data: &TrainSet) -> ItemFeatures {
    let (units, width) = (features.clone().l2_normalized(), features.width());
    let degrees = data.interactions.item_degrees();
    let is_empty = |row: &[f32]| row.iter().all(|x| *x == 0.0);
    let (mut mean, mut n) = (vec![0f64; width], 0usize);
    for (row, _) in
        units.values().chunks_exact(width).zip(degrees).filter(|(row, degree)| *degree > 0 && !is_empty(row))
    {
        mean.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        n += 1;
    }
    mean.iter_mut().for_each(|sum| *sum /= n.max(1) as f64);
    let mut values = units.values().to_vec();
    for row in values.chunks_exact_mut(width).filter(|row| !is_empty(row)) {
        row.iter_mut().zip(&mean).for_each(|(x, mean)| *x = (f64::from(*x) - mean) as f32);
    }
    ItemFeatures::from_finite(features.n_items(), width, values).l2_normalized()
}

/// Samples an item that is not in the ascending list `taken`, with probability proportional to its weight; `before[i]`
/// is the sum of the weights of the items before `i`. Returns `None` if no other item has weight.
fn absent_by_weight(taken: &[u32], before: &[u64], bits: u64) -> Option<u32> {
    let weight = |item: u32| before[item as usize + 1] - before[item as usize];
    let total = before.last()? - taken.iter().map(|&item| weight(item)).sum::<u64>();
    let total = u32::try_from(total).ok().filter(|&total| total > 0)?;
    let mut at = u64::from(below(total, bits));
    for &item in taken {
        if at < before[item as usize] {
            break;
        }
        at += weight(item);
    }
    Some(before[1..].partition_point(|&end| end <= at) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Features, Interactions};

    #[test]
    fn draws_by_weight_are_those_of_a_list() {
        let weights = [3u64, 0, 2, 5, 1];
        let before: Vec<u64> = (0..=5).map(|i| weights[..i].iter().sum()).collect();
        for taken in [&[][..], &[0], &[1, 3], &[0, 2, 4], &[4]] {
            let list: Vec<u32> = (0..5u32)
                .filter(|item| !taken.contains(item))
                .flat_map(|item| std::iter::repeat_n(item, weights[item as usize] as usize))
                .collect();
            for (rank, &item) in list.iter().enumerate() {
                let bits = ((rank as u128 * 2 + 1) * (1u128 << 63) / list.len() as u128) as u64;
                assert_eq!(absent_by_weight(taken, &before, bits), Some(item));
            }
        }
        assert_eq!(absent_by_weight(&[0, 2, 3, 4], &before, 7), None);
    }

    fn toy() -> Dataset {
        let part = |pairs: &[(u32, u32)]| Interactions::from_pairs(3, 4, pairs);
        // Unit rows along the axes, item 3 without content.
        let text = ItemFeatures::new(4, 2, vec![2.0, 0.0, 0.0, 1.0, 0.0, 5.0, 0.0, 0.0]).unwrap();
        let train = TrainSet {
            interactions: part(&[(0, 0), (1, 1), (1, 0)]),
            features: Features::new().with(Modality::Text, text),
        };
        Dataset::new("toy", train, part(&[(0, 1)]), part(&[(0, 2), (1, 2), (2, 0)])).unwrap()
    }

    #[test]
    fn negatives_are_items_that_the_user_took_in_no_part() {
        let data = toy();
        let pairs = ClickPairs::draw(&data, Part::Test, Negatives::Uniform, 3).unwrap();
        // User 0 took 0, 1 and 2, user 1 the same; user 2 has no train interaction.
        assert_eq!(pairs.pairs(), [(0, 2), (0, 3), (1, 2), (1, 3)]);
        assert_eq!(pairs.n_skipped(), 1);
        // The items that are left have no train interactions.
        let error = ClickPairs::draw(&data, Part::Test, Negatives::Popularity, 3).unwrap_err().to_string();
        assert!(error.contains("no held-out pair"), "{error}");
        assert!(
            ClickPairs::draw(&data, Part::Train, Negatives::Uniform, 3).unwrap_err().to_string().contains("profiles")
        );
    }

    #[test]
    fn cosines_are_to_the_mean_of_centred_train_items() {
        let data = toy();
        let pairs = ClickPairs::draw(&data, Part::Test, Negatives::Uniform, 3).unwrap();
        // The mean of items 0 and 1 is (½, ½): item 0 becomes (1, -1)/√2, items 1 and 2 (-1, 1)/√2, item 3 stays 0.
        let found = pairs.profile_cosines(&data.train, &Modality::Text).unwrap();
        let expected = [-1.0, 0.0, 0.0, 0.0]; // the profile of user 1 is 0
        assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{found:?}");
        let error = pairs.profile_cosines(&data.train, &Modality::Visual).unwrap_err();
        assert!(matches!(error, Error::MissingModality { .. }));
    }
}
