//! Top-k selection from a stream of scores.

use super::vectorised;

/// Scores compared before the buffer is checked: few, because the threshold does not rise in between.
const STRETCH: usize = 64;

/// Selects the `k` largest of a stream of scores, exactly; ties go to the lower id.
///
/// Scores at or below a threshold are discarded, all others are appended to a buffer. When the buffer holds `2 k`
/// scores (at least `k + 64`), the threshold rises until only a few more than `k` are above it.
pub(super) struct Largest {
    k: usize,
    threshold: f32,
    /// Length of the used part of `scores` and `ids`, which is in ascending order of ids.
    n: usize,
    scores: Vec<f32>,
    ids: Vec<u32>,
}

impl Largest {
    pub(super) fn new(k: usize) -> Self {
        let places = (Self::full(k) + STRETCH + 16).next_multiple_of(64);
        Self { k, threshold: f32::NEG_INFINITY, n: 0, scores: vec![0.0; places], ids: vec![0; places] }
    }

    /// Buffer length at which the threshold is raised.
    fn full(k: usize) -> usize {
        k + k.max(64)
    }

    pub(super) fn clear(&mut self) {
        (self.threshold, self.n) = (f32::NEG_INFINITY, 0);
    }

    /// Takes the scores of ids `first`, `first + 1`, …; ids must come in ascending order. Minus infinity never enters.
    pub(super) fn scan(&mut self, first: usize, scores: &[f32]) {
        for (first, scores) in (first as u32..).step_by(STRETCH).zip(scores.chunks(STRETCH)) {
            self.append(first, scores);
            if self.n >= Self::full(self.k) {
                self.cut();
            }
        }
    }

    /// Appends the scores above the threshold.
    fn append(&mut self, first: u32, scores: &[f32]) {
        #[cfg(target_arch = "x86_64")]
        if v4::is_available() {
            // SAFETY: the processor has the features that the function enables.
            return unsafe { v4::append(self, first, scores) };
        }
        self.append_plain(first, scores);
    }

    /// Appends without a branch a score, which would be mispredicted: a score that does not pass is overwritten.
    fn append_plain(&mut self, first: u32, scores: &[f32]) {
        for (first, scores) in (first..).step_by(16).zip(scores.chunks(16)) {
            if !scores.iter().fold(false, |any, &score| any | (score > self.threshold)) {
                continue;
            }
            for (id, &score) in (first..).zip(scores) {
                (self.scores[self.n], self.ids[self.n]) = (score, id);
                self.n += usize::from(score > self.threshold);
            }
        }
    }

    /// Raises the threshold and drops the scores that are no longer above it.
    fn cut(&mut self) {
        let mut n_equal = 0;
        let places = self.n.next_multiple_of(64);
        self.scores[self.n..places].fill(f32::NEG_INFINITY);
        raise(&self.scores[..places], self.k, &mut self.threshold, &mut n_equal);
        #[cfg(target_arch = "x86_64")]
        if n_equal == 0 && v4::is_available() {
            // SAFETY: the processor has the features that the function enables.
            return unsafe { v4::leave_out(self) };
        }
        let n = std::mem::take(&mut self.n);
        for i in 0..n {
            let (score, id) = (self.scores[i], self.ids[i]);
            (self.scores[self.n], self.ids[self.n]) = (score, id);
            let equal = n_equal > 0 && score == self.threshold;
            n_equal -= usize::from(equal);
            self.n += usize::from(equal | (score > self.threshold));
        }
    }

    /// Passes at most `k` scores with their ids to `each`, best first; `order` is scratch.
    pub(super) fn drain(&mut self, order: &mut Vec<u64>, mut each: impl FnMut(u32, f32)) {
        if self.n > self.k {
            self.cut();
        }
        order.clear();
        order.extend(self.scores.iter().zip(&self.ids).take(self.n).map(|(&score, &id)| pack(score, id)));
        order.sort_unstable_by(|a, b| b.cmp(a));
        for &packed in order.iter().take(self.k) {
            let (id, score) = unpack(packed);
            each(id, score);
        }
    }
}

/// AVX-512 versions, sixteen scores at a time.
#[cfg(target_arch = "x86_64")]
mod v4 {
    use super::{Largest, STRETCH};
    use std::arch::is_x86_feature_detected as has;
    use std::arch::x86_64::*;

    pub(super) fn is_available() -> bool {
        has!("avx512f") && has!("popcnt")
    }

    /// Like [`Largest::append_plain`].
    #[target_feature(enable = "avx512f,popcnt")]
    pub(super) fn append(best: &mut Largest, first: u32, scores: &[f32]) {
        assert!(scores.len() <= STRETCH && best.n + STRETCH + 16 <= best.scores.len().min(best.ids.len()));
        let mut kept = Kept::behind(best, best.n);
        let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let mut ids = _mm512_add_epi32(lanes, _mm512_set1_epi32(first as i32));
        let (blocks, rest) = scores.as_chunks::<16>();
        // SAFETY: the mask admits only existing scores; the assertion above checked that there is room for them.
        unsafe {
            for block in blocks {
                kept.add(!0, _mm512_loadu_ps(block.as_ptr()), ids);
                ids = _mm512_add_epi32(ids, _mm512_set1_epi32(16));
            }
            let inside = (1 << rest.len()) - 1;
            kept.add(inside, _mm512_maskz_loadu_ps(inside, rest.as_ptr()), ids);
        }
        best.n = kept.n;
    }

    /// Drops the scores that are not above the threshold.
    #[target_feature(enable = "avx512f,popcnt")]
    pub(super) fn leave_out(best: &mut Largest) {
        assert!(best.n + 16 <= best.scores.len().min(best.ids.len()));
        let mut kept = Kept::behind(best, 0);
        for from in (0..best.n).step_by(16) {
            let inside = !0 >> (from + 16).saturating_sub(best.n);
            // SAFETY: by the assertion above sixteen entries can be read, and writes never overtake reads.
            unsafe {
                let scores = _mm512_loadu_ps(best.scores.as_ptr().add(from));
                let ids = _mm512_loadu_epi32(best.ids.as_ptr().add(from).cast());
                kept.add(inside, scores, ids);
            }
        }
        best.n = kept.n;
    }

    /// The first `n` scores and ids of a buffer, with room behind them.
    struct Kept {
        n: usize,
        scores: *mut f32,
        ids: *mut i32,
        threshold: __m512,
    }

    impl Kept {
        #[target_feature(enable = "avx512f")]
        fn behind(best: &mut Largest, n: usize) -> Self {
            let threshold = _mm512_set1_ps(best.threshold);
            Self { n, scores: best.scores.as_mut_ptr(), ids: best.ids.as_mut_ptr().cast(), threshold }
        }

        /// Appends those of sixteen scores that are in the mask `inside` and above the threshold.
        ///
        /// # Safety
        ///
        /// There must be room for sixteen more entries.
        #[inline]
        #[target_feature(enable = "avx512f,popcnt")]
        unsafe fn add(&mut self, inside: __mmask16, scores: __m512, ids: __m512i) {
            let passed = _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(inside, scores, self.threshold);
            // SAFETY: the caller guarantees it.
            unsafe {
                _mm512_storeu_ps(self.scores.add(self.n), _mm512_maskz_compress_ps(passed, scores));
                _mm512_storeu_epi32(self.ids.add(self.n), _mm512_maskz_compress_epi32(passed, ids));
            }
            self.n += passed.count_ones() as usize;
        }
    }
}

vectorised! {
/// Raises the threshold, by bisection, until `k` to `9 / 8 k` scores are above it. If ties make that impossible, fewer
/// than `k` are above it, and `n_equal` of those equal to it complete the `k`.
///
/// No score but minus infinity may be below the previous threshold.
/// No score but minus infinity may be below the threshold that was.
fn raise(scores: &[f32], k: usize, threshold: &mut f32, n_equal: &mut usize) {
    let largest = scores.iter().fold(0, |largest, &score| ordered(score).max(largest));
    // Too many are above `low`, fewer than `k` above `high`.
    let (mut low, mut high, mut n_above_high) = (ordered(*threshold) - 1, largest, 0);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let value = unordered(middle);
        let n = scores.iter().map(|&score| u32::from(score > value)).sum::<u32>() as usize;
        if n < k {
            (high, n_above_high) = (middle, n);
        } else if n > k + k / 8 {
            low = middle;
        } else {
            *threshold = value;
            return;
        }
    }
    (*threshold, *n_equal) = (unordered(high), k - n_above_high);
}
}

/// Maps a float to an integer of the same order; both zeros are equal.
fn ordered(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn unordered(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

/// Packs score and id into one integer; larger is better.
fn pack(score: f32, id: u32) -> u64 {
    u64::from(ordered(score)) << 32 | u64::from(!id)
}

fn unpack(packed: u64) -> (u32, f32) {
    (!(packed as u32), unordered((packed >> 32) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_scores_keep_their_order() {
        let scores = [f32::MIN, -1.5, -1e-40, 0.0, 1e-40, 2.0, f32::MAX];
        for pair in scores.windows(2) {
            assert!(pack(pair[0], 0) < pack(pair[1], 9), "{} {}", pair[0], pair[1]);
        }
        assert!(pack(1.0, 3) > pack(1.0, 4));
        assert_eq!(pack(-0.0, 3), pack(0.0, 3));
        assert_eq!(unpack(pack(-1.5, 7)), (7, -1.5));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn sixteen_at_a_time_keep_what_one_at_a_time_keeps() {
        if !v4::is_available() {
            return;
        }
        for n in [1, 15, 16, 17, 50, 64] {
            let scores: Vec<f32> = (0..n).map(|i| (i * 7 % 11) as f32 - 5.0).collect();
            let [mut plain, mut fast] = [Largest::new(9), Largest::new(9)];
            for threshold in [f32::NEG_INFINITY, -2.0, 0.5, 9.0] {
                (plain.threshold, fast.threshold) = (threshold, threshold);
                plain.append_plain(3, &scores);
                // SAFETY: the processor has the features that the function enables.
                unsafe { v4::append(&mut fast, 3, &scores) };
                let kept = |best: &Largest| (best.scores[..best.n].to_vec(), best.ids[..best.n].to_vec());
                assert_eq!(kept(&plain), kept(&fast), "{n} above {threshold}");
                plain.clear();
                fast.clear();
            }
        }
    }
}
