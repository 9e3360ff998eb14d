//! Real training on real data, replayed loss by loss: parameters, order and negatives come from a counter, so nothing
//! depends on anybody's generator of random numbers.

use crate::golden::{Golden, Source, filled, folder, gradients, json, real_data, values};
use crate::parity_models::viral_source;
use crate::support::with;
use burn::tensor::{Device, Tensor};
use serde_json::Value;
use viral::data::{
    Features, InterFile, Interactions, ItemFeatures, Modality, Part, StepKey, TrainSet, Triplets, splitmix64,
};
use viral::graph::{NeighborWeight, knn_exact, user_cooccurrence};
use viral::loss::Objective;
use viral::model::{Batch, Embed, LightGcnConfig, Trainable, ViralConfig, parameters};
use viral::nn::Init;
use viral::train::{Adam, AdamConfig};

const BATCH: usize = 2048;
const CUTOFFS: [usize; 4] = [5, 10, 20, 50];
/// What the mean over 19,445 users may be off: two items of one user that change places by rounding at the cutoff.
const ONE_USER: f64 = 5.2e-5;

fn device() -> Device {
    Device::flex().autodiff()
}

/// `tensor(tag, shape, scale)` of the recipe, before it becomes single precision.
fn recipe(tag: u64, n: usize, scale: f64) -> Vec<f64> {
    let value = |k: u64| 2.0 * scale * ((splitmix64((tag << 32) + k) >> 40) as f64 / (1u64 << 24) as f64 - 0.5);
    (0..n as u64).map(value).collect()
}

fn single(values: Vec<f64>) -> Vec<f32> {
    values.into_iter().map(|x| x as f32).collect()
}

/// `√(6 / (rows + columns))`.
fn xavier(tag: u64, [rows, cols]: [usize; 2]) -> Vec<f32> {
    single(recipe(tag, rows * cols, (6.0 / (rows + cols) as f64).sqrt()))
}

/// Real Baby: the train pairs in the order of the file, and the three parts.
struct Baby {
    rows: Vec<(u32, u32)>,
    train: Interactions,
    valid: Interactions,
    test: Interactions,
}

impl Baby {
    fn read() -> Self {
        let file = InterFile::read(real_data().join("baby/baby.inter")).unwrap();
        let rows =
            |part| file.rows.iter().filter(|row| row.part == Some(part)).map(|row| (row.user, row.item)).collect();
        let set = |pairs: &Vec<(u32, u32)>| Interactions::from_pairs(file.users.len(), file.items.len(), pairs);
        let [train, valid, test]: [Vec<(u32, u32)>; 3] = [Part::Train, Part::Valid, Part::Test].map(rows);
        Self { train: set(&train), valid: set(&valid), test: set(&test), rows: train }
    }

    /// The triplets of an epoch in the recipe's order, `BATCH` at a time.
    fn epoch(&self, epoch: u64) -> Vec<Triplets> {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|&row| splitmix64(row as u64 + 1_000_000 * (epoch + 1)));
        let negative = |row: usize| {
            let first = row as u64 * 1000 + epoch * 100 + 7_000_000_000;
            let draws = (0..).map(|t| (splitmix64(first + t) % self.train.n_items() as u64) as u32);
            let user = self.rows[row].0 as usize;
            draws.into_iter().find(|&item| !self.train.contains(user, item)).unwrap()
        };
        let triplets = |rows: &[usize]| {
            let users = rows.iter().map(|&row| self.rows[row].0).collect();
            let positives = rows.iter().map(|&row| self.rows[row].1).collect();
            Triplets::new(users, positives, rows.iter().map(|&row| negative(row)).collect())
        };
        order.chunks(BATCH).map(triplets).collect()
    }
}

fn near(what: &str, found: f64, expected: &Value, relative: f64) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what} is missing in the file"));
    let off = (found - expected).abs() / expected.abs();
    assert!(off <= relative, "{what}: {found} instead of {expected}, off by {off:e}");
}

/// The order and the negatives are those of the file.
fn check_order(what: &str, file: &Value, epochs: &[Vec<Triplets>]) {
    let head = &epochs[0][0];
    let heads = [&head.users()[..8], &head.positives()[..8], &head.negatives()[..8]];
    assert_eq!(serde_json::json!(heads), file["first_batch_head"], "{what}: the first batch");
    for (e, epoch) in epochs.iter().enumerate() {
        assert_eq!(epoch.iter().map(Triplets::len).collect::<Vec<_>>(), [vec![BATCH; 58], vec![890]].concat());
        let sum: u64 = epoch.iter().flat_map(|batch| batch.negatives()).map(|&n| u64::from(n)).sum();
        assert_eq!(Some(sum), file[format!("negatives_sum_epoch{e}")].as_u64(), "{what}: the negatives of epoch {e}");
    }
}

/// All sixteen means on valid and test, to `absolute`.
fn check_metrics(what: &str, model: &impl Embed, baby: &Baby, expected: &Value, absolute: f64) {
    let z = model.embed();
    for (part, held_out) in [("valid", &baby.valid), ("test", &baby.test)] {
        let found = z.evaluate_against(&baby.train, held_out, &CUTOFFS).unwrap();
        let expected = expected[part].as_object().unwrap();
        assert_eq!(expected.len(), 16);
        for (name, found) in found.means() {
            let expected = expected[&name].as_f64().unwrap();
            let off = (found - expected).abs();
            assert!(off <= absolute, "{what}, {part} {name}: {found} instead of {expected}, off by {off:e}");
        }
    }
}

fn sums(tensor: &Tensor<2>) -> (f64, f64) {
    let values = values(tensor.clone());
    (values.iter().map(|&x| f64::from(x)).sum(), values.iter().map(|&x| f64::from(x).abs()).sum())
}

/// Two epochs of LightGCN: every loss, the metrics before and after each epoch, and the parameters at the end.
#[test]
#[ignore = "needs VIRAL_DATA, the folder of the real data sets"]
fn replay_of_118_steps_of_light_gcn_on_baby() {
    let file = json("baby_train_lightgcn.json");
    let baby = Baby::read();
    let epochs = [baby.epoch(0), baby.epoch(1)];
    check_order("lightgcn", &file, &epochs);

    let (n_users, n_items) = (baby.train.n_users(), baby.train.n_items());
    let golden = Golden::of(
        "lightgcn",
        &[
            ("users".to_string(), vec![n_users, 64], xavier(1, [n_users, 64])),
            ("items".to_string(), vec![n_items, 64], xavier(2, [n_items, 64])),
        ],
    );
    let settings = &file["config"];
    let config = with(LightGcnConfig::default(), |c| {
        c.d_embed = 64;
        c.n_layers = settings["n_layers"].as_u64().unwrap() as usize;
        c.reg = settings["reg_weight"].as_f64().unwrap();
    });
    let train_set = TrainSet { interactions: baby.train.clone(), features: Features::new() };
    let model = config.init(&train_set, &mut Init::new(0, &device())).unwrap();
    let read = |name: &str| Source::same(name);
    let values_of = parameters(&model).into_keys().map(|name| (name.clone(), read(&name).read(&golden, ""))).collect();
    let mut model = viral::model::load_parameters(model, values_of).unwrap();

    let exact = &file["float64"];
    check_metrics("init", &model, &baby, &exact["metrics"]["init"], ONE_USER);
    let mut adam = Adam::new(AdamConfig::new(settings["lr"].as_f64().unwrap()));
    let mut worst = 0f64;
    let mut step = 0;
    for (e, epoch) in epochs.iter().enumerate() {
        for batch in epoch {
            let total = model.objective(&Batch::new(batch, StepKey::default(), &device())).total();
            let found = f64::from(values(total.clone())[0]);
            let expected = &exact["losses"][step];
            near(&format!("the loss of step {step}"), found, expected, 1e-6);
            worst = worst.max((found / expected.as_f64().unwrap() - 1.0).abs());
            model = adam.step(model, total.backward());
            step += 1;
        }
        let name = format!("after_epoch{e}");
        check_metrics(&name, &model, &baby, &exact["metrics"][&name], ONE_USER);
    }
    assert_eq!(step, exact["losses"].as_array().unwrap().len());
    assert_eq!(step, 118);
    eprintln!("lightgcn: 118 losses within {worst:.1e}");

    let checksums = &exact["param_checksums"];
    for (name, table) in [("user", model.users.val()), ("item", model.items.val())] {
        let (sum, abs) = sums(&table);
        near(&format!("{name}_abs"), abs, &checksums[format!("{name}_abs")], 1e-5);
        // The sum cancels to a part of the absolute values: held to the same share of those.
        let off = (sum - checksums[format!("{name}_sum")].as_f64().unwrap()).abs() / abs;
        assert!(off <= 1e-7, "{name}_sum: {sum}, off by {off:e} of the absolute sum");
        let head = checksums[format!("{name}0_head")].as_array().unwrap();
        let found = values(table.slice([0..1, 0..head.len()]));
        for (found, expected) in found.iter().zip(head) {
            let off = (f64::from(*found) - expected.as_f64().unwrap()).abs();
            assert!(off <= 1e-5, "{name}0_head: {found} instead of {expected}");
        }
    }
}

/// Unit rows of `0.8 · tensor(103) + 0.6 · tensor(own)`.
fn features(own: u64, n_items: usize, width: usize) -> ItemFeatures {
    let (common, own) = (recipe(103, n_items * width, 1.0), recipe(own, n_items * width, 1.0));
    let mut mixed: Vec<f64> = common.iter().zip(&own).map(|(c, o)| 0.8 * c + 0.6 * o).collect();
    for row in mixed.chunks_mut(width) {
        let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter_mut().for_each(|x| *x /= norm);
    }
    ItemFeatures::new(n_items, width, single(mixed)).unwrap()
}

/// Our parameters, read from the authors' as the recipe makes them.
fn authors_state(names: &[(String, Vec<usize>)], tags: &Value, weights: &[usize]) -> Golden {
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    for (ours, shape) in names {
        let theirs = viral_source(ours, weights).name().to_string();
        if tensors.iter().any(|tensor| tensor.0 == format!("param.{theirs}")) {
            continue;
        }
        let is_norm = theirs.contains("layer_norm");
        let shape = match (shape.as_slice(), theirs.as_str()) {
            (shape, "weight_u") => shape.to_vec(),
            (shape, name) if name.ends_with("preference") => shape.to_vec(),
            // Queries, keys and values in one matrix, of which ours keeps the values.
            ([d_in, d_out], name) if name.ends_with("in_proj_weight") => vec![3 * d_out, *d_in],
            ([n], name) if name.ends_with("in_proj_bias") => vec![3 * n],
            ([d_in, d_out], _) => vec![*d_out, *d_in],
            (shape, _) => shape.to_vec(),
        };
        let n = shape.iter().product();
        let values = match (shape.as_slice(), theirs.as_str()) {
            (_, "weight_u") => vec![1.0 / 3.0; n],
            (_, name) if is_norm && name.ends_with("weight") => vec![1.0; n],
            (&[rows, cols], name) => {
                let tag = tags[name].as_u64().unwrap_or_else(|| panic!("no tag for {name}, {rows} by {cols}"));
                xavier(tag, [rows, cols])
            }
            _ => vec![0.0; n],
        };
        tensors.push((format!("param.{theirs}"), shape, values));
    }
    Golden::of("recipe", &tensors)
}

fn term(objective: &Objective, name: &str) -> Option<f64> {
    let term = objective.terms().iter().find(|term| term.name == name)?;
    Some(f64::from(values(term.value.clone())[0]))
}

/// The authors' model at full size: graphs, gradients and scores at the first step, losses of all steps in the file, and
/// the ranking after them.
fn replay_of_viral(name: &str, preset: ViralConfig, weights: &[usize]) {
    let file = json(&format!("baby_train_{name}.json"));
    let settings = &file["config"];
    let baby = Baby::read();
    let batches = baby.epoch(0);
    check_order(name, &file, std::slice::from_ref(&batches));

    let number = |key: &str| settings[key].as_u64().unwrap() as usize;
    let (text, visual) = (features(101, 7050, 384), features(102, 7050, 384));
    let config = with(preset, |c| {
        c.item_neighbors = number("knn_k");
        c.user_neighbors = number("user_k");
        c.reg = settings["reg_weight"].as_f64().unwrap();
        c.lambda = settings["synergy_weight"].as_f64().unwrap();
    });
    for (key, features) in [("knn_rowsum_t", &text), ("knn_rowsum_v", &visual)] {
        let neighbors = knn_exact(&[features], config.item_neighbors, true).unwrap();
        let sum: u64 = neighbors.index.iter().map(|&id| u64::from(id)).sum();
        assert_eq!(Some(sum), file[key].as_u64(), "{name}: {key}");
    }
    let users = user_cooccurrence(&baby.train, config.user_neighbors, NeighborWeight::Softmax);
    let sum: u64 = users.indices().iter().map(|&id| id as u64).sum();
    assert_eq!(Some(sum), file["user_graph_index_sum"].as_u64(), "{name}: the neighbours of the users");
    let first: Vec<f32> =
        file["user_graph_weight_first"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
    let found = &users.data()[..first.len()];
    assert!(found.iter().zip(&first).all(|(a, b)| (a - b).abs() <= 1e-6), "{name}: {found:?} instead of {first:?}");

    let content = Features::new().with(Modality::Text, text).with(Modality::Visual, visual);
    let data = TrainSet { interactions: baby.train.clone(), features: content };
    let model = config.init(&data, &mut Init::new(0, &device())).unwrap();
    let items = model.graphs.item_item.as_ref().unwrap();
    assert_eq!(Some(items.nnz() as u64), file["mm_adj_nnz"].as_u64(), "{name}: the item graph");

    let names: Vec<(String, Vec<usize>)> =
        parameters(&model).into_iter().map(|(name, data)| (name, data.shape().to_vec())).collect();
    let source = |name: &str| viral_source(name, weights);
    let mut model = filled(model, &authors_state(&names, &settings["tags"], weights), source);

    let (z, n) = (model.embed(), 3);
    near("user_abs_sum_step0", sums(z.users()).1, &file["user_abs_sum_step0"], 1e-5);
    near("item_abs_sum_step0", sums(z.items()).1, &file["item_abs_sum_step0"], 1e-5);
    let scores = values(z.users().clone().narrow(0, 0, n).matmul(z.items().clone().narrow(0, 0, 4).transpose()));
    for (k, found) in scores.into_iter().enumerate() {
        near(&format!("score {k}"), f64::from(found), &file["scores_head_step0"][k / 4][k % 4], 1e-5);
    }

    let mut adam = Adam::new(AdamConfig::new(settings["lr"].as_f64().unwrap()));
    let losses = file["losses"].as_array().unwrap();
    assert!(losses.len() >= 3);
    for (step, expected) in losses.iter().enumerate() {
        let objective = model.objective(&Batch::new(&batches[step], StepKey::default(), &device()));
        let total = objective.total();
        near(&format!("{name}: the loss of step {step}"), f64::from(values(total.clone())[0]), expected, 1e-5);
        let parts = &file["parts"][step];
        near(&format!("{name}: loss_s of step {step}"), term(&objective, "synergy").unwrap(), &parts["loss_s"], 1e-5);
        match term(&objective, "redundancy") {
            Some(found) => near(&format!("{name}: loss_r of step {step}"), found, &parts["loss_r"], 1e-5),
            None => assert_eq!(parts["loss_r"], 0.0),
        }
        let found = total.backward();
        if step == 0 {
            check_gradient_norms(name, &gradients(&model, &found), &file["grad_norms_step0"], source);
        }
        model = adam.step(model, found);
    }
    check_metrics(name, &model, &baby, &file["metrics_after"], ONE_USER);
}

fn check_gradient_norms(
    what: &str,
    found: &viral::model::Parameters,
    expected: &Value,
    source: impl Fn(&str) -> Source,
) {
    let expected = expected.as_object().unwrap();
    assert_eq!(found.len(), expected.len(), "{what}: parameters with a gradient");
    for (ours, gradient) in found {
        let theirs = source(ours).name().to_string();
        // Queries and keys have no gradient, so the norm of all three is that of the values.
        let norm = gradient.iter::<f32>().map(|g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        let norm_there = expected.get(&theirs).unwrap_or_else(|| panic!("{what}: no gradient of {theirs}"));
        near(&format!("{what}: the norm of the gradient of {theirs}"), norm, norm_there, 1e-4);
    }
}

#[test]
#[ignore = "needs VIRAL_DATA, the folder of the real data sets"]
fn replay_of_the_authors_redu2_at_full_size_on_baby() {
    replay_of_viral("viral-redu2", ViralConfig::reference(), &[0, 1, 2]);
}

/// The authors' `master` weighs `[visual, synergy, text]`; ours are in the order text, synergy, visual.
#[test]
#[ignore = "needs VIRAL_DATA, the folder of the real data sets"]
fn replay_of_the_authors_master_at_full_size_on_baby() {
    replay_of_viral("viral-master", ViralConfig::reference_synergy(), &[2, 1, 0]);
}

/// Without the data the recipe can still be held to what its file says of it.
#[test]
fn the_recipe_is_the_one_of_the_files() {
    assert_eq!(splitmix64(0), 0xe220_a839_7b1d_cdaf);
    assert_eq!(splitmix64(1), 0x910a_2dec_8902_5cc1);
    for name in ["lightgcn", "viral-redu2", "viral-master"] {
        let recipe = json(&format!("baby_train_{name}.json"))["recipe"].clone();
        assert!(
            recipe.as_str().unwrap().contains("2*scale*((splitmix64(tag*2^32+k)>>40)/2^24-0.5)"),
            "{}",
            folder().display()
        );
    }
}
