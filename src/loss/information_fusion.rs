//! The loss terms of information-aware fusion (15)(16).

use super::info_nce;
use crate::named::named;
use crate::nn::InformationFusionOutput;
use crate::ops::gather_rows;
use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

/// The encoding that the redundancy loss (16) uses as its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RedundancyAnchor {
    /// `h`, the encoding of both modalities, as in the paper.
    Full,
    /// `r`, the mean of the three encodings, as in the authors' code.
    Shared,
}

named! {
    RedundancyAnchor, "redundancy anchor":
    Full => "full",
    Shared => "shared",
}

impl InformationFusionOutput {
    /// The synergy loss `L_s = NCE(h_{t→v}, h_{v→t})` (15), over all rows or only over `rows`.
    ///
    /// # Shapes
    /// - `rows`: `[m]`, each below `n`; output: `[1]`
    pub fn synergy_loss(&self, temperature: f32, rows: Option<Tensor<1, Int>>) -> Tensor<1> {
        aligned(&self.directions.text_to_visual, &self.directions.visual_to_text, temperature, &rows)
    }

    /// The redundancy loss `L_r = NCE(h_t, a) + NCE(h_v, a) + NCE(h_v, h_t)` with the anchor `a` (16), over all rows or
    /// only over `rows`; `None` if the redundancy is not estimated.
    ///
    /// # Shapes
    /// - `rows`: `[m]`, each below `n`; output: `[1]`
    pub fn redundancy_loss(
        &self,
        temperature: f32,
        anchor: RedundancyAnchor,
        rows: Option<Tensor<1, Int>>,
    ) -> Option<Tensor<1>> {
        let r = self.redundancy.as_ref()?;
        let anchor = match anchor {
            RedundancyAnchor::Full => r.full.clone(),
            RedundancyAnchor::Shared => r.shared(),
        };
        let nce = |a: &Tensor<2>, b: &Tensor<2>| aligned(a, b, temperature, &rows);
        Some(nce(&r.text, &anchor) + nce(&r.visual, &anchor) + nce(&r.visual, &r.text))
    }
}

fn aligned(a: &Tensor<2>, b: &Tensor<2>, temperature: f32, rows: &Option<Tensor<1, Int>>) -> Tensor<1> {
    let of = |x: &Tensor<2>| match rows {
        Some(rows) => gather_rows(x.clone(), rows.clone()),
        None => x.clone(),
    };
    info_nce(of(a), of(b), temperature)
}
