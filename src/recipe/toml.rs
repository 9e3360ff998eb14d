//! Recipes as TOML files.

use super::Recipe;
use super::place::{Checked, fault, no_such_toml};
use crate::data::{read_text, write_whole};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use toml::Table;

/// The sections of the file; whatever is missing is as in the preset.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: String,
    #[serde(default = "default")]
    preset: String,
    #[serde(default)]
    settings: Table,
    #[serde(default)]
    training: Table,
}

fn default() -> String {
    "default".into()
}

impl Recipe {
    /// Parses a recipe from TOML: the model's name, a preset, and what differs from it.
    ///
    /// ```
    /// use viral::prelude::*;
    ///
    /// let recipe = Recipe::from_toml(
    ///     r#"
    ///     model = "viral"
    ///     preset = "paper"
    ///
    ///     [settings]
    ///     d_embed = 32
    ///
    ///     [training]
    ///     epochs = 50
    ///     adam = { lr = 0.002 }
    ///     "#,
    /// )?;
    /// assert_eq!(recipe.training.epochs, 50);
    /// assert_eq!(Recipe::from_toml(&recipe.to_toml()?)?, recipe);
    /// # Ok::<(), viral::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the text is not TOML, a model, preset or setting is unknown, or a value is of the wrong kind. Every error
    /// names the line, and calls the text `recipe.toml`.
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::parse(text, Path::new("recipe.toml"))
    }

    /// [`from_toml`](Self::from_toml) for the content of a file.
    fn parse(text: &str, path: &Path) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|e| no_such_toml(&e, text, path))?;
        Self::from_file(&file).map_err(|fault| fault.error(text, path))
    }

    fn from_file(file: &File) -> Checked<Self> {
        Self::named(&file.model).map_err(|e| fault(&["model".into()], e))?;
        let mut recipe = Self::preset(&file.model, &file.preset).map_err(|e| fault(&["preset".into()], e))?;
        for (section, table, is_training) in [("settings", &file.settings, false), ("training", &file.training, true)] {
            for (key, value) in table {
                let changed = match is_training {
                    true => recipe.change_training(key, value),
                    false => recipe.change_setting(key, value),
                };
                let at = [section.into(), key.as_str().into()];
                changed.and_then(|()| recipe.check()).map_err(|e| fault(&at, e))?;
            }
        }
        Ok(recipe)
    }

    /// Changes a setting of the model as a file does.
    pub(crate) fn change_setting(&mut self, key: &str, value: &toml::Value) -> Result<()> {
        check_finite(value)?;
        let value = serde_json::to_string(value).map_err(|e| Error::Config(format!("{key}: {e}")))?;
        self.model.set(key, &value)
    }

    /// Changes a setting of the training as a file does; a table changes only the settings that it names.
    pub(crate) fn change_training(&mut self, key: &str, value: &toml::Value) -> Result<()> {
        check_finite(value)?;
        let wrong = |e: &dyn std::fmt::Display| Error::Config(format!("{key}: {e}"));
        let mut all = serde_json::to_value(&self.training).map_err(|e| wrong(&e))?;
        let value = serde_json::to_value(value).map_err(|e| wrong(&e))?;
        put(&mut all, key, value).map_err(Error::Config)?;
        // One key at a time, so that an error names the key.
        self.training = serde_json::from_value(all).map_err(|e| wrong(&e))?;
        Ok(())
    }

    /// Serialises the recipe to TOML with every setting written out, so that later versions with other defaults read
    /// the same recipe.
    ///
    /// # Errors
    /// If a setting is 2⁶³ or more, which TOML cannot represent.
    pub fn to_toml(&self) -> Result<String> {
        self.training.check_numbers()?;
        let broken = |e: &dyn std::fmt::Display| Error::Config(format!("the recipe cannot be written as TOML: {e}"));
        let mut settings = table(&self.model).map_err(|e| broken(&e))?;
        settings.remove("model");
        let training = table(&self.training).map_err(|e| broken(&e))?;
        let (model, preset) = (self.model.name().to_string(), self.preset.clone());
        toml::to_string(&File { model, preset, settings, training }).map_err(|e| broken(&e))
    }

    /// Reads a recipe from a TOML file.
    ///
    /// # Errors
    /// If the file cannot be read, or one of the errors of [`from_toml`](Self::from_toml), which then names the file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&read_text(path)?, path)
    }

    /// Writes [`to_toml`](Self::to_toml) to a file, atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        write_whole(path.as_ref(), self.to_toml()?.as_bytes())
    }
}

fn table(value: &impl Serialize) -> std::result::Result<Table, toml::ser::Error> {
    Table::try_from(value)
}

/// Rejects numbers that are not finite: JSON has none, and would write `null`.
fn check_finite(value: &toml::Value) -> Result<()> {
    match value {
        toml::Value::Float(number) if !number.is_finite() => {
            Err(Error::Config(format!("{number} is no finite number; write one, such as 0.001").to_lowercase()))
        }
        toml::Value::Table(table) => table.values().try_for_each(check_finite),
        toml::Value::Array(values) => values.iter().try_for_each(check_finite),
        _ => Ok(()),
    }
}

/// Replaces a setting; a table replaces only the settings that it names.
fn put(known: &mut Value, key: &str, value: Value) -> std::result::Result<(), String> {
    let Value::Object(fields) = known else {
        return Err(format!("'{key}' is no setting of {known}"));
    };
    let names = fields.keys().cloned().collect::<Vec<String>>().join(", ");
    let place = fields.get_mut(key).ok_or_else(|| format!("no setting '{key}'; there are: {names}"))?;
    match value {
        // A batch size is a number or a table, and always replaced as a whole.
        Value::Object(changes) if key != "batch_size" => changes
            .into_iter()
            .try_for_each(|(inner, value)| put(place, &inner, value).map_err(|e| format!("{key}: {e}"))),
        value => {
            *place = value;
            Ok(())
        }
    }
}

/// Parses a recipe with [`Recipe::from_toml`].
impl std::str::FromStr for Recipe {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::from_toml(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelConfig;

    #[test]
    fn every_model_and_preset_goes_through_a_file() {
        for name in ModelConfig::NAMES {
            let recipe = Recipe::named(name).unwrap().seed(7);
            assert_eq!(Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(), recipe, "{name}");
        }
        for preset in ["default", "paper", "reference", "reference-synergy"] {
            let recipe = Recipe::preset("viral", preset).unwrap().fixed_epochs(3).batch_size(99);
            assert_eq!(recipe.to_toml().unwrap().parse::<Recipe>().unwrap(), recipe, "{preset}");
        }
    }

    #[test]
    fn what_a_file_does_not_say_is_as_in_the_preset() {
        let text = "model = 'viral'\npreset = 'reference'\n[settings]\nlambda = 1\n[training]\nadam = { lr = 1 }\n";
        let recipe = Recipe::from_toml(text).unwrap();
        let expected = Recipe::preset("viral", "reference").unwrap().set("lambda", "1.0").unwrap().learning_rate(1.0);
        assert_eq!(recipe, expected);
        let batch = |value: &str| {
            Recipe::from_toml(&format!("model = 'viral'\n[training]\nbatch_size = {value}\n"))
                .unwrap()
                .training
                .batch_size
        };
        assert_eq!(batch("512"), 512.into());
        assert_eq!(batch("{ steps_per_epoch = 4 }"), crate::train::BatchSize::StepsPerEpoch { steps_per_epoch: 4 });
    }

    #[test]
    fn mistakes_are_named() {
        let message = |text: &str| Recipe::from_toml(text).unwrap_err().to_string();
        for (text, words) in [
            ("model = 'virel'", vec!["virel", "lightgcn"]),
            ("model = 'lightgcn'\npreset = 'paper'", vec!["paper", "lightgcn"]),
            ("model = 'lightgcn'\n[settings]\nd_embde = 3", vec![":3: settings.d_embde", "d_embed"]),
            ("model = 'lightgcn'\n[settings]\nd_embed = 'x'", vec![":3: settings.d_embed"]),
            ("model = 'lightgcn'\n[settings]\nd_embed = 100000000000", vec![":3: settings.d_embed", "at most 8192"]),
            (
                "model = 'viral'\n[settings]\nshared_negatives = 2147483647",
                vec![":3: settings.shared_negatives", "at most 65536"],
            ),
            ("model = 'viral'\n[settings]\ninfo_nce_rows = 65537", vec![":3: settings.info_nce_rows", "at most 65536"]),
            ("model = 'viral'\n[settings]\nfeed_forward = 8000", vec![":3: settings.feed_forward", "at most 256"]),
            ("model = 'lightgcn'\n[settings]\nn_layers = 100000", vec![":3: settings.n_layers", "at most 256"]),
            ("model = 'lightgcn'\n[training]\nepoch = 3", vec![":3: ", "'epoch'", "epochs"]),
            ("model = 'lightgcn'\n[training]\nadam = { beta = 1 }", vec![":3: training.adam", "beta_1"]),
            ("model = 'lightgcn'\n\n[training.adam]\nlr = nan", vec![":3: training.adam", "nan", "finite"]),
            ("model = 'lightgcn'\n[training]\nlr_decay = 0", vec![":3: training.lr_decay", "above 0"]),
            ("model = 'lightgcn'\n[settings]\nmodel = 'viral'", vec![":3: ", "no setting 'model'"]),
            ("model = 'lightgcn'\nsetings = 3", vec!["setings", ":2: "]),
            (
                "model = 'lightgcn'\n[training]\nbatch_size = { triplets = 7 }",
                vec![":3: ", "triplets", "steps_per_epoch"],
            ),
            (
                "model = 'lightgcn'\n[training.batch_size]\nsteps_per_epoch = 7\nsteps = 3",
                vec![":2: training.batch_size", "steps"],
            ),
            ("model = 'lightgcn'\n[training]\nbatch_size = -1", vec![":3: training.batch_size", "2048"]),
            ("model = 'lightgcn'\n[training]\nbatch_size = 'x'", vec![":3: training.batch_size", "2048"]),
            ("model = ", vec!["recipe.toml:1: "]),
            ("", vec!["model"]),
        ] {
            let found = message(text);
            assert!(words.iter().all(|word| found.contains(word)) && !found.contains('\n'), "{text}: {found}");
        }
    }
}
