//! The recommender: vectors, ids, titles and histories.

use super::answer::{RecommendOptions, Recommendation};
use super::fold_in::FoldIn;
use super::induction::Induction;
use super::names::Names;
use super::query::{MARGIN, Query, check_scores, hide, inverse, lengths};
use crate::data::{Dataset, Interactions, TrainSet};
use crate::linalg::top_products;
use crate::model::{Embed, HostEmbeddings, Model, ModelConfig, Parameters, load_parameters, parameters};
use crate::nn::Init;
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::Device;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Users per block of [`Recommender::recommend_many`].
const BLOCK: usize = 4096;

/// Answers requests from the vectors of a trained model.
///
/// A score is the inner product of a user's and an item's vector (4). It comes with the share of each block of the
/// embeddings; the shares add up to it exactly. Items that a user is known to have, from the train, the valid or the
/// test part or since, are not recommended unless [`RecommendOptions::with_known`] is set. Equal scores rank the
/// earlier item first.
///
/// All methods that answer requests take `&self`, so threads can share a recommender. Lengths and the index of ids are
/// computed once. One request reads the items' vectors once, on the calling thread;
/// [`recommend_many`](Self::recommend_many) uses all threads. Besides the vectors a recommender holds the ids, titles
/// and histories and a `[d, d]` matrix.
///
/// ```
/// use viral::prelude::*;
/// use viral::serve::Recommender;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
/// let config = ModelConfig::by_name("popularity")?;
/// let model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// let recommender = Recommender::new(&model, &config, &data)?;
/// for found in recommender.recommend("u0007", 3)? {
///     println!("{:.3} {}", found.score, found.item);
/// }
/// let liked = ["i0003", "i0017"];
/// assert_eq!(recommender.recommend_for(&liked, 5)?.len(), 5);
/// assert!(recommender.similar("i0003", 5)?.iter().all(|found| found.item != "i0003"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Recommender {
    pub(super) config: Value,
    pub(super) data: String,
    /// [`Dataset::fingerprint`] of the training data, if the file has it.
    pub(super) fingerprint: Option<String>,
    pub(super) vectors: HostEmbeddings,
    pub(super) users: Names,
    pub(super) items: Names,
    pub(super) titles: Option<Names>,
    pub(super) train: Interactions,
    pub(super) held_out: Interactions,
    pub(super) fold_in: FoldIn,
    pub(super) parameters: Source,
    pub(super) longest_user: f64,
    pub(super) longest_item: f64,
    /// `1 / ‖z_i‖`; 0 for an item whose vector is zero or too short for the reciprocal.
    pub(super) inverse_lengths: Vec<f32>,
    /// Embeds new items.
    pub(super) induction: Option<Kept>,
    /// Removed items, ascending.
    pub(super) withdrawn: Vec<u32>,
    /// What each user has taken since training, ascending.
    pub(super) later: BTreeMap<u32, Vec<u32>>,
    /// Whether the training data had titles.
    pub(super) trained_with_titles: bool,
}

/// Where the model's parameters are. Serving does not need them, so a loaded recommender leaves them in its file.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Memory(Parameters),
    /// The file, and the checksum of the model's part of it.
    File(PathBuf, String),
}

/// The rule that embeds new items; a loaded recommender leaves it in its file until it is needed.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    Memory(Arc<Induction>),
    File(PathBuf, String, Arc<OnceLock<Arc<Induction>>>),
}

impl Kept {
    pub(super) fn get(&self) -> Result<Arc<Induction>> {
        match self {
            Self::Memory(induction) => Ok(induction.clone()),
            Self::File(path, checksum, read) => match read.get() {
                Some(induction) => Ok(induction.clone()),
                None => {
                    let induction = Arc::new(super::saved::read_induction(path, checksum)?);
                    Ok(read.get_or_init(|| induction).clone())
                }
            },
        }
    }
}

/// The fields of a recommender that are not derived from others.
pub(super) struct Parts {
    pub(super) config: Value,
    pub(super) data: String,
    pub(super) fingerprint: Option<String>,
    pub(super) vectors: HostEmbeddings,
    pub(super) users: Names,
    pub(super) items: Names,
    pub(super) titles: Option<Names>,
    pub(super) train: Interactions,
    pub(super) held_out: Interactions,
    pub(super) fold_in: Option<FoldIn>,
    pub(super) parameters: Source,
    pub(super) induction: Option<Kept>,
    pub(super) withdrawn: Vec<u32>,
    pub(super) later: BTreeMap<u32, Vec<u32>>,
    pub(super) trained_with_titles: bool,
}

impl Recommender {
    /// Makes a recommender from a trained model and its training data. `config` is kept with it, so that
    /// [`model`](Self::model) can rebuild a saved built-in model.
    ///
    /// # Errors
    /// If a vector is not finite, or so long that a score could overflow: the model diverged.
    pub fn new<M: Embed + Module>(model: &M, config: &impl Serialize, data: &Dataset) -> Result<Self> {
        let config = serde_json::to_value(config).map_err(|e| Error::Config(format!("the model's settings: {e}")))?;
        let (vectors, parameters) = (model.valid().embed().to_host(), parameters(model));
        let induction = match serde_json::from_value::<ModelConfig>(config.clone()) {
            // `from_parts` reports vectors that are not finite.
            Ok(of_the_table) if vectors.users().iter().chain(vectors.items()).all(|x| x.is_finite()) => {
                Induction::fit(&of_the_table, &parameters, &data.train, &data.valid, &vectors)?
            }
            _ => None,
        };
        let names = |ids: &[String]| Names::new(ids).map_err(Error::Data);
        let titles = data.titles.as_ref().map(|titles| Names::listed(titles)).transpose().map_err(Error::Data)?;
        Self::from_parts(Parts {
            config,
            data: data.name.clone(),
            fingerprint: Some(data.fingerprint()),
            vectors,
            users: names(&data.user_ids)?,
            items: names(&data.item_ids)?,
            titles,
            train: data.train.interactions.clone(),
            held_out: data.valid.union(&data.test),
            fold_in: None,
            parameters: Source::Memory(parameters),
            induction: induction.map(|induction| Kept::Memory(Arc::new(induction))),
            withdrawn: Vec::new(),
            later: BTreeMap::new(),
            trained_with_titles: data.titles.is_some(),
        })
    }

    pub(super) fn from_parts(parts: Parts) -> Result<Self> {
        let Parts { config, data, fingerprint, vectors, users, items, titles, train, held_out, fold_in, .. } = parts;
        let longest_user = lengths(vectors.users(), vectors.d(), "user")?.into_iter().fold(0.0, f64::max);
        let item_lengths = lengths(vectors.items(), vectors.d(), "item")?;
        let longest_item = item_lengths.iter().copied().fold(0.0, f64::max);
        check_scores(longest_user, longest_item)?;
        let inverse_lengths = item_lengths.into_iter().map(inverse).collect();
        let exact = FoldIn::exact(&config, vectors.d());
        let fold_in = exact.or(fold_in).unwrap_or_else(|| FoldIn::fit(&vectors, &train));
        Ok(Self {
            config,
            data,
            fingerprint,
            vectors,
            users,
            items,
            titles,
            train,
            held_out,
            fold_in,
            parameters: parts.parameters,
            longest_user,
            longest_item,
            inverse_lengths,
            trained_with_titles: parts.trained_with_titles,
            induction: parts.induction,
            withdrawn: parts.withdrawn,
            later: parts.later,
        })
    }

    /// The `k` best items for a user by external id, best first; fewer if the catalogue has fewer that are new to them.
    ///
    /// # Errors
    /// [`Error::UnknownUser`]; a `k` of 0; [`Error::NoHistory`] for a user without interactions in the train part or
    /// since, whose vector means nothing. For such a user call [`popular_for`](Self::popular_for), or
    /// [`recommend_for`](Self::recommend_for) with items that they like.
    pub fn recommend(&self, user: &str, k: usize) -> Result<Vec<Recommendation>> {
        self.recommend_with(user, &RecommendOptions::new(k))
    }

    /// [`recommend`](Self::recommend) with exclusions, candidates and weights of the blocks.
    ///
    /// # Errors
    /// Those of [`recommend`](Self::recommend); [`Error::UnknownItem`] for an unknown candidate or excluded item; an
    /// unknown block, or a weight that is not finite.
    pub fn recommend_with(&self, user: &str, options: &RecommendOptions) -> Result<Vec<Recommendation>> {
        let options = self.resolve(options)?;
        let user = self.user_with_history(user)?;
        self.answer(&self.query(user, &options), options.k)
    }

    /// [`recommend_with`](Self::recommend_with) for many users at once, on all threads: one list for each user, in
    /// order.
    ///
    /// # Errors
    /// Those of [`recommend_with`](Self::recommend_with), for the first user who causes one.
    pub fn recommend_many<S: AsRef<str>>(
        &self,
        users: &[S],
        options: &RecommendOptions,
    ) -> Result<Vec<Vec<Recommendation>>> {
        let options = self.resolve(options)?;
        let users = users.iter().map(|user| self.user_with_history(user.as_ref())).collect::<Result<Vec<_>>>()?;
        if options.candidates.is_some() {
            return users.par_iter().map(|&user| self.answer(&self.query(user, &options), options.k)).collect();
        }
        let mut all = Vec::with_capacity(users.len());
        for block in users.chunks(BLOCK) {
            let as_trained = |user: &usize| self.later_of(*user).is_empty();
            let plain = options.weights.iter().all(|&weight| weight == 1.0) && block.iter().all(as_trained);
            let weigh = |&user: &usize| self.weighed(&self.vector_of(user), &options.weights, self.longest_item);
            let weighed: Vec<f32> = match plain {
                true => Vec::new(),
                false => block.iter().map(weigh).collect::<Result<Vec<_>>>()?.concat(),
            };
            let d = self.vectors.d();
            let vector = |row: usize| match weighed.is_empty() {
                true => self.vectors.user(block[row]),
                false => &weighed[row * d..][..d],
            };
            let n_best = (options.k + MARGIN).min(self.items.len());
            let top = top_products(block.len(), vector, self.vectors.items(), d, n_best, |row, columns, scores| {
                hide(&self.query(block[row], &options).hidden, columns, scores);
            });
            let answers: Vec<Vec<Recommendation>> = (0..block.len())
                .into_par_iter()
                .map(|row| {
                    let query = self.query(block[row], &options);
                    self.finish(&query, top.ids[top.places(row)].iter().copied(), options.k)
                })
                .collect();
            all.extend(answers);
        }
        Ok(all)
    }

    /// The `k` best items for a new user, from external ids of items that they liked; these are not recommended again.
    ///
    /// The user's vector is a linear map of the mean vector of the liked items. The map is fitted to the training users
    /// by ridge regression of their vectors on the means of their items.
    ///
    /// # Errors
    /// [`Error::UnknownItem`]; an empty list; a `k` of 0.
    pub fn recommend_for<S: AsRef<str>>(&self, liked: &[S], k: usize) -> Result<Vec<Recommendation>> {
        self.recommend_for_with(liked, &RecommendOptions::new(k))
    }

    /// [`recommend_for`](Self::recommend_for) with exclusions, candidates and weights of the blocks.
    ///
    /// # Errors
    /// Those of [`recommend_for`](Self::recommend_for) and of [`recommend_with`](Self::recommend_with).
    pub fn recommend_for_with<S: AsRef<str>>(
        &self,
        liked: &[S],
        options: &RecommendOptions,
    ) -> Result<Vec<Recommendation>> {
        if liked.is_empty() {
            return Err(Error::Data(
                "no liked items: there is nothing to recommend from; name at least one, or a known user instead".into(),
            ));
        }
        let options = self.resolve(options)?;
        let liked = self.item_numbers(liked.iter().map(AsRef::as_ref))?;
        let vector = self.fold_in.vector(&self.vectors, &liked);
        let known: &[u32] = if options.with_known { &[] } else { &liked };
        let query = Query {
            vector: vector.into(),
            weights: &options.weights,
            hidden: [known, &[], &[], &options.exclude, &self.withdrawn],
            candidates: options.candidates.as_deref(),
            cosine: false,
        };
        self.answer(&query, options.k)
    }

    /// The `k` items with the largest cosine similarity to an item; shares add up to the cosine. The item itself may
    /// have been [removed](Self::remove_items): one that is sold out still has similar items.
    ///
    /// # Errors
    /// [`Error::UnknownItem`]; a `k` of 0.
    pub fn similar(&self, item: &str, k: usize) -> Result<Vec<Recommendation>> {
        self.similar_with(item, &RecommendOptions::new(k))
    }

    /// [`similar`](Self::similar) with exclusions, candidates and weights of the blocks: with the visual block alone,
    /// items that look alike.
    ///
    /// # Errors
    /// Those of [`similar`](Self::similar) and of [`recommend_with`](Self::recommend_with).
    pub fn similar_with(&self, item: &str, options: &RecommendOptions) -> Result<Vec<Recommendation>> {
        let options = self.resolve(options)?;
        let item = self.item_number(item)?;
        let inverse = self.inverse_lengths[item as usize];
        let vector: Vec<f32> = self.vectors.item(item as usize).iter().map(|x| x * inverse).collect();
        let own = [item];
        let query = Query {
            vector: vector.into(),
            weights: &options.weights,
            hidden: [&own, &[], &[], &options.exclude, &self.withdrawn],
            candidates: options.candidates.as_deref(),
            cosine: true,
        };
        self.answer(&query, options.k)
    }

    /// Rebuilds the trained model on `device`; `data` must be its training data.
    ///
    /// # Errors
    /// If the model is not a built-in one (use [`restore`](Self::restore) for those), `data` are not its training data,
    /// or the file is gone or has changed since it was loaded.
    pub fn model(&self, data: &TrainSet, device: &Device) -> Result<Model> {
        let config: ModelConfig = serde_json::from_value(self.config.clone()).map_err(|e| {
            Error::Config(format!("the saved model is not one of the table ({e}); make it and call `restore`"))
        })?;
        let sizes = [data.interactions.n_users(), data.interactions.n_items()];
        if sizes != [self.train.n_users(), self.train.n_items()] || data.interactions != self.train {
            return Err(Error::Data(format!("these train interactions are not those of '{}'", self.data)));
        }
        self.restore(config.init(data, &mut Init::new(0, device))?)
    }

    /// Loads the trained parameters into a model of the same shape.
    ///
    /// # Errors
    /// If names or shapes differ, or the file is gone or has changed since it was loaded.
    pub fn restore<M: Module>(&self, model: M) -> Result<M> {
        load_parameters(model, self.parameters()?)
    }

    /// The trained parameters by name.
    ///
    /// # Errors
    /// If the file is gone or has changed since it was loaded.
    pub fn parameters(&self) -> Result<Parameters> {
        match &self.parameters {
            Source::Memory(parameters) => Ok(parameters.clone()),
            Source::File(path, checksum) => super::saved::read_parameters(path, checksum),
        }
    }
}
