//! Results for people: tables for terminals and for Markdown, plots as SVG. Nothing here prints.
//!
//! ```
//! use viral::report::{Plot, Table};
//!
//! let mut table = Table::new(["items", "MB"]);
//! table.row(["10000", "120"]).row(["100000", "1150"]);
//! assert!(table.to_text().starts_with(" items    MB\n"));
//! let plot = Plot::new("memory", "items", "MB", vec![(1e4, 120.0), (1e5, 1150.0)]);
//! assert!(plot.to_svg().contains("memory: exponent 0.98"));
//! ```

mod plot;
mod table;

pub use plot::Plot;
pub use table::Table;
