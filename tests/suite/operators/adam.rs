//! Adam against plain numbers.

use super::{number, numbers};
use crate::devices::device;
use crate::golden::close;
use burn::module::{Module, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use viral::model::parameters;
use viral::train::{Adam, AdamConfig};

#[derive(Module, Debug)]
struct Toy {
    matrix: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
    late: Param<Tensor<1>>,
    unused: Param<Tensor<1>>,
}

/// More entries than one task of the update takes, and gradients from far below epsilon to the hundreds.
#[test]
fn adam_is_adam_in_double_precision_over_five_steps() {
    let (shape, n) = ([129, 131], 40);
    let leaf = |tag, n: usize| Param::from_data(TensorData::new(numbers(tag, n), [n]), &device());
    let start = numbers(1, shape[0] * shape[1]);
    let mut toy = Toy {
        matrix: Param::from_data(TensorData::new(start.clone(), shape), &device()),
        vector: leaf(2, n),
        late: leaf(3, n),
        unused: leaf(4, n),
    };
    let gradient = |tag: u64, step: usize, n: usize| -> Vec<f32> {
        (0..n).map(|k| number(tag + 10 * step as u64, k) * 10f32.powi(k as i32 % 15 - 12)).collect()
    };
    let constant = |g: &[f32]| Tensor::<1>::from_data(TensorData::new(g.to_vec(), [g.len()]), &device());
    let config = AdamConfig::new(3e-2);

    let names = ["matrix", "vector", "late"];
    let sizes = [start.len(), n, n];
    let mut expected: Vec<Vec<f64>> =
        (0..3).map(|p| numbers(p as u64 + 1, sizes[p]).into_iter().map(f64::from).collect()).collect();
    let mut moments: Vec<Vec<(f64, f64)>> = sizes.iter().map(|&n| vec![(0.0, 0.0); n]).collect();
    let mut steps = [0i32; 3];

    let mut adam = Adam::new(config);
    for step in 0..5 {
        let gradients: Vec<Vec<f32>> = (0..3).map(|p| gradient(p as u64 + 1, step, sizes[p])).collect();
        // Linear in the parameters, so that the gradients are the constants. `late` has none in the first two steps:
        // it stands still, and its own count of steps begins with the third.
        let loss = |p: Tensor<1>, g: &[f32]| (p * constant(g)).sum();
        let mut total =
            loss(toy.matrix.val().reshape([sizes[0]]), &gradients[0]) + loss(toy.vector.val(), &gradients[1]);
        if step >= 2 {
            total = total + loss(toy.late.val(), &gradients[2]);
        }
        toy = adam.step(toy, total.backward());
        for p in (0..3).filter(|&p| p != 2 || step >= 2) {
            steps[p] += 1;
            let (c1, c2) = (1.0 - 0.9f64.powi(steps[p]), 1.0 - 0.999f64.powi(steps[p]));
            for ((x, (m, v)), &g) in expected[p].iter_mut().zip(&mut moments[p]).zip(&gradients[p]) {
                let g = f64::from(g);
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.999 * *v + 0.001 * g * g;
                *x -= 3e-2 * (*m / c1) / ((*v / c2).sqrt() + 1e-8);
            }
        }
        let found = parameters(&toy);
        for p in 0..3 {
            let found: Vec<f32> = found[names[p]].iter::<f32>().collect();
            let expected: Vec<f32> = expected[p].iter().map(|&x| x as f32).collect();
            close(&format!("step {step}: {}", names[p]), &found, &expected, 1e-6);
        }
        let still: Vec<f32> = found["unused"].iter::<f32>().collect();
        assert_eq!(still, numbers(4, n), "a parameter without a gradient stands still");
    }
    assert_eq!(steps, [5, 5, 3]);
}

/// What a device was asked to do about memory holds for the second step as for the first.
#[test]
fn a_step_keeps_gradient_checkpointing() {
    let device = device().gradient_checkpointing();
    let leaf = |tag, n: usize| Param::from_data(TensorData::new(numbers(tag, n), [n]), &device);
    let mut toy = Toy {
        matrix: Param::from_data(TensorData::new(numbers(1, 6), [2, 3]), &device),
        vector: leaf(2, 6),
        late: leaf(3, 6),
        unused: leaf(4, 6),
    };
    let mut adam = Adam::new(AdamConfig::default());
    let strategy = toy.vector.val().gradient_checkpointing_strategy();
    for _ in 0..2 {
        // `late` has no gradient: tensors that were changed and one that was not must still go together.
        let loss = (toy.matrix.val().reshape([6]) * toy.vector.val() * toy.late.val().detach()).sum();
        toy = adam.step(toy, loss.backward());
        assert_eq!(toy.vector.val().gradient_checkpointing_strategy(), strategy);
    }
    let together = (toy.vector.val() * toy.unused.val()).sum();
    assert!(together.into_scalar::<f32>().is_finite());
}

/// A parameter that has become another under the same id: moments and values are never zipped as far as both go.
#[test]
fn moments_of_another_length_are_a_panic_with_both_shapes() {
    #[derive(Module, Debug)]
    struct One {
        weight: Param<Tensor<2>>,
    }
    let id = ParamId::new();
    let model = |shape: [usize; 2]| {
        let values = TensorData::new(numbers(1, shape[0] * shape[1]), shape);
        One { weight: Param::initialized(id, Tensor::from_data(values, &device()).require_grad()) }
    };
    let mut adam = Adam::new(AdamConfig::default());
    let mut step = |model: One| {
        let gradients = model.weight.val().sum().backward();
        adam.step(model, gradients)
    };
    step(model([4, 3]));
    step(model([3, 4])); // as many: a reshaped parameter keeps its moments
    for shape in [[5, 3], [1, 1], [4, 2]] {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| step(model(shape)))).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(["weight", &format!("{shape:?}"), "[12]"].iter().all(|word| message.contains(word)), "{message}");
    }
}
