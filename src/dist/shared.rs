//! Gradients of parameters that all ranks hold.

use super::model::is_shared;
use crate::ops::read_floats;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};

/// Visits the parameters that all ranks hold, one after the other. Before the values of each comes a number, which is
/// not zero if it has a gradient.
pub(super) enum Shared<'g> {
    Count(usize),
    Read(&'g mut Gradients, Vec<f32>),
    Write(&'g mut Gradients, std::vec::IntoIter<f32>),
}

struct Visit<'g> {
    path: Vec<String>,
    what: Shared<'g>,
}

impl<'g> Shared<'g> {
    fn visit(self, model: &impl Module) -> Self {
        let mut visit = Visit { path: Vec::new(), what: self };
        model.visit(&mut visit);
        visit.what
    }

    /// The number of values.
    pub(super) fn count(model: &impl Module) -> usize {
        match Shared::Count(0).visit(model) {
            Shared::Count(n) => n,
            _ => unreachable!("a count stays one"),
        }
    }

    /// Reads the gradients.
    pub(super) fn values(model: &impl Module, gradients: &'g mut Gradients) -> Vec<f32> {
        match Shared::Read(gradients, Vec::new()).visit(model) {
            Shared::Read(_, values) => values,
            _ => unreachable!("a reader stays one"),
        }
    }

    /// Writes the gradients: the inverse of [`values`](Self::values).
    pub(super) fn put(model: &impl Module, gradients: &'g mut Gradients, values: Vec<f32>) {
        Shared::Write(gradients, values.into_iter()).visit(model);
    }
}

impl ModuleVisitor for Visit<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !is_shared(&self.path.join(".")) {
            return;
        }
        let value = param.val();
        let n = value.shape().num_elements();
        match &mut self.what {
            Shared::Count(count) => *count += 1 + n,
            Shared::Read(gradients, values) => match value.grad_remove(gradients) {
                Some(gradient) => {
                    values.push(1.0);
                    read_floats(&gradient, |gradient| values.extend_from_slice(gradient));
                }
                None => values.resize(values.len() + 1 + n, 0.0),
            },
            Shared::Write(gradients, values) => {
                let has = values.next().is_some_and(|has| has != 0.0);
                let gradient: Vec<f32> = values.by_ref().take(n).collect();
                if has {
                    let data = TensorData::new(gradient, value.dims());
                    value.grad_replace(gradients, Tensor::from_data(data, &value.device().inner()));
                }
            }
        }
    }
}
