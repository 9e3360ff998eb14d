//! Worker loop: takes a job, asks servers until there is an outcome, records it, takes the next.

use super::client::Client;
use super::dialect::Dialect;
use super::key::ApiKey;
use super::pool::{FAILURES, Health, ServerReport, Servers, lock};
use super::reply::Reply;
use super::retry::Backoff;
use crate::Result;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A source of jobs, which also handles the answers. Workers call it from many threads.
pub(crate) trait Work: Sync {
    /// The subject of one request.
    type Job;
    /// A parsed response body.
    type Answer;
    /// The part of an answer that is kept.
    type Kept;

    /// Maximum size of a response body in bytes.
    const MAX_ANSWER: u64;

    /// Returns the next job; `None` if there is none left.
    ///
    /// # Errors
    /// Any error ends the run.
    fn next(&self) -> Result<Option<Self::Job>>;

    /// Returns a key for drawing the waits after failures.
    fn jitter(&self, job: &Self::Job) -> u64;

    /// Prepares a job before each request; `Err` gives the reason if nothing can be asked about it.
    fn ready(&self, job: &mut Self::Job) -> std::result::Result<(), String>;

    /// Builds the body of the next request, with the parameters that its server accepts.
    fn body(&self, job: &Self::Job, tries: &Tries, dialect: &Dialect) -> Vec<u8>;

    /// Parses a response body; `Err` counts as a failure of the server.
    fn parse(&self, job: &Self::Job, body: &[u8]) -> std::result::Result<Self::Answer, String>;

    /// Returns what is kept of an answer, or `Err` with the reason if it is unfit.
    fn judge(&self, job: &mut Self::Job, answer: Self::Answer) -> std::result::Result<Self::Kept, String>;

    /// Whether to give up on a job after a failure or an unfit answer. `is_alone` says that no server has answered
    /// anything since the job's first request: then the servers are to blame rather than the job.
    fn gives_up(&self, tries: &Tries, is_alone: bool) -> bool;

    /// Records the outcome of a job. `Break` ends the run once the requests in flight are answered.
    ///
    /// # Errors
    /// Any error ends the run at once.
    fn finish(&self, job: Self::Job, tries: &Tries, outcome: Outcome<Self::Kept>) -> Result<ControlFlow<()>>;
}

/// Attempts at a job so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// Requests that reached a server.
    pub(crate) n_requests: u32,
    /// Requests that failed in a way for which the job may be to blame.
    pub(crate) n_failed: u32,
    /// Answers that were unfit.
    pub(crate) n_unfit: u32,
    /// Requests that reached an overloaded server.
    pub(crate) n_busy: u32,
}

/// Outcome of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// The kept part of an answer.
    Kept(T),
    /// No answer is fit to be kept, or there is nothing to ask.
    Unfit(String),
    /// A server will not accept it, now or later.
    Rejected(String),
    /// Requests failed, the last one at this server.
    Failed { server: usize, reason: String },
}

/// Settings of the workers: servers, concurrency and waits.
pub(crate) struct CrewConfig<'a> {
    pub(crate) servers: &'a [String],
    /// The URL at each server that requests go to.
    pub(crate) endpoints: Vec<String>,
    pub(crate) api_key: Option<&'a ApiKey>,
    pub(crate) concurrency: usize,
    pub(crate) timeout: Duration,
    pub(crate) backoff: &'a Backoff,
    pub(crate) patience: Duration,
}

/// The workers of a run: one for each request that may be in flight.
pub(crate) struct Crew {
    client: Client,
    servers: Servers,
    endpoints: Vec<String>,
    /// The parameters that each server accepts.
    dialects: Mutex<Vec<Dialect>>,
    backoff: Backoff,
    n_workers: usize,
}

impl Crew {
    /// Creates the workers; no request is sent yet.
    ///
    /// # Errors
    /// If the certificates named in the environment cannot be read.
    pub(crate) fn new(config: &CrewConfig<'_>) -> Result<Self> {
        let &CrewConfig { servers, ref endpoints, api_key, concurrency, timeout, backoff, patience } = config;
        let concurrency = concurrency.max(1);
        // Waits are capped so that the failures that pause a server fit into the patience.
        let cap = backoff.cap.min(patience / FAILURES);
        let backoff = &Backoff { base: backoff.base.min(cap), cap, ..backoff.clone() };
        Ok(Self {
            client: Client::new(api_key.cloned(), timeout, concurrency, endpoints)?,
            servers: Servers::new(servers, concurrency, backoff, patience),
            n_workers: concurrency.saturating_mul(endpoints.len()),
            dialects: Mutex::new(vec![Dialect::default(); endpoints.len()]),
            endpoints: endpoints.clone(),
            backoff: backoff.clone(),
        })
    }

    /// Works until no job is left or [`Work::finish`] ends the run; `n_jobs` is the number of jobs known at the start.
    ///
    /// # Errors
    /// Returns the first error of a worker, which ends the run; also if all servers were given up or silent for too
    /// long.
    pub(crate) fn run(&self, work: &impl Work, n_jobs: usize) -> Result<()> {
        self.servers.work(self.n_workers.min(n_jobs), || {
            while !self.servers.is_stopped()
                && let Some(mut job) = work.next()?
            {
                let mut tries = Tries::default();
                let Some(outcome) = self.ask(work, &mut job, &mut tries)? else { break };
                if work.finish(job, &tries, outcome)?.is_break() {
                    self.servers.stop();
                }
            }
            Ok(())
        })
    }

    /// Returns the statistics of each server.
    pub(crate) fn reports(&self) -> Vec<ServerReport> {
        self.servers.reports()
    }

    /// Sends requests until there is an outcome; `None` if the run was stopped before.
    fn ask<W: Work>(&self, work: &W, job: &mut W::Job, tries: &mut Tries) -> Result<Option<Outcome<W::Kept>>> {
        let (start, jitter) = (Instant::now(), work.jitter(job));
        let mut avoid = None;
        loop {
            if let Err(reason) = work.ready(job) {
                return Ok(Some(Outcome::Unfit(reason)));
            }
            let Some(server) = self.servers.acquire(avoid)? else { return Ok(None) };
            avoid = Some(server);
            let dialect = lock(&self.dialects)[server].clone();
            let body = work.body(job, tries, &dialect);
            let reply = self.client.post(&self.endpoints[server], &body, W::MAX_ANSWER, |body| work.parse(job, body));
            drop(body);
            tries.n_requests += u32::from(!matches!(reply, Reply::Unreachable(_)));
            let (health, failure) = match reply {
                Reply::Answer(answer) => {
                    self.servers.release(server, Health::Good);
                    match work.judge(job, answer) {
                        Ok(kept) => return Ok(Some(Outcome::Kept(kept))),
                        Err(fault) => {
                            tries.n_unfit += 1;
                            if work.gives_up(tries, !self.servers.has_answered_since(start)) {
                                return Ok(Some(Outcome::Unfit(fault)));
                            }
                            continue;
                        }
                    }
                }
                Reply::Rejected { reason, said } => {
                    self.servers.release(server, Health::Good);
                    // The server may only reject the way of asking.
                    if let Some(next) = dialect.after(&said) {
                        lock(&self.dialects)[server].join(next);
                        continue;
                    }
                    return Ok(Some(Outcome::Rejected(reason)));
                }
                Reply::Failed { reason, wait } => {
                    tries.n_failed += 1;
                    (Health::Failed { reason: reason.clone(), wait }, Some(reason))
                }
                Reply::Busy { reason, wait } => {
                    tries.n_busy += 1;
                    (Health::Failed { reason: reason.clone(), wait }, Some(reason))
                }
                // No job is to blame for these two: it goes to another server, or the run ends.
                Reply::Unreachable(reason) => (Health::Failed { reason, wait: None }, None),
                Reply::Unusable(reason) => (Health::Unusable(reason), None),
            };
            self.servers.release(server, health);
            if let Some(reason) = failure
                && work.gives_up(tries, !self.servers.has_answered_since(start))
            {
                return Ok(Some(Outcome::Failed { server, reason }));
            }
            self.servers.pause(self.backoff.wait(jitter, tries.n_failed.saturating_add(tries.n_busy).max(1)));
        }
    }
}
