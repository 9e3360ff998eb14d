//! Evaluation of recommendations: full ranking, accuracy and beyond-accuracy metrics, and significance tests.
//!
//! | file | |
//! |---|---|
//! | `ranking` | the top-k items of each user by inner product, train items masked |
//! | `metrics` | recall, NDCG, precision and MAP, as MMRec defines them |
//! | `embeddings` | ranking and evaluation of a model's embeddings, on the device that holds them |
//! | `hits` | [`Hits`]: the ranks of held-out items, from which every metric follows |
//! | `paired` | [`user_means`], [`paired_differences`]: per-user values, averaged over seeds, paired between models |
//! | `bootstrap` | [`bootstrap_interval`]: the confidence interval of a mean difference |
//! | `permutation` | [`sign_flip_test`]: a permutation test, without a distributional assumption |
//! | `wilcoxon`, `student` | [`wilcoxon_test`], [`paired_t_test`]: the two usual paired tests; [`seed_mean`] |
//! | `beyond`, `exposure` | [`BeyondAccuracy`], [`Exposure`]: coverage, evenness, novelty and popularity |
//! | `diversity` | [`intra_list_diversity`]: how dissimilar the items of a list are, by one modality |
//! | `groups` | [`ActivityGroups`], [`GroupMeans`]: a metric by user activity |
//! | `corrections` | [`holm`], [`benjamini_hochberg`]: p values corrected for multiple testing |
//! | `cold` | [`ColdMetrics`]: metrics for items that training did not see |
//!
//! ```
//! use viral::data::Interactions;
//! use viral::eval::{evaluate, rank};
//!
//! // One-dimensional embeddings: the first user prefers large values, the second small ones.
//! let (users, items) = ([1.0, -1.0], [0.1, 0.4, 0.3, 0.9]);
//! let train = Interactions::from_pairs(2, 4, &[(0, 3)]);
//! let test = Interactions::from_pairs(2, 4, &[(0, 1), (1, 2)]);
//! let ranking = rank(&users, &items, 1, &train, &[0, 1], 3)?;
//! assert_eq!((ranking.items(0), ranking.items(1)), (&[1, 2, 0][..], &[0, 2, 1][..]));
//! // One user's test item is ranked first, the other's second.
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
