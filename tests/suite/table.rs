//! Every model of the table under the two traits, and what it makes of awkward data.

mod awkward;

use crate::golden::{gradients, values};
use crate::support::{add_attributes, with};
use burn::module::Module;
use burn::tensor::Device;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use viral::data::{Dataset, ItemFeatures, Part, PlantedConfig, Sampler, StepKey, TrainSet};
use viral::model::{
    Batch, Embed, FusionPlacement, FusionStrategy, Model, ModelConfig, Trainable, ViralConfig, parameters,
};
use viral::nn::Init;
use viral::recipe::Recipe;
use viral::serve::Recommender;
use viral::train::{Adam, AdamConfig, TrainerConfig};

const D_TEXT: usize = 16;

fn device() -> Device {
    Device::flex().autodiff()
}

fn planted() -> Dataset {
    let config = PlantedConfig::new().with_n_users(120).with_n_items(80).with_interactions_per_user(8);
    let mut data = config.with_d_text(D_TEXT).with_d_visual(D_TEXT).generate().data;
    add_attributes(&mut data.train);
    data
}

/// Every model of the table by its defaults.
fn defaults() -> Vec<(String, ModelConfig)> {
    ModelConfig::NAMES.iter().map(|name| (name.to_string(), ModelConfig::by_name(name).unwrap())).collect()
}

/// Every model of which there is a published form, by that form.
fn published() -> Vec<(String, ModelConfig)> {
    let of = |name: &&str| Some((format!("{name} as published"), Recipe::preset(name, "published").ok()?.model));
    ModelConfig::NAMES.iter().filter_map(of).collect()
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
                let config = with(ViralConfig::preset(preset).unwrap(), |c| {
                    c.fusion = fusion;
                    c.placement = placement;
                });
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
    Batch::new(
        &Sampler::new(1, 256).epoch(&data.interactions, epoch).batch(0),
        StepKey { seed: 1, epoch, step: 0 },
        &device(),
    )
}

fn loss(model: &Model, batch: &Batch) -> f32 {
    values(model.objective(batch).total())[0]
}

/// Shapes as they should be, blocks that cover the columns, and no NaN or infinity.
fn check_vectors(what: &str, model: &Model, data: &TrainSet) {
    let z = model.embed();
    let d: usize = z.blocks().iter().map(|block| block.1).sum();
    assert!(d > 0 && z.blocks().iter().all(|block| block.1 > 0), "{what}: blocks {:?}", z.blocks());
    let names: BTreeSet<&str> = z.blocks().iter().map(|block| block.0.as_str()).collect();
    assert_eq!(names.len(), z.blocks().len(), "{what}: two blocks of one name");
    assert_eq!(z.users().dims(), [data.interactions.n_users(), d], "{what}: users");
    assert_eq!(z.items().dims(), [data.interactions.n_items(), d], "{what}: items");
    let all_finite = values(z.users().clone()).into_iter().chain(values(z.items().clone())).all(f32::is_finite);
    assert!(all_finite, "{what}: a vector is not finite");
}

/// The parameters that an optimizer is to change: all, but for tables that a published form leaves as they were drawn.
fn trained(model: &Model) -> Vec<String> {
    let is_frozen = |name: &String| match model {
        Model::Mmgcn(mmgcn) if !mmgcn.users.val().is_require_grad() => {
            ["users", "items", "preferences"].contains(&name.rsplit('.').next().unwrap())
        }
        _ => false,
    };
    parameters(model).into_keys().filter(|name| !is_frozen(name)).collect()
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
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), trained(model), "{what}: parameters that a gradient reaches");
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
    let mut adam = Adam::new(AdamConfig::new(1e-2));
    let mut model = model;
    model.begin_epoch(1, 0).unwrap();
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
    model.begin_epoch(1, 0).unwrap();
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

/// Encoders disagree about the length of a vector. Lengths here change by powers of two, so that no bit may change.
#[test]
fn no_model_depends_on_the_lengths_of_feature_vectors() {
    let data = planted().train;
    let mut stretched = data.clone();
    for (modality, features) in data.features.iter() {
        let (n, width) = (features.n_items(), features.width());
        let lengths = (0..n).flat_map(|item| std::iter::repeat_n(2f32.powi(item as i32 % 7 - 3), width));
        let values = features.values().iter().zip(lengths).map(|(x, length)| x * length).collect();
        stretched.features.insert(modality.clone(), ItemFeatures::new(n, width, values).unwrap());
    }
    for (name, config) in defaults() {
        let [one, other] = [&data, &stretched].map(|data| {
            let model = init(&config, data);
            let loss = if model.num_params() == 0 { 0.0 } else { loss(&model, &batch(data, 0)) };
            (model.embed().to_host(), loss)
        });
        assert!(one == other, "{name}");
    }
}

#[test]
fn every_published_form_embeds_and_learns_and_is_read_back_bit_by_bit() {
    let data = planted();
    let forms = published();
    assert!(
        ["vbpr", "freedom", "mmgcn", "grcn", "slmrec", "lattice", "dragon", "mentor", "cohesion"]
            .iter()
            .all(|name| forms.iter().any(|(_, config)| config.name() == *name))
    );
    for (what, config) in forms {
        assert_ne!(config, ModelConfig::by_name(config.name()).unwrap(), "{what}");
        check_model(&what, &config, &data.train);
        // Another seed than the one that a saved model is restored into.
        let trainer = with(TrainerConfig::default(), |c| c.epochs = 2);
        let fit = trainer.fit(init(&config, &data.train), &data.train, &data.valid, &device()).unwrap();
        let saved = Recommender::new(&fit.model, &config, &data).unwrap();
        let restored = saved.model(&data.train, &Device::flex()).unwrap().embed().to_host();
        assert!(restored == *saved.embeddings(), "{what}: the vectors of the restored model");
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
            other => panic!("{other}: what are its blocks?"),
        };
        let blocks: Vec<String> = init(&config, &data).embed().blocks().iter().map(|block| block.0.clone()).collect();
        assert_eq!(blocks, expected, "{name}");
    }
}

#[test]
fn a_saved_model_is_read_back_bit_by_bit_and_recommends() {
    let data = planted();
    let folder = tempfile::tempdir().unwrap();
    for (name, config) in defaults() {
        let trainer = with(TrainerConfig::default(), |c| {
            c.epochs = 1;
            c.batch_size = 256.into();
        });
        let fit = trainer.fit(init(&config, &data.train), &data.train, &data.valid, &device()).unwrap();
        let saved = Recommender::new(&fit.model, &config, &data).unwrap();
        let path = folder.path().join(&name).join("model.safetensors");
        saved.save(&path).unwrap();
        let read = Recommender::load(&path).unwrap();
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
        let (found, expected) = (read.embeddings(), saved.embeddings());
        assert_eq!(bits(found.users()), bits(expected.users()), "{name}: users");
        assert_eq!(bits(found.items()), bits(expected.items()), "{name}: items");
        assert_eq!(found.blocks(), expected.blocks(), "{name}");
        assert_eq!(read.parameters().unwrap(), parameters(&fit.model), "{name}: parameters");
        let model = read.model(&data.train, &Device::flex()).unwrap();
        assert_eq!(parameters(&model), parameters(&fit.model), "{name}: the model itself");
        assert_eq!(bits(model.embed().to_host().items()), bits(expected.items()), "{name}: the model's vectors");
        assert_eq!((read.train_interactions(), read.data_name()), (&data.train.interactions, &*data.name), "{name}");
        assert_eq!(read.fingerprint(), Some(&*data.fingerprint()), "{name}");
        assert!(read.users().eq(&data.user_ids) && read.items().eq(&data.item_ids), "{name}");
        let settings = serde_json::from_value::<ModelConfig>(read.config().clone()).unwrap();
        assert_eq!((settings, read.model_name()), (config.clone(), Some(&*name)), "{name}: settings");
        let again = folder.path().join("again");
        read.save(&again).unwrap();
        assert!(
            std::fs::read(&path).unwrap() == std::fs::read(again.join("model.safetensors")).unwrap(),
            "{name}: the same file when saved again"
        );

        for user in ["u0000", "u0119"] {
            let found = read.recommend(user, 10).unwrap();
            assert_eq!(found, saved.recommend(user, 10).unwrap(), "{name}");
            assert_eq!(found.len(), 10, "{name}");
            let user: usize = user[1..].parse().unwrap();
            for (rank, item) in found.iter().enumerate() {
                let id = data.item_ids.iter().position(|id| *id == item.item).unwrap();
                for part in [Part::Train, Part::Valid, Part::Test] {
                    let is_known = data.part(part).contains(user, id as u32);
                    assert!(!is_known, "{name}: {} is not new to {user}, {part:?}", item.item);
                }
                assert_eq!(item.title.as_ref(), data.titles.as_ref().map(|titles| &titles[id]));
                assert!(rank == 0 || found[rank - 1].score >= item.score, "{name}: rank {rank} is out of order");
                // Exactly: no tolerance.
                assert_eq!(item.shares.iter().map(|share| share.1).sum::<f64>(), item.score, "{name}: shares");
                let blocks: Vec<&String> = item.shares.iter().map(|share| &share.0).collect();
                let blocks_of: Vec<&String> = expected.blocks().iter().map(|block| &block.0).collect();
                assert_eq!(blocks, blocks_of, "{name}");
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
