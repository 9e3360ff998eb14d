//! The user-user co-occurrence graph, optionally padded at random for training.

use crate::data::Interactions;
use crate::graph::{cooccurrence_counts, padded_cooccurrence, softmax_rows};
use crate::ops::SparseMatrix;
use burn::module::Module;
use burn::tensor::Device;
use sprs::CsMat;

/// A user-user graph: each user's neighbours by number of common items, weighted by the softmax of these numbers.
///
/// Ranking uses this graph. Training uses the same, or one whose short rows are [padded](padded_cooccurrence) anew in
/// each epoch.
///
/// ```
/// use burn::tensor::Device;
/// use viral::data::Interactions;
/// use viral::model::UserGraph;
///
/// let interactions = Interactions::from_pairs(3, 2, &[(0, 0), (0, 1), (1, 0), (2, 1)]);
/// let mut graph = UserGraph::new(&interactions, 40, true, &Device::flex());
/// graph.redraw(7, 0); // what Trainable::begin_epoch does
/// assert_eq!((graph.plain().nnz(), graph.padded().nnz()), (4, 4));
/// let weights = |graph: &viral::ops::SparseMatrix| graph.values().into_data().iter::<f32>().collect::<Vec<_>>();
/// assert_eq!(weights(graph.plain()), [0.5, 0.5, 1.0, 1.0]);
/// assert_ne!(weights(graph.padded()), weights(graph.plain())); // 38 repeats of two neighbours
/// ```
#[derive(Module, Debug)]
pub struct UserGraph {
    plain: SparseMatrix,
    padded: SparseMatrix,
    #[module(skip)]
    counts: Option<CsMat<f32>>,
    n_neighbors: usize,
}

impl UserGraph {
    /// Connects each user to the `n_neighbors` users with the most items in common; ties go to the lower id.
    ///
    /// With `pad`, shorter rows are filled up with repeats in each training epoch.
    pub fn new(interactions: &Interactions, n_neighbors: usize, pad: bool, device: &Device) -> Self {
        let counts = cooccurrence_counts(interactions, n_neighbors);
        let plain = SparseMatrix::new(&softmax_rows(&counts), device);
        Self { padded: plain.clone(), plain, counts: pad.then_some(counts), n_neighbors }
    }

    /// Returns the graph for ranking, with every neighbour once.
    pub fn plain(&self) -> &SparseMatrix {
        &self.plain
    }

    /// Returns the training graph of the current epoch. It is the plain graph before the first epoch and without
    /// padding.
    pub fn padded(&self) -> &SparseMatrix {
        &self.padded
    }

    /// Draws the repeats of an epoch as a function of `(seed, epoch)`. Does nothing without padding.
    pub fn redraw(&mut self, seed: u64, epoch: usize) {
        if let Some(counts) = &self.counts {
            self.train_on(&padded_cooccurrence(counts, self.n_neighbors, seed, epoch as u64));
        }
    }

    /// Sets the graph to train on until the next draw, on the device where the graph now is.
    ///
    /// # Panics
    /// When `graph` has another number of users.
    pub fn train_on(&mut self, graph: &CsMat<f32>) {
        let ([n, _], found) = (self.plain.dims(), graph.shape());
        assert!(found == (n, n), "UserGraph: {n} users, but the graph is {found:?}");
        self.padded = SparseMatrix::new(graph, &self.plain.device());
    }
}
