//! `viral encode` and `viral import`: from descriptions to features that training reads.

use crate::support::embedder::{answer, vector};
use crate::support::hostile_server::{Act, Server};
use crate::support::tiny_bert::model;
use safetensors::tensor::{Dtype, TensorView};
use std::path::{Path, PathBuf};
use std::process::Command;
use viral::Result;
use viral::data::{Dataset, ItemFeatures, Mask, Modality, Provenance, ReadOptions};
use viral::prelude::Device;
use viral_enrich::encode::TextEncoder;

/// A folder `toys` of interactions about six items, whose external names are in the mapping; `items.jsonl` has them in
/// another order, without B4, and with a stranger.
fn toys() -> (tempfile::TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("toys");
    std::fs::create_dir(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let rows: String =
        (0..18).map(|i| format!("{}\t{}\t{}\n", i / 6, i % 6, [0, 0, 0, 0, 1, 2][(i + i / 6) % 6])).collect();
    write("toys.inter", &format!("userID\titemID\tx_label\n{rows}"));
    write("i_id_mapping.csv", "asin\titemID\nB0\t0\nB1\t1\nB2\t2\nB3\t3\nB4\t4\nB5\t5\n");
    write(
        "items.jsonl",
        "{\"id\":\"B5\",\"title\":\"White cot\",\"brand\":\"Oak\",\"categories\":[\"Baby\",\"Beds\"],\"description\":\"Soft.\"}\n\
         {\"id\":\"B1\",\"title\":\"Red rings\"}\n\
         {\"id\":\"B0\",\"title\":\"A wooden rattle\"}\n\
         {\"id\":\"B2\",\"title\":\"\"}\n\
         {\"id\":\"X9\",\"title\":\"A stranger\"}\n\
         {\"id\":\"B3\",\"title\":\"Cotton blanket\"}\n",
    );
    write(
        "descriptions.jsonl",
        "{\"id\":\"B5\",\"text\":\"A white bed with bars.\"}\n{\"id\":\"B0\",\"text\":\"Rings of wood on a stick.\"}\n\
         {\"id\":\"B1\",\"text\":null,\"reason\":\"image: no file for it in the folder\"}\n{\"id\":\"B2\",\"text\":\"A grey ball.\"}\n",
    );
    (outer, folder)
}

fn program(command: &str, folder: &Path) -> Command {
    let mut command = crate::viral(command);
    command.arg("--data").arg(folder);
    command
}

/// Whether a program succeeded, and all that it said.
fn run(command: &mut Command) -> (bool, String) {
    let (is_good, shown, errors) = crate::run(command);
    (is_good, shown + &errors)
}

fn reasons(path: &Path) -> Vec<(String, String)> {
    Mask::read_beside(path).unwrap().unwrap().reasons.into_iter().collect()
}

fn pair(id: &str, reason: &str) -> (String, String) {
    (id.to_string(), reason.to_string())
}

#[test]
fn descriptions_and_titles_become_features_that_training_reads() -> Result<()> {
    let (_outer, folder) = toys();
    let (_model, encoder) = model();
    let mut command = program("encode", &folder);
    let (is_good, shown) = run(command.arg("--encoder").arg(&encoder));
    assert!(is_good, "{shown}");
    for words in [
        "text_feat.npy: 4 items of 6, 32 numbers each",
        "image_feat.npy: 3 items of 6",
        "the first is B1: no description",
    ] {
        assert!(shown.contains(words), "no '{words}' in:\n{shown}");
    }
    let data = Dataset::read(&folder)?;
    assert_eq!(data.item_ids, ["B0", "B1", "B2", "B3", "B4", "B5"]);
    let encoder = TextEncoder::open(&encoder, &Device::flex())?;
    let hold = |features: &ItemFeatures, expected: [Option<&str>; 6]| {
        for (item, text) in expected.iter().enumerate() {
            let expected = text.map_or(vec![0.0; 32], |text| encoder.encode(&[text], |_| {}).unwrap());
            assert_eq!(features.row(item), expected, "item {item}: {text:?}");
        }
    };
    let text = data.features().get(&Modality::Text).unwrap();
    let long = "White cot Oak Baby Beds Soft.";
    hold(text, [Some("A wooden rattle"), Some("Red rings"), None, Some("Cotton blanket"), None, Some(long)]);
    let visual = data.features().get(&Modality::Visual).unwrap();
    let titled = [Some("A wooden rattle Rings of wood on a stick."), None, Some("A grey ball."), None, None];
    let [a, b, c, d, e] = titled;
    hold(visual, [a, b, c, d, e, Some("White cot A white bed with bars.")]);

    let (text, image) = (folder.join("text_feat.npy"), folder.join("image_feat.npy"));
    assert_eq!(reasons(&text), [pair("B2", "no text"), pair("B4", "no line in items.jsonl")]);
    let expected = [
        pair("B1", "no description: image: no file for it in the folder"),
        pair("B3", "no line in descriptions.jsonl"),
        pair("B4", "no line in items.jsonl"),
    ];
    assert_eq!(reasons(&image), expected);
    let provenance = Provenance::read_beside(&image)?.unwrap();
    assert_eq!(provenance.encoder.as_ref(), Some(encoder.origin()));
    assert!(encoder.origin().name == "tiny-bert" && encoder.origin().sha256.is_some());
    assert_eq!(provenance.inputs.keys().collect::<Vec<_>>(), ["descriptions.jsonl", "items.jsonl"]);
    assert_eq!(provenance.ids, ["B0", "B1", "B2", "B3", "B4", "B5"]);

    // The same again is the same in every bit; a mask that does not fit is found by the reader.
    let before = std::fs::read(&image).unwrap();
    assert!(run(&mut command).0);
    assert_eq!(std::fs::read(&image).unwrap(), before);
    let mask = Mask::path_beside(&image);
    std::fs::write(&mask, "{\"id\":\"B1\",\"reason\":\"x\"}\n{\"id\":\"B3\",\"reason\":\"x\"}\n").unwrap();
    let message = Dataset::read(&folder).unwrap_err().to_string();
    assert!(message.contains("rows of 1 items are zeros but not listed in image_feat.npy.mask.jsonl: B4"), "{message}");
    Ok(())
}

#[test]
fn variants_for_an_ablation_lie_beside_each_other() -> Result<()> {
    let (_outer, folder) = toys();
    let (_model, model) = model();
    let encoder = TextEncoder::open(&model, &Device::flex())?;
    for (arguments, name, row, text) in [
        (&["--only", "image", "--no-title", "--image-name", "plain.npy"][..], "plain.npy", 5, "A white bed with bars."),
        (&["--only", "text", "--fields", "title", "--text-name", "titles.npy"], "titles.npy", 5, "White cot"),
        (&["--only", "text", "--fields", "brand,title", "--text-name", "b.npy"], "b.npy", 5, "Oak White cot"),
    ] {
        let mut command = program("encode", &folder);
        let (is_good, shown) = run(command.args(["--encoder"]).arg(&model).args(arguments));
        assert!(is_good, "{shown}");
        assert_eq!(ItemFeatures::read(folder.join(name))?.row(row), encoder.encode(&[text], |_| {})?);
    }
    assert!(!folder.join("text_feat.npy").exists() && !folder.join("image_feat.npy").exists());
    let data = Dataset::read_with(
        &folder,
        &ReadOptions::new().with_modality(Modality::Text, "titles.npy").with_modality(Modality::Visual, "plain.npy"),
    )?;
    assert!(data.features().modalities().eq(&[Modality::Text, Modality::Visual]));
    Ok(())
}

#[test]
fn a_server_encodes_what_it_takes() -> Result<()> {
    let (_outer, folder) = toys();
    std::fs::remove_file(folder.join("i_id_mapping.csv")).unwrap();
    // Without a mapping, and with names for ids, the order of rows is written down.
    let inter = std::fs::read_to_string(folder.join("toys.inter")).unwrap();
    let named = |line: &str| match line.split('\t').collect::<Vec<_>>()[..] {
        [user, item, label] if item.len() == 1 && item != "4" => format!("{user}\tB{item}\t{label}\n"),
        [_, "4", _] => String::new(),
        _ => format!("{line}\n"),
    };
    std::fs::write(folder.join("toys.inter"), inter.lines().map(named).collect::<String>()).unwrap();
    let server = Server::start(|seen| match seen.body["input"].to_string().contains("Cotton") {
        true => Act::Answer(413, String::new(), "too long".into()),
        false => answer(seen),
    });
    let mut command = program("encode", &folder);
    command.args(["--server", &server.url, "--model", "test/embedder"]);
    let (is_good, shown) = run(&mut command);
    assert!(is_good, "{shown}");
    let data = Dataset::read(&folder)?;
    let item = |id: &str| data.item_ids.iter().position(|other| other == id).unwrap();
    let text = data.features().get(&Modality::Text).unwrap();
    assert_eq!(text.row(item("B0")), vector("A wooden rattle"));
    assert_eq!(text.row(item("B3")), [0.0; 6]);
    let mask = reasons(&folder.join("text_feat.npy"));
    assert!(mask[1].0 == "B3" && mask[1].1.starts_with("refused: HTTP 413"), "{mask:?}");
    let provenance = Provenance::read_beside(folder.join("text_feat.npy"))?.unwrap();
    assert_eq!(provenance.encoder.unwrap().name, "test/embedder");
    // A second run asks only for what was refused.
    let before = server.n_asked();
    let (is_good, shown) = run(&mut command);
    assert!(is_good && server.n_asked() == before + 1, "{shown}");
    Ok(())
}

#[test]
fn attributes_are_encoded_as_their_text() -> Result<()> {
    let (_outer, folder) = toys();
    let (_model, model) = model();
    std::fs::remove_file(folder.join("descriptions.jsonl")).unwrap();
    let line = "{\"id\":\"B0\",\"text\":\"Category: rattle. Colour: red.\",\"attributes\":{\"category\":\"rattle\"}}\n";
    std::fs::write(folder.join("attributes.jsonl"), line).unwrap();
    let mut command = program("encode", &folder);
    let (is_good, shown) = run(command.args(["--only", "image", "--encoder"]).arg(&model));
    assert!(is_good, "{shown}");
    let expected = TextEncoder::open(&model, &Device::flex())?
        .encode(&["A wooden rattle Category: rattle. Colour: red."], |_| {})?;
    assert_eq!(ItemFeatures::read(folder.join("image_feat.npy"))?.row(0), expected);
    Ok(())
}

#[test]
fn matrices_made_elsewhere_are_put_into_order() -> Result<()> {
    let (outer, folder) = toys();
    let at = |name: &str| outer.path().join(name);
    let numbers: Vec<u8> = [5.0f32, 5.5, 0.0, 0.0, 9.0, 9.5, 0.5, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![4, 2], &numbers).unwrap();
    std::fs::write(at("lvlm.safetensors"), safetensors::serialize([("hidden", view)], None).unwrap()).unwrap();
    std::fs::write(at("ids.txt"), "B5\nB1\nX9\nB0\n").unwrap();
    let import = |ids: &str, arguments: &[&str]| {
        let mut command = program("import", &folder);
        let matrix = format!("{}#hidden", at("lvlm.safetensors").display());
        command.args([&matrix, "--ids"]).arg(at(ids)).args(["--only", "image"]).args(arguments);
        run(&mut command)
    };
    let (is_good, shown) = import("ids.txt", &["--model", "some-lvlm"]);
    assert!(is_good && shown.contains("image_feat.npy: 2 items of 6, 2 numbers each"), "{shown}");
    assert!(shown.contains("1 rows are about items that the catalogue does not have"), "{shown}");
    let data = Dataset::read(&folder)?;
    let visual = data.features().get(&Modality::Visual).unwrap();
    assert_eq!((visual.row(5), visual.row(0), visual.row(1)), (&[5.0, 5.5][..], &[0.5, 1.0][..], &[0.0, 0.0][..]));
    let mask = reasons(&folder.join("image_feat.npy"));
    assert_eq!(mask[0], pair("B1", "a row of zeros where it came from"));
    assert_eq!(mask[1], pair("B2", "no row where it came from"));
    let provenance = Provenance::read_beside(folder.join("image_feat.npy"))?.unwrap();
    assert_eq!(provenance.model.unwrap().name, "some-lvlm");
    assert_eq!(provenance.inputs.len(), 2);
    for (text, words) in [
        ("B5\nB1\nX9\n", "4 rows, but"),
        ("B5\nB1\nB5\nB0\n", "ids.txt:3: item B5 is already in line 1"),
        ("a\nb\nc\nd\n", "no id of the catalogue; here are such as `a`, there `B0`"),
    ] {
        std::fs::write(at("ids.txt"), text).unwrap();
        let (is_good, shown) = import("ids.txt", &[]);
        assert!(!is_good && shown.contains(words), "{shown}");
    }
    Ok(())
}

#[test]
fn what_stands_in_the_way_is_one_sentence() {
    let (_model, model) = model();
    let encode = |folder: &Path, arguments: &[&str]| {
        let mut command = program("encode", folder);
        let (is_good, shown) = run(command.args(["--encoder"]).arg(&model).args(arguments));
        assert!(!is_good && !shown.contains("panicked"), "{shown}");
        shown
    };
    let says = |prepare: &dyn Fn(&Path), arguments: &[&str], words: &str| {
        let (_outer, folder) = toys();
        prepare(&folder);
        let shown = encode(&folder, arguments);
        assert!(shown.contains(words), "no '{words}' in: {shown}");
        assert!(!folder.join("image_feat.npy").exists());
    };
    let write =
        |name: &'static str, text: &'static str| move |folder: &Path| std::fs::write(folder.join(name), text).unwrap();
    let nothing = |_: &Path| {};
    says(
        &write("text_feat.npy", "someone's"),
        &[],
        "text_feat.npy: there already, without provenance, so not made here",
    );
    says(&write("attributes.jsonl", ""), &[], "beside attributes.jsonl; name the one to encode with --descriptions");
    says(&write("descriptions.jsonl", "{\"id\":\"B0\"}x"), &[], "descriptions.jsonl:1: not a description");
    says(
        &write("items.jsonl", "{\"id\":\"Q\",\"title\":\"x\"}"),
        &[],
        "items.jsonl: no line is about an item of the folder",
    );
    says(&nothing, &["--fields", "titel"], "no field 'titel'; there are title, brand, categories, description");
    says(&nothing, &["--device", "cuda"], "this program was built without cuda; build it with `--features cuda`");
    says(&nothing, &["--server", "http://127.0.0.1:9/v1"], "cannot be used with");
    let (_outer, folder) = toys();
    let mut command = program("encode", &folder);
    let (is_good, shown) = run(command.args(["--encoder", "no/such/model"]));
    assert!(!is_good && shown.contains("no/such/model"), "{shown}");
}

#[test]
fn items_without_a_row_are_named_with_what_to_do() -> Result<()> {
    let (_outer, folder) = toys();
    let (_model, encoder) = model();
    let items = std::fs::read_to_string(folder.join("items.jsonl")).unwrap();
    for name in ["toys.inter", "i_id_mapping.csv"] {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    let encode = || run(program("encode", &folder).args(["--only", "text", "--encoder"]).arg(&encoder));
    let (is_good, shown) = encode();
    assert!(is_good && !shown.contains("left out"), "{shown}");
    let more = "{\"id\":\"N1\",\"title\":\"A new toy\"}\n{\"id\":\"N2\",\"title\":\"Another\"}\n";
    std::fs::write(folder.join("items.jsonl"), format!("{items}{more}")).unwrap();
    let (is_good, shown) = encode();
    let words =
        ["2 items of items.jsonl are left out", "item_ids.txt does not list them: N1, N2", "add a line for each"];
    assert!(is_good && words.iter().all(|word| shown.contains(word)), "{shown}");
    let ids = std::fs::read_to_string(folder.join("item_ids.txt")).unwrap();
    std::fs::write(folder.join("item_ids.txt"), format!("{ids}N1\nN2\n")).unwrap();
    let (is_good, shown) = encode();
    assert!(is_good && !shown.contains("left out"), "{shown}");
    assert_eq!(ItemFeatures::read(folder.join("text_feat.npy"))?.n_items(), 8);
    Ok(())
}

#[test]
fn features_stay_in_their_folder_and_an_impossible_name_leaves_nothing() {
    let (outer, folder) = toys();
    let at = |name: &str| outer.path().join(name);
    ItemFeatures::new(2, 1, vec![1.0, 2.0]).unwrap().write(at("m.npy")).unwrap();
    std::fs::write(at("ids.txt"), "B5\nB1\n").unwrap();
    let names = |folder: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = (names(&folder), names(outer.path()));
    for name in ["../x.npy", "../../x.npy", "/tmp/x.npy", "x", "x.txt", ".npy", ".x.npy", "", "a\\b.npy"] {
        let mut command = program("import", &folder);
        command.arg(at("m.npy")).arg("--ids").arg(at("ids.txt")).args(["--only", "image", "--image-name", name]);
        let (is_good, shown) = run(&mut command);
        assert!(!is_good && shown.contains("--image-name") && shown.contains(".npy"), "{name}: {shown}");
        assert_eq!((names(&folder), names(outer.path())), before, "{name}");
    }
    let mut command = program("encode", &folder);
    command.args(["--server", "http://127.0.0.1:9/v1", "--model", "m", "--image-name", "text_feat.npy"]);
    let (is_good, shown) = run(&mut command);
    assert!(!is_good && shown.contains("--text-name and --image-name are both"), "{shown}");
    assert_eq!(names(&folder), before.0);
}

#[test]
fn servers_that_are_not_there_are_not_waited_for_longer_than_the_patience() {
    let (_outer, folder) = toys();
    let failing = Server::start(|_| Act::Answer(503, "retry-after: 300\r\n".into(), String::new()));
    let broken = Server::start(|_| Act::Cut);
    for url in ["http://127.0.0.1:9/v1", &failing.url, &broken.url] {
        let start = std::time::Instant::now();
        let mut command = program("encode", &folder);
        let (is_good, shown) = run(command.args(["--server", url, "--model", "m", "--patience", "2"]));
        assert!(!is_good, "{shown}");
        assert!(start.elapsed().as_secs_f64() < 10.0, "{url}: {:?}: {shown}", start.elapsed());
    }
    let (is_good, shown) = run(program("encode", &folder).args(["--server", "http://127.0.0.1:99999", "--model", "m"]));
    assert!(!is_good && shown.contains("no such port"), "{shown}");
}

/// Killed at any moment, a run leaves no half of a feature file, and the next one completes the folder.
#[test]
fn a_killed_run_leaves_nothing_half() -> Result<()> {
    let (_outer, folder) = toys();
    let (_model, model) = model();
    for wait in [0, 1, 2, 4, 6, 8, 10, 15, 20, 30] {
        let mut command = program("encode", &folder);
        command.args(["--encoder"]).arg(&model);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        Dataset::read(&folder)?;
        for name in ["text_feat.npy", "image_feat.npy"] {
            let path = folder.join(name);
            assert!(
                !path.exists() || (Provenance::read_beside(&path)?.is_some() && Mask::read_beside(&path)?.is_some())
            );
        }
    }
    let mut command = program("encode", &folder);
    assert!(run(command.args(["--encoder"]).arg(&model)).0);
    let data = Dataset::read(&folder)?;
    assert!(data.features().modalities().eq(&[Modality::Text, Modality::Visual]));
    Ok(())
}
