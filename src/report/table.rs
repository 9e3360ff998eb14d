//! Tables of text, for terminals and Markdown.

/// A table of text. Columns whose cells are all numbers (or empty, or a dash) are right-aligned, the others
/// left-aligned.
///
/// ```
/// # use viral::report::Table;
/// let mut table = Table::new(["model", "R@20"]);
/// table.row(["lightgcn", "0.0764"]);
/// assert_eq!(table.to_markdown(), "| model | R@20 |\n|---|---:|\n| lightgcn | 0.0764 |\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table without rows.
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self { header: header.into_iter().map(clean).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When the row does not have as many cells as the header.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Self {
        let cells: Vec<String> = cells.into_iter().map(clean).collect();
        assert_eq!(cells.len(), self.header.len(), "table: a row of {cells:?} under {:?}", self.header);
        self.rows.push(cells);
        self
    }

    /// Formats the table for a terminal: columns two spaces apart, a rule under the header, a line feed after each
    /// line. Widths count characters.
    pub fn to_text(&self) -> String {
        let widths: Vec<usize> = (0..self.header.len()).map(|c| self.width(c)).collect();
        let rule: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
        let mut text = String::new();
        for cells in [&self.header, &rule].into_iter().chain(&self.rows) {
            let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if self.is_numeric(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// Formats the table as Markdown, with a line feed after each line; bars inside cells are escaped.
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule: Vec<&str> = (0..self.header.len()).map(|c| if self.is_numeric(c) { "---:" } else { "---" }).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}|{}|\n{rows}", line(&self.header), rule.join("|"))
    }

    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    pub(super) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| row[column].as_str())
    }

    fn width(&self, column: usize) -> usize {
        self.cells(column).chain([self.header[column].as_str()]).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    pub(super) fn is_numeric(&self, column: usize) -> bool {
        let is_number = |cell: &str| matches!(cell, "" | "–") || cell.parse::<f64>().is_ok();
        !self.rows.is_empty() && self.cells(column).all(is_number)
    }
}

/// Replaces control characters by spaces: titles may contain line breaks or, worse, terminal escape sequences.
fn clean(cell: impl Into<String>) -> String {
    cell.into().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toy() -> Table {
        let mut table = Table::new(["item", "score", "title"]);
        table.row(["i1", "0.5", "A | B"]).row(["i12", "-10.25", "é\n"]).row(["", "–", "x"]);
        table
    }

    #[test]
    fn text_is_padded_and_numbers_stand_right() {
        let expected = "\
item   score  title
────  ──────  ─────
i1       0.5  A | B
i12   -10.25  é
           –  x
";
        assert_eq!(toy().to_text(), expected);
    }

    #[test]
    fn markdown_escapes_bars() {
        let expected = "\
| item | score | title |
|---|---:|---|
| i1 | 0.5 | A \\| B |
| i12 | -10.25 | é  |
|  | – | x |
";
        assert_eq!(toy().to_markdown(), expected);
        assert_eq!(Table::new(["a"]).to_markdown(), "| a |\n|---|\n");
    }

    #[test]
    fn what_a_terminal_obeys_becomes_blank() {
        let mut table = Table::new(["title"]);
        table.row(["\u{1b}[2Jred"]);
        assert!(table.to_text().ends_with(" [2Jred\n"));
    }

    #[test]
    #[should_panic(expected = "under [\"a\"]")]
    fn rows_must_fit() {
        Table::new(["a"]).row(["1", "2"]);
    }
}
