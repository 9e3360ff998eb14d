//! The six modules of the paper in a Burn model that knows nothing else of this crate, with Burn's own optimizer.

use crate::devices::device;
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use burn_optim::{AdamConfig, GradientsParams};
use viral::data::PlantedConfig;
use viral::graph::{ItemGraph, KnnSearch, bipartite_adjacency, item_graph};
use viral::loss::{bpr, pair_scores};
use viral::nn::*;
use viral::ops::SparseMatrix;

#[derive(Module, Debug)]
struct Foreign {
    users: Param<Tensor<2>>,
    synergy: CrossModalSynergy,
    redundancy: RedundancyEstimator,
    weights: UserModalityWeights,
}

impl Foreign {
    fn embed(&self, [text, visual]: [Tensor<2>; 2], [met, near]: &[SparseMatrix; 2]) -> [Tensor<2>; 2] {
        let synergy = self.synergy.forward(text.clone(), visual.clone()).signal();
        let shared = self.redundancy.forward(text.clone(), visual.clone()).shared();
        let items = Tensor::cat(vec![text, synergy, orthogonal_complement(visual, shared, 1e-8)], 1);
        let propagation = LightGcnPropagation { n_layers: 2, aggregation: LayerAggregation::Mean };
        let (users, items) = users_and_items(propagation.forward(met, nodes(self.users.val(), items)), 1500);
        let content = HomogeneousPropagation { n_layers: 1, own: 1.0, neighbors: 1.0 };
        [self.weights.forward(users), content.forward(near, items)]
    }
}

#[test]
fn the_six_modules_learn_in_a_foreign_model() {
    let (d, n_users, n_items, mut init) = (8, 1500, 600, Init::new(3, &device()));
    let data = PlantedConfig { n_users, n_items, d_text: d, d_visual: d, ..Default::default() }.generate().data.train;
    let rows: Vec<_> = data.features.iter().map(|(_, rows)| (rows, 0.5)).collect();
    let near = item_graph(ItemGraph::MeanCosine, &rows, 5, KnnSearch::Exact).unwrap();
    let graphs = [bipartite_adjacency(&data.interactions, 0.0), near].map(|graph| SparseMatrix::new(&graph, &device()));
    let mut model = Foreign {
        users: xavier_normal([n_users, 3 * d], &mut init),
        synergy: CrossModalSynergyConfig::paper(d).init(&mut init),
        redundancy: RedundancyEstimatorConfig::paper(d).init(&mut init),
        weights: UserModalityWeightsConfig::new(n_users, 3).init(&mut init),
    };
    let content = [0, 1].map(|modality: usize| viral::model::features(rows[modality].0, &init));
    let ids = |ids: Vec<i32>| Tensor::<1, Int>::from_ints(ids.as_slice(), &device());
    let (users, positives): (Vec<i32>, Vec<i32>) = data.interactions.pairs().map(|(u, i)| (u as i32, i as i32)).unzip();
    let negatives: Vec<i32> = (0..positives.len()).map(|pair| (7 * pair % n_items) as i32).collect();
    let pairs = [[users.clone(), users].concat(), [positives, negatives].concat()].map(ids);
    let (mut optimizer, mut losses) = (AdamConfig::new().init(), vec![]);
    for _ in 0..8 {
        let [users, items] = model.embed(content.clone(), &graphs);
        let [positive, negative] = pair_scores(users, items, pairs.clone());
        let loss = bpr(positive, negative);
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        assert_eq!(gradients.len(), viral::model::parameters(&model).len(), "a parameter has no gradient");
        model = optimizer.step(0.02, model, gradients);
    }
    assert!(losses[7] < 0.9 * losses[0] && losses.is_sorted_by(|a, b| a > b), "{losses:?}");
}
