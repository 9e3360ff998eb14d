//! LightGCN: propagation of id embeddings over the user-item graph.

use super::{Batch, Embed, Embeddings, Trainable, check};
use crate::data::TrainSet;
use crate::graph::{MMREC_EPS, bipartite_adjacency};
use crate::loss::{Objective, bpr_with_l2, pair_scores, squared_lengths};
#[cfg(feature = "flex")]
use crate::nn::xavier_uniform_rows;
use crate::nn::{Init, LayerAggregation, LightGcnPropagation, nodes, users_and_items, xavier_uniform};
use crate::ops::SparseMatrix;
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};
#[cfg(feature = "flex")]
use std::ops::Range;

/// Settings of [`LightGcn`].
///
/// *LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation*, SIGIR 2020, arXiv 2002.02126.
///
/// ```text
/// x⁽ˡ⁾ = D^-1/2 A D^-1/2 x⁽ˡ⁻¹⁾,    z = Σ_{l = 0 … L} x⁽ˡ⁾ / (L + 1),    ŷ_ui = z_uᵀ z_i
/// L = mean -ln σ(ŷ_ui - ŷ_uj) + reg · (‖U_b‖ + ‖I_b‖ + ‖J_b‖) / batch
/// ```
///
/// where `U_b`, `I_b` and `J_b` are the batch's vectors before propagation. A step takes O(pairs · n_layers · d) time and
/// O((users + items) · d) memory.
///
/// ```
/// use viral::model::LightGcnConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = LightGcnConfig::default();
/// config.d_embed = 32;
/// let model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// assert_eq!(model.users.dims(), [30, 32]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LightGcnConfig {
    /// Width of the embeddings. Default: 64.
    pub d_embed: usize,
    /// Number of propagation layers. Default: 2.
    pub n_layers: usize,
    /// Weight of the L2 norms of the batch's vectors before propagation. Default: 0.0001.
    pub reg: f64,
}

impl Default for LightGcnConfig {
    fn default() -> Self {
        Self { d_embed: 64, n_layers: 2, reg: 1e-4 }
    }
}

impl LightGcnConfig {
    /// Builds the model with Xavier uniform tables and the normalised adjacency of `data`.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> crate::Result<LightGcn> {
        check(self.d_embed, &[("reg", self.reg)])?;
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        Ok(LightGcn {
            users: xavier_uniform([n_users, self.d_embed], init),
            items: xavier_uniform([n_items, self.d_embed], init),
            graph: SparseMatrix::new(&bipartite_adjacency(&data.interactions, MMREC_EPS), init.device()),
            n_layers: self.n_layers,
            reg: self.reg,
        })
    }

    /// Like [`init`](Self::init), for a range of users and one of items, and without the graph.
    #[cfg(feature = "flex")]
    pub(crate) fn init_rows(
        &self,
        [n_users, n_items]: [usize; 2],
        [users, items]: [Range<usize>; 2],
        init: &mut Init,
    ) -> crate::Result<LightGcn> {
        check(self.d_embed, &[("reg", self.reg)])?;
        Ok(LightGcn {
            users: xavier_uniform_rows([n_users, self.d_embed], users, init),
            items: xavier_uniform_rows([n_items, self.d_embed], items, init),
            graph: SparseMatrix::from_edges(0, 0, &[], init.device()),
            n_layers: self.n_layers,
            reg: self.reg,
        })
    }
}

/// LightGCN: the mean over layers of `x⁽ˡ⁾ = A x⁽ˡ⁻¹⁾` (1).
#[derive(Module, Debug)]
pub struct LightGcn {
    /// Id embeddings of the users, `[n_users, d]`.
    pub users: Param<Tensor<2>>,
    /// Id embeddings of the items, `[n_items, d]`.
    pub items: Param<Tensor<2>>,
    graph: SparseMatrix,
    n_layers: usize,
    reg: f64,
}

impl LightGcn {
    fn propagation(&self) -> LightGcnPropagation {
        LightGcnPropagation { n_layers: self.n_layers, aggregation: LayerAggregation::Mean }
    }

    /// Returns all nodes before and after propagation, users first.
    fn nodes(&self) -> (Tensor<2>, Tensor<2>) {
        let nodes = nodes(self.users.val(), self.items.val());
        (nodes.clone(), self.propagation().forward(&self.graph, nodes))
    }

    /// Returns the coefficient of each power of the graph in the propagation.
    #[cfg(feature = "flex")]
    pub(crate) fn coefficients(&self) -> Vec<f32> {
        self.propagation().coefficients()
    }

    /// Computes the objective of pairs of nodes: users with their positives, then with their negatives.
    ///
    /// # Shapes
    /// - `before`, `after`: rows before and after propagation, `[n, d]`
    /// - `users`, `items`: row indices of the pairs, `[2 m]`
    pub(crate) fn objective_of(
        &self,
        before: Tensor<2>,
        after: Tensor<2>,
        users: Tensor<1, Int>,
        items: Tensor<1, Int>,
    ) -> Objective {
        let m = users.dims()[0] / 2;
        let ids = Tensor::cat(vec![users.clone().narrow(0, 0, m), items.clone()], 0);
        let scores = pair_scores(after.clone(), after, [users, items]);
        bpr_with_l2(scores, squared_lengths([(before, ids)], 3), self.reg)
    }
}

impl Embed for LightGcn {
    fn embed(&self) -> Embeddings {
        let (users, items) = users_and_items(self.nodes().1, self.users.dims()[0]);
        Embeddings::new(users, items, "id")
    }
}

impl Trainable for LightGcn {
    fn objective(&self, batch: &Batch) -> Objective {
        // Indexing one matrix of all nodes, not users and items apart, gives a single gradient.
        let (before, after) = self.nodes();
        let [u, i] = batch.pairs();
        self.objective_of(before, after, u, i + self.users.dims()[0] as i32)
    }
}
