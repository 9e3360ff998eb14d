//! Parts that all pictures share: a canvas, colours for light, dark and print, axes, legends.

use std::fmt::{Display, Write};

/// Height of a row of a legend, in pixels.
pub(super) const ROW: f64 = 18.0;

/// Maximum number of characters of a name that are shown.
pub(super) const NAME: f64 = 36.0;

/// Number of series with a colour of their own; further ones reuse the colours with other dashes and markers.
pub(super) const N_COLOURS: usize = 8;

/// Colours by class: `s` for strokes, `f` for fills. Print and light screens have the dark variants of a
/// colour-blind-safe palette (Okabe and Ito, 2008), dark screens the light ones.
const STYLE: &str = "\
.vf{font:12px sans-serif}.vf text{fill:#222}.vf .b{fill:#fff}.vf .g{stroke:#ddd;fill:none}.vf .a{stroke:#666;fill:none}.vf .w{stroke:#222;fill:none}.vf .o{stroke:#fff}\
.vf .h{font-weight:bold}.vf .f0{fill:#0072b2}.vf .f1{fill:#d55e00}.vf .f2{fill:#009e73}.vf .f3{fill:#b0528a}.vf .f4{fill:#c98500}\
.vf .f5{fill:#3a8fc0}.vf .f6{fill:#555}.vf .f7{fill:#7a5c3d}.vf .s0{stroke:#0072b2}.vf .s1{stroke:#d55e00}.vf .s2{stroke:#009e73}\
.vf .s3{stroke:#b0528a}.vf .s4{stroke:#c98500}.vf .s5{stroke:#3a8fc0}.vf .s6{stroke:#555}.vf .s7{stroke:#7a5c3d}\
@media screen and (prefers-color-scheme:dark){.vf text{fill:#e4e4e4}.vf .b{fill:#181818}.vf .g{stroke:#3a3a3a}.vf .a{stroke:#aaa}.vf .w{stroke:#e4e4e4}.vf .o{stroke:#181818}\
.vf .f0{fill:#4db2ec}.vf .f1{fill:#ff8a3c}.vf .f2{fill:#2fd0a2}.vf .f3{fill:#e69ac6}.vf .f4{fill:#f0b429}.vf .f5{fill:#9ad4f5}\
.vf .f6{fill:#bbb}.vf .f7{fill:#c9a27e}.vf .s0{stroke:#4db2ec}.vf .s1{stroke:#ff8a3c}.vf .s2{stroke:#2fd0a2}.vf .s3{stroke:#e69ac6}\
.vf .s4{stroke:#f0b429}.vf .s5{stroke:#9ad4f5}.vf .s6{stroke:#bbb}.vf .s7{stroke:#c9a27e}}";

/// Horizontal alignment of a text.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// An SVG picture under construction.
pub(super) struct Svg {
    body: String,
    title: String,
    width: f64,
    height: f64,
}

impl Svg {
    /// Creates an empty picture with its title in the first row.
    pub(super) fn new(title: &str, width: f64, height: f64) -> Self {
        let mut svg = Self { body: String::new(), title: title.to_string(), width, height };
        svg.styled_text("h", 8.0, 20.0, Anchor::Start, &short(title, width / 6.5));
        svg
    }

    /// Draws an element without text. Its name and attributes are not escaped: they must not come from outside.
    pub(super) fn draw(&mut self, element: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "<{element}/>");
    }

    /// Draws an element with a tooltip, which is escaped.
    pub(super) fn draw_with_tip(&mut self, name: &str, attributes: impl Display, tip: &str) {
        let _ = writeln!(self.body, "<{name} {attributes}><title>{}</title></{name}>", escape(tip));
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.styled_text("t", x, y, anchor, text);
    }

    fn styled_text(&mut self, class: &str, x: f64, y: f64, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let _ =
            writeln!(self.body, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\"{anchor}>{}</text>", escape(text));
    }

    /// Returns the SVG element.
    pub(super) fn finish(self) -> String {
        let Self { body, title, width, height } = self;
        let title = escape(&title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"vf\" role=\"img\" aria-label=\"{title}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n<style>{STYLE}</style>\n\
             <rect class=\"b\" width=\"100%\" height=\"100%\"/>\n{body}</svg>\n"
        )
    }
}

/// The plotted area, with a linear axis in each direction.
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Frame {
    /// Returns the position of a point, in pixels.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (
            self.left + self.x.share(x) * (self.right - self.left),
            self.bottom - self.y.share(y) * (self.bottom - self.top),
        )
    }

    /// Draws grid lines with numbers below, and the name of the axis.
    pub(super) fn x_axis(&self, svg: &mut Svg, name: &str) {
        for tick in self.x.ticks() {
            let at = self.at(tick, self.y.low).0;
            svg.draw(format!("path class=\"g\" d=\"M{at:.1} {:.1}V{:.1}\"", self.top, self.bottom));
            svg.text(at, self.bottom + 16.0, Anchor::Middle, &self.x.label(tick));
        }
        let (middle, room) = ((self.left + self.right) / 2.0, self.right - self.left);
        svg.text(middle, self.bottom + 34.0, Anchor::Middle, &short(name, room / 6.5));
    }

    /// Draws grid lines with numbers on the left, and the name of the axis above them.
    pub(super) fn y_axis(&self, svg: &mut Svg, name: &str) {
        for tick in self.y.ticks() {
            let at = self.at(self.x.low, tick).1;
            svg.draw(format!("path class=\"g\" d=\"M{:.1} {at:.1}H{:.1}\"", self.left, self.right));
            svg.text(self.left - 6.0, at + 4.0, Anchor::End, &self.y.label(tick));
        }
        svg.text(8.0, self.top - 11.0, Anchor::Start, &short(name, (self.right - 8.0) / 6.5));
    }

    pub(super) fn outline(&self, svg: &mut Svg) {
        let (w, h) = (self.right - self.left, self.bottom - self.top);
        svg.draw(format!(
            "rect class=\"a\" x=\"{:.1}\" y=\"{:.1}\" width=\"{w:.1}\" height=\"{h:.1}\"",
            self.left, self.top
        ));
    }
}

/// The range of an axis and its ticks.
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    step: f64,
}

impl Scale {
    /// Covers all values, with ends and ticks at round numbers.
    pub(super) fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        // Equal values get a span, too.
        let span = (high - low).max(high.abs() * 1e-6).max(1e-300);
        let rough = span / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        Self { low: first * step, high: last.max(first + 1.0) * step, step }
    }

    /// Covers exactly the range from one number to another.
    pub(super) fn of(low: f64, high: f64) -> Self {
        Self { low, high, step: high - low }
    }

    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let (low, step, n) = (self.low, self.step, ((self.high - self.low) / self.step).round() as usize);
        (0..=n).map(move |i| low + i as f64 * step)
    }

    fn label(&self, tick: f64) -> String {
        let tick = if tick.abs() < self.step * 1e-6 { 0.0 } else { tick };
        match self.step {
            step if !(1e-5..1e6).contains(&step) => format!("{tick:.1e}"),
            step if step >= 1.0 => format!("{tick:.0}"),
            step => format!("{tick:.*}", (-step.log10() - 1e-9).ceil() as usize),
        }
    }
}

/// Returns the width of the longest of some names, in pixels.
pub(super) fn room_for<'n>(names: impl IntoIterator<Item = &'n str>) -> f64 {
    let longest = names.into_iter().map(|name| name.chars().count()).max().unwrap_or(0);
    (longest as f64).min(NAME) * 6.8
}

/// Draws a legend: names with their markers, from a position downwards.
pub(super) fn legend<'n>(
    svg: &mut Svg,
    x: f64,
    y: f64,
    names: impl IntoIterator<Item = &'n str>,
    mut mark: impl FnMut(&mut Svg, usize, f64, f64),
) {
    for (series, name) in names.into_iter().enumerate() {
        let y = y + series as f64 * ROW;
        mark(svg, series, x, y);
        svg.text(x + 26.0, y + 4.0, Anchor::Start, &short(name, NAME));
    }
}

/// Returns the marker of a series: colour and shape, so that series can be told apart without colours.
pub(super) fn marker(series: usize, x: f64, y: f64, r: f64) -> (&'static str, String) {
    let class = series % N_COLOURS;
    let (a, b) = (r * 1.2, r * 0.7);
    // The ninth series has the first one's colour, but the second's shape.
    match (series + series / N_COLOURS) % 4 {
        0 => ("circle", format!("class=\"f{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{r:.1}\"")),
        1 => (
            "path",
            format!(
                "class=\"f{class}\" d=\"M{:.1} {:.1}h{:.1}v{:.1}h-{:.1}z\"",
                x - r,
                y - r,
                2.0 * r,
                2.0 * r,
                2.0 * r
            ),
        ),
        2 => ("path", format!("class=\"f{class}\" d=\"M{x:.1} {:.1}l{a:.1} {:.1}h-{:.1}z\"", y - a, a + b, 2.0 * a)),
        _ => (
            "path",
            format!("class=\"f{class}\" d=\"M{x:.1} {:.1}l{a:.1} {a:.1}l-{a:.1} {a:.1}l-{a:.1} -{a:.1}z\"", y - a),
        ),
    }
}

/// Returns the dash pattern of a series, for the same purpose.
pub(super) fn dashes(series: usize) -> &'static str {
    ["", " stroke-dasharray=\"7 3\"", " stroke-dasharray=\"2 3\"", " stroke-dasharray=\"9 3 2 3\""]
        [(series + series / N_COLOURS) % 4]
}

/// Truncates a text that is longer than `most` characters, with an ellipsis.
pub(super) fn short(text: &str, most: f64) -> String {
    let most = most.max(4.0) as usize;
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_string(),
    }
}

/// Escapes text for use between tags and in attributes; characters that XML does not allow become spaces.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Panics unless all numbers of a picture are finite.
pub(super) fn check_finite(what: &str, title: &str, values: impl IntoIterator<Item = f64>) {
    if let Some(value) = values.into_iter().find(|value| !value.is_finite()) {
        panic!("{what} '{title}': {value} has no place in a picture");
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Asserts that the tags of a picture are well-formed and that text from outside is escaped.
    pub(in super::super) fn check(svg: &str) {
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let mut open: Vec<&str> = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("a tag ends");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "{svg}"),
                None if tag.ends_with('/') => {}
                None => open.push(tag.split(' ').next().unwrap()),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    /// A name that tries to break out of its element.
    pub(in super::super) const HOSTILE: &str = "</text><script>alert(1)</script>\" onload='x' & \u{1b}[2J";

    #[test]
    fn axes_have_round_numbers_around_all_values() {
        for (values, expected) in [
            (vec![0.0, 1.0], (0.0, 1.0, vec!["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"])),
            (vec![3.0, 97.0], (0.0, 100.0, vec!["0", "20", "40", "60", "80", "100"])),
            (vec![-0.013, 0.021], (-0.02, 0.03, vec!["-0.02", "-0.01", "0.00", "0.01", "0.02", "0.03"])),
            (vec![], (0.0, 1.0, vec!["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"])),
        ] {
            let scale = Scale::around(values);
            let labels: Vec<String> = scale.ticks().map(|tick| scale.label(tick)).collect();
            assert!((scale.low - expected.0).abs() < 1e-12 && (scale.high - expected.1).abs() < 1e-12);
            assert_eq!(labels, expected.2);
        }
        for value in [0.0, 5.0, -1e12, 1e-9] {
            let scale = Scale::around([value, value]);
            assert!((0.0..=1.0).contains(&scale.share(value)) && scale.low < scale.high, "{value}");
            assert!(scale.ticks().count() < 12);
        }
    }

    #[test]
    fn what_comes_from_outside_stays_text() {
        let mut svg = Svg::new(HOSTILE, 900.0, 100.0);
        svg.text(0.0, 0.0, Anchor::Middle, HOSTILE);
        let (name, attributes) = marker(3, 1.0, 1.0, 2.0);
        svg.draw_with_tip(name, attributes, HOSTILE);
        check(&svg.finish());
    }
}
