//! Results for people: tables for terminals and for Markdown, pictures as SVG, pages as HTML. Nothing here prints.
//!
//! | picture | |
//! |---|---|
//! | [`Bars`] | values with intervals, and what chance alone gives |
//! | [`StackedBars`] | shares of a whole |
//! | [`Lines`], [`Histogram`] | curves with bands, Lorenz curves; distributions |
//! | [`Scatter`] | maps of points by group |
//! | [`Plot`] | a power law, on logarithmic axes |
//!
//! A [`Page`] has [`Section`]s of text, figures and tables in one HTML file.
//!
//! A picture is one SVG element that stands in a file or in a page, refers to nothing outside, and is readable in print, on light and on
//! dark screens, also without colours. Whatever names and titles hold, they stay text.
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

mod bars;
mod lines;
mod page;
mod plot;
mod scatter;
mod svg;
mod table;

pub use bars::{Bars, StackedBars};
pub use lines::{Histogram, Lines};
pub use page::{Page, Section};
pub use plot::Plot;
pub use scatter::Scatter;
pub use table::Table;
