//! Vectors of texts from any OpenAI-compatible server's `/v1/embeddings`, each paid for once.
//!
//! | file | |
//! |---|---|
//! | `settings`, `run` | [`EmbedConfig`], its run, and what came of it |
//! | `answer` | what a server sent, checked |
//! | `store` | [`VectorStore`]: every vector that was paid for, appended as it comes |

mod answer;
mod run;
mod settings;
mod store;

pub use answer::parse_embeddings;
pub use run::Embedded;
pub use settings::EmbedConfig;
pub use store::VectorStore;
