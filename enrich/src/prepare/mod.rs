//! Converts a raw catalogue to a data folder.
//!
//! | file | |
//! |---|---|
//! | `lines`, `kind` | lines of plain or gzip text, in bounded memory; detection of files that are not text |
//! | `literal`, `json`, `record` | parsers for a line: Python literal, JSON object, cells |
//! | `format`, `rows` | [`Format`]: reads the wanted columns, row by row |
//! | `objects`, `columns` | rows with named values; suggestions for misspelled columns |
//! | `cells`, `times`, `html`, `picture` | parsers for values: ids, numbers, dates, texts, pictures |
//! | `flaws` | [`BadRows`]: whether invalid rows fail or are skipped |
//! | `reviews`, `metadata` | [`Reviews`], [`Metadata`]: files and their columns |
//! | `log` | [`Repeats`], [`Split`]: k-core, dense ids, train/valid/test split |
//! | `coverage`, `folder` | [`Coverage`]; writes the folder |

mod cells;
mod columns;
mod coverage;
mod flaws;
mod folder;
mod format;
mod html;
mod json;
pub(crate) mod kind;
mod lines;
mod literal;
mod log;
mod metadata;
mod objects;
mod picture;
mod record;
mod reviews;
mod rows;
mod times;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::pictures::{Pictures, spellings};
use crate::{Error, Result};
use viral::data::{FolderLock, Part, open_file, read_file};

pub use coverage::Coverage;
pub use flaws::{BadRows, Skipped, SkippedRows};
pub use format::Format;
pub use literal::{LiteralError, parse_literal};
pub use log::{Repeats, Split};
pub use metadata::{CatalogueItem, Metadata, ReadMetadata};
pub use reviews::Reviews;

/// Default for the maximum length of a line in bytes: Amazon's longest lines have some hundred kilobytes.
const MAX_LINE: usize = 16 << 20;

/// Converts a raw catalogue to a folder that [`Dataset::read`](viral::data::Dataset::read) reads.
///
/// Rows are read one at a time and kept as integers; memory grows with users, items and interactions, not with the size
/// of the files. Invalid rows fail or are counted. Then rows rated below `min_rating`, repeats and rows outside the
/// k-core are removed, in this order, and each kind is counted. Dense ids are in the order of the external ids, so the
/// folder does not depend on the order of the rows, unless the first or last of repeated rows is to be kept.
///
/// ```
/// use viral::data::Dataset;
/// use viral_enrich::{Format, Metadata, Prepare, Reviews};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let at = |name: &str| folder.path().join(name);
/// # let rows: String = (0..12).map(|i| format!("customer-{},sku-{}\n", i / 4, i % 4)).collect();
/// std::fs::write(at("log.csv"), format!("customer,sku\n{rows}"))?;
/// std::fs::write(at("items.csv"), "sku,name\nsku-0,\"A red ball, no. 0\"\nsku-1,A blue cushion\n")?;
///
/// let reviews = Reviews::new(at("log.csv"), Format::Csv, "customer", "sku");
/// let items = Metadata { title: Some("name".to_string()), ..Metadata::new(at("items.csv"), Format::Csv, "sku") };
/// let prepare = Prepare { metadata: Some(items), k_user: 2, k_item: 2, ..Prepare::new(reviews) };
/// let prepared = prepare.run(at("toys"), |_step, _bytes, _of| {})?;
/// assert_eq!((prepared.n_users, prepared.n_items, prepared.coverage.title), (3, 4, 2));
///
/// let data = Dataset::read(at("toys"))?;
/// assert_eq!((data.n_users(), data.n_items()), (3, 4));
/// # Ok(())
/// # }
/// ```
///
/// Amazon's reviews and metadata of 2014, 2018 and 2023 need no columns: [`Reviews::amazon`], [`Metadata::amazon`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepare {
    /// The interactions.
    pub reviews: Reviews,
    /// The items' metadata; without it, `items.jsonl` has ids only.
    pub metadata: Option<Metadata>,
    /// Name of the data set; the folder's name if `None`.
    pub name: Option<String>,
    /// Minimum number of interactions of a user (k-core).
    pub k_user: usize,
    /// Minimum number of interactions of an item (k-core).
    pub k_item: usize,
    /// Rows with a lower rating are left out.
    pub min_rating: Option<f64>,
    /// What to do if a user has more than one row about an item. Rows below `min_rating` are left out before, so they
    /// are not among these.
    pub repeats: Repeats,
    /// How to split interactions into train, valid and test.
    pub split: Split,
    /// What to do with invalid rows.
    pub bad_rows: BadRows,
    /// Folder of images. A file named after an item's external id, also in a folder below, becomes its image, before
    /// any URL; so does the first file in a folder named after the item. Other items keep the image in the metadata,
    /// where file names are relative to this folder.
    pub images: Option<PathBuf>,
    /// Maximum length of a line in bytes; longer lines are invalid rows.
    pub max_line: usize,
    /// Whether output of an earlier run in the folder is replaced; otherwise such a folder is refused. Files that an
    /// earlier run did not write, according to its `coverage.json`, are never replaced.
    #[serde(skip)]
    pub overwrite: bool,
}

/// Files written beside the interactions.
const FILES: [&str; 4] = ["u_id_mapping.csv", "i_id_mapping.csv", "items.jsonl", "coverage.json"];

/// The step that [`Prepare::run`] has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrepareStep {
    /// Reading the reviews.
    Reviews,
    /// Reading the metadata.
    Metadata,
}

/// Report of a run: what became of the rows, and what the items have. Also written to `coverage.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// Name of the data set.
    pub name: String,
    /// SHA-256 of each input, by file name, or by path as given if two files have the same name.
    pub inputs: BTreeMap<String, String>,
    /// The settings of the run.
    pub settings: Prepare,
    /// Number of rows in the reviews: the sum of the four numbers below and of the interactions.
    pub n_rows: usize,
    /// Invalid rows.
    pub bad_rows: SkippedRows,
    /// Number of rows rated below the minimum.
    pub n_below_min_rating: usize,
    /// Number of rows removed because another row about the same user and item was kept.
    pub n_repeats: usize,
    /// Number of rows of users or items outside the k-core.
    pub n_outside_core: usize,
    /// Number of users.
    pub n_users: usize,
    /// Number of items.
    pub n_items: usize,
    /// Number of train, valid and test interactions.
    pub n_interactions: [usize; 3],
    /// Number of rows in the metadata, most of which may be about items without enough interactions.
    pub n_metadata_rows: usize,
    /// Invalid rows of the metadata.
    pub bad_metadata: SkippedRows,
    /// Number of items with each kind of content.
    pub coverage: Coverage,
}

impl Prepare {
    /// Creates the default settings: no metadata, 5-core, random split with seed 0, the first of repeated rows kept,
    /// invalid rows fail.
    pub fn new(reviews: Reviews) -> Self {
        Self {
            reviews,
            metadata: None,
            name: None,
            k_user: 5,
            k_item: 5,
            min_rating: None,
            repeats: Repeats::default(),
            split: Split::Random { seed: 0 },
            bad_rows: BadRows::default(),
            images: None,
            max_line: MAX_LINE,
            overwrite: false,
        }
    }

    /// Reads everything and writes a folder: `<name>.inter`, `u_id_mapping.csv`, `i_id_mapping.csv`, `items.jsonl` (a
    /// [`CatalogueItem`] per line, in the order of the dense ids) and `coverage.json` ([`Prepared`]). Other files in
    /// the folder are left as they are.
    ///
    /// `observe` is called with the current step, the number of bytes read from its file, and the size of the file.
    ///
    /// # Errors
    /// Names file and line of invalid rows. Fails if nothing is left or a part would be empty, if an earlier run wrote
    /// into the folder and `overwrite` is not set, or if another run is writing into it. Nothing is written then.
    pub fn run(&self, folder: impl AsRef<Path>, observe: impl FnMut(PrepareStep, u64, u64)) -> Result<Prepared> {
        let folder = folder.as_ref();
        let name = self.name_for(folder)?;
        let lock = FolderLock::acquire(folder)?;
        let prepared = self.refuse_used(folder).and_then(|()| self.write(folder, name, observe));
        if prepared.is_err() {
            lock.abandon();
        }
        prepared
    }

    /// Checks that no earlier run wrote into a folder; [`run`](Self::run) does so before anything else.
    ///
    /// # Errors
    /// If the folder has such files, unless an earlier run wrote them and they are to be overwritten.
    pub fn refuse_used(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        let name = self.name_for(folder)?;
        let files = FILES.iter().map(|name| folder.join(name)).chain([folder.join(format!("{name}.inter"))]);
        let Some(file) = files.into_iter().find(|file| file.exists()) else { return Ok(()) };
        let message = match (self.overwrite, is_ours(&folder.join("coverage.json"), &name)) {
            (true, true) => return Ok(()),
            (true, false) => {
                "is there already, and no coverage.json beside it says that an earlier run wrote it; choose another folder (--out), \
                 or move the file away"
            }
            _ => "is there already; choose another folder (--out), or replace what an earlier run wrote (--overwrite)",
        };
        Err(Error::file(file, message))
    }

    fn write(&self, folder: &Path, name: String, mut observe: impl FnMut(PrepareStep, u64, u64)) -> Result<Prepared> {
        let pictures = match &self.images {
            Some(images) => Some((images, Pictures::read(images)?)),
            None => None,
        };
        let size = |path: &Path| open_file(path)?.metadata().map(|file| file.len()).map_err(Error::io(path));
        let size_of_metadata = self.metadata.as_ref().map(|metadata| size(&metadata.path)).transpose()?;

        let path = &self.reviews.path;
        let total = size(path)?;
        let observe_reviews = |done| observe(PrepareStep::Reviews, done, total);
        let reviews = self.reviews.read(self.bad_rows, self.min_rating, self.max_line, observe_reviews)?;
        let mut log = reviews.log;
        if log.len() == 0 {
            let (bad, below) = (reviews.skipped.count(), reviews.n_below);
            let message = format!(
                "no interaction among {} rows, {bad} of them bad and {below} rated too low{}; look at the columns named",
                reviews.n_rows,
                reviews.skipped.0.values().next().map_or(String::new(), |bad| format!(" ({})", bad.first))
            );
            return Err(Error::file(path, message));
        }
        let n_repeats = log.drop_repeats(self.repeats, path)?;
        let n_distinct = log.len();
        let n_outside_core = log.keep_core(self.k_user, self.k_item);
        if log.len() == 0 {
            let message = format!(
                "nothing is left of {n_distinct} interactions when users have {} and items {} of them or more; \
                 choose a smaller core",
                self.k_user, self.k_item
            );
            return Err(Error::file(path, message));
        }
        let data = log.into_dense();
        let parts = data.split(self.split)?;
        folder::refuse_foreign_features(folder, &data)?;

        let mut inputs = BTreeMap::from([(file_name(path), reviews.sha256)]);
        let (mut items, mut n_found, mut n_placeholders) = (Vec::new(), 0, 0);
        let (mut n_metadata_rows, mut bad_metadata) = (0, SkippedRows::default());
        if let Some((metadata, total)) = self.metadata.as_ref().zip(size_of_metadata) {
            let observe = |done| observe(PrepareStep::Metadata, done, total);
            let found = metadata.read_observed(&data.item_ids, self.bad_rows, self.max_line, observe)?;
            if found.n_found == 0 {
                let example = data.item_ids.first().map_or("", String::as_str);
                let message =
                    format!("no row is about an item of the reviews; the ids must be the same, such as `{example}`");
                return Err(Error::file(&metadata.path, message));
            }
            if let Some(of_reviews) = inputs.remove(&file_name(&metadata.path)) {
                let paths = [(path, of_reviews), (&metadata.path, found.sha256)];
                inputs.extend(paths.map(|(path, sum)| (path.display().to_string(), sum)));
            } else {
                inputs.insert(file_name(&metadata.path), found.sha256);
            }
            (items, n_found, n_placeholders) = (found.items, found.n_found, found.n_placeholders);
            (n_metadata_rows, bad_metadata) = (found.n_rows, found.skipped);
        } else {
            items.extend(data.item_ids.iter().map(|id| CatalogueItem { id: id.clone(), ..Default::default() }));
        }
        if let Some((images, pictures)) = &pictures {
            give_pictures(&mut items, images, pictures)?;
        }
        let place_of_images = self.images.as_deref().unwrap_or(folder);
        let count = |part| parts.iter().filter(|&&p| p == part).count();
        let prepared = Prepared {
            name,
            inputs,
            settings: self.clone(),
            n_rows: reviews.n_rows,
            bad_rows: reviews.skipped,
            n_below_min_rating: reviews.n_below,
            n_repeats,
            n_outside_core,
            n_users: data.user_ids.len(),
            n_items: data.item_ids.len(),
            n_interactions: [Part::Train, Part::Valid, Part::Test].map(count),
            n_metadata_rows,
            bad_metadata,
            coverage: Coverage { image_placeholder: n_placeholders, ..Coverage::of(&items, n_found, place_of_images) },
        };
        folder::write_folder(folder, &prepared.name, &data, &parts, &items, &prepared)?;
        Ok(prepared)
    }

    /// Returns the name of the data set, which becomes a file name.
    fn name_for(&self, folder: &Path) -> Result<String> {
        let full = std::path::absolute(folder).map_err(Error::io(folder))?;
        let name = self.name.clone().or_else(|| Some(full.file_name()?.to_str()?.to_string()));
        let is_plain = |name: &String| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
        name.filter(is_plain).ok_or_else(|| {
            let message = format!("{}: no name for the data set; name it in letters and digits", folder.display());
            Error::Config(message)
        })
    }
}

/// Whether a report is by a run that wrote the data set of this name.
fn is_ours(report: &Path, name: &str) -> bool {
    #[derive(Deserialize)]
    struct Report {
        name: String,
        #[allow(dead_code)] // it must be there
        n_interactions: [usize; 3],
    }
    read_file(report).is_ok_and(|text| serde_json::from_slice::<Report>(&text).is_ok_and(|report| report.name == name))
}

/// Assigns the pictures in a folder to their items.
///
/// # Errors
/// If no item has a picture there that is not an empty file.
fn give_pictures(items: &mut [CatalogueItem], folder: &Path, pictures: &Pictures) -> Result<()> {
    let (mut n_given, mut n_empty) = (0, 0);
    for item in items.iter_mut() {
        let named = item.image.take();
        let is_there = |image: &String| coverage::is_url(image) || coverage::is_picture_file(&folder.join(image));
        let own = pictures.of_item(&item.id).map(str::to_string);
        let found = own.clone().filter(is_there).or_else(|| match &named {
            Some(image) if !is_there(image) => {
                let spelled = || spellings(image).into_iter().find(|name| !name.contains("..") && is_there(name));
                pictures.like(image).map(str::to_string).or_else(spelled)
            }
            _ => None,
        });
        // An empty file takes no picture's place, but is the image of an item that has no other.
        item.image = found.or(named).or(own);
        n_empty +=
            usize::from(item.image.as_ref().is_some_and(|image| folder.join(image).is_file() && !is_there(image)));
        n_given += usize::from(item.image.as_ref().is_some_and(|image| !coverage::is_url(image) && is_there(image)));
    }
    let (Some(first), 0) = (items.first(), n_given) else { return Ok(()) };
    let id = &first.id;
    let message = match pictures.example() {
        _ if n_empty > 0 => format!(
            "{n_empty} items have a picture here, and each is an empty file; copy the pictures again, or leave the folder of images out"
        ),
        None => format!("no picture in the folder or below it; name pictures after items, such as `{id}.jpg`"),
        Some(example) => format!(
            "no picture is named after an item, nor is one named in the metadata; there is `{example}`, and an item is `{id}`: \
             rename the pictures (`{id}.jpg`), or leave the folder of images out"
        ),
    };
    Err(Error::file(folder, message))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
