//! The progress of a run, as a line of text.

use crate::train::{EpochReport, Keep, TrainerConfig};
use std::fmt;

/// The progress of a run, which an observer of a [`Runner`](super::Runner) receives after each step and each epoch.
///
/// It displays as a line, such as `epoch  12 loss 0.4711 valid recall@20 0.0934 best 0.0941 at least 38 s left`.
#[derive(Debug, Clone)]
pub struct Progress {
    trainer: TrainerConfig,
    epoch: usize,
    step: usize,
    n_steps: usize,
    last: Option<EpochReport>,
    best: Option<(usize, f64)>,
    /// Number of epochs of this process, and their seconds in total.
    timed: (f64, f64),
    epoch_done: bool,
}

impl Progress {
    pub(crate) fn new(trainer: &TrainerConfig, history: &[EpochReport]) -> Self {
        let mut progress = Self {
            trainer: trainer.clone(),
            epoch: history.len(),
            step: 0,
            n_steps: 0,
            last: history.last().cloned(),
            best: None,
            timed: (0.0, 0.0),
            epoch_done: false,
        };
        history.iter().for_each(|report| progress.compare(report));
        progress
    }

    pub(crate) fn set_step(&mut self, epoch: usize, step: usize, n_steps: usize) {
        (self.epoch, self.step, self.n_steps, self.epoch_done) = (epoch, step + 1, n_steps, false);
    }

    pub(crate) fn set_epoch(&mut self, report: &EpochReport) {
        self.compare(report);
        self.timed = (self.timed.0 + 1.0, self.timed.1 + report.train_seconds + report.eval_seconds);
        (self.epoch, self.epoch_done, self.last) = (report.epoch, true, Some(report.clone()));
    }

    /// The epoch that is running or has just finished, from 0.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// Returns whether an epoch has just finished, and not only a step.
    pub fn epoch_is_done(&self) -> bool {
        self.epoch_done
    }

    /// Steps done, and steps of the whole run if no later epoch is better than the best so far.
    pub fn steps(&self) -> (usize, usize) {
        (self.epoch * self.n_steps + self.step, self.end().saturating_mul(self.n_steps))
    }

    /// The report of the last epoch.
    pub fn last(&self) -> Option<&EpochReport> {
        self.last.as_ref()
    }

    /// Minimum number of seconds left; `None` before the first epoch of this process.
    pub fn seconds_left(&self) -> Option<f64> {
        let done = self.epoch + usize::from(self.epoch_done);
        (self.timed.0 > 0.0).then(|| self.end().saturating_sub(done) as f64 * self.timed.1 / self.timed.0)
    }

    fn compare(&mut self, report: &EpochReport) {
        if let Some(valid) = report.valid
            && self.best.is_none_or(|(_, best)| valid > best)
        {
            self.best = Some((report.epoch, valid));
        }
    }

    /// The number of epochs if no later one is better than the best so far.
    fn end(&self) -> usize {
        match (self.trainer.keep, self.best) {
            (Keep::Best, Some((epoch, _))) => {
                (epoch + 1).saturating_add(self.trainer.patience).min(self.trainer.epochs)
            }
            (Keep::Best, None) => self.trainer.patience.saturating_add(1).min(self.trainer.epochs),
            (Keep::Last, _) => self.trainer.epochs,
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(EpochReport { epoch, loss, valid, .. }) = &self.last else {
            return write!(f, "epoch   0 step {} of {}", self.step, self.n_steps);
        };
        write!(f, "epoch {epoch:>3} loss {loss:.4}")?;
        if let (Some(valid), Some((_, best))) = (valid, self.best) {
            let (monitor, k) = (self.trainer.monitor, self.trainer.monitor_k);
            write!(f, " valid {monitor}@{k} {valid:.4} best {best:.4}")?;
        }
        match self.seconds_left() {
            Some(seconds) if seconds >= 0.5 => {
                let least = if self.trainer.keep == Keep::Best { "at least " } else { "" };
                write!(f, " {least}{} left", duration(seconds))
            }
            _ => Ok(()),
        }
    }
}

/// Formats seconds as `42 s`, `3 min`, `2.5 h`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn report(epoch: usize, valid: Option<f64>) -> EpochReport {
        EpochReport { epoch, loss: 0.5, terms: BTreeMap::new(), valid, train_seconds: 2.0, eval_seconds: 1.0 }
    }

    #[test]
    fn time_left_follows_the_best_epoch_and_is_never_nothing() {
        let trainer = TrainerConfig { epochs: 6, patience: 2, ..TrainerConfig::default() };
        let mut progress = Progress::new(&trainer, &[]);
        progress.set_step(0, 0, 4);
        assert_eq!((progress.steps(), progress.to_string()), ((1, 12), "epoch   0 step 1 of 4".into()));
        progress.set_epoch(&report(0, Some(0.2)));
        let line = "epoch   0 loss 0.5000 valid recall@20 0.2000 best 0.2000 at least 6 s left";
        assert_eq!(progress.to_string(), line);
        progress.set_epoch(&report(1, Some(0.1)));
        progress.set_epoch(&report(2, Some(0.1)));
        assert_eq!(progress.to_string(), "epoch   2 loss 0.5000 valid recall@20 0.1000 best 0.2000");
    }

    #[test]
    fn a_fixed_number_of_epochs_has_an_end() {
        let trainer = TrainerConfig { epochs: 3, keep: Keep::Last, ..TrainerConfig::default() };
        let mut progress = Progress::new(&trainer, &[]);
        progress.set_epoch(&report(0, None));
        assert_eq!(progress.to_string(), "epoch   0 loss 0.5000 6 s left");
    }
}
