//! OpenAI-compatible servers: one request, which server gets it, how long to wait after a failure, and the workers that
//! ask them.

mod body;
mod client;
mod pool;
mod retry;
mod work;

pub use client::ApiKey;
pub use pool::ServerReport;
pub use retry::Backoff;

pub(crate) use body::json_of;
pub(crate) use client::{CHAT, EMBEDDINGS, endpoints};
pub(crate) use pool::lock;
pub(crate) use work::{Crew, CrewConfig, Outcome, Tries, Work};
