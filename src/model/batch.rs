//! A batch of triplets on a device.

use crate::data::Triplets;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// `(user, positive, negative)` triplets as index tensors: what an objective is computed from.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[n]`.
    pub users: Tensor<1, Int>,
    /// Items that the users have, `[n]`.
    pub positives: Tensor<1, Int>,
    /// Items that they do not have, `[n]`.
    pub negatives: Tensor<1, Int>,
    triplets: Triplets,
    device: Device,
}

impl Batch {
    /// Copies triplets to `device`.
    ///
    /// # Panics
    /// When the three lists differ in length.
    pub fn new(triplets: &Triplets, device: &Device) -> Self {
        let Triplets { users, positives, negatives } = triplets;
        let n = users.len();
        assert!(positives.len() == n && negatives.len() == n, "batch: the three lists differ in length");
        // Indices are constants: they live on the plain device.
        let device = device.clone().inner();
        Self {
            users: indices(users, &device),
            positives: indices(positives, &device),
            negatives: indices(negatives, &device),
            triplets: triplets.clone(),
            device,
        }
    }

    /// The positives, then the negatives, `[2 n]`.
    pub fn items(&self) -> Tensor<1, Int> {
        Tensor::cat(vec![self.positives.clone(), self.negatives.clone()], 0)
    }

    /// The same pairs as nodes of the user-item graph, in which items come after all `n_users` users.
    pub(crate) fn as_nodes(&self, n_users: usize) -> Self {
        let node = |items: &Tensor<1, Int>| items.clone() + n_users as i32;
        Self { positives: node(&self.positives), negatives: node(&self.negatives), ..self.clone() }
    }

    /// Number of triplets.
    pub fn len(&self) -> usize {
        self.users.dims()[0]
    }

    /// Whether there is no triplet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// At most `n` distinct items, drawn evenly as the negatives are, `[≤ n]`.
    pub fn sampled_items(&self, n: usize) -> Tensor<1, Int> {
        indices(&distinct(&self.triplets.negatives, n), &self.device)
    }

    /// At most `n` distinct users of the batch, `[≤ n]`.
    pub fn sampled_users(&self, n: usize) -> Tensor<1, Int> {
        indices(&distinct(&self.triplets.users, n), &self.device)
    }
}

/// The first `n`, in order of first appearance.
fn distinct(ids: &[u32], n: usize) -> Vec<u32> {
    let mut seen = std::collections::HashSet::with_capacity(n.min(ids.len()));
    ids.iter().copied().filter(|&id| seen.insert(id)).take(n).collect()
}

fn indices(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let n = ids.len();
    Tensor::from_data(TensorData::new(ids, [n]), (device, DType::I32))
}
