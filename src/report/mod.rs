//! Results for people: tables for terminals and for Markdown, plots as SVG. Nothing here prints.

mod plot;
mod table;

pub use plot::Plot;
pub use table::Table;
