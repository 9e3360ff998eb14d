//! Reads and loads the parameters of a model by name, as checkpoints hold them.

#[cfg(feature = "flex")]
use crate::ops::row_range;
use crate::{Error, Result};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;
#[cfg(feature = "flex")]
use std::ops::Range;

/// Parameter values by path, such as `redundancy.join.weight`.
pub type Parameters = BTreeMap<String, TensorData>;

/// Copies all parameters of a model to host memory.
///
/// ```
/// use burn::tensor::Device;
/// use viral::model::{load_parameters, parameters};
/// use viral::nn::{IdTables, Init};
///
/// let fresh = |seed| IdTables::xavier_normal(3, 4, 2, &mut Init::new(seed, &Device::flex()));
/// let values = parameters(&fresh(1));
/// assert_eq!(values.keys().collect::<Vec<_>>(), ["items", "users"]);
/// let same = load_parameters(fresh(2), values.clone())?;
/// assert_eq!(parameters(&same), values);
/// # Ok::<(), viral::Error>(())
/// ```
pub fn parameters<M: Module>(model: &M) -> Parameters {
    let mut reader = Reader::default();
    model.visit(&mut reader);
    reader.found
}

/// Loads parameters into a model. Names and shapes must be exactly those of [`parameters`].
pub fn load_parameters<M: Module>(model: M, values: Parameters) -> Result<M> {
    let mut writer = Writer { values, path: Vec::new(), wrong: None };
    let model = model.map(&mut writer);
    if let Some(wrong) = writer.wrong {
        return Err(Error::Data(wrong));
    }
    match writer.values.keys().next() {
        Some(name) => Err(Error::Data(format!("the model has no parameter '{name}'; it was saved by another model"))),
        None => Ok(model),
    }
}

/// Restricts a parameter to some of its rows; it keeps its id and whether it is trained.
#[cfg(feature = "flex")]
pub(super) fn of_rows(param: Param<Tensor<2>>, rows: Range<usize>) -> Param<Tensor<2>> {
    param.map(|all| {
        let some = row_range(all.clone().inner(), rows.start, rows.len());
        match all.gradient_checkpointing_strategy() {
            Some(strategy) if all.is_require_grad() => {
                Tensor::from_inner(some).with_gradient_checkpointing_strategy(strategy).require_grad()
            }
            Some(_) => Tensor::from_inner(some),
            None => some,
        }
    })
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    found: Parameters,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(self.path.join("."), param.val().into_data());
    }
}

struct Writer {
    values: Parameters,
    path: Vec<String>,
    wrong: Option<String>,
}

impl ModuleMapper for Writer {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let Some(data) = self.values.remove(&name) else {
            self.wrong.get_or_insert(format!("parameter '{name}' is missing; it was saved by another model"));
            return param;
        };
        let (expected, found) = (param.val().dims(), data.shape().to_vec());
        if found.as_slice() != expected {
            let message = format!("parameter '{name}' is {found:?} but the model needs {expected:?}");
            self.wrong.get_or_insert(message);
            return param;
        }
        if !data.dtype().is_float() {
            self.wrong
                .get_or_insert(format!("parameter '{name}' is of {:?}, not of floating-point numbers", data.dtype()));
            return param;
        }
        param.map(|old| {
            let new = Tensor::from_data(data, &old.device());
            if old.is_require_grad() { new.require_grad() } else { new }
        })
    }
}
