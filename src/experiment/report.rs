//! The tables of an experiment.

use super::comparison::{Comparison, Runs, compare};
use super::record::figures;
use super::session::{Session, Winner};
use super::{Figure, ModelRow, RunRecord};
use crate::Result;
use crate::eval::seed_mean;
use crate::report::Table;

/// Results of an experiment so far: tables and notes, as text for a terminal or as Markdown.
#[derive(Debug, Clone)]
pub struct Report {
    title: String,
    parts: Vec<Part>,
    comparisons: Vec<(String, Vec<Comparison>)>,
}

#[derive(Debug, Clone)]
enum Part {
    Heading(String),
    Note(String),
    Commands(Vec<String>),
    Table(Table),
}

impl Report {
    /// Formats the report for a terminal.
    pub fn to_text(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Heading(text) => format!("{text}\n{}\n", "═".repeat(text.chars().count())),
            Part::Note(text) => format!("{text}\n"),
            Part::Commands(lines) => lines.iter().map(|line| format!("    {line}\n")).collect(),
            Part::Table(table) => table.to_text(),
        });
        format!("{}\n\n{}", self.title, parts.collect::<Vec<_>>().join("\n"))
    }

    /// Formats the report as Markdown.
    pub fn to_markdown(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Heading(text) => format!("## {text}\n"),
            Part::Note(text) => format!("{text}\n"),
            Part::Commands(lines) => format!("```sh\n{}\n```\n", lines.join("\n")),
            Part::Table(table) => table.to_markdown(),
        });
        format!("# {}\n\n{}", self.title, parts.collect::<Vec<_>>().join("\n"))
    }

    /// The paired comparisons, by data set.
    pub fn comparisons(&self) -> impl Iterator<Item = (&str, &[Comparison])> {
        self.comparisons.iter().map(|(data, all)| (data.as_str(), &all[..]))
    }

    fn note(&mut self, text: impl Into<String>) {
        self.parts.push(Part::Note(text.into()));
    }
}

/// A row's finished runs and its missing seeds.
struct RowState<'a> {
    row: &'a ModelRow,
    records: Vec<&'a RunRecord>,
    missing: Vec<u64>,
    winner: Option<Option<Winner>>,
}

impl Session {
    /// Reports the finished runs: the figures of each model, as mean and 95 % interval over seeds, next to published
    /// ones; the settings that trials chose; paired comparisons with corrected p values; costs; and the missing runs,
    /// with the command that runs them, which begins with `command`.
    ///
    /// With tens of thousands of users, tests and intervals take some seconds per comparison.
    ///
    /// # Errors
    /// A per-user file that is damaged or has other users.
    pub fn report(&self, command: &str) -> Result<Report> {
        let mut report = Report { title: self.experiment.name.clone(), parts: Vec::new(), comparisons: Vec::new() };
        let mut all: Vec<&RunRecord> = Vec::new();
        for (d, data) in self.data.iter().enumerate() {
            let name = &self.experiment.data[d].name;
            let mut rows = Vec::new();
            for (m, row) in self.experiment.models.iter().enumerate().filter(|(_, row)| row.is_on(name)) {
                let ((records, missing), winner) = (self.runs(d, m)?, self.winner(d, m)?);
                rows.push((m, RowState { row, records, missing, winner }));
            }
            all.extend(rows.iter().flat_map(|(_, row)| &row.records));
            report.parts.push(Part::Heading(name.clone()));
            report.note(format!("{}.", data.set));
            let states: Vec<&RowState> = rows.iter().map(|(_, row)| row).collect();
            self.figures(&mut report, name, &states)?;
            chosen(&mut report, &states);
            self.comparisons(&mut report, name, &rows)?;
            self.costs(&mut report, &states);
            not_run(&mut report, name, &states, command);
        }
        let (n_runs, n_reads) = self.journal.test_reads(all.into_iter());
        report.note(format!("The test part was read {} for {}.", times(n_reads), counted(n_runs, "finished run")));
        if self.journal.n_foreign() > 0 {
            let lines = counted(self.journal.n_foreign(), "line");
            report.note(format!("{lines} of results.jsonl are of another version of the results and do not count."));
        }
        Ok(report)
    }

    fn figures(&self, report: &mut Report, data: &str, rows: &[&RowState]) -> Result<()> {
        let columns = figures(&self.experiment.cutoffs);
        let published = |row: &ModelRow, figure: Figure| {
            row.published.iter().find(|(name, known, _)| name == data && *known == figure).map(|(_, _, value)| *value)
        };
        let mut beside: Vec<Figure> = Vec::new();
        for (_, figure, _) in rows.iter().flat_map(|row| &row.row.published).filter(|(name, ..)| name == data) {
            if !beside.contains(figure) {
                beside.push(*figure);
            }
        }
        let heads = columns.iter().map(Figure::to_string);
        let heads = ["model".to_string()].into_iter().chain(heads).chain(["seeds".into(), "epochs".into()]);
        let mut table = Table::new(heads.chain(beside.iter().map(|figure| format!("{figure}, published"))));
        for row in rows {
            let n = row.records.len();
            let mut cells = vec![row.row.name.clone()];
            for figure in &columns {
                let values: Vec<f64> = row.records.iter().filter_map(|record| record.figure(*figure)).collect();
                cells.push(match values.len() == n && n > 0 {
                    true => seed_mean(&values)?.to_string(),
                    false => "not run".into(),
                });
            }
            let n_epochs: usize = row.records.iter().map(|record| record.trained.valid.curve.len()).sum();
            cells.push(match row.missing.is_empty() {
                true => n.to_string(),
                false => format!("{n} of {}", n + row.missing.len()),
            });
            cells.push(match n_epochs {
                0 => "–".into(),
                sum => format!("{:.0}", sum as f64 / n as f64),
            });
            let others = beside.iter().map(|figure| published(row.row, *figure));
            cells.extend(others.map(|value| value.map_or_else(|| "–".to_string(), |value| format!("{value:.4}"))));
            table.row(cells);
        }
        report.parts.push(Part::Table(table));
        report.note(
            "Test part, means over users. Mean ± half of the 95 % interval over seeds (Student's t); epochs are means over seeds.",
        );
        Ok(())
    }

    fn comparisons(&self, report: &mut Report, data: &str, rows: &[(usize, RowState)]) -> Result<()> {
        let settings = &self.experiment.comparison;
        let place = |model: usize| rows.iter().position(|(m, _)| *m == model);
        let pairs: Vec<(usize, usize)> =
            self.experiment.pairs(data).iter().filter_map(|&(a, b)| place(a).zip(place(b))).collect();
        let runs: Vec<Runs> =
            rows.iter().map(|(_, row)| Runs { name: &row.row.name, records: row.records.clone() }).collect();
        let (comparisons, missing) = compare(&self.journal, &runs, &pairs, settings)?;
        if !comparisons.is_empty() {
            let mut table =
                Table::new(["difference", "mean", "95 % from", "to", "p", "Holm", "BH", "Wilcoxon p", "t-test p"]);
            for c in &comparisons {
                let [mean, low, high] =
                    [c.difference.mean, c.difference.low, c.difference.high].map(|x| format!("{x:+.4}"));
                let [p, holm, bh, wilcoxon, t] = [c.p, c.holm, c.benjamini_hochberg, c.wilcoxon, c.t].map(p_value);
                table.row([format!("{} − {}", c.of, c.against), mean, low, high, p, holm, bh, wilcoxon, t]);
            }
            report.parts.push(Part::Table(table));
            let users = comparisons.iter().map(|c| c.n_users).max().unwrap_or(0);
            let (figure, n, resamples) = (settings.figure, comparisons.len(), settings.resamples);
            report.note(format!(
                "{figure} of {users} users, each the mean over their seeds, paired. Intervals: {resamples} resamples of users. p: \
                 permutation of signs, two-sided, {resamples} flips; Holm's and Benjamini–Hochberg's corrections are for {}. \
                 Wilcoxon with Pratt's zeros.",
                counted(n, "difference")
            ));
            if let Some(matrix) = matrix(&comparisons) {
                report.parts.push(Part::Table(matrix));
                report.note("Row minus column; * where Holm's p is at most 0.05.");
            }
        }
        if !missing.is_empty() {
            report.note(format!(
                "Not compared, because their files under users/ are not here: {}. Without their lines in results.jsonl they are \
                 run again.",
                missing.join(", ")
            ));
        }
        report.comparisons.push((data.to_string(), comparisons));
        Ok(())
    }

    fn costs(&self, report: &mut Report, rows: &[&RowState]) {
        let mut table =
            Table::new(["model", "training, s/epoch", "evaluation, s/epoch", "CPU-s/epoch", "peak MB", "threads"]);
        let mut n = 0;
        for row in rows {
            let usages: Vec<_> = row.records.iter().filter_map(|record| self.journal.usage(record)).collect();
            let trained: Vec<_> = usages.iter().filter(|usage| usage.epochs > 0).collect();
            if trained.is_empty() {
                continue;
            }
            n += 1;
            let mean = |values: Vec<f64>, digits: usize| match values.len() {
                0 => "–".to_string(),
                n => format!("{:.digits$}", values.iter().sum::<f64>() / n as f64),
            };
            let cpu = trained.iter().filter_map(|usage| Some(usage.cpu_seconds? / usage.epochs as f64));
            let mut threads: Vec<usize> = trained.iter().map(|usage| usage.threads).collect();
            threads.sort_unstable();
            threads.dedup();
            let threads: Vec<String> = threads.iter().map(usize::to_string).collect();
            table.row([
                row.row.name.clone(),
                mean(trained.iter().map(|usage| usage.train_seconds).collect(), 2),
                mean(trained.iter().map(|usage| usage.eval_seconds).collect(), 2),
                mean(cpu.collect(), 2),
                mean(trained.iter().filter_map(|usage| usage.peak_mb).collect(), 0),
                threads.join(", "),
            ]);
        }
        if n > 0 {
            report.parts.push(Part::Table(table));
            report.note(
                "Costs of the runs whose times are known; CPU time and memory of those that nothing interrupted.",
            );
        }
    }
}

/// Adds the settings that trials chose.
fn chosen(report: &mut Report, rows: &[&RowState]) {
    for row in rows {
        let (Some(tune), Some(winner)) = (&row.row.tune, &row.winner) else { continue };
        let trials = format!("{} of {}", counted(tune.combinations().len(), "trial"), counted(tune.epochs, "epoch"));
        let name = &row.row.name;
        report.note(match winner {
            Some(Winner { combination, valid }) => {
                let (monitor, k) = (row.row.recipe.training.monitor, row.row.recipe.training.monitor_k);
                let settings = tune.describe(combination);
                format!("{name}: {trials} on valid chose {settings} ({} {valid:.4}).", Figure::new(monitor, k))
            }
            None => format!("{name}: {trials} all diverged."),
        });
    }
}

/// Adds the missing runs and the commands that run them.
fn not_run(report: &mut Report, data: &str, rows: &[&RowState], command: &str) {
    let missing: Vec<&&RowState> = rows.iter().filter(|row| !row.missing.is_empty()).collect();
    if missing.is_empty() {
        return;
    }
    let list = missing.iter().map(|row| {
        let seeds: Vec<String> = row.missing.iter().map(u64::to_string).collect();
        format!("{} (seeds {})", row.row.name, seeds.join(", "))
    });
    report.note(format!("Not run on {data}: {}. To run them:", list.collect::<Vec<_>>().join(", ")));
    let commands = missing.iter().map(|row| format!("{command} --on {data} --only {}", row.row.name));
    report.parts.push(Part::Commands(commands.collect()));
}

/// Arranges differences as a matrix; `None` if all are of one model.
fn matrix(comparisons: &[Comparison]) -> Option<Table> {
    let (mut rows, mut columns): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for c in comparisons {
        for (names, name) in [(&mut rows, &c.of), (&mut columns, &c.against)] {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    if rows.len() < 2 {
        return None;
    }
    let mut table = Table::new(std::iter::once("minus").chain(columns.iter().copied()));
    for row in rows {
        let cell = |column: &&str| {
            let found = comparisons.iter().find(|c| c.of == row && c.against == **column);
            found.map_or_else(String::new, |c| {
                let star = if c.holm <= 0.05 { "*" } else { "" };
                format!("{:+.4}{star}", c.difference.mean)
            })
        };
        table.row(std::iter::once(row.to_string()).chain(columns.iter().map(cell)));
    }
    Some(table)
}

/// Formats a p value: three decimals from 0.01, four from 0.0001, one significant digit below.
fn p_value(p: f64) -> String {
    match p {
        p if p >= 0.01 => format!("{p:.3}"),
        p if p >= 0.0001 => format!("{p:.4}"),
        0.0 => "0".into(),
        p => format!("{p:.0e}"),
    }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn times(n: usize) -> String {
    match n {
        1 => "once".into(),
        n => format!("{n} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::bootstrap_interval;

    fn comparison(of: &str, against: &str, holm: f64) -> Comparison {
        Comparison {
            of: of.into(),
            against: against.into(),
            seeds: [1, 1],
            n_users: 2,
            difference: bootstrap_interval(&[0.25, 0.25], 10, 0).unwrap(),
            p: 0.01,
            holm,
            benjamini_hochberg: 0.01,
            wilcoxon: 0.01,
            t: 0.01,
        }
    }

    #[test]
    fn a_matrix_is_of_several_models_and_stars_are_holms() {
        assert!(matrix(&[comparison("a", "b", 0.01), comparison("a", "c", 0.01)]).is_none());
        let table = matrix(&[comparison("b", "a", 0.01), comparison("c", "a", 0.06), comparison("c", "b", 0.05)]);
        let expected = "| minus | a | b |\n|---|---|---|\n| b | +0.2500* |  |\n| c | +0.2500 | +0.2500* |\n";
        assert_eq!(table.unwrap().to_markdown(), expected);
    }

    #[test]
    fn small_p_values_keep_a_digit() {
        let shown = [1.0, 0.0312, 0.00992, 0.0001, 0.000_034_6, 1e-17, 0.0].map(p_value);
        assert_eq!(shown, ["1.000", "0.031", "0.0099", "0.0001", "3e-5", "1e-17", "0"]);
    }
}
