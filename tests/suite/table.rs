//! Every model of the table under the two traits, and what it makes of awkward data.

use crate::golden::{gradients, values};
use burn::module::Module;
use burn::tensor::Device;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use viral::data::{Dataset, Interactions, ItemFeatures, PlantedConfig, Sampler, TrainSet, splitmix64};
use viral::eval::top_k;
use viral::model::{
    Batch, FusionPlacement, FusionStrategy, Model, ModelConfig, Recommender, Trainable, ViralConfig, parameters,
};
use viral::nn::Init;
use viral::train::{Adam, AdamConfig, SavedModel, TrainerConfig};

const D_TEXT: usize = 16;

fn device() -> Device {
    Device::flex().autodiff()
}

fn planted() -> Dataset {
    let config = PlantedConfig::new().with_n_users(120).with_n_items(80).with_interactions_per_user(8);
    config.with_d_text(D_TEXT).with_d_visual(D_TEXT).generate().data
}

/// Every model of the table by its defaults.
fn defaults() -> Vec<(String, ModelConfig)> {
    ModelConfig::NAMES.iter().map(|name| (name.to_string(), ModelConfig::by_name(name).unwrap())).collect()
}

const PRESETS: [&str; 4] = ["default", "paper", "reference", "reference-synergy"];

/// Every preset of VIRAL, and every strategy of fusion at each of its places.
fn virals() -> Vec<(String, ModelConfig)> {
    let mut all: Vec<(String, ViralConfig)> =
        PRESETS.iter().map(|name| (format!("preset {name}"), ViralConfig::preset(name).unwrap())).collect();
    let strategies = [
        FusionStrategy::MeanPooling,
        FusionStrategy::Concatenation,
        FusionStrategy::WeightedConcatenation,
        FusionStrategy::InformationAware,
    ];
    for preset in ["default", "reference"] {
        for fusion in strategies {
            for placement in [FusionPlacement::Features, FusionPlacement::Propagated] {
                let config = ViralConfig { fusion, placement, ..ViralConfig::preset(preset).unwrap() };
                all.push((format!("{preset}, {fusion:?} of {placement:?}"), config));
            }
        }
    }
    all.into_iter().map(|(name, config)| (name, ModelConfig::Viral(config))).collect()
}

fn init(config: &ModelConfig, data: &TrainSet) -> Model {
    config.init(data, &mut Init::new(3, &device())).unwrap()
}

fn batch(data: &TrainSet, epoch: usize) -> Batch {
    Batch::new(&Sampler::new(1, 256).epoch(&data.interactions, epoch).batch(0), &device())
}

fn loss(model: &Model, batch: &Batch) -> f32 {
    values(model.objective(batch).total())[0]
}

/// Shapes as they should be, blocks that cover the columns, and no NaN or infinity.
fn check_vectors(what: &str, model: &Model, data: &TrainSet) {
    let z = model.embed();
    let d: usize = z.blocks.iter().map(|block| block.1).sum();
    assert!(d > 0 && z.blocks.iter().all(|block| block.1 > 0), "{what}: blocks {:?}", z.blocks);
    let names: BTreeSet<&str> = z.blocks.iter().map(|block| block.0.as_str()).collect();
    assert_eq!(names.len(), z.blocks.len(), "{what}: two blocks of one name");
    assert_eq!(z.users.dims(), [data.interactions.n_users(), d], "{what}: users");
    assert_eq!(z.items.dims(), [data.interactions.n_items(), d], "{what}: items");
    let all_finite = values(z.users).into_iter().chain(values(z.items)).all(f32::is_finite);
    assert!(all_finite, "{what}: a vector is not finite");
}

/// A finite objective, a finite gradient for every parameter, and one that is not nothing but for parameters that the
/// loss cannot depend on.
fn check_gradients(what: &str, model: &Model, batch: &Batch, may_vanish: &[&str]) {
    let objective = model.objective(batch);
    let names: BTreeSet<&str> = objective.terms().iter().map(|term| term.name).collect();
    assert_eq!(names.len(), objective.terms().len(), "{what}: two terms of one name");
    for term in objective.terms() {
        let value = values(term.value.clone());
        assert!(value.len() == 1 && value[0].is_finite(), "{what}: the term '{}' is {value:?}", term.name);
    }
    let found = gradients(model, &objective.total().backward());
    let all: Vec<String> = parameters(model).into_keys().collect();
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), all, "{what}: parameters that a gradient reaches");
    for (name, gradient) in found {
        let gradient: Vec<f32> = gradient.iter::<f32>().collect();
        assert!(gradient.iter().all(|g| g.is_finite()), "{what}: the gradient of {name} is not finite");
        let some = gradient.iter().any(|&g| g != 0.0) || may_vanish.iter().any(|may| name.ends_with(may));
        assert!(some, "{what}: the gradient of {name} is zero everywhere");
    }
}

/// Thirty steps of Adam lower the loss of a batch by a good part.
fn check_learning(what: &str, model: Model, data: &TrainSet) {
    let fixed = batch(data, 1000);
    let mut adam = Adam::new(AdamConfig { lr: 1e-2, ..AdamConfig::default() });
    let mut model = model;
    model.begin_epoch(1, 0);
    let before = loss(&model, &fixed);
    for step in 0..30 {
        let total = model.objective(&batch(data, step)).total();
        model = adam.step(model, total.backward());
    }
    let after = loss(&model, &fixed);
    assert!(after < 0.97 * before, "{what}: the loss of a batch was {before}, and is {after} after 30 steps");
    check_vectors(what, &model, data);
}

fn check_model(what: &str, config: &ModelConfig, data: &TrainSet) {
    let mut model = init(config, data);
    check_vectors(what, &model, data);
    model.begin_epoch(1, 0);
    let again = init(config, data);
    for (name, value) in parameters(&again) {
        assert_eq!(value, parameters(&model)[&name], "{what}: one seed, other values of {name}");
    }
    if model.num_params() == 0 {
        assert!(model.objective(&batch(data, 0)).terms().is_empty(), "{what}: a loss, and nothing to learn");
        return;
    }
    // A bias that both items of a pair share cancels in their difference.
    check_gradients(what, &model, &batch(data, 0), &["text_head.bias", "visual_head.bias"]);
    check_learning(what, model, data);
}

#[test]
fn every_model_embeds_and_learns() {
    let data = planted().train;
    for (name, config) in defaults() {
        check_model(&name, &config, &data);
    }
}

#[test]
fn every_arrangement_of_viral_embeds_and_learns() {
    let data = planted().train;
    for (name, config) in virals() {
        check_model(&name, &config, &data);
    }
}

#[test]
fn the_blocks_of_viral_are_those_of_its_strategy() {
    let data = planted().train;
    for (name, config) in virals() {
        let ModelConfig::Viral(viral) = &config else { panic!("{name} is no VIRAL") };
        let expected: &[&str] = match viral.fusion {
            FusionStrategy::MeanPooling => &["pooled"],
            FusionStrategy::Concatenation | FusionStrategy::WeightedConcatenation => &["text", "visual"],
            FusionStrategy::InformationAware => &["text", "synergy", "visual"],
        };
        let blocks: Vec<String> = init(&config, &data).embed().blocks.into_iter().map(|block| block.0).collect();
        assert_eq!(blocks, expected, "{name}");
    }
}

#[test]
fn a_saved_model_is_read_back_bit_by_bit_and_recommends() {
    let data = planted();
    let folder = tempfile::tempdir().unwrap();
    for (name, config) in defaults() {
        let trainer = TrainerConfig { epochs: 1, batch_size: 256, ..TrainerConfig::default() };
        let fit = trainer.fit(init(&config, &data.train), &data.train, &data.valid, &device()).unwrap();
        let saved = SavedModel::new(&fit.model, &config, &data).unwrap();
        let path = folder.path().join(&name);
        saved.save(&path).unwrap();
        let read = SavedModel::load(&path).unwrap();
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
        assert_eq!(bits(&read.embeddings.users), bits(&saved.embeddings.users), "{name}: users");
        assert_eq!(bits(&read.embeddings.items), bits(&saved.embeddings.items), "{name}: items");
        assert_eq!(read.embeddings.blocks, saved.embeddings.blocks, "{name}");
        assert_eq!(read.parameters, parameters(&fit.model), "{name}: parameters");
        assert_eq!((&read.seen, &read.data), (&data.train.interactions, &data.name), "{name}");
        assert_eq!((&read.user_ids, &read.item_ids), (&data.user_ids, &data.item_ids), "{name}");
        assert_eq!(read.titles, data.titles, "{name}");
        assert_eq!(serde_json::from_value::<ModelConfig>(read.config.clone()).unwrap(), config, "{name}: settings");
        let again = folder.path().join("again");
        read.save(&again).unwrap();
        assert!(
            std::fs::read(&path).unwrap() == std::fs::read(&again).unwrap(),
            "{name}: the same file when saved again"
        );

        for user in ["u0000", "u0119"] {
            let found = read.recommend(user, 10).unwrap();
            assert_eq!(found, saved.recommend(user, 10).unwrap(), "{name}");
            assert_eq!(found.len(), 10, "{name}");
            let seen = data.train.interactions.of_user(user[1..].parse().unwrap());
            for (rank, item) in found.iter().enumerate() {
                let id = data.item_ids.iter().position(|id| *id == item.item).unwrap();
                assert!(!seen.contains(&(id as u32)), "{name}: {} is not new to {user}", item.item);
                assert_eq!(item.title.as_ref(), data.titles.as_ref().map(|titles| &titles[id]));
                assert!(rank == 0 || found[rank - 1].score >= item.score, "{name}: rank {rank} is out of order");
                // Exactly: no tolerance.
                assert_eq!(item.shares.iter().map(|share| share.1).sum::<f64>(), item.score, "{name}: shares");
                let blocks: Vec<&String> = item.shares.iter().map(|share| &share.0).collect();
                let expected: Vec<&String> = saved.embeddings.blocks.iter().map(|block| &block.0).collect();
                assert_eq!(blocks, expected, "{name}");
            }
        }
    }
}

#[test]
fn settings_survive_json_and_their_names_stay() {
    for (name, config) in defaults().into_iter().chain(virals()) {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ModelConfig>(&text).unwrap(), config, "{name}");
        let tag = serde_json::to_value(&config).unwrap()["model"].clone();
        assert_eq!(tag, json!(config.name()));
        // What is left out of a file takes its default.
        let bare: ModelConfig = serde_json::from_value(json!({ "model": config.name() })).unwrap();
        assert_eq!(bare, ModelConfig::by_name(config.name()).unwrap(), "{name}");
        let mistyped = serde_json::from_value::<ModelConfig>(json!({ "model": config.name(), "d_embedd": 3 }));
        assert!(mistyped.is_err(), "{name}: a misspelt key in a file goes unnoticed");
    }
}

#[test]
fn a_name_that_is_no_model_is_an_error_that_lists_the_models() {
    let message = ModelConfig::by_name("virall").unwrap_err().to_string();
    assert!(message.contains("'virall'"), "{message}");
    assert!(ModelConfig::NAMES.iter().all(|name| message.contains(name)), "{message}");
    let message = ViralConfig::preset("papper").unwrap_err().to_string();
    assert!(message.contains("'papper'") && PRESETS.iter().all(|name| message.contains(name)), "{message}");
}

fn fields(config: &ModelConfig) -> Vec<(String, Value)> {
    let all = serde_json::to_value(config).unwrap();
    all.as_object().unwrap().iter().filter(|(key, _)| *key != "model").map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[test]
fn every_setting_can_be_set_and_no_other() {
    for (name, config) in defaults() {
        for (key, value) in fields(&config) {
            let other = match &value {
                Value::Number(n) if n.is_u64() => json!(n.as_u64().unwrap() + 1),
                Value::Number(n) => json!(n.as_f64().unwrap() + 0.5),
                Value::Bool(b) => json!(!b),
                // A word may come without its quotation marks.
                Value::String(word) => json!(word),
                other => panic!("{name}: {key} is {other}, which no command line can set"),
            };
            let mut changed = config.clone();
            changed.set(&key, other.as_str().unwrap_or(&other.to_string())).unwrap();
            let found = fields(&changed).into_iter().find(|field| field.0 == key).unwrap().1;
            let single = |x: &Value| x.as_f64().map(|x| x as f32);
            assert!(found == other || single(&found) == single(&other), "{name}: {key} is {found} instead of {other}");
            changed.set(&key, &value.to_string()).unwrap();
            assert_eq!(changed, config, "{name}: {key} there and back");

            let before = changed.clone();
            let message = changed.set(&key, "[1, 2]").unwrap_err().to_string();
            assert!(message.contains(&key) && message.contains(&name), "{name}: {message}");
            assert_eq!(changed, before, "{name}: an error changed something");
        }
        for unknown in ["d_embedd", "model", ""] {
            let mut changed = config.clone();
            let message = changed.set(unknown, "8").unwrap_err().to_string();
            assert!(message.contains(&format!("'{unknown}'")), "{message}");
            for (key, _) in fields(&config) {
                assert!(message.contains(&key), "{name}: {key} is not listed in: {message}");
            }
        }
    }
    let mut viral = ModelConfig::by_name("viral").unwrap();
    viral.set("fusion", "mean_pooling").unwrap();
    assert!(matches!(&viral, ModelConfig::Viral(c) if c.fusion == FusionStrategy::MeanPooling));
    let message = viral.set("fusion", "mean").unwrap_err().to_string();
    assert!(message.contains("mean_pooling") && message.contains("information_aware"), "{message}");
    for (key, value) in [("d_embed", "wide"), ("d_embed", "-1"), ("d_embed", "1.5"), ("item_ids", "1"), ("lambda", "x")]
    {
        let message = viral.set(key, value).unwrap_err().to_string();
        assert!(message.contains(&format!("{key} = {value}")), "{message}");
    }
}

fn features(tag: u64, n_items: usize, width: usize, zero_rows: &[usize]) -> Option<ItemFeatures> {
    let value = |k: usize| match zero_rows.contains(&(k / width)) {
        true => 0.0,
        false => (splitmix64(splitmix64(tag) ^ k as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0,
    };
    Some(ItemFeatures::new(n_items, width, (0..n_items * width).map(value).collect()).unwrap())
}

/// 24 users and 14 items. Item 13 has no train interaction, user 22 has none, and user 23 has every item but it can have.
fn awkward(zero_rows: &[usize]) -> TrainSet {
    let (n_users, n_items) = (24, 14);
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for user in 0..22u32 {
        pairs.extend((0..4u32).map(|k| (user, (user * 3 + k * k + k) % 13)));
    }
    let interactions = Interactions::from_pairs(n_users, n_items, &pairs);
    let text = features(1, n_items, 12, zero_rows);
    TrainSet { interactions, text, visual: features(2, n_items, 12, zero_rows) }
}

/// Settings that fit fourteen items.
fn all_for_few_items() -> Vec<(String, ModelConfig)> {
    let mut all: Vec<_> = defaults().into_iter().chain(virals()).collect();
    for (_, config) in &mut all {
        for key in ["item_neighbors", "n_neighbors"] {
            if fields(config).iter().any(|field| field.0 == key) {
                config.set(key, "4").unwrap();
            }
        }
    }
    all
}

fn held_out(user: u32, item: u32) -> Interactions {
    Interactions::from_pairs(24, 14, &[(user, item)])
}

#[test]
fn an_item_without_train_interactions_has_a_finite_rank() {
    let data = awkward(&[]);
    assert_eq!(data.interactions.item_degrees()[13], 0);
    for (name, config) in all_for_few_items() {
        let trainer = TrainerConfig { epochs: 2, batch_size: 32, ..TrainerConfig::default() };
        let fit = trainer.fit(init(&config, &data), &data, &held_out(0, 13), &device()).unwrap();
        let z = fit.embeddings();
        let ranked = top_k(&z.users, &z.items, z.d, &data.interactions, 1, 14).unwrap();
        assert_eq!(ranked.len(), 10, "{name}: user 1 has 4 of 14 items");
        assert!(ranked.iter().any(|item| item.0 == 13 && item.1.is_finite()), "{name}: item 13 is not ranked");
    }
}

#[test]
fn a_user_without_train_items_is_ranked_all_items() {
    let data = awkward(&[]);
    assert!(data.interactions.of_user(22).is_empty());
    for (name, config) in all_for_few_items() {
        let trainer = TrainerConfig { epochs: 2, batch_size: 32, ..TrainerConfig::default() };
        let fit = trainer.fit(init(&config, &data), &data, &held_out(22, 3), &device()).unwrap();
        let z = fit.embeddings();
        let ranked = top_k(&z.users, &z.items, z.d, &data.interactions, 22, 14).unwrap();
        assert_eq!(ranked.iter().map(|item| item.0).collect::<BTreeSet<_>>().len(), 14, "{name}");
        assert!(ranked.iter().all(|item| item.1.is_finite()), "{name}");
        let metrics = z.evaluate(&data.interactions, &held_out(22, 3), &[14]).unwrap();
        assert_eq!(metrics.get("recall", 14), Some(1.0), "{name}");
    }
}

#[test]
fn a_user_who_bought_everything_neither_hangs_training_nor_gets_anything() {
    let mut data = awkward(&[]);
    let pairs: Vec<(u32, u32)> = data.interactions.pairs().chain((0..14).map(|item| (23, item))).collect();
    data.interactions = Interactions::from_pairs(24, 14, &pairs);
    for (name, config) in all_for_few_items() {
        let trainer = TrainerConfig { epochs: 2, batch_size: 32, ..TrainerConfig::default() };
        let fit = trainer.fit(init(&config, &data), &data, &held_out(0, 13), &device()).unwrap();
        assert!(fit.history.iter().all(|report| report.loss.is_finite()), "{name}");
        let z = fit.embeddings();
        assert_eq!(top_k(&z.users, &z.items, z.d, &data.interactions, 23, 5).unwrap(), [], "{name}");
    }
    // Nobody left to learn from: an error, not an endless search.
    let all: Vec<(u32, u32)> = (0..3).flat_map(|user| (0..5).map(move |item| (user, item))).collect();
    let full = TrainSet { interactions: Interactions::from_pairs(3, 5, &all), text: None, visual: None };
    let config = ModelConfig::by_name("lightgcn").unwrap();
    let none = Interactions::from_pairs(3, 5, &[(0, 1)]);
    let error = TrainerConfig::default().fit(init(&config, &full), &full, &none, &device()).unwrap_err();
    assert!(error.to_string().contains("no train pair to learn from"), "{error}");
}

#[test]
fn all_zero_feature_rows_give_finite_vectors_and_gradients() {
    let some = awkward(&[0, 5, 13]);
    let all = awkward(&(0..14).collect::<Vec<_>>());
    for (name, config) in all_for_few_items() {
        for (what, data) in [("some rows", &some), ("all rows", &all)] {
            let what = format!("{name}, {what}");
            let model = init(&config, data);
            check_vectors(&what, &model, data);
            if model.num_params() > 0 {
                let batch = batch(data, 0);
                let found = gradients(&model, &model.objective(&batch).total().backward());
                for (parameter, gradient) in found {
                    assert!(gradient.iter::<f32>().all(f32::is_finite), "{what}: the gradient of {parameter}");
                }
            }
            let trainer = TrainerConfig { epochs: 2, batch_size: 32, ..TrainerConfig::default() };
            let fit = trainer.fit(model, data, &held_out(0, 13), &device()).unwrap();
            check_vectors(&what, &fit.model, data);
        }
    }
}

#[test]
fn modalities_of_different_width_need_a_width_for_the_fusion() {
    let data = TrainSet { visual: features(2, 14, 9, &[]), ..awkward(&[]) };
    for (name, config) in all_for_few_items() {
        let ModelConfig::Viral(viral) = config else { continue };
        let at = |d_fusion| ModelConfig::Viral(ViralConfig { d_fusion, ..viral.clone() });
        let fuses_features =
            viral.fusion == FusionStrategy::InformationAware && viral.placement == FusionPlacement::Features;
        match (fuses_features, at(0).init(&data, &mut Init::new(3, &device()))) {
            (true, Err(error)) => {
                let message = error.to_string();
                assert!(
                    message.contains("width 12") && message.contains('9') && message.contains("d_fusion"),
                    "{message}"
                );
            }
            (true, Ok(_)) => panic!("{name}: widths 12 and 9 were fused"),
            // Nothing joins them before each has its head.
            (false, model) => check_vectors(&name, &model.unwrap(), &data),
        }
        for d_fusion in [10, viral.d_embed] {
            let model = init(&at(d_fusion), &data);
            check_vectors(&name, &model, &data);
            check_gradients(&format!("{name}, d_fusion {d_fusion}"), &model, &batch(&data, 0), &[]);
        }
    }
}

#[test]
fn a_model_that_needs_content_says_so() {
    let bare = TrainSet { text: None, visual: None, ..awkward(&[]) };
    for name in ["viral", "vbpr", "freedom"] {
        let error = ModelConfig::by_name(name).unwrap().init(&bare, &mut Init::new(3, &device())).unwrap_err();
        assert!(error.to_string().contains("features"), "{name}: {error}");
    }
    let text_only = TrainSet { visual: None, ..awkward(&[]) };
    let error = ModelConfig::by_name("viral").unwrap().init(&text_only, &mut Init::new(3, &device())).unwrap_err();
    assert!(error.to_string().contains("no visual features"), "{error}");
}

#[test]
fn too_many_neighbours_for_the_catalogue_are_an_error() {
    for (name, key) in [("viral", "item_neighbors"), ("freedom", "n_neighbors")] {
        let mut config = ModelConfig::by_name(name).unwrap();
        config.set(key, "15").unwrap();
        let message = config.init(&awkward(&[]), &mut Init::new(3, &device())).unwrap_err().to_string();
        assert!(message.contains("15 nearest neighbours of 14 items"), "{name}: {message}");
    }
}
