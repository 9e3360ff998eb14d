//! Parsing of the TOML file of an experiment; errors name file, line and key.

use super::tune::{MOST, change};
use super::{CUTOFFS, ComparisonSettings, Contrast, DEPTH, DataSource, Experiment, Figure, ModelRow};
use super::{Choice, Tune};
use crate::Result;
use crate::data::{Knockout, Modality};
use crate::model::ModelConfig;
use crate::recipe::Recipe;
use crate::recipe::place::{Checked, Step, below, distinct, fault, known, no_such_toml};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default = "one_seed")]
    seeds: Vec<u64>,
    #[serde(default = "usual_cutoffs")]
    cutoffs: Vec<usize>,
    /// Changes the training of every model.
    #[serde(default)]
    training: Table,
    data: Vec<DataSource>,
    models: Vec<ModelSection>,
    #[serde(default)]
    contrasts: Vec<Contrast>,
    #[serde(default)]
    comparison: ComparisonSettings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelSection {
    model: String,
    name: Option<String>,
    #[serde(default = "default_preset")]
    preset: String,
    #[serde(default)]
    settings: Table,
    #[serde(default)]
    training: Table,
    seeds: Option<Vec<u64>>,
    #[serde(default)]
    data: Vec<String>,
    #[serde(default)]
    knockout: BTreeMap<Modality, Knockout>,
    #[serde(default)]
    published: Table,
    tune: Option<TuneSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TuneSection {
    #[serde(default = "ten")]
    epochs: usize,
    trials: Option<usize>,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    settings: Table,
    #[serde(default)]
    training: Table,
}

/// Upper bound: more resamples would take hours and change no digit that is shown.
const MOST_RESAMPLES: usize = 1_000_000;

fn one_seed() -> Vec<u64> {
    vec![1]
}

fn usual_cutoffs() -> Vec<usize> {
    vec![10, 20]
}

fn default_preset() -> String {
    "default".into()
}

fn ten() -> usize {
    10
}

/// Parses `text`, the content of the file `path`.
pub(super) fn parse(text: &str, path: &Path) -> Result<Experiment> {
    let file: File = toml::from_str(text).map_err(|e| no_such_toml(&e, text, path))?;
    experiment(file).map_err(|fault| fault.error(text, path))
}

fn experiment(file: File) -> Checked<Experiment> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if file.name.is_empty() || file.name.starts_with('.') || !file.name.chars().all(is_plain) {
        let message = format!("'{}' names a folder: use letters, digits, - and _", file.name);
        return Err(fault(&["name".into()], message));
    }
    seeds(&file.seeds, &["seeds".into()])?;
    let is_unknown = |k: &usize| !CUTOFFS.contains(k);
    match file.cutoffs.iter().position(is_unknown) {
        Some(i) => {
            let message = format!("results are kept at {CUTOFFS:?}, not at {}", file.cutoffs[i]);
            return Err(fault(&["cutoffs".into(), i.into()], message));
        }
        None if file.cutoffs.is_empty() => return Err(fault(&["cutoffs".into()], "name one at least")),
        None => distinct(&file.cutoffs, "cutoff", &["cutoffs".into()])?,
    }
    comparison(&file.comparison)?;
    let mut names: Vec<&str> = Vec::new();
    for (i, source) in file.data.iter().enumerate() {
        let at = |key: &str| [Step::from("data"), i.into(), key.into()];
        distinct(&source.modalities, "modality", &at("modalities"))?;
        if let Some((key, error)) = source.fault() {
            return Err(fault(&at(key), error));
        }
        if names.contains(&source.name.as_str()) {
            return Err(fault(&at("name"), format!("two data sets are called '{}'", source.name)));
        }
        names.push(&source.name);
    }
    if names.is_empty() {
        return Err(fault(&["data".into()], "name one data set at least"));
    }
    let mut models: Vec<ModelRow> = Vec::new();
    for (i, section) in file.models.iter().enumerate() {
        let at = [Step::from("models"), i.into()];
        let row = row(section, &file.training, &file.seeds, &names, &at)?;
        if models.iter().any(|other| other.name == row.name) {
            let key = if section.name.is_some() { "name" } else { "model" };
            let message = format!("two models are called '{}'; give one a name", row.name);
            return Err(fault(&below(&at, [key.into()]), message));
        }
        models.push(row);
    }
    if models.is_empty() {
        return Err(fault(&["models".into()], "name one model at least"));
    }
    for (i, contrast) in file.contrasts.iter().enumerate() {
        let at = |key: &str| vec![Step::from("contrasts"), i.into(), key.into()];
        known(&contrast.of, models.iter().map(|row| row.name.as_str()), "model", &at("of"))?;
        distinct(&contrast.against, "model", &at("against"))?;
        for (j, other) in contrast.against.iter().enumerate() {
            let at = below(&at("against"), [j.into()]);
            known(other, models.iter().map(|row| row.name.as_str()), "model", &at)?;
            if *other == contrast.of {
                return Err(fault(&at, format!("'{other}' does not differ from itself")));
            }
        }
    }
    let File { name, data, cutoffs, contrasts, comparison, .. } = file;
    Ok(Experiment { name, data, models, cutoffs, contrasts, comparison })
}

fn comparison(settings: &ComparisonSettings) -> Checked<()> {
    let at = |key: &str| [Step::from("comparison"), key.into()];
    if settings.figure.k > DEPTH {
        return Err(fault(&at("figure"), format!("results are kept down to rank {DEPTH}")));
    }
    match settings.resamples {
        1..=MOST_RESAMPLES => Ok(()),
        _ => Err(fault(&at("resamples"), format!("must be from 1 to {MOST_RESAMPLES}"))),
    }
}

fn seeds(seeds: &[u64], at: &[Step]) -> Checked<()> {
    match seeds.is_empty() {
        true => Err(fault(at, "name one seed at least")),
        false => distinct(seeds, "seed", at),
    }
}

fn row(section: &ModelSection, training: &Table, all_seeds: &[u64], data: &[&str], at: &[Step]) -> Checked<ModelRow> {
    let here = |key: &str| below(at, [key.into()]);
    ModelConfig::by_name(&section.model).map_err(|e| fault(&here("model"), e))?;
    let mut recipe = Recipe::preset(&section.model, &section.preset).map_err(|e| fault(&here("preset"), e))?;
    for (keys, steps, is_training) in [
        (training, vec!["training".into()], true),
        (&section.settings, here("settings"), false),
        (&section.training, here("training"), true),
    ] {
        for (key, value) in keys {
            let at = below(&steps, [key.as_str().into()]);
            if is_training && key == "seed" {
                return Err(fault(&at, "seeds are listed under `seeds`"));
            }
            change(&mut recipe, is_training, std::slice::from_ref(key), value).map_err(|e| fault(&at, e))?;
            recipe.check().map_err(|e| fault(&at, e))?;
        }
    }
    if let Some(own) = &section.seeds {
        seeds(own, &here("seeds"))?;
    }
    distinct(&section.data, "data set", &here("data"))?;
    for (i, name) in section.data.iter().enumerate() {
        known(name, data.iter().copied(), "data set", &below(&here("data"), [i.into()]))?;
    }
    Ok(ModelRow {
        name: section.name.clone().unwrap_or_else(|| section.model.clone()),
        seeds: section.seeds.clone().unwrap_or_else(|| all_seeds.to_vec()),
        data: section.data.clone(),
        knockout: section.knockout.clone().into_iter().collect(),
        tune: section.tune.as_ref().map(|section| tune(section, &recipe, &here("tune"))).transpose()?,
        published: published(&section.published, data, &here("published"))?,
        recipe,
    })
}

/// Parses published figures: `{ "R@20" = 0.1 }` for the only data set, or `{ baby = { "R@20" = 0.1 } }`.
fn published(table: &Table, data: &[&str], at: &[Step]) -> Checked<Vec<(String, Figure, f64)>> {
    let mut found = Vec::new();
    let mut put = |name: &str, key: &str, value: &Value, at: &[Step]| -> Checked<()> {
        let figure: Figure = key.parse().map_err(|e| fault(at, e))?;
        let value = value.as_float().filter(|x| (0.0..=1.0).contains(x));
        found.push((name.to_string(), figure, value.ok_or_else(|| fault(at, "must be a number from 0 to 1"))?));
        Ok(())
    };
    for (key, value) in table {
        let at = below(at, [key.as_str().into()]);
        match value {
            Value::Table(figures) => {
                known(key, data.iter().copied(), "data set", &at)?;
                for (figure, value) in figures {
                    put(key, figure, value, &below(&at, [figure.as_str().into()]))?;
                }
            }
            value => match data {
                [only] => put(only, key, value, &at)?,
                _ => return Err(fault(&at, "say of which data set: published = { NAME = { … } }")),
            },
        }
    }
    Ok(found)
}

fn tune(section: &TuneSection, recipe: &Recipe, at: &[Step]) -> Checked<Tune> {
    for (key, is_zero) in [("epochs", section.epochs == 0), ("trials", section.trials == Some(0))] {
        if is_zero {
            return Err(fault(&below(at, [key.into()]), "must be at least 1"));
        }
    }
    let mut choices = Vec::new();
    for (key, table, is_training) in [("settings", &section.settings, false), ("training", &section.training, true)] {
        collect(table, is_training, &[], &below(at, [key.into()]), &mut choices)?;
    }
    if choices.is_empty() {
        return Err(fault(at, "name settings to choose: settings.KEY = [ … ] or training.KEY = [ … ]"));
    }
    let is_fixed = |path: &[String]| ["seed", "epochs", "patience"].iter().any(|key| path == [*key]);
    for choice in &choices {
        let steps = |i: Option<usize>| {
            let key = if choice.is_training { "training" } else { "settings" };
            let path = choice.path.iter().map(|key| Step::from(key.as_str()));
            below(at, std::iter::once(Step::from(key)).chain(path).chain(i.map(Step::from)))
        };
        if choice.is_training && is_fixed(&choice.path) {
            return Err(fault(&steps(None), "is the same for all trials"));
        }
        distinct(&choice.values, "value", &steps(None))?;
        for (i, value) in choice.values.iter().enumerate() {
            let mut tried = recipe.clone();
            change(&mut tried, choice.is_training, &choice.path, value).map_err(|e| fault(&steps(Some(i)), e))?;
            tried.check().map_err(|e| fault(&steps(Some(i)), e))?;
        }
    }
    let tune = Tune { epochs: section.epochs, n_trials: section.trials, seed: section.seed, choices };
    match tune.grid_size() {
        Some(_) => Ok(tune),
        None => Err(fault(at, format!("more than {MOST} combinations; name fewer values"))),
    }
}

/// Collects the arrays of a table and of its nested tables, by path.
fn collect(table: &Table, is_training: bool, path: &[String], at: &[Step], choices: &mut Vec<Choice>) -> Checked<()> {
    for (key, value) in table {
        let (at, path) = (below(at, [key.as_str().into()]), [path, std::slice::from_ref(key)].concat());
        match value {
            Value::Array(values) if !values.is_empty() => {
                choices.push(Choice { is_training, path, values: values.clone() });
            }
            Value::Table(inner) => collect(inner, is_training, &path, &at, choices)?,
            _ => return Err(fault(&at, "must be a list of values to choose from")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "toys"
seeds = [1, 2]

[training]
epochs = 5

[[data]]
name = "a"
planted = { n_users = 50, n_items = 40 }

[[data]]
name = "b"
modalities = ["text"]

[[models]]
model = "lightgcn"
settings = { n_layers = 3 }
published = { b = { "R@20" = 0.1 } }

[[models]]
name = "mine"
model = "viral"
preset = "paper"
seeds = [7]
data = ["a"]
training = { adam = { lr = 0.01 } }
[models.tune]
epochs = 3
settings.lambda = [0.1, 0.01]
training.adam.lr = [1e-3, 1e-2]

[[contrasts]]
of = "mine"
against = ["lightgcn"]
"#;

    #[test]
    fn a_file_says_what_differs_from_the_presets() {
        let found = Experiment::from_toml(GOOD).unwrap();
        let lightgcn = Recipe::lightgcn().set("n_layers", "3").unwrap().epochs(5);
        assert_eq!((&found.models[0].recipe, &found.models[0].seeds[..]), (&lightgcn, &[1, 2][..]));
        assert_eq!(found.models[0].published, [("b".to_string(), "R@20".parse().unwrap(), 0.1)]);
        let mine = &found.models[1];
        assert_eq!(mine.recipe, Recipe::preset("viral", "paper").unwrap().epochs(5).learning_rate(0.01));
        assert_eq!((mine.name.as_str(), &mine.seeds[..], mine.is_on("b")), ("mine", &[7][..], false));
        let tune = mine.tune.as_ref().unwrap();
        assert_eq!((tune.epochs, tune.n_trials, tune.combinations().len()), (3, None, 4));
        assert_eq!((found.cutoffs, found.comparison), (vec![10, 20], ComparisonSettings::default()));
        assert_eq!(found.data[1].modalities, ["text"]);
    }

    #[test]
    fn mistakes_are_named_with_line_and_key() {
        for (old, new, line, words) in [
            ("seeds = [1, 2]", "seeds = [1, 1]", 3, &["seeds[1]", "twice"][..]),
            ("seeds = [1, 2]", "cutoffs = [20, 10, 20]", 3, &["cutoffs[2]", "20", "twice"]),
            ("seeds = [1, 2]", "comparison = { resamples = 9000000000 }", 3, &["comparison.resamples", "1000000"]),
            ("modalities = [\"text\"]", "modalities = [\"text\", \"text\"]", 14, &["data[1].modalities[1]", "twice"]),
            ("n_layers = 3", "d_embed = 9223372036854775807", 18, &["models[0].settings.d_embed", "at most 8192"]),
            ("n_layers = 3", "reg = nan", 18, &["models[0].settings.reg", "nan", "finite"]),
            ("data = [\"a\"]", "data = [\"a\", \"a\"]", 26, &["models[1].data[1]", "twice"]),
            ("[0.1, 0.01]", "[0.1, 0.01, 0.1]", 30, &["models[1].tune.settings.lambda[2]", "twice"]),
            (
                "against = [\"lightgcn\"]",
                "against = [\"lightgcn\", \"lightgcn\"]",
                35,
                &["contrasts[0].against[1]", "twice"],
            ),
            ("seeds = [1, 2]", "seeds = []", 3, &["seeds", "one seed"]),
            ("seeds = [1, 2]", "seed = [1, 2]", 3, &["unknown field", "seed"]),
            ("seeds = [1, 2]", "cutoffs = [20, 30]", 3, &["cutoffs[1]", "not at 30"]),
            ("seeds = [1, 2]", "seeds = [1 2]", 3, &[]),
            ("name = \"toys\"", "name = \"../toys\"", 2, &["name", "folder"]),
            ("epochs = 5", "epoch = 5", 6, &["training.epoch", "no setting 'epoch'"]),
            ("epochs = 5", "seed = 5", 6, &["training.seed", "`seeds`"]),
            ("epochs = 5", "lr_decay = 0", 6, &["training.lr_decay", "above 0"]),
            ("n_items = 40", "n_items = 2", 10, &["data[0].planted", "2 items"]),
            ("n_users = 50", "n_users = 9223372036854775807", 10, &["data[0].planted", "at most"]),
            ("n_users = 50", "n_users = 50, d_text = 100000000000", 10, &["data[0].planted", "8192 at most"]),
            ("name = \"b\"", "name = \"a\"", 13, &["data[1].name", "two data sets"]),
            ("modalities = [\"text\"]", "split = \"half\"", 14, &["half"]),
            ("model = \"lightgcn\"", "model = \"lightgnc\"", 17, &["models[0].model", "lightgnc", "viral"]),
            ("n_layers = 3", "layers = 3", 18, &["models[0].settings.layers", "n_layers"]),
            ("\"R@20\" = 0.1", "\"R20\" = 0.1", 19, &["models[0].published.b.R20", "R@20"]),
            ("\"R@20\" = 0.1", "\"R@20\" = 10.1", 19, &["from 0 to 1"]),
            ("b = { \"R@20\" = 0.1 }", "\"R@20\" = 0.1", 19, &["of which data set"]),
            ("name = \"mine\"", "name = \"lightgcn\"", 22, &["models[1].name", "two models"]),
            ("preset = \"paper\"", "preset = \"papers\"", 24, &["models[1].preset", "papers"]),
            ("data = [\"a\"]", "data = [\"c\"]", 26, &["models[1].data[0]", "no data set 'c'"]),
            ("lr = 0.01", "lr = -1", 27, &["models[1].training.adam", "adam.lr is -1"]),
            ("epochs = 3", "epochs = 0", 29, &["models[1].tune.epochs", "at least 1"]),
            ("[0.1, 0.01]", "[0.1, \"x\"]", 30, &["models[1].tune.settings.lambda[1]", "lambda"]),
            ("[0.1, 0.01]", "0.1", 30, &["models[1].tune.settings.lambda", "a list"]),
            ("training.adam.lr = [", "training.epochs = [", 31, &["models[1].tune.training.epochs"]),
            ("of = \"mine\"", "of = \"ours\"", 34, &["contrasts[0].of", "no model 'ours'"]),
            ("against = [\"lightgcn\"]", "against = [\"mine\"]", 35, &["contrasts[0].against[0]", "itself"]),
        ] {
            assert!(GOOD.contains(old), "{old}");
            let found = Experiment::from_toml(&GOOD.replacen(old, new, 1)).unwrap_err().to_string();
            let place = format!("experiment.toml:{line}: ");
            let is_named = found.starts_with(&place) && words.iter().all(|word| found.contains(word));
            assert!(is_named && !found.contains('\n'), "{new}: {found} for {place}{words:?}");
        }
    }
}
