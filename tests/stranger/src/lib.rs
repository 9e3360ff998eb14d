//! A model that the library does not have, written with its public parts: any number of modalities, keyed dropout and an item
//! graph that is learned with the rest.

use viral::burn;
use viral::burn::module::{Module, Param};
use viral::burn::tensor::{Int, Tensor, activation::softmax};
use viral::data::TrainSet;
use viral::graph::{MMREC_EPS, bipartite_adjacency};
use viral::loss::{Objective, bpr, pair_scores};
use viral::model::{Batch, Embed, Embeddings, Trainable, features};
use viral::nn::{
    IdTables, Init, LayerAggregation, LearnedItemGraph, LearnedItemGraphConfig, LightGcnPropagation,
    ModalityProjections, ModalityProjectionsConfig, nodes, users_and_items,
};
use viral::ops::{SparseMatrix, dropout, gather_rows};

/// Width of the embeddings.
const D: usize = 32;

/// Free vectors and projected content, dropped out, over the user-item graph; then items over the graph of their content.
#[derive(Module, Debug)]
pub struct Chorus {
    tables: IdTables,
    content: ModalityProjections,
    neighbors: LearnedItemGraph,
    /// Logits of the modalities' weights in the learned graph.
    voices: Param<Tensor<1>>,
    features: Vec<Tensor<2>>,
    graph: SparseMatrix,
}

impl Chorus {
    /// A model for `data`, which must have features of at least one modality.
    pub fn new(data: &TrainSet, init: &mut Init) -> viral::Result<Self> {
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        let widths: Vec<usize> = data.features.require_any("chorus")?.iter().map(|(_, x)| x.width()).collect();
        let to_d: Vec<[usize; 2]> = widths.iter().map(|&width| [width, D]).collect();
        Ok(Self {
            tables: IdTables::xavier_normal(n_users, n_items, D, init),
            content: ModalityProjectionsConfig::new(D).init(widths.iter().copied(), init),
            neighbors: LearnedItemGraphConfig::new(10).with_projections(&to_d).init(init),
            voices: init.constant_param([widths.len()], 0.0),
            features: data.features.iter().map(|(_, x)| features(x, init)).collect(),
            graph: SparseMatrix::new(&bipartite_adjacency(&data.interactions, MMREC_EPS), init.device()),
        })
    }

    fn forward(&self, thin_out: impl Fn(Tensor<2>, &str) -> Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let content = self.content.forward(self.features.iter().cloned());
        let items = content.into_iter().fold(self.tables.items.val(), |sum, x| sum + thin_out(x, "content"));
        let users = self.tables.users.val();
        let n_users = users.dims()[0];
        let propagation = LightGcnPropagation { n_layers: 2, aggregation: LayerAggregation::Mean };
        let (users, items) = users_and_items(propagation.forward(&self.graph, nodes(users, items)), n_users);
        let learned = self.neighbors.forward_mixed(self.features.clone(), softmax(self.voices.val(), 0));
        (users, items.clone() + learned.propagate(items))
    }
}

impl Embed for Chorus {
    fn embed(&self) -> Embeddings {
        let (users, items) = self.forward(|x, _| x);
        Embeddings::new(users, items, "chorus")
    }
}

impl Trainable for Chorus {
    fn objective(&self, batch: &Batch) -> Objective {
        let (users, items) = self.forward(|x, name| dropout(x, 0.2, batch.key.stream(name)));
        let norm = |x: &Tensor<2>, ids: &Tensor<1, Int>| gather_rows(x.clone(), ids.clone()).square().mean();
        let size = norm(&self.tables.users.val(), &batch.users) + norm(&self.tables.items.val(), &batch.positives);
        let [positive, negative] = pair_scores(users, items, batch.pairs());
        Objective::new().with("bpr", 1.0, bpr(positive, negative)).with("size", 1e-2, size)
    }
}
