//! Where a run stands, on stderr: a bar on a terminal, a line an epoch elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;
use viral::train::{EpochReport, TrainerConfig};

/// The progress of one run.
pub(crate) struct Progress {
    label: String,
    trainer: TrainerConfig,
    bar: Option<ProgressBar>,
    best: Option<(usize, f64)>,
    /// Epochs of this process and how long they took.
    timed: (f64, f64),
}

impl Progress {
    /// Of a run that has `history` behind it.
    pub(crate) fn new(label: &str, trainer: &TrainerConfig, history: &[EpochReport]) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix} {bar:8} {msg}");
            let bar = ProgressBar::new(1).with_prefix(label.to_string());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        let (label, trainer) = (label.to_string(), trainer.clone());
        let mut progress = Self { label, trainer, bar, best: None, timed: (0.0, 0.0) };
        history.iter().for_each(|report| progress.compare(report));
        progress
    }

    /// A step is done.
    pub(crate) fn step(&self, epoch: usize, step: usize, n_steps: usize) {
        if let Some(bar) = &self.bar {
            bar.set_length((self.end() * n_steps) as u64);
            bar.set_position((epoch * n_steps + step + 1) as u64);
        }
    }

    /// An epoch is done.
    pub(crate) fn epoch(&mut self, report: &EpochReport) {
        self.compare(report);
        self.timed = (self.timed.0 + 1.0, self.timed.1 + report.train_seconds + report.eval_seconds);
        let left = (self.end().saturating_sub(report.epoch + 1)) as f64 * self.timed.1 / self.timed.0;
        let best = self.best.map_or(report.valid, |(_, best)| best);
        let (epoch, loss, valid) = (report.epoch, report.loss, report.valid);
        let line =
            format!("epoch {epoch:>3} loss {loss:.4} valid R@20 {valid:.4} best {best:.4} ≥ {} left", duration(left));
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => eprintln!("{} {line}", self.label),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn compare(&mut self, report: &EpochReport) {
        if self.best.is_none_or(|(_, best)| report.valid > best) {
            self.best = Some((report.epoch, report.valid));
        }
    }

    /// The number of epochs if none is better than the best so far.
    fn end(&self) -> usize {
        (self.best.map_or(0, |(epoch, _)| epoch) + self.trainer.patience + 1).min(self.trainer.epochs)
    }
}

/// `42 s`, `3 min`, `2.5 h`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
