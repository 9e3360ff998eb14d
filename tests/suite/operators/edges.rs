//! Operators on edges against their references and against dense matrices, in outputs and in every gradient.

use super::{SHAPES, matrix, number, numbers, uneven, vector};
use crate::devices::{device, on_cpu, tolerance};
use crate::golden::{close, values};
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};
use sprs::CsMat;
use viral::graph::{normalize_symmetric, row_stochastic};
use viral::ops::{
    SparseMatrix, edge_products, edge_softmax, expand_columns, expand_rows, knn_pattern, normalize_bipartite_values,
    normalize_row_values, normalize_symmetric_values, reference_edge_softmax, reference_sddmm, reference_segment_sum,
    reference_segment_sum_columns, scale_values, segment_sum, segment_sum_columns,
};

type OnEdges = fn(&SparseMatrix, Tensor<2>) -> Tensor<2>;

/// The output and the gradient of its weighted sum.
fn run(graph: &CsMat<f32>, operator: OnEdges, shape: [usize; 2]) -> [Vec<f32>; 2] {
    let graph = SparseMatrix::new(graph, &device());
    let x = matrix(7, shape).require_grad();
    let y = operator(&graph, x.clone());
    let gradients = (y.clone() * matrix(8, y.dims())).sum().backward();
    [values(y), values(x.grad(&gradients).unwrap())]
}

fn compare(what: &str, found: &[Vec<f32>], expected: &[Vec<f32>], names: &[&str]) {
    assert_eq!(found.len(), names.len());
    for ((name, found), expected) in names.iter().zip(found).zip(expected) {
        close(&format!("{what}: {name}"), found, expected, 1e-5);
    }
}

/// Which operator, its reference, and whether its operand has a row for each row, column or edge.
fn check(operator: OnEdges, reference: OnEdges, rows_of_x: fn([usize; 3]) -> usize, widths: &[usize]) {
    for (tag, [n, m]) in SHAPES.into_iter().enumerate() {
        let graph = uneven(tag as u64, n, m);
        for &d in widths {
            let shape = [rows_of_x([n, m, graph.nnz()]), d];
            let expected = on_cpu(|| run(&graph, reference, shape));
            compare(&format!("[{n}, {m}] d {d}"), &run(&graph, operator, shape), &expected, &["y", "dx"]);
        }
    }
}

#[test]
fn edge_softmax_is_the_reference_in_output_and_gradient() {
    check(edge_softmax, reference_edge_softmax, |[_, _, nnz]| nnz, &[1, 2, 3, 16, 17]);
}

#[test]
fn segment_sums_are_the_reference_in_output_and_gradient() {
    let widths = [1, 2, 15, 64, 65, 200];
    check(segment_sum, reference_segment_sum, |[_, _, nnz]| nnz, &widths);
    check(segment_sum_columns, reference_segment_sum_columns, |[_, _, nnz]| nnz, &widths);
}

#[test]
fn nodes_at_their_edges_are_selected_rows_in_output_and_gradient() {
    let widths = [1, 3, 64, 65];
    check(expand_rows, |graph, x| x.select(0, graph.rows()), |[n, _, _]| n, &widths);
    check(expand_columns, |graph, x| x.select(0, graph.cols()), |[_, m, _]| m, &widths);
}

type Products = fn(&SparseMatrix, Tensor<2>, Tensor<2>) -> Tensor<1>;

/// The output and both gradients of its weighted sum; one gradient where both operands are the same tensor.
fn run_products(graph: &CsMat<f32>, d: usize, same: bool, operator: Products) -> Vec<Vec<f32>> {
    let graph = SparseMatrix::new(graph, &device());
    let ([n, m], nnz) = (graph.dims(), graph.nnz());
    let x = matrix(1, [n, d]).require_grad();
    let y = if same { x.clone() } else { matrix(2, [m, d]).require_grad() };
    let out = operator(&graph, x.clone(), y.clone());
    let gradients = (out.clone() * vector(8, nnz)).sum().backward();
    vec![values(out), values(x.grad(&gradients).unwrap()), values(y.grad(&gradients).unwrap())]
}

#[test]
fn products_at_edges_are_sampled_products_in_output_and_both_gradients() {
    let reference: Products = |graph, x, y| reference_sddmm(x, graph.rows(), y, graph.cols());
    for (tag, [n, m]) in SHAPES.into_iter().chain([[70, 70]]).enumerate() {
        let graph = uneven(tag as u64, n, m);
        for d in [1, 15, 64, 65, 200] {
            for same in [false, true] {
                if same && n != m {
                    continue;
                }
                let found = run_products(&graph, d, same, edge_products);
                let expected = on_cpu(|| run_products(&graph, d, same, reference));
                compare(&format!("[{n}, {m}] d {d}, one tensor {same}"), &found, &expected, &["out", "dx", "dy"]);
            }
        }
    }
}

/// In double precision, with logits from -3e38 to 3e38, rows of equal ones, and rows without edges.
#[test]
fn huge_logits_give_the_weights_of_double_precision() {
    let graph = uneven(2, 70, 40);
    let heads = 2;
    let logits: Vec<f32> = (0..graph.nnz() * heads)
        .map(|k| match k % 7 {
            0 => 3e38 * number(1, k),
            1 => 1e4 + number(1, k),
            2 => 1e4,
            3 => -88.5,
            _ => 80.0 * number(1, k),
        })
        .collect();
    let mut expected = vec![0f32; logits.len()];
    for row in 0..graph.rows() {
        let span = graph.indptr().outer_inds_sz(row);
        for head in 0..heads {
            let logit = |e: usize| f64::from(logits[e * heads + head]);
            let largest = span.clone().map(logit).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = span.clone().map(|e| (logit(e) - largest).exp()).sum();
            span.clone().for_each(|e| expected[e * heads + head] = ((logit(e) - largest).exp() / sum) as f32);
        }
    }
    let on_device = SparseMatrix::new(&graph, &device());
    let x = Tensor::<2>::from_data(TensorData::new(logits, [graph.nnz(), heads]), &device()).require_grad();
    let y = edge_softmax(&on_device, x.clone());
    let gradients = (y.clone() * matrix(8, y.dims())).sum().backward();
    close("weights", &values(y), &expected, 1e-5);
    assert!(values(x.grad(&gradients).unwrap()).iter().all(|g| g.is_finite()));
}

/// Self loops alone, one row, and no edges at all.
#[test]
fn small_and_empty_graphs_have_weights_that_sum_to_one() {
    let of = |n, edges: &[(u32, u32, f32)]| SparseMatrix::from_edges(n, n, edges, &device());
    let loops = of(3, &[(0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0)]);
    assert_eq!(values(edge_softmax(&loops, matrix(1, [3, 2]))), [1.0; 6]);
    assert_eq!(values(segment_sum(&loops, matrix(1, [3, 2]))), values(matrix(1, [3, 2])));
    let empty = of(4, &[]);
    let x = matrix(1, [0, 3]).require_grad();
    let (y, sums) = (edge_softmax(&empty, x.clone()), segment_sum(&empty, x.clone()));
    let gradients = (y.clone().sum() + sums.clone().sum()).backward();
    assert!(values(y).is_empty() && values(x.grad(&gradients).unwrap()).is_empty());
    assert_eq!(values(sums), [0.0; 12]);
    assert_eq!(values(segment_sum_columns(&empty, x)), [0.0; 12]);
    let uneven = SparseMatrix::new(&uneven(2, 70, 40), &device());
    let sums = values(segment_sum(&uneven, edge_softmax(&uneven, matrix(1, [uneven.nnz(), 3]))));
    let degrees = values(segment_sum(&uneven, Tensor::ones([uneven.nnz(), 1], &device())));
    for (row, degree) in sums.chunks(3).zip(degrees) {
        let expected = if degree == 0.0 { 0.0 } else { 1.0 };
        assert!(row.iter().all(|sum| (sum - expected).abs() <= tolerance(1e-6)), "{row:?} of degree {degree}");
    }
}

/// `[n, m]` with the values at their places and zeros elsewhere.
pub(super) fn dense(graph: &SparseMatrix, values: Tensor<1>) -> Tensor<2> {
    let ([n, m], device) = (graph.dims(), values.device());
    let places: Tensor<1, Int> = graph.rows() * m as i32 + graph.cols();
    let zeros = Tensor::<1>::zeros([n * m], &device);
    zeros.select_assign(0, places, values, IndexingUpdateOp::Add).reshape([n, m])
}

/// The entries of a dense matrix at the edges.
fn sampled(graph: &SparseMatrix, dense: Tensor<2>) -> Tensor<1> {
    let [n, m] = graph.dims();
    dense.reshape([n * m]).select(0, graph.rows() * m as i32 + graph.cols())
}

/// `(s + eps)^power` where that is positive, else 0.
fn factors(sums: Tensor<2>, eps: f64, power: f64) -> Tensor<2> {
    let shifted = sums + eps;
    let positive = shifted.clone().greater_elem(0.0).float();
    (shifted * positive.clone() + (positive.clone() * -1.0 + 1.0)).powf_scalar(power) * positive
}

type Normalize = fn(&SparseMatrix, Tensor<1>) -> Tensor<1>;

/// A pattern with empty rows whose values are positive but for those of row 1, which cancel to less than 0, and of row 2,
/// which are 0.
fn weighted(tag: u64, n: usize, m: usize) -> (CsMat<f32>, Vec<f32>) {
    let mut graph = uneven(tag, n, m);
    for row in 0..n {
        let span = graph.indptr().outer_inds_sz(row);
        for value in &mut graph.data_mut()[span] {
            *value = match row {
                1 => -value.abs() - 0.1,
                2 => 0.0,
                _ => value.abs() + 0.1,
            };
        }
    }
    let weights = graph.data().to_vec();
    (graph, weights)
}

fn run_normalize(graph: &CsMat<f32>, weights: &[f32], normalize: Normalize) -> Vec<Vec<f32>> {
    let graph = SparseMatrix::new(graph, &device());
    let v = Tensor::<1>::from_data(TensorData::new(weights.to_vec(), [weights.len()]), &device()).require_grad();
    let y = normalize(&graph, v.clone());
    let gradients = (y.clone() * vector(8, weights.len())).sum().backward();
    // A lone value is normalised to 1 whatever it is: its gradient is 0 up to rounding, which the 1 behind it measures.
    let gradient = values(v.grad(&gradients).unwrap()).into_iter().chain([1.0]).collect();
    vec![values(y), gradient]
}

#[test]
fn degree_normalisation_is_that_of_dense_matrices_in_output_and_gradient() {
    let cases: [(&str, bool, Normalize, Normalize); 4] = [
        (
            "symmetric",
            true,
            |g, v| normalize_symmetric_values(g, v, 0.5),
            |g, v| {
                let a = dense(g, v);
                let roots = factors(a.clone().sum_dim(1), 0.5, -0.5);
                sampled(g, a * roots.clone() * roots.transpose())
            },
        ),
        (
            "symmetric without eps",
            true,
            |g, v| normalize_symmetric_values(g, v, 0.0),
            |g, v| {
                let a = dense(g, v);
                let roots = factors(a.clone().sum_dim(1), 0.0, -0.5);
                sampled(g, a * roots.clone() * roots.transpose())
            },
        ),
        (
            "bipartite",
            false,
            |g, v| normalize_bipartite_values(g, v, 1e-7),
            |g, v| {
                let a = dense(g, v);
                let (rows, cols) =
                    (factors(a.clone().sum_dim(1), 1e-7, -0.5), factors(a.clone().sum_dim(0), 1e-7, -0.5));
                sampled(g, a * rows * cols)
            },
        ),
        ("by rows", false, normalize_row_values, |g, v| {
            let a = dense(g, v);
            let sums = a.clone().sum_dim(1);
            let none = sums.clone().equal_elem(0.0);
            sampled(g, a * sums.mask_fill(none.clone(), 1.0).recip().mask_fill(none, 0.0))
        }),
    ];
    for (tag, [n, m]) in [[1, 1], [4, 4], [63, 63], [1, 70], [70, 1], [63, 129]].into_iter().enumerate() {
        for (name, square, fast, reference) in &cases {
            if *square && n != m {
                continue;
            }
            let (graph, weights) = weighted(tag as u64, n, m);
            let found = run_normalize(&graph, &weights, *fast);
            let expected = on_cpu(|| run_normalize(&graph, &weights, *reference));
            compare(&format!("{name} [{n}, {m}]"), &found, &expected, &["values", "gradient"]);
            assert!(found.iter().flatten().all(|x| x.is_finite()), "{name} [{n}, {m}]");
        }
    }
}

#[test]
fn normalised_values_are_those_of_constant_graphs() {
    let (graph, weights) = weighted(3, 63, 63);
    let of = |fast: Normalize| run_normalize(&graph, &weights, fast).swap_remove(0);
    let symmetric = of(|g, v| normalize_symmetric_values(g, v, 1e-7));
    close("symmetric", &symmetric, normalize_symmetric(&graph, 1e-7).data(), 1e-5);
    close("by rows", &of(normalize_row_values), row_stochastic(&graph).data(), 1e-5);
}

#[test]
fn scaled_values_have_gradients_to_values_and_both_factors() {
    for [n, m] in [[1, 1], [63, 129]] {
        let graph = uneven(1, n, m);
        let run = |fast: bool| {
            let graph = SparseMatrix::new(&graph, &device());
            let [v, r, c] = [vector(1, graph.nnz()), vector(2, n), vector(3, m)].map(Tensor::require_grad);
            let y = match fast {
                true => scale_values(&graph, v.clone(), r.clone(), c.clone()),
                false => {
                    let scaled = dense(&graph, v.clone()) * r.clone().unsqueeze_dim(1) * c.clone().unsqueeze_dim(0);
                    sampled(&graph, scaled)
                }
            };
            let gradients = (y.clone() * vector(8, graph.nnz())).sum().backward();
            let grad = |x: Tensor<1>| values(x.grad(&gradients).unwrap());
            [values(y), grad(v), grad(r), grad(c)]
        };
        compare(&format!("[{n}, {m}]"), &run(true), &on_cpu(|| run(false)), &["values", "dv", "drows", "dcols"]);
    }
}

#[test]
fn a_pattern_of_neighbours_is_the_same_on_every_device() {
    // No two of a row's cosines are so close that a device's rounding could exchange them.
    for (n, d, k, include_self) in [(2, 1, 1, true), (40, 7, 3, false), (300, 24, 10, true)] {
        let run = || {
            let graph = knn_pattern(matrix(1, [n, d]), k, include_self);
            (graph.cols().into_data().iter::<i32>().collect::<Vec<_>>(), values(graph.values()))
        };
        let ((found, cosines), (expected, exact)) = (run(), on_cpu(run));
        assert_eq!(found, expected, "[{n}, {d}], {k} neighbours");
        close("cosines", &cosines, &exact, 1e-5);
    }
}

/// Large enough for every operator to be shared out among threads.
#[test]
fn one_and_two_threads_give_the_same_bits() {
    let graph = uneven(3, 700, 3000);
    let all = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            on_cpu(|| {
                let nnz = graph.nnz();
                let symmetric: Normalize = |g, v| normalize_bipartite_values(g, v, 0.1);
                let mut bits = vec![run_normalize(&graph, &numbers(5, nnz), symmetric).concat()];
                bits.push(run_products(&graph, 33, false, edge_products).concat());
                for heads in [1, 3] {
                    bits.push(run(&graph, edge_softmax, [nnz, heads]).concat());
                    bits.push(run(&graph, segment_sum, [nnz, heads]).concat());
                    bits.push(run(&graph, segment_sum_columns, [nnz, heads]).concat());
                    bits.push(run(&graph, expand_rows, [700, heads]).concat());
                    bits.push(run(&graph, expand_columns, [3000, heads]).concat());
                }
                bits.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
            })
        })
    };
    assert_eq!(all(1), all(2));
}

#[test]
#[should_panic(expected = "edge_softmax: the graph is [2, 3] with 1 edges but x is [4, 2], not [nnz, d]")]
fn logits_of_other_edges_panic_with_both_shapes() {
    let graph = SparseMatrix::from_edges(2, 3, &[(0, 2, 1.0)], &device());
    let _ = edge_softmax(&graph, matrix(1, [4, 2]));
}

#[test]
#[should_panic(expected = "normalize_symmetric_values: the graph is [2, 3]")]
fn a_rectangle_has_no_symmetric_normalisation() {
    let graph = SparseMatrix::from_edges(2, 3, &[(0, 2, 1.0)], &device());
    let _ = normalize_symmetric_values(&graph, vector(1, 1), 0.0);
}
