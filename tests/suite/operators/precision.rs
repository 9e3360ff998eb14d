//! Dense products of operands rounded to bf16: what they are, that everything dense follows the option, and that nothing else
//! does.

use super::{error, exact_log_sum_exp, matrix, number, numbers, run_log_sum_exp};
use crate::devices::{device, on_cpu};
use crate::golden::{gradients, values};
use crate::support::with;
use burn::tensor::{Tensor, TensorData};
use viral::data::PlantedConfig;
use viral::loss::info_nce;
use viral::model::ModelConfig;
use viral::nn::{EncoderConfig, Init, affine, linear};
use viral::ops::MatmulPrecision::{self, Bf16, F32};
use viral::ops::{log_sum_exp_products, matmul, with_matmul_precision};
use viral::train::TrainerConfig;

/// Products of rounded operands are sums of exact terms: what is left is the order of sums, on tensor cores too.
fn of_sums() -> f64 {
    if on_cpu(device) == device() { 1e-5 } else { 1e-4 }
}

fn rounded(x: &[f32]) -> Vec<f32> {
    x.iter().map(|&x| half::bf16::from_f32(x).to_f32()).collect()
}

/// `A B` in double precision, each transposed first where it says so.
fn exact(a: &[f32], b: &[f32], [n, d, m]: [usize; 3], [a_turned, b_turned]: [bool; 2]) -> Vec<f64> {
    let of_a = |i: usize, k: usize| f64::from(a[if a_turned { k * n + i } else { i * d + k }]);
    let of_b = |k: usize, j: usize| f64::from(b[if b_turned { j * d + k } else { k * m + j }]);
    (0..n * m).map(|e| (0..d).map(|k| of_a(e / m, k) * of_b(k, e % m)).sum()).collect()
}

/// `‖found - expected‖ / ‖expected‖`.
fn apart(found: &[f32], expected: &[f32]) -> f64 {
    assert!(found.len() == expected.len() && found.iter().all(|x| x.is_finite()));
    let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    norm(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied()).max(1e-30)
}

/// Fails unless rounding shows in a result and is no more than `most` of it.
fn follows_within(most: f64, what: &str, in_bf16: &[f32], in_f32: &[f32]) {
    let off = apart(in_bf16, in_f32);
    assert!((1e-6..most).contains(&off), "{what}: bf16 and f32 are {off:e} apart");
}

fn follows(what: &str, in_bf16: &[f32], in_f32: &[f32]) {
    follows_within(2e-2, what, in_bf16, in_f32);
}

/// An encoder's output or gradient: where a hidden value is all but zero, rounding decides whether it passes the rectifier, and
/// with a share `p` of them flipped gradients are `√p` apart.
fn encoder_follows(name: &str, in_bf16: &[f32], in_f32: &[f32]) {
    follows_within(if name == "y" { 2e-2 } else { 1e-1 }, name, in_bf16, in_f32);
}

#[test]
fn products_and_both_gradients_are_those_of_rounded_operands() {
    for sizes in [[1, 1, 1], [2, 7, 3], [64, 64, 64], [129, 65, 33], [70, 300, 131], [515, 40, 520]] {
        let [n, d, m] = sizes;
        let (a, b, dc) = (numbers(1, n * d), numbers(2, d * m), numbers(3, n * m));
        let run = |precision: MatmulPrecision, turned: bool| {
            let leaf = |x: &[f32], shape: [usize; 2]| {
                Tensor::<2>::from_data(TensorData::new(x.to_vec(), shape), &device()).require_grad()
            };
            let (a, b) = (leaf(&a, [n, d]), leaf(&b, [d, m]));
            // The same operands as views: each copied in the other order, and turned back.
            let copy = |x: &Tensor<2>| (x.clone().transpose() * 1.0).transpose();
            let (x, y) = if turned { (copy(&a), copy(&b)) } else { (a.clone(), b.clone()) };
            let c = with_matmul_precision(precision, || matmul(x, y));
            // The backward runs outside of the scope: gradients are of their product's kind.
            let all = (c.clone() * matrix(3, [n, m])).sum().backward();
            [values(c), values(a.grad(&all).unwrap()), values(b.grad(&all).unwrap())]
        };
        let of = |a: &[f32], b: &[f32], dc: &[f32]| {
            [
                exact(a, b, [n, d, m], [false; 2]),
                exact(dc, b, [n, m, d], [false, true]),
                exact(a, dc, [d, n, m], [true, false]),
            ]
        };
        let expected = of(&rounded(&a), &rounded(&b), &rounded(&dc));
        let not_rounded = of(&a, &b, &dc);
        for turned in [false, true] {
            let found = run(Bf16, turned);
            for (i, name) in ["c", "da", "db"].iter().enumerate() {
                let (off, from_f32) = (error(&found[i], &expected[i]), error(&found[i], &not_rounded[i]));
                assert!(off <= of_sums(), "{sizes:?}: {name} is off by {off:e}");
                assert!(from_f32 > 1e-4, "{sizes:?}: {name} is that of f32 to within {from_f32:e}");
            }
        }
        for turned in [false, true] {
            for (found, exact) in on_cpu(|| run(F32, turned)).iter().zip(&not_rounded) {
                assert!(error(found, exact) <= 1e-5, "{sizes:?}: f32 without the option, turned {turned}");
            }
        }
    }
}

#[test]
fn products_of_several_matrices_at_once_are_those_of_each() {
    let whole = |tag, shape: [usize; 3]| {
        let data = TensorData::new(numbers(tag, shape.iter().product()), shape);
        Tensor::<3>::from_data(data, &device()).require_grad()
    };
    let (a, b) = (whole(1, [3, 9, 17]), whole(2, [3, 17, 5]));
    let c = with_matmul_precision(Bf16, || matmul(a.clone(), b.clone()));
    let all = c.clone().sum().backward();
    let (da, db) = (values(a.grad(&all).unwrap()), values(b.grad(&all).unwrap()));
    for (i, c) in values(c).chunks(9 * 5).enumerate() {
        let a = rounded(&numbers(1, 3 * 9 * 17)[i * 9 * 17..][..9 * 17]);
        let b = rounded(&numbers(2, 3 * 17 * 5)[i * 17 * 5..][..17 * 5]);
        let off = error(c, &exact(&a, &b, [9, 17, 5], [false; 2]));
        assert!(off <= of_sums(), "product {i} is off by {off:e}");
        let off = error(&da[i * 9 * 17..][..9 * 17], &exact(&[1.0; 45], &b, [9, 5, 17], [false, true]));
        assert!(off <= of_sums(), "da {i} is off by {off:e}");
        let off = error(&db[i * 17 * 5..][..17 * 5], &exact(&a, &[1.0; 45], [17, 9, 5], [true, false]));
        assert!(off <= of_sums(), "db {i} is off by {off:e}");
    }
}

#[test]
#[should_panic(expected = "matmul: A is [3, 4] but B is [5, 2]")]
fn products_of_the_wrong_shape_panic_with_both_shapes() {
    let _ = matmul(matrix(0, [3, 4]), matrix(1, [5, 2]));
}

/// Norms from a tenth to ten are more than one shift may serve, and those around one are not: both ways through the tiles.
#[test]
fn log_sum_exp_is_that_of_rounded_operands_and_its_gradients_follow() {
    for (sizes, scale) in [([5, 5, 7], 3.0), ([300, 129, 64], 0.3), ([257, 300, 24], 10.0)] {
        let [n, m, d] = sizes;
        let (a, b, weights) = (numbers(1, n * d), numbers(2, m * d), numbers(5, n + m));
        let run = |precision| {
            let run = || run_log_sum_exp(log_sum_exp_products, &a, &b, sizes, scale, &weights);
            with_matmul_precision(precision, run)
        };
        let (found, of_cpu, in_f32) = (run(Bf16), on_cpu(|| run(Bf16)), run(F32));
        let exact = exact_log_sum_exp(&rounded(&a), &rounded(&b), sizes, scale, &weights);
        let off = error(&found[0], &exact[0]);
        assert!(off <= of_sums(), "{sizes:?} scale {scale}: off by {off:e}");
        for (i, name) in ["out", "da", "db"].iter().enumerate() {
            let what = format!("{sizes:?} scale {scale}: {name}");
            follows(&what, &found[i], &in_f32[i]);
            // Weights that differ in their last bit are rounded to neighbours now and then.
            let off = apart(&found[i], &of_cpu[i]);
            assert!(off < 1e-3, "{what}: {off:e} from the CPU's");
            let off = error(&found[i], &exact[i]);
            assert!(off < 5e-3, "{what}: off by {off:e} from rounded operands and exact weights");
        }
    }
}

#[test]
fn info_nce_and_both_gradients_follow() {
    let (n, d) = (300, 33);
    let run = |precision: MatmulPrecision| {
        let view = |tag: u64| {
            let values: Vec<f32> = (0..n * d).map(|k| number(1, k) + 2.0 * number(tag, k)).collect();
            Tensor::<2>::from_data(TensorData::new(values, [n, d]), &device()).require_grad()
        };
        let (a, b) = (view(2), view(3));
        let loss = with_matmul_precision(precision, || info_nce(a.clone(), b.clone(), 0.2));
        let all = loss.backward();
        [values(loss), values(a.grad(&all).unwrap()), values(b.grad(&all).unwrap())]
    };
    let (in_bf16, in_f32) = (run(Bf16), run(F32));
    for (i, name) in ["loss", "da", "db"].iter().enumerate() {
        follows(name, &in_bf16[i], &in_f32[i]);
    }
}

/// One token and several, by blocks and from separate layers; every gradient of inputs and weights.
#[test]
fn encoders_follow_with_every_gradient() {
    let (n, d) = (257, 64);
    let named = |precision: MatmulPrecision, which: usize| {
        let encoder = EncoderConfig::new(d).with_attention(2).init(&mut Init::new(3, &device()));
        let (q, kv) = (matrix(1, [n, d]).require_grad(), matrix(2, [n, d]).require_grad());
        let tokens = |x: &Tensor<2>| x.clone().narrow(0, 0, 256).reshape([128, 2, d]);
        let y = with_matmul_precision(precision, || match which {
            0 => encoder.forward(q.clone(), kv.clone()),
            1 => encoder.reference_forward(q.clone(), kv.clone()),
            _ => encoder.forward_tokens(tokens(&q), Some(tokens(&kv))).reshape([256, d]),
        });
        let all = (y.clone() * matrix(5, y.dims())).sum().backward();
        let mut found = vec![("y".to_string(), values(y)), ("dq".to_string(), values(q.grad(&all).unwrap()))];
        found.push(("dkv".to_string(), values(kv.grad(&all).unwrap())));
        found.extend(gradients(&encoder, &all).into_iter().map(|(name, g)| (name, g.try_into_vec().unwrap())));
        found
    };
    let [in_bf16, from_layers, of_tokens] = [0, 1, 2].map(|which| named(Bf16, which));
    let [in_f32, _, of_tokens_in_f32] = [0, 1, 2].map(|which| named(F32, which));
    for (((name, found), (_, in_f32)), (_, layers)) in in_bf16.iter().zip(&in_f32).zip(&from_layers) {
        // The last shift's gradient is a sum that no product comes into.
        if name != "norm.beta" {
            encoder_follows(name, found, in_f32);
        }
        let off = apart(found, layers);
        // The CPU makes one product of the value and output layers, which rounds otherwise: a few hidden values flip.
        assert!(off < 5e-2, "{name}: {off:e} from separate layers");
    }
    assert_eq!(of_tokens.len(), of_tokens_in_f32.len());
    for ((name, found), (_, in_f32)) in of_tokens.iter().zip(&of_tokens_in_f32) {
        // Keys' biases shift all scores of a softmax alike: their gradient is rounding.
        if !["norm.beta", "layers.0.key.bias"].contains(&name.as_str()) {
            encoder_follows(name, found, in_f32);
        }
    }
}

#[test]
fn linear_layers_follow_in_two_and_three_dimensions() {
    let layer = linear(33, 20, &mut Init::new(1, &device()));
    let of = |precision, x: Tensor<3>| values(with_matmul_precision(precision, || affine(&layer, x)));
    let x = matrix(1, [12, 33]);
    let (in_bf16, in_f32) = (of(Bf16, x.clone().reshape([4, 3, 33])), of(F32, x.clone().reshape([4, 3, 33])));
    follows("three dimensions", &in_bf16, &in_f32);
    let flat = values(with_matmul_precision(Bf16, || affine(&layer, x.clone())));
    assert!(apart(&flat, &in_bf16) <= of_sums());
    assert!(
        on_cpu(device) != device() || values(layer.forward(x)) == in_f32,
        "without the option it is Burn's own layer"
    );
}

/// The trainer's setting reaches the objective of every model that has a dense product, and leaves the others as they are.
#[test]
fn training_follows_its_setting() {
    let config = PlantedConfig::new().with_n_users(60).with_n_items(40).with_interactions_per_user(8);
    let data = config.with_d_text(12).with_d_visual(12).generate().data;
    let viral = |key: &str, value: &str| {
        let mut config = ModelConfig::by_name("viral").unwrap();
        config.set("d_embed", "8").unwrap();
        config.set("d_fusion", "8").unwrap();
        config.set(key, value).unwrap();
        config
    };
    let by_name = |name| ModelConfig::by_name(name).unwrap();
    let models = [
        (viral("shared_negatives", "16"), true),
        (viral("shared_negatives", "0"), true),
        (by_name("vbpr"), true),
        (by_name("freedom"), true),
        (by_name("slmrec"), true),
        (by_name("mentor"), true),
        (by_name("lightgcn"), false),
    ];
    for (config, dense) in models {
        let loss = |precision| {
            let trainer = with(TrainerConfig::default(), |c| {
                c.epochs = 1;
                c.batch_size = 64.into();
                c.precision = precision;
            });
            on_cpu(|| {
                let model = config.init(&data.train, &mut Init::new(0, &device())).unwrap();
                trainer.fit(model, &data.train, &data.valid, &device()).unwrap().history[0].loss
            })
        };
        let (in_f32, in_bf16) = (loss(F32), loss(Bf16));
        assert_eq!(in_f32 != in_bf16, dense, "{config:?}: {in_f32} and {in_bf16}");
        assert!((in_f32 - in_bf16).abs() < 2e-2 * in_f32, "{config:?}: {in_f32} and {in_bf16}");
    }
}
