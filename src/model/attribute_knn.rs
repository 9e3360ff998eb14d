//! AttributeKnn: item-based nearest neighbours by attributes.

use super::{Batch, Embed, Embeddings, Trainable};
use crate::data::{ItemFeatures, Modality, TrainSet};
use crate::graph::{knn_exact, unit_rows};
use crate::loss::Objective;
use crate::named::named;
use crate::nn::Init;
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Weight of an attribute in an item's vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttributeWeight {
    /// 1 for every attribute.
    Binary,
    /// `ln(n / n_a)` for `n` items with attributes, `n_a` of which have this one: rarer attributes count more.
    #[default]
    TfIdf,
}

named! {
    AttributeWeight, "weight of attributes":
    Binary => "binary",
    TfIdf => "tf_idf",
}

/// Maximum number of items, and so width of vectors, with a limited number of neighbours.
const WIDEST: usize = 1 << 13;

/// Settings of [`AttributeKnn`].
///
/// ```text
/// x_ia = w_a [item i has attribute a],    w_a = 1 or ln(n / n_a)
/// ŷ_ui = Σ_{j in items of u, j in N_k(i)} cos(x_i, x_j)
/// ```
///
/// `N_k(i)` are the `k` items nearest to `i`, without itself; for `k = 0` it has all items. With `k = 0` vectors are as
/// wide as the vocabulary, and time is O(pairs · attributes). With `k > 0` they are as wide as there are items, time is
/// O(items² · attributes) and memory O((users + items) · items). Nothing is trained.
///
/// Features are those of the modality `attributes`: any matrix, whose non-zero entries are the attributes, or
/// [`Attributes`](crate::data::Attributes) read by `--modality attributes=attributes.jsonl`.
///
/// ```
/// use viral::data::{Features, Interactions, ItemFeatures, Modality};
/// use viral::model::AttributeKnnConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// // Items 0 and 1 share the first attribute, 1 and 2 the second; the user has item 0.
/// let rows = ItemFeatures::new(4, 2, vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0])?;
/// let features = Features::new().with(Modality::named("attributes")?, rows);
/// let data = TrainSet { interactions: Interactions::from_pairs(1, 4, &[(0, 0)]), features };
/// let model = AttributeKnnConfig::default().init(&data, &mut Init::new(0, &Device::flex()))?;
/// let z = model.embed().to_host();
/// assert!((z.attribute(0, 1)[0] - 0.5f64.sqrt()).abs() < 1e-6 && z.attribute(0, 2) == [0.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AttributeKnnConfig {
    /// Weight of an attribute. Default: `tf_idf`.
    pub weight: AttributeWeight,
    /// Number of nearest items that count for an item, at most all others; 0 for all items. Any other value needs a
    /// catalogue of at most 8192 items. Default: 0.
    pub n_neighbors: usize,
}

impl AttributeKnnConfig {
    /// Builds the model for `data`, which must have features of the modality `attributes`.
    ///
    /// # Errors
    /// When there are no such features, or `n_neighbors` is not 0 in a catalogue of more than 8192 items.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> Result<AttributeKnn> {
        let [attributes] = data.features.require([Modality::named("attributes")?], "attribute-knn")?;
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        let (k, wanted) = (self.n_neighbors, format!("0, of {n_items} items: vectors are as wide as these are many"));
        Error::require(k == 0 || n_items <= WIDEST, "n_neighbors", k, &wanted)?;
        let weighed = self.weighed(attributes)?;
        let k = k.min(n_items.saturating_sub(1));
        let (items, width) = match k {
            0 => (unit_rows(&[&weighed], weighed.width()), weighed.width()),
            k => {
                let mut rows = vec![0f32; n_items * n_items];
                for (&cosine, (item, other)) in knn_exact(&[&weighed], k, false)?.weighted().iter() {
                    rows[item * n_items + other] = cosine;
                }
                (rows, n_items)
            }
        };
        let mut users = vec![0f32; n_users * width];
        for (user, sum) in users.chunks_exact_mut(width).enumerate() {
            for &item in data.interactions.of_user(user) {
                match k {
                    0 => sum.iter_mut().zip(&items[item as usize * width..][..width]).for_each(|(sum, x)| *sum += x),
                    _ => sum[item as usize] = 1.0,
                }
            }
        }
        let tensor = |rows: Vec<f32>, n: usize| Tensor::from_data(TensorData::new(rows, [n, width]), init.device());
        Ok(AttributeKnn { users: tensor(users, n_users), items: tensor(items, n_items) })
    }

    /// Replaces each non-zero entry by the weight of its attribute.
    fn weighed(&self, attributes: &ItemFeatures) -> Result<ItemFeatures> {
        let (n_items, width) = (attributes.n_items(), attributes.width());
        let mut n_with = vec![0usize; width];
        let mut n_covered = 0;
        for row in (0..n_items).map(|item| attributes.row(item)) {
            n_with.iter_mut().zip(row).for_each(|(n, &x)| *n += usize::from(x != 0.0));
            n_covered += usize::from(row.iter().any(|&x| x != 0.0));
        }
        let weight = |n: usize| match self.weight {
            AttributeWeight::Binary => 1.0,
            AttributeWeight::TfIdf => (n_covered as f64 / n.max(1) as f64).ln() as f32,
        };
        let weights: Vec<f32> = n_with.into_iter().map(weight).collect();
        let one = |(at, &x): (usize, &f32)| if x == 0.0 { 0.0 } else { weights[at % width] };
        ItemFeatures::new(n_items, width, attributes.values().iter().enumerate().map(one).collect())
    }
}

/// Item-based nearest neighbours: `ŷ_ui` is the sum of the cosines between the attributes of item `i` and the user's
/// items.
#[derive(Module, Debug)]
pub struct AttributeKnn {
    users: Tensor<2>,
    items: Tensor<2>,
}

impl Embed for AttributeKnn {
    fn embed(&self) -> Embeddings {
        Embeddings::new(self.users.clone(), self.items.clone(), "attributes")
    }
}

impl Trainable for AttributeKnn {
    /// Returns no terms: nothing is trained.
    fn objective(&self, _: &Batch) -> Objective {
        Objective::new()
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::data::{Features, Interactions};
    use burn::tensor::Device;

    /// Attributes `p`, `q`, `r` of five items; the last has none.
    fn data() -> Result<TrainSet> {
        let rows = [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0; 3]].concat();
        let features = Features::new().with(Modality::named("attributes")?, ItemFeatures::new(5, 3, rows)?);
        Ok(TrainSet { interactions: Interactions::from_pairs(3, 5, &[(0, 0), (0, 3), (1, 4)]), features })
    }

    fn scores(config: &AttributeKnnConfig) -> Result<Vec<f32>> {
        let (users, items) = config.init(&data()?, &mut Init::new(0, &Device::flex()))?.embed().into_users_and_items();
        Ok(users.matmul(items.transpose()).into_data().iter::<f32>().collect())
    }

    #[test]
    fn scores_are_sums_of_cosines_with_what_the_user_has() -> Result<()> {
        for weight in [AttributeWeight::Binary, AttributeWeight::TfIdf] {
            // Of four items with attributes, three have `p`, two `q` and two `r`.
            let of = |n: f64| if weight == AttributeWeight::Binary { 1.0 } else { (4.0 / n).ln() };
            let (p, q, r) = (of(3.0), of(2.0), of(2.0));
            let x = [[p, q, 0.0], [p, 0.0, 0.0], [0.0, q, r], [p, 0.0, r]];
            let dot = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let cos = |i: usize, j: usize| dot(&x[i], &x[j]) / (dot(&x[i], &x[i]) * dot(&x[j], &x[j])).sqrt();
            let found = scores(&AttributeKnnConfig { weight, n_neighbors: 0 })?;
            for item in 0..4 {
                let expected = cos(item, 0) + cos(item, 3);
                assert!((f64::from(found[item]) - expected).abs() < 1e-6, "{weight}, item {item}: {found:?}");
            }
            assert_eq!(found[4..], [0.0; 11], "an item without attributes, a user of it, a user of nothing");
            // Only the two nearest others count: of the three others, each item loses the third.
            let nearest = scores(&AttributeKnnConfig { weight, n_neighbors: 2 })?;
            for item in 0..4 {
                let mut others: Vec<usize> = (0..4).filter(|&other| other != item).collect();
                others.sort_by(|&a, &b| cos(item, b).total_cmp(&cos(item, a)).then(a.cmp(&b)));
                let expected: f64 = [0, 3].into_iter().filter(|j| others[..2].contains(j)).map(|j| cos(item, j)).sum();
                assert!((f64::from(nearest[item]) - expected).abs() < 1e-6, "{weight}, item {item}: {nearest:?}");
            }
            // With all others, scores are as without a limit, except for the user's own items.
            let all = scores(&AttributeKnnConfig { weight, n_neighbors: 99 })?;
            [1, 2]
                .into_iter()
                .for_each(|item| assert!((all[item] - found[item]).abs() < 1e-6, "{weight}, item {item}"));
        }
        Ok(())
    }

    #[test]
    fn attributes_are_asked_for_and_large_catalogues_take_all_items() {
        let init = |config: &AttributeKnnConfig, data: &TrainSet| {
            let made = config.init(data, &mut Init::new(0, &Device::flex()));
            made.map(|_| ()).unwrap_err().to_string()
        };
        let none = TrainSet { features: Features::new(), ..data().unwrap() };
        let message = init(&AttributeKnnConfig::default(), &none);
        assert!(message.starts_with("attribute-knn needs attributes features"), "{message}");
        let rows = ItemFeatures::new(WIDEST + 1, 1, vec![1.0; WIDEST + 1]).unwrap();
        let features = Features::new().with(Modality::named("attributes").unwrap(), rows);
        let large = TrainSet { interactions: Interactions::from_pairs(1, WIDEST + 1, &[]), features };
        let config = AttributeKnnConfig { n_neighbors: 5, ..AttributeKnnConfig::default() };
        let message = init(&config, &large);
        assert!(message.starts_with("n_neighbors is 5; it must be 0, of 8193 items"), "{message}");
    }
}
