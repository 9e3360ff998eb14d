//! Layers on edges against the baselines that they were made for, as MMRec computes them: LATTICE's learned graph, GRCN's
//! attention, MMGCN's convolutions.

use crate::devices::device;
use crate::golden::{self, Golden, values};
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{IndexingUpdateOp, Tensor};
use viral::nn::{
    EdgeAttentionConfig, Init, LearnedEdges, LearnedItemGraphConfig, ResidualGraphConvConfig, l2_normalize,
};
use viral::ops::{SparseMatrix, knn_pattern, normalize_symmetric_values};

pub(crate) fn tensor(g: &Golden, name: &str) -> Tensor<2> {
    g.tensor(name, &device())
}

/// `[out, in]` there, `[in, out]` here.
fn linear(g: &Golden, name: &str) -> Linear {
    let weight = Param::from_tensor(tensor(g, &format!("{name}.weight")).transpose());
    let bias = Param::from_tensor(g.tensor::<1>(&format!("{name}.bias"), &device()));
    Linear { weight, bias: Some(bias) }
}

pub(crate) fn dense(graph: &SparseMatrix, values: Tensor<1>) -> Tensor<2> {
    let [n, m] = graph.dims();
    let zeros = Tensor::<1>::zeros([n * m], &values.device());
    let places = graph.rows() * m as i32 + graph.cols();
    zeros.select_assign(0, places, values, IndexingUpdateOp::Add).reshape([n, m])
}

pub(crate) fn sum_of(edges: &LearnedEdges) -> Tensor<2> {
    edges.edges.iter().map(|e| dense(&e.pattern, e.values.clone())).reduce(|a, b| a + b).unwrap()
}

/// Some neighbours that are kept have negative similarity, and stay.
#[test]
fn lattice_learns_the_graph_of_its_features() {
    let g = golden::load("lattice");
    let config = LearnedItemGraphConfig::new(3).with_projections(&[[16, 8], [12, 8]]);
    let mut layer = config.init(&mut Init::new(0, &device()));
    layer.projections = vec![linear(&g, "param.image_trs"), linear(&g, "param.text_trs")];
    let features = vec![tensor(&g, "param.image_embedding.weight"), tensor(&g, "param.text_embedding.weight")];
    let learned = layer.forward_mixed(features, g.tensor("modal_weight_softmax", &device()));
    g.check_tensor("learned_norm", sum_of(&learned));

    let raw = LearnedItemGraphConfig::new(3).init(&mut Init::new(0, &device()));
    for (features, name) in [("v_feat", "v.original_adj"), ("t_feat", "t.original_adj")] {
        g.check_tensor(name, sum_of(&raw.forward(tensor(&g, features))));
        // The same of the pattern's own values, which are constants.
        let pattern = knn_pattern(tensor(&g, features), 3, true);
        g.check_tensor(name, dense(&pattern, normalize_symmetric_values(&pattern, pattern.values(), 0.0)));
    }
}

/// The routing that the paper describes, then the attention over both directions of every edge.
#[test]
fn grcn_attends_to_neighbours() {
    let g = golden::load("grcn_routed");
    let (users, items) = (g.ids("inter_u"), g.ids("inter_i"));
    let (sources, targets) = (g.ids("edge_source"), g.ids("edge_target"));
    let between: Vec<(u32, u32, f32)> = users.into_iter().zip(items).map(|(u, i)| (u, i, 1.0)).collect();
    let among: Vec<(u32, u32, f32)> = targets.iter().zip(&sources).map(|(&to, &from)| (to, from, 1.0)).collect();
    let user_item = SparseMatrix::from_edges(12, 10, &between, &device());
    let both = SparseMatrix::from_edges(22, 22, &among, &device());
    // Edges are numbered row after row here, in the order in which they were listed there.
    let mut order: Vec<usize> = (0..among.len()).collect();
    order.sort_by_key(|&e| (targets[e], sources[e]));

    let layer = EdgeAttentionConfig::new(8).init(&mut Init::new(0, &device()));
    for m in ["v", "t"] {
        let features = tensor(&g, &format!("{m}.features"));
        let mut preference = tensor(&g, &format!("{m}.preference0"));
        for route in 1..=3 {
            let message = layer.forward_between(&user_item, preference.clone(), features.clone(), None).output;
            g.check_tensor(&format!("{m}.route{route}.user_message"), message.clone());
            preference = l2_normalize(preference + message);
            g.check_tensor(&format!("{m}.route{route}.preference"), preference.clone());
        }
        let x = Tensor::cat(vec![preference, features], 0);
        let attended = layer.forward(&both, x.clone(), None);
        let by_row = values(attended.weights);
        let mut listed = vec![0.0; by_row.len()];
        order.iter().zip(by_row).for_each(|(&e, weight)| listed[e] = weight);
        g.check(&format!("{m}.alpha"), &listed);
        g.check_tensor(&format!("{m}.final_message"), attended.output.clone());
        g.check_tensor(&format!("{m}.rep"), x + attended.output);
    }
}

#[test]
fn mmgcn_convolves_with_what_a_node_was() {
    let g = golden::load("mmgcn");
    let (_, mean) = g.f32("mean_adj_dense");
    let entry = |k: usize| ((k / 22) as u32, (k % 22) as u32, mean[k]);
    let edges: Vec<(u32, u32, f32)> = (0..mean.len()).map(entry).filter(|e| e.2 != 0.0).collect();
    let graph = SparseMatrix::from_edges(22, 22, &edges, &device());
    let ids = tensor(&g, "frozen.id_embedding");
    for m in ["v", "t"] {
        let mut x = tensor(&g, &format!("{m}.x0"));
        for l in 1..=3 {
            let name = |part: &str| format!("param.{m}_gcn.{part}{l}");
            let mut layer = ResidualGraphConvConfig::new(x.dims()[1], 8).init(&mut Init::new(0, &device()));
            layer.conv.weight = Param::from_tensor(tensor(&g, &format!("{}.weight", name("conv_embed_"))));
            layer.own = linear(&g, &name("linear_layer"));
            layer.merge = linear(&g, &name("g_layer"));
            x = layer.forward(&graph, x, Some(ids.clone()));
            g.check_tensor(&format!("{m}.x{l}"), x.clone());
        }
    }
}
