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
    fn loss(&self, [t, v]: [Tensor<2>; 2], [met, near]: &[SparseMatrix; 2], ids: [Tensor<1, Int>; 2]) -> Tensor<1> {
        let synergy = self.synergy.forward(t.clone(), v.clone()).signal();
        let unique = orthogonal_complement(v.clone(), self.redundancy.forward(t.clone(), v).shared(), 1e-8);
        let propagation = LightGcnPropagation { n_layers: 2, aggregation: LayerAggregation::Mean };
        let all = propagation.forward(met, nodes(self.users.val(), Tensor::cat(vec![t, synergy, unique], 1)));
        let (users, items) = users_and_items(all, self.users.dims()[0]);
        let content = HomogeneousPropagation { n_layers: 1, own: 1.0, neighbors: 1.0 };
        let [p, n] = pair_scores(self.weights.forward(users), content.forward(near, items), ids);
        bpr(p, n)
    }
}

#[test]
fn the_six_modules_learn_in_a_foreign_model() {
    let (d, n_items, mut init) = (8, 600, Init::new(3, &device()));
    let data = PlantedConfig::new().with_n_items(n_items).with_d_text(d).with_d_visual(d).generate().data.train;
    let rows: Vec<_> = data.features.iter().map(|(_, rows)| (rows, 0.5)).collect();
    let near = item_graph(ItemGraph::MeanCosine, &rows, 5, KnnSearch::Exact).unwrap();
    let graphs = [bipartite_adjacency(&data.interactions, 0.0), near].map(|graph| SparseMatrix::new(&graph, &device()));
    let mut model = Foreign {
        users: xavier_normal([1500, 3 * d], &mut init),
        synergy: CrossModalSynergyConfig::paper(d).init(&mut init),
        redundancy: RedundancyEstimatorConfig::paper(d).init(&mut init),
        weights: UserModalityWeightsConfig::new(1500, 3).init(&mut init),
    };
    let content = [0, 1].map(|modality: usize| viral::model::features(rows[modality].0, &init));
    let (users, positives): (Vec<i32>, Vec<i32>) = data.interactions.pairs().map(|(u, i)| (u as i32, i as i32)).unzip();
    let negatives: Vec<i32> = (0..positives.len()).map(|pair| (7 * pair % n_items) as i32).collect();
    let ids = [users.repeat(2), [positives, negatives].concat()].map(|ids| Tensor::from_ints(&ids[..], &device()));
    let (mut optimizer, mut losses) = (AdamConfig::new().init(), vec![]);
    for _ in 0..8 {
        let loss = model.loss(content.clone(), &graphs, ids.clone());
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        assert_eq!(gradients.len(), viral::model::parameters(&model).len(), "a parameter has no gradient");
        model = optimizer.step(0.02, model, gradients);
    }
    assert!(losses[7] < 0.9 * losses[0] && losses.is_sorted_by(|a, b| a > b), "{losses:?}");
}
