//! Pooling of a text's token vectors to one vector.

/// Pooling mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Mean of all token vectors.
    Mean,
    /// The first token vector, which stands for the whole text in models trained so.
    First,
    /// Maximum of each column.
    Max,
}

impl Pooling {
    /// Pools rows of `out.len()` numbers each, one per token, in the order of the tokens. The first `n_unpooled` rows
    /// are left out, except by [`First`](Self::First). Without rows the result is zeros.
    ///
    /// Implemented in plain Rust, one text at a time: the order in which a backend sums may depend on the other texts.
    pub(super) fn pool(self, rows: &[f32], n_unpooled: usize, out: &mut [f32]) {
        let d = out.len();
        out.fill(0.0);
        let rows = if self == Self::First { rows } else { rows.get(n_unpooled * d..).unwrap_or_default() };
        let Some(first) = rows.get(..d) else { return };
        match self {
            Self::First => out.copy_from_slice(first),
            Self::Max => {
                out.copy_from_slice(first);
                rows.chunks_exact(d).for_each(|row| out.iter_mut().zip(row).for_each(|(most, &x)| *most = most.max(x)));
            }
            Self::Mean => {
                rows.chunks_exact(d).for_each(|row| out.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x));
                let n = (rows.len() / d) as f32;
                out.iter_mut().for_each(|sum| *sum /= n);
            }
        }
    }
}

/// L2-normalises in place: `x / max(‖x‖, 1e-12)`
pub(super) fn normalize(x: &mut [f32]) {
    let norm = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt().max(1e-12) as f32;
    x.iter_mut().for_each(|x| *x /= norm);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_one() {
        let rows = [1.0, -4.0, 3.0, 2.0, 2.0, -1.0];
        let pooled_from = |pooling: Pooling, n_unpooled| {
            let mut out = [9.0; 2];
            pooling.pool(&rows, n_unpooled, &mut out);
            out
        };
        let pooled = |pooling| pooled_from(pooling, 0);
        assert_eq!(pooled(Pooling::Mean), [2.0, -1.0]);
        assert_eq!(pooled(Pooling::First), [1.0, -4.0]);
        assert_eq!(pooled(Pooling::Max), [3.0, 2.0]);
        assert_eq!(pooled_from(Pooling::Mean, 1), [2.5, 0.5]);
        assert_eq!(pooled_from(Pooling::First, 1), [1.0, -4.0]);
        assert_eq!(pooled_from(Pooling::Max, 2), [2.0, -1.0]);
        assert_eq!(pooled_from(Pooling::Max, 4), [0.0; 2]);
        let mut out = [9.0; 2];
        Pooling::Mean.pool(&[], 0, &mut out);
        assert_eq!(out, [0.0; 2]);
        let mut x = [3.0, -4.0];
        normalize(&mut x);
        assert_eq!(x, [0.6, -0.8]);
        let mut zeros = [0.0; 2];
        normalize(&mut zeros);
        assert_eq!(zeros, [0.0; 2]);
    }
}
