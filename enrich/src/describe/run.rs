//! The description run over a catalogue.

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

/// Minimum temperature after an unfit answer, so that the next answer is a different one.
const WARM: f32 = 0.7;

/// Result of a run.
#[derive(Debug, Clone)]
pub struct Described {
    /// Progress at the end of the run.
    pub progress: Progress,
    /// Number of items quarantined in this run, by name of the fault.
    pub faults: BTreeMap<String, usize>,
    /// Statistics of each server.
    pub servers: Vec<ServerReport>,
    kind: AnswerKind,
    source: Source,
    asked: Asked,
}

impl Described {
    /// Writes a line for each item in catalogue order: `id` and `text`, and for the prompt `attributes` the object as
    /// well. An item without text has `"text": null` and a `reason`. The [`Source`] is written beside the file.
    ///
    /// # Errors
    /// If the file cannot be written, which leaves the old one in place, or the catalogue has changed meanwhile; if the
    /// old one was edited ([`Source::check_unchanged`]).
    pub fn write(&self, path: impl AsRef<Path>, items: &Items, journal: &Journal) -> Result<()> {
        let path = path.as_ref();
        // Asking takes hours, in which somebody may have edited it.
        Source::check_unchanged(path)?;
        Source::forget_hash(path)?;
        output::write(path, items, journal, &self.asked.places, self.kind)?;
        self.source.write_with_hash(path)
    }

    /// Returns the expected form of answers.
    pub fn kind(&self) -> AnswerKind {
        self.kind
    }

    /// Checks that at least one of the items is described, in this run or before.
    ///
    /// # Errors
    /// If every item is quarantined.
    pub fn check_any(&self) -> Result<()> {
        self.asked.check_any(DescribeConfig::DONE)
    }
}

impl DescribeConfig {
    /// Describes every item that the journal does not know yet, and calls `observe` after each one. `Break` from
    /// `observe` ends the run once the requests in flight are answered.
    ///
    /// # Errors
    /// If a setting or file cannot be used, all servers fail for longer than `patience`, reject the key or do not know
    /// the model, or the journal cannot be written. Descriptions up to then are in the journal.
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

    /// Returns what the journal knows about the items without sending any request: the result of a run that ended with
    /// an error.
    ///
    /// # Errors
    /// If a setting or file cannot be used.
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
