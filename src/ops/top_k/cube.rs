//! The GPU path: two CubeCL kernels for every runtime, with one cube per row.
//!
//! The first overwrites masked entries with a marker. In the second, unit `u` owns every [`UNITS`]-th entry from `u` on
//! and keeps the best of them. Then, `k` times, the cube takes the best of these bests, and all units together find the
//! next one among the entries of its owner. A round reads that share alone, and the whole row is read once.
//!
//! Scores are read as bits and compared as integers of the same order, so that no driver's fast math affects infinities
//! and NaN, and the two zeros are equal. Nothing is atomic: a ranking has the same bits in every run.

use super::TopKBackend;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;

/// Units of a cube: every adapter supports this many.
const UNITS: usize = 256;
/// Pairs that one unit compares in a step of the reduction; `UNITS` is a power of it.
const FAN: usize = 4;
/// The bits of a masked entry: a NaN that no arithmetic produces.
const MASKED: u32 = 0xFFFF_FFFF;
/// The bits of minus infinity.
const NOTHING: u32 = 0xFF80_0000;

/// Maps a score's bits to an integer, larger for what ranks earlier: 0 if masked, the largest for NaN and infinities.
#[cube]
fn order(bits: u32) -> u32 {
    let magnitude = bits & 0x7FFF_FFFFu32;
    let mut order = bits | 0x8000_0000u32;
    if magnitude != bits && magnitude != 0u32 {
        order = bits ^ 0xFFFF_FFFFu32;
    }
    if magnitude >= 0x7F80_0000u32 && bits != MASKED {
        order = 0xFFFF_FFFFu32.runtime();
    }
    order
}

/// Returns whether `(order, id)` ranks before another such pair.
#[cube]
fn is_before(order: u32, id: u32, other: u32, other_id: u32) -> bool {
    order > other || (order == other && id < other_id)
}

/// Moves the pair that ranks before all others of the cube to the first place.
#[cube]
fn reduce(orders: &mut Shared<[u32]>, ids: &mut Shared<[u32]>, unit: usize) {
    sync_cube();
    let mut n = (UNITS / FAN).runtime();
    while n > 0 {
        if unit < n {
            let mut best = orders[unit];
            let mut id = ids[unit];
            for i in 1..FAN {
                let place = unit + i * n;
                if is_before(orders[place], ids[place], best, id) {
                    best = orders[place];
                    id = ids[place];
                }
            }
            orders[unit] = best;
            ids[unit] = id;
        }
        sync_cube();
        n /= FAN;
    }
}

/// Writes [`MASKED`] over the masked items of each row.
#[cube(launch)]
fn mask(scores: &mut [u32], row_ptr: &[u32], items: &[u32], n_rows: usize, n_items: usize) {
    let row = CUBE_POS;
    if row < n_rows {
        let end = row_ptr[row + 1] as usize;
        let mut e = row_ptr[row] as usize + UNIT_POS as usize;
        while e < end {
            scores[row * n_items + items[e] as usize] = MASKED;
            e += UNITS;
        }
    }
}

/// Writes the best `k` of each row, best first.
#[cube(launch)]
fn take_best(scores: &[u32], ids: &mut [u32], best: &mut [u32], n_rows: usize, n_items: usize, k: usize) {
    let (row, unit) = (CUBE_POS, UNIT_POS as usize);
    let mut orders = Shared::<[u32]>::new_slice(UNITS);
    let mut places = Shared::<[u32]>::new_slice(UNITS);
    if row >= n_rows {
        terminate!();
    }
    let first = row * n_items;

    // The best of this unit's share.
    let mut own = 0u32;
    let mut own_id = 0xFFFF_FFFFu32;
    let mut item = unit;
    while item < n_items {
        let here = order(scores[first + item]);
        if here > own {
            own = here;
            own_id = item as u32;
        }
        item += UNITS;
    }

    for rank in 0..k {
        orders[unit] = own;
        places[unit] = own_id;
        reduce(&mut orders, &mut places, unit);
        let (taken, id) = (orders[0], places[0]);
        let share = id as usize % UNITS;
        if unit == 0 {
            let mut bits = NOTHING.runtime();
            if taken > 0u32 {
                bits = scores[first + id as usize];
            }
            ids[row * k + rank] = id;
            best[row * k + rank] = bits;
        }
        sync_cube();

        // The next best of the owner's share: each unit looks at every `UNITS`-th entry of it.
        let mut next = 0u32;
        let mut next_id = 0xFFFF_FFFFu32;
        let mut item = share + unit * UNITS;
        while item < n_items {
            let here = order(scores[first + item]);
            if is_before(taken, id, here, item as u32) && here > next {
                next = here;
                next_id = item as u32;
            }
            item += UNITS * UNITS;
        }
        orders[unit] = next;
        places[unit] = next_id;
        reduce(&mut orders, &mut places, unit);
        if unit == share {
            own = orders[0];
            own_id = places[0];
        }
        sync_cube();
    }
}

impl TopKBackend for CubeBackend {
    fn csr_masked_top_k(
        scores: FloatTensor<Self>,
        row_ptr: IntTensor<Self>,
        items: IntTensor<Self>,
        k: usize,
    ) -> (IntTensor<Self>, FloatTensor<Self>) {
        let (scores, row_ptr, items) = (into_contiguous(scores), into_contiguous(row_ptr), into_contiguous(items));
        // Others may still use the scores: only a buffer that no one else holds is overwritten.
        let scores = if scores.can_mut() { scores } else { scores.copy() };
        let (rows, n_items) = (scores.meta.shape()[0], scores.meta.shape()[1]);
        let (client, device) = (scores.client.clone(), scores.device.clone());
        let empty = |dtype| empty_device_contiguous_dtype(client.clone(), device.clone(), [rows, k].into(), dtype);
        let (ids, best) = (empty(row_ptr.dtype), empty(scores.dtype));
        if rows * k == 0 {
            return (ids, best);
        }
        let cube_dim = CubeDim::new_1d(UNITS as u32);
        let count = calculate_cube_count_elemwise(&client, rows * UNITS, cube_dim);
        if items.meta.shape()[0] > 0 {
            mask::launch(
                &client,
                count.clone(),
                cube_dim,
                scores.clone().into_buffer_arg(),
                row_ptr.into_buffer_arg(),
                items.into_buffer_arg(),
                rows,
                n_items,
            );
        }
        take_best::launch(
            &client,
            count,
            cube_dim,
            scores.into_buffer_arg(),
            ids.clone().into_buffer_arg(),
            best.clone().into_buffer_arg(),
            rows,
            n_items,
            k,
        );
        (ids, best)
    }
}
