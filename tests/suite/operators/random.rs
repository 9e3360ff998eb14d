//! Numbers that follow from a key: on a device those of the CPU, and distributed as they should be.

use super::matrix;
use crate::devices::{device, on_cpu};
use crate::golden::{close, values};
use burn::tensor::{Device, Tensor, TensorData};
use viral::data::{StepKey, StreamKey};
use viral::ops::{
    dropout, keep_mask, normal, reference_dropout, reference_keep_mask, reference_normal, reference_uniform, uniform,
    uniform_from,
};

fn key(name: &str) -> StreamKey {
    StepKey { seed: 7, epoch: 2, step: 40 }.stream(name)
}

fn bits<const D: usize>(x: Tensor<D>) -> Vec<u32> {
    values(x).iter().map(|x| x.to_bits()).collect()
}

/// Calls a macro's body for shapes of one to four dimensions, odd, even and empty, some of them longer than one task.
macro_rules! for_shapes {
    (|$shape:ident| $body:expr) => {
        for $shape in [[0], [1], [2], [3], [31], [32], [33], [16_385], [70_001]] {
            $body
        }
        for $shape in [[0, 5], [5, 0], [1, 1], [7, 9], [129, 255], [1000, 64]] {
            $body
        }
        for $shape in [[2, 0, 3], [3, 5, 7], [11, 30, 64]] {
            $body
        }
        for $shape in [[0; 4], [1; 4], [2, 3, 5, 7]] {
            $body
        }
    };
}

#[test]
fn uniform_numbers_have_the_bits_of_the_reference() {
    for_shapes!(|shape| {
        let found = uniform(shape, key("u"), &device());
        assert_eq!(found.dims(), shape);
        assert!(!found.device().is_autodiff());
        assert_eq!(bits(found), on_cpu(|| bits(reference_uniform(shape, 0, key("u"), &device()))), "{shape:?}");
    });
}

#[test]
fn masks_have_the_bits_of_the_reference() {
    for keep in [0.0, 1e-9, 0.1, 0.5, 1.0 / 3.0, 0.9, 1.0 - 1e-9, 1.0] {
        for_shapes!(|shape| {
            let found = keep_mask(shape, keep, key("m"), &device());
            assert_eq!(found.dims(), shape);
            let expected = on_cpu(|| bits(reference_keep_mask(shape, keep, key("m"), &device())));
            assert_eq!(bits(found), expected, "{shape:?} {keep}");
        });
    }
    assert_eq!(values(keep_mask([999], 1.0, key("m"), &device())), [1.0; 999]);
    assert_eq!(values(keep_mask([999], 0.0, key("m"), &device())), [0.0; 999]);
}

/// Positions of which the lower word of the counter overflows, and far beyond.
#[test]
fn positions_beyond_32_bits_have_the_bits_of_the_reference() {
    for first in [2, (1 << 32) - 6, 1 << 32, (1 << 33) - 6, (1 << 33) + 2, (1 << 50) - 2] {
        let found = bits(uniform_from([33], first, key("far"), &device()));
        assert_eq!(found, on_cpu(|| bits(reference_uniform([33], first, key("far"), &device()))), "{first}");
    }
    let (near, far) = (uniform([33], key("far"), &device()), uniform_from([33], 1 << 33, key("far"), &device()));
    assert_ne!(bits(near), bits(far));
}

/// The largest `|a - b| / max(1, |b|)`.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let off = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)).abs() / f64::from(b).abs().max(1.0);
    a.iter().zip(b).map(off).fold(0.0, f64::max)
}

#[test]
fn normal_numbers_are_the_same_on_each_device_to_a_millionth() {
    for_shapes!(|shape| {
        let found = normal(shape, key("n"), &device());
        assert_eq!(found.dims(), shape);
        let found = values(found);
        assert!(found.iter().all(|x| x.is_finite()));
        let cpu = distance(&found, &values(normal(shape, key("n"), &Device::flex())));
        let reference = distance(&found, &on_cpu(|| values(reference_normal(shape, key("n"), &device()))));
        assert!(cpu < 1e-6 && reference < 1e-6, "{shape:?}: {cpu:e} from the CPU, {reference:e} from the reference");
    });
    let n = [1 << 20];
    let (found, cpu) = (values(normal(n, key("many"), &device())), values(normal(n, key("many"), &Device::flex())));
    assert!(distance(&found, &cpu) < 1e-6, "{:e}", distance(&found, &cpu));
}

/// Mean of `x` to the power of `p`.
fn moment(x: &[f32], p: i32) -> f64 {
    x.iter().map(|&x| f64::from(x).powi(p)).sum::<f64>() / x.len() as f64
}

/// Bounds are five standard errors.
#[test]
fn moments_are_those_of_the_distribution() {
    let n = 1_000_003;
    let bound = |variance: f64| 5.0 * (variance / n as f64).sqrt();
    for name in ["a", "b", "c"] {
        let u = values(uniform([n], key(name), &device()));
        assert!(u.iter().all(|u| (0.0..1.0).contains(u)));
        assert!((moment(&u, 1) - 0.5).abs() < bound(1.0 / 12.0), "{}", moment(&u, 1));
        // The variance of u² is 1/5 - 1/9, that of u³ 1/7 - 1/16.
        assert!((moment(&u, 2) - 1.0 / 3.0).abs() < bound(1.0 / 5.0 - 1.0 / 9.0), "{}", moment(&u, 2));
        assert!((moment(&u, 3) - 0.25).abs() < bound(1.0 / 7.0 - 1.0 / 16.0), "{}", moment(&u, 3));

        let x = values(normal([n], key(name), &device()));
        // Of even powers the variances are 3 - 1 and 105 - 9, of odd ones 1 and 15.
        for (p, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            assert!((moment(&x, p) - expected).abs() < bound(variance), "power {p}: {}", moment(&x, p));
        }
        let beyond = |z: f32| x.iter().filter(|x| x.abs() > z).count() as f64 / n as f64;
        for (z, share) in [(1.0, 0.317_310_5), (2.0, 0.045_500_26), (3.0, 0.002_699_796), (4.0, 6.334_25e-5)] {
            assert!((beyond(z) - share).abs() < bound(share * (1.0 - share)), "beyond {z}: {}", beyond(z));
        }

        for keep in [0.1, 0.5, 0.99] {
            let kept = moment(&values(keep_mask([n], keep, key(name), &device())), 1);
            assert!((kept - keep).abs() < bound(keep * (1.0 - keep)), "{kept} of {keep}");
        }
    }
}

/// Correlation of two samples, in standard errors.
fn correlation(x: &[f32], y: &[f32]) -> f64 {
    let n = x.len().min(y.len());
    let (x, y) = (&x[..n], &y[..n]);
    let (mx, my) = (moment(x, 1), moment(y, 1));
    let centred = |a: &[f32], m: f64| a.iter().map(|&a| f64::from(a) - m).collect::<Vec<f64>>();
    let (x, y) = (centred(x, mx), centred(y, my));
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    dot(&x, &y) / (dot(&x, &x) * dot(&y, &y)).sqrt() * (n as f64).sqrt()
}

#[test]
fn streams_steps_and_positions_are_independent() {
    let n = [100_000];
    let step = |step| StepKey { seed: 7, epoch: 2, step }.stream("a");
    let draws: Vec<Vec<f32>> = [step(0), step(1), step(2), key("a"), key("b"), StreamKey::new(7), StreamKey::new(8)]
        .into_iter()
        .flat_map(|key| [uniform(n, key, &device()), normal(n, key, &device())])
        .map(values)
        .collect();
    for (i, x) in draws.iter().enumerate() {
        for (j, y) in draws[..i].iter().enumerate() {
            assert!(correlation(x, y).abs() < 5.0, "{i} and {j}: {}", correlation(x, y));
        }
        let squares: Vec<f32> = x.iter().map(|x| x * x).collect();
        for lag in [1, 2, 3, 16, 32, 64, 16_384] {
            assert!(correlation(x, &x[lag..]).abs() < 5.0, "{i} and itself, {lag} later");
            assert!(correlation(&squares, &squares[lag..]).abs() < 5.0, "the squares of {i}, {lag} later");
        }
    }
}

#[test]
fn a_position_has_its_number_in_whatever_shape() {
    let all = values(normal([2 * 3 * 5 * 7], key("n"), &device()));
    for other in [
        values(normal([6, 35], key("n"), &device())),
        values(normal([2, 3, 5, 7], key("n"), &device())),
        values(normal([1000], key("n"), &device()))[..210].to_vec(),
    ] {
        assert_eq!(all, other);
    }
}

#[test]
fn dropout_is_the_reference_in_output_and_gradient() {
    for shape in [[1, 1], [7, 9], [129, 255], [0, 4]] {
        for rate in [0.1, 0.5, 0.9, 1e-9] {
            let run = |f: fn(Tensor<2>, f64, StreamKey) -> Tensor<2>| {
                let x = matrix(1, shape).require_grad();
                let y = f(x.clone(), rate, key("d"));
                let gradients = (y.clone() * matrix(2, shape)).sum().backward();
                [values(y), values(x.grad(&gradients).unwrap())]
            };
            let (found, expected) = (run(dropout), on_cpu(|| run(reference_dropout)));
            close(&format!("{shape:?} {rate}: y"), &found[0], &expected[0], 1e-6);
            close(&format!("{shape:?} {rate}: dx"), &found[1], &expected[1], 1e-6);
        }
    }
}

#[test]
fn dropout_leaves_a_tensor_alone_where_the_rate_is_zero() {
    let x = matrix(1, [7, 9]).require_grad();
    let y = dropout(x.clone(), 0.0, key("d"));
    assert_eq!(bits(y.clone()), bits(x.clone()));
    assert_eq!(values(x.grad(&y.sum().backward()).unwrap()), [1.0; 63]);
}

/// A view is dropped out by what it shows, and a tensor without autodiff stays without.
#[test]
fn dropout_takes_views_and_plain_tensors() {
    let x = matrix(1, [8, 6]).inner();
    let shown = Tensor::<2>::from_data(TensorData::new(values(x.clone().transpose()), [6, 8]), &x.device());
    let found = dropout(x.transpose(), 0.5, key("d"));
    assert!(!found.device().is_autodiff());
    assert_eq!(bits(found), bits(dropout(shown, 0.5, key("d"))));
}

#[test]
fn constants_stand_beside_tensors_with_a_gradient() {
    let x = matrix(1, [7, 9]).require_grad();
    let noise = normal([7, 9], key("n"), &device());
    let y = x.clone() * noise.clone() + uniform([7, 9], key("u"), &device());
    assert_eq!(values(x.grad(&y.sum().backward()).unwrap()), values(noise));
}

#[test]
#[should_panic(expected = "dropout: the rate 1 is not in [0, 1)")]
fn a_rate_of_one_panics() {
    let _ = dropout(matrix(1, [2, 2]), 1.0, key("d"));
}

#[test]
#[should_panic(expected = "dropout: the rate NaN is not in [0, 1)")]
fn a_rate_that_is_no_number_panics() {
    let _ = dropout(matrix(1, [2, 2]), f64::NAN, key("d"));
}

#[test]
#[should_panic(expected = "keep_mask: the probability 1.1 is not in [0, 1]")]
fn a_probability_above_one_panics() {
    let _ = keep_mask([2, 2], 1.1, key("m"), &device());
}
