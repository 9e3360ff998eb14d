//! Graphs between users and items, built on the CPU as [`sprs::CsMat`]: plain numbers, no tensors.
//!
//! | file | graph | paper |
//! |---|---|---|
//! | `bipartite` | users and items that met | Eq. 1 |
//! | `knn` | the nearest items by content, exactly | Eq. 3 |
//! | `clusters` | the nearest items among those of near clusters | |
//! | `item_graph` | items with similar content, as the published models link them | Eq. 3 |
//! | `cooccurrence` | users who chose the same items | §2.4 |
//! | `normalize` | symmetric, by row, softmax | |
//! | `prune` | a random part of the pairs, epoch by epoch | FREEDOM |
//!
//! Row `i`, column `j` of a graph weighs what node `i` receives from node `j`.

mod bipartite;
mod clusters;
mod cooccurrence;
mod item_graph;
mod knn;
mod normalize;
mod prune;

pub use bipartite::{MMREC_EPS, bipartite_adjacency, bipartite_adjacency_of, bipartite_pattern};
pub use clusters::knn_approximate;
pub use cooccurrence::{NeighborWeight, cooccurrence_counts, user_cooccurrence};
pub use item_graph::{ItemGraph, KnnSearch, item_graph, mixture};
pub(crate) use knn::unit_rows;
pub use knn::{Neighbors, knn_exact};
pub use normalize::{add_self_loops, normalize_symmetric, row_stochastic, softmax_rows, uniform_rows};
pub use prune::{EdgePruner, Pruning};
