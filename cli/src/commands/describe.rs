//! `viral describe`: descriptions of pictures.

use super::folder::Folder;
use super::servers::{PriceArguments, Requests, open_journal, say_progress};
use crate::bar::Bar;
use crate::shell::{note, say};
use clap::{Args, ValueEnum};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use viral::Result;
use viral::data::{AttributeOptions, Attributes, is_there};
use viral_enrich::describe::{
    AnswerKind, DescribeConfig, Described, ImageFolder, Items, Journal, PictureSettings, Prices, Prompt, Validation,
};
use viral_enrich::features::{Descriptions, Source};

/// Describes pictures with a vision-language model behind any OpenAI-compatible server.
///
/// Reads items.jsonl of the data folder and writes journal.jsonl, with which the run can be stopped at any moment and
/// started again, and at its end descriptions.jsonl (attributes.jsonl for --prompt attributes). Time and cost are the
/// server's; the progress shows both. If a server needs a key, it is taken from the environment variable VIRAL_API_KEY.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  viral describe --data data/baby --images photos --server http://127.0.0.1:8000/v1 --model Qwen/Qwen2.5-VL-7B-Instruct")]
pub(crate) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// Folder with the pictures, named as items.jsonl says or <id>.jpg, .png, .webp, …
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Address of a server; can be repeated, for replicas that share the work
    #[arg(long, value_name = "URL", required = true, help_heading = "Servers")]
    server: Vec<String>,
    /// The model's name, as the server knows it
    #[arg(long, help_heading = "Servers")]
    model: String,
    #[command(flatten)]
    requests: Requests,
    #[command(flatten)]
    question: QuestionArguments,
    #[command(flatten)]
    answers: AnswerArguments,
    /// Maximum number of items to ask about, for a first look
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Asks again for items that were quarantined
    #[arg(long)]
    retry_quarantined: bool,
    #[command(flatten)]
    prices: PriceArguments,
}

/// What to ask.
#[derive(Args, Debug)]
#[command(next_help_heading = "Question")]
struct QuestionArguments {
    /// plain, title, attributes, or a text file with places such as {title}
    #[arg(long, default_value = "title")]
    prompt: String,
    /// What a prompt file asks for
    #[arg(long, value_enum, default_value_t = Kind::Prose)]
    answer: Kind,
    /// Maximum number of tokens of an answer
    #[arg(long, default_value_t = 400)]
    max_tokens: u32,
    /// Temperature of the first request for an item
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Longer side of the pictures that are sent, in pixels
    #[arg(long, default_value_t = 768)]
    max_side: u32,
}

/// Which answers to keep.
#[derive(Args, Debug)]
#[command(next_help_heading = "Answers")]
struct AnswerArguments {
    /// Keeps answers in any language
    #[arg(long)]
    any_language: bool,
    /// Keeps every answer that is not empty: for trying a server, never for results
    #[arg(long, conflicts_with = "any_language")]
    accept_any: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Kind {
    Prose,
    Attributes,
}

/// Describes every item that the journal does not know yet, and writes the result.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let config = config(arguments)?;
    let prices = arguments.prices.prices()?;
    arguments.folder.check()?;
    let items = Items::open(arguments.folder.data.join("items.jsonl"))?;
    let images = ImageFolder::open(&arguments.images)?;
    let out = arguments.folder.made()?;
    let mut journal = open_journal(&out.join("journal.jsonl"), &items, &config.prompt)?;

    let name = match config.prompt.kind() {
        AnswerKind::Prose => "descriptions.jsonl",
        AnswerKind::Attributes => "attributes.jsonl",
    };
    let path = out.join(name);
    Source::check_free(&path, &journal)?;
    let earlier = Earlier::read(&path, &journal)?;
    let mut bar = Bar::new(items.n_items(), prices);
    let described = config.run(&items, &images, &mut journal, |progress| {
        bar.show(progress);
        ControlFlow::Continue(())
    });
    bar.finish();
    let described = match described {
        Ok(described) => described,
        Err(error) => {
            keep_known(&config, &items, &images, &mut journal, &path, earlier.as_ref());
            return Err(error);
        }
    };
    described.write(&path, &items, &journal)?;
    summary(&described, prices, &path, earlier.as_ref())?;
    described.check_any()
}

/// The descriptions that were there before the run.
struct Earlier {
    descriptions: Descriptions,
    /// Whether the journal has records, so that it was not begun anew since.
    is_in_journal: bool,
}

impl Earlier {
    /// Reads the file if there is one; `None` if it holds no descriptions that could be lost.
    fn read(path: &Path, journal: &Journal) -> Result<Option<Self>> {
        if !is_there(path)? {
            return Ok(None);
        }
        let is_in_journal = journal.n_records() > 0;
        let descriptions = Descriptions::read(path).ok().filter(|found| found.n_described() > 0);
        Ok(descriptions.map(|descriptions| Self { descriptions, is_in_journal }))
    }

    /// Says what of it was replaced by the file at `path`: nothing if that is by the same model and prompt and has as
    /// many descriptions.
    fn replaced(&self, path: &Path) -> String {
        let Ok(now) = Descriptions::read(path) else { return String::new() };
        let (n, n_now) = (self.descriptions.n_described(), now.n_described());
        let (by, is_other) = match (&self.descriptions.source, &now.source) {
            (Some(before), Some(now)) => (
                format!(" by {} (prompt '{}')", before.model.name, before.prompt.name),
                before.model != now.model || before.prompt != now.prompt,
            ),
            _ => (String::new(), false),
        };
        if !is_other && n <= n_now {
            return String::new();
        }
        let again = match self.is_in_journal {
            true => "; the earlier command writes those again from the journal",
            false => "",
        };
        let s = if n == 1 { "" } else { "s" };
        format!(", {n_now} in place of {n} description{s}{by}{again}")
    }
}

/// Writes what the journal knows after a run that failed. Errors of this are ignored in favour of the run's own.
fn keep_known(
    config: &DescribeConfig,
    items: &Items,
    images: &ImageFolder,
    journal: &mut Journal,
    path: &Path,
    earlier: Option<&Earlier>,
) {
    let Ok(known) = config.known(items, images, journal) else { return };
    let n = known.progress.n_before;
    if n > 0 && known.write(path, items, journal).is_ok() {
        let replaced = earlier.map_or_else(String::new, |earlier| earlier.replaced(path));
        note!("{} has what was known of {n} items when the run ended{replaced}", path.display());
    }
}

fn config(arguments: &Arguments) -> Result<DescribeConfig> {
    let Arguments { question, answers, requests, .. } = arguments;
    let prompt = match Path::new(&question.prompt) {
        path if path.is_file() => {
            let kind = match question.answer {
                Kind::Prose => AnswerKind::Prose,
                Kind::Attributes => AnswerKind::Attributes,
            };
            Prompt::read(path, kind)?
        }
        _ => Prompt::by_name(&question.prompt)?,
    };
    let validation = match (answers.accept_any, answers.any_language) {
        (true, _) => Validation::AnyText,
        (_, true) => Validation::AnyLanguage,
        _ => Validation::English,
    };
    Ok(DescribeConfig {
        api_key: requests.api_key()?,
        concurrency: requests.concurrency(),
        timeout: requests.timeout(),
        patience: requests.patience(),
        max_tokens: question.max_tokens,
        temperature: question.temperature,
        picture: PictureSettings { max_side: question.max_side, ..PictureSettings::default() },
        validation,
        backoff: requests.backoff(),
        retry_quarantined: arguments.retry_quarantined,
        limit: arguments.limit,
        ..DescribeConfig::new(prompt, &arguments.model, &arguments.server)
    })
}

fn summary(described: &Described, prices: Option<Prices>, path: &Path, earlier: Option<&Earlier>) -> Result<()> {
    say_progress("described", &described.progress, &described.faults, &described.servers, prices)?;
    let replaced = earlier.map_or_else(String::new, |earlier| earlier.replaced(path));
    say!("Descriptions are in {}{replaced}", path.display())?;
    // The file is complete, whatever is in it.
    match described.kind() {
        AnswerKind::Attributes if described.progress.n_described + described.progress.n_before > 0 => {
            match Attributes::read(path, AttributeOptions::default()) {
                Ok(attributes) => say!("    {}", attributes.counts()),
                Err(error) => say!("    {error}"),
            }
        }
        _ => Ok(()),
    }
}
