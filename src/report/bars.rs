//! Bar charts: values with intervals, and shares of a whole.

use super::svg::{Anchor, Frame, N_COLOURS, NAME, ROW, Scale, Svg, check_finite, legend, room_for, short};

/// Width of the plotted area, in pixels.
const WIDTH: f64 = 380.0;

/// Attributes of the line that marks the chance level.
const CHANCE: &str = "class=\"s1\" fill=\"none\" stroke-width=\"2\" stroke-dasharray=\"3 2\"";

/// A bar chart: values by name, each with an interval and a chance level where these are known.
///
/// ```
/// use viral::report::Bars;
///
/// let bars = Bars::new("information about a click", "bits")
///     .bar("only text", 0.0354, Some([0.0322, 0.0386]), Some(0.0002))
///     .bar("synergy", 0.0027, Some([0.0019, 0.0035]), Some(0.0003));
/// let svg = bars.to_svg();
/// assert!(svg.contains("only text") && svg.contains("chance alone"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    title: String,
    axis: String,
    bars: Vec<Bar>,
}

#[derive(Debug, Clone, PartialEq)]
struct Bar {
    name: String,
    value: f64,
    interval: Option<[f64; 2]>,
    null: Option<f64>,
    dots: Vec<f64>,
}

impl Bars {
    /// Creates a chart without bars; `axis` labels the values.
    pub fn new(title: impl Into<String>, axis: impl Into<String>) -> Self {
        Self { title: title.into(), axis: axis.into(), bars: Vec::new() }
    }

    /// Adds a bar, with the ends of its interval and its chance level.
    ///
    /// # Panics
    /// When a number is not finite.
    pub fn bar(mut self, name: impl Into<String>, value: f64, interval: Option<[f64; 2]>, null: Option<f64>) -> Self {
        check_finite("bars", &self.title, [value].into_iter().chain(interval.into_iter().flatten()).chain(null));
        self.bars.push(Bar { name: name.into(), value, interval, null, dots: Vec::new() });
        self
    }

    /// Sets the dots of the last bar: the values that it is the mean of, such as those of the seeds.
    ///
    /// # Panics
    /// When there is no bar, or a number is not finite.
    pub fn dots(mut self, values: impl IntoIterator<Item = f64>) -> Self {
        let dots: Vec<f64> = values.into_iter().collect();
        check_finite("bars", &self.title, dots.iter().copied());
        match self.bars.last_mut() {
            Some(bar) => bar.dots = dots,
            None => panic!("bars '{}': dots before the first bar", self.title),
        }
        self
    }

    /// Renders the chart: a row for each bar, whiskers for intervals, dashed lines for chance.
    pub fn to_svg(&self) -> String {
        let left = 16.0 + room_for(self.bars.iter().map(|bar| bar.name.as_str()));
        let has_null = self.bars.iter().any(|bar| bar.null.is_some());
        let (top, step) = (36.0, 26.0);
        let bottom = top + step * self.bars.len() as f64;
        let numbers = |bar: &Bar| {
            [Some(bar.value), bar.null]
                .into_iter()
                .chain(bar.interval.map(|ends| ends.map(Some)).into_iter().flatten())
                .flatten()
                .chain(bar.dots.iter().copied())
                .collect::<Vec<f64>>()
        };
        let x = Scale::around(self.bars.iter().flat_map(numbers).chain([0.0]));
        let frame = Frame { left, right: left + WIDTH, top, bottom, x, y: Scale::around([0.0, 1.0]) };
        let mut svg = Svg::new(&self.title, frame.right + 24.0, bottom + 44.0 + if has_null { ROW } else { 0.0 });
        frame.x_axis(&mut svg, &self.axis);
        let zero = frame.at(0.0, 0.0).0;
        for (row, bar) in self.bars.iter().enumerate() {
            let y = top + step * row as f64;
            let (end, middle) = (frame.at(bar.value, 0.0).0, y + step / 2.0);
            let (from, width) = (zero.min(end), (end - zero).abs());
            let place = format!(
                "class=\"f0\" fill-opacity=\"0.8\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"",
                y + 5.0,
                step - 10.0
            );
            svg.draw_with_tip("rect", place, &format!("{}: {}", bar.name, number(bar.value)));
            svg.text(left - 8.0, middle + 4.0, Anchor::End, &short(&bar.name, NAME));
            if let Some(ends) = bar.interval {
                let [a, b] = ends.map(|end| frame.at(end, 0.0).0);
                let y = middle - 4.0;
                let whiskers = format!("M{a:.1} {middle:.1}H{b:.1}M{a:.1} {y:.1}v8M{b:.1} {y:.1}v8");
                svg.draw(format!("path class=\"w\" stroke-width=\"1.5\" d=\"{whiskers}\""));
            }
            for dot in &bar.dots {
                let (at, tip) = (frame.at(*dot, 0.0).0, format!("{}: {}", bar.name, number(*dot)));
                let place = format!("class=\"f1 o\" cx=\"{at:.1}\" cy=\"{middle:.1}\" r=\"3.5\"");
                svg.draw_with_tip("circle", place, &tip);
            }
            if let Some(null) = bar.null {
                let at = frame.at(null, 0.0).0;
                svg.draw(format!("path {CHANCE} d=\"M{at:.1} {y:.1}v{step}\""));
            }
        }
        svg.draw(format!("path class=\"a\" d=\"M{zero:.1} {top}V{bottom}\""));
        if has_null {
            legend(&mut svg, left, bottom + 46.0, ["chance alone"], |svg, _, x, y| {
                svg.draw(format!("path {CHANCE} d=\"M{x} {y}h20\""));
            });
        }
        svg.finish()
    }
}

/// Stacked bars: a row for each whole, divided into named parts, such as the share of each block in a model's scores.
///
/// ```
/// use viral::report::StackedBars;
///
/// let bars = StackedBars::new("shares of the score", ["text", "synergy", "visual"]).bar("Baby", [6.0, 3.0, 1.0]);
/// assert!(bars.to_svg().contains("synergy: 30.0 %"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct StackedBars {
    title: String,
    parts: Vec<String>,
    bars: Vec<(String, Vec<f64>)>,
}

impl StackedBars {
    /// Creates a chart without bars; the parts are in order from the left.
    pub fn new<S: Into<String>>(title: impl Into<String>, parts: impl IntoIterator<Item = S>) -> Self {
        Self { title: title.into(), parts: parts.into_iter().map(Into::into).collect(), bars: Vec::new() }
    }

    /// Adds a whole with the sizes of its parts, which are normalised to 100 %.
    ///
    /// # Panics
    /// When there is not one size for each part, one is negative or not finite, or all are 0.
    pub fn bar(mut self, name: impl Into<String>, sizes: impl IntoIterator<Item = f64>) -> Self {
        let sizes: Vec<f64> = sizes.into_iter().collect();
        let (name, sum) = (name.into(), sizes.iter().sum::<f64>());
        let fine =
            sizes.len() == self.parts.len() && sizes.iter().all(|size| *size >= 0.0) && sum.is_finite() && sum > 0.0;
        assert!(fine, "stacked bars '{}': {name} has {sizes:?} for {:?}", self.title, self.parts);
        self.bars.push((name, sizes.into_iter().map(|size| size / sum).collect()));
        self
    }

    /// Renders the chart. Shares are shown inside the parts that have room for them, and in tooltips.
    pub fn to_svg(&self) -> String {
        let left = 16.0 + room_for(self.bars.iter().map(|bar| bar.0.as_str()));
        let (top, step) = (36.0, 30.0);
        let bottom = top + step * self.bars.len() as f64;
        let frame = Frame {
            left,
            right: left + WIDTH,
            top,
            bottom,
            x: Scale::around([0.0, 100.0]),
            y: Scale::around([0.0, 1.0]),
        };
        let mut svg = Svg::new(&self.title, frame.right + 24.0, bottom + 52.0 + ROW * self.parts.len() as f64);
        frame.x_axis(&mut svg, "%");
        for (row, (name, shares)) in self.bars.iter().enumerate() {
            let (y, mut from) = (top + step * row as f64 + 4.0, 0.0);
            svg.text(left - 8.0, y + step / 2.0, Anchor::End, &short(name, NAME));
            for (part, share) in shares.iter().enumerate() {
                let (a, b) = (frame.at(100.0 * from, 0.0).0, frame.at(100.0 * (from + share), 0.0).0);
                let place = format!(
                    "class=\"f{}\" x=\"{a:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"",
                    part % N_COLOURS,
                    (b - a).max(0.0),
                    step - 8.0
                );
                svg.draw_with_tip("rect", place, &format!("{name}, {}: {:.1} %", self.parts[part], 100.0 * share));
                if b - a > 34.0 {
                    // A plate in the background colour keeps numbers readable on every fill, also in print.
                    let middle = (a + b) / 2.0;
                    svg.draw(format!(
                        "rect class=\"b\" x=\"{:.1}\" y=\"{:.1}\" width=\"30\" height=\"14\" rx=\"3\"",
                        middle - 15.0,
                        y + 4.0
                    ));
                    svg.text(middle, y + 15.0, Anchor::Middle, &format!("{:.0} %", 100.0 * share));
                }
                from += share;
            }
        }
        legend(&mut svg, left, bottom + 52.0, self.parts.iter().map(String::as_str), |svg, part, x, y| {
            svg.draw(format!(
                "rect class=\"f{}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"20\" height=\"10\"",
                part % N_COLOURS,
                y - 5.0
            ));
        });
        svg.finish()
    }
}

/// Formats a number with four significant digits.
fn number(value: f64) -> String {
    let digits = if value == 0.0 { 0 } else { (3.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::super::svg::tests::{HOSTILE, check};
    use super::*;

    #[test]
    fn bars_reach_from_zero_to_their_values() {
        let bars = Bars::new(HOSTILE, HOSTILE)
            .bar(HOSTILE, 0.03, Some([0.02, 0.04]), Some(0.001))
            .bar("below", -0.01, None, None)
            .dots([-0.02, 0.0]);
        let svg = bars.to_svg();
        check(&svg);
        let widths: Vec<f64> = svg
            .split("<rect class=\"f0\"")
            .skip(1)
            .map(|rect| rect.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert!((widths[0] - 3.0 * widths[1]).abs() < 0.2, "{widths:?}");
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("stroke-dasharray").count(), 2); // one line and its legend
        check(&Bars::new("none", "").to_svg());
    }

    #[test]
    fn parts_add_up() {
        let bars =
            StackedBars::new("shares", [HOSTILE, "b", "c"]).bar("one", [1.0, 1.0, 2.0]).bar(HOSTILE, [0.0, 0.0, 7.0]);
        let svg = bars.to_svg();
        check(&svg);
        assert!(svg.contains("one, b: 25.0 %") && svg.contains("c: 100.0 %"));
    }

    #[test]
    #[should_panic(expected = "bars 'x': NaN has no place")]
    fn what_is_no_number_panics() {
        let _ = Bars::new("x", "y").bar("z", f64::NAN, None, None);
    }

    #[test]
    #[should_panic(expected = "one has [0.0] for [\"a\"]")]
    fn nothing_has_no_parts() {
        let _ = StackedBars::new("x", ["a"]).bar("one", [0.0]);
    }
}
