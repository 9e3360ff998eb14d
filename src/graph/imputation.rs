//! Imputation methods for missing content, selected by name.

use super::{
    heat_weights, impute_by_walks, impute_mean, impute_multi_hop, impute_neighbors, impute_ridge, item_cooccurrence,
    page_rank_weights,
};
use crate::Result;
use crate::data::{Features, ItemFeatures, TrainSet};
use crate::named::named;
use serde::{Deserialize, Serialize};
use sprs::CsMat;

/// An imputation method for items that lack a modality. Existing rows never change; if no row is missing, features stay
/// bit-identical.
///
/// ```
/// use viral::data::{Features, Interactions, ItemFeatures, Modality, TrainSet};
/// use viral::graph::Imputation;
///
/// // Items 0 and 2 co-occur; item 1 co-occurs with neither.
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
    /// No imputation: models handle missing rows themselves. The default.
    #[default]
    ZeroAware,
    /// Zeros that models treat as content, as libraries without masks do: the baseline for the other methods.
    Zeros,
    /// The mean of all rows: [`impute_mean`].
    Mean,
    /// The mean of the rows of the 20 items that co-occur with it most often: [`impute_neighbors`].
    Neighbors,
    /// The same over 10 hops in that graph: [`impute_multi_hop`].
    MultiHop,
    /// Personalised PageRank on that graph, with a restart probability of 0.1: [`impute_by_walks`] of
    /// [`page_rank_weights`].
    PageRank,
    /// Heat diffusion on that graph for a time of 5: [`impute_by_walks`] of [`heat_weights`].
    Heat,
    /// Ridge regression on the other modalities: [`impute_ridge`](impute_ridge()).
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

/// Number of neighbours of an item in the co-occurrence graph.
const NEIGHBORS: usize = 20;
const HOPS: usize = 10;
const RETURN: f64 = 0.1;
const TIME: f64 = 5.0;
/// Penalty weight, relative to the mean variance of the regressors.
const RIDGE: f64 = 0.1;

impl Imputation {
    /// All methods, in the order of reports.
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

    /// Returns the features of `data` with missing rows imputed. Uses train pairs only.
    ///
    /// # Errors
    /// When values are so large that the ridge regression has no solution.
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
