//! `viral cold`: the accuracy of a model for items and users that come after training.

use super::mean;
use super::run_args::{OutputArgs, RunArgs, announce};
use crate::bar::TrainingBar;
use crate::shell::{note, say};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use viral::data::{Dataset, HeldOut, Interactions, is_there};
use viral::eval::{ColdMetrics, Difference, Metric, Metrics, bootstrap_interval};
use viral::prelude::{Device, ModelConfig, Recipe, Recommender, TrainerConfig};
use viral::recipe::Existing;
use viral::report::Table;
use viral::serve::NewItems;
use viral::{Error, Result};

/// Length of the measured lists.
const K: usize = 20;

/// The share of the first places that new items take.
pub(super) const PLACES: &str = "share of places";

/// Measures how good a model is for items, or users, that come after training.
///
/// A share of them is held out with all their interactions, the model is trained on the rest, and they are added to it
/// without training. This is compared with the same model trained with them, as an upper bound, and with what needs no
/// training: profiles of content, popularity and chance. Users and draws are pooled; intervals are paired, over users.
/// Runs are kept in the output folder: an interrupted measurement continues with the same command.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  viral cold --data data/baby --draws 10")]
pub(crate) struct Arguments {
    #[command(flatten)]
    run: RunArgs,
    /// What to hold out
    #[arg(long, value_enum, default_value_t = Of::Items, help_heading = "Protocol")]
    of: Of,
    /// Share of the items, or users, to hold out
    #[arg(long, default_value_t = 0.1, help_heading = "Protocol")]
    share: f64,
    /// Number of random draws
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = "Protocol")]
    draws: u64,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Of {
    Items,
    Users,
}

impl Of {
    /// The measured rankings.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Items => {
                &["R@20 of all", "of items of training", "of new ones among themselves", "of new ones among all"]
            }
            Self::Users => &["R@20"],
        }
    }
}

/// The results, as `--json` writes and a report reads them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ColdReport {
    pub(super) data: String,
    pub(super) fingerprint: String,
    pub(super) config: ModelConfig,
    pub(super) training: TrainerConfig,
    pub(super) of: Of,
    pub(super) share: f64,
    pub(super) draws: u64,
    /// Recall of a random ranking of the new items among themselves.
    pub(super) chance: Option<f64>,
    /// The model trained with them, then without, then what needs no training.
    pub(super) systems: Vec<System>,
    /// Comparisons of the second system with the others, in words.
    pub(super) comparisons: Vec<String>,
}

/// A system's means over users and draws.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct System {
    pub(super) system: String,
    /// R@20 of each ranking, and the share of places that new items take.
    #[serde(flatten)]
    pub(super) figures: BTreeMap<String, f64>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.run.train.start()?;
    let recipe = arguments.run.recipe()?;
    let (data, reading) = arguments.run.data.read_reported()?;
    announce(&data, &reading, &recipe.model);
    let what = if arguments.of == Of::Items { "items" } else { "users" };
    let name = recipe.model.name();
    let folder = format!("cold-{what}-{}-{name}-seed{}", data.name, recipe.training.seed);
    let out = arguments.output.folder(&folder)?;
    arguments.output.check("cold", &["systems"])?;
    let hold_out = |draw| match arguments.of {
        Of::Items => data.hold_out_items(arguments.share, draw),
        Of::Users => data.hold_out_users(arguments.share, draw),
    };
    // An impossible share is reported before a long run, not after it.
    let n_taken = hold_out(1)?.taken.len();
    let (counts, features) = (data.counts(), data.features());
    let (n_never, why) = match arguments.of {
        Of::Items => {
            ((0..data.n_items()).filter(|&item| !features.is_empty() && !features.has(item)).count(), "without content")
        }
        Of::Users => (counts.users_without_train, "without train interactions"),
    };
    if n_never > 0 {
        note!("{n_never} {what} {why} are never held out");
    }
    let whole = trained(&recipe, &data, &device, &out.join("whole"), "with all of them")?;
    let mut systems = Systems::new(arguments.of);
    for draw in 1..=arguments.draws {
        let held_out = hold_out(draw)?;
        let label = format!("draw {draw} of {}", arguments.draws);
        let rest = trained(&recipe, &held_out.rest, &device, &out.join(format!("draw{draw}")), &label)?;
        let without_training = |name: &str| Recipe::named(name)?.run(&held_out.rest, &device)?.recommender();
        match arguments.of {
            Of::Items => {
                let figures = |recommender: Recommender| cold_items(recommender, &data, &held_out);
                systems.add(format!("{name}, trained with them"), Figures::of(&whole, &data, &held_out.taken)?);
                systems.add(format!("{name}, added without training"), figures(rest)?);
                systems.add("profile-match".into(), figures(without_training("profile-match")?)?);
            }
            Of::Users => {
                let figures = |recommender: Recommender| cold_users(recommender, &data, &held_out);
                systems.add(format!("{name}, trained with them"), figures(whole.clone())?);
                systems.add(format!("{name}, from their history"), figures(rest)?);
                systems.add("profile-match".into(), figures(without_training("profile-match")?)?);
                systems.add("popularity".into(), figures(without_training("popularity")?)?);
            }
        }
        note!("{label}: {}", systems.last_line());
    }
    let chance = match arguments.of {
        Of::Items => Some((K as f64 / n_taken as f64).min(1.0)),
        Of::Users => None,
    };
    let comparisons = systems.comparisons()?;
    arguments.output.write(&ColdReport {
        data: data.name.clone(),
        fingerprint: data.fingerprint(),
        config: recipe.model.clone(),
        training: recipe.training.clone(),
        of: arguments.of,
        share: arguments.share,
        draws: arguments.draws,
        chance,
        systems: systems.figures(),
        comparisons: comparisons.clone(),
    })?;
    say!("\n{}, {:.0} % of the {what}, {} draws\n", data.name, 100.0 * arguments.share, arguments.draws)?;
    say!("{}", systems.table(chance).to_text())?;
    comparisons.iter().try_for_each(|line| say!("{line}"))
}

/// The recommender of a run in this folder; an interrupted run is resumed.
fn trained(recipe: &Recipe, data: &Dataset, device: &Device, folder: &Path, label: &str) -> Result<Recommender> {
    let model = folder.join("model.safetensors");
    let done = model.is_file().then(|| Recommender::load(&model)).transpose()?;
    let recommender = match done.filter(|done| done.fingerprint() == Some(&data.fingerprint())) {
        Some(done) => done,
        None => {
            let begun = folder.join("checkpoint.safetensors").is_file();
            let existing = if begun { Existing::Resume } else { Existing::Refuse };
            let mut bar = TrainingBar::new(label);
            let runner = recipe.runner(data, device).folder(folder).existing(existing);
            runner.observe(|progress| bar.show(progress)).run()?.recommender()?
        }
    };
    // The model alone does not say how it was trained.
    let made_by = folder.join("recipe.toml");
    match is_there(&made_by)? && Recipe::read(&made_by)? == *recipe {
        true => Ok(recommender),
        false => {
            Err(Error::file(&model, "is of other settings of model or training; choose another folder with --out"))
        }
    }
}

fn cold_items(mut recommender: Recommender, data: &Dataset, held_out: &HeldOut) -> Result<Figures> {
    recommender.add_items(&NewItems::of(data, &held_out.taken)?)?;
    Figures::of(&recommender, data, &held_out.taken)
}

/// Evaluates the users who were held out, with their items of the train part as history.
fn cold_users(mut recommender: Recommender, data: &Dataset, held_out: &HeldOut) -> Result<Figures> {
    let train = &data.train.interactions;
    let of = |&user: &u32| {
        let id = data.user_ids[user as usize].as_str();
        train.of_user(user as usize).iter().map(move |&item| (id, data.item_ids[item as usize].as_str()))
    };
    let known: Vec<(&str, &str)> = held_out.taken.iter().flat_map(of).collect();
    recommender.update(&known)?;
    let vectors = recommender.embeddings_of(data)?;
    let pairs = held_out.taken.iter().filter(|&&user| !train.of_user(user as usize).is_empty());
    let pairs = pairs.flat_map(|&user| data.test.of_user(user as usize).iter().map(move |&item| (user, item)));
    let test = Interactions::from_pairs(data.n_users(), data.n_items(), &pairs.collect::<Vec<_>>());
    Ok(Figures::Users(vectors.evaluate_against(train, &test, &[K])?))
}

/// The metrics of one system in one draw.
enum Figures {
    Items(Box<ColdMetrics>),
    Users(Metrics),
}

impl Figures {
    fn of(recommender: &Recommender, data: &Dataset, cold: &[u32]) -> Result<Self> {
        Ok(Self::Items(Box::new(ColdMetrics::of(&recommender.embeddings_of(data)?, data, cold, K)?)))
    }

    /// The values of each column, one per user.
    fn columns(&self) -> Vec<&[f64]> {
        match self {
            Self::Items(found) => {
                [&found.all, &found.warm, &found.cold, &found.cold_among_all].map(recall_of_users).to_vec()
            }
            Self::Users(found) => vec![recall_of_users(found)],
        }
    }

    fn places(&self) -> Option<f64> {
        match self {
            Self::Items(found) => Some(found.cold_places),
            Self::Users(_) => None,
        }
    }
}

fn recall_of_users(metrics: &Metrics) -> &[f64] {
    metrics.per_user(Metric::Recall, K)
}

/// All systems, with the values of all draws.
struct Systems {
    of: Of,
    rows: Vec<(String, Vec<Vec<f64>>, Vec<f64>)>,
    /// The decisive column in the last draw, by system.
    last: BTreeMap<String, f64>,
}

impl Systems {
    fn new(of: Of) -> Self {
        Self { of, rows: Vec::new(), last: BTreeMap::new() }
    }

    fn add(&mut self, name: String, figures: Figures) {
        let columns = figures.columns();
        self.last.insert(name.clone(), columns.last().map_or(0.0, |values| mean(values)));
        let at = self.rows.iter().position(|row| row.0 == name).unwrap_or_else(|| {
            self.rows.push((name, vec![Vec::new(); columns.len()], Vec::new()));
            self.rows.len() - 1
        });
        let row = &mut self.rows[at];
        row.1.iter_mut().zip(columns).for_each(|(all, values)| all.extend_from_slice(values));
        row.2.extend(figures.places());
    }

    /// The decisive column of each system in the last draw: new items among all, or the only one.
    fn last_line(&self) -> String {
        let figures = self.rows.iter().map(|(name, ..)| format!("{name} {:.4}", self.last[name]));
        figures.collect::<Vec<_>>().join(", ")
    }

    fn table(&self, chance: Option<f64>) -> Table {
        let mut header = vec![""];
        header.extend(self.of.columns());
        header.extend((self.of == Of::Items).then_some(PLACES));
        let mut table = Table::new(header);
        for (name, values, places) in &self.rows {
            let mut cells = vec![name.clone()];
            cells.extend(values.iter().map(|values| format!("{:.4}", mean(values))));
            cells.extend((!places.is_empty()).then(|| format!("{:.3}", mean(places))));
            table.row(cells);
        }
        if let Some(chance) = chance {
            table.row(["chance", "–", "–", &format!("{chance:.4}"), "–", "–"]);
        }
        table
    }

    /// Compares what is added without training with what is trained, and with the systems that learn nothing.
    fn comparisons(&self) -> Result<Vec<String>> {
        let [whole, ours, others @ ..] = &self.rows[..] else { return Ok(Vec::new()) };
        let mut lines = Vec::new();
        for (column, what) in self.of.columns().iter().enumerate() {
            let (with, without) = (mean(&whole.1[column]), mean(&ours.1[column]));
            lines.push(match with > 0.0 {
                true => format!("{what}: {:.1} % of what training with them gives", 100.0 * without / with),
                false => format!("{what}: {without:.4}, and training with them finds nothing"),
            });
            for (name, values, _) in others {
                let differences: Vec<f64> = ours.1[column].iter().zip(&values[column]).map(|(a, b)| a - b).collect();
                let Difference { mean, low, high, .. } = bootstrap_interval(&differences, 2000, 1)?;
                lines.push(format!("    {mean:+.4} [{low:+.4}, {high:+.4}] against {name}"));
            }
        }
        Ok(lines)
    }

    fn figures(&self) -> Vec<System> {
        let system = |(name, values, places): &(String, Vec<Vec<f64>>, Vec<f64>)| {
            let columns = self.of.columns().iter().zip(values);
            let mut figures: BTreeMap<String, f64> =
                columns.map(|(what, values)| (what.to_string(), mean(values))).collect();
            if !places.is_empty() {
                figures.insert(PLACES.into(), mean(places));
            }
            System { system: name.clone(), figures }
        };
        self.rows.iter().map(system).collect()
    }
}
