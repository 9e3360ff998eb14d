//! From a raw catalogue to a folder of data.
//!
//! | file | |
//! |---|---|
//! | `lines`, `kind` | lines of plain or gzip text, in bounded memory; what files are that are no text |
//! | `literal`, `json`, `record` | one line as a Python literal, a JSON object, cells |
//! | `format`, `rows` | [`Format`]: the wanted columns, row by row |
//! | `objects`, `columns` | rows with names for their values; which name was meant where one is missing |
//! | `cells`, `times`, `html`, `picture` | what values mean: ids, numbers, dates, texts, pictures |
//! | `flaws` | [`BadRows`]: what becomes of rows that have none of these |
//! | `reviews`, `metadata` | [`Reviews`], [`Metadata`]: which column is what |
//! | `log` | [`Repeats`], [`Split`]: k-core, dense ids, parts |
//! | `coverage`, `folder` | [`Coverage`], and what is written |

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

/// The longest line, in bytes, unless told otherwise: the longest of Amazon's are some hundred kilobytes.
const MAX_LINE: usize = 16 << 20;

/// Turns a raw catalogue into a folder that [`Dataset::read`](viral::data::Dataset::read) takes.
///
/// Rows are read one at a time and kept as integers; memory grows with users, items and interactions, not with the size
/// of the files. Bad rows fail or are counted, then rows rated below `min_rating`, repeats and rows outside the k-core
/// go, in this order, and each kind is counted. Ids become dense in the order of the external ids, so the folder does
/// not depend on the order of the rows, unless the first or last of repeated rows is to be kept.
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
    /// Who interacted with what.
    pub reviews: Reviews,
    /// What the items are; without them, `items.jsonl` has ids only.
    pub metadata: Option<Metadata>,
    /// The data set's name; the folder's name if `None`.
    pub name: Option<String>,
    /// How many interactions a user must have.
    pub k_user: usize,
    /// How many interactions an item must have.
    pub k_item: usize,
    /// Rows rated lower are left out.
    pub min_rating: Option<f64>,
    /// What to do when a user has more than one row about an item.
    pub repeats: Repeats,
    /// How to divide interactions into train, valid and test.
    pub split: Split,
    /// What to do with rows that cannot be used.
    pub bad_rows: BadRows,
    /// A folder of images. Files named after an item's external id, also in folders below, become its image, before any URL, and
    /// so does the first file in a folder named after it; other items keep what the metadata say, and names of files there
    /// count from this folder.
    pub images: Option<PathBuf>,
    /// The longest line, in bytes; longer ones are bad rows.
    pub max_line: usize,
    /// Whether what an earlier run wrote into the folder is replaced; otherwise such a folder is refused. What was not written by an
    /// earlier run, as its `coverage.json` tells, is never replaced.
    #[serde(skip)]
    pub overwrite: bool,
}

/// The files that are written beside the interactions.
const FILES: [&str; 4] = ["u_id_mapping.csv", "i_id_mapping.csv", "items.jsonl", "coverage.json"];

/// What [`Prepare::run`] is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrepareStep {
    /// Reading the reviews.
    Reviews,
    /// Reading the metadata.
    Metadata,
}

/// What became of the rows, and what the items have; also in `coverage.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// The data set's name.
    pub name: String,
    /// SHA-256 of each input, by the name of the file, or by its path as given where two have one name.
    pub inputs: BTreeMap<String, String>,
    /// What was asked for.
    pub settings: Prepare,
    /// Rows of the reviews: the sum of the four numbers below and of the interactions.
    pub n_rows: usize,
    /// Rows that could not be used.
    pub bad_rows: SkippedRows,
    /// Rows rated too low.
    pub n_below_min_rating: usize,
    /// Rows about a pair that another row is kept of.
    pub n_repeats: usize,
    /// Rows of users or items with too few.
    pub n_outside_core: usize,
    /// Users.
    pub n_users: usize,
    /// Items.
    pub n_items: usize,
    /// Train, valid and test interactions.
    pub n_interactions: [usize; 3],
    /// Rows of the metadata, most of which may be about items without enough interactions.
    pub n_metadata_rows: usize,
    /// Rows of the metadata that could not be used.
    pub bad_metadata: SkippedRows,
    /// How many items have what.
    pub coverage: Coverage,
}

impl Prepare {
    /// Reviews without metadata, 5-core, split at random by seed 0; the first of repeated rows is kept, bad rows fail.
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

    /// Reads everything and writes a folder: `<name>.inter`, `u_id_mapping.csv`, `i_id_mapping.csv`, `items.jsonl` (see
    /// [`CatalogueItem`], one a line in the order of the dense ids) and `coverage.json` ([`Prepared`]). Other files in
    /// the folder stay as they are.
    ///
    /// `observe` hears what is being read, how many of its bytes are, and how many it has.
    ///
    /// # Errors
    /// Names file and line of rows that cannot be used; says when nothing is left, or a part would be empty; a folder that an
    /// earlier run wrote into, unless it is to be overwritten, or that another run is writing into. Nothing is written then.
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

    /// Finds out whether an earlier run wrote into a folder; [`run`](Self::run) does so before anything else.
    ///
    /// # Errors
    /// If one did and that is not to be overwritten.
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

    /// The data set's name, which becomes that of a file.
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

/// Whether a report is of a run that wrote the data set of this name.
fn is_ours(report: &Path, name: &str) -> bool {
    #[derive(Deserialize)]
    struct Report {
        name: String,
        #[allow(dead_code)] // it must be there
        n_interactions: [usize; 3],
    }
    read_file(report).is_ok_and(|text| serde_json::from_slice::<Report>(&text).is_ok_and(|report| report.name == name))
}

/// Gives items the pictures in a folder that belong to them.
///
/// # Errors
/// When there is none for any item.
fn give_pictures(items: &mut [CatalogueItem], folder: &Path, pictures: &Pictures) -> Result<()> {
    let mut n_given = 0;
    for item in items.iter_mut() {
        let named = item.image.take();
        let is_there = |image: &String| coverage::is_url(image) || folder.join(image).is_file();
        let found = pictures.of_item(&item.id).map(str::to_string);
        let found = found.or_else(|| match &named {
            Some(image) if !is_there(image) => {
                let spelled = || spellings(image).into_iter().find(|name| !name.contains("..") && is_there(name));
                pictures.like(image).map(str::to_string).or_else(spelled)
            }
            _ => None,
        });
        item.image = found.or(named);
        n_given += usize::from(item.image.as_ref().is_some_and(|image| !coverage::is_url(image) && is_there(image)));
    }
    let (Some(first), 0) = (items.first(), n_given) else { return Ok(()) };
    let id = &first.id;
    let message = match pictures.example() {
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
