//! Describes items from their pictures by a vision-language model behind any OpenAI-compatible server (equation 5).
//!
//! | file | |
//! |---|---|
//! | `items`, `folder` | [`Items`]: reads `items.jsonl` one item at a time; [`ImageFolder`]: finds an item's picture |
//! | `prompt`, `question` | [`Prompt`]: prompt templates, from `prompts/*.txt`; the request body |
//! | `picture` | [`prepare_picture`]: decodes, checks, turns upright and scales down |
//! | `completion`, `answer`, `words`, `attributes` | parses completions and decides whether to keep them |
//! | `marks`, `manners`, `refusal` | strip reasoning, special tokens and boilerplate from answers; detect refusals |
//! | `journal` | [`Journal`]: append-only log of all results paid for |
//! | `asking` | the run over all items, independent of what is asked |
//! | `settings`, `run`, `outcomes`, `progress`, `output` | [`DescribeConfig`], its run, [`Progress`], the output file |

mod answer;
mod asking;
mod attributes;
mod completion;
mod folder;
mod items;
mod journal;
mod manners;
mod marks;
mod outcomes;
mod output;
mod picture;
mod progress;
mod prompt;
mod question;
mod refusal;
mod run;
mod settings;
mod words;

pub use answer::{Validation, accept};
pub use attributes::Attributes;
pub use completion::{Completion, Tokens};
pub use folder::ImageFolder;
pub use items::{Item, ItemLines, Items};
pub use journal::{Journal, Key, Record, Tail, read_journal};
pub use picture::{PictureSettings, prepare_picture};
pub use progress::{Prices, Progress};
pub use prompt::{AnswerKind, Prompt};
pub use run::Described;
pub use settings::DescribeConfig;

pub(crate) use asking::{Ask, Asked, Asking};
pub(crate) use question::message;

pub use super::clean::clean;
pub use super::server::{ApiKey, Backoff, ServerReport};

/// Journal offset of an item without a record.
pub(crate) const NO_RECORD: u64 = u64::MAX;
