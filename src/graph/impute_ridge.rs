//! Imputes missing content from the other modalities by ridge regression.

use super::impute::{filled, mean_row};
use crate::data::{Features, ItemFeatures, Modality};
use crate::linalg::{View, matmul, solve_positive_definite};
use crate::{Error, Result};

/// Replaces missing rows by a ridge regression on the item's other modalities, or by the mean of all existing rows if
/// it has none.
///
/// ```text
/// W = argmin Σ_i ‖(y_i - ȳ) - Wᵀ (x_i - x̄)‖² + λ ‖W‖²,   λ = penalty · Σ_i ‖x_i - x̄‖² / width of x
/// y_i = ȳ + Wᵀ (x_i - x̄) for items without y
/// ```
///
/// The sum is over items that have `y` and another modality. `x` concatenates the other modalities; one that an item
/// lacks is set to its mean. All regressions use the original features, not imputed ones. With `n` items and `d`
/// columns of `x`, O(n d² + d³) time, or O(n² d + n³) if n < d; memory O(min(n, d)²).
///
/// ```
/// use viral::data::{Features, ItemFeatures, Modality};
/// use viral::graph::impute_ridge;
///
/// // The text is twice the image, plus one.
/// let visual = ItemFeatures::new(4, 1, vec![1.0, 2.0, 3.0, 4.0])?;
/// let text = ItemFeatures::new(4, 1, vec![3.0, 5.0, 7.0, 0.0])?;
/// let features = Features::new().with(Modality::Visual, visual).with(Modality::Text, text);
/// let filled = impute_ridge(&features, 1e-6)?;
/// assert!((filled.get(&Modality::Text).unwrap().row(3)[0] - 9.0).abs() < 1e-4);
/// # Ok::<(), viral::Error>(())
/// ```
///
/// # Errors
/// A penalty that is not a positive number; values so large that the regression has no solution.
///
/// # Panics
/// When modalities have different numbers of items.
pub fn impute_ridge(features: &Features, penalty: f64) -> Result<Features> {
    Error::require_positive("the ridge's penalty", penalty)?;
    let fill = |(modality, rows): (&Modality, &ItemFeatures)| {
        let others: Vec<&ItemFeatures> =
            features.iter().filter(|(other, _)| *other != modality).map(|(_, rows)| rows).collect();
        if let Some(other) = others.iter().find(|other| other.n_items() != rows.n_items()) {
            panic!("ridge: modalities of {} and of {} items", rows.n_items(), other.n_items());
        }
        Ok((modality.clone(), regressed(rows, &others, penalty, modality)?))
    };
    features.iter().map(fill).collect()
}

/// Imputes the missing rows of `target` by its regression on `others`.
fn regressed(
    target: &ItemFeatures,
    others: &[&ItemFeatures],
    penalty: f64,
    modality: &Modality,
) -> Result<ItemFeatures> {
    let has_other = |item: usize| others.iter().any(|other| other.has(item));
    let of = |has_target: bool| -> Vec<usize> {
        (0..target.n_items()).filter(|&item| target.has(item) == has_target && has_other(item)).collect()
    };
    let (fit, wanted) = (of(true), of(false));
    if fit.is_empty() || wanted.is_empty() {
        return Ok(filled(target, |_, _| false));
    }
    let (x_mean, y_mean) = (side_by_side_means(others, &fit), mean_of(&fit, target));
    let (d, m, n) = (x_mean.len(), target.width(), fit.len());
    let x = centred(others, &fit, &x_mean);
    let y: Vec<f32> =
        fit.iter().flat_map(|&item| target.row(item).iter().zip(&y_mean).map(|(y, mean)| y - mean)).collect();
    let squares: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    // If all items are equal, any penalty will do.
    let lambda = if squares > 0.0 { penalty * squares / d as f64 } else { 1.0 };
    let no_solution = |()| {
        let message =
            format!("the ridge regression of {modality} features has no solution; bring their rows to length one");
        Error::Data(message)
    };
    let (by_rows, by_columns) = (View::new(&x, [n, d]), View::new(&x, [n, d]).t());
    let weights = match n < d {
        false => {
            let right = product(by_columns, View::new(&y, [n, m]), [d, m]);
            solved(product(by_columns, by_rows, [d, d]), right, d, lambda).map_err(no_solution)?
        }
        true => {
            let dual = solved(product(by_rows, by_columns, [n, n]), y, n, lambda).map_err(no_solution)?;
            product(by_columns, View::new(&dual, [n, m]), [d, m])
        }
    };
    let x = centred(others, &wanted, &x_mean);
    let predicted = product(View::new(&x, [wanted.len(), d]), View::new(&weights, [d, m]), [wanted.len(), m]);
    if predicted.iter().any(|x| !x.is_finite()) {
        return Err(no_solution(()));
    }
    let mut rows = predicted.chunks_exact(m);
    Ok(filled(target, |item, row| {
        let Some(predicted) = has_other(item).then(|| rows.next()).flatten() else { return false };
        row.iter_mut().zip(predicted.iter().zip(&y_mean)).for_each(|(x, (predicted, mean))| *x = predicted + mean);
        true
    }))
}

/// Computes `A B`, of shape `[rows, columns]`.
fn product(a: View, b: View, [rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut out = vec![0.0; rows * columns];
    matmul(&mut out, a, b, 1.0, false);
    out
}

/// Computes `(A + λ I)⁻¹ B`.
fn solved(a: Vec<f32>, b: Vec<f32>, n: usize, lambda: f64) -> std::result::Result<Vec<f32>, ()> {
    let wide = |x: Vec<f32>| x.into_iter().map(f64::from).collect::<Vec<f64>>();
    let (mut a, mut b) = (wide(a), wide(b));
    a.iter_mut().step_by(n + 1).for_each(|x| *x += lambda);
    solve_positive_definite(&mut a, &mut b, n)?;
    Ok(b.into_iter().map(|x| x as f32).collect())
}

/// Returns the mean of the existing rows among `items`; zeros if there are none.
fn mean_of(items: &[usize], features: &ItemFeatures) -> Vec<f32> {
    mean_row(&features.clone().select(items)).unwrap_or_else(|| vec![0.0; features.width()])
}

fn side_by_side_means(modalities: &[&ItemFeatures], items: &[usize]) -> Vec<f32> {
    modalities.iter().flat_map(|features| mean_of(items, features)).collect()
}

/// Concatenates the rows of all modalities, centred by their means; zeros where an item has none.
fn centred(modalities: &[&ItemFeatures], items: &[usize], means: &[f32]) -> Vec<f32> {
    let mut rows = Vec::with_capacity(items.len() * means.len());
    for &item in items {
        let mut rest = means;
        for features in modalities {
            let (mean, behind) = rest.split_at(features.width());
            rest = behind;
            match features.has(item) {
                true => rows.extend(features.row(item).iter().zip(mean).map(|(x, mean)| x - mean)),
                false => rows.resize(rows.len() + mean.len(), 0.0),
            }
        }
    }
    rows
}
