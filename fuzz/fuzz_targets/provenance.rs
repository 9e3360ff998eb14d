//! Provenance files: any bytes are one or an error, one is read as it was written, and features are held to it without a panic.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use viral::data::{ItemFeatures, Provenance};

fuzz_target!(|bytes: &[u8]| {
    let features = file::write("x.npy.provenance.json", bytes).with_file_name("x.npy");
    if let Ok(Some(provenance)) = Provenance::read_beside(&features) {
        let rows: Vec<usize> = (0..provenance.n_rows).rev().chain([usize::MAX]).collect();
        let size = provenance.n_rows.checked_mul(provenance.width).filter(|&size| size <= 1 << 16);
        if let Some(Ok(read)) = size.map(|n| ItemFeatures::new(provenance.n_rows, provenance.width, vec![1.0; n])) {
            let _ = provenance.check(&features, &read, &provenance.ids, &rows);
        }
        let again = features.with_file_name("again.npy");
        provenance.write_beside(&again).expect("a provenance can be written");
        assert_eq!(Provenance::read_beside(again).expect("what was written can be read"), Some(provenance));
    }
});
