//! Scatter plots: maps of points by group.

use super::svg::{Anchor, Frame, ROW, Scale, Svg, check_finite, legend, marker, room_for};

/// Size of the plotted area and its margins, in pixels.
const SIDE: f64 = 380.0;
const LEFT: f64 = 16.0;
const TOP: f64 = 34.0;

/// A scatter plot of a map, in groups that differ in colour and shape. The axes have no numbers: positions on a map
/// mean something only relative to one another.
///
/// ```
/// use viral::report::Scatter;
///
/// let map = Scatter::new("items", "t-SNE: distances between clusters mean nothing", ["toys", "books"])
///     .point(0, 1.5, -0.5, Some("A rubber duck"))
///     .point(1, -2.0, 0.3, None);
/// assert!(map.to_svg().contains("A rubber duck"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    title: String,
    caption: String,
    groups: Vec<String>,
    /// Group, position and tooltip.
    points: Vec<(usize, [f64; 2], Option<String>)>,
}

impl Scatter {
    /// Creates a map without points; the caption is shown below it.
    pub fn new<S: Into<String>>(
        title: impl Into<String>,
        caption: impl Into<String>,
        groups: impl IntoIterator<Item = S>,
    ) -> Self {
        let groups = groups.into_iter().map(Into::into).collect();
        Self { title: title.into(), caption: caption.into(), groups, points: Vec::new() }
    }

    /// Adds a point of a group, with a tooltip.
    ///
    /// # Panics
    /// When there is no such group, or a number is not finite.
    pub fn point(mut self, group: usize, x: f64, y: f64, tip: Option<&str>) -> Self {
        check_finite("scatter", &self.title, [x, y]);
        assert!(group < self.groups.len(), "scatter '{}': group {group} of {}", self.title, self.groups.len());
        self.points.push((group, [x, y], tip.map(str::to_string)));
        self
    }

    /// Adds many points without tooltips: their groups and positions.
    ///
    /// # Panics
    /// Those of [`point`](Self::point); when the lists differ in length.
    pub fn points(self, groups: &[u32], places: &[[f32; 2]]) -> Self {
        assert_eq!(groups.len(), places.len(), "scatter '{}': lists of different lengths", self.title);
        let all = groups.iter().zip(places);
        all.fold(self, |map, (&group, &[x, y])| map.point(group as usize, f64::from(x), f64::from(y), None))
    }

    /// Renders the plot. Both axes have the same scale.
    pub fn to_svg(&self) -> String {
        let range = |axis: usize| {
            let ends = self.points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, place, _)| {
                (low.min(place[axis]), high.max(place[axis]))
            });
            if ends.0 <= ends.1 { ends } else { (0.0, 1.0) }
        };
        let (xs, ys) = (range(0), range(1));
        let half = ((xs.1 - xs.0).max(ys.1 - ys.0) / 2.0 * 1.04).max(1e-12);
        let scale = |(low, high): (f64, f64)| {
            let middle = low + (high - low) / 2.0;
            Scale::of(middle - half, middle + half)
        };
        let frame = Frame { left: LEFT, right: LEFT + SIDE, top: TOP, bottom: TOP + SIDE, x: scale(xs), y: scale(ys) };
        let n = self.groups.len();
        let room = if n > 1 { 44.0 + room_for(self.groups.iter().map(String::as_str)) } else { 0.0 };
        let height = (TOP + SIDE + 28.0).max(TOP + 16.0 + n as f64 * ROW);
        let mut svg = Svg::new(&self.title, LEFT + SIDE + 20.0 + room, height);
        frame.outline(&mut svg);
        svg.text(LEFT, TOP + SIDE + 18.0, Anchor::Start, &self.caption);
        let size = if self.points.len() > 1000 { 1.6 } else { 2.8 };
        for (group, place, tip) in &self.points {
            let (x, y) = frame.at(place[0], place[1]);
            let (name, attributes) = marker(*group, x, y, size);
            match tip {
                Some(tip) => svg.draw_with_tip(name, format!("{attributes} fill-opacity=\"0.75\""), tip),
                None => svg.draw(format!("{name} {attributes} fill-opacity=\"0.75\"")),
            }
        }
        if n > 1 {
            legend(
                &mut svg,
                LEFT + SIDE + 14.0,
                TOP + 8.0,
                self.groups.iter().map(String::as_str),
                |svg, group, x, y| {
                    let (name, attributes) = marker(group, x + 12.0, y, 4.0);
                    svg.draw(format!("{name} {attributes}"));
                },
            );
        }
        svg.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::svg::tests::{HOSTILE, check};
    use super::*;

    #[test]
    fn points_lie_inside_and_titles_stay_text() {
        let mut map = Scatter::new(HOSTILE, HOSTILE, [HOSTILE, "b", "c", "d", "e"]);
        for i in 0..40 {
            map = map.point(i % 5, (i * i % 23) as f64 * 10.0, i as f64, Some(HOSTILE).filter(|_| i % 3 == 0));
        }
        let svg = map.to_svg();
        check(&svg);
        assert_eq!(svg.matches("fill-opacity").count(), 40);
        for part in svg.split("<circle ").skip(1).filter(|part| part.contains("fill-opacity")) {
            let number = |name: &str| -> f64 {
                part.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            };
            assert!((LEFT..=LEFT + SIDE).contains(&number("cx")) && (TOP..=TOP + SIDE).contains(&number("cy")));
        }
        check(&Scatter::new("none", "", ["a"]).to_svg());
        check(&Scatter::new("one", "", ["a"]).points(&[0, 0], &[[1.0, 2.0], [1.0, 2.0]]).to_svg());
    }

    #[test]
    #[should_panic(expected = "group 1 of 1")]
    fn a_group_that_is_not_there_panics() {
        let _ = Scatter::new("x", "", ["a"]).point(1, 0.0, 0.0, None);
    }
}
