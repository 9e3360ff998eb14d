//! Downloads from a server on this machine that breaks off, changes its mind and lies.

use crate::support::download_server::{Answer, Request, serve};
use std::path::PathBuf;
use viral::data::sha256_of_file;
use viral_enrich::Download;

fn file() -> Vec<u8> {
    (0..300_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect()
}

/// A folder and the place in it for the file.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw/file.gz");
    (folder, path)
}

fn names(path: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_fetched_once_and_verified_ever_after() -> viral::Result<()> {
    let (_folder, path) = place();
    let (address, requests) = serve(vec![Answer::Whole(file(), "\"1\"")]);
    let download = Download::new(format!("{address}/file.gz"), &path);
    let mut heard = Vec::new();
    let found = download.run(|done, total| heard.push((done, total)))?;
    assert_eq!((found.n_bytes, found.was_there, found.is_verified), (300_000, false, false));
    assert_eq!(heard.last(), Some(&(300_000, 300_000)));
    assert_eq!(std::fs::read(&path).unwrap(), file());
    assert_eq!(names(&path), ["file.gz", "file.gz.lock.json"]);
    assert_eq!(requests.recv().unwrap(), Request { path: "/file.gz".into(), range: None, if_range: None });

    // The server is gone; the file is there.
    let again = download.run(|_, _| {})?;
    assert_eq!((again.was_there, again.is_verified, &again.sha256), (true, true, &sha256_of_file(&path)?));
    assert!(download.clone().with_sha256(found.sha256.to_uppercase()).run(|_, _| {}).is_ok());
    let message = download.clone().with_sha256("0".repeat(64)).run(|_, _| {}).unwrap_err().to_string();
    assert!(message.contains("but it must be 000") && message.contains("(as asked); remove the file"), "{message}");
    std::fs::write(&path, "changed").unwrap();
    let message = download.run(|_, _| {}).unwrap_err().to_string();
    assert!(message.contains("file.gz.lock.json); remove the file to fetch it again"), "{message}");
    Ok(())
}

#[test]
fn a_broken_download_goes_on_where_it_ended() -> viral::Result<()> {
    let (_folder, path) = place();
    let part = path.with_file_name("file.gz.part");
    let (address, requests) = serve(vec![
        Answer::BreakOff(file(), "\"1\"", 100_000),
        Answer::BreakOff(file(), "\"1\"", 50_000),
        Answer::BreakOff(file(), "\"1\"", 0), // no byte: give up
    ]);
    let message = Download::new(format!("{address}/file.gz"), &path).run(|_, _| {}).unwrap_err().to_string();
    assert!(
        message.contains("broke off after 150000 bytes") && message.ends_with("run it again to go on"),
        "{message}"
    );
    assert!(!path.exists() && part.metadata().unwrap().len() == 150_000);
    let ranges: Vec<_> = requests.iter().map(|request| (request.range, request.if_range)).collect();
    let tag = || Some("\"1\"".to_string());
    let range = |from: usize| Some(format!("bytes={from}-"));
    assert_eq!(ranges, [(None, None), (range(100_000), tag()), (range(150_000), tag())]);
    // The state names the address; a server elsewhere is another file's, so keep the port out of it.
    let state = path.with_file_name("file.gz.part.json");
    let (second, requests) = serve(vec![Answer::Whole(file(), "\"1\"")]);
    let text = std::fs::read_to_string(&state).unwrap().replace(&address, &second);
    std::fs::write(&state, text).unwrap();
    Download::new(format!("{second}/file.gz"), &path).run(|_, _| {})?;
    assert_eq!(requests.recv().unwrap().range, range(150_000));
    assert_eq!(std::fs::read(&path).unwrap(), file());
    assert_eq!(names(&path), ["file.gz", "file.gz.lock.json"]);
    Ok(())
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_anew() -> viral::Result<()> {
    let new: Vec<u8> = file().iter().map(|byte| !byte).collect();
    for second in [Answer::Whole(new.clone(), "\"2\""), Answer::IgnoreRange(new.clone())] {
        let (_folder, path) = place();
        let (address, _requests) = serve(vec![Answer::BreakOff(file(), "\"1\"", 1000), second]);
        Download::new(format!("{address}/file.gz"), &path).run(|_, _| {})?;
        assert_eq!(std::fs::read(&path).unwrap(), new);
    }
    // A server that sends the rest of another version, whatever it was asked for, is not believed.
    let (_folder, path) = place();
    let rest = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1000-299999/300000\r\nETag: \"2\"\r\n\
                Content-Length: 299000\r\n\r\nabc";
    let (address, _requests) = serve(vec![Answer::BreakOff(file(), "\"1\"", 1000), Answer::Raw(rest)]);
    let message = Download::new(format!("{address}/file.gz"), &path).run(|_, _| {}).unwrap_err().to_string();
    assert!(message.contains("asked for bytes from 1000 on, got 'bytes 1000-299999/300000'"), "{message}");
    assert_eq!(path.with_file_name("file.gz.part").metadata().unwrap().len(), 0);
    // Bytes that nobody knows the origin of are not taken up.
    let (_folder, path) = place();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path.with_file_name("file.gz.part"), "something").unwrap();
    let (address, requests) = serve(vec![Answer::Whole(new.clone(), "")]);
    Download::new(format!("{address}/file.gz"), &path).run(|_, _| {})?;
    assert_eq!((requests.recv().unwrap().range, std::fs::read(&path).unwrap()), (None, new));
    Ok(())
}

#[test]
fn a_wrong_hash_leaves_nothing_behind() -> viral::Result<()> {
    let (_folder, path) = place();
    let wrong = "0".repeat(64);
    let (address, _requests) = serve(vec![Answer::Whole(file(), "")]);
    let download = Download::new(format!("{address}/file.gz"), &path).with_sha256(wrong);
    let message = download.run(|_, _| {}).unwrap_err().to_string();
    assert!(message.contains("but it must be 000") && message.contains("it was removed; check"), "{message}");
    assert!(names(&path).is_empty());

    // The lock of a first download outlives the file.
    let (address, _requests) = serve(vec![Answer::Whole(file(), ""), Answer::Whole(b"other".to_vec(), "")]);
    let download = Download::new(format!("{address}/file.gz"), &path);
    download.run(|_, _| {})?;
    std::fs::remove_file(&path).unwrap();
    let message = download.run(|_, _| {}).unwrap_err().to_string();
    assert!(message.contains("file.gz.lock.json); it was removed; check the address"), "{message}");
    assert_eq!(names(&path), ["file.gz.lock.json"]);
    Ok(())
}

#[test]
fn servers_that_refuse_or_lie_are_named() {
    let cases = [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "there is no such file (status 404); check the name"),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "refused with status 403"),
        ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "broke off after 0 bytes (status 503); run it again"),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", "does not say how long the file is"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "broke off after 3 bytes"),
        (
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-8/9\r\nContent-Length: 4\r\n\r\nabcd",
            "got 'bytes 5-8/9'",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n<!DOCTYPE html><html></html>\n",
            "answered with a web page and not the file",
        ),
        ("", "broke off after 0 bytes"),
        ("no HTTP at all\r\n\r\n", "check the address and the network"),
    ];
    for (answer, expected) in cases {
        let (_folder, path) = place();
        let (address, _requests) = serve(vec![Answer::Raw(answer)]);
        let message = Download::new(format!("{address}/file.gz"), &path).run(|_, _| {}).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}\nfor {answer:?}");
        assert!(message.contains(&address) && !path.exists(), "{message}");
    }
}
