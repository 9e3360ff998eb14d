//! Descriptions and titles to features.

use crate::args::{Args, Part};
use crate::bar::{Bar, duration};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use viral::data::{Origin, Provenance, sha256_of_file};
use viral_enrich::describe::{ApiKey, Backoff};
use viral_enrich::embed::{EmbedConfig, VectorStore};
use viral_enrich::encode::TextEncoder;
use viral_enrich::features::{Catalogue, Content, Descriptions, FeatureTable, ItemText, PictureText, import};
use viral::{Error, Result};

/// What makes vectors of texts.
enum Encoder {
    Here(Box<TextEncoder>),
    Servers(Box<EmbedConfig>, VectorStore),
}

/// Encodes the items' texts and, where there are descriptions, what was said about their pictures.
pub(crate) fn encode(args: &Args) -> Result<()> {
    let catalogue = Catalogue::open(&args.data)?;
    let items_sha256 = sha256_of_file(args.data.join("items.jsonl"))?;
    let mut jobs: Vec<(PathBuf, Vec<Content>, Provenance)> = Vec::new();
    let nothing = || Provenance::new(Vec::new(), 0).with_input("items.jsonl", &items_sha256);
    if args.only != Some(Part::Image) {
        let text = ItemText::by_names(&args.fields)?;
        jobs.push((args.feature_file(Part::Text)?, catalogue.contents(|item| text.of(item)), nothing()));
    }
    if args.only != Some(Part::Text) {
        match descriptions(args)? {
            Some(descriptions) => {
                let picture = PictureText { descriptions: &descriptions, with_title: !args.no_title };
                let mut made_of = nothing().with_input(&descriptions.name, &descriptions.sha256);
                if let Some(source) = &descriptions.source {
                    made_of = made_of.with_prompt(source.prompt.clone()).with_model(source.model.clone());
                }
                jobs.push((args.feature_file(Part::Image)?, catalogue.contents(|item| picture.of(item)), made_of));
            }
            None => println!("No descriptions, so no {}; describe the pictures first", args.image_name),
        }
    }
    // What could stand in the way of the result is looked for before the work, not after it.
    jobs.iter().try_for_each(|(path, ..)| FeatureTable::check_free(path))?;
    let mut encoder = Encoder::open(args)?;
    for (path, mut contents, made_of) in jobs {
        let (width, vectors) = encoder.vectors(&mut contents)?;
        let table = FeatureTable::new(catalogue.ids(), &contents, width, &vectors)?;
        write(&catalogue, &table, path, |new| Provenance {
            inputs: made_of.inputs,
            prompt: made_of.prompt,
            model: made_of.model,
            encoder: Some(encoder.origin()),
            ..new
        })?;
    }
    Ok(())
}

/// Puts a matrix made elsewhere into the catalogue's order.
pub(crate) fn import_matrix(args: &Args) -> Result<()> {
    let (Some(matrix), Some(ids), Some(part)) = (&args.import, &args.ids, args.only) else { return Ok(()) };
    let catalogue = Catalogue::open(&args.data)?;
    let imported = import(&catalogue, matrix, ids)?;
    if imported.n_strangers > 0 {
        println!("{} rows are about items that the catalogue does not have; left out", imported.n_strangers);
    }
    write(&catalogue, &imported.table, args.feature_file(part)?, |new| {
        let model = args.model.as_ref().map(Origin::named);
        Provenance { inputs: imported.inputs.clone(), model, ..new }
    })
}

fn write(
    catalogue: &Catalogue,
    table: &FeatureTable,
    path: PathBuf,
    complete: impl FnOnce(Provenance) -> Provenance,
) -> Result<()> {
    catalogue.write_ids()?;
    table.write(&path, complete)?;
    let n_rows = catalogue.ids().iter().filter(|id| !id.is_empty()).count();
    let (n_masked, width) = (table.mask.reasons.len(), table.features.width());
    println!("{}: {} items of {n_rows}, {width} numbers each", path.display(), n_rows - n_masked);
    if let Some((id, reason)) = table.mask.reasons.first_key_value() {
        println!("    {n_masked} without content, listed beside it; the first is {id}: {reason}");
    }
    Ok(())
}

/// The descriptions that are named, or there.
fn descriptions(args: &Args) -> Result<Option<Descriptions>> {
    if let Some(path) = &args.descriptions {
        return Descriptions::read(path).map(Some);
    }
    let there =
        ["descriptions.jsonl", "attributes.jsonl"].map(|name| args.out.as_ref().unwrap_or(&args.data).join(name));
    match there.each_ref().map(|path| path.exists()) {
        [true, true] => {
            let message = "beside attributes.jsonl; name the one to encode with --descriptions".to_string();
            Err(Error::File { path: there[0].clone(), message })
        }
        [true, false] => Descriptions::read(&there[0]).map(Some),
        [false, true] => Descriptions::read(&there[1]).map(Some),
        [false, false] => Ok(None),
    }
}

impl Encoder {
    fn open(args: &Args) -> Result<Self> {
        if let Some(folder) = &args.encoder {
            return Ok(Self::Here(Box::new(TextEncoder::open(folder, &args.device.open()?)?)));
        }
        let config = EmbedConfig {
            api_key: ApiKey::from_env(&args.api_key_env)?,
            concurrency: usize::from(args.concurrency),
            timeout: Duration::from_secs(args.timeout),
            patience: Duration::from_secs(args.patience),
            backoff: Backoff { seed: args.seed, ..Backoff::default() },
            ..EmbedConfig::new(args.model.clone().unwrap_or_default(), &args.server)
        };
        Ok(Self::Servers(Box::new(config), VectorStore::open(args.out_folder()?.join("embeddings.jsonl"))?))
    }

    fn origin(&self) -> Origin {
        match self {
            Self::Here(encoder) => encoder.origin().clone(),
            Self::Servers(config, _) => Origin::named(&config.model),
        }
    }

    /// Vectors of the texts that there are. A text that a server refuses becomes content that is missing.
    fn vectors(&mut self, contents: &mut [Content]) -> Result<(usize, Vec<f32>)> {
        let start = Instant::now();
        let texts = FeatureTable::texts(contents);
        let mut bar = Bar::new(texts.len(), None);
        let found = match self {
            Self::Here(encoder) => {
                let vectors = encoder.encode(&texts, |n| bar.count(n));
                bar.finish();
                let seconds = start.elapsed().as_secs_f64();
                eprintln!(
                    "{} texts encoded in {}, {:.0}/s",
                    texts.len(),
                    duration(seconds),
                    texts.len() as f64 / seconds
                );
                (encoder.width(), vectors?)
            }
            Self::Servers(config, store) => {
                let embedded = config.run(&texts, store, |n| bar.count(n));
                bar.finish();
                let embedded = embedded?;
                eprintln!("{} texts embedded, {} of them asked for now", texts.len(), embedded.n_asked);
                let width = embedded.width;
                let kept = |text: &usize| !embedded.refused.contains_key(text);
                let rows =
                    (0..texts.len()).filter(kept).flat_map(|text| embedded.values[text * width..][..width].to_vec());
                let vectors = rows.collect();
                let there = contents.iter_mut().filter(|content| content.is_ok());
                for (text, content) in there.enumerate() {
                    if let Some(reason) = embedded.refused.get(&text) {
                        *content = Err(format!("refused: {reason}"));
                    }
                }
                (width, vectors)
            }
        };
        Ok(found)
    }
}
