//! Whether a model uses its content, told by training it without.

use std::ops::ControlFlow;
use viral::Error;
use viral::data::Knockout;
use viral::eval::{Metric, paired_bootstrap};
use viral::experiment::{Experiment, Probe, ProbeReport, Selection};
use viral::prelude::*;

/// Pictures say much of who takes what, texts little.
fn catalogue(seed: u64) -> Dataset {
    let planted =
        PlantedConfig::new().with_n_users(400).with_n_items(150).with_interactions_per_user(12).with_seed(seed);
    planted.with_redundant(0.5).with_unique_text(0.5).with_unique_visual(4.0).with_synergy(0.0).generate().data
}

fn vbpr() -> Recipe {
    Recipe::named("vbpr").unwrap().seed(1).epochs(12).learning_rate(2e-2).set("d_embed", "16").unwrap()
}

fn probe(recipe: Recipe, knockouts: &[Knockout], data: &Dataset) -> ProbeReport {
    let folder = tempfile::tempdir().unwrap();
    let mut probe = Probe::new(recipe);
    probe.knockouts = knockouts.to_vec();
    probe.run(data, &Device::flex(), folder.path(), |_| ControlFlow::Continue(())).unwrap()
}

/// Whether the interval of an arm lies below zero.
fn is_worse(report: &ProbeReport, modalities: &[Modality]) -> bool {
    let arm = report.arms.iter().find(|arm| arm.modalities == modalities).unwrap();
    arm.difference.high < 0.0
}

#[test]
fn images_that_are_used_are_told_from_images_that_say_nothing() {
    let (mut right, mut wrong) = (0, Vec::new());
    for seed in 0..10 {
        let with = catalogue(seed);
        let mut without = with.clone();
        without.train.features = with.features().with_knockouts(&[(Modality::Visual, Knockout::Noise)], 77).unwrap();
        for (data, expected) in [(with, true), (without, false)] {
            let report = probe(vbpr(), &[Knockout::Noise], &data);
            match is_worse(&report, &[Modality::Visual]) == expected {
                true => right += 1,
                false => wrong.push((seed, expected, report.to_text())),
            }
        }
    }
    assert_eq!(right, 20, "{wrong:#?}");
}

#[test]
fn a_model_without_content_loses_nothing() {
    let recipe = Recipe::lightgcn().seed(1).epochs(3);
    let report = probe(recipe, Knockout::ALL, &catalogue(1));
    assert_eq!(report.arms.len(), 9);
    assert!(report.arms.iter().all(|arm| arm.difference.mean == 0.0 && arm.p == 1.0));
    let words = report.words();
    assert_eq!(words.matches("these users do not show that anything is lost without").count(), 3, "{words}");
    assert!(!words.contains("the model uses"), "{words}");
    let read: ProbeReport = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(read, report);
}

/// Both modalities say something of their own, and users have few interactions. attribute-knn reads neither.
#[test]
fn permuted_content_costs_every_model_that_uses_content() {
    let planted = PlantedConfig::new().with_n_users(1000).with_n_items(300).with_interactions_per_user(8).with_seed(1);
    let planted = planted.with_redundant(0.5).with_unique_text(2.0).with_unique_visual(2.0).with_synergy(0.0);
    let data = planted.generate().data;
    let permuted = [Modality::Text, Modality::Visual].map(|modality| (modality, Knockout::Permuted));
    let mut blind = data.clone();
    blind.train.features = data.features().with_knockouts(&permuted, 77).unwrap();
    for &name in ModelConfig::NAMES.iter().filter(|name| **name != "attribute-knn") {
        let recipe = Recipe::named(name).unwrap().seed(1).epochs(30).learning_rate(5e-3);
        let [seeing, blind] =
            [&data, &blind].map(|data| recipe.run(data, &Device::flex()).unwrap().test(&[20]).unwrap());
        let loss = paired_bootstrap(&blind, &seeing, Metric::Recall, 20, 2000, 0).unwrap();
        match recipe.model.takes_content() {
            true => assert!(loss.high < 0.0, "{name}: {loss:?}"),
            false => assert_eq!((loss.low, loss.high), (0.0, 0.0), "{name}"),
        }
    }
}

#[test]
fn broken_off_and_taken_up_it_comes_to_the_same() {
    let (data, folder) = (catalogue(2), tempfile::tempdir().unwrap());
    let mut of_vbpr = Probe::new(vbpr().epochs(3));
    of_vbpr.knockouts = vec![Knockout::Permuted];
    let mut steps = 0;
    let broken = of_vbpr.run(&data, &Device::flex(), folder.path(), |_| {
        steps += 1;
        if steps > 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(broken.unwrap().arms.len() < 3);
    let resumed = of_vbpr.run(&data, &Device::flex(), folder.path(), |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(resumed, probe(vbpr().epochs(3), &[Knockout::Permuted], &data));
    // Every arm is a line with data of its own.
    let lines = std::fs::read_to_string(folder.path().join("results.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 4);
    assert!(lines.contains("planted, text permuted, visual permuted"), "{lines}");
}

#[test]
fn probes_that_cannot_be_are_refused() {
    let run = |probe: Probe, data: &Dataset| {
        let folder = tempfile::tempdir().unwrap();
        probe.run(data, &Device::flex(), folder.path(), |_| ControlFlow::Continue(())).unwrap_err()
    };
    let data = catalogue(3);
    let mut twice = Probe::new(vbpr());
    twice.seeds = vec![1, 1];
    assert!(matches!(run(twice, &data), Error::Config(_)));
    let mut none = Probe::new(vbpr());
    none.knockouts.clear();
    assert!(matches!(run(none, &data), Error::Config(_)));
    let mut bare = data.clone();
    bare.train.features = Features::new();
    assert!(matches!(run(Probe::new(vbpr()), &bare), Error::MissingModality { .. }));
    let mut untested = data;
    untested.test = Interactions::from_pairs(untested.n_users(), untested.n_items(), &[]);
    assert!(matches!(run(Probe::new(vbpr()), &untested), Error::Data(_)));
}

#[test]
fn an_experiment_has_rows_with_knockouts() {
    let text = |knockout: &str| {
        format!(
            "name = 'e'\ntraining = {{ epochs = 2 }}\n[[data]]\nname = 'small'\nplanted = {{ n_users = 60, n_items = 40 }}\n\
             [[models]]\nmodel = 'vbpr'\n[[models]]\nmodel = 'vbpr'\nname = 'blind'\nknockout = {knockout}\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let experiment = Experiment::from_toml(&text("{ visual = 'noise' }")).unwrap();
    let mut session = experiment.open("data", folder.path()).unwrap();
    session.run(&Device::flex(), &Selection::all(), |_| ControlFlow::Continue(())).unwrap();
    let report = session.report("viral experiment e.toml").unwrap();
    assert!(report.to_text().contains("blind − vbpr"), "{}", report.to_text());
    let wrong = Experiment::from_toml(&text("{ visual = 'fog' }")).unwrap_err().to_string();
    assert!(wrong.contains("fog") && wrong.contains("experiment.toml:11"), "{wrong}");
    let audio = Experiment::from_toml(&text("{ audio = 'mean' }")).unwrap();
    assert!(matches!(audio.open("data", folder.path()).unwrap_err(), Error::MissingModality { .. }));
}
