//! Inductive embeddings of new (cold-start) items from their content.

use super::{Embed, Model, ModelConfig, Parameters, load_parameters, parameters};
use crate::data::{Features, Interactions, ItemFeatures, Modality, TrainSet};
use crate::graph::{ItemGraph, modality_shares};
use crate::nn::Init;
use crate::{Error, Result};
use burn::tensor::{Device, TensorData};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a built-in model embeds a new item from its content alone.
///
/// ```text
/// z_new = c(x_new) (1 + o) + Σ_j S_j h_j
/// ```
///
/// `c` is the model's vector of the item's features, without interactions or an id embedding. `S` has the edges to the
/// item's nearest neighbours among the training items; neighbour `j` contributes `h_j`, and `o` is what the item
/// contributes to itself. For VIRAL, DRAGON, VBPR and ProfileMatch this is the vector that the model itself gives to an
/// item that joins the catalogue without interactions. FREEDOM's items contribute their id embeddings. All other models
/// take the mean of the neighbours' own vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inductive {
    /// The model without item neighbours, which computes `c`; `None` if content has no part of its own.
    pub(crate) alone: Option<ModelConfig>,
    pub(crate) hands_on: HandsOn,
    pub(crate) neighborhood: Neighborhood,
}

/// What an item contributes to its neighbours, `h`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HandsOn {
    /// Nothing.
    Nothing,
    /// Its own vector.
    Vector,
    /// Its row of the parameter with this name.
    Table(String),
    /// Its vector without the item graph, propagated through one layer fewer than this number, the model's.
    Layers(usize),
}

/// The nearest neighbours of an item and their weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Neighborhood {
    /// Modalities and their shares of the weights.
    pub(crate) shares: Vec<(Modality, f32)>,
    /// Number of neighbours, without the item itself: in each modality, or in total if these are joined.
    pub(crate) n: usize,
    /// Whether neighbours are searched and weighted by the mean cosine over modalities. Otherwise they are searched in
    /// each modality and weighted equally.
    pub(crate) by_mean_cosine: bool,
    /// Weight of each neighbour before the shares, if all are weighted equally.
    pub(crate) each: f32,
    /// Weight of the item itself in a layer, `s`.
    pub(crate) own: f32,
}

/// Number of neighbours of a new item if its model has no content graph.
const NEIGHBORS: usize = 10;

impl Neighborhood {
    /// Creates the neighbourhood of a `Mixture` graph: the item and its `k - 1` nearest others in each modality.
    fn mixture(shares: Vec<(Modality, f32)>, k: usize) -> Self {
        let total: f32 = shares.iter().map(|share| share.1).sum();
        let each = 1.0 / k.max(1) as f32;
        Self { shares, n: k.saturating_sub(1), by_mean_cosine: false, each, own: total * each }
    }

    fn none() -> Self {
        Self { shares: Vec::new(), n: 0, by_mean_cosine: false, each: 0.0, own: 0.0 }
    }
}

impl ModelConfig {
    /// Returns how this model, trained on `features`, embeds a new item; `None` if there is no content to embed it
    /// from.
    pub(crate) fn inductive(&self, features: &Features, n_items: usize) -> Option<Inductive> {
        if features.is_empty() {
            return None;
        }
        let shares = |visual: f64| -> Vec<(Modality, f32)> {
            let shares = modality_shares(features, visual).into_iter().map(|(_, share)| share);
            features.modalities().cloned().zip(shares).collect()
        };
        let pair = |visual: f64| -> Vec<(Modality, f32)> {
            let pair = features.require_pair("new items").ok();
            let shares = pair.as_ref().map(|pair| pair.shares(visual as f32)).unwrap_or_default();
            let shares = shares.into_iter().rev().filter(|(.., share)| *share > 0.0);
            shares.map(|(modality, _, share)| (modality.clone(), share)).collect()
        };
        let means = || Inductive {
            alone: None,
            hands_on: HandsOn::Vector,
            neighborhood: Neighborhood {
                n: NEIGHBORS,
                each: 1.0 / NEIGHBORS.min(n_items.max(1)) as f32,
                own: 0.0,
                ..Neighborhood::mixture(shares(1.0 / features.len() as f64), NEIGHBORS)
            },
        };
        let found = match self {
            ModelConfig::ProfileMatch(_) | ModelConfig::Vbpr(_) => {
                Inductive { alone: Some(self.clone()), hands_on: HandsOn::Nothing, neighborhood: Neighborhood::none() }
            }
            ModelConfig::Viral(config) => {
                let mut alone = config.clone();
                (alone.n_item_layers, alone.n_user_layers, alone.edge_dropout) = (0, 0, 0.0);
                let k = config.item_neighbors;
                let neighborhood = match (config.n_item_layers, config.item_graph) {
                    (0, _) => Neighborhood::none(),
                    (_, ItemGraph::Mixture) => Neighborhood::mixture(pair(config.visual_weight), k.min(n_items)),
                    (_, ItemGraph::MeanCosine) => {
                        let n = k.min(n_items.saturating_sub(1));
                        Neighborhood { shares: pair(0.5), n, by_mean_cosine: true, each: 0.0, own: 0.0 }
                    }
                    // Its edge weights depend on the row sums of the neighbours.
                    (_, ItemGraph::CosineMixture) => return Some(means()),
                };
                let hands_on = match config.n_item_layers {
                    0 => HandsOn::Nothing,
                    n => HandsOn::Layers(n),
                };
                Inductive { alone: Some(ModelConfig::Viral(alone)), hands_on, neighborhood }
            }
            ModelConfig::Dragon(config) => {
                let alone = super::DragonConfig { n_item_layers: 0, pad_users: false, ..config.clone() };
                let (hands_on, neighborhood) = match config.n_item_layers {
                    0 => (HandsOn::Nothing, Neighborhood::none()),
                    n => (
                        HandsOn::Layers(n),
                        Neighborhood::mixture(shares(config.visual_weight), config.item_neighbors.min(n_items)),
                    ),
                };
                Inductive { alone: Some(ModelConfig::Dragon(alone)), hands_on, neighborhood }
            }
            ModelConfig::Freedom(config) if config.n_item_layers == 1 => {
                let k = config.n_neighbors.min(n_items);
                Inductive {
                    alone: None,
                    hands_on: HandsOn::Table("items".into()),
                    neighborhood: Neighborhood::mixture(pair(config.visual_weight), k),
                }
            }
            _ => means(),
        };
        Some(found)
    }

    /// Builds the model for a catalogue of new items without interactions. Parameters that belong to no single user or
    /// item take their trained values; the others, such as id embeddings, are zero.
    pub(crate) fn of_new_items(&self, shared: &Parameters, features: &Features, device: &Device) -> Result<Model> {
        let n_items = features.iter().next().map_or(0, |(_, rows)| rows.n_items());
        let data = TrainSet { interactions: Interactions::from_pairs(1, n_items, &[]), features: features.clone() };
        let model = self.init(&data, &mut Init::new(0, device))?;
        let mut values = parameters(&model);
        for (name, value) in &mut values {
            *value = match shared.get(name) {
                Some(trained) => trained.clone(),
                None => {
                    let shape = value.shape().to_vec();
                    TensorData::new(vec![0f32; shape.iter().product()], shape)
                }
            };
        }
        load_parameters(model, values)
    }
}

/// What the rows of a parameter belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// One row for each user.
    Users,
    /// One row for each item.
    Items,
    /// One row for each user, then for each item.
    Nodes,
    /// Rows that belong to neither users nor items.
    Shared,
}

/// Finds what the rows of each parameter belong to, by building the model for two small catalogues of different sizes.
pub(crate) fn rows_of_parameters(
    config: &ModelConfig,
    features: &Features,
    device: &Device,
) -> Result<BTreeMap<String, Rows>> {
    let first = |[n_users, n_items]: [usize; 2]| -> Result<BTreeMap<String, usize>> {
        let mut of_items = Features::new();
        for (modality, rows) in features {
            // Distinct rows, so that every item has neighbours.
            let value = |at: usize| if at / rows.width() == at % rows.width() { 1.0 } else { 0.5 };
            let values = (0..n_items * rows.width()).map(value).collect();
            of_items.insert(modality.clone(), ItemFeatures::new(n_items, rows.width(), values)?);
        }
        let pairs: Vec<(u32, u32)> = (0..n_users as u32).flat_map(|u| [(u, u), (u, u + 1)]).collect();
        let data = TrainSet { interactions: Interactions::from_pairs(n_users, n_items, &pairs), features: of_items };
        let model = config.init(&data, &mut Init::new(0, device))?;
        Ok(parameters(&model).into_iter().map(|(name, value)| (name, value.shape().to_vec()[0])).collect())
    };
    // There is one more user and two more items: 1, 2 or 3 more rows tell what they belong to.
    let (small, large) = (first([5, 8])?, first([6, 10])?);
    let mut found = BTreeMap::new();
    for (name, rows) in large {
        let more = small.get(&name).map(|before| rows.wrapping_sub(*before));
        let rows = match more {
            Some(0) => Rows::Shared,
            Some(1) => Rows::Users,
            Some(2) => Rows::Items,
            Some(3) => Rows::Nodes,
            _ => return Err(Error::Config(format!("parameter '{name}' has rows of neither users nor items"))),
        };
        found.insert(name, rows);
    }
    Ok(found)
}

/// Computes what every item contributes to its neighbours, `h`, `[n_items, d]`.
pub(crate) fn handed_on(
    inductive: &Inductive,
    trained: &Parameters,
    data: &TrainSet,
    vectors: &[f32],
    device: &Device,
) -> Result<Vec<f32>> {
    let with_layers = |alone: &ModelConfig, n: usize| -> Result<Vec<f32>> {
        let mut config = alone.clone();
        config.set("n_item_layers", &n.to_string())?;
        let model = config.init(data, &mut Init::new(0, device))?;
        Ok(load_parameters(model, trained.clone())?.embed().to_host().items().to_vec())
    };
    match (&inductive.hands_on, &inductive.alone) {
        (HandsOn::Nothing, _) => Ok(Vec::new()),
        (HandsOn::Vector, _) => Ok(vectors.to_vec()),
        (HandsOn::Table(name), _) => {
            // The name of the model stands before that of the parameter.
            let is_it = |known: &&String| known.rsplit('.').next() == Some(name);
            let known = trained.keys().find(is_it);
            let known = known.ok_or_else(|| Error::Data(format!("there is no parameter '{name}'")))?;
            Ok(trained[known].iter::<f32>().collect())
        }
        (HandsOn::Layers(_), None) => Err(Error::Config("layers of an item graph, and no model of them".into())),
        // (Sⁿ x)_new = s (Sⁿ⁻¹ x)_new + Σ_j S_j (Sⁿ⁻¹ x)_j, unrolled: h = Σ_l s^l Sⁿ⁻¹⁻ˡ x.
        (HandsOn::Layers(n), Some(alone)) => {
            let own = with_layers(alone, 0)?;
            let mut sum = vec![0f32; own.len()];
            for l in 0..*n {
                let factor = inductive.neighborhood.own.powi(l as i32);
                let layers = n - 1 - l;
                match layers {
                    0 => sum.iter_mut().zip(&own).for_each(|(sum, x)| *sum += factor * x),
                    _ => {
                        let both = with_layers(alone, layers)?;
                        sum.iter_mut().zip(both.iter().zip(&own)).for_each(|(sum, (y, x))| *sum += factor * (y - x));
                    }
                }
            }
            Ok(sum)
        }
    }
}
