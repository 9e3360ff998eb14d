//! Keys of results: a hash of everything that the bits of a result depend on.

use crate::Result;
use crate::data::hex;
use crate::model::ModelConfig;
use crate::train::TrainerConfig;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Version of the results. It is raised if and only if a change to the library changes the bits of some result. Results
/// of another version are ignored.
pub const RESULTS_VERSION: u32 = 1;

/// Kind of a result: a trial on the validation part, or a full run with a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Trial,
    Run,
}

/// Returns the key of a result, 32 hexadecimal digits: a hash of version, kind, data, model settings and training
/// settings, which include the seed.
///
/// Settings are hashed as this version of the library serialises them, sorted by name. When a later version adds a
/// setting, old lines are read with its default, so that they keep their meaning and are still found.
pub(super) fn key(kind: Kind, fingerprint: &str, model: &ModelConfig, training: &TrainerConfig) -> Result<String> {
    let mut text = format!("viral result {RESULTS_VERSION}\n{kind:?}\n{fingerprint}\n");
    for settings in [value(model)?, value(training)?] {
        canonical(&settings, &mut text);
        text.push('\n');
    }
    let mut digest = hex(Sha256::digest(text));
    digest.truncate(32);
    Ok(digest)
}

fn value(settings: &impl Serialize) -> Result<Value> {
    serde_json::to_value(settings).map_err(|e| crate::Error::Config(format!("settings are no JSON: {e}")))
}

/// Writes canonical JSON: keys are sorted, whatever the order of the map.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            text.push('{');
            for name in names {
                // Writing to a string cannot fail.
                let _ = write!(text, "{name:?}:");
                canonical(&fields[name], text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn every_part_counts_and_nothing_else_does() {
        let of = |kind, data: &str, recipe: &Recipe| key(kind, data, &recipe.model, &recipe.training).unwrap();
        let base = Recipe::lightgcn().seed(1);
        let mut keys = vec![
            of(Kind::Run, "a", &base),
            of(Kind::Trial, "a", &base),
            of(Kind::Run, "b", &base),
            of(Kind::Run, "a", &base.clone().seed(2)),
            of(Kind::Run, "a", &base.clone().learning_rate(0.002)),
            of(Kind::Run, "a", &base.clone().set("n_layers", "4").unwrap()),
            of(Kind::Run, "a", &Recipe::named("bpr-mf").unwrap().seed(1)),
        ];
        let mut renamed = base.clone();
        renamed.preset = "other".into();
        assert_eq!(of(Kind::Run, "a", &renamed), keys[0]);
        let n = keys.len();
        assert!(keys.iter().all(|key| key.len() == 32));
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), n);
    }

    #[test]
    fn the_order_of_a_map_does_not_count() {
        let text = |json: &str| {
            let mut text = String::new();
            canonical(&serde_json::from_str(json).unwrap(), &mut text);
            text
        };
        assert_eq!(
            text(r#"{"b": [1.5, {"y": null, "x": "é"}], "a": true}"#),
            r#"{"a":true,"b":[1.5,{"x":"é","y":null,},],}"#
        );
    }
}
