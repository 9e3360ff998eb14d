//! Output, shell quoting and system information.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::path::Path;
use viral::data::check_place;
use viral::{Error, Result};

/// Prints a line of the result, like `println!`, but returns an error instead of panicking.
macro_rules! say {
    ($($text:tt)*) => { $crate::shell::print(format_args!($($text)*)) };
}

/// Prints a progress line to standard error; failures are ignored.
macro_rules! note {
    ($($text:tt)*) => { $crate::shell::tell(format_args!($($text)*)) };
}

pub(crate) use {note, say};

/// Implements [`say`]. A broken pipe, as behind `| head`, is not an error.
pub(crate) fn print(text: Arguments) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("the standard output")(error)),
        _ => Ok(()),
    }
}

/// Implements [`note`].
pub(crate) fn tell(text: Arguments) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Quotes a word for the shell, if needed.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Peak memory of this process in MB, if the system reports it.
pub(crate) fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

/// [`check_place`] for the report of a command, a JSON object with these keys.
pub(crate) fn check_place_of_report(path: &Path, command: &str, keys: &[&str]) -> Result<()> {
    check_place(path, &format!("not an earlier report of viral {command}"), |file| {
        let found: Option<serde_json::Value> = serde_json::from_reader(file).ok();
        found.is_some_and(|found| keys.iter().all(|key| found.get(key).is_some()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("data/baby-1.0"), "data/baby-1.0");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
