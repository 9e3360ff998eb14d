//! How much each user cares for each block of the item vector (14).

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
    /// One free weight for each user and block.
    pub fn new(n_users: usize, n_blocks: usize) -> Self {
        Self { n_users, n_blocks, spread: 1.0 }
    }

    /// Standard deviation of what the first softmax is taken of; 0 starts with equal weights.
    pub fn with_spread(mut self, spread: f64) -> Self {
        self.spread = spread;
        self
    }

    /// Weights of a user are positive and add up to one at the start (softmax of normal values), and free after that.
    pub fn init(&self, init: &mut Init) -> UserModalityWeights {
        let normal = init.normal_param([self.n_users, self.n_blocks], self.spread);
        UserModalityWeights { weight: Param::from_data(softmax(normal.val(), 1).into_data(), init.device()) }
    }
}

/// `u_f = [w₀ u_text ‖ w₁ u_synergy ‖ w₂ u_visual]` (14), with a learnable `w` for each user.
#[derive(Module, Debug)]
pub struct UserModalityWeights {
    /// `[n_users, n_blocks]`.
    pub weight: Param<Tensor<2>>,
}

impl UserModalityWeights {
    /// # Shapes
    /// - `users`: `[n_users, n_blocks · d]`, the blocks side by side
    /// - output: the same
    pub fn forward(&self, users: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.val();
        let [n_users, n_blocks] = weight.dims();
        let [n, width] = users.dims();
        assert!(n == n_users && width % n_blocks == 0, "user weights [{n_users}, {n_blocks}] of [{n}, {width}]");
        weigh_blocks(users, weight)
    }
}
