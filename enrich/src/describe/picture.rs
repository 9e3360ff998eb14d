//! Converts an image file to the small JPEG that is sent: decoded, checked, turned upright and scaled down here, so
//! that servers see the same kind of picture whatever the file format.

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, GenericImageView, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, imageops};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// How pictures are prepared for sending. If the size or quality changes, all descriptions are requested again, because
/// other pictures are sent.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureSettings {
    /// Maximum length of the longer side in pixels; larger pictures are scaled down, smaller ones left as they are
    /// (768).
    pub max_side: u32,
    /// JPEG quality, 1 to 100 (85).
    pub quality: u8,
    /// Maximum size of a file in bytes; larger files are refused (64 MiB).
    pub max_bytes: u64,
    /// Maximum number of pixels; larger pictures are refused before they are decoded (64 million).
    pub max_pixels: u64,
}

impl Default for PictureSettings {
    fn default() -> Self {
        Self { max_side: 768, quality: 85, max_bytes: 64 << 20, max_pixels: 64_000_000 }
    }
}

impl PictureSettings {
    /// Validates the size and the quality of the pictures to send.
    pub(crate) fn check(&self) -> crate::Result<()> {
        let Self { max_side, quality, .. } = self;
        let fault = match (*max_side >= MIN_SIDE, (1..=100).contains(quality)) {
            (false, _) => format!("max-side is {max_side}; it must be at least {MIN_SIDE} pixels"),
            (_, false) => format!("quality is {quality}; it must be from 1 to 100"),
            _ => return Ok(()),
        };
        Err(crate::Error::Config(fault))
    }
}

/// Minimum length of the shorter side in pixels; anything smaller is a placeholder or a tracking pixel, not a photo.
const MIN_SIDE: u32 = 8;

/// Pictures with more pixels are decoded one at a time, so that many workers do not hold many large ones.
const LARGE: u64 = 8_000_000;
static LARGE_ONE: Mutex<()> = Mutex::new(());

/// Converts a picture to the JPEG that is sent: the first frame, upright, on white, no side longer than `max_side`.
///
/// # Errors
/// Returns a sentence without the file's name if the bytes are not a usable picture.
pub fn prepare_picture(bytes: &[u8], settings: &PictureSettings) -> Result<Vec<u8>, String> {
    let guess = |bytes| image::guess_format(bytes).ok().filter(ImageFormat::reading_enabled);
    // Some servers send line breaks before the picture.
    let trimmed = bytes.trim_ascii_start();
    let (bytes, format) = match guess(bytes) {
        Some(format) => (bytes, format),
        None => (trimmed, guess(trimmed).ok_or_else(|| unknown(bytes))?),
    };
    let completed;
    let bytes = if format == ImageFormat::Jpeg && !has_end_marker(bytes) {
        completed = with_end_marker(bytes, settings).ok_or("a JPEG that breaks off before its end; fetch it again")?;
        &completed
    } else {
        bytes
    };
    let (picture, orientation) = decode(bytes, format, settings)?;
    let mut small = scaled_down(picture, settings.max_side.max(MIN_SIDE));
    small.apply_orientation(orientation);

    let mut jpeg = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, settings.quality.clamp(1, 100));
    small.write_with_encoder(encoder).map_err(|error| format!("cannot be packed as JPEG: {error}"))?;
    Ok(jpeg)
}

/// Decodes a picture onto white, and returns it with its orientation.
fn decode(bytes: &[u8], format: ImageFormat, settings: &PictureSettings) -> Result<(RgbImage, Orientation), String> {
    // Third-party decoders may panic on hostile input: that makes it a bad picture.
    catch_unwind(AssertUnwindSafe(|| decode_unguarded(bytes, format, settings)))
        .unwrap_or_else(|_| Err(format!("a {format:?} picture that its decoder cannot cope with")))
}

fn decode_unguarded(
    bytes: &[u8],
    format: ImageFormat,
    settings: &PictureSettings,
) -> Result<(RgbImage, Orientation), String> {
    let bad = |error: image::ImageError| format!("not a readable {format:?} picture: {error}");
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    // The deepest of the usual pixel formats takes eight bytes per pixel.
    limits.max_alloc = Some(settings.max_pixels.saturating_mul(8));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(bad)?;
    let (width, height) = decoder.dimensions();
    let n_pixels = u64::from(width) * u64::from(height);
    if n_pixels > settings.max_pixels {
        return Err(format!("{width} x {height} pixels, more than {} are not unpacked", settings.max_pixels));
    }
    if width.min(height) < MIN_SIDE {
        return Err(format!("{width} x {height} pixels show nothing"));
    }
    let _one = (n_pixels > LARGE).then(|| LARGE_ONE.lock().unwrap_or_else(PoisonError::into_inner));
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let decoded = DynamicImage::from_decoder(decoder).map_err(bad)?;
    Ok((on_white(decoded), orientation))
}

fn on_white(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, a] = picture.get_pixel(x, y).0;
        let blend = |c: u8| ((u32::from(c) * u32::from(a) + 255 * (255 - u32::from(a)) + 127) / 255) as u8;
        image::Rgb([blend(r), blend(g), blend(b)])
    })
}

fn scaled_down(picture: RgbImage, max_side: u32) -> DynamicImage {
    let picture = DynamicImage::from(picture);
    let (width, height) = picture.dimensions();
    if width.max(height) <= max_side {
        return picture;
    }
    picture.resize(max_side, max_side, imageops::FilterType::CatmullRom)
}

/// Whether a JPEG has its end marker. Decoders fill missing data with grey, so a truncated download must be detected
/// here. Segments are skipped by length, because a thumbnail in one has an end marker of its own. Bytes after the end
/// are ignored.
fn has_end_marker(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // In the data of a scan, 0xFF occurs only before 0 and in restart markers.
        let is_marker = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0x01 | 0xD0..=0xD8 | 0xFF);
        let Some(found) = bytes.get(at..).and_then(|rest| rest.windows(2).position(is_marker)) else { return false };
        at += found;
        if bytes[at + 1] == 0xD9 {
            return true;
        }
        let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return false };
        at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
    }
}

/// Completes a JPEG that lacks nothing but its end marker; `None` if data is missing, too. If none is, the pixels are
/// the same whatever follows the data.
fn with_end_marker(bytes: &[u8], settings: &PictureSettings) -> Option<Vec<u8>> {
    let ended = |further: &[u8]| [bytes.strip_suffix(&[0xFF]).unwrap_or(bytes), further, &[0xFF, 0xD9]].concat();
    let pixels = |bytes: &[u8]| decode(bytes, ImageFormat::Jpeg, settings).ok().map(|(picture, _)| picture);
    let completed = ended(&[]);
    let picture = pixels(&completed)?;
    let is_same = |byte: u8| pixels(&ended(&[byte; 256])).as_ref() == Some(&picture);
    [0x55, 0xB6, 0x0F].into_iter().all(is_same).then_some(completed)
}

/// Describes bytes that are not a picture.
fn unknown(bytes: &[u8]) -> String {
    let head: String = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).to_lowercase();
    let head = head.trim_start_matches('\u{feff}').trim_start();
    let is = |brand: &str| bytes.get(4..12).is_some_and(|b| b == format!("ftyp{brand}").as_bytes());
    let what = if bytes.is_empty() {
        "an empty file"
    } else if ["<!doctype", "<html", "<head", "<body"].iter().any(|tag| head.starts_with(tag)) {
        "an HTML page under the name of a picture"
    } else if head.contains("<svg") {
        "an SVG drawing, not a photo"
    } else if head.starts_with('{') || head.starts_with("<?xml") || head.starts_with("<error") {
        "a server's message under the name of a picture"
    } else if ["heic", "heix", "mif1", "msf1"].into_iter().any(is) {
        "a HEIC picture, which is not read; convert it to JPEG"
    } else if ["avif", "avis"].into_iter().any(is) {
        "an AVIF picture, which is not read; convert it to JPEG"
    } else {
        "no known picture format; use JPEG, PNG, WebP, GIF, BMP or TIFF"
    };
    what.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use proptest::prelude::*;

    fn decoded(base64: &str) -> Vec<u8> {
        base64::engine::general_purpose::STANDARD.decode(base64).unwrap()
    }

    fn packed(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn sent(bytes: &[u8]) -> Result<RgbImage, String> {
        let jpeg = prepare_picture(
            bytes,
            &PictureSettings { max_side: 64, max_pixels: 1 << 20, ..PictureSettings::default() },
        )?;
        assert_eq!(image::guess_format(&jpeg).unwrap(), ImageFormat::Jpeg);
        Ok(image::load_from_memory(&jpeg).unwrap().into_rgb8())
    }

    fn is_near(pixel: image::Rgb<u8>, expected: [u8; 3]) -> bool {
        pixel.0.iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 12)
    }

    const RED: [u8; 3] = [255, 0, 0];
    const BLUE: [u8; 3] = [0, 0, 255];

    /// Files by Pillow 13, an independent encoder: red in CMYK; blue left of red, to be turned by 90°; and red before
    /// blue in animations.
    const CMYK: &str = "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUVFQwPFxgWFBgSFBUU/8AAFAgAEAAQBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkASwAAPwD9U6/Kqvyqr9U6KKKKKKKKKKKK/9k=";
    const TURNED: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAAQABgDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwD89699rwKvfa/cPpNf8yf/ALj/APuE/o36PP8AzNf+4P8A7lCiiiv4cP7GP//Z";
    const GIF: &str = "R0lGODdhEAAQAIEAAP8AAAAAAAAAAAAAACwAAAAAEAAQAAAIHQABCBxIsKDBgwgTKlzIsKHDhxAjSpxIsaLFgQEBACH5BAEAAAEALAAAAAAQABAAgQAA/wAAAAAAAAAAAAgdAAEIHEiwoMGDCBMqXMiwocOHECNKnEixosWBAQEAOw==";
    const WEBP: &str = "UklGRoQAAABXRUJQVlA4WAoAAAACAAAADwAADwAAQU5JTQYAAAAAAAAAAABBTk1GKAAAAAAAAAAAAA8AAA8AAAAAAAJWUDhMDwAAAC8PwAMABxD9j/4HIqL/AQBBTk1GKAAAAAAAAAAAAA8AAA8AAAAAAABWUDhMDwAAAC8PwAMABxDR//4HIqL/AQA=";
    const APNG: &str = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAACGFjVEwAAAACAAAAAPONk3AAAAAaZmNUTAAAAAAAAAAQAAAAEAAAAAAAAAAAAAAAAQAAUnMJdAAAABdJREFUeJxj/M9AGmAiUf2ohlENQ0gDAEAuAR9m40ZzAAAAGmZjVEwAAAABAAAAEAAAABAAAAAAAAAAAAAAAAEAAMkA46AAAAAdZmRBVAAAAAJ4nGNkYPjPQApgIkn1qIZRDUNKAwA+MAEfz7wJ2wAAAABJRU5ErkJggg==";

    #[test]
    fn odd_files_become_plain_pictures() -> Result<(), String> {
        for file in [CMYK, GIF, WEBP, APNG] {
            let picture = sent(&decoded(file))?;
            assert!(is_near(*picture.get_pixel(8, 8), RED), "{:?}", picture.get_pixel(8, 8));
        }
        let upright = sent(&decoded(TURNED))?;
        assert_eq!(upright.dimensions(), (16, 24));
        assert!(is_near(*upright.get_pixel(8, 2), BLUE) && is_near(*upright.get_pixel(8, 20), RED));
        Ok(())
    }

    #[test]
    fn every_format_and_depth_is_scaled_down() -> Result<(), String> {
        let red = DynamicImage::from(RgbImage::from_pixel(200, 100, image::Rgb(RED)));
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP] {
            let picture = sent(&packed(&red, format))?;
            assert_eq!(picture.dimensions(), (64, 32), "{format:?}");
            assert!(is_near(*picture.get_pixel(30, 15), RED), "{format:?}");
        }
        let deep = DynamicImage::from(red.to_rgba16());
        assert!(is_near(*sent(&packed(&deep, ImageFormat::Png))?.get_pixel(30, 15), RED));
        let clear = DynamicImage::from(image::RgbaImage::from_pixel(20, 20, image::Rgba([255, 0, 0, 0])));
        assert!(is_near(*sent(&packed(&clear, ImageFormat::Png))?.get_pixel(9, 9), [255; 3]), "clear is white");
        let grey = DynamicImage::new_luma8(20, 20);
        assert!(is_near(*sent(&packed(&grey, ImageFormat::Png))?.get_pixel(9, 9), [0; 3]));
        Ok(())
    }

    #[test]
    fn what_is_no_picture_says_what_it_is() {
        let message = |bytes: &[u8]| sent(bytes).unwrap_err();
        assert_eq!(message(b""), "an empty file");
        assert_eq!(message(b"\n<!DOCTYPE html><html>404"), "an HTML page under the name of a picture");
        assert_eq!(message(b"{\"error\": 404}"), "a server's message under the name of a picture");
        assert!(message(b"\0\0\0\x1cftypheic").starts_with("a HEIC picture"));
        assert!(message(b"\0\0\0\x1cftypavif....").contains("AVIF"));
        assert!(message(b"hello").starts_with("no known picture format"));
        let one = packed(&DynamicImage::new_rgb8(1, 1), ImageFormat::Png);
        assert_eq!(message(&one), "1 x 1 pixels show nothing");
        let mut jpeg = packed(&DynamicImage::new_rgb8(300, 300), ImageFormat::Jpeg);
        jpeg.truncate(jpeg.len() * 3 / 4);
        assert!(message(&jpeg).starts_with("a JPEG that breaks off"));
    }

    /// A picture in which every block differs from the next.
    fn busy() -> Vec<u8> {
        let picture = RgbImage::from_fn(64, 64, |x, y| {
            image::Rgb([(x * 7 % 256) as u8, (y * 5 % 256) as u8, (x * y % 256) as u8])
        });
        packed(&DynamicImage::from(picture), ImageFormat::Jpeg)
    }

    #[test]
    fn what_stands_around_a_jpeg_does_not_matter() -> Result<(), String> {
        let jpeg = busy();
        let expected = sent(&jpeg)?;
        let zeros = vec![0; jpeg.len() * 3];
        assert_eq!(sent(&[&jpeg[..], &zeros].concat())?, expected);
        assert_eq!(sent(&[b"\r\n", &jpeg[..]].concat())?, expected);
        assert_eq!(sent(&[&jpeg[..], &jpeg[..], b"appended"].concat())?, expected);
        // Without its end marker, or with half of it.
        assert_eq!(sent(&jpeg[..jpeg.len() - 2])?, expected);
        assert_eq!(sent(&jpeg[..jpeg.len() - 1])?, expected);
        Ok(())
    }

    #[test]
    fn every_jpeg_that_lacks_data_is_refused() {
        let jpeg = busy();
        let scan = jpeg.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
        for end in scan..jpeg.len() - 4 {
            assert!(sent(&jpeg[..end]).is_err(), "{end} of {}", jpeg.len());
        }
        // The end marker of a thumbnail is not that of the picture.
        let length = (jpeg.len() as u16 + 2).to_be_bytes();
        let with_thumbnail = [&jpeg[..2], &[0xFF, 0xE1], &length[..], &jpeg, &jpeg[2..]].concat();
        assert!(sent(&with_thumbnail).is_ok() && sent(&with_thumbnail[..with_thumbnail.len() - 200]).is_err());
    }

    #[test]
    fn bombs_are_not_unpacked() {
        // A PNG of 60,000 x 60,000 zeros would take 10 GB; its header alone reveals that.
        let mut png = packed(&DynamicImage::new_luma8(8, 8), ImageFormat::Png);
        let side = 60_000u32.to_be_bytes();
        png[16..20].copy_from_slice(&side);
        png[20..24].copy_from_slice(&side);
        let checksum = crc32fast::hash(&png[12..29]).to_be_bytes();
        png[29..33].copy_from_slice(&checksum);
        assert!(sent(&png).unwrap_err().contains("60000 x 60000 pixels, more than"));
        // A GIF with a small screen and a large frame, and one the other way round.
        let mut gif = decoded(GIF);
        gif[6..10].copy_from_slice(&[255; 4]);
        assert!(sent(&gif).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn damaged_files_never_panic(file in 0usize..5, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in 0usize..9) {
            let mut bytes = decoded([CMYK, TURNED, GIF, WEBP, APNG][file]);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut == 0 {
                bytes.truncate(at);
            }
            let _ = sent(&bytes);
        }
    }
}
