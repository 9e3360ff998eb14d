//! ProfileMatch: content similarity to the mean of a user's items. The baseline of *VLM4Rec*, and for cold start.

use super::{Batch, Embed, Embeddings, Trainable, check_share};
use crate::Result;
use crate::data::{Modality, TrainSet};
use crate::graph::unit_rows;
use crate::loss::Objective;
use crate::nn::{Init, l2_normalize};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Settings of [`ProfileMatch`].
///
/// The baseline of *VLM4Rec: Multimodal Semantic Representation for Recommendation with Large Vision-Language Models* (Valencia,
/// Barlas, Singhal, Bhatia, Yang), course project, USC, 2026.
///
/// ```text
/// cos(i, j) = Σ_m w_m cos_m(i, j),    ŷ_ui = cos(mean of the items of u, i)
/// ```
///
/// Nothing is trained. Time O(pairs · width), once; memory O((users + items) · width).
///
/// ```
/// use viral::model::ProfileMatchConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = ProfileMatchConfig::default();
/// config.visual_weight = 0.0; // by text alone
/// let z = config.init(&data.train, &mut Init::new(0, &Device::flex()))?.embed();
/// assert_eq!(z.blocks(), [("text".to_string(), 48)]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProfileMatchConfig {
    /// Share of the visual cosine in the similarity of items, between 0 and 1; text has the rest. Used only if text and
    /// visual are the only modalities; any others have equal shares. Default: 0.5.
    pub visual_weight: f64,
}

impl Default for ProfileMatchConfig {
    fn default() -> Self {
        Self { visual_weight: 0.5 }
    }
}

impl ProfileMatchConfig {
    /// Builds the profiles of the users of `data`, which must have features of at least one modality. O(pairs · d)
    /// time.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> Result<ProfileMatch> {
        check_share("visual_weight", self.visual_weight)?;
        let features = data.features.require_any("profile-match")?;
        let is_pair = features.modalities().eq(&[Modality::Text, Modality::Visual]);
        let weight = |modality: &Modality| match modality {
            Modality::Text if is_pair => 1.0 - self.visual_weight,
            Modality::Visual if is_pair => self.visual_weight,
            _ => 1.0 / features.len() as f64,
        };
        let (mut parts, mut names, mut widths) = (Vec::new(), Vec::new(), Vec::new());
        for (modality, rows) in features {
            let weight = weight(modality);
            if weight > 0.0 {
                // Rows have length √weight, so that the inner product of whole vectors is the weighted mean of cosines.
                let units = TensorData::new(unit_rows(&[rows], rows.width()), [rows.n_items(), rows.width()]);
                parts.push(Tensor::from_data(units, init.device()) * weight.sqrt());
                names.push(modality.to_string());
                widths.push(rows.width());
            }
        }
        let items = Tensor::cat(parts, 1);
        let users = l2_normalize(profiles(&items, data));
        Ok(ProfileMatch { users, items, names, widths })
    }
}

/// Sums the vectors of each user's items, `[n_users, d]`; the direction is that of the mean.
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

/// Content-based nearest profiles: `ŷ_ui = cos(mean of the user's items, i)`. Nothing is trained.
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
    /// Returns no terms: nothing is trained.
    fn objective(&self, _: &Batch) -> Objective {
        Objective::new()
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::data::{Features, Interactions, ItemFeatures};
    use burn::tensor::Device;

    #[test]
    fn a_score_is_the_cosine_to_the_mean_of_the_history() -> Result<()> {
        // Items 0 and 1 point along the axes, item 2 between them; the visual rows of items 0 and 1 are opposites.
        let text = ItemFeatures::new(3, 2, vec![2.0, 0.0, 0.0, 1.0, 3.0, 3.0])?;
        let visual = ItemFeatures::new(3, 1, vec![1.0, -1.0, 5.0])?;
        let interactions = Interactions::from_pairs(3, 3, &[(0, 0), (1, 0), (1, 1)]);
        let features = Features::new().with(Modality::Text, text).with(Modality::Visual, visual);
        let data = TrainSet { interactions, features };
        let scores = |visual_weight: f64| -> Result<Vec<f32>> {
            let config = ProfileMatchConfig { visual_weight };
            let model = config.init(&data, &mut Init::new(0, &Device::flex()))?;
            let (users, items) = model.embed().into_users_and_items();
            Ok(users.matmul(items.transpose()).into_data().iter::<f32>().collect())
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

    #[test]
    fn other_modalities_than_text_and_visual_have_equal_shares() -> Result<()> {
        let signs = |signs: [f32; 3]| ItemFeatures::new(3, 1, signs.to_vec()).unwrap();
        let mut features = Features::new()
            .with(Modality::Visual, signs([1.0, -1.0, 5.0]))
            .with(Modality::Audio, signs([1.0, 2.0, -3.0]))
            .with(Modality::named("brand")?, signs([1.0, 1.0, 1.0]));
        let scores = |features: &Features| -> Result<(Vec<String>, Vec<f32>)> {
            let interactions = Interactions::from_pairs(1, 3, &[(0, 0)]);
            let data = TrainSet { interactions, features: features.clone() };
            let z = ProfileMatchConfig { visual_weight: 0.9 }.init(&data, &mut Init::new(0, &Device::flex()))?.embed();
            let names = z.blocks().iter().map(|block| block.0.clone()).collect();
            let (users, items) = z.into_users_and_items();
            Ok((names, users.matmul(items.transpose()).into_data().iter::<f32>().collect()))
        };
        // Items 1 and 2 each have the sign of item 0 in two of three modalities.
        let (names, found) = scores(&features)?;
        assert_eq!(names, ["visual", "audio", "brand"]);
        found.iter().zip([1.0, 1.0 / 3.0, 1.0 / 3.0]).for_each(|(x, y)| assert!((x - y).abs() < 1e-6, "{found:?}"));
        features.remove(&Modality::Visual);
        let (_, found) = scores(&features)?;
        found.iter().zip([1.0, 1.0, 0.0]).for_each(|(x, y)| assert!((x - y).abs() < 1e-6, "{found:?}"));
        Ok(())
    }
}
