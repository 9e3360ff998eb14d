//! New items, items that are gone and new interactions, over HTTP: what they change at once and for good.

use crate::serve::Service;
use serde_json::{Value, json};
use std::path::Path;
use viral::data::{Dataset, HeldOut, PlantedConfig};
use viral::prelude::{Device, Recipe, Recommender};
use viral::serve::NewItems;

/// A model of most of a catalogue, in a folder, and the rest of that.
fn model_in(folder: &Path) -> (Dataset, HeldOut, Recommender) {
    let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
    let held_out = data.hold_out_items(0.1, 1).unwrap();
    let run = Recipe::viral().seed(1).epochs(1).run(&held_out.rest, &Device::flex()).unwrap();
    let recommender = run.recommender().unwrap();
    recommender.save(folder).unwrap();
    drop(run);
    (data, held_out, recommender)
}

fn item(data: &Dataset, item: u32) -> Value {
    let features = data.train.features.iter();
    let features = features.map(|(modality, rows)| (modality.to_string(), json!(rows.row(item as usize))));
    let features: serde_json::Map<String, Value> = features.collect();
    json!({"id": data.item_ids[item as usize], "title": "<b>new</b>", "features": features})
}

fn delete(service: &Service, path: &str) -> u16 {
    let request = format!("DELETE {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
    service.raw(request.as_bytes()).0
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, ..) = model_in(folder.path());
    let service = Service::start(folder.path(), &[]);
    let id = &data.item_ids[0];
    let body = json!({"interactions": [{"user": "eve", "item": id}]}).to_string();
    let ask = |request: &str, header: &str| {
        let (length, end) = (body.len(), "connection: close");
        service
            .raw(
                format!(
                    "{request} HTTP/1.1\r\nhost: shop\r\n{header}\r\n{end}\r\ncontent-length: {length}\r\n\r\n{body}"
                )
                .as_bytes(),
            )
            .0
    };
    let [post, delete] = ["POST /interactions".to_string(), format!("DELETE /items?item={id}")];
    for header in ["origin: http://elsewhere", "origin: null", "sec-fetch-site: cross-site"] {
        assert_eq!([ask(&post, header), ask(&delete, header)], [403, 403], "{header}");
    }
    assert_eq!(service.get("/recommend?user=eve").0, 404);
    assert_eq!([ask(&post, "origin: http://shop"), ask(&delete, "sec-fetch-site: same-origin")], [200, 200]);
}

#[test]
fn new_items_and_interactions_count_at_once_and_outlive_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let (data, held_out, mut recommender) = model_in(folder.path());
    let service = Service::start(folder.path(), &[]);
    let id = &data.item_ids[held_out.taken[0] as usize];
    assert_eq!(service.get(&format!("/similar?item={id}&k=3")).0, 404);
    let new: Vec<Value> = held_out.taken.iter().map(|&number| item(&data, number)).collect();
    let (status, changed) = service.post("/items", &json!({"items": new}).to_string());
    assert_eq!((status, &changed["items"], &changed["drift"]["new_items"]), (200, &json!(50), &json!(5)), "{changed}");
    let pairs = json!({"interactions": [{"user": "eve", "item": id}, {"user": "u0007", "item": id}]});
    let (status, changed) = service.post("/interactions", &pairs.to_string());
    assert_eq!((status, &changed["users"]), (200, &json!(61)), "{changed}");

    let titles = vec!["<b>new</b>"; held_out.taken.len()];
    recommender.add_items(&NewItems::of(&data, &held_out.taken).unwrap().with_titles(titles).unwrap()).unwrap();
    recommender.update(&[("eve", id), ("u0007", id)]).unwrap();
    let answers = |service: &Service| {
        for user in ["eve", "u0007", "u0008"] {
            let (status, found) = service.get(&format!("/recommend?user={user}&k=50"));
            assert_eq!((status, &found["items"]), (200, &json!(recommender.recommend(user, 50).unwrap())), "{user}");
        }
    };
    answers(&service);
    drop(service);
    let service = Service::start(folder.path(), &[]);
    answers(&service);

    // What somebody else writes meanwhile is not overwritten.
    let other = &data.item_ids[held_out.taken[1] as usize];
    let mut elsewhere = Recommender::load(folder.path()).unwrap();
    elsewhere.remove_items(&[other]).unwrap();
    elsewhere.save(folder.path()).unwrap();
    assert_eq!(delete(&service, &format!("/items?item={id}")), 200);
    let now = Recommender::load(folder.path()).unwrap();
    assert_eq!(now.catalogue().count(), 48);
    let (_, found) = service.get("/recommend?user=u0008&k=50");
    assert!(
        found["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|found| ![id, other].contains(&&found["item"].as_str().unwrap().to_string()))
    );
    assert_eq!(delete(&service, &format!("/items?item={other}")), 404);
}

#[test]
fn changes_that_make_no_sense_are_refused_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, held_out, _) = model_in(folder.path());
    let before = std::fs::read(folder.path().join("model.safetensors")).unwrap();
    let service = Service::start(folder.path(), &[]);
    let good = item(&data, held_out.taken[0]);
    let with = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed[key] = value;
        json!({ "items": [changed] })
    };
    let features = |modality: &str, value: Value| {
        let mut features = good["features"].clone();
        features[modality] = value;
        with("features", features)
    };
    // A key that comes twice is no JSON that a `Value` could hold; a modality has two names.
    for (again, name) in [("text", "text"), ("image", "visual")] {
        let twice = format!(r#"{{"items": [{{"id": "x", "features": {{"{name}": [0.5], "{again}": [0.5]}}}}]}}"#);
        let (status, answer) = service.post("/items", &twice);
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(&format!("`{name}` is given twice")), "{status} {answer}");
    }
    let huge = json!([1e39]);
    for (body, status, word) in [
        (json!({"items": []}), 400, "no items"),
        (json!({"items": [good, good]}), 400, "twice"),
        (with("id", json!(data.item_ids[held_out.left[0] as usize])), 400, "has an item"),
        (with("id", json!("")), 400, "empty id"),
        (with("price", json!(3)), 400, "price"),
        (with("features", json!({})), 400, "numbers of"),
        (features("text", json!([0.5])), 400, "takes"),
        (features("audio", json!([0.5])), 400, "audio"),
        (features("no such thing", json!([0.5])), 400, "body"),
        (features("text", json!(["a"])), 400, "body"),
        (features("text", huge), 400, ""),
        (json!({"things": []}), 400, "things"),
        (json!(null), 400, "body"),
    ] {
        let (found, answer) = service.post("/items", &body.to_string());
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(found == status && message.contains(word), "{found} {answer} to {body}");
    }
    for (body, status) in [
        (json!({"interactions": [{"user": "eve", "item": "nothing"}]}), 404),
        (json!({"interactions": [{"user": "", "item": data.item_ids[held_out.left[0] as usize]}]}), 400),
        (json!({"interactions": 3}), 400),
    ] {
        assert_eq!(service.post("/interactions", &body.to_string()).0, status, "{body}");
    }
    assert_eq!(delete(&service, "/items?item=nothing"), 404);
    assert_eq!(delete(&service, "/items"), 400);
    drop(service);
    assert!(std::fs::read(folder.path().join("model.safetensors")).unwrap() == before);

    let service = Service::start(folder.path(), &["--read-only"]);
    let (status, answer) = service.post("/items", &json!({"items": [good]}).to_string());
    assert_eq!((status, &answer["error"]), (403, &json!("read_only")));
    assert_eq!(delete(&service, &format!("/items?item={}", data.item_ids[held_out.left[0] as usize])), 403);
}

/// A model's file that is gone or broken is neither waited for nor overwritten.
#[test]
fn without_the_models_file_nothing_changes_and_nothing_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let (data, held_out, _) = model_in(folder.path());
    let (file, aside) = (folder.path().join("model.safetensors"), folder.path().join("aside"));
    let service = Service::start(folder.path(), &[]);
    let known = &data.item_ids[held_out.left[0] as usize];
    let took = |user: &str| json!({"interactions": [{"user": user, "item": known}]}).to_string();
    std::fs::rename(&file, &aside).unwrap();
    for (user, word) in [("gone", "no file is here"), ("broken", "damaged"), ("still broken", "damaged")] {
        if user == "broken" {
            std::fs::write(&file, "half a model").unwrap();
        }
        let start = std::time::Instant::now();
        let (status, answer) = service.post("/interactions", &took(user));
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(status == 503 && answer["error"] == "model_file" && message.contains(word), "{status} {answer}");
        assert!(start.elapsed() < std::time::Duration::from_secs(4));
        assert_eq!(service.get(&format!("/history?user={}", user.replace(' ', "+"))).0, 404);
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"half a model");
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(service.post("/interactions", &took("back")).0, 200);
    assert_eq!(service.get("/history?user=gone").0, 404);
}

/// What two services of one file say they took up is there afterwards.
#[test]
fn two_services_of_one_file_lose_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let (data, held_out, _) = model_in(folder.path());
    let known = &data.item_ids[held_out.left[0] as usize];
    let services = [0, 1].map(|_| Service::start(folder.path(), &[]));
    let took: Vec<String> = std::thread::scope(|scope| {
        let of = |number: usize| {
            let service = &services[number % 2];
            move || {
                let users = (0..8).map(|user| format!("n{number}-{user}"));
                let is_taken = |user: &String| {
                    let body = json!({"interactions": [{"user": user, "item": known}]}).to_string();
                    let (status, answer) = service.post("/interactions", &body);
                    assert!([200, 503].contains(&status), "{answer}");
                    status == 200
                };
                users.filter(is_taken).collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> = (0..4).map(|number| scope.spawn(of(number))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(took.len() >= 8, "{took:?}");
    let model = Recommender::load(folder.path()).unwrap();
    for user in &took {
        assert_eq!(model.history(user).unwrap(), [known], "{user}");
    }
    assert!(!folder.path().join(".lock").exists());
}

/// The limit of requests at a time is one for all routes.
#[test]
fn on_a_full_disk_nothing_changes_and_the_client_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (data, held_out, _) = model_in(folder.path());
    let file = folder.path().join("model.safetensors");
    let before = std::fs::read(&file).unwrap();
    // No file may grow beyond a kilobyte.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" serve \"$@\"", env!("CARGO_BIN_EXE_viral")]);
    let service = Service::started(command, folder.path(), &[]);
    let found = service.get("/recommend?user=u0007");
    let pairs = json!({"interactions": [{"user": "eve", "item": "i0003"}]}).to_string();
    let new = json!({"items": [item(&data, held_out.taken[0])]}).to_string();
    for (path, body) in [("/interactions", &pairs), ("/items", &new)] {
        let (status, failure) = service.post(path, body);
        assert_eq!((status, &failure["error"]), (503, &json!("model_file")), "{failure}");
        assert!(failure["message"].as_str().unwrap().contains("nothing was changed"), "{failure}");
    }
    assert_eq!(service.get("/recommend?user=u0007"), found);
    assert_eq!(service.get("/recommend?user=eve").0, 404);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        std::fs::read(&file).unwrap() == before
            && !left.iter().any(|name| name.to_string_lossy().starts_with(".viral-")),
        "{left:?}"
    );
}

#[test]
fn many_changes_do_not_wait_one_after_the_other_for_a_run_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    model_in(folder.path());
    let service = Service::start(folder.path(), &[]);
    let run = viral::data::FolderLock::acquire(folder.path()).unwrap();
    let start = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let (status, failure) =
                    service.post("/interactions", r#"{"interactions": [{"user": "eve", "item": "i0003"}]}"#);
                assert_eq!((status, &failure["error"]), (503, &json!("model_file")), "{failure}");
            });
        }
    });
    assert!(start.elapsed() < std::time::Duration::from_secs(6), "{:?}", start.elapsed());
    drop(run);
    while service.post("/interactions", r#"{"interactions": [{"user": "eve", "item": "i0003"}]}"#).0 != 200 {
        assert!(start.elapsed() < std::time::Duration::from_secs(10));
    }
}

#[test]
fn a_request_under_way_counts_for_every_route() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    model_in(folder.path());
    let service = Service::start(folder.path(), &["--concurrency", "1"]);
    let mut slow = service.connect();
    slow.write_all(b"POST /interactions HTTP/1.1\r\nhost: shop\r\ncontent-length: 9\r\n\r\n{").unwrap();
    // It takes the only place first: a question that was under way as it came would have it refused instead.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let start = std::time::Instant::now();
    while service.get("/items").0 != 503 {
        assert!(start.elapsed() < std::time::Duration::from_secs(4));
    }
    assert_eq!(service.get("/recommend?user=u0007").0, 503);
    assert_eq!(service.get("/health").0, 200);
    // A body that does not come is not waited for, here neither.
    let (status, _, _) = crate::serve::answer_of(&mut slow);
    assert_eq!(status, 408);
    assert_eq!(service.get("/items").0, 200);
}
