//! External ids in one string, with an index sorted by id.

use std::cmp::Ordering;

/// Maps numbers to names and names to numbers: 8 bytes per name besides its text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Names {
    text: String,
    /// End of each name in `text`.
    ends: Vec<u32>,
    /// Numbers sorted by name.
    by_name: Vec<u32>,
}

impl Names {
    /// Returns an error if a name is a duplicate, which it names, or if all names together have 4 GiB or more.
    pub(super) fn new<S: AsRef<str>>(names: &[S]) -> Result<Self, String> {
        let mut all = Self::listed(names)?;
        let mut by_name: Vec<u32> = (0..names.len() as u32).collect();
        by_name.sort_unstable_by(|&a, &b| all.get(a as usize).cmp(all.get(b as usize)));
        if let Some(pair) = by_name.windows(2).find(|pair| all.get(pair[0] as usize) == all.get(pair[1] as usize)) {
            return Err(format!("the id '{}' comes twice", all.get(pair[0] as usize)));
        }
        all.by_name = by_name;
        Ok(all)
    }

    /// Stores names that may repeat, such as titles: they cannot be looked up.
    pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> Result<Self, String> {
        let total: usize = names.iter().map(|name| name.as_ref().len()).sum();
        if u32::try_from(total.max(names.len())).is_err() {
            return Err("ids or titles of 4 GiB or more".into());
        }
        let (mut text, mut ends) = (String::with_capacity(total), Vec::with_capacity(names.len()));
        for name in names {
            text.push_str(name.as_ref());
            ends.push(text.len() as u32);
        }
        Ok(Self { text, ends, by_name: Vec::new() })
    }

    /// Appends a name; fails if it is a duplicate or the names would have 4 GiB or more.
    pub(super) fn push(&mut self, name: &str) -> Result<(), String> {
        match self.by_name.binary_search_by(|&number| self.get(number as usize).cmp(name)) {
            Ok(_) => return Err(format!("the id '{name}' comes twice")),
            Err(at) => {
                let number = self.push_listed(name)?;
                self.by_name.insert(at, number);
            }
        }
        Ok(())
    }

    /// [`push`](Self::push) for names that may repeat.
    pub(super) fn push_listed(&mut self, name: &str) -> Result<u32, String> {
        let end =
            u32::try_from(self.text.len() + name.len()).map_err(|_| "ids or titles of 4 GiB or more".to_string())?;
        self.text.push_str(name);
        self.ends.push(end);
        Ok(self.ends.len() as u32 - 1)
    }

    /// Replaces a name in a list without an index.
    pub(super) fn set_listed(&mut self, number: usize, name: &str) -> Result<(), String> {
        let old = self.get(number).len();
        u32::try_from(self.text.len() - old + name.len()).map_err(|_| "ids or titles of 4 GiB or more".to_string())?;
        let start = self.ends[number] as usize - old;
        self.text.replace_range(start..start + old, name);
        self.ends[number..].iter_mut().for_each(|end| *end = (*end as usize - old + name.len()) as u32);
        Ok(())
    }

    /// Removes a name; the numbers of later names decrease by one.
    pub(super) fn remove(&mut self, number: usize) {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        let end = self.ends.remove(number);
        self.text.drain(start as usize..end as usize);
        self.ends[number..].iter_mut().for_each(|later| *later -= end - start);
        self.by_name.retain(|&known| known as usize != number);
        self.by_name.iter_mut().filter(|known| **known as usize > number).for_each(|known| *known -= 1);
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, number: usize) -> &str {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.text[start..self.ends[number] as usize]
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        (0..self.len()).map(|number| self.get(number))
    }

    /// Looks a name up in O(log names).
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        let at = self.by_name.binary_search_by(|&number| match self.get(number as usize) {
            known if known == name => Ordering::Equal,
            known => known.cmp(name),
        });
        at.ok().map(|at| self.by_name[at])
    }

    /// Bytes in memory.
    pub(super) fn size(&self) -> usize {
        self.text.len() + 4 * (self.ends.len() + self.by_name.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number_and_by_name() {
        let names = Names::new(&["b", "", "a", "ä", "ab"]).unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["b", "", "a", "ä", "ab"]);
        for (number, name) in ["b", "", "a", "ä", "ab"].into_iter().enumerate() {
            assert_eq!(names.find(name), Some(number as u32));
        }
        assert_eq!((names.find("c"), names.len()), (None, 5));
        assert!(Names::new(&["x", "y", "x"]).unwrap_err().contains("'x'"));
        assert_eq!(Names::new::<&str>(&[]).unwrap().find(""), None);
    }
}
