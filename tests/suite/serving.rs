//! Recommendations: what comes back, what does not, and that every way to ask agrees.

use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeSet;
use viral::Error;
use viral::data::{Dataset, Part, PlantedConfig};
use viral::prelude::*;

fn trained() -> (Dataset, Recommender) {
    let planted = PlantedConfig::new().with_n_users(300).with_n_items(700).with_interactions_per_user(10);
    let data = planted.with_d_text(12).with_d_visual(10).generate().data;
    let run = Recipe::viral().seed(1).epochs(6).run(&data, &Device::flex()).unwrap();
    let recommender = run.recommender().unwrap();
    (data, recommender)
}

/// By the definition: every score in double precision, what is known left out, sorted.
fn by_definition(data: &Dataset, recommender: &Recommender, user: usize, k: usize) -> Vec<String> {
    let z = recommender.embeddings();
    let known = |item: u32| [Part::Train, Part::Valid, Part::Test].iter().any(|&p| data.part(p).contains(user, item));
    let mut scored: Vec<(u32, f64)> = (0..data.n_items() as u32)
        .filter(|&item| !known(item))
        .map(|item| (item, z.attribute(user, item as usize).iter().sum()))
        .collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.iter().take(k).map(|&(item, _)| data.item_ids[item as usize].clone()).collect()
}

fn ids(found: &[Recommendation]) -> Vec<String> {
    found.iter().map(|found| found.item.clone()).collect()
}

#[test]
fn one_user_many_users_and_the_definition_agree() {
    let (data, recommender) = trained();
    let many = recommender.recommend_many(&data.user_ids, &RecommendOptions::new(20)).unwrap();
    for (user, id) in data.user_ids.iter().enumerate() {
        assert_eq!(many[user], recommender.recommend(id, 20).unwrap(), "{id}");
        if user % 20 == 0 {
            assert_eq!(ids(&many[user]), by_definition(&data, &recommender, user, 20), "{id}");
        }
    }
    let weighed = RecommendOptions::new(9).weigh("visual", 0.0).weigh("text", 2.5).exclude([&*data.item_ids[3]]);
    let many = recommender.recommend_many(&data.user_ids, &weighed).unwrap();
    for (user, id) in data.user_ids.iter().enumerate() {
        assert_eq!(many[user], recommender.recommend_with(id, &weighed).unwrap(), "{id}");
        assert!(many[user].iter().all(|found| found.shares[2] == ("visual".into(), 0.0)), "{id}");
    }
}

#[test]
fn weights_count_by_their_ratios_however_small_or_large() {
    let (data, recommender) = trained();
    let user = data.example_user().unwrap();
    let of = |scale: f64| {
        let blocks = [("text", 1.0), ("synergy", 0.5), ("visual", -0.25)];
        blocks.iter().fold(RecommendOptions::new(10), |options, (block, weight)| options.weigh(*block, weight * scale))
    };
    let expected = recommender.recommend_with(user, &of(1.0)).unwrap();
    for scale in [1e-300, 1e-46, 1e-20, 1e20, 1e34] {
        let found = recommender.recommend_with(user, &of(scale)).unwrap();
        assert_eq!(ids(&found), ids(&expected), "{scale}");
        assert_eq!(recommender.recommend_many(&[user], &of(scale)).unwrap(), [found], "{scale}");
    }
    let error = recommender.recommend_with(user, &of(1e39)).unwrap_err().to_string();
    assert!(error.contains("a weight is too large"), "{error}");
}

#[test]
fn options_say_what_may_come() {
    let (data, recommender) = trained();
    let user = data.example_user().unwrap();
    let number = data.user_index(user).unwrap();
    let best = ids(&recommender.recommend(user, 700).unwrap());
    let n_known: usize =
        [Part::Train, Part::Valid, Part::Test].map(|p| data.part(p).of_user(number).len()).iter().sum();
    assert_eq!(best.len(), 700 - n_known, "all there are");

    let without =
        ids(&recommender.recommend_with(user, &RecommendOptions::new(3).exclude(best[..2].to_vec())).unwrap());
    assert_eq!(without, best[2..5]);
    let among: Vec<String> = best.iter().rev().step_by(100).cloned().collect();
    let found = ids(&recommender.recommend_with(user, &RecommendOptions::new(99).among(among.clone())).unwrap());
    assert_eq!(found, among.into_iter().rev().collect::<Vec<_>>());
    let all = recommender.recommend_with(user, &RecommendOptions::new(700).with_known(true)).unwrap();
    assert_eq!(all.len(), 700);

    let known = &data.item_ids[data.train.interactions.of_user(number)[0] as usize];
    let options = RecommendOptions::new(5).among([known.as_str()]);
    assert!(recommender.recommend_with(user, &options).unwrap().is_empty(), "a candidate that the user has");
    let unknown = recommender.recommend_with(user, &RecommendOptions::new(5).among(["i9x"]));
    assert!(matches!(unknown, Err(Error::UnknownItem { id, .. }) if id == "i9x"));
    let block = recommender.recommend_with(user, &RecommendOptions::new(5).weigh("vidual", 1.0)).unwrap_err();
    assert!(block.to_string().contains("vidual") && block.to_string().contains("text, synergy, visual"), "{block}");
    for weight in [f64::NAN, f64::INFINITY, 1e300] {
        assert!(recommender.recommend_with(user, &RecommendOptions::new(5).weigh("text", weight)).is_err(), "{weight}");
    }
}

/// Somebody with a user's history and no vector gets much of what the user gets, and hits what was held out of it.
#[test]
fn liked_items_stand_in_for_a_user() {
    let (data, recommender) = trained();
    let (mut hits, mut own_hits, mut common, mut n) = (0, 0, 0, 0);
    for user in (0..300).filter(|&u| !data.test.of_user(u).is_empty()) {
        let liked: Vec<&String> =
            data.train.interactions.of_user(user).iter().map(|&i| &data.item_ids[i as usize]).collect();
        let options = RecommendOptions::new(20);
        let found: BTreeSet<String> =
            ids(&recommender.recommend_for_with(&liked, &options).unwrap()).into_iter().collect();
        assert!(liked.iter().all(|item| !found.contains(*item)), "a liked item comes again");
        let options = options.exclude(liked.iter().map(|item| item.as_str())).with_known(true);
        let own: BTreeSet<String> =
            ids(&recommender.recommend_with(&data.user_ids[user], &options).unwrap()).into_iter().collect();
        common += own.intersection(&found).count();
        n += own.len();
        let held_out = |list: &BTreeSet<String>| {
            data.test.of_user(user).iter().filter(|&&i| list.contains(&data.item_ids[i as usize])).count()
        };
        hits += held_out(&found);
        own_hits += held_out(&own);
    }
    // Chance would have 20 of 700 in common, and as few hits.
    assert!(common * 3 > n, "{common} of {n} recommendations are the user's own");
    assert!(hits * 10 > own_hits * 7, "{hits} hits by liked items, {own_hits} by the users' vectors");
    assert!(recommender.recommend_for::<&str>(&[], 5).unwrap_err().to_string().contains("no liked items"));
    assert!(matches!(recommender.recommend_for(&["i0001", "x"], 5), Err(Error::UnknownItem { id, .. }) if id == "x"));
}

#[test]
fn similar_items_are_ranked_by_cosine() {
    let (data, recommender) = trained();
    let z = recommender.embeddings();
    let cosine = |a: usize, b: usize| {
        let dot = |a: usize, b: usize| {
            z.item(a).iter().zip(z.item(b)).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>()
        };
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    for item in [0, 350, 699] {
        let found = recommender.similar(&data.item_ids[item], 10).unwrap();
        let mut all: Vec<usize> = (0..700).filter(|&other| other != item).collect();
        all.sort_by(|&a, &b| cosine(item, b).total_cmp(&cosine(item, a)));
        assert_eq!(ids(&found), all[..10].iter().map(|&i| data.item_ids[i].clone()).collect::<Vec<_>>());
        for (found, &other) in found.iter().zip(&all) {
            assert!((found.score - cosine(item, other)).abs() < 1e-6);
            assert_eq!(found.shares.iter().map(|share| share.1).sum::<f64>(), found.score);
        }
    }
}

#[test]
fn a_user_without_history_is_told_apart_from_one_who_is_unknown() {
    let ids = |ids: &[&str]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>();
    let train =
        TrainSet { interactions: Interactions::from_pairs(3, 3, &[(0, 0), (0, 1), (1, 0)]), features: Features::new() };
    let empty = Interactions::from_pairs(3, 3, &[]);
    let data = Dataset::new("shop", train, empty, Interactions::from_pairs(3, 3, &[(2, 2)])).unwrap();
    let data = data.with_user_ids(ids(&["ann", "bob", "zoe"])).unwrap();
    let data = data.with_item_ids(ids(&["ball", "cot", "lamp"])).unwrap();
    let run = Recipe::lightgcn().fixed_epochs(2).run(&data, &Device::flex()).unwrap();
    let recommender = run.recommender().unwrap();
    assert!(matches!(recommender.recommend("zoe", 2), Err(Error::NoHistory { id, .. }) if id == "zoe"));
    assert!(matches!(recommender.recommend("zed", 2), Err(Error::UnknownUser { id, n_users: 3, .. }) if id == "zed"));
    let popular = recommender.popular(9).unwrap();
    assert_eq!(
        popular.iter().map(|found| (&*found.item, found.score)).collect::<Vec<_>>(),
        [("ball", 2.0), ("cot", 1.0), ("lamp", 0.0)]
    );
}

#[test]
fn many_threads_share_a_recommender() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    let (data, recommender) = trained();
    is_shared(&recommender);
    let expected = recommender.recommend(&data.user_ids[7], 5).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..50).for_each(|_| assert_eq!(recommender.recommend(&data.user_ids[7], 5).unwrap(), expected))
            });
        }
    });
}

#[test]
fn who_has_no_history_is_told_what_is_popular_and_new_to_them() -> viral::Result<()> {
    let log = [
        ("ann", "cup", 0),
        ("ann", "cot", 0),
        ("zoe", "cup", 0),
        ("zoe", "bib", 1),
        ("ann", "bib", 2),
        ("new", "cup", 2),
    ];
    let rows: String = log.iter().map(|(user, item, label)| format!("{user}\t{item}\t{label}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("toys.inter"), format!("user\titem\tx_label\n{rows}")).unwrap();
    let data = Dataset::read(folder.path().join("toys.inter"))?;
    let recommender = Recipe::named("popularity")?.run(&data, &Device::flex())?.recommender()?;
    let error = recommender.recommend("new", 3).unwrap_err();
    assert!(matches!(&error, Error::NoHistory { id, .. } if id == "new"), "{error}");
    let options = RecommendOptions::new(3);
    assert_eq!(ids(&recommender.popular_with(&options)?), ["cup", "cot", "bib"]);
    assert_eq!(ids(&recommender.popular_for("new", &options)?), ["cot", "bib"]);
    assert_eq!(ids(&recommender.popular_for("new", &options.clone().exclude(["cot"]))?), ["bib"]);
    assert_eq!(ids(&recommender.popular_for("new", &options.clone().with_known(true))?), ["cup", "cot", "bib"]);
    assert!(recommender.popular_for("ann", &options)?.is_empty());
    assert!(matches!(recommender.popular_for("eve", &options), Err(Error::UnknownUser { .. })));
    Ok(())
}

/// A model of vectors that are given.
#[derive(burn::module::Module, Debug)]
pub(crate) struct Given {
    pub(crate) users: Tensor<2>,
    pub(crate) items: Tensor<2>,
}

impl Embed for Given {
    fn embed(&self) -> Embeddings {
        Embeddings::new(self.users.clone(), self.items.clone(), "id")
    }
}

fn of_twelve_users_and_thirty_items() -> Dataset {
    PlantedConfig::new().with_n_users(12).with_n_items(30).with_interactions_per_user(6).generate().data
}

#[test]
fn a_diverged_model_does_not_serve() {
    let (data, device) = (of_twelve_users_and_thirty_items(), Device::flex());
    for bad in [f32::NAN, f32::INFINITY, 1e38] {
        let model = Given { users: Tensor::full([12, 2], 1e20, &device), items: Tensor::full([30, 2], bad, &device) };
        let error = Recommender::new(&model, &(), &data).unwrap_err().to_string();
        assert!(error.contains("diverged"), "{error}");
    }
}

/// The inverse of a length below the normal numbers is infinite: such a vector has no direction, as one of zeros.
#[test]
fn an_item_with_a_vector_too_short_for_a_cosine_is_like_no_other() {
    let (data, device) = (of_twelve_users_and_thirty_items(), Device::flex());
    for short in [0.0, 1e-45, 1e-39] {
        let mut items = vec![1f32; 60];
        items[..2].fill(short);
        let items = Tensor::from_data(TensorData::new(items, [30, 2]), &device);
        let model = Given { users: Tensor::ones([12, 2], &device), items };
        let recommender = Recommender::new(&model, &(), &data).unwrap();
        let (own, other) = (&data.item_ids[0], &data.item_ids[1]);
        assert!(recommender.similar(own, 40).unwrap().iter().all(|found| found.score == 0.0), "{short}");
        let found = recommender.similar(other, 40).unwrap();
        assert_eq!((found.len(), &found[28].item, found[28].score), (29, own, 0.0), "{short}");
        assert!(found[..28].iter().all(|found| (found.score - 1.0).abs() < 1e-6), "{short}");
    }
}

/// A model file and a checkpoint of version 0.1.0, written by it.
#[test]
fn files_of_every_earlier_format_are_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
    let recommender = Recommender::load(folder.join("model_1.safetensors")).unwrap();
    let found = recommender.recommend("3", 4).unwrap();
    // As 0.1.0 printed them.
    assert_eq!(ids(&found), ["13", "3", "8", "11"]);
    assert_eq!((found[0].score, found[0].title.as_deref()), (0.14467435322455746, Some("Toy no. 13")));
    assert_eq!(recommender.fingerprint(), None);
    assert_eq!(recommender.recommend_for(&["13"], 3).unwrap().len(), 3);

    let outer = tempfile::tempdir().unwrap();
    let run = outer.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::copy(folder.join("checkpoint_1.safetensors"), run.join("checkpoint.safetensors")).unwrap();
    let data = Dataset::read_with(&folder, &ReadOptions::new().with_name("toys")).unwrap();
    let recipe = Recipe::lightgcn().set("d_embed", "4").unwrap().seed(5).epochs(3);
    let runner = recipe.runner(&data, &Device::flex()).folder(&run).existing(viral::recipe::Existing::Resume);
    let resumed = runner.run().unwrap();
    assert_eq!((resumed.history().len(), resumed.history()[0].valid), (3, Some(1.0)));
    let again = recommender.model(&data.train, &Device::flex()).unwrap();
    assert_eq!(viral::model::parameters(&again), viral::model::parameters(resumed.model()));
}
