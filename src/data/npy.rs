//! NumPy's `.npy` format: magic bytes, a version, a Python dictionary as header, then the numbers.

use std::io::{BufReader, Read};
use std::path::Path;

use super::floats::{Float, decode_matrix};
use super::open_file;
use crate::{Error, Result};

/// Maximum header length. A matrix needs far less: NumPy itself writes 118 bytes.
const MAX_HEADER: u64 = 1 << 16;

/// A matrix: its shape and its row-major values.
pub(super) type Matrix = ([usize; 2], Vec<f32>);

/// Reads a two-dimensional array of floats: format versions 1.0, 2.0 and 3.0; dtypes f2, f4 and f8 in either byte
/// order; C and Fortran order.
///
/// The reader is strict: the file must be exactly as long as its header says, and nothing is ever unpickled.
pub(super) fn read(path: &Path) -> Result<Matrix> {
    let file = open_file(path)?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    let mut reader = BufReader::new(file);
    parse(&mut reader, length).map_err(|fault| match fault {
        Fault::Io(source) => Error::io(path)(source),
        Fault::Format(message) => Error::file(path, message),
    })
}

/// Encodes a file that [`read`] accepts: version 1.0, `<f4`, row-major.
pub(super) fn bytes(shape: [usize; 2], values: &[f32]) -> Vec<u8> {
    let mut bytes = npy_header("<f4", shape);
    bytes.reserve_exact(size_of_val(values));
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    bytes
}

/// Returns the header of a NumPy `.npy` file that holds a matrix; its numbers follow in row-major order.
///
/// `dtype` is the storage format of a number, as in NumPy's `dtype.str`: `<f4` for little-endian 4-byte floats, `<f2`
/// for 2-byte ones. The header has format version 1.0 and a length that is a multiple of 64 bytes.
///
/// ```
/// use viral::data::{ItemFeatures, npy_header};
///
/// # fn main() -> viral::Result<()> {
/// # let folder = tempfile::tempdir().map_err(viral::Error::io("a temporary folder"))?;
/// # let path = folder.path().join("items.npy");
/// let mut bytes = npy_header("<f4", [2, 1]);
/// bytes.extend([0.5f32, -1.0].iter().flat_map(|number| number.to_le_bytes()));
/// viral::data::write_whole(&path, &bytes)?;
/// assert_eq!(ItemFeatures::read(&path)?.values(), [0.5, -1.0]);
/// # Ok(())
/// # }
/// ```
pub fn npy_header(dtype: &str, [n_rows, width]: [usize; 2]) -> Vec<u8> {
    let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({n_rows}, {width}), }}");
    // Spaces and a line feed align the numbers to 64 bytes, as the format requires.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 11;
    let mut bytes = Vec::with_capacity(11 + padded);
    bytes.extend(b"\x93NUMPY\x01\x00");
    bytes.extend((padded as u16 + 1).to_le_bytes());
    bytes.extend(format!("{header:<padded$}\n").as_bytes());
    bytes
}

enum Fault {
    Io(std::io::Error),
    Format(String),
}

impl From<std::io::Error> for Fault {
    fn from(source: std::io::Error) -> Self {
        Fault::Io(source)
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Fault::Format(message)
    }
}

fn parse(reader: &mut impl Read, length: u64) -> std::result::Result<Matrix, Fault> {
    let mut start = [0u8; 8];
    if length < 10 {
        return Err(format!("{length} bytes are no .npy file; write it with numpy.save").into());
    }
    reader.read_exact(&mut start)?;
    let [magic @ .., major, minor] = start;
    if &magic != b"\x93NUMPY" {
        return Err("not a .npy file: its first bytes are not \\x93NUMPY; write it with numpy.save".to_string().into());
    }
    let (header_length, before) = match (major, minor) {
        (1, 0) => {
            let mut bytes = [0u8; 2];
            reader.read_exact(&mut bytes)?;
            (u64::from(u16::from_le_bytes(bytes)), 10)
        }
        (2 | 3, 0) if length >= 12 => {
            let mut bytes = [0u8; 4];
            reader.read_exact(&mut bytes)?;
            (u64::from(u32::from_le_bytes(bytes)), 12)
        }
        (2 | 3, 0) => return Err("truncated within the header; copy or write the file again".to_string().into()),
        _ => {
            return Err(format!("format version {major}.{minor} is unknown; save it as version 1.0, 2.0 or 3.0").into());
        }
    };
    if header_length > length - before {
        let left = length - before;
        let message = format!("the header claims {header_length} bytes, {left} are left; copy or write the file again");
        return Err(message.into());
    } else if header_length > MAX_HEADER {
        return Err(format!("a header of {header_length} bytes; a matrix needs about 118, write it again").into());
    }
    let mut header = vec![0u8; header_length as usize];
    reader.read_exact(&mut header)?;
    // Headers are Latin-1 in versions 1.0 and 2.0 and UTF-8 in 3.0; that of a float matrix is ASCII.
    let Header { float, big_endian, by_columns, shape } = Header::parse(&String::from_utf8_lossy(&header))?;

    let [n_rows, width] = shape;
    let bytes = n_rows.checked_mul(width).and_then(|n| n.checked_mul(float.size())).map(|n| n as u64);
    let found = length - before - header_length;
    match bytes {
        Some(bytes) if found < bytes => {
            let message = format!(
                "truncated: shape ({n_rows}, {width}) needs {bytes} bytes, {found} are there; \
                 copy or write the file again"
            );
            Err(message.into())
        }
        Some(bytes) if found > bytes => {
            let surplus = found - bytes;
            let message = format!("{surplus} bytes after the ({n_rows}, {width}) array; write one array to a file");
            Err(message.into())
        }
        Some(_) => Ok((shape, decode_matrix(reader, float, big_endian, shape, by_columns)?)),
        None => Err(format!("shape ({n_rows}, {width}) is beyond any memory; write the file again").into()),
    }
}

struct Header {
    float: Float,
    big_endian: bool,
    by_columns: bool,
    shape: [usize; 2],
}

impl Header {
    /// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`: exactly these keys, in any order.
    fn parse(header: &str) -> std::result::Result<Self, String> {
        let malformed = || {
            let shown: String = header.trim_end().chars().take(100).collect();
            format!("malformed header `{shown}`; write the file with numpy.save")
        };
        let mut rest = header.trim().strip_prefix('{').and_then(|h| h.strip_suffix('}')).ok_or_else(malformed)?.trim();
        let (mut descr, mut order, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, after) = quoted(rest).ok_or_else(malformed)?;
            let after = after.trim_start().strip_prefix(':').ok_or_else(malformed)?.trim_start();
            let after = match key {
                "descr" if descr.is_none() && after.starts_with('[') => {
                    return Err("a structured dtype; save one plain float32 matrix".to_string());
                }
                "descr" if descr.is_none() => {
                    let (value, after) = quoted(after).ok_or_else(malformed)?;
                    descr = Some(value);
                    after
                }
                "fortran_order" if order.is_none() => {
                    let (value, after) = match after.strip_prefix("False") {
                        Some(after) => (false, after),
                        None => (true, after.strip_prefix("True").ok_or_else(malformed)?),
                    };
                    order = Some(value);
                    after
                }
                "shape" if shape.is_none() => {
                    let (value, after) =
                        after.strip_prefix('(').and_then(|s| s.split_once(')')).ok_or_else(malformed)?;
                    shape = Some(value);
                    after
                }
                _ => return Err(malformed()),
            };
            rest = match after.trim_start() {
                "" => "",
                after => after.strip_prefix(',').ok_or_else(malformed)?.trim_start(),
            };
        }
        let (Some(descr), Some(by_columns), Some(shape)) = (descr, order, shape) else { return Err(malformed()) };
        let (float, big_endian) = dtype(descr)?;

        let shape = shape.trim();
        let sizes = shape.strip_suffix(',').unwrap_or(shape).split(',').map(str::trim).filter(|_| !shape.is_empty());
        let sizes: Vec<&str> = sizes.collect();
        if sizes.iter().any(|size| size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(malformed());
        }
        let [n_rows, width] = sizes[..] else {
            let n = sizes.len();
            return Err(format!("{n} dimensions, shape ({shape}); save a matrix with one row per item"));
        };
        let size = |text: &str| text.parse::<usize>().map_err(|_| format!("shape ({shape}) is beyond any memory"));
        Ok(Self { float, big_endian, by_columns, shape: [size(n_rows)?, size(width)?] })
    }
}

/// Parses a Python string literal without escapes; also returns the rest of the text.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn dtype(descr: &str) -> std::result::Result<(Float, bool), String> {
    const AGAIN: &str = "save it with numpy.save(path, x.astype('float32'))";
    let float = match descr.get(1..) {
        Some("f2") => Float::F16,
        Some("f4") => Float::F32,
        Some("f8") => Float::F64,
        _ if descr.contains('O') => {
            return Err(format!("holds Python objects (dtype {descr}), which are never unpickled; {AGAIN}"));
        }
        _ => return Err(format!("dtype {descr} is none of f2, f4 and f8; {AGAIN}")),
    };
    match descr.as_bytes()[0] {
        b'<' => Ok((float, false)),
        b'>' => Ok((float, true)),
        _ => Err(format!("dtype {descr} has no byte order; {AGAIN}")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Builds the bytes of a `.npy` file.
    pub(in super::super) fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        match version {
            1 => bytes.extend((header.len() as u16).to_le_bytes()),
            _ => bytes.extend((header.len() as u32).to_le_bytes()),
        }
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> std::result::Result<Matrix, String> {
        parse(&mut &bytes[..], bytes.len() as u64).map_err(|fault| match fault {
            Fault::Io(source) => source.to_string(),
            Fault::Format(message) => message,
        })
    }

    const F4: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n";

    fn numbers() -> Vec<u8> {
        (0..6).flat_map(|x| (x as f32).to_le_bytes()).collect()
    }

    #[test]
    fn versions_orders_and_dtypes_are_read() {
        let expected: Matrix = ([2, 3], (0..6).map(|x| x as f32).collect());
        for version in 1..=3 {
            assert_eq!(read_bytes(&npy(version, F4, &numbers())), Ok(expected.clone()));
        }
        let header = F4.replace("False", "True");
        assert_eq!(read_bytes(&npy(1, &header, &numbers())), Ok(([2, 3], vec![0.0, 2.0, 4.0, 1.0, 3.0, 5.0])));
        let big: Vec<u8> = (0..6).flat_map(|x| f64::from(x).to_be_bytes()).collect();
        let header = "{\"shape\":(2,3),'fortran_order':False,'descr':'>f8'}";
        assert_eq!(read_bytes(&npy(2, header, &big)), Ok(expected));
        assert_eq!(read_bytes(&npy(1, &F4.replace("(2, 3)", "(0, 3)"), &[])), Ok(([0, 3], vec![])));
    }

    #[test]
    fn the_bytes_numpy_writes_are_read() {
        // numpy 2.1: numpy.save(f, numpy.array([[1, -2]], 'float16')), header padded to 128 bytes in all.
        let header = format!("{:<117}\n", "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 2), }");
        assert_eq!(header.len(), 118);
        assert_eq!(read_bytes(&npy(1, &header, &[0x00, 0x3c, 0x00, 0xc0])), Ok(([1, 2], vec![1.0, -2.0])));
    }

    #[test]
    fn what_is_written_is_read() {
        let values: Vec<f32> = (0..6).map(|x| x as f32 / 3.0).collect();
        for shape in [[2, 3], [6, 1], [0, 4]] {
            let written = bytes(shape, &values[..shape[0] * shape[1]]);
            assert_eq!((written.len() - shape[0] * shape[1] * 4) % 64, 0);
            assert_eq!(read_bytes(&written), Ok((shape, values[..shape[0] * shape[1]].to_vec())));
        }
    }

    #[test]
    fn wrong_lengths_are_named() {
        let message = |bytes: &[u8]| read_bytes(bytes).unwrap_err();
        let whole = npy(1, F4, &numbers());
        let again = "copy or write the file again";
        let expected = format!("truncated: shape (2, 3) needs 24 bytes, 20 are there; {again}");
        assert_eq!(message(&whole[..whole.len() - 4]), expected);
        let longer = [&whole[..], &[0; 4]].concat();
        assert_eq!(message(&longer), "4 bytes after the (2, 3) array; write one array to a file");
        assert_eq!(message(b"\x93NUMPY"), "6 bytes are no .npy file; write it with numpy.save");
        assert!(message(b"PK\x03\x04 something else").starts_with("not a .npy file"));

        let mut oversized = npy(2, F4, &numbers());
        oversized[8..12].fill(0xff);
        assert_eq!(message(&oversized), format!("the header claims 4294967295 bytes, 94 are left; {again}"));
        let absurd = npy(2, &" ".repeat(70_000), &[]);
        assert_eq!(message(&absurd), "a header of 70000 bytes; a matrix needs about 118, write it again");
        // No prefix of a file is accepted or panics.
        (0..whole.len()).for_each(|end| assert!(read_bytes(&whole[..end]).is_err()));
    }

    #[test]
    fn other_dtypes_and_shapes_are_refused() {
        let message = |from: &str, to: &str| read_bytes(&npy(1, &F4.replace(from, to), &numbers())).unwrap_err();
        let again = "save it with numpy.save(path, x.astype('float32'))";
        let object = format!("holds Python objects (dtype |O), which are never unpickled; {again}");
        assert_eq!(message("<f4", "|O"), object);
        assert_eq!(message("<f4", "<i8"), format!("dtype <i8 is none of f2, f4 and f8; {again}"));
        assert_eq!(message("<f4", "|f4"), format!("dtype |f4 has no byte order; {again}"));
        assert!(message("'<f4'", "[('x', '<f4')]").starts_with("a structured dtype"));
        assert_eq!(message("(2, 3)", "(6,)"), "1 dimensions, shape (6,); save a matrix with one row per item");
        assert!(message("(2, 3)", "()").starts_with("0 dimensions"));
        assert!(message("(2, 3)", "(1, 2, 3)").starts_with("3 dimensions"));
        for shape in ["(4294967296, 4294967296)", "(99999999999999999999, 1)"] {
            assert!(message("(2, 3)", shape).contains("is beyond any memory"));
        }
        for (from, to) in
            [("'shape'", "'form'"), ("(2, 3)", "(2, -3)"), ("False", "0"), ("{", ""), ("'descr'", "descr")]
        {
            assert!(message(from, to).starts_with("malformed header"), "{to}");
        }
        assert!(read_bytes(&npy(1, "{é'", &[])).is_err());
        assert_eq!(
            read_bytes(&[&b"\x93NUMPY\x04\x00"[..], &[0; 8]].concat()),
            Err("format version 4.0 is unknown; save it as version 1.0, 2.0 or 3.0".to_string())
        );
    }
}
