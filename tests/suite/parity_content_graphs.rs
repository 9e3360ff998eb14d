//! MMGCN, GRCN and LATTICE against MMRec: what comes on the way, losses, every gradient, five steps of Adam, scores; in every
//! variant of the reference.

use crate::devices::device;
use crate::golden::{self, Golden, Source, check_all, gradients, setting, values};
use crate::parity_edges::{dense, sum_of, tensor};
use crate::parity_models::{Steps, batches, check_gradients, scores, steps, term, train_set};
use crate::support::with;
use burn::module::Module;
use burn::tensor::Tensor;
use viral::model::*;
use viral::nn::Init;
use viral::ops::SparseMatrix;
use viral::train::AdamConfig;

const USERS: usize = 12;
const ITEMS: usize = 10;

/// Users before items.
fn both(users: Tensor<2>, items: Tensor<2>) -> Tensor<2> {
    Tensor::cat(vec![users, items], 0)
}

/// Users or items of a table of all nodes, of `tables.users` and the like.
fn side(table: &str, name: &str) -> Source {
    let rows = if name.starts_with("user") { 0..USERS } else { USERS..USERS + ITEMS };
    Source::same(table).rows(rows)
}

/// Fills a model; tables that the reference does not train are in a group of their own there.
fn filled<M: Module>(model: M, g: &Golden, source: impl Fn(&str) -> Source, is_table: impl Fn(&str) -> bool) -> M {
    let group = |name: &str| if is_table(name) { "frozen." } else { "param." };
    let names = parameters(&model).into_keys();
    let values = names.map(|name| {
        let value = source(&name).read(g, group(&name));
        (name, value)
    });
    let values = values.collect();
    load_parameters(model, values).unwrap()
}

/// An epoch of five steps: the loss before each, parameters and scores after all, and scores before the last update, which is what
/// MMRec ranks by.
fn check_epoch<M: Trainable>(
    mut model: M,
    g: &Golden,
    variant: &str,
    source: impl Fn(&str) -> Source,
    skip: impl Fn(&str) -> bool,
    stale: bool,
) -> M {
    model.begin_epoch(0, 0).unwrap();
    let Steps { losses, before, after: model } = steps(model, g, AdamConfig::default(), M::objective);
    if stale {
        g.check(&format!("{variant}.full_scores_stale"), &scores(&before));
    }
    g.check(&format!("{variant}.losses"), &losses);
    g.check(&format!("{variant}.full_scores"), &scores(&model));
    check_all(&parameters(&model), g, &format!("{variant}.after5."), source, skip);
    model
}

/// Embeddings, scores and the total of the first batch.
fn check_outputs<M: Trainable>(model: &M, g: &Golden) {
    let z = model.embed();
    if z.blocks().len() == 1 {
        g.check_tensor("user_all", z.users().clone());
        g.check_tensor("item_all", z.items().clone());
    }
    g.check("full_scores", &scores(model));
    g.check_tensor("loss.total", model.objective(&batches(g)[0]).total());
}

fn mmgcn_source(name: &str) -> Source {
    let Some(path) = name.strip_prefix("modalities.") else { return side("id_embedding", name) };
    let (m, path) = path.split_once('.').unwrap();
    let gcn = ["t_gcn", "v_gcn"][m.parse::<usize>().unwrap()];
    match path.split('.').collect::<Vec<_>>().as_slice() {
        ["preferences"] => Source::same(format!("{gcn}.preference")),
        ["projection", leaf] => Source::linear(format!("{gcn}.MLP"), leaf),
        ["layers", k, part @ ..] => {
            let k = k.parse::<usize>().unwrap() + 1;
            match part {
                ["conv", "weight"] => Source::same(format!("{gcn}.conv_embed_{k}.weight")),
                ["own", leaf] => Source::linear(format!("{gcn}.linear_layer{k}"), leaf),
                ["merge", leaf] => Source::linear(format!("{gcn}.g_layer{k}"), leaf),
                other => panic!("no part {other:?} of a layer"),
            }
        }
        other => panic!("no part {other:?} of a modality"),
    }
}

fn is_mmgcn_table(name: &str) -> bool {
    ["users", "items"].contains(&name) || name.ends_with(".preferences")
}

fn mmgcn(g: &Golden, train_tables: bool, n_layers: usize) -> Mmgcn {
    let config = with(MmgcnConfig::published(), |c| {
        c.d_embed = setting("mmgcn", "d") as usize;
        c.d_visual = setting("mmgcn", "dim_latent") as usize;
        c.reg = setting("mmgcn", "reg_weight");
        c.n_layers = n_layers;
        c.train_tables = train_tables;
    });
    let data = train_set(g, USERS, ITEMS, true);
    filled(config.init(&data, &mut Init::new(0, &device())).unwrap(), g, mmgcn_source, is_mmgcn_table)
}

/// What each modality is after every layer, and the losses.
#[test]
fn mmgcn_layer_by_layer() {
    let g = golden::load("mmgcn");
    for train_tables in [false, true] {
        for n_layers in 1..=3 {
            let mut model = mmgcn(&g, train_tables, n_layers);
            // What frozen tables send is kept from the beginning of an epoch on, and changes nothing.
            for began in [false, true] {
                for (modality, m) in model.modalities.iter().zip(["t", "v"]) {
                    let [users, items] = modality.inputs();
                    g.check_tensor(&format!("{m}.x0"), both(users, items));
                }
                for ([users, items], m) in model.representations().into_iter().zip(["t", "v"]) {
                    g.check_tensor(&format!("{m}.x{n_layers}"), both(users, items));
                }
                if n_layers == 3 {
                    check_outputs(&model, &g);
                    let objective = model.objective(&batches(&g)[0]);
                    g.check("loss.bpr", &[term(&objective, "bpr")]);
                    g.check("loss.reg_id", &[term(&objective, "reg_ids")]);
                    g.check("loss.reg_v_preference", &[term(&objective, "reg_preferences")]);
                }
                if !began {
                    model.begin_epoch(0, 0).unwrap();
                }
            }
        }
    }
}

/// As published: no optimizer sees the tables.
#[test]
fn mmgcn_with_frozen_tables() {
    let g = golden::load("mmgcn");
    let model = mmgcn(&g, false, 3);
    let before = parameters(&model);
    let found = gradients(&model, &model.objective(&batches(&g)[0]).total().backward());
    let trained: Vec<&String> = before.keys().filter(|name| !is_mmgcn_table(name)).collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), trained, "a gradient reaches all but the tables");
    check_all(&found, &g, "grad.", mmgcn_source, |_| false);

    let mut began = model.clone();
    began.begin_epoch(0, 0).unwrap();
    let found = gradients(&began, &began.objective(&batches(&g)[0]).total().backward());
    check_all(&found, &g, "grad.", mmgcn_source, |_| false);
    let after = parameters(&check_epoch(model, &g, "adam", mmgcn_source, is_mmgcn_table, true));
    for name in after.keys().filter(|name| is_mmgcn_table(name)) {
        assert_eq!(after[name], before[name], "{name} is frozen");
    }
}

/// As in the paper.
#[test]
fn mmgcn_with_trained_tables() {
    let g = golden::load("mmgcn");
    let model = mmgcn(&g, true, 3);
    let found = gradients(&model, &model.objective(&batches(&g)[0]).total().backward());
    assert_eq!(found.len(), parameters(&model).len(), "a gradient reaches every parameter");
    check_all(&found, &g, "grad.", mmgcn_source, is_mmgcn_table);
    check_all(&found, &g, "frozen_grad.", mmgcn_source, |name| !is_mmgcn_table(name));
    check_epoch(model, &g, "adam_all", mmgcn_source, |_| false, true);
}

fn grcn_source(name: &str) -> Source {
    // The reference has the visual column first.
    if name.ends_with("_confidence") {
        return side("model_specific_conf", name).columns(&[1, 0]);
    }
    let Some(path) = name.strip_prefix("modalities.") else { return side("id_gcn.id_embedding", name) };
    let (m, path) = path.split_once('.').unwrap();
    let gcn = ["t_gcn", "v_gcn"][m.parse::<usize>().unwrap()];
    match path.strip_prefix("projection.first.") {
        Some(leaf) => Source::linear(format!("{gcn}.MLP"), leaf),
        None => Source::same(format!("{gcn}.preference")),
    }
}

/// Values in the order of the reference's edges, from those of both directions row after row.
fn listed(g: &Golden, to_users: Tensor<1>, to_items: Tensor<1>) -> Vec<f32> {
    let (sources, targets) = (g.ids("edge_source"), g.ids("edge_target"));
    let by_row: Vec<f32> = values(to_users).into_iter().chain(values(to_items)).collect();
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by_key(|&e| (targets[e], sources[e]));
    let mut listed = vec![0.0; by_row.len()];
    order.iter().zip(by_row).for_each(|(&e, value)| listed[e] = value);
    listed
}

fn grcn(fixture: &str, n_routings: usize) {
    let g = golden::load(fixture);
    let config = with(GrcnConfig::published(), |c| {
        c.d_embed = setting(fixture, "d") as usize;
        c.d_content = setting(fixture, "latent_embedding") as usize;
        c.reg = setting(fixture, "reg_weight");
        c.n_routings = n_routings;
    });
    let data = train_set(&g, USERS, ITEMS, true);
    let model = config.init(&data, &mut Init::new(0, &device())).unwrap();
    let model = filled(model, &g, grcn_source, |_| false);

    let content = model.content();
    for (content, m) in content.iter().zip(["t", "v"]) {
        g.check_tensor(&format!("{m}.rep"), both(content.users.clone(), content.items.clone()));
        let [to_users, to_items] = [&content.to_users, &content.to_items].map(|x| x.clone().squeeze_dim::<1>(1));
        g.check(&format!("{m}.alpha"), &listed(&g, to_users, to_items));
    }
    let [to_users, to_items] = model.edge_weights(&content);
    g.check("edge_weight", &listed(&g, to_users, to_items));
    let z = model.embed();
    let block = |x: &Tensor<2>, b: usize| x.clone().narrow(1, b * config.d_embed, config.d_embed);
    assert_eq!(z.blocks().iter().map(|block| &*block.0).collect::<Vec<_>>(), ["id", "text", "visual"]);
    g.check_tensor("id.rep", both(block(z.users(), 0), block(z.items(), 0)));
    // The order of blocks there.
    let reordered = |x: &Tensor<2>| Tensor::cat([0, 2, 1].map(|b| block(x, b)).to_vec(), 1);
    g.check_tensor("user_all", reordered(z.users()));
    g.check_tensor("item_all", reordered(z.items()));
    check_outputs(&model, &g);

    let objective = model.objective(&batches(&g)[0]);
    g.check("loss.bpr", &[term(&objective, "bpr")]);
    g.check("loss.reg_id", &[term(&objective, "reg_ids")]);
    let parts = ["v_preference_all", "v_preference_batch", "t_preference_batch"];
    let preferences: f32 = parts.iter().map(|part| g.f32(&format!("loss.reg_{part}")).1[0]).sum();
    golden::close("reg_preferences", &[term(&objective, "reg_preferences")], &[preferences], 1e-5);
    check_gradients(&model, &g, objective.total(), grcn_source, |_| false);
    check_epoch(model, &g, "adam", grcn_source, |_| false, true);
}

/// Where routing does nothing, leaving it out changes nothing.
#[test]
fn grcn_as_published() {
    let g = golden::load("grcn");
    for m in ["t", "v"] {
        for route in 1..=3 {
            assert!(g.f32(&format!("{m}.route{route}.user_message")).1.iter().all(|&x| x == 0.0));
        }
    }
    grcn("grcn", 0);
}

#[test]
fn grcn_with_routing() {
    let n_routings = setting("grcn_routed", "n_layers") as usize;
    assert_eq!(n_routings, GrcnConfig::default().n_routings);
    grcn("grcn_routed", n_routings);
}

fn lattice_source(name: &str) -> Source {
    let modality = |m: &str| ["text", "image"][m.parse::<usize>().unwrap()];
    match name.split('.').collect::<Vec<_>>().as_slice() {
        ["tables", "users"] => Source::same("user_embedding.weight"),
        ["tables", "items"] => Source::same("item_id_embedding.weight"),
        ["modality_weights"] => Source::same("modal_weight").columns(&[1, 0]),
        ["trained_features", m] => Source::same(format!("{}_embedding.weight", modality(m))),
        ["learned", "projections", m, leaf] => Source::linear(format!("{}_trs", modality(m)), leaf),
        other => panic!("no parameter {other:?}"),
    }
}

fn lattice_config() -> LatticeConfig {
    let number = |key| setting("lattice", key);
    with(LatticeConfig::published(), |c| {
        c.d_embed = number("d") as usize;
        c.d_projection = number("feat_embed_dim") as usize;
        c.n_item_layers = number("n_layers") as usize;
        c.n_neighbors = number("knn_k") as usize;
        c.lambda = number("lambda_coeff");
        c.reg = number("reg_weight");
        c.reg_batch_size = number("train_batch_size") as usize;
    })
}

fn lattice(g: &Golden, config: &LatticeConfig) -> Lattice {
    let model = config.init(&train_set(g, USERS, ITEMS, true), &mut Init::new(0, &device())).unwrap();
    filled(model, g, lattice_source, |_| false)
}

#[test]
fn lattice_on_the_graph_of_its_parameters() {
    let g = golden::load("lattice");
    let mut model = lattice(&g, &lattice_config());
    g.check_tensor("item_adj", sum_of(&model.item_graph()));
    g.check_tensor("h", model.item_graph().propagate(model.tables.items.val()));
    check_outputs(&model, &g);
    // Whether an epoch has begun or not, its first batch learns the graph.
    for began in [false, true] {
        let objective = model.objective(&batches(&g)[0]);
        g.check("loss.bpr", &[term(&objective, "bpr")]);
        g.check("loss.reg", &[term(&objective, "reg")]);
        check_gradients(&model, &g, objective.total(), lattice_source, |_| false);
        if !began {
            model.begin_epoch(0, 0).unwrap();
        }
    }
}

/// The same batch as a later one of the epoch: of all parameters only the tables have a gradient.
#[test]
fn lattice_keeps_the_graph_in_later_batches() {
    let g = golden::load("lattice");
    let mut model = lattice(&g, &lattice_config());
    model.begin_epoch(0, 0).unwrap();
    let mut later = batches(&g).swap_remove(0);
    later.key.step = 1;
    let total = model.objective(&later).total();
    g.check_tensor("detached.loss", total.clone());
    let found = gradients(&model, &total.backward());
    assert_eq!(found.keys().collect::<Vec<_>>(), ["tables.items", "tables.users"]);
    check_all(&found, &g, "detached.grad.", lattice_source, |_| false);
}

/// The variant whose moments go on without a gradient, PyTorch's before version 2, is not one of this crate's.
#[test]
fn lattice_learns_once_an_epoch() {
    let g = golden::load("lattice");
    check_epoch(lattice(&g, &lattice_config()), &g, "adam", lattice_source, |_| false, false);
}

#[test]
fn lattice_learns_in_every_step() {
    let g = golden::load("lattice");
    let config = with(lattice_config(), |c| c.rebuild_every_step = true);
    check_epoch(lattice(&g, &config), &g, "adam_rebuild", lattice_source, |_| false, false);
}

/// The paper's graph from the reference's parts: each modality's learned graph is normalised by its own degrees.
#[test]
fn lattice_with_the_graph_of_the_paper() {
    let g = golden::load("lattice");
    let published = lattice(&g, &lattice_config());
    let config = with(lattice_config(), |c| c.normalize_first = true);
    let lambda = config.lambda;
    let model = lattice(&g, &config);
    let expected = ["t", "v"].iter().zip([1, 0]).map(|(m, column)| {
        let weight = g.f32("modal_weight_softmax").1[column];
        let near = tensor(&g, &format!("{m}.learned_knn"));
        let roots = near.clone().sum_dim(1).powf_scalar(-0.5); // [n, 1]
        let learned = near * roots.clone() * roots.transpose();
        (learned * (1.0 - lambda) + tensor(&g, &format!("{m}.original_adj")) * lambda) * weight
    });
    let expected = values(expected.reduce(|a, b| a + b).unwrap());
    golden::close("the paper's graph", &values(sum_of(&model.item_graph())), &expected, 1e-5);
    let difference = sum_of(&published.item_graph()) - sum_of(&model.item_graph());
    assert!(values(difference).iter().any(|x| x.abs() > 1e-3), "the two graphs are one");
}

/// The user-item graphs of both forms.
#[test]
fn lattice_propagates_over_the_graph_that_is_set() {
    let g = golden::load("lattice");
    let data = train_set(&g, USERS, ITEMS, true);
    let expected = tensor(&g, "norm_adj_dense");
    let graph = viral::graph::row_stochastic(&viral::graph::add_self_loops(&viral::graph::bipartite_pattern(
        &data.interactions,
    )));
    let graph = SparseMatrix::new(&graph, &device());
    golden::close("D^-1 (A + I)", &values(dense(&graph, graph.values())), &values(expected.clone()), 1e-6);

    // Without content the model is the propagation of its tables, and neighbours add rows of length 1.
    let of = |self_loops: bool| {
        let config = with(lattice_config(), |c| {
            c.self_loops = self_loops;
            c.n_item_layers = 0;
        });
        let model = lattice(&g, &config);
        (values(model.embed().users().clone()), model)
    };
    let (looped, model) = of(true);
    let nodes = both(model.tables.users.val(), model.tables.items.val());
    let one = expected.clone().matmul(nodes.clone());
    let mean = (nodes + one.clone() + expected.matmul(one)) / 3.0;
    golden::close("users", &looped, &values(mean.narrow(0, 0, USERS)), 1e-5);
    let light = with(LightGcnConfig::default(), |c| c.d_embed = 8);
    let light = light.init(&data, &mut Init::new(0, &device())).unwrap();
    let of_tables = parameters(&model).into_iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("tables.")?;
        Some((name.to_string(), value))
    });
    let light = load_parameters(light, of_tables.collect()).unwrap();
    golden::close("LightGCN's users", &of(false).0, &values(light.embed().users().clone()), 1e-5);
}
