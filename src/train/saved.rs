//! A trained model as one file that recommends without the data it was trained on.

use super::tensors;
use crate::data::{Dataset, Interactions};
use crate::eval::top_k;
use crate::model::{Embed, HostEmbeddings, Parameters, parameters};
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

const FORMAT: u32 = 1;

/// Vectors of users and items, what users have seen, external ids and titles, and the parameters they came from.
#[derive(Debug, Clone)]
pub struct SavedModel {
    /// The model's settings.
    pub config: Value,
    /// The data set's name.
    pub data: String,
    /// The vectors.
    pub embeddings: HostEmbeddings,
    /// What is not recommended again.
    pub seen: Interactions,
    /// External id of each user.
    pub user_ids: Vec<String>,
    /// External id of each item.
    pub item_ids: Vec<String>,
    /// Title of each item, where the data have them.
    pub titles: Option<Vec<String>>,
    /// The model's parameters.
    pub parameters: Parameters,
}

/// A recommended item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation {
    /// External id.
    pub item: String,
    /// Title, where the data have them.
    pub title: Option<String>,
    /// The sum of the shares, exactly.
    pub score: f64,
    /// Name and share of each block.
    pub shares: Vec<(String, f64)>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    version: String,
    config: Value,
    data: String,
    blocks: Vec<(String, usize)>,
    user_ids: Vec<String>,
    item_ids: Vec<String>,
    titles: Option<Vec<String>>,
}

impl SavedModel {
    /// Of a trained model and the data set it was trained on.
    pub fn new<M: Embed + Module>(model: &M, config: &impl Serialize, data: &Dataset) -> Result<Self> {
        let config = serde_json::to_value(config).map_err(|e| Error::Config(format!("the model's settings: {e}")))?;
        Ok(Self {
            config,
            data: data.name.clone(),
            embeddings: model.valid().embed().to_host(),
            seen: data.train.interactions.clone(),
            user_ids: data.user_ids.clone(),
            item_ids: data.item_ids.clone(),
            titles: data.titles.clone(),
            parameters: parameters(model),
        })
    }

    /// Writes the file whole or not at all. Equal models are equal files.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let (e, d) = (&self.embeddings, self.embeddings.d);
        let header = Header {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_string(),
            config: self.config.clone(),
            data: self.data.clone(),
            blocks: e.blocks.clone(),
            user_ids: self.user_ids.clone(),
            item_ids: self.item_ids.clone(),
            titles: self.titles.clone(),
        };
        let ints = |values: Vec<i32>| {
            let n = values.len();
            TensorData::new(values, [n])
        };
        let degrees = self.seen.user_degrees().iter().map(|&n| n as i32).collect();
        let mut all: Parameters = self.parameters.iter().map(|(n, t)| (format!("parameters/{n}"), t.clone())).collect();
        all.insert("users".into(), TensorData::new(e.users.clone(), [self.user_ids.len(), d]));
        all.insert("items".into(), TensorData::new(e.items.clone(), [self.item_ids.len(), d]));
        all.insert("seen/degrees".into(), ints(degrees));
        all.insert("seen/items".into(), ints(self.seen.items().iter().map(|&i| i as i32).collect()));
        tensors::write(path.as_ref(), &header, &all)
    }

    /// Reads a file that [`save`](Self::save) wrote.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (header, mut all): (Header, Parameters) = tensors::read(path)?;
        let broken = |what: &str| Error::file(path, format!("is not a saved model: {what}"));
        if header.format != FORMAT {
            return Err(broken(&format!("format {}, this version reads {FORMAT}", header.format)));
        }
        let (n_users, n_items) = (header.user_ids.len(), header.item_ids.len());
        if header.titles.as_ref().is_some_and(|titles| titles.len() != n_items) {
            return Err(broken("there is not one title for each item"));
        }
        let d = header.blocks.iter().map(|b| b.1).sum();
        let mut floats = |name: &str, n: usize| {
            let values = all.remove(name).and_then(|t| t.try_into_vec::<f32>().ok());
            values.filter(|v| v.len() == n * d).ok_or_else(|| broken(&format!("'{name}' is not [{n}, {d}]")))
        };
        let (users, items) = (floats("users", n_users)?, floats("items", n_items)?);
        let mut ints = |name: &str| {
            let values = all.remove(name).and_then(|t| t.try_into_vec::<i32>().ok());
            values.ok_or_else(|| broken(&format!("no '{name}'")))
        };
        let (degrees, seen) = (ints("seen/degrees")?, ints("seen/items")?);
        let total: usize = degrees.iter().map(|&n| n.max(0) as usize).sum();
        if degrees.len() != n_users || total != seen.len() || seen.iter().any(|&i| i < 0 || i as usize >= n_items) {
            return Err(broken("what users have seen does not fit"));
        }
        let owners = degrees.iter().enumerate().flat_map(|(u, &n)| (0..n).map(move |_| u as u32));
        let pairs: Vec<(u32, u32)> = owners.zip(seen.iter().map(|&i| i as u32)).collect();
        let parameters = all.into_iter().filter_map(|(n, t)| Some((n.strip_prefix("parameters/")?.to_string(), t)));
        Ok(Self {
            config: header.config,
            data: header.data,
            embeddings: HostEmbeddings { users, items, d, blocks: header.blocks },
            seen: Interactions::from_pairs(n_users, n_items, &pairs),
            user_ids: header.user_ids,
            item_ids: header.item_ids,
            titles: header.titles,
            parameters: parameters.collect(),
        })
    }

    /// The `k` best new items of a user by external id, best first, each score split into its blocks' shares.
    pub fn recommend(&self, user: &str, k: usize) -> Result<Vec<Recommendation>> {
        let Some(u) = self.user_ids.iter().position(|id| id == user) else {
            let known: Vec<&str> = self.user_ids.iter().take(3).map(String::as_str).collect();
            let n = self.user_ids.len();
            return Err(Error::Data(format!("no user '{user}' among {n}; ids are like {}", known.join(", "))));
        };
        let e = &self.embeddings;
        let best = top_k(&e.users, &e.items, e.d, &self.seen, u as u32, k)?;
        let mut scored: Vec<(u32, f64, Vec<f64>)> = best
            .into_iter()
            .map(|(item, _)| {
                let shares = e.attribute(u, item as usize);
                (item, shares.iter().sum(), shares)
            })
            .collect();
        // Ranked in single precision, shown in double: neighbours may change places.
        scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let recommendation = |(item, score, shares): (u32, f64, Vec<f64>)| Recommendation {
            item: self.item_ids[item as usize].clone(),
            title: self.titles.as_ref().map(|t| t[item as usize].clone()),
            score,
            shares: e.blocks.iter().map(|b| b.0.clone()).zip(shares).collect(),
        };
        Ok(scored.into_iter().map(recommendation).collect())
    }
}
