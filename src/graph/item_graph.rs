//! The item–item graphs of the published models, by kind.

use super::Neighbors;
use super::clusters::approximate_rows;
use super::knn::{check_k, exact_rows};
use super::normalize::normalize_symmetric;
use super::rows::{Here, RowMaker};
use crate::data::{Features, ItemFeatures, Modality};
use crate::named::named;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use sprs::CsMat;

/// How to build an item–item graph from features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ItemGraph {
    /// The nearest neighbours by the mean cosine of all modalities, excluding the item itself, each edge weighted by
    /// that mean (3): VIRAL as printed.
    MeanCosine,
    /// In each modality, the item and its nearest neighbours with equal weights (`1 / k`), then the weighted sum over
    /// modalities: FREEDOM, and VIRAL as in its authors' code.
    Mixture,
    /// Like `Mixture`, but each edge is weighted by its cosine and normalised by the roots of both row sums: LATTICE's
    /// graph of the raw features.
    CosineMixture,
}

named! {
    ItemGraph, "item graph":
    MeanCosine => "mean_cosine",
    Mixture => "mixture",
    CosineMixture => "cosine_mixture",
}

/// How to search for nearest neighbours.
///
/// ```
/// use viral::data::ItemFeatures;
/// use viral::graph::KnnSearch;
///
/// let features = ItemFeatures::new(4, 1, vec![1.0, 2.0, -1.0, -2.0])?;
/// let found = KnnSearch::Exact.neighbors(&[&features], 1, false)?;
/// assert_eq!(found.index, [1, 0, 3, 2]);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KnnSearch {
    /// Exactly, among all items: [`knn_exact`](super::knn_exact).
    #[default]
    Exact,
    /// Approximately, among the items of the nearest clusters:
    /// [`knn_approximate`](super::knn_approximate).
    Approximate {
        /// Number of clusters to search for each item.
        n_probe: usize,
    },
}

impl KnnSearch {
    /// Finds the `k` nearest neighbours of every item by the mean of the modalities' cosines.
    ///
    /// # Errors
    /// Those of [`knn_exact`](super::knn_exact) and [`knn_approximate`](super::knn_approximate).
    ///
    /// # Panics
    /// When there is no modality or they have different numbers of items.
    pub fn neighbors(self, modalities: &[&ItemFeatures], k: usize, include_self: bool) -> Result<Neighbors> {
        self.neighbors_by(&Here, modalities, k, include_self)
    }

    /// Like [`neighbors`](Self::neighbors), with rows computed by `items`.
    fn neighbors_by(
        self,
        items: &dyn RowMaker,
        modalities: &[&ItemFeatures],
        k: usize,
        include_self: bool,
    ) -> Result<Neighbors> {
        let n_items = check_k(modalities, k, include_self)?;
        let lists = items.rows(n_items, &|rows| match self {
            Self::Exact => Ok(exact_rows(modalities, rows, k, include_self)),
            Self::Approximate { n_probe } => approximate_rows(modalities, rows, k, include_self, n_probe),
        })?;
        Ok(lists.into_neighbors(k))
    }
}

/// Builds a kNN item graph from the features of one or more modalities, each with its weight.
///
/// ```text
/// MeanCosine:     A[i, j] = S[i, j] for j in the top-k of S[i, ·] without i,  S = Σ_m cos_m / M        (3)
/// Mixture:        A = Σ_m w_m D_m^-1/2 B_m D_m^-1/2,  B_m[i, j] = 1 for j in the top-k of cos_m(i, ·), i included
/// CosineMixture:  the same with B_m[i, j] = cos_m(i, j)
/// ```
///
/// In a catalogue with fewer than `k` items, every item is a neighbour of each. [`MeanCosine`](ItemGraph::MeanCosine)
/// ignores the weights. The graphs are not symmetrised. Time and memory are those of the search.
///
/// An item that lacks a modality is nobody's neighbour in it. Its own neighbours come from the modalities it has, whose
/// weights are rescaled to the sum of all; `S[i, ·]` is the mean over the modalities of `i`. An item without any
/// content is linked only to itself, or to nothing under `MeanCosine`.
///
/// ```
/// use viral::data::ItemFeatures;
/// use viral::graph::{ItemGraph, KnnSearch, item_graph};
///
/// let visual = ItemFeatures::new(3, 2, vec![1.0, 0.0, 0.9, 0.1, 0.0, 1.0])?;
/// let text = ItemFeatures::new(3, 2, vec![0.0, 1.0, 1.0, 0.0, 0.1, 0.9])?;
/// // FREEDOM's graph: visual neighbours with weight 0.1 and textual ones with 0.9.
/// let graph = item_graph(ItemGraph::Mixture, &[(&visual, 0.1), (&text, 0.9)], 2, KnnSearch::Exact)?;
/// assert_eq!(graph.shape(), (3, 3));
/// // Item 0 looks like item 1 and reads like item 2; in both modalities it is its own neighbour.
/// assert!((graph[[0, 0]] - 0.5).abs() < 1e-6);
/// assert!((graph[[0, 1]] - 0.05).abs() < 1e-6 && (graph[[0, 2]] - 0.45).abs() < 1e-6);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Shapes
/// - output: `[n_items, n_items]`
///
/// # Errors
/// When `k` is 0, there is no item, or only one if the item itself is excluded; or when a weight is not finite.
///
/// # Panics
/// When there is no modality or they have different numbers of items.
pub fn item_graph(
    kind: ItemGraph,
    modalities: &[(&ItemFeatures, f32)],
    k: usize,
    search: KnnSearch,
) -> Result<CsMat<f32>> {
    item_graph_by(&Here, kind, modalities, k, search)
}

/// Like [`item_graph`], with neighbour rows computed by `items`.
pub(crate) fn item_graph_by(
    items: &dyn RowMaker,
    kind: ItemGraph,
    modalities: &[(&ItemFeatures, f32)],
    k: usize,
    search: KnnSearch,
) -> Result<CsMat<f32>> {
    if let Some((_, weight)) = modalities.iter().find(|(_, weight)| !weight.is_finite()) {
        return Err(Error::Config(format!("item graph: a modality has weight {weight}; give finite weights")));
    }
    let n_items = modalities.first().map_or(0, |(features, _)| features.n_items());
    let mixed = |graph: fn(Neighbors) -> CsMat<f32>| {
        let parts: Vec<CsMat<f32>> = modalities
            .iter()
            .map(|(features, _)| Ok(graph(search.neighbors_by(items, &[features], k.min(n_items), true)?)))
            .collect::<Result<_>>()?;
        let weights: Vec<f32> = modalities.iter().map(|&(_, weight)| weight).collect();
        let parts = shared_out(modalities, &weights, parts);
        Ok(mixture(&weights.iter().copied().zip(&parts).collect::<Vec<_>>()))
    };
    match kind {
        ItemGraph::MeanCosine => {
            let features: Vec<&ItemFeatures> = modalities.iter().map(|&(features, _)| features).collect();
            let k = k.min(n_items.saturating_sub(1));
            let graph = search.neighbors_by(items, &features, k, false)?.weighted();
            // The graph covers all modalities, so the row is scaled by the factor of any modality that the item has.
            Ok(scaled(graph, |item| {
                shares(modalities, &vec![1.0; modalities.len()], item).into_iter().max_by(f32::total_cmp)
            }))
        }
        ItemGraph::Mixture => mixed(|neighbors| neighbors.normalized()),
        ItemGraph::CosineMixture => mixed(|neighbors| normalize_symmetric(&neighbors.weighted(), 0.0)),
    }
}

/// Returns factors for the modalities' weights for an item that lacks some: 0 for these, and for the others the factor
/// that preserves the sum. All are 1 if nothing or everything is missing, or the present modalities have no weight.
fn shares(modalities: &[(&ItemFeatures, f32)], weights: &[f32], item: usize) -> Vec<f32> {
    let has: Vec<bool> = modalities.iter().map(|(features, _)| features.has(item)).collect();
    let there: f32 = weights.iter().zip(&has).filter(|(_, has)| **has).map(|(weight, _)| weight).sum();
    if there == 0.0 || !has.contains(&false) {
        return vec![1.0; has.len()];
    }
    let all: f32 = weights.iter().sum();
    has.into_iter().map(|has| if has { all / there } else { 0.0 }).collect()
}

/// Scales the rows of the modalities' graphs by [`shares`].
fn shared_out(modalities: &[(&ItemFeatures, f32)], weights: &[f32], parts: Vec<CsMat<f32>>) -> Vec<CsMat<f32>> {
    let scale = |(m, part)| scaled(part, |item| Some(shares(modalities, weights, item)[m]));
    match modalities.iter().any(|(features, _)| features.there().is_some()) {
        true => parts.into_iter().enumerate().map(scale).collect(),
        false => parts,
    }
}

fn scaled(mut graph: CsMat<f32>, factor: impl Fn(usize) -> Option<f32>) -> CsMat<f32> {
    for (item, mut row) in graph.outer_iterator_mut().enumerate() {
        if let Some(factor) = factor(item).filter(|&factor| factor != 1.0) {
            row.iter_mut().for_each(|(_, value)| *value *= factor);
        }
    }
    graph
}

/// Returns all modalities with their shares in a mixture: `visual` for the visual one, and the rest in equal parts for
/// the others. A single modality gets everything, so the shares sum to 1.
///
/// ```
/// use viral::data::{Features, ItemFeatures, Modality};
/// use viral::graph::modality_shares;
///
/// let of = |width: usize| ItemFeatures::new(2, width, vec![0.5; 2 * width]);
/// let features = Features::new().with(Modality::Visual, of(3)?).with(Modality::Text, of(4)?);
/// let shares = modality_shares(&features, 0.25);
/// assert_eq!(shares.iter().map(|(features, share)| (features.width(), *share)).collect::<Vec<_>>(), [(4, 0.75), (3, 0.25)]);
/// # Ok::<(), viral::Error>(())
/// ```
pub fn modality_shares(features: &Features, visual: f64) -> Vec<(&ItemFeatures, f32)> {
    let others = features.modalities().filter(|modality| **modality != Modality::Visual).count();
    let share = |modality: &Modality| match (*modality == Modality::Visual, others) {
        (true, 0) => 1.0,
        (true, _) => visual,
        (false, n) if n == features.len() => 1.0 / n as f64,
        (false, n) => (1.0 - visual) / n as f64,
    };
    features.iter().map(|(modality, features)| (features, share(modality) as f32)).collect()
}

/// Computes the weighted sum of graphs, `Σ_m w_m A_m`, over the union of their edges; O(edges) time and memory.
///
/// ```
/// use sprs::CsMat;
/// use viral::graph::mixture;
///
/// let (a, b) = (CsMat::eye(2), CsMat::new((2, 2), vec![0, 1, 1], vec![1], vec![4.0]));
/// let mixed = mixture(&[(0.5, &a), (0.25, &b)]);
/// assert_eq!((mixed.nnz(), mixed[[0, 0]], mixed[[0, 1]]), (3, 0.5, 1.0));
/// ```
///
/// # Panics
/// When there is no graph or the shapes differ.
pub fn mixture(parts: &[(f32, &CsMat<f32>)]) -> CsMat<f32> {
    let weighted = parts.iter().map(|&(weight, graph)| graph.map(|x| weight * x));
    let sum = |a: CsMat<f32>, b: CsMat<f32>| {
        assert_eq!(a.shape(), b.shape(), "mixture: the graphs are {:?} and {:?}", a.shape(), b.shape());
        &a + &b
    };
    match weighted.reduce(sum) {
        Some(mixed) => mixed,
        None => panic!("mixture: no graph is given"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::splitmix64;
    use crate::graph::knn_exact;
    use crate::graph::rows::Piecewise;

    fn features(n: usize, width: usize, seed: u64) -> ItemFeatures {
        let value = |i: u64| (splitmix64(seed << 32 | i) >> 40) as f32 / (1 << 23) as f32 - 1.0;
        ItemFeatures::new(n, width, (0..(n * width) as u64).map(value).collect()).unwrap()
    }

    #[test]
    fn a_mixture_is_the_union_of_the_edges() {
        let a = CsMat::new((2, 2), vec![0, 2, 2], vec![0, 1], vec![1.0, 2.0]);
        let b = CsMat::new((2, 2), vec![0, 1, 2], vec![1, 0], vec![4.0, 8.0]);
        let mixed = mixture(&[(0.25, &a), (0.75, &b), (2.0, &a)]);
        assert_eq!(mixed.to_dense().as_slice().unwrap(), [2.25, 7.5, 6.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "mixture: the graphs are (2, 2) and (3, 3)")]
    fn a_mixture_of_different_shapes_panics() {
        mixture(&[(1.0, &CsMat::eye(2)), (1.0, &CsMat::eye(3))]);
    }

    #[test]
    fn each_kind_is_what_its_equation_says() {
        let (a, b, k) = (features(30, 5, 1), features(30, 3, 2), 4);
        let dense = |graph: &CsMat<f32>| graph.to_dense();
        let graph = |kind| dense(&item_graph(kind, &[(&a, 0.3), (&b, 0.7)], k, KnnSearch::Exact).unwrap());
        let near = |x: &ItemFeatures| knn_exact(&[x], k, true).unwrap();
        assert_eq!(graph(ItemGraph::MeanCosine), dense(&knn_exact(&[&a, &b], k, false).unwrap().weighted()));
        // Equal weights: in each modality, a row has k edges of 1 / k.
        let alike = |x: &ItemFeatures| dense(&near(x).binary()) / k as f32;
        let difference = graph(ItemGraph::Mixture) - (alike(&a) * 0.3 + alike(&b) * 0.7);
        assert!(difference.iter().all(|x| x.abs() < 1e-6));
        let laplacian = |x: &ItemFeatures| {
            let weighted = dense(&near(x).weighted());
            let sums: Vec<f32> = weighted.rows().into_iter().map(|row| row.sum()).collect();
            let mut scaled = weighted;
            scaled.indexed_iter_mut().for_each(|((i, j), x)| *x /= (sums[i] * sums[j]).sqrt());
            scaled
        };
        let difference = graph(ItemGraph::CosineMixture) - (laplacian(&a) * 0.3 + laplacian(&b) * 0.7);
        assert!(difference.iter().all(|x| x.abs() < 1e-6));
    }

    #[test]
    fn an_approximate_search_of_all_clusters_gives_the_same_graph() {
        let (a, b) = (features(64, 6, 3), features(64, 4, 4));
        for kind in [ItemGraph::MeanCosine, ItemGraph::Mixture, ItemGraph::CosineMixture] {
            let graph = |search| item_graph(kind, &[(&a, 0.5), (&b, 0.5)], 5, search).unwrap();
            let (exact, near) = (graph(KnnSearch::Exact), graph(KnnSearch::Approximate { n_probe: 8 }));
            assert_eq!(exact.indices(), near.indices());
            assert!(exact.data().iter().zip(near.data()).all(|(x, y)| (x - y).abs() < 1e-6));
        }
    }

    #[test]
    fn rows_made_piece_by_piece_are_the_same() {
        let (a, b) = (features(600, 24, 5), features(600, 10, 6));
        for search in [KnnSearch::Exact, KnnSearch::Approximate { n_probe: 4 }] {
            for kind in [ItemGraph::MeanCosine, ItemGraph::Mixture, ItemGraph::CosineMixture] {
                let modalities = [(&a, 0.3), (&b, 0.7)];
                let whole = item_graph(kind, &modalities, 7, search).unwrap();
                for n in [1, 17, 300, 599] {
                    let pieces = item_graph_by(&Piecewise(n), kind, &modalities, 7, search).unwrap();
                    assert_eq!(pieces, whole, "{search:?}, {n} at a time");
                }
            }
        }
    }

    #[test]
    fn fewer_items_than_neighbours() {
        let a = features(5, 3, 6);
        for kind in [ItemGraph::MeanCosine, ItemGraph::Mixture, ItemGraph::CosineMixture] {
            for search in [KnnSearch::Exact, KnnSearch::Approximate { n_probe: 100 }] {
                let graph = |k| item_graph(kind, &[(&a, 1.0)], k, search).unwrap();
                let all = if kind == ItemGraph::MeanCosine { 4 } else { 5 };
                assert_eq!(graph(10), graph(all));
                assert_eq!(graph(usize::MAX).nnz(), 5 * all);
            }
        }
    }

    #[test]
    fn shares_of_modalities_add_up_to_one() {
        let shares = |modalities: &[Modality]| {
            let all: Features = modalities.iter().map(|m| (m.clone(), features(3, 2, 1))).collect();
            modality_shares(&all, 0.1).into_iter().map(|(_, share)| share).collect::<Vec<f32>>()
        };
        assert_eq!(shares(&[Modality::Text, Modality::Visual]), [0.9, 0.1]);
        assert_eq!(shares(&[Modality::Text, Modality::Visual, Modality::Audio]), [0.45, 0.1, 0.45]);
        assert_eq!(shares(&[Modality::Visual]), [1.0]);
        assert_eq!(shares(&[Modality::Text]), [1.0]);
        assert_eq!(shares(&[Modality::Text, Modality::Audio]), [0.5, 0.5]);
        assert!(modality_shares(&Features::new(), 0.1).is_empty());
    }

    #[test]
    fn what_cannot_be_searched_or_weighed_is_an_error() {
        let a = features(4, 2, 5);
        let error = |weight, k, search| item_graph(ItemGraph::Mixture, &[(&a, weight)], k, search).unwrap_err();
        assert!(error(1.0, 0, KnnSearch::Exact).to_string().starts_with("0 nearest neighbours of 4 items"));
        assert!(error(f32::NAN, 2, KnnSearch::Exact).to_string().contains("finite"));
        assert!(error(1.0, 2, KnnSearch::Approximate { n_probe: 0 }).to_string().contains("0 clusters"));
    }
}
