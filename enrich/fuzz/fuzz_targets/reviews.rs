//! Reviews of every format, from the file to the folder and back: what is written can be read.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use viral::data::Dataset;
use viral_enrich::{BadRows, Format, Prepare, Reviews, Split};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let path = file::write("reviews", bytes);
    let format = [Format::Json, Format::Python, Format::Csv, Format::Tsv][usize::from(choice % 4)];
    let reviews = match format {
        Format::Json | Format::Python => Reviews { format, ..Reviews::amazon(&path) },
        _ => Reviews::new(&path, format, "#1", "#2").with_rating("#3").with_time("#4"),
    };
    let bad_rows = if choice & 4 == 0 { BadRows::Skip } else { BadRows::Fail };
    let split = if choice & 8 == 0 { Split::Random { seed: 0 } } else { Split::LeaveOneOut };
    let k = usize::from(choice >> 6);
    // The folder is that of the input before.
    let prepare = Prepare { bad_rows, split, k_user: k, k_item: k, overwrite: true, ..Prepare::new(reviews) };
    let out = path.with_file_name("out");
    if let Ok(prepared) = prepare.run(&out, |_, _, _| {}) {
        let n_kept: usize = prepared.n_interactions.iter().sum();
        assert_eq!(prepared.n_rows, n_kept + prepared.bad_rows.count() + prepared.n_repeats + prepared.n_outside_core);
        let data = Dataset::read(&out).expect("what was written can be read");
        assert_eq!((data.n_users(), data.n_items()), (prepared.n_users, prepared.n_items));
    }
});
