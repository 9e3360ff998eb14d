//! Models whose rows are distributed over ranks.

use super::evaluate::hits;
use super::light_gcn::PartLightGcn;
use super::own_rows::OwnRows;
use super::parts::{Ranks, Rows};
use super::picked::Picked;
use super::viral::PartViral;
use crate::data::{Interactions, StepKey, TrainSet, Triplets};
use crate::model::{Model, ModelConfig};
use crate::nn::Init;
use crate::ops::{gather_rows, indices, read_floats, with_gradient};
use crate::train::{Holds, Step, TrainerConfig, sizes};
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use std::ops::Range;

/// What a rank holds of a model besides its rows of the parameters.
pub(super) enum Part {
    LightGcn(PartLightGcn),
    Viral(Box<PartViral>),
}

/// Vectors of a rank's users and items, row-major.
#[derive(Debug)]
pub(super) struct OwnEmbeddings {
    pub(super) users: Vec<f32>,
    pub(super) items: Vec<f32>,
    pub(super) d: usize,
    /// Name and width of each block of columns.
    pub(super) blocks: Vec<(String, usize)>,
}

impl Part {
    /// Checks that a model can be split, before anything is built: a graph can take long.
    pub(super) fn check(config: &ModelConfig) -> Result<()> {
        match config {
            ModelConfig::LightGcn(_) => Ok(()),
            ModelConfig::Viral(config) => config.check_splits(),
            other => Err(Error::Config(format!(
                "{} cannot be split over ranks; lightgcn and viral can. Train it in one process",
                other.name()
            ))),
        }
    }

    /// Builds this rank's rows of a fresh model, and its part of the graphs and content.
    pub(super) fn new(config: &ModelConfig, data: &TrainSet, init: &mut Init, ranks: &Ranks) -> Result<(Model, Self)> {
        Self::check(config)?;
        match config {
            ModelConfig::LightGcn(config) => {
                let (model, part) = PartLightGcn::new(config, &data.interactions, init, ranks)?;
                Ok((Model::LightGcn(model), Self::LightGcn(part)))
            }
            ModelConfig::Viral(config) => {
                let (model, part) = PartViral::new(
                    config.init_by([&OwnRows::of(ranks, Side::Users), &OwnRows::of(ranks, Side::Items)], data, init)?,
                    ranks,
                );
                Ok((Model::Viral(model), Self::Viral(Box::new(part))))
            }
            _ => panic!("a model that cannot be split was not refused"),
        }
    }

    /// Embeds this rank's users and items, on the full graphs.
    pub(super) fn embed(&self, model: &Model, ranks: &Ranks) -> Result<OwnEmbeddings> {
        match (self, model) {
            (Self::LightGcn(part), Model::LightGcn(model)) => part.embed(model, ranks),
            (Self::Viral(part), Model::Viral(model)) => part.embed(model, ranks),
            _ => panic!("a part of one model and the parameters of another"),
        }
    }

    /// Number of nonzeros in this rank's rows of the graphs.
    pub(super) fn nnz(&self) -> usize {
        match self {
            Self::LightGcn(part) => part.nnz(),
            Self::Viral(part) => part.nnz(),
        }
    }
}

/// A model in parts, as the trainer sees it.
pub(super) struct Split<'a> {
    pub(super) ranks: &'a Ranks<'a>,
    pub(super) part: &'a mut Part,
    pub(super) seen: &'a Interactions,
}

impl Holds<Model> for Split<'_> {
    fn begin_epoch(&mut self, _: &mut Model, seed: u64, epoch: usize) -> Result<()> {
        match self.part {
            // The graph is the same in every epoch.
            Part::LightGcn(_) => {}
            Part::Viral(part) => part.begin_epoch(self.ranks, seed, epoch),
        }
        Ok(())
    }

    /// The objective is the same on every rank.
    fn step(&self, model: &Model, batch: &Triplets, key: StepKey) -> Result<Step> {
        match (&*self.part, model) {
            (Part::LightGcn(part), Model::LightGcn(model)) => part.step(model, self.ranks, batch),
            (Part::Viral(part), Model::Viral(model)) => part.step(model, self.ranks, batch, key),
            _ => panic!("a part of one model and the parameters of another"),
        }
    }

    fn sizes(&self, model: &Model) -> Result<Vec<(String, f64)>> {
        let mut all = sizes(model);
        let own: Vec<u8> = all.iter().flat_map(|(_, size)| size.to_le_bytes()).collect();
        for of_rank in self.ranks.world.all_gather_bytes(&own)? {
            for ((_, size), other) in all.iter_mut().zip(of_rank.as_chunks::<8>().0) {
                let other = f64::from_le_bytes(*other);
                // NaN counts as the largest.
                if other.is_nan() || other > *size {
                    *size = other;
                }
            }
        }
        Ok(all)
    }

    fn validate(&self, model: &Model, config: &TrainerConfig, valid: &Interactions) -> Result<f64> {
        let own = self.part.embed(&model.clone().valid(), self.ranks)?;
        let metrics = hits(self.ranks, &own, self.seen, valid, config.monitor_k)?.metrics(&[config.monitor_k])?;
        Ok(metrics.mean(config.monitor, config.monitor_k))
    }
}

/// The kind of rows that a parameter has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Users,
    Items,
}

/// The kind of rows that a parameter or its moments have, by name; `None` if all ranks hold the whole.
pub(super) fn side(name: &str) -> Option<Side> {
    let name = name.strip_suffix(".m").or(name.strip_suffix(".v")).unwrap_or(name);
    // VIRAL's modality weights are rows of users.
    match name.rsplit('.').next() {
        Some("users") => Some(Side::Users),
        Some("items") => Some(Side::Items),
        _ => name.ends_with("weights.weight").then_some(Side::Users),
    }
}

/// Whether all ranks hold the whole of a parameter.
pub(super) fn is_shared(name: &str) -> bool {
    side(name).is_none()
}

/// Back-propagates the gradients `dx` of some matrices `x` to what these were computed from.
pub(super) fn pull(outputs: Vec<(Tensor<2>, Vec<f32>)>) -> Gradients {
    let terms = outputs.into_iter().filter(|(x, _)| x.is_tracked()).map(|(x, dx)| {
        let dx = Tensor::from_data(TensorData::new(dx, x.dims()), &x.device());
        with_gradient(x, dx)
    });
    match terms.reduce(|sum, term| sum + term) {
        Some(sum) => sum.backward(),
        None => panic!("gradients of what depends on nothing"),
    }
}

impl Ranks<'_> {
    pub(super) fn of(&self, side: Side) -> &Rows {
        match side {
            Side::Users => &self.users,
            Side::Items => &self.items,
        }
    }
}

/// The shape of all rows of a parameter or its moments, from the shape of this rank's rows.
pub(super) fn full_shape(ranks: &Ranks, name: &str, own: &[usize]) -> Vec<usize> {
    let mut shape = own.to_vec();
    if let Some(side) = side(name) {
        let rows = ranks.of(side);
        // Also for flat moments: their length is a multiple of the number of rows.
        shape[0] = shape[0] / rows.of_rank(ranks.world.rank()).len() * rows.n();
    }
    shape
}

/// The range of this rank's values among all `n`.
pub(super) fn own_span(ranks: &Ranks, name: &str, n: usize) -> Range<usize> {
    let Some(side) = side(name) else { return 0..n };
    let (rows, own) = (ranks.of(side), ranks.of(side).of_rank(ranks.world.rank()));
    let width = n / rows.n();
    own.start * width..own.end * width
}

/// The picked rows of a distributed matrix, as a leaf tensor that requires a gradient.
pub(super) fn leaf(rows: Vec<f32>, d: usize, device: &Device) -> Tensor<2> {
    let n = rows.len() / d;
    Tensor::from_data(TensorData::new(rows, [n, d]), device).require_grad()
}

/// A matrix in host memory as a constant.
pub(super) fn constant(rows: Vec<f32>, d: usize, device: &Device) -> Tensor<2> {
    let n = rows.len() / d;
    Tensor::from_data(TensorData::new(rows, [n, d]), &device.clone().inner())
}

/// The gradient of a leaf; zeros if it has none.
pub(super) fn gradient(leaf: &Tensor<2>, gradients: &mut Gradients) -> Vec<f32> {
    match leaf.grad_remove(gradients) {
        Some(gradient) => read_floats(&gradient, <[f32]>::to_vec),
        None => vec![0.0; leaf.shape().num_elements()],
    }
}

/// Gathers the picked rows of a distributed matrix on all ranks.
pub(super) fn fetch_table_rows(own: Tensor<2>, picked: &Picked, ranks: &Ranks) -> Result<Vec<f32>> {
    let (d, device) = (own.dims()[1], own.device());
    let ids = picked.own.iter().map(|&row| row as i32).collect();
    let rows = gather_rows(own, indices(ids, &device));
    read_floats(&rows, |rows| picked.fetch(ranks, rows, d))
}
