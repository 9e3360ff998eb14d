//! Servers with certificates that nobody signed, or with TLS where none is expected.

use crate::support::hostile_server::completion;
use crate::support::shop::{GOOD, config, describe, records, shop};
use crate::tls_server;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

/// Describes two items by a server that can never be used: at once, and no item is to blame.
fn error_of(url: &str) -> String {
    let folder = shop(&["a", "b"]);
    let start = Instant::now();
    let error = describe(&config("title", url), folder.path()).unwrap_err().to_string();
    assert!(start.elapsed() < Duration::from_secs(10), "{error}");
    assert_eq!(records(folder.path()).len(), 0);
    error
}

/// A server that says the same to everybody.
fn talker(words: &'static [u8]) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(words);
        }
    });
    address
}

#[test]
fn certificate_that_nobody_signed() {
    let error = error_of(&tls_server::start(completion(GOOD)));
    for words in ["no server can be used", "certificate is not trusted", "system's store", "http://", "SSL_CERT_FILE"] {
        assert!(error.contains(words), "no '{words}' in: {error}");
    }
}

#[test]
#[ignore = "run by another test, as a process of its own"]
fn child() {
    let Ok(url) = std::env::var("VIRAL_TLS_SERVER") else { return };
    let folder = shop(&["a", "b"]);
    assert_eq!(describe(&config("title", &url), folder.path()).unwrap().progress.n_described, 2);
}

#[test]
fn a_certificate_in_a_named_file_is_trusted() {
    let url = tls_server::start(completion(GOOD));
    let run = |file: &std::path::Path| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "tls::child", "--ignored", "--nocapture"]);
        let output = command.env("SSL_CERT_FILE", file).env("VIRAL_TLS_SERVER", &url).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    let (is_good, text) = run(&tls_server::certificate());
    assert!(is_good, "{text}");
    let (is_good, text) = run(&tls_server::certificate().with_file_name("key.pem"));
    assert!(!is_good && text.contains("no certificate in it"), "{text}");
}

#[test]
fn https_to_a_server_without_it_and_the_other_way_round() {
    let plain = talker(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    let error = error_of(&format!("https://{plain}/v1"));
    assert!(error.contains("no server can be used") && error.contains("write http://"), "{error}");
    // A fatal alert, unexpected message.
    let tls = talker(b"\x15\x03\x03\x00\x02\x02\x0a");
    let error = error_of(&format!("http://{tls}/v1"));
    assert!(error.contains("no server can be used") && error.contains("write https://"), "{error}");
}
