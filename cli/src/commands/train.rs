//! `viral train`: a model on a folder of data, with its figures and its saved form.

use crate::bar::TrainingBar;
use crate::shell::{peak_rss_mb, quoted};
use clap::Args;
use std::path::{Path, PathBuf};
use viral::args::{DataArgs, RecipeArgs, TrainArgs};
use viral::data::{WholeFile, write_whole};
use viral::prelude::Recipe;
use viral::recipe::{Existing, Results, Run};
use viral::{Error, Result};

/// Where metrics are cut off.
const CUTOFFS: [usize; 4] = [5, 10, 20, 50];

/// Trains a model and says how good it is.
///
/// The model with the best recall on valid is written into the output folder, with a checkpoint after each epoch: a run that was
/// killed goes on with --resume, to the same bits. Without --data the catalogue is a built-in one.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  viral train --data data/baby --model viral --seed 1")]
pub(crate) struct Arguments {
    #[command(flatten, next_help_heading = "Data")]
    data: DataArgs,
    #[command(flatten, next_help_heading = "Model")]
    recipe: RecipeArgs,
    #[command(flatten, next_help_heading = "Training")]
    train: TrainArgs,
    /// Folder for the model and its checkpoint [default: out/<data>-<model>-<preset>-seed<seed>]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Takes up the run whose checkpoint is in the output folder
    #[arg(long, help_heading = "Output")]
    resume: bool,
    /// Replaces the run that is in the output folder
    #[arg(long, conflicts_with = "resume", help_heading = "Output")]
    overwrite: bool,
    /// Writes everything about the run into a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.train.start()?;
    let recipe = arguments.train.apply(arguments.recipe.recipe()?)?;
    let data = arguments.data.read()?;
    let name = recipe.model.name();
    let folder = format!("{}-{name}-{}-seed{}", data.name, recipe.preset, recipe.training.seed);
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("out").join(folder));
    if let Some(path) = &arguments.json {
        check_writable(path)?;
    }
    eprintln!("{data}");
    let existing = match (arguments.resume, arguments.overwrite) {
        (true, _) => Existing::Resume,
        (_, true) => Existing::Overwrite,
        _ => Existing::Refuse,
    };
    let mut bar = TrainingBar::new(name);
    let runner = recipe.runner(&data, &device).folder(&out).existing(existing);
    let run = runner.observe(|progress| bar.show(progress)).run()?;
    let popularity = Recipe::named("popularity")?.run(&data, &device)?;
    print_results(&run, &popularity)?;
    println!("\nThe model is in {}. What it recommends to a user:\n", out.join("model.safetensors").display());
    let (folder, user) = (quoted(&out.display().to_string()), quoted(data.example_user().unwrap_or_default()));
    println!("    viral recommend --model {folder} --user {user} -k 10");
    match &arguments.json {
        Some(path) => {
            let broken = |e: serde_json::Error| Error::file(path, e.to_string());
            let mut report = serde_json::to_value(run.report(&CUTOFFS)?).map_err(broken)?;
            report["peak_rss_mb"] = peak_rss_mb().into();
            write_whole(path, format!("{report:#}\n").as_bytes())
        }
        None => Ok(()),
    }
}

/// Finds out before a long run, not after it, that the report could not be written.
pub(super) fn check_writable(path: &Path) -> Result<()> {
    match path.is_dir() {
        true => Err(Error::file(path, "is a folder; name a file")),
        false => WholeFile::create(path).map(drop),
    }
}

/// The model beside popularity, for scale.
fn print_results(run: &Run, popularity: &Run) -> Result<()> {
    if run.data().test.n_pairs() == 0 {
        println!("\nNothing is held out for a test: the model has seen everything.");
        return Ok(());
    }
    let (mut results, name) = (Results::new("model"), run.recipe().model.name());
    let test = run.test(&Results::CUTOFFS)?;
    if name != "popularity" {
        results.row("popularity", popularity, &popularity.test(&Results::CUTOFFS)?);
    }
    results.row(name, run, &test);
    println!(
        "\n{} on the test part, {} users\n\n{}",
        run.data().name,
        test.users().len(),
        results.table().to_text().trim_end()
    );
    Ok(())
}
