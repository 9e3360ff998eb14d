//! A layer of one token, computed by blocks, against the one made of separate layers.

use super::matrix;
use crate::devices::{device, on_cpu};
use crate::golden::{close, gradients, values};
use burn::tensor::Tensor;
use viral::nn::{Encoder, EncoderConfig, Init};

type Forward = fn(&Encoder, Tensor<2>, Tensor<2>) -> Tensor<2>;

/// Output, gradients of both inputs and of every weight.
fn check(n: usize, d: usize, hidden: usize, n_layers: usize, shared: bool) {
    let config = EncoderConfig::new(d).with_d_feed_forward(hidden).with_n_layers(n_layers);
    let run = |forward: Forward| {
        let encoder = config.init(&mut Init::new(3, &device()));
        let q = matrix(1, [n, d]).require_grad();
        let kv = if shared { q.clone() } else { matrix(2, [n, d]).require_grad() };
        let y = forward(&encoder, q.clone(), kv.clone());
        let all = (y.clone() * matrix(5, [n, d])).sum().backward();
        let mut found = vec![("y".to_string(), values(y)), ("dq".to_string(), values(q.grad(&all).unwrap()))];
        if !shared {
            found.push(("dkv".to_string(), values(kv.grad(&all).unwrap())));
        }
        let of_weights = gradients(&encoder, &all);
        assert_eq!(of_weights.len(), 12 * n_layers + 2);
        found.extend(of_weights.into_iter().map(|(name, g)| (name, g.try_into_vec().unwrap())));
        found
    };
    let (found, expected) = (run(Encoder::forward), on_cpu(|| run(Encoder::reference_forward)));
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        close(&format!("[{n}, {d}] by {hidden}, {n_layers} layers: {name}"), found, expected, 2e-5);
    }
}

#[test]
fn one_token_layers_are_those_of_the_reference_with_every_gradient() {
    for (n, d, hidden) in [(1, 7, 5), (2, 64, 128), (255, 16, 64), (257, 63, 257), (600, 24, 300), (513, 200, 800)] {
        check(n, d, hidden, 1, false);
    }
    check(300, 32, 64, 1, true);
    check(70, 32, 64, 3, false);
}
