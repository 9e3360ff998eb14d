//! A catalogue of the size of Amazon Baby, synthetic or read from a folder.

use super::noise;
use std::collections::HashSet;
use std::path::PathBuf;
use viral::data::{Dataset, Features, Interactions, ItemFeatures, Modality, TrainSet, splitmix64};
use viral::{Error, Result};

const N_USERS: usize = 19_445;
const N_ITEMS: usize = 7_050;
const N_TRAIN: usize = 119_674;
const D_FEATURES: usize = 384;

/// Reads the folder `VIRAL_DATA`, or the folder `baby` in it if there is one. Without the variable, generates a
/// catalogue.
pub(crate) fn read() -> Result<Dataset> {
    let Some(folder) = std::env::var_os("VIRAL_DATA").map(PathBuf::from) else {
        return made_up();
    };
    let baby = folder.join("baby");
    Dataset::read(if baby.is_dir() { &baby } else { &folder })
}

/// The features of the first modality: text features, or visual ones if there is no text.
pub(crate) fn features(data: &Dataset) -> Result<&ItemFeatures> {
    let found = data.features().iter().next().map(|(_, features)| features);
    found.ok_or_else(|| Error::Data(format!("'{}' has no item features; this bench needs some", data.name)))
}

/// Generates Baby's numbers of users, items and train pairs, one valid pair per user, and features of Baby's width.
///
/// Every user has three train items, and the rest goes to few users. The popularity curve of items gives Baby's number
/// of user pairs with a common item, to within some 10 %.
fn made_up() -> Result<Dataset> {
    let mut taken = HashSet::with_capacity(N_TRAIN + N_USERS);
    let mut draws = (0u64..).map(splitmix64);
    let mut draw = move || draws.next().unwrap_or_default();
    let mut pair = |user: Option<usize>| loop {
        let user = user.unwrap_or_else(|| scatter(skewed(N_USERS, 200.0, draw()), N_USERS));
        let pair = (user as u32, scatter(skewed(N_ITEMS, 100.0, draw()), N_ITEMS) as u32);
        if taken.insert(pair) {
            return pair;
        }
    };
    let valid: Vec<(u32, u32)> = (0..N_USERS).map(|user| pair(Some(user))).collect();
    let train: Vec<(u32, u32)> = (0..N_TRAIN).map(|n| pair((n < 3 * N_USERS).then_some(n % N_USERS))).collect();
    let interactions = |pairs: &[(u32, u32)]| Interactions::from_pairs(N_USERS, N_ITEMS, pairs);
    let train = TrainSet {
        interactions: interactions(&train),
        features: Features::new()
            .with(Modality::Text, ItemFeatures::new(N_ITEMS, D_FEATURES, unit_rows(1))?)
            .with(Modality::Visual, ItemFeatures::new(N_ITEMS, D_FEATURES, unit_rows(2))?),
    };
    Dataset::new("baby-sized", train, interactions(&valid), interactions(&[]))
}

/// Draws a rank below `n`: rank r has a probability proportional to 1 / (r + flat).
fn skewed(n: usize, flat: f64, bits: u64) -> usize {
    let unit = (bits >> 11) as f64 / (1u64 << 53) as f64;
    let rank = flat * ((n as f64 + flat) / flat).powf(unit) - flat;
    (rank as usize).min(n - 1)
}

/// The id of a rank, so that popular ids are not adjacent in memory; 7919 is prime and divides neither number.
fn scatter(rank: usize, n: usize) -> usize {
    rank * 7919 % n
}

fn unit_rows(tag: u64) -> Vec<f32> {
    let mut values = noise(N_ITEMS * D_FEATURES, tag);
    for row in values.chunks_mut(D_FEATURES) {
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.iter_mut().for_each(|x| *x /= length);
    }
    values
}
