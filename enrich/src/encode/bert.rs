//! BERT (Devlin et al. 2019) as an encoder: embeddings, then layers of attention and feed-forward, each followed by a
//! layer norm. Without dropout, for nothing is trained here.

use super::activation::Activation;
use super::packed::{Packed, Run};
use super::settings::Layout;
use super::weights::{Linear, Norm, Weights};
use crate::Result;
use burn::tensor::module::attention;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// A transformer encoder of BERT's family.
#[derive(Debug, Clone)]
pub(super) struct Bert {
    tokens: Tensor<2>,    // [n_tokens, d]
    positions: Tensor<2>, // [n_positions, d]
    types: Tensor<2>,     // [n_types, d]
    norm: Norm,
    layers: Vec<Layer>,
}

#[derive(Debug, Clone)]
struct Layer {
    /// Queries, keys and values side by side.
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
    /// One that is missing or has another shape than the layout says.
    pub(super) fn read(weights: &mut Weights<'_>, layout: &Layout) -> Result<Self> {
        let Layout { d_model: d, d_hidden, epsilon, activation, n_heads, .. } = *layout;
        let layer = |weights: &mut Weights<'_>, index: usize| {
            let name = |part: &str| format!("encoder.layer.{index}.{part}");
            let qkv = ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}")));
            Ok(Layer {
                qkv: weights.linear(&qkv.each_ref().map(String::as_str), [d, d])?,
                out: weights.linear(&[&name("attention.output.dense")], [d, d])?,
                attention_norm: weights.norm(&name("attention.output.LayerNorm"), d, epsilon)?,
                up: weights.linear(&[&name("intermediate.dense")], [d, d_hidden])?,
                activation,
                down: weights.linear(&[&name("output.dense")], [d_hidden, d])?,
                norm: weights.norm(&name("output.LayerNorm"), d, epsilon)?,
                n_heads,
            })
        };
        Ok(Self {
            tokens: weights.table("embeddings.word_embeddings.weight", [layout.n_tokens, d])?,
            positions: weights.table("embeddings.position_embeddings.weight", [layout.n_positions, d])?,
            types: weights.table("embeddings.token_type_embeddings.weight", [layout.n_types, d])?,
            norm: weights.norm("embeddings.LayerNorm", d, epsilon)?,
            layers: (0..layout.n_layers).map(|index| layer(weights, index)).collect::<Result<_>>()?,
        })
    }

    /// The last hidden state of every token row.
    ///
    /// # Shapes
    /// - output: `[n_rows, d]`, rows as in `batch`, spare ones included
    pub(super) fn forward(&self, batch: &Packed, device: &Device) -> Tensor<2> {
        let rows = |table: &Tensor<2>, ids: &[i32]| {
            let ids = TensorData::new(ids.to_vec(), [ids.len()]);
            table.clone().select(0, Tensor::<1, Int>::from_data(ids, (device, DType::I32)))
        };
        let embedded = rows(&self.tokens, &batch.tokens)
            + rows(&self.types, &batch.types)
            + rows(&self.positions, &batch.positions);
        let x = self.norm.forward(embedded); // [n_rows, d]
        self.layers.iter().fold(x, |x, layer| layer.forward(x, batch))
    }
}

impl Layer {
    /// `y = norm(x + out(attention(x)))`, then `norm(y + down(act(up(y))))`
    fn forward(&self, x: Tensor<2>, batch: &Packed) -> Tensor<2> {
        let mixed = self.out.forward(self.attend(x.clone(), batch));
        let y = self.attention_norm.forward(x + mixed);
        let hidden = self.up.activated(y.clone(), self.activation);
        self.norm.forward(y + self.down.forward(hidden))
    }

    /// `softmax(Q Kᵀ / √d_head) V` within each text; spare rows get zeros.
    fn attend(&self, x: Tensor<2>, batch: &Packed) -> Tensor<2> {
        let [_, d] = x.dims();
        let device = x.device();
        let qkv = self.qkv.forward(x); // [n_rows, 3 d]
        let mut parts = Vec::with_capacity(batch.runs.len() + 1);
        let mut start = 0;
        for &Run { n_texts, n_tokens } in &batch.runs {
            let end = start + n_texts * n_tokens;
            let heads = |index: usize| {
                let part = qkv.clone().slice([start..end, index * d..(index + 1) * d]);
                part.reshape([n_texts, n_tokens, self.n_heads, d / self.n_heads]).swap_dims(1, 2)
            };
            let mixed = attention(heads(0), heads(1), heads(2), None, None, Default::default());
            parts.push(mixed.swap_dims(1, 2).reshape([end - start, d])); // [n_texts, n_heads, n_tokens, d_head] before
            start = end;
        }
        if batch.n_spare > 0 {
            parts.push(Tensor::zeros([batch.n_spare, d], (&device, DType::F32)));
        }
        Tensor::cat(parts, 0)
    }
}
