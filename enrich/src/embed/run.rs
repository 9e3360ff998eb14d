//! The run: workers take some texts, ask, and keep each answer before they take the next.

use super::settings::EmbedConfig;
use super::{VectorStore, parse_embeddings};
use crate::server::{Client, Health, Reply, ServerReport, Servers, lock};
use crate::{Error, Result};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// The most bytes of an answer that are read.
const MAX_ANSWER: u64 = 256 << 20;

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Numbers of a vector; 0 if there is none.
    pub width: usize,
    /// `[n_texts, width]`, row-major, in the order of the texts; zeros for those that were refused.
    pub values: Vec<f32>,
    /// Texts that a server will not take, now or later, by their place, with its reason.
    pub refused: BTreeMap<usize, String>,
    /// Texts that were asked about in this run; the others were known, or equal to one of them.
    pub n_asked: usize,
    /// How the servers did.
    pub servers: Vec<ServerReport>,
}

impl EmbedConfig {
    /// The vectors of texts. Those that the store knows are not asked for again, and equal texts are asked for once.
    /// `observe` gets the number of different texts that are done, now and then.
    ///
    /// # Errors
    /// Settings that cannot be used; servers that all fail for longer than `patience`, refuse the key or do not know the
    /// model; texts that fail `max_failures` times; vectors of different widths; a store that cannot be written. What was
    /// paid for until then is in the store.
    pub fn run(
        &self,
        texts: &[impl AsRef<str> + Sync],
        store: &mut VectorStore,
        observe: impl FnMut(usize) + Send,
    ) -> Result<Embedded> {
        let endpoints = self.endpoints()?;
        let keys: Vec<String> = texts.iter().map(|text| VectorStore::key(&self.model, text.as_ref())).collect();
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (text, key) in keys.iter().enumerate() {
            first.entry(key).or_insert(text);
        }
        let mut new: Vec<usize> = first.iter().filter(|(key, _)| store.place(key).is_none()).map(|(_, &t)| t).collect();
        new.sort_unstable();
        let width = match keys.iter().find_map(|key| store.place(key)) {
            Some(place) => store.reader()?.read(place)?.len(),
            None => 0,
        };
        let (n_known, n_asked) = (first.len() - new.len(), new.len());
        let tasks: VecDeque<Vec<usize>> = new.chunks(self.batch.max(1)).map(<[usize]>::to_vec).collect();
        let n_workers = self.concurrency.max(1).saturating_mul(endpoints.len()).min(tasks.len());
        let outcomes = Outcomes { store, observe, width, refused: BTreeMap::new(), n_done: n_known };
        let run = Run {
            config: self,
            client: Client::new(self.api_key.clone(), self.timeout, self.concurrency.max(1)),
            servers: Servers::new(&self.servers, self.concurrency, &self.backoff, self.patience),
            endpoints,
            texts: texts.iter().map(AsRef::as_ref).collect(),
            keys: &keys,
            tasks: Mutex::new(tasks),
            outcomes: Mutex::new(outcomes),
        };
        let worked = run.servers.work(n_workers, || run.work());
        let servers = run.servers.reports();
        let outcomes = run.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcomes.store.sync()?;
        worked?;
        let Outcomes { store, refused, width, .. } = outcomes;
        let mut embedded =
            Embedded { width, values: vec![0.0; texts.len() * width], refused: BTreeMap::new(), n_asked, servers };
        let mut reader = store.reader()?;
        for (text, key) in keys.iter().enumerate() {
            let Some(place) = store.place(key) else {
                let reason = first.get(key.as_str()).and_then(|text| refused.get(text)).cloned();
                embedded.refused.insert(text, reason.unwrap_or_default());
                continue;
            };
            let vector = reader.read(place)?;
            if vector.len() != width {
                let message =
                    format!("vectors of {} and {width} numbers; remove this file, or name another", vector.len());
                return Err(Error::file(store.path(), message));
            }
            embedded.values[text * width..][..width].copy_from_slice(&vector);
        }
        Ok(embedded)
    }
}

/// What workers share.
struct Run<'a, F> {
    config: &'a EmbedConfig,
    client: Client,
    servers: Servers,
    endpoints: Vec<String>,
    texts: Vec<&'a str>,
    keys: &'a [String],
    tasks: Mutex<VecDeque<Vec<usize>>>,
    outcomes: Mutex<Outcomes<'a, F>>,
}

/// What came of one request and its retries.
enum Outcome {
    Vectors(Vec<Vec<f32>>),
    Rejected(String),
    Stopped,
}

impl<F: FnMut(usize) + Send> Run<'_, F> {
    fn work(&self) -> Result<()> {
        loop {
            let Some(batch) = lock(&self.tasks).pop_front() else { return Ok(()) };
            match self.answer(&batch)? {
                Outcome::Vectors(vectors) => lock(&self.outcomes).keep(&batch, &vectors, self.keys)?,
                // One text may be at fault for all: each half is asked for on its own, by this worker or another.
                Outcome::Rejected(_) if batch.len() > 1 => {
                    let (one, other) = batch.split_at(batch.len() / 2);
                    lock(&self.tasks).extend([one.to_vec(), other.to_vec()]);
                }
                Outcome::Rejected(reason) => lock(&self.outcomes).refuse(batch[0], reason),
                Outcome::Stopped => return Ok(()),
            }
        }
    }

    /// Asks until there are vectors, a reason to give up, or the run is stopped.
    fn answer(&self, batch: &[usize]) -> Result<Outcome> {
        let config = self.config;
        let input: Vec<&str> = batch.iter().map(|&text| self.texts[text]).collect();
        let body =
            json!({ "model": config.model, "input": input, "encoding_format": "float" }).to_string().into_bytes();
        let jitter = batch[0] as u64;
        let (mut n_failed, mut avoid) = (0, None);
        loop {
            let Some(server) = self.servers.acquire(avoid)? else { return Ok(Outcome::Stopped) };
            avoid = Some(server);
            let parse = |body: &[u8]| {
                let vectors = parse_embeddings(body, batch.len())?;
                lock(&self.outcomes).hold_to_width(vectors)
            };
            let (health, fault) = match self.client.post(&self.endpoints[server], &body, MAX_ANSWER, parse) {
                Reply::Answer(vectors) => {
                    self.servers.release(server, Health::Good);
                    return Ok(Outcome::Vectors(vectors));
                }
                Reply::Rejected(reason) => {
                    self.servers.release(server, Health::Good);
                    return Ok(Outcome::Rejected(reason));
                }
                Reply::Failed { reason, wait } => {
                    n_failed += 1;
                    (Health::Failed { reason: reason.clone(), wait }, reason)
                }
                Reply::Unreachable(reason) => (Health::Failed { reason: reason.clone(), wait: None }, reason),
                Reply::Unusable(reason) => (Health::Unusable(reason.clone()), reason),
            };
            self.servers.release(server, health);
            if n_failed >= config.max_failures.max(1) {
                let (path, n) = (lock(&self.outcomes).store.path().to_path_buf(), batch.len());
                let message =
                    format!("{n} texts failed {n_failed} times, the last at {}: {fault}", config.servers[server]);
                return Err(Error::file(path, format!("{message}; see to it and start again, what came is kept here")));
            }
            self.servers.pause(config.backoff.wait(jitter, n_failed.max(1)));
        }
    }
}

/// What has come of the texts; one worker at a time writes here.
struct Outcomes<'a, F> {
    store: &'a mut VectorStore,
    observe: F,
    /// Numbers of a vector; 0 before the first.
    width: usize,
    refused: BTreeMap<usize, String>,
    n_done: usize,
}

impl<F: FnMut(usize)> Outcomes<'_, F> {
    /// The first answer decides how wide all are.
    fn hold_to_width(&mut self, vectors: Vec<Vec<f32>>) -> std::result::Result<Vec<Vec<f32>>, String> {
        let found = vectors.first().map_or(0, Vec::len);
        let width = if self.width == 0 { found } else { self.width };
        if found != width {
            return Err(format!(
                "vectors of {found} numbers where others have {width}; if those are wrong, remove the file"
            ));
        }
        self.width = width;
        Ok(vectors)
    }

    fn keep(&mut self, batch: &[usize], vectors: &[Vec<f32>], keys: &[String]) -> Result<()> {
        batch.iter().zip(vectors).try_for_each(|(&text, vector)| self.store.append(&keys[text], vector))?;
        self.count(batch.len());
        Ok(())
    }

    fn refuse(&mut self, text: usize, reason: String) {
        self.refused.insert(text, reason);
        self.count(1);
    }

    fn count(&mut self, n: usize) {
        self.n_done += n;
        (self.observe)(self.n_done);
    }
}
