//! Tables of an evaluation with missing content.

use super::missing::{K, MissingGrid, MissingIn};
use crate::Result;
use crate::data::{Counts, Dataset, Interactions, Modality};
use crate::eval::Difference;
use crate::graph::Imputation;
use crate::model::{Embeddings, ModelConfig};
use crate::report::Table;
use crate::train::TrainerConfig;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// R@20 on the test part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figures {
    /// Over all held-out items.
    pub all: f64,
    /// Over the held-out items that lost content; `None` if there are none.
    pub missing: Option<f64>,
    /// Over the other held-out items; `None` if there are none.
    pub others: Option<f64>,
}

/// Results of one imputation at one share, one figure for each seed of the items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MissingRow {
    /// Where content is missing.
    pub missing_in: MissingIn,
    /// The missing modalities.
    pub modalities: Vec<Modality>,
    /// Share of the items that lost them.
    pub share: f64,
    /// What replaces them.
    pub imputation: Imputation,
    /// The model's figures.
    pub figures: Vec<Figures>,
    /// LightGCN's figures, which differ only by the items they are measured over.
    pub floors: Vec<Figures>,
    /// R@20 over all items minus LightGCN's, with its interval over users; `None` if the per-user files were removed.
    pub above_floor: Option<Difference>,
}

/// Results of [`MissingGrid::run`]. Serialises all fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MissingReport {
    /// Name of the data set.
    pub data: String,
    /// Its [`fingerprint`](Dataset::fingerprint), with all content.
    pub fingerprint: String,
    /// Users, items and pairs.
    pub counts: Counts,
    /// Settings of the model.
    pub config: ModelConfig,
    /// Settings of its training, with the seed.
    pub training: TrainerConfig,
    /// Seeds of the items that lost content, in the order of the figures.
    pub seeds: Vec<u64>,
    /// R@20 of the model with all content; `None` if the run was stopped before.
    pub full: Option<f64>,
    /// R@20 of LightGCN; `None` if the run was stopped before.
    pub floor: Option<f64>,
    /// The points, curve by curve, grouped over seeds.
    pub rows: Vec<MissingRow>,
}

impl Figures {
    /// Measures embeddings over the items marked in `missing` and over the others; `all` is the known value over all
    /// items.
    pub(super) fn measured(z: &Embeddings, data: &Dataset, missing: &[bool], all: f64) -> Result<Self> {
        let part = |wanted: bool| -> Result<Option<f64>> {
            let pairs: Vec<(u32, u32)> =
                data.test.pairs().filter(|(_, item)| missing[*item as usize] == wanted).collect();
            if pairs.is_empty() {
                return Ok(None);
            }
            let held_out = Interactions::from_pairs(data.n_users(), data.n_items(), &pairs);
            Ok(Some(z.evaluate_against(&data.train.interactions, &held_out, &[K])?.recall(K)))
        };
        Ok(Self { all, missing: part(true)?, others: part(false)? })
    }
}

/// Formats means over seeds as table cells.
fn means(figures: &[Figures]) -> [String; 3] {
    let mean = |of: fn(&Figures) -> Option<f64>| {
        let values: Option<Vec<f64>> = figures.iter().map(of).collect();
        values.map_or_else(|| "–".into(), |values| format!("{:.4}", values.iter().sum::<f64>() / values.len() as f64))
    };
    [mean(|f| Some(f.all)), mean(|f| f.missing), mean(|f| f.others)]
}

impl MissingReport {
    pub(super) fn new(grid: &MissingGrid, data: &Dataset, whole: Option<[f64; 2]>, rows: Vec<MissingRow>) -> Self {
        Self {
            data: data.name.clone(),
            fingerprint: data.fingerprint(),
            counts: data.counts(),
            config: grid.recipe.model.clone(),
            training: grid.recipe.training.clone(),
            seeds: grid.seeds.clone(),
            full: whole.map(|[full, _]| full),
            floor: whole.map(|[_, floor]| floor),
            rows,
        }
    }

    /// Formats a table for each curve, for a terminal.
    pub fn to_text(&self) -> String {
        let (n, name) = (self.seeds.len(), self.config.name());
        let mut text = format!(
            "{name} on {}: R@{K} on the test part; means over {n} draws of the items without content\n",
            self.data
        );
        let curves = self.rows.chunk_by(|a, b| a.missing_in == b.missing_in && a.modalities == b.modalities);
        for rows in curves {
            let lost: Vec<&str> = rows[0].modalities.iter().map(Modality::as_str).collect();
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{} missing in {}\n\n", lost.join(" and "), rows[0].missing_in);
            let floor = self.config.name().to_string() + " − lightgcn";
            let mut table = Table::new(["missing", "model", "all", "without", "others", &floor, "95 % interval"]);
            let blank = || "–".to_string();
            if let Some([full, floor]) = self.full.zip(self.floor).map(|(a, b)| [a, b]) {
                let row = |model: &str, all: f64, above: String| {
                    ["0 %".into(), model.to_string(), format!("{all:.4}"), blank(), blank(), above, blank()]
                };
                table.row(row("full", full, format!("{:+.4}", full - floor)));
                table.row(row("lightgcn", floor, blank()));
            }
            for rows in rows.chunk_by(|a, b| a.share == b.share) {
                let share = format!("{:.0} %", rows[0].share * 100.0);
                for row in rows {
                    let [all, missing, others] = means(&row.figures);
                    let (above, interval) = row.above_floor.map_or_else(
                        || (blank(), blank()),
                        |d| (format!("{:+.4}", d.mean), format!("{:+.4} to {:+.4}", d.low, d.high)),
                    );
                    let model = row.imputation.to_string();
                    table.row([share.clone(), model, all, missing, others, above, interval]);
                }
                let [all, missing, others] = means(&rows[0].floors);
                table.row([share, "lightgcn".into(), all, missing, others, blank(), blank()]);
            }
            text.push_str(&table.to_text());
        }
        text
    }
}
