//! `viral experiment`: many models, data sets and seeds from one file, in tables with intervals and paired tests.

use super::run_args::announce_unused;
use crate::bar::TrainingBar;
use crate::shell::{note, quoted, say};
use clap::Args;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use viral::args::DeviceArgs;
use viral::data::{is_there, read_text, write_whole};
use viral::experiment::{Experiment, JobState, Notice, Selection, Session};
use viral::{Error, Result};

/// Runs an experiment: every model of a file on every data set with every seed, and makes its tables.
///
/// Finished runs are not repeated, and a run that was killed continues from its last epoch: stop it whenever you like,
/// and give the same command to continue. Results are lines of results.jsonl in the output folder; the tables are
/// printed and written to report.md there.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  viral experiment examples/experiments/planted.toml")]
pub(crate) struct Arguments {
    /// The experiment as a TOML file
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// Folder with the folders of the data sets
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_root: PathBuf,
    /// Folder for the results [default: out/<experiment>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs only this model; can be repeated
    #[arg(long, value_name = "MODEL")]
    only: Vec<String>,
    /// Runs only on this data set; can be repeated
    #[arg(long, value_name = "DATA")]
    on: Vec<String>,
    /// Lists all runs with their states, and exits
    #[arg(long)]
    dry_run: bool,
    /// Makes the tables of finished runs, report.md included, and exits
    #[arg(long, conflicts_with = "dry_run")]
    report: bool,
    /// Prints the tables as Markdown
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.device.start()?;
    let experiment = Experiment::read(&arguments.file)?;
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("out").join(&experiment.name));
    let (path, title) = (out.join("report.md"), format!("# {}\n", experiment.name));
    let mut session = experiment.open(&arguments.data_root, &out)?;
    if arguments.dry_run {
        return list(&session);
    }
    // Checked before long runs, not after them.
    if is_there(&path)? && !read_text(&path)?.starts_with(&title) {
        return Err(Error::file(
            path,
            "is there already and no report of this experiment; choose another folder (--out)",
        ));
    }
    let mut failures = Vec::new();
    if !arguments.report {
        for data in session.data() {
            note!("{data}");
            session.experiment().models.iter().for_each(|row| announce_unused(data, &row.recipe.model, &row.name));
        }
        let mut selection = Selection::all();
        (selection.models, selection.data) = (arguments.only.clone(), arguments.on.clone());
        let outcome = session.run(&device, &selection, watch())?;
        failures = outcome.failures;
    }
    let report = session.report(&command(arguments))?;
    if out.is_dir() {
        write_whole(path, report.to_markdown().as_bytes())?;
    }
    let text = if arguments.markdown { report.to_markdown() } else { report.to_text() };
    say!("{}", text.trim_end_matches('\n'))?;
    match failures.len() {
        0 => Ok(()),
        n => {
            let list: Vec<String> = failures.iter().map(|(job, error)| format!("{job}: {error}")).collect();
            Err(Error::Data(format!("{n} of the runs failed: {}", list.join("; "))))
        }
    }
}

/// The command that continues the experiment, without selections.
fn command(arguments: &Arguments) -> String {
    let word = |path: &Path| quoted(&path.display().to_string());
    let mut command = format!("viral experiment {}", word(&arguments.file));
    if arguments.data_root != Path::new("data") {
        command.push_str(&format!(" --data-root {}", word(&arguments.data_root)));
    }
    if let Some(out) = &arguments.out {
        command.push_str(&format!(" --out {}", word(out)));
    }
    command
}

/// Lists every run with its state, and the number of runs in each state.
fn list(session: &Session) -> Result<()> {
    let jobs = session.jobs()?;
    for job in &jobs {
        say!("{:<12}  {job}", job.state.name())?;
    }
    let states = [JobState::Done, JobState::Begun, JobState::Waiting, JobState::AfterTrials];
    let counts = states.map(|state| (jobs.iter().filter(|job| job.state == state).count(), state.name()));
    let counts: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, name)| format!("{n} {name}")).collect();
    say!("\n{} runs: {}", jobs.len(), counts.join(", "))
}

/// Reports the start and end of each run, with a bar.
pub(super) fn watch() -> impl FnMut(Notice) -> ControlFlow<()> {
    let mut bar: Option<TrainingBar> = None;
    move |notice| {
        match notice {
            Notice::Started { job, number, of, .. } => {
                note!("[{number}/{of}] {job}");
                bar = Some(TrainingBar::new(job.to_string()));
            }
            Notice::Progress { progress, .. } => {
                return bar.as_mut().map_or(ControlFlow::Continue(()), |bar| bar.show(progress));
            }
            Notice::Finished { job, summary, .. } => {
                bar = None;
                note!("{job}: {summary}");
            }
            Notice::Failed { job, error, .. } => {
                bar = None;
                note!("{job}: {error}");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
