//! Graphs against the golden values of the authors' code, MMRec and LATTICE.

use crate::golden;
use viral::data::{Dataset, Interactions, ItemFeatures};
use viral::graph::{
    ItemGraph, KnnSearch, MMREC_EPS, NeighborWeight, add_self_loops, bipartite_adjacency, bipartite_adjacency_of,
    bipartite_pattern, cooccurrence_counts, item_graph, knn_approximate, knn_exact, normalize_symmetric,
    row_stochastic, user_cooccurrence,
};

type Graph = sprs::CsMat<f32>;

fn dense(graph: &Graph) -> Vec<f32> {
    graph.to_dense().into_iter().collect()
}

/// `A X`, row after row.
fn times(graph: &Graph, x: &[f32], width: usize) -> Vec<f32> {
    let mut product = vec![0f64; graph.rows() * width];
    for (&value, (i, j)) in graph.iter() {
        for c in 0..width {
            product[i * width + c] += f64::from(value) * f64::from(x[j * width + c]);
        }
    }
    product.into_iter().map(|x| x as f32).collect()
}

fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn features((shape, values): (Vec<usize>, Vec<f32>)) -> ItemFeatures {
    ItemFeatures::new(shape[0], shape[1], values).unwrap()
}

fn pairs(users: &[i64], items: &[i64]) -> Vec<(u32, u32)> {
    users.iter().zip(items).map(|(&u, &i)| (u as u32, i as u32)).collect()
}

#[test]
fn item_graphs_of_the_reference() {
    let golden = golden::load("knn_item_graph");
    let (visual, text) = (features(golden.f32("v_feat")), features(golden.f32("t_feat")));
    let k = golden.i64("code.knn_v").0[1];
    for (name, features) in [("code.knn_v", &visual), ("code.knn_t", &text)] {
        let found: Vec<i64> = knn_exact(&[features], k, true).unwrap().index.iter().map(|&j| i64::from(j)).collect();
        assert_eq!(found, golden.i64(name).1, "{name}");
    }
    let mixed = |weights: [f32; 2]| {
        let modalities = [(&visual, weights[0]), (&text, weights[1])];
        item_graph(ItemGraph::Mixture, &modalities, k, KnnSearch::Exact).unwrap()
    };
    let alone = |features| item_graph(ItemGraph::Mixture, &[(features, 1.0)], k, KnnSearch::Exact).unwrap();
    golden.check("code.lap_v", &dense(&alone(&visual)));
    golden.check("code.lap_t", &dense(&alone(&text)));
    golden.check("code.mix0.1", &dense(&mixed([0.1, 0.9])));
    let mixed = mixed([0.5, 0.5]);
    golden.check("code.mix0.5", &dense(&mixed));

    let (shape, x) = golden.f32("x0");
    let one = times(&mixed, &x, shape[1]);
    golden.check("code.item_item_L1", &sum(&x, &one));
    golden.check("code.item_item_L2", &sum(&x, &times(&mixed, &one, shape[1])));
    // y = x + Aⁿ x, so the gradient of sum(y W) is W + (Aᵀ)ⁿ W.
    let (w, back) = (golden.f32("W").1, mixed.transpose_view().to_csr());
    let one = times(&back, &w, shape[1]);
    golden.check("code.grad_L1", &sum(&w, &one));
    golden.check("code.grad_L2", &sum(&w, &times(&back, &one, shape[1])));
}

#[test]
fn item_graphs_of_the_paper() {
    let golden = golden::load("knn_item_graph");
    let (visual, text) = (features(golden.f32("v_feat")), features(golden.f32("t_feat")));
    let n_items = visual.n_items();
    let k = golden.i64("code.knn_v").0[1];
    let all = knn_exact(&[&visual, &text], n_items, true).unwrap().weighted();
    golden.check("paper.S", &dense(&all));
    let (shape, x) = golden.f32("x0");
    for (variant, include_self) in [("with_self", true), ("no_self", false)] {
        let graph = knn_exact(&[&visual, &text], k, include_self).unwrap().weighted();
        let check = |name: String, found: &[f32]| golden.check(&name, found);
        check(format!("paper.{variant}.adj"), &dense(&graph));
        check(format!("paper.{variant}.adj_rownorm"), &dense(&row_stochastic(&graph)));
        check(format!("lattice.{variant}.adj_symnorm"), &dense(&normalize_symmetric(&graph, 0.0)));
        let one = times(&graph, &x, shape[1]);
        check(format!("paper.{variant}.h1"), &one);
        check(format!("paper.{variant}.h2"), &times(&graph, &one, shape[1]));
    }
}

#[test]
fn user_graph() {
    let golden = golden::load("user_graph");
    let (shape, r) = golden.i64("R");
    let (n_users, n_items) = (shape[0], shape[1]);
    let met: Vec<(u32, u32)> = (0..n_users * n_items)
        .filter(|&at| r[at] != 0)
        .map(|at| ((at / n_items) as u32, (at % n_items) as u32))
        .collect();
    let interactions = Interactions::from_pairs(n_users, n_items, &met);
    let counts = cooccurrence_counts(&interactions, n_users);
    golden.check("cooccurrence", &dense(&counts));
    let k = golden.i64("index").0[1];
    let graph = user_cooccurrence(&interactions, k, NeighborWeight::Softmax);
    golden.check("clean.adj", &dense(&graph));
    let (shape, x) = golden.f32("X");
    golden.check("clean.h_u", &times(&graph, &x, shape[1]));
}

#[test]
fn normalised_user_item_graphs() {
    let golden = golden::load("graph_norm");
    let pairs = pairs(&golden.i64("inter_u").1, &golden.i64("inter_i").1);
    // The file gives U + I; users are numbered without gaps from 0.
    let n_users = pairs.iter().map(|p| p.0 as usize + 1).max().unwrap();
    let n_items = golden.f32("sym_exact").0[0] - n_users;
    let interactions = Interactions::from_pairs(n_users, n_items, &pairs);
    for (name, eps) in [("sym_exact", 0.0), ("mmrec_sym_eps", MMREC_EPS)] {
        let graph = bipartite_adjacency(&interactions, eps);
        golden.check(name, &dense(&graph));
        assert_eq!(graph, bipartite_adjacency_of(n_users, n_items, &pairs, eps), "{name} of unsorted pairs");
    }
    let exact = bipartite_adjacency(&interactions, 0.0);
    let values: Vec<f32> = pairs.iter().map(|p| exact[[p.0 as usize, n_users + p.1 as usize]]).collect();
    golden.check("edge_values_exact", &values);
    let looped = row_stochastic(&add_self_loops(&bipartite_pattern(&interactions)));
    golden.check("lattice_row_selfloop", &dense(&looped));
}

#[test]
fn freedoms_graphs() {
    let golden = golden::load("freedom");
    let all = pairs(&golden.i64("inter_u").1, &golden.i64("inter_i").1);
    let kept: Vec<(u32, u32)> = golden.i64("kept_edges").1.iter().map(|&e| all[e as usize]).collect();
    let (n_users, n_items) = (golden.f32("user_all").0[0], golden.f32("item_all").0[0]);
    let masked = bipartite_adjacency_of(n_users, n_items, &kept, MMREC_EPS);
    golden.check("masked_adj_dense", &dense(&masked));
    let k = golden::setting("freedom", "knn_k") as usize;
    let weight = golden::setting("freedom", "mm_image_weight") as f32;
    let (visual, text) = (features(golden.f32("v_feat")), features(golden.f32("t_feat")));
    let modalities = [(&visual, weight), (&text, 1.0 - weight)];
    let mixed = item_graph(ItemGraph::Mixture, &modalities, k, KnnSearch::Exact).unwrap();
    golden.check("mm_adj_dense", &dense(&mixed));
}

/// Features of a real catalogue are no clusters; most of the nearest are found nevertheless.
#[test]
#[ignore = "needs VIRAL_DATA, the folder of the real data sets"]
fn near_clusters_hold_most_of_the_neighbours_of_real_items() {
    let baby = Dataset::read(golden::real_data().join("baby")).unwrap();
    for (name, features) in baby.features() {
        let exact = knn_exact(&[features], 10, false).unwrap();
        let share = |n_probe| {
            let near = knn_approximate(&[features], 10, false, n_probe).unwrap();
            let rows = near.index.chunks(10).zip(exact.index.chunks(10));
            let found: usize = rows.map(|(near, exact)| near.iter().filter(|id| exact.contains(id)).count()).sum();
            found as f64 / exact.index.len() as f64
        };
        let shares = [4, 16, 84].map(share);
        println!("{name}: {shares:.3?} of the ten nearest are found in 4, 16 and all 84 clusters");
        assert!(shares[0] < shares[1] && shares[1] > 0.8 && shares[2] > 0.9999, "{name}: {shares:?}");
    }
}
