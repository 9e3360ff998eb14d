//! A sparse matrix as a field of modules: it has no parameters, and all its tensors move along.

use super::{Edges, Rows, SparseMatrix};
use burn::module::{Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::tensor::Device;
use std::fmt;
use std::sync::{Arc, OnceLock};

impl Rows {
    fn to_device(&self, device: &Device) -> Self {
        let (row_ptr, col_idx) = (self.row_ptr.clone().to_device(device), self.col_idx.clone().to_device(device));
        Self { row_ptr, col_idx, values: self.values.clone().to_device(device) }
    }
}

impl Module for SparseMatrix {
    fn collect_devices(&self, mut devices: Devices) -> Devices {
        let device = self.device();
        if !devices.contains(&device) {
            devices.push(device);
        }
        devices
    }

    fn fork(self, device: &Device) -> Self {
        self.to_device(device)
    }

    /// Moves everything, the edges included if they have been computed, to the plain device: the matrix is a constant.
    fn to_device(self, device: &Device) -> Self {
        let device = device.clone().inner();
        if device == self.device() {
            return self;
        }
        let a = self.a.to_device(&device);
        let at = if self.symmetric { a.clone() } else { self.at.to_device(&device) };
        let edges = OnceLock::new();
        if let Some(Edges { row_idx, order }) = self.edges.get() {
            let moved =
                || Edges { row_idx: row_idx.clone().to_device(&device), order: order.clone().to_device(&device) };
            edges.get_or_init(moved);
        }
        Self { a, at, edges: Arc::new(edges), ..self }
    }

    fn visit<V: ModuleVisitor>(&self, _: &mut V) {}

    fn map<M: ModuleMapper>(self, _: &mut M) -> Self {
        self
    }

    fn materialize(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn train(self) -> Self {
        self
    }
}

impl fmt::Display for SparseMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [n_rows, n_cols] = self.dims();
        write!(f, "SparseMatrix {{shape: [{n_rows}, {n_cols}], nonzeros: {}}}", self.nnz())
    }
}

impl ModuleDisplayDefault for SparseMatrix {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.to_string()).optional()
    }
}

impl ModuleDisplay for SparseMatrix {}
