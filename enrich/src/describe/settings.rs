//! Settings of a description run.

use super::{ApiKey, Backoff, Item, PictureSettings, Prompt, Validation};
use crate::digest::hash;
use crate::features::Source;
use crate::server::{CHAT, endpoints};
use crate::{Error, Result};
use std::time::Duration;
use viral::data::Origin;

/// Configuration of a run that describes items: prompt, model and servers, limits, and validation.
///
/// ```
/// use std::ops::ControlFlow;
/// use viral_enrich::describe::{DescribeConfig, ImageFolder, Items, Journal, Prompt};
///
/// # use std::io::{BufRead, BufReader, Read, Write};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let data = folder.path();
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let server = format!("http://{}/v1", listener.local_addr()?);
/// # std::thread::spawn(move || -> std::io::Result<()> {
/// #     for stream in listener.incoming() {
/// #         let (mut stream, mut line, mut length) = (BufReader::new(stream?), String::new(), 0);
/// #         while stream.read_line(&mut line)? > 2 {
/// #             if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
/// #                 length = value.trim().parse().unwrap_or(0);
/// #             }
/// #             line.clear();
/// #         }
/// #         stream.read_exact(&mut vec![0; length])?;
/// #         let text = "A wooden rattle with three red rings, painted by hand.";
/// #         let body = format!("{{\"choices\": [{{\"message\": {{\"content\": \"{text}\"}}}}]}}");
/// #         let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
/// #         stream.get_mut().write_all((head + &body).as_bytes())?;
/// #     }
/// #     Ok(())
/// # });
/// # std::fs::write(data.join("items.jsonl"), "{\"id\": \"B001\", \"title\": \"Rattle\"}\n")?;
/// # image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([200, x as u8, y as u8])).save(data.join("B001.png"))?;
/// // The address of a `server`, such as "http://127.0.0.1:8000/v1", and a folder of `data` with items.jsonl and pictures.
/// let config = DescribeConfig::new(Prompt::by_name("title")?, "Qwen/Qwen2.5-VL-7B-Instruct", [server]);
/// let (items, images) = (Items::open(data.join("items.jsonl"))?, ImageFolder::open(data)?);
/// let mut journal = Journal::open(data.join("journal.jsonl"))?;
/// let described = config.run(&items, &images, &mut journal, |progress| {
///     eprintln!("{} of {}", progress.n_done(), progress.n_items);
///     ControlFlow::Continue(())
/// })?;
/// described.write(data.join("descriptions.jsonl"), &items, &journal)?;
/// assert_eq!(described.progress.n_described, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DescribeConfig {
    /// Prompt template.
    pub prompt: Prompt,
    /// The model's name, as the servers know it.
    pub model: String,
    /// Addresses such as `http://127.0.0.1:8000/v1`. No other host is ever contacted.
    pub servers: Vec<String>,
    /// API key, sent to these servers only.
    pub api_key: Option<ApiKey>,
    /// Requests in flight at each server (8).
    pub concurrency: usize,
    /// Timeout of a request (3 min).
    pub timeout: Duration,
    /// Maximum number of tokens of an answer (400).
    pub max_tokens: u32,
    /// Temperature of the first request (0). After an unfit answer it is at least 0.7, because the same answer would
    /// come again otherwise.
    pub temperature: f32,
    /// How pictures are prepared.
    pub picture: PictureSettings,
    /// How strictly answers are validated.
    pub validation: Validation,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// Failed requests after which an item is quarantined (6); twice as many while no server answers anything. A server
    /// that cannot be reached does not count.
    pub max_failures: u32,
    /// Unfit answers after which an item is quarantined (3).
    pub max_unfit: u32,
    /// Time without an answer from any server after which the run fails (10 min).
    pub patience: Duration,
    /// Whether quarantined items are requested again.
    pub retry_quarantined: bool,
    /// Maximum number of items to request.
    pub limit: Option<usize>,
}

impl DescribeConfig {
    /// Creates a configuration with default settings.
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

    /// Returns the servers' completion URLs, after validating all settings.
    ///
    /// # Errors
    /// If an address is invalid or a setting is out of range.
    pub(super) fn endpoints(&self) -> Result<Vec<String>> {
        self.picture.check()?;
        let is_temperature = self.temperature.is_finite() && self.temperature >= 0.0;
        for (setting, value, is_good, wanted) in [
            ("temperature", self.temperature.to_string(), is_temperature, "a number from 0 on"),
            ("max-tokens", self.max_tokens.to_string(), self.max_tokens > 0, "at least 1"),
        ] {
            if !is_good {
                return Err(Error::Config(format!("{setting} is {value}; it must be {wanted}")));
            }
        }
        endpoints(&self.servers, &self.model, CHAT)
    }

    /// Returns the provenance of the answers: prompt and model.
    pub(super) fn source(&self) -> Source {
        let prompt = Origin::of_bytes(self.prompt.name(), self.prompt.template().as_bytes());
        Source { prompt, model: Origin::named(&self.model), sha256: None }
    }

    /// Returns the text of the request for an item, and the hash of everything in the request except model and picture.
    /// An item is requested again if and only if its own request has changed.
    pub(super) fn question_of(&self, item: &Item) -> (String, String) {
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
        let of = |config: &DescribeConfig, item: &Item| config.question_of(item).1;
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
    fn settings_that_nobody_can_be_asked_with_are_named() -> Result<()> {
        let plain = DescribeConfig::new(Prompt::by_name("plain")?, "m", ["http://a"]);
        let picture = |max_side, quality| PictureSettings { max_side, quality, ..PictureSettings::default() };
        for (name, config) in [
            ("temperature", DescribeConfig { temperature: f32::NAN, ..plain.clone() }),
            ("temperature", DescribeConfig { temperature: -1.0, ..plain.clone() }),
            ("max-tokens", DescribeConfig { max_tokens: 0, ..plain.clone() }),
            ("max-side", DescribeConfig { picture: picture(0, 85), ..plain.clone() }),
            ("quality", DescribeConfig { picture: picture(768, 101), ..plain.clone() }),
        ] {
            assert!(config.endpoints().unwrap_err().to_string().starts_with(&format!("{name} is ")), "{name}");
        }
        for server in ["http://a:99999", "http://a:0/v1", "http://a:x", "http://[::1]:65536/v1"] {
            let config = DescribeConfig { servers: vec![server.into()], ..plain.clone() };
            let message = config.endpoints().unwrap_err().to_string();
            assert!(message.contains(server), "{message}");
        }
        let config = DescribeConfig { servers: vec!["http://[::1]:65535/v1".into(), "http://a:1".into()], ..plain };
        assert_eq!(config.endpoints()?.len(), 2);
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
