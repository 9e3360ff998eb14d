//! `viral train`: trains a model on a folder of data, prints its metrics and saves it.

use super::run_args::{RunArgs, announce};
use crate::bar::TrainingBar;
use crate::shell::{note, peak_rss_mb, quoted, say};
use clap::Args;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use viral::prelude::{Dataset, Recipe, Recommender};
use viral::recipe::{Existing, ReportFile, Results, Run};
use viral::{Error, Result};

/// Cut-offs of the metrics.
const CUTOFFS: [usize; 4] = [5, 10, 20, 50];

/// Trains a model and says how good it is.
///
/// The model with the best recall on valid is written to the output folder, with a checkpoint after each epoch: a run
/// that was killed continues with --resume, to the same bits. Without --data the catalogue is a built-in one.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  viral train --data data/baby --model viral --seed 1")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Folder for the model and its checkpoint [default: out/<data>-<model>-<preset>-seed<seed>]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Resumes the run whose checkpoint is in the output folder
    #[arg(long, help_heading = "Output")]
    resume: bool,
    /// Replaces the run that is in the output folder. Its model is deleted after the first epoch: if a service answers
    /// from it, train into another folder
    #[arg(long, conflicts_with = "resume", help_heading = "Output")]
    overwrite: bool,
    /// Begins with the parameters of an earlier model, a folder or file of `viral train`, instead of fresh ones: rows
    /// of users and items are matched by id, and new items begin with those of similar content
    #[arg(long, value_name = "MODEL", help_heading = "Training")]
    warm_start: Option<PathBuf>,
    /// Share of the earlier parameters that a warm start keeps, from 0 to 1; the rest comes from fresh ones, because
    /// parameters that fit the old interactions too closely generalise badly [default: 0.25]
    #[arg(long, value_name = "SHARE", requires = "warm_start", help_heading = "Training")]
    shrink: Option<f32>,
    /// Writes everything about the run to a file; it replaces nothing but an earlier report
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Trains together with the other ranks of the job that mpirun started; needs the feature mpi. The checkpoint is
    /// that of a single process: when the run is over, --resume without --mpi writes its model
    #[arg(long, conflicts_with_all = ["json", "warm_start"], help_heading = "Training")]
    mpi: bool,
}

impl Arguments {
    pub(super) fn existing(&self) -> Existing {
        match (self.resume, self.overwrite) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Overwrite,
            _ => Existing::Refuse,
        }
    }

    /// The output folder of the run.
    pub(super) fn folder(&self, recipe: &Recipe, data: &Dataset) -> PathBuf {
        let (name, seed) = (recipe.model.name(), recipe.training.seed);
        let folder = || format!("{}-{name}-{}-seed{seed}", data.name, recipe.preset);
        self.out.clone().unwrap_or_else(|| Path::new("out").join(folder()))
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.mpi {
        return over_ranks(arguments);
    }
    // Each process would train by itself, in the same folder.
    let ranks =
        ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"].iter().find_map(|name| std::env::var(name).ok()?.parse::<usize>().ok());
    if ranks.is_some_and(|ranks| ranks > 1) {
        return Err(Error::Config("several processes were started together; they train together with --mpi".into()));
    }
    let device = arguments.run.train.start()?;
    let recipe = arguments.run.recipe()?;
    let (data, reading) = arguments.run.data.read_reported()?;
    let name = recipe.model.name();
    let out = arguments.folder(&recipe, &data);
    // Checked before a long run, not after it.
    let report = arguments.json.as_ref().map(|path| ReportFile::new(path, &out)).transpose()?;
    let before = arguments.warm_start.as_ref().map(Recommender::load).transpose()?;
    announce(&data, &reading, &recipe.model);
    if let Some(before) = &before {
        announce_known(before, &data);
    }
    let mut bar = TrainingBar::new(name);
    let runner = recipe.runner(&data, &device).folder(&out).existing(arguments.existing());
    let runner = match &before {
        Some(before) => runner.warm_start(before),
        None => runner,
    };
    let runner = arguments.shrink.into_iter().fold(runner, |runner, shrink| runner.shrink(shrink));
    let run = runner.observe(|progress| bar.show(progress)).run()?;
    let popularity = Recipe::named("popularity")?.run(&data, &device)?;
    // The file comes first: an error while printing the tables must not lose it.
    if let Some(file) = report {
        let mut report = serde_json::to_value(run.report(&CUTOFFS)?).map_err(|e| Error::Data(e.to_string()))?;
        report["peak_rss_mb"] = peak_rss_mb().into();
        file.write(&report)?;
    }
    print_results(&run, &popularity)?;
    say!("\nThe model is in {}. What it recommends to a user:\n", out.join("model.safetensors").display())?;
    let (folder, user) = (quoted(&out.display().to_string()), quoted(data.example_user().unwrap_or_default()));
    say!("    viral recommend --model {folder} --user {user} -k 10")
}

/// Prints how many of the users and items an earlier model knows.
fn announce_known(before: &Recommender, data: &Dataset) {
    // Those that came after its training have no parameters to begin with.
    let trained = before.train_interactions();
    let users: HashSet<&str> = before.users().take(trained.n_users()).collect();
    let items: HashSet<&str> = before.items().take(trained.n_items()).collect();
    let known = |ids: &[String], known: &HashSet<&str>| ids.iter().filter(|id| known.contains(id.as_str())).count();
    let (n_users, n_items) = (known(&data.user_ids, &users), known(&data.item_ids, &items));
    note!(
        "begins with an earlier model, which knows {n_users} of {} users and {n_items} of {} items",
        data.n_users(),
        data.n_items()
    );
}

#[cfg(feature = "mpi")]
use super::ranks::over_ranks;

#[cfg(not(feature = "mpi"))]
fn over_ranks(_: &Arguments) -> Result<()> {
    let message = "this program was built without MPI; build it with --features mpi, or leave out --mpi";
    Err(viral::Error::Config(message.into()))
}

/// Prints the metrics of the model, with popularity for comparison.
fn print_results(run: &Run, popularity: &Run) -> Result<()> {
    if run.data().test.n_pairs() == 0 {
        return say!("\nNothing is held out for a test: the model has seen everything.");
    }
    let (mut results, name) = (Results::new("model"), run.recipe().model.name());
    let test = run.test(&Results::CUTOFFS)?;
    if name != "popularity" {
        results.row("popularity", popularity, &popularity.test(&Results::CUTOFFS)?);
    }
    results.row(name, run, &test);
    say!(
        "\n{} on the test part, {} users\n\n{}",
        run.data().name,
        test.users().len(),
        results.table().to_text().trim_end()
    )?;
    match run.best_epoch().map(|best| best + 1) {
        Some(n) => say!(
            "\nThe valid part was best after {n} epochs. For training on everything: --split everything --keep-last --epochs {n}"
        ),
        None => Ok(()),
    }
}
