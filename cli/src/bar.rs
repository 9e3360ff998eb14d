//! Progress bars on a terminal, occasional lines elsewhere.

use crate::shell::note;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use viral_enrich::describe::{Prices, Progress};

/// A bar of the bytes read so far, on a terminal.
pub(crate) fn bytes() -> ProgressBar {
    bar(0, "{msg} {bar:20} {bytes}/{total_bytes} {bytes_per_sec} {eta} left")
}

fn bar(n: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(n);
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// A bar on a terminal, a line every ten seconds elsewhere.
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
    n: usize,
    prices: Option<Prices>,
    start: Instant,
    shown: Instant,
}

impl Bar {
    pub(crate) fn new(n: usize, prices: Option<Prices>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(n as u64, "{bar:20} {pos}/{len} {msg}"));
        Self { bar, n, prices, start: Instant::now(), shown: Instant::now() }
    }

    /// Shows the progress of a run of descriptions.
    pub(crate) fn show(&mut self, progress: &Progress) {
        let left = progress.seconds_left().map_or_else(|| "?".to_string(), duration);
        let money = self.prices.map_or_else(String::new, |prices| format!(", cost {:.2}", prices.of(progress.tokens)));
        let line = format!(
            "{:.1}/s, {left} left, {} quarantined, {} + {} tokens{money}",
            progress.rate(),
            progress.n_quarantined,
            progress.tokens.input,
            progress.tokens.output,
        );
        if let Some((item, reason)) = &progress.quarantined {
            let fault = format!("quarantined {item}: {reason}");
            self.bar.as_ref().map_or_else(|| note!("{fault}"), |bar| bar.println(&fault));
        }
        self.line(progress.n_done(), line);
    }

    /// Shows how many are done.
    pub(crate) fn count(&mut self, n_done: usize) {
        let rate = n_done as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        let left = duration(self.n.saturating_sub(n_done) as f64 / rate.max(1e-9));
        self.line(n_done, format!("{rate:.0}/s, {left} left"));
    }

    fn line(&mut self, n_done: usize, line: String) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(n_done as u64);
                bar.set_message(line);
            }
            None if self.shown.elapsed() >= Duration::from_secs(10) => {
                self.shown = Instant::now();
                note!("{n_done}/{} {line}", self.n);
            }
            None => {}
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Formats seconds as `42 s`, `3 min`, `2.5 h`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// The progress of training: a bar below a line for each epoch on a terminal, the lines alone elsewhere.
pub(crate) struct TrainingBar {
    run: String,
    bar: Option<ProgressBar>,
}

impl TrainingBar {
    pub(crate) fn new(run: impl Into<String>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(1, "{bar:20} step {pos} of {len}, {elapsed} so far"));
        Self { run: run.into(), bar }
    }

    /// Shows the progress of a training run.
    pub(crate) fn show(&mut self, progress: &viral::recipe::Progress) -> std::ops::ControlFlow<()> {
        if let Some(bar) = &self.bar {
            let (done, all) = progress.steps();
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
        if progress.epoch_is_done() {
            let line = format!("{} {progress}", self.run);
            self.bar.as_ref().map_or_else(|| note!("{line}"), |bar| bar.println(&line));
        }
        std::ops::ControlFlow::Continue(())
    }
}

impl Drop for TrainingBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
