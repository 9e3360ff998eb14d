//! Requests to servers: options, prices and progress.

use crate::bar::duration;
use crate::shell::{note, say};
use clap::Args;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use viral::{Error, Result};
use viral_enrich::describe::{ApiKey, Backoff, Items, Journal, Prices, Progress, Prompt, ServerReport};

/// Options of requests to servers, whatever they ask for.
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
    /// Seconds that all servers may fail before the run ends
    #[arg(long, default_value_t = 600)]
    patience: u64,
    /// Seed of the random waits after failures
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

/// Prices of tokens.
#[derive(Args, Debug)]
#[command(next_help_heading = "Prices")]
pub(super) struct PriceArguments {
    /// Price of a million tokens of prompts and pictures
    #[arg(long, value_name = "MONEY", requires = "price_out")]
    price_in: Option<f64>,
    /// Price of a million tokens of answers
    #[arg(long, value_name = "MONEY", requires = "price_in")]
    price_out: Option<f64>,
}

impl PriceArguments {
    pub(super) fn prices(&self) -> Result<Option<Prices>> {
        for (option, price) in [("--price-in", self.price_in), ("--price-out", self.price_out)] {
            if let Some(price) = price.filter(|price| !price.is_finite() || *price < 0.0) {
                return Err(Error::Config(format!("{option} {price}: give an amount of money, from 0 on")));
            }
        }
        Ok(self.price_in.zip(self.price_out).map(|(input, output)| Prices { input, output }))
    }
}

/// Opens the journal of a run, and prints what it holds.
pub(super) fn open_journal(path: &Path, items: &Items, prompt: &Prompt) -> Result<Journal> {
    let journal = Journal::open(path)?;
    if journal.n_torn_bytes() > 0 {
        note!(
            "journal: the last run was stopped while it wrote; dropped a torn line of {} bytes",
            journal.n_torn_bytes()
        );
    }
    note!("{} items, {} records in the journal, prompt '{}'", items.n_items(), journal.n_records(), prompt.name());
    Ok(journal)
}

/// Prints the outcome of a run that asked about each item separately.
pub(super) fn say_progress(
    done: &str,
    progress: &Progress,
    faults: &BTreeMap<String, usize>,
    servers: &[ServerReport],
    prices: Option<Prices>,
) -> Result<()> {
    let Progress { n_before, n_described, n_quarantined, n_requests, tokens, seconds, .. } = progress;
    say!("{n_described} {done} and {n_quarantined} quarantined in {}, {n_before} known before", duration(*seconds))?;
    for (fault, n) in faults {
        say!("    {n:>6} quarantined: {fault}")?;
    }
    let money = prices.map_or_else(String::new, |prices| format!(", cost {:.2}", prices.of(*tokens)));
    say!("{n_requests} requests, {} tokens in and {} out{money}", tokens.input, tokens.output)?;
    for server in servers {
        let failure = server.last_failure.as_ref().map_or_else(String::new, |last| format!("; last failure: {last}"));
        say!("    {}: {} answers, {} failures{failure}", server.url, server.n_good, server.n_failed)?;
    }
    let left = progress.n_items - progress.n_done();
    if left > 0 {
        say!("{left} items are not asked yet; run it again without --limit")?;
    }
    Ok(())
}
