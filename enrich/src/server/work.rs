//! The workers' loop: take a job, ask a server about it until something comes of it, write that down, take the next.

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

/// What there is to ask, and what becomes of the answers. Workers call it from many threads.
pub(crate) trait Work: Sync {
    /// What one request is about.
    type Job;
    /// A body that could be read.
    type Answer;
    /// What an answer is worth.
    type Kept;

    /// The most bytes of an answer that are read.
    const MAX_ANSWER: u64;

    /// The next job; `None` when there is none left.
    ///
    /// # Errors
    /// What ends the run.
    fn next(&self) -> Result<Option<Self::Job>>;

    /// What the waits after failures are drawn by.
    fn jitter(&self, job: &Self::Job) -> u64;

    /// Makes a job ready to be asked about, before each request; `Err` if nothing can be asked about it, and why.
    fn ready(&self, job: &mut Self::Job) -> std::result::Result<(), String>;

    /// The body of the next request, with the parameters that its server takes.
    fn body(&self, job: &Self::Job, tries: &Tries, dialect: &Dialect) -> Vec<u8>;

    /// Reads the body of an answer; `Err` counts as a failure of the server.
    fn parse(&self, job: &Self::Job, body: &[u8]) -> std::result::Result<Self::Answer, String>;

    /// What of an answer is kept; `Err` if it is unfit, and why.
    fn judge(&self, job: &mut Self::Job, answer: Self::Answer) -> std::result::Result<Self::Kept, String>;

    /// Whether a job that has failed, or had unfit answers, is asked about no more. `is_alone` says that no server has
    /// answered anything since its first request: then the servers are to blame rather than the job.
    fn gives_up(&self, tries: &Tries, is_alone: bool) -> bool;

    /// Writes down what came of a job. `Break` ends the run once the requests in flight are answered.
    ///
    /// # Errors
    /// What ends the run at once.
    fn finish(&self, job: Self::Job, tries: &Tries, outcome: Outcome<Self::Kept>) -> Result<ControlFlow<()>>;
}

/// How a job has gone so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// Requests that reached a server.
    pub(crate) n_requests: u32,
    /// Requests that failed in a way that the job may be to blame for.
    pub(crate) n_failed: u32,
    /// Answers that were unfit.
    pub(crate) n_unfit: u32,
    /// Requests that came at a time when the server had too much to do.
    pub(crate) n_busy: u32,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// An answer.
    Kept(T),
    /// No answer that is fit to be kept, or nothing to ask.
    Unfit(String),
    /// A server will not take it, now or later.
    Rejected(String),
    /// Requests failed, the last one at this server.
    Failed { server: usize, reason: String },
}

/// Whom workers ask, and how hard they try.
pub(crate) struct CrewConfig<'a> {
    pub(crate) servers: &'a [String],
    /// The address at each server that requests go to.
    pub(crate) endpoints: Vec<String>,
    pub(crate) api_key: Option<&'a ApiKey>,
    pub(crate) concurrency: usize,
    pub(crate) timeout: Duration,
    pub(crate) backoff: &'a Backoff,
    pub(crate) patience: Duration,
}

/// The workers of a run: as many as requests may be in flight.
pub(crate) struct Crew {
    client: Client,
    servers: Servers,
    endpoints: Vec<String>,
    /// How each server is spoken to.
    dialects: Mutex<Vec<Dialect>>,
    backoff: Backoff,
    n_workers: usize,
}

impl Crew {
    /// Makes the workers; nobody is asked yet.
    ///
    /// # Errors
    /// Certificates that are named but cannot be read.
    pub(crate) fn new(config: &CrewConfig<'_>) -> Result<Self> {
        let &CrewConfig { servers, ref endpoints, api_key, concurrency, timeout, backoff, patience } = config;
        let concurrency = concurrency.max(1);
        // As many failures as it takes to call a server unwell fit into the patience.
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

    /// Works until no job is left or [`Work::finish`] ends the run; `n_jobs` of them are known to begin with.
    ///
    /// # Errors
    /// The first error of a worker, which ends the run; servers that were all given up, or silent for too long.
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

    /// How the servers did.
    pub(crate) fn reports(&self) -> Vec<ServerReport> {
        self.servers.reports()
    }

    /// Asks until there is an answer or a reason to give up; `None` if the run was stopped before.
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
                    // It may be the way of asking that the server does not take.
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
                // Of these two no job is to blame: it goes to another server, or the run ends.
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
