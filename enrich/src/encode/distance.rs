//! MPNet's relative position bias: a bias of attention by the distance between two tokens.

use burn::tensor::{DType, Int, Tensor, TensorData};

/// Distances from here on share the last bucket.
const MAX_DISTANCE: f64 = 128.0;

/// Bias for each bucket of distances and each head.
#[derive(Debug, Clone)]
pub(super) struct Distances {
    table: Tensor<2>, // [n_buckets, n_heads]
}

impl Distances {
    pub(super) fn new(table: Tensor<2>) -> Self {
        Self { table }
    }

    /// Returns the bias that is added to the attention scores of texts of equal length.
    ///
    /// # Shapes
    /// - output: `[n_texts, n_heads, n_tokens, n_tokens]`
    pub(super) fn bias(&self, n_texts: usize, n_tokens: usize) -> Tensor<4> {
        let [n_buckets, n_heads] = self.table.dims();
        let of = |query: usize, key: usize| bucket(key as i64 - query as i64, n_buckets) as i32;
        let buckets = (0..n_tokens).flat_map(|query| (0..n_tokens).map(move |key| of(query, key)));
        let buckets = TensorData::new(buckets.collect::<Vec<i32>>(), [n_tokens * n_tokens]);
        let buckets = Tensor::<1, Int>::from_data(buckets, (&self.table.device(), DType::I32));
        let bias = self.table.clone().select(0, buckets); // [n_tokens², n_heads]
        let bias = bias.swap_dims(0, 1).reshape([1, n_heads, n_tokens, n_tokens]);
        bias.expand([n_texts, n_heads, n_tokens, n_tokens])
    }
}

/// Returns the bucket of the distance from a query to a key. Half of the buckets are for keys after the query. In each
/// half, half of the buckets hold a single distance, the others a range; ranges grow logarithmically.
fn bucket(distance: i64, n_buckets: usize) -> usize {
    let half = n_buckets / 2;
    let behind = if distance > 0 { half } else { 0 };
    let (n, n_exact) = (distance.unsigned_abs() as usize, half / 2);
    if n < n_exact {
        return behind + n;
    }
    let share = (n as f64 / n_exact as f64).ln() / (MAX_DISTANCE / n_exact as f64).ln();
    // A small constant keeps whole numbers from being rounded down.
    let range = (share * (half - n_exact) as f64 + 1e-6) as usize;
    behind + (n_exact + range).min(half - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_fall_into_classes() {
        // The first distance of each of the 32 buckets.
        let firsts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
        for (class, &first) in firsts.iter().enumerate() {
            assert_eq!(bucket(-first, 32), class);
            assert_eq!(bucket(first, 32), if first == 0 { 0 } else { 16 + class });
            let last = firsts.get(class + 1).map_or(4000, |next| next - 1);
            assert_eq!(bucket(-last, 32), class);
        }
    }

    #[cfg(feature = "flex")]
    #[test]
    fn the_bias_is_the_tables_row_of_the_distance() {
        let device = burn::tensor::Device::flex();
        let values: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let table = Tensor::from_data(TensorData::new(values.clone(), [8, 2]), (&device, DType::F32));
        let found = Distances::new(table).bias(2, 3).into_data().try_into_vec::<f32>().unwrap();
        for (i, value) in found.into_iter().enumerate() {
            let (head, query, key) = (i / 9 % 2, i / 3 % 3, i % 3);
            assert_eq!(value, values[bucket(key as i64 - query as i64, 8) * 2 + head], "{head} {query} {key}");
        }
    }
}
