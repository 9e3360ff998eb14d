//! Adam, as in PyTorch (Kingma and Ba, ICLR 2015).

use crate::model::Parameters;
use crate::ops::{changed, lives_in_host_memory};
use crate::{Error, Result};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Settings of [`Adam`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AdamConfig {
    /// Learning rate. Default: 0.001.
    pub lr: f64,
    /// Exponential decay of the mean of gradients, `β₁`. Default: 0.9.
    pub beta_1: f64,
    /// Exponential decay of the mean of squared gradients, `β₂`. Default: 0.999.
    pub beta_2: f64,
    /// Added to the denominator `√v̂` for stability, `ε`. Default: 1e-8.
    pub epsilon: f64,
    /// Coupled weight decay (L2 penalty): this times the parameter is added to its gradient, as `weight_decay` of
    /// PyTorch's `Adam` does (not `AdamW`). Default: 0.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { lr: 1e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl AdamConfig {
    /// The default settings with this learning rate.
    ///
    /// ```
    /// use viral::train::AdamConfig;
    ///
    /// let config = AdamConfig::new(5e-3);
    /// assert_eq!((config.lr, config.beta_1, config.beta_2, config.epsilon), (5e-3, 0.9, 0.999, 1e-8));
    /// ```
    pub fn new(lr: f64) -> Self {
        Self { lr, ..Self::default() }
    }
}

/// Largest step count: powers of the decays take signed exponents.
const MOST_STEPS: u32 = i32::MAX as u32 - 1;

/// First and second moments of one parameter.
#[derive(Debug, Clone)]
struct Moments {
    step: u32,
    values: Values,
}

/// Moments live where their parameter does: in host memory they are updated in one pass, on a device by tensor
/// operations.
#[derive(Debug, Clone)]
enum Values {
    Host(Vec<f32>, Vec<f32>),
    Device(Box<[Tensor<1>; 2]>),
}

/// The Adam optimizer.
///
/// `m ← β₁ m + (1 - β₁) g`, `v ← β₂ v + (1 - β₂) g²`, `p ← p - lr · m̂ / (√v̂ + ε)`, with bias-corrected `m̂` and `v̂`;
/// `g` is the gradient, plus `weight_decay · p`.
///
/// As in PyTorch, a parameter without a gradient is not changed and its step is not counted. *Adam: A Method for
/// Stochastic Optimization*, ICLR 2015, arXiv 1412.6980.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{Init, UserModalityWeightsConfig};
/// use viral::train::{Adam, AdamConfig};
///
/// let device = Device::flex().autodiff();
/// let layer = UserModalityWeightsConfig::new(3, 2).with_spread(0.0).init(&mut Init::new(0, &device));
/// let mut adam = Adam::new(AdamConfig::new(0.1));
/// let gradients = layer.weight.val().sum().backward();
/// let layer = adam.step(layer, gradients);
/// // The first step has the size of the learning rate: 0.5 becomes 0.4.
/// let weights = layer.weight.val().into_data().iter::<f32>().collect::<Vec<_>>();
/// assert!(weights.iter().all(|w| (w - 0.4).abs() < 1e-6));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Adam {
    config: AdamConfig,
    moments: HashMap<ParamId, Moments>,
}

impl Adam {
    /// Makes an optimizer that has not taken a step.
    pub fn new(config: AdamConfig) -> Self {
        Self { config, moments: HashMap::new() }
    }

    /// Sets the learning rate from the next step on.
    pub fn set_lr(&mut self, lr: f64) {
        self.config.lr = lr;
    }

    pub(super) fn set_config(&mut self, config: AdamConfig) {
        self.config = config;
    }

    /// Takes one step on every parameter of `model` that has a gradient.
    ///
    /// # Panics
    /// If a parameter has another number of entries than in earlier steps, or is on another kind of device, so that its
    /// moments do not fit it.
    pub fn step<M: Module>(&mut self, model: M, gradients: Gradients) -> M {
        model.map(&mut Step { adam: self, gradients, path: Vec::new() })
    }

    /// Returns moments and step counts by name: `<parameter>.m`, `<parameter>.v` and `<parameter>.step`.
    pub(crate) fn state<M: Module>(&self, model: &M) -> (Parameters, BTreeMap<String, u32>) {
        let (mut tensors, mut steps) = (Parameters::new(), BTreeMap::new());
        for (name, Named { id, .. }) in named(model) {
            let Some(moments) = self.moments.get(&id) else {
                continue;
            };
            let (m, v) = match &moments.values {
                Values::Host(m, v) => (flat(m.clone()), flat(v.clone())),
                Values::Device(moments) => (moments[0].to_data(), moments[1].to_data()),
            };
            steps.insert(name.clone(), moments.step);
            tensors.insert(format!("{name}.m"), m);
            tensors.insert(format!("{name}.v"), v);
        }
        (tensors, steps)
    }

    /// Restores the state that [`state`](Self::state) returned.
    ///
    /// # Errors
    /// If moments belong to no parameter of `model`, have another shape or type than the parameter, or are incomplete,
    /// or if a number of steps is impossible.
    pub(crate) fn restore<M: Module>(
        config: AdamConfig,
        model: &M,
        mut tensors: Parameters,
        steps: &BTreeMap<String, u32>,
    ) -> Result<Self> {
        let wrong = |name: &str, what: String| Err(Error::Data(format!("the optimizer's moments of '{name}' {what}")));
        let mut moments = HashMap::new();
        let mut n_known = 0;
        for (name, Named { id, device, shape }) in named(model) {
            let found = (tensors.remove(&format!("{name}.m")), tensors.remove(&format!("{name}.v")));
            let (step, m, v) = match (steps.get(&name), found) {
                (Some(&step), (Some(m), Some(v))) => (step, m, v),
                (None, (None, None)) => continue, // it never had a gradient
                _ => return wrong(&name, "are not complete".to_string()),
            };
            n_known += 1;
            let n: usize = shape.iter().product();
            for moment in [&m, &v] {
                let (found, dtype) = (moment.shape().to_vec(), moment.dtype());
                if found != [n] || dtype != DType::F32 {
                    return wrong(
                        &name,
                        format!("are {found:?} of {dtype:?}, but the parameter is {shape:?} and needs [{n}] of F32"),
                    );
                }
            }
            if step == 0 || step > MOST_STEPS {
                return wrong(&name, format!("are of {step} steps; there must be between 1 and {MOST_STEPS}"));
            }
            let values = match lives_in_host_memory(&device) {
                true => Values::Host(host(m), host(v)),
                false => Values::Device(Box::new([m, v].map(|data| Tensor::from_data(data, &device)))),
            };
            moments.insert(id, Moments { step, values });
        }
        if let Some(name) = tensors.keys().next() {
            return wrong(name, "belong to no parameter of the model".to_string());
        }
        if n_known != steps.len() {
            let message = format!("{} parameters have steps of the optimizer, but {n_known} moments", steps.len());
            return Err(Error::Data(message));
        }
        Ok(Self { config, moments })
    }
}

fn flat(values: Vec<f32>) -> TensorData {
    let n = values.len();
    TensorData::new(values, [n])
}

fn host(data: TensorData) -> Vec<f32> {
    match data.dtype() {
        DType::F32 => data.iter::<f32>().collect(),
        other => panic!("adam on the CPU works in f32, not {other:?}"),
    }
}

/// A parameter of a model.
struct Named {
    id: ParamId,
    device: Device,
    shape: Vec<usize>,
}

fn named<M: Module>(model: &M) -> BTreeMap<String, Named> {
    #[derive(Default)]
    struct Names {
        path: Vec<String>,
        found: BTreeMap<String, Named>,
    }
    impl ModuleVisitor for Names {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let (value, id) = (param.val(), param.id);
            let named = Named { id, device: value.device().inner(), shape: value.dims().to_vec() };
            self.found.insert(self.path.join("."), named);
        }
    }
    let mut names = Names::default();
    model.visit(&mut names);
    names.found
}

struct Step<'a> {
    adam: &'a mut Adam,
    gradients: Gradients,
    path: Vec<String>,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        let value = param.val();
        let Some(gradient) = value.grad_remove(&mut self.gradients) else {
            return param;
        };
        let checkpointing = value.gradient_checkpointing_strategy().unwrap_or_default();
        drop(value);
        let config = self.adam.config;
        let moments = self.adam.moments.entry(id).or_insert_with(|| start(&gradient));
        moments.check(&gradient, &self.path);
        moments.step = moments.step.saturating_add(1).min(MOST_STEPS);
        let factors = Factors::at(&config, moments.step);
        param.map(|tensor| {
            let shape = tensor.dims();
            let tensor = tensor.inner();
            let updated: Tensor<D> = match &mut moments.values {
                Values::Host(m, v) => changed(tensor, gradient, |p, g| factors.update(p, g, m, v)),
                Values::Device(moments) => {
                    let [m, v] = moments.as_mut();
                    let n = shape.iter().product::<usize>();
                    let g = gradient.reshape([n]);
                    let g = match config.weight_decay {
                        0.0 => g,
                        decay => g + tensor.clone().reshape([n]) * decay,
                    };
                    *m = m.clone() * config.beta_1 + g.clone() * (1.0 - config.beta_1);
                    *v = v.clone() * config.beta_2 + g.square() * (1.0 - config.beta_2);
                    let denominator = v.clone().sqrt() * factors.root_correction + config.epsilon;
                    tensor - (m.clone() * factors.step_size / denominator).reshape(shape)
                }
            };
            Tensor::from_inner(updated).with_gradient_checkpointing_strategy(checkpointing).require_grad()
        })
    }
}

impl Moments {
    /// Checks that the moments fit the shape and place of a gradient.
    fn check<const D: usize>(&self, gradient: &Tensor<D>, path: &[String]) {
        let (shape, in_host) = (gradient.dims(), lives_in_host_memory(&gradient.device()));
        let (n, were_in_host) = match &self.values {
            Values::Host(m, v) => (m.len().max(v.len()), true),
            Values::Device(moments) => (moments[0].dims()[0], false),
        };
        let name = path.join(".");
        assert_eq!(n, shape.iter().product::<usize>(), "adam: parameter '{name}' is {shape:?}, its moments are [{n}]");
        let place = |in_host: bool| if in_host { "in host memory" } else { "on a device" };
        let (now, before) = (place(in_host), place(were_in_host));
        assert_eq!(now, before, "adam: parameter '{name}' is {now}, its moments are {before}");
    }
}

fn start<const D: usize>(gradient: &Tensor<D>) -> Moments {
    let n = gradient.dims().iter().product::<usize>();
    let device = gradient.device();
    let values = match lives_in_host_memory(&device) {
        true => Values::Host(vec![0.0; n], vec![0.0; n]),
        false => Values::Device(Box::new([Tensor::zeros([n], &device), Tensor::zeros([n], &device)])),
    };
    Moments { step: 0, values }
}

/// `lr / (1 - β₁ᵗ)`, `1 / √(1 - β₂ᵗ)` and the constants.
struct Factors {
    step_size: f32,
    root_correction: f32,
    beta_1: f32,
    beta_2: f32,
    rest_1: f32,
    rest_2: f32,
    epsilon: f32,
    weight_decay: f32,
}

impl Factors {
    fn at(config: &AdamConfig, step: u32) -> Self {
        let correction = |beta: f64| 1.0 - beta.powi(step as i32);
        Self {
            step_size: (config.lr / correction(config.beta_1)) as f32,
            root_correction: (1.0 / correction(config.beta_2).sqrt()) as f32,
            beta_1: config.beta_1 as f32,
            beta_2: config.beta_2 as f32,
            rest_1: (1.0 - config.beta_1) as f32,
            rest_2: (1.0 - config.beta_2) as f32,
            epsilon: config.epsilon as f32,
            weight_decay: config.weight_decay as f32,
        }
    }

    /// Updates in one pass: four reads and three writes per value.
    fn update(&self, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let [n, of_g, of_m, of_v] = [p.len(), g.len(), m.len(), v.len()];
        assert!([of_g, of_m, of_v] == [n; 3], "adam: {n} values, {of_g} of the gradient, moments of {of_m} and {of_v}");
        const CHUNK: usize = 1 << 14;
        let chunks = p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK));
        let chunks = chunks.zip(m.par_chunks_mut(CHUNK)).zip(v.par_chunks_mut(CHUNK));
        chunks.for_each(|(((p, g), m), v)| {
            for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m.iter_mut()).zip(v.iter_mut()) {
                let g = if self.weight_decay == 0.0 { g } else { g + self.weight_decay * *p };
                *m = self.beta_1 * *m + self.rest_1 * g;
                *v = self.beta_2 * *v + self.rest_2 * g * g;
                *p -= self.step_size * *m / (v.sqrt() * self.root_correction + self.epsilon);
            }
        });
    }
}
