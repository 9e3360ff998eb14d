//! OpenAI-compatible servers: one request, which server gets it, and how long to wait after a failure.

mod body;
mod client;
mod pool;
mod retry;

pub use client::ApiKey;
pub use pool::ServerReport;
pub use retry::Backoff;

pub(crate) use body::json_of;
pub(crate) use client::{CHAT, Client, EMBEDDINGS, Reply, endpoints};
pub(crate) use pool::{Health, Servers, lock};
