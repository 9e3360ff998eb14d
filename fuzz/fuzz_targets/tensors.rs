//! Feature files of several tensors: any bytes are tensors or an error, and a matrix has the numbers of its tensor.
#![no_main]

mod file;
mod repaired;

use libfuzzer_sys::fuzz_target;
use viral::data::{ItemFeatures, TensorFile};

fuzz_target!(|bytes: &[u8]| {
    let path = file::write("x.safetensors", &repaired::with_length(bytes).unwrap_or_else(|| bytes.to_vec()));
    if let Ok(features) = ItemFeatures::read(&path) {
        assert_eq!(features.values().len(), features.n_items() * features.width());
    }
    let Ok(mut open) = TensorFile::open(&path) else { return };
    for name in open.names() {
        let n: usize = open.shape(&name).expect("a tensor that is named has a shape").iter().product();
        let Ok(values) = open.values(&name) else { continue };
        assert_eq!(values.len(), n);
        let Ok(features) = ItemFeatures::read(format!("{}#{name}", path.display())) else { continue };
        assert_eq!(features.values(), values);
    }
});
