//! From pictures and titles to features: descriptions by a vision-language model, then vectors by a text encoder.
//!
//! ```text
//! cargo run --release --features enrich --example enrich -- --data data/baby --images DIR \
//!     --server http://127.0.0.1:8000/v1 --model Qwen/Qwen2.5-VL-7B-Instruct
//! cargo run --release --features enrich --example enrich -- --data data/baby --encode --encoder all-MiniLM-L6-v2
//! ```
//!
//! The first reads `items.jsonl` of the data folder and writes `journal.jsonl`, which makes the run safe to stop at any
//! moment and to start again, and at its end `descriptions.jsonl` (`attributes.jsonl` for `--prompt attributes`). Time and
//! cost are the server's; the bar tells both. The second writes `text_feat.npy` and `image_feat.npy` with their masks and
//! provenance, some 300 titles a second on two cores. `--encode --server URL --model NAME` lets a server encode;
//! `--import FILE --ids FILE --only image` takes vectors made elsewhere.

mod args;
mod bar;
#[path = "../common/mod.rs"]
mod common;
mod describe;
mod encode;

use clap::Parser;
use viral::Result;

fn main() -> Result<()> {
    let args = args::Args::parse();
    match (&args.import, args.encode) {
        (Some(_), _) => encode::import_matrix(&args),
        (None, true) => encode::encode(&args),
        (None, false) => describe::describe(&args),
    }
}
