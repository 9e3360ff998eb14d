//! Layers on graphs against dense matrices, in outputs and in every gradient.

use super::edges::dense;
use super::{matrix, uneven};
use crate::devices::{device, on_cpu};
use crate::golden::{close, gradients, values};
use burn::module::Module;
use burn::tensor::activation::{leaky_relu, softmax};
use burn::tensor::{Gradients, Tensor};
use viral::nn::{
    EdgeAttention, EdgeAttentionConfig, EdgeScore, GraphConvConfig, Init, LayerRefinedPropagation, LearnedItemGraph,
    LearnedItemGraphConfig, ResidualGraphConvConfig,
};
use viral::ops::SparseMatrix;

/// Outputs and gradients of inputs, and the gradients of all parameters by their names.
type Found = (Vec<Vec<f32>>, Vec<(String, Vec<f32>)>);

/// From the sum of the outputs, each weighted by a matrix of its own.
fn collect<M: Module>(layer: &M, outputs: Vec<Tensor<2>>, inputs: &[Tensor<2>]) -> Found {
    let loss = outputs.iter().zip(20..).map(|(y, tag)| (y.clone() * matrix(tag, y.dims())).sum());
    let of: Gradients = loss.reduce(|a, b| a + b).unwrap().backward();
    let mut found: Vec<Vec<f32>> = outputs.into_iter().map(values).collect();
    found.extend(inputs.iter().map(|x| values(x.grad(&of).unwrap())));
    let parameters = gradients(layer, &of).into_iter().map(|(name, p)| (name, p.iter::<f32>().collect())).collect();
    (found, parameters)
}

fn compare(what: &str, found: Found, expected: Found, n_parameters: usize) {
    assert_eq!((found.0.len(), found.1.len()), (expected.0.len(), n_parameters), "{what}");
    for (i, (found, expected)) in found.0.iter().zip(&expected.0).enumerate() {
        close(&format!("{what}: output or gradient {i}"), found, expected, 1e-5);
    }
    for ((name, found), (other, expected)) in found.1.iter().zip(&expected.1) {
        assert_eq!(name, other);
        close(&format!("{what}: {name}"), found, expected, 1e-5);
    }
}

/// 1 at the edges, 0 elsewhere.
fn pattern(graph: &SparseMatrix) -> Tensor<2> {
    dense(graph, Tensor::ones([graph.nnz()], &device()))
}

/// Cosines of all pairs, those of other pairs than neighbours set to 0; mixed, then normalised: LATTICE as written.
fn dense_item_graph(layer: &LearnedItemGraph, features: &[Tensor<2>], weights: Tensor<1>, eps: f64) -> Tensor<2> {
    let learned = layer.forward_mixed(features.to_vec(), weights.clone());
    let mixed = features.iter().enumerate().map(|(m, x)| {
        let y = match layer.projections.get(m) {
            Some(linear) => linear.forward(x.clone()),
            None => x.clone(),
        };
        let norm = y.clone().powf_scalar(2.0).sum_dim(1).sqrt();
        let cosine = y.clone().matmul(y.transpose()) / (norm.clone() * norm.transpose());
        cosine * pattern(&learned.edges[m].pattern) * weights.clone().narrow(0, m, 1).unsqueeze_dim::<2>(0)
    });
    let mixed = mixed.reduce(|a, b| a + b).unwrap();
    let degrees = mixed.clone().sum_dim(1) + eps;
    let positive = degrees.clone().greater_elem(0.0).float();
    let roots = (degrees * positive.clone() + (positive.clone() * -1.0 + 1.0)).powf_scalar(-0.5) * positive;
    mixed * roots.clone() * roots.transpose()
}

#[test]
fn a_learned_item_graph_is_that_of_all_cosines_in_output_and_gradients() {
    let cases: [(&str, LearnedItemGraphConfig, &[usize], usize); 4] = [
        ("raw", LearnedItemGraphConfig::new(3), &[9], 0),
        ("projected", LearnedItemGraphConfig::new(5).with_projections(&[[9, 4]]), &[9], 2),
        (
            "two modalities",
            LearnedItemGraphConfig::new(4).with_projections(&[[9, 4], [17, 6]]).with_epsilon(1e-7),
            &[9, 17],
            4,
        ),
        // Without itself an item may have similarities that cancel: it is left without edges.
        ("without itself", LearnedItemGraphConfig::new(2).with_include_self(false), &[33], 0),
    ];
    let (n, d) = (61, 8);
    for (name, config, widths, n_parameters) in cases {
        let eps = if name == "two modalities" { 1e-7 } else { 0.0 };
        let run = |fast: bool| {
            let layer = config.init(&mut Init::new(5, &device()));
            let features: Vec<Tensor<2>> =
                widths.iter().zip(1..).map(|(&width, tag)| matrix(tag, [n, width]).require_grad()).collect();
            let of_modalities = (matrix(9, [widths.len(), 1]).abs() + 0.2).detach().require_grad();
            let weights = of_modalities.clone().squeeze_dim::<1>(1);
            let x = matrix(10, [n, d]).require_grad();
            let y = match fast {
                true => layer.forward_mixed(features.clone(), weights).propagate(x.clone()),
                false => dense_item_graph(&layer, &features, weights, eps).matmul(x.clone()),
            };
            // The weight of a lone modality cancels in the normalisation.
            let mixed = (widths.len() > 1).then_some(of_modalities);
            let inputs: Vec<Tensor<2>> = features.into_iter().chain([x]).chain(mixed).collect();
            collect(&layer, vec![y], &inputs)
        };
        compare(name, run(true), on_cpu(|| run(false)), n_parameters);
    }
}

/// Each modality's own graph, normalised, weighed and added up; and neighbours that were looked up before.
#[test]
fn normalised_first_is_the_weighted_sum_of_the_modalities_graphs() {
    let (n, widths) = (37, [9, 5]);
    let config = |widths: &[[usize; 2]]| LearnedItemGraphConfig::new(4).with_projections(widths);
    let run = |fast: bool| {
        let both = config(&[[9, 6], [5, 6]]).with_normalize_first(true).init(&mut Init::new(5, &device()));
        let features: Vec<Tensor<2>> =
            widths.iter().zip(1..).map(|(&w, tag)| matrix(tag, [n, w]).require_grad()).collect();
        let weights = matrix(9, [2, 1]).require_grad();
        let flat = weights.clone().squeeze_dim::<1>(1);
        let x = matrix(10, [n, 3]).require_grad();
        let y = match fast {
            true => {
                let patterns = both.patterns(features.clone());
                both.forward_on(&patterns, features.clone(), flat).propagate(x.clone())
            }
            false => {
                let of_one = |m: usize| {
                    let mut one = config(&[[widths[m], 6]]).init(&mut Init::new(6, &device()));
                    one.projections = vec![both.projections[m].clone()];
                    one.forward(features[m].clone()).propagate(x.clone())
                        * flat.clone().narrow(0, m, 1).unsqueeze_dim::<2>(0)
                };
                of_one(0) + of_one(1)
            }
        };
        let inputs: Vec<Tensor<2>> = features.into_iter().chain([x, weights]).collect();
        collect(&both, vec![y], &inputs)
    };
    compare("normalised first", run(true), run(false), 4);
}

#[test]
#[should_panic(expected = "LearnedItemGraph: 2 modalities, weights [2], 1 patterns")]
fn a_modality_without_neighbours_panics() {
    let layer = LearnedItemGraphConfig::new(2).init(&mut Init::new(5, &device()));
    let features = vec![matrix(1, [6, 3]), matrix(2, [6, 4])];
    let patterns = layer.patterns(features[..1].to_vec());
    let _ = layer.forward_on(&patterns, features, Tensor::ones([2], &device()));
}

#[test]
fn one_modality_of_weight_one_is_the_plain_graph_and_a_detached_one_has_no_gradient() {
    let layer = LearnedItemGraphConfig::new(3).init(&mut Init::new(5, &device()));
    let features = matrix(1, [20, 6]).require_grad();
    let x = matrix(10, [20, 4]).require_grad();
    let plain = layer.forward(features.clone());
    let mixed = layer.forward_mixed(vec![features.clone()], Tensor::ones([1], &device()));
    close("one modality", &values(plain.propagate(x.clone())), &values(mixed.propagate(x.clone())), 1e-6);
    let constant = plain.clone().detach();
    let y = constant.propagate(x.clone());
    close("detached", &values(y.clone()), &values(plain.propagate(x.clone())), 0.0);
    let gradients = (y * matrix(20, [20, 4])).sum().backward();
    assert!(features.grad(&gradients).is_none() && x.grad(&gradients).is_some());
}

/// Softmax over each row of a dense matrix of scores, over the edges alone; rows without edges are 0.
fn dense_attention(
    layer: &EdgeAttention,
    graph: &SparseMatrix,
    receivers: &Tensor<2>,
    senders: &Tensor<2>,
    score: EdgeScore,
    mask: Option<&Tensor<2>>,
    heads: usize,
) -> [Tensor<2>; 2] {
    let edges = pattern(graph);
    let project = |x: &Tensor<2>| match &layer.projection {
        Some(weight) => x.clone().matmul(weight.val()),
        None => x.clone(),
    };
    let (receivers, senders) = (project(receivers), project(senders));
    let d = receivers.dims()[1] / heads;
    let [n, m] = graph.dims();
    let (mut outputs, mut weights) = (Vec::new(), Vec::new());
    for h in 0..heads {
        let (x, y) = (receivers.clone().narrow(1, h * d, d), senders.clone().narrow(1, h * d, d));
        let scores = match score {
            EdgeScore::InnerProduct => x.matmul(y.clone().transpose()),
            EdgeScore::ScaledInnerProduct => x.matmul(y.clone().transpose()) / (d as f64).sqrt(),
            EdgeScore::Additive { slope } => {
                let of = |vectors: &Option<burn::module::Param<Tensor<2>>>| {
                    vectors.as_ref().unwrap().val().narrow(0, h, 1).transpose()
                };
                let (a, b) = (x.matmul(of(&layer.receiver)), y.clone().matmul(of(&layer.sender)));
                leaky_relu(a + b.transpose(), slope)
            }
            other => panic!("{other:?} has no plain form here"),
        };
        let alpha = softmax(scores + (edges.clone() - 1.0) * 1e9, 1) * edges.clone();
        let at_edges: Tensor<2> =
            alpha.clone().reshape([n * m]).select(0, graph.rows() * m as i32 + graph.cols()).unsqueeze_dim(1);
        weights.push(at_edges);
        let masked = match mask {
            Some(mask) => alpha * dense(graph, mask.clone().narrow(1, h, 1).squeeze_dim(1)),
            None => alpha,
        };
        outputs.push(masked.matmul(y));
    }
    [Tensor::cat(outputs, 1), Tensor::cat(weights, 1)]
}

#[test]
fn edge_attention_is_that_of_dense_scores_in_output_and_gradients() {
    let config = |d_in| EdgeAttentionConfig::new(d_in);
    let additive = EdgeScore::Additive { slope: 0.2 };
    let cases = [
        ("inner product", config(6), EdgeScore::InnerProduct, 1, 0),
        (
            "heads",
            config(6).with_heads(3).with_score(EdgeScore::ScaledInnerProduct),
            EdgeScore::ScaledInnerProduct,
            3,
            0,
        ),
        ("projected", config(6).with_heads(2).with_projection(5), EdgeScore::InnerProduct, 2, 1),
        ("additive", config(6).with_heads(2).with_projection(5).with_score(additive), additive, 2, 3),
        ("additive, as they are", config(6).with_score(additive), additive, 1, 2),
    ];
    for [n, m] in [[1, 1], [23, 23], [31, 17]] {
        let graph = uneven(4, n, m);
        for (name, config, score, heads, n_parameters) in &cases {
            for with_mask in [false, true] {
                let run = |fast: bool| {
                    let graph = SparseMatrix::new(&graph, &device());
                    let layer = config.init(&mut Init::new(5, &device()));
                    let mask = with_mask.then(|| matrix(6, [graph.nnz(), *heads]).require_grad());
                    let (x, y) = (matrix(1, [n, 6]).require_grad(), matrix(2, [m, 6]).require_grad());
                    let outputs = match fast {
                        true => {
                            let a = layer.forward_between(&graph, x.clone(), y.clone(), mask.clone());
                            vec![a.output, a.weights]
                        }
                        false => dense_attention(&layer, &graph, &x, &y, *score, mask.as_ref(), *heads).to_vec(),
                    };
                    collect(&layer, outputs, &[x, y].into_iter().chain(mask).collect::<Vec<_>>())
                };
                let what = format!("{name} [{n}, {m}], mask {with_mask}");
                compare(&what, run(true), on_cpu(|| run(false)), *n_parameters);
            }
            if n == m {
                let run = |fast: bool| {
                    let graph = SparseMatrix::new(&graph, &device());
                    let layer = config.init(&mut Init::new(5, &device()));
                    let x = matrix(1, [n, 6]).require_grad();
                    let outputs = match fast {
                        true => {
                            let a = layer.forward(&graph, x.clone(), None);
                            vec![a.output, a.weights]
                        }
                        false => dense_attention(&layer, &graph, &x, &x, *score, None, *heads).to_vec(),
                    };
                    collect(&layer, outputs, &[x])
                };
                compare(&format!("{name} among [{n}]"), run(true), on_cpu(|| run(false)), *n_parameters);
            }
        }
    }
}

/// Wider and narrower outputs, which are propagated before and after their weight.
#[test]
fn graph_convolutions_are_those_of_dense_matrices_in_output_and_gradients() {
    for [n, m] in [[1, 1], [31, 17]] {
        let graph = uneven(4, n, m);
        for (d_in, d_out, slope) in [(5, 9, 0.01), (9, 5, 0.0), (7, 7, 1.0)] {
            for with_values in [false, true] {
                let run = |fast: bool| {
                    let graph = SparseMatrix::new(&graph, &device());
                    let layer = GraphConvConfig::new(d_in, d_out).with_slope(slope).init(&mut Init::new(5, &device()));
                    let x = matrix(1, [m, d_in]).require_grad();
                    let v = matrix(2, [graph.nnz(), 1]).require_grad();
                    let flat = v.clone().squeeze_dim::<1>(1);
                    let y = match (fast, with_values) {
                        (true, true) => layer.forward_values(&graph, flat, x.clone()),
                        (true, false) => layer.forward(&graph, x.clone()),
                        (false, true) => dense(&graph, flat).matmul(x.clone()).matmul(layer.weight.val()),
                        (false, false) => dense(&graph, Tensor::from_data(graph.values().into_data(), &device()))
                            .matmul(x.clone())
                            .matmul(layer.weight.val()),
                    };
                    let y = if fast { y } else { leaky_relu(y, slope) };
                    let inputs = if with_values { vec![x, v] } else { vec![x] };
                    collect(&layer, vec![y], &inputs)
                };
                let what = format!("[{n}, {m}], {d_in} to {d_out}, values {with_values}");
                compare(&what, run(true), on_cpu(|| run(false)), 1);
            }
        }
    }
}

#[test]
fn a_residual_graph_convolution_is_its_equation_in_output_and_gradients() {
    let n = 23;
    let graph = uneven(4, n, n);
    for (d_in, d_message, d_out, with_identity) in [(6, 6, 4, true), (6, 3, 8, false)] {
        let config = ResidualGraphConvConfig::new(d_in, d_out).with_d_message(d_message).with_slope(0.1);
        let run = |fast: bool| {
            let graph = SparseMatrix::new(&graph, &device());
            let layer = config.init(&mut Init::new(5, &device()));
            let x = matrix(1, [n, d_in]).require_grad();
            let z = with_identity.then(|| matrix(2, [n, d_out]).require_grad());
            let y = match fast {
                true => layer.forward(&graph, x.clone(), z.clone()),
                false => {
                    let a = dense(&graph, Tensor::from_data(graph.values().into_data(), &device()));
                    let h = leaky_relu(a.matmul(x.clone().matmul(layer.conv.weight.val())), 0.1);
                    let own = leaky_relu(layer.own.forward(x.clone()), 0.1);
                    let own = z.iter().fold(own, |own, z| own + z.clone());
                    leaky_relu(layer.merge.forward(Tensor::cat(vec![h, own], 1)), 0.1)
                }
            };
            collect(&layer, vec![y], &[x].into_iter().chain(z).collect::<Vec<_>>())
        };
        compare(&format!("{d_in} to {d_out}"), run(true), on_cpu(|| run(false)), 5);
    }
}

/// Users and items: receivers and senders of their own, and what was propagated before.
#[test]
fn a_residual_graph_convolution_between_two_sides_is_that_among_all() {
    let (n, m, d_in, d_out) = (11, 7, 5, 4);
    let graph = uneven(4, n, m);
    let run = |way: usize| {
        let graph = SparseMatrix::new(&graph, &device());
        let layer = ResidualGraphConvConfig::new(d_in, d_out).init(&mut Init::new(5, &device()));
        let (x, y) = (matrix(1, [n, d_in]).require_grad(), matrix(2, [m, d_in]).require_grad());
        let z = matrix(3, [n, d_out]).require_grad();
        let out = match way {
            0 => layer.forward_between(&graph, x.clone(), y.clone(), Some(z.clone())),
            1 => layer.forward_aggregated(graph.matmul(y.clone()), x.clone(), Some(z.clone())),
            _ => {
                // All in one graph, in which the senders receive nothing.
                let edges = values(graph.rows().float()).into_iter().zip(values(graph.cols().float()));
                let edges = edges.zip(values(graph.values()));
                let edges: Vec<_> = edges.map(|((i, j), v)| (i as u32, n as u32 + j as u32, v)).collect();
                let all = SparseMatrix::from_edges(n + m, n + m, &edges, &device());
                let nodes = Tensor::cat(vec![x.clone(), y.clone()], 0);
                let ids = Tensor::cat(vec![z.clone(), Tensor::zeros([m, d_out], &device())], 0);
                layer.forward(&all, nodes, Some(ids)).narrow(0, 0, n)
            }
        };
        collect(&layer, vec![out], &[x, y, z])
    };
    for way in [0, 1] {
        compare("between two sides", run(way), run(2), 5);
    }
}

#[test]
#[should_panic(expected = "EdgeAttention: x is [3, 5], the layer takes width 4")]
fn attention_of_another_width_panics_with_both() {
    let graph = SparseMatrix::from_edges(3, 3, &[(0, 1, 1.0)], &device());
    let _ = EdgeAttentionConfig::new(4).init(&mut Init::new(1, &device())).forward(&graph, matrix(1, [3, 5]), None);
}

#[test]
#[should_panic(expected = "GraphConv: x is [3, 5], the weight [4, 2]")]
fn a_convolution_of_another_width_panics_with_both() {
    let graph = SparseMatrix::from_edges(3, 3, &[(0, 1, 1.0)], &device());
    let _ = GraphConvConfig::new(4, 2).init(&mut Init::new(1, &device())).forward(&graph, matrix(1, [3, 5]));
}

/// `Σ xˡ` with `xˡ = cos(A xˡ⁻¹, x⁰) A xˡ⁻¹` of each block, by dense matrices.
fn dense_layer_refined(graph: &SparseMatrix, x: Tensor<2>, n_layers: usize, blocks: usize) -> Tensor<2> {
    let ([n, d], a) = (x.dims(), dense(graph, graph.values()));
    let apart = |x: Tensor<2>| x.reshape([n, blocks, d / blocks]);
    let unit = |x: Tensor<3>| x.clone() / x.square().sum_dim(2).clamp_min(1e-16).sqrt();
    let (mut layer, mut sum) = (x.clone(), x.clone());
    for _ in 0..n_layers {
        let y = apart(a.clone().matmul(layer));
        let cosine = (unit(y.clone()) * unit(apart(x.clone()))).sum_dim(2); // [n, blocks, 1]
        layer = (y * cosine).reshape([n, d]);
        sum = sum + layer.clone();
    }
    sum
}

/// Every third node receives nothing: it has cosine 0 there and no gradient, where a division by its length would have none.
#[test]
fn refined_layers_are_those_of_dense_matrices_in_output_and_gradient() {
    for (n, blocks, d) in [(1, 1, 1), (30, 1, 7), (63, 2, 64), (41, 3, 5)] {
        let graph = uneven(4, n, n);
        for n_layers in 0..4 {
            let run = |propagate: fn(&SparseMatrix, Tensor<2>, usize, usize) -> Tensor<2>| {
                let x = matrix(7, [n, blocks * d]).require_grad();
                let z = propagate(&SparseMatrix::new(&graph, &device()), x.clone(), n_layers, blocks);
                let gradients = (z.clone() * matrix(8, [n, blocks * d])).sum().backward();
                [values(z), values(x.grad(&gradients).unwrap())]
            };
            let found = run(|a, x, n_layers, blocks| LayerRefinedPropagation { n_layers, blocks }.forward(a, x));
            let expected = on_cpu(|| run(dense_layer_refined));
            for (i, name) in ["z", "dx"].iter().enumerate() {
                let what = format!("{n} nodes, {blocks} blocks of {d}, {n_layers} layers: {name}");
                close(&what, &found[i], &expected[i], 2e-5);
            }
        }
    }
}
