//! To what the operands of dense products are rounded: an option of the calling thread, for as long as a closure runs.

use crate::named::named;
use serde::{Deserialize, Serialize};
use std::cell::Cell;

/// To what the operands of dense products are rounded; sums and results are f32 in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MatmulPrecision {
    /// To nothing. NVIDIA's tensor cores read them as TF32, of ten bits behind the point, where Burn finds that faster.
    #[default]
    F32,
    /// To bf16, the nearest of seven bits behind the point and ties to even: half of the bytes, and tensor cores have
    /// twice the speed of TF32.
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

/// What the calling thread has been set to by [`with_matmul_precision`].
pub fn matmul_precision() -> MatmulPrecision {
    PRECISION.get()
}

/// What `run` gives when dense products that it makes on this thread have `precision`, and so have their gradients, whenever
/// and wherever those are taken.
///
/// It concerns [`matmul`](super::matmul), [`log_sum_exp_products`](crate::ops::log_sum_exp_products) and
/// [`one_token_layer`](crate::ops::one_token_layer), and so every layer and loss of this crate. A closure instead of a
/// switch: another thread's run keeps its own precision, and evaluation after it is back to f32.
///
/// ```
/// use viral::ops::{MatmulPrecision, matmul_precision, with_matmul_precision};
///
/// let inside = with_matmul_precision(MatmulPrecision::Bf16, matmul_precision);
/// assert_eq!((inside, matmul_precision()), (MatmulPrecision::Bf16, MatmulPrecision::F32));
/// ```
pub fn with_matmul_precision<T>(precision: MatmulPrecision, run: impl FnOnce() -> T) -> T {
    /// Sets back what was before, after a panic too.
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
