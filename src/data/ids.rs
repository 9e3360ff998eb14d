//! Maps external ids to dense indices and back.

use std::collections::HashMap;

/// External ids of the users or items of a file, by dense index: a one-to-one mapping.
///
/// If all ids are non-negative integers in plain decimal notation, indices follow numeric order, so a file that numbers
/// its items 0, 1, 2, … keeps its numbers; gaps are closed. Otherwise they follow the order of first appearance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ids {
    names: Vec<String>,
    numbers: Option<Vec<u64>>,
}

impl Ids {
    /// Number of ids.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns the ids as they are written in the file, in dense order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the ids as integers, ascending, if all of them are integers: id `n` owns row `n` of a feature matrix.
    pub fn numbers(&self) -> Option<&[u64]> {
        self.numbers.as_deref()
    }

    /// Returns the ids in dense order without copying. O(1).
    pub fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// Parses `"12"` as 12. Returns `None` for text that [`u64`] would not print in the same way, such as `"007"`.
pub(super) fn plain_number(id: &str) -> Option<u64> {
    let canonical = id == "0" || (!id.starts_with('0') && id.bytes().all(|byte| byte.is_ascii_digit()));
    if canonical { id.parse().ok() } else { None }
}

/// Says that an id, `cell`, would be the same as an earlier spelling of it, `first`, which is in an earlier `place`.
pub(super) fn differs_in_blanks(side: &str, cell: &str, first: &str, place: &str) -> String {
    format!(
        "{side} `{cell}` is `{first}` of an earlier {place} but for blanks around it, and both would be one; write them alike, or \
         give one another id"
    )
}

/// Assigns indices in order of first appearance while a file is read.
#[derive(Default)]
pub(super) struct Intern<'a> {
    index: HashMap<&'a str, u32>,
    names: Vec<&'a str>,
    /// The original cells of ids that are surrounded by blanks.
    cells: HashMap<u32, &'a str>,
}

impl<'a> Intern<'a> {
    /// Returns the index of `id`, adding it if it is new.
    pub(super) fn index(&mut self, id: &'a str) -> u32 {
        *self.index.entry(id).or_insert_with(|| {
            self.names.push(id);
            (self.names.len() - 1) as u32
        })
    }

    /// Returns the index of the id in a cell, with surrounding blanks trimmed. If the same id appeared earlier with
    /// other blanks, returns that earlier spelling as the error.
    pub(super) fn index_of_cell(&mut self, cell: &'a str) -> Result<u32, &'a str> {
        let id = cell.trim();
        let n_known = self.names.len();
        let index = self.index(id);
        if index as usize == n_known && id != cell {
            self.cells.insert(index, cell);
        }
        let first = self.cells.get(&index).copied().unwrap_or(id);
        if first == cell { Ok(index) } else { Err(first) }
    }

    /// Returns the ids in dense order, and the dense index of each index assigned so far. O(n log n).
    pub(super) fn finish(self) -> (Ids, Vec<u32>) {
        let numbers: Option<Vec<u64>> = self.names.iter().map(|id| plain_number(id)).collect();
        let mut order: Vec<u32> = (0..self.names.len() as u32).collect();
        if let Some(numbers) = &numbers {
            order.sort_unstable_by_key(|&index| numbers[index as usize]);
        }
        let mut dense = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| dense[old as usize] = new as u32);
        let names = order.iter().map(|&old| self.names[old as usize].to_owned()).collect();
        let numbers = numbers.map(|numbers| order.iter().map(|&old| numbers[old as usize]).collect());
        (Ids { names, numbers }, dense)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(ids: &[&'static str]) -> (Ids, Vec<u32>) {
        let mut intern = Intern::default();
        let first: Vec<u32> = ids.iter().map(|id| intern.index(id)).collect();
        let (ids, dense) = intern.finish();
        (ids, first.iter().map(|&index| dense[index as usize]).collect())
    }

    #[test]
    fn integers_are_ordered_by_number_and_gaps_close() {
        let (ids, dense) = finish(&["10", "9", "10", "0"]);
        assert_eq!(ids.names(), ["0", "9", "10"]);
        assert_eq!(ids.numbers(), Some(&[0, 9, 10][..]));
        assert_eq!(dense, [2, 1, 2, 0]);
    }

    #[test]
    fn one_name_makes_all_names() {
        let (ids, dense) = finish(&["10", "B002", "9", "10"]);
        assert_eq!(ids.names(), ["10", "B002", "9"]);
        assert_eq!(ids.numbers(), None);
        assert_eq!(dense, [0, 1, 2, 0]);
        // Distinct ids stay distinct: as numbers, these two would be equal.
        assert_eq!(finish(&["7", "007"]).0.len(), 2);
    }

    #[test]
    fn ids_that_differ_in_blanks_alone_are_told() {
        let mut intern = Intern::default();
        for (cell, expected) in
            [("a", Ok(0)), (" b", Ok(1)), ("a", Ok(0)), ("a ", Err("a")), (" b", Ok(1)), ("b", Err(" b"))]
        {
            assert_eq!(intern.index_of_cell(cell), expected, "{cell:?}");
        }
        assert_eq!(intern.finish().0.names(), ["a", "b"]);
    }

    #[test]
    fn only_plain_decimals_are_numbers() {
        assert_eq!(plain_number("0"), Some(0));
        assert_eq!(plain_number("18446744073709551615"), Some(u64::MAX));
        for id in ["", "00", "-1", "+1", "1.0", "18446744073709551616", "٣"] {
            assert_eq!(plain_number(id), None, "{id}");
        }
    }
}
