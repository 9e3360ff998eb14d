//! Recommendations from a trained model: for a known user, for somebody new by what they liked, and items like an item.
//!
//! | file | |
//! |---|---|
//! | `recommender` | [`Recommender`]: vectors, ids, titles and histories, ready to answer from many threads |
//! | `contents` | what it knows: vectors, settings, ids, titles and histories |
//! | `answer` | [`Recommendation`], [`RecommendOptions`]: what is asked for and what comes back |
//! | `popular` | what most users have, for those of whom nothing is known |
//! | `fold_in` | from a list of liked items to a vector for somebody without one |
//! | `ridge` | ridge regression over the users of training |
//! | `query` | what is asked, by number, and the best items for it |
//! | `living`, `new_items` | [`NewItems`], [`Update`], [`Drift`]: new items, removed items and new interactions after training |
//! | `induction`, `profile`, `exposure` | what embeds new items, and how much these are worth in lists |
//! | `saved` | the model file: written whole or not at all, read with every bit checked |
//! | `names` | external ids, compact, with their index |
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
