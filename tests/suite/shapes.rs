//! Layers and losses of the wrong width panic with their name and both shapes.

use crate::devices::device;
use burn::tensor::{Bool, Int, Tensor};
use sprs::CsMat;
use std::panic::{AssertUnwindSafe, catch_unwind};
use viral::loss::*;
use viral::nn::*;
use viral::ops::SparseMatrix;

fn x<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::ones(shape, &device())
}

/// The message of the panic that `run` ends in.
fn message<T>(run: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else {
        panic!("no panic");
    };
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic.downcast::<&str>().unwrap().to_string(),
    }
}

#[track_caller]
fn expect<T>(parts: &[&str], run: impl FnOnce() -> T) {
    let message = message(run);
    assert!(parts.iter().all(|part| message.contains(part)), "'{message}' lacks one of {parts:?}");
}

#[test]
fn projections() {
    let mut init = Init::new(0, &device());
    expect(&["affine", "[5, 3]", "[4, 2]"], || affine(&linear(4, 2, &mut Init::new(0, &device())), x([5, 3])));
    let projection = FeatureProjectionConfig::new(4, 2).with_d_hidden(6).init(&mut init);
    expect(&["feature projection", "[5, 3]", "[.., 4]"], || projection.forward(x([5, 3])));
    let projections = ModalityProjectionsConfig::new(2).init([4, 3], &mut init);
    expect(&["feature projection", "[5, 4]", "[.., 3]"], || projections.forward([x([5, 4]), x([5, 4])]));
    expect(&["modality projections", "1 modalities", "2 projections"], || projections.forward([x([5, 4])]));
}

#[test]
fn encoders() {
    let mut init = Init::new(0, &device());
    let encoder = EncoderConfig::new(4).with_attention(2).init(&mut init);
    expect(&["encoder", "[5, 3]", "[.., 4]"], || encoder.forward(x([5, 3]), x([5, 3])));
    expect(&["encoder", "[5, 4]", "[6, 4]"], || encoder.forward(x([5, 4]), x([6, 4])));
    expect(&["encoder", "[5, 3]", "[.., 4]"], || encoder.forward_self(x([5, 3])));
    expect(&["encoder", "q is [5, 2, 3]", "[.., 4]"], || encoder.forward_tokens(x([5, 2, 3]), None));
    expect(&["encoder", "kv is [5, 2, 3]", "[.., 4]"], || encoder.forward_tokens(x([5, 2, 4]), Some(x([5, 2, 3]))));
    expect(&["encoder", "[5, 2, 4]", "[6, 2, 4]"], || encoder.forward_tokens(x([5, 2, 4]), Some(x([6, 2, 4]))));
}

#[test]
fn fusion_and_its_estimators() {
    let mut init = Init::new(0, &device());
    let cse = CrossModalSynergyConfig::paper(4).with_n_heads(1).init(&mut init);
    expect(&["cross-modal synergy", "[5, 3]", "[.., 4]"], || cse.forward(x([5, 3]), x([5, 3])));
    expect(&["cross-modal synergy", "text is [5, 4]", "visual is [5, 3]"], || cse.forward(x([5, 4]), x([5, 3])));
    expect(&["cross-modal synergy", "visual is [1, 5, 3]"], || cse.forward_tokens(x([1, 5, 4]), x([1, 5, 3])));
    for config in [RedundancyEstimatorConfig::paper(4), RedundancyEstimatorConfig::reference(4)] {
        let tbr = config.init(&mut init);
        expect(&["redundancy estimator", "[5, 3]", "[.., 4]"], || tbr.forward(x([5, 3]), x([5, 3])));
        expect(&["redundancy estimator", "[5, 4]", "[6, 4]"], || tbr.forward(x([5, 4]), x([6, 4])));
    }
    let fusion = InformationFusionConfig::paper(4).init(&mut init);
    expect(&["information fusion", "[5, 3]", "[.., 4]"], || fusion.forward(x([5, 3]), x([5, 3])));
    expect(&["information fusion", "[5, 4]", "[5, 3]"], || fusion.forward(x([5, 4]), x([5, 3])));
    expect(&["orthogonal_complement", "[5, 4]", "[5, 3]"], || orthogonal_complement(x([5, 4]), x([5, 3]), 0.0));
    let weights = UserModalityWeightsConfig::new(5, 3).init(&mut init);
    expect(&["user modality weights", "[5, 4]", "[5, 3]"], || weights.forward(x([5, 4])));
    expect(&["user modality weights", "[6, 3]", "[5, 3]"], || weights.forward(x([6, 3])));
}

#[test]
fn propagation() {
    let graph = SparseMatrix::new(&CsMat::eye(5), &device());
    let oblong = SparseMatrix::new(&CsMat::zero((5, 4)), &device());
    let light_gcn = LightGcnPropagation { n_layers: 2, aggregation: LayerAggregation::Mean };
    for n_layers in [0, 1] {
        let content = HomogeneousPropagation { n_layers, own: 1.0, neighbors: 1.0 };
        expect(&["homogeneous propagation", "[5, 5]", "[6, 2]"], || content.forward(&graph, x([6, 2])));
        expect(&["homogeneous propagation", "[5, 4]", "[5, 2]"], || content.forward(&oblong, x([5, 2])));
        let ids = Tensor::<1, Int>::from_ints([0], &device());
        expect(&["homogeneous propagation", "[5, 5]", "[6, 2]"], || content.forward_rows(&graph, x([6, 2]), ids));
    }
    expect(&["LightGCN propagation", "[5, 5]", "[6, 2]"], || light_gcn.forward(&graph, x([6, 2])));
    expect(&["LightGCN propagation", "[5, 4]", "[4, 2]"], || light_gcn.forward(&oblong, x([4, 2])));
    let tables = IdTables::xavier_normal(2, 2, 3, &mut Init::new(0, &device()));
    expect(&["LightGCN propagation", "[5, 5]", "[4, 3]"], || tables.propagate(&graph, &light_gcn));
    expect(&["nodes", "[2, 3]", "[5, 4]"], || nodes(x([2, 3]), x([5, 4])));
    let refined = |blocks| LayerRefinedPropagation { n_layers: 2, blocks };
    expect(&["layer-refined propagation", "[5, 5]", "[6, 2]"], || refined(1).forward(&graph, x([6, 2])));
    expect(&["layer-refined propagation", "4 columns", "3 blocks"], || refined(3).forward(&graph, x([5, 4])));
    expect(&["unit_blocks", "[5, 4]"], || unit_blocks([x([5, 2]), x([4, 2])]));
    expect(&["unit_blocks", "[]"], || unit_blocks([]));
    expect(&["users_and_items", "[2, 3]", "4 users"], || users_and_items(x([2, 3]), 4));
}

#[test]
fn losses() {
    let config = ContrastConfig::new(0.1);
    expect(&["contrast", "[5, 4]", "[5, 3]"], || contrast(x([5, 4]), x([5, 3]), &config));
    let excluded = Tensor::<2, Bool>::from_data([[false; 3]; 5], &device());
    let masked = config.clone().with_excluded(excluded);
    expect(&["contrast", "[5, 3]", "[5, 5]"], || contrast(x([5, 4]), x([5, 4]), &masked));
    expect(&["contrast", "temperature is 0"], || ContrastConfig::new(0.0));
    expect(&["alignment", "[5, 4]", "[4, 4]"], || alignment(x([5, 4]), x([4, 4])));
    expect(&["uniformity", "[1, 4]"], || uniformity(x([1, 4])));
    expect(&["row_products", "[5, 4]", "[5, 3]"], || row_products(x([5, 4]), x([5, 3])));
    expect(&["halves", "[5]"], || halves(x([5])));
    let ids = Tensor::<1, Int>::from_ints([0, 1], &device());
    expect(&["squared_lengths", "2 rows", "3 parts"], || squared_lengths([(x([5, 4]), ids)], 3));
}
