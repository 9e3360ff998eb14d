//! Load balancing between servers: which ones are free, which ones fail, and how long to leave those alone.

use super::retry::Backoff;
use crate::{Error, Result};
use serde::Serialize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Number of failures in a row after which a server is paused, and then gets one request at a time.
pub(super) const FAILURES: u32 = 5;

/// Number of unusable responses, without a good one in between, after which a server is given up.
const STRIKES: u32 = 3;

/// What a request revealed about its server.
pub(crate) enum Health {
    Good,
    Failed { reason: String, wait: Option<Duration> },
    Unusable(String),
}

/// Statistics of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServerReport {
    /// Address of the server.
    pub url: String,
    /// Number of requests that it answered.
    pub n_good: u64,
    /// Number of requests that failed.
    pub n_failed: u64,
    /// Reason of the last failure.
    pub last_failure: Option<String>,
    /// Whether it was given up.
    pub is_given_up: bool,
}

#[derive(Default)]
struct Server {
    report: ServerReport,
    in_flight: usize,
    /// Failures in a row, and the number of pauses in a row they have led to.
    failures: u32,
    pauses: u32,
    strikes: u32,
    not_before: Option<Instant>,
}

impl Server {
    fn is_resting(&self, now: Instant) -> bool {
        self.not_before.is_some_and(|then| now < then)
    }
}

struct State {
    servers: Vec<Server>,
    last_good: Instant,
    is_stopped: bool,
}

/// The servers of a run, shared by its workers.
pub(crate) struct Servers {
    state: Mutex<State>,
    changed: Condvar,
    /// Requests in flight at each server.
    concurrency: usize,
    backoff: Backoff,
    /// How long all servers may fail before the run gives up.
    patience: Duration,
}

impl Servers {
    pub(crate) fn new(urls: &[String], concurrency: usize, backoff: &Backoff, patience: Duration) -> Self {
        let server = |url: &String| Server {
            report: ServerReport { url: url.clone(), ..Default::default() },
            ..Default::default()
        };
        let servers = urls.iter().map(server).collect();
        let state = State { servers, last_good: Instant::now(), is_stopped: false };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        Self { state, changed, concurrency: concurrency.max(1), backoff: backoff.clone(), patience }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Runs `work` on `n_workers` threads until all are done. The first error stops the run and is returned.
    pub(crate) fn work(&self, n_workers: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
        let first = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..n_workers {
                scope.spawn(|| {
                    if let Err(error) = work() {
                        lock(&first).get_or_insert(error);
                        self.stop();
                    }
                });
            }
        });
        first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Waits for a server that may be asked, `avoid` only if there is no other; `None` if the run is stopped.
    ///
    /// # Errors
    /// If all servers were given up, or none has answered for longer than `patience`.
    pub(crate) fn acquire(&self, avoid: Option<usize>) -> Result<Option<usize>> {
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return Ok(None);
            }
            let now = Instant::now();
            let alive = || state.servers.iter().enumerate().filter(|(_, server)| !server.report.is_given_up);
            if alive().next().is_none() {
                return Err(gave_up(&state.servers, "no server can be used"));
            }
            let is_out = |server: &Server| server.failures >= FAILURES || server.is_resting(now);
            if now.duration_since(state.last_good) > self.patience && alive().all(|(_, server)| is_out(server)) {
                let what = format!("no server has answered for {} s", self.patience.as_secs());
                return Err(gave_up(&state.servers, &what));
            }
            let most = |server: &Server| if server.failures >= FAILURES { 1 } else { self.concurrency };
            let free = alive().filter(|(_, server)| !server.is_resting(now) && server.in_flight < most(server));
            let load = |&(index, server): &(usize, &Server)| {
                (avoid == Some(index), server.failures >= FAILURES, server.in_flight, server.report.n_good)
            };
            if let Some((index, _)) = free.min_by_key(load) {
                state.servers[index].in_flight += 1;
                return Ok(Some(index));
            }
            let rests = alive().filter_map(|(_, server)| server.not_before).filter(|&then| then > now).min();
            let wait = rests.map_or(Duration::MAX, |then| then - now).min(Duration::from_secs(1));
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns a server to the pool, and records how it did.
    pub(crate) fn release(&self, index: usize, health: Health) {
        let mut state = self.lock();
        let now = Instant::now();
        let server = &mut state.servers[index];
        server.in_flight -= 1;
        match health {
            Health::Good => {
                server.report.n_good += 1;
                (server.failures, server.pauses, server.strikes) = (0, 0, 0);
                state.last_good = now;
            }
            Health::Failed { reason, wait } => {
                self.fail(server, index, reason);
                if let Some(wait) = wait {
                    let then = now + wait.min(self.backoff.most_asked);
                    server.not_before = Some(server.not_before.map_or(then, |set| set.max(then)));
                }
            }
            Health::Unusable(reason) => {
                self.fail(server, index, reason);
                server.strikes += 1;
                server.report.is_given_up |= server.strikes >= STRIKES;
            }
        }
        self.changed.notify_all();
    }

    fn fail(&self, server: &mut Server, index: usize, reason: String) {
        server.report.n_failed += 1;
        server.report.last_failure = Some(reason);
        server.failures = server.failures.saturating_add(1);
        // Requests in flight together fail together: that is one pause, not many.
        if server.failures >= FAILURES && !server.is_resting(Instant::now()) {
            server.pauses = server.pauses.saturating_add(1);
            server.not_before = Some(Instant::now() + self.backoff.wait(!(index as u64), server.pauses));
        }
    }

    /// Sleeps, unless the run is stopped meanwhile.
    pub(crate) fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.lock();
        while !state.is_stopped {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Stops the run: no more servers are handed out.
    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.changed.notify_all();
    }

    /// Whether any server has answered since `then`.
    pub(crate) fn has_answered_since(&self, then: Instant) -> bool {
        self.lock().last_good > then
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    pub(crate) fn reports(&self) -> Vec<ServerReport> {
        self.lock().servers.iter().map(|server| server.report.clone()).collect()
    }
}

fn gave_up(servers: &[Server], what: &str) -> Error {
    let reasons: Vec<String> = servers
        .iter()
        .map(|Server { report, .. }| format!("{}: {}", report.url, report.last_failure.as_deref().unwrap_or("-")))
        .collect();
    Error::Data(format!("{what}; {}; see to it and start again, what was done is kept", reasons.join("; ")))
}

/// Locks a mutex, even a poisoned one: a panic ends the run in any case, and the data behind the lock is consistent
/// after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(n: usize, patience: Duration) -> Servers {
        let urls: Vec<String> = (0..n).map(|i| format!("http://s{i}/v1")).collect();
        let backoff = Backoff { base: Duration::from_millis(20), cap: Duration::from_millis(40), ..Backoff::default() };
        Servers::new(&urls, 2, &backoff, patience)
    }

    fn failed() -> Health {
        Health::Failed { reason: "HTTP 500".into(), wait: None }
    }

    #[test]
    fn work_goes_to_the_least_busy_and_avoids_the_last() -> Result<()> {
        let servers = servers(2, Duration::from_secs(9));
        let (a, b) = (servers.acquire(None)?.unwrap(), servers.acquire(None)?.unwrap());
        assert_ne!(a, b);
        servers.release(b, Health::Good);
        assert_eq!(servers.acquire(Some(b))?, Some(a));
        assert_eq!(servers.acquire(Some(b))?, Some(b), "the other one is full");
        assert_eq!(servers.acquire(Some(a))?, Some(b));
        servers.stop();
        assert_eq!(servers.acquire(None)?, None);
        Ok(())
    }

    #[test]
    fn an_unwell_server_is_left_alone_and_taken_back() -> Result<()> {
        let servers = servers(2, Duration::from_secs(9));
        for _ in 0..FAILURES {
            assert_eq!(servers.acquire(Some(1))?, Some(0));
            servers.release(0, failed());
        }
        for _ in 0..10 {
            assert_eq!(servers.acquire(None)?, Some(1));
            servers.release(1, Health::Good);
        }
        // Both slots of the good server are taken: the failing one is tried again, with one request.
        let taken = [servers.acquire(None)?, servers.acquire(None)?, servers.acquire(None)?];
        assert_eq!(taken.iter().filter(|&&index| index == Some(0)).count(), 1);
        servers.release(0, Health::Good);
        assert_eq!(servers.lock().servers[0].failures, 0);
        Ok(())
    }

    #[test]
    fn a_server_that_asks_for_a_rest_gets_it() -> Result<()> {
        let servers = servers(1, Duration::from_secs(9));
        let start = Instant::now();
        servers.acquire(None)?;
        servers.release(0, Health::Failed { reason: "HTTP 429".into(), wait: Some(Duration::from_millis(60)) });
        servers.acquire(None)?;
        assert!(start.elapsed() >= Duration::from_millis(60));
        Ok(())
    }

    #[test]
    fn hopeless_servers_end_the_run() -> Result<()> {
        let servers = servers(1, Duration::from_millis(50));
        let error = loop {
            match servers.acquire(None) {
                Ok(_) => servers.release(0, failed()),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.starts_with("no server has answered for 0 s; http://s0/v1: HTTP 500; see to it"), "{error}");

        let servers = self::servers(1, Duration::from_secs(9));
        for _ in 0..STRIKES {
            servers.acquire(None)?;
            servers.release(0, Health::Unusable("HTTP 401".into()));
        }
        assert!(
            servers.acquire(None).unwrap_err().to_string().starts_with("no server can be used; http://s0/v1: HTTP 401")
        );
        assert!(servers.reports()[0].is_given_up);
        Ok(())
    }
}
