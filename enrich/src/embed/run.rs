//! The embedding run: requests the texts that the store does not know, in batches, and stores each answer at once.

use super::settings::EmbedConfig;
use super::{TextForm, VectorStore, parse_embeddings};
use crate::describe::message;
use crate::server::{Crew, CrewConfig, Dialect, Outcome, ServerReport, Tries, Work, lock};
use crate::{Error, Result};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

/// Number of texts rejected one by one without any accepted, after which the model or the request must be wrong.
const HOPELESS: usize = 20;

/// Result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Width of the vectors; 0 if there are none.
    pub width: usize,
    /// `[n_texts, width]`, row-major, in the order of the texts; zeros for those that were rejected.
    pub values: Vec<f32>,
    /// Reasons of texts that servers reject for good, by index of the text.
    pub refused: BTreeMap<usize, String>,
    /// Number of texts requested in this run; the others were known, or equal to one of them.
    pub n_asked: usize,
    /// Statistics of each server.
    pub servers: Vec<ServerReport>,
}

impl EmbedConfig {
    /// Embeds texts. Texts that the store knows are not requested again, and equal texts are requested once. `observe`
    /// is called now and then with the number of distinct texts done.
    ///
    /// # Errors
    /// If a setting cannot be used, all servers fail for longer than `patience`, reject the key or do not know the
    /// model, texts fail `max_failures` times, none of the texts is accepted, vectors have different widths, or the
    /// store cannot be written. Vectors paid for until then are in the store.
    pub fn run(
        &self,
        texts: &[impl AsRef<str> + Sync],
        store: &mut VectorStore,
        observe: impl FnMut(usize) + Send,
    ) -> Result<Embedded> {
        let crew = Crew::new(&CrewConfig {
            servers: &self.servers,
            endpoints: self.endpoints()?,
            api_key: self.api_key.as_ref(),
            concurrency: self.concurrency,
            timeout: self.timeout,
            backoff: &self.backoff,
            patience: self.patience,
        })?;
        let keys: Vec<String> =
            texts.iter().map(|text| VectorStore::key(&self.model, self.form, text.as_ref())).collect();
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
        let batch = if self.form == TextForm::Messages { 1 } else { self.batch.max(1) };
        let batches: VecDeque<Vec<usize>> = new.chunks(batch).map(<[usize]>::to_vec).collect();
        let n_batches = batches.len();
        let outcomes = Outcomes { store, observe, width, refused: BTreeMap::new(), n_done: n_known, n_known };
        let embedding = Embedding {
            config: self,
            texts: texts.iter().map(AsRef::as_ref).collect(),
            keys: &keys,
            batches: Mutex::new(batches),
            outcomes: Mutex::new(outcomes),
        };
        let worked = crew.run(&embedding, n_batches);
        let servers = crew.reports();
        let outcomes = embedding.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcomes.store.sync()?;
        worked?;
        outcomes.check_refused(1)?;
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

/// The work shared by the workers: batches of texts and their outcomes.
struct Embedding<'a, F> {
    config: &'a EmbedConfig,
    texts: Vec<&'a str>,
    keys: &'a [String],
    batches: Mutex<VecDeque<Vec<usize>>>,
    outcomes: Mutex<Outcomes<'a, F>>,
}

impl<F: FnMut(usize) + Send> Work for Embedding<'_, F> {
    type Job = Vec<usize>;
    type Answer = Vec<Vec<f32>>;
    type Kept = Vec<Vec<f32>>;

    const MAX_ANSWER: u64 = 256 << 20;

    fn next(&self) -> Result<Option<Vec<usize>>> {
        Ok(lock(&self.batches).pop_front())
    }

    fn jitter(&self, batch: &Vec<usize>) -> u64 {
        batch[0] as u64
    }

    fn ready(&self, _: &mut Vec<usize>) -> std::result::Result<(), String> {
        Ok(())
    }

    fn body(&self, batch: &Vec<usize>, _: &Tries, dialect: &Dialect) -> Vec<u8> {
        let model = &self.config.model;
        let mut body = match self.config.form {
            TextForm::Messages => json!({ "model": model, "messages": message(self.texts[batch[0]], None) }),
            TextForm::Input => {
                let input: Vec<&str> = batch.iter().map(|&text| self.texts[text]).collect();
                json!({ "model": model, "input": input })
            }
        };
        dialect.put(&mut body, "encoding_format", "float");
        body.to_string().into_bytes()
    }

    fn parse(&self, batch: &Vec<usize>, body: &[u8]) -> std::result::Result<Vec<Vec<f32>>, String> {
        lock(&self.outcomes).hold_to_width(parse_embeddings(body, batch.len())?)
    }

    fn judge(&self, _: &mut Vec<usize>, vectors: Vec<Vec<f32>>) -> std::result::Result<Vec<Vec<f32>>, String> {
        Ok(vectors)
    }

    fn gives_up(&self, tries: &Tries, is_alone: bool) -> bool {
        let most = self.config.max_failures.max(1);
        tries.n_failed >= most || !is_alone && tries.n_busy >= most.saturating_mul(10)
    }

    fn finish(&self, batch: Vec<usize>, tries: &Tries, outcome: Outcome<Vec<Vec<f32>>>) -> Result<ControlFlow<()>> {
        match outcome {
            Outcome::Kept(vectors) => lock(&self.outcomes).keep(&batch, &vectors, self.keys)?,
            // A single text may be at fault: each half is requested on its own, by this worker or another.
            Outcome::Rejected(_) if batch.len() > 1 => {
                let (one, other) = batch.split_at(batch.len() / 2);
                // Ahead of all others: if every text is rejected, that shows soon.
                let mut batches = lock(&self.batches);
                batches.push_front(other.to_vec());
                batches.push_front(one.to_vec());
            }
            Outcome::Rejected(reason) | Outcome::Unfit(reason) => lock(&self.outcomes).refuse(&batch, &reason)?,
            Outcome::Failed { server, reason } => {
                let (path, n) = (lock(&self.outcomes).store.path().to_path_buf(), batch.len());
                let (n_failed, server) = (tries.n_failed, &self.config.servers[server]);
                let message = format!(
                    "{n} texts failed {n_failed} times, the last at {server}: {reason}; see to it and start again, what \
                     came is kept here"
                );
                return Err(Error::file(path, message));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Outcomes so far; one worker at a time updates them.
struct Outcomes<'a, F> {
    store: &'a mut VectorStore,
    observe: F,
    /// Width of the vectors; 0 before the first.
    width: usize,
    refused: BTreeMap<usize, String>,
    n_done: usize,
    /// Number of texts whose vectors were in the store before.
    n_known: usize,
}

impl<F: FnMut(usize)> Outcomes<'_, F> {
    /// Checks the width of vectors; the first answer fixes it.
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

    fn refuse(&mut self, batch: &[usize], reason: &str) -> Result<()> {
        self.refused.extend(batch.iter().map(|&text| (text, reason.to_string())));
        self.count(batch.len());
        self.check_refused(HOPELESS)
    }

    /// Returns an error if at least `least` texts were rejected and none was accepted, in this run or before.
    fn check_refused(&self, least: usize) -> Result<()> {
        let Some((_, reason)) = self.refused.first_key_value() else { return Ok(()) };
        let n = self.refused.len();
        if n < least || self.n_known > 0 || self.n_done > n {
            return Ok(());
        }
        let message = format!(
            "none of {n} texts is taken; the first is refused for this reason: {reason}; mend that and start again"
        );
        Err(Error::Data(message))
    }

    fn count(&mut self, n: usize) {
        self.n_done += n;
        (self.observe)(self.n_done);
    }
}
