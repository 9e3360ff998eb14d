//! The run over a catalogue: requests an answer for every item without a record. A worker writes the outcome of an item
//! to the journal before it takes the next. [`Ask`] defines what is asked and what is kept of an answer.

use super::folder::read_picture;
use super::journal::{Journal, Record};
use super::outcomes::Outcomes;
use super::{ImageFolder, Item, ItemLines, Items, NO_RECORD, PictureSettings, Progress, Tokens};
use super::{ServerReport, prepare_picture};
use crate::digest::hash;
use crate::server::{Crew, CrewConfig, Dialect, Outcome, Tries, Work, is_about_content, lock};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::iter::Enumerate;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Defines what is asked about items and what is kept of the answers.
pub(crate) trait Ask: Sync {
    /// A parsed response body.
    type Answer;

    /// Participle for messages about items that have a text in the journal, such as `described`.
    const DONE: &'static str;

    /// Returns the text of the request for an item, and the hash of everything in the request except model and picture.
    /// An item is requested again if and only if its own request has changed.
    fn question(&self, item: &Item, has_picture: bool) -> (String, String);

    /// Whether an item without a picture is requested anyway; `Err` gives the reason if not.
    fn without_picture(&self, item: &Item) -> std::result::Result<(), String>;

    /// Builds the body of a request.
    fn body(&self, text: &str, jpeg: Option<&[u8]>, tries: &Tries, dialect: &Dialect) -> Vec<u8>;

    /// Parses a response body; `Err` counts as a failure of the server.
    fn parse(&self, body: &[u8]) -> std::result::Result<Self::Answer, String>;

    /// Returns the tokens that an answer has cost and the text to keep, or `Err` with the reason if it is unfit.
    fn judge(&self, answer: Self::Answer) -> (Tokens, std::result::Result<String, String>);
}

/// Settings of a run: model, servers, picture preparation and limits.
pub(crate) struct Asking<'a> {
    pub(crate) model: &'a str,
    pub(crate) crew: CrewConfig<'a>,
    pub(crate) picture: &'a PictureSettings,
    pub(crate) max_failures: u32,
    pub(crate) max_unfit: u32,
    pub(crate) retry_quarantined: bool,
    pub(crate) limit: Option<usize>,
}

/// Result of a run.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) progress: Progress,
    /// Number of items quarantined in this run, by name of the fault.
    pub(crate) faults: BTreeMap<String, usize>,
    pub(crate) servers: Vec<ServerReport>,
    /// Journal offset of each item's record.
    pub(crate) places: Vec<u64>,
    has_texts: bool,
}

impl Asked {
    /// Returns an error if every item asked about is quarantined, in this run or before.
    pub(crate) fn check_any(&self, done: &str) -> Result<()> {
        let n = self.progress.n_quarantined + self.progress.n_before;
        if self.has_texts || self.progress.n_described > 0 || n == 0 {
            return Ok(());
        }
        let why = self.faults.iter().max_by_key(|(_, n)| **n).map_or("found before", |(fault, _)| fault.as_str());
        let message = format!(
            "not one of {n} items is {done}, all are quarantined, most for this reason: {why}; mend that and ask again \
             (--retry-quarantined)"
        );
        Err(Error::Data(message))
    }
}

impl Asking<'_> {
    /// Requests an answer for every item that the journal does not know yet, and calls `observe` after each one.
    /// `Break` from `observe` ends the run once the requests in flight are answered.
    ///
    /// # Errors
    /// If a file cannot be used, all servers fail for longer than `patience`, reject the key or do not know the model,
    /// or the journal cannot be written. Results up to then are in the journal.
    pub(crate) fn run<A: Ask>(
        &self,
        ask: &A,
        items: &Items,
        images: &ImageFolder,
        journal: &mut Journal,
        observe: impl FnMut(&Progress) -> ControlFlow<()> + Send,
    ) -> Result<Asked> {
        let crew = Crew::new(&self.crew)?;
        let outcomes = Outcomes {
            journal,
            observe,
            done: A::DONE,
            places: vec![NO_RECORD; items.n_items()],
            progress: Progress { n_items: items.n_items(), ..Progress::default() },
            faults: BTreeMap::new(),
            has_texts: false,
            held: Vec::new(),
            is_ended: false,
            start: Instant::now(),
        };
        let work = Questions {
            asking: self,
            ask,
            images,
            items: Mutex::new(items.iter()?.enumerate()),
            n_left: Mutex::new(self.limit.unwrap_or(usize::MAX)),
            outcomes: Mutex::new(outcomes),
        };
        let worked = crew.run(&work, items.n_items());
        let mut outcomes = work.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let settled = if worked.is_ok() { outcomes.settle().map(drop) } else { Ok(()) };
        outcomes.journal.sync()?;
        worked.and(settled)?;
        let Outcomes { progress, faults, places, has_texts, .. } = outcomes;
        Ok(Asked { progress, faults, servers: crew.reports(), places, has_texts })
    }
}

/// The work shared by the workers: items and their outcomes.
struct Questions<'a, A, F> {
    asking: &'a Asking<'a>,
    ask: &'a A,
    images: &'a ImageFolder,
    items: Mutex<Enumerate<ItemLines>>,
    /// Number of items that may still be requested.
    n_left: Mutex<usize>,
    outcomes: Mutex<Outcomes<'a, F>>,
}

/// The request for an item.
pub(super) struct Job {
    pub(super) index: usize,
    text: String,
    pub(super) record: Record,
    picture: Picture,
}

/// An item's picture on its way into a request.
enum Picture {
    /// Bytes and name of the file.
    File(Vec<u8>, String),
    /// Prepared for sending.
    Jpeg(Vec<u8>),
    /// There is no picture, and none is needed.
    Absent,
    /// Unusable, with the reason.
    Bad(String),
}

impl<A: Ask, F: FnMut(&Progress) -> ControlFlow<()> + Send> Work for Questions<'_, A, F> {
    type Job = Job;
    type Answer = A::Answer;
    type Kept = String;

    const MAX_ANSWER: u64 = 4 << 20;

    /// Returns the next item without a record.
    fn next(&self) -> Result<Option<Job>> {
        loop {
            // The lock on the items is released before the picture is read.
            let Some((index, item)) = lock(&self.items).next() else { return Ok(None) };
            let job = self.job(index, item?);
            if !lock(&self.outcomes).is_new(&job, self.asking.retry_quarantined) {
                continue;
            }
            let mut n_left = lock(&self.n_left);
            if *n_left > 0 {
                *n_left -= 1;
                return Ok(Some(job));
            }
        }
    }

    fn jitter(&self, job: &Job) -> u64 {
        u64::from(crc32fast::hash(job.record.item.as_bytes()))
    }

    fn ready(&self, job: &mut Job) -> std::result::Result<(), String> {
        job.picture.ready(self.asking.picture)
    }

    fn body(&self, job: &Job, tries: &Tries, dialect: &Dialect) -> Vec<u8> {
        self.ask.body(&job.text, job.picture.bytes(), tries, dialect)
    }

    fn parse(&self, _: &Job, body: &[u8]) -> std::result::Result<A::Answer, String> {
        self.ask.parse(body)
    }

    fn judge(&self, job: &mut Job, answer: A::Answer) -> std::result::Result<String, String> {
        let (tokens, kept) = self.ask.judge(answer);
        job.record.tokens += tokens;
        kept
    }

    /// Gives up after `max_unfit` unfit answers or `max_failures` failures. While no server answers anything, the
    /// servers are to blame rather than the item, so twice as many failures are allowed, but no more: an item that
    /// crashes its server each time must not block the others forever. Responses of busy servers count only while
    /// other requests are answered, with ten times the limit.
    fn gives_up(&self, tries: &Tries, is_alone: bool) -> bool {
        let most = self.asking.max_failures.max(1);
        tries.n_unfit >= self.asking.max_unfit.max(1)
            || tries.n_failed >= if is_alone { most.saturating_mul(2) } else { most }
            || !is_alone && tries.n_busy >= most.saturating_mul(10)
    }

    fn finish(&self, job: Job, tries: &Tries, outcome: Outcome<String>) -> Result<ControlFlow<()>> {
        let Job { index, mut record, .. } = job;
        record.attempts = tries.n_requests;
        match outcome {
            Outcome::Kept(text) => record.text = Some(text),
            Outcome::Unfit(fault) => record.quarantined = Some(fault),
            Outcome::Rejected(reason) if is_about_content(&reason) => {
                record.quarantined = Some(format!("refused: {reason}"));
            }
            Outcome::Rejected(reason) => {
                record.quarantined = Some(format!("rejected: {reason}"));
                return lock(&self.outcomes).hold(index, record);
            }
            Outcome::Failed { reason, .. } => record.quarantined = Some(format!("server: {reason}")),
        }
        lock(&self.outcomes).write(index, record)
    }
}

impl<A: Ask, F> Questions<'_, A, F> {
    fn job(&self, index: usize, item: Item) -> Job {
        let picture = match self.images.find(&item) {
            None => match self.ask.without_picture(&item) {
                Ok(()) => Picture::Absent,
                Err(why) => Picture::Bad(why),
            },
            Some(path) => {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                match read_picture(&path, self.asking.picture.max_bytes) {
                    Ok(bytes) => Picture::File(bytes, name),
                    Err(what) => Picture::Bad(format!("image: {name}: {what}")),
                }
            }
        };
        let image = if let Picture::File(bytes, _) = &picture { hash(&[bytes]) } else { String::new() };
        let (text, prompt) = self.ask.question(&item, !image.is_empty());
        let model = self.asking.model.to_string();
        let (tokens, attempts) = (Tokens::default(), 0);
        let record = Record { item: item.id, prompt, model, image, text: None, quarantined: None, tokens, attempts };
        Job { index, text, record, picture }
    }
}

impl Picture {
    /// Prepares the picture for sending, once. The bytes of the file are not kept.
    fn ready(&mut self, settings: &PictureSettings) -> std::result::Result<(), String> {
        if let Self::File(bytes, name) = self {
            *self = match prepare_picture(bytes, settings) {
                Ok(jpeg) => Self::Jpeg(jpeg),
                Err(what) => Self::Bad(format!("image: {name}: {what}")),
            };
        }
        match self {
            Self::Jpeg(_) | Self::File(..) | Self::Absent => Ok(()),
            Self::Bad(what) => Err(what.clone()),
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Jpeg(bytes) | Self::File(bytes, _) => Some(bytes),
            Self::Absent | Self::Bad(_) => None,
        }
    }
}
