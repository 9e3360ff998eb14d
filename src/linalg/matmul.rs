//! Dense matrix products of slices, on the calling thread.

#[cfg(target_arch = "x86_64")]
use super::kernel;

/// A strided view of a matrix in a slice. Its last entry is inside the slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(super) data: &'a [f32],
    pub(super) dims: [usize; 2],
    pub(super) strides: [usize; 2],
}

impl<'a> View<'a> {
    /// Views `data` as a row-major `[rows, columns]` matrix; values beyond it are not read.
    pub(crate) fn new(data: &'a [f32], [rows, columns]: [usize; 2]) -> Self {
        // Kernels trust the dims: an overflowing product must not make a small matrix of a large one.
        let n = rows.checked_mul(columns).filter(|&n| n <= data.len());
        let Some(n) = n else { panic!("[{rows}, {columns}] of {} values", data.len()) };
        Self { data: &data[..n], dims: [rows, columns], strides: [columns, 1] }
    }

    /// Returns the submatrix of size `dims` that starts at `from`, without copying.
    pub(crate) fn part(self, from: [usize; 2], dims: [usize; 2]) -> Self {
        let fits = [0, 1].iter().all(|&i| from[i].checked_add(dims[i]).is_some_and(|end| end <= self.dims[i]));
        assert!(fits, "{dims:?} from {from:?} on of {:?}", self.dims);
        let start = from[0] * self.strides[0] + from[1] * self.strides[1];
        // An empty part may begin beyond the end of the data.
        Self { data: &self.data[start.min(self.data.len())..], dims, strides: self.strides }
    }

    /// Returns the transpose, without copying.
    pub(crate) fn t(self) -> Self {
        let ([r, c], [rs, cs]) = (self.dims, self.strides);
        Self { data: self.data, dims: [c, r], strides: [cs, rs] }
    }
}

/// The left operand of several products, packed once if the processor has AVX-512.
pub(crate) enum Left<'a> {
    /// In the layout of the AVX-512 kernel.
    #[cfg(target_arch = "x86_64")]
    Packed(kernel::PackedRows),
    /// Not packed.
    Plain(View<'a>),
}

impl<'a> Left<'a> {
    /// Prepares the operand `a`.
    pub(crate) fn new(a: View<'a>) -> Self {
        #[cfg(target_arch = "x86_64")]
        if kernel::is_available() {
            // SAFETY: the processor has AVX-512.
            return Self::Packed(unsafe { kernel::PackedRows::new(a) });
        }
        Self::Plain(a)
    }
}

/// The right operand of several products, packed once if the processor has AVX-512.
pub(crate) enum Right<'a> {
    /// In the layout of the AVX-512 kernel.
    #[cfg(target_arch = "x86_64")]
    Packed(kernel::Packed),
    /// Not packed.
    Plain(View<'a>),
}

impl<'a> Right<'a> {
    /// Prepares the operand `b`.
    pub(crate) fn new(b: View<'a>) -> Self {
        #[cfg(target_arch = "x86_64")]
        if kernel::is_available() {
            let mut packed = kernel::Packed::empty();
            // SAFETY: the processor has AVX-512.
            unsafe { packed.pack(b) };
            return Self::Packed(packed);
        }
        Self::Plain(b)
    }

    /// Computes `out = α a b`, or `out += α a b` if `add`; `out` is row-major and contiguous.
    pub(crate) fn multiply(&self, out: &mut [f32], a: View, alpha: f32, add: bool) {
        self.multiply_strided(out, self.n_columns(), a, alpha, add);
    }

    /// Like [`multiply`](Self::multiply), with a prepared left operand.
    pub(crate) fn multiply_left(&self, out: &mut [f32], a: &Left, alpha: f32, add: bool) {
        match (self, a) {
            #[cfg(target_arch = "x86_64")]
            (Self::Packed(b), Left::Packed(a)) => {
                let stride = self.n_columns();
                check(out, stride, a.dims(), b.dims());
                // SAFETY: both were packed, so the processor has AVX-512.
                unsafe { b.multiply_rows(out, stride, a, alpha, add) }
            }
            (_, Left::Plain(a)) => self.multiply(out, *a, alpha, add),
            #[cfg(target_arch = "x86_64")]
            (Self::Plain(_), Left::Packed(_)) => unreachable!("a processor has the kernel or not"),
        }
    }

    /// Like [`multiply`](Self::multiply), with the rows of `out` `stride` values apart.
    pub(crate) fn multiply_strided(&self, out: &mut [f32], stride: usize, a: View, alpha: f32, add: bool) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Packed(b) => {
                check(out, stride, a.dims, b.dims());
                // SAFETY: it was packed, so the processor has AVX-512.
                unsafe { b.multiply(out, stride, a, alpha, add) }
            }
            Self::Plain(b) => matmul_strided(out, stride, a, *b, alpha, add),
        }
    }

    fn n_columns(&self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Packed(b) => b.dims()[1],
            Self::Plain(b) => b.dims[1],
        }
    }
}

/// Computes `out = α a b`, or `out += α a b` if `add`, on the calling thread; `out` is row-major and contiguous.
pub(crate) fn matmul(out: &mut [f32], a: View, b: View, alpha: f32, add: bool) {
    matmul_strided(out, b.dims[1], a, b, alpha, add);
}

/// Like [`matmul`], with the rows of `out` `stride` values apart.
pub(crate) fn matmul_strided(out: &mut [f32], stride: usize, a: View, b: View, alpha: f32, add: bool) {
    #[cfg(target_arch = "x86_64")]
    if kernel::is_available() {
        check(out, stride, a.dims, b.dims);
        // SAFETY: the processor has AVX-512.
        return unsafe { kernel::matmul(out, stride, a, b, alpha, add) };
    }
    by_crate(out, stride, a, b, alpha, add);
}

/// Computes `a b` a few rows at a time and passes each row with its index to `each` while it is still in cache.
///
/// `group` is scratch.
pub(crate) fn matmul_by_rows(group: &mut Vec<f32>, a: &Left, b: View, mut each: impl FnMut(usize, &mut [f32])) {
    match a {
        #[cfg(target_arch = "x86_64")]
        Left::Packed(a) => {
            assert_eq!(a.dims()[1], b.dims[0], "matmul_by_rows: inner places");
            // SAFETY: it was packed, so the processor has AVX-512.
            unsafe { kernel::matmul_by_rows(group, a, b, each) }
        }
        Left::Plain(a) => {
            group.resize(a.dims[0] * b.dims[1], 0.0);
            matmul(group, *a, b, 1.0, false);
            for (row, products) in group.chunks_mut(b.dims[1].max(1)).enumerate() {
                each(row, products);
            }
        }
    }
}

fn check(out: &[f32], stride: usize, [m, k]: [usize; 2], [inner, n]: [usize; 2]) {
    assert!(k == inner && n <= stride, "matmul: [{m}, {k}] times [{inner}, {n}] with stride {stride}");
    let last = m.saturating_sub(1).checked_mul(stride).and_then(|last_row| last_row.checked_add(n));
    let room = m == 0 || n == 0 || last.is_some_and(|last| last <= out.len());
    assert!(room, "matmul: [{m}, {n}] by {stride} into {} values", out.len());
}

/// The product of the `gemm` crate, which runs on every processor.
fn by_crate(out: &mut [f32], stride: usize, a: View, b: View, alpha: f32, add: bool) {
    check(out, stride, a.dims, b.dims);
    let ([m, k], n) = (a.dims, b.dims[1]);
    if m == 0 || n == 0 {
        return;
    }
    let [[a_row, a_col], [b_row, b_col]] = [a.strides, b.strides].map(|s| s.map(|v| v as isize));
    // SAFETY: the entries of a `View` are inside its slice. `check` verified that those of the product are inside
    // `out`, which is borrowed mutably and hence overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride as isize,
            add,
            a.data.as_ptr(),
            a_col,
            a_row,
            b.data.as_ptr(),
            b_col,
            b_row,
            1.0,
            alpha,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::splitmix64;

    fn values(n: usize, seed: u64) -> Vec<f32> {
        (0..n as u64).map(|i| (splitmix64(seed << 32 | i) >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
    }

    /// Views `data` as `[rows, columns]`, stored column-major if `transposed`.
    fn view(data: &[f32], [rows, columns]: [usize; 2], transposed: bool) -> View<'_> {
        if transposed { View::new(data, [columns, rows]).t() } else { View::new(data, [rows, columns]) }
    }

    fn entry(v: View, r: usize, c: usize) -> f64 {
        f64::from(v.data[r * v.strides[0] + c * v.strides[1]])
    }

    const SIZES: [[usize; 3]; 10] = [
        [1, 1, 1],
        [3, 17, 5],
        [14, 32, 16],
        [15, 33, 385],
        [29, 64, 31],
        [7, 16, 1000],
        [41, 70, 63],
        [5, 3, 0],
        [0, 4, 2],
        [100, 31, 200],
    ];

    /// Dims whose products overflow to small numbers: an empty matrix may have any number of rows or columns.
    #[test]
    fn sizes_beyond_all_memory_are_refused() {
        const HALF: usize = 1 << (usize::BITS / 2);
        let panics = |f: &dyn Fn()| {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
            panic.downcast_ref::<String>().cloned().unwrap()
        };
        let matrix = |data: &[f32], dims| assert_eq!(View::new(data, dims).dims, dims);
        assert!(panics(&|| matrix(&[], [HALF, HALF])).ends_with("of 0 values"));
        assert!(panics(&|| matrix(&[0.0; 5], [2, 3])).ends_with("of 5 values"));
        let empty = View::new(&[], [HALF + 1, 0]);
        assert!(panics(&|| assert!(empty.part([usize::MAX, 0], [2, 0]).data.is_empty())).contains("on of"));
        // The offset of the last row overflows to 0, so the last entry would seem to be in bounds.
        type Product = fn(&mut [f32], usize, View, View, f32, bool);
        let products: [Product; 2] = [matmul_strided, by_crate];
        for product in products {
            let into = |out: &mut [f32]| product(out, HALF, empty, View::new(&[], [0, 8]), 1.0, false);
            assert!(panics(&|| into(&mut [0.0; 8])).ends_with("into 8 values"));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "the crate gemm asks the processor about its caches")]
    fn products_are_those_of_double_precision_and_stay_inside_their_places() {
        for [m, n, k] in SIZES {
            let (a, b, stride) = (values(m * k, 1), values(k * n, 2), n + 3);
            let before = values(m * stride, 3);
            for case in 0..8 {
                let [a_t, b_t, add] = [1, 2, 4].map(|bit| case & bit > 0);
                let (a, b) = (view(&a, [m, k], a_t), view(&b, [k, n], b_t));
                let run = |f: fn(&mut [f32], usize, View, View, f32, bool)| {
                    let mut out = before.clone();
                    f(&mut out, stride, a, b, 0.7, add);
                    out
                };
                for out in [run(matmul_strided), run(by_crate)] {
                    for (i, (&found, &old)) in out.iter().zip(&before).enumerate() {
                        let (r, c) = (i / stride, i % stride);
                        if c >= n {
                            assert_eq!(found, old, "{m} x {n}: beyond the row's end");
                            continue;
                        }
                        let sum: f64 = (0..k).map(|p| entry(a, r, p) * entry(b, p, c)).sum();
                        let exact = 0.7 * sum + if add { f64::from(old) } else { 0.0 };
                        assert!((f64::from(found) - exact).abs() < 2e-5, "{m} x {n} x {k}: {found}, not {exact}");
                    }
                }
                if !add {
                    let (mut dense, mut packed) = (vec![0f32; m * n], vec![0f32; m * n]);
                    matmul(&mut dense, a, b, 0.7, false);
                    Right::new(b).multiply(&mut packed, a, 0.7, false);
                    assert_eq!(dense, packed, "{m} x {n} x {k}");
                    Right::new(b).multiply_left(&mut packed, &Left::new(a), 0.7, false);
                    assert_eq!(dense, packed, "{m} x {n} x {k}: both packed");
                    dense.iter_mut().for_each(|x| *x /= 0.7);
                    matmul_by_rows(&mut Vec::new(), &Left::new(a), b, |row, found| {
                        let expected = &dense[row * n..][..n];
                        let near = found.iter().zip(expected).all(|(x, y)| (x - y).abs() <= 1e-5);
                        assert!(near, "{m} x {n} x {k}: row {row} is {found:?}, not {expected:?}");
                    });
                }
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_row_has_the_same_bits_alone_and_among_others() {
        if !kernel::is_available() {
            return;
        }
        let (m, n, k) = (37, 45, 500);
        let (a, b) = (values(m * k, 1), values(k * n, 2));
        let (mut all, mut one) = (vec![0f32; m * n], vec![0f32; n]);
        matmul(&mut all, View::new(&a, [m, k]), View::new(&b, [k, n]), 1.0, false);
        for (row, all) in a.chunks_exact(k).zip(all.chunks_exact(n)) {
            matmul(&mut one, View::new(row, [1, k]), View::new(&b, [k, n]), 1.0, false);
            assert_eq!(one, all);
        }
    }
}
