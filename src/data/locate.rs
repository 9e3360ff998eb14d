//! Finds the interaction files that a path refers to.

use std::path::{Path, PathBuf};

use super::{Part, is_there};
use crate::{Error, Result};

/// The location of a data set.
pub(super) struct Located {
    /// Its folder.
    pub(super) dir: PathBuf,
    /// Its name.
    pub(super) name: String,
    /// Its interaction files: `<name>.inter`, or one for each part.
    pub(super) files: Vec<(PathBuf, Option<Part>)>,
}

/// Finds the interaction files of a folder by the folder's name or by `name`; a path to `<name>.inter` stands for its
/// folder.
///
/// The name of a folder is the last component of the path as given or, if there is no such file, of the path after
/// resolving links, `.` and `..`.
pub(super) fn locate(given: &Path, name: Option<&str>) -> Result<Located> {
    // A dangling link counts as the file that it stands for: reading it reports that it leads nowhere.
    let (dir, of_file) = match is_there(given)? && !given.is_dir() {
        true => in_folder(given)?,
        false => (given.to_path_buf(), None),
    };
    let names = match (name, of_file) {
        (Some(name), _) => vec![name.to_string()],
        (None, Some(name)) => vec![name],
        (None, None) => names_of(&dir)?,
    };
    for name in &names {
        let files = files_of(&dir, name)?;
        if !files.is_empty() {
            return Ok(Located { dir, name: name.clone(), files });
        }
    }
    let wanted = dir.join(format!("{}.inter", names[0]));
    let others = others(&dir)?;
    let Some(example) = others.first() else {
        // Reports the system's own error.
        let found = std::fs::metadata(&wanted).map_err(Error::io(&wanted));
        return Err(found
            .err()
            .unwrap_or_else(|| Error::file(&wanted, "appeared while it was looked for; run it again")));
    };
    let message = format!(
        "is not there, but the folder has {}; name the data set (--name {example})",
        others.iter().map(|name| format!("{name}.inter")).collect::<Vec<_>>().join(", ")
    );
    Err(Error::file(wanted, message))
}

/// Returns the folder and the name of the data set that a file belongs to.
fn in_folder(file: &Path) -> Result<(PathBuf, Option<String>)> {
    let stem = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".inter"));
    let Some(stem) = stem else {
        return Err(Error::file(file, "is a file; give the folder of the data, which has NAME.inter in it"));
    };
    let part = PARTS.iter().find_map(|(_, part)| stem.strip_suffix(part)?.strip_suffix('.'));
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((dir.to_path_buf(), Some(part.unwrap_or(stem).to_string())))
}

const PARTS: [(Part, &str); 3] = [(Part::Train, "train"), (Part::Valid, "valid"), (Part::Test, "test")];

fn files_of(dir: &Path, name: &str) -> Result<Vec<(PathBuf, Option<Part>)>> {
    let whole = dir.join(format!("{name}.inter"));
    let files = PARTS.map(|(part, word)| (dir.join(format!("{name}.{word}.inter")), Some(part)));
    let parts: Vec<_> = files.into_iter().filter(|(path, _)| is_there(path).unwrap_or(true)).collect();
    match (is_there(&whole).unwrap_or(true), parts.first()) {
        (true, Some((part, _))) => {
            let part = part.file_name().unwrap_or_default().display();
            Err(Error::file(
                &whole,
                format!("and {part} are both here; move one of the two away, for either is the whole split"),
            ))
        }
        (true, None) => Ok(vec![(whole, None)]),
        (false, _) => Ok(parts),
    }
}

/// Returns the candidate names of a folder, at least one.
fn names_of(dir: &Path) -> Result<Vec<String>> {
    let resolved = dir.canonicalize().map_err(Error::io(dir))?;
    // `PWD` keeps the name of a link through which the shell entered the folder.
    let by_shell = std::env::var_os("PWD").map(PathBuf::from).filter(|path| {
        let is_here = dir == Path::new(".") || dir.as_os_str().is_empty();
        is_here && path.canonicalize().is_ok_and(|path| path == resolved)
    });
    let mut names: Vec<String> = Vec::new();
    for path in [Some(dir), by_shell.as_deref(), Some(&resolved)].into_iter().flatten() {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        names.extend(name.filter(|name| !names.contains(name)));
    }
    if names.is_empty() {
        return Err(Error::file(dir, "a folder without a name; name the data set (--name)"));
    }
    Ok(names)
}

/// Returns the names of all data sets in a folder, sorted.
fn others(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let name = entry.map_err(Error::io(dir))?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".inter").map(str::to_string));
    }
    names.sort_unstable();
    Ok(names)
}
