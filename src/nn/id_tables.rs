//! Id embeddings of users and items, the nodes of their bipartite graph.

use super::{Init, LightGcnPropagation, l2_normalize, xavier_normal, xavier_uniform};
use crate::ops::{SparseMatrix, row_range};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// Id embeddings, as in collaborative filtering: a trainable vector for each user and each item.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use viral::data::Interactions;
/// use viral::graph::bipartite_adjacency;
/// use viral::nn::{IdTables, Init, LayerAggregation, LightGcnPropagation};
/// use viral::ops::SparseMatrix;
///
/// let device = Device::flex();
/// let interactions = Interactions::from_pairs(2, 3, &[(0, 0), (0, 2), (1, 1)]);
/// let graph = SparseMatrix::new(&bipartite_adjacency(&interactions, 0.0), &device);
/// let tables = IdTables::xavier_uniform(2, 3, 8, &mut Init::new(0, &device));
/// let propagation = LightGcnPropagation { n_layers: 2, aggregation: LayerAggregation::Mean };
/// let (users, items) = tables.propagate(&graph, &propagation);
/// assert_eq!((users.dims(), items.dims()), ([2, 8], [3, 8]));
/// # }
/// ```
#[derive(Module, Debug)]
pub struct IdTables {
    /// Id embeddings of the users, `[n_users, d]`.
    pub users: Param<Tensor<2>>,
    /// Id embeddings of the items, `[n_items, d]`.
    pub items: Param<Tensor<2>>,
}

impl IdTables {
    /// Initialises Xavier uniform tables; users are drawn first.
    pub fn xavier_uniform(n_users: usize, n_items: usize, d: usize, init: &mut Init) -> Self {
        Self { users: xavier_uniform([n_users, d], init), items: xavier_uniform([n_items, d], init) }
    }

    /// Initialises Xavier normal tables; users are drawn first.
    pub fn xavier_normal(n_users: usize, n_items: usize, d: usize, init: &mut Init) -> Self {
        Self { users: xavier_normal([n_users, d], init), items: xavier_normal([n_items, d], init) }
    }

    /// Concatenates all vectors, users first, `[n_users + n_items, d]`.
    pub fn nodes(&self) -> Tensor<2> {
        nodes(self.users.val(), self.items.val())
    }

    /// Propagates users and items over their graph.
    ///
    /// # Shapes
    /// - `graph`: `[n_users + n_items, n_users + n_items]`, users first
    /// - output: `([n_users, d], [n_items, d])`
    ///
    /// # Panics
    /// When the graph has another number of nodes.
    pub fn propagate(&self, graph: &SparseMatrix, propagation: &LightGcnPropagation) -> (Tensor<2>, Tensor<2>) {
        users_and_items(propagation.forward(graph, self.nodes()), self.users.dims()[0])
    }
}

/// Concatenates users and items to the nodes of a bipartite graph, users first: the input of [`LightGcnPropagation`].
///
/// # Shapes
/// - `users`: `[n_users, d]`, `items`: `[n_items, d]`; output: `[n_users + n_items, d]`
///
/// # Panics
/// When the widths differ.
pub fn nodes(users: Tensor<2>, items: Tensor<2>) -> Tensor<2> {
    let (of_users, of_items) = (users.dims(), items.dims());
    assert!(of_users[1] == of_items[1], "nodes: users are {of_users:?} but items are {of_items:?}");
    Tensor::cat(vec![users, items], 0)
}

/// L2-normalises the rows of each block and concatenates the blocks; a row of zeros stays zero. This is the input of
/// DRAGON's and COHESION's propagation.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::unit_blocks;
///
/// let device = Device::flex();
/// let (text, visual) = (Tensor::from_floats([[3.0, 4.0]], &device), Tensor::from_floats([[0.0, 2.0]], &device));
/// let x = unit_blocks([text, visual]).into_data().iter::<f32>().collect::<Vec<_>>();
/// assert!(x.iter().zip([0.6, 0.8, 0.0, 1.0]).all(|(x, expected)| (x - expected).abs() < 1e-6));
/// # }
/// ```
///
/// # Shapes
/// - `blocks`: `[n, d_k]` for each block `k`; output: `[n, Σ d_k]`
///
/// # Panics
/// When there is no block, or they have different numbers of rows.
pub fn unit_blocks(blocks: impl IntoIterator<Item = Tensor<2>>) -> Tensor<2> {
    let blocks: Vec<Tensor<2>> = blocks.into_iter().map(l2_normalize).collect();
    let rows: Vec<usize> = blocks.iter().map(|block| block.dims()[0]).collect();
    assert!(!rows.is_empty() && rows.windows(2).all(|w| w[0] == w[1]), "unit_blocks: blocks of {rows:?} rows");
    Tensor::cat(blocks, 1)
}

/// Splits the nodes of a bipartite graph into users and items: the inverse of [`nodes`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::users_and_items;
///
/// let (users, items) = users_and_items(Tensor::ones([5, 8], &Device::flex()), 2);
/// assert_eq!((users.dims(), items.dims()), ([2, 8], [3, 8]));
/// # }
/// ```
///
/// # Shapes
/// - `nodes`: `[n_users + n_items, d]`; output: `([n_users, d], [n_items, d])`
///
/// # Panics
/// When there are fewer nodes than users.
pub fn users_and_items(nodes: Tensor<2>, n_users: usize) -> (Tensor<2>, Tensor<2>) {
    let found = nodes.dims();
    assert!(found[0] >= n_users, "users_and_items: the nodes are {found:?} but there are {n_users} users");
    (row_range(nodes.clone(), 0, n_users), row_range(nodes, n_users, found[0] - n_users))
}
