//! The stranger's model is as good a citizen as the library's own.

use std::ops::ControlFlow;
use std::path::Path;
use stranger::Chorus;
use viral::burn::module::{Module, ModuleVisitor, Param};
use viral::burn::tensor::{Gradients, Tensor};
use viral::data::{StepKey, splitmix64};
use viral::model::{Batch, parameters};
use viral::prelude::*;
use viral::train::Keep;

fn device() -> Device {
    Device::default().autodiff()
}

/// The built-in catalogue with a third modality, which shows what text and pictures only show together.
fn trio() -> Dataset {
    let planted = PlantedConfig::new().generate();
    let (mut data, synergy) = (planted.data, planted.truth.synergy);
    let noise = |at: usize| (splitmix64(at as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    let heard: Vec<f32> = synergy.items.iter().enumerate().map(|(at, x)| x + 0.5 * noise(at)).collect();
    let audio = ItemFeatures::new(data.n_items(), synergy.d, heard).unwrap();
    data.train.features.insert(Modality::Audio, audio);
    data
}

fn fresh(data: &Dataset, seed: u64) -> Chorus {
    Chorus::new(&data.train, &mut Init::new(seed, &device())).unwrap()
}

fn trainer(epochs: usize) -> TrainerConfig {
    let mut trainer = TrainerConfig::default();
    (trainer.epochs, trainer.batch_size, trainer.seed) = (epochs, 1024.into(), 3);
    trainer.adam.lr = 1e-2;
    trainer
}

struct Missing<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    found: Vec<String>,
}

impl ModuleVisitor for Missing<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.gradients);
        let is_some = gradient.is_some_and(|g| g.into_data().iter::<f32>().any(|x| x != 0.0 && x.is_finite()));
        if !is_some {
            self.found.push(self.path.join("."));
        }
    }
}

#[test]
fn every_parameter_has_a_gradient() {
    let data = trio();
    let model = fresh(&data, 1);
    assert_eq!(parameters(&model).len(), 2 + 3 * 2 + 3 * 2 + 1);
    let triplets = viral::data::Sampler::new(1, 512).epoch(&data.train.interactions, 0).batch(0);
    let loss = |step: usize| {
        let batch = Batch::new(&triplets, StepKey { seed: 1, epoch: 0, step }, &device());
        model.objective(&batch).total()
    };
    let gradients = loss(0).backward();
    let mut missing = Missing { gradients: &gradients, path: Vec::new(), found: Vec::new() };
    model.visit(&mut missing);
    assert!(missing.found.is_empty(), "no gradient reaches {:?}", missing.found);
    // Dropout is keyed: the same step draws the same, another step draws another.
    let value = |step: usize| loss(step).into_scalar::<f32>();
    assert_eq!(value(0), value(0));
    assert_ne!(value(0), value(1));
}

#[test]
fn it_resumes_to_the_same_bits_and_is_saved_and_loaded() {
    let data = trio();
    let mut trainer = trainer(3);
    trainer.keep = Keep::Last;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let run = |state: TrainState<Chorus>, stop_after: usize, path: &Path| {
        let belongs_to = Checkpoint::new(&"chorus", &trainer, &data.fingerprint()).unwrap();
        let fit = trainer.fit_from(state, &data.train, &data.valid, &device(), |event| {
            if let Event::Epoch { report, state, .. } = event {
                belongs_to.save(path, state)?;
                if report.epoch + 1 == stop_after {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        });
        fit.unwrap()
    };
    let whole = run(TrainState::new(fresh(&data, 1), &trainer), 3, &folder.path().join("whole"));
    run(TrainState::new(fresh(&data, 1), &trainer), 1, &path);
    let belongs_to = Checkpoint::new(&"chorus", &trainer, &data.fingerprint()).unwrap();
    let resumed = run(belongs_to.load(&path, fresh(&data, 99)).unwrap(), 3, &path);
    assert_eq!(parameters(&resumed.model), parameters(&whole.model));

    Recommender::new(&whole.model, &"chorus", &data).unwrap().save(folder.path()).unwrap();
    let loaded = Recommender::load(folder.path()).unwrap();
    let restored = loaded.restore(fresh(&data, 7)).unwrap();
    assert_eq!(parameters(&restored), parameters(&whole.model));
    assert_eq!(restored.valid().embed().to_host(), *loaded.embeddings());
    assert_eq!(loaded.recommend("u0007", 10).unwrap().len(), 10);
}

#[test]
fn it_beats_lightgcn() {
    let data = trio();
    let fit = trainer(25).fit(fresh(&data, 1), &data.train, &data.valid, &device()).unwrap();
    let ours = fit.embeddings().evaluate(&data, Part::Test, &[20]).unwrap();
    // As good as it gets: with its own settings, until valid gets no better.
    let lightgcn = Recipe::lightgcn().learning_rate(5e-3).run(&data, &device()).unwrap().test(&[20]).unwrap();
    let difference = paired_bootstrap(&ours, &lightgcn, Metric::Recall, 20, 2000, 0).unwrap();
    println!("recall@20 {:.4}, LightGCN {:.4}, difference {difference:?}", ours.recall(20), lightgcn.recall(20));
    assert!(difference.low > 0.0, "{difference:?}");
}
