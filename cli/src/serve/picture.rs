//! Photos of a folder, or drawings of the items' vectors.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use viral::data::splitmix64;
use viral::prelude::Recommender;
use viral::{Error, Result};

/// Photos by item: the files of a folder that are named by an item's id.
///
/// What can be read is settled when the service starts: a request names an item and never a file.
#[derive(Default)]
pub(crate) struct Pictures(HashMap<String, (&'static str, PathBuf)>);

impl Pictures {
    /// The pictures of a folder, not of those within it.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self> {
        let failed = |source| Error::Io { path: folder.to_path_buf(), source };
        let mut found = HashMap::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
            let kind = match extension.as_str() {
                "jpg" | "jpeg" => "image/jpeg",
                "png" => "image/png",
                "webp" => "image/webp",
                "gif" => "image/gif",
                _ => continue,
            };
            if let Some(item) = path.file_stem().and_then(|stem| stem.to_str())
                && path.is_file()
            {
                found.insert(item.to_string(), (kind, path.clone()));
            }
        }
        match found.is_empty() {
            true => Err(Error::File {
                path: folder.to_path_buf(),
                message: "no picture is here; they are named by item: ID.jpg, ID.png, ID.webp or ID.gif".into(),
            }),
            false => Ok(Self(found)),
        }
    }

    /// Number of pictures.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is one of an item.
    pub(crate) fn has(&self, item: &str) -> bool {
        self.0.contains_key(item)
    }

    /// Type and file of an item's picture.
    pub(super) fn of(&self, item: &str) -> Option<(&'static str, &Path)> {
        self.0.get(item).map(|(kind, file)| (*kind, file.as_path()))
    }
}

/// Shapes of a drawing.
const SHAPES: usize = 4;
/// Numbers that a shape is drawn from.
const NUMBERS: usize = 5;

/// An SVG drawn from an item's vector in its last block, which is the visual one where there is one: items whose vectors are alike
/// look alike.
pub(super) fn drawing(model: &Recommender, item: &str) -> Result<String> {
    let vectors = model.embeddings();
    let width = vectors.blocks().last().map_or(0, |(_, width)| *width);
    let vector = model.item_vector(item)?;
    let vector = &vector[vector.len() - width..];
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    // Projections on fixed directions of random signs: about normal with variance 1 over all directions of a vector.
    let number = |at: usize| {
        let signed = |(i, x): (usize, &f32)| f64::from(*x) * sign(at as u64, i as u64);
        let projection = vector.iter().enumerate().map(signed).sum::<f64>() / length;
        1.0 / (1.0 + (-1.7 * projection).exp()) // to 0..1
    };
    let ground = number(SHAPES * NUMBERS) * 360.0;
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'><rect width='100' height='100' \
         fill='hsl({ground:.0} 45% 88%)'/>"
    );
    for shape in 0..SHAPES {
        let [hue, x, y, size, turn] = std::array::from_fn(|i| number(shape * NUMBERS + i));
        let (hue, x, y, size) = (hue * 360.0, 15.0 + 70.0 * x, 15.0 + 70.0 * y, 8.0 + 22.0 * size);
        let fill = format!("fill='hsl({hue:.0} 62% 52%)' fill-opacity='.85'");
        let _ = match shape % 3 {
            0 => write!(svg, "<circle cx='{x:.1}' cy='{y:.1}' r='{size:.1}' {fill}/>"),
            1 => {
                let (left, top, side, round) = (x - size, y - size, 2.0 * size, size * turn);
                write!(
                    svg,
                    "<rect x='{left:.1}' y='{top:.1}' width='{side:.1}' height='{side:.1}' rx='{round:.1}' {fill}/>"
                )
            }
            _ => {
                let corner = |third: f64| {
                    let angle = std::f64::consts::TAU * (turn + third / 3.0);
                    format!("{:.1},{:.1}", x + 1.3 * size * angle.cos(), y + 1.3 * size * angle.sin())
                };
                write!(svg, "<polygon points='{} {} {}' {fill}/>", corner(0.0), corner(1.0), corner(2.0))
            }
        };
    }
    svg.push_str("</svg>");
    Ok(svg)
}

/// -1 or 1, by a hash of both numbers.
fn sign(direction: u64, entry: u64) -> f64 {
    if splitmix64(direction << 32 | entry) & 1 == 0 { 1.0 } else { -1.0 }
}
