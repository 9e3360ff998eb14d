//! Any bytes as a journal: an error by line or a count that adds up, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use viral_enrich::describe::read_journal;

fuzz_target!(|bytes: &[u8]| {
    let mut next = 0;
    let tail = read_journal(Path::new("journal.jsonl"), bytes, |offset, record| {
        assert!(offset >= next && (offset as usize) < bytes.len());
        assert!(record.text.is_some() != record.quarantined.is_some());
        next = offset + 1;
    });
    match tail {
        Ok(tail) => assert_eq!(tail.whole + tail.torn, bytes.len() as u64 + u64::from(tail.lacks_line_end)),
        Err(error) => assert!(error.to_string().starts_with("journal.jsonl:")),
    }
});
