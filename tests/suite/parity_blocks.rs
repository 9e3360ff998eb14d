//! Block by block against the authors' code: outputs, losses and gradients.

use crate::devices::device;
use crate::golden::{self, Golden, Source, check_all, filled, gradients};
use burn::tensor::Tensor;
use viral::loss::{bpr, bpr_with_gamma, info_nce, reference_info_nce};
use viral::nn::*;

fn input<const D: usize>(g: &Golden, name: &str) -> Tensor<D> {
    g.tensor::<D>(name, &device()).require_grad()
}

/// `[time, batch, d]` there, `[batch, time, d]` here.
fn encoder(fixture: &str, n_heads: usize) {
    let g = golden::load(fixture);
    let d = g.f32("xq").0[2];
    let source = |name: &str| Source::encoder("", name).strip();
    let config = EncoderConfig::new(d).with_attention(n_heads);
    let model = filled(config.init(&mut Init::new(0, &device())), &g, source);
    let w = g.tensor::<3>("W", &device());

    let (q, kv) = (input::<3>(&g, "xq"), input::<3>(&g, "xk"));
    let out = model.forward_tokens(q.clone().swap_dims(0, 1), Some(kv.clone().swap_dims(0, 1))).swap_dims(0, 1);
    g.check_tensor("cross.out", out.clone());
    let loss = (out * w.clone()).sum();
    g.check_tensor("cross.loss", loss.clone());
    let grads = loss.backward();
    g.check_tensor("cross.grad.xq", q.grad(&grads).unwrap());
    g.check_tensor("cross.grad.xk", kv.grad(&grads).unwrap());
    check_all(&gradients(&model, &grads), &g, "cross.grad.", source, is_key_bias);

    let q = input::<3>(&g, "xq");
    let out = model.forward_tokens(q.clone().swap_dims(0, 1), None).swap_dims(0, 1);
    g.check_tensor("self.out", out.clone());
    let loss = (out * w).sum();
    g.check_tensor("self.loss", loss.clone());
    let grads = loss.backward();
    g.check_tensor("self.grad.xq", q.grad(&grads).unwrap());
    check_all(&gradients(&model, &grads), &g, "self.grad.", source, is_key_bias);
}

/// A constant added to every key changes no softmax: its gradient is zero but for rounding.
fn is_key_bias(name: &str) -> bool {
    name.ends_with("key.bias")
}

#[test]
fn encoder_of_one_head() {
    encoder("transformer_block_h1", 1);
}

#[test]
fn encoder_of_two_heads() {
    encoder("transformer_block_h2", 2);
}

#[test]
fn symmetric_info_nce() {
    let g = golden::load("infonce");
    for (prefix, temperature) in [("t0.07", 0.07), ("t0.1", 0.1)] {
        for loss in [info_nce, reference_info_nce] {
            let (a, b) = (input::<2>(&g, "a"), input::<2>(&g, "b"));
            let value = loss(a.clone(), b.clone(), temperature);
            g.check_tensor(&format!("{prefix}.loss"), value.clone());
            let grads = value.backward();
            g.check_tensor(&format!("{prefix}.grad.a"), a.grad(&grads).unwrap());
            g.check_tensor(&format!("{prefix}.grad.b"), b.grad(&grads).unwrap());
            let with_zero_row = loss(a, input(&g, "b_zero_row"), temperature);
            g.check_tensor(&format!("{prefix}.loss_with_b_zero_row"), with_zero_row);
        }
    }
}

#[test]
fn orthogonal_projection() {
    let g = golden::load("projection");
    let (v, r) = (input::<2>(&g, "v"), input::<2>(&g, "r"));
    let unique = orthogonal_complement(v.clone(), r.clone(), 1e-8);
    g.check_tensor("v_unique", unique.clone());
    g.check_tensor("proj", v.clone() - unique.clone());
    let loss = (unique * g.tensor("W", &device())).sum();
    g.check_tensor("loss", loss.clone());
    let grads = loss.backward();
    g.check_tensor("grad.v", v.grad(&grads).unwrap());
    g.check_tensor("grad.r", r.grad(&grads).unwrap());
}

#[test]
fn normalised_orthogonal_projection() {
    let g = golden::load("projection");
    let rows = g.i64("norm.rows").1;
    let of = |name: &str| {
        let (shape, values) = g.f32(name);
        let kept = rows.iter().flat_map(|&r| values[r as usize * shape[1]..][..shape[1]].to_vec()).collect::<Vec<_>>();
        Tensor::<2>::from_data(burn::tensor::TensorData::new(kept, [rows.len(), shape[1]]), &device())
    };
    let (v, r) = (of("v").require_grad(), of("r").require_grad());
    let unique = l2_normalize(orthogonal_complement(v.clone(), r.clone(), 1e-8));
    g.check_tensor("v_unique_normalized", unique.clone());
    let loss = (unique * of("W")).sum();
    g.check_tensor("norm.loss", loss.clone());
    let grads = loss.backward();
    g.check_tensor("norm.grad.v", v.grad(&grads).unwrap());
    g.check_tensor("norm.grad.r", r.grad(&grads).unwrap());
}

#[test]
fn bayesian_personalised_ranking() {
    let g = golden::load("bpr_loss");
    let bits = std::f32::consts::LN_2;
    type Loss = fn(Tensor<1>, Tensor<1>) -> Tensor<1>;
    let losses: [(&str, Loss, f32); 3] = [
        ("logsigmoid", bpr, 1.0),
        ("log2_sigmoid", bpr, 1.0 / bits),
        ("ln_gamma1e-10", |p, n| bpr_with_gamma(p, n, 1e-10), 1.0),
    ];
    for (name, loss, factor) in losses {
        let (pos, neg) = (input::<1>(&g, "pos"), input::<1>(&g, "neg"));
        let value = loss(pos.clone(), neg.clone()) * factor;
        g.check_tensor(&format!("{name}.loss"), value.clone());
        let grads = value.backward();
        g.check_tensor(&format!("{name}.grad.pos"), pos.grad(&grads).unwrap());
        g.check_tensor(&format!("{name}.grad.neg"), neg.grad(&grads).unwrap());
    }
}

#[test]
fn bpr_stays_finite_and_exact_far_out() {
    let one = |x: f32| Tensor::<1>::from_floats([x], &device());
    let at = |x: f32| golden::values(bpr(one(x), one(0.0)))[0];
    assert_eq!(at(-1e4), 1e4);
    assert_eq!(at(1e4), 0.0);
    // ln(1 + e^-20), where 1 + e^-20 is 1 in single precision.
    golden::close("far", &[at(20.0)], &[2.061_153_6e-9], 1e-5);
}

#[test]
fn user_modality_weights() {
    let g = golden::load("user_weight_fusion");
    let (n_users, n_items) = (g.f32("Wu").0[0], g.f32("Wi").0[0]);
    // The authors' branches order their blocks differently; weights go with positions.
    for (branch, order) in [("redu2", ["t", "s", "v"]), ("master", ["v", "s", "t"])] {
        let blocks = order.map(|m| input::<2>(&g, &format!("rep_{m}")));
        let source = |_: &str| Source::same("weight_u");
        let weights = UserModalityWeightsConfig::new(n_users, 3).init(&mut Init::new(0, &device()));
        let weights = burn::module::Module::map(weights, &mut Fill(source("").read(&g, "")));
        let part = |first: usize, n: usize| blocks.iter().map(|b| b.clone().narrow(0, first, n)).collect::<Vec<_>>();
        let users = weights.forward(Tensor::cat(part(0, n_users), 1));
        let items = Tensor::cat(part(n_users, n_items), 1);
        g.check_tensor(&format!("{branch}.user"), users.clone());
        g.check_tensor(&format!("{branch}.item"), items.clone());
        if branch == "redu2" {
            let loss = (users * g.tensor("Wu", &device())).sum() + (items * g.tensor("Wi", &device())).sum();
            g.check_tensor("loss", loss.clone());
            let grads = loss.backward();
            for (m, block) in order.iter().zip(&blocks) {
                g.check_tensor(&format!("grad.rep_{m}"), block.grad(&grads).unwrap());
            }
            check_all(&gradients(&weights, &grads), &g, "grad.", source, |_| false);
        }
    }
}

struct Fill(burn::tensor::TensorData);

impl burn::module::ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: burn::module::Param<Tensor<D>>) -> burn::module::Param<Tensor<D>> {
        param.map(|old| Tensor::from_data(self.0.clone(), &old.device()).require_grad())
    }
}

fn synergy_source(name: &str) -> Source {
    let (encoder, path) = name.split_once('.').unwrap();
    let theirs = match encoder {
        "text_to_visual" => "vt_trans",
        "text_self" => "vt_self",
        "visual_to_text" => "tv_trans",
        _ => "tv_self",
    };
    Source::encoder(theirs, path)
}

#[test]
fn cross_modal_synergy_of_one_token() {
    let g = golden::load("cse_crossmodal");
    let d = g.f32("x0").0[1];
    let config = CrossModalSynergyConfig::reference(d);
    let model = filled(config.init(&mut Init::new(0, &device())), &g, synergy_source);
    let (text, visual) = (g.tensor::<2>("x0", &device()), g.tensor::<2>("x1", &device()));
    g.check_tensor("code.mid0", model.text_to_visual.forward(text.clone(), visual.clone()));
    g.check_tensor("code.mid1", model.visual_to_text.forward(visual.clone(), text.clone()));
    let out = model.forward(text, visual);
    g.check_tensor("code.out0", out.text_to_visual.clone());
    g.check_tensor("code.out1", out.visual_to_text.clone());
    g.check_tensor("code.s", out.signal());
    let aligned = info_nce(out.text_to_visual.clone(), out.visual_to_text.clone(), 0.1);
    g.check_tensor("code.loss_s", aligned.clone());
    let total = aligned + (out.signal() * g.tensor("W", &device())).sum();
    g.check_tensor("code.total", total.clone());
    check_all(&gradients(&model, &total.backward()), &g, "code.grad.", synergy_source, |_| false);
    // What is not computed has no gradient; in the reference it is exactly zero.
    for (name, rows) in [("weight", d), ("bias", 1)] {
        let (_, in_proj) = g.f32(&format!("code.grad.vt_trans.layers.0.self_attn.in_proj_{name}"));
        assert!(in_proj[..2 * d * rows].iter().all(|&x| x == 0.0), "queries and keys of one key have no gradient");
    }
}

#[test]
fn cross_modal_synergy_over_all_items() {
    let g = golden::load("cse_crossmodal");
    let d = g.f32("x0").0[1];
    let config = CrossModalSynergyConfig::reference(d).with_n_heads(1);
    let model = filled(config.init(&mut Init::new(0, &device())), &g, synergy_source);
    let sequence = |name: &str| g.tensor::<2>(name, &device()).unsqueeze::<3>();
    let (a, b) = model.forward_tokens(sequence("x0"), sequence("x1"));
    let (a, b) = (a.squeeze_dim::<2>(0), b.squeeze_dim::<2>(0));
    g.check_tensor("items_as_sequence.out0", a.clone());
    g.check_tensor("items_as_sequence.out1", b.clone());
    let s = (a.clone() + b.clone()) / 2.0;
    g.check_tensor("items_as_sequence.s", s.clone());
    let aligned = info_nce(a, b, 0.1);
    g.check_tensor("items_as_sequence.loss_s", aligned.clone());
    let total = aligned + (s * g.tensor("W", &device())).sum();
    g.check_tensor("items_as_sequence.total", total.clone());
    let found = gradients(&model, &total.backward());
    check_all(&found, &g, "items_as_sequence.grad.", synergy_source, is_key_bias);
}

fn redundancy_source(name: &str) -> Source {
    match name {
        "mask_text" => Source::same("mask_t"),
        "mask_visual" => Source::same("mask_v"),
        _ => match name.strip_prefix("join.") {
            Some(leaf) => Source::linear("ln", leaf),
            None => Source::encoder("fusion", name.strip_prefix("encoder.").unwrap()),
        },
    }
}

#[test]
fn redundancy_estimation() {
    let g = golden::load("tbr_redundant");
    let d = g.f32("xt").0[1];
    let config = RedundancyEstimatorConfig::reference(d);
    let model = filled(config.init(&mut Init::new(0, &device())), &g, redundancy_source);
    let (text, visual) = (input::<2>(&g, "xt"), input::<2>(&g, "xv"));
    let out = model.forward(text.clone(), visual.clone());
    let r = out.shared();
    for (name, h) in [("h_full", &out.full), ("h_t", &out.text), ("h_v", &out.visual), ("r", &r)] {
        g.check_tensor(name, h.clone());
    }
    let nce = |name: &str, a: &Tensor<2>, b: &Tensor<2>| {
        let value = info_nce(a.clone(), b.clone(), 0.1);
        g.check_tensor(name, value.clone());
        value
    };
    let (text_shared, visual_shared) = (nce("nce(h_t,r)", &out.text, &r), nce("nce(h_v,r)", &out.visual, &r));
    let across = nce("nce(h_v,h_t)", &out.visual, &out.text);
    let printed = nce("nce(h,h_v)", &out.full, &out.visual) + nce("nce(h,h_t)", &out.full, &out.text) + across.clone();
    g.check_tensor("paper.loss_r", printed);
    let loss = text_shared + visual_shared + across;
    g.check_tensor("loss_r", loss.clone());
    let unique = orthogonal_complement(visual.clone(), r, 1e-8);
    g.check_tensor("v_prime_unnormalized", unique.clone());
    let unique = l2_normalize(unique);
    g.check_tensor("v_prime", unique.clone());
    let total = loss + (unique * g.tensor("W", &device())).sum();
    g.check_tensor("total", total.clone());
    let grads = total.backward();
    g.check_tensor("grad_xt", text.grad(&grads).unwrap());
    g.check_tensor("grad_xv", visual.grad(&grads).unwrap());
    check_all(&gradients(&model, &grads), &g, "grad.", redundancy_source, |_| false);
}

#[test]
fn redundancy_estimation_with_mask_tokens() {
    let g = golden::load("tbr_redundant");
    let d = g.f32("xt").0[1];
    let config = RedundancyEstimatorConfig::reference(d).with_mask(Mask::Learned);
    let model = config.init(&mut Init::new(0, &device()));
    let values = viral::model::parameters(&model).into_keys().map(|name| {
        let group = if name.starts_with("mask") { "" } else { "param." };
        let value = redundancy_source(&name).read(&g, group);
        (name, value)
    });
    let model = viral::model::load_parameters(model, values.collect()).unwrap();
    let visual = g.tensor::<2>("xv", &device());
    let out = model.forward(g.tensor("xt", &device()), visual.clone());
    g.check_tensor("paper_mask.h_t", out.text.clone());
    g.check_tensor("paper_mask.h_v", out.visual.clone());
    g.check_tensor("paper_mask.r", out.shared());
    g.check_tensor("paper_mask.v_prime_unnormalized", orthogonal_complement(visual, out.shared(), 1e-8));
}
