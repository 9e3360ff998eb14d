//! Outcomes of items: writes them to the journal one at a time and decides when they must end the run.

use super::Progress;
use super::asking::Job;
use super::journal::{Entry, Journal, Key, Record};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

/// Number of items without any success after which the prompt or the model must be wrong, not the items.
const HOPELESS: usize = 20;

/// Outcomes so far; one worker at a time updates them.
pub(super) struct Outcomes<'a, F> {
    pub(super) journal: &'a mut Journal,
    pub(super) observe: F,
    /// Participle for messages, such as `described`.
    pub(super) done: &'static str,
    /// Journal offset of each item's record.
    pub(super) places: Vec<u64>,
    pub(super) progress: Progress,
    pub(super) faults: BTreeMap<String, usize>,
    /// Whether the journal already has a text for an item from the same prompt and model.
    pub(super) has_texts: bool,
    /// Items that servers rejected before any success: they are to blame only if others succeed.
    pub(super) held: Vec<(usize, Record)>,
    /// Whether `observe` has ended the run.
    pub(super) is_ended: bool,
    pub(super) start: Instant,
}

impl<F: FnMut(&Progress) -> ControlFlow<()>> Outcomes<'_, F> {
    /// Whether the item must be requested; if not, it is counted as done.
    pub(super) fn is_new(&mut self, job: &Job, retry_quarantined: bool) -> bool {
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

    /// Holds back the record of an item that a server rejected. Until something succeeds, the model or the request may
    /// be wrong, and no item is quarantined for it.
    pub(super) fn hold(&mut self, index: usize, record: Record) -> Result<ControlFlow<()>> {
        if self.has_texts || self.progress.n_described > 0 {
            return self.write(index, record);
        }
        self.held.push((index, record));
        if self.held.len() >= HOPELESS {
            self.check_held()?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Returns an error if servers rejected every item so far.
    fn check_held(&self) -> Result<()> {
        let Some((_, Record { item, quarantined, .. })) = self.held.last() else { return Ok(()) };
        if self.is_ended || self.has_texts || self.progress.n_described > 0 {
            return Ok(());
        }
        let (n, reason) = (self.held.len(), quarantined.as_deref().unwrap_or_default());
        let message = format!(
            "none of the first {n} items could be {}, the last, {item}, for this reason: {reason}; mend that and start \
             again, no item is blamed for it",
            self.done
        );
        Err(Error::Data(message))
    }

    /// Writes the records held back, once another item has succeeded.
    ///
    /// # Errors
    /// If servers rejected every item, or the journal cannot be written.
    pub(super) fn settle(&mut self) -> Result<ControlFlow<()>> {
        if !self.has_texts && self.progress.n_described == 0 {
            self.check_held()?;
            return Ok(ControlFlow::Continue(()));
        }
        let mut flow = ControlFlow::Continue(());
        for (index, record) in std::mem::take(&mut self.held) {
            if self.put(index, record)?.is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    }

    pub(super) fn write(&mut self, index: usize, record: Record) -> Result<ControlFlow<()>> {
        let is_text = record.text.is_some();
        let mut flow = self.put(index, record)?;
        if is_text && self.settle()?.is_break() {
            flow = ControlFlow::Break(());
        }
        self.is_ended |= flow.is_break();
        Ok(flow)
    }

    fn put(&mut self, index: usize, record: Record) -> Result<ControlFlow<()>> {
        let entry = self.journal.append(&record)?;
        self.place(index, entry.offset);
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
                "none of the first {n_asked} items could be {}, the last, {item}, for this reason: {reason}; mend \
                 that, and ask for quarantined items again",
                self.done
            );
            return Err(Error::Data(message));
        }
        Ok((self.observe)(progress))
    }
}
