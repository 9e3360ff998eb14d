//! Dense matrix products with AVX-512, on the calling thread.
//!
//! The right operand is packed into panels of 32 columns, which the L2 cache holds, and the left one into panels of at
//! most 14 rows, which the L1 cache holds. A tile of 14 rows and 32 columns is accumulated in registers. An entry is
//! summed in the order of the inner index, so its bits depend on its own row and column alone.

use super::View;
use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

/// Rows of a tile: with two registers a row, two for the right operand and one for the left, 31 of 32 are in use.
const ROWS: usize = 14;
/// Columns of a tile, two registers.
const COLUMNS: usize = 32;
/// Maximum depth (length of the inner dimension) of a panel.
const DEPTH: usize = 384;
/// Prefetch distance of the right operand, in inner indices.
const AHEAD: usize = 12;

/// Half a panel's columns at one inner index: a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// The packed right operand of products: depth blocks, split into panels of columns, each in order of the inner index.
pub(crate) struct Packed {
    lines: Vec<Line>,
    dims: [usize; 2],
}

/// Splits the inner dimension into depth blocks. Returns one empty block, whose product is zero, if `k` is 0.
fn depths(k: usize) -> impl Iterator<Item = Range<usize>> {
    let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1);
    (0..k.max(1)).step_by(depth).map(move |from| from..k.min(from + depth))
}

/// Splits `m` rows into panels of nearly equal height: tiles of few rows would leave registers idle.
fn panels(m: usize) -> impl Iterator<Item = Range<usize>> {
    let n = m.div_ceil(ROWS);
    (0..n).map(move |panel| panel * m / n..(panel + 1) * m / n)
}

/// The packed left operand of products: depth blocks, split into panels of rows, each in order of the inner index.
pub(crate) struct PackedRows {
    values: Vec<f32>,
    dims: [usize; 2],
}

impl PackedRows {
    /// Packs the operand `a`.
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(a: View) -> Self {
        let [m, k] = a.dims;
        let mut packed = Self { values: Vec::with_capacity(m * k), dims: a.dims };
        for deep in depths(k) {
            for rows in panels(m) {
                let places = packed.places(&rows, &deep);
                let part = a.part([rows.start, deep.start], [rows.len(), deep.len()]);
                // SAFETY: the panel has room for every value of `part`, within the capacity.
                unsafe { pack(part, rows.len(), packed.values.as_mut_ptr().add(places.start)) };
            }
        }
        // SAFETY: the panels of all blocks cover every place, and `pack` wrote them.
        unsafe { packed.values.set_len(m * k) };
        packed
    }

    /// Returns the number of rows and the length of the inner dimension.
    pub(super) fn dims(&self) -> [usize; 2] {
        self.dims
    }

    fn panel(&self, rows: &Range<usize>, deep: Range<usize>) -> Panel<'_> {
        Panel { values: &self.values[self.places(rows, &deep)], n_rows: rows.len(), deep }
    }

    fn places(&self, rows: &Range<usize>, deep: &Range<usize>) -> Range<usize> {
        let first = deep.start * self.dims[0] + rows.start * deep.len();
        first..first + rows.len() * deep.len()
    }
}

/// A panel of at most 14 rows of one depth block.
struct Panel<'a> {
    values: &'a [f32],
    n_rows: usize,
    deep: Range<usize>,
}

/// Returns the mask of the first `n` of sixteen lanes.
fn first(n: usize) -> __mmask16 {
    if n < 16 { (1 << n) - 1 } else { !0 }
}

/// Returns whether the processor supports AVX-512.
pub(super) fn is_available() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
}

impl Packed {
    /// Creates an empty buffer.
    pub(super) const fn empty() -> Self {
        Self { lines: Vec::new(), dims: [0; 2] }
    }

    /// Returns the length of the inner dimension and the number of columns.
    pub(super) fn dims(&self) -> [usize; 2] {
        self.dims
    }

    /// Packs `b` in place of what was packed before.
    #[target_feature(enable = "avx512f")]
    pub(super) fn pack(&mut self, b: View) {
        let ([k, n], width) = (b.dims, 2 * b.dims[1].div_ceil(COLUMNS));
        self.dims = b.dims;
        self.lines.clear();
        self.lines.reserve(k * width);
        let columns = b.t();
        for deep in depths(k) {
            for panel in 0..n.div_ceil(COLUMNS) {
                let first = deep.start * width + panel * 2 * deep.len();
                let some = columns.part([panel * COLUMNS, deep.start], [COLUMNS.min(n - panel * COLUMNS), deep.len()]);
                // SAFETY: a line is sixteen values, and the panel's lines are within the capacity.
                unsafe { pack(some, COLUMNS, self.lines.as_mut_ptr().add(first).cast()) };
            }
        }
        // SAFETY: the panels of all blocks cover every line, and `pack` wrote them, zeros beyond the last column.
        unsafe { self.lines.set_len(k * width) };
    }

    /// Computes `out = α a b`, or `out += α a b` if `add`; the rows of `out` are `stride` values apart.
    #[target_feature(enable = "avx512f")]
    pub(super) fn multiply(&self, out: &mut [f32], stride: usize, a: View, alpha: f32, add: bool) {
        thread_local!(static LEFT: RefCell<[f32; ROWS * DEPTH]> = const { RefCell::new([0.0; ROWS * DEPTH]) });
        LEFT.with_borrow_mut(|left| {
            for deep in depths(self.dims[0]) {
                for rows in panels(a.dims[0]) {
                    let part = a.part([rows.start, deep.start], [rows.len(), deep.len()]);
                    // SAFETY: `left` has room for 14 rows of the deepest block.
                    unsafe { pack(part, rows.len(), left.as_mut_ptr()) };
                    let values = &left[..rows.len() * deep.len()];
                    let panel = Panel { values, n_rows: rows.len(), deep: deep.clone() };
                    self.multiply_panel(&mut out[rows.start * stride..], stride, panel, alpha, add);
                }
            }
        });
    }

    /// Like [`multiply`](Self::multiply), with a packed left operand.
    #[target_feature(enable = "avx512f")]
    pub(super) fn multiply_rows(&self, out: &mut [f32], stride: usize, a: &PackedRows, alpha: f32, add: bool) {
        for deep in depths(self.dims[0]) {
            for rows in panels(a.dims[0]) {
                let panel = a.panel(&rows, deep.clone());
                self.multiply_panel(&mut out[rows.start * stride..], stride, panel, alpha, add);
            }
        }
    }

    /// Computes the part of a product that comes from one left panel. Depth blocks after the first are added to `out`.
    #[target_feature(enable = "avx512f")]
    fn multiply_panel(&self, out: &mut [f32], stride: usize, panel: Panel, alpha: f32, add: bool) {
        let Panel { values, n_rows, deep } = panel;
        let (n, width) = (self.dims[1], 2 * self.dims[1].div_ceil(COLUMNS));
        let right = &self.lines[deep.start * width..][..deep.len() * width];
        for column in (0..n).step_by(COLUMNS) {
            let columns = COLUMNS.min(n - column);
            let out = &mut out[column..][..(n_rows - 1) * stride + columns];
            let tile = Tile {
                deep: deep.len(),
                left: values.as_ptr(),
                right: right[column / COLUMNS * 2 * deep.len()..].as_ptr().cast(),
                out: out.as_mut_ptr(),
                stride,
                masks: [first(columns), first(columns.saturating_sub(16))],
                alpha,
                add: add || deep.start > 0,
            };
            // SAFETY: both panels have `deep` inner indices, and `out` contains the tile's last entry.
            unsafe { tile.multiply(n_rows) };
        }
    }
}

thread_local!(static RIGHT: RefCell<Packed> = const { RefCell::new(Packed::empty()) });

/// Computes `out = α a b`, or `out += α a b` if `add`; the rows of `out` are `stride` values apart.
#[target_feature(enable = "avx512f")]
pub(super) fn matmul(out: &mut [f32], stride: usize, a: View, b: View, alpha: f32, add: bool) {
    RIGHT.with_borrow_mut(|right| {
        right.pack(b);
        right.multiply(out, stride, a, alpha, add);
    });
}

/// Computes `a b` a few rows at a time and passes each row with its index to `each`; `group` is scratch.
#[target_feature(enable = "avx512f")]
pub(super) fn matmul_by_rows(group: &mut Vec<f32>, a: &PackedRows, b: View, mut each: impl FnMut(usize, &mut [f32])) {
    let ([m, k], n) = (a.dims, b.dims[1]);
    let stride = n.next_multiple_of(16);
    group.resize(ROWS * stride, 0.0);
    RIGHT.with_borrow_mut(|right| {
        right.pack(b);
        for rows in panels(m) {
            for deep in depths(k) {
                right.multiply_panel(group, stride, a.panel(&rows, deep), 1.0, false);
            }
            for (row, products) in rows.zip(group.chunks_mut(stride)) {
                each(row, &mut products[..n]);
            }
        }
    });
}

/// Interleaves lines: element `p` of line `i` goes to `out[p * width + i]`; lines missing up to `width` are 0.
///
/// # Safety
///
/// `out` must have room for `width` times the length of a line.
#[target_feature(enable = "avx512f")]
unsafe fn pack(view: View, width: usize, out: *mut f32) {
    let ([n, k], [line, step]) = (view.dims, view.strides);
    assert!(n <= width && (line == 1 || step == 1), "pack: {n} lines in {width}, strides {line} and {step}");
    for from in (0..width).step_by(16) {
        let (some, room) = (n.saturating_sub(from).min(16), first(width - from));
        // May point beyond the last line: nothing is read there.
        let start = view.data.as_ptr().wrapping_add(from * line);
        // SAFETY: the masks admit only what is inside the view, hence inside its slice, and what `out` has room for.
        unsafe {
            if line == 1 {
                for p in 0..k {
                    let values = _mm512_maskz_loadu_ps(first(some), start.wrapping_add(p * step));
                    _mm512_mask_storeu_ps(out.add(p * width + from), room, values);
                }
                continue;
            }
            for p in (0..k).step_by(16) {
                let mut rows = [_mm512_setzero_ps(); 16];
                for (i, row) in rows[..some].iter_mut().enumerate() {
                    *row = _mm512_maskz_loadu_ps(first(k - p), start.wrapping_add(i * line + p));
                }
                for (p, values) in (p..k).zip(transposed(rows)) {
                    _mm512_mask_storeu_ps(out.add(p * width + from), room, values);
                }
            }
        }
    }
}

/// Transposes a 16 × 16 block: column `c` of `rows` is row `c` of the result.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(rows: [__m512; 16]) -> [__m512; 16] {
    let zeros = [_mm512_setzero_ps(); 16];
    // Each 128-bit lane has its columns 0 and 1, or 2 and 3, of two rows.
    let mut pairs = zeros;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
    }
    // Each 128-bit lane has one column of four rows. Entry 4 i + c has column c of each lane, of rows 4 i to 4 i + 3.
    let mut fours = zeros;
    for i in 0..4 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|j| _mm512_castps_pd(pairs[4 * i + j]));
        fours[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
        fours[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
        fours[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
        fours[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
    }
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let mut columns = zeros;
    for c in 0..4 {
        let (upper, lower) = ([fours[c], fours[4 + c]], [fours[8 + c], fours[12 + c]]);
        let even = [upper, lower].map(|[a, b]| _mm512_shuffle_f32x4::<EVEN>(a, b));
        let odd = [upper, lower].map(|[a, b]| _mm512_shuffle_f32x4::<ODD>(a, b));
        columns[c] = _mm512_shuffle_f32x4::<EVEN>(even[0], even[1]);
        columns[4 + c] = _mm512_shuffle_f32x4::<EVEN>(odd[0], odd[1]);
        columns[8 + c] = _mm512_shuffle_f32x4::<ODD>(even[0], even[1]);
        columns[12 + c] = _mm512_shuffle_f32x4::<ODD>(odd[0], odd[1]);
    }
    columns
}

/// A tile of a product: `rows` values of the left panel and 32 of the right one at each inner index.
struct Tile {
    deep: usize,
    left: *const f32,
    right: *const f32,
    out: *mut f32,
    stride: usize,
    masks: [__mmask16; 2],
    alpha: f32,
    add: bool,
}

impl Tile {
    /// # Safety
    ///
    /// The panels must have `deep` inner indices, and `out` room for the columns of the masks in `rows` rows.
    #[target_feature(enable = "avx512f")]
    unsafe fn multiply(self, rows: usize) {
        // SAFETY: the caller guarantees it.
        unsafe {
            match rows {
                1 => self.sum::<1>(),
                2 => self.sum::<2>(),
                3 => self.sum::<3>(),
                4 => self.sum::<4>(),
                5 => self.sum::<5>(),
                6 => self.sum::<6>(),
                7 => self.sum::<7>(),
                8 => self.sum::<8>(),
                9 => self.sum::<9>(),
                10 => self.sum::<10>(),
                11 => self.sum::<11>(),
                12 => self.sum::<12>(),
                13 => self.sum::<13>(),
                _ => self.sum::<ROWS>(),
            }
        }
    }

    /// # Safety
    ///
    /// As for [`multiply`](Self::multiply), with `R` rows.
    #[target_feature(enable = "avx512f")]
    unsafe fn sum<const R: usize>(self) {
        let mut sums = [[_mm512_setzero_ps(); 2]; R];
        // SAFETY: the panels have `deep` inner indices of `R` and of 32 values; the masks admit only the tile's
        // entries; a prefetch cannot fault, wherever it points.
        unsafe {
            for i in 0..R {
                _mm_prefetch::<_MM_HINT_T0>(self.out.wrapping_add(i * self.stride).cast());
                _mm_prefetch::<_MM_HINT_T0>(self.out.wrapping_add(i * self.stride + 16).cast());
            }
            let (mut left, mut right) = (self.left, self.right);
            for _ in 0..self.deep {
                let columns = [_mm512_loadu_ps(right), _mm512_loadu_ps(right.add(16))];
                _mm_prefetch::<_MM_HINT_T0>(right.wrapping_add(COLUMNS * AHEAD).cast());
                _mm_prefetch::<_MM_HINT_T0>(right.wrapping_add(COLUMNS * AHEAD + 16).cast());
                for (i, sums) in sums.iter_mut().enumerate() {
                    let value = _mm512_set1_ps(*left.add(i));
                    sums[0] = _mm512_fmadd_ps(value, columns[0], sums[0]);
                    sums[1] = _mm512_fmadd_ps(value, columns[1], sums[1]);
                }
                left = left.add(R);
                right = right.add(COLUMNS);
            }
            let alpha = _mm512_set1_ps(self.alpha);
            for (i, sums) in sums.into_iter().enumerate() {
                for (half, sum) in sums.into_iter().enumerate() {
                    let (place, mask) = (self.out.wrapping_add(i * self.stride + 16 * half), self.masks[half]);
                    let result = match self.add {
                        true => _mm512_fmadd_ps(alpha, sum, _mm512_maskz_loadu_ps(mask, place)),
                        false => _mm512_mul_ps(alpha, sum),
                    };
                    _mm512_mask_storeu_ps(place, mask, result);
                }
            }
        }
    }
}
