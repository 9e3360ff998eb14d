//! Saved files with something wrong inside.

use super::{Folder, checkpoint, config, expect, fresh, load_checkpoint, save_checkpoint, saved, small};
use safetensors::SafeTensors;
use std::os::unix::fs::FileExt;
use std::path::Path;
use viral::serve::{NewItems, Recommender};

/// Every flipped bit of the header and some of the rest, and cuts from the end to the beginning.
fn damage_everywhere(path: &Path, load: impl Fn() -> viral::Result<()>) {
    let whole = std::fs::read(path).unwrap();
    load().unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    assert!(header < whole.len());
    // Changed in place: files that are cut to nothing and written anew make the disk wait.
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let put = |at: usize, byte: u8| file.write_all_at(&[byte], at as u64).unwrap();
    let parts = ["is damaged or not ours", "use a copy or train again"];
    for at in (0..whole.len()).filter(|at| *at < header || at % 7 == 0) {
        for bit in (0..8).filter(|bit| at < header || bit % 3 == at % 3) {
            put(at, whole[at] ^ 1 << bit);
            match load() {
                Ok(()) => panic!("bit {bit} of byte {at} of {}, header of {header}, goes unnoticed", whole.len()),
                error => expect(error, path, &parts),
            }
        }
        put(at, whole[at]);
    }
    load().unwrap();
    put(whole.len(), 0);
    expect(load(), path, &parts);
    for n in (0..whole.len()).rev().filter(|n| n % 11 == 0 || *n < 16 || n + 8 > whole.len()) {
        file.set_len(n as u64).unwrap();
        expect(load(), path, &parts);
    }
}

/// The same tensors under a header in which `old` is `new`, the checksum made to agree: a file by another version.
fn rewritten(path: &Path, old: &str, new: &str) {
    rewritten_with(path, old, new, |_, _| ());
}

/// A tensor of a file: its type, its shape and its bytes; none to leave it out.
type Stored = Option<(safetensors::Dtype, Vec<usize>, Vec<u8>)>;

/// [`rewritten`], with tensors that `change` has changed by their names.
fn rewritten_with(path: &Path, old: &str, new: &str, change: impl Fn(&str, &mut Stored)) {
    let bytes = std::fs::read(path).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let entry = &metadata.metadata().as_ref().unwrap()["viral"];
    let (_, header) = entry.split_once(' ').unwrap();
    assert!(header.contains(old), "{header}");
    let header = header.replacen(old, new, 1);
    let mut tensors: Vec<(String, Stored)> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, Some((view.dtype(), view.shape().to_vec(), view.data().to_vec()))))
        .collect();
    tensors.iter_mut().for_each(|(name, stored)| change(name, stored));
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let views: Vec<_> = tensors
        .iter()
        .filter_map(|(name, stored)| {
            let (dtype, shape, data) = stored.as_ref()?;
            Some((name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap()))
        })
        .collect();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.as_bytes());
    for (name, tensor) in &views {
        hasher.update(name.as_bytes());
        hasher.update(tensor.data());
    }
    let metadata = [("viral".to_string(), format!("{:08x} {header}", hasher.finalize()))].into();
    std::fs::write(path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
}

/// Checkpoints whose checksum agrees and whose parts do not belong together.
#[test]
fn a_checkpoint_that_does_not_agree_with_itself_is_an_error() {
    let (data, folder) = (small(), Folder::new());
    let path = folder.at("checkpoint");
    let shorter = |stored: &mut Stored| {
        if let Some((_, shape, data)) = stored {
            shape[0] -= 1;
            data.truncate(shape.iter().product::<usize>() * 4);
        }
    };
    save_checkpoint(&data, &path);
    let names: Vec<String> = {
        let bytes = std::fs::read(&path).unwrap();
        SafeTensors::deserialize(&bytes).unwrap().names().iter().map(|name| name.to_string()).collect()
    };
    assert!(
        ["adam/", "best/", "model/"].iter().all(|group| names.iter().any(|name| name.starts_with(group))),
        "{names:?}"
    );
    for name in &names {
        let parameter = name.split_once('/').unwrap().1.trim_end_matches(".m").trim_end_matches(".v");
        type Change<'a> = (&'a str, &'a dyn Fn(&mut Stored));
        let integers = |stored: &mut Stored| stored.as_mut().unwrap().0 = safetensors::Dtype::I32;
        let changes: [Change; 3] = [("shorter", &shorter), ("gone", &|stored| *stored = None), ("integers", &integers)];
        for (how, change) in changes {
            save_checkpoint(&data, &path);
            rewritten_with(&path, "{", "{", |found, stored| {
                if found == name {
                    change(stored);
                }
            });
            match load_checkpoint(&data, &path) {
                Ok(_) => panic!("{name} {how} goes unnoticed"),
                error => expect(error, &path, &[parameter]),
            }
        }
    }
    for (old, new, words) in [
        ("\"next_epoch\":1", "\"next_epoch\":7", "the next epoch is 7"),
        ("\"next_epoch\":1", "\"next_epoch\":0", "the next epoch is 0"),
        ("\"best\":[0,", "\"best\":[3,", "the best is Some(3)"),
        ("[{\"epoch\":0", "[{\"epoch\":5", "does not agree with itself"),
        ("\"adam_steps\":{\"", "\"adam_steps\":{\"stranger\":1,\"", "steps"),
    ] {
        save_checkpoint(&data, &path);
        rewritten(&path, old, new);
        expect(load_checkpoint(&data, &path), &path, &[words]);
    }
    for steps in ["0", "4294967295"] {
        save_checkpoint(&data, &path);
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let at = text.find("adam_steps").unwrap();
        let first = text[at..].split([':', ',', '}']).nth(2).unwrap();
        let old = format!("users\\\":{first}").replace('\\', "");
        rewritten(&path, &old, &format!("users\":{steps}"));
        expect(load_checkpoint(&data, &path), &path, &["users", "steps", steps]);
    }
}

#[test]
fn files_of_a_later_format_are_refused_as_such() {
    let (data, folder) = (small(), Folder::new());
    let (model, check) = (folder.at("model.safetensors"), folder.at("checkpoint"));
    saved(&data).save(&model).unwrap();
    save_checkpoint(&data, &check);
    rewritten(&model, "\"version\":", "\"version\":");
    assert!(Recommender::load(&model).is_ok(), "rewriting alone does no harm");
    rewritten(&model, "\"format\":3", "\"format\":4");
    rewritten(&check, "\"format\":1", "\"format\":2");
    expect(Recommender::load(&model), &model, &["format 4", "this version reads 1 to 3"]);
    expect(load_checkpoint(&data, &check), &check, &["format 2", "this version reads 1"]);
}

/// A header that fits its checksum and not its tensors: written by a broken program, and no panic either.
#[test]
fn a_header_that_does_not_fit_its_tensors_is_an_error() {
    let (data, folder) = (small(), Folder::new());
    let path = folder.at("model.safetensors");
    let title = format!("{:?},", small().titles.unwrap()[0]);
    for (old, new) in [
        (title.as_str(), ""),
        ("\"u0001\",", "\"u0000\","),
        ("\"u0000\",", ""),
        ("\"i0000\",", ""),
        ("[\"id\",2]", "[\"id\",3]"),
        ("[\"id\",2]", ""),
    ] {
        saved(&data).save(&path).unwrap();
        rewritten(&path, old, new);
        expect(Recommender::load(&path), &path, &["is not a saved model"]);
    }
}

/// What embeds new items is read when the first one comes.
#[test]
fn what_embeds_new_items_must_fit_too() {
    let (data, folder) = (small(), Folder::new());
    let path = folder.at("model.safetensors");
    let items: Vec<u32> = vec![3];
    let mut new = NewItems::of(&data, &items).unwrap();
    new = NewItems::new(["new"], new.features().clone()).unwrap();
    let add = || Recommender::load(&path).and_then(|mut model| model.add_items(&new));
    saved(&data).save(&path).unwrap();
    add().unwrap();
    for (old, new) in [
        ("\"gains\":[", "\"gains\":[1.0,"),
        ("\"n\":10", "\"n\":-1"),
        ("\"hands_on\":\"vector\"", "\"hands_on\":\"everything\""),
        ("[\"text\",3],", "[\"text\",4],"),
        ("[\"text\",3],", "[\"text\",0],"),
        ("\"modalities\":[[\"text\",3],[\"visual\",3]]", "\"modalities\":[]"),
    ] {
        saved(&data).save(&path).unwrap();
        rewritten(&path, old, new);
        assert!(add().is_err(), "{new}");
    }
    for lost in ["induction/units/text", "induction/handed_on"] {
        saved(&data).save(&path).unwrap();
        rewritten_with(&path, "\"version\":", "\"version\":", |name, stored| {
            if name == lost {
                *stored = None;
            }
        });
        expect(add(), &path, &["is not a saved model", lost.strip_prefix("induction/").unwrap()]);
    }
    for (what, change) in [
        ("\"later\":{\"99\":[1]},", "a user"),
        ("\"later\":{\"0\":[99]},", "an item"),
        ("\"later\":{\"0\":[2,1]},", "the order"),
        ("\"withdrawn\":[30],", "an item"),
        ("\"n_trained\":[99,30],", "more users"),
    ] {
        saved(&data).save(&path).unwrap();
        rewritten(&path, "\"blocks\":", &format!("{what}\"blocks\":"));
        assert!(Recommender::load(&path).is_err(), "{change}: {what}");
    }
}

/// A small file that would ask for the memory of a whole data centre: no vector, and of any width.
#[test]
fn a_width_that_no_vector_bounds_is_an_error() {
    let folder = Folder::new();
    let path = folder.at("model.safetensors");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats/model_1.safetensors");
    let nobody = |width: usize| {
        std::fs::copy(&golden, &path).unwrap();
        let ids = |n: usize| (0..n).map(|id| format!("{:?}", id.to_string())).collect::<Vec<_>>().join(",");
        let titles = (0..17).map(|id| format!("\"Toy no. {id}\"")).collect::<Vec<_>>().join(",");
        for (old, new) in [(titles, ""), (ids(17), ""), (ids(10), "")] {
            rewritten(&path, &old, new);
        }
        rewritten_with(&path, "[\"id\",4]", &format!("[\"id\",{width}]"), |name, stored| {
            let (_, shape, data) = stored.as_mut().unwrap();
            data.clear();
            shape[0] = 0;
            if ["users", "items"].contains(&name) {
                shape[1] = width;
            }
        });
        Recommender::load(&path)
    };
    assert_eq!(nobody(1 << 6).unwrap().items().count(), 0);
    expect(nobody(1 << 40), &path, &["is not a saved model", "1099511627776 wide", "at most 8192"]);
}

#[test]
fn a_damaged_checkpoint_is_an_error_wherever_the_damage_is() {
    let (data, folder) = (small(), Folder::new());
    let path = folder.at("checkpoint");
    save_checkpoint(&data, &path);
    let (model, belongs_to) = (fresh(&config(2), &data), checkpoint(&data));
    damage_everywhere(&path, || belongs_to.load(&path, model.clone()).map(|_| ()));
}

#[test]
fn a_damaged_model_is_an_error_wherever_the_damage_is() {
    let (data, folder) = (small(), Folder::new());
    let path = folder.at("model.safetensors");
    saved(&data).save(&path).unwrap();
    damage_everywhere(&path, || Recommender::load(&path).map(|_| ()));
}
