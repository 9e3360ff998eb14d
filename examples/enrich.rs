//! Describes the pictures of a catalogue with a vision-language model behind any OpenAI-compatible server.
//!
//! ```text
//! cargo run --release --features enrich --example enrich -- --data data/baby --images DIR \
//!     --server http://127.0.0.1:8000/v1 --model Qwen/Qwen2.5-VL-7B-Instruct
//! ```
//!
//! Reads `items.jsonl` of the data folder and writes `journal.jsonl`, which makes the run safe to stop at any moment and
//! to start again, and at its end `descriptions.jsonl` (`attributes.jsonl` for `--prompt attributes`). Time and cost are
//! the server's; the bar tells both.

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use viral::enrich::describe::{
    AnswerKind, ApiKey, Backoff, DescribeConfig, Described, ImageFolder, Items, Journal, PictureSettings, Prices,
    Progress, Prompt, Validation,
};
use viral::{Error, Result};

/// Describes the pictures of a catalogue with a vision-language model.
///
/// The key of a server that wants one is taken from the environment variable VIRAL_API_KEY.
#[derive(Parser, Debug)]
struct Args {
    /// Folder with items.jsonl: an object with id, title and image a line
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder with the pictures, named as items.jsonl says or <id>.jpg, .png, .webp, …
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Address of a server; may be given again, for replicas that share the work
    #[arg(long, value_name = "URL", required = true)]
    server: Vec<String>,
    /// The model's name, as the server knows it
    #[arg(long)]
    model: String,
    /// plain, title, attributes, or a text file with places such as {title}
    #[arg(long, default_value = "title")]
    prompt: String,
    /// What a prompt file asks for
    #[arg(long, value_enum, default_value_t = Kind::Prose)]
    answer: Kind,
    /// Folder for the journal and the result [default: the data folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Environment variable that holds the servers' key
    #[arg(long, value_name = "VARIABLE", default_value = "VIRAL_API_KEY")]
    api_key_env: String,
    /// Requests in flight at each server
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Seconds that one request may take
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Seconds that all servers may be out of order before the run ends
    #[arg(long, default_value_t = 600)]
    patience: u64,
    /// Tokens at which an answer is cut
    #[arg(long, default_value_t = 400)]
    max_tokens: u32,
    /// Temperature of the first request for an item
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Longer side of the pictures that are sent, in pixels
    #[arg(long, default_value_t = 768)]
    max_side: u32,
    /// Asks for so many items at most: for a first look
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Asks again for items that were quarantined
    #[arg(long)]
    retry_quarantined: bool,
    /// Keeps answers in any language
    #[arg(long)]
    any_language: bool,
    /// Keeps every answer that is not empty: for trying a server, never for results
    #[arg(long, conflicts_with = "any_language")]
    accept_any: bool,
    /// Price of a million tokens of prompts and pictures
    #[arg(long, value_name = "MONEY", requires = "price_out")]
    price_in: Option<f64>,
    /// Price of a million tokens of answers
    #[arg(long, value_name = "MONEY", requires = "price_in")]
    price_out: Option<f64>,
    /// Seed of the waits after failures
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Kind {
    Prose,
    Attributes,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let config = config(&args)?;
    let prices = args.price_in.zip(args.price_out).map(|(input, output)| Prices { input, output });
    let items = Items::open(args.data.join("items.jsonl"))?;
    let images = ImageFolder::open(&args.images)?;
    let out = args.out.as_deref().unwrap_or(&args.data);
    std::fs::create_dir_all(out).map_err(|source| Error::Io { path: out.to_path_buf(), source })?;
    let mut journal = Journal::open(out.join("journal.jsonl"))?;
    if journal.n_torn_bytes() > 0 {
        eprintln!(
            "journal: the last run was stopped while it wrote; dropped a torn line of {} bytes",
            journal.n_torn_bytes()
        );
    }
    eprintln!(
        "{} items, {} records in the journal, prompt '{}'",
        items.n_items(),
        journal.n_records(),
        config.prompt.name()
    );

    let mut bar = Bar::new(items.n_items(), prices);
    let described = config.run(&items, &images, &mut journal, |progress| {
        bar.show(progress);
        ControlFlow::Continue(())
    });
    bar.finish();
    let described = described?;
    let name = match config.prompt.kind() {
        AnswerKind::Prose => "descriptions.jsonl",
        AnswerKind::Attributes => "attributes.jsonl",
    };
    let path = out.join(name);
    described.write(&path, &items, &journal)?;
    summary(&described, prices, &path);
    Ok(())
}

fn config(args: &Args) -> Result<DescribeConfig> {
    let prompt = match Path::new(&args.prompt) {
        path if path.is_file() => {
            let kind = match args.answer {
                Kind::Prose => AnswerKind::Prose,
                Kind::Attributes => AnswerKind::Attributes,
            };
            Prompt::read(path, kind)?
        }
        _ => Prompt::by_name(&args.prompt)?,
    };
    let validation = match (args.accept_any, args.any_language) {
        (true, _) => Validation::AnyText,
        (_, true) => Validation::AnyLanguage,
        _ => Validation::English,
    };
    Ok(DescribeConfig {
        api_key: ApiKey::from_env(&args.api_key_env)?,
        concurrency: usize::from(args.concurrency),
        timeout: Duration::from_secs(args.timeout),
        patience: Duration::from_secs(args.patience),
        max_tokens: args.max_tokens,
        temperature: args.temperature,
        picture: PictureSettings { max_side: args.max_side, ..PictureSettings::default() },
        validation,
        backoff: Backoff { seed: args.seed, ..Backoff::default() },
        retry_quarantined: args.retry_quarantined,
        limit: args.limit,
        ..DescribeConfig::new(prompt, &args.model, &args.server)
    })
}

/// A bar on a terminal, a line now and then elsewhere.
struct Bar {
    bar: Option<ProgressBar>,
    prices: Option<Prices>,
    shown: Instant,
}

impl Bar {
    fn new(n_items: usize, prices: Option<Prices>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:20} {pos}/{len} {msg}");
            let bar = ProgressBar::new(n_items as u64);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Self { bar, prices, shown: Instant::now() }
    }

    fn show(&mut self, progress: &Progress) {
        let left = progress.seconds_left().map_or_else(|| "?".to_string(), duration);
        let money = self.prices.map_or_else(String::new, |prices| format!(", cost {:.2}", prices.of(progress.tokens)));
        let line = format!(
            "{:.1}/s, {left} left, {} quarantined, {} + {} tokens{money}",
            progress.rate(),
            progress.n_quarantined,
            progress.tokens.input,
            progress.tokens.output,
        );
        let fault = progress.quarantined.as_ref().map(|(item, reason)| format!("quarantined {item}: {reason}"));
        match &self.bar {
            Some(bar) => {
                fault.into_iter().for_each(|fault| bar.println(fault));
                bar.set_position(progress.n_done() as u64);
                bar.set_message(line);
            }
            None => {
                fault.into_iter().for_each(|fault| eprintln!("{fault}"));
                if self.shown.elapsed() >= Duration::from_secs(10) {
                    self.shown = Instant::now();
                    eprintln!("{}/{} {line}", progress.n_done(), progress.n_items);
                }
            }
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn summary(described: &Described, prices: Option<Prices>, path: &Path) {
    let Progress { n_before, n_described, n_quarantined, n_requests, tokens, seconds, .. } = &described.progress;
    println!(
        "{n_described} described and {n_quarantined} quarantined in {}, {n_before} known before",
        duration(*seconds)
    );
    for (fault, n) in &described.faults {
        println!("    {n:>6} quarantined: {fault}");
    }
    let money = prices.map_or_else(String::new, |prices| format!(", cost {:.2}", prices.of(*tokens)));
    println!("{n_requests} requests, {} tokens in and {} out{money}", tokens.input, tokens.output);
    for server in &described.servers {
        let failure = server.last_failure.as_ref().map_or_else(String::new, |last| format!("; last failure: {last}"));
        println!("    {}: {} answers, {} failures{failure}", server.url, server.n_good, server.n_failed);
    }
    let left = described.progress.n_items - described.progress.n_done();
    if left > 0 {
        println!("{left} items are not asked yet; run it again without --limit");
    }
    println!("Descriptions are in {}", path.display());
}

/// `42 s`, `3 min`, `2.5 h`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
