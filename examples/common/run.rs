//! One model trained and measured: the same way in every program.

use super::files::write_json;
use super::progress::Progress;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::Path;
use viral::data::Dataset;
use viral::eval::Metrics;
use viral::model::{Model, ModelConfig};
use viral::nn::Init;
use viral::prelude::Device;
use viral::report::Table;
use viral::train::{Checkpoint, Event, Fit, TrainState, TrainerConfig};
use viral::{Error, Result};

/// Where metrics are cut off.
pub(crate) const CUTOFFS: [usize; 4] = [5, 10, 20, 50];

/// How long an epoch took. Checkpoints hold no times, so that equal runs are equal files; these lie beside them.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Seconds {
    pub(crate) train: f64,
    pub(crate) evaluation: f64,
}

impl Seconds {
    /// Of an epoch; 0 when there is none.
    pub(crate) fn mean(epochs: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| epochs.iter().map(of).sum::<f64>() / epochs.len().max(1) as f64;
        Self { train: mean(|s| s.train), evaluation: mean(|s| s.evaluation) }
    }
}

/// A trained model and its figures.
pub(crate) struct Run {
    pub(crate) fit: Fit<Model>,
    pub(crate) seconds: Vec<Seconds>,
    pub(crate) valid: Metrics,
    pub(crate) test: Metrics,
}

impl Run {
    /// All epochs together, evaluation included.
    pub(crate) fn total_seconds(&self) -> f64 {
        self.seconds.iter().map(|s| s.train + s.evaluation).sum()
    }
}

/// Trains a model, and measures the best epoch's on valid and test.
///
/// With a folder, `checkpoint.safetensors` and `seconds.json` are written there after each epoch; `resume` takes them up.
pub(crate) fn train(
    label: &str,
    config: &ModelConfig,
    trainer: &TrainerConfig,
    data: &Dataset,
    device: &Device,
    folder: Option<&Path>,
    resume: bool,
) -> Result<Run> {
    let model = config.init(&data.train, &mut Init::new(trainer.seed, device))?;
    let checkpoint = Checkpoint::new(config, trainer, &data.fingerprint())?;
    let files = folder.map(|folder| (folder.join("checkpoint.safetensors"), folder.join("seconds.json")));
    let (state, mut seconds) = match &files {
        Some((path, seconds)) if resume => {
            if !path.exists() {
                let message =
                    "there is no such checkpoint; leave out --resume to start a run, or give the --out of one";
                return Err(Error::File { path: path.clone(), message: message.to_string() });
            }
            let state = checkpoint.load(path, model)?;
            // Times are no part of the result: whatever is missing counts as 0.
            let text = std::fs::read_to_string(seconds).unwrap_or_default();
            let mut seconds: Vec<Seconds> = serde_json::from_str(&text).unwrap_or_default();
            seconds.resize(state.history.len(), Seconds::default());
            (state, seconds)
        }
        _ => (TrainState::new(model, trainer), Vec::new()),
    };
    let mut progress = Progress::new(label, trainer, &state.history);
    let fit = trainer.fit_from(state, &data.train, &data.valid, device, |event| {
        match event {
            Event::Step { epoch, step, n_steps } => progress.step(epoch, step, n_steps),
            Event::Epoch { report, state } => {
                progress.epoch(report);
                seconds.push(Seconds { train: report.train_seconds, evaluation: report.eval_seconds });
                if let Some((path, seconds_path)) = &files {
                    checkpoint.save(path, state)?;
                    write_json(seconds_path, &seconds)?;
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    });
    progress.finish();
    let fit = fit?;
    let (vectors, seen) = (fit.embeddings(), &data.train.interactions);
    let valid = vectors.evaluate(seen, &data.valid, &CUTOFFS)?;
    let test = vectors.evaluate(seen, &data.test, &CUTOFFS)?;
    Ok(Run { fit, seconds, valid, test })
}

/// One line on what there is to learn from.
pub(crate) fn describe(data: &Dataset) -> String {
    let n = data.counts();
    format!(
        "{}: {} users, {} items, {} train, {} valid and {} test pairs; {}",
        data.name,
        n.n_users,
        n.n_items,
        n.n_train,
        n.n_valid,
        n.n_test,
        data.features()
    )
}

/// Models side by side on the test part.
pub(crate) struct Results(Table);

impl Results {
    pub(crate) fn new(first: &str) -> Self {
        Self(Table::new([first, "R@10", "R@20", "N@10", "N@20", "epochs", "seconds"]))
    }

    pub(crate) fn row(&mut self, name: &str, run: &Run) {
        let figures = [("recall", 10), ("recall", 20), ("ndcg", 10), ("ndcg", 20)];
        let figures =
            figures.map(|(metric, k)| run.test.get(metric, k).map_or_else(String::new, |m| format!("{m:.4}")));
        let (epochs, seconds) = match run.fit.history.len() {
            0 => ("–".to_string(), "–".to_string()),
            n => (n.to_string(), format!("{:.1}", run.total_seconds())),
        };
        self.0.row([name.to_string()].into_iter().chain(figures).chain([epochs, seconds]));
    }

    pub(crate) fn table(&self) -> &Table {
        &self.0
    }
}
