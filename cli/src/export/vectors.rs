//! Matrices as `.npy`, with 32 or 16 bits per number.

use half::f16;
use std::path::Path;
use viral::data::{WholeFile, npy_header};
use viral::{Error, Result};

/// Numbers converted to bytes at a time.
const HELD: usize = 1 << 14;

/// Writes a matrix, row-major; `path` is the final place of the file.
///
/// # Errors
/// If a number is too large for 16 bits and these are asked for, or the file cannot be written.
pub(super) fn write(file: &mut WholeFile, path: &Path, shape: [usize; 2], values: &[f32], half: bool) -> Result<()> {
    if let Some(at) = values.iter().position(|&x| half && f16::from_f32(x).is_infinite()) {
        let message = format!(
            "row {} (counted from 0) has {:e}, and 16 bits hold no more than {}; leave out --half",
            at / shape[1].max(1),
            values[at],
            f16::MAX
        );
        return Err(Error::file(path, message));
    }
    file.write(&npy_header(if half { "<f2" } else { "<f4" }, shape))?;
    let mut bytes = Vec::with_capacity(4 * HELD);
    for values in values.chunks(HELD) {
        bytes.clear();
        match half {
            true => bytes.extend(values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes())),
            false => bytes.extend(values.iter().flat_map(|x| x.to_le_bytes())),
        }
        file.write(&bytes)?;
    }
    Ok(())
}
