//! `viral report`: a model or an experiment on one page.

mod curves;
mod experiment;
mod information;
mod knockouts;
mod map;
mod measured;
mod run;

use super::mean;
use crate::shell::say;
use clap::{ArgGroup, Args};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use viral::args::{DataArgs, DeviceArgs};
use viral::data::{check_place, write_whole};
use viral::eval::Dialect;
use viral::report::Page;
use viral::{Error, Result};

/// Length of the measured lists.
const K: usize = 20;

/// Number of resamples of users behind an interval.
const RESAMPLES: usize = 2000;

/// Seed of everything that is drawn.
const SEED: u64 = 0;

/// Makes a page of figures and tables: what a model has learned, or the results of an experiment.
///
/// The page is one HTML file that loads nothing from elsewhere. For a model it shows what its scores are made of, what
/// it loses without each block, what content says of clicks, accuracy and beyond-accuracy metrics, groups of users, and
/// a map of the items; whatever depends on clicks or content needs the data as in training. For an experiment it shows
/// means with intervals, seeds and paired comparisons. Nothing is trained: what is missing is shown as not run, with
/// the command for it.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("of").required(true))]
#[command(
    after_help = "Example:\n  viral report --model out/baby-viral-default-seed0 --data data/baby --out report.html"
)]
pub(crate) struct Arguments {
    /// Folder with model.safetensors, or the file itself
    #[arg(long, value_name = "DIR", group = "of")]
    model: Option<PathBuf>,
    /// Folder with results.jsonl, as viral experiment writes it
    #[arg(long, value_name = "FOLDER", group = "of")]
    experiment: Option<PathBuf>,
    /// File that viral probe --json wrote for this model and these data, to be shown with it
    #[arg(long, value_name = "FILE", requires = "model")]
    probe: Option<PathBuf>,
    /// File that viral missing --json wrote for this model and these data, to be shown with it
    #[arg(long, value_name = "FILE", requires = "model")]
    missing: Option<PathBuf>,
    /// File that viral cold --json wrote for this model and these data, for items or users; can be repeated
    #[arg(long, value_name = "FILE", requires = "model")]
    cold: Vec<PathBuf>,
    /// Definitions of coverage, Gini, entropy, ARP and the like: formula, or elliot for the numbers of that library
    #[arg(long, value_name = "NAME", default_value = "formula", requires = "model")]
    dialect: Dialect,
    #[command(flatten, next_help_heading = "Data")]
    data: DataArgs,
    /// File for the page; it replaces nothing but an earlier page
    #[arg(long, value_name = "FILE.html", help_heading = "Output")]
    out: PathBuf,
    /// Writes everything that the page shows into a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Writes each figure into this folder as a separate picture, NN-NAME.svg, for papers and pages
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    figures: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Device")]
    device: DeviceArgs,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.device.start()?;
    // Checked before the work, not after it.
    check_place(&arguments.out, "not an earlier page of viral report", empty_or(Page::is_page))?;
    if let Some(json) = &arguments.json {
        let full = |path: &Path| std::path::absolute(path).map_err(Error::io(path));
        if full(json)? == full(&arguments.out)? {
            return Err(Error::Config("--out and --json are the same file; name two".into()));
        }
        check_place(json, "not earlier figures of viral report", empty_or(is_figures))?;
    }
    if let Some(folder) = arguments.figures.as_ref().filter(|folder| folder.exists() && !folder.is_dir()) {
        return Err(Error::file(folder, "is a file; --figures takes a folder"));
    }
    let page = match (&arguments.model, &arguments.experiment) {
        (Some(model), _) => run::page(model, arguments)?,
        (_, Some(_)) if !arguments.data.is_planted() => {
            return Err(Error::Config("--data is for --model; results of an experiment have all that is shown".into()));
        }
        (_, Some(folder)) => experiment::page(folder)?,
        _ => return Err(Error::Config("give --model or --experiment".into())),
    };
    let html = page.to_html();
    write_whole(&arguments.out, html.as_bytes())?;
    if let Some(json) = &arguments.json {
        write_whole(json, format!("{:#}\n", page.to_json()).as_bytes())?;
    }
    if let Some(folder) = &arguments.figures {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        for (name, svg) in page.figures() {
            let path = folder.join(format!("{name}.svg"));
            check_place(&path, "not an earlier picture of viral report", empty_or(|text| text.starts_with("<svg ")))?;
            write_whole(&path, format!("{svg}\n").as_bytes())?;
        }
    }
    say!("The report is in {}: {:.1} MB, to be opened in a browser.", arguments.out.display(), html.len() as f64 / 1e6)
}

/// Whether a file is empty or a text of the given kind.
fn empty_or(is_of_kind: fn(&str) -> bool) -> impl FnOnce(BufReader<File>) -> bool {
    move |file| std::io::read_to_string(file).is_ok_and(|text| text.is_empty() || is_of_kind(&text))
}

fn is_figures(text: &str) -> bool {
    let value = serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    value["title"].is_string()
        && value["sections"].as_array().is_some_and(|all| all.iter().all(|s| s["parts"].is_array()))
}

fn four(x: f64) -> String {
    format!("{x:.4}")
}

fn signed(x: f64) -> String {
    format!("{x:+.4}")
}
