//! Ranking and evaluation of a model's embeddings, on the device that holds them.

use super::hits::Hits;
use super::metrics::{Metrics, evaluate, evaluate_ranked, users_of};
use super::ranking::{Ranking, check_users, rank};
use crate::Result;
use crate::data::{Dataset, Interactions, Part};
use crate::linalg::TopK;
use crate::model::{Embeddings, HostEmbeddings};
use crate::ops::{indices, lives_in_host_memory, masked_top_k};
use burn::tensor::{Device, Int, Tensor, Transaction};

/// Memory limit for the scores of one block of users on a device.
const BLOCK_BYTES: usize = 64 << 20;

impl Embeddings {
    /// Ranks all unseen items for the given users, as [`rank`](super::rank()) does. Returns an error if the score of an
    /// unseen item is not finite.
    ///
    /// On a device, scores are computed in blocks of at most 64 MiB, or for one user at a time if a user's scores take
    /// more, and only the ids and scores of the best items are copied to the host. Scores round as the device's matrix
    /// product does.
    ///
    /// # Panics
    /// When `seen` has other numbers of users or items, or a user is out of range.
    pub fn rank(&self, seen: &Interactions, users_to_rank: &[u32], k: usize) -> Result<Ranking> {
        if lives_in_host_memory(&self.users().device()) {
            return self.to_host().rank(seen, users_to_rank, k);
        }
        match self.rank_on_device(seen, users_to_rank, k) {
            Some(ranking) => Ok(ranking),
            // The error from the host names the vector.
            None => self.to_host().rank(seen, users_to_rank, k),
        }
    }

    /// Ranks all items for every user with held-out items in `part`, masks their train items, and computes the metrics.
    ///
    /// Only train items are masked, as in MMRec and the published tables: validation items stay candidates when the
    /// test part is evaluated.
    ///
    /// # Errors
    /// When a vector is not finite, a cutoff is 0, or nothing is held out in `part`.
    ///
    /// # Panics
    /// When `data` has other numbers of users or items.
    pub fn evaluate(&self, data: &Dataset, part: Part, cutoffs: &[usize]) -> Result<Metrics> {
        self.evaluate_against(&data.train.interactions, data.part(part), cutoffs)
    }

    /// [`evaluate`](Self::evaluate) against any held-out pairs, with the items in `seen` masked. Errors and panics are
    /// those of [`rank`](Self::rank) and [`Metrics::of`].
    pub fn evaluate_against(&self, seen: &Interactions, held_out: &Interactions, cutoffs: &[usize]) -> Result<Metrics> {
        evaluate_ranked(seen, held_out, cutoffs, |users, k| self.rank(seen, users, k))
    }

    /// Finds the ranks, up to `depth`, of the items held out in `part`. [`evaluate`](Self::evaluate) at any cutoff up
    /// to `depth` depends on nothing else.
    ///
    /// # Errors
    /// When a vector is not finite, or nothing is held out in `part`.
    ///
    /// # Panics
    /// When `data` has other numbers of users or items.
    pub fn hits(&self, data: &Dataset, part: Part, depth: usize) -> Result<Hits> {
        let held_out = data.part(part);
        Hits::of(&self.rank(&data.train.interactions, &users_of(held_out), depth)?, held_out)
    }

    /// Returns `None` if a score is not finite.
    fn rank_on_device(&self, seen: &Interactions, users_to_rank: &[u32], k: usize) -> Option<Ranking> {
        let (n_users, n_items) = (seen.n_users(), seen.n_items());
        let rows = [self.users().dims()[0], self.items().dims()[0]];
        assert_eq!(rows, [n_users, n_items], "rank: vectors of {rows:?} users and items, seen [{n_users}, {n_items}]");
        check_users(users_to_rank, n_users);
        let (users, items) = (self.users().clone().inner(), self.items().clone().inner().transpose()); // [d, n_items]
        let (device, n_best) = (users.device(), k.min(n_items));
        let mut top = TopK { offsets: vec![0], ids: Vec::new(), scores: Vec::new() };
        if n_best == 0 {
            top.offsets.resize(users_to_rank.len() + 1, 0);
            return Some(Ranking::new(users_to_rank, k, top));
        }
        for block in users_to_rank.chunks((BLOCK_BYTES / size_of::<f32>() / n_items).max(1)) {
            let ids = indices(block.iter().map(|&user| user as i32).collect(), &device);
            let scores = users.clone().select(0, ids).matmul(items.clone()); // [block, n_items]
            let (row_ptr, seen_items) = seen_of(block, seen, &device);
            let (ids, scores) = masked_top_k(scores, row_ptr, seen_items, n_best); // [block, n_best]
            let data = Transaction::default().register(ids).register(scores).execute();
            let (ids, scores): (Vec<i32>, Vec<f32>) = (data[0].iter().collect(), data[1].iter().collect());
            for (ids, scores) in ids.chunks(n_best).zip(scores.chunks(n_best)) {
                let n = ids.iter().take_while(|&&id| id >= 0).count();
                // Scores that are not finite rank first.
                if n > 0 && !scores[0].is_finite() {
                    return None;
                }
                top.ids.extend(ids[..n].iter().map(|&id| id as u32));
                top.scores.extend(&scores[..n]);
                top.offsets.push(top.ids.len());
            }
        }
        Some(Ranking::new(users_to_rank, k, top))
    }
}

impl HostEmbeddings {
    /// Ranks all unseen items for the given users, as [`rank`](super::rank()) does.
    pub fn rank(&self, seen: &Interactions, users_to_rank: &[u32], k: usize) -> Result<Ranking> {
        rank(self.users(), self.items(), self.d(), seen, users_to_rank, k)
    }

    /// Ranks all items for every user with held-out items in `part`, masks their train items, and computes the metrics;
    /// see [`Embeddings::evaluate`].
    pub fn evaluate(&self, data: &Dataset, part: Part, cutoffs: &[usize]) -> Result<Metrics> {
        self.evaluate_against(&data.train.interactions, data.part(part), cutoffs)
    }

    /// [`evaluate`](Self::evaluate) against any held-out pairs, with the items in `seen` masked.
    pub fn evaluate_against(&self, seen: &Interactions, held_out: &Interactions, cutoffs: &[usize]) -> Result<Metrics> {
        evaluate(self.users(), self.items(), self.d(), seen, held_out, cutoffs)
    }
}

/// Returns the users' seen items in CSR form: row offsets and item ids.
fn seen_of(users: &[u32], seen: &Interactions, device: &Device) -> (Tensor<1, Int>, Tensor<1, Int>) {
    let (mut row_ptr, mut items) = (vec![0], Vec::new());
    for &user in users {
        items.extend(seen.of_user(user as usize).iter().map(|&item| item as i32));
        row_ptr.push(items.len() as i32);
    }
    (indices(row_ptr, device), indices(items, device))
}
