//! SLMRec as MMRec computes it and MENTOR as its authors do: graphs, vectors, every term and gradient, five steps of Adam, and the
//! scores before and after the last.

use crate::devices::device;
use crate::golden::{self, Golden, Source, check_all, close, filled, gradients, setting, values};
use crate::parity_models::{Steps, batches, check_gradients, scores, steps, train_set};
use crate::support::with;
use burn::tensor::{Tensor, TensorData};
use viral::data::{Features, Interactions, ItemFeatures, Modality, TrainSet};
use viral::loss::{Moments, Objective};
use viral::model::{
    Batch, Embed, Mentor, MentorConfig, MentorContent, MentorDraws, Slmrec, SlmrecConfig, Trainable, parameters,
};
use viral::nn::{Init, affine, l2_normalize};
use viral::ops::{SparseMatrix, gather_rows};
use viral::train::AdamConfig;

const N_USERS: usize = 12;
const N_ITEMS: usize = 10;
const D: usize = 8;

fn dense(graph: &SparseMatrix) -> Vec<f32> {
    values(graph.matmul(Tensor::eye(graph.dims()[1], &device().inner())))
}

/// A term of an objective with its weight.
fn weighted(objective: &Objective, name: &str) -> Tensor<1> {
    let term = objective.terms().iter().find(|t| t.name == name).unwrap_or_else(|| panic!("no term '{name}'"));
    term.value.clone() * term.weight
}

fn check_terms(g: &Golden, objective: &Objective, terms: &[(&str, &str)]) {
    let names: Vec<&str> = objective.terms().iter().map(|term| term.name).collect();
    assert_eq!(names, terms.iter().map(|term| term.0).collect::<Vec<_>>());
    terms.iter().for_each(|(ours, theirs)| g.check_tensor(theirs, weighted(objective, ours)));
}

/// A step of Adam on each batch: losses before each, parameters after all.
fn trained<M: Trainable>(
    model: M,
    g: &Golden,
    group: &str,
    adam: AdamConfig,
    source: impl Fn(&str) -> Source,
    objective: impl Fn(&M, &Batch) -> Objective,
) -> Steps<M> {
    let steps = steps(model, g, adam, objective);
    g.check(&format!("{group}.losses"), &steps.losses);
    check_all(&parameters(&steps.after), g, &format!("{group}.after5."), source, |_| false);
    steps
}

/// A path of ours in MMRec's state. Candidates have no bias here.
fn slmrec_source(name: &str) -> Source {
    let (layer, leaf) = name.rsplit_once('.').unwrap();
    let layer = match layer {
        "tables" if leaf == "users" => return Source::same("embedding_user.weight"),
        "tables" => return Source::same("embedding_item.weight"),
        "projections.0" => "v_dense",
        "projections.1" => "t_dense",
        "merge_users" => "embedding_user_after_GCN",
        "merge_items" => "embedding_item_after_GCN",
        "links.0.anchor" => "g_i_iv",
        "links.0.candidate" => "g_v_iv",
        "spare" => "g_iv_iva",
        "links.1.anchor" => "g_iva_ivat",
        "links.1.candidate" => "g_t_ivat",
        other => panic!("{other} is nothing there"),
    };
    Source::linear(layer, leaf)
}

fn slmrec() -> (Golden, Slmrec) {
    let g = golden::load("slmrec");
    let config = with(SlmrecConfig::published(), |c| {
        c.d_embed = setting("slmrec", "recdim") as usize;
        c.n_layers = setting("slmrec", "layer_num") as usize;
        c.temperature = setting("slmrec", "temp");
        c.link_temperature = setting("slmrec", "ssl_temp");
        c.link_weight = setting("slmrec", "ssl_alpha");
    });
    let data = train_set(&g, N_USERS, N_ITEMS, true);
    let model = filled(config.init(&data, &mut Init::new(0, &device())).unwrap(), &g, slmrec_source);
    (g, model)
}

fn logistic(scores: Vec<f32>) -> Vec<f32> {
    scores.into_iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect()
}

#[test]
fn slmrec_propagates_and_merges() {
    let (g, model) = slmrec();
    g.check("norm_adj_dense", &dense(&model.user_item));
    let data = train_set(&g, N_USERS, N_ITEMS, true);
    for (k, modality, name) in [(0, Modality::Visual, "v"), (1, Modality::Text, "t")] {
        let rows = data.features.get(&modality).unwrap().clone().l2_normalized();
        g.check(&format!("{name}_feat_normalised"), rows.values());
        let x = TensorData::new(rows.values().to_vec(), [N_ITEMS, rows.width()]);
        let projected = affine(&model.projections[k], Tensor::<2>::from_data(x, &device()));
        g.check_tensor(&format!("{name}_dense_emb"), projected);
    }
    let blocks = model.blocks();
    for (k, name) in ["i.emb", "v.emb", "t.emb"].into_iter().enumerate() {
        g.check_tensor(name, blocks.clone().narrow(1, k * D, D));
    }
    let z = model.embed();
    g.check_tensor("user_all", z.users().clone());
    g.check_tensor("item_all", z.items().clone());
    g.check("full_scores", &logistic(scores(&model)));

    let batch = &batches(&g)[0];
    let [users, items] = [(z.users(), &batch.users), (z.items(), &batch.positives)]
        .map(|(x, ids)| gather_rows(l2_normalize(x.clone()), ids.clone()));
    g.check_tensor("main.logits", users.matmul(items.transpose()) / setting("slmrec", "temp") as f32);

    let of_batch = gather_rows(blocks, batch.positives.clone() + N_USERS as i32);
    let [[a, v], [e, t]] = <[_; 2]>::try_from(model.chain(of_batch)).unwrap();
    let biased =
        |x: Tensor<2>, layer: &str| x + g.tensor::<1>(&format!("param.{layer}.bias"), &device()).unsqueeze_dim::<2>(0);
    let (v, t) = (biased(v, "g_v_iv"), biased(t, "g_t_ivat"));
    let temperature = setting("slmrec", "ssl_temp") as f32;
    g.check_tensor("fac.v_logits", a.clone().matmul(v.clone().transpose()) / temperature);
    g.check_tensor("fac.t_logits", e.clone().matmul(t.clone().transpose()) / temperature);
    g.check_tensor("fac.g_iv_iva", affine(model.spare.as_ref().unwrap(), a.clone()));
    for (name, x) in [("g_i_iv", a), ("g_v_iv", v), ("g_iva_ivat", e), ("g_t_ivat", t)] {
        g.check_tensor(&format!("fac.{name}"), x);
    }
}

#[test]
fn slmrec_trains_with_and_without_decay() {
    let (g, model) = slmrec();
    let objective = model.objective(&batches(&g)[0]);
    let alpha = setting("slmrec", "ssl_alpha") as f32;
    g.check_tensor("loss.main", weighted(&objective, "ranking"));
    let [fine, coarse] = ["fine", "coarse"].map(|name| weighted(&objective, name) / alpha);
    g.check_tensor("loss.fac_v", fine.clone());
    g.check_tensor("loss.fac_t", coarse.clone());
    g.check_tensor("loss.ssl", fine + coarse);
    g.check_tensor("loss.total", objective.total());
    assert_eq!(objective.terms().len(), 3);
    check_gradients(&model, &g, objective.total(), slmrec_source, |_| false);
    for (group, weight_decay) in [("adam", 0.0), ("adam_wd1e-4", 1e-4)] {
        let adam = with(AdamConfig::default(), |c| c.weight_decay = weight_decay);
        let steps = trained(model.clone(), &g, group, adam, slmrec_source, Slmrec::objective);
        g.check(&format!("{group}.full_scores_stale"), &logistic(scores(&steps.before)));
        g.check(&format!("{group}.full_scores"), &logistic(scores(&steps.after)));
    }
}

/// The chain goes through visual, audio and text; the spare layer stands for the audio that is not there.
#[test]
fn the_chain_of_slmrec_has_a_link_for_each_modality_and_text_is_the_last() {
    let features = |modalities: &[(Modality, usize)]| -> Features {
        let rows = |width: usize| ItemFeatures::new(4, width, (0..4 * width).map(|k| k as f32 - 3.5).collect());
        modalities.iter().map(|(modality, width)| (modality.clone(), rows(*width).unwrap())).collect()
    };
    let interactions = Interactions::from_pairs(3, 4, &[(0, 0), (0, 1), (1, 2), (2, 0), (2, 3)]);
    let init = |config: &SlmrecConfig, modalities: &[(Modality, usize)]| {
        let data = TrainSet { interactions: interactions.clone(), features: features(modalities) };
        config.init(&data, &mut Init::new(0, &device())).unwrap()
    };
    let [default, published] = [SlmrecConfig::default(), SlmrecConfig::published()];
    let (text, visual, audio) = ((Modality::Text, 5), (Modality::Visual, 6), (Modality::Audio, 7));
    let own = (Modality::named("brand").unwrap(), 3);
    let widths = |model: &Slmrec| model.projections.iter().map(|x| x.weight.dims()[0]).collect::<Vec<_>>();
    let links = |model: &Slmrec| model.links.iter().map(|link| link.anchor.weight.dims()[1]).collect::<Vec<_>>();
    let all = init(&published, &[text.clone(), visual.clone(), audio, own]);
    assert_eq!((widths(&all), links(&all)), (vec![6, 7, 3, 5], vec![64, 64, 64, 32]));
    assert!(all.spare.is_none(), "audio has its own link");
    let two = init(&published, &[text.clone(), visual.clone()]);
    assert_eq!((widths(&two), links(&two), two.spare.is_some()), (vec![6, 5], vec![64, 32], true));
    assert!(init(&default, &[text.clone(), visual.clone()]).spare.is_none());
    for (modality, terms) in [(text, vec!["ranking", "coarse"]), (visual, vec!["ranking", "coarse"])] {
        let one = init(&default, &[modality]);
        assert_eq!(links(&one), [32]);
        let triplets = viral::data::Triplets::new(vec![0, 1], vec![1, 2], vec![3, 3]);
        let objective = one.objective(&Batch::new(&triplets, Default::default(), &device()));
        assert_eq!(objective.terms().iter().map(|term| term.name).collect::<Vec<_>>(), terms);
        assert_eq!(gradients(&one, &objective.total().backward()).len(), parameters(&one).len());
    }
}

/// Blocks are `[text ‖ visual]` here and the other way round there.
fn swapped(rows: &[f32]) -> Vec<f32> {
    rows.chunks(2 * D).flat_map(|row| [&row[D..], &row[..D]].concat()).collect()
}

/// A path of ours in the authors' state.
fn mentor_source(name: &str) -> Source {
    let (encoder, path) = match name {
        "items" => return Source::same("id_feat"),
        "weights.weight" => return Source::same("weight_u").columns(&[1, 0]),
        _ => match name.strip_prefix("views.encoders.") {
            Some(path) => path.split_once('.').unwrap(),
            None => name.split_once('.').unwrap(),
        },
    };
    let gcn = match encoder {
        "text" => "t_gcn",
        "visual" => "v_gcn",
        "ids" => "id_gcn",
        "0" => "t_gcn_n1",
        "1" => "v_gcn_n1",
        "2" => "t_gcn_n2",
        "3" => "v_gcn_n2",
        other => panic!("{other} is nothing there"),
    };
    match path.strip_prefix("head.").map(|path| path.split_once('.').unwrap()) {
        None => Source::same(format!("{gcn}.preference")),
        Some(("first", leaf)) => Source::linear(format!("{gcn}.MLP"), leaf),
        Some((_, leaf)) => Source::linear(format!("{gcn}.MLP_1"), leaf),
    }
}

fn mentor(self_supervision: bool) -> (Golden, Mentor) {
    let g = golden::load("mentor");
    let config = with(MentorConfig::published(), |c| {
        c.d_embed = setting("mentor", "embedding_size") as usize;
        c.d_hidden = g.f32("param.t_gcn.MLP.bias").0[0];
        c.n_item_layers = setting("mentor", "n_mm_layers") as usize;
        c.item_neighbors = setting("mentor", "knn_k") as usize;
        c.visual_weight = setting("mentor", "mm_image_weight");
        c.reg = setting("mentor", "reg_weight");
        c.align_weight = setting("mentor", "align_weight");
        c.mask_weight_g = setting("mentor", "mask_weight_g");
        c.mask_weight_f = setting("mentor", "mask_weight_f");
        c.temperature = setting("mentor", "temp");
        c.dropout = setting("mentor", "dropout");
        c.self_supervision = self_supervision;
    });
    let data = train_set(&g, N_USERS, N_ITEMS, true);
    let mut model = filled(config.init(&data, &mut Init::new(0, &device())).unwrap(), &g, mentor_source);
    if let Some(views) = &mut model.views {
        // Entry [i, o] here is [o, i] there, blocks swapped on both sides.
        let (weight, other) = (g.f32("param.mlp.weight").1, |k: usize| (k + D) % (2 * D));
        let entry = |k: usize| weight[other(k % (2 * D)) * 2 * D + other(k / (2 * D))];
        let weight = TensorData::new((0..4 * D * D).map(entry).collect::<Vec<_>>(), [2 * D, 2 * D]);
        views.mask_weight = Tensor::from_data(weight, &device());
        views.mask_bias = Tensor::from_data(TensorData::new(swapped(&g.f32("param.mlp.bias").1), [2 * D]), &device());
    }
    (g, model)
}

/// What the authors' code drew in a step.
fn draws(g: &Golden, step: usize) -> MentorDraws {
    let plain = device().inner();
    let noise = g.f32("noise").1;
    let layer = |encoder: usize, layer: usize| {
        let n = (N_USERS + N_ITEMS) * D;
        let first = ((step * 4 + encoder) * 2 + layer) * n;
        Tensor::from_data(TensorData::new(noise[first..first + n].to_vec(), [N_USERS + N_ITEMS, D]), &plain)
    };
    let kept = |name: &str, n: usize| {
        let kept = &g.f32(name).1[step * n * 2 * D..][..n * 2 * D];
        Tensor::from_data(TensorData::new(swapped(kept), [n, 2 * D]), &plain)
    };
    MentorDraws {
        // There a view has its visual content first.
        noise: [1, 0, 3, 2].map(|encoder| vec![layer(encoder, 0), layer(encoder, 1)]).to_vec(),
        kept: [kept("keep.user", N_USERS), kept("keep.item", N_ITEMS)],
    }
}

#[test]
fn mentor_makes_graphs_vectors_and_views() {
    let (g, model) = mentor(true);
    g.check("adj_dense", &dense(&model.user_item));
    g.check("mm_adj_dense", &dense(&model.item_item));
    let features = |name: &str| g.tensor::<2>(name, &device());
    let encoders = &model.views.as_ref().unwrap().encoders;
    let check = |name: &str, content: &MentorContent, x: Tensor<2>| {
        g.check_tensor(&format!("{name}.head"), content.head.forward(x.clone()));
        g.check_tensor(&format!("{name}.x0"), content.forward(x));
    };
    check("id", &model.ids, model.items.val());
    for (name, content) in [("t", &model.text), ("t_n1", &encoders[0]), ("t_n2", &encoders[2])] {
        check(name, content, features("t_feat"));
    }
    for (name, content) in [("v", &model.visual), ("v_n1", &encoders[1]), ("v_n2", &encoders[3])] {
        check(name, content, features("v_feat"));
    }

    let contents = model.contents();
    let mut moments = Vec::new();
    for (name, whole, [users, items]) in
        [("t", "t", &contents[0]), ("v", "v", &contents[1]), ("id", "guide", &contents[2])]
    {
        let of_users = &g.f32(&format!("{name}_rep")).1[..N_USERS * D];
        close(&format!("{name}_rep of users"), &values(users.clone()), of_users, 1e-5);
        let nodes = Tensor::cat(vec![users.clone(), items.clone()], 0);
        g.check_tensor(&format!("result_embed_{whole}"), Tensor::cat(vec![nodes.clone(), nodes], 1));
        moments.push((name, Moments::new(&[users.clone(), items.clone()], 2)));
    }
    let z = model.embed();
    assert_eq!(z.blocks(), [("text".to_string(), D), ("visual".to_string(), D)]);
    let nodes = Tensor::cat(vec![z.users().clone(), z.items().clone()], 0);
    g.check("result_embed", &swapped(&values(nodes.clone())));
    moments.push(("vt", Moments::new(&[nodes], 1)));
    for (name, Moments { mean, variance }) in &moments {
        g.check_tensor(&format!("stat.{name}_mean"), mean.clone());
        g.check_tensor(&format!("stat.{name}_var"), variance.clone());
    }
    let of = |name: &str| &moments.iter().find(|(other, _)| *other == name).unwrap().1;
    let distance = |(a, b): (&str, &str)| values(of(a).distance(of(b)))[0];
    let pairs = [("id", "vt"), ("id", "v"), ("id", "t"), ("vt", "v"), ("vt", "t"), ("v", "t")];
    let distances = pairs.map(distance);
    for ((a, b), found) in pairs.iter().zip(distances) {
        g.check(&format!("align.{a}_{b}"), &[found]);
    }
    let [first, second, third, fourth, fifth, sixth] = distances;
    for (level, found) in [(1, first), (2, second + third), (3, fourth + fifth), (4, sixth)] {
        g.check(&format!("align.level{level}"), &[found]);
    }

    let noisy = model.noisy(&draws(&g, 0)).unwrap();
    for (name, [users, items]) in ["result_embed_n1", "result_embed_n2"].into_iter().zip(noisy) {
        g.check(name, &swapped(&values(Tensor::cat(vec![users, items], 0))));
    }
    let scores = scores(&model);
    g.check("full_scores", &scores);
    let (_, ids) = g.i64("batches");
    for (name, row) in [("pos_scores", 1), ("neg_scores", 2)] {
        let of_pair = |k: usize| scores[ids[k] as usize * N_ITEMS + ids[row * 8 + k] as usize];
        g.check(name, &(0..8).map(of_pair).collect::<Vec<_>>());
    }
}

#[test]
fn mentor_trains_with_every_term() {
    let (g, model) = mentor(true);
    let objective = model.objective_with(&batches(&g)[0], Some(&draws(&g, 0)));
    check_terms(
        &g,
        &objective,
        &[
            ("bpr", "loss.bpr_log2"),
            ("reg", "loss.reg"),
            ("align", "loss.align"),
            ("mask_f", "loss.mask_f"),
            ("mask_g", "loss.mask_g"),
        ],
    );
    g.check_tensor("loss_total", objective.total());
    check_gradients(&model, &g, objective.total(), mentor_source, |_| false);
    for (ours, theirs) in [("bpr", "bpr_log2"), ("reg", "reg"), ("align", "align"), ("mask_g", "mask_g")] {
        let objective = model.objective_with(&batches(&g)[0], Some(&draws(&g, 0)));
        let mut found = gradients(&model, &weighted(&objective, ours).backward());
        found.retain(|name, _| name == "weights.weight");
        assert_eq!(found.len(), 1, "{ours} does not reach the weights");
        check_all(&found, &g, "gradpart.weight_u.", |_| Source::same(theirs).columns(&[1, 0]), |_| false);
    }
    let objective = |model: &Mentor, batch: &Batch| model.objective_with(batch, Some(&draws(&g, batch.key.step)));
    let steps = trained(model, &g, "adam", AdamConfig::default(), mentor_source, objective);
    g.check("adam.full_scores_stale", &scores(&steps.before));
    g.check("adam.full_scores_fresh", &scores(&steps.after));
}

/// What is left out changes the gradient of the weights alone, of all that is scored.
#[test]
fn mentor_without_views_is_the_rest_of_it() {
    let (g, model) = mentor(false);
    let objective = model.objective(&batches(&g)[0]);
    check_terms(&g, &objective, &[("bpr", "loss.bpr_log2"), ("reg", "loss.reg"), ("align", "loss.align")]);
    let mut found = gradients(&model, &objective.total().backward());
    assert_eq!(found.len(), parameters(&model).len(), "a gradient reaches every parameter");
    let of_weights: Vec<f32> = found.remove("weights.weight").unwrap().iter::<f32>().collect();
    check_all(&found, &g, "grad.", mentor_source, |_| false);
    let parts = ["bpr_log2", "reg", "align"].map(|term| g.f32(&format!("gradpart.weight_u.{term}")).1);
    let expected = (0..2 * N_USERS).map(|k| parts.iter().map(|part| part[k ^ 1]).sum::<f32>());
    close("gradient of the weights", &of_weights, &expected.collect::<Vec<_>>(), 2e-5);
    assert_eq!(values(model.embed().items().clone()), values(mentor(true).1.embed().items().clone()));
}

/// Independent in encoders, layers, sides and steps, uniform, and the same again for the same key.
#[test]
fn mentor_draws_what_its_key_says() {
    let (_, model) = mentor(true);
    let key = viral::data::StepKey { seed: 3, epoch: 1, step: 2 };
    let drawn = |key| {
        let MentorDraws { noise, kept } = model.draws(key).unwrap();
        noise.into_iter().flatten().chain(kept).map(values).collect::<Vec<_>>()
    };
    let first = drawn(key);
    assert_eq!((first.len(), &drawn(key)), (10, &first));
    let next = drawn(viral::data::StepKey { step: 3, ..key });
    let all: Vec<&Vec<f32>> = first[..8].iter().chain(&next[..8]).collect();
    for (k, a) in all.iter().enumerate() {
        assert!(a.iter().all(|x| (0.0..1.0).contains(x)));
        assert!(all[..k].iter().all(|b| a != b), "noise {k} is drawn twice");
    }
    for (kept, n) in first[8..].iter().zip([N_USERS, N_ITEMS]) {
        assert_eq!(kept.len(), n * 2 * D);
        let share = kept.iter().sum::<f32>() / kept.len() as f32;
        assert!(kept.iter().all(|x| [0.0, 1.0].contains(x)) && (share - 0.5).abs() < 0.2, "{share} kept");
    }
    assert_ne!(first[8], next[8]);
    assert!(mentor(false).1.draws(key).is_none());
}
