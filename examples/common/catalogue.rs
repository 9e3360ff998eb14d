//! A synthetic catalogue of any size.

use rayon::prelude::*;
use viral::data::{Features, Interactions, ItemFeatures, Modality, splitmix64};
use viral::model::ViralConfig;

/// Interactions per user.
const HISTORY: usize = 20;
/// Width of the features of a modality.
const WIDTH: usize = 128;
/// Items per group of similar ones.
const GROUP: usize = 200;

/// Uniform in [0, 1).
fn uniform(purpose: u64, place: u64) -> f64 {
    (splitmix64(splitmix64(purpose) ^ place) >> 11) as f64 / (1u64 << 53) as f64
}

/// Generates interactions: users take two thirds of their items from one group, and the rest from the whole catalogue.
/// The item of popularity rank `r` has a probability proportional to `1 / √r`.
pub(crate) fn interactions(n: usize) -> Interactions {
    let n_groups = n.div_ceil(GROUP);
    let take = |i: u64| {
        let user = i / HISTORY as u64;
        let group = (uniform(1, user) * n_groups as f64) as usize;
        let rank = |of: usize| (uniform(2, i).powi(2) * of as f64) as usize;
        let item = match uniform(3, i) < 2.0 / 3.0 {
            true => rank(n / n_groups) * n_groups + group,
            false => rank(n),
        };
        (user as u32, item.min(n - 1) as u32)
    };
    let pairs: Vec<(u32, u32)> = (0..(n * HISTORY) as u64).into_par_iter().map(take).collect();
    Interactions::from_pairs(n, n, &pairs)
}

/// Generates features: each group has a direction, and items scatter around it.
fn modality(n: usize, purpose: u64) -> ItemFeatures {
    let n_groups = n.div_ceil(GROUP);
    let value = |i: usize| {
        let (item, column) = (i / WIDTH, i % WIDTH);
        let direction = uniform(10 + purpose, ((item % n_groups) * WIDTH + column) as u64) - 0.5;
        (direction + 0.7 * (uniform(20 + purpose, i as u64) - 0.5)) as f32
    };
    let values: Vec<f32> = (0..n * WIDTH).into_par_iter().map(value).collect();
    ItemFeatures::new(n, WIDTH, values).unwrap_or_else(|error| panic!("{error}"))
}

/// Text and visual features.
pub(crate) fn features(n: usize) -> Features {
    Features::new().with(Modality::Text, modality(n, 1)).with(Modality::Visual, modality(n, 2))
}

/// VIRAL settings for catalogues of this size: neighbours by cluster search, and, to save memory, neither id vectors
/// for items nor a graph drawn anew in each epoch.
pub(crate) fn viral() -> ViralConfig {
    let mut config = ViralConfig::new();
    config.item_ids = false;
    config.edge_dropout = 0.0;
    config.item_probes = 16;
    config.user_neighbors = 10;
    config.shared_negatives = 0;
    config
}
