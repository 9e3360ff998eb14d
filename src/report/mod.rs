//! Results as text: tables for terminals and for Markdown. Nothing here prints.

mod table;

pub use table::Table;
