//! Descriptions of a catalogue's pictures by a vision-language model behind any OpenAI-compatible server (equation 5).
//!
//! | file | |
//! |---|---|
//! | `items`, `folder` | [`Items`]: `items.jsonl`, one item at a time; [`ImageFolder`]: which file is an item's picture |
//! | `prompt`, `question` | [`Prompt`]: what is asked, from `prompts/*.txt`; the request that asks it |
//! | `picture` | [`prepare_picture`]: decoded, checked, upright, scaled down |
//! | `completion`, `answer`, `words`, `attributes` | what came back, and whether it is worth keeping |
//! | `marks`, `manners`, `refusal` | what servers and models leave around an answer; answers that are none |
//! | `journal` | [`Journal`]: what has been paid for |
//! | `asking` | items asked about, one after another, whatever is asked |
//! | `settings`, `run`, `outcomes`, `progress`, `output` | [`DescribeConfig`], its run, [`Progress`], and the resulting file |

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

/// The place in the journal of an item that has no record.
pub(crate) const NO_RECORD: u64 = u64::MAX;
