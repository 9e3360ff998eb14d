//! DRAGON and COHESION, which share a graph of users, against their authors' code.

use crate::devices::device;
use crate::golden::{self, Golden, Source, check_all, filled, setting, values};
use crate::parity_edges::tensor;
use crate::parity_models::{Steps, batches, check_gradients, pairs, scores_of, steps, term, train_set};
use crate::support::with;
use burn::tensor::Tensor;
use sprs::{CsMat, TriMat};
use viral::data::TrainSet;
use viral::graph::{
    ItemGraph, KnnSearch, MMREC_EPS, bipartite_adjacency, bipartite_adjacency_of, cooccurrence_counts, item_graph,
    modality_shares,
};
use viral::loss::pair_scores;
use viral::model::*;
use viral::nn::{Init, LayerRefinedPropagation, affine, nodes, unit_blocks};
use viral::ops::SparseMatrix;
use viral::train::AdamConfig;

/// Users, items and width of the fixtures.
const SIZES: [usize; 3] = [12, 10, 8];
/// Ours and theirs, in our order.
const MODALITIES: [&str; 2] = ["t", "v"];
const BITS: f32 = std::f32::consts::LN_2;

fn source(name: &str) -> Source {
    let gcn = |m: &str| format!("{}_gcn", MODALITIES[m.parse::<usize>().unwrap()]);
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        ["users", m] => Source::same(format!("{}.preference", gcn(m))),
        ["heads", "projections", m, "first", leaf] => Source::linear(format!("{}.MLP", gcn(m)), leaf),
        ["heads", "projections", m, "second", leaf] => Source::linear(format!("{}.MLP_1", gcn(m)), leaf),
        // Theirs are in the order visual, text.
        ["weights", "weight"] => Source::same("weight_u").columns(&[1, 0]),
        ["items"] => Source::same("id_feat"),
        _ => panic!("what is '{name}' there?"),
    }
}

/// Blocks of `d` columns in another order.
fn blocks<const N: usize>(x: Tensor<2>, order: [usize; N]) -> Tensor<2> {
    let d = x.dims()[1] / N;
    Tensor::cat(order.map(|block| x.clone().narrow(1, block * d, d)).to_vec(), 1)
}

fn dense(graph: &CsMat<f32>) -> Vec<f32> {
    graph.to_dense().into_iter().collect()
}

fn sparse(graph: &CsMat<f32>) -> SparseMatrix {
    SparseMatrix::new(graph, &device())
}

/// The users' neighbours as the reference drew them, the copies of one added up.
fn drawn_users(g: &Golden, weights: &str) -> CsMat<f32> {
    let (shape, neighbors) = g.i64("user_index");
    let mut graph = TriMat::new((shape[0], shape[0]));
    for (e, (&neighbor, &weight)) in neighbors.iter().zip(&g.f32(weights).1).enumerate() {
        graph.add_triplet(e / shape[1], neighbor as usize, weight);
    }
    graph.to_csr()
}

/// The graphs that the models are made on; `counts` are the items that users have in common.
fn check_graphs(g: &Golden, data: &TrainSet, fixture: &str, counts: &str, adjacency: (&str, f64)) {
    let [n_users, ..] = SIZES;
    let found = cooccurrence_counts(&data.interactions, n_users);
    let found: Vec<i64> = dense(&found).into_iter().map(|n| n as i64).collect();
    assert_eq!(found, g.i64(counts).1, "{fixture}: {counts}");
    g.check(adjacency.0, &dense(&bipartite_adjacency(&data.interactions, adjacency.1)));
    let shares = modality_shares(&data.features, setting(fixture, "mm_image_weight"));
    let k = setting(fixture, "knn_k") as usize;
    let items = item_graph(ItemGraph::Mixture, &shares, k, KnnSearch::Exact).unwrap();
    g.check("mm_adj_dense", &dense(&items));
}

/// A step of Adam on each batch: losses before each, and what the reference adds to each; parameters after all. The model
/// before the last step, which the published evaluation ranks by, and after it.
fn check_steps<M: Trainable>(model: M, g: &Golden, added: &[f32]) -> [M; 2] {
    let Steps { losses, before, after } = steps(model, g, AdamConfig::default(), M::objective);
    assert_eq!((losses.len(), added.len()), (5, 5));
    g.check("adam.losses", &losses.iter().zip(added).map(|(loss, added)| loss + added).collect::<Vec<_>>());
    check_all(&parameters(&after), g, "adam.after5.", source, |_| false);
    [before, after]
}

#[test]
fn dragon() {
    let ([n_users, n_items, d], g) = (SIZES, golden::load("dragon"));
    let config = with(DragonConfig::published(), |c| {
        c.d_embed = d;
        c.d_hidden = 4 * d;
        c.n_item_layers = setting("dragon", "n_mm_layers") as usize;
        c.item_neighbors = setting("dragon", "knn_k") as usize;
        c.visual_weight = setting("dragon", "mm_image_weight");
        c.user_neighbors = setting("dragon", "user_k") as usize;
        c.reg = setting("dragon", "reg_weight");
    });
    let data = train_set(&g, n_users, n_items, true);
    check_graphs(&g, &data, "dragon", "cooccurrence", ("norm_adj_dense", 0.0));
    let mut model = filled(config.init(&data, &mut Init::new(0, &device())).unwrap(), &g, source);
    let users = drawn_users(&g, "user_weight");
    g.check("user_adj_dense", &dense(&users));
    model.user_user.train_on(&users);

    let nodes_of = model.nodes();
    for (m, name) in MODALITIES.into_iter().enumerate() {
        let (head, x) = (&model.heads.projections[m], tensor(&g, &format!("{name}_feat")));
        g.check_tensor(&format!("{name}.mlp_out"), affine(&head.first, x.clone()));
        let items = head.forward(x);
        g.check_tensor(&format!("{name}.mlp1_out"), items.clone());
        g.check_tensor(&format!("{name}.x0"), nodes(unit_blocks([model.users[m].val()]), unit_blocks([items])));
        g.check_tensor(&format!("{name}.rep"), nodes_of.clone().narrow(1, m * d, d));
    }
    g.check_tensor("user_weighted", blocks(model.weights.forward(nodes_of.clone().narrow(0, 0, n_users)), [1, 0]));
    g.check_tensor("item_concat", blocks(nodes_of.narrow(0, n_users, n_items), [1, 0]));
    let z = model.embed_over(model.user_user.padded());
    g.check_tensor("user_all", blocks(z.users().clone(), [1, 0]));
    g.check_tensor("item_all", blocks(z.items().clone(), [1, 0]));
    g.check("full_scores", &scores_of(&z));
    let batch = &batches(&g)[0];
    let [positive, negative] = pair_scores(z.users().clone(), z.items().clone(), batch.pairs());
    g.check_tensor("pos_scores", positive);
    g.check_tensor("neg_scores", negative);

    let objective = model.objective(batch);
    g.check("loss.bpr_log2", &[term(&objective, "bpr") / BITS]);
    let parts =
        ["reg_v_preference", "reg_t_preference", "reg_weight_u"].map(|name| g.f32(&format!("loss.{name}")).1[0]);
    golden::close("the sum of the penalties", &[term(&objective, "reg")], &[parts.iter().sum()], 1e-5);
    g.check_tensor("loss.total", objective.total());
    check_gradients(&model, &g, objective.total(), source, |_| false);
    let [before, after] = check_steps(model, &g, &[0.0; 5]);
    g.check("adam.full_scores_stale", &scores_of(&before.embed_over(before.user_user.padded())));
    g.check("adam.full_scores", &scores_of(&after.embed_over(after.user_user.padded())));
}

/// The reference decays a table of weights that nothing reads, which we leave out: its share of the loss before each step.
/// The table's own values say whether this is so.
fn idle_weights(g: &Golden, reg: f64) -> Vec<f32> {
    let mut w: Vec<f64> = g.f32("param.weight_u").1.into_iter().map(f64::from).collect();
    let n = w.len() as f64;
    let mut moments = vec![[0.0; 2]; w.len()];
    let mut shares = Vec::new();
    for step in 1..=5 {
        let mean_square = w.iter().map(|w| w * w).sum::<f64>() / n;
        shares.push((reg * mean_square) as f32);
        if step == 1 {
            g.check("reg.weight_u", &[mean_square as f32]);
            g.check("grad.weight_u", &w.iter().map(|w| (2.0 * reg * w / n) as f32).collect::<Vec<_>>());
        }
        for (w, [m, v]) in w.iter_mut().zip(&mut moments) {
            let gradient = 2.0 * reg * *w / n;
            (*m, *v) = (0.9 * *m + 0.1 * gradient, 0.999 * *v + 0.001 * gradient * gradient);
            let [m, v] = [(*m, 0.9f64), (*v, 0.999)].map(|(moment, beta)| moment / (1.0 - beta.powi(step)));
            *w -= 1e-3 * m / (v.sqrt() + 1e-8);
        }
    }
    g.check("adam.after5.weight_u", &w.into_iter().map(|w| w as f32).collect::<Vec<_>>());
    shares
}

/// The order of their blocks in ours: ids, visual, text.
const COHESIONS: [usize; 3] = [0, 2, 1];

fn cohesion(g: &Golden) -> (Cohesion, TrainSet) {
    let [n_users, n_items, d] = SIZES;
    let config = with(CohesionConfig::published(), |c| {
        c.d_embed = d;
        c.d_hidden = 4 * d;
        c.n_layers = setting("cohesion", "num_layer") as usize;
        c.n_item_layers = setting("cohesion", "n_mm_layers") as usize;
        c.item_neighbors = setting("cohesion", "knn_k") as usize;
        c.visual_weight = setting("cohesion", "mm_image_weight");
        c.user_neighbors = setting("cohesion", "user_k") as usize;
        c.reg = setting("cohesion", "reg_weight");
    });
    let data = train_set(g, n_users, n_items, true);
    let mut model = filled(config.init(&data, &mut Init::new(0, &device())).unwrap(), g, source);
    // What is never trained is no parameter.
    let weight = |layer: &str| tensor(g, &format!("param.id_gcn.{layer}.weight")).transpose();
    let bias = |layer: &str| g.tensor::<1>(&format!("param.id_gcn.{layer}.bias"), &device());
    model.id_branch = FrozenBranch {
        users: tensor(g, "param.id_gcn.preference"),
        first: FrozenLinear { weight: weight("MLP"), bias: bias("MLP") },
        second: FrozenLinear { weight: weight("MLP_1"), bias: bias("MLP_1") },
    };
    model.user_user.train_on(&drawn_users(g, "user_weights"));
    (model, data)
}

fn training_vectors(model: &Cohesion) -> Embeddings {
    model.embed_over(model.user_item.pruned(), model.user_user.padded())
}

#[test]
fn cohesion_layer_by_layer() {
    let ([n_users, _, d], g) = (SIZES, golden::load("cohesion"));
    let (model, data) = cohesion(&g);
    check_graphs(&g, &data, "cohesion", "user_counts", ("adj_dense", MMREC_EPS));
    let graph = model.user_item.full();

    g.check_tensor("id.head", model.id_branch.head(model.items.val()));
    for (m, name) in MODALITIES.into_iter().enumerate() {
        let x = tensor(&g, &format!("{name}_feat"));
        g.check_tensor(&format!("{name}.head"), model.heads.projections[m].forward(x));
    }
    let (ids, inputs, content) = (model.id_nodes(graph), model.content_inputs(), model.content_nodes(graph));
    g.check_tensor("id_rep", ids.clone());
    for (m, name) in MODALITIES.into_iter().enumerate() {
        let of = |x: &Tensor<2>| x.clone().narrow(1, m * d, d);
        g.check_tensor(&format!("{name}.x0"), of(&inputs));
        g.check_tensor(&format!("{name}_rep"), of(&content));
        let propagation = LayerRefinedPropagation { n_layers: 2, blocks: 2 };
        for (l, layer) in (1..).zip(propagation.layers(graph, inputs.clone())) {
            g.check_tensor(&format!("{name}.prop{l}"), of(&layer.received));
            g.check_tensor(&format!("{name}.cos{l}"), layer.cosines.narrow(1, m, 1));
            g.check_tensor(&format!("{name}.layer{l}"), of(&layer.refined));
        }
    }
    // The ids' layers, from the input that the reference stores.
    let propagation = LayerRefinedPropagation { n_layers: 2, blocks: 1 };
    for (l, layer) in (1..).zip(propagation.layers(graph, tensor(&g, "id.x0"))) {
        g.check_tensor(&format!("id.cos{l}"), layer.cosines);
        g.check_tensor(&format!("id.layer{l}"), layer.refined);
    }

    let concat = Tensor::cat(vec![ids, content], 1);
    g.check_tensor("concat", blocks(concat.clone(), COHESIONS));
    let z = training_vectors(&model);
    let neighbors = z.users().clone() - concat.narrow(0, 0, n_users);
    g.check_tensor("h_u", blocks(neighbors, COHESIONS));
    g.check_tensor("user_final", blocks(z.users().clone(), COHESIONS));
    g.check_tensor("item_final", blocks(z.items().clone(), COHESIONS));
    g.check("full_scores", &scores_of(&z));
}

#[test]
fn cohesion_trains() {
    let g = golden::load("cohesion");
    let (model, _) = cohesion(&g);
    let batch = &batches(&g)[0];
    let [positive, negative] = model.shares(batch);
    let weights = Cohesion::block_weights(&positive, &negative);
    g.check_tensor("pos_scores_per_modality", blocks(positive.clone(), COHESIONS));
    g.check_tensor("neg_scores_per_modality", blocks(negative.clone(), COHESIONS));
    g.check_tensor("adaptive_weight", blocks(weights.clone(), COHESIONS));
    g.check_tensor("pos_scores", (positive * weights.clone()).sum_dim(1));
    g.check_tensor("neg_scores", (negative * weights).sum_dim(1));

    let reg = setting("cohesion", "reg_weight");
    let idle = idle_weights(&g, reg);
    let objective = model.objective(batch);
    g.check("loss.bpr_log2", &[term(&objective, "bpr") / BITS]);
    g.check("loss.reg", &[reg as f32 * term(&objective, "reg") + idle[0]]);
    g.check("loss_total", &[values(objective.total())[0] + idle[0]]);
    check_gradients(&model, &g, objective.total(), source, |_| false);
    let [before, after] = check_steps(model, &g, &idle);
    g.check("adam.full_scores_stale", &scores_of(&training_vectors(&before)));
    g.check("adam.full_scores_fresh", &scores_of(&training_vectors(&after)));
}

#[test]
fn cohesion_on_a_pruned_graph() {
    let ([n_users, n_items, _], g) = (SIZES, golden::load("cohesion"));
    let (mut model, data) = cohesion(&g);
    let all = pairs(&g);
    let kept: Vec<(u32, u32)> = g.ids("pruned.kept_edges").iter().map(|&e| all[e as usize]).collect();
    let share = 1.0 - setting("cohesion", "pruned.dropout");
    assert_eq!(kept.len(), (data.interactions.n_pairs() as f64 * share) as usize);
    g.check("pruned.adj_dense", &dense(&bipartite_adjacency_of(n_users, n_items, &kept, MMREC_EPS)));
    model.user_item.keep(&kept);
    let z = training_vectors(&model);
    g.check_tensor("pruned.user_final", blocks(z.users().clone(), COHESIONS));
    g.check_tensor("pruned.item_final", blocks(z.items().clone(), COHESIONS));
    g.check("pruned.full_scores", &scores_of(&z));
    let idle = idle_weights(&g, setting("cohesion", "reg_weight"));
    let batch = &batches(&g)[0];
    g.check("pruned.loss_total", &[values(model.objective(batch).total())[0] + idle[0]]);
    // Ranking is by all pairs and every neighbour once, whatever was drawn.
    let whole = model.embed();
    model.user_item.keep(&all);
    let same = model.embed_over(
        model.user_item.pruned(),
        &sparse(&viral::graph::softmax_rows(&cooccurrence_counts(
            &data.interactions,
            setting("cohesion", "user_k") as usize,
        ))),
    );
    assert_eq!(scores_of(&whole), scores_of(&same));
    assert_ne!(scores_of(&whole), scores_of(&z));
}
