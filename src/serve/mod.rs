//! Recommendations from a trained model: for a known user, for somebody new by what they liked, and items like an item.
//!
//! | file | |
//! |---|---|
//! | `recommender` | [`Recommender`]: vectors, ids, titles and histories, ready to answer from many threads |
//! | `answer` | [`Recommendation`], [`RecommendOptions`]: what is asked for and what comes back |
//! | `popular` | what most users have, for those of whom nothing is known |
//! | `fold_in` | from a list of liked items to a vector for somebody without one |
//! | `query` | what is asked, by number, and the best items for it |
//! | `saved` | the model file: written whole or not at all, read with every bit checked |
//! | `names` | external ids, compact, with their index |

mod answer;
mod fold_in;
mod names;
mod popular;
mod query;
mod recommender;
mod saved;

pub use answer::{RecommendOptions, Recommendation};
pub use recommender::Recommender;
