//! Precision of the operands of dense products: an option of the calling thread while a closure runs.

use crate::named::named;
use serde::{Deserialize, Serialize};
use std::cell::Cell;

/// The precision that the operands of dense products are rounded to; sums and results are always f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MatmulPrecision {
    /// No rounding. NVIDIA's tensor cores read operands as TF32, with ten mantissa bits, where Burn finds that faster.
    #[default]
    F32,
    /// Rounds to the nearest bf16, with seven mantissa bits and ties to even: half of the bytes, and tensor cores run
    /// at twice the speed of TF32.
    Bf16,
}

named! {
    MatmulPrecision, "precision":
    F32 => "f32",
    Bf16 => "bf16",
}

thread_local! {
    static PRECISION: Cell<MatmulPrecision> = const { Cell::new(MatmulPrecision::F32) };
}

/// Returns the precision that [`with_matmul_precision`] has set for the calling thread.
pub fn matmul_precision() -> MatmulPrecision {
    PRECISION.get()
}

/// Runs a closure with the given precision for its dense products on this thread, and returns its result. The gradients
/// of these products have that precision too, whenever and wherever they are computed.
///
/// It applies to [`matmul`](super::matmul), [`log_sum_exp_products`](crate::ops::log_sum_exp_products) and
/// [`one_token_layer`](crate::ops::one_token_layer), and so to every layer and loss of this crate. Because the scope is
/// a closure, other threads keep their own precision, and an evaluation afterwards is back to f32.
///
/// ```
/// use viral::ops::{MatmulPrecision, matmul_precision, with_matmul_precision};
///
/// let inside = with_matmul_precision(MatmulPrecision::Bf16, matmul_precision);
/// assert_eq!((inside, matmul_precision()), (MatmulPrecision::Bf16, MatmulPrecision::F32));
/// ```
pub fn with_matmul_precision<T>(precision: MatmulPrecision, run: impl FnOnce() -> T) -> T {
    /// Restores the previous precision, even after a panic.
    struct Before(MatmulPrecision);
    impl Drop for Before {
        fn drop(&mut self) {
            PRECISION.set(self.0);
        }
    }
    let _before = Before(PRECISION.replace(precision));
    run()
}

#[cfg(test)]
mod tests {
    use super::*;
    use MatmulPrecision::{Bf16, F32};

    #[test]
    fn a_scope_ends_with_its_closure_and_is_no_other_threads() {
        let nested = with_matmul_precision(Bf16, || {
            let other_thread = std::thread::scope(|scope| scope.spawn(matmul_precision).join().unwrap());
            (with_matmul_precision(F32, matmul_precision), matmul_precision(), other_thread)
        });
        assert_eq!((nested, matmul_precision()), ((F32, Bf16, F32), F32));
        let panicked = std::panic::catch_unwind(|| with_matmul_precision(Bf16, || panic!("as a test does")));
        assert!(panicked.is_err() && matmul_precision() == F32);
    }
}
