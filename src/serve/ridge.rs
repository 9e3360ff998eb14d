//! Ridge regression over the training users.

use crate::data::Interactions;
use crate::linalg::{View, matmul, solve_positive_definite};

/// Users per block.
const BLOCK: usize = 2048;
/// `λ`, as a share of the mean diagonal entry of `XᵀX`.
const RIDGE: f64 = 1e-3;

/// Solves `W = (XᵀX + λ I)⁻¹ XᵀY`, `[d, width]`, over all users with a history; `None` if `XᵀX + λ I` is not
/// numerically positive definite. O(users · d · (d + width)) time, O(d · (d + width)) memory.
///
/// `put_rows` appends a user's row of `X`, `[d]`, and that of `Y`, `[width]`.
pub(super) fn ridge(
    train: &Interactions,
    [d, width]: [usize; 2],
    mut put_rows: impl FnMut(usize, &mut Vec<f32>, &mut Vec<f32>),
) -> Option<Vec<f32>> {
    let (mut gram, mut target) = (vec![0f64; d * d], vec![0f64; d * width]);
    let (mut x, mut y, mut product) = (Vec::new(), Vec::new(), vec![0f32; d * width.max(d)]);
    for start in (0..train.n_users()).step_by(BLOCK) {
        x.clear();
        y.clear();
        for user in (start..train.n_users().min(start + BLOCK)).filter(|&u| !train.of_user(u).is_empty()) {
            put_rows(user, &mut x, &mut y);
        }
        let rows = x.len().checked_div(d).unwrap_or(0);
        let x = View::new(&x, [rows, d]);
        for (sum, right, n) in [(&mut gram, x, d), (&mut target, View::new(&y, [rows, width]), width)] {
            let product = &mut product[..d * n];
            matmul(product, x.t(), right, 1.0, false);
            sum.iter_mut().zip(&*product).for_each(|(sum, &x)| *sum += f64::from(x));
        }
    }
    let mean = (0..d).map(|i| gram[i * d + i]).sum::<f64>() / d.max(1) as f64;
    (0..d).for_each(|i| gram[i * d + i] += RIDGE * mean);
    solve_positive_definite(&mut gram, &mut target, d).ok()?;
    Some(target.iter().map(|&w| w as f32).collect())
}
