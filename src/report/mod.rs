//! Reports for people: tables for terminals and Markdown, charts as SVG, pages as HTML. Nothing here prints.
//!
//! | picture | |
//! |---|---|
//! | [`Bars`] | bar charts: values with intervals and chance levels |
//! | [`StackedBars`] | stacked bars: shares of a whole |
//! | [`Lines`], [`Histogram`] | line charts with bands, Lorenz curves; histograms |
//! | [`Scatter`] | scatter plots: maps of points by group |
//! | [`Plot`] | log-log plots of a power law |
//!
//! A [`Page`] is one HTML file with [`Section`]s of text, figures and tables.
//!
//! A picture is one SVG element, for a file of its own or for a page. It refers to nothing outside, and is readable in
//! print, on light and dark screens, and without colours. Names and titles are escaped, so they always stay text.
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
