//! Settings of a run that embeds texts.

use crate::Result;
use crate::server::{ApiKey, Backoff, EMBEDDINGS, endpoints};
use std::time::Duration;

/// Format of requests for text embeddings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TextForm {
    /// `"input": ["…", …]`, the format of all servers, many texts per request.
    #[default]
    Input,
    /// `"messages": [{"role": "user", "content": [{"type": "text", "text": "…"}]}]`, one text per request: the format
    /// in which [items](super::ItemEmbedConfig) are embedded. A vision-language model then reads a text in its chat
    /// template, as it reads pictures and titles, so that the vectors of texts and of items are in the same space.
    Messages,
}

/// Configuration of a run that embeds texts: model and servers, and limits.
///
/// ```no_run
/// # use viral_enrich::embed::{EmbedConfig, VectorStore};
/// # fn main() -> viral::Result<()> {
/// let config = EmbedConfig::new("BAAI/bge-m3", ["http://127.0.0.1:8000/v1"]);
/// let mut store = VectorStore::open("data/baby/embeddings.jsonl")?;
/// let embedded = config.run(&["A wooden rattle", "A cot"], &mut store, |_| {})?;
/// assert_eq!(embedded.values.len(), 2 * embedded.width);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EmbedConfig {
    /// The model's name, as the servers know it.
    pub model: String,
    /// Addresses such as `http://127.0.0.1:8000/v1`. No other host is ever contacted.
    pub servers: Vec<String>,
    /// API key, sent to these servers only.
    pub api_key: Option<ApiKey>,
    /// Format of requests ([`TextForm::Input`]).
    pub form: TextForm,
    /// Texts per request (32); always one with [`TextForm::Messages`].
    pub batch: usize,
    /// Requests in flight at each server (8).
    pub concurrency: usize,
    /// Timeout of a request (3 min).
    pub timeout: Duration,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// Failed requests for the same texts after which the run fails (6). A server that cannot be reached does not
    /// count.
    pub max_failures: u32,
    /// Time without an answer from any server after which the run fails (10 min).
    pub patience: Duration,
}

impl EmbedConfig {
    /// Creates a configuration with default settings.
    pub fn new(model: impl Into<String>, servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            model: model.into(),
            servers: servers.into_iter().map(Into::into).collect(),
            api_key: None,
            form: TextForm::default(),
            batch: 32,
            concurrency: 8,
            timeout: Duration::from_secs(180),
            backoff: Backoff::default(),
            max_failures: 6,
            patience: Duration::from_secs(600),
        }
    }

    /// Returns the servers' embedding URLs, after validating them.
    pub(super) fn endpoints(&self) -> Result<Vec<String>> {
        endpoints(&self.servers, &self.model, EMBEDDINGS)
    }
}
