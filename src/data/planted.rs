//! Synthetic catalogues with planted unique, redundant and synergistic signal of known strength.

use serde::{Deserialize, Serialize};

use super::counter::{draw, normal, stream, unit};
use super::split::{RATIOS, random_split};
use super::split_policy::by_part;
use super::truth::{Factor, PlantedTruth};
use super::{Dataset, Features, ItemFeatures, Modality, TrainSet};
use crate::{Error, Result};

/// Dimension of each shared or unique factor, and number of bits of the synergy code.
const D_FACTOR: usize = 4;
const D_CODE: usize = 2;

/// Settings of a synthetic catalogue with known signal. `PlantedConfig::new().with_synergy(0.0).generate()`.
///
/// Every item has four factors: R, encoded in both modalities; Uₜ, only in text; Uᵥ, only in the image; and the synergy
/// S = a ⊙ b, an exclusive or of signs. The text encodes a and the image b: either alone says nothing about S, both
/// together determine it. The affinity of a user u for an item i is
///
/// `affinity = redundant·⟨pR, R⟩ + unique_text·⟨pₜ, Uₜ⟩ + unique_visual·⟨pᵥ, Uᵥ⟩ + synergy·⟨pS, S⟩ + popularity`
///
/// where every inner product has variance one over the items, so that strengths are comparable. Users take items
/// without replacement, with probability proportional to `exp(affinity)`. Features are the L2-normalised
/// `x_text = A [R, Uₜ, a] + noise` and `x_visual = B [R, Uᵥ, b] + noise`, with A and B fixed and random.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PlantedConfig {
    /// Number of users. Default: 1500.
    pub n_users: usize,
    /// Number of items. Default: 600.
    pub n_items: usize,
    /// Average interactions per user: drawn uniformly from 0.5 to 1.5 times this, at least three. Default: 8.
    pub interactions_per_user: usize,
    /// Width of the text features. Default: 48.
    pub d_text: usize,
    /// Width of the visual features. Default: 64.
    pub d_visual: usize,
    /// Strength of the redundant signal, which both modalities encode. Default: 2.
    pub redundant: f32,
    /// Strength of the signal unique to text. Default: 2.
    pub unique_text: f32,
    /// Strength of the signal unique to images. Default: 2.
    pub unique_visual: f32,
    /// Strength of the synergistic signal, which only text and image together encode. Default: 2.
    pub synergy: f32,
    /// Exponent a of item popularity: the item of popularity rank r has weight r⁻ᵃ. Default: 0.5.
    pub popularity_exponent: f32,
    /// Standard deviation of the feature noise; that of the signal is 1. Default: 0.1.
    pub noise: f32,
    /// Random seed. Default: 0.
    pub seed: u64,
}

impl Default for PlantedConfig {
    fn default() -> Self {
        Self {
            n_users: 1500,
            n_items: 600,
            interactions_per_user: 8,
            d_text: 48,
            d_visual: 64,
            redundant: 2.0,
            unique_text: 2.0,
            unique_visual: 2.0,
            synergy: 2.0,
            popularity_exponent: 0.5,
            noise: 0.1,
            seed: 0,
        }
    }
}

macro_rules! with {
    ($($method:ident $field:ident: $type:ty, $doc:literal;)*) => {
        impl PlantedConfig {
            $(
                #[doc = $doc]
                pub fn $method(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

with! {
    with_n_users n_users: usize, "Sets the number of users.";
    with_n_items n_items: usize, "Sets the number of items.";
    with_interactions_per_user interactions_per_user: usize, "Sets the mean number of interactions of a user.";
    with_d_text d_text: usize, "Sets the width of the text features.";
    with_d_visual d_visual: usize, "Sets the width of the visual features.";
    with_redundant redundant: f32, "Sets the strength of the redundant signal, which text and image both carry.";
    with_unique_text unique_text: f32, "Sets the strength of the signal that only text carries.";
    with_unique_visual unique_visual: f32, "Sets the strength of the signal that only images carry.";
    with_synergy synergy: f32, "Sets the strength of the synergistic signal, which only text and image together carry.";
    with_popularity_exponent popularity_exponent: f32, "Sets the exponent of the power law of item popularity; 0 makes all items equally popular.";
    with_noise noise: f32, "Sets the standard deviation of the Gaussian noise in the features.";
    with_seed seed: u64, "Sets the random seed.";
}

/// Maximum number of users, and of items.
const MOST: usize = 1 << 24;
/// Maximum width of a modality.
const WIDEST: usize = 1 << 13;

/// A synthetic catalogue with its ground truth.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Planted {
    /// The catalogue, split 8:1:1.
    pub data: Dataset,
    /// The planted factors.
    pub truth: PlantedTruth,
}

impl Dataset {
    /// Generates a synthetic catalogue for experiments without files: [`PlantedConfig`]'s default, with text and visual
    /// features.
    ///
    /// ```
    /// let data = viral::data::Dataset::planted();
    /// assert_eq!((data.n_users(), data.n_items(), data.features().len()), (1500, 600, 2));
    /// ```
    pub fn planted() -> Self {
        PlantedConfig::new().generate().data
    }
}

impl PlantedConfig {
    /// Creates the default config: 1,500 users, 600 items, short histories, all four sources equally strong.
    pub fn new() -> Self {
        Self::default()
    }

    /// Validates the settings.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that make [`generate`](Self::generate) panic.
    pub fn check(&self) -> Result<()> {
        let Self { n_users, n_items, interactions_per_user, d_text, d_visual, .. } = *self;
        let settings = [self.redundant, self.unique_text, self.unique_visual, self.synergy, self.noise];
        let finite = settings.iter().chain([&self.popularity_exponent]).all(|setting| setting.is_finite());
        let most = [(n_users, MOST), (n_items, MOST), (d_text, WIDEST), (d_visual, WIDEST)];
        let fault = if let Some((size, most)) = most.iter().find(|(size, most)| size > most) {
            format!("{size} users, items or features; there may be {most} at most")
        } else if n_users == 0 || d_text == 0 || d_visual == 0 {
            format!("{n_users} users, {d_text} and {d_visual} features; there must be one at least of each")
        } else if interactions_per_user.saturating_mul(3) / 2 > n_items / 2 || n_items < 6 {
            format!("{interactions_per_user} interactions a user of {n_items} items; nobody may take more than half")
        } else if !finite {
            format!("strengths, popularity and noise must be finite: {self:?}")
        } else {
            return Ok(());
        };
        Err(Error::Config(format!("planted: {fault}")))
    }

    /// Generates the catalogue. Equal configs give equal catalogues. O(users · items), about 0.1 s for the default.
    ///
    /// # Panics
    /// When there are no users or features, more than 2²⁴ users or items, more than 2¹³ features or fewer than six
    /// items, when a user could take over half of the items, or when a strength, popularity or noise is not finite.
    pub fn generate(&self) -> Planted {
        let Self { n_users, n_items, d_text, d_visual, .. } = *self;
        if let Err(error) = self.check() {
            panic!("{error}");
        }
        let truth = self.truth();
        let pairs = self.interactions(&truth);
        let parts = random_split(&pairs, RATIOS, self.seed);
        let [interactions, valid, test] = by_part(n_users, n_items, &pairs, &parts);
        let text = self.features(d_text, [&truth.redundant, &truth.unique_text], &truth.text_code, 21);
        let visual = self.features(d_visual, [&truth.redundant, &truth.unique_visual], &truth.visual_code, 22);
        let features = Features::new().with(Modality::Text, text).with(Modality::Visual, visual);
        let data = Dataset {
            name: "planted".to_string(),
            train: TrainSet { interactions, features },
            valid,
            test,
            user_ids: (0..n_users).map(|user| format!("u{user:04}")).collect(),
            item_ids: (0..n_items).map(|item| format!("i{item:04}")).collect(),
            titles: Some((0..n_items).map(|item| truth.title(item)).collect()),
        };
        Planted { data, truth }
    }

    fn truth(&self) -> PlantedTruth {
        let Self { n_users, n_items, .. } = *self;
        let gaussian = |n: usize, purpose: u64| self.normals(n, purpose);
        let source = |strength: f32, purpose: u64| Factor {
            strength,
            d: D_FACTOR,
            items: gaussian(n_items * D_FACTOR, purpose),
            users: unit_rows(gaussian(n_users * D_FACTOR, purpose + 1), D_FACTOR),
        };
        let signs = |purpose| gaussian(n_items * D_CODE, purpose).iter().map(|x| x.signum()).collect::<Vec<f32>>();
        let (text_code, visual_code) = (signs(16), signs(17));
        let synergy = Factor {
            strength: self.synergy,
            d: D_CODE,
            items: text_code.iter().zip(&visual_code).map(|(a, b)| a * b).collect(),
            users: unit_rows(gaussian(n_users * D_CODE, 18), D_CODE),
        };
        let key = stream(&[self.seed, 19]);
        let mut by_rank: Vec<usize> = (0..n_items).collect();
        by_rank.sort_unstable_by_key(|&item| (draw(key, item as u64), item));
        let mut popularity = vec![0.0; n_items];
        for (rank, &item) in by_rank.iter().enumerate() {
            popularity[item] = -self.popularity_exponent * ((rank + 1) as f32).ln();
        }
        PlantedTruth {
            redundant: source(self.redundant, 10),
            unique_text: source(self.unique_text, 12),
            unique_visual: source(self.unique_visual, 14),
            synergy,
            text_code,
            visual_code,
            popularity,
        }
    }

    /// Samples items without replacement in proportion to exp(affinity): takes the top-n after adding Gumbel noise.
    fn interactions(&self, truth: &PlantedTruth) -> Vec<(u32, u32)> {
        let (lengths, gumbels) = (stream(&[self.seed, 30]), stream(&[self.seed, 31]));
        let mut pairs = Vec::with_capacity(self.n_users * self.interactions_per_user);
        for user in 0..self.n_users {
            let spread = 0.5 + unit(draw(lengths, user as u64));
            let n = ((self.interactions_per_user as f64 * spread).round() as usize).max(3);
            let mut keyed: Vec<(f32, u32)> = (0..self.n_items)
                .map(|item| {
                    let uniform = unit(draw(gumbels, (user * self.n_items + item) as u64));
                    (truth.affinity(user, item) - (-uniform.ln()).ln() as f32, item as u32)
                })
                .collect();
            keyed.select_nth_unstable_by(n - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            pairs.extend(keyed[..n].iter().map(|&(_, item)| (user as u32, item)));
        }
        pairs
    }

    /// Builds L2-normalised features: a fixed random linear map of the given factors, plus noise.
    fn features(&self, width: usize, shown: [&Factor; 2], code: &[f32], purpose: u64) -> ItemFeatures {
        let d_in = 2 * D_FACTOR + D_CODE;
        let map = self.normals(d_in * width, 100 + purpose);
        let mut values = self.normals(self.n_items * width, 200 + purpose);
        for (item, row) in values.chunks_exact_mut(width).enumerate() {
            let factors = shown.iter().flat_map(|factor| &factor.items[item * D_FACTOR..][..D_FACTOR]);
            let inputs: Vec<f32> = factors.chain(&code[item * D_CODE..][..D_CODE]).copied().collect();
            for (column, value) in row.iter_mut().enumerate() {
                let signal: f32 = inputs.iter().enumerate().map(|(i, z)| z * map[i * width + column]).sum();
                *value = *value * self.noise + signal / (d_in as f32).sqrt();
            }
        }
        ItemFeatures::from_finite(self.n_items, width, unit_rows(values, width))
    }

    fn normals(&self, n: usize, purpose: u64) -> Vec<f32> {
        let key = stream(&[self.seed, purpose]);
        (0..n as u64).map(|position| normal(key, position) as f32).collect()
    }
}

fn unit_rows(mut values: Vec<f32>, width: usize) -> Vec<f32> {
    for row in values.chunks_exact_mut(width) {
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        row.iter_mut().for_each(|x| *x /= norm);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_of(x: f32) -> f32 {
        if x < 0.0 { -1.0 } else { 1.0 }
    }

    /// Fits the direction Σ yᵢ xᵢ to the first half of the items and predicts the signs of all items.
    fn probe(features: &ItemFeatures, signs: &[f32]) -> Vec<f32> {
        let mut direction = vec![0.0; features.width()];
        for (item, sign) in signs.iter().enumerate().take(signs.len() / 2) {
            direction.iter_mut().zip(features.row(item)).for_each(|(w, x)| *w += sign * x);
        }
        let along = |item| features.row(item).iter().zip(&direction).map(|(x, w)| x * w).sum();
        (0..features.n_items()).map(|item| sign_of(along(item))).collect()
    }

    /// Returns the share of the second half of the items in which two signs agree.
    fn agreement(a: &[f32], b: &[f32]) -> f32 {
        let half = a.len() / 2;
        a[half..].iter().zip(&b[half..]).filter(|(x, y)| x == y).count() as f32 / (a.len() - half) as f32
    }

    #[test]
    fn neither_modality_tells_the_synergy_and_both_together_do() {
        let Planted { data, truth } = PlantedConfig::new().with_n_items(2000).with_n_users(50).generate();
        let [text, visual] = data.features().require([Modality::Text, Modality::Visual], "test").unwrap();
        for bit in 0..D_CODE {
            let bits = |values: &[f32]| values.iter().skip(bit).step_by(D_CODE).copied().collect::<Vec<f32>>();
            let (synergy, a, b) = (bits(&truth.synergy.items), bits(&truth.text_code), bits(&truth.visual_code));
            // By chance 0.5, with a standard error of 0.016 on 1,000 items.
            for alone in [probe(text, &synergy), probe(visual, &synergy), a.clone(), b.clone()] {
                let found = agreement(&alone, &synergy);
                assert!((found - 0.5).abs() < 0.08, "one modality alone: {found}");
            }
            let (from_text, from_visual) = (probe(text, &a), probe(visual, &b));
            let both: Vec<f32> = from_text.iter().zip(&from_visual).map(|(a, b)| a * b).collect();
            let found = agreement(&both, &synergy);
            assert!(found > 0.8, "both together: {found}");
        }
    }

    #[test]
    fn users_choose_by_the_sources_that_have_strength() {
        // The synergy term of the chosen items, in standard deviations over all items.
        let chosen = |strength: f32| {
            let Planted { data, truth } = PlantedConfig::new().with_n_users(300).with_synergy(strength).generate();
            let unit = Factor { strength: 1.0, ..truth.synergy };
            let pairs = data.train.interactions.pairs();
            let terms: Vec<f32> = pairs.map(|(user, item)| unit.affinity(user as usize, item as usize)).collect();
            terms.iter().sum::<f32>() / terms.len() as f32
        };
        let (without, with) = (chosen(0.0), chosen(2.0));
        assert!(without.abs() < 0.1, "{without}");
        assert!(with > 0.4, "{with}");
    }

    #[test]
    fn without_strength_the_affinity_ignores_the_code() {
        let config = PlantedConfig::new().with_n_users(10);
        let mut truth = config.with_synergy(0.0).generate().truth;
        let before: Vec<f32> = (0..600).map(|item| truth.affinity(3, item)).collect();
        truth.synergy.items.iter_mut().for_each(|s| *s = -*s);
        assert_eq!(before, (0..600).map(|item| truth.affinity(3, item)).collect::<Vec<f32>>());
        // A strength changes what users choose, not the items.
        let other = config.with_synergy(1.0).generate().truth;
        assert_eq!((truth.redundant, truth.text_code), (other.redundant, other.text_code));
    }

    #[test]
    fn every_source_has_variance_one_at_strength_one() {
        let config = PlantedConfig::new().with_redundant(1.0).with_synergy(1.0).with_n_items(2000);
        let truth = config.with_n_users(40).generate().truth;
        for source in [&truth.redundant, &truth.synergy] {
            let terms = (0..40).flat_map(|user| (0..2000).map(move |item| source.affinity(user, item)));
            let variance = terms.map(|x| x * x).sum::<f32>() / 80_000.0;
            assert!((variance - 1.0).abs() < 0.1, "{variance}");
        }
    }

    #[test]
    fn a_catalogue_is_complete_and_follows_its_seed() {
        let config = PlantedConfig::new().with_n_users(200);
        let data = config.generate().data;
        let counts = data.counts();
        assert_eq!((counts.n_users, counts.n_items, counts.n_valid, counts.n_test), (200, 600, 200, 200));
        assert!(counts.users_without_train == 0 && (1_100..1_300).contains(&counts.n_train), "{counts:?}");
        let checked = Dataset::new("again", data.train.clone(), data.valid.clone(), data.test.clone())
            .and_then(|again| again.with_item_ids(data.item_ids.clone()))
            .and_then(|again| again.with_user_ids(data.user_ids.clone()))
            .and_then(|again| again.with_titles(data.titles.clone().unwrap_or_default()));
        assert_eq!(checked.map(|again| again.fingerprint()).ok(), Some(data.fingerprint()));
        for (_, features) in data.features() {
            let norm = features.row(17).iter().map(|x| x * x).sum::<f32>();
            assert!((norm - 1.0).abs() < 1e-5);
        }
        assert_eq!(config.generate().data.fingerprint(), data.fingerprint());
        assert_ne!(config.with_seed(1).generate().data.fingerprint(), data.fingerprint());
    }

    #[test]
    #[should_panic(expected = "planted: 40 interactions a user of 100 items")]
    fn too_many_interactions_panic() {
        PlantedConfig::new().with_n_items(100).with_interactions_per_user(40).generate();
    }
}
