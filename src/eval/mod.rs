//! How good a ranking is: every item ranked for every user, the metrics of the literature, and how sure a difference is.
//!
//! | file | |
//! |---|---|
//! | `ranking` | the best items of a user by inner product, train items left out |
//! | `metrics` | recall, NDCG, precision, MAP, as MMRec counts them |
//! | `embeddings` | both for a model's vectors, on the device that has them |
//! | `bootstrap` | the interval of a difference between two models on the same users |

mod bootstrap;
mod embeddings;
mod metrics;
mod ranking;

pub use bootstrap::{Difference, paired_bootstrap};
pub use metrics::{Metric, Metrics, evaluate};
pub use ranking::{Ranking, rank, rank_scores};
