//! BERT (Devlin et al. 2019) as an encoder: embeddings, then layers of attention and feed-forward, each followed by a
//! layer norm. DistilBERT and MPNet differ only in tensor names, token types, and MPNet's relative position bias. There
//! is no dropout, because nothing is trained here.

use super::activation::Activation;
use super::distance::Distances;
use super::packed::{Packed, Run};
use super::settings::{Family, Layout};
use super::weights::{Linear, Norm, Weights};
use crate::Result;
use burn::tensor::module::attention;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// A transformer encoder of the BERT family.
#[derive(Debug, Clone)]
pub(super) struct Bert {
    tokens: Tensor<2>,        // [n_tokens, d]
    positions: Tensor<2>,     // [n_positions, d]
    types: Option<Tensor<2>>, // [n_types, d]
    norm: Norm,
    distances: Option<Distances>,
    layers: Vec<Layer>,
}

#[derive(Debug, Clone)]
struct Layer {
    /// Projections to queries, keys and values, side by side.
    qkv: Linear,
    out: Linear,
    attention_norm: Norm,
    up: Linear,
    activation: Activation,
    down: Linear,
    norm: Norm,
    n_heads: usize,
}

impl Bert {
    /// Reads all tensors.
    ///
    /// # Errors
    /// If a tensor is missing or its shape differs from the layout.
    pub(super) fn read(weights: &mut Weights<'_>, layout: &Layout) -> Result<Self> {
        let Layout { d_model: d, d_hidden, epsilon, activation, n_heads, .. } = *layout;
        let names = Names::of(layout.family);
        let layer = |weights: &mut Weights<'_>, index: usize| {
            let name = |part: &str| format!("{}.{index}.{part}", names.layers);
            let qkv = names.qkv.map(name);
            Ok(Layer {
                qkv: weights.linear(&qkv.each_ref().map(String::as_str), [d, d])?,
                out: weights.linear(&[&name(names.out)], [d, d])?,
                attention_norm: weights.norm(&name(names.attention_norm), d, epsilon)?,
                up: weights.linear(&[&name(names.up)], [d, d_hidden])?,
                activation,
                down: weights.linear(&[&name(names.down)], [d_hidden, d])?,
                norm: weights.norm(&name(names.norm), d, epsilon)?,
                n_heads,
            })
        };
        let types = match layout.family {
            Family::Bert => Some(weights.table("embeddings.token_type_embeddings.weight", [layout.n_types, d])?),
            _ => None,
        };
        let distances = match layout.family {
            Family::Mpnet { n_buckets } => {
                Some(Distances::new(weights.table("encoder.relative_attention_bias.weight", [n_buckets, n_heads])?))
            }
            _ => None,
        };
        Ok(Self {
            tokens: weights.table("embeddings.word_embeddings.weight", [layout.n_tokens, d])?,
            positions: weights.table("embeddings.position_embeddings.weight", [layout.n_positions, d])?,
            types,
            norm: weights.norm("embeddings.LayerNorm", d, epsilon)?,
            distances,
            layers: (0..layout.n_layers).map(|index| layer(weights, index)).collect::<Result<_>>()?,
        })
    }

    /// Computes the last hidden state of every token row.
    ///
    /// # Shapes
    /// - output: `[n_rows, d]`, rows as in `batch`, spare ones included
    pub(super) fn forward(&self, batch: &Packed, device: &Device) -> Tensor<2> {
        let rows = |table: &Tensor<2>, ids: &[i32]| {
            let ids = TensorData::new(ids.to_vec(), [ids.len()]);
            table.clone().select(0, Tensor::<1, Int>::from_data(ids, (device, DType::I32)))
        };
        let mut embedded = rows(&self.tokens, &batch.tokens);
        if let Some(types) = &self.types {
            embedded = embedded + rows(types, &batch.types);
        }
        let embedded = embedded + rows(&self.positions, &batch.positions);
        let x = self.norm.forward(embedded); // [n_rows, d]
        // All layers share the bias.
        let bias = |run: &Run| self.distances.as_ref().map(|distances| distances.bias(run.n_texts, run.n_tokens));
        let biases: Vec<Option<Tensor<4>>> = batch.runs.iter().map(bias).collect();
        self.layers.iter().fold(x, |x, layer| layer.forward(x, batch, &biases))
    }
}

/// Tensor names of a family; those of layers follow the number of the layer.
struct Names {
    layers: &'static str,
    qkv: [&'static str; 3],
    out: &'static str,
    attention_norm: &'static str,
    up: &'static str,
    down: &'static str,
    norm: &'static str,
}

impl Names {
    fn of(family: Family) -> Self {
        let bert = Self {
            layers: "encoder.layer",
            qkv: ["attention.self.query", "attention.self.key", "attention.self.value"],
            out: "attention.output.dense",
            attention_norm: "attention.output.LayerNorm",
            up: "intermediate.dense",
            down: "output.dense",
            norm: "output.LayerNorm",
        };
        match family {
            Family::Bert => bert,
            Family::Mpnet { .. } => Self {
                qkv: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
                out: "attention.attn.o",
                attention_norm: "attention.LayerNorm",
                ..bert
            },
            Family::Distil => Self {
                layers: "transformer.layer",
                qkv: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
                out: "attention.out_lin",
                attention_norm: "sa_layer_norm",
                up: "ffn.lin1",
                down: "ffn.lin2",
                norm: "output_layer_norm",
            },
        }
    }
}

impl Layer {
    /// `y = norm(x + out(attention(x)))`, then `norm(y + down(act(up(y))))`
    fn forward(&self, x: Tensor<2>, batch: &Packed, biases: &[Option<Tensor<4>>]) -> Tensor<2> {
        let mixed = self.out.forward(self.attend(x.clone(), batch, biases));
        let y = self.attention_norm.forward(x + mixed);
        let hidden = self.up.activated(y.clone(), self.activation);
        self.norm.forward(y + self.down.forward(hidden))
    }

    /// `softmax(Q Kᵀ / √d_head + B) V` within each text, with a bias `B` for each run if there is one; spare rows get
    /// zeros.
    fn attend(&self, x: Tensor<2>, batch: &Packed, biases: &[Option<Tensor<4>>]) -> Tensor<2> {
        let [_, d] = x.dims();
        let device = x.device();
        let qkv = self.qkv.forward(x); // [n_rows, 3 d]
        let mut parts = Vec::with_capacity(batch.runs.len() + 1);
        let mut start = 0;
        for (&Run { n_texts, n_tokens }, bias) in batch.runs.iter().zip(biases) {
            let end = start + n_texts * n_tokens;
            let heads = |index: usize| {
                let part = qkv.clone().slice([start..end, index * d..(index + 1) * d]);
                part.reshape([n_texts, n_tokens, self.n_heads, d / self.n_heads]).swap_dims(1, 2)
            };
            let mixed = attention(heads(0), heads(1), heads(2), None, bias.clone(), Default::default());
            parts.push(mixed.swap_dims(1, 2).reshape([end - start, d])); // [n_texts, n_heads, n_tokens, d_head] before
            start = end;
        }
        if batch.n_spare > 0 {
            parts.push(Tensor::zeros([batch.n_spare, d], (&device, DType::F32)));
        }
        Tensor::cat(parts, 0)
    }
}
