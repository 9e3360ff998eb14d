//! The fusion's layers over all items, and the one-pass operators against their references, forward and backward.
//!
//! `cargo bench --bench fusion`; `encoder_forward_backward/…/384` is the work of the PyTorch peer.

mod common;

use burn::tensor::{Gradients, Tensor};
use common::Bench;
use common::data::read;
use criterion::Throughput;
use viral::Result;
use viral::model::ViralConfig;
use viral::nn::{
    CrossModalSynergyConfig, EncoderConfig, Init, RedundancyEstimator, RedundancyEstimatorConfig, l2_normalize,
    orthogonal_complement,
};
use viral::ops::{
    bias_leaky_relu, layer_norm, reference_bias_leaky_relu, reference_l2_normalize, reference_layer_norm,
    reference_softplus_margins, softplus_margins,
};
use viral::train::TrainerConfig;

/// Width of Baby's features.
const D_FEATURES: usize = 384;

type Rows = fn(Tensor<2>) -> Tensor<2>;
type Norm = fn(Tensor<2>, Tensor<1>, Tensor<1>) -> Tensor<2>;
type Rectify = fn(Tensor<2>, Tensor<1>, f32) -> Tensor<2>;
type Margins = fn(Tensor<1>, Tensor<2>) -> Tensor<1>;

fn main() -> Result<()> {
    let data = read()?;
    let mut bench = Bench::start(&data)?;
    let (n_users, n_items) = (data.train.interactions.n_users(), data.train.interactions.n_items());
    encoder(&mut bench, n_items, D_FEATURES);
    let default = ViralConfig::new();
    // The default preset's fusion, and that of the authors' code, which fuses features at their full width.
    for config in [&default, &ViralConfig::reference()] {
        let d = if config.d_fusion > 0 { config.d_fusion } else { D_FEATURES };
        synergy(&mut bench, n_items, d, config);
        redundancy(&mut bench, n_items, d, config);
        complement(&mut bench, n_items, d);
        norms(&mut bench, n_items, d);
        biases(&mut bench, n_items, d);
    }
    normalized(&mut bench, 3 * (n_users + n_items), default.d_embed);
    margins(&mut bench, TrainerConfig::for_viral().batch_size.triplets(&data.train), default.shared_negatives);
    bench.finish();
    Ok(())
}

/// Operations of a one-token encoder, forward and backward: values, output and both layers of the feed-forward.
fn operations(n: usize, d: usize, d_feed_forward: usize) -> usize {
    3 * 2 * n * (2 * d * d + 2 * d * d_feed_forward)
}

/// One token per item; the reference computes queries and keys, whose softmax is 1, as the authors' code does.
fn encoder(bench: &mut Bench, n: usize, d: usize) {
    let amount = Throughput::Elements(operations(n, d, 4 * d) as u64);
    let (q, kv) = (bench.leaf([n, d], 1), bench.leaf([n, d], 2));
    let mut init = Init::new(0, &bench.device);
    let encoder = EncoderConfig::new(d).init(&mut init);
    let run = || encoder.forward(q.clone(), kv.clone()).sum().backward();
    bench.time("encoder_forward_backward", d, amount.clone(), run);
    let encoder = EncoderConfig::new(d).with_attention(1).init(&mut init);
    let token = |x: &Tensor<2>| x.clone().unsqueeze_dim::<3>(1);
    let run = || encoder.forward_tokens(token(&q), Some(token(&kv))).sum().backward();
    bench.time("reference_encoder_forward_backward", d, amount, run);
}

/// CSE (7)(8).
fn synergy(bench: &mut Bench, n: usize, d: usize, config: &ViralConfig) {
    let (n_encoders, d_feed_forward) = (if config.self_encoders { 4 } else { 2 }, config.feed_forward * d);
    let amount = Throughput::Elements((n_encoders * operations(n, d, d_feed_forward)) as u64);
    let (text, visual) = (bench.leaf([n, d], 1), bench.leaf([n, d], 2));
    let cse = CrossModalSynergyConfig::paper(d).with_d_feed_forward(d_feed_forward);
    let cse = cse.with_self_encoders(config.self_encoders).init(&mut Init::new(0, &bench.device));
    let run = || cse.forward(text.clone(), visual.clone()).signal().sum().backward();
    bench.time("cse_forward_backward", d, amount, run);
}

/// TBR (9)-(11) with its three variants as one batch; the reference runs them one after the other.
fn redundancy(bench: &mut Bench, n: usize, d: usize, config: &ViralConfig) {
    let (join, d_feed_forward) = (3 * 2 * n * 2 * d * d, config.feed_forward * d);
    let amount = Throughput::Elements((3 * (join + operations(n, d, d_feed_forward))) as u64);
    let (text, visual) = (bench.leaf([n, d], 1), bench.leaf([n, d], 2));
    let tbr = RedundancyEstimatorConfig::reference(d).with_d_feed_forward(d_feed_forward);
    let tbr = tbr.init(&mut Init::new(0, &bench.device));
    let run = || tbr.forward(text.clone(), visual.clone()).shared().sum().backward();
    bench.time("tbr_forward_backward", d, amount.clone(), run);
    let run = || one_by_one(&tbr, &text, &visual);
    bench.time("reference_tbr_forward_backward", d, amount, run);
}

fn one_by_one(tbr: &RedundancyEstimator, text: &Tensor<2>, visual: &Tensor<2>) -> Gradients {
    let zeros = Tensor::zeros(text.dims(), &text.device());
    let encode = |text: &Tensor<2>, visual: &Tensor<2>| {
        tbr.encoder.forward_self(tbr.join.forward(Tensor::cat(vec![text.clone(), visual.clone()], 1)))
    };
    ((encode(text, visual) + encode(text, &zeros) + encode(&zeros, visual)) / 3.0).sum().backward()
}

/// `v' = v - (vᵀr / ‖r‖²) r` (12).
fn complement(bench: &mut Bench, n: usize, d: usize) {
    // Forward reads v and r and writes v'; backward reads v, r and the gradient and writes two.
    let amount = Throughput::Bytes((8 * 4 * n * d) as u64);
    let (v, r) = (bench.leaf([n, d], 1), bench.leaf([n, d], 2));
    let run = || orthogonal_complement(v.clone(), r.clone(), 1e-8).sum().backward();
    bench.time("orthogonal_complement_forward_backward", d, amount, run);
}

/// Layer normalisation, which ends each encoder.
fn norms(bench: &mut Bench, n: usize, d: usize) {
    // Forward reads and writes; backward reads x and the gradient and writes one.
    let amount = Throughput::Bytes((5 * 4 * n * d) as u64);
    let (x, gain, shift) = (bench.leaf([n, d], 1), bench.leaf([d], 2), bench.leaf([d], 3));
    for (work, norm) in [("layer_norm", layer_norm as Norm), ("reference_layer_norm", reference_layer_norm)] {
        let run = || norm(x.clone(), gain.clone(), shift.clone()).sum().backward();
        bench.time(&format!("{work}_forward_backward"), d, amount.clone(), run);
    }
}

/// Bias and leaky ReLU, which follow the product of a projection.
fn biases(bench: &mut Bench, n: usize, d: usize) {
    // Forward reads and writes; backward reads y and the gradient and writes one.
    let amount = Throughput::Bytes((5 * 4 * n * d) as u64);
    let (x, bias) = (bench.leaf([n, d], 1), bench.leaf([d], 2));
    for (work, rectify) in
        [("bias_leaky_relu", bias_leaky_relu as Rectify), ("reference_bias_leaky_relu", reference_bias_leaky_relu)]
    {
        let run = || rectify(x.clone(), bias.clone(), 0.01).sum().backward();
        bench.time(&format!("{work}_forward_backward"), d, amount.clone(), run);
    }
}

/// Normalises all blocks of all users and items, as before propagation.
fn normalized(bench: &mut Bench, n: usize, d: usize) {
    // Forward reads and writes; backward reads x and the gradient and writes one.
    let amount = Throughput::Bytes((5 * 4 * n * d) as u64);
    let x = bench.leaf([n, d], 1);
    for (work, normalize) in
        [("normalize_rows", l2_normalize as Rows), ("reference_normalize_rows", reference_l2_normalize)]
    {
        let work = format!("{work}_forward_backward");
        bench.time(&work, d, amount.clone(), || normalize(x.clone()).sum().backward());
    }
}

/// A step's triplets against the shared negatives, as in the default preset.
fn margins(bench: &mut Bench, n: usize, m: usize) {
    // Forward reads; backward reads and writes.
    let amount = Throughput::Bytes((3 * 4 * n * m) as u64);
    let (positives, negatives) = (bench.leaf([n], 1), bench.leaf([n, m], 2));
    for (work, margins) in
        [("softplus_margins", softplus_margins as Margins), ("reference_softplus_margins", reference_softplus_margins)]
    {
        let work = format!("{work}_forward_backward");
        bench.time(&work, m, amount.clone(), || margins(positives.clone(), negatives.clone()).sum().backward());
    }
}
