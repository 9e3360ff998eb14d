//! Lists of ids, one per line, whatever characters they have.

use std::borrow::Cow;
use std::fmt::Write;
use viral::Result;
use viral::data::WholeFile;

/// Writes ids, one per line; returns the number of those that are written as JSON strings.
pub(super) fn write<'s>(file: &mut WholeFile, ids: impl Iterator<Item = &'s str>) -> Result<usize> {
    let mut n_quoted = 0;
    for id in ids {
        let line = line(id)?;
        n_quoted += usize::from(matches!(line, Cow::Owned(_)));
        file.write(line.as_bytes())?;
        file.write(b"\n")?;
    }
    Ok(n_quoted)
}

/// Returns an id as it is, or as a JSON string if a reader of lines could misread it: if it is empty, begins with a
/// double quote, as such strings do, has blanks at its ends, or contains a character that some readers skip or take as
/// a line end.
fn line(id: &str) -> Result<Cow<'_, str>> {
    let is_hostile = |c: char| c != '\t' && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'));
    if !(id.is_empty() || id.starts_with('"') || id.trim() != id || id.contains(is_hostile)) {
        return Ok(id.into());
    }
    // JSON escapes only the control characters of ASCII.
    let json = serde_json::to_string(id).map_err(super::broken)?;
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        match is_hostile(c) {
            true => _ = write!(line, "\\u{:04x}", u32::from(c)),
            false => line.push(c),
        }
    }
    Ok(line.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_ids_or_json() {
        for id in ["B01", "a b", "a\tb", "it's 12\" wide", "ключ-🎈", "\\n", "[1]", "a,b"] {
            assert_eq!(line(id).unwrap(), id);
        }
        for (id, expected) in [
            ("", r#""""#),
            ("\"", r#""\"""#),
            ("\"B01\"", r#""\"B01\"""#),
            (" a", r#"" a""#),
            ("a\u{a0}", "\"a\u{a0}\""),
            ("a\nb\r", r#""a\nb\r""#),
            ("a\u{85}b\u{2028}c\u{2029}\u{0}\u{7f}", r#""a\u0085b\u2028c\u2029\u0000\u007f""#),
            ("\u{feff}a", r#""\ufeffa""#),
        ] {
            let line = line(id).unwrap();
            assert_eq!(line, expected);
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), id);
        }
    }
}
