//! VIRAL in parts, for training over ranks: what each row needs before the graphs, and the objective of a batch after
//! them.

use super::config::{FusionPlacement, FusionStrategy, ViralConfig};
use super::{Channel, SYNERGY, Viral, ViralGraphs, fusion_objective, only};
use crate::loss::{Objective, mean_square_of_rows};
use crate::model::{Batch, Content, of_rows};
use crate::nn::{
    FeatureProjection, InformationFusionOutput, Redundancy, Synergy, UserModalityWeights, l2_normalize, nodes,
};
use crate::ops::row_range;
use crate::{Error, Result};
use burn::tensor::{Int, Tensor};
use std::ops::Range;

/// The content of some items, on the inner, non-autodiff device.
pub(crate) struct RowContent {
    text: Content,
    visual: Option<Content>,
    both: Option<Tensor<2>>,
}

/// The rows of tables and propagated vectors that a batch needs, and the indices of its triplets into them.
pub(crate) struct BatchRows {
    /// The users' vectors in batch order, `[n, blocks · d]`.
    pub(crate) u: Tensor<2>,
    /// Vectors of items, `[m, blocks · d]`.
    pub(crate) items: Tensor<2>,
    /// Indices of the positives and the negatives into `items`; negatives are those of each triplet, or shared by all.
    pub(crate) positives: Tensor<1, Int>,
    pub(crate) negatives: Tensor<1, Int>,
    /// Table of each channel's user vectors, and the indices of the batch's users into it.
    pub(crate) user_tables: Vec<Tensor<2>>,
    pub(crate) users_at: Tensor<1, Int>,
    /// The same for the items' id embeddings, if channels have them.
    pub(crate) item_tables: Vec<Tensor<2>>,
    pub(crate) items_at: Tensor<1, Int>,
    /// The mean square of all users' weights, if there are weights.
    pub(crate) weights: Option<Tensor<1>>,
    /// The [encodings](Viral::content_vectors) that InfoNCE compares.
    pub(crate) encodings: Vec<Tensor<2>>,
}

impl ViralConfig {
    /// Checks that rows before propagation depend only on themselves, so that they can be split over ranks.
    pub(crate) fn check_splits(&self) -> Result<()> {
        let setting = match (self.fusion, self.placement) {
            (FusionStrategy::MeanPooling, _) => "fusion = mean_pooling",
            (FusionStrategy::InformationAware, FusionPlacement::Propagated) => "placement = propagated",
            _ => return Ok(()),
        };
        Err(Error::Config(format!("viral with {setting} cannot be split over ranks; train it in one process")))
    }
}

fn range_of(x: &Tensor<2>, rows: &Range<usize>) -> Tensor<2> {
    row_range(x.clone().inner(), rows.start, rows.len())
}

impl Content {
    fn of_rows(&self, rows: &Range<usize>) -> Self {
        Self { rows: range_of(&self.rows, rows), there: self.there.as_ref().map(|there| range_of(there, rows)) }
    }

    fn without_rows(&self) -> Self {
        let none = |x: &Tensor<2>| row_range(x.clone(), 0, 0);
        Self { rows: none(&self.rows), there: self.there.as_ref().map(none) }
    }

    /// Moves the content to the device of `parameter`.
    fn beside(&self, parameter: &Tensor<2>) -> Self {
        Self { rows: beside(&self.rows, parameter), there: self.there.as_ref().map(|there| beside(there, parameter)) }
    }
}

/// Moves a constant from the inner device to that of a parameter.
fn beside(x: &Tensor<2>, parameter: &Tensor<2>) -> Tensor<2> {
    if parameter.is_autodiff() { Tensor::from_inner(x.clone()) } else { x.clone() }
}

impl Viral {
    /// Splits off the part of some users and items: a model of them without content, the content of each of `parts` of
    /// the items, and the graphs.
    pub(crate) fn of_rows(
        self,
        users: &Range<usize>,
        items: &Range<usize>,
        parts: &[Range<usize>],
    ) -> (Self, Vec<RowContent>, ViralGraphs) {
        let content = |rows: &Range<usize>| RowContent {
            text: self.text.of_rows(rows),
            visual: self.visual.as_ref().map(|visual| visual.of_rows(rows)),
            both: self.both.as_ref().map(|both| range_of(both, rows)),
        };
        let contents = parts.iter().map(content).collect();
        let channel = |c: Channel| Channel {
            users: of_rows(c.users, users.clone()),
            head: c.head,
            items: c.items.map(|table| of_rows(table, items.clone())),
        };
        let own = Self {
            weights: self.weights.map(|weights| UserModalityWeights { weight: of_rows(weights.weight, users.clone()) }),
            channels: self.channels.into_iter().map(channel).collect(),
            text: self.text.without_rows(),
            visual: self.visual.map(|visual| visual.without_rows()),
            both: self.both.map(|both| row_range(both, 0, 0)),
            graphs: self.graphs.without_rows(),
            ..self
        };
        (own, contents, self.graphs)
    }

    /// Returns the names and widths of the blocks.
    pub(crate) fn blocks_of_columns(&self) -> Vec<(String, usize)> {
        let [first, second] = self.names;
        let names = match self.channels.len() {
            1 => vec![first],
            2 => vec![first, second],
            _ => vec![first, SYNERGY, second],
        };
        names.into_iter().map(|name| (name.to_string(), self.config.d_embed)).collect()
    }

    /// Applies the layers shared by all items to the content of some. Returns the items' vectors in each channel before
    /// their id embeddings, and the encodings that the fusion's loss terms compare.
    pub(crate) fn content_vectors(&self, content: &RowContent) -> (Vec<Tensor<2>>, Vec<Tensor<2>>) {
        let parameter = self.channels[0].users.val();
        let project = |x: &Content, projection: &Option<FeatureProjection>| {
            let x = x.beside(&parameter);
            let projected = projection.as_ref().map(|projection| x.through(|x| projection.forward(x)));
            (projected.unwrap_or(x.rows), x.there)
        };
        let text = project(&content.text, &self.text_projection);
        let both = content.both.as_ref().map(|both| beside(both, &parameter));
        let (blocks, compared) = match (&content.visual, &self.fusion) {
            (None, _) => (vec![text], Vec::new()),
            (Some(visual), None) => (vec![text, project(visual, &self.visual_projection)], Vec::new()),
            (Some(visual), Some(fusion)) => {
                let ((text, has_text), (visual, has_visual)) = (text, project(visual, &self.visual_projection));
                let fused = fusion.forward_where(text, visual, both.clone());
                let compared = encodings(&fused);
                let [text, synergy, visual] = fused.into_blocks();
                (vec![(text, has_text), (synergy, both), (visual, has_visual)], compared)
            }
        };
        let heads = self.channels.iter().map(|channel| &channel.head);
        let through = |(head, (x, there)): (&Option<FeatureProjection>, (Tensor<2>, _))| match head {
            Some(head) => only(head.forward(x), &there),
            None => x,
        };
        (heads.zip(blocks).map(through).collect(), compared)
    }

    /// Computes the input nodes of the user-item graph, users before items, from the items' content vectors in each
    /// channel.
    pub(crate) fn input_nodes(&self, content: Vec<Tensor<2>>, kept: Option<&Tensor<2>>) -> Tensor<2> {
        let input = |x: Tensor<2>| if self.config.normalize_inputs { l2_normalize(x) } else { x };
        let users = self.channels.iter().map(|c| input(c.users.val())).collect();
        let items = self.channels.iter().zip(content);
        let items = items.map(|(c, content)| input(c.with_free(content, kept))).collect();
        nodes(Tensor::cat(users, 1), Tensor::cat(items, 1))
    }

    /// Returns the coefficients of the powers of the three graphs: user-item, user-user and item-item.
    pub(crate) fn coefficients(&self) -> [Vec<f32>; 3] {
        let of = |p: crate::nn::HomogeneousPropagation| if p.n_layers == 0 { vec![1.0] } else { p.coefficients() };
        [self.node_propagation().coefficients(), of(self.user_propagation()), of(self.item_propagation())]
    }

    /// Returns the ids of a batch's negatives, one for each triplet or shared by all, and of the items whose encodings
    /// InfoNCE compares.
    pub(crate) fn compared_items(&self, batch: &Batch, n_items: usize) -> [Vec<u32>; 2] {
        let ids = |ids: Tensor<1, Int>| ids.to_data().iter::<i32>().map(|id| id as u32).collect::<Vec<_>>();
        let negatives = match self.config.shared_negatives {
            0 => ids(batch.negatives.clone()),
            n => ids(batch.sampled_items(n)),
        };
        let compared = match (&self.fusion, self.info_nce_rows(batch)) {
            (None, _) => Vec::new(),
            (_, Some(rows)) => ids(rows),
            (_, None) => (0..n_items as u32).collect(),
        };
        [negatives, compared]
    }

    /// Computes the objective from the rows of a batch.
    pub(crate) fn objective_of(&self, rows: BatchRows) -> Objective {
        let table = |at: &Tensor<1, Int>| {
            let at = at.clone();
            move |table: Tensor<2>| mean_square_of_rows(table, at.clone())
        };
        let users = rows.user_tables.into_iter().map(table(&rows.users_at));
        let items = rows.item_tables.into_iter().map(table(&rows.items_at));
        let terms = self.terms_of(rows.encodings);
        let ranking = self.ranking(rows.u, rows.items, rows.positives, rows.negatives);
        self.put_together(ranking, users.chain(items).chain(rows.weights), terms)
    }

    /// Computes the fusion's loss terms over all rows of these encodings.
    fn terms_of(&self, encodings: Vec<Tensor<2>>) -> Option<Objective> {
        let mut encodings = encodings.into_iter();
        let mut next = || encodings.next();
        let directions = Synergy { text_to_visual: next()?, visual_to_text: next()? };
        if directions.text_to_visual.dims()[0] == 0 {
            return Some(Objective::new());
        }
        let mut redundancy = || Some(Redundancy { full: next()?, text: next()?, visual: next()? });
        let redundancy = redundancy();
        // The terms do not use the blocks.
        let block = directions.text_to_visual.clone();
        let [text, synergy, unique] = std::array::from_fn(|_| block.clone());
        let fused = InformationFusionOutput { text, synergy, unique, directions, redundancy };
        Some(fusion_objective(&fused, &self.config, None))
    }

    /// Returns the weight of the mean square of the users' weights in the objective.
    pub(crate) fn weight_of_squares(&self) -> f64 {
        self.config.reg
    }
}

fn encodings(fused: &InformationFusionOutput) -> Vec<Tensor<2>> {
    let Synergy { text_to_visual, visual_to_text } = &fused.directions;
    let redundancy = fused.redundancy.iter().flat_map(|r| [&r.full, &r.text, &r.visual]);
    [text_to_visual, visual_to_text].into_iter().chain(redundancy).cloned().collect()
}
