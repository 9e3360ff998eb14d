//! Downloads from a server on this machine that breaks off, changes its mind and lies.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use super::prepare::{gzip, review};
use viral::data::sha256_of_file;
use viral_enrich::Download;

/// How the server answers one request.
#[derive(Clone)]
enum Answer {
    /// As it should: the file, or the range asked for.
    Whole(Vec<u8>, &'static str),
    /// The same, but the connection is closed after so many bytes.
    BreakOff(Vec<u8>, &'static str, usize),
    /// The whole file, whatever was asked.
    IgnoreRange(Vec<u8>),
    /// These very lines and nothing else.
    Raw(&'static str),
}

/// A request: its path, and the range and version that it names.
#[derive(Debug, PartialEq)]
struct Request {
    path: String,
    range: Option<String>,
    if_range: Option<String>,
}

/// Answers one request after the other as told, then closes. Gives the address and the requests.
fn serve(answers: Vec<Answer>) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let request = read_request(&stream);
            respond(stream, &request, answer);
            let _ = sender.send(request);
        }
    });
    (address, requests)
}

fn read_request(stream: &TcpStream) -> Request {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_string();
    let mut request = Request { path, range: None, if_range: None };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value.to_string()),
            "if-range" => request.if_range = Some(value.to_string()),
            _ => {}
        }
    }
    request
}

fn respond(mut stream: TcpStream, request: &Request, answer: Answer) {
    let (file, tag, most, obeys) = match answer {
        Answer::Whole(file, tag) => (file, tag, usize::MAX, true),
        Answer::BreakOff(file, tag, most) => (file, tag, most, true),
        Answer::IgnoreRange(file) => (file, "", usize::MAX, false),
        Answer::Raw(text) => {
            let _ = stream.write_all(text.as_bytes());
            return;
        }
    };
    let is_same = request.if_range.as_deref().is_none_or(|wanted| wanted == tag);
    let range = request.range.as_ref().filter(|_| obeys && is_same);
    let start = range.map_or(0, |range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap());
    let status = match range {
        Some(_) => format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{}", file.len() - 1, file.len()),
        None => "200 OK".to_string(),
    };
    let tag = if tag.is_empty() { String::new() } else { format!("ETag: {tag}\r\n") };
    let length = file.len() - start;
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{tag}Connection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&file[start..][..length.min(most)]);
}

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

#[test]
fn the_program_fetches_and_prepares_a_category() {
    let mut program: PathBuf = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    program.push(format!("examples/prepare{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        eprintln!("skipped: {} is not built", program.display());
        return;
    }
    let users = (0..6).map(|user| format!("U{user}"));
    let rows: String = users.flat_map(|user| (0..6).map(move |i| review(&user, &format!("B{i}"), 5.0, i))).collect();
    let meta: String = (0..6).map(|i| format!("{{'asin': 'B{i}', 'title': 'Cup {i}'}}\n")).collect();
    let (address, requests) = serve(vec![
        Answer::BreakOff(gzip(rows.as_bytes()), "\"1\"", 100),
        Answer::Whole(gzip(rows.as_bytes()), "\"1\""),
        Answer::Whole(gzip(meta.as_bytes()), "\"2\""),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("baby");
    let run = || {
        let output =
            Command::new(&program).args(["--download", "baby", "--mirror", &address, "--out"]).arg(&out).output();
        let output = output.unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (is_ok, shown, errors) = run();
    assert!(is_ok, "{errors}");
    for part in ["baby: 6 users, 6 items, 24 train, 6 valid and 6 test pairs", "text: title or description"] {
        assert!(shown.contains(part), "no '{part}' in\n{shown}");
    }
    let paths: Vec<String> = requests.iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/reviews_Baby_5.json.gz", "/reviews_Baby_5.json.gz", "/meta_Baby.json.gz"]);
    // Again, without the server: everything is there.
    let (is_ok, shown, errors) = run();
    assert!(is_ok && shown.contains("was there, as its hash says"), "{shown}{errors}");
    let output = Command::new(&program).args(["--download", "Sports", "--out"]).arg(&out).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && errors.contains("no category 'Sports'; there are"), "{errors}");
}
