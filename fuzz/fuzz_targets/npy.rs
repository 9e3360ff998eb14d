//! Feature files: any bytes are a matrix or an error.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use viral::data::ItemFeatures;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(features) = ItemFeatures::read(file::write("x.npy", bytes)) {
        assert_eq!(features.values().len(), features.n_items() * features.width());
    }
});
