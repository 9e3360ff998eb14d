//! Report sections on training, and on the users' weights of the blocks.

use super::{four, mean};
use serde_json::json;
use std::path::Path;
use viral::Result;
use viral::data::is_there;
use viral::prelude::{Checkpoint, Recommender};
use viral::report::{Histogram, Lines, Section, Table};

/// Loss and valid metric per epoch, if the run's checkpoint is beside its model.
pub(super) fn training(folder: &Path, train_command: &str) -> Result<Section> {
    let section = Section::new("How it was trained");
    let checkpoint = folder.join("checkpoint.safetensors");
    let history = if is_there(&checkpoint)? { Checkpoint::read_history(&checkpoint)? } else { Vec::new() };
    if history.is_empty() {
        let what = "There is no checkpoint with epochs beside the model, so nothing is known of how it was trained.";
        return Ok(section.not_run(what, train_command));
    }
    let mut table = Table::new(["epoch", "loss", "valid"]);
    for epoch in &history {
        let valid = epoch.valid.map_or_else(|| "–".to_string(), four);
        table.row([epoch.epoch.to_string(), format!("{:.5}", epoch.loss), valid]);
    }
    let points = |of: &dyn Fn(&viral::train::EpochReport) -> Option<f64>| -> Vec<(f64, f64)> {
        let all = history.iter().filter_map(|epoch| Some((epoch.epoch as f64, of(epoch)?)));
        all.filter(|point| point.1.is_finite()).collect()
    };
    let (loss, valid) = (points(&|epoch| Some(epoch.loss)), points(&|epoch| epoch.valid));
    let values = json!({"loss": loss, "valid": valid});
    let section = section.figure(
        Lines::new("Loss", "epoch", "mean over steps").line("loss", loss).to_svg(),
        "The sum of all terms of the loss, epoch by epoch.",
        table.clone(),
    );
    let section = match valid.is_empty() {
        true => section.text("Nothing was held out to watch training by."),
        false => section.figure(
            Lines::new("Valid", "epoch", "monitored figure").line("valid", valid).to_svg(),
            "The figure on the valid part that decides which epoch is kept and when training ends.",
            table,
        ),
    };
    Ok(section.values(values))
}

/// The users' weights of the blocks, if the model has them.
pub(super) fn weights(recommender: &Recommender) -> Result<Option<Section>> {
    let parameters = recommender.parameters()?;
    // In a built-in model, parameter names begin with the name of the model.
    let is_weights = |name: &str| name == "weights.weight" || name.ends_with(".weights.weight");
    let Some((_, weights)) = parameters.iter().find(|(name, _)| is_weights(name)) else { return Ok(None) };
    let values: Vec<f64> = weights.iter::<f32>().map(f64::from).collect();
    let [n_users, n] = weights.shape()[..] else { return Ok(None) };
    let blocks = recommender.embeddings().blocks();
    if n_users == 0 || n == 0 || values.iter().any(|x| !x.is_finite()) {
        return Ok(None);
    }
    let name = |i: usize| match blocks.len() == n {
        true => blocks[i].0.clone(),
        false => format!("weight {}", i + 1),
    };
    let title = "Weights of users by block";
    let mut histogram = Histogram::new(title, "weight", 30);
    let mut table = Table::new(["block", "mean", "5 %", "25 %", "median", "75 %", "95 %"]);
    let mut all = serde_json::Map::new();
    for i in 0..n {
        let mut column: Vec<f64> = values.iter().skip(i).step_by(n).copied().collect();
        column.sort_unstable_by(f64::total_cmp);
        let quantiles = [0.05, 0.25, 0.5, 0.75, 0.95].map(|q: f64| column[(q * (n_users - 1) as f64).round() as usize]);
        table.row([name(i), four(mean(&column))].into_iter().chain(quantiles.map(four)));
        all.insert(name(i), json!({"mean": mean(&column), "quantiles": quantiles}));
        histogram = histogram.series(name(i), column);
    }
    let section = Section::new("How users weigh the blocks").text(
        "The model learns for each user how much each block of their vector counts. Weights begin as shares of one and are free \
         after that; a small weight on long vectors may count as much as a large one on short ones, so read them beside what the \
         scores are made of.",
    );
    Ok(Some(section.figure(histogram.to_svg(), format!("Weights of {n_users} users."), table).values(all.into())))
}
