//! The feature vectors of all items in one modality.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::{hex, npy, safetensors, write_whole};
use crate::{Error, Result};

/// Feature vectors of all items in one modality: row-major `[n_items, width]`, finite, with a mask of missing rows.
///
/// An item whose row is all zeros has no content in this modality: models do not treat the row as a vector, and
/// [`Imputation`](crate::graph::Imputation) may fill it.
///
/// ```
/// use viral::data::ItemFeatures;
///
/// let features = ItemFeatures::new(3, 2, vec![1.0, 2.0, 0.0, 0.0, 3.0, 4.0])?;
/// assert_eq!((features.has(0), features.has(1), features.n_missing()), (true, false, 1));
/// // Removed features become rows of zeros.
/// let fewer = features.without(&[true, false, false]);
/// assert_eq!((fewer.row(0), fewer.there()), (&[0.0, 0.0][..], Some(&[false, false, true][..])));
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ItemFeatures {
    n_items: usize,
    width: usize,
    values: Vec<f32>,
    /// Which items have features; the rows of the others are zeros. `None` if all have.
    there: Option<Vec<bool>>,
}

impl ItemFeatures {
    /// Builds features of shape `[n_items, width]` from row-major `values`. Rows of zeros are missing: items without
    /// content.
    ///
    /// # Errors
    /// When a value is NaN or infinite (names the rows), or when there are no columns.
    ///
    /// # Panics
    /// When `values` is not `n_items * width` long.
    pub fn new(n_items: usize, width: usize, values: Vec<f32>) -> Result<Self> {
        let found = values.len();
        assert_eq!(Some(found), n_items.checked_mul(width), "features: {found} values for [{n_items}, {width}]");
        Self::checked([n_items, width], values).map_err(|message| Error::Data(format!("features: {message}")))
    }

    /// Reads a matrix with one row per item, by extension: `x.npy` (f2, f4, f8), or `x.safetensors` (F16, BF16, F32,
    /// F64; its only matrix, or the one named as in `x.safetensors#name`). Numbers are converted to `f32`.
    ///
    /// # Errors
    /// Names the file: missing, of another type, truncated, not a matrix of floats, NaN or infinite values (with rows).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let (path, name) = split_name(path.as_ref());
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let (shape, values) = match extension.as_str() {
            "npy" => npy::read(path)?,
            "safetensors" => safetensors::read(path, name)?,
            _ => return Err(Error::file(path, "neither .npy nor .safetensors; write the features as one of these")),
        };
        Self::checked(shape, values).map_err(|message| Error::file(path, message))
    }

    /// Writes a `.npy` file of 32-bit floats, atomically.
    ///
    /// # Errors
    /// A file that cannot be written, or a name that does not end in `.npy`.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        Self::check_name(path)?;
        write_whole(path, &npy::bytes([self.n_items, self.width], &self.values))
    }

    /// Computes the SHA-256 of the values as little-endian `f32`, row by row, in hexadecimal. It is the same for all
    /// files that hold these values.
    pub fn sha256(&self) -> String {
        let mut sum = Sha256::new();
        let mut bytes = Vec::new();
        for row in self.values.chunks_exact(self.width) {
            bytes.clear();
            // Both zeros are one number.
            bytes.extend(row.iter().flat_map(|value| (value + 0.0).to_le_bytes()));
            sum.update(&bytes);
        }
        hex(sum.finalize())
    }

    /// Checks, before anything is computed, that features can be written under a file name.
    ///
    /// # Errors
    /// A name that does not end in `.npy`.
    pub fn check_name(path: impl AsRef<Path>) -> Result<()> {
        match path.as_ref().extension().is_some_and(|extension| extension == "npy") {
            true => Ok(()),
            false => Err(Error::file(path, "features are written as .npy; choose such a name")),
        }
    }

    fn checked([n_items, width]: [usize; 2], values: Vec<f32>) -> std::result::Result<Self, String> {
        if width == 0 {
            return Err(format!("shape [{n_items}, 0] has no columns; leave this modality out"));
        }
        let is_bad = |row: &[f32]| row.iter().any(|value| !value.is_finite());
        let bad: Vec<usize> =
            values.chunks_exact(width).enumerate().filter(|(_, r)| is_bad(r)).map(|(i, _)| i).collect();
        if bad.is_empty() {
            return Ok(Self::from_finite(n_items, width, values));
        }
        let named: Vec<String> = bad.iter().take(5).map(usize::to_string).collect();
        let more = if bad.len() > 5 { ", …" } else { "" };
        Err(format!(
            "{} of {n_items} rows hold NaN, infinity or numbers beyond 32 bits: {}{more} (counted from 0); \
             recompute these, or write zeros for items without content",
            bad.len(),
            named.join(", "),
        ))
    }

    /// Like [`new`](Self::new), for values known to be finite.
    pub(crate) fn from_finite(n_items: usize, width: usize, values: Vec<f32>) -> Self {
        debug_assert!(values.len() == n_items * width && values.iter().all(|value| value.is_finite()));
        let there = values.chunks_exact(width).map(|row| row.iter().any(|&value| value != 0.0)).collect();
        Self { n_items, width, values, there: None }.known(there)
    }

    fn known(mut self, there: Vec<bool>) -> Self {
        self.there = there.contains(&false).then_some(there);
        self
    }

    /// Sets which items have content, regardless of the values. The rows of the others become zeros, and a row of zeros
    /// that is marked as present counts as a vector like any other. Files do not store that mark: when read again, such
    /// a row is missing.
    ///
    /// ```
    /// use viral::data::ItemFeatures;
    ///
    /// let features = ItemFeatures::new(2, 1, vec![0.0, 5.0])?.with_there(&[true, false]);
    /// assert_eq!((features.values(), features.has(0), features.has(1)), (&[0.0, 0.0][..], true, false));
    /// # Ok::<(), viral::Error>(())
    /// ```
    ///
    /// # Panics
    /// When `there` does not have one entry per item.
    pub fn with_there(mut self, there: &[bool]) -> Self {
        let (found, n_items) = (there.len(), self.n_items);
        assert_eq!(found, n_items, "features: {found} entries of a mask for {n_items} items");
        for (row, _) in self.values.chunks_exact_mut(self.width).zip(there).filter(|(_, there)| !**there) {
            row.fill(0.0);
        }
        self.known(there.to_vec())
    }

    /// Marks more items as missing: rows of items with `true` become zeros.
    ///
    /// # Panics
    /// When `missing` does not have one entry per item.
    pub fn without(self, missing: &[bool]) -> Self {
        let (found, n_items) = (missing.len(), self.n_items);
        assert_eq!(found, n_items, "features: {found} entries of a mask for {n_items} items");
        let there: Vec<bool> = missing.iter().enumerate().map(|(item, missing)| !missing && self.has(item)).collect();
        self.with_there(&there)
    }

    /// Selects rows in the given order. O(rows · width), or O(rows) if these are all rows in order.
    ///
    /// # Panics
    /// When a row is not below `n_items`.
    pub fn select(self, rows: &[usize]) -> Self {
        let n_items = self.n_items;
        if rows.len() == n_items && rows.iter().enumerate().all(|(index, &row)| index == row) {
            return self;
        }
        let mut values = Vec::with_capacity(rows.len() * self.width);
        for &row in rows {
            assert!(row < n_items, "features: row {row} of {n_items}");
            values.extend_from_slice(self.row(row));
        }
        let there = rows.iter().map(|&row| self.has(row)).collect();
        Self { n_items: rows.len(), width: self.width, values, there: None }.known(there)
    }

    /// L2-normalises each row; rows of zeros stay zeros. O(items · width) time.
    ///
    /// This makes a model independent of the scale of the encoder's output.
    ///
    /// ```
    /// use viral::data::ItemFeatures;
    ///
    /// let features = ItemFeatures::new(2, 2, vec![3.0, 4.0, 0.0, 0.0])?.l2_normalized();
    /// assert_eq!(features.values(), [0.6, 0.8, 0.0, 0.0]);
    /// # Ok::<(), viral::Error>(())
    /// ```
    pub fn l2_normalized(mut self) -> Self {
        for row in self.values.chunks_exact_mut(self.width) {
            // In f64, so that rows near the limits of f32's range neither overflow nor underflow.
            let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
            if length > 0.0 {
                row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
            }
        }
        self
    }

    /// Returns the file part of a feature path: `x.safetensors` for `x.safetensors#name`, any other path unchanged.
    pub fn file_of(path: &Path) -> &Path {
        split_name(path).0
    }

    /// Number of rows.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// Number of columns, at least one.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns all values in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Whether an item has content.
    ///
    /// # Panics
    /// When `item` is not below `n_items`.
    pub fn has(&self, item: usize) -> bool {
        assert!(item < self.n_items, "features: row {item} of {}", self.n_items);
        self.there.as_ref().is_none_or(|there| there[item])
    }

    /// Returns which items have content; `None` if all have.
    pub fn there(&self) -> Option<&[bool]> {
        self.there.as_deref()
    }

    /// Number of items without content.
    pub fn n_missing(&self) -> usize {
        self.there.iter().flatten().filter(|there| !**there).count()
    }

    /// Returns the vector of an item; zeros if it has none.
    pub fn row(&self, item: usize) -> &[f32] {
        &self.values[item * self.width..][..self.width]
    }
}

/// Splits `x.safetensors#name` into the file and the tensor's name.
fn split_name(path: &Path) -> (&Path, Option<&str>) {
    const MARK: &str = ".safetensors#";
    match path.to_str().and_then(|text| text.rfind(MARK).map(|at| text.split_at(at + MARK.len()))) {
        Some((file, name)) => (Path::new(&file[..file.len() - 1]), Some(name)),
        None => (path, None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::npy::tests::npy;
    use super::*;

    #[test]
    fn rows_that_are_not_finite_are_named() {
        let mut values = vec![0.5; 20];
        values[4] = f32::NAN;
        values[15] = f32::NEG_INFINITY;
        let message = ItemFeatures::new(10, 2, values).unwrap_err().to_string();
        assert_eq!(
            message,
            "features: 2 of 10 rows hold NaN, infinity or numbers beyond 32 bits: 2, 7 (counted from 0); \
             recompute these, or write zeros for items without content"
        );
        let message = ItemFeatures::new(7, 1, vec![f32::NAN; 7]).unwrap_err().to_string();
        assert!(message.contains("7 of 7 rows") && message.contains(": 0, 1, 2, 3, 4, … (counted"), "{message}");
        assert!(ItemFeatures::new(2, 0, vec![]).unwrap_err().to_string().contains("no columns"));
    }

    #[test]
    fn rows_of_zeros_are_accepted() -> Result<()> {
        let features = ItemFeatures::new(2, 2, vec![0.0; 4])?;
        assert_eq!((features.n_items(), features.width(), features.row(1)), (2, 2, &[0.0, 0.0][..]));
        Ok(())
    }

    #[test]
    fn which_rows_are_there_stays_known() -> Result<()> {
        let features = ItemFeatures::new(3, 2, vec![0.0, -0.0, 3.0, 4.0, 1e-38, 0.0])?;
        let there = |features: &ItemFeatures| features.there().map(<[bool]>::to_vec);
        assert_eq!((there(&features), features.n_missing()), (Some(vec![false, true, true]), 1));
        assert_eq!(there(&features.clone().l2_normalized()), there(&features));
        assert_eq!(there(&features.clone().select(&[2, 0, 0])), Some(vec![true, false, false]));
        assert_eq!(there(&features.clone().select(&[2, 1])), None);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        features.write(&path)?;
        assert_eq!(ItemFeatures::read(&path)?, features);
        let none = features.clone().without(&[false; 3]);
        assert_eq!(none, features);
        assert_eq!(features.clone().without(&[true; 3]).n_missing(), 3);
        // An explicit mask makes rows of zeros count as vectors, and is part of equality.
        let zeros_count = features.clone().with_there(&[true; 3]);
        assert!(zeros_count.has(0) && zeros_count.there().is_none() && zeros_count != features);
        assert!(zeros_count.clone().select(&[1, 0]).has(1) && zeros_count.l2_normalized().has(0));
        Ok(())
    }

    #[test]
    #[should_panic(expected = "features: 2 entries of a mask for 3 items")]
    fn a_mask_of_another_length_panics() {
        let _ = ItemFeatures::from_finite(3, 1, vec![0.0; 3]).without(&[false; 2]);
    }

    #[test]
    #[should_panic(expected = "features: 5 values for [2, 3]")]
    fn a_wrong_number_of_values_panics() {
        let _ = ItemFeatures::new(2, 3, vec![0.0; 5]);
    }

    #[test]
    fn rows_are_selected_in_order() -> Result<()> {
        let features = ItemFeatures::new(3, 1, vec![1.0, 2.0, 3.0])?;
        assert_eq!(features.clone().select(&[0, 1, 2]), features);
        assert_eq!(features.select(&[2, 0]).values(), [3.0, 1.0]);
        Ok(())
    }

    #[test]
    fn files_are_read_by_extension_and_named_in_errors() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }";
        let data = |second: f64| [1.0, second].iter().flat_map(|x: &f64| x.to_le_bytes()).collect::<Vec<u8>>();
        std::fs::write(at("a.npy"), npy(1, header, &data(2.0))).unwrap();
        assert_eq!(ItemFeatures::read(at("a.npy"))?, ItemFeatures::new(2, 1, vec![1.0, 2.0])?);

        let message = |name: &str| ItemFeatures::read(at(name)).unwrap_err().to_string();
        std::fs::write(at("b.npy"), npy(1, header, &data(1e300))).unwrap();
        assert!(
            message("b.npy").contains("b.npy: 1 of 2 rows hold NaN, infinity or numbers beyond 32 bits: 1 (counted")
        );
        std::fs::write(at("c.npy"), npy(1, header, &data(2.0)[..9])).unwrap();
        assert!(message("c.npy").contains("c.npy: truncated: shape (2, 1) needs 16 bytes, 9 are there"));
        std::fs::write(at("d.csv"), "1,2").unwrap();
        assert!(message("d.csv").contains("d.csv: neither .npy nor .safetensors"));
        for missing in ["none.npy", "none.safetensors", "none.safetensors#text"] {
            assert!(matches!(ItemFeatures::read(at(missing)), Err(Error::Io { .. })));
        }
        Ok(())
    }

    #[test]
    fn the_tensor_name_follows_a_hash() {
        let split = |text| split_name(Path::new(text));
        assert_eq!(split("a#b/x.npy"), (Path::new("a#b/x.npy"), None));
        assert_eq!(split("a#b/x.safetensors"), (Path::new("a#b/x.safetensors"), None));
        assert_eq!(split("x.safetensors#a/b"), (Path::new("x.safetensors"), Some("a/b")));
    }
}
