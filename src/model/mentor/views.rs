//! The self-supervised part of MENTOR: random draws, two noisy views, and masked features.

use super::{Mentor, MentorConfig, MentorContent, side_by_side};
use crate::data::StepKey;
use crate::loss::{ContrastConfig, contrast, row_products};
use crate::nn::{Init, NoisyPropagation, l2_normalize, linear};
use crate::ops::{bias_leaky_relu, keep_mask, matmul, uniform};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

/// Seed of the untrained mask layer.
const MASK_SEED: u64 = 0x6D656E746F72;

/// Random draws of a step of [`Mentor`] with [views](MentorViews): uniform noise and dropout masks.
///
/// ```
/// use viral::data::StepKey;
/// use viral::model::MentorConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = MentorConfig::published();
/// config.d_embed = 16;
/// let model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// let draws = model.draws(StepKey { seed: 1, epoch: 0, step: 3 }).unwrap();
/// // Two views of text and visual content, two layers each.
/// assert_eq!((draws.noise.len(), draws.noise[3].len(), draws.noise[3][1].dims()), (4, 2, [70, 16]));
/// assert_eq!(draws.kept.map(|kept| kept.dims()), [[30, 32], [40, 32]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MentorDraws {
    /// Uniform noise in `[0, 1)` for each encoder of the views, in their order, and each layer:
    /// `[n_users + n_items, d]`.
    pub noise: Vec<Vec<Tensor<2>>>,
    /// Dropout masks of the users' and items' vectors, 1 for kept entries, else 0: `[n_users, 2 d]` and
    /// `[n_items, 2 d]`.
    pub kept: [Tensor<2>; 2],
}

/// Two noisy views of users and items, and the layer whose output is compared with masked vectors.
#[derive(Module, Debug)]
pub struct MentorViews {
    /// Text and visual encoders of the first view, then of the second.
    pub encoders: Vec<MentorContent>,
    /// `M`, untrained, `[2 d, 2 d]`. It is the same for every seed, so that a restored model has it, too.
    pub mask_weight: Tensor<2>,
    /// `m`, untrained, `[2 d]`.
    pub mask_bias: Tensor<1>,
}

impl MentorViews {
    pub(super) fn new(n_users: usize, widths: [usize; 2], config: &MentorConfig, init: &mut Init) -> Self {
        let width = 2 * config.d_embed;
        let (mask, device) = (linear(width, width, &mut Init::new(MASK_SEED, init.device())), init.device().clone());
        let bias = mask.bias.map_or(TensorData::zeros::<f32, _>([width]), |bias| bias.val().into_data());
        let encoder = |d_in: usize| MentorContent::new(n_users, d_in, config, init);
        Self {
            encoders: [widths, widths].concat().into_iter().map(encoder).collect(),
            mask_weight: Tensor::from_data(mask.weight.val().into_data(), &device),
            mask_bias: Tensor::from_data(bias, &device),
        }
    }
}

impl Mentor {
    /// Makes the random draws of the step at `key`; `None` without views.
    pub fn draws(&self, key: StepKey) -> Option<MentorDraws> {
        let views = self.views.as_ref()?;
        let (d, device) = (self.config.d_embed, self.user_item.device());
        let n_users = self.weights.weight.dims()[0];
        let n_nodes = self.user_item.dims()[0];
        let noise = |encoder: usize| {
            let stream = key.stream("noise").stream(&encoder.to_string());
            let layers = (0..self.config.n_layers).map(|layer| stream.stream(&layer.to_string()));
            layers.map(|stream| uniform([n_nodes, d], stream, &device)).collect()
        };
        let keep = 1.0 - self.config.dropout;
        let kept = |side: &str, n: usize| keep_mask([n, 2 * d], keep, key.stream("kept").stream(side), &device);
        Some(MentorDraws {
            noise: (0..views.encoders.len()).map(noise).collect(),
            kept: [kept("users", n_users), kept("items", n_nodes - n_users)],
        })
    }

    /// Computes users and items of both views; `None` without views.
    ///
    /// # Shapes
    /// - output: `[n_users, 2 d]` and `[n_items, 2 d]`, twice
    ///
    /// # Panics
    /// When the draws are of another model.
    pub fn noisy(&self, draws: &MentorDraws) -> Option<[[Tensor<2>; 2]; 2]> {
        let encoders = &self.views.as_ref()?.encoders;
        let (n, found) = (encoders.len(), draws.noise.len());
        assert_eq!(found, n, "mentor: noise for {found} encoders, and there are {n}");
        let propagation = NoisyPropagation { scale: self.config.noise as f32 };
        let content = |k: usize| {
            let x = encoders[k].of(&self.features[k % 2]);
            self.apart(propagation.forward(&self.user_item, x, &draws.noise[k]))
        };
        Some([0, 2].map(|first| self.weighed(&content(first), &content(first + 1)).map(side_by_side)))
    }

    /// Computes the contrastive loss between the two views, each row against all: users plus items.
    pub(super) fn contrasted(&self, [first, second]: [[Tensor<2>; 2]; 2]) -> Tensor<1> {
        let config = ContrastConfig::new(self.config.temperature as f32).one_sided();
        let [users, items] = first;
        let [other_users, other_items] = second;
        contrast(users, other_users, &config) + contrast(items, other_items, &config)
    }

    /// Computes `Σ 1 − mean cos(dropout(z), z M + m)` over users and items, a constant.
    pub(super) fn masked(&self, views: &MentorViews, vectors: [Tensor<2>; 2], draws: &MentorDraws) -> Tensor<1> {
        let scale = 1.0 / (1.0 - self.config.dropout);
        let [users, items] = [0, 1].map(|side: usize| {
            let z = vectors[side].clone().detach();
            let mapped = bias_leaky_relu(matmul(z.clone(), views.mask_weight.clone()), views.mask_bias.clone(), 1.0);
            let dropped = z * draws.kept[side].clone() * scale;
            -row_products(l2_normalize(dropped), l2_normalize(mapped)).mean() + 1.0
        });
        users + items
    }
}
