//! HTML pages: sections of text, figures and tables in one file.

use super::svg::escape;
use super::table::Table;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The beginning of every page, by which it is recognised.
const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"generator\" content=\"viral report\">\n";

/// A self-contained page: one HTML file that loads nothing, for a browser, a printer or an archive.
///
/// Every figure has its numbers as a table, which can be sorted and searched and is accessible to screen readers. A
/// content security policy allows no script but the page's own, and forbids loading or sending anything. Titles and
/// names are escaped, so they always stay text. Without scripts, only sorting, searching and quick tooltips are
/// missing. The element `data` has the content of the page as JSON.
///
/// ```
/// use viral::report::{Bars, Page, Section, Table};
///
/// let mut table = Table::new(["model", "R@20"]);
/// table.row(["popularity", "0.0495"]).row(["viral", "0.0992"]);
/// let bars = Bars::new("R@20", "recall").bar("popularity", 0.0495, None, None).bar("viral", 0.0992, None, None);
/// let accuracy = Section::new("Accuracy")
///     .text("Whatever they hold, titles such as </script> stay text.")
///     .figure(bars.to_svg(), "Means over users.", table)
///     .not_run("Nothing is known of new items.", "viral cold --data data/baby");
/// let page = Page::new("VIRAL on Baby").section(accuracy);
/// let html = page.to_html();
/// assert!(Page::is_page(&html) && !html.contains("such as </script>"));
/// assert_eq!(page.to_json()["sections"][0]["parts"][1]["table"]["rows"][1][1], "0.0992");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    title: String,
    sections: Vec<Section>,
}

/// A part of a [`Page`] under a heading of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    heading: String,
    parts: Vec<Part>,
    values: Value,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Table { caption: String, table: Table },
    Figure { svg: String, caption: String, table: Table },
    NotRun { what: String, command: String },
}

impl Section {
    /// Creates a section without parts.
    pub fn new(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), parts: Vec::new(), values: Value::Null }
    }

    /// Adds a paragraph.
    pub fn text(self, text: impl Into<String>) -> Self {
        self.part(Part::Text(text.into()))
    }

    /// Adds a table.
    pub fn table(self, caption: impl Into<String>, table: Table) -> Self {
        self.part(Part::Table { caption: caption.into(), table })
    }

    /// Adds a picture of this module, with its numbers as a collapsed table below it.
    ///
    /// # Panics
    /// When `svg` is not an SVG element.
    pub fn figure(self, svg: impl Into<String>, caption: impl Into<String>, table: Table) -> Self {
        let svg = svg.into();
        let is_one = svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>");
        assert!(is_one, "section '{}': a figure is one SVG element", self.heading);
        self.part(Part::Figure { svg, caption: caption.into(), table })
    }

    /// Adds a note about what is missing, with the command, or lines of commands, that produces it.
    pub fn not_run(self, what: impl Into<String>, command: impl Into<String>) -> Self {
        self.part(Part::NotRun { what: what.into(), command: command.into() })
    }

    /// Sets the `values` of the section in [`Page::to_json`], such as the numbers of its tables before rounding.
    pub fn values(self, values: Value) -> Self {
        Self { values, ..self }
    }

    fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }
}

impl Page {
    /// Creates a page without sections.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), sections: Vec::new() }
    }

    /// Adds a section.
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// Whether the text of a file is that of a page.
    pub fn is_page(text: &str) -> bool {
        text.starts_with(HEAD)
    }

    /// Returns the content of the page as JSON: its title, and the heading, parts and values of each section.
    pub fn to_json(&self) -> Value {
        let table = |table: &Table| json!({"header": table.header(), "rows": table.rows()});
        let part = |part: &Part| match part {
            Part::Text(text) => json!({"text": text}),
            Part::Table { caption, table: rows } => json!({"caption": caption, "table": table(rows)}),
            Part::Figure { caption, table: rows, .. } => json!({"figure": caption, "table": table(rows)}),
            Part::NotRun { what, command } => json!({"not_run": what, "command": command}),
        };
        let section = |section: &Section| {
            let parts: Vec<Value> = section.parts.iter().map(part).collect();
            json!({"heading": section.heading, "parts": parts, "values": section.values})
        };
        json!({"title": self.title, "sections": self.sections.iter().map(section).collect::<Vec<_>>()})
    }

    /// Returns the figures, each with a file name: its number on the page and its section's heading, such as
    /// `03-what-the-scores-are-made-of`.
    ///
    /// ```
    /// use viral::report::{Bars, Page, Section, Table};
    ///
    /// let bars = Bars::new("R@20", "recall").bar("viral", 0.0992, None, None).to_svg();
    /// let section = Section::new("Accuracy & more").figure(&*bars, "", Table::new(["model"]));
    /// let page = Page::new("VIRAL").section(section);
    /// assert_eq!(page.figures().collect::<Vec<_>>(), [("01-accuracy-more".to_string(), &*bars)]);
    /// ```
    pub fn figures(&self) -> impl Iterator<Item = (String, &str)> {
        let all = self.sections.iter().flat_map(|section| {
            let words = section.heading.to_lowercase();
            let words = words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
            let name = words.collect::<Vec<_>>().join("-");
            section.parts.iter().filter_map(Part::svg).map(move |svg| (name.clone(), svg))
        });
        all.zip(1..).map(|((name, svg), number)| (format!("{number:02}-{name}"), svg))
    }

    /// Renders the HTML file.
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        // Only `</script` ends a script element, and `<!--` changes how it is parsed; escaping `<` prevents both.
        let data = self.to_json().to_string().replace('<', "\\u003c");
        let mut html = format!(
            "{HEAD}<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; form-action 'none'; \
             style-src 'unsafe-inline'; script-src 'sha256-{}'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>\n{STYLE}</style>\n<main>\n<h1>{title}</h1>\n<nav aria-label=\"Sections\"><ul>\n",
            base64(&Sha256::digest(SCRIPT))
        );
        for (i, section) in self.sections.iter().enumerate() {
            put(&mut html, format_args!("<li><a href=\"#s{i}\">{}</a>\n", escape(&section.heading)));
        }
        html.push_str("</ul></nav>\n");
        for (i, section) in self.sections.iter().enumerate() {
            let heading = escape(&section.heading);
            put(&mut html, format_args!("<section aria-labelledby=\"s{i}\">\n<h2 id=\"s{i}\">{heading}</h2>\n"));
            section.parts.iter().for_each(|part| part.put(&mut html));
            html.push_str("</section>\n");
        }
        put(
            &mut html,
            format_args!(
                "</main>\n<footer><p>Made by viral {}. Nothing here was loaded from anywhere, and nothing is sent.</p></footer>\n\
                 <script type=\"application/json\" id=\"data\">{data}</script>\n<script>{SCRIPT}</script>\n</html>\n",
                env!("CARGO_PKG_VERSION")
            ),
        );
        html
    }
}

impl Part {
    fn svg(&self) -> Option<&str> {
        match self {
            Self::Figure { svg, .. } => Some(svg),
            _ => None,
        }
    }

    fn put(&self, html: &mut String) {
        match self {
            Self::Text(text) => put(html, format_args!("<p>{}</p>\n", escape(text))),
            Self::Table { caption, table } => put_table(html, caption, table),
            Self::Figure { svg, caption, table } => {
                // SVG inside HTML needs no namespace.
                let svg = svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1);
                put(html, format_args!("<figure>\n<div class=\"picture\">{svg}</div>\n"));
                let caption = escape(caption);
                put(
                    html,
                    format_args!("<figcaption>{caption}</figcaption>\n<details><summary>The numbers</summary>\n"),
                );
                put_table(html, "", table);
                html.push_str("</details>\n</figure>\n");
            }
            Self::NotRun { what, command } => {
                let lines: Vec<String> = command.lines().map(escape).collect();
                let (what, command) = (escape(what), lines.join("\n"));
                put(
                    html,
                    format_args!(
                        "<div class=\"missing\"><p>Not run. {what}</p>\n<pre tabindex=\"0\"><code>{command}</code></pre></div>\n"
                    ),
                );
            }
        }
    }
}

fn put_table(html: &mut String, caption: &str, table: &Table) {
    let class = |column: usize| if table.is_numeric(column) { " class=\"n\"" } else { "" };
    let classes: Vec<&str> = (0..table.header().len()).map(class).collect();
    let caption = escape(caption);
    // Only an element with the focus can be scrolled by keyboard.
    put(html, format_args!("<div class=\"scroll\" tabindex=\"0\"><table><caption>{caption}</caption>\n<thead><tr>"));
    for (cell, class) in table.header().iter().zip(&classes) {
        put(html, format_args!("<th scope=\"col\"{class}>{}</th>", escape(cell)));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in table.rows() {
        html.push_str("<tr>");
        for (cell, class) in row.iter().zip(&classes) {
            put(html, format_args!("<td{class}>{}</td>", escape(cell)));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
}

fn put(html: &mut String, text: std::fmt::Arguments) {
    // Writing to a string cannot fail.
    let _ = html.write_fmt(text);
}

/// Encodes bytes as base64 (RFC 4648), with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(three.get(i).copied().unwrap_or(0)));
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= three.len() { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Bars;
    use super::super::svg::tests::HOSTILE;
    use super::*;

    #[test]
    fn what_comes_from_outside_stays_text() {
        let mut table = Table::new([HOSTILE]);
        table.row([HOSTILE]);
        let section = Section::new(HOSTILE)
            .text(HOSTILE)
            .table(HOSTILE, table.clone())
            .figure(Bars::new(HOSTILE, HOSTILE).bar(HOSTILE, 1.0, None, None).to_svg(), HOSTILE, table)
            .not_run(HOSTILE, HOSTILE)
            .values(json!({"title": "</script><!--", "control": "\u{1b}\u{0}"}));
        let page = Page::new(HOSTILE).section(section);
        let html = page.to_html();
        // The page's own two elements, and no other.
        assert_eq!((html.matches("<script").count(), html.matches("</script").count()), (2, 2));
        assert!(!html.contains("<!--") && !html.contains('\u{1b}') && !html.contains("http:"), "{html}");
        let data = html.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
        assert_eq!(serde_json::from_str::<Value>(data).unwrap(), page.to_json());
        assert_eq!(html.matches("<svg").count(), html.matches("<figure>").count());
    }

    #[test]
    fn pages_are_known_by_their_head() {
        assert!(Page::is_page(&Page::new("a").to_html()) && !Page::is_page("<!doctype html>\n<p>mine"));
    }

    #[test]
    fn bytes_are_written_as_the_standard_says() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    #[should_panic(expected = "a figure is one SVG element")]
    fn a_figure_is_a_picture() {
        let _ = Section::new("a").figure("<img>", "", Table::new(["a"]));
    }
}
