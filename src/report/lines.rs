//! Line charts with bands, Lorenz curves and histograms.

use super::svg::{Frame, N_COLOURS, ROW, Scale, Svg, check_finite, dashes, legend, marker, room_for};
use std::fmt::Write;

/// Sizes of the plotted area and its margins, in pixels.
const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 52.0;
const BELOW: f64 = 48.0;

/// A line chart: curves on linear axes, each with a band if it has an interval.
///
/// Curves differ in colour, dashes and markers, so that they can be told apart in print.
///
/// ```
/// use viral::report::Lines;
///
/// let lines = Lines::new("valid", "epoch", "recall@20")
///     .line("viral", [(0.0, 0.02), (1.0, 0.05), (2.0, 0.06)])
///     .band("mean of seeds", [(0.0, 0.02, 0.01, 0.03), (2.0, 0.05, 0.04, 0.06)]);
/// assert!(lines.to_svg().contains("mean of seeds"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    title: String,
    axes: [String; 2],
    lines: Vec<(String, Vec<[f64; 4]>)>,
    diagonal: bool,
}

impl Lines {
    /// Creates a chart without curves.
    pub fn new(title: impl Into<String>, x: impl Into<String>, y: impl Into<String>) -> Self {
        Self { title: title.into(), axes: [x.into(), y.into()], lines: Vec::new(), diagonal: false }
    }

    /// Creates a chart of a Lorenz curve, such as that of [`Exposure::lorenz`](crate::eval::Exposure::lorenz), with the
    /// diagonal of perfect equality. Add further curves by [`line`](Self::line).
    ///
    /// # Panics
    /// When a number is not finite.
    pub fn lorenz(
        title: impl Into<String>,
        name: impl Into<String>,
        curve: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let lines = Self::new(title, "share of items, least shown first", "share of all places").line(name, curve);
        Self { diagonal: true, ..lines }
    }

    /// Adds a curve through points `(x, y)`.
    ///
    /// # Panics
    /// When a number is not finite.
    pub fn line(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.band(name, points.into_iter().map(|(x, y)| (x, y, y, y)))
    }

    /// Adds a curve through points `(x, y, low, high)`, with the band from low to high.
    ///
    /// # Panics
    /// When a number is not finite.
    pub fn band(mut self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64, f64, f64)>) -> Self {
        let points: Vec<[f64; 4]> = points.into_iter().map(|(x, y, low, high)| [x, y, low, high]).collect();
        check_finite("lines", &self.title, points.iter().flatten().copied());
        self.lines.push((name.into(), points));
        self
    }

    /// Renders the chart. A curve has markers if it has at most forty points.
    pub fn to_svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.1);
        let ends: &[f64] = if self.diagonal { &[0.0, 1.0] } else { &[] };
        let x = Scale::around(points().map(|p| p[0]).chain(ends.iter().copied()));
        let y = Scale::around(points().flat_map(|p| [p[1], p[2], p[3]]).chain(ends.iter().copied()));
        let (frame, mut svg) = axes(&self.title, &self.axes, x, y, self.lines.iter().map(|line| line.0.as_str()));
        if self.diagonal {
            let ((x0, y0), (x1, y1)) = (frame.at(0.0, 0.0), frame.at(1.0, 1.0));
            svg.draw(format!("path class=\"a\" stroke-dasharray=\"2 4\" d=\"M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}\""));
        }
        for (series, (_, points)) in self.lines.iter().enumerate() {
            let class = series % N_COLOURS;
            if points.iter().any(|p| p[2] != p[3]) {
                let upper = points.iter().map(|p| frame.at(p[0], p[3]));
                let lower = points.iter().rev().map(|p| frame.at(p[0], p[2]));
                svg.draw(format!(
                    "polygon class=\"f{class}\" fill-opacity=\"0.2\" points=\"{}\"",
                    list(upper.chain(lower))
                ));
            }
            let line = list(points.iter().map(|p| frame.at(p[0], p[1])));
            let dashes = dashes(series);
            svg.draw(format!("polyline class=\"s{class}\" fill=\"none\" stroke-width=\"2\"{dashes} points=\"{line}\""));
            if points.len() <= 40 {
                for p in points {
                    let (x, y) = frame.at(p[0], p[1]);
                    let (name, attributes) = marker(series, x, y, 3.0);
                    svg.draw_with_tip(name, attributes, &format!("{}: {}", p[0], p[1]));
                }
            }
        }
        svg.finish()
    }
}

/// A histogram: the share of values in each of some bins of equal width, with one outline for each series.
///
/// ```
/// use viral::report::Histogram;
///
/// let weights = [0.1, 0.2, 0.2, 0.7];
/// let svg = Histogram::new("weights of users", "weight of the text block", 10).series("viral", weights).to_svg();
/// assert!(svg.contains("share of values"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    title: String,
    axis: String,
    n_bins: usize,
    series: Vec<(String, Vec<f64>)>,
}

impl Histogram {
    /// Creates a histogram without values; `axis` labels them.
    ///
    /// # Panics
    /// When `n_bins` is 0.
    pub fn new(title: impl Into<String>, axis: impl Into<String>, n_bins: usize) -> Self {
        assert!(n_bins > 0, "a histogram has at least one bin");
        Self { title: title.into(), axis: axis.into(), n_bins, series: Vec::new() }
    }

    /// Adds a series of values.
    ///
    /// # Panics
    /// When one is not finite.
    pub fn series(mut self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        check_finite("histogram", &self.title, values.iter().copied());
        self.series.push((name.into(), values));
        self
    }

    /// Renders the histogram. All series share their bins, from the smallest to the largest value.
    pub fn to_svg(&self) -> String {
        let values = || self.series.iter().flat_map(|series| series.1.iter().copied());
        let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        let (low, high) = if low < high { (low, high) } else { (low.min(1e300) - 0.5, low.min(1e300) + 0.5) };
        let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 1.0) };
        let width = (high - low) / self.n_bins as f64;
        let shares: Vec<Vec<f64>> = self
            .series
            .iter()
            .map(|series| {
                let mut counts = vec![0usize; self.n_bins];
                series.1.iter().for_each(|x| counts[(((x - low) / width) as usize).min(self.n_bins - 1)] += 1);
                counts.into_iter().map(|count| count as f64 / series.1.len() as f64).collect()
            })
            .collect();
        let y = Scale::around(shares.iter().flatten().copied().chain([0.0]));
        let names = || self.series.iter().map(|series| series.0.as_str());
        let axis = [self.axis.clone(), "share of values".to_string()];
        let (frame, mut svg) = axes(&self.title, &axis, Scale::around([low, high]), y, names());
        for (series, shares) in
            shares.iter().enumerate().filter(|(_, shares)| shares.iter().all(|share| share.is_finite()))
        {
            let edge = |bin: usize| low + bin as f64 * width;
            let steps =
                shares.iter().enumerate().flat_map(|(bin, &share)| [(edge(bin), share), (edge(bin + 1), share)]);
            let outline = list([(low, 0.0)].into_iter().chain(steps).chain([(high, 0.0)]).map(|(x, y)| frame.at(x, y)));
            let (class, dashes) = (series % N_COLOURS, dashes(series));
            svg.draw(format!("polygon class=\"f{class}\" fill-opacity=\"0.2\" points=\"{outline}\""));
            svg.draw(format!(
                "polyline class=\"s{class}\" fill=\"none\" stroke-width=\"2\"{dashes} points=\"{outline}\""
            ));
        }
        svg.finish()
    }
}

/// Draws a frame with axes and, if there are several names, a legend.
fn axes<'n>(
    title: &str,
    [x_name, y_name]: &[String; 2],
    x: Scale,
    y: Scale,
    names: impl Iterator<Item = &'n str> + Clone,
) -> (Frame, Svg) {
    let n = names.clone().count();
    let room = if n > 1 { 44.0 + room_for(names.clone()) } else { 0.0 };
    let frame = Frame { left: LEFT, right: LEFT + WIDTH, top: TOP, bottom: TOP + HEIGHT, x, y };
    let height = (TOP + HEIGHT + BELOW).max(TOP + n as f64 * ROW);
    let mut svg = Svg::new(title, frame.right + 20.0 + room, height);
    frame.x_axis(&mut svg, x_name);
    frame.y_axis(&mut svg, y_name);
    frame.outline(&mut svg);
    if n > 1 {
        legend(&mut svg, frame.right + 14.0, TOP + 8.0, names, |svg, series, x, y| {
            let (class, dashes) = (series % N_COLOURS, dashes(series));
            svg.draw(format!(
                "path class=\"s{class}\" fill=\"none\" stroke-width=\"2\"{dashes} d=\"M{x:.1} {y:.1}h20\""
            ));
        });
    }
    (frame, svg)
}

fn list(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut text = String::new();
    for (x, y) in points {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{x:.1},{y:.1}", if text.is_empty() { "" } else { " " });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::svg::tests::{HOSTILE, check};
    use super::*;

    #[test]
    fn curves_lie_inside_their_frame_and_names_stay_text() {
        let svg = Lines::new(HOSTILE, HOSTILE, HOSTILE)
            .line(HOSTILE, [(0.0, 1.0), (5.0, -3.0)])
            .band("b", [(1.0, 2.0, 1.0, 4.0), (2.0, 2.5, 2.5, 2.5)])
            .to_svg();
        check(&svg);
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<polygon").count()), (2, 1));
        for list in svg.split(" points=\"").skip(1) {
            for point in list.split('"').next().unwrap().split(' ') {
                let (x, y) = point.split_once(',').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((LEFT..=LEFT + WIDTH).contains(&x) && (TOP..=TOP + HEIGHT).contains(&y), "{point}");
            }
        }
        check(&Lines::new("none", "", "").to_svg());
        check(&Lines::new("one", "", "").line("a", [(3.0, 3.0)]).to_svg());
    }

    #[test]
    fn a_lorenz_curve_has_its_diagonal() {
        let svg = Lines::lorenz("exposure", "viral", [(0.0, 0.0), (0.5, 0.1), (1.0, 1.0)]).to_svg();
        check(&svg);
        assert!(svg.contains("stroke-dasharray=\"2 4\""));
    }

    #[test]
    fn bins_hold_all_values() {
        let histogram = Histogram::new("h", HOSTILE, 4).series(HOSTILE, [0.0, 1.0, 2.0, 4.0, 4.0]).series("none", []);
        let svg = histogram.to_svg();
        check(&svg);
        // The last of four bins has two of five values: the highest step, at the axis' end of 0.4.
        assert!(svg.contains(&format!("{:.1},{TOP:.1}", LEFT + WIDTH)), "{svg}");
        for values in [vec![], vec![7.0; 3], vec![f64::MAX]] {
            check(&Histogram::new("h", "x", 3).series("s", values).to_svg());
        }
    }

    #[test]
    #[should_panic(expected = "lines 'x': inf has no place")]
    fn what_is_no_number_panics() {
        let _ = Lines::new("x", "", "").line("z", [(0.0, f64::INFINITY)]);
    }
}
