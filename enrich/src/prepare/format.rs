//! File formats of rows.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::record::Separator;
use crate::{Error, Result};

/// Format of a file of rows. Each may be compressed with gzip, which is detected from the first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// One Python dictionary per line, as in Amazon's metadata of 2014; or JSON. It is parsed, never evaluated.
    Python,
    /// Comma-separated; `"` encloses cells that contain commas, quotes or line breaks.
    Csv,
    /// Tab-separated; quotes are ordinary characters.
    Tsv,
}

impl Format {
    /// Returns the format for a file's extension, ignoring a final `.gz`: `.json`, `.jsonl` and `.ndjson`, `.csv`,
    /// `.tsv` and `.tab`.
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

    /// Returns the format's name, as given on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Python => "python",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
        }
    }
}

/// Format and separator of a file of rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'a> {
    pub(super) format: Format,
    /// Separator of cells, if not the format's own.
    pub(super) separator: Option<&'a str>,
}

impl Layout<'_> {
    /// Returns the separator of cells.
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
