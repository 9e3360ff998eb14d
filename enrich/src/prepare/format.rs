//! How files of rows are written.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::record::Separator;
use crate::{Error, Result};

/// How a file of rows is written. Each may be compressed with gzip, which is told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// One Python dictionary a line, as Amazon's metadata of 2014; or JSON. It is parsed, never evaluated.
    Python,
    /// Commas between cells; `"` encloses cells that contain commas, quotes or line ends.
    Csv,
    /// Tabs between cells; quotes are ordinary characters.
    Tsv,
}

impl Format {
    /// The format that a file's name tells, a `.gz` at its end aside: `.json`, `.jsonl` and `.ndjson`, `.csv`, `.tsv`
    /// and `.tab`.
    pub fn of_path(path: impl AsRef<Path>) -> Option<Self> {
        let name = path.as_ref().file_name()?.to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "json" | "jsonl" | "ndjson" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            _ => None,
        }
    }

    /// The format's name, as programs take it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Python => "python",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
        }
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'a> {
    pub(super) format: Format,
    /// What stands between cells, where the format does not say.
    pub(super) separator: Option<&'a str>,
}

impl Layout<'_> {
    /// What stands between cells.
    pub(super) fn separator(self) -> Result<Separator> {
        let format = self.format;
        match self.separator {
            None => Ok(Separator::Byte(if format == Format::Tsv { b'\t' } else { b',' })),
            Some(_) if matches!(format, Format::Json | Format::Python) => {
                let message = format!(
                    "a separator stands between cells, and {} has none; leave it out, or name csv",
                    format.name()
                );
                Err(Error::Config(message))
            }
            Some(text) => Separator::parse(text).map_err(Error::Config),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_formats() {
        for (name, format) in [
            ("a/reviews_Baby_5.json.gz", Some(Format::Json)),
            ("a.JSONL", Some(Format::Json)),
            ("a.csv", Some(Format::Csv)),
            ("a.tsv.gz", Some(Format::Tsv)),
            ("a.gz", None),
            ("csv", None),
        ] {
            assert_eq!(Format::of_path(name), format, "{name}");
        }
    }
}
