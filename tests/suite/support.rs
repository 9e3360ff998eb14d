//! What several topics share.

use viral::data::{ItemFeatures, Modality, TrainSet};
use viral::model::ModelConfig;

/// A setting changed in a copy: `with(ViralConfig::new(), |c| c.d_embed = 32)`.
pub(crate) fn with<T>(mut settings: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut settings);
    settings
}

/// Adds attributes: what is above zero of the text features.
pub(crate) fn add_attributes(data: &mut TrainSet) {
    let text = data.features.get(&Modality::Text).unwrap();
    let values = text.values().iter().map(|&x| if x > 0.0 { 1.0 } else { 0.0 }).collect();
    let attributes = ItemFeatures::new(text.n_items(), text.width(), values).unwrap();
    data.features.insert(Modality::named("attributes").unwrap(), attributes);
}

/// Models of the table that take text and visual features: a new row is among them.
pub(crate) fn models_with_content() -> impl Iterator<Item = &'static str> {
    let takes = |name: &&str| *name != "attribute-knn" && ModelConfig::by_name(name).unwrap().takes_content();
    ModelConfig::NAMES.iter().copied().filter(takes)
}

/// Models of the table that are trained: a new row is among them.
pub(crate) fn trained_models() -> impl Iterator<Item = &'static str> {
    ModelConfig::NAMES.iter().copied().filter(|name| !["popularity", "profile-match", "attribute-knn"].contains(name))
}
