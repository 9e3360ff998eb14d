//! Knockouts replace a modality by uninformative features: training on them shows whether a model uses the modality.

use super::counter::{below, draw, normal, stream};
use super::{Features, ItemFeatures, Modality};
use crate::named::named;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// An uninformative replacement for a modality's features, to test whether a model trained on it needs their
/// information.
///
/// | kind | row of item i | what is preserved |
/// |---|---|---|
/// | `noise` | `‖x_i‖ z / ‖z‖`, `z` standard normal | norms, and which items have content |
/// | `permuted` | `x_π(i)`, π a permutation of the items with content | the distribution of rows |
/// | `mean` | the mean row of the items with content | one vector for all |
///
/// Items without content stay so. The design follows *Are Multimodal Embeddings Truly Beneficial for
/// Recommendation?* (arXiv 2508.07399), in which all noise rows are nearly parallel; here rows have random directions
/// and keep their norms.
///
/// ```
/// use viral::data::{Features, ItemFeatures, Knockout, Modality};
///
/// let text = ItemFeatures::new(3, 2, vec![3.0, 4.0, 0.0, 0.0, 0.0, 2.0])?;
/// let features = Features::new().with(Modality::Text, text);
/// let noise = features.with_knockouts(&[(Modality::Text, Knockout::Noise)], 0)?;
/// let row = noise.get(&Modality::Text).unwrap().row(0);
/// assert!(((row[0] * row[0] + row[1] * row[1]).sqrt() - 5.0).abs() < 1e-5);
/// assert!(!noise.get(&Modality::Text).unwrap().has(1));
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Knockout {
    /// Random directions with the original norms.
    Noise,
    /// Rows permuted among the items with content.
    Permuted,
    /// The mean row for every item.
    Mean,
}

named! {
    Knockout, "knockout":
    Noise => "noise",
    Permuted => "permuted",
    Mean => "mean",
}

impl Knockout {
    /// All kinds.
    pub const ALL: &'static [Self] = &[Self::Noise, Self::Permuted, Self::Mean];

    /// Returns features of the same shape, with content for the same items. `key` is that of the random stream.
    fn apply(self, features: &ItemFeatures, key: u64) -> ItemFeatures {
        let (n_items, width) = (features.n_items(), features.width());
        let there: Vec<bool> = (0..n_items).map(|item| features.has(item)).collect();
        let present: Vec<usize> = (0..n_items).filter(|&item| there[item]).collect();
        let mut values = vec![0.0f32; n_items * width];
        let mut put = |item: usize, row: &mut dyn Iterator<Item = f32>| {
            values[item * width..][..width].iter_mut().zip(row).for_each(|(to, from)| *to = from);
        };
        match self {
            Self::Noise => {
                let length = |row: &mut dyn Iterator<Item = f64>| row.map(|x| x * x).sum::<f64>().sqrt();
                for &item in &present {
                    let z: Vec<f64> = (0..width).map(|i| normal(key, (item * width + i) as u64)).collect();
                    let scale =
                        length(&mut features.row(item).iter().map(|&x| f64::from(x))) / length(&mut z.iter().copied());
                    put(item, &mut z.iter().map(|z| (z * scale) as f32));
                }
            }
            Self::Permuted => {
                let mut order = present.clone();
                // Fisher–Yates shuffle.
                for i in (1..order.len()).rev() {
                    order.swap(i, below(i as u32 + 1, draw(key, i as u64)) as usize);
                }
                present.iter().zip(&order).for_each(|(&to, &from)| put(to, &mut features.row(from).iter().copied()));
            }
            Self::Mean => {
                let mut mean = vec![0.0f64; width];
                for &item in &present {
                    mean.iter_mut().zip(features.row(item)).for_each(|(sum, &x)| *sum += f64::from(x));
                }
                let n = present.len().max(1) as f64;
                present.iter().for_each(|&item| put(item, &mut mean.iter().map(|sum| (sum / n) as f32)));
            }
        }
        ItemFeatures::from_finite(n_items, width, values).with_there(&there)
    }
}

impl Features {
    /// Returns these features with some modalities knocked out, each by independent draws from `seed`.
    ///
    /// # Errors
    /// [`Error::MissingModality`] for the first modality that is missing.
    pub fn with_knockouts(&self, knockouts: &[(Modality, Knockout)], seed: u64) -> Result<Self> {
        let mut features = self.clone();
        for (modality, knockout) in knockouts {
            let Some(rows) = self.get(modality) else {
                return Err(Error::MissingModality {
                    model: format!("the knockout '{modality} = {knockout}'"),
                    modality: Some(modality.to_string()),
                    file: format!("{}.npy", modality.file_stem()),
                    available: self.modalities().map(Modality::to_string).collect(),
                });
            };
            let name = modality.as_str().bytes().map(u64::from);
            let words: Vec<u64> = [seed, *knockout as u64].into_iter().chain(name).collect();
            features.insert(modality.clone(), knockout.apply(rows, stream(&words)));
        }
        Ok(features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features() -> Features {
        let values = (0..60).map(|i| if i / 6 == 4 { 0.0 } else { (i * i % 17) as f32 - 5.0 }).collect();
        let rows = ItemFeatures::new(10, 6, values).unwrap();
        Features::new().with(Modality::Text, rows.clone()).with(Modality::Visual, rows)
    }

    fn length(row: &[f32]) -> f32 {
        row.iter().map(|x| x * x).sum::<f32>().sqrt()
    }

    #[test]
    fn each_kind_keeps_what_it_says_and_nothing_else() {
        let whole = features();
        let text = whole.get(&Modality::Text).unwrap();
        let of = |knockout, seed| whole.with_knockouts(&[(Modality::Text, knockout)], seed).unwrap();
        for &kind in Knockout::ALL {
            let out = of(kind, 1);
            let rows = out.get(&Modality::Text).unwrap();
            assert_eq!(out.get(&Modality::Visual), whole.get(&Modality::Visual), "{kind} touches another modality");
            assert_eq!(rows.there(), text.there());
            assert_ne!(rows, text);
            assert_eq!(of(kind, 1), out);
            assert_eq!(kind.name().parse::<Knockout>().unwrap(), kind);
        }
        let noise = of(Knockout::Noise, 1);
        let noise = noise.get(&Modality::Text).unwrap();
        assert!((0..10).all(|i| (length(noise.row(i)) - length(text.row(i))).abs() < 1e-4));
        let sorted = |rows: &ItemFeatures| {
            let mut rows: Vec<Vec<i32>> = (0..10).map(|i| rows.row(i).iter().map(|&x| x as i32).collect()).collect();
            rows.sort();
            rows
        };
        assert_eq!(sorted(of(Knockout::Permuted, 1).get(&Modality::Text).unwrap()), sorted(text));
        let mean = of(Knockout::Mean, 1);
        let mean = mean.get(&Modality::Text).unwrap();
        assert!((0..10).filter(|&i| i != 4).all(|i| mean.row(i) == mean.row(0)));
        assert_ne!(of(Knockout::Noise, 2), of(Knockout::Noise, 1));
        // Two modalities with the same rows are knocked out differently.
        let both = [(Modality::Text, Knockout::Noise), (Modality::Visual, Knockout::Noise)];
        let both = whole.with_knockouts(&both, 1).unwrap();
        assert_ne!(both.get(&Modality::Text), both.get(&Modality::Visual));
    }

    #[test]
    fn a_modality_that_is_not_there_is_named() {
        let found = features().with_knockouts(&[(Modality::Audio, Knockout::Mean)], 0);
        assert!(matches!(found, Err(Error::MissingModality { modality: Some(name), .. }) if name == "audio"));
    }
}
