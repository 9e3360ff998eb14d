//! Products of rows at some places: of two matrices, of a matrix with itself, with a gradient on one side alone.

use super::{matrix, numbers, vector};
use crate::devices::{device, on_cpu};
use crate::golden::{close, values};
use burn::tensor::{Int, Tensor, TensorData};
use viral::ops::{reference_sddmm, sddmm};

type Sddmm = fn(Tensor<2>, Tensor<1, Int>, Tensor<2>, Tensor<1, Int>) -> Tensor<1>;

/// `p` numbers below `n` in disorder, some more than once.
fn ids(tag: u64, p: usize, n: usize) -> Tensor<1, Int> {
    let ids: Vec<i32> = numbers(tag, p).iter().map(|x| (x.abs() * n as f32) as i32).collect();
    Tensor::from_data(TensorData::new(ids, [p]), &device().inner())
}

#[test]
fn sampled_products_are_those_of_the_reference_with_both_gradients() {
    for [n, m, p] in [[1, 1, 1], [1, 70, 129], [70, 1, 5], [63, 200, 1025], [1025, 9, 64]] {
        for d in [1, 15, 63, 64, 65, 200] {
            let run = |sddmm: Sddmm| {
                let (x, y) = (matrix(1, [n, d]).require_grad(), matrix(2, [m, d]).require_grad());
                let out = sddmm(x.clone(), ids(3, p, n), y.clone(), ids(4, p, m));
                let gradients = (out.clone() * vector(8, p)).sum().backward();
                [values(out), values(x.grad(&gradients).unwrap()), values(y.grad(&gradients).unwrap())]
            };
            let (found, expected) = (run(sddmm), on_cpu(|| run(reference_sddmm)));
            for (i, name) in ["out", "dx", "dy"].iter().enumerate() {
                close(&format!("[{n}, {d}] and [{m}, {d}] at {p} places: {name}"), &found[i], &expected[i], 1e-5);
            }
        }
    }
}

/// Both sides one tensor, as in the scores of nodes and, at the same rows, in squared lengths; or one of them a constant.
#[test]
fn one_tensor_on_both_sides_gets_both_gradients_and_a_constant_none() {
    let (n, d, p) = (70, 63, 300);
    let run = |sddmm: Sddmm, same_rows: bool, same_tensor: bool| {
        let x = matrix(1, [n, d]).require_grad();
        let y = if same_tensor { x.clone() } else { matrix(2, [n, d]) };
        let out = sddmm(y, ids(3, p, n), x.clone(), ids(if same_rows { 3 } else { 4 }, p, n));
        let gradients = (out.clone() * vector(8, p)).sum().backward();
        [values(out), values(x.grad(&gradients).unwrap())]
    };
    for (same_rows, same_tensor) in [(true, true), (false, true), (false, false)] {
        let found = run(sddmm, same_rows, same_tensor);
        let expected = on_cpu(|| run(reference_sddmm, same_rows, same_tensor));
        for (i, name) in ["out", "dx"].iter().enumerate() {
            let what = format!("rows alike {same_rows}, tensors alike {same_tensor}: {name}");
            close(&what, &found[i], &expected[i], 1e-5);
        }
    }
}

#[test]
#[should_panic(expected = "sddmm: X is [3, 4], Y is [5, 6], with 2 rows and 2 columns")]
fn matrices_of_different_widths_panic_with_both_shapes() {
    let _ = sddmm(matrix(1, [3, 4]), ids(3, 2, 3), matrix(2, [5, 6]), ids(4, 2, 5));
}
