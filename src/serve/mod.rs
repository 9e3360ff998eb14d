//! Recommendations from a trained model: for known users, for new users from what they liked, and similar items.
//!
//! | file | |
//! |---|---|
//! | `recommender` | [`Recommender`]: vectors, ids, titles and histories, ready to answer from many threads |
//! | `contents` | contents of a recommender: vectors, settings, ids, titles and histories |
//! | `answer` | [`Recommendation`], [`RecommendOptions`]: requests and answers |
//! | `popular` | the most popular items, for users of whom nothing is known |
//! | `fold_in` | the vector of a new user from a list of liked items |
//! | `ridge` | ridge regression over the training users |
//! | `query` | resolved requests, and the search for the best items |
//! | `living`, `new_items` | [`NewItems`], [`Update`], [`Drift`]: new items, removed items and new interactions after training |
//! | `induction`, `profile`, `exposure` | embedding of new items, and how often they are recommended |
//! | `saved` | the model file: written atomically, every bit checked on reading |
//! | `names` | compact external ids with an index |
//!
//! ```
//! use viral::prelude::*;
//!
//! # fn main() -> viral::Result<()> {
//! let data = PlantedConfig::new().with_n_users(40).with_n_items(30).generate().data;
//! let run = Recipe::named("profile-match")?.run(&data, &Device::flex())?;
//! let folder = tempfile::tempdir().unwrap();
//! run.recommender()?.save(folder.path())?;
//!
//! let recommender = Recommender::load(folder.path())?; // in another process
//! println!("{}", Recommendation::table(&recommender.recommend("u0007", 5)?).to_text());
//! let for_a_newcomer = recommender.recommend_for(&["i0003", "i0017"], 5)?;
//! let like_this_one = recommender.similar("i0003", 5)?;
//! assert_eq!((for_a_newcomer.len(), like_this_one.len()), (5, 5));
//! # Ok(())
//! # }
//! ```

mod answer;
mod contents;
mod exposure;
mod fold_in;
mod induction;
mod living;
mod names;
mod neighbors;
mod new_items;
mod popular;
mod profile;
mod query;
mod recommender;
mod ridge;
mod saved;

pub use answer::{RecommendOptions, Recommendation};
pub use living::{Drift, Update};
pub use new_items::NewItems;
pub use recommender::Recommender;
