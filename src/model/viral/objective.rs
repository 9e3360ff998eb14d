//! The objective of VIRAL, from the rows of users and items that a batch needs.

use super::Viral;
use crate::loss::{Objective, RankingLoss, bpr, bpr_shared, pair_scores, softmax_shared};
use crate::model::Batch;
use crate::ops::{gather_rows, keep_mask, matmul, sddmm};
use burn::tensor::{Int, Tensor};

impl Viral {
    /// Computes the ranking loss of the batch's users `u`, `[n, d]`, in batch order. `positives`, `[n]`, and
    /// `negatives`, one for each user or shared by all, are rows of `items`.
    pub(super) fn ranking(
        &self,
        u: Tensor<2>,
        items: Tensor<2>,
        positives: Tensor<1, Int>,
        negatives: Tensor<1, Int>,
    ) -> Tensor<1> {
        let (scale, [n, _]) = (self.config.score_scale, u.dims());
        let rows = Tensor::<1, Int>::arange(0..n as i64, &u.device().inner());
        if self.config.shared_negatives == 0 {
            // With one negative for each triplet, the two losses are the same.
            let pairs = [Tensor::cat(vec![rows.clone(), rows], 0), Tensor::cat(vec![positives, negatives], 0)];
            let [positive, negative] = pair_scores(u, items, pairs);
            return bpr(positive * scale, negative * scale);
        }
        // Scales the smaller side of the product.
        let negatives = gather_rows(items.clone(), negatives) * scale;
        let positive = sddmm(u.clone(), rows, items, positives) * scale;
        match self.config.ranking {
            RankingLoss::Bpr => bpr_shared(positive, matmul(u, negatives.transpose())),
            RankingLoss::Softmax => softmax_shared(positive, u, negatives),
        }
    }

    /// Assembles the objective from its parts; `squares` are the mean squares to regularise.
    pub(super) fn put_together(
        &self,
        ranking: Tensor<1>,
        squares: impl Iterator<Item = Tensor<1>>,
        fusion: Option<Objective>,
    ) -> Objective {
        let unit = if self.config.log2 { std::f64::consts::LN_2.recip() } else { 1.0 };
        let objective = Objective::new().with(self.config.ranking.name(), unit, ranking);
        let objective = match squares.reduce(|sum, term| sum + term) {
            Some(reg) => objective.with("reg", self.config.reg, reg),
            None => objective,
        };
        match fusion {
            Some(terms) => objective.and(terms),
            None => objective,
        }
    }

    /// Draws the mask of items whose id embeddings are kept in this step, `[n_items, 1]`; `None` if all are.
    pub(crate) fn kept_ids(&self, batch: &Batch, n_items: usize) -> Option<Tensor<2>> {
        let rate = self.config.id_dropout;
        self.channels[0].items.as_ref()?;
        let kept = || keep_mask([n_items, 1], 1.0 - rate, batch.key.stream("ids"), &batch.users.device());
        (rate > 0.0).then(kept)
    }
}
