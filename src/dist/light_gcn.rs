//! LightGCN, split over ranks.

use super::graph::PartGraph;
use super::model::{OwnEmbeddings, constant, fetch_table_rows, gradient, leaf};
use super::parts::Ranks;
use super::picked::Picked;
use crate::Result;
use crate::data::{Interactions, Triplets};
use crate::graph::MMREC_EPS;
use crate::model::{LightGcn, LightGcnConfig};
use crate::nn::{Init, nodes};
use crate::ops::{indices, read_floats};
use crate::train::Step;
use burn::tensor::Tensor;

/// The graph rows of a rank's users and items.
pub(super) struct PartLightGcn {
    graph: PartGraph,
}

impl PartLightGcn {
    pub(super) fn new(
        config: &LightGcnConfig,
        train: &Interactions,
        init: &mut Init,
        ranks: &Ranks,
    ) -> Result<(LightGcn, Self)> {
        let own = [ranks.own_users(), ranks.own_items()];
        let model = config.init_rows([ranks.users.n(), ranks.items.n()], own, init)?;
        Ok((model, Self { graph: PartGraph::user_item(train.csr(), MMREC_EPS, ranks) }))
    }

    pub(super) fn nnz(&self) -> usize {
        self.graph.nnz()
    }

    /// The vectors of this rank's nodes before propagation.
    fn nodes(model: &LightGcn) -> Tensor<2> {
        nodes(model.users.val().inner(), model.items.val().inner())
    }

    /// Fetches the batch's rows before and after propagation. Every rank computes the objective from them, and
    /// back-propagates their gradient to its own rows.
    pub(super) fn step(&self, model: &LightGcn, ranks: &Ranks, batch: &Triplets) -> Result<Step> {
        let (device, n_users) = (model.users.val().device(), ranks.users.n() as u32);
        let users = || batch.users().iter().copied();
        let items = || batch.positives().iter().chain(batch.negatives()).map(|item| item + n_users);
        let picked = Picked::new(&self.graph.layout, ranks.world.rank(), users().chain(items()));

        let x = Self::nodes(model);
        let (d, coefficients) = (x.dims()[1], model.coefficients());
        let before = fetch_table_rows(x.clone(), &picked, ranks)?;
        let after = read_floats(&x, |x| self.graph.picked(ranks, x, d, &coefficients, &picked))?;
        drop(x);
        let (before, after) = (leaf(before, d, &device), leaf(after, d, &device));
        let at = |nodes: Vec<i32>| indices(nodes, &device.clone().inner());
        let (u, i) = (at(picked.find(users().chain(users()))), at(picked.find(items())));
        let mut step = Step::of(model.objective_of(before.clone(), after.clone(), u, i));

        let d_after = gradient(&after, &mut step.gradients);
        let mut dx = self.graph.picked_backward(ranks, &picked, &d_after, d, &coefficients)?;
        picked.add(ranks, &gradient(&before, &mut step.gradients), d, &mut dx);
        let of_items = dx.split_off(model.users.dims()[0] * d);
        model.users.val().grad_replace(&mut step.gradients, constant(dx, d, &device));
        model.items.val().grad_replace(&mut step.gradients, constant(of_items, d, &device));
        Ok(step)
    }

    pub(super) fn embed(&self, model: &LightGcn, ranks: &Ranks) -> Result<OwnEmbeddings> {
        let x = Self::nodes(model);
        let d = x.dims()[1];
        let mut users = read_floats(&x, |x| self.graph.polynomial(ranks, x, d, &model.coefficients()))?;
        let items = users.split_off(model.users.dims()[0] * d);
        Ok(OwnEmbeddings { users, items, d, blocks: vec![("id".to_string(), d)] })
    }
}
