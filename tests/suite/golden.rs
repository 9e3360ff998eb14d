//! Reference values: one safetensors file a fixture, and manifests with their settings.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use std::path::PathBuf;
use viral::model::{Parameters, load_parameters, parameters};

/// Where the fixtures are.
pub(crate) fn folder() -> PathBuf {
    match std::env::var_os("VIRAL_GOLDEN") {
        Some(dir) => dir.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
    }
}

/// The folder of the real data sets, for tests that are ignored where there is none.
pub(crate) fn real_data() -> PathBuf {
    std::env::var_os("VIRAL_DATA").expect("VIRAL_DATA names the folder of the real data sets").into()
}

/// A JSON file of the folder.
pub(crate) fn json(file: &str) -> Value {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The entry of a fixture in whichever manifest has it.
pub(crate) fn manifest(fixture: &str) -> Value {
    ["redu2", "master", "mmrec", "baselines", "recent"]
        .iter()
        .find_map(|name| json(&format!("manifest.{name}.json")).get(fixture).cloned())
        .unwrap_or_else(|| panic!("no manifest has '{fixture}'"))
}

/// The expected means of a metrics fixture.
pub(crate) fn manifest_values(fixture: &str) -> Value {
    manifest(fixture)["values"].clone()
}

/// A number of a fixture's config.
pub(crate) fn setting(fixture: &str, key: &str) -> f64 {
    let entry = manifest(fixture);
    entry["config"][key].as_f64().unwrap_or_else(|| panic!("{fixture}: no number '{key}' in its config"))
}

/// One fixture in memory.
pub(crate) struct Golden {
    name: String,
    bytes: Vec<u8>,
}

/// Reads a fixture.
pub(crate) fn load(name: &str) -> Golden {
    let path = folder().join(format!("{name}.safetensors"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Golden { name: name.to_string(), bytes }
}

impl Golden {
    /// A fixture made by a recipe instead of read: name, shape and values of each tensor.
    pub(crate) fn of(name: &str, tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Self {
        let bytes: Vec<Vec<u8>> =
            tensors.iter().map(|(_, _, values)| values.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
        let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
        });
        Self { name: name.to_string(), bytes: safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap() }
    }

    fn raw(&self, name: &str) -> (Vec<usize>, Vec<u8>) {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).unwrap_or_else(|_| panic!("{}: no tensor '{name}'", self.name));
        (view.shape().to_vec(), view.data().to_vec())
    }

    pub(crate) fn f32(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let (shape, bytes) = self.raw(name);
        (shape, bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    pub(crate) fn i64(&self, name: &str) -> (Vec<usize>, Vec<i64>) {
        let (shape, bytes) = self.raw(name);
        (shape, bytes.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
    }

    /// A constant on `device`.
    pub(crate) fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let (shape, values) = self.f32(name);
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// `[n]` ids.
    pub(crate) fn ids(&self, name: &str) -> Vec<u32> {
        self.i64(name).1.iter().map(|&x| x as u32).collect()
    }

    /// Holds values to `max|x - golden| ≤ tolerance · max|golden|`.
    pub(crate) fn check_within(&self, name: &str, found: &[f32], tolerance: f32) {
        close(&format!("{}: {name}", self.name), found, &self.f32(name).1, tolerance);
    }

    /// Holds values to the fixtures' own tolerance.
    pub(crate) fn check(&self, name: &str, found: &[f32]) {
        self.check_within(name, found, 1e-5);
    }

    /// [`check`](Self::check) of a tensor.
    pub(crate) fn check_tensor<const D: usize>(&self, name: &str, found: Tensor<D>) {
        self.check(name, &values(found));
    }
}

/// `max|found - expected| ≤ tolerance · max|expected|`, wider on a GPU, and nothing that is not finite.
pub(crate) fn close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: {} values instead of {}", found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(found.iter().all(|x| x.is_finite()), "{what}: not finite");
    assert!(
        worst <= crate::devices::tolerance(tolerance) * largest.max(1e-30),
        "{what}: off by {worst:e}, largest is {largest:e}"
    );
}

/// A tensor's values.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The gradient of every parameter that has one.
pub(crate) fn gradients<M: Module>(model: &M, gradients: &Gradients) -> Parameters {
    struct Reader<'a>(Vec<String>, &'a Gradients, Parameters);
    impl ModuleVisitor for Reader<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.1) {
                self.2.insert(self.0.join("."), gradient.into_data());
            }
        }
    }
    let mut reader = Reader(Vec::new(), gradients, Parameters::new());
    model.visit(&mut reader);
    reader.2
}

/// How a parameter of ours is found in a reference's state.
pub(crate) struct Source {
    name: String,
    /// Rows `a..b` of `n` equal parts.
    part: Option<(usize, usize)>,
    transposed: bool,
    columns: Option<Vec<usize>>,
}

impl Source {
    /// The same values under another name.
    pub(crate) fn same(name: impl Into<String>) -> Self {
        Self { name: name.into(), part: None, transposed: false, columns: None }
    }

    /// A linear layer's weight: `[out, in]` there, `[in, out]` here.
    pub(crate) fn transposed(name: impl Into<String>) -> Self {
        Self { transposed: true, ..Self::same(name) }
    }

    /// Its name there.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Columns in another order.
    pub(crate) fn columns(mut self, columns: &[usize]) -> Self {
        self.columns = Some(columns.to_vec());
        self
    }

    /// Without the dot of an empty prefix.
    pub(crate) fn strip(mut self) -> Self {
        self.name = self.name.trim_start_matches('.').to_string();
        self
    }

    fn part(mut self, i: usize, n: usize) -> Self {
        self.part = Some((i, n));
        self
    }

    /// A linear layer by its part of the name: `weight` or `bias`.
    pub(crate) fn linear(name: impl std::fmt::Display, leaf: &str) -> Self {
        match leaf {
            "weight" => Self::transposed(format!("{name}.weight")),
            _ => Self::same(format!("{name}.{leaf}")),
        }
    }

    /// A path inside our `Encoder`, in the reference's encoder called `name`.
    pub(crate) fn encoder(name: &str, path: &str) -> Self {
        let norm = |leaf: &str| if leaf == "gamma" { "weight" } else { "bias" };
        let parts: Vec<&str> = path.split('.').collect();
        match parts.as_slice() {
            ["norm", leaf] => Self::same(format!("{name}.layer_norm.{}", norm(leaf))),
            ["layers", l, layer, leaf] => {
                let l = format!("{name}.layers.{l}");
                let projection = |i: usize| match *leaf {
                    "weight" => Self::transposed(format!("{l}.self_attn.in_proj_weight")).part(i, 3),
                    _ => Self::same(format!("{l}.self_attn.in_proj_bias")).part(i, 3),
                };
                match *layer {
                    "norm_attention" => Self::same(format!("{l}.layer_norms.0.{}", norm(leaf))),
                    "norm_feed_forward" => Self::same(format!("{l}.layer_norms.1.{}", norm(leaf))),
                    "query" => projection(0),
                    "key" => projection(1),
                    "value" => projection(2),
                    "output" => Self::linear(format!("{l}.self_attn.out_proj"), leaf),
                    "up" => Self::linear(format!("{l}.fc1"), leaf),
                    "down" => Self::linear(format!("{l}.fc2"), leaf),
                    other => panic!("no layer '{other}' in an encoder"),
                }
            }
            _ => panic!("'{path}' is not of an encoder"),
        }
    }

    /// The values in `group` (`param.`, `grad.`, …), laid out as ours.
    pub(crate) fn read(&self, golden: &Golden, group: &str) -> TensorData {
        let (mut shape, mut values) = golden.f32(&format!("{group}{}", self.name));
        while shape.len() > 2 && shape.last() == Some(&1) {
            shape.pop();
        }
        if let Some((i, n)) = self.part {
            let rows = shape[0] / n;
            let width: usize = shape[1..].iter().product();
            values = values[i * rows * width..(i + 1) * rows * width].to_vec();
            shape[0] = rows;
        }
        if self.transposed {
            let (rows, cols) = (shape[0], shape[1]);
            values = (0..rows * cols).map(|k| values[(k % rows) * cols + k / rows]).collect();
            shape = vec![cols, rows];
        }
        if let Some(columns) = &self.columns {
            values =
                values.chunks(shape[1]).flat_map(|row| columns.iter().map(|&c| row[c]).collect::<Vec<_>>()).collect();
        }
        TensorData::new(values, shape)
    }
}

/// Fills a model with the reference's parameters.
pub(crate) fn filled<M: Module>(model: M, golden: &Golden, source: impl Fn(&str) -> Source) -> M {
    let values: Parameters = parameters(&model)
        .into_keys()
        .map(|n| {
            let v = source(&n).read(golden, "param.");
            (n, v)
        })
        .collect();
    load_parameters(model, values).unwrap()
}

/// Holds every parameter's value to the reference's in `group`, but for names that `skip` says.
pub(crate) fn check_all(
    found: &Parameters,
    golden: &Golden,
    group: &str,
    source: impl Fn(&str) -> Source,
    skip: impl Fn(&str) -> bool,
) {
    for (name, data) in found.iter().filter(|(name, _)| !skip(name)) {
        let expected: Vec<f32> = source(name).read(golden, group).iter::<f32>().collect();
        let found: Vec<f32> = data.iter::<f32>().collect();
        close(&format!("{}: {group}{name}", golden.name), &found, &expected, 1e-5);
    }
}
