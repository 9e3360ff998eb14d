//! What a recommender keeps of a model, so that it can embed new items.

use super::query::{hide, length};
use crate::data::{Features, Interactions, ItemFeatures, Modality, TrainSet};
use crate::linalg::{products_of_halves, to_halves, top_of_one};
use crate::model::{
    Embed, HandsOn, HostEmbeddings, Inductive, ModelConfig, Neighborhood, Parameters, Rows, handed_on,
    rows_of_parameters,
};
use crate::{Error, Result};
use burn::tensor::{Device, TensorData};
use half::f16;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Items of training that are embedded again as if they were new, and users who rank them, to weigh new items right.
const SAMPLE: usize = 1024;
/// Places of a list that are counted there.
const TOP: usize = 20;
/// Names of tensors.
const UNITS: &str = "units/";
const HANDED_ON: &str = "handed_on";
const SHARED: &str = "shared/";

/// Embeds new items: [`Inductive`] with what it needs of the model and of the catalogue that it was trained on.
#[derive(Debug, Clone)]
pub(super) struct Induction {
    pub(super) header: InductionHeader,
    /// Parameters of the model that belong to no single user or item.
    pub(super) shared: Parameters,
    /// Each modality's rows of length one, `[n_items, width]`, without those of items that nobody has in training.
    pub(super) units: Vec<Vec<f16>>,
    /// `[n_items, d]`, to be multiplied by the header's `scale`; empty where items hand on nothing.
    pub(super) handed_on: Vec<f16>,
}

/// The part of [`Induction`] that is no tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct InductionHeader {
    pub(super) inductive: Inductive,
    /// The modalities that the model takes, with their widths.
    pub(super) modalities: Vec<(Modality, usize)>,
    /// What each block of a new vector is multiplied by.
    pub(super) gains: Vec<f32>,
    /// A power of two that brings what is handed on into the range of half precision.
    pub(super) scale: f32,
}

/// Where new items are embedded.
fn host_device() -> Result<Device> {
    #[cfg(feature = "flex")]
    return Ok(Device::flex());
    #[cfg(not(feature = "flex"))]
    Err(Error::Config("new items are embedded on the CPU; build with the feature `flex`".into()))
}

impl Induction {
    /// `None` where the model or the data have no content to embed an item from.
    pub(super) fn fit(
        config: &ModelConfig,
        trained: &Parameters,
        data: &TrainSet,
        vectors: &HostEmbeddings,
    ) -> Result<Option<Self>> {
        let n_items = data.interactions.n_items();
        let Some(inductive) = config.inductive(&data.features, n_items) else {
            return Ok(None);
        };
        let device = host_device()?;
        let modalities: Vec<(Modality, usize)> =
            data.features.iter().map(|(modality, rows)| (modality.clone(), rows.width())).collect();
        let shared = match &inductive.alone {
            None => Parameters::new(),
            Some(alone) => {
                let rows = rows_of_parameters(alone, &data.features, &device)?;
                let is_shared = |name: &String| rows.get(name) == Some(&Rows::Shared);
                trained.iter().filter(|(name, _)| is_shared(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
            }
        };
        let degrees = data.interactions.item_degrees();
        let units = data.features.iter().map(|(_, rows)| unit_halves(rows, |item| degrees[item] > 0)).collect();
        let mut handed_on = handed_on(&inductive, trained, data, vectors.items(), &device)?;
        let largest = handed_on.iter().fold(0f32, |largest, x| largest.max(x.abs()));
        let scale = if largest.is_normal() { 2f32.powi(largest.log2() as i32 - 13) } else { 1.0 };
        handed_on.iter_mut().for_each(|x| *x /= scale);
        let gains = vec![1.0; vectors.blocks().len()];
        let header = InductionHeader { inductive, modalities, gains, scale };
        let mut found = Self { header, shared, units, handed_on: to_halves(&handed_on) };
        found.header.gains = found.fit_gains(data, vectors)?;
        Ok(Some(found))
    }

    /// Hands its tensors to `put`, by name.
    pub(super) fn write(&self, mut put: impl FnMut(String, TensorData)) {
        let matrix = |values: &[f16], width: usize| TensorData::new(values.to_vec(), [values.len() / width, width]);
        for ((modality, width), units) in self.header.modalities.iter().zip(&self.units) {
            put(format!("{UNITS}{modality}"), matrix(units, *width));
        }
        if !self.handed_on.is_empty() {
            let d = self.handed_on.len() / (self.units[0].len() / self.header.modalities[0].1);
            put(HANDED_ON.into(), matrix(&self.handed_on, d));
        }
        for (name, value) in &self.shared {
            put(format!("{SHARED}{name}"), value.clone());
        }
    }

    /// From what [`write`](Self::write) handed over; says what does not fit.
    pub(super) fn read(
        header: InductionHeader,
        mut tensors: Parameters,
        [n_items, d]: [usize; 2],
        n_blocks: usize,
    ) -> std::result::Result<Self, String> {
        let mut halves = |name: String, width: usize| {
            let is_there = |values: &TensorData| width > 0 && values.shape().to_vec() == [n_items, width];
            let values = tensors.remove(&name).filter(is_there);
            let values = values.and_then(|values| values.try_into_vec::<f16>().ok());
            let values = values.filter(|values| values.iter().all(|x| x.is_finite()));
            values.ok_or_else(|| format!("'{name}' is not [{n_items}, {width}], or not finite"))
        };
        let units = header.modalities.iter().map(|(name, width)| halves(format!("{UNITS}{name}"), *width));
        let units = units.collect::<std::result::Result<Vec<_>, String>>()?;
        let handed_on = match header.inductive.hands_on {
            HandsOn::Nothing => Vec::new(),
            _ => halves(HANDED_ON.into(), d)?,
        };
        let rule = &header.inductive.neighborhood;
        let numbers = header.gains.iter().chain(rule.shares.iter().map(|share| &share.1)).chain([
            &rule.each,
            &rule.own,
            &header.scale,
        ]);
        let finite = numbers.into_iter().all(|x| x.is_finite());
        let known = header.inductive.alone.as_ref().map_or(Ok(()), ModelConfig::check);
        known.map_err(|e| e.to_string())?;
        if header.gains.len() != n_blocks || units.is_empty() || !finite {
            return Err(
                "what embeds new items has other blocks than the vectors, or numbers that are not finite".into()
            );
        }
        let shared =
            tensors.into_iter().filter_map(|(name, value)| Some((name.strip_prefix(SHARED)?.to_string(), value)));
        Ok(Self { shared: shared.collect(), header, units, handed_on })
    }

    /// The vectors of new items, `[n_new, d]`.
    pub(super) fn embed(&self, features: &Features, d: usize, blocks: &[(String, usize)]) -> Result<Vec<f32>> {
        let mut vectors = self.before_gains(features, d, None)?;
        apply(&self.header.gains, blocks, &mut vectors);
        Ok(vectors)
    }

    /// What of the features the model takes.
    ///
    /// # Errors
    /// A modality that is missing, or of another width.
    pub(super) fn check(&self, features: &Features) -> Result<()> {
        for (modality, width) in &self.header.modalities {
            let found = features.get(modality).map(ItemFeatures::width);
            if found != Some(*width) {
                let found = found.map_or("there are none".into(), |found| format!("these have {found}"));
                return Err(Error::Data(format!(
                    "new items: the model was trained on {modality} features of width {width}, and {found}; make them with \
                     the same encoder"
                )));
            }
        }
        match features.modalities().find(|modality| self.header.modalities.iter().all(|known| known.0 != **modality)) {
            Some(modality) => {
                Err(Error::Data(format!("new items: the model knows no {modality} features; leave them out")))
            }
            None => Ok(()),
        }
    }

    /// `c (1 + o) + Σ_j S_j h_j`, where `own[row]` is no neighbour of a row.
    fn before_gains(&self, features: &Features, d: usize, own: Option<&[u32]>) -> Result<Vec<f32>> {
        let n_new = features.iter().next().map_or(0, |(_, rows)| rows.n_items());
        let Inductive { alone, hands_on, neighborhood } = &self.header.inductive;
        let mut vectors = match alone {
            None => vec![0f32; n_new * d],
            Some(alone) => {
                let model = alone.of_new_items(&self.shared, features, &host_device()?)?;
                let made = model.embed().to_host();
                if made.d() != d {
                    return Err(Error::Data(format!(
                        "new items: vectors of {} numbers, not {d}: the model's file is damaged",
                        made.d()
                    )));
                }
                made.items().to_vec()
            }
        };
        let layers = match hands_on {
            HandsOn::Layers(n) => *n as i32,
            _ => 0,
        };
        let own_factor = if layers > 0 { 1.0 + neighborhood.own.powi(layers) } else { 1.0 };
        if self.handed_on.is_empty() {
            return Ok(vectors);
        }
        vectors.par_chunks_mut(d).enumerate().for_each(|(row, vector)| {
            vector.iter_mut().for_each(|x| *x *= own_factor);
            for (item, weight) in self.neighbors(neighborhood, features, row, own.map(|own| own[row])) {
                let handed = &self.handed_on[item as usize * d..][..d];
                vector.iter_mut().zip(handed).for_each(|(x, h)| *x += weight * (self.header.scale * h.to_f32()));
            }
        });
        Ok(vectors)
    }

    /// The neighbours of a new item with their weights, each modality's after the other's.
    fn neighbors(&self, rule: &Neighborhood, features: &Features, row: usize, own: Option<u32>) -> Vec<(u32, f32)> {
        // What the item lacks leaves its share to what it has, as in the graph of the items of training.
        let has = |modality: &Modality| features.get(modality).is_some_and(|rows| rows.has(row));
        let total = |all: bool| -> f32 {
            rule.shares.iter().filter(|(modality, _)| all || has(modality)).map(|(_, share)| share).sum()
        };
        let factor = if total(false) > 0.0 { total(true) / total(false) } else { 1.0 };
        let mut found = Vec::new();
        let mut sums: Vec<f32> = Vec::new();
        for (modality, share) in &rule.shares {
            let at = self.header.modalities.iter().position(|known| known.0 == *modality);
            let (Some(at), Some(rows)) = (at, features.get(modality)) else { continue };
            let width = rows.width();
            let query = rows.row(row);
            let norm = length(query);
            let mut cosines = vec![0f32; self.units[at].len() / width];
            if norm > 0.0 {
                let query: Vec<f32> = query.iter().map(|&x| (f64::from(x) / norm) as f32).collect();
                products_of_halves(&query, &self.units[at], &mut cosines);
            }
            if let Some(own) = own {
                cosines[own as usize] = 0.0;
            }
            if rule.by_mean_cosine {
                match sums.is_empty() {
                    true => sums = cosines,
                    false => sums.iter_mut().zip(cosines).for_each(|(sum, cosine)| *sum += cosine),
                }
            } else {
                found.extend(nearest(&cosines, rule.n).into_iter().map(|(item, _)| (item, share * factor * rule.each)));
            }
        }
        if rule.by_mean_cosine {
            let n = rule.shares.len() as f32;
            found.extend(nearest(&sums, rule.n).into_iter().map(|(item, sum)| (item, factor * sum / n)));
        }
        found
    }

    /// Factors that give new items as many places in the users' lists as items of training have.
    ///
    /// A vector made of neighbours is shorter than one that was trained, so new items would hardly be seen. A sample of the
    /// items of training is embedded as if these were new; each block is brought to the mean length of the trained one, and
    /// all to the factor at which the sample takes as many of the first 20 places as its trained vectors do.
    fn fit_gains(&self, data: &TrainSet, vectors: &HostEmbeddings) -> Result<Vec<f32>> {
        let (d, blocks) = (vectors.d(), vectors.blocks());
        let degrees = data.interactions.item_degrees();
        let known: Vec<u32> = (0..degrees.len() as u32).filter(|&item| degrees[item as usize] > 0).collect();
        let step = known.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<u32> = known.into_iter().step_by(step).collect();
        let rows: Vec<usize> = sample.iter().map(|&item| item as usize).collect();
        let mut made = self.before_gains(&data.features.select(&rows), d, Some(&sample))?;
        let trained: Vec<f32> = rows.iter().flat_map(|&item| vectors.item(item)).copied().collect();
        if made == trained {
            return Ok(vec![1.0; blocks.len()]);
        }
        let mut gains = Vec::with_capacity(blocks.len());
        let mut start = 0;
        for (_, width) in blocks {
            let mean = |all: &[f32]| all.chunks_exact(d).map(|row| length(&row[start..start + width])).sum::<f64>();
            let (of_trained, of_made) = (mean(&trained), mean(&made));
            gains.push(if of_made > 0.0 { (of_trained / of_made) as f32 } else { 1.0 });
            start += width;
        }
        apply(&gains, blocks, &mut made);
        let factor = equal_exposure(&data.interactions, vectors, &sample, &made);
        Ok(gains.into_iter().map(|gain| gain * factor).collect())
    }
}

/// Multiplies each block of every row by its factor.
fn apply(gains: &[f32], blocks: &[(String, usize)], vectors: &mut [f32]) {
    let factors: Vec<f32> =
        blocks.iter().zip(gains).flat_map(|((_, width), &gain)| std::iter::repeat_n(gain, *width)).collect();
    for row in vectors.chunks_exact_mut(factors.len().max(1)) {
        row.iter_mut().zip(&factors).for_each(|(x, factor)| *x *= factor);
    }
}

/// The `n` largest entries above zero, the largest first, the earlier of equal ones first.
fn nearest(cosines: &[f32], n: usize) -> Vec<(u32, f32)> {
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

/// Rows of length one in half precision; zeros for items that are left out.
fn unit_halves(rows: &ItemFeatures, keep: impl Fn(usize) -> bool) -> Vec<f16> {
    let mut units = Vec::with_capacity(rows.values().len());
    for item in 0..rows.n_items() {
        let row = rows.row(item);
        let norm = if keep(item) { length(row) } else { 0.0 };
        let factor = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        units.extend(row.iter().map(|&x| f16::from_f64(f64::from(x) * factor)));
    }
    units
}

/// The factor of `made` at which these vectors of the sampled items take as many of the users' first places, among all items
/// and without the user's own, as the trained vectors do.
fn equal_exposure(train: &Interactions, vectors: &HostEmbeddings, sample: &[u32], made: &[f32]) -> f32 {
    let d = vectors.d();
    let with_history: Vec<usize> = (0..train.n_users()).filter(|&user| !train.of_user(user).is_empty()).collect();
    let step = with_history.len().div_ceil(SAMPLE).max(1);
    let users: Vec<usize> = with_history.into_iter().step_by(step).collect();
    // Of each user: how many places the sample has, and for each sampled item the factor at which it would reach the list.
    let found: Vec<(usize, Vec<f32>)> = users
        .par_iter()
        .map(|&user| {
            let (vector, own) = (vectors.user(user), train.of_user(user));
            let best = top_of_one(vector, vectors.items(), TOP, |items, scores| {
                hide(&[own], items, scores);
            });
            let Some(&(_, last)) = best.last() else { return (0, Vec::new()) };
            let places = best.iter().filter(|(item, _)| sample.binary_search(item).is_ok()).count();
            let factors = sample
                .iter()
                .zip(made.chunks_exact(d))
                .filter(|(item, _)| own.binary_search(item).is_err())
                .filter_map(|(_, made)| {
                    let score: f32 = vector.iter().zip(made).map(|(x, y)| x * y).sum();
                    // The list's last score is above zero wherever the model likes anything.
                    (score > 0.0 && last > 0.0).then(|| last / score)
                })
                .collect();
            (places, factors)
        })
        .collect();
    let places: usize = found.iter().map(|(places, _)| places).sum();
    let mut factors: Vec<f32> = found.into_iter().flat_map(|(_, factors)| factors).collect();
    factors.sort_unstable_by(f32::total_cmp);
    match factors.get(places.saturating_sub(1)) {
        Some(&factor) if places > 0 && factor.is_finite() => factor,
        _ => 1.0,
    }
}
