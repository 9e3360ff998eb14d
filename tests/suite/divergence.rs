//! Runs that diverge are errors, also where every number is finite; runs that do not are none.

use crate::bad_input::small;
use burn::tensor::Device;
use viral::Error;
use viral::data::{Dataset, ItemFeatures, Modality};
use viral::prelude::Recipe;
use viral::train::BatchSize;

const TRAINED: [&str; 9] = ["bpr-mf", "lightgcn", "vbpr", "freedom", "slmrec", "dragon", "mentor", "cohesion", "viral"];

fn run(name: &str, data: &Dataset, lr: f64, batch: usize) -> viral::Result<usize> {
    let mut recipe = Recipe::named(name)?.learning_rate(lr).epochs(4);
    recipe.training.batch_size = BatchSize::Triplets(batch);
    Ok(recipe.run(data, &Device::flex())?.history().len())
}

#[test]
fn a_loss_or_a_parameter_without_bound_is_an_error_although_it_is_finite() {
    let data = small();
    for name in TRAINED {
        // Several steps an epoch, and one: then the first epoch's loss is that of the fresh model.
        for batch in [8, 2048] {
            match run(name, &data, 1e9, batch) {
                Err(error @ Error::Diverged { .. }) => {
                    let message = error.to_string();
                    assert!(message.contains("lower the learning rate"), "{name}: {message}");
                    let Error::Diverged { epoch, found, features, .. } = error else { unreachable!() };
                    assert!(epoch < 2 && !found.is_empty() && features.is_none(), "{name}, {batch}: {message}");
                }
                other => panic!("{name}, {batch} triplets a step: {other:?}"),
            }
        }
    }
}

#[test]
fn runs_at_high_and_low_learning_rates_that_train_are_no_errors() {
    let data = small();
    for name in TRAINED {
        for lr in [1e-5, 1e-3, 0.1, 1.0] {
            let found = run(name, &data, lr, 16);
            assert_eq!(found.map_err(|error| error.to_string()), Ok(4), "{name} at {lr}");
        }
    }
}

#[test]
fn large_features_are_to_blame_where_they_are() {
    let mut data = small();
    let values: Vec<f32> = (0..90).map(|i| if i % 7 == 0 { 1e30 } else { -3e29 }).collect();
    data.train.features.insert(Modality::Visual, ItemFeatures::new(30, 3, values).unwrap());
    // As published, for by default they are brought to length one.
    let mut recipe = Recipe::preset("vbpr", "published").unwrap().epochs(4);
    recipe.training.batch_size = BatchSize::Triplets(16);
    match recipe.run(&data, &Device::flex()).map(|run| run.history().len()) {
        Err(error @ Error::Diverged { .. }) => {
            let message = error.to_string();
            assert!(["visual", "1.0e30", "size near 1"].iter().all(|word| message.contains(word)), "{message}");
        }
        other => panic!("{other:?}"),
    }
}
