//! One point against many: squared Euclidean distances, and the forces of t-SNE.

use super::vectorised;

/// Number of sums accumulated side by side.
const LANES: usize = 16;

/// Points summed in single precision before the sums are added up in double precision.
const STRETCH: usize = 512;

vectorised! {
/// `out[r] = ‖query − rows[r]‖²`.
pub(crate) fn squared_distances(query: &[f32], rows: &[f32], out: &mut [f32]) {
    let (query, query_rest) = query.as_chunks::<LANES>();
    for (row, out) in rows.chunks_exact(query.len() * LANES + query_rest.len()).zip(out) {
        let (row, row_rest) = row.as_chunks::<LANES>();
        let mut sums = [0f32; LANES];
        for (a, b) in query.iter().zip(row) {
            for lane in 0..LANES {
                let difference = a[lane] - b[lane];
                sums[lane] = M::mul_add(difference, difference, sums[lane]);
            }
        }
        let rest: f32 = query_rest.iter().zip(row_rest).map(|(a, b)| (a - b) * (a - b)).sum();
        *out = sums.iter().sum::<f32>() + rest;
    }
}
}

vectorised! {
/// With `w_j = 1 / (1 + ‖a − b_j‖²)`, adds `Σ p_j w_j (a − b_j)`, `Σ w_j² (a − b_j)` and `Σ w_j` to the five `sums`.
///
/// # Shapes
/// - `xs`, `ys`, `p`: `[n]`
pub(crate) fn forces(a: [f32; 2], xs: &[f32], ys: &[f32], p: &[f32], sums: &mut [f64; 5]) {
    let [x, y] = a;
    for ((xs, ys), p) in xs.chunks(STRETCH).zip(ys.chunks(STRETCH)).zip(p.chunks(STRETCH)) {
        let ((xs, xs_rest), (ys, ys_rest), (p, p_rest)) =
            (xs.as_chunks::<LANES>(), ys.as_chunks::<LANES>(), p.as_chunks::<LANES>());
        let mut lanes = [[0f32; LANES]; 5];
        for ((xs, ys), p) in xs.iter().zip(ys).zip(p) {
            for lane in 0..LANES {
                let (dx, dy) = (x - xs[lane], y - ys[lane]);
                let w = 1.0 / M::mul_add(dx, dx, M::mul_add(dy, dy, 1.0));
                let (attraction, repulsion) = (p[lane] * w, w * w);
                lanes[0][lane] = M::mul_add(attraction, dx, lanes[0][lane]);
                lanes[1][lane] = M::mul_add(attraction, dy, lanes[1][lane]);
                lanes[2][lane] = M::mul_add(repulsion, dx, lanes[2][lane]);
                lanes[3][lane] = M::mul_add(repulsion, dy, lanes[3][lane]);
                lanes[4][lane] += w;
            }
        }
        let rest = xs_rest.iter().zip(ys_rest).zip(p_rest);
        for (lane, ((other_x, other_y), p)) in rest.enumerate() {
            let (dx, dy) = (x - other_x, y - other_y);
            let w = 1.0 / M::mul_add(dx, dx, M::mul_add(dy, dy, 1.0));
            for (sums, force) in lanes.iter_mut().zip([p * w * dx, p * w * dy, w * w * dx, w * w * dy, w]) {
                sums[lane] += force;
            }
        }
        for (sum, lanes) in sums.iter_mut().zip(&lanes) {
            *sum += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        }
    }
}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::splitmix64;

    fn noise(n: usize, tag: u64) -> Vec<f32> {
        (0..n as u64).map(|i| (splitmix64(tag << 32 | i) >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
    }

    #[test]
    fn distances_are_those_of_double_precision() {
        for width in [1, 15, 16, 17, 40] {
            let (query, rows) = (noise(width, 1), noise(5 * width, 2));
            let mut found = [0f32; 5];
            squared_distances(&query, &rows, &mut found);
            for (row, found) in rows.chunks_exact(width).zip(found) {
                let exact: f64 = query.iter().zip(row).map(|(&a, &b)| f64::from(a - b).powi(2)).sum();
                assert!((f64::from(found) - exact).abs() < 1e-5, "{width}: {found} for {exact}");
            }
        }
    }

    #[test]
    fn forces_are_those_of_double_precision() {
        for n in [1, 15, 16, 511, 512, 1300] {
            let (xs, ys, p) = (noise(n, 1), noise(n, 2), noise(n, 3));
            let (mut found, mut exact) = ([0f64; 5], [0f64; 5]);
            forces([0.3, -0.2], &xs, &ys, &p, &mut found);
            for ((&x, &y), &p) in xs.iter().zip(&ys).zip(&p) {
                let (dx, dy, p) = (0.3 - f64::from(x), -0.2 - f64::from(y), f64::from(p));
                let w = 1.0 / (1.0 + dx * dx + dy * dy);
                let forces = [p * w * dx, p * w * dy, w * w * dx, w * w * dy, w];
                exact.iter_mut().zip(forces).for_each(|(sum, force)| *sum += force);
            }
            let near = found.iter().zip(exact).all(|(found, exact)| (found - exact).abs() < 1e-5 * n as f64);
            assert!(near, "{n}: {found:?} for {exact:?}");
        }
    }
}
