//! Lists as Parquet, one row per item of a list.

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use viral::data::WholeFile;
use viral::prelude::Recommendation;
use viral::{Error, Result};

/// Rows per row group, which is in memory until it is written.
const GROUP: usize = 1 << 17;

/// A Parquet file that grows by whole lists: `user`, `rank`, `item`, `score` and a share for each block.
pub(super) struct ListTable {
    path: PathBuf,
    writer: SerializedFileWriter<WholeFile>,
    rows: Rows,
}

/// Rows that are not written yet, by column.
#[derive(Default)]
struct Rows {
    users: Vec<ByteArray>,
    ranks: Vec<i32>,
    items: Vec<ByteArray>,
    scores: Vec<f32>,
    /// One column for each block.
    shares: Vec<Vec<f32>>,
}

impl ListTable {
    /// Starts the file, whose final place is `path`.
    ///
    /// # Errors
    /// If blocks have the same name, so that their columns could not be told apart, or the file cannot be written.
    pub(super) fn new(path: PathBuf, file: WholeFile, blocks: &[(String, usize)]) -> Result<Self> {
        let mut seen = HashSet::new();
        if let Some((name, _)) = blocks.iter().find(|(name, _)| !seen.insert(name)) {
            return Err(Error::file(path, format!("two blocks are called {name}; leave parquet out of --format")));
        }
        let writer = schema(blocks).and_then(|schema| SerializedFileWriter::new(file, schema, Arc::default()));
        let writer = writer.map_err(|e| fault(&path, e))?;
        let rows = Rows { shares: vec![Vec::new(); blocks.len()], ..Rows::default() };
        Ok(Self { path, writer, rows })
    }

    /// Adds the list of a user.
    pub(super) fn add(&mut self, user: &str, items: &[Recommendation]) -> Result<()> {
        let rows = &mut self.rows;
        let user = ByteArray::from(user);
        for (rank, found) in (1..).zip(items) {
            rows.users.push(user.clone());
            rows.ranks.push(rank);
            rows.items.push(ByteArray::from(found.item.as_str()));
            rows.scores.push(found.score as f32);
            for (column, (_, share)) in rows.shares.iter_mut().zip(&found.shares) {
                column.push(*share as f32);
            }
        }
        match rows.ranks.len() >= GROUP {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        let written = self.writer.next_row_group().and_then(|group| self.rows.write(group));
        self.rows.clear();
        written.map_err(|e| fault(&self.path, e))
    }

    /// Returns the complete file, to be moved into place.
    pub(super) fn finish(mut self) -> Result<WholeFile> {
        if !self.rows.ranks.is_empty() {
            self.flush()?;
        }
        self.writer.into_inner().map_err(|e| fault(&self.path, e))
    }
}

impl Rows {
    fn write(&self, mut group: SerializedRowGroupWriter<WholeFile>) -> std::result::Result<(), ParquetError> {
        column::<ByteArrayType>(&mut group, &self.users)?;
        column::<Int32Type>(&mut group, &self.ranks)?;
        column::<ByteArrayType>(&mut group, &self.items)?;
        column::<FloatType>(&mut group, &self.scores)?;
        self.shares.iter().try_for_each(|shares| column::<FloatType>(&mut group, shares))?;
        group.close().map(drop)
    }

    fn clear(&mut self) {
        self.users.clear();
        self.ranks.clear();
        self.items.clear();
        self.scores.clear();
        self.shares.iter_mut().for_each(Vec::clear);
    }
}

/// Writes the next column of a row group.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<WholeFile>,
    values: &[T::T],
) -> std::result::Result<(), ParquetError> {
    let next = group.next_column()?;
    let mut writer = next.ok_or_else(|| ParquetError::General("a row has more values than columns".into()))?;
    writer.typed::<T>().write_batch(values, None, None)?;
    writer.close()
}

fn schema(blocks: &[(String, usize)]) -> std::result::Result<TypePtr, ParquetError> {
    let shares = blocks.iter().map(|(name, _)| (format!("share_{name}"), Physical::FLOAT));
    let columns = [("user", Physical::BYTE_ARRAY), ("rank", Physical::INT32), ("item", Physical::BYTE_ARRAY)];
    let columns = columns.into_iter().chain([("score", Physical::FLOAT)]).map(|(name, kind)| (name.to_string(), kind));
    let field = |(name, kind): (String, Physical)| {
        let logical = (kind == Physical::BYTE_ARRAY).then_some(LogicalType::String);
        let field = Type::primitive_type_builder(&name, kind).with_repetition(Repetition::REQUIRED);
        field.with_logical_type(logical).build().map(Arc::new)
    };
    let fields = columns.chain(shares).map(field).collect::<std::result::Result<_, _>>()?;
    Type::group_type_builder("lists").with_fields(fields).build().map(Arc::new)
}

fn fault(path: &std::path::Path, e: ParquetError) -> Error {
    match e {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => Error::io(path)(*source),
            Err(other) => Error::file(path, other.to_string()),
        },
        other => Error::file(path, other.to_string()),
    }
}
