//! Vectors of texts, and of items with their pictures, from any OpenAI-compatible server's `/v1/embeddings`, each paid for once.
//!
//! | file | |
//! |---|---|
//! | `settings`, `run` | [`EmbedConfig`], its run, and what came of it |
//! | `items` | [`ItemEmbedConfig`]: picture and title of an item in one message to a vision-language model |
//! | `answer` | what a server sent, checked |
//! | `store` | [`VectorStore`]: every vector that was paid for, appended as it comes |

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
