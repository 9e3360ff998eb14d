//! A recipe as a TOML file.

use super::Recipe;
use crate::data::write_whole;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::{Table, Value};

/// The file's sections; what is missing is as in the preset.
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
    /// A recipe from TOML: the model's name, a preset, and what differs from it.
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
    /// Text that is not TOML, with its line; unknown models, presets and settings, and values of the wrong kind.
    pub fn from_toml(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|e| Error::Config(message(&e)))?;
        let mut recipe = Self::preset(&file.model, &file.preset)?;
        let wrong = |section: &str, e: &dyn std::fmt::Display| Error::Config(format!("[{section}]: {e}"));
        let mut model = table(&recipe.model).map_err(|e| wrong("settings", &e))?;
        merge(&mut model, file.settings, &["model"]).map_err(|e| wrong("settings", &e))?;
        recipe.model = model.try_into().map_err(|e: toml::de::Error| wrong("settings", &message(&e)))?;
        let mut training = table(&recipe.training).map_err(|e| wrong("training", &e))?;
        merge(&mut training, file.training, &[]).map_err(|e| wrong("training", &e))?;
        recipe.training = training.try_into().map_err(|e: toml::de::Error| wrong("training", &message(&e)))?;
        Ok(recipe)
    }

    /// The recipe as TOML with every setting written out, so that it means the same to later versions with other defaults.
    ///
    /// # Errors
    /// A seed of 2⁶³ or more, which TOML has no number for.
    pub fn to_toml(&self) -> Result<String> {
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
    /// A file that cannot be read, and those of [`from_toml`](Self::from_toml), with the file's name.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        Self::from_toml(&text).map_err(|e| Error::file(path, e.to_string()))
    }

    /// Writes [`to_toml`](Self::to_toml) into a file, whole or not at all.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        write_whole(path.as_ref(), self.to_toml()?.as_bytes())
    }
}

/// The parser's sentence on one line.
fn message(e: &toml::de::Error) -> String {
    let text = e.to_string();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn table(value: &impl Serialize) -> std::result::Result<Table, toml::ser::Error> {
    Table::try_from(value)
}

/// Puts changes over known settings, tables within tables alike; a whole number stands for a float where one is wanted.
fn merge(known: &mut Table, changes: Table, fixed: &[&str]) -> std::result::Result<(), String> {
    for (key, value) in changes {
        let names: Vec<String> = known.keys().filter(|key| !fixed.contains(&key.as_str())).cloned().collect();
        let place = known.get_mut(&key).filter(|_| !fixed.contains(&key.as_str()));
        let place = place.ok_or_else(|| format!("no setting '{key}'; there are: {}", names.join(", ")))?;
        *place = match (&mut *place, value) {
            (Value::Float(_), Value::Integer(n)) => Value::Float(n as f64),
            (Value::Table(inner), Value::Table(changes)) if !inner.contains_key("steps_per_epoch") => {
                merge(inner, changes, &[]).map_err(|e| format!("{key}: {e}"))?;
                continue;
            }
            (_, value) => value,
        };
    }
    Ok(())
}

/// [`Recipe::from_toml`].
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
            ("model = 'lightgcn'\n[settings]\nd_embde = 3", vec!["[settings]", "d_embde", "d_embed"]),
            ("model = 'lightgcn'\n[settings]\nd_embed = 'x'", vec!["[settings]", "d_embed"]),
            ("model = 'lightgcn'\n[training]\nepoch = 3", vec!["[training]", "'epoch'", "epochs"]),
            ("model = 'lightgcn'\n[training]\nadam = { beta = 1 }", vec!["adam", "beta_1"]),
            ("model = 'lightgcn'\n[settings]\nmodel = 'viral'", vec!["no setting 'model'"]),
            ("model = 'lightgcn'\nsetings = 3", vec!["setings", "line 2"]),
            ("model = ", vec!["line 1"]),
            ("", vec!["model"]),
        ] {
            let found = message(text);
            assert!(words.iter().all(|word| found.contains(word)) && !found.contains('\n'), "{text}: {found}");
        }
    }
}
