//! User-specific weights of the blocks of the user vector (14).

use super::Init;
use crate::ops::weigh_blocks;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use serde::{Deserialize, Serialize};

/// Settings of [`UserModalityWeights`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserModalityWeightsConfig {
    n_users: usize,
    n_blocks: usize,
    spread: f64,
}

impl UserModalityWeightsConfig {
    /// One trainable weight for each user and block.
    pub fn new(n_users: usize, n_blocks: usize) -> Self {
        Self { n_users, n_blocks, spread: 1.0 }
    }

    /// Standard deviation of the normal logits whose softmax initialises the weights; 0 weighs all blocks equally. Default: 1.
    pub fn with_spread(mut self, spread: f64) -> Self {
        self.spread = spread;
        self
    }

    /// Sets the [spread](Self::with_spread) of Xavier normal logits, `√(2 / (n_users + n_blocks))`, as in DRAGON and
    /// MENTOR: weights start nearly equal.
    pub fn with_xavier_spread(self) -> Self {
        let spread = (2.0 / (self.n_users + self.n_blocks) as f64).sqrt();
        self.with_spread(spread)
    }

    /// Initialises the weights. A user's weights start positive and add up to one (softmax of normal values); after
    /// that they are unconstrained.
    pub fn init(&self, init: &mut Init) -> UserModalityWeights {
        let normal = init.normal_param([self.n_users, self.n_blocks], self.spread);
        UserModalityWeights { weight: Param::from_data(softmax(normal.val(), 1).into_data(), init.device()) }
    }
}

/// User modality weights: `u_f = [w₀ u_text ‖ w₁ u_synergy ‖ w₂ u_visual]` (14), with a learnable `w` for each user.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{Init, UserModalityWeightsConfig};
///
/// let device = Device::flex();
/// // Two users, three blocks of width 4; spread 0 starts with weights of one third.
/// let weights = UserModalityWeightsConfig::new(2, 3).with_spread(0.0).init(&mut Init::new(0, &device));
/// let weighed = weights.forward(Tensor::ones([2, 12], &device));
/// assert!(weighed.into_data().iter::<f32>().all(|x| (x - 1.0 / 3.0).abs() < 1e-6));
/// # }
/// ```
#[derive(Module, Debug)]
pub struct UserModalityWeights {
    /// The users' weights of the blocks, `[n_users, n_blocks]`.
    pub weight: Param<Tensor<2>>,
}

impl UserModalityWeights {
    /// Multiplies the blocks of each user's vector by the user's weights.
    ///
    /// # Shapes
    /// - `users`: `[n_users, n_blocks · d]`, the blocks side by side
    /// - output: the same
    ///
    /// # Panics
    /// When the number of users is not that of the weights, or the blocks do not divide the width.
    pub fn forward(&self, users: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.val();
        let [n_users, n_blocks] = weight.dims();
        let [n, width] = users.dims();
        let agree = n == n_users && width.is_multiple_of(n_blocks);
        assert!(agree, "user modality weights: users is [{n}, {width}] but the weights are [{n_users}, {n_blocks}]");
        weigh_blocks(users, weight)
    }
}
