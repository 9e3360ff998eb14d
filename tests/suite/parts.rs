//! The parts that models share, against the plain layers that they are made of.

use crate::devices::device;
use crate::golden::{close, values};
use crate::support::with;
use burn::module::Module;
use burn::tensor::{Int, Tensor};
use viral::data::{Interactions, PlantedConfig, StreamKey};
use viral::graph::bipartite_adjacency;
use viral::loss::{
    Moments, RedundancyAnchor, bpr, bpr_with_l2, embedding_norms, half_squares, info_nce, mean_square,
    mean_square_of_rows, squared_lengths,
};
use viral::model::{ViralConfig, parameters};
use viral::nn::{
    CrossModalSynergyConfig, FeatureProjectionConfig, IdTables, InformationFusionConfig, Init, LayerAggregation,
    LightGcnPropagation, ModalityProjectionsConfig, NoisyPropagation, RedundancyEstimatorConfig, l2_normalize, linear,
    orthogonal_complement,
};
use viral::ops::{SparseMatrix, gather_rows, uniform};

fn init() -> Init {
    Init::new(5, &device())
}

fn inputs(n: usize, d: usize) -> [Tensor<2>; 2] {
    let mut init = Init::new(6, &device());
    std::array::from_fn(|_| init.normal_param([n, d], 1.0).val())
}

fn same_parameters<A: Module, B: Module>(a: &A, b: &B) -> bool {
    parameters(a).into_values().eq(parameters(b).into_values())
}

#[test]
fn the_fusion_is_its_estimators_and_the_orthogonal_complement() {
    let (n, d) = (30, 8);
    let [text, visual] = inputs(n, d);
    for (is_paper, epsilon) in [(true, 1e-12), (false, 1e-8)] {
        let (mut one, mut other) = (init(), init());
        let (fusion, cse, tbr) = match is_paper {
            true => (
                InformationFusionConfig::paper(d).init(&mut one),
                CrossModalSynergyConfig::paper(d).init(&mut other),
                RedundancyEstimatorConfig::paper(d).init(&mut other),
            ),
            false => (
                InformationFusionConfig::reference(d).init(&mut one),
                CrossModalSynergyConfig::reference(d).init(&mut other),
                RedundancyEstimatorConfig::reference(d).init(&mut other),
            ),
        };
        assert!(same_parameters(&fusion.synergy, &cse) && same_parameters(fusion.redundancy.as_ref().unwrap(), &tbr));
        // Learned mask tokens are the paper's, self-attending encoders the authors' code's.
        assert_eq!([tbr.mask_text.is_some(), cse.text_self.is_none()], [is_paper; 2]);
        let fused = fusion.forward(text.clone(), visual.clone());
        let (synergy, r) = (cse.forward(text.clone(), visual.clone()), tbr.forward(text.clone(), visual.clone()));
        assert_eq!(values(fused.synergy.clone()), values(synergy.signal()));
        let unique = orthogonal_complement(visual.clone(), r.shared(), epsilon);
        let unique = if is_paper { unique } else { l2_normalize(unique) };
        assert_eq!(values(fused.unique.clone()), values(unique));

        let rows = Tensor::<1, Int>::from_ints([3, 1, 4, 15, 9], &device());
        for rows in [None, Some(rows)] {
            let of = |x: &Tensor<2>| rows.clone().map_or(x.clone(), |rows| gather_rows(x.clone(), rows));
            let nce = |a: &Tensor<2>, b: &Tensor<2>| info_nce(of(a), of(b), 0.2);
            let expected = nce(&synergy.text_to_visual, &synergy.visual_to_text);
            assert_eq!(values(fused.synergy_loss(0.2, rows.clone())), values(expected));
            for (anchor, a) in [(RedundancyAnchor::Full, r.full.clone()), (RedundancyAnchor::Shared, r.shared())] {
                let expected = nce(&r.text, &a) + nce(&r.visual, &a) + nce(&r.visual, &r.text);
                let found = fused.redundancy_loss(0.2, anchor, rows.clone()).unwrap();
                assert_eq!(values(found), values(expected), "{anchor:?}");
            }
        }
    }
    let without = InformationFusionConfig::paper(d).with_redundancy(false).init(&mut init());
    let fused = without.forward(text.clone(), visual.clone());
    assert_eq!(values(fused.unique.clone()), values(visual));
    assert!(fused.redundancy_loss(0.2, RedundancyAnchor::Full, None).is_none());
    assert_eq!(values(fused.into_blocks()[0].clone()), values(text));
}

#[test]
fn parameters_of_the_fusion_keep_their_names_in_saved_models() {
    let data = PlantedConfig::default().generate().data.train;
    for config in [ViralConfig::new(), ViralConfig::paper(), with(ViralConfig::reference(), |c| c.d_fusion = 8)] {
        let model = config.init(&data, &mut init()).unwrap();
        let names: Vec<String> = parameters(&model).into_keys().filter(|name| name.starts_with("fusion.")).collect();
        let known = |name: &String| ["fusion.synergy.", "fusion.redundancy."].iter().any(|part| name.starts_with(part));
        assert!(names.iter().all(known), "{names:?}");
        for name in [
            "fusion.synergy.text_to_visual.layers.0.value.weight",
            "fusion.synergy.visual_to_text.norm.gamma",
            "fusion.redundancy.encoder.layers.0.up.bias",
            "fusion.redundancy.join.weight",
        ] {
            assert!(names.iter().any(|found| found == name), "{name} is not in {names:?}");
        }
    }
}

#[test]
fn tables_are_the_nodes_of_their_graph() {
    let interactions = Interactions::from_pairs(3, 4, &[(0, 0), (0, 3), (1, 1), (2, 3)]);
    let graph = SparseMatrix::new(&bipartite_adjacency(&interactions, 0.0), &device());
    let propagation = LightGcnPropagation { n_layers: 2, aggregation: LayerAggregation::Sum };
    for tables in [IdTables::xavier_uniform(3, 4, 5, &mut init()), IdTables::xavier_normal(3, 4, 5, &mut init())] {
        let nodes = Tensor::cat(vec![tables.users.val(), tables.items.val()], 0);
        assert_eq!(values(tables.nodes()), values(nodes.clone()));
        let (users, items) = tables.propagate(&graph, &propagation);
        assert_eq!((users.dims(), items.dims()), ([3, 5], [4, 5]));
        let expected = values(propagation.forward(&graph, nodes));
        assert_eq!([values(users), values(items)].concat(), expected);
        assert_eq!(parameters(&tables).into_keys().collect::<Vec<_>>(), ["items", "users"]);
    }
}

#[test]
fn projections_are_drawn_and_applied_modality_by_modality() {
    let (widths, n) = ([3, 7, 2], 6);
    let features = || widths.map(|width| inputs(n, width)[0].clone());
    for d_hidden in [None, Some(9)] {
        let config = ModalityProjectionsConfig::new(4).with_negative_slope(0.2);
        let config = d_hidden.map_or(config.clone(), |d| config.with_d_hidden(d));
        let found = config.init(widths, &mut init()).forward(features());
        let mut init = init();
        for ((width, x), found) in widths.into_iter().zip(features()).zip(found) {
            let alone = FeatureProjectionConfig::new(width, 4).with_negative_slope(0.2);
            let alone = d_hidden.map_or(alone.clone(), |d| alone.with_d_hidden(d)).init(&mut init);
            assert_eq!(values(found), values(alone.forward(x)));
        }
    }
    // A slope of 1 leaves the activation out.
    let [x, _] = inputs(n, 3);
    let projection = FeatureProjectionConfig::new(3, 4).with_negative_slope(1.0).init(&mut init());
    let plain = linear(3, 4, &mut init()).forward(x.clone());
    close("without activation", &values(projection.forward(x)), &values(plain), 1e-6);
}

#[test]
fn penalties_are_what_their_equations_say() {
    let [x, y] = inputs(5, 3);
    let ids = Tensor::<1, Int>::from_ints([4, 0, 4, 2, 1, 1], &device());
    let rows = gather_rows(x.clone(), ids.clone());
    let found = mean_square_of_rows(x.clone(), ids.clone());
    close("mean square", &values(found), &values(mean_square(rows.clone())), 1e-6);
    let squares = squared_lengths([(x, ids)], 3);
    let per_row = values(rows.square().sum_dim(1));
    close("squared lengths", &values(squares.clone()), &per_row, 1e-6);
    let total: f32 = per_row.iter().sum();
    close("half squares", &values(half_squares(squares.clone(), 10)), &[total / 20.0], 1e-6);
    let norms: f32 = per_row.chunks(2).map(|part| part.iter().sum::<f32>().sqrt()).sum();
    close("norms", &values(embedding_norms(squares.clone())), &[norms / 2.0], 1e-6);
    let scores = || [y.clone().sum_dim(1).squeeze_dim::<1>(1), y.clone().square().sum_dim(1).squeeze_dim::<1>(1)];
    let objective = bpr_with_l2(scores(), squares, 0.5);
    let [positive, negative] = scores();
    let expected = values(bpr(positive, negative))[0] + 0.5 * norms / 2.0;
    close("objective", &values(objective.total()), &[expected], 1e-6);
    assert_eq!(objective.terms().iter().map(|term| term.name).collect::<Vec<_>>(), ["bpr", "reg"]);
}

/// Nodes 0 to 3 in two stars; node 4 has no neighbour.
fn stars() -> SparseMatrix {
    let edges = [(0, 2, 0.5), (2, 0, 0.5), (1, 2, 0.25), (2, 1, 0.25), (1, 3, 1.0), (3, 1, 1.0)];
    SparseMatrix::from_edges(5, 5, &edges, &device())
}

/// Noise of two layers over [`stars`].
fn noise() -> [Tensor<2>; 2] {
    ["first", "second"].map(|layer| uniform([5, 3], StreamKey::new(4).stream(layer), &device()))
}

#[test]
fn without_a_scale_noise_leaves_the_sum_of_the_layers_and_with_one_the_gradient() {
    let (graph, noise, [x, weights]) = (stars(), noise(), inputs(5, 3));
    let run = |propagate: &dyn Fn(Tensor<2>) -> Tensor<2>| {
        let x = x.clone().detach().require_grad();
        let y = propagate(x.clone());
        let gradients = (y.clone() * weights.clone().detach()).sum().backward();
        [values(y), values(x.grad(&gradients).unwrap())]
    };
    let plain = LightGcnPropagation { n_layers: 2, aggregation: LayerAggregation::Sum };
    let [expected, d_expected] = run(&|x| plain.forward(&graph, x));
    let [still, d_still] = run(&|x| NoisyPropagation { scale: 0.0 }.forward(&graph, x, &noise));
    let [moved, d_moved] = run(&|x| NoisyPropagation { scale: 0.3 }.forward(&graph, x, &noise));
    close("without a scale", &still, &expected, 1e-6);
    close("its gradient", &d_still, &d_expected, 1e-6);
    close("the gradient with noise", &d_moved, &d_expected, 1e-6);
    assert!(moved.iter().zip(&expected).any(|(a, b)| (a - b).abs() > 0.05), "nothing was moved");
    assert_eq!(moved[12..], expected[12..], "a node without neighbours was moved");
}

#[test]
fn a_layer_propagates_what_noise_has_moved() {
    let (graph, noise, [x, _]) = (stars(), noise(), inputs(5, 3));
    let moved = |received: Tensor<2>, noise: &Tensor<2>| {
        let length = noise.clone().square().sum_dim(1).sqrt();
        received.clone() + received.sign() * (noise.clone() / length) * 0.3
    };
    let first = moved(graph.matmul(x.clone()), &noise[0]);
    let second = moved(graph.matmul(first.clone()), &noise[1]);
    let found = NoisyPropagation { scale: 0.3 }.forward(&graph, x.clone(), &noise);
    close("two layers", &values(found), &values(x + first + second), 1e-6);
}

#[test]
fn moments_and_their_gradients_are_those_of_the_entries_as_often_as_they_count() {
    let [x, y] = inputs(5, 3);
    // Far from zero, where a difference of squares would be lost.
    let (x, y) = (x.detach() + 50.0, y.detach().narrow(0, 0, 2) + 50.0);
    let entries: Vec<f64> = values(x.clone()).into_iter().chain(values(y.clone())).map(f64::from).collect();
    for times in [1, 2, 3] {
        let n = (times * entries.len()) as f64;
        let mean = times as f64 * entries.iter().sum::<f64>() / n;
        let squares: f64 = entries.iter().map(|x| (x - mean).powi(2)).sum();
        let variance = times as f64 * squares / (n - 1.0);
        let [x, y] = [&x, &y].map(|x| Tensor::<2>::from_data(x.to_data(), &device()).require_grad());
        let moments = Moments::new(&[x.clone(), y.clone()], times);
        close("mean", &values(moments.mean.clone()), &[mean as f32], 1e-6);
        close("variance", &values(moments.variance.clone()), &[variance as f32], 1e-5);
        // Of 3 m − 2 σ².
        let gradients = (moments.mean * 3.0 - moments.variance * 2.0).backward();
        let found = [&x, &y].map(|x| values(x.grad(&gradients).unwrap())).concat();
        let derivative = |x: &f64| times as f64 * (3.0 / n - 4.0 * (x - mean) / (n - 1.0));
        let expected: Vec<f32> = entries.iter().map(|x| derivative(x) as f32).collect();
        close("gradient", &found, &expected, 2e-5);
    }
    let moments = |shift: f64| Moments::new(&[x.clone() * 2.0 + shift], 1);
    close("distance", &values(moments(0.0).distance(&moments(4.0))), &[4.0], 1e-3);
}
