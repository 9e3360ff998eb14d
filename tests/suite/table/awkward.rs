//! What every model makes of awkward data: items and users without train interactions, users who have everything, rows of
//! zeros, modalities of different width.

use super::{batch, check_gradients, check_vectors, defaults, device, fields, init, virals};
use crate::golden::gradients;
use crate::support::{add_attributes, models_with_content, with};
use burn::module::Module;
use std::collections::BTreeSet;
use viral::Error;
use viral::data::{Features, Interactions, ItemFeatures, Modality, TrainSet, splitmix64};
use viral::model::{Embed, FusionPlacement, FusionStrategy, ModelConfig, Trainable, parameters};
use viral::nn::Init;
use viral::train::TrainerConfig;

fn features(tag: u64, n_items: usize, width: usize, zero_rows: &[usize]) -> ItemFeatures {
    let value = |k: usize| match zero_rows.contains(&(k / width)) {
        true => 0.0,
        false => (splitmix64(splitmix64(tag) ^ k as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0,
    };
    ItemFeatures::new(n_items, width, (0..n_items * width).map(value).collect()).unwrap()
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
    let visual = features(2, n_items, 12, zero_rows);
    let features = Features::new().with(Modality::Text, text).with(Modality::Visual, visual);
    let mut data = TrainSet { interactions, features };
    add_attributes(&mut data);
    data
}

/// The same with text and visual features alone.
fn awkward_pair() -> TrainSet {
    let mut data = awkward(&[]);
    data.features.remove(&Modality::named("attributes").unwrap());
    data
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
        let trainer = with(TrainerConfig::default(), |c| {
            c.epochs = 2;
            c.batch_size = 32.into();
        });
        let fit = trainer.fit(init(&config, &data), &data, &held_out(0, 13), &device()).unwrap();
        let z = fit.embeddings().to_host();
        let ranked = z.rank(&data.interactions, &[1], 14).unwrap();
        assert_eq!(ranked.items(0).len(), 10, "{name}: user 1 has 4 of 14 items");
        assert!(ranked.items(0).contains(&13), "{name}: item 13 is not ranked");
    }
}

#[test]
fn a_user_without_train_items_is_ranked_all_items() {
    let data = awkward(&[]);
    assert!(data.interactions.of_user(22).is_empty());
    for (name, config) in all_for_few_items() {
        let trainer = with(TrainerConfig::default(), |c| {
            c.epochs = 2;
            c.batch_size = 32.into();
        });
        let fit = trainer.fit(init(&config, &data), &data, &held_out(22, 3), &device()).unwrap();
        let z = fit.embeddings().to_host();
        let ranked = z.rank(&data.interactions, &[22], 14).unwrap();
        assert_eq!(ranked.items(0).iter().collect::<BTreeSet<_>>().len(), 14, "{name}");
        assert!(ranked.scores(0).iter().all(|score| score.is_finite()), "{name}");
        let metrics = z.evaluate_against(&data.interactions, &held_out(22, 3), &[14]).unwrap();
        assert_eq!(metrics.recall(14), 1.0, "{name}");
    }
}

#[test]
fn a_user_who_bought_everything_neither_hangs_training_nor_gets_anything() {
    let mut data = awkward(&[]);
    let pairs: Vec<(u32, u32)> = data.interactions.pairs().chain((0..14).map(|item| (23, item))).collect();
    data.interactions = Interactions::from_pairs(24, 14, &pairs);
    for (name, config) in all_for_few_items() {
        let trainer = with(TrainerConfig::default(), |c| {
            c.epochs = 2;
            c.batch_size = 32.into();
        });
        let fit = trainer.fit(init(&config, &data), &data, &held_out(0, 13), &device()).unwrap();
        assert!(fit.history.iter().all(|report| report.loss.is_finite()), "{name}");
        let z = fit.embeddings().to_host();
        assert_eq!(z.rank(&data.interactions, &[23], 5).unwrap().items(0), [0u32; 0], "{name}");
    }
    // Nobody left to learn from: an error, not an endless search.
    let all: Vec<(u32, u32)> = (0..3).flat_map(|user| (0..5).map(move |item| (user, item))).collect();
    let full = TrainSet { interactions: Interactions::from_pairs(3, 5, &all), features: Features::new() };
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
            let trainer = with(TrainerConfig::default(), |c| {
                c.epochs = 2;
                c.batch_size = 32.into();
            });
            let fit = trainer.fit(model, data, &held_out(0, 13), &device()).unwrap();
            check_vectors(&what, &fit.model, data);
        }
    }
}

#[test]
fn modalities_of_different_width_need_a_width_for_the_fusion() {
    let mut data = awkward(&[]);
    data.features.insert(Modality::Visual, features(2, 14, 9, &[]));
    for (name, config) in all_for_few_items() {
        let ModelConfig::Viral(viral) = config else { continue };
        let at = |d_fusion| ModelConfig::Viral(with(viral.clone(), |c| c.d_fusion = d_fusion));
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
    let bare = TrainSet { features: Features::new(), ..awkward(&[]) };
    let missing = |name: &str, data: &TrainSet| match ModelConfig::by_name(name)
        .unwrap()
        .init(data, &mut Init::new(3, &device()))
    {
        Err(Error::MissingModality { model, modality, available, .. }) => (model, modality, available),
        other => panic!("{name}: {:?}", other.map(|_| "a model")),
    };
    for name in models_with_content() {
        let modality = ["viral", "freedom", "mentor"].contains(&name).then(|| "text".to_string());
        assert_eq!(missing(name, &bare), (name.to_string(), modality, vec![]));
    }
    let mut text_only = awkward_pair();
    text_only.features.remove(&Modality::Visual);
    for name in ["viral", "freedom", "mentor"] {
        let expected = (name.to_string(), Some("visual".to_string()), vec!["text".to_string()]);
        assert_eq!(missing(name, &text_only), expected);
    }
}

/// What a model has embedded together takes the place of text or image, or of both, in every model.
#[test]
fn multimodal_features_stand_alone_or_beside_others() {
    let modality = Modality::Multimodal;
    let with_multimodal = |removed: &[Modality]| {
        let mut data = awkward_pair();
        data.features.insert(modality.clone(), features(5, 14, 9, &[]));
        removed.iter().for_each(|modality| drop(data.features.remove(modality)));
        data
    };
    let names = |name: &str, data: &TrainSet| -> Vec<String> {
        init(&ModelConfig::by_name(name).unwrap(), data).embed().blocks().iter().map(|block| block.0.clone()).collect()
    };
    for (removed, first, second) in [
        (&[Modality::Text, Modality::Visual][..], "multimodal", "multimodal_2"),
        (&[Modality::Visual], "text", "multimodal"),
        (&[Modality::Text], "multimodal", "visual"),
        (&[], "text", "visual"),
    ] {
        let data = with_multimodal(removed);
        for (name, config) in all_for_few_items() {
            // Attributes are another thing.
            if config.name() == "attribute-knn" {
                continue;
            }
            let what = format!("{name}, without {removed:?}");
            let alone = removed.len() == 2;
            // Two of the widths differ.
            let config = match config {
                ModelConfig::Viral(viral) => ModelConfig::Viral(with(viral, |c| c.d_fusion = 16)),
                other => other,
            };
            let mut model = init(&config, &data);
            check_vectors(&what, &model, &data);
            if model.num_params() > 0 {
                model.begin_epoch(1, 0).unwrap();
                // A bias that both items of a pair share cancels in their difference, and a lone modality has no other to be weighed
                // against.
                let may_vanish = ["text_head.bias", "visual_head.bias", "modality_weights"];
                check_gradients(&what, &model, &batch(&data, 0), &may_vanish[..if alone { 3 } else { 2 }]);
                assert!(
                    !alone
                        || parameters(&model).keys().all(|name| config.name() == "mentor" || !name.contains("visual"))
                );
            }
        }
        let synergy = ["synergy"].iter().map(|name| name.to_string());
        let expected: Vec<String> = match removed.len() {
            2 => vec![first.to_string()],
            _ => [first.to_string()].into_iter().chain(synergy).chain([second.to_string()]).collect(),
        };
        assert_eq!(names("viral", &data), expected, "{removed:?}");
        assert_eq!(names("mentor", &data), [first, second], "{removed:?}");
    }
    let mut text = with_multimodal(&[Modality::Visual]);
    let freedom = init(&ModelConfig::by_name("freedom").unwrap(), &text);
    let terms: Vec<&str> = freedom.objective(&batch(&text, 0)).terms().iter().map(|term| term.name).collect();
    assert_eq!(terms, ["bpr", "text", "multimodal"]);
    text.features.remove(&modality);
    let message = ModelConfig::by_name("viral").unwrap().init(&text, &mut Init::new(3, &device())).map(|_| ());
    assert!(message.unwrap_err().to_string().contains("viral needs visual features"), "text alone is no pair");
}

/// What takes any number of modalities takes three, and their names become the names of blocks where they are blocks.
#[test]
fn further_modalities_take_part() {
    let mut data = awkward_pair();
    data.features.insert(Modality::Audio, features(3, 14, 5, &[]));
    data.features.insert(Modality::named("brand").unwrap(), features(4, 14, 7, &[]));
    let vbpr = init(&ModelConfig::by_name("vbpr").unwrap(), &data);
    check_vectors("vbpr", &vbpr, &data);
    let weights = parameters(&vbpr).into_iter().find(|(name, _)| name.ends_with("content_linear.weight")).unwrap().1;
    assert_eq!(weights.shape().to_vec()[0], 12 + 12 + 5 + 7);
    check_gradients("vbpr", &vbpr, &batch(&data, 0), &[]);
    for name in ["mmgcn", "grcn", "lattice"] {
        let model = init(&ModelConfig::by_name(name).unwrap(), &data);
        check_vectors(name, &model, &data);
        check_gradients(name, &model, &batch(&data, 0), &[]);
        let weights =
            parameters(&model).into_values().filter(|value| [5, 7].contains(&value.shape().to_vec()[0])).count();
        assert!(weights >= 2, "{name}: no weights for what is 5 and 7 wide");
    }
    let grcn = init(&ModelConfig::by_name("grcn").unwrap(), &data).embed();
    let names: Vec<&str> = grcn.blocks().iter().map(|block| &*block.0).collect();
    assert_eq!(names, ["id", "text", "visual", "audio", "brand"]);
    let slmrec = init(&ModelConfig::by_name("slmrec").unwrap(), &data);
    check_vectors("slmrec", &slmrec, &data);
    check_gradients("slmrec", &slmrec, &batch(&data, 0), &[]);
    for name in ["dragon", "cohesion"] {
        let model = init(&ModelConfig::by_name(name).unwrap(), &data);
        check_vectors(name, &model, &data);
        check_gradients(name, &model, &batch(&data, 0), &[]);
        let names: Vec<String> = model.embed().blocks().iter().map(|block| block.0.clone()).collect();
        let own = names.strip_prefix(&["id".to_string()][..]).unwrap_or(&names);
        assert_eq!(own, ["text", "visual", "audio", "brand"], "{name}");
    }
    let profiles = init(&ModelConfig::by_name("profile-match").unwrap(), &data).embed();
    let blocks = [("text", 12), ("visual", 12), ("audio", 5), ("brand", 7)].map(|(name, d)| (name.to_string(), d));
    assert_eq!(profiles.blocks(), blocks);
}

#[test]
fn more_neighbours_than_items_are_all_there_are_and_none_is_an_error() {
    for (name, key) in [
        ("viral", "item_neighbors"),
        ("freedom", "n_neighbors"),
        ("lattice", "n_neighbors"),
        ("dragon", "item_neighbors"),
        ("mentor", "item_neighbors"),
        ("cohesion", "item_neighbors"),
    ] {
        let embeddings = |n: &str| {
            let mut config = ModelConfig::by_name(name).unwrap();
            config.set(key, n).unwrap();
            Ok::<_, viral::Error>(config.init(&awkward(&[]), &mut Init::new(3, &device()))?.embed().to_host())
        };
        assert_eq!(embeddings("15").unwrap(), embeddings("14").unwrap(), "{name}");
        let message = embeddings("0").unwrap_err().to_string();
        assert!(message.contains(key) && message.contains("at least 1"), "{name}: {message}");
    }
}

#[test]
fn a_modality_that_is_called_as_a_block_is_told_to_change_its_name() {
    let mut data = awkward(&[]);
    data.features.insert(Modality::named("id").unwrap(), features(3, 14, 5, &[]));
    let config = ModelConfig::by_name("cohesion").unwrap();
    let message = config.init(&data, &mut Init::new(3, &device())).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("'id'") && message.contains("another name"), "{message}");
}
