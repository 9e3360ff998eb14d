//! Checkpoints of a model without parameters, which needs no device: any bytes are a state of its training or an error, and a
//! state is read as it was written.
#![no_main]

mod file;
mod repaired;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use libfuzzer_sys::fuzz_target;
use viral::loss::Objective;
use viral::model::{Batch, Embed, Embeddings, Trainable};
use viral::train::{Checkpoint, TrainerConfig};

#[derive(Module, Debug)]
struct Nothing {
    parameter: Option<Param<Tensor<2>>>,
}

impl Embed for Nothing {
    fn embed(&self) -> Embeddings {
        unreachable!("checkpoints hold no vectors")
    }
}

impl Trainable for Nothing {
    fn objective(&self, _: &Batch) -> Objective {
        Objective::new()
    }
}

fuzz_target!(|bytes: &[u8]| {
    let checkpoint = Checkpoint::new(&"nothing", &TrainerConfig::default(), "data").expect("settings");
    let fresh = || Nothing { parameter: None };
    let path = file::write("checkpoint", &repaired::with_checksum(bytes).unwrap_or_else(|| bytes.to_vec()));
    let state = match checkpoint.load(&path, fresh()) {
        Ok(state) => state,
        Err(error) => {
            assert!(error.to_string().contains("checkpoint: "), "{error}");
            return;
        }
    };
    assert_eq!(state.next_epoch(), state.history().len());
    let (once, twice) = (path.with_file_name("once"), path.with_file_name("twice"));
    checkpoint.save(&once, &state).expect("a state can be written");
    let again = checkpoint.load(&once, fresh()).expect("what was written can be read");
    assert_eq!(again.history(), state.history());
    checkpoint.save(&twice, &again).expect("and written again");
    assert!(
        std::fs::read(once).expect("a file") == std::fs::read(twice).expect("a file"),
        "equal states are equal files"
    );
});
