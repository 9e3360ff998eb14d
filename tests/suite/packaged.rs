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

/// What the headings of a page are called in links to them.
fn anchors(page: &str) -> Vec<String> {
    let headings =
        page.lines().filter_map(|line| line.strip_prefix('#').map(|line| line.trim_start_matches('#').trim()));
    let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|heading| heading.to_lowercase().chars().filter(|&c| kept(c)).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn links_between_pages_lead_to_files_and_headings() {
    let mut n_anchors = 0;
    for page in [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "benches/README.md",
        "docs/results/README.md",
        "docs/figures/README.md",
    ] {
        let text = read(page);
        let folder = root().join(page).parent().unwrap().to_path_buf();
        for target in targets(&text).into_iter().filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let path = if file.is_empty() { root().join(page) } else { folder.join(file) };
            assert!(path.exists(), "{page} links to {file}");
            if let Some(anchor) = anchor {
                let headings = anchors(&std::fs::read_to_string(&path).unwrap());
                assert!(headings.iter().any(|heading| heading == anchor), "{page}: {target} is none of {headings:?}");
                n_anchors += 1;
            }
        }
    }
    assert!(n_anchors > 0, "links to headings are no longer found");
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
