//! The run: what a model says about each item's picture.

use super::answer::accept;
use super::asking::{Ask, Asked, Asking};
use super::completion::Completion;
use super::journal::Journal;
use super::question::Question;
use super::settings::DescribeConfig;
use super::{AnswerKind, ImageFolder, Item, Items, Progress, Tokens, output};
use crate::Result;
use crate::features::Source;
use crate::server::{CrewConfig, Dialect, ServerReport, Tries};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

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
    asked: Asked,
}

impl Described {
    /// Writes a line for each item, in the catalogue's order: `id` and `text`, and for the prompt `attributes` the object
    /// as well; an item without text has `"text": null` and a `reason`. Beside it, its [`Source`].
    ///
    /// # Errors
    /// If the file cannot be written, which leaves the old one in place, or the catalogue has changed meanwhile.
    pub fn write(&self, path: impl AsRef<Path>, items: &Items, journal: &Journal) -> Result<()> {
        output::write(path.as_ref(), items, journal, &self.asked.places, self.kind)?;
        self.source.write_beside(path)
    }

    /// What answers had to be.
    pub fn kind(&self) -> AnswerKind {
        self.kind
    }

    /// Whether anything is described, now or before, of what was asked about.
    ///
    /// # Errors
    /// Nothing is: every item is quarantined.
    pub fn check_any(&self) -> Result<()> {
        self.asked.check_any(DescribeConfig::DONE)
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
        let asking = Asking {
            model: &self.model,
            crew: CrewConfig {
                servers: &self.servers,
                endpoints: self.endpoints()?,
                api_key: self.api_key.as_ref(),
                concurrency: self.concurrency,
                timeout: self.timeout,
                backoff: &self.backoff,
                patience: self.patience,
            },
            picture: &self.picture,
            max_failures: self.max_failures,
            max_unfit: self.max_unfit,
            retry_quarantined: self.retry_quarantined,
            limit: self.limit,
        };
        let asked = asking.run(self, items, images, journal, observe)?;
        let Asked { progress, faults, servers, .. } = asked.clone();
        Ok(Described { progress, faults, servers, kind: self.prompt.kind(), source: self.source(), asked })
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

impl Ask for DescribeConfig {
    type Answer = Completion;

    const DONE: &'static str = "described";

    fn question(&self, item: &Item, _: bool) -> (String, String) {
        self.question_of(item)
    }

    fn without_picture(&self, _: &Item) -> std::result::Result<(), String> {
        Err("image: no file for it in the folder".to_string())
    }

    fn body(&self, text: &str, jpeg: Option<&[u8]>, tries: &Tries, dialect: &Dialect) -> Vec<u8> {
        let temperature = if tries.n_unfit == 0 { self.temperature } else { self.temperature.max(WARM) };
        let (model, max_tokens) = (self.model.as_str(), self.max_tokens);
        Question { model, text, jpeg, max_tokens, temperature }.body(dialect)
    }

    fn parse(&self, body: &[u8]) -> std::result::Result<Completion, String> {
        Completion::parse(body)
    }

    fn judge(&self, completion: Completion) -> (Tokens, std::result::Result<String, String>) {
        (completion.tokens, accept(&completion, self.prompt.kind(), self.validation))
    }
}
