//! MENTOR: separately propagated modalities, whose distributions are aligned with each other and with that of the ids.

mod config;
mod views;

pub use config::MentorConfig;
pub use views::{MentorDraws, MentorViews};

use super::{Batch, Content, Embed, Embeddings, Trainable};
use crate::loss::{Moments, Objective, bpr, mean_square, mean_square_of_rows, pair_scores};
use crate::nn::{
    FeatureProjection, FeatureProjectionConfig, HomogeneousPropagation, Init, LayerAggregation, LightGcnPropagation,
    UserModalityWeights, l2_normalize, nodes, users_and_items, xavier_normal,
};
use crate::ops::{SparseMatrix, weigh_blocks};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// One encoder of [`Mentor`]: user vectors, and a head for the features of items.
#[derive(Module, Debug)]
pub struct MentorContent {
    /// `P`: user vectors, `[n_users, d]`.
    pub users: Param<Tensor<2>>,
    /// Head that maps features to width `d`.
    pub head: FeatureProjection,
}

impl MentorContent {
    fn new(n_users: usize, d_in: usize, config: &MentorConfig, init: &mut Init) -> Self {
        let head = FeatureProjectionConfig::new(d_in, config.d_embed).with_d_hidden(config.d_hidden);
        Self { users: xavier_normal([n_users, config.d_embed], init), head: head.init(init) }
    }

    /// Computes users and items with rows of length one, before propagation.
    ///
    /// # Shapes
    /// - `features`: `[n_items, d_in]`; output: `[n_users + n_items, d]`
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        nodes(l2_normalize(self.users.val()), l2_normalize(self.head.forward(features)))
    }

    /// Like [`forward`](Self::forward), for a modality; items without content get zeros.
    fn of(&self, content: &Content) -> Tensor<2> {
        let items = content.through(|features| self.head.forward(features));
        nodes(l2_normalize(self.users.val()), l2_normalize(items))
    }
}

/// MENTOR: text and visual content, which are scored, and ids, which guide them.
#[derive(Module, Debug)]
pub struct Mentor {
    /// Text encoder.
    pub text: MentorContent,
    /// Visual encoder.
    pub visual: MentorContent,
    /// Id encoder, which guides the other two.
    pub ids: MentorContent,
    /// Id embeddings of the items, the features of the id encoder, `[n_items, d]`.
    pub items: Param<Tensor<2>>,
    /// Each user's weights of text and visual content.
    pub weights: UserModalityWeights,
    /// The noisy views, if there is self-supervision.
    pub views: Option<MentorViews>,
    /// The user-item graph.
    pub user_item: SparseMatrix,
    /// The item-item graph of nearest neighbours in content.
    pub item_item: SparseMatrix,
    features: Vec<Content>,
    /// Names of the two modalities.
    #[module(skip)]
    names: [&'static str; 2],
    #[module(skip)]
    config: MentorConfig,
}

impl Mentor {
    /// Computes users and items of text, visual content and ids, propagated over both graphs, without the user weights.
    ///
    /// # Shapes
    /// - output: `[n_users, d]` and `[n_items, d]`, for each
    pub fn contents(&self) -> [[Tensor<2>; 2]; 3] {
        let [text, visual] = self.scored();
        [text, visual, self.propagated(self.ids.forward(self.items.val()))]
    }

    /// Computes only the text and visual parts of [`contents`](Self::contents).
    fn scored(&self) -> [[Tensor<2>; 2]; 2] {
        let text = self.text.of(&self.features[0]);
        [text, self.visual.of(&self.features[1])].map(|x| self.propagated(x))
    }

    fn propagated(&self, x: Tensor<2>) -> [Tensor<2>; 2] {
        let propagation = LightGcnPropagation { n_layers: self.config.n_layers, aggregation: LayerAggregation::Sum };
        self.apart(propagation.forward(&self.user_item, x))
    }

    /// Splits nodes into users and items, and adds to the items what they receive over the item-item graph.
    fn apart(&self, nodes: Tensor<2>) -> [Tensor<2>; 2] {
        let (users, items) = users_and_items(nodes, self.weights.weight.dims()[0]);
        let content = HomogeneousPropagation::residual(self.config.n_item_layers);
        [users, content.forward(&self.item_item, items)]
    }

    /// Returns the text and visual blocks of the users, weighted, and of the items.
    fn weighed(&self, text: &[Tensor<2>; 2], visual: &[Tensor<2>; 2]) -> [[Tensor<2>; 2]; 2] {
        let weigh =
            |users: &Tensor<2>, k: usize| weigh_blocks(users.clone(), self.weights.weight.val().narrow(1, k, 1));
        [[weigh(&text[0], 0), weigh(&visual[0], 1)], [text[1].clone(), visual[1].clone()]]
    }

    /// Like [`objective`](Trainable::objective), with given random [`draws`](Self::draws).
    ///
    /// # Panics
    /// When the model has views and `draws` is `None`, or they have other shapes.
    pub fn objective_with(&self, batch: &Batch, draws: Option<&MentorDraws>) -> Objective {
        let [text, visual, ids] = self.contents();
        let [users, items] = self.weighed(&text, &visual);
        // A score is a sum over modalities, which are stored apart.
        let scores = |block: usize| pair_scores(users[block].clone(), items[block].clone(), batch.pairs());
        let ([positive, negative], [of_visual, of_visual_negative]) = (scores(0), scores(1));
        let ranking = bpr(positive + of_visual, negative + of_visual_negative);
        let squares = |content: &MentorContent| mean_square_of_rows(content.users.val(), batch.users.clone());
        let reg = squares(&self.text) + squares(&self.visual) + mean_square(self.weights.weight.val());
        let objective = Objective::new()
            .with("bpr", std::f64::consts::LN_2.recip(), ranking)
            .with("reg", self.config.reg, reg)
            .with("align", self.config.align_weight, aligned(&users, &items, [&ids, &text, &visual]));
        let Some(views) = &self.views else { return objective };
        let drawn = draws.and_then(|draws| Some((draws, self.noisy(draws)?)));
        let Some((draws, noisy)) = drawn else { panic!("mentor: a model with views needs what the step draws") };
        let vectors = [users, items].map(side_by_side);
        objective.with("mask_f", self.config.mask_weight_f, self.masked(views, vectors, draws)).with(
            "mask_g",
            self.config.mask_weight_g,
            self.contrasted(noisy),
        )
    }
}

fn side_by_side(blocks: [Tensor<2>; 2]) -> Tensor<2> {
    Tensor::cat(blocks.to_vec(), 1)
}

/// Sums the distances between the distributions of the scored vectors, given by their blocks, of ids, text and visual
/// content.
fn aligned(users: &[Tensor<2>], items: &[Tensor<2>], alone: [&[Tensor<2>; 2]; 3]) -> Tensor<1> {
    let scored = Moments::new(&[users, items].concat(), 1);
    // The scored vectors have two blocks, so each of the others counts twice.
    let [ids, text, visual] = alone.map(|parts| Moments::new(parts, 2));
    let guided = ids.distance(&scored) + ids.distance(&text) + ids.distance(&visual);
    guided + scored.distance(&text) + scored.distance(&visual) + text.distance(&visual)
}

impl Embed for Mentor {
    fn embed(&self) -> Embeddings {
        let [text, visual] = self.scored();
        let [users, items] = self.weighed(&text, &visual).map(side_by_side);
        let d = self.config.d_embed;
        Embeddings::with_blocks(users, items, self.names.map(|name| (name.to_string(), d)).to_vec())
    }
}

impl Trainable for Mentor {
    fn objective(&self, batch: &Batch) -> Objective {
        self.objective_with(batch, self.draws(batch.key).as_ref())
    }
}
