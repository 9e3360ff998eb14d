//! New items, removed ones and what users did since, without training.

use crate::serving::Given;
use crate::support::add_attributes;
use burn::tensor::{Device, Tensor, TensorData};
use std::path::Path;
use viral::data::{Dataset, Features, Interactions, ItemFeatures, Modality, PlantedConfig, ReadOptions, TrainSet};
use viral::eval::ColdMetrics;
use viral::model::{Embed, ModelConfig, load_parameters, parameters};
use viral::nn::Init;
use viral::prelude::{Recipe, Recommendation, Recommender};
use viral::recipe::Existing;
use viral::serve::{NewItems, RecommendOptions};

fn planted() -> Dataset {
    let config = PlantedConfig::new().with_n_users(90).with_n_items(60).with_interactions_per_user(9);
    let mut data = config.with_d_text(12).with_d_visual(12).generate().data;
    add_attributes(&mut data.train);
    data
}

fn recipe(model: &str) -> Recipe {
    Recipe::named(model).unwrap().seed(2).epochs(2)
}

fn trained(recipe: &Recipe, data: &Dataset) -> Recommender {
    recipe.run(data, &Device::flex()).unwrap().recommender().unwrap()
}

fn bytes_of(recommender: &Recommender, folder: &Path) -> Vec<u8> {
    recommender.save(folder).unwrap();
    std::fs::read(Recommender::file_of(folder)).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The vector of an item by the model itself, in a catalogue that the item has joined without interactions.
fn by_the_model(recipe: &Recipe, recommender: &Recommender, rest: &TrainSet, features: &Features) -> Vec<f32> {
    let (n_users, n_items) = (rest.interactions.n_users(), rest.interactions.n_items());
    let mut grown = Features::new();
    for (modality, rows) in &rest.features {
        let values = [rows.values(), features.get(modality).unwrap().values()].concat();
        grown.insert(modality.clone(), ItemFeatures::new(n_items + 1, rows.width(), values).unwrap());
    }
    let pairs: Vec<(u32, u32)> = rest.interactions.pairs().collect();
    let data = TrainSet { interactions: Interactions::from_pairs(n_users, n_items + 1, &pairs), features: grown };
    let model = recipe.model.init(&data, &mut Init::new(0, &Device::flex())).unwrap();
    let mut values = recommender.parameters().unwrap();
    for value in values.values_mut() {
        let shape = value.shape().to_vec();
        if shape[0] == n_items {
            let mut rows: Vec<f32> = value.iter().collect();
            rows.resize((n_items + 1) * shape[1], 0.0);
            *value = TensorData::new(rows, [n_items + 1, shape[1]]);
        }
    }
    assert_eq!(values.len(), parameters(&model).len());
    load_parameters(model, values).unwrap().embed().to_host().item(n_items).to_vec()
}

#[test]
fn a_new_item_has_the_vector_that_the_model_gives_to_an_item_without_interactions() {
    let data = planted();
    let held_out = data.hold_out_items(1.0 / 60.0, 3).unwrap();
    let new = NewItems::of(&data, &held_out.taken).unwrap();
    let id = &data.item_ids[held_out.taken[0] as usize];
    let mut features = Features::new();
    for (modality, rows) in &data.train.features {
        features.insert(modality.clone(), rows.clone().select(&[held_out.taken[0] as usize]));
    }
    let paper = Recipe::preset("viral", "paper").unwrap().seed(2).epochs(2);
    let three_layers = recipe("viral").set("n_item_layers", "3").unwrap();
    let freedom = recipe("freedom").set("n_neighbors", "4").unwrap();
    let one_layer = paper.clone().set("n_item_layers", "1").unwrap();
    let recipes = [recipe("viral"), one_layer, recipe("dragon"), freedom, recipe("vbpr"), recipe("profile-match")];
    // And without a picture.
    let (width, without) = (12, ItemFeatures::new(1, 12, vec![0.0; 12]).unwrap());
    assert_eq!(features.get(&Modality::Visual).unwrap().width(), width);
    let mut no_picture = features.clone();
    no_picture.insert(Modality::Visual, without);
    let unseen = NewItems::new(["unseen"], no_picture.clone()).unwrap();
    for (recipe, close) in recipes.into_iter().map(|recipe| (recipe, 1e-6)).chain([(paper, 0.02), (three_layers, 0.02)])
    {
        // Where nothing is held out, nothing is added by users' profiles.
        let run = recipe.run(&held_out.rest, &Device::flex()).unwrap();
        let mut without_valid = held_out.rest.clone();
        without_valid.valid = Interactions::from_pairs(data.n_users(), held_out.rest.n_items(), &[]);
        let mut recommender = Recommender::new(run.model(), &recipe.model, &without_valid).unwrap();
        recommender.add_items(&new).unwrap();
        recommender.add_items(&unseen).unwrap();
        for (id, features) in [(id.as_str(), &features), ("unseen", &no_picture)] {
            let expected = by_the_model(&recipe, &recommender, &held_out.rest.train, features);
            let found = recommender.item_vector(id).unwrap();
            // Up to the factor of each block. With several layers the new item is a neighbour of its neighbours, which stay as they
            // were when it is added.
            let mut start = 0;
            for (block, width) in recommender.embeddings().blocks() {
                let (found, expected) = (&found[start..start + width], &expected[start..start + width]);
                start += width;
                if expected.iter().all(|&x| x == 0.0) {
                    assert!(found.iter().all(|&x| x == 0.0), "{} {block}", recipe.model.name());
                    continue;
                }
                let cosine = cosine(found, expected);
                let what = format!("{} ({}) {block} of {id}", recipe.model.name(), recipe.preset);
                assert!(1.0 - cosine < close, "{what}: the cosine is {cosine}");
            }
        }
    }
}

#[test]
fn every_model_with_content_takes_new_items_and_old_scores_keep_their_bits() {
    let data = planted();
    let held_out = data.hold_out_items(0.1, 5).unwrap();
    let new = NewItems::of(&data, &held_out.taken).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ModelConfig::NAMES {
        let mut recommender = trained(&recipe(name), &held_out.rest);
        let before = recommender.recommend_with("u0007", &RecommendOptions::new(1000)).unwrap();
        let bytes = bytes_of(&recommender, &folder.path().join("before"));
        recommender.add_items(&new).unwrap();
        let after = recommender.recommend_with("u0007", &RecommendOptions::new(1000)).unwrap();
        assert_eq!(after.len(), before.len() + held_out.taken.len(), "{name}");
        let is_new = |item: &String| new.ids().contains(item);
        let old: Vec<_> = after.into_iter().filter(|found| !is_new(&found.item)).collect();
        assert_eq!(old, before, "{name}: scores of old items");
        // A file with new items gives the same answers, and takes further changes.
        let saved = folder.path().join("after");
        bytes_of(&recommender, &saved);
        let mut loaded = Recommender::load(&saved).unwrap();
        assert_eq!(loaded.embeddings(), recommender.embeddings(), "{name}");
        loaded.remove_items(new.ids()).unwrap();
        assert!(bytes_of(&loaded, &saved) == bytes, "{name}: bytes after the items were removed");
        loaded.add_items(&new).unwrap(); // the file is another now, its model is the same
        assert_eq!(loaded.embeddings(), recommender.embeddings(), "{name}");
    }
}

#[test]
fn the_order_in_which_items_are_added_does_not_matter() {
    let data = planted();
    let held_out = data.hold_out_items(0.1, 5).unwrap();
    let mut together = trained(&recipe("viral"), &held_out.rest);
    let mut one_by_one = together.clone();
    together.add_items(&NewItems::of(&data, &held_out.taken).unwrap()).unwrap();
    for &item in held_out.taken.iter().rev() {
        one_by_one.add_items(&NewItems::of(&data, &[item]).unwrap()).unwrap();
    }
    for &item in &held_out.taken {
        let id = &data.item_ids[item as usize];
        assert_eq!(together.item_vector(id).unwrap(), one_by_one.item_vector(id).unwrap(), "{id}");
    }
}

/// The catalogue has two factors of content, and items that were never seen are told apart by it.
#[test]
fn new_items_are_ranked_far_above_chance() {
    let config = PlantedConfig::new().with_n_users(400).with_n_items(200).with_interactions_per_user(12);
    let data = config.generate().data;
    let held_out = data.hold_out_items(0.2, 1).unwrap();
    let chance = 10.0 / held_out.taken.len() as f64;
    for name in ["viral", "freedom", "dragon", "lightgcn"] {
        let mut recommender = trained(&recipe(name).epochs(30), &held_out.rest);
        recommender.add_items(&NewItems::of(&data, &held_out.taken).unwrap()).unwrap();
        let found = ColdMetrics::of(&recommender.embeddings_of(&data).unwrap(), &data, &held_out.taken, 10).unwrap();
        assert!(found.cold.recall(10) > 1.5 * chance, "{name}: {} against {chance} by chance", found.cold.recall(10));
        // As many places as their number: a fifth of the catalogue, within a factor of two.
        assert!((0.1..0.4).contains(&found.cold_places), "{name}: {}", found.cold_places);
    }
}

#[test]
fn what_cannot_be_added_is_an_error_and_nothing_changes() {
    let data = planted();
    let held_out = data.hold_out_items(0.1, 5).unwrap();
    let mut recommender = trained(&recipe("viral"), &held_out.rest);
    let before = recommender.clone();
    let new = NewItems::of(&data, &held_out.taken).unwrap();
    let known = NewItems::of(&data, &[held_out.left[0], held_out.taken[0]]).unwrap();
    let message = recommender.add_items(&known).unwrap_err().to_string();
    assert!(message.contains(&data.item_ids[held_out.left[0] as usize]) && message.contains("remove it"), "{message}");
    let text = |width: usize| ItemFeatures::new(1, width, vec![0.5; width]).unwrap();
    let attributes = Features::new().with(Modality::named("attributes").unwrap(), text(12));
    let features = |width| attributes.clone().with(Modality::Text, text(12)).with(Modality::Visual, text(width));
    for (features, words) in [
        (features(11), ["visual", "11"]),
        (attributes.clone().with(Modality::Text, text(12)), ["visual", "none"]),
        (features(12).with(Modality::Audio, text(3)), ["audio", "leave"]),
    ] {
        let message = recommender.add_items(&NewItems::new(["x"], features).unwrap()).unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
    assert_eq!(recommender.embeddings(), before.embeddings());
    assert!(recommender.remove_items(&["i0003", "nothing"]).is_err());
    assert_eq!(recommender.catalogue().count(), before.catalogue().count());
    // Ids that only blanks would tell from others, and items that nothing is known of.
    let bare = Features::new().with(Modality::Text, ItemFeatures::new(1, 12, vec![0.0; 12]).unwrap());
    assert!(NewItems::new(["bare"], bare).unwrap_err().to_string().contains("'bare' has no content"));
    assert!(NewItems::new(["x "], features(12)).unwrap_err().to_string().contains("'x '"));
    for user in ["u0007 ", "", " "] {
        let message = recommender.update(&[("somebody", "i0003"), (user, "i0003")]).unwrap_err().to_string();
        assert!(message.contains(&format!("'{user}'")), "{message}");
    }
    assert_eq!(recommender.users().count(), before.users().count());
    assert!(NewItems::new(["a", "a"], features(12)).is_err() && NewItems::new(["a", "b"], features(12)).is_err());
    // A model without content, or one of an earlier format.
    let without = TrainSet { features: Features::new(), ..held_out.rest.train.clone() };
    let without = Dataset { train: without, ..held_out.rest };
    let mut plain = trained(&recipe("lightgcn"), &without);
    assert!(!plain.takes_new_items());
    assert!(plain.add_items(&new).unwrap_err().to_string().contains("cannot embed new items"));
}

#[test]
fn removed_items_are_recommended_no_more_and_come_back_as_they_were() {
    let data = planted();
    let mut recommender = trained(&recipe("viral"), &data);
    let best = recommender.recommend("u0007", 60).unwrap();
    let gone = &best[0].item;
    recommender.remove_items(&[gone]).unwrap();
    let without = recommender.recommend("u0007", 60).unwrap();
    assert_eq!(without, best[1..]);
    let many = recommender.recommend_many(&["u0007"], &RecommendOptions::new(60)).unwrap();
    assert_eq!(many[0], without);
    for list in [recommender.popular(60).unwrap(), recommender.similar(&best[1].item, 60).unwrap()] {
        assert!(list.iter().all(|found| found.item != *gone));
    }
    let among = RecommendOptions::new(5).among([gone.clone()]);
    assert!(recommender.recommend_with("u0007", &among).unwrap().is_empty());
    let folder = tempfile::tempdir().unwrap();
    recommender.save(folder.path()).unwrap();
    assert_eq!(Recommender::load(folder.path()).unwrap().recommend("u0007", 60).unwrap(), without);
    assert_eq!(recommender.drift().removed_items, 1);
    let number = data.item_ids.iter().position(|id| id == gone).unwrap() as u32;
    recommender.add_items(&NewItems::of(&data, &[number]).unwrap()).unwrap();
    assert_eq!(recommender.recommend("u0007", 60).unwrap(), best);
}

#[test]
fn an_item_that_comes_back_has_its_new_title() {
    let data = planted();
    let mut recommender = trained(&recipe("vbpr"), &data);
    // The sum of no numbers is no negative zero.
    assert!(recommender.drift().users_moved.is_sign_positive());
    let of_training = data.item_ids[5].clone();
    let new = |id: &str, title: &str| {
        NewItems::new([id], data.train.features.select(&[5])).unwrap().with_titles([title]).unwrap()
    };
    recommender.add_items(&new("lamp", "A lamp")).unwrap();
    recommender.add_items(&new("vase", "A vase")).unwrap();
    // Somebody took it, so that it stays known after it is removed.
    recommender.update(&[("eve", "lamp")]).unwrap();
    let titles: Vec<Option<String>> =
        recommender.items().map(|item| recommender.title(item).map(str::to_string)).collect();
    for (id, title) in [("lamp", "A brighter läмp"), (&of_training, "x"), ("lamp", "")] {
        recommender.remove_items(&[id]).unwrap();
        let drift = recommender.drift();
        assert_eq!(drift.new_items + drift.removed_items, if id == "lamp" { 1 } else { 3 }, "{drift:?}");
        recommender.add_items(&new(id, title)).unwrap();
    }
    assert_eq!(recommender.title("lamp"), Some("A brighter läмp"));
    assert_eq!(recommender.title(&of_training), Some("x"));
    for (item, title) in recommender.items().zip(titles) {
        if item != "lamp" && item != of_training {
            assert_eq!(recommender.title(item), title.as_deref(), "{item}");
        }
    }
}

#[test]
fn what_users_do_later_moves_their_vectors_in_any_order_and_goes_into_the_file() {
    let data = planted();
    let whole = trained(&recipe("viral"), &data);
    let fresh = |user: &str| whole.recommend(user, 60).unwrap().into_iter().map(|found| found.item).collect::<Vec<_>>();
    let (a, b) = (fresh("u0007")[3].clone(), fresh("u0007")[7].clone());
    let mut one = whole.clone();
    let update = one.update(&[("u0007", &a), ("u0007", &b), ("eve", &a), ("u0007", &a)]).unwrap();
    assert_eq!((update.added, update.known, update.new_users), (3, 1, 1));
    let mut two = whole.clone();
    two.update(&[("eve", &a)]).unwrap();
    two.update(&[("u0007", &b)]).unwrap();
    two.update(&[("u0007", &a)]).unwrap();
    for user in ["u0007", "eve", "u0008"] {
        assert_eq!(one.recommend(user, 60).unwrap(), two.recommend(user, 60).unwrap(), "{user}");
    }
    assert_eq!(one.recommend("u0008", 60).unwrap(), whole.recommend("u0008", 60).unwrap());
    let now = one.recommend("u0007", 60).unwrap();
    assert!(now.iter().all(|found| ![&a, &b].contains(&&found.item)));
    assert_ne!(one.user_vector("u0007").unwrap(), whole.user_vector("u0007").unwrap());
    // Who came later is who they would be as somebody unknown with this history.
    let eve = one.recommend("eve", 20).unwrap();
    assert_eq!(eve, whole.recommend_for(&[&a], 20).unwrap());
    assert_eq!(one.history("eve").unwrap(), [&a]);
    assert_eq!(one.recommend_many(&["eve", "u0007"], &RecommendOptions::new(20)).unwrap()[0], eve);
    let drift = one.drift();
    assert_eq!((drift.new_users, drift.new_interactions), (1, 3));
    assert!(drift.users_moved > 0.0 && drift.users_moved < 1.0 && drift.interactions_share > 0.0, "{drift:?}");
    assert_eq!(whole.drift().users_moved, 0.0);
    let folder = tempfile::tempdir().unwrap();
    one.save(folder.path()).unwrap();
    let loaded = Recommender::load(folder.path()).unwrap();
    assert_eq!(loaded.recommend("u0007", 60).unwrap(), now);
    assert_eq!(loaded.recommend("eve", 20).unwrap(), eve);
    assert!(one.update(&[("u0007", "i0001"), ("u0007", "nothing")]).is_err());
    assert_eq!(one.drift(), drift);
    // The trained model is still there, and knows nothing of it.
    assert_eq!(loaded.model(&data.train, &Device::flex()).unwrap().embed().to_host(), *whole.embeddings());
}

/// A model of format 2, whose features were taken as they are.
#[test]
fn a_model_of_format_2_keeps_its_features_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
    let recommender = Recommender::load(folder.join("model_2.safetensors")).unwrap();
    let found = recommender.recommend("3", 4).unwrap();
    let items: Vec<&str> = found.iter().map(|found| found.item.as_str()).collect();
    assert_eq!((items, format!("{:.6}", found[0].score)), (vec!["8", "10", "11", "1"], "2.192589".into()));
    assert!(!recommender.takes_new_items());
    let mut data = Dataset::read_with(&folder, &ReadOptions::new().with_name("toys")).unwrap();
    let text = ItemFeatures::read(folder.join("model_2_text.npy")).unwrap();
    data.train.features.insert(Modality::Text, text);
    let model = recommender.model(&data.train, &Device::flex()).unwrap();
    assert_eq!(model.embed().to_host(), *recommender.embeddings());
}

/// Vectors beyond the range of half precision, and far below it.
#[test]
fn vectors_of_any_size_take_new_items() {
    let data = planted();
    let held_out = data.hold_out_items(0.1, 5).unwrap();
    let new = NewItems::of(&data, &held_out.taken).unwrap();
    let (n_users, n_items) = (held_out.rest.n_users(), held_out.rest.n_items());
    let config = ModelConfig::by_name("lightgcn").unwrap();
    let of = |size: f32| -> Vec<f32> {
        let fill = |n: usize| (0..n * 2).map(|at| 1.0 + (at * 7 % 5) as f32).collect::<Vec<f32>>();
        let items: Vec<f32> = fill(n_items).into_iter().map(|x| x * size).collect();
        let tensor = |values: Vec<f32>, n: usize| Tensor::from_data(TensorData::new(values, [n, 2]), &Device::flex());
        let given = Given { users: tensor(fill(n_users), n_users), items: tensor(items, n_items) };
        let mut recommender = Recommender::new(&given, &config, &held_out.rest).unwrap();
        recommender.add_items(&new).unwrap();
        recommender.item_vector(&new.ids()[0]).unwrap().iter().map(|x| x / size).collect()
    };
    let expected = of(1.0);
    for size in [2f32.powi(40), 2f32.powi(-40)] {
        assert_eq!(of(size), expected, "{size}");
    }
}

/// Rows are found again by id, whatever their numbers are now.
#[test]
fn a_warm_start_begins_where_the_earlier_model_ended() {
    let data = planted();
    for name in ModelConfig::NAMES {
        let recipe = recipe(name);
        let before = trained(&recipe, &data);
        let mut same = recipe.clone();
        (same.training.epochs, same.training.adam.lr) = (1, 1e-30);
        let again = same.runner(&data, &Device::flex()).warm_start(&before).shrink(1.0).run().unwrap();
        assert!(again.embeddings().to_host() == *before.embeddings(), "{name}");
    }
    let items = data.hold_out_items(0.2, 3).unwrap();
    let users = items.rest.hold_out_users(0.2, 3).unwrap();
    let mut recipe = recipe("lightgcn");
    let before = trained(&recipe, &users.rest);
    (recipe.training.epochs, recipe.training.adam.lr) = (1, 1e-30);
    let run = recipe.runner(&data, &Device::flex()).warm_start(&before).shrink(1.0).run().unwrap();
    let (now, then) = (parameters(run.model()), before.parameters().unwrap());
    let row = |all: &viral::model::Parameters, table: &str, row: usize| -> Vec<f32> {
        let name = all.keys().find(|name| name.ends_with(table)).unwrap();
        let width = all[name].shape()[1];
        all[name].iter::<f32>().skip(row * width).take(width).collect()
    };
    for (number, id) in users.rest.item_ids.iter().enumerate() {
        let place = data.item_ids.iter().position(|other| other == id).unwrap();
        assert_eq!(row(&now, "items", place), row(&then, "items", number), "{id}");
    }
    for (number, id) in users.rest.user_ids.iter().enumerate() {
        let place = data.user_ids.iter().position(|other| other == id).unwrap();
        assert_eq!(row(&now, "users", place), row(&then, "users", number), "{id}");
    }
    // A share of them stays, between a fresh run's and the earlier model's.
    let begun = |shrink: f32| {
        parameters(recipe.runner(&data, &Device::flex()).warm_start(&before).shrink(shrink).run().unwrap().model())
    };
    let (fresh, mixed) = (begun(0.0), begun(0.25));
    for (name, mixed) in &mixed {
        for ((mixed, fresh), kept) in mixed.iter::<f32>().zip(fresh[name].iter::<f32>()).zip(now[name].iter::<f32>()) {
            assert!((mixed - (0.25 * kept + 0.75 * fresh)).abs() < 1e-6, "{name}: {mixed} of {fresh} and {kept}");
        }
    }
    let of_default = recipe.runner(&data, &Device::flex()).warm_start(&before).run().unwrap();
    assert!(parameters(of_default.model()) == mixed);
    for shrink in [-0.1, 1.5, f32::NAN] {
        let refused = recipe.runner(&data, &Device::flex()).warm_start(&before).shrink(shrink).run().unwrap_err();
        assert!(refused.to_string().contains("give 0 to 1"), "{refused}");
    }
    let folder = tempfile::tempdir().unwrap();
    let resumed = |epochs: usize, before: Option<&Recommender>, existing: Existing| {
        let mut recipe = recipe.clone();
        recipe.training.epochs = epochs;
        let runner = recipe.runner(&data, &Device::flex()).folder(folder.path()).existing(existing);
        let run = before.into_iter().fold(runner, |runner, before| runner.warm_start(before)).run();
        run.map(|run| run.embeddings().to_host()).map_err(|e| e.to_string())
    };
    resumed(1, Some(&before), Existing::Refuse).unwrap();
    let message = resumed(2, None, Existing::Resume).unwrap_err();
    assert!(message.contains("began with the parameters of an earlier model"), "{message}");
    assert!(resumed(2, Some(&trained(&recipe, &data)), Existing::Resume).is_err());
    let mut whole = recipe.clone();
    whole.training.epochs = 2;
    let whole = whole.runner(&data, &Device::flex()).warm_start(&before).run().unwrap();
    assert!(resumed(2, Some(&before), Existing::Resume).unwrap() == whole.embeddings().to_host());
    let other = Recipe::named("lightgcn").unwrap().set("d_embed", "8").unwrap();
    let message = other.runner(&data, &Device::flex()).warm_start(&before).run().unwrap_err().to_string();
    assert!(message.contains("settings that it was trained with"), "{message}");
    let bpr = Recipe::named("bpr-mf").unwrap();
    let message = bpr.runner(&data, &Device::flex()).warm_start(&before).run().unwrap_err().to_string();
    assert!(message.contains("the earlier model is lightgcn"), "{message}");
    // What is held out here must not be what the earlier model has learned.
    let mut everything = data.clone();
    let none = Interactions::from_pairs(data.n_users(), data.n_items(), &[]);
    everything.train.interactions = data.train.interactions.union(&data.valid).union(&data.test);
    (everything.valid, everything.test) = (none.clone(), none);
    let of_everything = recipe.clone().fixed_epochs(1);
    let of_everything = of_everything.run(&everything, &Device::flex()).unwrap().recommender().unwrap();
    let message = recipe.runner(&data, &Device::flex()).warm_start(&of_everything).run().unwrap_err().to_string();
    let n = data.valid.n_pairs() + data.test.n_pairs();
    assert!(message.contains(&format!("trained on {n} of the {n} valid and test pairs")), "{message}");
    let again = recipe.clone().fixed_epochs(1);
    assert!(again.runner(&everything, &Device::flex()).warm_start(&of_everything).run().is_ok());
    let mut strangers = data.clone();
    strangers.user_ids.iter_mut().chain(&mut strangers.item_ids).for_each(|id| id.push('x'));
    let message = recipe.runner(&strangers, &Device::flex()).warm_start(&before).run().unwrap_err().to_string();
    assert!(message.contains("knows no user and no item of these data"), "{message}");
}

#[test]
fn a_modality_that_a_model_leaves_out_is_not_asked_for_in_new_items() {
    let data = planted();
    let mut more = data.clone();
    let audio: Vec<f32> = (0..60 * 3).map(|i| (i * 37 % 11) as f32 - 5.0).collect();
    more.train.features.insert(Modality::Audio, ItemFeatures::new(60, 3, audio).unwrap());
    for (model, takes_all) in [("viral", false), ("freedom", false), ("vbpr", true)] {
        let [mut of_two, mut of_three] = [&data, &more].map(|data| trained(&recipe(model), data));
        assert_eq!(of_two.embeddings() == of_three.embeddings(), !takes_all, "{model}");
        let new = |data: &Dataset| NewItems::new(["new"], data.train.features.select(&[3])).unwrap();
        assert_eq!(of_three.add_items(&new(&data)).is_ok(), !takes_all, "{model}");
        if !takes_all {
            of_two.add_items(&new(&data)).unwrap();
            of_three.remove_items(&["new"]).unwrap();
            of_three.add_items(&new(&more)).unwrap();
            assert!(of_two.embeddings() == of_three.embeddings(), "{model}");
            assert!(of_two.add_items(&NewItems::new(["newer"], more.train.features.select(&[4])).unwrap()).is_err());
        }
    }
}

/// What a service has saved must outlive a command that has nothing left to train.
#[test]
fn a_run_is_not_resumed_over_a_model_that_has_changed() {
    let data = planted();
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let run = |existing| {
        let run = recipe("lightgcn").epochs(2).runner(&data, &device).folder(folder.path()).existing(existing).run();
        run.map(drop)
    };
    run(Existing::Refuse).unwrap();
    run(Existing::Resume).unwrap();
    let mut recommender = Recommender::load(folder.path()).unwrap();
    recommender.update(&[("precious", &data.item_ids[1])]).unwrap();
    recommender.save(folder.path()).unwrap();
    let message = run(Existing::Resume).unwrap_err().to_string();
    assert!(
        ["model.safetensors", "1 new users", "--out", "--warm-start"].iter().all(|word| message.contains(word)),
        "{message}"
    );
    assert_eq!(Recommender::load(folder.path()).unwrap().history("precious").unwrap(), [&data.item_ids[1]]);
    run(Existing::Overwrite).unwrap();
}

/// Held-out interactions that have come true in the meantime say nothing of how good the model was.
#[test]
fn trained_vectors_know_nothing_of_what_came_since() {
    let data = planted();
    let mut recommender = trained(&recipe("viral"), &data);
    let before = recommender.trained_embeddings_of(&data).unwrap();
    assert_eq!(before, *recommender.embeddings());
    recommender.add_items(&NewItems::new(["new"], data.train.features.select(&[5])).unwrap()).unwrap();
    let pairs: Vec<(&str, &str)> = data
        .test
        .pairs()
        .map(|(user, item)| (data.user_ids[user as usize].as_str(), data.item_ids[item as usize].as_str()))
        .collect();
    recommender.update(&pairs).unwrap();
    recommender.update(&[("eve", "new")]).unwrap();
    assert_eq!(recommender.trained_embeddings_of(&data).unwrap(), before);
    assert_eq!(recommender.trained_embeddings().unwrap(), before);
    assert_ne!(recommender.embeddings_of(&data).unwrap(), before);
}

/// Models that are not trained make users' vectors from their items by a rule: so are those of users who come later,
/// exactly.
#[test]
fn new_customers_of_models_that_are_not_trained_are_those_that_training_gives() {
    let data = planted();
    let neighbors = recipe("attribute-knn").set("n_neighbors", "5").unwrap();
    for recipe in [recipe("profile-match"), recipe("popularity"), recipe("attribute-knn"), neighbors] {
        new_customers_are_exact(trained(&recipe, &data), &data);
    }
}

fn new_customers_are_exact(mut recommender: Recommender, data: &Dataset) {
    let user = (0..data.n_users()).find(|&user| data.train.interactions.of_user(user).len() > 3).unwrap();
    let liked: Vec<&str> =
        data.train.interactions.of_user(user).iter().map(|&item| data.item_ids[item as usize].as_str()).collect();
    let id = data.user_ids[user].clone();
    let options = RecommendOptions::new(60).with_known(true);
    let close = |a: &[Recommendation], b: &[Recommendation]| {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a.score - b.score).abs() < 1e-4, "{a:?}, {b:?}");
        }
    };
    let expected = recommender.recommend_with(&id, &options).unwrap();
    close(&recommender.recommend_for_with(&liked, &options).unwrap(), &expected);
    recommender.update(&liked.iter().map(|item| ("eve", *item)).collect::<Vec<_>>()).unwrap();
    close(&recommender.recommend_with("eve", &options).unwrap(), &expected);
}
