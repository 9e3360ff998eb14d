//! The error type of the crate.
//!
//! ```
//! use viral::Error;
//! use viral::data::Dataset;
//!
//! let data = Dataset::planted();
//! match data.user_index("nobody") {
//!     Err(Error::UnknownUser { id, .. }) => assert_eq!(id, "nobody"),
//!     other => panic!("{other:?}"),
//! }
//! // Every error displays as a sentence for people.
//! let missing = Dataset::read("no/such/folder").unwrap_err();
//! assert!(missing.to_string().contains("no/such/folder"));
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

/// Everything that can go wrong outside the program: files, formats, data, settings.
///
/// A programmer's mistake (a wrong shape, an index out of range) panics instead, with both operands in the message.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation: missing file, no permission, disk full.
    #[error("{}: {source}; {}", path.display(), advice(source.kind()))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of a text file (1-based) does not follow its format.
    #[error("{}:{line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: usize,
        /// What is wrong and what to do.
        message: String,
    },
    /// A file as a whole is invalid.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// The data are well-formed but cannot be used as requested.
    #[error("{0}")]
    Data(String),
    /// A setting that does not exist, or an invalid value of one.
    #[error("{0}")]
    Config(String),
    /// A model needs features of a modality that the data lack.
    #[error("{}", missing_modality(model, modality.as_deref(), file, available))]
    #[non_exhaustive]
    MissingModality {
        /// The model's name.
        model: String,
        /// The modality's name; `None` if any modality would do.
        modality: Option<String>,
        /// The usual name of its feature file.
        file: String,
        /// The modalities that the data have.
        available: Vec<String>,
    },
    /// An external id that belongs to no user.
    #[error("{}", unknown("user", id, *n_users, examples))]
    #[non_exhaustive]
    UnknownUser {
        /// The id asked for.
        id: String,
        /// Number of users.
        n_users: usize,
        /// Some known ids, as examples.
        examples: Vec<String>,
    },
    /// An external id that belongs to no item.
    #[error("{}", unknown("item", id, *n_items, examples))]
    #[non_exhaustive]
    UnknownItem {
        /// The id asked for.
        id: String,
        /// Number of items.
        n_items: usize,
        /// Some known ids, as examples.
        examples: Vec<String>,
    },
    /// Training diverged: its numbers are not finite, or so large that no run recovers from them. The mean loss of an
    /// epoch is more than 10⁴ times the run's first loss (taken as at least 1 and at most 10⁴), or the largest entry of
    /// a parameter is more than 10⁶ times that at the start (taken as at least 1).
    #[error("epoch {epoch}: {found}: the run diverged; {}", diverged(features.as_ref()))]
    #[non_exhaustive]
    Diverged {
        /// The epoch, from 0.
        epoch: usize,
        /// What was found: a term of the objective, the loss or a parameter, with its size.
        found: String,
        /// The modality with the largest features and their largest entry, if that is large enough to be the cause.
        features: Option<(String, f32)>,
    },
    /// A user without train interactions, about whom a model knows nothing.
    #[error(
        "user '{id}' has no train interactions, so nothing is known of their taste; list what is popular, or name items that \
         they like"
    )]
    #[non_exhaustive]
    NoHistory {
        /// The user's external id.
        id: String,
    },
}

/// The remedy in the message of [`Error::Diverged`].
fn diverged(features: Option<&(String, f32)>) -> String {
    match features {
        None => "lower the learning rate".to_string(),
        Some((modality, size)) => {
            format!("{modality} features run to {size:.1e}: bring them to a size near 1, or lower the learning rate")
        }
    }
}

/// The message of [`Error::MissingModality`].
fn missing_modality(model: &str, modality: Option<&str>, file: &str, available: &[String]) -> String {
    let needed = modality.map_or("features of at least one modality".to_string(), |name| format!("{name} features"));
    let found = match available {
        [] => "none".to_string(),
        [one] => format!("{one} features only"),
        [others @ .., last] => format!("{} and {last} features only", others.join(", ")),
    };
    let option = modality.unwrap_or("NAME");
    format!(
        "{model} needs {needed}; the data have {found}: give a file {file} or --modality {option}=FILE, \
         or train a model without content (lightgcn, bpr-mf)"
    )
}

/// The message of [`Error::UnknownUser`] and [`Error::UnknownItem`].
fn unknown(side: &str, id: &str, n: usize, examples: &[String]) -> String {
    match examples {
        [] => format!("no {side} '{id}': there are none"),
        _ => format!("no {side} '{id}' among {n}; ids are like {}", examples.join(", ")),
    }
}

/// Advice for an error of the operating system.
fn advice(kind: std::io::ErrorKind) -> &'static str {
    use std::io::ErrorKind as Kind;
    match kind {
        Kind::NotFound => "check the path",
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => "check its permissions or choose another place",
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => "free some space and run it again",
        _ => "check the path and the disk",
    }
}

/// `Debug` prints the same as `Display`, so that `fn main() -> viral::Result<()>` prints a sentence.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `std::result::Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Formats a number without long rows of zeros: in scientific notation outside 1e-6 to 1e9.
pub(crate) struct Short(pub(crate) f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (1e-6..1e9).contains(&self.0.abs()) || self.0 == 0.0 {
            true => write!(f, "{}", self.0),
            false => write!(f, "{:e}", self.0),
        }
    }
}

impl Error {
    /// Wraps an error of the operating system about `path` in an [`Error::Io`]: for `map_err`.
    ///
    /// ```
    /// # use viral::Error;
    /// let error = std::fs::read("no/such/file").map_err(Error::io("no/such/file")).unwrap_err();
    /// assert!(error.to_string().starts_with("no/such/file: "));
    /// ```
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// Makes an [`Error::Line`]: what is wrong with a 1-based line of a text file, and what to do about it.
    pub fn line(path: impl AsRef<Path>, line: usize, message: impl Into<String>) -> Self {
        Self::Line { path: path.as_ref().to_path_buf(), line, message: message.into() }
    }

    /// Returns an [`Error::Config`] about the value of a setting unless `holds`.
    pub(crate) fn require(holds: bool, setting: &str, value: impl fmt::Display, wanted: &str) -> Result<()> {
        match holds {
            true => Ok(()),
            false => Err(Self::Config(format!("{setting} is {value}; it must be {wanted}"))),
        }
    }

    /// [`require`](Self::require)s a positive number by which tensors in single precision can be multiplied and
    /// divided.
    pub(crate) fn require_positive(setting: &str, value: f64) -> Result<()> {
        let fits = (1e-30..=1e30).contains(&value);
        Self::require(fits, setting, Short(value), "a number above 0, from 1e-30 to 1e30")
    }

    /// [`require`](Self::require)s a non-negative number by which tensors in single precision can be multiplied.
    pub(crate) fn require_not_negative(setting: &str, value: f64) -> Result<()> {
        Self::require((0.0..=1e30).contains(&value), setting, Short(value), "a number from 0 on, at most 1e30")
    }

    /// Makes an [`Error::File`]: what is wrong with a file as a whole, and what to do about it.
    pub fn file(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), message: message.into() }
    }

    /// Makes an [`Error::UnknownUser`]; `ids` are the ids of all users.
    pub(crate) fn unknown_user(id: &str, ids: &[String]) -> Self {
        Self::UnknownUser { id: id.to_string(), n_users: ids.len(), examples: ids.iter().take(3).cloned().collect() }
    }

    /// Makes an [`Error::UnknownItem`]; `ids` are the ids of all items.
    pub(crate) fn unknown_item(id: &str, ids: &[String]) -> Self {
        Self::UnknownItem { id: id.to_string(), n_items: ids.len(), examples: ids.iter().take(3).cloned().collect() }
    }
}
