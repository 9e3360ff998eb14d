//! The settings of a run.

use crate::Result;
use crate::server::{ApiKey, Backoff, EMBEDDINGS, endpoints};
use std::time::Duration;

/// How a request for the vectors of texts is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TextForm {
    /// `"input": ["…", …]`, as all servers take it, many texts in a request.
    #[default]
    Input,
    /// `"messages": [{"role": "user", "content": [{"type": "text", "text": "…"}]}]`, one text in a request: the form in which
    /// [items](super::ItemEmbedConfig) are embedded. A vision-language model reads a text in the template of its dialogues then, as
    /// it reads pictures and titles, so that the vectors of texts and those of items are in one space.
    Messages,
}

/// Whom to ask for vectors, and how hard to try.
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
    /// Addresses such as `http://127.0.0.1:8000/v1`. Nothing else is ever connected to.
    pub servers: Vec<String>,
    /// The key, sent to these servers only.
    pub api_key: Option<ApiKey>,
    /// How texts are sent ([`TextForm::Input`]).
    pub form: TextForm,
    /// Texts in a request (32); one where they are sent as messages.
    pub batch: usize,
    /// Requests in flight at each server (8).
    pub concurrency: usize,
    /// The longest that one request may take (3 min).
    pub timeout: Duration,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// Requests for the same texts that may fail before the run ends with an error (6). A server that cannot be reached
    /// does not count.
    pub max_failures: u32,
    /// How long no server may answer before the run ends with an error (10 min).
    pub patience: Duration,
}

impl EmbedConfig {
    /// The usual settings.
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

    /// The servers' addresses for embeddings.
    pub(super) fn endpoints(&self) -> Result<Vec<String>> {
        endpoints(&self.servers, &self.model, EMBEDDINGS)
    }
}
