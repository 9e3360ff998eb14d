//! ProfileMatch: a user is the mean of what they took, by content alone. The baseline of *VLM4Rec*, and of cold start.

use super::{Batch, Embed, Embeddings, Trainable, check_share};
use crate::data::TrainSet;
use crate::graph::unit_rows;
use crate::loss::Objective;
use crate::nn::{Init, l2_normalize};
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Settings of [`ProfileMatch`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileMatchConfig {
    /// Share of the visual cosine in an item's likeness to another, between 0 and 1; the rest is the text's. Where the data
    /// have one modality only, it has all.
    pub visual_weight: f64,
}

impl Default for ProfileMatchConfig {
    fn default() -> Self {
        Self { visual_weight: 0.5 }
    }
}

impl ProfileMatchConfig {
    /// Profiles of the users of `data`, which must have features of at least one modality. O(pairs · d) time.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> Result<ProfileMatch> {
        check_share("visual_weight", self.visual_weight)?;
        let (text, visual) = match (&data.text, &data.visual) {
            (Some(_), Some(_)) => (1.0 - self.visual_weight, self.visual_weight),
            (None, None) => {
                return Err(Error::Data("profile-match needs text or visual features; the data have neither".into()));
            }
            _ => (1.0, 1.0),
        };
        let modalities = [("text", &data.text, text), ("visual", &data.visual, visual)];
        let (mut parts, mut names, mut widths) = (Vec::new(), Vec::new(), Vec::new());
        for (name, modality, weight) in modalities {
            if let Some(rows) = modality.as_ref().filter(|_| weight > 0.0) {
                // Rows of length √weight: an inner product of whole vectors is the weighted mean of cosines.
                let units = TensorData::new(unit_rows(&[rows], rows.width()), [rows.n_items(), rows.width()]);
                parts.push(Tensor::from_data(units, init.device()) * weight.sqrt());
                names.push(name.to_string());
                widths.push(rows.width());
            }
        }
        let items = Tensor::cat(parts, 1);
        let users = l2_normalize(profiles(&items, data));
        Ok(ProfileMatch { users, items, names, widths })
    }
}

/// The sum of the vectors of each user's items, `[n_users, d]`; its direction is the mean's.
fn profiles(items: &Tensor<2>, data: &TrainSet) -> Tensor<2> {
    let (n_users, d) = (data.interactions.n_users(), items.dims()[1]);
    let rows: Vec<f32> = items.to_data().iter::<f32>().collect();
    let mut sums = vec![0f32; n_users * d];
    for (user, sum) in sums.chunks_exact_mut(d.max(1)).enumerate() {
        for &item in data.interactions.of_user(user) {
            sum.iter_mut().zip(&rows[item as usize * d..][..d]).for_each(|(sum, x)| *sum += x);
        }
    }
    Tensor::from_data(TensorData::new(sums, [n_users, d]), &items.device())
}

/// `ŷ_ui = cos(mean of the user's items, i)`; nothing is learned.
#[derive(Module, Debug)]
pub struct ProfileMatch {
    users: Tensor<2>,
    items: Tensor<2>,
    names: Vec<String>,
    widths: Vec<usize>,
}

impl Embed for ProfileMatch {
    fn embed(&self) -> Embeddings {
        let blocks = self.names.iter().cloned().zip(self.widths.iter().copied()).collect();
        Embeddings::with_blocks(self.users.clone(), self.items.clone(), blocks)
    }
}

impl Trainable for ProfileMatch {
    /// There is nothing to learn.
    fn objective(&self, _: &Batch) -> Objective {
        Objective::new()
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::data::{Interactions, ItemFeatures};
    use burn::tensor::Device;

    #[test]
    fn a_score_is_the_cosine_to_the_mean_of_the_history() -> Result<()> {
        // Items 0 and 1 point along the axes, item 2 between them; the visual rows say the opposite of one another.
        let text = ItemFeatures::new(3, 2, vec![2.0, 0.0, 0.0, 1.0, 3.0, 3.0])?;
        let visual = ItemFeatures::new(3, 1, vec![1.0, -1.0, 5.0])?;
        let interactions = Interactions::from_pairs(3, 3, &[(0, 0), (1, 0), (1, 1)]);
        let data = TrainSet { interactions, text: Some(text), visual: Some(visual) };
        let scores = |visual_weight: f64| -> Result<Vec<f32>> {
            let config = ProfileMatchConfig { visual_weight };
            let z = config.init(&data, &mut Init::new(0, &Device::flex()))?.embed();
            Ok(z.users.matmul(z.items.transpose()).into_data().iter::<f32>().collect())
        };
        let half = 0.5f32.sqrt();
        // User 2 has nothing: all scores are zero.
        let by_text = [1.0, 0.0, half, half, half, 1.0, 0.0, 0.0, 0.0];
        scores(0.0)?.iter().zip(by_text).for_each(|(found, expected)| assert!((found - expected).abs() < 1e-6));
        // cos = ½ cos_text + ½ cos_visual for a profile of one item.
        let both = [1.0, -0.5, 0.5 * half + 0.5];
        scores(0.5)?.iter().zip(both).for_each(|(found, expected)| assert!((found - expected).abs() < 1e-6));
        assert!(scores(1.5).is_err());
        Ok(())
    }
}
