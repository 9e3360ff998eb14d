//! Report sections from the files of `viral missing` and `viral cold`: curves and tables.

use super::super::cold::{ColdReport, Of, PLACES};
use super::{four, mean};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use viral::data::{Dataset, Modality, read_text};
use viral::experiment::{Figures, MissingReport, MissingRow, ProbeReport};
use viral::model::ModelConfig;
use viral::prelude::Recommender;
use viral::report::{Bars, Lines, Section, Table};
use viral::train::TrainerConfig;
use viral::{Error, Result};

/// Measurements of a model, with the identity of the model and data, by which a report recognises its own.
pub(super) trait Measured: DeserializeOwned {
    /// The command that writes the file with `--json`.
    const COMMAND: &str;

    /// The model's settings, the fingerprint of the data, and their name.
    fn of(&self) -> (&ModelConfig, &str, &str);
}

/// Describes how the models of a measurement were trained: the seed or the epochs may differ from those of the report's
/// model.
pub(super) fn training_in_words(training: &TrainerConfig, seeds: Option<&[u64]>) -> String {
    let TrainerConfig { epochs, patience, .. } = training;
    let seeds: Vec<String> = seeds.unwrap_or(&[training.seed]).iter().map(u64::to_string).collect();
    let (s, seeds) = (if seeds.len() == 1 { "" } else { "s" }, seeds.join(", "));
    format!("Its models were trained for at most {epochs} epochs with a patience of {patience}, seed{s} {seeds}.")
}

macro_rules! measured {
    ($($type:ty => $command:literal),+ $(,)?) => {
        $(impl Measured for $type {
            const COMMAND: &str = $command;

            fn of(&self) -> (&ModelConfig, &str, &str) {
                (&self.config, &self.fingerprint, &self.data)
            }
        })+
    };
}

measured!(ProbeReport => "probe", MissingReport => "missing", ColdReport => "cold");

/// Reads what a command wrote with `--json`, and checks that it is about this model and these data.
pub(super) fn read<T: Measured>(path: &Path, recommender: &Recommender, data: &Dataset) -> Result<T> {
    let text = read_text(path)?;
    let found: T = serde_json::from_str(&text).map_err(|e| {
        let keys: Value = serde_json::from_str(&text).unwrap_or_default();
        let others = [("arms", "probe"), ("floor", "missing"), ("systems", "cold")];
        let other = others.into_iter().find(|(key, command)| keys.get(key).is_some() && *command != T::COMMAND);
        let message = match other {
            Some((_, other)) => format!("was written by viral {other}; give it as --{other}"),
            None => format!("not what viral {} --json writes, of this version: {e}", T::COMMAND),
        };
        Error::file(path, message)
    })?;
    let (config, fingerprint, data_name) = found.of();
    let name = recommender.model_name().unwrap_or("a model that is not one of the table");
    if config.name() != name {
        return Err(Error::file(path, format!("is of {}, and the report of {name}", config.name())));
    }
    // Files of an earlier version lack newer settings: with their defaults it is the same model.
    if let Ok(own) = serde_json::from_value::<ModelConfig>(recommender.config().clone()) {
        let differences = own.differences(config);
        if !differences.is_empty() {
            let what = format!("is of {name} with other settings than the report's: {}", differences.join(", "));
            return Err(Error::file(
                path,
                format!("{what}; run viral {} with those of the report's model", T::COMMAND),
            ));
        }
    }
    if fingerprint != data.fingerprint() {
        return Err(Error::file(path, format!("is of other data ('{data_name}') than the report's ('{}')", data.name)));
    }
    Ok(found)
}

/// R@20 against the share of items without content, one figure for each set of modalities.
pub(super) fn missing(report: Option<&MissingReport>, no_content: bool, again: &str) -> Section {
    let section = Section::new("When content is missing");
    if no_content {
        return section.text("The model takes no content, or the data have none.");
    }
    let Some(report) = report.filter(|report| !report.rows.is_empty()) else {
        let what =
            "R@20 where from none to nine tenths of the items lack text, image or both, with LightGCN as the floor:";
        return section.not_run(what, again);
    };
    let curves = report.rows.chunk_by(|a, b| a.missing_in == b.missing_in && a.modalities == b.modalities);
    let section = curves.fold(section, |section, rows| {
        let lost: Vec<&str> = rows[0].modalities.iter().map(Modality::as_str).collect();
        let title = format!("{} missing in {}", lost.join(" and "), rows[0].missing_in);
        let mut names: Vec<String> = Vec::new();
        for row in rows {
            let name = row.imputation.to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let of = |figures: &[Figures]| mean(&figures.iter().map(|figures| figures.all).collect::<Vec<_>>());
        let (of_model, of_floor) = (|row: &MissingRow| of(&row.figures), |row: &MissingRow| of(&row.floors));
        let mut lines = Lines::new(&title, "share of the items without it", "recall@20");
        let mut table = Table::new(["share", "imputation", "R@20", "LightGCN", "difference", "95 % interval"]);
        for name in &names {
            let points = rows.iter().filter(|row| row.imputation.name() == name).map(|row| (row.share, of_model(row)));
            lines = lines.line(name, report.full.map(|full| (0.0, full)).into_iter().chain(points));
        }
        let floor = report.floor.map(|floor| (0.0, floor)).into_iter();
        let shares = rows.chunk_by(|a, b| a.share == b.share);
        lines = lines.line("lightgcn", floor.chain(shares.map(|rows| (rows[0].share, of_floor(&rows[0])))));
        for row in rows {
            let above = row.above_floor.map(|d| (format!("{:+.4}", d.mean), format!("{:+.4} to {:+.4}", d.low, d.high)));
            let (above, interval) = above.unwrap_or_else(|| ("–".into(), "–".into()));
            let (share, model) = (format!("{:.0} %", 100.0 * row.share), row.imputation.to_string());
            table.row([share, model, four(of_model(row)), four(of_floor(row)), above, interval]);
        }
        let caption = format!(
            "{title}: {} without some of its content, filled in as each line says; means over {} draws of the items. LightGCN uses no \
             content.",
            report.config.name(),
            report.seeds.len()
        );
        section.figure(lines.to_svg(), caption, table)
    });
    section.text(training_in_words(&report.training, None)).values(serde_json::to_value(report).unwrap_or_default())
}

/// R@20 of items or users that were not in training, one figure for each ranking.
pub(super) fn cold(reports: &[ColdReport], again: &str) -> Section {
    let section = Section::new("Items and users that come after training");
    if reports.is_empty() {
        let what = "What the model is worth for items or users that it was not trained on is measured by training it without a part of \
                    them:";
        return section.not_run(what, again);
    }
    let section = reports.iter().fold(section, |section, report| {
        let (what, columns) = match report.of {
            Of::Items => ("items", &Of::Items.columns()[2..]),
            Of::Users => ("users", Of::Users.columns()),
        };
        let mut table = Table::new(
            [what]
                .into_iter()
                .chain(report.of.columns().iter().copied())
                .chain((report.of == Of::Items).then_some(PLACES)),
        );
        for system in &report.systems {
            let cell = |column: &str| system.figures.get(column).map_or_else(|| "–".into(), |&value| four(value));
            let mut cells = vec![system.system.clone()];
            cells.extend(report.of.columns().iter().map(|column| cell(column)));
            cells.extend((report.of == Of::Items).then(|| cell(PLACES)));
            table.row(cells);
        }
        let share = format!("{:.0} % of the {what} held out, {} draws", 100.0 * report.share, report.draws);
        let section = columns.iter().fold(section, |section, column| {
            let mut bars = Bars::new(format!("Held-out {what}: {}", column.trim_start_matches("of ")), "recall@20");
            for system in &report.systems {
                if let Some(&value) = system.figures.get(*column) {
                    bars =
                        bars.bar(&system.system, value, None, report.chance.filter(|_| column.contains("themselves")));
                }
            }
            section.figure(bars.to_svg(), format!("{share}; means over users and draws."), table.clone())
        });
        let section = section.text(training_in_words(&report.training, None));
        report.comparisons.iter().fold(section, |section, line| section.text(line.trim()))
    });
    section.values(serde_json::to_value(reports).unwrap_or_default())
}
