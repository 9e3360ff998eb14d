//! Reads matrices from `.safetensors` files.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata};

use super::floats::{Float, decode_matrix};
use super::npy::Matrix;
use super::open_file;
use crate::{Error, Result};

/// An open `.safetensors` file. The header is read and validated on opening; tensors are read one at a time.
///
/// Unlike a memory-mapped file, it needs memory for only one tensor at a time, and gives an error if the file is
/// truncated during reading.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    file: File,
    /// Offset of the tensor data, and length of the file.
    start: u64,
    length: u64,
    metadata: Metadata,
}

impl TensorFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// A file that is missing, too short for its header, or not a safetensors file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut file = open_file(path)?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        let mut start = [0u8; 8];
        if length < 8 {
            return Err(Error::file(path, format!("{length} bytes are no safetensors file; write it again")));
        }
        file.read_exact(&mut start).map_err(Error::io(path))?;
        let header_length = u64::from_le_bytes(start);
        if header_length > length - 8 {
            let left = length - 8;
            let message =
                format!("the header claims {header_length} bytes, {left} are left; copy or write the file again");
            return Err(Error::file(path, message));
        }
        let mut header = Vec::new();
        Read::by_ref(&mut file).take(header_length).read_to_end(&mut header).map_err(Error::io(path))?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| Error::file(path, format!("not a safetensors file ({error}); write it again")))?;
        let start = 8 + header_length;
        let ends = metadata.offset_keys().into_iter().filter_map(|name| Some(metadata.info(&name)?.data_offsets.1));
        let end = start + ends.max().unwrap_or(0) as u64;
        if length > end {
            let message = format!("{} bytes behind the last tensor; copy or write the file again", length - end);
            return Err(Error::file(path, message));
        }
        Ok(Self { path: path.to_path_buf(), file, start, length, metadata })
    }

    /// Returns the tensor names, in the order of their data.
    pub fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// Returns the shape of a tensor, or `None` if there is no such tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| &info.shape[..])
    }

    /// Reads the values of a tensor as `f32`; it must be F16, BF16, F32 or F64.
    ///
    /// # Errors
    /// No tensor of this name; another data type; a truncated file.
    pub fn values(&mut self, name: &str) -> Result<Vec<f32>> {
        let path = &self.path;
        let info = self.metadata.info(name).ok_or_else(|| {
            let names = self.metadata.offset_keys();
            Error::file(path, format!("no tensor `{name}`; name one of those there: {}", names.join(", ")))
        })?;
        let float = match info.dtype {
            Dtype::F16 => Float::F16,
            Dtype::BF16 => Float::Bf16,
            Dtype::F32 => Float::F32,
            Dtype::F64 => Float::F64,
            other => return Err(Error::file(path, format!("dtype {other:?} is no float; save it as F32"))),
        };
        // The parser has checked that a tensor's offsets match its shape, but not that the file is long enough.
        let [from, to] = [info.data_offsets.0, info.data_offsets.1].map(|offset| self.start + offset as u64);
        if to > self.length {
            let length = self.length;
            let message =
                format!("truncated: the tensor ends at byte {to}, the file at {length}; copy or write it again");
            return Err(Error::file(path, message));
        }
        let count = info.shape.iter().product();
        self.file.seek(SeekFrom::Start(from)).map_err(Error::io(path))?;
        decode_matrix(BufReader::new(&self.file), float, false, [count, 1], false).map_err(Error::io(path))
    }
}

/// Reads the tensor `name` or, without a name, the only matrix of the file; F16, BF16, F32 or F64.
///
/// Only the header and that tensor are read.
pub(super) fn read(path: &Path, name: Option<&str>) -> Result<Matrix> {
    let mut file = TensorFile::open(path)?;
    let names = file.names();
    let name = match name {
        Some(name) => name.to_string(),
        None => {
            let is_matrix = |name: &&String| file.shape(name).is_some_and(|shape| shape.len() == 2);
            let mut matrices = names.iter().filter(is_matrix);
            match (matrices.next(), matrices.next()) {
                (Some(only), None) => only.clone(),
                (None, _) => return Err(Error::file(path, "no matrix in it; save one row per item")),
                (Some(_), Some(_)) => {
                    let message = format!("several matrices; name one as `{}#NAME`: {}", shown(path), names.join(", "));
                    return Err(Error::file(path, message));
                }
            }
        }
    };
    let shape = match file.shape(&name) {
        None => None,
        Some(&[n_rows, width]) => Some([n_rows, width]),
        Some(shape) => {
            let message = format!("{} dimensions, shape {shape:?}; save a matrix with one row per item", shape.len());
            return Err(Error::file(path, message));
        }
    };
    // `values` reports a missing tensor.
    let values = file.values(&name)?;
    Ok((shape.unwrap_or_default(), values))
}

fn shown(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    pub(in crate::data) fn file(tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Vec<u8> {
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            (name.to_string(), TensorView::new(*dtype, shape.to_vec(), data).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    fn read_bytes(bytes: &[u8], name: Option<&str>) -> std::result::Result<Matrix, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        std::fs::write(&path, bytes).unwrap();
        read(&path, name).map_err(|error| {
            let message = error.to_string();
            message[message.find("x.safetensors").unwrap()..].to_string()
        })
    }

    fn le(numbers: &[f32]) -> Vec<u8> {
        numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    #[test]
    fn the_only_matrix_or_a_named_one_is_read() {
        let bias = ("bias", Dtype::F32, &[2usize][..], le(&[9.0, 9.0]));
        let halves = [0x00u8, 0x3c, 0x00, 0xc0].to_vec();
        let text = ("text", Dtype::F16, &[1usize, 2][..], halves);
        let image = ("image", Dtype::F32, &[2usize, 1][..], le(&[3.0, 4.0]));
        let one = file(&[bias.clone(), text.clone()]);
        assert_eq!(read_bytes(&one, None), Ok(([1, 2], vec![1.0, -2.0])));
        let two = file(&[bias, text, image]);
        assert_eq!(read_bytes(&two, Some("image")), Ok(([2, 1], vec![3.0, 4.0])));
        assert_eq!(read_bytes(&two, Some("text")), Ok(([1, 2], vec![1.0, -2.0])));
        let several = read_bytes(&two, None).unwrap_err();
        assert!(
            several.starts_with("x.safetensors: several matrices; name one as `x.safetensors#NAME`: "),
            "{several}"
        );
        assert!(several.contains("text") && several.contains("image"));
        let unknown = read_bytes(&two, Some("audio")).unwrap_err();
        assert!(unknown.starts_with("x.safetensors: no tensor `audio`; name one of those there: "), "{unknown}");
        assert!(read_bytes(&two, Some("bias")).unwrap_err().contains("1 dimensions, shape [2]; save a matrix"));
    }

    #[test]
    fn broken_files_are_named() {
        let whole = file(&[("x", Dtype::F32, &[1, 2], le(&[1.0, 2.0]))]);
        let message = |bytes: &[u8]| read_bytes(bytes, None).unwrap_err();
        assert!(message(&whole[..whole.len() - 1]).contains("truncated: the tensor ends at byte"));
        assert!(message(&whole[..20]).contains("the header claims"));
        assert!(message(&[&whole[..], b"more"].concat()).contains("4 bytes behind the last tensor"));
        assert!(message(b"abc").contains("3 bytes are no safetensors file"));
        assert!(message(&[0xff; 32]).contains("the header claims 18446744073709551615 bytes, 24 are left"));
        let mut garbled = whole.clone();
        garbled[8] = b'!';
        assert!(message(&garbled).contains("not a safetensors file"));
        let integers = file(&[("x", Dtype::I32, &[1, 1], vec![0; 4])]);
        assert_eq!(message(&integers), "x.safetensors: dtype I32 is no float; save it as F32");
        assert_eq!(message(&file(&[])), "x.safetensors: no matrix in it; save one row per item");
    }
}
