//! Small symmetric positive definite systems.

/// Solves `A X = B` by the Cholesky factorisation `A = L Lᵀ`: overwrites `B` with `X` and the lower triangle of `A`
/// with `L`. O(n² (n + m)) time, on the calling thread.
///
/// Fails if `A` is not positive definite.
///
/// # Shapes
/// - `a`: `[n, n]`, `b`: `[n, m]`
pub(crate) fn solve_positive_definite(a: &mut [f64], b: &mut [f64], n: usize) -> Result<(), ()> {
    let m = b.len().checked_div(n).unwrap_or(0);
    assert!(a.len() == n * n && b.len() == n * m, "solve: {} and {} values for n = {n}", a.len(), b.len());
    for j in 0..n {
        for i in j..n {
            let inner: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - inner;
            if i > j {
                a[i * n + j] = rest / a[j * n + j];
            } else if rest > 0.0 {
                a[j * n + j] = rest.sqrt();
            } else {
                return Err(()); // NaN as well
            }
        }
    }
    // Forward substitution `L Y = B`, then back substitution `Lᵀ X = Y`, one row of the right-hand sides at a time.
    for i in 0..n {
        let (above, row) = b.split_at_mut(i * m);
        let row = &mut row[..m];
        for k in 0..i {
            let factor = a[i * n + k];
            row.iter_mut().zip(&above[k * m..][..m]).for_each(|(x, y)| *x -= factor * y);
        }
        row.iter_mut().for_each(|x| *x /= a[i * n + i]);
    }
    for i in (0..n).rev() {
        let (row, below) = b[i * m..].split_at_mut(m);
        for k in i + 1..n {
            let factor = a[k * n + i];
            row.iter_mut().zip(&below[(k - i - 1) * m..][..m]).for_each(|(x, y)| *x -= factor * y);
        }
        row.iter_mut().for_each(|x| *x /= a[i * n + i]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_system_is_solved() {
        // A = L Lᵀ with L = [[2, 0, 0], [1, 3, 0], [-1, 2, 1]], X = [[1, -2], [0, 5], [4, 1]].
        let a = [4.0, 2.0, -2.0, 2.0, 10.0, 5.0, -2.0, 5.0, 6.0];
        let x = [1.0, -2.0, 0.0, 5.0, 4.0, 1.0];
        let mut b = [0.0; 6];
        for (i, j, k) in (0..3).flat_map(|i| (0..2).flat_map(move |j| (0..3).map(move |k| (i, j, k)))) {
            b[i * 2 + j] += a[i * 3 + k] * x[k * 2 + j];
        }
        solve_positive_definite(&mut a.clone(), &mut b, 3).unwrap();
        assert!(b.iter().zip(x).all(|(found, x)| (found - x).abs() < 1e-12), "{b:?}");
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        assert!(solve_positive_definite(&mut [1.0, 2.0, 2.0, 1.0], &mut [1.0, 1.0], 2).is_err());
        assert!(solve_positive_definite(&mut [f64::NAN], &mut [1.0], 1).is_err());
        assert!(solve_positive_definite(&mut [], &mut [], 0).is_ok());
    }
}
