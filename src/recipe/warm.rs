//! Warm starts: initial parameters from an earlier model.

use crate::data::{Dataset, Features, ItemFeatures};
use crate::graph::KnnSearch;
use crate::model::{Model, ModelConfig, Rows, load_parameters, parameters, rows_of_parameters};
use crate::serve::Recommender;
use crate::{Error, Result};
use burn::tensor::{Device, TensorData};
use std::collections::HashMap;

/// Number of nearest neighbours by content whose mean row initialises a new item.
const NEIGHBORS: usize = 10;

/// Default share of the earlier parameters. Chosen on the valid part of Amazon Baby with a tenth of the interactions new:
/// the best recall@20 of eleven epochs is 0.1051, 0.1053, 0.1048, 0.1044 and 0.1035 for 0.15, 0.25, 0.35, 0.5 and 1.
pub(super) const SHRINK: f32 = 0.25;

/// Shrinks the parameters of an earlier model towards the fresh ones of `model`, `shrink * earlier + (1 - shrink) *
/// fresh`, and loads them. Rows that the earlier model lacks stay fresh.
pub(super) fn start(
    model: Model,
    before: &Recommender,
    shrink: f32,
    config: &ModelConfig,
    data: &Dataset,
    device: &Device,
) -> Result<Model> {
    let differs = |key: &str| {
        Error::Config(format!(
            "the earlier model has another '{key}': begin with the settings that it was trained with"
        ))
    };
    if let Some(name) = before.model_name().filter(|name| *name != config.name()) {
        let message =
            format!("the earlier model is {name}, and this one {}: begin with one of the same kind", config.name());
        return Err(Error::Config(message));
    }
    let fresh = parameters(&model);
    let old = before.parameters()?;
    if let Some(name) = old.keys().find(|name| !fresh.contains_key(*name)) {
        return Err(differs(name));
    }
    let rows = rows_of_parameters(config, &data.train.features, device)?;
    let number = |ids: &mut dyn Iterator<Item = &str>| -> HashMap<String, usize> {
        ids.enumerate().map(|(number, id)| (id.to_string(), number)).collect()
    };
    let (old_users, old_items) = (number(&mut before.users()), number(&mut before.items()));
    let n_old = [before.train_interactions().n_users(), before.train_interactions().n_items()];
    let of = |ids: &[String], old: &HashMap<String, usize>, n: usize| -> Vec<Option<usize>> {
        ids.iter().map(|id| old.get(id).copied().filter(|&row| row < n)).collect()
    };
    let users = of(&data.user_ids, &old_users, n_old[0]);
    let items = of(&data.item_ids, &old_items, n_old[1]);
    if users.iter().chain(&items).all(Option::is_none) {
        let example = |ids: &mut dyn Iterator<Item = &str>| ids.next().unwrap_or_default().to_string();
        let (there, here) = (example(&mut before.items()), example(&mut data.item_ids.iter().map(String::as_str)));
        return Err(Error::Data(format!(
            "the earlier model knows no user and no item of these data: external ids must be the same, and its items are such as \
             '{there}', these '{here}'"
        )));
    }
    check_held_out(before, data, &users, &items)?;
    let neighbors = neighbors_of_new(&data.train.features, &items)?;
    let mut values = fresh;
    for (name, value) in &mut values {
        let trained = old.get(name).ok_or_else(|| differs(name))?;
        let (shape, width) = (value.shape().to_vec(), value.shape()[1..].iter().product::<usize>());
        if trained.shape()[1..] != shape[1..] {
            return Err(differs(name));
        }
        let table = Table { trained: trained.iter().collect(), width };
        let mut rows_now: Vec<f32> = value.iter().collect();
        let [n_users, n_items] = n_old;
        let expected = match rows.get(name) {
            Some(Rows::Users) => {
                table.copy(&users, &HashMap::new(), 0, &mut rows_now);
                n_users
            }
            Some(Rows::Items) => {
                table.copy(&items, &neighbors, 0, &mut rows_now);
                n_items
            }
            Some(Rows::Nodes) => {
                let (of_users, of_items) = rows_now.split_at_mut(users.len() * width);
                table.copy(&users, &HashMap::new(), 0, of_users);
                table.copy(&items, &neighbors, n_users, of_items);
                n_users + n_items
            }
            Some(Rows::Shared) | None => {
                rows_now.clone_from(&table.trained);
                shape[0]
            }
        };
        if trained.shape()[0] != expected {
            return Err(differs(name));
        }
        if shrink < 1.0 {
            let fresh = value.iter::<f32>();
            rows_now.iter_mut().zip(fresh).for_each(|(x, fresh)| *x = shrink * *x + (1.0 - shrink) * fresh);
        }
        *value = TensorData::new(rows_now, shape);
    }
    load_parameters(model, values)
}

/// Returns an error if the earlier model was trained on held-out pairs of `data`: early stopping and test figures would
/// be too good.
fn check_held_out(
    before: &Recommender,
    data: &Dataset,
    users: &[Option<usize>],
    items: &[Option<usize>],
) -> Result<()> {
    let trained = before.train_interactions();
    let is_known = |&(user, item): &(u32, u32)| match (users[user as usize], items[item as usize]) {
        (Some(user), Some(item)) => trained.contains(user, item as u32),
        _ => false,
    };
    let n_held_out = data.valid.n_pairs() + data.test.n_pairs();
    match data.valid.pairs().chain(data.test.pairs()).filter(is_known).count() {
        0 => Ok(()),
        n => Err(Error::Data(format!(
            "the earlier model was trained on {n} of the {n_held_out} valid and test pairs, which makes figures too good: begin \
             with a model of the same split, or train on everything (--split everything)"
        ))),
    }
}

/// A parameter of the earlier model, row by row.
struct Table {
    trained: Vec<f32>,
    width: usize,
}

impl Table {
    /// Copies old rows to their new places; a new row becomes the mean of its neighbours' rows, or stays fresh without any.
    fn copy(&self, old: &[Option<usize>], neighbors: &HashMap<usize, Vec<usize>>, first: usize, rows: &mut [f32]) {
        let row = |at: usize| self.trained.get((first + at) * self.width..(first + at + 1) * self.width);
        for (number, (old, out)) in old.iter().zip(rows.chunks_exact_mut(self.width.max(1))).enumerate() {
            match (old, neighbors.get(&number)) {
                (Some(old), _) => {
                    if let Some(row) = row(*old) {
                        out.copy_from_slice(row);
                    }
                }
                (None, Some(neighbors)) => {
                    out.fill(0.0);
                    for row in neighbors.iter().filter_map(|&at| row(at)) {
                        out.iter_mut().zip(row).for_each(|(sum, x)| *sum += x / neighbors.len() as f32);
                    }
                }
                (None, None) => {}
            }
        }
    }
}

/// Returns, for each new item with content, the rows in the earlier model of the old items with the nearest content.
fn neighbors_of_new(features: &Features, items: &[Option<usize>]) -> Result<HashMap<usize, Vec<usize>>> {
    let all: Vec<&ItemFeatures> = features.iter().map(|(_, rows)| rows).collect();
    if all.is_empty() || items.iter().all(Option::is_some) || items.len() < 2 {
        return Ok(HashMap::new());
    }
    // New items may be each other's neighbours, so the search asks for more.
    let k = (3 * NEIGHBORS).min(items.len() - 1);
    let found = KnnSearch::Exact.neighbors(&all, k, false)?;
    let mut neighbors = HashMap::new();
    for (number, _) in items.iter().enumerate().filter(|(_, old)| old.is_none()) {
        let near = found.index[number * k..][..k].iter().zip(&found.cosine[number * k..][..k]);
        let near = near.filter(|(_, cosine)| **cosine > 0.0).filter_map(|(&item, _)| items[item as usize]);
        let near: Vec<usize> = near.take(NEIGHBORS).collect();
        if !near.is_empty() {
            neighbors.insert(number, near);
        }
    }
    Ok(neighbors)
}
