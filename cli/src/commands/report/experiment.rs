//! The report page of an experiment.

use super::{four, signed};
use serde_json::json;
use std::path::Path;
use viral::Result;
use viral::eval::{Metric, seed_mean};
use viral::experiment::{Comparison, ComparisonSettings, Figure, ResultsFolder, ResultsRow};
use viral::report::{Bars, Lines, Page, Section, Table};

/// Columns of the table of means.
const FIGURES: [(Metric, usize); 4] =
    [(Metric::Recall, 10), (Metric::Recall, 20), (Metric::Ndcg, 10), (Metric::Ndcg, 20)];

/// Maximum number of curves in one figure.
const CURVES: usize = 8;

pub(super) fn page(folder: &Path) -> Result<Page> {
    let results = ResultsFolder::read(folder)?;
    let name = folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let mut page = Page::new(format!("Results of {}", name.unwrap_or_else(|| folder.display().to_string())));
    let mut data: Vec<&str> = results.rows().iter().map(|row| row.data.as_str()).collect();
    data.dedup();
    for data in data {
        let rows: Vec<&ResultsRow> = results.rows().iter().filter(|row| row.data == data).collect();
        page = page.section(means(data, &rows)?).section(compared(data, &results)?).section(curves(data, &rows));
    }
    if results.n_foreign() > 0 {
        let text = format!("{} lines are of other versions of the results and do not count.", results.n_foreign());
        page = page.section(Section::new("What was left out").text(text));
    }
    let single = Section::new("What a single model has learned").not_run(
        "Results say nothing of single items and users. For the blocks of a model, maps and groups of users, train one and look at it:",
        "viral train --data DIR --model viral --out out/viral\nviral report --model out/viral --data DIR --out model.html",
    );
    let knockouts = Section::new("Whether content matters").not_run(
        "A model that is trained on noise in the place of a modality is a further row of the experiment, with knockout = { visual = \"noise\" }; \
         viral probe does the same for one model:",
        "viral experiment FILE.toml",
    );
    Ok(page.section(single).section(knockouts))
}

fn means(data: &str, rows: &[&ResultsRow]) -> Result<Section> {
    let figures = FIGURES.map(|(metric, k)| Figure::new(metric, k));
    let heads = figures.iter().map(Figure::to_string).chain(["seeds".into(), "epochs".into()]);
    let mut table = Table::new(std::iter::once("model".to_string()).chain(heads));
    let shown = figures[1];
    let mut bars = Bars::new(format!("{shown} on {data}"), shown.name());
    let mut seeds = Table::new(["model", "seed", "R@10", "R@20", "N@10", "N@20", "best epoch"]);
    let mut values = Vec::new();
    for row in rows {
        let mut cells = vec![row.name.clone()];
        let mut found = serde_json::Map::new();
        for figure in figures {
            let of_seeds: Vec<f64> = row.runs.iter().filter_map(|run| run.figure(figure)).collect();
            if of_seeds.is_empty() {
                cells.push("not run".into());
                continue;
            }
            let mean = seed_mean(&of_seeds)?;
            cells.push(mean.to_string());
            if figure == shown {
                let ends = mean.half_width.map(|half| [mean.mean - half, mean.mean + half]);
                bars = bars.bar(&row.name, mean.mean, ends, None).dots(of_seeds.iter().copied());
            }
            found.insert(figure.name(), json!({"mean": mean, "seeds": of_seeds}));
        }
        let n_epochs: usize = row.runs.iter().map(|run| run.trained.valid.curve.len()).sum();
        cells.push(row.runs.len().to_string());
        cells.push(if n_epochs == 0 {
            "–".into()
        } else {
            format!("{:.0}", n_epochs as f64 / row.runs.len() as f64)
        });
        table.row(cells);
        for run in &row.runs {
            let figures = figures.map(|figure| run.figure(figure).map_or_else(|| "–".to_string(), four));
            let best = run.trained.valid.best_epoch.map_or_else(|| "–".to_string(), |epoch| epoch.to_string());
            let first = [row.name.clone(), run.trained.training.seed.to_string()];
            seeds.row(first.into_iter().chain(figures).chain([best]));
        }
        values.push(json!({"model": row.name, "figures": found}));
    }
    let caption = "Test part, means over users. Bars are means over seeds, whiskers 95 % intervals (Student's t), dots the seeds.";
    let section = Section::new(format!("{data}: what models came to"));
    Ok(section
        .table("Mean ± half of the 95 % interval over seeds; epochs are means over seeds", table)
        .figure(bars.to_svg(), caption, seeds)
        .values(values.into()))
}

fn compared(data: &str, results: &ResultsFolder) -> Result<Section> {
    let section = Section::new(format!("{data}: who is better than whom"));
    // Those of `viral experiment`, so that both give the same figures.
    let settings = ComparisonSettings::default();
    let (found, missing) = results.compare(data, &settings)?;
    let section = match missing.is_empty() {
        true => section,
        false => section.not_run(
            format!(
                "The files under users/ of these models are not here, so they are not compared: {}. Without their lines in \
                 results.jsonl they are run again:",
                missing.join(", ")
            ),
            "viral experiment FILE.toml",
        ),
    };
    if found.is_empty() {
        return Ok(section.text("There are no two models to compare."));
    }
    let (figure, resamples) = (settings.figure, settings.resamples);
    let mut table = Table::new(["difference", "mean", "95 % from", "to", "p", "Holm", "BH"]);
    for c in &found {
        let numbers = [c.difference.mean, c.difference.low, c.difference.high].map(signed);
        let p = [c.p, c.holm, c.benjamini_hochberg].map(four);
        table.row(std::iter::once(format!("{} − {}", c.of, c.against)).chain(numbers).chain(p));
    }
    let n_users = found.iter().map(|c| c.n_users).max().unwrap_or(0);
    let text = format!(
        "{figure} of {n_users} users, each the mean over their seeds, paired. Intervals: {resamples} resamples of users. p: \
         permutation of signs, two-sided, {resamples} flips, so that none is below {:.4}; Holm's and Benjamini and Hochberg's \
         corrections are for {} differences. An experiment that sets a comparison or contrasts of its own has other figures in its \
         own tables.",
        1.0 / (resamples + 1) as f64,
        found.len()
    );
    let section = section.text(text).table("Row minus column; * where Holm's p is at most 0.05", matrix(&found));
    Ok(section.table("All differences", table).values(json!(found)))
}

/// A matrix of differences: each pair once in each direction.
fn matrix(found: &[Comparison]) -> Table {
    let mut names: Vec<&str> = Vec::new();
    for name in found.iter().flat_map(|c| [c.of.as_str(), c.against.as_str()]) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut table = Table::new(std::iter::once("minus").chain(names.iter().copied()));
    for row in &names {
        let cell = |column: &&str| {
            let pair = |a: &str, b: &str| found.iter().find(|c| c.of == a && c.against == b);
            let signed = |c: &Comparison, sign: f64| {
                format!("{:+.4}{}", sign * c.difference.mean, if c.holm <= 0.05 { "*" } else { "" })
            };
            let there = pair(row, column).map(|c| signed(c, 1.0));
            there.or_else(|| pair(column, row).map(|c| signed(c, -1.0))).unwrap_or_default()
        };
        table.row(std::iter::once(row.to_string()).chain(names.iter().map(cell)));
    }
    table
}

fn curves(data: &str, rows: &[&ResultsRow]) -> Section {
    let section = Section::new(format!("{data}: how training went"));
    let trained: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((row, row.runs.first().filter(|run| !run.trained.valid.curve.is_empty())?)))
        .collect();
    if trained.is_empty() {
        return section.text("None of these models trains by epochs.");
    }
    let figure = &trained[0].1.trained.valid.figure;
    let mut lines = Lines::new(format!("{figure} on valid, first seed"), "epoch", figure);
    let mut table = Table::new(["model", "seed", "epochs", "best epoch", "best on valid"]);
    for (i, (row, run)) in trained.iter().enumerate() {
        let valid = &run.trained.valid;
        if i < CURVES {
            lines = lines.line(&row.name, valid.curve.iter().enumerate().map(|(epoch, &value)| (epoch as f64, value)));
        }
        let best = valid.best_epoch.map_or_else(|| "–".to_string(), |epoch| epoch.to_string());
        let value = valid.best.map_or_else(|| "–".to_string(), four);
        let seed = run.trained.training.seed.to_string();
        table.row([row.name.clone(), seed, valid.curve.len().to_string(), best, value]);
    }
    let n = trained.len();
    let caption = match n > CURVES {
        true => {
            format!("The {CURVES} best of {n} models that train; all are in the table and in the data of this page.")
        }
        false => "Epoch by epoch; the best one is kept.".to_string(),
    };
    let values: Vec<_> =
        trained.iter().map(|(row, run)| json!({"model": row.name, "valid": run.trained.valid})).collect();
    section.figure(lines.to_svg(), caption, table).values(values.into())
}
