//! The order of the house that the compiler does not keep: which module may import which, open files, and how long a file
//! is; read off the sources themselves. The walls between packages, prints and notes on unsafe code are the compiler's and
//! clippy's.

mod source;

use source::{Named, code_of, names, without_tests, words};
use std::path::{Path, PathBuf};

/// The floors from the ground up: a module imports from floors before its own, never from later ones.
const FLOORS: [&str; 18] = [
    "error",
    "named",
    "report",
    "data",
    "linalg",
    "graph",
    "ops",
    "nn",
    "loss",
    "model",
    "eval",
    "insight",
    "train",
    "serve",
    "recipe",
    "dist",
    "experiment",
    "args",
];

/// What stands beside the floors: the crate's root, and the names that programs take from everywhere.
const ROOT: [&str; 3] = ["lib", "prelude", "guide"];

/// Imports that the order alone would allow: `(floor, what it must not name, why)`.
const FORBIDDEN: [(&str, &[&str], &str); 5] = [
    ("data", &["burn", "sprs", "gemm"], "data are plain Rust"),
    ("graph", &["burn"], "graphs know no tensors"),
    ("linalg", &["burn", "sprs"], "plain numbers"),
    ("nn", &["crate::data", "crate::graph", "sprs"], "graphs and features are arguments"),
    ("loss", &["crate::data", "crate::graph", "sprs"], "a loss knows tensors only"),
];

const OPEN_FILES: [&str; 6] = ["data", "train", "report", "serve", "recipe", "experiment"];
const FILES: [&str; 6] = ["fs", "File", "OpenOptions", "tempfile", "NamedTempFile", "memmap2"];
const SOCKETS: [&str; 3] = ["net", "TcpStream", "UdpSocket"];
const MAY_BE_UNSAFE: [&str; 2] = ["ops", "linalg"];
const MOST_LINES: usize = 400;

/// A model of the table: its module, and the names that other models must not use.
struct ModelRow {
    module: String,
    types: [String; 2],
}

/// The rows `"tag" => Type, TypeConfig;` of the table of models.
fn model_rows(table: &str) -> Vec<ModelRow> {
    let row = |line: &str| {
        let (_, names) = line.trim().strip_suffix(';')?.split_once("\" => ")?;
        let (model, config) = names.split_once(", ")?;
        let mut module = String::new();
        for c in model.chars() {
            if c.is_uppercase() && !module.is_empty() {
                module.push('_');
            }
            module.extend(c.to_lowercase());
        }
        Some(ModelRow { module, types: [model.to_string(), config.to_string()] })
    };
    table.lines().filter_map(row).collect()
}

/// `src/model/viral/graphs.rs` as `["model", "viral", "graphs"]`; `mod.rs` is its folder.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: Vec<String> = path.split('/').map(str::to_string).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| *floor == name)
}

/// What is against the order of the house in one file, as `path:line: …`.
fn violations(path: &str, text: &str, models: &[ModelRow]) -> Vec<String> {
    let mut found = Vec::new();
    let mut fault = |line: usize, what: String| found.push(format!("{path}:{line}: {what}"));
    let here = module_of(path);
    let top = here[0].as_str();
    let own = floor(top);
    if own.is_none() && !ROOT.contains(&top) {
        fault(1, format!("'{top}' is on no floor; add it to FLOORS where it belongs"));
    }
    let n_lines = text.lines().count();
    if n_lines > MOST_LINES {
        fault(n_lines, format!("{n_lines} lines; a file has at most {MOST_LINES}"));
    }

    let code = code_of(text);
    for Named { line, path } in names(&code, &here) {
        let first = path[0].as_str();
        let second = path.get(1).map_or("", String::as_str);
        if let (Some(own), "crate", Some(other)) = (own, first, floor(second))
            && other > own
        {
            fault(line, format!("{top} imports {second}, which stands above it"));
        }
        if own.is_some() && first == "crate" && second == "prelude" {
            fault(line, format!("{top} imports the prelude, which stands above everything"));
        }
        let full = path.join("::");
        for (floor, forbidden, why) in FORBIDDEN.iter().filter(|rule| rule.0 == top) {
            let is_it = |name: &&&str| full == **name || full.starts_with(&format!("{name}::"));
            // Bare names are crates only at the head of a path.
            let named = forbidden.iter().find(is_it).filter(|name| path.len() > 1 || name.contains("::"));
            if let Some(name) = named {
                fault(line, format!("{floor} imports {name}: {why}"));
            }
        }
        if top == "model" && here.len() > 1 {
            let other = |row: &&ModelRow| {
                row.module != here[1] && models.iter().any(|own| own.module == here[1]) && {
                    let by_module = path.len() > 2 && first == "crate" && second == "model" && path[2] == row.module;
                    by_module || path.iter().any(|part| row.types.contains(part))
                }
            };
            if let Some(row) = models.iter().find(other) {
                fault(line, format!("the model {} uses the model {}; what two share moves down", here[1], row.module));
            }
        }
    }

    let code_only = without_tests(&code);
    for (index, line) in code_only.lines().enumerate() {
        let number = index + 1;
        let uses = |name: &&&str| {
            let has = words(line).any(|word| word == **name);
            has && (line.contains(&format!("{name}::")) || line.trim_start().starts_with("use "))
        };
        if !OPEN_FILES.contains(&top)
            && let Some(name) = FILES.iter().find(uses)
        {
            fault(number, format!("{top} opens files ({name}); only {} do", OPEN_FILES.join(", ")));
        }
        if let Some(name) = SOCKETS.iter().find(uses) {
            fault(number, format!("{top} opens sockets ({name}); the library meets the rest through files"));
        }
        if line.contains("allow(unsafe_code)") && !MAY_BE_UNSAFE.contains(&top) {
            fault(number, format!("unsafe code in {top}; only {} may", MAY_BE_UNSAFE.join(" and ")));
        }
    }
    found
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_sources_keep_the_order_of_the_house() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("src/model/table.rs")).unwrap();
    let models = model_rows(&table);
    assert!(models.len() >= 6, "the rows of the table of models are no longer found");
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let name = file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            violations(&name, &std::fs::read_to_string(file).unwrap(), &models)
        })
        .collect();
    assert!(found.is_empty(), "{} against the order of the house:\n{}", found.len(), found.join("\n"));
    for floor in FLOORS.iter() {
        let there = |file: &&PathBuf| module_of(&file.strip_prefix(root).unwrap().to_string_lossy())[0] == **floor;
        assert!(files.iter().any(|file| there(&file)), "no file on the floor {floor}");
    }
}

fn toy_models() -> Vec<ModelRow> {
    model_rows(
        "table! {\n    /// [`A`]\n    \"light-gcn\" => LightGcn, LightGcnConfig;\n    \"viral\" => Viral, ViralConfig;\n}",
    )
}

/// Holds a file of one path to the faults of these lines.
fn expect(path: &str, text: &str, lines: &[(usize, &str)]) {
    let found = violations(path, text, &toy_models());
    assert_eq!(found.len(), lines.len(), "{path}: {text}\n{found:?}");
    for (found, (line, what)) in found.iter().zip(lines) {
        assert!(
            found.starts_with(&format!("{path}:{line}: ")) && found.contains(what),
            "{found} for line {line}: {what}"
        );
    }
}

#[test]
fn an_import_from_above_is_found_however_it_is_written() {
    for text in [
        "use crate::eval::Metrics;\n",
        "use crate::{eval::Metrics};\n",
        "use crate::{data::{Ids, Part}, eval};\n",
        "fn f() { crate::eval::rank(); }\n",
        "use super::eval::Metrics;\n",
        "pub use crate::eval::*;\n",
        "type A = Vec<crate::eval::Metrics>;\n",
    ] {
        expect("src/model/mod.rs", text, &[(1, "model imports eval, which stands above it")]);
    }
    expect("src/model/a.rs", "\n\nuse super::super::train::Adam;\n", &[(3, "model imports train")]);
    expect("src/data/a.rs", "use crate::Error;\nuse crate::graph::Graph;\n", &[(2, "data imports graph")]);
    expect(
        "src/data/a.rs",
        "use crate::{\n    Error,\n    ops::{\n        SparseMatrix,\n    },\n};\n",
        &[(4, "data imports ops")],
    );
    expect("src/error.rs", "use crate::data::Dataset;\n", &[(1, "error imports data")]);
    expect("src/train/a.rs", "use crate::recipe::Recipe;\n", &[(1, "train imports recipe")]);
    expect("src/eval/a.rs", "use crate::prelude::*;\n", &[(1, "the prelude")]);
    expect("src/helpers.rs", "fn f() {}\n", &[(1, "'helpers' is on no floor")]);
}

#[test]
fn imports_from_below_and_mere_words_are_no_faults() {
    let text = "//! [`crate::train::Adam`] is above: eval::rank\nuse crate::{Error, Result};\nuse crate::data::{Ids, Part};\n\
                /* crate::train::Adam */\nlet eval = \"crate::train::Adam\";\nlet c = '\"'; let train = self.train;\n\
                let r = r#\"crate::eval \"quoted\" \"#;\nuse super::eval_helpers::x;\n";
    expect("src/model/mod.rs", text, &[]);
    expect("src/data/a.rs", "use super::graph;\nfn burn(model: u8) -> u8 { model }\nlet x = Self { burn };\n", &[]);
    expect("src/lib.rs", "pub mod train;\npub use train::Adam;\n", &[]);
    expect("src/prelude.rs", "pub use crate::train::Adam;\n", &[]);
    expect("src/error.rs", "Self::File { path };\nError::File { path };\n", &[]);
}

#[test]
fn crates_and_floors_that_a_floor_must_not_know_are_found() {
    expect("src/graph/a.rs", "use sprs::CsMat;\nuse burn::tensor::Tensor;\n", &[(2, "graph imports burn")]);
    expect("src/data/batch.rs", "fn f(x: burn::tensor::Tensor<2>) {}\n", &[(1, "data imports burn")]);
    expect(
        "src/nn/a.rs",
        "use crate::ops::SparseMatrix;\nuse crate::graph::knn_graph;\n",
        &[(2, "nn imports crate::graph")],
    );
    expect(
        "src/nn/a.rs",
        "use crate::data;\nuse sprs::CsMat;\n",
        &[(1, "nn imports crate::data"), (2, "nn imports sprs")],
    );
    expect("src/loss/a.rs", "use crate::{data::Part, nn::Init};\n", &[(1, "loss imports crate::data")]);
}

#[test]
fn one_model_does_not_use_another() {
    let fault = "the model viral uses the model light_gcn";
    expect("src/model/viral.rs", "use super::{Batch, LightGcn};\n", &[(1, fault)]);
    expect("src/model/viral/mod.rs", "use super::light_gcn::helper;\n", &[(1, fault)]);
    expect("src/model/viral/a.rs", "use crate::model::LightGcnConfig;\n", &[(1, fault)]);
    expect("src/model/viral/a.rs", "use crate::nn::LightGcnPropagation;\nuse super::ViralConfig;\n", &[]);
    expect("src/model/table.rs", "use super::{LightGcn, Viral};\n", &[]);
    expect("src/model/mod.rs", "pub use light_gcn::LightGcn;\npub use viral::Viral;\n", &[]);
    let rows: Vec<String> = toy_models().into_iter().map(|row| row.module).collect();
    assert_eq!(rows, ["light_gcn", "viral"]);
}

#[test]
fn files_and_sockets_are_found_outside_of_tests() {
    let text = "fn f() { std::fs::read(path); }\nuse std::fs;\nuse std::io::Write;\nlet f = File::open(p);\n";
    expect("src/eval/a.rs", text, &[(1, "opens files (fs)"), (2, "opens files (fs)"), (4, "opens files (File)")]);
    expect("src/model/a.rs", "use std::{fs::File, io};\n", &[(1, "opens files")]);
    for floor in OPEN_FILES {
        expect(&format!("src/{floor}/a.rs"), text, &[]);
    }
    expect("src/data/a.rs", "use std::net::TcpStream;\n", &[(1, "opens sockets")]);
    expect("src/graph/a.rs", "#[cfg(test)]\nmod tests {\n    fn f() { std::fs::read(p); }\n}\n", &[]);
    let after_tests = "#[cfg(test)]\nmod tests {\n    fn f() { {} }\n}\nfn g() { std::fs::read(p); }\n";
    expect("src/graph/a.rs", after_tests, &[(5, "opens files")]);
}

#[test]
fn unsafe_code_and_long_files_are_found() {
    expect("src/nn/a.rs", "#![allow(unsafe_code)]\n", &[(1, "unsafe code in nn")]);
    expect("src/ops/a.rs", "#![allow(unsafe_code)]\n", &[]);
    expect("src/nn/a.rs", "// allow(unsafe_code)\nlet s = \"allow(unsafe_code)\";\n", &[]);
    expect("src/nn/a.rs", &"\n".repeat(401), &[(401, "401 lines")]);
    expect("src/nn/a.rs", &"\n".repeat(400), &[]);
}
