//! The same bits from the same seed: at any number of threads, and after any interruption.

use crate::support::{trained_models, with};
use burn::tensor::Device;
use rayon::ThreadPoolBuilder;
use std::ops::ControlFlow;
use std::path::Path;
use viral::data::{Dataset, PlantedConfig};
use viral::model::{Model, ModelConfig};
use viral::nn::Init;
use viral::recipe::Recipe;
use viral::serve::Recommender;
use viral::train::{Checkpoint, EpochReport, Event, Fit, TrainState, TrainerConfig};

fn device() -> Device {
    Device::flex().autodiff()
}

fn small() -> Dataset {
    let config = PlantedConfig::new().with_n_users(150).with_n_items(90).with_interactions_per_user(8);
    config.with_d_text(12).with_d_visual(10).generate().data
}

fn trainer(epochs: usize) -> TrainerConfig {
    let mut trainer = with(TrainerConfig::default(), |c| {
        c.epochs = epochs;
        c.batch_size = 256.into();
        c.seed = 5;
    });
    trainer.adam.lr = 1e-2;
    trainer
}

fn fresh(config: &ModelConfig, data: &Dataset, seed: u64) -> Model {
    config.init(&data.train, &mut Init::new(seed, &device())).unwrap()
}

/// What a run leaves behind: the bytes of the saved model, and its history but for the seconds.
#[derive(PartialEq)]
struct Outcome {
    model: Vec<u8>,
    history: String,
    best_epoch: Option<usize>,
}

impl Outcome {
    fn of(fit: &Fit<Model>, config: &ModelConfig, data: &Dataset) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        Recommender::new(&fit.model, config, data).unwrap().save(&path).unwrap();
        let model = std::fs::read(&path).unwrap();
        Self { model, history: history(&fit.history), best_epoch: fit.best_epoch }
    }

    /// Fails saying which part is not the same.
    fn is_that_of(&self, other: &Self, what: &str) {
        assert_eq!(self.history, other.history, "{what}: the history");
        assert_eq!(self.best_epoch, other.best_epoch, "{what}: the best epoch");
        assert!(self.model == other.model, "{what}: the bytes of the saved model");
    }
}

/// As JSON, which is exact for numbers and leaves the seconds out.
fn history(reports: &[EpochReport]) -> String {
    serde_json::to_string(reports).unwrap()
}

/// A whole run, the model's parameters and graphs included.
fn run(config: &ModelConfig, data: &Dataset, trainer: &TrainerConfig, seed: u64) -> Outcome {
    let fit = trainer.fit(fresh(config, data, seed), &data.train, &data.valid, &device()).unwrap();
    assert_eq!(fit.history.len(), trainer.epochs, "{}: all epochs ran", config.name());
    Outcome::of(&fit, config, data)
}

fn in_threads<T: Send>(n: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    pool.install(|| {
        assert_eq!(rayon::current_num_threads(), n);
        work()
    })
}

#[test]
fn one_two_and_three_threads_give_the_same_bits() {
    let (data, trainer) = (small(), trainer(3));
    for name in trained_models() {
        let config = ModelConfig::by_name(name).unwrap();
        let one = in_threads(1, || run(&config, &data, &trainer, 1));
        for n in [2, 3] {
            in_threads(n, || run(&config, &data, &trainer, 1)).is_that_of(&one, &format!("{name}, {n} threads"));
        }
    }
}

/// Large enough for the matrix products, sums and sparse products to be shared out among threads.
#[test]
fn a_catalogue_that_occupies_all_threads_gives_the_same_bits() {
    let planted = PlantedConfig::new().with_n_users(3000).with_n_items(1500);
    let data = planted.with_d_text(96).with_d_visual(96).generate().data;
    let config = ModelConfig::by_name("viral").unwrap();
    let trainer = with(trainer(1), |c| c.batch_size = 2048.into());
    let one = in_threads(1, || run(&config, &data, &trainer, 1));
    for n in [2, 3] {
        in_threads(n, || run(&config, &data, &trainer, 1)).is_that_of(&one, &format!("{n} threads"));
    }
}

/// The scores of a batch against its shared negatives are summed up to the loss: at these sizes by several threads.
#[test]
fn a_batch_of_millions_of_scores_gives_the_same_bits() {
    let data = PlantedConfig::new().with_n_users(1500).with_n_items(1500).generate().data;
    let mut config = ModelConfig::by_name("viral").unwrap();
    for (key, value) in [("shared_negatives", "1400"), ("info_nce_rows", "64"), ("lambda", "0.0")] {
        config.set(key, value).unwrap();
    }
    let trainer = with(trainer(1), |c| c.batch_size = 8192.into());
    let one = in_threads(1, || run(&config, &data, &trainer, 1));
    for n in [2, 3, 2, 3] {
        in_threads(n, || run(&config, &data, &trainer, 1)).is_that_of(&one, &format!("{n} threads"));
    }
}

#[test]
fn a_seed_gives_the_same_bits_and_another_seed_does_not() {
    let (data, trainer) = (small(), trainer(2));
    for name in trained_models() {
        let config = ModelConfig::by_name(name).unwrap();
        let first = run(&config, &data, &trainer, 1);
        run(&config, &data, &trainer, 1).is_that_of(&first, name);
        let other_parameters = run(&config, &data, &trainer, 2);
        assert!(other_parameters.model != first.model, "{name}: another seed of the parameters changes nothing");
        let other_order = run(&config, &data, &with(trainer.clone(), |c| c.seed = 6), 1);
        assert!(other_order.model != first.model, "{name}: another seed of the order changes nothing");
    }
}

/// Trains until `stop` says so, saving a checkpoint after every epoch; the state after that is lost.
fn interrupted(
    config: &ModelConfig,
    data: &Dataset,
    trainer: &TrainerConfig,
    path: &Path,
    stop: impl Fn(&Event<Model>) -> bool,
) {
    let belongs_to = Checkpoint::new(config, trainer, &data.fingerprint()).unwrap();
    let state = TrainState::new(fresh(config, data, 1), trainer);
    let observe = |event: Event<Model>| {
        if let Event::Epoch { state, .. } = &event {
            belongs_to.save(path, state)?;
        }
        Ok(if stop(&event) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    let fit = trainer.fit_from(state, &data.train, &data.valid, &device(), observe).unwrap();
    assert!(fit.history.len() < trainer.epochs, "the run was not interrupted");
}

/// Takes a run up again, into a model whose own parameters are others.
fn resumed(config: &ModelConfig, data: &Dataset, trainer: &TrainerConfig, path: &Path) -> Outcome {
    let belongs_to = Checkpoint::new(config, trainer, &data.fingerprint()).unwrap();
    let state = belongs_to.load(path, fresh(config, data, 99)).unwrap();
    let observe = |_: Event<Model>| Ok(ControlFlow::Continue(()));
    let fit = trainer.fit_from(state, &data.train, &data.valid, &device(), observe).unwrap();
    Outcome::of(&fit, config, data)
}

#[test]
fn a_run_killed_after_any_epoch_and_resumed_gives_the_same_bits() {
    let (data, trainer) = (small(), trainer(4));
    let folder = tempfile::tempdir().unwrap();
    for name in trained_models() {
        let config = ModelConfig::by_name(name).unwrap();
        let whole = in_threads(2, || run(&config, &data, &trainer, 1));
        for killed_after in 0..3 {
            let path = folder.path().join(format!("{name}-{killed_after}"));
            // Before and after the interruption at other numbers of threads, too.
            in_threads(1, || {
                let stop =
                    |event: &Event<Model>| matches!(event, Event::Epoch { report, .. } if report.epoch == killed_after);
                interrupted(&config, &data, &trainer, &path, stop);
            });
            let found = in_threads(3, || resumed(&config, &data, &trainer, &path));
            found.is_that_of(&whole, &format!("{name}, killed after epoch {killed_after}"));
        }
    }
}

/// Noise and masks that are drawn in each step are those of an uninterrupted run, and so is a layer that nothing trains.
#[test]
fn what_mentor_draws_is_the_same_after_an_interruption_and_at_any_number_of_threads() {
    let (data, trainer) = (small(), trainer(2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let config = ModelConfig::Mentor(viral::model::MentorConfig::published());
    let whole = in_threads(2, || run(&config, &data, &trainer, 1));
    in_threads(1, || run(&config, &data, &trainer, 1)).is_that_of(&whole, "one thread");
    let stop = |event: &Event<Model>| matches!(event, Event::Epoch { report, .. } if report.epoch == 0);
    in_threads(1, || interrupted(&config, &data, &trainer, &path, stop));
    in_threads(3, || resumed(&config, &data, &trainer, &path)).is_that_of(&whole, "killed after the first epoch");
}

/// What is drawn anew in each epoch, and what is drawn once and never trained, is the same after an interruption.
#[test]
fn published_forms_resume_with_the_same_bits() {
    let (data, trainer) = (small(), trainer(3));
    let folder = tempfile::tempdir().unwrap();
    for (name, settings) in [("dragon", &[][..]), ("cohesion", &[("edge_dropout", "0.3")][..])] {
        let mut config = Recipe::preset(name, "published").unwrap().model;
        // More than anybody has, so that every row is padded.
        for &(key, value) in [("user_neighbors", "150")].iter().chain(settings) {
            config.set(key, value).unwrap();
        }
        let path = folder.path().join(name);
        let whole = in_threads(2, || run(&config, &data, &trainer, 1));
        let stop = |event: &Event<Model>| matches!(event, Event::Epoch { report, .. } if report.epoch == 0);
        in_threads(1, || interrupted(&config, &data, &trainer, &path, stop));
        in_threads(3, || resumed(&config, &data, &trainer, &path)).is_that_of(&whole, name);
        // The repeats take part.
        config.set("pad_users", "false").unwrap();
        assert_ne!(run(&config, &data, &trainer, 1).history, whole.history, "{name}: padding changes nothing");
    }
}

#[test]
fn a_run_killed_within_an_epoch_resumes_from_the_last_whole_one() {
    let (data, trainer) = (small(), trainer(3));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let config = ModelConfig::by_name("viral").unwrap();
    let whole = run(&config, &data, &trainer, 1);
    let stop = |event: &Event<Model>| matches!(event, Event::Step { epoch: 2, step: 1, .. });
    interrupted(&config, &data, &trainer, &path, stop);
    resumed(&config, &data, &trainer, &path).is_that_of(&whole, "killed in epoch 2");
}

#[test]
fn a_run_killed_after_every_epoch_gives_the_same_bits() {
    let (data, trainer) = (small(), trainer(4));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let config = ModelConfig::by_name("freedom").unwrap();
    let whole = run(&config, &data, &trainer, 1);
    interrupted(&config, &data, &trainer, &path, |event| matches!(event, Event::Epoch { .. }));
    for _ in 1..3 {
        let belongs_to = Checkpoint::new(&config, &trainer, &data.fingerprint()).unwrap();
        let state = belongs_to.load(&path, fresh(&config, &data, 99)).unwrap();
        let observe = |event: Event<Model>| {
            if let Event::Epoch { state, .. } = event {
                belongs_to.save(&path, state)?;
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        };
        trainer.fit_from(state, &data.train, &data.valid, &device(), observe).unwrap();
    }
    resumed(&config, &data, &trainer, &path).is_that_of(&whole, "killed after each epoch");
}

#[test]
fn more_epochs_than_planned_continue_a_finished_run() {
    let data = small();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let config = ModelConfig::by_name("lightgcn").unwrap();
    let whole = run(&config, &data, &trainer(4), 1);
    let stop = |event: &Event<Model>| matches!(event, Event::Epoch { report, .. } if report.epoch == 1);
    interrupted(&config, &data, &trainer(3), &path, stop);
    resumed(&config, &data, &trainer(4), &path).is_that_of(&whole, "planned for 3 epochs, then for 4");
}

/// The epoch at which patience ends is a function of the run, not of its interruptions.
#[test]
fn early_stopping_survives_an_interruption() {
    let data = small();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let config = ModelConfig::by_name("bpr-mf").unwrap();
    let mut trainer = with(trainer(60), |c| c.patience = 3);
    trainer.adam.lr = 5e-2;
    let fit = trainer.fit(fresh(&config, &data, 1), &data.train, &data.valid, &device()).unwrap();
    let (best, ran) = (fit.best_epoch.unwrap(), fit.history.len());
    assert!(ran < 60 && ran == best + 1 + 3, "best epoch {best}, {ran} epochs");
    let whole = Outcome::of(&fit, &config, &data);
    // Within the patience: the best epoch is behind, the end ahead.
    let stop = |event: &Event<Model>| matches!(event, Event::Epoch { report, .. } if report.epoch == best + 1);
    interrupted(&config, &data, &trainer, &path, stop);
    resumed(&config, &data, &trainer, &path).is_that_of(&whole, "killed while patience runs");
}
