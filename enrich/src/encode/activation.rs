//! Activation functions of the feed-forward layers.

use burn::tensor::{Tensor, activation};
use viral::ops::bias_gelu;

/// Activation function between the two linear maps of a feed-forward layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    /// GELU, `x Φ(x)`, with the error function.
    Gelu,
    /// GELU, approximated through a hyperbolic tangent.
    GeluTanh,
    /// ReLU, `max(x, 0)`.
    Relu,
}

impl Activation {
    /// Names in `config.json`.
    pub(super) const NAMES: [&str; 4] = ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"];

    pub(super) fn by_name(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            _ => None,
        }
    }

    /// Applies the function to each element of `x + bias`.
    ///
    /// # Shapes
    /// - x: `[n_rows, d]`
    /// - bias: `[d]`
    pub(super) fn of_sum(self, x: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
        match self {
            Self::Gelu => bias_gelu(x, bias),
            Self::GeluTanh => activation::gelu_approximate(x + bias.unsqueeze()),
            Self::Relu => activation::relu(x + bias.unsqueeze()),
        }
    }
}
