//! Pictures to descriptions.

use crate::args::{Args, Kind};
use crate::bar::{Bar, duration};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use viral::Result;
use viral_enrich::describe::{
    AnswerKind, ApiKey, Backoff, DescribeConfig, Described, ImageFolder, Items, Journal, PictureSettings, Prices,
    Progress, Prompt, Validation,
};

/// Describes every item that the journal does not know yet, and writes the result.
pub(crate) fn describe(args: &Args) -> Result<()> {
    let config = config(args)?;
    let prices = args.price_in.zip(args.price_out).map(|(input, output)| Prices { input, output });
    let items = Items::open(args.data.join("items.jsonl"))?;
    let images = ImageFolder::open(args.images.as_deref().unwrap_or(&args.data))?;
    let out = args.out_folder()?;
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
        ..DescribeConfig::new(prompt, args.model.as_deref().unwrap_or_default(), &args.server)
    })
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
