//! What the published package shows without its repository: pictures and links.

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Text with its `%XX` as bytes.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let byte = match first {
            b'%' => {
                let (hex, after) = after.split_at(2);
                rest = after;
                u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap()
            }
            other => other,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).unwrap()
}

/// Where the Markdown links and pictures of a text lead.
fn targets(text: &str) -> Vec<&str> {
    let after = text.split("](").skip(1);
    after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

#[test]
fn the_picture_in_the_docs_is_the_file() {
    let (page, file) = (read("assets/method.md"), read("assets/method.svg"));
    let start = "data:image/svg+xml,";
    let pictures: Vec<&str> = targets(&page).into_iter().filter_map(|target| target.strip_prefix(start)).collect();
    assert_eq!(pictures.len(), 1, "one picture in assets/method.md");
    assert_eq!(percent_decoded(pictures[0]).trim_end(), file.trim_end());
}

/// Files of the package, which has neither tests nor other packages.
fn is_packaged(file: &str) -> bool {
    ["src/", "benches/", "examples/", "docs/", "assets/", "LICENSE", "CHANGELOG.md", "CITATION.cff"]
        .iter()
        .any(|start| file.starts_with(start))
}

#[test]
fn links_of_the_readme_lead_to_files_of_the_package() {
    let readme = read("README.md");
    let here = |target: &&str| !target.contains("://") && !target.starts_with('#');
    let files: Vec<&str> =
        targets(&readme).into_iter().filter(here).map(|target| target.split('#').next().unwrap()).collect();
    assert!(files.len() > 3, "the links are no longer found: {files:?}");
    for file in files {
        assert!(root().join(file).is_file() && is_packaged(file), "README.md links to {file}");
    }
}

/// Docs are read where there are no files: links lead to items, to addresses or to pictures that they hold.
#[test]
fn docs_link_to_no_files() {
    let mut folders = vec![root().join("src")];
    let chapters = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let chapters = chapters.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut files: Vec<PathBuf> = chapters.chain([root().join("assets/method.md")]).collect();
    assert!(files.len() > 6, "the chapters are no longer found");
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() > 100);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_page = file.extension().is_some_and(|extension| extension == "md");
        let docs: Vec<&str> = text.lines().filter(|line| is_page || line.trim_start().starts_with("//")).collect();
        for target in docs.into_iter().flat_map(targets) {
            let elsewhere = target.contains("://") || target.starts_with("data:") || target.starts_with('#');
            let is_file = target.contains('/') || [".md", ".rs", ".svg"].iter().any(|end| target.ends_with(end));
            assert!(elsewhere || !is_file, "{} links to {target}", file.display());
        }
    }
}
