//! Typed access to JSON settings, with the file's name in errors.

use crate::{Error, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use viral::data::{is_there, read_file};

/// A JSON file.
pub(super) struct JsonFile {
    path: PathBuf,
    value: Value,
}

impl JsonFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it is not there, or not JSON.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = read_file(path)?;
        let value = serde_json::from_slice(&text)
            .map_err(|error| Error::file(path, format!("not JSON ({error}); copy the model's folder again")))?;
        Ok(Self { path: path.to_path_buf(), value })
    }

    /// Like [`read`](Self::read); `None` if there is no such file.
    pub(super) fn read_if_there(path: &Path) -> Result<Option<Self>> {
        if is_there(path)? { Self::read(path).map(Some) } else { Ok(None) }
    }

    /// Creates an error about this file.
    pub(super) fn fault(&self, message: impl Into<String>) -> Error {
        Error::file(&self.path, message)
    }

    /// Returns the whole value.
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    fn wrong(&self, key: &str, wanted: &str) -> Error {
        let found = self.get(key).map_or_else(|| "missing".to_string(), Value::to_string);
        self.fault(format!("`{key}` is {found}; it must be {wanted}"))
    }

    /// Reads a whole number of at least 1.
    pub(super) fn size(&self, key: &str) -> Result<usize> {
        self.size_or(key, 0).and_then(|n| if n == 0 { Err(self.wrong(key, "a whole number above 0")) } else { Ok(n) })
    }

    /// Reads a whole number; `default` if it is missing.
    pub(super) fn size_or(&self, key: &str, default: usize) -> Result<usize> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let size = value.as_u64().and_then(|n| usize::try_from(n).ok());
        size.ok_or_else(|| self.wrong(key, "a whole number"))
    }

    /// Reads a number; `default` if it is missing.
    pub(super) fn number_or(&self, key: &str, default: f64) -> Result<f64> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_f64().ok_or_else(|| self.wrong(key, "a number"))
    }

    /// Reads a text; `default` if it is missing.
    pub(super) fn text_or<'a>(&'a self, key: &str, default: &'a str) -> Result<&'a str> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_str().ok_or_else(|| self.wrong(key, "text"))
    }

    /// Reads a Boolean; `default` if it is missing.
    pub(super) fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.wrong(key, "true or false"))
    }

    /// Returns the keys that are `true` and have a prefix, without the prefix.
    pub(super) fn flags(&self, prefix: &str) -> Vec<String> {
        let object = self.value.as_object();
        let keys = object.into_iter().flatten().filter(|(_, value)| **value == Value::Bool(true));
        keys.filter_map(|(key, _)| key.strip_prefix(prefix)).map(str::to_string).collect()
    }
}
