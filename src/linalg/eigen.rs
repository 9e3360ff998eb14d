//! Eigenvalues and eigenvectors of small symmetric matrices.

/// Computes the eigenvalues, largest first, and the eigenvectors, as rows in that order, of a symmetric matrix by
/// cyclic Jacobi rotations. O(n³) a sweep, about ten sweeps, on the calling thread.
///
/// # Shapes
/// - `a`: `[n, n]`
pub(crate) fn symmetric_eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    assert_eq!(a.len(), n * n, "eigen: {} values for n = {n}", a.len());
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let scale = a.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    for _ in 0..60 {
        let off = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].abs()).fold(0.0, f64::max);
        if off <= 1e-15 * scale {
            break;
        }
        for (p, q) in (0..n).flat_map(|p| (p + 1..n).map(move |q| (p, q))) {
            let apq = a[p * n + q];
            if apq == 0.0 {
                continue;
            }
            // The smaller of the two rotation angles that make a[p, q] zero.
            let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
            let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
            let c = 1.0 / t.hypot(1.0);
            let s = t * c;
            for k in 0..n {
                let (x, y) = (a[k * n + p], a[k * n + q]);
                (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
            }
            for k in 0..n {
                let (x, y) = (a[p * n + k], a[q * n + k]);
                (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                let (x, y) = (vectors[p * n + k], vectors[q * n + k]);
                (vectors[p * n + k], vectors[q * n + k]) = (c * x - s * y, s * x + c * y);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]));
    let values = order.iter().map(|&i| a[i * n + i]).collect();
    (values, order.iter().flat_map(|&i| vectors[i * n..][..n].iter().copied()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::splitmix64;

    #[test]
    fn vectors_are_orthonormal_and_keep_their_direction() {
        for n in [0, 1, 2, 7, 30] {
            let number = |at: u64| (splitmix64(at) >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
            let entry = |i: usize, j: usize| number((i.max(j) * 100 + i.min(j)) as u64);
            let a: Vec<f64> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
            let (values, vectors) = symmetric_eigen(a.clone(), n);
            assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
            for (i, value) in values.iter().enumerate() {
                let v = &vectors[i * n..][..n];
                for row in 0..n {
                    let product: f64 = a[row * n..][..n].iter().zip(v).map(|(a, v)| a * v).sum();
                    assert!((product - value * v[row]).abs() < 1e-12, "{n}: vector {i}");
                }
                for j in 0..n {
                    let inner: f64 = v.iter().zip(&vectors[j * n..]).map(|(a, b)| a * b).sum();
                    assert!((inner - f64::from(u8::from(i == j))).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn equal_eigenvalues_are_all_found() {
        let (values, _) = symmetric_eigen(vec![2.0, 0.0, 0.0, 0.0, 1.5, 0.5, 0.0, 0.5, 1.5], 3);
        assert!(values.iter().zip([2.0, 2.0, 1.0]).all(|(x, y)| (x - y).abs() < 1e-14), "{values:?}");
    }
}
