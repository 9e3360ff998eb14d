//! Operators against their references, in outputs and in every gradient; attribution.

mod adam;
mod contrast;
mod edges;
mod encoder;
mod graph_layers;
mod moved;
mod not_numbers;
mod precision;
mod random;
mod rows;
mod sddmm;
mod top_k;

use crate::devices::{device, on_cpu, tolerance};
use crate::golden::{close, values};
use burn::tensor::{Int, Tensor, TensorData};
use sprs::{CsMat, TriMat};
use viral::data::{Interactions, splitmix64};
use viral::loss::{info_nce, reference_info_nce};
use viral::model::Embeddings;
use viral::ops::{
    SparseMatrix, log_sum_exp_products, log_sum_exp_rows, reference_log_sum_exp_products, reference_spmm,
    reference_spmm_polynomial, reference_spmm_values, spmm, spmm_polynomial, spmm_polynomial_rows, spmm_values,
};

/// A number in (-1, 1) for each `(tag, k)`.
fn number(tag: u64, k: usize) -> f32 {
    let bits = splitmix64(splitmix64(tag) ^ k as u64) >> 40;
    ((bits as f64 + 0.5) / (1u64 << 23) as f64 - 1.0) as f32
}

fn numbers(tag: u64, n: usize) -> Vec<f32> {
    (0..n).map(|k| number(tag, k)).collect()
}

fn matrix(tag: u64, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(numbers(tag, shape[0] * shape[1]), shape), &device())
}

fn vector(tag: u64, n: usize) -> Tensor<1> {
    Tensor::from_data(TensorData::new(numbers(tag, n), [n]), &device())
}

/// Every third row is empty, one row takes every column, the others have a few entries.
fn uneven(tag: u64, n_rows: usize, n_cols: usize) -> CsMat<f32> {
    let mut graph = TriMat::new((n_rows, n_cols));
    for row in 0..n_rows {
        let all = row == n_rows / 2;
        for col in 0..n_cols {
            let k = row * n_cols + col;
            if all || (row % 3 != 0 && splitmix64(tag ^ (k as u64) << 8) % n_cols as u64 <= 3) {
                graph.add_triplet(row, col, number(tag, k));
            }
        }
    }
    graph.to_csr()
}

/// Sizes and widths around those at which the loops change: single rows and columns, blocks of rows, vector lanes.
const SHAPES: [[usize; 2]; 6] = [[1, 1], [1, 70], [70, 1], [63, 129], [200, 65], [131, 5000]];
const WIDTHS: [usize; 6] = [1, 15, 63, 64, 65, 200];

#[test]
fn spmm_is_the_reference_in_output_and_gradient() {
    for (tag, [n, m]) in SHAPES.into_iter().enumerate() {
        let graph = uneven(tag as u64, n, m);
        assert!(n < 3 || graph.outer_iterator().any(|row| row.nnz() == 0), "an empty row");
        for d in WIDTHS {
            let run = |spmm: fn(&SparseMatrix, Tensor<2>) -> Tensor<2>| {
                let a = SparseMatrix::new(&graph, &device());
                let x = matrix(7, [m, d]).require_grad();
                let y = spmm(&a, x.clone());
                let gradients = (y.clone() * matrix(8, [n, d])).sum().backward();
                [values(y), values(x.grad(&gradients).unwrap())]
            };
            let (found, expected) = (run(spmm), on_cpu(|| run(reference_spmm)));
            close(&format!("spmm [{n}, {m}] d {d}: y"), &found[0], &expected[0], 1e-5);
            close(&format!("spmm [{n}, {m}] d {d}: dx"), &found[1], &expected[1], 1e-5);
        }
    }
}

#[test]
fn spmm_is_the_sum_over_nonzeros_in_double_precision() {
    let graph = uneven(3, 131, 5000);
    let (n, m, d) = (131, 5000, 65);
    let x = numbers(7, m * d);
    let mut expected = vec![0f64; n * d];
    for (&value, (i, j)) in graph.iter() {
        (0..d).for_each(|c| expected[i * d + c] += f64::from(value) * f64::from(x[j * d + c]));
    }
    let expected: Vec<f32> = expected.into_iter().map(|x| x as f32).collect();
    let a = SparseMatrix::new(&graph, &device());
    close("spmm", &values(spmm(&a, matrix(7, [m, d]))), &expected, 1e-5);
    close("the reference", &values(reference_spmm(&a, matrix(7, [m, d]))), &expected, 1e-5);
}

#[test]
fn spmm_values_is_the_reference_in_output_and_both_gradients() {
    for (tag, [n, m]) in SHAPES.into_iter().enumerate() {
        let graph = uneven(tag as u64, n, m);
        for d in WIDTHS {
            let run = |spmm_values: fn(&SparseMatrix, Tensor<1>, Tensor<2>) -> Tensor<2>| {
                let a = SparseMatrix::new(&graph, &device());
                let (x, w) = (matrix(7, [m, d]).require_grad(), vector(9, a.nnz()).require_grad());
                let y = spmm_values(&a, w.clone(), x.clone());
                let gradients = (y.clone() * matrix(8, [n, d])).sum().backward();
                [values(y), values(x.grad(&gradients).unwrap()), values(w.grad(&gradients).unwrap())]
            };
            let (found, expected) = (run(spmm_values), on_cpu(|| run(reference_spmm_values)));
            for (what, (found, expected)) in ["y", "dx", "dvalues"].iter().zip(found.iter().zip(&expected)) {
                close(&format!("spmm_values [{n}, {m}] d {d}: {what}"), found, expected, 1e-5);
            }
        }
    }
}

#[test]
fn spmm_polynomial_is_the_reference_in_output_and_gradient() {
    for (n, d) in [(1, 1), (70, 63), (131, 64)] {
        let graph = uneven(5, n, n);
        for coefficients in [&[1.0][..], &[0.0, 1.0], &[0.25, 0.0, -0.5], &[0.2; 5]] {
            let run = |polynomial: fn(&SparseMatrix, Tensor<2>, &[f32]) -> Tensor<2>| {
                let a = SparseMatrix::new(&graph, &device());
                let x = matrix(7, [n, d]).require_grad();
                let y = polynomial(&a, x.clone(), coefficients);
                let gradients = (y.clone() * matrix(8, [n, d])).sum().backward();
                [values(y), values(x.grad(&gradients).unwrap())]
            };
            let (found, expected) = (run(spmm_polynomial), on_cpu(|| run(reference_spmm_polynomial)));
            close(&format!("{coefficients:?} [{n}, {d}]: y"), &found[0], &expected[0], 1e-5);
            close(&format!("{coefficients:?} [{n}, {d}]: dx"), &found[1], &expected[1], 1e-5);
        }
    }
}

/// Some rows, one of them more than once.
#[test]
fn rows_of_a_polynomial_are_those_of_the_reference_with_their_gradient() {
    type Rows = fn(&SparseMatrix, Tensor<2>, &[f32], Tensor<1, Int>) -> Tensor<2>;
    for (n, d) in [(1, 1), (70, 63), (131, 64), (90, 200)] {
        let graph = uneven(5, n, n);
        let ids: Vec<i32> = (0..66).map(|k| (splitmix64(k) % n as u64) as i32 / 2).collect();
        for coefficients in [&[1.5][..], &[0.0, 1.0], &[0.3, 0.7], &[0.25, 0.0, -0.5], &[0.2; 5]] {
            let run = |rows: Rows| {
                let a = SparseMatrix::new(&graph, &device());
                let x = matrix(7, [n, d]).require_grad();
                let y = rows(&a, x.clone(), coefficients, Tensor::from_data(ids.as_slice(), &device()));
                let gradients = (y.clone() * matrix(8, [ids.len(), d])).sum().backward();
                [values(y), values(x.grad(&gradients).unwrap())]
            };
            let expected = on_cpu(|| run(|a, x, c, ids| reference_spmm_polynomial(a, x, c).select(0, ids)));
            for (name, (found, expected)) in ["y", "dx"].iter().zip(run(spmm_polynomial_rows).iter().zip(&expected)) {
                close(&format!("{coefficients:?} [{n}, {d}]: {name}"), found, expected, 1e-5);
            }
        }
    }
}

#[test]
fn products_with_a_matrix_without_nonzeros_are_zero() {
    let a = SparseMatrix::new(&TriMat::new((5, 3)).to_csr(), &device());
    let (x, w) = (matrix(7, [3, 6]).require_grad(), vector(9, 0).require_grad());
    let y = spmm(&a, x.clone()) + spmm_values(&a, w.clone(), x.clone());
    let gradients = (y.clone() * matrix(8, [5, 6])).sum().backward();
    assert_eq!(values(y), [0.0; 30]);
    assert_eq!(values(x.grad(&gradients).unwrap()), [0.0; 18]);
    assert!(values(w.grad(&gradients).unwrap()).is_empty());
}

/// Operands that are views: a transpose, columns out of the middle, rows from the second on, and a broadcast row.
#[test]
fn views_of_tensors_are_read_as_what_they_show() {
    let (n, m, d) = (66, 70, 37);
    let graph = uneven(1, n, m);
    type View = fn(Tensor<2>) -> Tensor<2>;
    let views: [(&str, [usize; 2], View); 4] = [
        ("transposed", [37, 70], |x| x.transpose()),
        ("narrow columns", [70, 50], |x| x.narrow(1, 6, 37)),
        ("narrow rows", [75, 37], |x| x.narrow(0, 3, 70)),
        ("expanded", [1, 37], |x| x.expand([70, 37])),
    ];
    for (name, shape, view) in views {
        let run = |fast: bool| {
            let a = SparseMatrix::new(&graph, &device());
            let (x, w) = (matrix(7, shape).require_grad(), vector(9, a.nnz() + 4).require_grad());
            let (seen, some) = (view(x.clone()), w.clone().narrow(0, 4, a.nnz()));
            let (y, z) = match fast {
                true => (spmm(&a, seen.clone()), spmm_values(&a, some, seen)),
                false => (reference_spmm(&a, seen.clone()), reference_spmm_values(&a, some, seen)),
            };
            // The gradient comes in as a view, too.
            let weights = matrix(8, [d, n]).transpose();
            let gradients = ((y.clone() + z.clone() * 2.0) * weights).sum().backward();
            [values(y), values(z), values(x.grad(&gradients).unwrap()), values(w.grad(&gradients).unwrap())]
        };
        let (found, expected) = (run(true), on_cpu(|| run(false)));
        for (what, (found, expected)) in ["y", "z", "dx", "dvalues"].iter().zip(found.iter().zip(&expected)) {
            close(&format!("{name}: {what}"), found, expected, 1e-5);
        }
    }
    let contiguous = values(log_sum_exp_products(matrix(3, [40, 20]), matrix(4, [30, 20]), 2.0).1);
    let transposed = |tag, shape: [usize; 2]| {
        let x = matrix(tag, shape);
        let copy = values(x.transpose());
        Tensor::<2>::from_data(TensorData::new(copy, [shape[1], shape[0]]), &device()).transpose()
    };
    let found = values(log_sum_exp_products(transposed(3, [40, 20]), transposed(4, [30, 20]), 2.0).1);
    close("log-sum-exp of transposes", &found, &contiguous, 0.0);
}

#[test]
#[should_panic(expected = "spmm: A is [3, 4] but X is [5, 2]")]
fn spmm_of_the_wrong_shape_panics_with_both_shapes() {
    let a = SparseMatrix::new(&uneven(0, 3, 4), &device());
    let _ = spmm(&a, matrix(0, [5, 2]));
}

/// Row and column log-sum-exps of `scale · A Bᵀ`, then the gradients of both, in double precision.
fn exact_log_sum_exp(a: &[f32], b: &[f32], [n, m, d]: [usize; 3], scale: f32, weights: &[f32]) -> [Vec<f64>; 3] {
    let (scale, wide) = (f64::from(scale), |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>());
    let (a, b, weights) = (wide(a), wide(b), wide(weights));
    let s: Vec<f64> =
        (0..n * m).map(|k| scale * (0..d).map(|c| a[k / m * d + c] * b[k % m * d + c]).sum::<f64>()).collect();
    let log_sum_exp = |entries: &dyn Fn(usize) -> f64, n: usize| {
        let max = (0..n).map(entries).fold(f64::NEG_INFINITY, f64::max);
        max + (0..n).map(|k| (entries(k) - max).exp()).sum::<f64>().ln()
    };
    let mut out: Vec<f64> = (0..n).map(|i| log_sum_exp(&|j| s[i * m + j], m)).collect();
    out.extend((0..m).map(|j| log_sum_exp(&|i| s[i * m + j], n)));
    let (mut da, mut db) = (vec![0.0; n * d], vec![0.0; m * d]);
    for (k, s) in s.into_iter().enumerate() {
        let (i, j) = (k / m, k % m);
        let g = scale * (weights[i] * (s - out[i]).exp() + weights[n + j] * (s - out[n + j]).exp());
        for c in 0..d {
            da[i * d + c] += g * b[j * d + c];
            db[j * d + c] += g * a[i * d + c];
        }
    }
    [out, da, db]
}

type LogSumExp = fn(Tensor<2>, Tensor<2>, f32) -> (Tensor<1>, Tensor<1>);

/// Both outputs one after the other, and the gradients of their weighted sum to both operands.
fn run_log_sum_exp(
    f: LogSumExp,
    a: &[f32],
    b: &[f32],
    [n, m, d]: [usize; 3],
    scale: f32,
    weights: &[f32],
) -> [Vec<f32>; 3] {
    let leaf =
        |x: &[f32], rows| Tensor::<2>::from_data(TensorData::new(x.to_vec(), [rows, d]), &device()).require_grad();
    let (a, b) = (leaf(a, n), leaf(b, m));
    let (rows, columns) = f(a.clone(), b.clone(), scale);
    let out = Tensor::cat(vec![rows, columns], 0);
    let weights = Tensor::<1>::from_data(TensorData::new(weights.to_vec(), [n + m]), &device());
    let gradients = (out.clone() * weights).sum().backward();
    [values(out), values(a.grad(&gradients).unwrap()), values(b.grad(&gradients).unwrap())]
}

/// `max|found - exact| / max|exact|`.
fn error(found: &[f32], exact: &[f64]) -> f64 {
    assert!(found.iter().all(|x| x.is_finite()));
    let largest = exact.iter().fold(0f64, |m, x| m.max(x.abs())).max(1e-30);
    found.iter().zip(exact).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max) / largest
}

fn check_log_sum_exp(what: &str, a: &[f32], b: &[f32], sizes: [usize; 3], scale: f32, of_gradients: f32) {
    let weights = numbers(5, sizes[0] + sizes[1]);
    let exact = exact_log_sum_exp(a, b, sizes, scale, &weights);
    let found = run_log_sum_exp(log_sum_exp_products, a, b, sizes, scale, &weights);
    let reference = on_cpu(|| run_log_sum_exp(reference_log_sum_exp_products, a, b, sizes, scale, &weights));
    for (i, name) in ["out", "da", "db"].iter().enumerate() {
        let (e, r) = (error(&found[i], &exact[i]), error(&reference[i], &exact[i]));
        let allowed = f64::from(tolerance(if i == 0 { 1e-5 } else { of_gradients }));
        assert!(e <= allowed, "{what} {sizes:?} scale {scale}: {name} is off by {e:e}, the reference by {r:e}");
    }
    // Rows alone: the same without any weight of a column. Their gradients are smaller, and the rounding of large entries is not.
    let [n, m, _] = sizes;
    let of_rows = [&weights[..n], &vec![0.0; m]].concat();
    let [out, da, db] = exact_log_sum_exp(a, b, sizes, scale, &of_rows);
    let found = run_log_sum_exp(rows_alone, a, b, sizes, scale, &of_rows);
    for ((name, exact), found) in [("out", &out[..n]), ("da", &da), ("db", &db)].into_iter().zip(&found) {
        let (e, allowed) =
            (error(&found[..exact.len()], exact), tolerance(if name == "out" { 1e-5 } else { 2.0 * of_gradients }));
        assert!(e <= f64::from(allowed), "{what} {sizes:?} scale {scale}, rows alone: {name} is off by {e:e}");
    }
}

fn rows_alone(a: Tensor<2>, b: Tensor<2>, scale: f32) -> (Tensor<1>, Tensor<1>) {
    let m = b.dims()[0];
    (log_sum_exp_rows(a, b, scale), Tensor::zeros([m], &device()))
}

#[test]
fn log_sum_exp_is_exact_at_odd_sizes() {
    for [n, m] in [[1, 1], [1, 300], [300, 1], [5, 5], [129, 300], [1025, 300], [300, 1025], [257, 2049]] {
        for d in [1, 7, 64] {
            let (a, b) = (numbers(1, n * d), numbers(2, m * d));
            // |S| ≤ scale · d stays below the bound up to which one shift serves all entries …
            check_log_sum_exp("small", &a, &b, [n, m, d], 20.0 / d as f32, 1e-5);
            // … and goes beyond it.
            check_log_sum_exp("beyond the bound", &a, &b, [n, m, d], 200.0 / d as f32, 1e-5);
        }
    }
}

/// Norms from 1e-3 to 1e3 in one matrix: scores run to twenty millions, and a common shift would lose whole rows.
#[test]
fn log_sum_exp_of_rows_of_very_different_length_is_exact() {
    let sizes = [1025, 300, 24];
    let [n, m, d] = sizes;
    let rows = |tag: u64, n: usize| -> Vec<f32> {
        let raw = numbers(tag, n * d);
        let spread = |(i, row): (usize, &[f32])| {
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            let length = 10f32.powf(3.0 * number(tag + 100, i));
            row.iter().map(|x| x / norm * length).collect::<Vec<f32>>()
        };
        raw.chunks(d).enumerate().flat_map(spread).collect()
    };
    let (a, b) = (rows(1, n), rows(2, m));
    for scale in [20.0, -20.0, 1e-3] {
        // A score of 500 is a float to within 3e-5, and so is its weight in the softmax.
        check_log_sum_exp("uneven lengths", &a, &b, sizes, scale, 1e-4);
    }
}

#[test]
fn log_sum_exp_of_equal_and_zero_rows_is_finite() {
    let (n, m, d) = (130, 70, 8);
    let same: Vec<f32> = (0..n * d).map(|k| number(1, k % d)).collect();
    check_log_sum_exp("equal rows", &same, &same[..m * d], [n, m, d], 30.0, 1e-5);
    check_log_sum_exp("zero rows", &vec![0.0; n * d], &numbers(2, m * d), [n, m, d], 30.0, 1e-5);
}

#[test]
#[should_panic(expected = "log_sum_exp_products: A is [3, 4], B is [2, 5]")]
fn log_sum_exp_of_the_wrong_shape_panics_with_both_shapes() {
    let _ = log_sum_exp_products(matrix(0, [3, 4]), matrix(1, [2, 5]), 1.0);
}

#[test]
fn info_nce_is_the_reference_in_value_and_both_gradients() {
    for n in [1, 2, 5, 129, 1025] {
        for temperature in [0.05, 0.1, 1.0] {
            let d = 33;
            // Views of the same rows, not normalised, one of them zero.
            let raw = |tag: u64| -> Vec<f32> {
                (0..n * d)
                    .map(|k| if n > 2 && k / d == 1 { 0.0 } else { number(1, k) + 2.0 * number(tag, k) })
                    .collect()
            };
            let run = |f: fn(Tensor<2>, Tensor<2>, f32) -> Tensor<1>| {
                let leaf = |tag| Tensor::<2>::from_data(TensorData::new(raw(tag), [n, d]), &device()).require_grad();
                let (a, b) = (leaf(2), leaf(3));
                let loss = f(a.clone(), b.clone(), temperature);
                let gradients = loss.backward();
                [values(loss), values(a.grad(&gradients).unwrap()), values(b.grad(&gradients).unwrap())]
            };
            let (found, expected) = (run(info_nce), on_cpu(|| run(reference_info_nce)));
            let what = |name| format!("{n} rows at {temperature}: {name}");
            if n == 1 {
                // A row that has only itself to tell itself from: nothing to learn, but for rounding.
                assert!(found.iter().flatten().all(|x| x.abs() < 1e-4), "{}", what("not zero"));
                continue;
            }
            close(&what("loss"), &found[0], &expected[0], 1e-5);
            close(&what("da"), &found[1], &expected[1], 1e-5);
            close(&what("db"), &found[2], &expected[2], 1e-5);
        }
    }
}

#[test]
fn shares_of_a_score_are_the_products_of_the_blocks_and_add_up() {
    let blocks = [("text", 1), ("synergy", 63), ("visual", 5), ("id", 64)];
    let d = 133;
    let (n_users, n_items) = (7, 11);
    let named = blocks.iter().map(|&(name, width)| (name.to_string(), width)).collect();
    let z = Embeddings::with_blocks(matrix(1, [n_users, d]), matrix(2, [n_items, d]), named).to_host();
    let scores = values(matrix(1, [n_users, d]).matmul(matrix(2, [n_items, d]).transpose()));
    for user in 0..n_users {
        for item in 0..n_items {
            let shares = z.attribute(user, item);
            assert_eq!(shares.len(), blocks.len());
            let mut first = 0;
            for (&(name, width), &share) in blocks.iter().zip(&shares) {
                let columns = first..first + width;
                let (u, i) = (&z.user(user)[columns.clone()], &z.item(item)[columns]);
                let expected: f64 = u.iter().zip(i).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                assert!((share - expected).abs() <= 1e-15, "{name}: {share} for {expected}");
                first += width;
            }
            let score = f64::from(scores[user * n_items + item]);
            let sum: f64 = shares.iter().sum();
            assert!(
                (sum - score).abs() < 1e-5,
                "user {user}, item {item}: shares add up to {sum}, the score is {score}"
            );
        }
    }
    // And what is ranked is the same product.
    let nothing_seen = Interactions::from_pairs(n_users, n_items, &[]);
    let best = z.rank(&nothing_seen, &[3], 1).unwrap();
    let sum: f64 = z.attribute(3, best.items(0)[0] as usize).iter().sum();
    assert!((sum - f64::from(best.scores(0)[0])).abs() < 1e-5);
}

#[test]
#[should_panic(expected = "embeddings: users 4, items 4, blocks 5 columns")]
fn blocks_that_do_not_cover_the_columns_panic() {
    let blocks = vec![("a".to_string(), 2), ("b".to_string(), 3)];
    let _ = Embeddings::with_blocks(matrix(1, [2, 4]), matrix(2, [3, 4]), blocks);
}
