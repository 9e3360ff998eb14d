//! Builds feature files: which text of an item is encoded, in which row, what is missing, and the provenance.
//!
//! | file | |
//! |---|---|
//! | `catalogue` | [`Catalogue`]: the items of a data folder in the order of its feature rows |
//! | `content` | [`ItemText`], [`PictureText`]: the text to encode for an item (section 2.2) |
//! | `descriptions` | [`Descriptions`]: a model's descriptions of pictures |
//! | `table` | [`FeatureTable`]: rows, mask and provenance, written together |
//! | `import` | [`import`]: matrices made elsewhere |

mod catalogue;
mod content;
mod descriptions;
mod import;
mod table;

pub use catalogue::Catalogue;
pub use content::{Content, ItemText, PictureText};
pub use descriptions::{Descriptions, Source};
pub use import::{Imported, import};
pub use table::FeatureTable;
