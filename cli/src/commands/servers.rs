//! How servers are asked.

use clap::Args;
use std::time::Duration;
use viral::Result;
use viral_enrich::describe::{ApiKey, Backoff};

/// The settings of requests, whatever they are for.
#[derive(Args, Debug)]
#[command(next_help_heading = "Servers")]
pub(super) struct Requests {
    /// Environment variable that holds the servers' key
    #[arg(long, value_name = "VARIABLE", default_value = "VIRAL_API_KEY")]
    api_key_env: String,
    /// Requests in flight at each server
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Seconds that one request may take
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Seconds that all servers may be out of order before the run ends
    #[arg(long, default_value_t = 600)]
    patience: u64,
    /// Seed of the waits after failures
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Requests {
    pub(super) fn api_key(&self) -> Result<Option<ApiKey>> {
        ApiKey::from_env(&self.api_key_env)
    }

    pub(super) fn concurrency(&self) -> usize {
        usize::from(self.concurrency)
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff { seed: self.seed, ..Backoff::default() }
    }
}
