//! Graphs between users and items, built on the CPU as [`sprs::CsMat`]: plain numbers, no tensors.
//!
//! | file | graph | paper |
//! |---|---|---|
//! | `bipartite` | users and items that met | Eq. 1 |
//! | `knn` | items with similar content | Eq. 3 |
//! | `clusters` | the same, looked for among near clusters | |
//! | `cooccurrence` | users who chose the same items | §2.4 |
//! | `normalize` | symmetric, by row, softmax | |
//! | `prune` | a random part of the pairs, epoch by epoch | FREEDOM |
//!
//! Row `i`, column `j` of a graph weighs what node `i` receives from node `j`.

mod bipartite;
mod clusters;
mod cooccurrence;
mod knn;
mod normalize;
mod prune;

pub use bipartite::{MMREC_EPS, bipartite_adjacency, bipartite_adjacency_of, bipartite_pattern};
pub use clusters::near_neighbors;
pub use cooccurrence::{NeighborWeight, cooccurrence_counts, user_cooccurrence};
pub(crate) use knn::unit_rows;
pub use knn::{Neighbors, knn_graph, mean_knn_graph, mixture, nearest_neighbors, nearest_neighbors_by_mean};
pub use normalize::{add_self_loops, normalize_rows, normalize_symmetric, softmax_rows, uniform_rows};
pub use prune::{EdgePruner, Pruning};
