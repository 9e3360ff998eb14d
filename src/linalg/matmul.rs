//! Dense products of slices on the calling thread.

/// A matrix in a slice, read by rows or by columns. Its last place is inside the slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    data: &'a [f32],
    dims: [usize; 2],
    strides: [usize; 2],
}

impl<'a> View<'a> {
    /// Row-major `[rows, columns]`; what is beyond them in `data` is not read.
    pub(crate) fn new(data: &'a [f32], [rows, columns]: [usize; 2]) -> Self {
        Self { data: &data[..rows * columns], dims: [rows, columns], strides: [columns, 1] }
    }

    /// Some columns, of the same memory.
    pub(crate) fn columns(self, first: usize, n: usize) -> Self {
        let ([rows, columns], [_, step]) = (self.dims, self.strides);
        assert!(first + n <= columns && n > 0, "columns {first} to {} of {columns}", first + n);
        Self { data: &self.data[first * step..], dims: [rows, n], strides: self.strides }
    }

    /// The transpose, of the same memory.
    pub(crate) fn t(self) -> Self {
        let ([r, c], [rs, cs]) = (self.dims, self.strides);
        Self { data: self.data, dims: [c, r], strides: [cs, rs] }
    }
}

/// `out = α a b` on the calling thread, or `out += α a b` where `add` says so; `out` is row-major and dense.
pub(crate) fn matmul(out: &mut [f32], a: View, b: View, alpha: f32, add: bool) {
    let (m, n) = (a.dims[0], b.dims[1]);
    assert_eq!(out.len(), m * n, "matmul: the product is [{m}, {n}]");
    matmul_strided(out, n, a, b, alpha, add);
}

/// [`matmul`] into rows that are `stride` values apart.
pub(crate) fn matmul_strided(out: &mut [f32], stride: usize, a: View, b: View, alpha: f32, add: bool) {
    let ([m, k], [inner, n]) = (a.dims, b.dims);
    assert!(k == inner && n <= stride, "matmul: [{m}, {k}] times [{inner}, {n}] with stride {stride}");
    if m * n == 0 {
        return;
    }
    assert!(out.len() >= (m - 1) * stride + n, "matmul: [{m}, {n}] by {stride} into {} values", out.len());
    let [[a_row, a_col], [b_row, b_col]] = [a.strides, b.strides].map(|s| s.map(|v| v as isize));
    // SAFETY: the places of a `View` are inside its slice; `out` was measured just above, is borrowed mutably and hence
    // overlaps neither operand.
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
