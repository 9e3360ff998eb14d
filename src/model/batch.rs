//! A batch of triplets on a device.

use crate::data::{StepKey, Triplets};
use crate::ops::indices;
use burn::tensor::{Device, Int, Tensor};

/// A batch of `(user, positive, negative)` triplets as index tensors.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use viral::data::{StepKey, Triplets};
/// use viral::model::Batch;
///
/// let triplets = Triplets::new(vec![4, 9], vec![0, 1], vec![7, 7]);
/// let batch = Batch::new(&triplets, StepKey::default(), &Device::flex());
/// // Each user with their positive, then each with their negative.
/// let [users, items] = batch.pairs().map(|ids| ids.into_data().iter::<i32>().collect::<Vec<_>>());
/// assert_eq!((users, items), (vec![4, 9, 4, 9], vec![0, 1, 7, 7]));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    /// User ids, `[n]`.
    pub users: Tensor<1, Int>,
    /// Items that the users interacted with, `[n]`.
    pub positives: Tensor<1, Int>,
    /// Sampled items that the users did not interact with, `[n]`.
    pub negatives: Tensor<1, Int>,
    /// The training step. Everything that the objective draws at random is a function of it.
    pub key: StepKey,
    triplets: Triplets,
    device: Device,
}

impl Batch {
    /// Copies triplets to `device`.
    pub fn new(triplets: &Triplets, key: StepKey, device: &Device) -> Self {
        // Indices are constants, so they live on the inner, non-autodiff device.
        let device = device.clone().inner();
        Self {
            users: id_tensor(triplets.users(), &device),
            positives: id_tensor(triplets.positives(), &device),
            negatives: id_tensor(triplets.negatives(), &device),
            key,
            triplets: triplets.clone(),
            device,
        }
    }

    /// Returns the users and items of all pairs: each user with their positive, then each with their negative, `[2 n]`
    /// each.
    pub fn pairs(&self) -> [Tensor<1, Int>; 2] {
        self.pairs_of(&self.users)
    }

    /// Like [`pairs`](Self::pairs), but with `users`, `[n]`, in place of the user ids: pass [`rows`](Self::rows) to
    /// index a matrix that holds only the batch's users.
    pub fn pairs_of(&self, users: &Tensor<1, Int>) -> [Tensor<1, Int>; 2] {
        let both =
            |first: &Tensor<1, Int>, second: &Tensor<1, Int>| Tensor::cat(vec![first.clone(), second.clone()], 0);
        [both(users, users), both(&self.positives, &self.negatives)]
    }

    /// Returns 0, 1, …: the row of each triplet's user in a matrix of the batch's users, `[n]`.
    pub fn rows(&self) -> Tensor<1, Int> {
        Tensor::arange(0..self.len() as i64, &self.device)
    }

    /// Number of triplets.
    pub fn len(&self) -> usize {
        self.users.dims()[0]
    }

    /// Returns `true` if there are no triplets.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns up to `n` distinct items of the batch's negatives, which are sampled uniformly, `[≤ n]`.
    pub fn sampled_items(&self, n: usize) -> Tensor<1, Int> {
        id_tensor(&distinct(self.triplets.negatives().iter().copied(), n), &self.device)
    }

    /// Like [`sampled_items`](Self::sampled_items), but only items whose entry in `there` is true; empty if there are
    /// none.
    ///
    /// # Panics
    /// When a negative is out of range of `there`, which has an entry for each item.
    pub fn sampled_items_among(&self, n: usize, there: &[bool]) -> Tensor<1, Int> {
        let items = self.triplets.negatives().iter().copied().filter(|&item| there[item as usize]);
        id_tensor(&distinct(items, n), &self.device)
    }

    /// Returns up to `n` distinct users of the batch, `[≤ n]`.
    pub fn sampled_users(&self, n: usize) -> Tensor<1, Int> {
        id_tensor(&distinct(self.triplets.users().iter().copied(), n), &self.device)
    }
}

/// Returns the first `n` distinct ids, in order of first appearance.
fn distinct(ids: impl Iterator<Item = u32>, n: usize) -> Vec<u32> {
    let mut seen = std::collections::HashSet::new();
    ids.filter(|&id| seen.insert(id)).take(n).collect()
}

fn id_tensor(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    indices(ids.iter().map(|&id| id as i32).collect(), device)
}
