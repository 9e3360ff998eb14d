//! The three graphs of VIRAL.

use super::config::ViralConfig;
use crate::Result;
use crate::data::TrainSet;
use crate::graph::{
    Here, KnnSearch, NeighborWeight, RowMaker, item_graph_by, user_cooccurrence_by, with_cooccurrence_by,
};
use crate::model::PrunedGraph;
use crate::ops::SparseMatrix;
use burn::module::Module;
use burn::tensor::Device;

/// The user-item, item-item and user-user graphs of VIRAL.
#[derive(Module, Debug)]
pub struct ViralGraphs {
    /// Normalised adjacency, users first.
    pub user_item: PrunedGraph,
    /// Items of similar content, if the model has layers for it.
    pub item_item: Option<SparseMatrix>,
    /// Users with common items, if the model has layers for it.
    pub user_user: Option<SparseMatrix>,
}

impl ViralGraphs {
    /// Builds the graphs from train interactions and features.
    ///
    /// Time: nearest-neighbour searches, O(items² · width) if exact, and one sparse product for the users.
    pub fn new(config: &ViralConfig, data: &TrainSet, device: &Device) -> Result<Self> {
        Self::by([&Here, &Here], config, data, device)
    }

    /// Like [`new`](Self::new), with the rows of users and of items made by the first and the second maker.
    pub(super) fn by(
        [users, items]: [&dyn RowMaker; 2],
        config: &ViralConfig,
        data: &TrainSet,
        device: &Device,
    ) -> Result<Self> {
        let pair = data.features.require_pair("viral")?;
        let search = match config.item_probes {
            0 => KnnSearch::Exact,
            n_probe => KnnSearch::Approximate { n_probe },
        };
        let shares = pair.shares(config.visual_weight as f32);
        let modalities: Vec<_> = shares.into_iter().map(|(_, rows, share)| (rows, share)).collect();
        let item_item = (config.n_item_layers > 0)
            .then(|| item_graph_by(items, config.item_graph, &modalities, config.item_neighbors, search))
            .transpose()?
            .map(|content| match config.cooccurrence_share as f32 {
                0.0 => Ok(content),
                share => with_cooccurrence_by(items, &content, &data.interactions, config.item_neighbors, share),
            })
            .transpose()?;
        let user_user = (config.n_user_layers > 0)
            .then(|| user_cooccurrence_by(users, &data.interactions, config.user_neighbors, NeighborWeight::Softmax))
            .transpose()?;
        Ok(Self {
            user_item: PrunedGraph::new(&data.interactions, 0.0, config.edge_dropout, device)?,
            item_item: item_item.map(|g| SparseMatrix::new(&g, device)),
            user_user: user_user.map(|g| SparseMatrix::new(&g, device)),
        })
    }

    /// Returns empty graphs that keep the sampling of the edge dropout.
    #[cfg(feature = "flex")]
    pub(super) fn without_rows(&self) -> Self {
        Self { user_item: self.user_item.without_rows(), item_item: None, user_user: None }
    }
}
