//! How good a ranking is: every item ranked for every user, the metrics of the literature, and how sure a difference is.
//!
//! | file | |
//! |---|---|
//! | `ranking` | the best items of a user by inner product, train items left out |
//! | `metrics` | recall, NDCG, precision, MAP, as MMRec counts them |
//! | `embeddings` | both for a model's vectors, on the device that has them |
//! | `bootstrap` | the interval of a difference between two models on the same users |
//!
//! ```
//! use viral::data::Interactions;
//! use viral::eval::{evaluate, rank};
//!
//! // Vectors of one number: the first user likes high numbers, the second low ones.
//! let (users, items) = ([1.0, -1.0], [0.1, 0.4, 0.3, 0.9]);
//! let train = Interactions::from_pairs(2, 4, &[(0, 3)]);
//! let test = Interactions::from_pairs(2, 4, &[(0, 1), (1, 2)]);
//! let ranking = rank(&users, &items, 1, &train, &[0, 1], 3)?;
//! assert_eq!((ranking.items(0), ranking.items(1)), (&[1, 2, 0][..], &[0, 2, 1][..]));
//! // Found at the first rank for one user of two, at the second for the other.
//! let metrics = evaluate(&users, &items, 1, &train, &test, &[1, 2])?;
//! assert_eq!((metrics.recall(1), metrics.recall(2)), (0.5, 1.0));
//! println!("{metrics}");
//! # Ok::<(), viral::Error>(())
//! ```

mod bootstrap;
mod embeddings;
mod metrics;
mod ranking;

pub use bootstrap::{Difference, paired_bootstrap};
pub use metrics::{Metric, Metrics, evaluate};
pub use ranking::{Ranking, rank, rank_scores};
