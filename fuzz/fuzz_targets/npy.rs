//! Feature files: any bytes are a matrix or an error, and a matrix is read as it was written.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use viral::data::ItemFeatures;

fuzz_target!(|bytes: &[u8]| {
    let path = file::write("x.npy", bytes);
    match ItemFeatures::read(&path) {
        Ok(features) => {
            assert_eq!(features.values().len(), features.n_items() * features.width());
            let again = path.with_file_name("again.npy");
            features.write(&again).expect("features can be written");
            assert_eq!(ItemFeatures::read(again).expect("what was written can be read"), features);
        }
        Err(error) => assert!(error.to_string().contains("x.npy: "), "{error}"),
    }
});
