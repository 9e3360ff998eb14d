//! A server of files that breaks off, changes its mind and lies, as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// How the server answers one request.
#[derive(Clone)]
pub(crate) enum Answer {
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
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
}

/// Answers one request after the other as told, then closes. Gives the address and the requests.
pub(crate) fn serve(answers: Vec<Answer>) -> (String, Receiver<Request>) {
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
