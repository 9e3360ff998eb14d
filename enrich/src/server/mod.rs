//! Access to OpenAI-compatible servers: requests, load balancing, waits after failures, and worker threads.

mod body;
mod client;
mod dialect;
mod key;
mod packed;
mod pool;
mod reply;
mod retry;
mod stream;
mod trust;
mod verdict;
mod work;

pub use key::ApiKey;
pub use pool::ServerReport;
pub use retry::Backoff;

pub(crate) use body::json_of;
pub(crate) use client::{CHAT, EMBEDDINGS, endpoints};
pub(crate) use dialect::Dialect;
pub(crate) use pool::lock;
pub(crate) use reply::{Head, Reply};
pub(crate) use verdict::is_about_content;
pub(crate) use work::{Crew, CrewConfig, Outcome, Tries, Work};
