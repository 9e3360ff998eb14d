//! Contrastive losses, alignment and uniformity against their definitions, in value and every gradient.

use super::{number, numbers};
use crate::devices::{device, on_cpu, tolerance};
use crate::golden::{close, values};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use viral::loss::{
    ContrastConfig, Similarity, alignment, contrast, contrast_rows, info_nce, reference_contrast, reference_uniformity,
    uniformity,
};

const D: usize = 19;

/// Two views of the same rows, the second of them zero.
fn view(tag: u64, n: usize) -> Tensor<2> {
    let value = |k| if n > 2 && k / D == 1 { 0.0 } else { number(1, k) + 2.0 * number(tag, k) };
    Tensor::from_data(TensorData::new((0..n * D).map(value).collect::<Vec<f32>>(), [n, D]), &device()).require_grad()
}

/// Every seventh pair, own pairs among them.
fn excluded(n: usize, m: usize) -> Tensor<2, Bool> {
    let mask: Vec<bool> = (0..n * m).map(|k| k % 7 == 0).collect();
    Tensor::from_data(TensorData::new(mask, [n, m]), &device().inner())
}

/// Ids below `m`, some of them twice.
fn anchors(n: usize, m: usize) -> Tensor<1, Int> {
    let ids: Vec<i32> = (0..n).map(|e| (e * e % m) as i32).collect();
    Tensor::from_ints(ids.as_slice(), &device().inner())
}

fn configs() -> Vec<ContrastConfig> {
    let both = |similarity| ContrastConfig::new(0.3).with_similarity(similarity);
    let sided = |similarity| [both(similarity), both(similarity).one_sided()];
    [Similarity::Cosine, Similarity::InnerProduct].into_iter().flat_map(sided).collect()
}

/// Loss and both gradients.
fn run(n: usize, loss: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>) -> [Vec<f32>; 3] {
    let (a, b) = (view(2, n), view(3, n));
    let loss = loss(a.clone(), b.clone());
    let gradients = loss.backward();
    [values(loss), values(a.grad(&gradients).unwrap()), values(b.grad(&gradients).unwrap())]
}

fn check(what: &str, found: [Vec<f32>; 3], expected: [Vec<f32>; 3]) {
    for ((found, expected), name) in found.iter().zip(&expected).zip(["loss", "da", "db"]) {
        close(&format!("{what}: {name}"), found, expected, 1e-5);
    }
}

#[test]
fn a_contrast_is_its_reference_in_value_and_both_gradients() {
    for n in [2, 5, 129, 1025] {
        for config in configs() {
            let found = run(n, |a, b| contrast(a, b, &config));
            let expected = on_cpu(|| run(n, |a, b| reference_contrast(a, b, None, &config)));
            check(&format!("{n} rows, {config:?}"), found, expected);
        }
    }
}

#[test]
fn a_contrast_of_some_rows_is_its_reference_in_value_and_both_gradients() {
    for (n, m) in [(1, 2), (7, 5), (40, 300)] {
        for config in configs() {
            let mut found = run(m, |a, b| contrast_rows(a, b, anchors(n, m), &config));
            let mut expected = on_cpu(|| run(m, |a, b| reference_contrast(a, b, Some(anchors(n, m)), &config)));
            if m == 2 {
                // Of two rows the loss is what is left of logits near 10 that cancel: held to the size of 1.
                found.iter_mut().chain(&mut expected).for_each(|values| values.push(1.0));
            }
            check(&format!("{n} of {m} rows, {config:?}"), found, expected);
        }
    }
}

#[test]
fn info_nce_is_the_contrast_of_cosines_in_both_directions_to_the_bit() {
    let config = ContrastConfig::new(0.1);
    assert_eq!(run(129, |a, b| info_nce(a, b, 0.1)), run(129, |a, b| contrast(a, b, &config)));
}

/// The definition in double precision, entry by entry.
fn by_hand(m: usize, ids: &[usize], config: [bool; 2], is_excluded: impl Fn(usize, usize) -> bool) -> f64 {
    let [is_cosine, is_symmetric] = config;
    let rows = |tag| -> Vec<Vec<f64>> {
        let flat: Vec<f64> = values(view(tag, m)).into_iter().map(f64::from).collect();
        let unit = |row: &[f64]| {
            let length = row.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
            row.iter().map(|x| if is_cosine { x / length } else { *x }).collect()
        };
        flat.chunks(D).map(unit).collect()
    };
    let (a, b) = (rows(2), rows(3));
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / 0.3;
    let direction = |a: &[Vec<f64>], b: &[Vec<f64>]| {
        let of = |(e, &id): (usize, &usize)| {
            let taken = (0..m).filter(|&j| j == id || !is_excluded(e, j));
            taken.map(|j| product(&a[id], &b[j]).exp()).sum::<f64>().ln() - product(&a[id], &b[id])
        };
        ids.iter().enumerate().map(of).sum::<f64>() / ids.len() as f64
    };
    if is_symmetric { (direction(&a, &b) + direction(&b, &a)) / 2.0 } else { direction(&a, &b) }
}

#[test]
fn a_contrast_is_what_its_equation_says() {
    let (n, m) = (7, 11);
    let some: Vec<usize> = (0..n).map(|e| e * e % m).collect();
    let all: Vec<usize> = (0..m).collect();
    for is_cosine in [true, false] {
        for is_symmetric in [true, false] {
            let similarity = if is_cosine { Similarity::Cosine } else { Similarity::InnerProduct };
            let config = ContrastConfig::new(0.3).with_similarity(similarity);
            let config = if is_symmetric { config } else { config.one_sided() };
            let (masked, flags) = (|n| config.clone().with_excluded(excluded(n, m)), [is_cosine, is_symmetric]);
            let seventh = |e: usize, j: usize| (e * m + j).is_multiple_of(7);
            let cases = [
                (run(m, |a, b| contrast(a, b, &config)), by_hand(m, &all, flags, |_, _| false)),
                (run(m, |a, b| contrast(a, b, &masked(m))), by_hand(m, &all, flags, seventh)),
                (run(m, |a, b| contrast_rows(a, b, anchors(n, m), &config)), by_hand(m, &some, flags, |_, _| false)),
                (run(m, |a, b| contrast_rows(a, b, anchors(n, m), &masked(n))), by_hand(m, &some, flags, seventh)),
            ];
            for (case, (found, expected)) in cases.into_iter().enumerate() {
                close(&format!("case {case} of {flags:?}"), &found[0], &[expected as f32], 1e-5);
            }
        }
    }
}

/// The steepest ascent of a loss is as steep as its gradient says.
#[test]
fn the_gradient_of_a_masked_contrast_is_its_slope() {
    let n = 9;
    let config = ContrastConfig::new(0.3).with_excluded(excluded(n, n));
    let loss = |a: Vec<f32>| {
        let leaf = |x| Tensor::<2>::from_data(TensorData::new(x, [n, D]), &device()).require_grad();
        let (a, b) = (leaf(a), leaf(numbers(3, n * D)));
        let loss = contrast(a.clone(), b, &config);
        let gradient = values(a.grad(&loss.backward()).unwrap());
        (f64::from(values(loss)[0]), gradient)
    };
    let a = numbers(2, n * D);
    let (_, gradient) = loss(a.clone());
    let squared: f64 = gradient.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let step = 0.05 / squared.sqrt();
    let moved = |sign: f64| a.iter().zip(&gradient).map(|(x, g)| x + (sign * step) as f32 * g).collect();
    let slope = (loss(moved(1.0)).0 - loss(moved(-1.0)).0) / (2.0 * step);
    assert!((slope - squared).abs() <= f64::from(tolerance(2e-3)) * squared, "{slope} instead of {squared}");
}

/// Value and gradient of uniformity.
fn spread(x: &[f32], n: usize, f: fn(Tensor<2>) -> Tensor<1>) -> [Vec<f32>; 2] {
    let x = Tensor::<2>::from_data(TensorData::new(x.to_vec(), [n, D]), &device()).require_grad();
    let loss = f(x.clone());
    let gradient = x.grad(&loss.backward()).unwrap();
    [values(loss), values(gradient)]
}

#[test]
fn uniformity_is_its_reference_in_value_and_gradient() {
    for n in [1025, 1500] {
        // Spread over the sphere, and close together as they are before they have learnt to spread; one row is zero.
        for common in [0.0, 3.0] {
            let mut x: Vec<f32> =
                numbers(5, n * D).iter().enumerate().map(|(k, x)| x + common * number(6, k % D)).collect();
            x[..D].fill(0.0);
            let (found, expected) = (spread(&x, n, uniformity), on_cpu(|| spread(&x, n, reference_uniformity)));
            let what = format!("{n} rows around {common}");
            close(&format!("{what}: value"), &found[0], &expected[0], 1e-5);
            // The gradient of the zero row is divided by its length, which counts as 1e-12.
            close(&format!("{what}: dx of the zero row"), &found[1][..D], &expected[1][..D], 1e-4);
            close(&format!("{what}: dx"), &found[1][D..], &expected[1][D..], 1e-4);
        }
    }
}

#[test]
fn uniformity_and_alignment_are_what_their_equations_say() {
    for n in [2, 3, 40, 1030] {
        let [x, y] = [7, 8].map(|tag| numbers(tag, n * D));
        let unit = |x: &[f32]| -> Vec<Vec<f64>> {
            let rows = x.chunks(D).map(|row| {
                let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
                row.iter().map(|&x| f64::from(x) / length).collect()
            });
            rows.collect()
        };
        let distance = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
        let (a, b) = (unit(&x), unit(&y));
        let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
        let sum: f64 = pairs.map(|(i, j)| (-2.0 * distance(&a[i], &a[j])).exp()).sum();
        let expected = (sum / (n * (n - 1) / 2) as f64).ln();
        close(&format!("uniformity of {n}"), &spread(&x, n, uniformity)[0], &[expected as f32], 1e-5);
        let expected = a.iter().zip(&b).map(|(a, b)| distance(a, b)).sum::<f64>() / n as f64;
        let tensor = |x: Vec<f32>| Tensor::<2>::from_data(TensorData::new(x, [n, D]), &device());
        let found = values(alignment(tensor(x), tensor(y)));
        close(&format!("alignment of {n}"), &found, &[expected as f32], 1e-5);
    }
}
