//! A log-log line plot, as SVG.

use super::svg::{Anchor, Svg};

/// Sizes of the picture and of the margins around the plotted area, in pixels.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 48.0;

/// A log-log plot of `y` against `x`, both positive: a power law is a straight line.
///
/// ```
/// use viral::report::Plot;
///
/// let plot = Plot::new("memory", "items", "MB", vec![(1e4, 120.0), (1e5, 1150.0), (1e6, 11400.0)]);
/// assert!((plot.exponent() - 0.99).abs() < 0.01);
/// assert!(plot.to_svg().starts_with("<svg"));
/// ```
#[derive(Debug, Clone)]
pub struct Plot {
    title: String,
    axes: [String; 2],
    points: Vec<(f64, f64)>,
}

impl Plot {
    /// Creates a plot of points in order of `x`.
    ///
    /// # Panics
    /// When there are fewer than two points or one of their numbers is not positive and finite.
    pub fn new(title: &str, x: &str, y: &str, points: Vec<(f64, f64)>) -> Self {
        let fine = points.iter().all(|&(x, y)| x > 0.0 && y > 0.0 && x.is_finite() && y.is_finite());
        assert!(points.len() > 1 && fine, "plot '{title}': two points at least, positive and finite: {points:?}");
        Self { title: title.to_string(), axes: [x.to_string(), y.to_string()], points }
    }

    /// Returns the exponent `b` of the power law `y = a xᵇ` that fits best, by least squares of the logarithms.
    pub fn exponent(&self) -> f64 {
        let n = self.points.len() as f64;
        let logs: Vec<(f64, f64)> = self.points.iter().map(|&(x, y)| (x.ln(), y.ln())).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / n;
        let (x_mean, y_mean) = (mean(|p| p.0), mean(|p| p.1));
        let covariance: f64 = logs.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
        covariance / logs.iter().map(|(x, _)| (x - x_mean).powi(2)).sum::<f64>()
    }

    /// Renders the plot: points, the line through them, decades on both axes, the exponent in the title.
    pub fn to_svg(&self) -> String {
        let (xs, ys) = (Axis::of(self.points.iter().map(|p| p.0)), Axis::of(self.points.iter().map(|p| p.1)));
        let x = |value: f64| LEFT + xs.share(value) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - ys.share(value) * (HEIGHT - TOP - BOTTOM);
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let mut svg = Svg::new(&format!("{}: exponent {:.2}", self.title, self.exponent()), WIDTH, HEIGHT);
        for tick in xs.ticks() {
            let at = x(tick);
            svg.draw(format!("path class=\"g\" d=\"M{at:.1} {TOP}V{bottom}\""));
            svg.text(at, bottom + 16.0, Anchor::Middle, &short(tick));
        }
        for tick in ys.ticks() {
            let at = y(tick);
            svg.draw(format!("path class=\"g\" d=\"M{LEFT} {at:.1}H{right}\""));
            svg.text(LEFT - 6.0, at + 4.0, Anchor::End, &short(tick));
        }
        let places: Vec<(f64, f64)> = self.points.iter().map(|&(a, b)| (x(a), y(b))).collect();
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        svg.draw(format!("polyline class=\"s0\" points=\"{}\" fill=\"none\" stroke-width=\"2\"", line.join(" ")));
        for (x, y) in places {
            svg.draw(format!("circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" class=\"f0\""));
        }
        svg.text((LEFT + right) / 2.0, HEIGHT - 10.0, Anchor::Middle, &self.axes[0]);
        svg.text(8.0, TOP - 8.0, Anchor::Start, &self.axes[1]);
        svg.finish()
    }
}

/// A logarithmic axis of whole decades around all values.
struct Axis {
    low: i32,
    high: i32,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min).log10().floor() as i32;
        let high = values.fold(0.0, f64::max).log10().ceil() as i32;
        Self { low, high: high.max(low + 1) }
    }

    fn share(&self, value: f64) -> f64 {
        (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        (self.low..=self.high).map(|power| 10f64.powi(power))
    }
}

/// Formats a tick: `0.01`, `100`, `10k`, `1M`.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{}G", v / 1e9),
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e4 => format!("{}k", v / 1e3),
        v => format!("{}", (v * 1e6).round() / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_is_that_of_a_power_law() {
        let points = |b: f64| [1e2, 3e2, 1e4, 5e5].map(|x: f64| (x, 0.3 * x.powf(b))).to_vec();
        for b in [-0.5, 0.0, 1.0, 2.0] {
            assert!((Plot::new("", "", "", points(b)).exponent() - b).abs() < 1e-12);
        }
    }

    #[test]
    fn points_lie_inside_and_names_cannot_break_the_picture() {
        let plot = Plot::new("a < b & c", "<x>", "y", vec![(10.0, 1.0), (1000.0, 1.0), (5000.0, 99.0)]);
        let svg = plot.to_svg();
        assert!(svg.contains("a &lt; b &amp; c") && svg.contains("&lt;x&gt;") && !svg.contains("<x>"));
        assert_eq!(svg.matches("<circle").count(), 3);
        for part in svg.split("<circle cx=\"").skip(1) {
            let numbers: Vec<f64> = part.split('"').step_by(2).take(2).map(|x| x.parse().unwrap()).collect();
            assert!((LEFT..=WIDTH - RIGHT).contains(&numbers[0]) && (TOP..=HEIGHT - BOTTOM).contains(&numbers[1]));
        }
    }

    #[test]
    #[should_panic(expected = "positive and finite")]
    fn a_logarithm_of_zero_is_no_place() {
        Plot::new("", "", "", vec![(1.0, 0.0), (2.0, 1.0)]);
    }
}
