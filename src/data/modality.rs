//! Content modalities of items: text, images, audio and others.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A content modality of items, which names one of a catalogue's feature matrices.
///
/// Written and parsed as a word, on command lines and in files: `text`, `visual` (or `image`, its name in files),
/// `audio`, `multimodal`, or a custom name. Modalities are ordered as the variants; custom names come last,
/// alphabetically.
///
/// ```
/// use viral::data::Modality;
///
/// assert_eq!("image".parse::<Modality>()?, Modality::Visual);
/// let brand: Modality = "brand".parse()?;
/// assert_eq!((brand.to_string(), brand.file_stem()), ("brand".to_string(), "brand_feat".to_string()));
/// assert!("Brand name".parse::<Modality>().is_err());
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Modality {
    /// Titles, descriptions or other text.
    Text,
    /// Images, or text that describes them.
    Visual,
    /// Sound.
    Audio,
    /// Text and image encoded together, as by a vision-language model: one vector replaces the separate features of
    /// both.
    Multimodal,
    /// A custom modality, created by [`Modality::named`] or by parsing.
    Named(ModalityName),
}

/// The name of a [`Modality::Named`]: lower-case ASCII letters, digits, `_` and `-`; not the name of another modality.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModalityName(String);

impl ModalityName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Modality {
    /// Returns the modality with a name: the variant for `text`, `visual` (or `image`), `audio` and `multimodal`, or
    /// else a custom modality.
    ///
    /// # Errors
    /// When the name is empty or has characters other than `a` to `z`, `0` to `9`, `_` and `-`.
    pub fn named(name: &str) -> Result<Self> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        match name {
            "text" => Ok(Self::Text),
            "visual" | "image" => Ok(Self::Visual),
            "audio" => Ok(Self::Audio),
            "multimodal" => Ok(Self::Multimodal),
            _ if !name.is_empty() && name.bytes().all(is_plain) => Ok(Self::Named(ModalityName(name.to_string()))),
            _ => Err(Error::Config(format!(
                "'{name}' names no modality; write text, visual, audio, multimodal or a name of your own of lower-case \
                 letters, digits, _ and -"
            ))),
        }
    }

    /// Returns the name: `text`, `visual`, `audio`, `multimodal`, or a custom one.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text => "text",
            Self::Visual => "visual",
            Self::Audio => "audio",
            Self::Multimodal => "multimodal",
            Self::Named(name) => name.as_str(),
        }
    }

    /// Returns the usual name of its feature file, without extension: `text_feat`, `image_feat`, `audio_feat`, …
    pub fn file_stem(&self) -> String {
        let name = if *self == Self::Visual { "image" } else { self.as_str() };
        format!("{name}_feat")
    }
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Modality {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::named(name)
    }
}

impl TryFrom<String> for Modality {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::named(&name)
    }
}

impl From<Modality> for String {
    fn from(modality: Modality) -> Self {
        modality.as_str().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back_as_words_and_in_json() -> Result<()> {
        for name in ["text", "visual", "audio", "multimodal", "brand", "audio_whisper", "clip-b32", "0"] {
            let modality: Modality = name.parse()?;
            assert_eq!(modality.to_string(), name);
            let json = serde_json::to_string(&modality).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<Modality>(&json).unwrap(), modality);
        }
        for name in ["", "Text", "a b", "ä", "a.b", "../x"] {
            let message = name.parse::<Modality>().unwrap_err().to_string();
            assert!(message.contains(&format!("'{name}'")) && message.contains("lower-case"), "{message}");
            assert!(serde_json::from_str::<Modality>(&format!("\"{name}\"")).is_err());
        }
        Ok(())
    }

    #[test]
    fn the_order_is_that_of_the_variants_then_names() -> Result<()> {
        let mut all =
            ["zoom", "multimodal", "audio", "image", "brand", "text"].map(Modality::named).map(Result::unwrap);
        all.sort();
        assert_eq!(
            all.map(|modality| modality.to_string()),
            ["text", "visual", "audio", "multimodal", "brand", "zoom"]
        );
        Ok(())
    }

    #[test]
    fn a_variant_is_one_thing_under_both_of_its_names() -> Result<()> {
        assert_eq!(Modality::named("image")?, Modality::named("visual")?);
        assert_eq!(Modality::Visual.file_stem(), "image_feat");
        Ok(())
    }
}
