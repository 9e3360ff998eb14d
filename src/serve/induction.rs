//! Embedding of new items: what a recommender keeps of a model for it.

use super::exposure::{SAMPLE, TOP, equal_exposure, evenly, some_users};
use super::neighbors::{nearest, unit_halves};
use super::profile::Profile;
use super::query::length;
use crate::data::{Features, Interactions, ItemFeatures, Modality, TrainSet};
use crate::eval::evaluate;
use crate::linalg::{products_of_halves, to_halves};
use crate::model::{
    Embed, HandsOn, HostEmbeddings, Inductive, ModelConfig, Neighborhood, Parameters, Rows, handed_on,
    rows_of_parameters,
};
use crate::{Error, Result};
use burn::tensor::{Device, TensorData};
use half::f16;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Candidate weights of the profile part of a new vector, relative to the length of the rest.
const PROFILE_WEIGHTS: [f32; 7] = [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];
/// Names of tensors in the model file.
const UNITS: &str = "units/";
const HANDED_ON: &str = "handed_on";
const SHARED: &str = "shared/";
const PROFILE: &str = "profile";

/// Embeds new items: an [`Inductive`] rule with what it needs of the model and of the catalogue it was trained on.
#[derive(Debug, Clone)]
pub(super) struct Induction {
    pub(super) header: InductionHeader,
    /// Parameters of the model that belong to no single user or item.
    pub(super) shared: Parameters,
    /// L2-normalised rows of each modality, `[n_items, width]`; zero for items without train interactions.
    pub(super) units: Vec<Vec<f16>>,
    /// What items pass on to their neighbours, `[n_items, d]`, divided by the header's `scale`; empty if they pass on
    /// nothing.
    pub(super) handed_on: Vec<f16>,
    /// Present if the header's `profile` weight is not 0.
    pub(super) profile: Option<Profile>,
}

/// The part of [`Induction`] that is not a tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct InductionHeader {
    pub(super) inductive: Inductive,
    /// Modalities that the model takes, with their widths.
    pub(super) modalities: Vec<(Modality, usize)>,
    /// Modalities of the data that the model does not take.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) left_out: Vec<Modality>,
    /// Factor of each block of a new vector.
    pub(super) gains: Vec<f32>,
    /// Weight of the vector by users' [`Profile`]s.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) profile: f32,
    /// A power of two that brings `handed_on` into the range of half precision.
    pub(super) scale: f32,
}

fn is_zero(x: &f32) -> bool {
    *x == 0.0
}

/// The device on which new items are embedded.
fn host_device() -> Result<Device> {
    #[cfg(feature = "flex")]
    return Ok(Device::flex());
    #[cfg(not(feature = "flex"))]
    Err(Error::Config("new items are embedded on the CPU; build with the feature `flex`".into()))
}

impl Induction {
    /// Fits the rule to a trained model; `None` if the model or the data have no content to embed an item from.
    pub(super) fn fit(
        config: &ModelConfig,
        trained: &Parameters,
        data: &TrainSet,
        valid: &Interactions,
        vectors: &HostEmbeddings,
    ) -> Result<Option<Self>> {
        let n_items = data.interactions.n_items();
        let left_out = config.unused_modalities(&data.features);
        let mut taken;
        let data = match left_out.is_empty() {
            true => data,
            false => {
                taken = data.clone();
                left_out.iter().for_each(|modality| drop(taken.features.remove(modality)));
                &taken
            }
        };
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
        let header = InductionHeader { inductive, modalities, left_out, gains, profile: 0.0, scale };
        let mut found = Self { header, shared, units, handed_on: to_halves(&handed_on), profile: None };
        found.fit_gains(data, valid, vectors)?;
        Ok(Some(found))
    }

    /// Passes each tensor to `put` with its name.
    pub(super) fn write(&self, mut put: impl FnMut(String, TensorData)) {
        let matrix = |values: &[f16], width: usize| TensorData::new(values.to_vec(), [values.len() / width, width]);
        for ((modality, width), units) in self.header.modalities.iter().zip(&self.units) {
            put(format!("{UNITS}{modality}"), matrix(units, *width));
        }
        if !self.handed_on.is_empty() {
            let d = self.handed_on.len() / (self.units[0].len() / self.header.modalities[0].1);
            put(HANDED_ON.into(), matrix(&self.handed_on, d));
        }
        if let Some(profile) = &self.profile {
            let map = profile.map();
            let width: usize = self.header.modalities.iter().map(|(_, width)| width).sum();
            put(PROFILE.into(), TensorData::new(map.to_vec(), [map.len() / width, width]));
        }
        for (name, value) in &self.shared {
            put(format!("{SHARED}{name}"), value.clone());
        }
    }

    /// Rebuilds the rule from what [`write`](Self::write) passed on; the error says what does not fit.
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
        let width = header.modalities.iter().map(|(_, width)| width).sum();
        let profile = match header.profile {
            0.0 => None,
            _ => {
                let map = tensors.remove(PROFILE).and_then(|map| map.try_into_vec::<f32>().ok());
                let map = map.and_then(|map| Profile::from_map(map, d, width));
                Some(map.ok_or_else(|| format!("'{PROFILE}' is not [{d}, {width}], or not finite"))?)
            }
        };
        let rule = &header.inductive.neighborhood;
        let numbers = header.gains.iter().chain(rule.shares.iter().map(|share| &share.1)).chain([
            &rule.each,
            &rule.own,
            &header.scale,
            &header.profile,
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
        Ok(Self { shared: shared.collect(), header, units, handed_on, profile })
    }

    /// Embeds new items, `[n_new, d]`.
    pub(super) fn embed(&self, features: &Features, d: usize, blocks: &[(String, usize)]) -> Result<Vec<f32>> {
        let mut vectors = self.before_gains(features, d, None)?;
        apply(&self.header.gains, blocks, &mut vectors);
        if let Some(profile) = &self.profile {
            let of_profile = profile.vectors(features, &self.header.modalities, &self.shares());
            vectors.iter_mut().zip(of_profile).for_each(|(x, y)| *x += self.header.profile * y);
        }
        Ok(vectors)
    }

    /// The share of each modality in a profile: that in the item graph, or equal shares if there is no graph.
    fn shares(&self) -> Vec<f32> {
        let modalities = &self.header.modalities;
        let shares = &self.header.inductive.neighborhood.shares;
        let of = |modality: &Modality| shares.iter().find(|(known, _)| known == modality).map_or(0.0, |share| share.1);
        match shares.is_empty() {
            true => vec![1.0 / modalities.len() as f32; modalities.len()],
            false => modalities.iter().map(|(modality, _)| of(modality)).collect(),
        }
    }

    /// Checks that the features are those that the model takes.
    ///
    /// # Errors
    /// A modality that is missing, of another width, or unknown to the model.
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
        let InductionHeader { modalities, left_out, .. } = &self.header;
        let is_known =
            |modality: &Modality| modalities.iter().any(|known| known.0 == *modality) || left_out.contains(modality);
        match features.modalities().find(|modality| !is_known(modality)) {
            Some(modality) => {
                Err(Error::Data(format!("new items: the model knows no {modality} features; leave them out")))
            }
            None => Ok(()),
        }
    }

    /// Computes `c (1 + o) + Σ_j S_j h_j`; `own[row]` is excluded from the neighbours of a row.
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

    /// The neighbours of a new item with their weights, one modality after the other.
    fn neighbors(&self, rule: &Neighborhood, features: &Features, row: usize, own: Option<u32>) -> Vec<(u32, f32)> {
        // The share of a modality that the item lacks goes to the others, as in the item graph of training.
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

    /// Fits the factors of new vectors and the weight of users' profiles in them.
    ///
    /// A vector made of neighbours is shorter than a trained one, so new items would hardly be recommended. A sample of
    /// training items is embedded as if new, and each block is scaled to the mean length of the trained one. The weight
    /// of the vectors by [`Profile`] is the one that finds the most valid pairs with the sample. Everything is then
    /// scaled so that the sample takes as many of the first 20 places as its trained vectors do.
    fn fit_gains(&mut self, data: &TrainSet, valid: &Interactions, vectors: &HostEmbeddings) -> Result<()> {
        let (d, blocks) = (vectors.d(), vectors.blocks());
        let degrees = data.interactions.item_degrees();
        let known: Vec<u32> = (0..degrees.len() as u32).filter(|&item| degrees[item as usize] > 0).collect();
        let sample: Vec<u32> = evenly(known, SAMPLE).collect();
        let rows: Vec<usize> = sample.iter().map(|&item| item as usize).collect();
        let features = data.features.select(&rows);
        let mut made = self.before_gains(&features, d, Some(&sample))?;
        let trained: Vec<f32> = rows.iter().flat_map(|&item| vectors.item(item)).copied().collect();
        if made == trained {
            return Ok(());
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
        let shares = self.shares();
        let held_out = some_users(&valid.select_items(&sample));
        if held_out.n_pairs() > 0
            && let Some(profile) =
                Profile::fit(vectors, &data.interactions, &self.header.modalities, &self.units, &shares)
        {
            let of_profile = profile.vectors(&features, &self.header.modalities, &shares);
            let lengths = |all: &[f32]| all.chunks_exact(d).map(length).sum::<f64>();
            let unit = (lengths(&made) / lengths(&of_profile)) as f32;
            let seen = data.interactions.select_items(&sample);
            let with =
                |weight: f32| -> Vec<f32> { made.iter().zip(&of_profile).map(|(x, y)| x + weight * y).collect() };
            let (mut best, mut most) = (0.0, f64::NEG_INFINITY);
            for weight in PROFILE_WEIGHTS.map(|weight| weight * unit).into_iter().filter(|weight| weight.is_finite()) {
                let found = evaluate(vectors.users(), &with(weight), d, &seen, &held_out, &[TOP])?.recall(TOP);
                if found > most {
                    (best, most) = (weight, found);
                }
            }
            made = with(best);
            (self.header.profile, self.profile) = (best, (best != 0.0).then_some(profile));
        }
        let factor = equal_exposure(&data.interactions, vectors, &sample, &made);
        self.header.gains = gains.into_iter().map(|gain| gain * factor).collect();
        self.header.profile *= factor;
        Ok(())
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
