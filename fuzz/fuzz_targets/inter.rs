//! Interactions, in one file or, where two bytes that are in no text part them, in one for each part: any bytes are a data set or
//! an error, and what was read is read again as it is written.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use std::fmt::Write;
use std::path::PathBuf;
use viral::data::{Dataset, Duplicates, InterFile, Labels, Part, ReadOptions, SplitPolicy};

const BETWEEN_PARTS: u8 = 0xFF;

fn write(bytes: &[u8]) -> Vec<(PathBuf, Option<Part>)> {
    let pieces: Vec<&[u8]> = bytes.split(|&byte| byte == BETWEEN_PARTS).collect();
    match pieces[..] {
        [train, valid, test] => vec![
            (file::write("parts/toys.train.inter", train), Some(Part::Train)),
            (file::write("parts/toys.valid.inter", valid), Some(Part::Valid)),
            (file::write("parts/toys.test.inter", test), Some(Part::Test)),
        ],
        _ => vec![(file::write("whole/toys.inter", bytes), None)],
    }
}

/// The rows as a file with what is known of them; none where labels or times are not what they should be.
fn written(file: &InterFile) -> Option<String> {
    let (parts, times) = (file.parts().ok()?, file.times().ok()?);
    // Ids may have tabs in a file with commas, and commas in a file with tabs.
    let mut ids = file.users.names().iter().chain(file.items.names());
    let separator = if ids.any(|id| id.contains('\t')) { "," } else { "\t" };
    let header =
        ["userID", "itemID"].into_iter().chain(parts.as_ref().map(|_| "x_label")).chain(times.as_ref().map(|_| "time"));
    let mut text = header.collect::<Vec<_>>().join(separator);
    for (i, row) in file.rows.iter().enumerate() {
        let (user, item) = (&file.users.names()[row.user as usize], &file.items.names()[row.item as usize]);
        write!(text, "\n{user}{separator}{item}").expect("strings take everything");
        if let Some(parts) = &parts {
            write!(text, "{separator}{}", parts[i] as u8).expect("strings take everything");
        }
        if let Some(times) = &times {
            write!(text, "{separator}{}", times[i]).expect("strings take everything");
        }
    }
    Some(text)
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let labels = if choice & 1 == 0 { Labels::Parts } else { Labels::Feedback };
    let duplicates = if choice & 2 == 0 { Duplicates::KeepFirst } else { Duplicates::Error };
    let splits =
        [SplitPolicy::ByLabel, SplitPolicy::Random { seed: 1 }, SplitPolicy::Temporal, SplitPolicy::Everything];
    let split = splits[usize::from(choice >> 2 & 3)];

    let files = write(bytes);
    let options =
        ReadOptions::new().with_name("toys").with_labels(labels).with_duplicates(duplicates).with_split(split);
    let data = Dataset::read_with(files[0].0.parent().expect("a folder"), &options);
    let file = match InterFile::read_parts(&files, duplicates, labels) {
        Ok(file) => file,
        Err(error) => {
            assert!(error.to_string().contains(".inter:") && data.is_err(), "{error}");
            return;
        }
    };
    if let Ok(data) = &data {
        let n_pairs = [Part::Train, Part::Valid, Part::Test].map(|part| data.part(part).n_pairs());
        assert_eq!(n_pairs.iter().sum::<usize>(), file.rows.len());
        assert!(split == SplitPolicy::Everything || n_pairs.iter().all(|&n| n > 0));
        assert_eq!((data.n_users(), data.n_items()), (file.users.len(), file.items.len()));
        assert_eq!(data.fingerprint().len(), 64);
    }
    // Items that were turned down are in the catalogue and in no row.
    let Some(text) = written(&file).filter(|_| file.n_turned_down == 0) else { return };
    let again = file::write("again/toys.inter", text.as_bytes());
    let again = InterFile::read(again).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((&again.rows, &again.users, &again.items), (&file.rows, &file.users, &file.items), "{text}");
});
