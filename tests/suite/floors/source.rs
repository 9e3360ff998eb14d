//! As much of Rust as the floors need: code without comments and strings, and the names in it by their paths.

/// The text with comments and the insides of strings blanked out, line by line as before.
pub(super) fn code_of(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    let at = |i: usize| bytes.get(i).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut i = 0;
    while i < bytes.len() {
        let (c, next) = (bytes[i], at(i + 1));
        let after_word = i > 0 && is_word(bytes[i - 1]);
        let end = if c == '/' && next == '/' {
            (i..bytes.len()).find(|&j| bytes[j] == '\n').unwrap_or(bytes.len())
        } else if c == '/' && next == '*' {
            let (mut depth, mut j) = (1, i + 2);
            while j < bytes.len() && depth > 0 {
                match (bytes[j], at(j + 1)) {
                    ('/', '*') => (depth, j) = (depth + 1, j + 2),
                    ('*', '/') => (depth, j) = (depth - 1, j + 2),
                    _ => j += 1,
                }
            }
            j
        } else if c == '"' {
            let mut j = i + 1;
            while j < bytes.len() && bytes[j] != '"' {
                j += if bytes[j] == '\\' { 2 } else { 1 };
            }
            j + 1
        } else if c == 'r' && !after_word && (next == '"' || (next == '#' && matches!(at(i + 2), '"' | '#'))) {
            let hashes = (i + 1..).take_while(|&j| at(j) == '#').count();
            let mut j = i + 1 + hashes + 1;
            while j < bytes.len() && !(bytes[j] == '"' && (1..=hashes).all(|h| at(j + h) == '#')) {
                j += 1;
            }
            j + 1 + hashes
        } else if c == '\'' && next == '\\' {
            (i + 3..bytes.len()).find(|&j| bytes[j] == '\'').map_or(bytes.len(), |j| j + 1)
        } else if c == '\'' && at(i + 2) == '\'' {
            i + 3
        } else {
            out.push(c);
            i += 1;
            continue;
        };
        let end = end.min(bytes.len());
        out.extend(bytes[i..end].iter().map(|&c| blank(c)));
        i = end;
    }
    out
}

/// The code with everything behind `#[cfg(test)]` blanked out, up to the end of the item it stands before.
pub(super) fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        let mut depth = 0usize;
        let mut end = rest.len();
        for (j, c) in rest[start..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 1 => {
                    end = start + j + 1;
                    break;
                }
                '}' => depth = depth.saturating_sub(1),
                ';' if depth == 0 => {
                    end = start + j + 1;
                    break;
                }
                _ => {}
            }
        }
        out.push_str(&rest[..start]);
        out.extend(rest[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[end..];
    }
    out + rest
}

/// A word of the code with its line, and the path it ends: `crate::data::Dataset` for the `Dataset` of
/// `use crate::{data::{Dataset, Ids}}`.
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
}

/// Every name in the code by its path, groups in braces after `::` included. `super` and `self` are resolved for a file
/// of the module `here`.
pub(super) fn names(code: &str, here: &[String]) -> Vec<Named> {
    let chars: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    // The prefixes of the groups that are open, none for other braces.
    let mut open: Vec<Option<Vec<String>>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let (mut line, mut i) = (1, 0);
    let resolve = |path: &[String]| -> Vec<String> {
        let supers = path.iter().take_while(|part| *part == "super").count();
        if supers > 0 && supers <= here.len() {
            let mut full = vec!["crate".to_string()];
            full.extend(here[..here.len() - supers].iter().cloned());
            full.extend(path[supers..].iter().cloned());
            return full;
        }
        path.to_vec()
    };
    while i < chars.len() {
        let c = chars[i];
        if c.is_alphabetic() || c == '_' {
            let end =
                (i..chars.len()).find(|&j| !(chars[j].is_alphanumeric() || chars[j] == '_')).unwrap_or(chars.len());
            let word: String = chars[i..end].iter().collect();
            if path.is_empty()
                && let Some(Some(prefix)) = open.last()
            {
                path = prefix.clone();
            }
            path.push(word);
            i = end;
            let colons = chars[i..].starts_with(&[':', ':']);
            if !colons {
                found.push(Named { line, path: resolve(&std::mem::take(&mut path)) });
            }
            continue;
        }
        match c {
            '\n' => line += 1,
            '{' => open.push((!path.is_empty()).then(|| std::mem::take(&mut path))),
            '}' => drop(open.pop()),
            ':' if chars[i..].starts_with(&[':', ':']) => i += 1,
            '*' if !path.is_empty() => found.push(Named { line, path: resolve(&std::mem::take(&mut path)) }),
            c if c.is_whitespace() => {}
            _ => path.clear(),
        }
        i += 1;
    }
    found
}

pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}
