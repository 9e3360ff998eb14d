//! OpenAI-compatible servers: one request, which server gets it, and how long to wait after a failure.

mod body;
mod client;
mod pool;
mod retry;

pub use client::ApiKey;
pub use pool::ServerReport;
pub use retry::Backoff;

pub(in crate::enrich) use body::json_of;
pub(in crate::enrich) use client::{CHAT, Client, EMBEDDINGS, Reply, endpoints};
pub(in crate::enrich) use pool::{Health, Servers, lock};
