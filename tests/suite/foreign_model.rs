//! The six modules of the paper in a Burn model that knows nothing else of this crate, with Burn's own optimizer.

use crate::devices::device;
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use burn_optim::{AdamConfig, GradientsParams};
use viral::data::PlantedConfig;
use viral::graph::{ItemGraph, KnnSearch, bipartite_adjacency, item_graph};
use viral::loss::bpr;
use viral::nn::*;
use viral::ops::SparseMatrix;

#[derive(Module, Debug)]
struct Foreign {
    users: Param<Tensor<2>>,
    synergy: CrossModalSynergy,
    redundancy: RedundancyEstimator,
    weights: UserModalityWeights,
    user_item: SparseMatrix,
    item_item: SparseMatrix,
}

impl Foreign {
    fn loss(&self, [text, visual]: [Tensor<2>; 2], [u, p, n]: [Tensor<1, Int>; 3]) -> Tensor<1> {
        let synergy = self.synergy.forward(text.clone(), visual.clone()).signal();
        let shared = self.redundancy.forward(text.clone(), visual.clone()).shared();
        let items = Tensor::cat(vec![text, synergy, orthogonal_complement(visual, shared, 1e-8)], 1);
        let propagation = LightGcnPropagation { n_layers: 2, aggregation: LayerAggregation::Mean };
        let all = propagation.forward(&self.user_item, nodes(self.users.val(), items));
        let (users, items) = users_and_items(all, self.users.dims()[0]);
        let content = HomogeneousPropagation { n_layers: 1, own: 1.0, neighbors: 1.0 };
        let (users, items) = (self.weights.forward(users), content.forward(&self.item_item, items));
        let score = |i| (users.clone().select(0, u.clone()) * items.clone().select(0, i)).sum_dim(1).squeeze_dim(1);
        bpr(score(p), score(n))
    }
}

#[test]
fn the_six_modules_learn_in_a_foreign_model() {
    let (data, device, d) = (PlantedConfig::default().generate().data.train, device(), 8);
    let (met, mut init) = (&data.interactions, Init::new(3, &device));
    let features: Vec<_> = data.features.iter().map(|(_, features)| (features, 0.5)).collect();
    let near = item_graph(ItemGraph::MeanCosine, &features, 5, KnnSearch::Exact).unwrap();
    let content: [Tensor<2>; 2] = std::array::from_fn(|_| init.normal_param([met.n_items(), d], 1.0).val().detach());
    let mut model = Foreign {
        users: xavier_normal([met.n_users(), 3 * d], &mut init),
        synergy: CrossModalSynergyConfig::paper(d).init(&mut init),
        redundancy: RedundancyEstimatorConfig::paper(d).init(&mut init),
        weights: UserModalityWeightsConfig::new(met.n_users(), 3).init(&mut init),
        user_item: SparseMatrix::new(&bipartite_adjacency(met, 0.0), &device),
        item_item: SparseMatrix::new(&near, &device),
    };
    let ids = |of: fn((usize, (u32, u32))) -> usize, n: usize| {
        let ids: Vec<i32> = met.pairs().enumerate().map(|pair| (of(pair) % n) as i32).collect();
        Tensor::<1, Int>::from_ints(ids.as_slice(), &device)
    };
    let (n_users, n_items) = (met.n_users(), met.n_items());
    let batch = [ids(|p| p.1.0 as usize, n_users), ids(|p| p.1.1 as usize, n_items), ids(|p| 7 * p.0, n_items)];
    let (mut optimizer, mut losses) = (AdamConfig::new().init(), Vec::new());
    for _ in 0..10 {
        let loss = model.loss(content.clone(), batch.clone());
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        assert_eq!(gradients.len(), viral::model::parameters(&model).len(), "a parameter has no gradient");
        model = optimizer.step(0.01, model, gradients);
    }
    assert!(losses[9] < 0.9 * losses[0] && losses.windows(2).all(|pair| pair[1] < pair[0]), "{losses:?}");
}
