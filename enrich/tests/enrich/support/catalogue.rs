//! Catalogues with pictures.

/// A catalogue of items `item-0000`, … whose titles are their ids; some have no picture or a bad one.
pub(crate) fn catalogue(n_items: usize, size: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    let picture = image::RgbImage::from_fn(size, size, |x, y| image::Rgb([x as u8, y as u8, 99]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::from(picture).write_to(&mut bytes, image::ImageFormat::Bmp).unwrap();
    let mut bytes = bytes.into_inner();
    let end = bytes.len();
    let mut lines = String::new();
    for i in 0..n_items {
        let id = format!("item-{i:04}");
        lines += &format!("{{\"id\": \"{id}\", \"title\": \"{id}\"}}\n");
        let path = folder.path().join("images").join(format!("{id}.jpg"));
        match i % 100 {
            41 => {}
            42 => std::fs::write(path, "<html>not found</html>").unwrap(),
            _ => {
                // The last pixels make each file another one.
                bytes[end - 4..].copy_from_slice(&(i as u32).to_le_bytes());
                std::fs::write(path, &bytes).unwrap();
            }
        }
    }
    std::fs::write(folder.path().join("items.jsonl"), lines).unwrap();
    folder
}
