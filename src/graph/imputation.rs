//! What stands where content is missing, by name.

use super::{
    heat_weights, impute_by_walks, impute_mean, impute_multi_hop, impute_neighbors, impute_ridge, item_cooccurrence,
    page_rank_weights,
};
use crate::Result;
use crate::data::{Features, ItemFeatures, TrainSet};
use crate::named::named;
use serde::{Deserialize, Serialize};
use sprs::CsMat;

/// What stands where items lack a modality. Rows that there are never change; where none is missing features stay as they
/// are, bit by bit.
///
/// ```
/// use viral::data::{Features, Interactions, ItemFeatures, Modality, TrainSet};
/// use viral::graph::Imputation;
///
/// // Items 0 and 2 were taken together, and item 1 with neither.
/// let interactions = Interactions::from_pairs(2, 3, &[(0, 0), (0, 2), (1, 1)]);
/// let text = ItemFeatures::new(3, 2, vec![1.0, 0.0, 0.0, 3.0, 0.0, 0.0])?;
/// let data = TrainSet { interactions, features: Features::new().with(Modality::Text, text) };
/// let row = |imputation: Imputation| -> viral::Result<Vec<f32>> {
///     Ok(imputation.apply(&data)?.get(&Modality::Text).unwrap().row(2).to_vec())
/// };
/// assert_eq!(row(Imputation::ZeroAware)?, [0.0, 0.0]);
/// assert_eq!(row(Imputation::Mean)?, [0.5, 1.5]);
/// assert_eq!(row(Imputation::Neighbors)?, [1.0, 0.0]);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Imputation {
    /// Nothing: models know what is missing, and do without. The default.
    #[default]
    ZeroAware,
    /// Zeros that models take for content, as libraries without masks do: what the others are to be better than.
    Zeros,
    /// The mean of all rows: [`impute_mean`].
    Mean,
    /// The mean of the rows of the 20 items that were most often taken together with it: [`impute_neighbors`].
    Neighbors,
    /// The same from afar, 10 hops over that graph: [`impute_multi_hop`].
    MultiHop,
    /// Personalised PageRank over that graph, with a chance of 0.1 to return: [`impute_by_walks`] of [`page_rank_weights`].
    PageRank,
    /// Heat that spreads over that graph for a time of 5: [`impute_by_walks`] of [`heat_weights`].
    Heat,
    /// What the other modalities tell, by a ridge regression: [`impute_ridge`](impute_ridge()).
    Ridge,
}

named! {
    Imputation, "imputation":
    ZeroAware => "zero-aware",
    Zeros => "zeros",
    Mean => "mean",
    Neighbors => "neighbors",
    MultiHop => "multi-hop",
    PageRank => "page-rank",
    Heat => "heat",
    Ridge => "ridge",
}

/// Neighbours of an item in the graph of items taken together.
const NEIGHBORS: usize = 20;
const HOPS: usize = 10;
const RETURN: f64 = 0.1;
const TIME: f64 = 5.0;
/// Weight of the penalty, in mean variances of what is regressed on.
const RIDGE: f64 = 0.1;

impl Imputation {
    /// All of them, in the order of reports.
    pub const ALL: &'static [Self] = &[
        Self::ZeroAware,
        Self::Zeros,
        Self::Mean,
        Self::Neighbors,
        Self::MultiHop,
        Self::PageRank,
        Self::Heat,
        Self::Ridge,
    ];

    /// The features of `data` with what is missing filled in. Only train pairs are looked at.
    ///
    /// # Errors
    /// Rows so large that a regression on them has no solution.
    pub fn apply(self, data: &TrainSet) -> Result<Features> {
        let is_whole = data.features.iter().all(|(_, rows)| rows.there().is_none());
        if is_whole || self == Self::ZeroAware {
            return Ok(data.features.clone());
        }
        if self == Self::Ridge {
            return impute_ridge(&data.features, RIDGE);
        }
        let of_graph = |fill: &dyn Fn(&ItemFeatures, &CsMat<f32>) -> ItemFeatures| {
            let graph = item_cooccurrence(&data.interactions, NEIGHBORS);
            data.features.iter().map(|(modality, rows)| (modality.clone(), fill(rows, &graph))).collect()
        };
        let of_each = |fill: &dyn Fn(&ItemFeatures) -> ItemFeatures| {
            data.features.iter().map(|(modality, rows)| (modality.clone(), fill(rows))).collect()
        };
        Ok(match self {
            Self::ZeroAware | Self::Ridge => data.features.clone(),
            Self::Zeros => of_each(&|rows| rows.clone().with_there(&vec![true; rows.n_items()])),
            Self::Mean => of_each(&impute_mean),
            Self::Neighbors => of_graph(&impute_neighbors),
            Self::MultiHop => of_graph(&|rows, graph| impute_multi_hop(rows, graph, HOPS)),
            Self::PageRank => of_graph(&|rows, graph| impute_by_walks(rows, graph, &page_rank_weights(RETURN))),
            Self::Heat => of_graph(&|rows, graph| impute_by_walks(rows, graph, &heat_weights(TIME))),
        })
    }
}
