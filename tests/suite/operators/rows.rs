//! What is done row by row: rows taken by number, blocks weighed, lengths, and the ranking loss against all columns.

use super::{matrix, numbers, vector};
use crate::devices::{device, on_cpu};
use crate::golden::{close, values};
use burn::tensor::{Int, Tensor, TensorData};
use viral::ops::{
    bias_leaky_relu, block_products, gather_rows, l2_normalize, layer_norm, orthogonal_complement,
    reference_bias_leaky_relu, reference_block_products, reference_l2_normalize, reference_layer_norm,
    reference_orthogonal_complement, reference_softplus_margins, reference_weigh_blocks, row_range, softplus_margins,
    weigh_blocks,
};

const ROWS: [usize; 5] = [1, 2, 63, 129, 1025];
const COLUMNS: [usize; 7] = [1, 15, 16, 17, 63, 64, 200];

fn leaf(values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), &device()).require_grad()
}

/// Output and gradient of one of the two, row by row against the other: rows of very different length do not hide each
/// other.
fn check_normalize(what: &str, x: &[f32], shape: [usize; 2]) {
    let run = |normalize: fn(Tensor<2>) -> Tensor<2>| {
        let x = leaf(x.to_vec(), shape);
        let y = normalize(x.clone());
        let gradients = (y.clone() * matrix(8, shape)).sum().backward();
        [values(y), values(x.grad(&gradients).unwrap())]
    };
    let (found, expected) = (run(l2_normalize), on_cpu(|| run(reference_l2_normalize)));
    let d = shape[1];
    for (i, name) in ["y", "dx"].iter().enumerate() {
        for (row, (found, expected)) in found[i].chunks(d).zip(expected[i].chunks(d)).enumerate() {
            // A row of one number has length one whatever the number is: its gradient is rounding.
            let scale = x[row * d..][..d].iter().map(|x| x * x).sum::<f32>().sqrt().recip();
            if d == 1 && i == 1 && scale.is_finite() && scale < 1e12 {
                assert!(found[0].abs() <= 1e-5 * scale, "{what} {shape:?}: {name} of row {row} is {}", found[0]);
            } else {
                close(&format!("{what} {shape:?}: {name} of row {row}"), found, expected, 2e-5);
            }
        }
    }
}

#[test]
fn rows_of_length_one_are_those_of_the_reference_with_their_gradients() {
    for n in ROWS {
        for d in COLUMNS {
            check_normalize("rows", &numbers(1, n * d), [n, d]);
        }
    }
}

#[test]
fn rows_that_are_zero_tiny_or_huge_stay_finite() {
    let (lengths, d) = ([0.0, 1e-18, 1e-9, 1.0, 1e9, 0.0, 1e15], 37);
    let x: Vec<f32> = numbers(1, lengths.len() * d).iter().enumerate().map(|(k, x)| x * lengths[k / d]).collect();
    check_normalize("lengths", &x, [lengths.len(), d]);
    let y = values(l2_normalize(leaf(x, [lengths.len(), d])));
    assert!(y[..d].iter().all(|&y| y == 0.0), "a zero row stays zero");
    assert!((y[4 * d..5 * d].iter().map(|y| y * y).sum::<f32>() - 1.0).abs() < 1e-5);
}

#[test]
fn biased_rectified_rows_are_those_of_the_reference_with_both_gradients() {
    for n in ROWS {
        for (d, slope) in COLUMNS.into_iter().zip([0.01, 1.0, 0.2].into_iter().cycle()) {
            let run = |rectify: fn(Tensor<2>, Tensor<1>, f32) -> Tensor<2>| {
                let (x, bias) = (leaf(numbers(1, n * d), [n, d]), vector(2, d).to_device(&device()).require_grad());
                let y = rectify(x.clone(), bias.clone(), slope);
                let gradients = (y.clone() * matrix(8, [n, d])).sum().backward();
                [values(y), values(x.grad(&gradients).unwrap()), values(bias.grad(&gradients).unwrap())]
            };
            let (found, expected) = (run(bias_leaky_relu), on_cpu(|| run(reference_bias_leaky_relu)));
            for (i, name) in ["y", "dx", "dbias"].iter().enumerate() {
                close(&format!("bias [{n}, {d}], slope {slope}: {name}"), &found[i], &expected[i], 1e-5);
            }
        }
    }
    let wide = matrix(1, [9, 130]).narrow(1, 3, 64);
    let of = |rectify: fn(Tensor<2>, Tensor<1>, f32) -> Tensor<2>| values(rectify(wide.clone(), vector(2, 64), 0.01));
    close("biased rows of a view", &of(bias_leaky_relu), &of(reference_bias_leaky_relu), 1e-5);
}

#[test]
#[should_panic(expected = "bias_leaky_relu: x is [3, 2], the bias [4], the slope 1")]
fn a_bias_of_another_width_panics_with_both_shapes() {
    let _ = bias_leaky_relu(matrix(1, [3, 2]), vector(2, 4), 1.0);
}

/// Rows far from zero, and one without any variance.
#[test]
fn layer_norms_are_those_of_the_reference_with_their_gradients() {
    for n in ROWS {
        for d in COLUMNS {
            let mut x: Vec<f32> = numbers(1, n * d).iter().map(|x| 3.0 * x + 5.0).collect();
            x[..d].fill(0.25);
            let run = |norm: fn(Tensor<2>, Tensor<1>, Tensor<1>) -> Tensor<2>| {
                let x = leaf(x.clone(), [n, d]);
                let [gain, shift] = [2, 3].map(|tag| vector(tag, d).to_device(&device()).require_grad());
                let y = norm(x.clone(), gain.clone(), shift.clone());
                let gradients = (y.clone() * matrix(8, [n, d])).sum().backward();
                let of = |x: &Tensor<1>| values(x.grad(&gradients).unwrap());
                [values(y), values(x.grad(&gradients).unwrap()), of(&gain), of(&shift)]
            };
            let (found, expected) = (run(layer_norm), on_cpu(|| run(reference_layer_norm)));
            for (i, name) in [(0, "y"), (2, "dgain"), (3, "dshift")] {
                close(&format!("layer norm [{n}, {d}]: {name}"), &found[i], &expected[i], 1e-5);
            }
            // Row by row: that without variance has gradients of another size. Of one number alone there are none.
            for (row, (found, expected)) in found[1].chunks(d).zip(expected[1].chunks(d)).enumerate() {
                match d {
                    1 => assert!(found[0].abs() < 1e-5, "layer norm [{n}, 1]: dx of row {row} is {}", found[0]),
                    _ => close(&format!("layer norm [{n}, {d}]: dx of row {row}"), found, expected, 1e-4),
                }
            }
        }
    }
    let wide = matrix(1, [9, 130]).narrow(1, 3, 64);
    let of = |norm: fn(Tensor<2>, Tensor<1>, Tensor<1>) -> Tensor<2>| {
        values(norm(wide.clone(), vector(2, 64), vector(3, 64)))
    };
    close("layer norm of a view", &of(layer_norm), &of(reference_layer_norm), 1e-5);
}

/// Output and both gradients, against the reference and, the output, against double precision.
fn check_softplus(what: &str, p: Tensor<1>, n: Tensor<2>) {
    let [rows, m] = n.dims();
    let run = |softplus: fn(Tensor<1>, Tensor<2>) -> Tensor<1>| {
        let p = p.clone().detach().to_device(&device()).require_grad();
        let n = n.clone().detach().to_device(&device()).require_grad();
        let out = softplus(p.clone(), n.clone());
        let gradients = (out.clone() * vector(8, rows)).sum().backward();
        [values(out), values(p.grad(&gradients).unwrap()), values(n.grad(&gradients).unwrap())]
    };
    let (found, expected) = (run(softplus_margins), on_cpu(|| run(reference_softplus_margins)));
    for (i, name) in ["out", "dp", "dn"].iter().enumerate() {
        close(&format!("{what} [{rows}, {m}]: {name}"), &found[i], &expected[i], 1e-5);
    }
    let (p, n) = (values(p), values(n));
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let of_row = |(n, p): (&[f32], &f32)| n.iter().map(|&n| softplus(f64::from(n) - f64::from(*p))).sum::<f64>() as f32;
    let exact: Vec<f32> = n.chunks(m).zip(&p).map(of_row).collect();
    close(&format!("{what} [{rows}, {m}]: exactly"), &found[0], &exact, 1e-5);
}

#[test]
fn margins_are_those_of_the_reference_with_both_gradients() {
    for rows in ROWS {
        for m in COLUMNS {
            check_softplus("margins", vector(1, rows) * 5.0, matrix(2, [rows, m]) * 5.0);
        }
    }
}

/// Equal scores have a gradient of a half; margins of ten thousand neither overflow nor lose the small ones beside them.
#[test]
fn equal_and_far_off_scores_have_the_margins_they_should() {
    let (rows, m) = (5, 33);
    check_softplus("equal", vector(1, rows), vector(1, rows).unsqueeze_dim::<2>(1).expand([rows, m]));
    check_softplus("far off", vector(1, rows) * 1e4, matrix(2, [rows, m]) * 1e4);
    let won = softplus_margins(vector(1, rows) + 60.0, matrix(2, [rows, m]));
    let lost: f64 = values(won).iter().map(|&x| f64::from(x)).sum();
    assert!(lost > 0.0 && lost < 1e-20, "pairs won by sixty cost {lost:e}");
    let views = matrix(2, [m, rows + 4]).narrow(1, 2, rows).transpose();
    check_softplus("views", vector(1, rows + 3).narrow(0, 3, rows), views);
}

#[test]
#[should_panic(expected = "softplus_margins: p is [3] but n is [4, 2]")]
fn margins_of_the_wrong_shape_panic_with_both_shapes() {
    let _ = softplus_margins(vector(1, 3), matrix(2, [4, 2]));
}

/// Ids in disorder, some more than once, most not at all.
#[test]
fn gathered_rows_are_those_of_select_with_their_gradient() {
    for (n, m) in [(1, 1), (1, 300), (5, 3), (70, 1), (129, 1025), (1025, 129), (9001, 600)] {
        let ids: Vec<i32> = numbers(3, m).iter().map(|x| (x.abs() * n as f32) as i32).collect();
        for d in COLUMNS {
            let run = |take: fn(Tensor<2>, Tensor<1, Int>) -> Tensor<2>| {
                let x = leaf(numbers(1, n * d), [n, d]);
                let rows = take(x.clone(), Tensor::from_data(TensorData::new(ids.clone(), [m]), &device().inner()));
                let gradients = (rows.clone() * matrix(8, [m, d])).sum().backward();
                [values(rows), values(x.grad(&gradients).unwrap())]
            };
            let (found, expected) = (run(gather_rows), on_cpu(|| run(|x, ids| x.select(0, ids))));
            assert_eq!(found[0], expected[0], "[{n}, {d}] at {m} ids");
            close(&format!("[{n}, {d}] at {m} ids: dx"), &found[1], &expected[1], 1e-5);
        }
    }
    let (wide, ids) = (matrix(1, [9, 130]), Tensor::<1, Int>::from_data([8, 0, 8], &device().inner()));
    let part = wide.clone().narrow(1, 3, 64).transpose().narrow(1, 0, 9).transpose();
    assert_eq!(values(gather_rows(part.clone(), ids.clone())), values(part.select(0, ids)), "of a view");
}

#[test]
fn a_range_of_rows_is_that_of_narrow_with_its_gradient() {
    for (n, first, len) in [(1, 0, 1), (9, 0, 9), (70, 3, 64), (1025, 600, 425), (1025, 0, 300), (5, 5, 0)] {
        for d in COLUMNS {
            let run = |take: &dyn Fn(Tensor<2>, usize, usize) -> Tensor<2>| {
                let x = leaf(numbers(1, n * d), [n, d]);
                let rows = take(x.clone(), first, len);
                let both = (rows.clone() * matrix(8, [len, d])).sum() + (x.clone() * matrix(9, [n, d])).sum();
                let gradients = both.backward();
                [values(rows), values(x.grad(&gradients).unwrap())]
            };
            // Nothing comes of no rows; `narrow` refuses to take them.
            let narrow = move |x: Tensor<2>, first, len| match len {
                0 => x.slice([0..0, 0..d]),
                _ => x.narrow(0, first, len),
            };
            let (found, expected) = (run(&row_range), on_cpu(|| run(&narrow)));
            assert_eq!(found[0], expected[0], "{len} rows from {first} of [{n}, {d}]");
            close(&format!("{len} rows from {first} of [{n}, {d}]: dx"), &found[1], &expected[1], 1e-5);
        }
    }
}

#[test]
#[should_panic(expected = "row_range: 4 rows from 2 on of 5")]
fn rows_that_are_not_there_are_not_taken() {
    let _ = row_range(matrix(1, [5, 3]), 2, 4);
}

#[test]
fn weighed_blocks_are_those_of_the_reference_with_both_gradients() {
    for n in ROWS {
        for (blocks, d) in [(1, 1), (3, 1), (3, 21), (2, 64), (5, 33), (7, 16)] {
            let run = |weigh: fn(Tensor<2>, Tensor<2>) -> Tensor<2>| {
                let (x, w) =
                    (leaf(numbers(1, n * blocks * d), [n, blocks * d]), leaf(numbers(2, n * blocks), [n, blocks]));
                let out = weigh(x.clone(), w.clone());
                let gradients = (out.clone() * matrix(8, [n, blocks * d])).sum().backward();
                [values(out), values(x.grad(&gradients).unwrap()), values(w.grad(&gradients).unwrap())]
            };
            let (found, expected) = (run(weigh_blocks), on_cpu(|| run(reference_weigh_blocks)));
            for (i, name) in ["out", "dx", "dw"].iter().enumerate() {
                close(&format!("{n} rows of {blocks} blocks of {d}: {name}"), &found[i], &expected[i], 1e-5);
            }
        }
    }
}

#[test]
#[should_panic(expected = "weigh_blocks: x is [4, 6] but w is [4, 4]")]
fn blocks_of_unequal_width_panic_with_both_shapes() {
    let _ = weigh_blocks(matrix(1, [4, 6]), matrix(2, [4, 4]));
}

#[test]
fn products_of_blocks_are_those_of_the_reference_with_both_gradients() {
    for n in ROWS {
        for (blocks, d) in [(1, 1), (3, 1), (3, 21), (2, 64), (5, 33), (7, 16)] {
            let run = |products: fn(Tensor<2>, Tensor<2>, usize) -> Tensor<2>| {
                let [a, b] = [1, 2].map(|tag| leaf(numbers(tag, n * blocks * d), [n, blocks * d]));
                let out = products(a.clone(), b.clone(), blocks);
                let gradients = (out.clone() * matrix(8, [n, blocks])).sum().backward();
                [values(out), values(a.grad(&gradients).unwrap()), values(b.grad(&gradients).unwrap())]
            };
            let (found, expected) = (run(block_products), on_cpu(|| run(reference_block_products)));
            for (i, name) in ["out", "da", "db"].iter().enumerate() {
                close(&format!("{n} rows of {blocks} blocks of {d}: {name}"), &found[i], &expected[i], 1e-5);
            }
        }
    }
    // Of a matrix with itself the gradient is the sum of both.
    let x = leaf(numbers(1, 12), [2, 6]);
    let gradients = block_products(x.clone(), x.clone(), 3).sum().backward();
    let twice: Vec<f32> = numbers(1, 12).iter().map(|x| 2.0 * x).collect();
    close("of a matrix with itself", &values(x.grad(&gradients).unwrap()), &twice, 1e-6);
}

#[test]
#[should_panic(expected = "block_products: a is [4, 6] and b is [4, 6], in 4 blocks")]
fn products_of_blocks_of_unequal_width_panic_with_the_shapes() {
    let _ = block_products(matrix(1, [4, 6]), matrix(2, [4, 6]), 4);
}

/// Lengths from zero to a hundred: where `r` is zero nothing is taken away, where it is small ε counts.
#[test]
fn complements_are_those_of_the_reference_with_both_gradients() {
    for n in ROWS {
        for d in COLUMNS {
            let lengths = [0.0, 1e-3, 1.0, 100.0];
            let r: Vec<f32> = numbers(2, n * d).iter().enumerate().map(|(k, r)| r * lengths[k / d % 4]).collect();
            let run = |complement: fn(Tensor<2>, Tensor<2>, f32) -> Tensor<2>| {
                let (v, r) = (leaf(numbers(1, n * d), [n, d]), leaf(r.clone(), [n, d]));
                let out = complement(v.clone(), r.clone(), 1e-2);
                let gradients = (out.clone() * matrix(8, [n, d])).sum().backward();
                [values(out), values(v.grad(&gradients).unwrap()), values(r.grad(&gradients).unwrap())]
            };
            let (found, expected) = (run(orthogonal_complement), on_cpu(|| run(reference_orthogonal_complement)));
            for (i, name) in ["out", "dv", "dr"].iter().enumerate() {
                close(&format!("complement [{n}, {d}]: {name}"), &found[i], &expected[i], 1e-5);
            }
            assert_eq!(found[0][..d], numbers(1, n * d)[..d], "of a row of zeros");
        }
    }
}
