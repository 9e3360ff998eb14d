//! How good a ranking is: every item ranked for every user, the metrics of the literature, and how sure a difference is.
//!
//! | file | |
//! |---|---|
//! | `ranking` | the best items of a user by inner product, train items left out |
//! | `metrics` | recall, NDCG, precision, MAP, as MMRec counts them |
//! | `embeddings` | both for a model's vectors, on the device that has them |
//! | `hits` | [`Hits`]: the ranks of what was held out, all that metrics depend on |
//! | `paired` | [`user_means`], [`paired_differences`]: values of users, means over seeds, paired between two models |
//! | `bootstrap` | [`bootstrap_interval`]: the interval of a difference |
//! | `permutation` | [`sign_flip_test`]: whether there is one, assuming nothing of its distribution |
//! | `wilcoxon`, `student` | [`wilcoxon_test`], [`paired_t_test`]: the two usual tests; [`seed_mean`]: a mean over seeds |
//! | `beyond`, `exposure` | [`BeyondAccuracy`], [`Exposure`]: coverage, evenness, novelty and popularity of lists |
//! | `diversity` | [`intra_list_diversity`]: how unlike the items of a list are, by one modality |
//! | `groups` | [`ActivityGroups`], [`GroupMeans`]: what a model is worth to users of each activity |
//! | `corrections` | [`holm`], [`benjamini_hochberg`]: for how many p values were looked at |
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

mod beyond;
mod bootstrap;
mod cold;
mod corrections;
mod diversity;
mod embeddings;
mod exposure;
mod groups;
mod hits;
mod metrics;
mod paired;
mod permutation;
mod ranking;
mod student;
mod wilcoxon;

pub use beyond::{BeyondAccuracy, Dialect};
pub use bootstrap::{Difference, bootstrap_interval, paired_bootstrap};
pub use cold::ColdMetrics;
pub use corrections::{benjamini_hochberg, holm};
pub use diversity::{ListDiversity, intra_list_diversity};
pub use exposure::Exposure;
pub use groups::{ActivityGroups, GroupMeans};
pub use hits::Hits;
pub use metrics::{Metric, Metrics, evaluate};
pub use paired::{TestResult, paired_differences, user_means};
pub use permutation::sign_flip_test;
#[cfg(feature = "flex")]
pub(crate) use ranking::rank_from;
pub use ranking::{Ranking, rank, rank_scores};
pub use student::{SeedMean, paired_t_test, seed_mean};
pub use wilcoxon::wilcoxon_test;
