//! Metadata of every format, plain or gzip: all rows are accounted for, and errors name the file.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use viral_enrich::{BadRows, Format, Metadata};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let path = file::write("metadata", bytes);
    let format = [Format::Python, Format::Json, Format::Csv, Format::Tsv][usize::from(choice % 4)];
    let bad_rows = if choice & 4 == 0 { BadRows::Skip } else { BadRows::Fail };
    let metadata = match format {
        Format::Python | Format::Json => Metadata { format, ..Metadata::amazon(&path) },
        _ => Metadata { title: Some("#2".into()), image: Some("#3".into()), ..Metadata::new(&path, format, "#1") },
    };
    match metadata.read(&["B1".to_string(), "B2".to_string()], bad_rows) {
        Ok(found) => assert_eq!(found.n_rows, found.n_found + found.n_others + found.skipped.count()),
        Err(error) => assert!(error.to_string().contains("metadata:"), "{error}"),
    }
});
