//! The frozen id branch of COHESION, which keeps its random initial values.

use crate::nn::{Init, linear, xavier_normal};
use crate::ops::{bias_leaky_relu, matmul};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

/// User vectors and a head of two linear layers, all constants. They are a function of the settings, so they are
/// neither trained nor saved.
#[derive(Module, Debug)]
pub struct FrozenBranch {
    /// User vectors, Xavier normal, `[n_users, d]`.
    pub users: Tensor<2>,
    /// First layer of the head, `[d, d_hidden]`.
    pub first: FrozenLinear,
    /// Second layer of the head, `[d_hidden, d]`.
    pub second: FrozenLinear,
}

/// A linear layer with constant weights.
#[derive(Module, Debug)]
pub struct FrozenLinear {
    /// `[d_in, d_out]`.
    pub weight: Tensor<2>,
    /// `[d_out]`.
    pub bias: Tensor<1>,
}

impl FrozenLinear {
    /// Creates a layer with the initial values of [`linear`].
    fn new(d_in: usize, d_out: usize, init: &mut Init) -> Self {
        let Linear { weight, bias } = linear(d_in, d_out, init);
        let bias = bias.map_or_else(|| Tensor::zeros([d_out], init.device()), |bias| bias.val());
        Self { weight: weight.val().inner(), bias: bias.inner() }
    }

    /// Computes `x W + b`, followed by a LeakyReLU of the given slope.
    fn forward(&self, x: Tensor<2>, slope: f32) -> Tensor<2> {
        bias_leaky_relu(matmul(x, self.weight.clone().inner()), self.bias.clone().inner(), slope)
    }
}

impl FrozenBranch {
    pub(super) fn new(n_users: usize, d: usize, d_hidden: usize, seed: u64, device: &Device) -> Self {
        let mut init = Init::new(seed, device);
        let users = xavier_normal([n_users, d], &mut init).val().inner();
        let first = FrozenLinear::new(d, d_hidden, &mut init);
        Self { users, first, second: FrozenLinear::new(d_hidden, d, &mut init) }
    }

    /// Computes `LeakyReLU(x W₁ + b₁) W₂ + b₂` with the slope of the other heads.
    ///
    /// # Shapes
    /// - `x`, output: `[n, d]`, constants
    pub fn head(&self, x: Tensor<2>) -> Tensor<2> {
        self.second.forward(self.first.forward(x.inner(), 0.01), 1.0)
    }
}
