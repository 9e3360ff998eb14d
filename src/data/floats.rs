//! Decodes floating-point numbers of half, single or double precision, in either byte order, to `f32`.

use std::io::Read;

use half::{bf16, f16};

/// Storage format of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Float {
    F16,
    Bf16,
    F32,
    F64,
}

impl Float {
    /// Size of a number in bytes.
    pub(super) fn size(self) -> usize {
        match self {
            Float::F16 | Float::Bf16 => 2,
            Float::F32 => 4,
            Float::F64 => 8,
        }
    }
}

/// Decodes `count` numbers and passes each to `put` with its position. Uses one small buffer.
pub(super) fn decode(
    mut reader: impl Read,
    float: Float,
    big_endian: bool,
    count: usize,
    mut put: impl FnMut(usize, f32),
) -> std::io::Result<()> {
    let convert: fn(&[u8]) -> f32 = match (float, big_endian) {
        (Float::F16, false) => |b| f16::from_le_bytes([b[0], b[1]]).to_f32(),
        (Float::F16, true) => |b| f16::from_be_bytes([b[0], b[1]]).to_f32(),
        (Float::Bf16, false) => |b| bf16::from_le_bytes([b[0], b[1]]).to_f32(),
        (Float::Bf16, true) => |b| bf16::from_be_bytes([b[0], b[1]]).to_f32(),
        (Float::F32, false) => |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        (Float::F32, true) => |b| f32::from_be_bytes([b[0], b[1], b[2], b[3]]),
        (Float::F64, false) => |b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
        (Float::F64, true) => |b| f64::from_be_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
    };
    let size = float.size();
    let mut buffer = vec![0u8; 1 << 16]; // a multiple of every size
    let mut position = 0;
    while position < count {
        let numbers = (count - position).min(buffer.len() / size);
        let bytes = &mut buffer[..numbers * size];
        reader.read_exact(bytes)?;
        for number in bytes.chunks_exact(size) {
            put(position, convert(number));
            position += 1;
        }
    }
    Ok(())
}

/// Like [`decode`], into a matrix in row-major order, from a file in row-major or, if `by_columns`, column-major order.
pub(super) fn decode_matrix(
    reader: impl Read,
    float: Float,
    big_endian: bool,
    [n_rows, width]: [usize; 2],
    by_columns: bool,
) -> std::io::Result<Vec<f32>> {
    let mut values = vec![0.0; n_rows * width];
    decode(reader, float, big_endian, n_rows * width, |position, value| {
        let place = if by_columns { position % n_rows * width + position / n_rows } else { position };
        values[place] = value;
    })?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_in_either_order_gives_the_same_numbers() {
        let numbers = [0.0f32, -1.5, 0.25, 1024.0];
        let cases: [(Float, Vec<u8>); 4] = [
            (Float::F16, numbers.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect()),
            (Float::Bf16, numbers.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect()),
            (Float::F32, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()),
            (Float::F64, numbers.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect()),
        ];
        for (float, little) in cases {
            let big: Vec<u8> = little.chunks(float.size()).flat_map(|b| b.iter().rev().copied()).collect();
            for (bytes, big_endian) in [(little, false), (big, true)] {
                let by_rows = decode_matrix(&bytes[..], float, big_endian, [2, 2], false).unwrap();
                assert_eq!(by_rows, numbers, "{float:?}, big-endian {big_endian}");
                let by_columns = decode_matrix(&bytes[..], float, big_endian, [2, 2], true).unwrap();
                assert_eq!(by_columns, [0.0, 0.25, -1.5, 1024.0]);
            }
        }
    }

    #[test]
    fn more_numbers_than_the_buffer_holds() {
        let bytes: Vec<u8> = (0..20_000u32).flat_map(|x| f64::from(x).to_le_bytes()).collect();
        let mut next = 0;
        decode(&bytes[..], Float::F64, false, 20_000, |position, value| {
            assert_eq!((position, value), (next, next as f32));
            next += 1;
        })
        .unwrap();
        assert_eq!(next, 20_000);
        assert!(decode(&bytes[1..], Float::F64, false, 20_000, |_, _| ()).is_err());
    }
}
