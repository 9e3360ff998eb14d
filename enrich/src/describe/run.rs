//! The run: every item without a record is asked about, and what comes of it is written down before the next is taken.

use super::answer::accept;
use super::completion::Completion;
use super::folder::read_picture;
use super::journal::{Journal, Record};
use super::outcomes::Outcomes;
use super::question::Question;
use super::settings::DescribeConfig;
use super::{
    AnswerKind, ImageFolder, Item, ItemLines, Items, NO_RECORD, PictureSettings, Progress, Tokens, output,
    prepare_picture,
};
use crate::digest::hash;
use crate::features::Source;
use crate::server::{Crew, CrewConfig, Dialect, Outcome, ServerReport, Tries, Work, is_about_content, lock};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::iter::Enumerate;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// After an answer that cannot be kept, chance decides on the next.
const WARM: f32 = 0.7;

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Described {
    /// Where it stands.
    pub progress: Progress,
    /// How often each fault led to quarantine in this run, by the fault's name.
    pub faults: BTreeMap<String, usize>,
    /// How the servers did.
    pub servers: Vec<ServerReport>,
    kind: AnswerKind,
    source: Source,
    places: Vec<u64>,
    has_texts: bool,
}

impl Described {
    /// Writes a line for each item, in the catalogue's order: `id` and `text`, and for the prompt `attributes` the object
    /// as well; an item without text has `"text": null` and a `reason`. Beside it, its [`Source`].
    ///
    /// # Errors
    /// If the file cannot be written, which leaves the old one in place, or the catalogue has changed meanwhile.
    pub fn write(&self, path: impl AsRef<Path>, items: &Items, journal: &Journal) -> Result<()> {
        output::write(path.as_ref(), items, journal, &self.places, self.kind)?;
        self.source.write_beside(path)
    }

    /// Whether anything is described, now or before, of what was asked about.
    ///
    /// # Errors
    /// Nothing is: every item is quarantined.
    pub fn check_any(&self) -> Result<()> {
        let n = self.progress.n_quarantined + self.progress.n_before;
        if self.has_texts || self.progress.n_described > 0 || n == 0 {
            return Ok(());
        }
        let why = self.faults.iter().max_by_key(|(_, n)| **n).map_or("found before", |(fault, _)| fault.as_str());
        let message = format!(
            "not one of {n} items is described, all are quarantined, most for this reason: {why}; mend that and ask again \
             (--retry-quarantined)"
        );
        Err(Error::Data(message))
    }
}

impl DescribeConfig {
    /// Describes every item that the journal does not know yet, and calls `observe` after each one; that may end the run
    /// with `Break`, once the requests in flight are answered.
    ///
    /// # Errors
    /// Settings and files that cannot be used; servers that all fail for longer than `patience`, refuse the key or do not
    /// know the model; a journal that cannot be written. What was described until then is in the journal.
    pub fn run(
        &self,
        items: &Items,
        images: &ImageFolder,
        journal: &mut Journal,
        observe: impl FnMut(&Progress) -> ControlFlow<()> + Send,
    ) -> Result<Described> {
        let crew = Crew::new(CrewConfig {
            servers: &self.servers,
            endpoints: self.endpoints()?,
            api_key: self.api_key.as_ref(),
            concurrency: self.concurrency,
            timeout: self.timeout,
            backoff: &self.backoff,
            patience: self.patience,
        })?;
        let outcomes = Outcomes {
            journal,
            observe,
            places: vec![NO_RECORD; items.n_items()],
            progress: Progress { n_items: items.n_items(), ..Progress::default() },
            faults: BTreeMap::new(),
            has_texts: false,
            held: Vec::new(),
            is_ended: false,
            start: Instant::now(),
        };
        let describing = Describing {
            config: self,
            images,
            items: Mutex::new(items.iter()?.enumerate()),
            n_left: Mutex::new(self.limit.unwrap_or(usize::MAX)),
            outcomes: Mutex::new(outcomes),
        };
        let worked = crew.run(&describing, items.n_items());
        let mut outcomes = describing.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let settled = if worked.is_ok() { outcomes.settle().map(drop) } else { Ok(()) };
        outcomes.journal.sync()?;
        worked.and(settled)?;
        let (servers, kind, source) = (crew.reports(), self.prompt.kind(), self.source());
        let Outcomes { progress, faults, places, has_texts, .. } = outcomes;
        Ok(Described { progress, faults, servers, kind, source, places, has_texts })
    }

    /// What the journal knows about the items, without asking anybody: the result of a run that ended with an error.
    ///
    /// # Errors
    /// Settings and files that cannot be used.
    pub fn known(&self, items: &Items, images: &ImageFolder, journal: &mut Journal) -> Result<Described> {
        let nobody = Self { limit: Some(0), retry_quarantined: false, ..self.clone() };
        nobody.run(items, images, journal, |_| ControlFlow::Continue(()))
    }
}

/// The work: items, and what comes of them.
struct Describing<'a, F> {
    config: &'a DescribeConfig,
    images: &'a ImageFolder,
    items: Mutex<Enumerate<ItemLines>>,
    /// How many items may still be asked about.
    n_left: Mutex<usize>,
    outcomes: Mutex<Outcomes<'a, F>>,
}

/// An item's request, but for its picture.
pub(super) struct Job {
    pub(super) index: usize,
    text: String,
    pub(super) record: Record,
    picture: Picture,
}

/// An item's picture on its way into a request.
enum Picture {
    /// The bytes of the file, and its name.
    File(Vec<u8>, String),
    /// Made ready.
    Jpeg(Vec<u8>),
    /// What is wrong with it.
    Bad(String),
}

impl<F: FnMut(&Progress) -> ControlFlow<()> + Send> Work for Describing<'_, F> {
    type Job = Job;
    type Answer = Completion;
    type Kept = String;

    const MAX_ANSWER: u64 = 4 << 20;

    /// The next item without a record.
    fn next(&self) -> Result<Option<Job>> {
        loop {
            // Pictures are read while others take their items.
            let Some((index, item)) = lock(&self.items).next() else { return Ok(None) };
            let job = self.job(index, item?);
            if !lock(&self.outcomes).is_new(&job, self.config.retry_quarantined) {
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
        job.picture.ready(&self.config.picture)
    }

    fn body(&self, job: &Job, tries: &Tries, dialect: &Dialect) -> Vec<u8> {
        let config = self.config;
        let temperature = if tries.n_unfit == 0 { config.temperature } else { config.temperature.max(WARM) };
        let (model, max_tokens, jpeg) = (config.model.as_str(), config.max_tokens, job.picture.bytes());
        Question { model, text: &job.text, jpeg, max_tokens, temperature }.body(dialect)
    }

    fn parse(&self, _: &Job, body: &[u8]) -> std::result::Result<Completion, String> {
        Completion::parse(body)
    }

    fn judge(&self, job: &mut Job, completion: Completion) -> std::result::Result<String, String> {
        job.record.tokens += completion.tokens;
        accept(&completion, self.config.prompt.kind(), self.config.validation)
    }

    /// While nobody is answered at all, the servers are to blame rather than the item, up to a point: one that brings its
    /// server down each time must not hold up the others for ever. Of a server that has too much to do no item is to blame,
    /// unless others are answered all the time.
    fn gives_up(&self, tries: &Tries, is_alone: bool) -> bool {
        let most = self.config.max_failures.max(1);
        tries.n_unfit >= self.config.max_unfit.max(1)
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

impl<F> Describing<'_, F> {
    fn job(&self, index: usize, item: Item) -> Job {
        let picture = match self.images.find(&item) {
            None => Picture::Bad("image: no file for it in the folder".to_string()),
            Some(path) => {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                match read_picture(&path, self.config.picture.max_bytes) {
                    Ok(bytes) => Picture::File(bytes, name),
                    Err(what) => Picture::Bad(format!("image: {name}: {what}")),
                }
            }
        };
        let (text, prompt) = self.config.question(&item);
        let image = if let Picture::File(bytes, _) = &picture { hash(&[bytes]) } else { String::new() };
        let model = self.config.model.clone();
        let (tokens, attempts) = (Tokens::default(), 0);
        let record = Record { item: item.id, prompt, model, image, text: None, quarantined: None, tokens, attempts };
        Job { index, text, record, picture }
    }
}

impl Picture {
    /// Makes the picture what servers get. The file, decoded, checked and scaled once, is not kept.
    fn ready(&mut self, settings: &PictureSettings) -> std::result::Result<(), String> {
        if let Self::File(bytes, name) = self {
            *self = match prepare_picture(bytes, settings) {
                Ok(jpeg) => Self::Jpeg(jpeg),
                Err(what) => Self::Bad(format!("image: {name}: {what}")),
            };
        }
        match self {
            Self::Jpeg(_) | Self::File(..) => Ok(()),
            Self::Bad(what) => Err(what.clone()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Jpeg(bytes) | Self::File(bytes, _) => bytes,
            Self::Bad(_) => &[],
        }
    }
}
