//! Graphs that are made on one device and used on another: everything of them moves.

use super::{matrix, uneven, vector};
use crate::devices::{device, on_cpu};
use crate::golden::{close, values};
use burn::module::Module;
use burn::tensor::Device;
use viral::data::{Interactions, PlantedConfig};
use viral::graph::MMREC_EPS;
use viral::model::{Embed, FreedomConfig, PrunedGraph, Trainable, UserGraph};
use viral::nn::Init;
use viral::ops::{SparseMatrix, edge_softmax, segment_sum_columns, spmm, spmm_values};

/// Every way in which a graph is used, in outputs and gradients.
fn use_of(graph: &SparseMatrix) -> Vec<Vec<f32>> {
    let [n, m] = graph.dims();
    let (x, v) = (matrix(7, [m, 5]).require_grad(), vector(9, graph.nnz()).require_grad());
    let attention = edge_softmax(graph, v.clone().unsqueeze_dim(1));
    let sums = segment_sum_columns(graph, attention.clone());
    let y = spmm(graph, x.clone()) + spmm_values(graph, attention.squeeze_dim(1), x.clone());
    let loss = (y.clone() * matrix(8, [n, 5])).sum() + (sums.clone() * matrix(6, [m, 1])).sum();
    let gradients = loss.backward();
    vec![values(y), values(sums), values(x.grad(&gradients).unwrap()), values(v.grad(&gradients).unwrap())]
}

#[test]
fn a_graph_works_where_it_is_moved_to() {
    for (name, matrix) in [
        ("uneven", uneven(1, 63, 70)),
        ("symmetric", {
            let a = uneven(2, 40, 40);
            &a + &a.transpose_view().to_csr()
        }),
    ] {
        let expected = on_cpu(|| use_of(&SparseMatrix::new(&matrix, &Device::flex())));
        for from in [Device::flex(), Device::flex().autodiff()] {
            for edges_are_known in [false, true] {
                let graph = SparseMatrix::new(&matrix, &from);
                if edges_are_known {
                    assert_eq!(graph.rows().dims(), [matrix.nnz()]);
                }
                let symmetric = graph.is_symmetric();
                for moved in [
                    graph.clone().to_device(&device()),
                    graph.clone().fork(&device().inner()),
                    graph.clone().fork(&device()).train(),
                    graph.clone().valid().to_device(&device()),
                ] {
                    assert_eq!(moved.device(), device().inner());
                    for device_of_part in [moved.rows().device(), moved.cols().device(), moved.values().device()] {
                        assert_eq!(device_of_part, device().inner());
                    }
                    assert_eq!(moved.is_symmetric(), symmetric);
                    for (found, expected) in use_of(&moved).iter().zip(&expected) {
                        close(&format!("{name}, edges known {edges_are_known}"), found, expected, 1e-5);
                    }
                }
                // What was moved is a copy: the original is where it was.
                assert_eq!(graph.device(), Device::flex());
            }
        }
        assert_eq!(name == "symmetric", SparseMatrix::new(&matrix, &device()).is_symmetric());
    }
}

#[test]
fn a_pruned_graph_draws_where_it_is_moved_to() {
    let pairs: Vec<(u32, u32)> = (0..40).flat_map(|u| [(u, u % 7), (u, 7 + u % 11)]).collect();
    let data = Interactions::from_pairs(40, 18, &pairs);
    let run = |from: &Device| {
        let mut graph = PrunedGraph::new(&data, MMREC_EPS, 0.5, from).unwrap().to_device(&device());
        graph.redraw(3, 1);
        assert_eq!((graph.full().device(), graph.pruned().device()), (device().inner(), device().inner()));
        values(spmm(graph.pruned(), matrix(1, [58, 4])))
    };
    let expected = on_cpu(|| run(&Device::flex()));
    for from in [Device::flex(), Device::flex().autodiff(), device()] {
        close("A x", &run(&from), &expected, 1e-5);
    }
}

#[test]
fn a_padded_graph_draws_where_it_is_moved_to() {
    let pairs: Vec<(u32, u32)> = (0..40).flat_map(|u| [(u, u % 7), (u, 7 + u % 11)]).collect();
    let data = Interactions::from_pairs(40, 18, &pairs);
    let run = |from: &Device| {
        let mut graph = UserGraph::new(&data, 30, true, from).to_device(&device());
        graph.redraw(3, 1);
        assert_eq!((graph.plain().device(), graph.padded().device()), (device().inner(), device().inner()));
        values(spmm(graph.padded(), matrix(1, [40, 4])))
    };
    let expected = on_cpu(|| run(&Device::flex()));
    for from in [Device::flex(), Device::flex().autodiff(), device()] {
        close("A x", &run(&from), &expected, 1e-5);
    }
}

/// FREEDOM has both: a constant item graph and a user-item graph that is drawn anew in each epoch.
#[test]
fn a_model_that_is_moved_embeds_as_where_it_was_made() {
    let data = PlantedConfig::new().with_n_users(60).with_n_items(40).generate().data.train;
    let made_on = |from: &Device| FreedomConfig::default().init(&data, &mut Init::new(1, from)).unwrap();
    let embeddings = |from: &Device, to: &Device| {
        let mut model = made_on(from).fork(to);
        model.begin_epoch(1, 2).unwrap();
        assert!(model.devices().into_iter().all(|found| found == to.clone().inner()));
        let embeddings = model.embed();
        [values(embeddings.users().clone()), values(embeddings.items().clone())]
    };
    let flex = Device::flex();
    let expected = embeddings(&flex.clone().autodiff(), &flex);
    for to in [device(), device().inner()] {
        let found = embeddings(&flex, &to);
        close("users", &found[0], &expected[0], 1e-5);
        close("items", &found[1], &expected[1], 1e-5);
    }
}
