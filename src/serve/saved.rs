//! The model file: one safetensors file with a JSON header and a checksum.

use super::Recommender;
use super::fold_in::FoldIn;
use super::induction::{Induction, InductionHeader};
use super::names::Names;
use super::recommender::{Kept, Parts, Source};
use crate::data::Interactions;
use crate::model::{HostEmbeddings, Parameters};
use crate::train::tensors;
use crate::{Error, Result};
use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Format 1 had train interactions only, and neither fold-in nor fingerprint; format 2 could not add items.
const FORMAT: u32 = 3;
/// File name of a model in a folder.
const FILE: &str = "model.safetensors";
const PARAMETERS: &str = "parameters/";
/// Prefix of the tensors that embed new items.
const INDUCTION: &str = "induction/";
/// Largest width of vectors in format 1. Its fold-in is fitted on reading, with `[d, d]` matrices that the size of the
/// file does not bound.
const WIDEST: usize = 1 << 13;

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    version: String,
    config: Value,
    data: String,
    #[serde(default)]
    fingerprint: Option<String>,
    blocks: Vec<(String, usize)>,
    user_ids: Vec<String>,
    item_ids: Vec<String>,
    titles: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    induction: Option<InductionHeader>,
    /// Numbers of training users and items, if others were added since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n_trained: Option<[usize; 2]>,
    /// Whether all titles came with added items.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    titles_are_new: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    withdrawn: Vec<u32>,
    /// What users have taken since training, by user number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    later: BTreeMap<u32, Vec<u32>>,
}

impl Recommender {
    /// Writes `model.safetensors` into a folder, or the file itself if the path ends in `.safetensors`. The file is
    /// written atomically and includes the model's parameters; equal models give equal files. If `viral serve` answers
    /// from the folder, hold a [`FolderLock`](crate::data::FolderLock) from loading to saving, or one of the two
    /// overwrites what the other wrote.
    ///
    /// # Errors
    /// If the file cannot be written, or the file of the parameters is gone or has changed since it was loaded.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let (e, d) = (&self.vectors, self.vectors.d());
        let owned = |names: &Names| names.iter().map(str::to_string).collect();
        let induction = self.induction.as_ref().map(Kept::get).transpose()?;
        let trained = [self.train.n_users(), self.train.n_items()];
        let header = Header {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_string(),
            config: self.config.clone(),
            data: self.data.clone(),
            fingerprint: self.fingerprint.clone(),
            blocks: e.blocks().to_vec(),
            user_ids: owned(&self.users),
            item_ids: owned(&self.items),
            titles: self.titles.as_ref().map(owned),
            induction: induction.as_ref().map(|induction| induction.header.clone()),
            n_trained: (trained != [self.users.len(), self.items.len()]).then_some(trained),
            titles_are_new: self.titles.is_some() && !self.trained_with_titles,
            withdrawn: self.withdrawn.clone(),
            later: self.later.clone(),
        };
        let parameters = self.parameters()?;
        let mut all: Parameters =
            parameters.into_iter().map(|(name, values)| (format!("{PARAMETERS}{name}"), values)).collect();
        if let Some(induction) = &induction {
            induction.write(&mut |name, value| {
                all.insert(format!("{INDUCTION}{name}"), value);
            });
        }
        all.insert("users".into(), TensorData::new(e.users().to_vec(), [self.users.len(), d]));
        all.insert("items".into(), TensorData::new(e.items().to_vec(), [self.items.len(), d]));
        all.insert("fold_in".into(), TensorData::new(self.fold_in.map().to_vec(), [d, d]));
        for (name, part) in [("seen", &self.train), ("held_out", &self.held_out)] {
            let degrees: Vec<i32> = part.user_degrees().iter().map(|&n| n as i32).collect();
            let items: Vec<i32> = part.items().iter().map(|&i| i as i32).collect();
            for (what, values) in [("degrees", degrees), ("items", items)] {
                let n = values.len();
                all.insert(format!("{name}/{what}"), TensorData::new(values, [n]));
            }
        }
        tensors::write(&file_in(path.as_ref(), false), &header, &all)
    }

    /// Loads what [`save`](Self::save) wrote, from the folder or the file itself, and checks every bit.
    ///
    /// The model's parameters stay in the file until [`model`](Self::model), [`restore`](Self::restore) or
    /// [`save`](Self::save) needs them: serving does not.
    ///
    /// # Errors
    /// If the file is missing, damaged, of a later format, or not a saved model.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = file_in(path.as_ref(), true);
        let (mut header, mut all): (Header, Parameters) = tensors::read(&path)?;
        let checksum = model_checksum(&all);
        let broken = |what: &str| Error::file(&path, format!("is not a saved model: {what}"));
        if header.format == 0 || header.format > FORMAT {
            let found = header.format;
            return Err(broken(&format!("format {found}; this version reads 1 to {FORMAT}, use a later one")));
        }
        let (n_users, n_items) = (header.user_ids.len(), header.item_ids.len());
        if header.titles.as_ref().is_some_and(|titles| titles.len() != n_items) {
            return Err(broken("there is not one title for each item"));
        }
        if header.format < 3 {
            features_as_they_are(&mut header.config);
        }
        let d = header.blocks.iter().try_fold(0usize, |sum, b| sum.checked_add(b.1));
        let d = d.filter(|&d| d > 0).ok_or_else(|| broken("its blocks have no width"))?;
        if header.format == 1 && d > WIDEST {
            return Err(broken(&format!("its blocks are {d} wide; vectors of format 1 have at most {WIDEST} columns")));
        }
        let mut floats = |name: &str, shape: [usize; 2]| {
            let values = all.remove(name).filter(|t| t.shape().to_vec() == shape);
            let values = values.and_then(|t| t.try_into_vec::<f32>().ok());
            values.ok_or_else(|| broken(&format!("'{name}' is not [{}, {}]", shape[0], shape[1])))
        };
        let (users, items) = (floats("users", [n_users, d])?, floats("items", [n_items, d])?);
        let fold_in = match header.format {
            1 => None,
            _ => {
                let map = FoldIn::from_map(floats("fold_in", [d, d])?, d);
                Some(map.ok_or_else(|| broken("'fold_in' is not finite"))?)
            }
        };
        let trained = header.n_trained.unwrap_or([n_users, n_items]);
        if trained[0] > n_users || trained[1] > n_items {
            return Err(broken("it has fewer users or items than it was trained on"));
        }
        let mut part = |name: &str| pairs(&mut all, name, trained).map_err(|what| broken(&what));
        let in_order = |items: &[u32]| {
            items.windows(2).all(|pair| pair[0] < pair[1]) && items.last().is_none_or(|&last| (last as usize) < n_items)
        };
        let users_fit = header.later.last_key_value().is_none_or(|(&user, _)| (user as usize) < n_users);
        if !users_fit || !header.later.values().chain([&header.withdrawn]).all(|items| in_order(items)) {
            return Err(broken("what came after training does not fit"));
        }
        let train = part("seen")?;
        let held_out = match header.format {
            1 => Interactions::from_pairs(trained[0], trained[1], &[]),
            _ => part("held_out")?,
        };
        let names = |ids: &[String]| Names::new(ids).map_err(|what| broken(&what));
        let titles = header.titles.as_ref().map(|titles| Names::listed(titles));
        Self::from_parts(Parts {
            users: names(&header.user_ids)?,
            items: names(&header.item_ids)?,
            titles: titles.transpose().map_err(|what| broken(&what))?,
            config: header.config,
            data: header.data,
            fingerprint: header.fingerprint,
            vectors: HostEmbeddings::new(users, items, header.blocks).map_err(|e| broken(&e.to_string()))?,
            train,
            held_out,
            fold_in,
            induction: header.induction.map(|_| Kept::File(path.clone(), checksum.clone(), Arc::default())),
            withdrawn: header.withdrawn,
            later: header.later,
            trained_with_titles: header.titles.is_some() && !header.titles_are_new,
            parameters: Source::File(path.clone(), checksum),
        })
        .map_err(|e| Error::file(&path, e.to_string()))
    }
}

/// Reads the parameters from a model file, which must still have this checksum.
pub(super) fn read_parameters(path: &Path, checksum: &str) -> Result<Parameters> {
    let (_, all) = read_same(path, checksum)?;
    Ok(all.into_iter().filter_map(|(n, t)| Some((n.strip_prefix(PARAMETERS)?.to_string(), t))).collect())
}

/// Reads what embeds new items from a model file, which must still have this checksum.
pub(super) fn read_induction(path: &Path, checksum: &str) -> Result<Induction> {
    let (header, all) = read_same(path, checksum)?;
    let broken = |what: String| Error::file(path, format!("is not a saved model: {what}"));
    let induction = header.induction.ok_or_else(|| broken("nothing that embeds new items".into()))?;
    let tensors = all.into_iter().filter_map(|(n, t)| Some((n.strip_prefix(INDUCTION)?.to_string(), t))).collect();
    let n_items = header.n_trained.map_or(header.item_ids.len(), |trained| trained[1]);
    let d = header.blocks.iter().map(|block| block.1).sum();
    Induction::read(induction, tensors, [n_items, d], header.blocks.len()).map_err(broken)
}

fn read_same(path: &Path, checksum: &str) -> Result<(Header, Parameters)> {
    let (header, all): (Header, Parameters) = tensors::read(path)?;
    match model_checksum(&all) == checksum {
        true => Ok((header, all)),
        false => Err(Error::file(path, "has changed since the model was loaded; load it again")),
    }
}

/// Checksum of what training made: adding items and saving the file again does not change it.
fn model_checksum(all: &Parameters) -> String {
    let of_model = |name: &&String| name.starts_with(PARAMETERS) || name.starts_with(INDUCTION) || *name == "fold_in";
    let names = all.keys().filter(of_model);
    tensors::checksum_of(names.map(|name| (name.as_str(), &all[name])))
}

/// Turns off feature normalisation for models saved before format 3, which had no setting for it.
fn features_as_they_are(config: &mut Value) {
    if let Value::Object(fields) = config
        && matches!(fields.get("model").and_then(Value::as_str), Some("viral" | "vbpr" | "freedom"))
    {
        fields.entry("normalize_features").or_insert(Value::Bool(false));
    }
}

impl Recommender {
    /// The file that [`load`](Self::load) reads for a path: `model.safetensors` in a folder, or the file itself.
    pub fn file_of(path: impl AsRef<Path>) -> PathBuf {
        file_in(path.as_ref(), true)
    }
}

/// The model file for a path. If it does not `exist` yet, a path that does not end in `.safetensors` is a folder.
fn file_in(path: &Path, exists: bool) -> PathBuf {
    let is_file = match exists {
        true => path.is_file(),
        false => !path.is_dir() && path.extension().is_some_and(|extension| extension == "safetensors"),
    };
    let named = path.extension().is_some_and(|extension| extension == "safetensors") && !path.is_dir();
    if is_file || named { path.to_path_buf() } else { path.join(FILE) }
}

/// Reads interactions from `<name>/degrees` and `<name>/items`.
fn pairs(
    all: &mut Parameters,
    name: &str,
    [n_users, n_items]: [usize; 2],
) -> std::result::Result<Interactions, String> {
    let mut ints = |what: &str| {
        let values = all.remove(&format!("{name}/{what}")).and_then(|t| t.try_into_vec::<i32>().ok());
        values.ok_or_else(|| format!("no '{name}/{what}'"))
    };
    let (degrees, items) = (ints("degrees")?, ints("items")?);
    let total = degrees.iter().try_fold(0usize, |sum, &n| sum.checked_add(usize::try_from(n).ok()?));
    let fits = degrees.len() == n_users && total == Some(items.len());
    if !fits || items.iter().any(|&i| i < 0 || i as usize >= n_items) {
        return Err("what users have seen does not fit".into());
    }
    let owners = degrees.iter().enumerate().flat_map(|(u, &n)| (0..n).map(move |_| u as u32));
    let pairs: Vec<(u32, u32)> = owners.zip(items.iter().map(|&i| i as u32)).collect();
    Ok(Interactions::from_pairs(n_users, n_items, &pairs))
}
