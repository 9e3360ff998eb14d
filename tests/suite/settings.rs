//! Settings: those that no run can have are refused by name before anything is trained, names are those of files, and the
//! documented defaults are the defaults.

use crate::bad_input::small;
use crate::support::with;
use burn::tensor::Device;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::{Debug, Display};
use std::path::Path;
use std::str::FromStr;
use viral::data::{Interactions, Part, PlantedConfig};
use viral::eval::Metric;
use viral::graph::{ItemGraph, NeighborWeight, Pruning};
use viral::loss::{RedundancyAnchor, Similarity};
use viral::model::{FusionPlacement, FusionStrategy, ModelConfig, ViralConfig};
use viral::nn::{Init, LayerAggregation, Mask};
use viral::ops::MatmulPrecision;
use viral::prelude::Recipe;
use viral::train::{AdamConfig, Keep, TrainerConfig};

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
    let refuses = |mut config: ModelConfig, key: &str, value: &str| {
        config.set(key, value).unwrap();
        refused(init(&config), &[key]);
    };
    for (model, key, value) in [
        ("bpr-mf", "d_embed", "0"),
        ("lightgcn", "d_embed", "0"),
        ("vbpr", "d_embed", "0"),
        ("freedom", "d_embed", "0"),
        ("mmgcn", "d_embed", "0"),
        ("mmgcn", "n_layers", "0"),
        ("mmgcn", "reg", "-1"),
        ("grcn", "d_content", "0"),
        ("lattice", "d_projection", "0"),
        ("lattice", "n_neighbors", "0"),
        ("lattice", "lambda", "1.5"),
        ("slmrec", "d_embed", "0"),
        ("slmrec", "temperature", "0"),
        ("slmrec", "link_temperature", "-1"),
        ("slmrec", "link_weight", "-0.1"),
        ("mentor", "d_embed", "0"),
        ("mentor", "d_hidden", "0"),
        ("mentor", "item_neighbors", "0"),
        ("mentor", "visual_weight", "1.5"),
        ("mentor", "reg", "-1"),
        ("mentor", "align_weight", "-1"),
        ("mentor", "noise", "-0.1"),
        ("mentor", "mask_weight_f", "-1"),
        ("mentor", "mask_weight_g", "-1"),
        ("mentor", "temperature", "0"),
        ("mentor", "dropout", "1"),
        ("dragon", "d_embed", "0"),
        ("dragon", "d_hidden", "0"),
        ("viral", "user_neighbors", "0"),
        ("dragon", "user_neighbors", "0"),
        ("dragon", "visual_weight", "1.5"),
        ("dragon", "reg", "-1"),
        ("cohesion", "d_embed", "0"),
        ("cohesion", "d_hidden", "0"),
        ("cohesion", "user_neighbors", "0"),
        ("cohesion", "visual_weight", "-1"),
        ("cohesion", "edge_dropout", "1"),
        ("cohesion", "reg", "-1"),
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
        refuses(ModelConfig::by_name(model).unwrap(), key, value);
    }
    // Half of one row would be none.
    refuses(ModelConfig::Viral(ViralConfig::paper()), "info_nce_rows", "1");
    for preset in [ViralConfig::new(), ViralConfig::paper(), ViralConfig::reference()] {
        let preset = with(preset, |c| {
            c.item_neighbors = 4;
            c.user_neighbors = 4;
        });
        assert!(init(&ModelConfig::Viral(preset)).is_ok());
    }
}

/// Numbers that single precision does not hold, or not their inverses: refused by name, or a run that ends, well or with an error.
#[test]
fn no_number_makes_a_model_panic() {
    let data = small();
    let mut n_refused = 0;
    for model in ModelConfig::NAMES {
        let config = ModelConfig::by_name(model).unwrap();
        let settings = serde_json::to_value(&config).unwrap();
        let settings = settings.as_object().unwrap().iter().filter(|(_, value)| value.is_f64());
        for (key, value) in settings.flat_map(|(key, _)| ["1e300", "1e-300", "1e31", "-1e39"].map(|value| (key, value)))
        {
            let mut config = config.clone();
            for (key, n) in [("item_neighbors", "4"), ("user_neighbors", "4"), ("n_neighbors", "4")] {
                let _ = config.set(key, n); // not all have it
            }
            if config.set(key, value).is_err() {
                n_refused += 1;
                continue;
            }
            let run = Recipe::new(config).fixed_epochs(1).run(&data, &Device::flex());
            if let Err(error) = run.map(|run| run.test(&[5])) {
                let (named, message) = (key.rsplit('.').next().unwrap(), error.to_string());
                assert!(message.contains(named) || message.contains("diverge"), "{model}: {key} = {value}: {message}");
                n_refused += 1;
            }
        }
    }
    assert!(n_refused > 50, "{n_refused}");
}

#[test]
fn of_training() {
    let data = small();
    let config = ModelConfig::by_name("bpr-mf").unwrap();
    let fit = |trainer: TrainerConfig, device: &Device, valid: &Interactions| {
        let model = config.init(&data.train, &mut Init::new(0, device)).unwrap();
        trainer.fit(model, &data.train, valid, device).map(|fit| fit.history.len())
    };
    let device = Device::flex().autodiff();
    let short = with(TrainerConfig::default(), |c| c.epochs = 1);
    type Change = fn(&mut TrainerConfig);
    let impossible: [(&str, Change); 8] = [
        ("batch_size", |c| c.batch_size = 0.into()),
        ("monitor_k", |c| c.monitor_k = 0),
        ("lr_decay", |c| c.lr_decay = -1.0),
        ("lr", |c| c.adam.lr = -0.01),
        ("lr", |c| c.adam.lr = f64::NAN),
        ("beta_1", |c| c.adam.beta_1 = 1.0),
        ("beta_2", |c| c.adam.beta_2 = -0.5),
        ("epsilon", |c| c.adam.epsilon = 0.0),
    ];
    for (setting, change) in impossible {
        refused(fit(with(short.clone(), change), &device, &data.valid), &[setting]);
    }
    refused(fit(short.clone(), &Device::flex(), &data.valid), &["gradients", "autodiff()"]);
    let nothing = Interactions::from_pairs(data.n_users(), data.n_items(), &[]);
    refused(fit(short.clone(), &device, &nothing), &["valid is empty"]);
    assert_eq!(fit(short, &device, &data.valid).unwrap(), 1);
}

/// The names that are printed and parsed are those that serde writes and reads.
fn named<T>(all: &[T])
where
    T: Display + FromStr<Err = viral::Error> + Serialize + DeserializeOwned + PartialEq + Debug + Copy,
{
    for &value in all {
        let name = value.to_string();
        assert_eq!(serde_json::to_value(value).unwrap(), Value::String(name.clone()));
        assert_eq!(serde_json::from_value::<T>(Value::String(name.clone())).unwrap(), value);
        assert_eq!(name.parse::<T>().unwrap(), value);
    }
    let names: Vec<String> = all.iter().map(T::to_string).collect();
    let expected = format!("'neither'; there are {}", names.join(", "));
    refused("neither".parse::<T>(), &[&expected]);
}

#[test]
fn names_are_those_of_files() {
    named(&[
        FusionStrategy::MeanPooling,
        FusionStrategy::Concatenation,
        FusionStrategy::WeightedConcatenation,
        FusionStrategy::InformationAware,
    ]);
    named(&[FusionPlacement::Features, FusionPlacement::Propagated]);
    named(&[MatmulPrecision::F32, MatmulPrecision::Bf16]);
    named(&[Mask::Zeros, Mask::Learned]);
    named(&[LayerAggregation::Sum, LayerAggregation::Mean]);
    named(&[Pruning::Uniform, Pruning::DegreeSensitive]);
    named(&[NeighborWeight::Softmax, NeighborWeight::Counts, NeighborWeight::Uniform]);
    named(&[ItemGraph::MeanCosine, ItemGraph::Mixture, ItemGraph::CosineMixture]);
    named(&[Keep::Best, Keep::Last]);
    named(&[RedundancyAnchor::Full, RedundancyAnchor::Shared]);
    named(&[Similarity::Cosine, Similarity::InnerProduct]);
    named(&[Part::Train, Part::Valid, Part::Test]);
    named(Metric::ALL);
    for name in ModelConfig::NAMES {
        assert_eq!(name.parse::<ModelConfig>().unwrap(), ModelConfig::by_name(name).unwrap());
    }
}

/// Name and documented default of each field of a struct, as in `/// Width. Default: 64.`
fn documented(source: &str, name: &str) -> Vec<(String, String)> {
    let body = source.split_once(&format!("pub struct {name} {{\n")).unwrap_or_else(|| panic!("no {name}")).1;
    let (mut doc, mut found) = (String::new(), Vec::new());
    for line in body.split_once("\n}").unwrap_or_else(|| panic!("{name} has no end")).0.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            doc.push_str(words);
        } else if let Some(field) = line.strip_prefix("pub ") {
            let (field, default) = (field.split_once(':').unwrap().0, doc.split_once("Default: "));
            let default = default.unwrap_or_else(|| panic!("{name}::{field} does not state its default: {doc}")).1;
            let end = default.find([',', ';', '(', ' ']).unwrap_or(default.len());
            let default = default[..end].trim_end_matches('.').trim_matches('`');
            found.push((field.to_string(), default.to_string()));
            doc.clear();
        }
    }
    found
}

fn defaults_are_as_documented<T: Serialize + Default>(file: &str, name: &str) {
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap();
    let Value::Object(fields) = serde_json::to_value(T::default()).unwrap() else { panic!("{name} is no struct") };
    let documented = documented(&source, name);
    assert_eq!(documented.len(), fields.len(), "{name}: {documented:?}");
    for (field, stated) in documented {
        let same = match &fields[&field] {
            // Fields in f32 have more digits in f64 than their docs.
            Value::Number(number) => stated.parse::<f32>().is_ok_and(|x| x == number.as_f64().unwrap() as f32),
            Value::Bool(value) => stated == value.to_string(),
            Value::String(value) => stated == *value,
            // A struct of its own, whose fields are documented there.
            Value::Object(_) => stated.contains("Config::default"),
            other => panic!("{name}::{field} is {other}"),
        };
        assert!(same, "{name}::{field}: documented is {stated}, the default is {}", fields[&field]);
    }
}

#[test]
fn documented_defaults_are_the_defaults() {
    use viral::model::{BprMfConfig, FreedomConfig, LightGcnConfig, ProfileMatchConfig, VbprConfig};
    use viral::model::{GrcnConfig, LatticeConfig, MmgcnConfig};
    defaults_are_as_documented::<viral::model::SlmrecConfig>("model/slmrec.rs", "SlmrecConfig");
    defaults_are_as_documented::<viral::model::MentorConfig>("model/mentor/config.rs", "MentorConfig");
    use viral::model::{CohesionConfig, DragonConfig};
    defaults_are_as_documented::<DragonConfig>("model/dragon.rs", "DragonConfig");
    defaults_are_as_documented::<CohesionConfig>("model/cohesion/config.rs", "CohesionConfig");
    defaults_are_as_documented::<ViralConfig>("model/viral/config.rs", "ViralConfig");
    defaults_are_as_documented::<LightGcnConfig>("model/light_gcn.rs", "LightGcnConfig");
    defaults_are_as_documented::<FreedomConfig>("model/freedom.rs", "FreedomConfig");
    defaults_are_as_documented::<MmgcnConfig>("model/mmgcn.rs", "MmgcnConfig");
    defaults_are_as_documented::<GrcnConfig>("model/grcn.rs", "GrcnConfig");
    defaults_are_as_documented::<LatticeConfig>("model/lattice.rs", "LatticeConfig");
    defaults_are_as_documented::<VbprConfig>("model/vbpr.rs", "VbprConfig");
    defaults_are_as_documented::<BprMfConfig>("model/bpr_mf.rs", "BprMfConfig");
    defaults_are_as_documented::<ProfileMatchConfig>("model/profile_match.rs", "ProfileMatchConfig");
    defaults_are_as_documented::<TrainerConfig>("train/config.rs", "TrainerConfig");
    defaults_are_as_documented::<AdamConfig>("train/adam.rs", "AdamConfig");
    defaults_are_as_documented::<PlantedConfig>("data/planted.rs", "PlantedConfig");
}
