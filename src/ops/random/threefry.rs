//! Threefry-2x32 with 20 rounds: two random words as a function of a key and a counter.
//!
//! The generator needs 32-bit additions, rotations and exclusive ors only, so that every device computes the same words.

/// The constant that completes the key schedule.
pub(super) const PARITY: u32 = 0x1BD1_1BDA;

/// Rotations of the odd groups of four rounds.
pub(super) const ODD: [u32; 4] = [13, 15, 26, 6];

/// Rotations of the even groups of four rounds.
pub(super) const EVEN: [u32; 4] = [17, 29, 16, 24];

#[inline(always)]
fn four_rounds(mut x: u32, mut y: u32, rotations: [u32; 4]) -> (u32, u32) {
    for by in rotations {
        x = x.wrapping_add(y);
        y = y.rotate_left(by) ^ x;
    }
    (x, y)
}

/// Returns the two words of a counter in the stream of a key; of both, the lower half comes first.
#[inline(always)]
pub(super) fn words(key: u64, counter: u64) -> (u32, u32) {
    let (k, l) = (key as u32, (key >> 32) as u32);
    let m = k ^ l ^ PARITY;
    let (x, y) = (counter as u32, (counter >> 32) as u32);
    let (x, y) = four_rounds(x.wrapping_add(k), y.wrapping_add(l), ODD);
    let (x, y) = four_rounds(x.wrapping_add(l), y.wrapping_add(m).wrapping_add(1), EVEN);
    let (x, y) = four_rounds(x.wrapping_add(m), y.wrapping_add(k).wrapping_add(2), ODD);
    let (x, y) = four_rounds(x.wrapping_add(k), y.wrapping_add(l).wrapping_add(3), EVEN);
    let (x, y) = four_rounds(x.wrapping_add(l), y.wrapping_add(m).wrapping_add(4), ODD);
    (x.wrapping_add(m), y.wrapping_add(k).wrapping_add(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_published_ones() {
        // Known answers for threefry2x32 with 20 rounds in the Random123 library (kat_vectors).
        assert_eq!(words(0, 0), (0x6b20_0159, 0x99ba_4efe));
        assert_eq!(words(u64::MAX, u64::MAX), (0x1cb9_96fc, 0xbb00_2be7));
    }

    #[test]
    fn every_bit_of_key_and_counter_changes_half_of_the_bits() {
        let changed = |(a, b): (u32, u32), (c, d): (u32, u32)| (a ^ c).count_ones() + (b ^ d).count_ones();
        for bit in 0..64 {
            let (mut by_key, mut by_counter) = (0, 0);
            for i in 0..256u64 {
                let (key, counter) = (i.wrapping_mul(0x1234_5678_9ABC_DEF1), i << 40 | i);
                by_key += changed(words(key, counter), words(key ^ 1 << bit, counter));
                by_counter += changed(words(key, counter), words(key, counter ^ 1 << bit));
            }
            // Binomial(256 · 64, ½) has a standard deviation of 64: five of them.
            assert!(by_key.abs_diff(8192) < 320 && by_counter.abs_diff(8192) < 320, "{bit}: {by_key}, {by_counter}");
        }
    }
}
