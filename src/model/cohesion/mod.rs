//! COHESION: modalities fused with ids, layer-refined propagation, and user-user and item-item graphs.

mod config;
mod frozen;

pub use config::CohesionConfig;
pub use frozen::{FrozenBranch, FrozenLinear};

use super::content::project;
use super::{Batch, Content, Embed, Embeddings, PrunedGraph, Trainable, UserGraph};
use crate::loss::{Objective, bpr, mean_square_of_rows};
use crate::nn::{
    HomogeneousPropagation, LayerRefinedPropagation, ModalityProjections, l2_normalize, nodes, unit_blocks,
    users_and_items,
};
use crate::ops::{SparseMatrix, block_products, row_range};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

/// COHESION: a block of ids and one for each modality, propagated over the user-item graph and then over the user-user
/// and item-item graphs.
#[derive(Module, Debug)]
pub struct Cohesion {
    /// `P_m`: users' vectors in each modality, in the order text, visual, audio, multimodal, then by name,
    /// `[n_users, d]`.
    pub users: Vec<Param<Tensor<2>>>,
    /// `h_m`: heads that map features to items' vectors, in the same order.
    pub heads: ModalityProjections,
    /// `i`: id embeddings of the items, which are fused with every modality, `[n_items, d]`.
    pub items: Param<Tensor<2>>,
    /// User vectors and head of the id branch, which are not trained.
    pub id_branch: FrozenBranch,
    /// The user-item graph: full for ranking, pruned for training if `edge_dropout` is set.
    pub user_item: PrunedGraph,
    /// `Γ`: plain for ranking, padded for training if `pad_users` is set.
    pub user_user: UserGraph,
    item_item: SparseMatrix,
    features: Vec<Content>,
    #[module(skip)]
    modalities: Vec<String>,
    n_layers: usize,
    n_item_layers: usize,
    reg: f64,
}

impl Cohesion {
    /// Name of the id block.
    const ID: &str = "id";

    /// Computes `z_id` of all nodes, users first, `[n_users + n_items, d]`: a constant.
    pub fn id_nodes(&self, user_item: &SparseMatrix) -> Tensor<2> {
        let ids = self.items.val().inner();
        let items = early_fusion(ids.clone(), self.id_branch.head(ids));
        let users = self.id_branch.users.clone().inner();
        self.propagation(1).forward(user_item, nodes(l2_normalize(users), l2_normalize(items)))
    }

    /// Computes `[z_text ‖ z_visual ‖ …]` of all nodes, users first, `[n_users + n_items, n_modalities · d]`.
    pub fn content_nodes(&self, user_item: &SparseMatrix) -> Tensor<2> {
        // All modalities in one pass over the graph.
        self.propagation(self.modalities.len()).forward(user_item, self.content_inputs())
    }

    /// Computes `x⁰`, the input of [`content_nodes`](Self::content_nodes).
    pub fn content_inputs(&self) -> Tensor<2> {
        let ids = self.items.val();
        let items = project(&self.heads, &self.features).into_iter().map(|h| early_fusion(ids.clone(), h));
        nodes(unit_blocks(self.users.iter().map(|table| table.val())), unit_blocks(items))
    }

    fn propagation(&self, blocks: usize) -> LayerRefinedPropagation {
        LayerRefinedPropagation { n_layers: self.n_layers, blocks }
    }

    fn n_users(&self) -> usize {
        self.users[0].dims()[0]
    }

    /// Like [`embed`](Embed::embed), with other graphs, such as the [pruned](PrunedGraph::pruned) and the
    /// [padded](UserGraph::padded) one.
    pub fn embed_over(&self, user_item: &SparseMatrix, user_user: &SparseMatrix) -> Embeddings {
        let nodes = Tensor::cat(vec![self.id_nodes(user_item), self.content_nodes(user_item)], 1);
        let (users, items) = users_and_items(nodes, self.n_users());
        let names = std::iter::once(Self::ID).chain(self.modalities.iter().map(String::as_str));
        let d = self.items.dims()[1];
        let blocks = names.map(|name| (name.to_string(), d)).collect();
        let users = HomogeneousPropagation::residual(1).forward(user_user, users);
        Embeddings::with_blocks(
            users,
            HomogeneousPropagation::residual(self.n_item_layers).forward(&self.item_item, items),
            blocks,
        )
    }

    /// Computes `p_m` and `n_m`, the share of each block in the scores of a batch's positives and negatives,
    /// `[n, blocks]` each, ids first.
    ///
    /// Only the batch's rows of the user-user and item-item graphs are computed.
    pub fn shares(&self, batch: &Batch) -> [Tensor<2>; 2] {
        let graph = self.user_item.pruned();
        let [_, items_of] = batch.pairs();
        let n = batch.len();
        let of = |nodes: Tensor<2>, blocks: usize| {
            let (users, items) = users_and_items(nodes, self.n_users());
            let users =
                HomogeneousPropagation::residual(1).forward_rows(self.user_user.padded(), users, batch.users.clone());
            let items = HomogeneousPropagation::residual(self.n_item_layers).forward_rows(
                &self.item_item,
                items,
                items_of.clone(),
            ); // [2 n, ..]
            [0, n].map(|first| block_products(users.clone(), row_range(items.clone(), first, n), blocks))
        };
        // The id block needs no gradient, so it is propagated separately.
        let ([p_id, n_id], [p, n]) =
            (of(self.id_nodes(graph), 1), of(self.content_nodes(graph), self.modalities.len()));
        [Tensor::cat(vec![p_id, p], 1), Tensor::cat(vec![n_id, n], 1)]
    }

    /// Computes `a = 1 - softmax(p - n)` over the blocks, a constant: the block that separates a pair best weighs
    /// least.
    ///
    /// # Shapes
    /// - `positive`, `negative`, output: `[n, blocks]`
    pub fn block_weights(positive: &Tensor<2>, negative: &Tensor<2>) -> Tensor<2> {
        let margins = positive.clone().inner() - negative.clone().inner();
        -softmax(margins, 1) + 1.0
    }
}

/// Computes `√((a² + b²) / 2 + 1e-8)` elementwise.
fn early_fusion(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    ((a.square() + b.square()) * 0.5 + 1e-8).sqrt()
}

impl Embed for Cohesion {
    fn embed(&self) -> Embeddings {
        self.embed_over(self.user_item.full(), self.user_user.plain())
    }
}

impl Trainable for Cohesion {
    fn begin_epoch(&mut self, seed: u64, epoch: usize) -> crate::Result<()> {
        self.user_item.redraw(seed, epoch);
        self.user_user.redraw(seed, epoch);
        Ok(())
    }

    fn objective(&self, batch: &Batch) -> Objective {
        let [positive, negative] = self.shares(batch);
        let weights = Self::block_weights(&positive, &negative);
        let score = |shares: Tensor<2>| (shares * weights.clone()).sum_dim(1).squeeze_dim::<1>(1);
        let ranking = bpr(score(positive), score(negative));
        let squares = self.users.iter().map(|table| mean_square_of_rows(table.val(), batch.users.clone()));
        let objective = Objective::new().with("bpr", std::f64::consts::LN_2.recip(), ranking);
        match squares.reduce(|sum, square| sum + square) {
            Some(squares) => objective.with("reg", self.reg, squares),
            None => objective,
        }
    }
}
