//! A user-item graph with edge dropout, drawn anew in each training epoch; ranking uses the full graph.

#[cfg(feature = "flex")]
use crate::data::Csr;
use crate::data::Interactions;
use crate::graph::{EdgePruner, Pruning, bipartite_adjacency, bipartite_adjacency_of};
use crate::ops::SparseMatrix;
use burn::module::Module;
use burn::tensor::Device;

/// The full user-item graph, and the pruned graph that the current epoch trains on.
///
/// ```
/// use burn::tensor::Device;
/// use viral::data::Interactions;
/// use viral::model::PrunedGraph;
///
/// let pairs: Vec<(u32, u32)> = (0..10).map(|user| (user, user / 2)).collect();
/// let mut graph = PrunedGraph::new(&Interactions::from_pairs(10, 5, &pairs), 1e-7, 0.5, &Device::flex())?;
/// graph.redraw(7, 0); // what Trainable::begin_epoch does
/// assert_eq!((graph.full().nnz(), graph.pruned().nnz()), (20, 10)); // both directions of each pair
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct PrunedGraph {
    full: SparseMatrix,
    pruned: SparseMatrix,
    #[module(skip)]
    pruner: Option<EdgePruner>,
    n_users: usize,
    n_items: usize,
    epsilon: f64,
}

impl PrunedGraph {
    /// Drops a share `edge_dropout` of the pairs in each epoch, preferably those of high degree; 0 drops none.
    ///
    /// `epsilon` is added to the degrees before normalising.
    pub fn new(data: &Interactions, epsilon: f64, edge_dropout: f64, device: &Device) -> crate::Result<Self> {
        let pruner = match edge_dropout {
            0.0 => None,
            share => Some(EdgePruner::new(data, share, Pruning::DegreeSensitive)?),
        };
        let full = SparseMatrix::new(&bipartite_adjacency(data, epsilon), device);
        let (n_users, n_items) = (data.n_users(), data.n_items());
        Ok(Self { pruned: full.clone(), full, pruner, n_users, n_items, epsilon })
    }

    /// Returns the graph of all train pairs.
    pub fn full(&self) -> &SparseMatrix {
        &self.full
    }

    /// Returns the graph of the current epoch's pairs; all pairs before the first epoch.
    pub fn pruned(&self) -> &SparseMatrix {
        &self.pruned
    }

    /// Draws the pairs of an epoch as a function of `(seed, epoch)`.
    pub fn redraw(&mut self, seed: u64, epoch: usize) {
        if let Some(pruner) = &self.pruner {
            self.keep(&pruner.kept(seed, epoch as u64));
        }
    }

    /// Returns the same sampler with empty graphs.
    #[cfg(feature = "flex")]
    pub(crate) fn without_rows(&self) -> Self {
        let none = SparseMatrix::from_edges(0, 0, &[], &self.full.device());
        let (n_users, n_items, epsilon) = (self.n_users, self.n_items, self.epsilon);
        Self { full: none.clone(), pruned: none, pruner: self.pruner.clone(), n_users, n_items, epsilon }
    }

    /// Returns the sparsity pattern of an epoch's pairs and the epsilon added to degrees; `None` without edge dropout.
    #[cfg(feature = "flex")]
    pub(crate) fn drawn(&self, seed: u64, epoch: usize) -> Option<(Csr, f64)> {
        let pairs = self.pruner.as_ref()?.kept(seed, epoch as u64);
        match Csr::from_distinct(self.n_users, self.n_items, pairs.len(), |e| pairs[e]) {
            Ok((pattern, _)) => Some((pattern, self.epsilon)),
            Err((user, item)) => panic!("a pair is left out or not, and not kept twice: ({user}, {item})"),
        }
    }

    /// Sets the pairs to train on until the next draw, on the device where the graph now is.
    pub fn keep(&mut self, pairs: &[(u32, u32)]) {
        let graph = bipartite_adjacency_of(self.n_users, self.n_items, pairs, self.epsilon);
        self.pruned = SparseMatrix::new(&graph, &self.full.device());
    }
}
