//! `viral prepare`: a folder of data from a raw catalogue.

use crate::bar;
use crate::shell::{peak_rss_mb, quoted, say};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Instant;
use viral::data::{Dataset, ReadOptions};
use viral::{Error, Result};
use viral_enrich::{
    AMAZON_2014, BadRows, Download, Format, Metadata, Prepare, PrepareStep, Prepared, Repeats, Reviews, SkippedRows,
    Split, amazon_files,
};

/// Turns reviews and metadata, Amazon's or any table, into a folder of data.
///
/// Amazon's Baby gives 19,445 users, 7,050 items and 160,792 interactions. A gigabyte of reviews takes some ten seconds
/// of one core and 150 MB of memory.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  viral prepare --download Baby --out data/baby
  viral prepare --reviews reviews_Baby_5.json.gz --meta meta_Baby.json.gz --out data/baby
  viral prepare --reviews log.csv --user customer --item sku --time date --meta items.csv --id sku --title name --out data/toys
  viral prepare --reviews ratings.dat --separator '::' --user '#1' --item '#2' --time '#4' --out data/movies")]
pub(crate) struct Arguments {
    /// Folder to write; its name is the data set's
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replaces what an earlier run wrote into the folder
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    download: DownloadArguments,
    #[command(flatten)]
    reviews: ReviewArguments,
    #[command(flatten)]
    meta: MetaArguments,
    #[command(flatten)]
    choice: ChoiceArguments,
}

/// Which interactions to keep, and how to split them.
#[derive(Args, Debug)]
#[command(next_help_heading = "Selection and split")]
struct ChoiceArguments {
    /// Minimum number of interactions of each user and each item
    #[arg(long, default_value_t = 5, value_name = "K")]
    core: usize,
    /// Leaves out rows with a lower rating
    #[arg(long, value_name = "RATING")]
    min_rating: Option<f64>,
    /// How to split each user's interactions: 8:1:1 at random or by time, or the last two held out
    #[arg(long, value_enum, default_value_t = SplitName::Random)]
    split: SplitName,
    /// Seed of the random split
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Which of several rows about one user and item to keep, by time, or by order in the file if there are no times.
    /// Rows below --min-rating are left out before, so they are not among these
    #[arg(long, value_enum, default_value_t = RepeatsName::First)]
    repeats: RepeatsName,
    /// Leaves out rows that cannot be used, and counts them, instead of stopping at the first
    #[arg(long)]
    skip_bad: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Download")]
struct DownloadArguments {
    /// Fetches Amazon's reviews and metadata of 2014 of a category, such as Baby or Sports_and_Outdoors
    #[arg(long, value_name = "CATEGORY", conflicts_with_all = ["reviews", "meta"])]
    download: Option<String>,
    /// Where the files are published
    #[arg(long, value_name = "URL", default_value = AMAZON_2014, requires = "download")]
    mirror: String,
    /// Folder for the downloaded files [default: <OUT>/raw]
    #[arg(long, value_name = "DIR", requires = "download")]
    raw: Option<PathBuf>,
    /// SHA-256 that the reviews must have
    #[arg(long, value_name = "HEX", requires = "download")]
    sha256: Option<String>,
    /// SHA-256 that the metadata must have
    #[arg(long, value_name = "HEX", requires = "download")]
    sha256_meta: Option<String>,
}

/// Columns are names of fields, names in a header, or #1, #2 and so on in a file without one.
#[derive(Args, Debug)]
#[command(next_help_heading = "Interactions (columns: names, or #1, #2 and so on without a header)")]
struct ReviewArguments {
    /// File of interactions: Amazon's reviews (2014, 2018, 2023) unless columns are named; plain or gzip
    #[arg(long, value_name = "FILE", required_unless_present = "download")]
    reviews: Option<PathBuf>,
    /// Format of the file [default: by its extension]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatName>,
    /// Separator of cells other than comma and tab: ';', '|', '::', ' ' for any blanks
    #[arg(long, value_name = "TEXT", requires = "user")]
    separator: Option<String>,
    /// Column of the user
    #[arg(long, value_name = "COLUMN", requires = "item")]
    user: Option<String>,
    /// Column of the item
    #[arg(long, value_name = "COLUMN", requires = "user")]
    item: Option<String>,
    /// Column of the rating
    #[arg(long, value_name = "COLUMN", requires = "user")]
    rating: Option<String>,
    /// Column of the time, a number or a date such as 2018-09-20, 20.9.2018 or 2016-03-09 14:44:16
    #[arg(long, value_name = "COLUMN", requires = "user")]
    time: Option<String>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Items")]
struct MetaArguments {
    /// File of items: Amazon's metadata (2014, 2018, 2023) unless columns are named; plain or gzip
    #[arg(long, value_name = "FILE")]
    meta: Option<PathBuf>,
    /// Format of the file [default: by its extension; python for Amazon's]
    #[arg(long, value_enum, value_name = "FORMAT", requires = "meta")]
    meta_format: Option<FormatName>,
    /// Separator of cells other than comma and tab
    #[arg(long, value_name = "TEXT", requires = "id")]
    meta_separator: Option<String>,
    /// Column of the item's id
    #[arg(long, value_name = "COLUMN", requires = "meta")]
    id: Option<String>,
    /// Column of the title
    #[arg(long, value_name = "COLUMN", requires = "id")]
    title: Option<String>,
    /// Column of the brand
    #[arg(long, value_name = "COLUMN", requires = "id")]
    brand: Option<String>,
    /// Column of the categories
    #[arg(long, value_name = "COLUMN", requires = "id")]
    categories: Option<String>,
    /// Column of the description
    #[arg(long, value_name = "COLUMN", requires = "id")]
    description: Option<String>,
    /// Column of the image, a URL or a file
    #[arg(long, value_name = "COLUMN", requires = "id")]
    image: Option<String>,
    /// Folder of images named after their items, such as B001.jpg, also in subfolders; they take precedence over URLs
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SplitName {
    Random,
    Temporal,
    LeaveOneOut,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RepeatsName {
    First,
    Last,
    Fail,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    Json,
    Python,
    Csv,
    Tsv,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let choice = &arguments.choice;
    let start = Instant::now();
    let (reviews, metadata) = match &arguments.download.download {
        Some(category) => {
            // Checked before a long download, not after it.
            let any = Prepare { overwrite: arguments.overwrite, ..Prepare::new(Reviews::amazon("")) };
            any.refuse_used(&arguments.out)?;
            let [reviews, meta] = arguments.download.fetch(category, &arguments.out)?;
            (arguments.reviews.reviews_at(&reviews)?, Some(Metadata::amazon(meta)))
        }
        None => {
            let path = arguments.reviews.reviews.clone().unwrap_or_default(); // clap wants one of the two
            (arguments.reviews.reviews_at(&path)?, arguments.meta.metadata()?)
        }
    };
    let prepare = Prepare {
        metadata,
        k_user: choice.core,
        k_item: choice.core,
        min_rating: choice.min_rating,
        repeats: match choice.repeats {
            RepeatsName::First => Repeats::KeepFirst,
            RepeatsName::Last => Repeats::KeepLast,
            RepeatsName::Fail => Repeats::Fail,
        },
        split: match choice.split {
            SplitName::Random => Split::Random { seed: choice.seed },
            SplitName::Temporal => Split::Temporal,
            SplitName::LeaveOneOut => Split::LeaveOneOut,
        },
        bad_rows: if choice.skip_bad { BadRows::Skip } else { BadRows::Fail },
        images: arguments.meta.images.clone(),
        overwrite: arguments.overwrite,
        ..Prepare::new(reviews)
    };
    let bar = bar::bytes();
    let prepared = prepare.run(&arguments.out, |step, done, total| {
        bar.set_message(match step {
            PrepareStep::Reviews => "reviews",
            PrepareStep::Metadata => "metadata",
        });
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let prepared = prepared?;
    // Reads back what was written, as training will.
    Dataset::read_with(&arguments.out, &ReadOptions::new().without_features())?;
    report(&prepared, choice.split)?;
    let memory = peak_rss_mb().map_or(String::new(), |mb| format!(", at most {mb:.0} MB of memory"));
    say!("\n{:.1} s{memory}. Train on it:\n", start.elapsed().as_secs_f64())?;
    let folder = quoted(&arguments.out.display().to_string());
    say!("    viral train --data {folder} --model lightgcn")
}

impl DownloadArguments {
    /// Reviews and metadata of a category, downloaded unless they are there already.
    fn fetch(&self, category: &str, out: &Path) -> Result<[PathBuf; 2]> {
        let folder = self.raw.clone().unwrap_or_else(|| out.join("raw"));
        let [reviews, meta] = amazon_files(category)?;
        let fetch = |name: &str, sha256: &Option<String>| {
            let path = folder.join(name);
            let url = format!("{}/{name}", self.mirror.trim_end_matches('/'));
            let bar = bar::bytes().with_message(name.to_string());
            let download = Download { sha256: sha256.clone(), ..Download::new(url, &path) };
            let found = download.run(|done, total| {
                bar.set_length(total);
                bar.set_position(done);
            });
            bar.finish_and_clear();
            let found = found?;
            let how = match (found.was_there, found.is_verified) {
                (true, true) => "was there, as its hash says",
                (false, true) => "fetched, with the hash it must have",
                (_, false) => "its hash is written down for later",
            };
            say!("{}: {} bytes, SHA-256 {}; {how}", path.display(), found.n_bytes, found.sha256)?;
            Ok(path)
        };
        Ok([fetch(&reviews, &self.sha256)?, fetch(&meta, &self.sha256_meta)?])
    }
}

impl ReviewArguments {
    fn reviews_at(&self, path: &Path) -> Result<Reviews> {
        let format = format_of(path, self.format, &self.separator, "--format", "--separator")?;
        Ok(match (&self.user, &self.item) {
            (Some(user), Some(item)) => Reviews {
                rating: self.rating.clone(),
                time: self.time.clone(),
                separator: self.separator.clone(),
                ..Reviews::new(path, format, user, item)
            },
            _ if matches!(format, Format::Csv | Format::Tsv) => {
                let message = "--user and --item: name the columns of the file (#1, #2 and so on without a header)";
                return Err(Error::Config(message.to_string()));
            }
            _ => Reviews { format, ..Reviews::amazon(path) },
        })
    }
}

impl MetaArguments {
    fn metadata(&self) -> Result<Option<Metadata>> {
        let Some(path) = &self.meta else { return Ok(None) };
        Ok(Some(match (&self.id, self.meta_format) {
            (Some(id), format) => Metadata {
                title: self.title.clone(),
                brand: self.brand.clone(),
                categories: self.categories.clone(),
                description: self.description.clone(),
                image: self.image.clone(),
                separator: self.meta_separator.clone(),
                ..Metadata::new(
                    path,
                    format_of(path, format, &self.meta_separator, "--meta-format", "--meta-separator")?,
                    id,
                )
            },
            (None, Some(format)) => Metadata { format: format.into(), ..Metadata::amazon(path) },
            (None, None) => Metadata::amazon(path),
        }))
    }
}

/// The format that was asked for, or else the one by the file's name, or CSV if a separator is given. `format` and
/// `separator` are the names of the options, for the error.
fn format_of(
    path: &Path,
    asked: Option<FormatName>,
    separated_by: &Option<String>,
    format: &str,
    separator: &str,
) -> Result<Format> {
    let by_name = asked.map(Format::from).or_else(|| Format::of_path(path));
    by_name.or(separated_by.as_ref().map(|_| Format::Csv)).ok_or_else(|| {
        let message = format!(
            "the name does not tell the format; add {format} json, python, csv or tsv, or {separator} with what stands between \
             cells, such as '::'"
        );
        Error::file(path, message)
    })
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Json => Self::Json,
            FormatName::Python => Self::Python,
            FormatName::Csv => Self::Csv,
            FormatName::Tsv => Self::Tsv,
        }
    }
}

fn report(prepared: &Prepared, split: SplitName) -> Result<()> {
    let split = match split {
        SplitName::Random => "at random",
        SplitName::Temporal => "by time",
        SplitName::LeaveOneOut => "by leaving the last two out",
    };
    let [n_train, n_valid, n_test] = prepared.n_interactions;
    let (name, n_users, n_items) = (&prepared.name, prepared.n_users, prepared.n_items);
    say!(
        "{name}: {n_users} users, {n_items} items, {n_train} train, {n_valid} valid and {n_test} test pairs, split {split}\n"
    )?;
    say!("{:>9} rows read", prepared.n_rows)?;
    for (n, what) in [
        (prepared.bad_rows.count(), "that cannot be used"),
        (prepared.n_below_min_rating, "rated too low"),
        (prepared.n_repeats, "about the same user and item"),
        (prepared.n_outside_core, "of users or items with too few"),
    ] {
        say!("{n:>9} {what}")?;
    }
    skipped("reviews", &prepared.bad_rows)?;
    skipped("metadata", &prepared.bad_metadata)?;
    say!("\n{:<27} {:>9} {:>8}", "items with", "count", "share")?;
    let n_items = prepared.coverage.n_items.max(1) as f64;
    for (what, count) in prepared.coverage.rows() {
        say!("{what:<27} {count:>9} {:>6.1} %", count as f64 / n_items * 100.0)?;
    }
    Ok(())
}

/// Prints the rows that were left out, by reason.
fn skipped(file: &str, rows: &SkippedRows) -> Result<()> {
    for (kind, skipped) in &rows.0 {
        say!(
            "{file}: {} rows left out, {kind}; first in line {}: {}",
            skipped.count,
            skipped.first_line,
            skipped.first
        )?;
    }
    Ok(())
}
