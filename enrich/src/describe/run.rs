//! The run: workers take items, ask, and write each outcome down before they take the next.

use super::answer::accept;
use super::completion::Completion;
use super::folder::read_picture;
use super::journal::{Entry, Journal, Key, Record};
use super::question::Question;
use super::settings::DescribeConfig;
use super::{AnswerKind, ImageFolder, Item, ItemLines, Items, NO_RECORD, Progress, Tokens, output, prepare_picture};
use crate::digest::hash;
use crate::features::Source;
use crate::server::{Client, Health, Reply, ServerReport, Servers, lock};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::iter::Enumerate;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// So many items asked about and not one described: something is wrong with prompt or model, not with the items.
const HOPELESS: usize = 20;

/// The most bytes of an answer that are read.
const MAX_ANSWER: u64 = 4 << 20;

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
        let endpoints = self.endpoints()?;
        let n_workers = self.concurrency.max(1).saturating_mul(endpoints.len());
        let outcomes = Outcomes {
            journal,
            observe,
            places: vec![NO_RECORD; items.n_items()],
            progress: Progress { n_items: items.n_items(), ..Progress::default() },
            faults: BTreeMap::new(),
            has_texts: false,
            start: Instant::now(),
        };
        let run = Run {
            config: self,
            images,
            client: Client::new(self.api_key.clone(), self.timeout, self.concurrency.max(1)),
            servers: Servers::new(&self.servers, self.concurrency, &self.backoff, self.patience),
            endpoints,
            tasks: Mutex::new(Tasks { items: items.iter()?.enumerate(), n_left: self.limit.unwrap_or(usize::MAX) }),
            outcomes: Mutex::new(outcomes),
        };
        let worked = run.servers.work(n_workers.min(items.n_items()), || run.work());
        let servers = run.servers.reports();
        let outcomes = run.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcomes.journal.sync()?;
        worked?;
        let Outcomes { progress, faults, places, .. } = outcomes;
        Ok(Described { progress, faults, servers, kind: self.prompt.kind(), source: self.source(), places })
    }
}

struct Tasks {
    items: Enumerate<ItemLines>,
    /// How many items may still be asked about.
    n_left: usize,
}

/// What workers share.
struct Run<'a, F> {
    config: &'a DescribeConfig,
    images: &'a ImageFolder,
    client: Client,
    servers: Servers,
    endpoints: Vec<String>,
    tasks: Mutex<Tasks>,
    outcomes: Mutex<Outcomes<'a, F>>,
}

/// An item's request, but for its picture.
struct Job {
    index: usize,
    text: String,
    record: Record,
    /// The picture's bytes and its file's name, or what is wrong.
    picture: std::result::Result<(Vec<u8>, String), String>,
}

impl<F: FnMut(&Progress) -> ControlFlow<()> + Send> Run<'_, F> {
    fn work(&self) -> Result<()> {
        while let Some((index, item)) = self.next()? {
            let mut job = self.job(index, item);
            if !lock(&self.outcomes).is_new(&job, self.config.retry_quarantined) {
                continue;
            }
            {
                let mut tasks = lock(&self.tasks);
                if tasks.n_left == 0 {
                    continue;
                }
                tasks.n_left -= 1;
            }
            if !self.answer(&mut job)? {
                return Ok(());
            }
            if lock(&self.outcomes).write(job)?.is_break() {
                self.servers.stop();
            }
        }
        Ok(())
    }

    fn next(&self) -> Result<Option<(usize, Item)>> {
        if self.servers.is_stopped() {
            return Ok(None);
        }
        let next = lock(&self.tasks).items.next();
        next.map(|(index, item)| Ok((index, item?))).transpose()
    }

    fn job(&self, index: usize, item: Item) -> Job {
        let picture = match self.images.find(&item) {
            None => Err("image: no file for it in the folder".to_string()),
            Some(path) => {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                match read_picture(&path, self.config.picture.max_bytes) {
                    Ok(bytes) => Ok((bytes, name)),
                    Err(what) => Err(format!("image: {name}: {what}")),
                }
            }
        };
        let (text, prompt) = self.config.question(&item);
        let image = picture.as_ref().map_or_else(|_| String::new(), |(bytes, _)| hash(&[bytes]));
        let model = self.config.model.clone();
        let (tokens, attempts) = (Tokens::default(), 0);
        let record = Record { item: item.id, prompt, model, image, text: None, quarantined: None, tokens, attempts };
        Job { index, text, record, picture }
    }

    /// Asks until there is a text to keep or a reason to give up; `false` if the run was stopped before.
    fn answer(&self, job: &mut Job) -> Result<bool> {
        let config = self.config;
        let jpeg = match &job.picture {
            Err(what) => Err(what.clone()),
            Ok((bytes, name)) => {
                prepare_picture(bytes, &config.picture).map_err(|what| format!("image: {name}: {what}"))
            }
        };
        // The file itself is not needed while the answer is waited for.
        job.picture = Err(String::new());
        let jpeg = match jpeg {
            Ok(jpeg) => jpeg,
            Err(what) => {
                job.record.quarantined = Some(what);
                return Ok(true);
            }
        };
        let (mut n_failed, mut n_unfit, mut avoid) = (0, 0, None);
        let (most_failed, start) = (config.max_failures.max(1), Instant::now());
        let jitter = u64::from(crc32fast::hash(job.record.item.as_bytes()));
        loop {
            let Some(server) = self.servers.acquire(avoid)? else { return Ok(false) };
            let temperature = if n_unfit == 0 { config.temperature } else { config.temperature.max(WARM) };
            let (model, max_tokens) = (config.model.as_str(), config.max_tokens);
            let question = Question { model, text: &job.text, jpeg: &jpeg, max_tokens, temperature };
            let endpoint = &self.endpoints[server];
            let reply = self.client.post(endpoint, &question.body(), MAX_ANSWER, Completion::parse);
            job.record.attempts += 1;
            avoid = Some(server);
            let fault = match reply {
                Reply::Answer(completion) => {
                    self.servers.release(server, Health::Good);
                    job.record.tokens += completion.tokens;
                    match accept(&completion, config.prompt.kind(), config.validation) {
                        Ok(text) => {
                            job.record.text = Some(text);
                            return Ok(true);
                        }
                        Err(fault) => {
                            n_unfit += 1;
                            fault
                        }
                    }
                }
                Reply::Rejected(reason) => {
                    self.servers.release(server, Health::Good);
                    job.record.quarantined = Some(format!("rejected: {reason}"));
                    return Ok(true);
                }
                Reply::Failed { reason, wait } => {
                    n_failed += 1;
                    self.servers.release(server, Health::Failed { reason: reason.clone(), wait });
                    if n_failed < most_failed {
                        self.servers.pause(config.backoff.wait(jitter, n_failed));
                    }
                    format!("server: {reason}")
                }
                Reply::Unreachable(reason) => {
                    job.record.attempts -= 1;
                    self.servers.release(server, Health::Failed { reason, wait: None });
                    self.servers.pause(config.backoff.wait(jitter, 1));
                    continue;
                }
                Reply::Unusable(reason) => {
                    // The server's fault and none of the item's: it goes to another server, or the run ends.
                    self.servers.release(server, Health::Unusable(reason));
                    self.servers.pause(config.backoff.wait(jitter, 1));
                    continue;
                }
            };
            // While nobody is answered at all, the servers are to blame rather than the item, up to a point: one that
            // brings its server down each time must not hold up the others for ever.
            let is_its_fault = n_failed >= most_failed && self.servers.has_answered_since(start)
                || n_failed >= most_failed.saturating_mul(2);
            if n_unfit >= config.max_unfit.max(1) || is_its_fault {
                job.record.quarantined = Some(fault);
                return Ok(true);
            }
        }
    }
}

/// What has come of the items; one worker at a time writes here.
struct Outcomes<'a, F> {
    journal: &'a mut Journal,
    observe: F,
    /// Where in the journal each item's record is.
    places: Vec<u64>,
    progress: Progress,
    faults: BTreeMap<String, usize>,
    /// Whether the journal has a text from the same prompt and model.
    has_texts: bool,
    start: Instant,
}

impl<F: FnMut(&Progress) -> ControlFlow<()>> Outcomes<'_, F> {
    /// Whether the item is to be asked about; if not, it is counted as done.
    fn is_new(&mut self, job: &Job, retry_quarantined: bool) -> bool {
        let Record { item, prompt, model, image, .. } = &job.record;
        match self.journal.entry(&Key::new(item, prompt, model, image)) {
            Some(Entry { is_quarantined, offset }) if !(is_quarantined && retry_quarantined) => {
                self.place(job.index, offset);
                self.progress.n_before += 1;
                self.has_texts |= !is_quarantined;
                false
            }
            _ => true,
        }
    }

    fn place(&mut self, index: usize, offset: u64) {
        if let Some(place) = self.places.get_mut(index) {
            *place = offset;
        }
    }

    fn write(&mut self, job: Job) -> Result<ControlFlow<()>> {
        let record = job.record;
        let entry = self.journal.append(&record)?;
        self.place(job.index, entry.offset);
        let progress = &mut self.progress;
        progress.n_requests += u64::from(record.attempts);
        progress.tokens += record.tokens;
        progress.seconds = self.start.elapsed().as_secs_f64();
        progress.quarantined = None;
        match record.quarantined {
            None => progress.n_described += 1,
            Some(reason) => {
                let name = reason.split(':').next().unwrap_or_default().to_string();
                *self.faults.entry(name).or_default() += 1;
                progress.n_quarantined += 1;
                progress.quarantined = Some((record.item, reason));
            }
        }
        let n_asked = progress.n_quarantined - self.faults.get("image").copied().unwrap_or(0);
        if let Some((item, reason)) = &progress.quarantined
            && progress.n_described == 0
            && !self.has_texts
            && n_asked >= HOPELESS
        {
            let message = format!(
                "none of the first {n_asked} items could be described, the last, {item}, for this reason: {reason}; mend \
                 that, and ask for quarantined items again"
            );
            return Err(Error::Data(message));
        }
        Ok((self.observe)(progress))
    }
}
