//! The settings of a run.

use super::{ApiKey, Backoff, Item, PictureSettings, Prompt, Validation};
use crate::Result;
use viral::data::Origin;
use crate::digest::hash;
use crate::features::Source;
use crate::server::{CHAT, endpoints};
use std::time::Duration;

/// What to ask of whom, how hard to try, and what to keep.
///
/// ```no_run
/// # use viral_enrich::describe::{DescribeConfig, ImageFolder, Items, Journal, Prompt};
/// # fn main() -> viral::Result<()> {
/// let servers = ["http://127.0.0.1:8000/v1"];
/// let config = DescribeConfig::new(Prompt::by_name("title")?, "Qwen/Qwen2.5-VL-7B-Instruct", servers);
/// let (items, images) = (Items::open("data/baby/items.jsonl")?, ImageFolder::open("images")?);
/// let mut journal = Journal::open("data/baby/journal.jsonl")?;
/// let described = config.run(&items, &images, &mut journal, |_| std::ops::ControlFlow::Continue(()))?;
/// described.write("data/baby/descriptions.jsonl", &items, &journal)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DescribeConfig {
    /// What is asked.
    pub prompt: Prompt,
    /// The model's name, as the servers know it.
    pub model: String,
    /// Addresses such as `http://127.0.0.1:8000/v1`. Nothing else is ever connected to.
    pub servers: Vec<String>,
    /// The key, sent to these servers only.
    pub api_key: Option<ApiKey>,
    /// Requests in flight at each server (8).
    pub concurrency: usize,
    /// The longest that one request may take (3 min).
    pub timeout: Duration,
    /// Tokens at which an answer is cut (400).
    pub max_tokens: u32,
    /// Temperature of the first request (0); after an answer that cannot be kept it is 0.7 at least, or the same answer
    /// would come again.
    pub temperature: f32,
    /// How pictures are made ready.
    pub picture: PictureSettings,
    /// Which answers are kept.
    pub validation: Validation,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// Requests for one item that may fail before it is quarantined (6); twice as many while no server answers anything.
    /// A server that cannot be reached does not count.
    pub max_failures: u32,
    /// Answers for one item that may be unfit before it is quarantined (3).
    pub max_unfit: u32,
    /// How long no server may answer before the run ends with an error (10 min).
    pub patience: Duration,
    /// Asks quarantined items again.
    pub retry_quarantined: bool,
    /// Asks for so many items at most.
    pub limit: Option<usize>,
}

impl DescribeConfig {
    /// The usual settings.
    pub fn new(prompt: Prompt, model: impl Into<String>, servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            prompt,
            model: model.into(),
            servers: servers.into_iter().map(Into::into).collect(),
            api_key: None,
            concurrency: 8,
            timeout: Duration::from_secs(180),
            max_tokens: 400,
            temperature: 0.0,
            picture: PictureSettings::default(),
            validation: Validation::default(),
            backoff: Backoff::default(),
            max_failures: 6,
            max_unfit: 3,
            patience: Duration::from_secs(600),
            retry_quarantined: false,
            limit: None,
        }
    }

    /// The servers' addresses for completions.
    pub(super) fn endpoints(&self) -> Result<Vec<String>> {
        endpoints(&self.servers, &self.model, CHAT)
    }

    /// What is asked, and of whom.
    pub(super) fn source(&self) -> Source {
        let prompt = Origin::of_bytes(self.prompt.name(), self.prompt.template().as_bytes());
        Source { prompt, model: Origin::named(&self.model) }
    }

    /// What is asked about an item, and the hash of everything about the request but model and picture: an item is asked
    /// again if, and only if, its own request has changed.
    pub(super) fn question(&self, item: &Item) -> (String, String) {
        let text = self.prompt.render(item);
        let PictureSettings { max_side, quality, .. } = self.picture;
        let settings =
            format!("{:?} {} {} {max_side} {quality}", self.prompt.kind(), self.max_tokens, self.temperature);
        let hash = hash(&[settings.as_bytes(), text.as_bytes()]);
        (text, hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_changes_with_what_is_asked_and_with_nothing_else() -> Result<()> {
        let config = |prompt: &str| Ok(DescribeConfig::new(Prompt::by_name(prompt)?, "m", ["http://a/v1"]));
        let item = |title: &str, brand: &str| Item { title: title.into(), brand: brand.into(), ..Item::default() };
        let of = |config: &DescribeConfig, item: &Item| config.question(item).1;
        let title: DescribeConfig = config("title")?;
        let cot = of(&title, &item("Cot", "Oak"));
        assert_eq!(cot, of(&title, &item("Cot", "Elm")), "the prompt does not quote the brand");
        assert_ne!(cot, of(&title, &item("Crib", "Oak")));
        assert_ne!(cot, of(&DescribeConfig { max_tokens: 9, ..title.clone() }, &item("Cot", "")));
        let harder = DescribeConfig { max_failures: 99, concurrency: 1, servers: vec!["http://b".into()], ..title };
        assert_eq!(cot, of(&harder, &item("Cot", "")));
        let plain: DescribeConfig = config("plain")?;
        assert_eq!(of(&plain, &item("Cot", "")), of(&plain, &item("Crib", "")));
        Ok(())
    }

    #[test]
    fn servers_are_checked_before_anything_is_asked() -> Result<()> {
        let endpoints =
            |servers: &[&str]| DescribeConfig::new(Prompt::by_name("plain")?, "m", servers.iter().copied()).endpoints();
        assert_eq!(endpoints(&["http://a", "http://b/v1"])?.len(), 2);
        assert!(endpoints(&[]).unwrap_err().to_string().starts_with("no server"));
        assert!(endpoints(&["http://a", "http://a/v1/"]).unwrap_err().to_string().contains("named twice"));
        Ok(())
    }
}
