//! Whole models against the authors' code and MMRec: losses, gradients, five steps of Adam, scores.

use crate::devices::{device, tolerance};
use crate::golden::{self, Golden, Source, check_all, filled, gradients, setting, values};
use crate::support::with;
use burn::tensor::{Int, Tensor};
use sprs::TriMat;
use viral::data::{Interactions, ItemFeatures, Modality, PlantedConfig, StepKey, TrainSet, Triplets};
use viral::loss::{Objective, RankingLoss, bpr, bpr_shared};
use viral::model::*;
use viral::nn::Init;
use viral::ops::SparseMatrix;
use viral::train::{Adam, AdamConfig};

pub(crate) fn pairs(g: &Golden) -> Vec<(u32, u32)> {
    g.ids("inter_u").into_iter().zip(g.ids("inter_i")).collect()
}

pub(crate) fn train_set(g: &Golden, n_users: usize, n_items: usize, features: bool) -> TrainSet {
    let interactions = Interactions::from_pairs(n_users, n_items, &pairs(g));
    let read = |(modality, name)| {
        let (shape, values) = g.f32(name);
        (modality, ItemFeatures::new(shape[0], shape[1], values).unwrap())
    };
    let files = [(Modality::Text, "t_feat"), (Modality::Visual, "v_feat")];
    TrainSet { interactions, features: files.into_iter().filter(|_| features).map(read).collect() }
}

/// The steps of one epoch.
pub(crate) fn batches(g: &Golden) -> Vec<Batch> {
    let (shape, ids) = g.i64("batches");
    let ids: Vec<u32> = ids.iter().map(|&x| x as u32).collect();
    let n = shape[2];
    let batch = |(step, b): (usize, &[u32])| {
        let part = |i: usize| b[i * n..(i + 1) * n].to_vec();
        let key = StepKey { step, ..StepKey::default() };
        Batch::new(&Triplets::new(part(0), part(1), part(2)), key, &device())
    };
    ids.chunks(3 * n).enumerate().map(batch).collect()
}

pub(crate) fn term(objective: &Objective, name: &str) -> f32 {
    let term = objective.terms().iter().find(|t| t.name == name).unwrap_or_else(|| panic!("no term '{name}'"));
    values(term.value.clone())[0]
}

pub(crate) fn scores(model: &impl Embed) -> Vec<f32> {
    scores_of(&model.embed())
}

pub(crate) fn scores_of(z: &Embeddings) -> Vec<f32> {
    values(z.users().clone().matmul(z.items().clone().transpose()))
}

/// The gradients of a loss, which reaches every parameter, against those of the first batch.
pub(crate) fn check_gradients<M: Trainable>(
    model: &M,
    g: &Golden,
    loss: Tensor<1>,
    source: impl Fn(&str) -> Source,
    is_noise: impl Fn(&str) -> bool,
) {
    let found = gradients(model, &loss.backward());
    assert_eq!(found.len(), parameters(model).len(), "a gradient reaches every parameter");
    check_all(&found, g, "grad.", source, is_noise);
}

/// What came of a step of Adam on each batch.
pub(crate) struct Steps<M> {
    /// The loss before each step.
    pub(crate) losses: Vec<f32>,
    /// The model before the last step, by which published evaluations rank.
    pub(crate) before: M,
    /// The model after all.
    pub(crate) after: M,
}

pub(crate) fn steps<M: Trainable>(
    model: M,
    g: &Golden,
    adam: AdamConfig,
    objective: impl Fn(&M, &Batch) -> Objective,
) -> Steps<M> {
    let (mut adam, mut losses) = (Adam::new(adam), Vec::new());
    let (mut before, mut after) = (model.clone(), model);
    for batch in &batches(g) {
        before = after.clone();
        let total = objective(&after, batch).total();
        losses.push(values(total.clone())[0]);
        after = adam.step(after, total.backward());
    }
    Steps { losses, before, after }
}

/// Loss and gradients of the first batch, then a step of Adam on each batch: losses before each, parameters after all.
fn check_training<M: Trainable>(
    model: M,
    g: &Golden,
    loss: &str,
    source: impl Fn(&str) -> Source,
    noise: &[&str],
) -> M {
    let total = model.objective(&batches(g)[0]).total();
    g.check_tensor(loss, total.clone());
    let is_noise = |name: &str| noise.contains(&name);
    check_gradients(&model, g, total, &source, is_noise);

    let Steps { losses, after: model, .. } = steps(model, g, AdamConfig::default(), M::objective);
    g.check("adam.losses", &losses);
    let after = parameters(&model);
    check_all(&after, g, "adam.after5.", &source, is_noise);
    for name in noise {
        // The gradient is zero but for rounding, and Adam makes steps of it: 1e-4, as the fixtures say.
        let expected: Vec<f32> = source(name).read(g, "adam.after5.").iter::<f32>().collect();
        for (a, b) in after[*name].iter::<f32>().zip(expected) {
            assert!((a - b).abs() <= 6e-3, "{name}: {a} instead of {b}");
        }
    }
    model
}

fn light_gcn(fixture: &str) {
    let g = golden::load(fixture);
    let source = |name: &str| match name {
        "users" => Source::same("embedding_dict.user_emb"),
        _ => Source::same("embedding_dict.item_emb"),
    };
    let (users, items) = (g.f32("param.embedding_dict.user_emb").0, g.f32("param.embedding_dict.item_emb").0);
    let config = with(LightGcnConfig::default(), |c| {
        c.d_embed = users[1];
        c.n_layers = setting(fixture, "n_layers") as usize;
        c.reg = setting(fixture, "reg_weight");
    });
    let data = train_set(&g, users[0], items[0], false);
    let model = filled(config.init(&data, &mut Init::new(0, &device())).unwrap(), &g, source);
    let z = model.embed();
    g.check_tensor("user_all", z.users().clone());
    g.check_tensor("item_all", z.items().clone());
    let objective = model.objective(&batches(&g)[0]);
    g.check("bpr_loss", &[term(&objective, "bpr")]);
    g.check("emb_loss", &[term(&objective, "reg")]);
    let model = check_training(model, &g, "loss", source, &[]);
    g.check("adam.full_scores", &scores(&model));
}

#[test]
fn light_gcn_of_two_layers() {
    light_gcn("lightgcn_L2");
}

#[test]
fn light_gcn_of_three_layers() {
    light_gcn("lightgcn_L3");
}

#[test]
fn bpr_mf() {
    let g = golden::load("bpr_mf");
    let source = |name: &str| match name {
        "users" => Source::same("user_embedding.weight"),
        _ => Source::same("item_embedding.weight"),
    };
    let (users, items) = (g.f32("param.user_embedding.weight").0, g.f32("param.item_embedding.weight").0);
    let config = with(BprMfConfig::default(), |c| {
        c.d_embed = users[1];
        c.reg = setting("bpr_mf", "reg_weight");
    });
    let data = train_set(&g, users[0], items[0], false);
    let model = filled(config.init(&data, &mut Init::new(0, &device())).unwrap(), &g, source);
    let model = check_training(model, &g, "loss", source, &[]);
    g.check("adam.full_scores", &scores(&model));
}

#[test]
fn vbpr() {
    let g = golden::load("vbpr");
    let source = |name: &str| match name {
        "users" => Source::same("u_embedding"),
        "items" => Source::same("i_embedding"),
        other => Source::linear("item_linear", other.strip_prefix("content_linear.").unwrap()),
    };
    let (users, items) = (g.f32("param.u_embedding").0, g.f32("param.i_embedding").0);
    let config = with(VbprConfig::published(), |c| {
        c.d_embed = items[1];
        c.reg = setting("vbpr", "reg_weight");
    });
    let data = train_set(&g, users[0], items[0], true);
    let model = filled(config.init(&data, &mut Init::new(0, &device())).unwrap(), &g, source);
    g.check_tensor("item_all", model.embed().items().clone());
    let model = check_training(model, &g, "loss", source, &[]);
    g.check("adam.full_scores", &scores(&model));
}

#[test]
fn freedom() {
    let g = golden::load("freedom");
    let source = |name: &str| match name {
        "users" => Source::same("user_embedding.weight"),
        "items" => Source::same("item_id_embedding.weight"),
        "text" => Source::same("text_embedding.weight"),
        "visual" => Source::same("image_embedding.weight"),
        other => match other.split_once('.').unwrap() {
            ("text_head", leaf) => Source::linear("text_trs", leaf),
            (_, leaf) => Source::linear("image_trs", leaf),
        },
    };
    let (users, items) = (g.f32("param.user_embedding.weight").0, g.f32("param.item_id_embedding.weight").0);
    let config = with(FreedomConfig::published(), |c| {
        c.d_embed = users[1];
        c.n_layers = setting("freedom", "n_ui_layers") as usize;
        c.n_item_layers = setting("freedom", "n_mm_layers") as usize;
        c.n_neighbors = setting("freedom", "knn_k") as usize;
        c.visual_weight = setting("freedom", "mm_image_weight");
        c.edge_dropout = 0.0;
        c.reg = setting("freedom", "reg_weight");
    });
    let data = train_set(&g, users[0], items[0], true);
    let mut model = filled(config.init(&data, &mut Init::new(0, &device())).unwrap(), &g, source);
    let all = pairs(&g);
    let kept: Vec<(u32, u32)> = g.ids("kept_edges").iter().map(|&e| all[e as usize]).collect();
    model.user_item.keep(&kept);
    // A bias of both items of a pair cancels in their difference.
    let model = check_training(model, &g, "loss", source, &["text_head.bias", "visual_head.bias"]);
    g.check("adam.full_scores", &scores(&model));
}

/// A path of ours in the authors' state; `weights` is the order of the columns of the modality weights.
pub(crate) fn viral_source(name: &str, weights: &[usize]) -> Source {
    if name == "weights.weight" {
        return Source::same("weight_u").columns(weights);
    }
    if let Some(path) = name.strip_prefix("channels.") {
        let (channel, path) = path.split_once('.').unwrap();
        let gcn = ["t_gcn", "s_gcn", "v_gcn"][channel.parse::<usize>().unwrap()];
        return match path.split_once('.') {
            None => Source::same(format!("{gcn}.preference")),
            Some((_, path)) => match path.split_once('.').unwrap() {
                ("first", leaf) => Source::linear(format!("{gcn}.MLP"), leaf),
                (_, leaf) => Source::linear(format!("{gcn}.MLP_1"), leaf),
            },
        };
    }
    if let Some(leaf) = name.strip_prefix("fusion.redundancy.join.") {
        return Source::linear("trb.ln", leaf);
    }
    let encoders = [
        ("fusion.redundancy.encoder.", "trb.fusion"),
        ("fusion.synergy.text_to_visual.", "cms.vt_trans"),
        ("fusion.synergy.text_self.", "cms.vt_self"),
        ("fusion.synergy.visual_to_text.", "cms.tv_trans"),
        ("fusion.synergy.visual_self.", "cms.tv_self"),
    ];
    let (ours, theirs) = encoders.iter().find(|(ours, _)| name.starts_with(ours)).unwrap_or_else(|| panic!("{name}"));
    Source::encoder(theirs, &name[ours.len()..])
}

fn viral(fixture: &str, preset: ViralConfig, weights: &[usize]) {
    let g = golden::load(fixture);
    let (users, items) = (g.f32("param.t_gcn.preference").0, g.f32("t_feat").0);
    let d_hidden = g.f32("param.t_gcn.MLP.weight").0[0];
    let config = with(preset, |c| {
        c.d_embed = users[1];
        c.n_layers = setting(fixture, "gcn_layers") as usize;
        c.item_neighbors = setting(fixture, "knn_k") as usize;
        c.visual_weight = setting(fixture, "mm_image_weight");
        c.n_item_layers = setting(fixture, "n_mm_layers") as usize;
        c.reg = setting(fixture, "reg_weight");
        c.lambda = setting(fixture, "synergy_weight");
        c.d_hidden = d_hidden;
        c.d_hidden_visual = if c.d_hidden_visual > 0 { d_hidden } else { 0 };
    });
    let data = train_set(&g, users[0], items[0], true);
    let source = |name: &str| viral_source(name, weights);
    let mut model = filled(config.init(&data, &mut Init::new(0, &device())).unwrap(), &g, source);

    // The authors draw the users' neighbours anew in each epoch: take those of the fixture.
    let (shape, neighbors) = g.i64("user_index");
    let mut graph = TriMat::new((users[0], users[0]));
    for (e, (&neighbor, &weight)) in neighbors.iter().zip(&g.f32("user_weights").1).enumerate() {
        graph.add_triplet(e / shape[1], neighbor as usize, weight);
    }
    model.graphs.user_user = Some(SparseMatrix::new(&graph.to_csr(), &device()));

    let one = |m: &SparseMatrix, n: usize| values(m.matmul(Tensor::eye(n, &device().inner())));
    g.check("mm_adj_dense", &one(model.graphs.item_item.as_ref().unwrap(), items[0]));
    let blocks = model.blocks(model.graphs.user_item.full());
    for (b, name) in blocks.names.iter().enumerate() {
        let nodes = blocks.nodes.clone().narrow(1, b * users[1], users[1]);
        let rep = match *name {
            "text" => "t_rep",
            "synergy" => "s_rep",
            _ => "v_rep",
        };
        g.check_tensor(rep, nodes);
    }
    let objective = model.objective(&batches(&g)[0]);
    let bits = std::f32::consts::LN_2;
    g.check("loss_bpr_log2", &[term(&objective, "bpr") / bits]);
    g.check("loss_s", &[term(&objective, "synergy")]);
    if config.redundancy {
        g.check("loss_r", &[term(&objective, "redundancy")]);
        let z = model.embed();
        g.check_tensor("user_final", z.users().clone());
        g.check_tensor("item_final", z.items().clone());
    }
    g.check("full_scores", &scores(&model));
    let model = check_training(model, &g, "loss_total", source, &[]);
    g.check("adam.full_scores_fresh", &scores(&model));
}

#[test]
fn viral_reference() {
    viral("viral_full_redu2", ViralConfig::reference(), &[0, 1, 2]);
}

/// The authors' `master` weighs `[visual, synergy, text]`; ours are in the order text, synergy, visual.
#[test]
fn viral_reference_synergy() {
    viral("viral_full_master", ViralConfig::reference_synergy(), &[2, 1, 0]);
}

/// The scores of a batch, of some rows of users and items, are those of the embeddings of all: what trains is what ranks.
#[test]
fn viral_trains_the_scores_that_it_ranks_by() {
    let catalogue = PlantedConfig::new().with_n_users(60).with_n_items(40).with_interactions_per_user(6);
    let train = catalogue.with_d_text(12).with_d_visual(10).generate().data.train;
    let near = with(ViralConfig::new(), |c| {
        c.edge_dropout = 0.0;
        c.log2 = false;
        c.user_neighbors = 5;
    });
    let list = |factor: u32, below: u32| (0..50).map(|k| k * factor % below).collect();
    let triplets = Triplets::new(list(7, 20), list(3, 40), list(11, 40));
    for n_user_layers in [0, 1, 2] {
        for (shared_negatives, fusion, ranking) in [
            (0, FusionStrategy::InformationAware, RankingLoss::Bpr),
            (0, FusionStrategy::InformationAware, RankingLoss::Softmax),
            (9, FusionStrategy::InformationAware, RankingLoss::Bpr),
            (9, FusionStrategy::InformationAware, RankingLoss::Softmax),
            (9, FusionStrategy::MeanPooling, RankingLoss::Bpr),
        ] {
            let config = with(near.clone(), |c| {
                c.n_user_layers = n_user_layers;
                c.shared_negatives = shared_negatives;
                c.fusion = fusion;
                c.ranking = ranking;
            });
            let model = config.init(&train, &mut Init::new(3, &device())).unwrap();
            let batch = Batch::new(&triplets, StepKey::default(), &device());
            let z = model.embed();
            let users = z.users().clone().select(0, batch.users.clone()) * config.score_scale;
            let scores = |items: &Tensor<1, Int>| {
                let of_items = z.items().clone().select(0, items.clone());
                (users.clone() * of_items).sum_dim(1).squeeze_dim::<1>(1)
            };
            let expected = match shared_negatives {
                0 => bpr(scores(&batch.positives), scores(&batch.negatives)),
                n => {
                    let negatives = z.items().clone().select(0, batch.sampled_items(n));
                    let (positive, negative) = (scores(&batch.positives), users.clone().matmul(negatives.transpose()));
                    match ranking {
                        RankingLoss::Bpr => bpr_shared(positive, negative),
                        _ => {
                            let all = Tensor::cat(vec![positive.clone().unsqueeze_dim(1), negative], 1);
                            (all.exp().sum_dim(1).log().squeeze_dim::<1>(1) - positive).mean()
                        }
                    }
                }
            };
            let (found, expected) = (term(&model.objective(&batch), ranking.name()), values(expected)[0]);
            let what = format!(
                "{n_user_layers} layers, {shared_negatives} shared, {fusion:?}, {ranking}: {found}, not {expected}"
            );
            assert!((found - expected).abs() <= tolerance(1e-5) * expected, "{what}");
        }
    }
}
