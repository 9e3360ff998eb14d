//! Embeds texts, and items with their pictures, by any OpenAI-compatible server's `/v1/embeddings`; each is paid for
//! once.
//!
//! | file | |
//! |---|---|
//! | `settings`, `run` | [`EmbedConfig`], its run and its result |
//! | `items` | [`ItemEmbedConfig`]: picture and title of an item in one message to a vision-language model |
//! | `answer` | parses and checks responses |
//! | `store` | [`VectorStore`]: append-only store of all vectors paid for |

mod answer;
mod items;
mod run;
mod settings;
mod store;

pub use answer::parse_embeddings;
pub use items::{EmbeddedItems, ItemEmbedConfig};
pub use run::Embedded;
pub use settings::{EmbedConfig, TextForm};
pub use store::VectorStore;
