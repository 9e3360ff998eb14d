//! The three graphs of VIRAL.

use super::config::{ItemGraph, ViralConfig};
use crate::Result;
use crate::data::{ItemFeatures, TrainSet};
use crate::graph::{NeighborWeight, mixture, knn_approximate, knn_exact, user_cooccurrence};
use crate::model::PrunedGraph;
use crate::ops::SparseMatrix;
use burn::module::Module;
use burn::tensor::Device;

/// User-item, item-item and user-user graphs.
#[derive(Module, Debug)]
pub struct ViralGraphs {
    /// Normalised adjacency, users first.
    pub user_item: PrunedGraph,
    /// Items of similar content, where the model has layers for it.
    pub item_item: Option<SparseMatrix>,
    /// Users with common items, where the model has layers for it.
    pub user_user: Option<SparseMatrix>,
}

impl ViralGraphs {
    /// Builds from train interactions and features.
    ///
    /// Time: nearest-neighbour searches, O(items² · width) where they are exact, and one sparse product for the users.
    pub fn new(config: &ViralConfig, data: &TrainSet, device: &Device) -> Result<Self> {
        let (text, visual) = both_modalities(data)?;
        let near = |modalities: &[&ItemFeatures], include_self| match config.item_probes {
            0 => knn_exact(modalities, config.item_neighbors, include_self),
            n_probe => knn_approximate(modalities, config.item_neighbors, include_self, n_probe),
        };
        let item_item = match (config.n_item_layers, config.item_graph) {
            (0, _) => None,
            (_, ItemGraph::MeanCosine) => Some(near(&[visual, text], false)?.weighted()),
            (_, ItemGraph::Mixture) => {
                let (visual, text) = (near(&[visual], true)?.normalized(), near(&[text], true)?.normalized());
                Some(mixture(config.visual_weight as f32, &visual, &text))
            }
        };
        let user_user = (config.n_user_layers > 0)
            .then(|| user_cooccurrence(&data.interactions, config.user_neighbors, NeighborWeight::Softmax));
        Ok(Self {
            user_item: PrunedGraph::new(&data.interactions, 0.0, config.edge_dropout, device)?,
            item_item: item_item.map(|g| SparseMatrix::new(&g, device)),
            user_user: user_user.map(|g| SparseMatrix::new(&g, device)),
        })
    }
}

pub(super) fn both_modalities(data: &TrainSet) -> Result<(&ItemFeatures, &ItemFeatures)> {
    match (&data.text, &data.visual) {
        (Some(text), Some(visual)) => Ok((text, visual)),
        (None, _) => Err(missing("text")),
        (_, None) => Err(missing("visual")),
    }
}

fn missing(modality: &str) -> crate::Error {
    let hint = "give a file of them, or train a model without content (lightgcn, bpr-mf)";
    crate::Error::Data(format!("viral needs text and visual features; the data have no {modality} features: {hint}"))
}
