//! Chapters: your own data, from photos to a shop page, serving, adding a model, results, large catalogues, many
//! machines, GPUs.
//!
//! Their programs are compiled and run as doctests of the crate; each begins like this one:
//!
//! ```
//! use viral::prelude::*;
//!
//! let data = PlantedConfig::new().with_n_users(40).with_n_items(30).generate().data; // or Dataset::read("data/baby")?
//! assert_eq!((data.n_users(), data.n_items()), (40, 30));
//! ```

#[doc = include_str!("../docs/your_data.md")]
pub mod your_data {}

#[doc = include_str!("../docs/shop.md")]
pub mod shop {}

#[doc = include_str!("../docs/serving.md")]
pub mod serving {}

#[doc = include_str!("../docs/adding_a_model.md")]
pub mod adding_a_model {}

#[doc = include_str!("../docs/results.md")]
pub mod results {}

#[doc = include_str!("../docs/honest_figures.md")]
pub mod honest_figures {}

#[doc = include_str!("../docs/large_catalogues.md")]
pub mod large_catalogues {}

#[doc = include_str!("../docs/many_machines.md")]
pub mod many_machines {}

#[doc = include_str!("../docs/gpus.md")]
pub mod gpus {}
