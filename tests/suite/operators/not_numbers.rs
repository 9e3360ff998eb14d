//! What is not a number comes out where it went in, on the CPU: a run that diverges must not look like a perfect one.

use super::{matrix, numbers};
use crate::devices::{device, on_cpu};
use crate::golden::values;
use burn::tensor::{Tensor, TensorData};
use viral::loss::{bpr, info_nce};
use viral::nn::{EncoderConfig, Init};
use viral::ops::{bias_leaky_relu, l2_normalize, layer_norm, orthogonal_complement, softplus_margins};

const SHAPE: [usize; 2] = [5, 37];
const BAD: usize = 3;

/// Numbers but for one in row [`BAD`].
fn poisoned() -> Tensor<2> {
    let mut x = numbers(1, SHAPE[0] * SHAPE[1]);
    x[BAD * SHAPE[1] + 20] = f32::NAN;
    Tensor::from_data(TensorData::new(x, SHAPE), &device()).require_grad()
}

/// Row by row: whether there is a number that is none.
fn poisoned_rows(x: Tensor<2>) -> Vec<bool> {
    let d = x.dims()[1];
    values(x).chunks(d).map(|row| row.iter().any(|x| x.is_nan())).collect()
}

#[test]
fn a_nan_stays_in_its_row_and_is_not_hidden() {
    on_cpu(|| {
        let only: Vec<bool> = (0..SHAPE[0]).map(|row| row == BAD).collect();
        let vector = |tag| matrix(tag, [1, SHAPE[1]]).reshape([SHAPE[1]]);
        let encoder = EncoderConfig::new(SHAPE[1]).init(&mut Init::new(0, &device()));
        for (what, y) in [
            ("l2_normalize", l2_normalize(poisoned())),
            ("layer_norm", layer_norm(poisoned(), vector(2), vector(3))),
            ("bias_leaky_relu", bias_leaky_relu(poisoned(), vector(2), 0.01)),
            ("orthogonal_complement", orthogonal_complement(poisoned(), matrix(4, SHAPE), 1e-8)),
            ("encoder", encoder.forward(poisoned(), matrix(4, SHAPE))),
            (
                "softplus_margins",
                softplus_margins(matrix(5, [1, SHAPE[0]]).reshape([SHAPE[0]]), poisoned()).unsqueeze_dim(1),
            ),
        ] {
            assert_eq!(poisoned_rows(y), only, "{what}");
        }
        let x = poisoned();
        let loss = info_nce(x.clone(), matrix(4, SHAPE), 0.1);
        assert!(loss.clone().into_scalar::<f32>().is_nan(), "info_nce");
        assert!(poisoned_rows(x.grad(&loss.backward()).unwrap())[BAD], "info_nce's gradient");
    });
}

#[test]
fn scores_that_are_no_numbers_are_no_perfect_ranking() {
    on_cpu(|| {
        let score = |x: f32| Tensor::<1>::from_data([x], &device()).require_grad();
        for [p, n] in [[f32::NAN, 0.0], [0.0, f32::NAN], [f32::INFINITY, f32::INFINITY]] {
            let (p, n) = (score(p), score(n));
            let loss = bpr(p.clone(), n.clone());
            assert!(loss.clone().into_scalar::<f32>().is_nan());
            let gradients = loss.backward();
            for x in [p, n] {
                assert!(x.grad(&gradients).unwrap().into_scalar::<f32>().is_nan());
            }
        }
    });
}
