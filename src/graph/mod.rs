//! Graphs over users and items, built on the CPU as [`sprs::CsMat`], without tensors.
//!
//! | file | graph | paper |
//! |---|---|---|
//! | `bipartite` | user–item interactions | Eq. 1 |
//! | `knn` | exact k-nearest neighbours of items by content | Eq. 3 |
//! | `clusters` | approximate k-nearest neighbours, among the items of near clusters | |
//! | `item_graph` | items with similar content, as in the published models | Eq. 3 |
//! | `cooccurrence` | users with items in common | §2.4 |
//! | `padded_cooccurrence` | the same, with short rows padded randomly in each epoch | DRAGON, COHESION |
//! | `imputation`, `impute`, `impute_walks`, `impute_ridge` | [`Imputation`] of missing content | |
//! | `normalize` | symmetric, row-stochastic and softmax normalisation | |
//! | `prune` | a random subset of the pairs in each epoch | FREEDOM |
//! | `rows` | rows computed by one process or several | |
//!
//! Entry `[i, j]` of a graph is the weight of what node `i` receives from node `j`.
//!
//! ```
//! use viral::data::{Interactions, ItemFeatures};
//! use viral::graph::{NeighborWeight, bipartite_adjacency, knn_exact, user_cooccurrence};
//!
//! let interactions = Interactions::from_pairs(2, 3, &[(0, 0), (0, 1), (1, 1), (1, 2)]);
//! // Users and items in one graph, users first, with both directions of each pair, symmetrically normalised by degree.
//! let user_item = bipartite_adjacency(&interactions, 0.0);
//! assert_eq!((user_item.shape(), user_item.nnz()), ((5, 5), 8));
//! assert!((user_item[[0, 2]] - 0.5f32.sqrt()).abs() < 1e-6);
//! // Users with items in common, and items with similar content.
//! let user_user = user_cooccurrence(&interactions, 10, NeighborWeight::Counts);
//! assert_eq!(user_user[[0, 1]], 1.0);
//! let text = ItemFeatures::new(3, 2, vec![1.0, 0.0, 0.9, 0.1, 0.0, 1.0])?;
//! let item_item = knn_exact(&[&text], 1, false)?.weighted();
//! assert!(item_item[[0, 1]] > 0.99 && item_item.nnz() == 3);
//! # Ok::<(), viral::Error>(())
//! ```

mod bipartite;
mod clusters;
mod cooccurrence;
mod imputation;
mod impute;
mod impute_ridge;
mod impute_walks;
mod item_graph;
mod knn;
mod normalize;
mod padded_cooccurrence;
mod prune;
mod rows;

#[cfg(feature = "flex")]
pub(crate) use bipartite::bipartite_rows;
pub use bipartite::{MMREC_EPS, bipartite_adjacency, bipartite_adjacency_of, bipartite_pattern, interaction_matrix};
pub use clusters::knn_approximate;
pub use cooccurrence::{NeighborWeight, cooccurrence_counts, user_cooccurrence, with_cooccurrence};
pub(crate) use cooccurrence::{user_cooccurrence_by, with_cooccurrence_by};
pub use imputation::Imputation;
pub use impute::{impute_mean, impute_multi_hop, impute_neighbors, item_cooccurrence};
pub use impute_ridge::impute_ridge;
pub use impute_walks::{heat_weights, impute_by_walks, page_rank_weights};
pub(crate) use item_graph::item_graph_by;
pub use item_graph::{ItemGraph, KnnSearch, item_graph, mixture, modality_shares};
pub(crate) use knn::unit_rows;
pub use knn::{Neighbors, knn_exact};
pub use normalize::{add_self_loops, normalize_symmetric, row_stochastic, softmax_rows, uniform_rows};
pub use padded_cooccurrence::padded_cooccurrence;
pub use prune::{EdgePruner, Pruning};
pub(crate) use rows::{Here, RowLists, RowMaker};
