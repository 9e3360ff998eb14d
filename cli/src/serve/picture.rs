//! Photos of a folder, or drawings of the items' vectors.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use viral::data::{open_file, splitmix64};
use viral::prelude::Recommender;
use viral::{Error, Result};
use viral_enrich::describe::ImageFolder;

/// Number of bytes that identify a picture, whatever its extension: one of the four types that browsers show.
const HEAD: usize = 12;

/// Maximum number of bytes of a file that is read into memory.
const MOST: u64 = 64 << 20;

/// Photos by item: the files of a folder, and of those below it, that are named by an item's id.
///
/// The readable files are fixed when the service starts: a request names an item, never a file. Pictures are recognised
/// by their content, and links are not followed: files from elsewhere are not sent.
pub(crate) struct Pictures {
    folder: ImageFolder,
    /// The folder's path without links.
    root: PathBuf,
    /// Files that are named like pictures but are not, or are links.
    left_out: HashSet<PathBuf>,
}

impl Pictures {
    /// Finds the pictures of a folder.
    ///
    /// # Errors
    /// If it cannot be read, or has none.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self> {
        let root = folder.canonicalize().map_err(Error::io(folder))?;
        let files = ImageFolder::open(&root)?;
        let (left_out, good): (HashSet<_>, HashSet<_>) =
            files.files().partition(|path| open_picture(&root, path).is_none());
        match good.is_empty() {
            true => Err(Error::file(
                folder,
                "no picture is here; they are named by item: ID.jpg, ID.png, ID.webp or ID.gif, and are no links",
            )),
            false => Ok(Self { folder: files, root, left_out }),
        }
    }

    /// Number of files that are named like pictures but are not, or are links.
    pub(crate) fn n_left_out(&self) -> usize {
        self.left_out.len()
    }

    /// Returns the file of an item's picture.
    pub(crate) fn of(&self, item: &str) -> Option<PathBuf> {
        self.folder.of_item(item).filter(|path| !self.left_out.contains(path))
    }

    /// Returns type and bytes of a picture; `None` if the file is gone, or has become a link or something other than a
    /// picture.
    pub(super) fn read(&self, path: &Path) -> Option<(&'static str, Vec<u8>)> {
        let (kind, mut bytes, file) = open_picture(&self.root, path)?;
        file.take(MOST).read_to_end(&mut bytes).ok()?;
        Some((kind, bytes))
    }
}

/// Opens a picture below a folder: its type, its first bytes, and the file positioned after them.
fn open_picture(root: &Path, path: &Path) -> Option<(&'static str, Vec<u8>, File)> {
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() <= MOST);
    // A folder on the way may be a link as well.
    let is_below = path.canonicalize().is_ok_and(|path| path.starts_with(root));
    let mut file = (is_file && is_below).then(|| open_file(path).ok()).flatten()?;
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head).ok()?;
    let kind = match head.as_slice() {
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        _ => return None,
    };
    Some((kind, head, file))
}

/// Number of shapes in a drawing.
const SHAPES: usize = 4;
/// Numbers that determine a shape.
const NUMBERS: usize = 5;

/// Draws an SVG from the last block of an item's vector, the visual one if there is one: items with similar vectors
/// look alike.
pub(super) fn drawing(model: &Recommender, item: &str) -> Result<String> {
    let vectors = model.embeddings();
    let width = vectors.blocks().last().map_or(0, |(_, width)| *width);
    let vector = model.item_vector(item)?;
    let vector = &vector[vector.len() - width..];
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    // Projects on fixed directions of random signs: over all directions of a vector about normal with variance 1.
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

/// -1 or 1, from a hash of both numbers.
fn sign(direction: u64, entry: u64) -> f64 {
    if splitmix64(direction << 32 | entry) & 1 == 0 { 1.0 } else { -1.0 }
}
