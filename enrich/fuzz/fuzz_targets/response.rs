//! Whole responses, with status, packing and encoding: an answer, or a sentence that tells in one line what is wrong and never
//! shows the key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use viral_enrich::describe::Completion;

const KEY: &str = "sk-0123456789abcdef";
const STATUS: [u16; 16] = [200, 200, 200, 204, 302, 400, 401, 402, 404, 408, 415, 422, 429, 500, 503, 529];
const ENCODINGS: [&str; 8] =
    ["", "gzip", "deflate", "identity", "gzip, gzip", "br", "deflate,gzip", "gzip,gzip,gzip,gzip"];
const TYPES: [&str; 2] = ["application/json", "text/plain; charset=ISO-8859-1"];

fuzz_target!(|input: &[u8]| {
    let [choice, headers, body @ ..] = input else { return };
    let status = STATUS[usize::from(choice % 16)];
    let encoding = ENCODINGS[usize::from(headers % 8)];
    let content_type = TYPES[usize::from(headers >> 3 & 1)];
    match Completion::of_response(status, [encoding, content_type], body, 1 << 16, KEY) {
        // Of what was unpacked no more than the limit is read, and in Latin-1 a byte is up to three of UTF-8.
        Ok(answer) => assert!((200..300).contains(&status) && answer.text.len() <= 3 << 16),
        Err(reason) => {
            assert!(!reason.is_empty() && !reason.contains(['\n', '\r']) && reason.chars().count() < 600, "{reason}");
            assert!(!reason.contains(KEY) && !(6..KEY.len()).any(|n| reason.contains(&format!("{}…", &KEY[..n]))));
        }
    }
});
