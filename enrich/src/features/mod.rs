//! From texts about items to feature files: which text, which row, what is missing, and what it was made from.
//!
//! | file | |
//! |---|---|
//! | `catalogue` | [`Catalogue`]: the items of a data folder in the order of its feature rows |
//! | `content` | [`ItemText`], [`PictureText`]: what of an item is encoded (section 2.2) |
//! | `descriptions` | [`Descriptions`]: what a model said about pictures |
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
