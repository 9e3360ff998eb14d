//! Resumable downloads: a file appears complete or not at all, and its hash is pinned in a lock file.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::prepare::kind::is_html;
use crate::{Error, Result};
use viral::data::{is_there, open_file, read_file, sha256_of_file, write_whole};

/// Maximum number of reconnects in one call. A connection that delivered no bytes is not resumed.
const MAX_BREAKS: usize = 20;

/// A file to download.
///
/// Bytes are written to `<path>.part`, which is renamed to `path` once its length and hash are right. A call after an
/// interrupted one resumes where that one ended. `<path>.lock.json` records the hash of the first download, and later
/// ones must match it. A file that already exists is checked against its lock and not downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// URL, `http://` or `https://`.
    pub url: String,
    /// Path of the downloaded file.
    pub path: PathBuf,
    /// Expected SHA-256 in hexadecimal, if known.
    pub sha256: Option<String>,
}

/// Result of a download: a complete file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Length in bytes.
    pub n_bytes: u64,
    /// Whether the file already existed before the call.
    pub was_there: bool,
    /// Whether the hash was compared with a known one; otherwise it was only recorded.
    pub is_verified: bool,
}

/// Content of `<path>.lock.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Lock {
    url: String,
    n_bytes: u64,
    sha256: String,
}

/// Content of `<path>.part.json`: the state of an incomplete download.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct PartState {
    url: String,
    n_bytes: u64,
    /// The server's version of the file: a strong `ETag`, or else `Last-Modified`.
    version: Option<String>,
}

/// How one request ended, if not with an error.
enum Round {
    Complete,
    BrokeOff(String),
}

impl Download {
    /// Creates a download whose hash is not known.
    pub fn new(url: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { url: url.into(), path: path.into(), sha256: None }
    }

    /// Sets the expected SHA-256, in hexadecimal.
    pub fn with_sha256(mut self, sha256: impl Into<String>) -> Self {
        self.sha256 = Some(sha256.into());
        self
    }

    /// Downloads the file unless it already exists. `observe` is called with the number of bytes so far and in total.
    ///
    /// # Errors
    /// If the server refuses, does not state the length of the file, or keeps breaking off, or if a hash does not
    /// match. Downloaded bytes are kept for the next call unless they turn out to be another file (wrong hash, web
    /// page, new version).
    pub fn run(&self, mut observe: impl FnMut(u64, u64)) -> Result<Downloaded> {
        if let Some(hash) = self.sha256.as_ref().filter(|h| h.len() != 64 || !h.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(Error::Config(format!("SHA-256 '{hash}': write its 64 hexadecimal digits")));
        }
        if is_there(&self.path)? {
            let advice = |mismatch| Error::file(&self.path, format!("{mismatch}; remove the file to fetch it again"));
            return self.verified(&self.path, true)?.map_err(advice);
        }
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let part = self.beside(".part");
        if is_there(&part)? {
            open_file(&part)?;
        }
        let open = OpenOptions::new().read(true).append(true).create(true).open(&part);
        let mut file = open.map_err(Error::io(&part))?;
        // A file system without locks is no obstacle: only a lock held by another process is an error.
        if matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)) {
            return Err(Error::file(&part, "another program is fetching this file; wait for it"));
        }
        let mut breaks = 0;
        loop {
            let before = file.metadata().map_err(Error::io(&part))?.len();
            match self.round(&mut file, &part, &mut observe)? {
                Round::Complete => break,
                Round::BrokeOff(reason) => {
                    let now = file.metadata().map_err(Error::io(&part))?.len();
                    breaks += 1;
                    if now <= before || breaks > MAX_BREAKS {
                        let message =
                            format!("{} broke off after {now} bytes ({reason}); run it again to go on", self.url);
                        return Err(Error::file(&part, message));
                    }
                }
            }
        }
        file.sync_all().map_err(Error::io(&part))?;
        drop(file);
        // Resuming cannot turn another file into the right one.
        let remove = || {
            let _ = std::fs::remove_file(&part).and_then(|()| std::fs::remove_file(self.beside(".part.json")));
        };
        let mut head = Vec::new();
        open_file(&part)?.take(64).read_to_end(&mut head).map_err(Error::io(&part))?;
        if is_html(&head) {
            remove();
            let advice = "look at the address in a browser: it may want a login, or lead to the file by a button";
            return Err(Error::file(
                &part,
                format!("{} answered with a web page and not the file; {advice}", self.url),
            ));
        }
        let found = self.verified(&part, false)?.map_err(|mismatch| {
            remove();
            Error::file(
                &part,
                format!("{mismatch}; it was removed; check the address and the hash, and fetch it again"),
            )
        })?;
        std::fs::rename(&part, &self.path).map_err(Error::io(&self.path))?;
        let _ = std::fs::remove_file(self.beside(".part.json"));
        Ok(found)
    }

    /// Checks a complete file against the expected hash and that of its lock, or creates the lock. The inner `Err` says
    /// which hash is wrong.
    fn verified(&self, path: &Path, was_there: bool) -> Result<std::result::Result<Downloaded, String>> {
        let lock_path = self.beside(".lock.json");
        let lock: Option<Lock> = read_json(&lock_path)?;
        let n_bytes = std::fs::metadata(path).map_err(Error::io(path))?.len();
        let sha256 = sha256_of_file(path)?;
        let name = lock_path.display().to_string();
        let known = [(self.sha256.as_ref(), "as asked"), (lock.as_ref().map(|lock| &lock.sha256), &name)];
        for (wanted, by) in known {
            if let Some(wanted) = wanted.filter(|wanted| !wanted.eq_ignore_ascii_case(&sha256)) {
                return Ok(Err(format!("SHA-256 {sha256}, but it must be {wanted} ({by})")));
            }
        }
        let is_verified = lock.is_some() || self.sha256.is_some();
        if lock.is_none() {
            let lock = Lock { url: self.url.clone(), n_bytes, sha256: sha256.clone() };
            write_json(&lock_path, &lock)?;
        }
        Ok(Ok(Downloaded { sha256, n_bytes, was_there, is_verified }))
    }

    /// Sends one request, which resumes at the end of the part.
    fn round(&self, file: &mut File, part: &Path, observe: &mut impl FnMut(u64, u64)) -> Result<Round> {
        let state_path = self.beside(".part.json");
        let state: Option<PartState> = read_json(&state_path)?;
        let mut have = file.metadata().map_err(Error::io(part))?.len();
        // Bytes of another or an unknown file are not a beginning of this one.
        let state = state.filter(|state| state.url == self.url && have <= state.n_bytes);
        match &state {
            Some(state) if have > 0 && have == state.n_bytes => return Ok(Round::Complete),
            None if have > 0 => {
                file.set_len(0).map_err(Error::io(part))?;
                have = 0;
            }
            _ => {}
        }
        let failed = |what: String| Error::file(&self.path, format!("{}: {what}", self.url));
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .timeout_recv_response(Some(Duration::from_secs(120)))
            .build()
            .into();
        let mut request = agent.get(&self.url).header("Accept-Encoding", "identity");
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
            if let Some(version) = state.as_ref().and_then(|state| state.version.as_ref()) {
                // If the file has changed, the server then sends all of it.
                request = request.header("If-Range", version);
            }
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(ureq::Error::Io(e)) => return Ok(Round::BrokeOff(e.to_string())),
            Err(ureq::Error::Timeout(e)) => return Ok(Round::BrokeOff(format!("no answer in time: {e}"))),
            Err(e) => return Err(failed(format!("{e}; check the address and the network"))),
        };
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let length = header("content-length").and_then(|text| text.parse::<u64>().ok());
        let range = header("content-range").map(str::to_string);
        let version = header("etag").filter(|tag| !tag.starts_with("W/")).or_else(|| header("last-modified"));
        let version = version.map(str::to_string);
        let total = match response.status().as_u16() {
            200 => {
                file.set_len(0).map_err(Error::io(part))?;
                have = 0;
                length
                    .ok_or_else(|| failed("the server does not say how long the file is; use a mirror".to_string()))?
            }
            206 => {
                let (start, total) = range.as_deref().and_then(content_range).unwrap_or_default();
                // Two different versions mean two different files. A version given by only one of the responses proves
                // nothing.
                let is_same = state.as_ref().is_some_and(|state| {
                    let versions = state.version.as_ref().zip(version.as_ref());
                    state.n_bytes == total && versions.is_none_or(|(old, new)| old == new)
                });
                if start != have || !is_same || length.is_some_and(|length| length != total - have) {
                    // The response does not fit; start over in the next call.
                    file.set_len(0).map_err(Error::io(part))?;
                    let range = range.unwrap_or_default();
                    return Err(failed(format!("asked for bytes from {have} on, got '{range}'; run it again")));
                }
                total
            }
            416 => {
                file.set_len(0).map_err(Error::io(part))?;
                return Err(failed("the file has become shorter; run it again to fetch it anew".to_string()));
            }
            status @ (404 | 410) => {
                return Err(failed(format!(
                    "there is no such file (status {status}); check the name, or use a mirror"
                )));
            }
            status @ (429 | 500..600) => return Ok(Round::BrokeOff(format!("status {status}"))),
            status => return Err(failed(format!("refused with status {status}; check the address, or use a mirror"))),
        };
        write_json(&state_path, &PartState { url: self.url.clone(), n_bytes: total, version })?;
        file.seek(SeekFrom::End(0)).map_err(Error::io(part))?;
        let mut body = response.into_body().into_reader().take(total - have);
        let mut buffer = vec![0; 1 << 16];
        observe(have, total);
        while have < total {
            let n = match body.read(&mut buffer) {
                Ok(0) => return Ok(Round::BrokeOff("the connection was closed".to_string())),
                Ok(n) => n,
                Err(e) => return Ok(Round::BrokeOff(e.to_string())),
            };
            file.write_all(&buffer[..n]).map_err(Error::io(part))?;
            have += n as u64;
            observe(have, total);
        }
        Ok(Round::Complete)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.as_os_str().to_owned();
        path.push(suffix);
        path.into()
    }
}

/// Parses `Content-Range`: `bytes 5-9/10` gives the start 5 and the total 10. The range must reach the end.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end, total) = (start.parse::<u64>().ok()?, end.parse::<u64>().ok()?, total.parse::<u64>().ok()?);
    (start <= end && end < total && end == total - 1).then_some((start, total))
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    if !is_there(path)? {
        return Ok(None);
    }
    let fault = |e| Error::file(path, format!("not as it was written ({e}); remove it to begin anew"));
    serde_json::from_slice(&read_file(path)?).map(Some).map_err(fault)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| Error::file(path, format!("not written: {e}")))?;
    text.push(b'\n');
    write_whole(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_strictly() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 10)));
        for text in ["bytes 5-8/10", "bytes 9-5/10", "bytes 5-9/*", "bytes */10", "5-9/10", "bytes 5-10/10", ""] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }

    #[test]
    fn a_hash_that_is_none_is_refused_at_once() {
        let download = Download::new("http://127.0.0.1:9/x", "/nowhere/x").with_sha256("abc");
        let message = download.run(|_, _| {}).unwrap_err().to_string();
        assert_eq!(message, "SHA-256 'abc': write its 64 hexadecimal digits");
    }
}
