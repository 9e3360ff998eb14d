//! Settings that no run can have are refused by name before anything is trained.

use crate::bad_input::small;
use burn::tensor::Device;
use viral::data::Interactions;
use viral::model::{ModelConfig, ViralConfig};
use viral::nn::Init;
use viral::train::{AdamConfig, TrainerConfig};

fn refused<T>(result: viral::Result<T>, words: &[&str]) {
    let message = match result {
        Ok(_) => panic!("not refused; expected an error that says {words:?}"),
        Err(error) => error.to_string(),
    };
    for word in words {
        assert!(message.contains(word), "'{word}' is missing in: {message}");
    }
}

#[test]
fn of_models() {
    let data = small();
    let init = |config: &ModelConfig| config.init(&data.train, &mut Init::new(0, &Device::flex().autodiff()));
    let with = |mut config: ModelConfig, key: &str, value: &str| {
        config.set(key, value).unwrap();
        refused(init(&config), &[key]);
    };
    for (model, key, value) in [
        ("bpr-mf", "d_embed", "0"),
        ("lightgcn", "d_embed", "0"),
        ("vbpr", "d_embed", "0"),
        ("freedom", "d_embed", "0"),
        ("viral", "d_embed", "0"),
        ("lightgcn", "reg", "-1"),
        ("freedom", "visual_weight", "-3"),
        ("profile-match", "visual_weight", "1.5"),
        ("viral", "visual_weight", "-3"),
        ("viral", "user_mix", "2"),
        ("viral", "lambda", "-5"),
        ("viral", "temperature", "0"),
        ("viral", "temperature", "-1"),
        ("viral", "score_scale", "0"),
        ("viral", "feed_forward", "0"),
        ("viral", "projection_epsilon", "-1"),
        ("viral", "redundancy_heads", "3"),
    ] {
        with(ModelConfig::by_name(model).unwrap(), key, value);
    }
    // Half of one row would be none.
    with(ModelConfig::Viral(ViralConfig::paper()), "info_nce_rows", "1");
    for preset in [ViralConfig::new(), ViralConfig::paper(), ViralConfig::reference()] {
        let preset = ViralConfig { item_neighbors: 4, user_neighbors: 4, ..preset };
        assert!(init(&ModelConfig::Viral(preset)).is_ok());
    }
}

#[test]
fn of_training() {
    let data = small();
    let config = ModelConfig::by_name("bpr-mf").unwrap();
    let fit = |trainer: TrainerConfig, device: &Device, valid: &Interactions| {
        let model = config.init(&data.train, &mut Init::new(0, device)).unwrap();
        trainer.fit(model, &data.train, valid, device).map(|fit| fit.history.len())
    };
    let (device, short) = (Device::flex().autodiff(), TrainerConfig { epochs: 1, ..TrainerConfig::default() });
    let adam = |adam: AdamConfig| TrainerConfig { adam, ..short.clone() };
    let usual = AdamConfig::default();
    for (setting, trainer) in [
        ("batch_size", TrainerConfig { batch_size: 0.into(), ..short.clone() }),
        ("monitor_k", TrainerConfig { monitor_k: 0, ..short.clone() }),
        ("lr_decay", TrainerConfig { lr_decay: -1.0, ..short.clone() }),
        ("lr", adam(AdamConfig { lr: -0.01, ..usual })),
        ("lr", adam(AdamConfig { lr: f64::NAN, ..usual })),
        ("beta_1", adam(AdamConfig { beta_1: 1.0, ..usual })),
        ("beta_2", adam(AdamConfig { beta_2: -0.5, ..usual })),
        ("epsilon", adam(AdamConfig { epsilon: 0.0, ..usual })),
    ] {
        refused(fit(trainer, &device, &data.valid), &[setting]);
    }
    refused(fit(short.clone(), &Device::flex(), &data.valid), &["gradients", "autodiff()"]);
    let nothing = Interactions::from_pairs(data.n_users(), data.n_items(), &[]);
    refused(fit(short.clone(), &device, &nothing), &["valid is empty"]);
    assert_eq!(fit(short, &device, &data.valid).unwrap(), 1);
}
