//! A saved model as files that other programs read.
//!
//! | file | |
//! |---|---|
//! | `mod` | [`Export`]: what to write |
//! | `folder` | the folder of an export: all files are moved into place at the end |
//! | `vectors` | matrices as `.npy` |
//! | `ids` | ids, one per line |
//! | `table` | lists as Parquet |

mod folder;
mod ids;
mod table;
mod vectors;

use clap::ValueEnum;
use folder::{BLOCKS, Folder, ITEM_IDS, ITEMS, LINES, TABLE, USER_IDS, USERS};
use serde::Serialize;
use std::path::Path;
use table::ListTable;
use viral::data::WholeFile;
use viral::prelude::{RecommendOptions, Recommendation, Recommender};
use viral::{Error, Result};

/// Recommendations held in memory at a time.
const HELD: usize = 1 << 16;

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Npy,
    Jsonl,
    Parquet,
}

/// What to write.
pub(crate) struct Export<'a> {
    pub(crate) recommender: &'a Recommender,
    pub(crate) formats: &'a [Format],
    /// Options of the lists.
    pub(crate) options: &'a RecommendOptions,
    /// Whether to write vectors as 16-bit floats.
    pub(crate) half: bool,
}

/// What was written.
#[derive(Default)]
pub(crate) struct Exported {
    pub(crate) files: Vec<&'static str>,
    /// Users with a list.
    pub(crate) n_users: usize,
    /// Users without a list, because they have no history.
    pub(crate) n_skipped: usize,
    /// Recommendations in all lists.
    pub(crate) n_listed: usize,
    /// Ids that are written as JSON strings.
    pub(crate) n_quoted: usize,
}

/// A block of columns, as in `blocks.json`.
#[derive(Serialize)]
struct Block<'a> {
    name: &'a str,
    first: usize,
    width: usize,
}

/// A line of `top.jsonl`.
#[derive(Serialize)]
struct Line<'a> {
    user: &'a str,
    items: &'a [Recommendation],
}

impl Export<'_> {
    /// Writes all files into a folder, or none. The folder is created if it is missing. `observe` receives the number
    /// of users whose lists are done.
    ///
    /// # Errors
    /// If the folder has an export already and `overwrite` is not set, or other files of these names; a file cannot be
    /// written; options do not fit the model; a number is too large for 16 bits.
    pub(crate) fn write(&self, folder: &Path, overwrite: bool, observe: impl FnMut(usize)) -> Result<Exported> {
        let mut folder = Folder::open(folder, overwrite)?;
        match self.fill(&mut folder, observe) {
            Ok(exported) => Ok(Exported { files: folder.commit()?, ..exported }),
            Err(e) => {
                folder.abandon();
                Err(e)
            }
        }
    }

    fn fill(&self, folder: &mut Folder, observe: impl FnMut(usize)) -> Result<Exported> {
        let mut exported = Exported::default();
        self.write_blocks(folder)?;
        if self.formats.contains(&Format::Npy) {
            let z = self.recommender.present_embeddings()?;
            for (name, values, n_rows) in [(ITEMS, z.items(), z.n_items()), (USERS, z.users(), z.n_users())] {
                let mut file = folder.create(name)?;
                vectors::write(&mut file, &folder.path(name), [n_rows, z.d()], values, self.half)?;
                folder.keep(name, file)?;
            }
            exported.n_quoted = write_ids(folder, ITEM_IDS, self.recommender.catalogue().map(|(item, _)| item))?
                + write_ids(folder, USER_IDS, self.recommender.users())?;
        }
        if self.formats.iter().any(|&format| format != Format::Npy) {
            self.write_lists(folder, &mut exported, observe)?;
        }
        Ok(exported)
    }

    fn write_blocks(&self, folder: &mut Folder) -> Result<()> {
        let mut first = 0;
        let blocks = self.recommender.embeddings().blocks().iter().map(|(name, width)| {
            first += width;
            Block { name, first: first - width, width: *width }
        });
        let json = serde_json::to_string_pretty(&blocks.collect::<Vec<_>>()).map_err(broken)?;
        let mut file = folder.create(BLOCKS)?;
        file.write(format!("{json}\n").as_bytes())?;
        folder.keep(BLOCKS, file)
    }

    /// Writes the lists of all users, for some users at a time, so that memory does not grow with their number.
    fn write_lists(&self, folder: &mut Folder, exported: &mut Exported, mut observe: impl FnMut(usize)) -> Result<()> {
        let Self { recommender, formats, options, .. } = self;
        let is_asked = |format| formats.contains(&format).then_some(());
        let mut lines = is_asked(Format::Jsonl).map(|()| folder.create(LINES)).transpose()?;
        let blocks = recommender.embeddings().blocks();
        let table =
            is_asked(Format::Parquet).map(|()| ListTable::new(folder.path(TABLE), folder.create(TABLE)?, blocks));
        let mut table = table.transpose()?;

        let users: Vec<&str> = recommender.users().collect();
        let longest = options.k.clamp(1, recommender.items().len().max(1));
        let at_a_time = (HELD / longest).clamp(16, 4096);
        for start in (0..users.len()).step_by(at_a_time) {
            let block = start..users.len().min(start + at_a_time);
            let mut known = Vec::with_capacity(block.len());
            for &user in &users[block.clone()] {
                if !recommender.history(user)?.is_empty() {
                    known.push(user);
                }
            }
            let lists = recommender.recommend_many(&known, options)?;
            for (user, items) in known.iter().zip(&lists) {
                if let Some(file) = &mut lines {
                    write_line(file, user, items)?;
                }
                if let Some(table) = &mut table {
                    table.add(user, items)?;
                }
                exported.n_listed += items.len();
            }
            exported.n_users += known.len();
            exported.n_skipped += block.len() - known.len();
            observe(block.end);
        }
        if let Some(file) = lines {
            folder.keep(LINES, file)?;
        }
        if let Some(table) = table {
            folder.keep(TABLE, table.finish()?)?;
        }
        Ok(())
    }
}

fn write_ids<'s>(folder: &mut Folder, name: &'static str, ids: impl Iterator<Item = &'s str>) -> Result<usize> {
    let mut file = folder.create(name)?;
    let n_quoted = ids::write(&mut file, ids)?;
    folder.keep(name, file)?;
    Ok(n_quoted)
}

fn write_line(file: &mut WholeFile, user: &str, items: &[Recommendation]) -> Result<()> {
    let mut line = serde_json::to_vec(&Line { user, items }).map_err(broken)?;
    line.push(b'\n');
    file.write(&line)
}

fn broken(e: serde_json::Error) -> Error {
    Error::Data(format!("cannot be written as JSON: {e}"))
}
