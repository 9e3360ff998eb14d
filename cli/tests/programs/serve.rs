//! `viral serve` over real connections: what it answers, what it refuses, its limits, reloads and end.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use viral::data::{Dataset, PlantedConfig};
use viral::prelude::{Device, Recipe, RecommendOptions, Recommender};

/// A model of a small made-up catalogue, in a folder.
fn model_of(seed: u64, folder: &Path) -> (Dataset, Recommender) {
    let config = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8);
    let mut data = config.with_seed(seed).generate().data;
    data.titles.as_mut().unwrap()[0] = "<img src=x onerror=alert(1)> & \"quotes\"".to_string();
    let run = Recipe::named("profile-match").unwrap().run(&data, &Device::flex()).unwrap();
    let recommender = run.recommender().unwrap();
    recommender.save(folder).unwrap();
    (data, recommender)
}

pub(crate) struct Service {
    child: Child,
    address: String,
}

impl Service {
    pub(crate) fn start(model: &Path, arguments: &[&str]) -> Self {
        Self::started(crate::viral("serve"), model, arguments)
    }

    /// By a command that ends with the program and its subcommand.
    pub(crate) fn started(mut command: std::process::Command, model: &Path, arguments: &[&str]) -> Self {
        command.arg("--model").arg(model).args(["--bind", "127.0.0.1:0"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("it printed {line:?}")).to_string();
        Self { child, address }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Status, head and body of the answer to a request of these bytes.
    pub(crate) fn raw(&self, request: &[u8]) -> (u16, String, Vec<u8>) {
        let mut stream = self.connect();
        // A service that has refused a request may close before all of it was sent.
        let _ = stream.write_all(request);
        answer_of(&mut stream)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
        let (status, _, body) = self.raw(request.as_bytes());
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        let (status, _, body) = self.raw(format!("{head}{body}").as_bytes());
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    fn text(&self, path: &str) -> (String, String) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
        let (status, head, body) = self.raw(request.as_bytes());
        assert_eq!(status, 200, "{path}");
        (head, String::from_utf8(body).unwrap())
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// A value of /metrics.
    fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.text("/metrics");
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn answer_of(stream: &mut TcpStream) -> (u16, String, Vec<u8>) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no answer but {:?}", String::from_utf8_lossy(&bytes));
    });
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, bytes[end + 4..].to_vec())
}

#[test]
fn it_answers_what_the_library_does() {
    let folder = tempfile::tempdir().unwrap();
    let (data, recommender) = model_of(0, folder.path());
    let service = Service::start(folder.path(), &[]);
    let user = &data.user_ids[7];

    let (status, found) = service.get(&format!("/recommend?user={user}&k=5"));
    let expected = recommender.recommend(user, 5).unwrap();
    assert_eq!((status, &found["items"]), (200, &json!(expected)));
    assert_eq!((&found["basis"], &found["model"]), (&json!("user"), &json!("profile-match")));

    let weighed = RecommendOptions::new(50).weigh("text", 0.25).weigh("visual", 2.0).exclude([&data.item_ids[3]]);
    let path = format!("/recommend?user={user}&k=50&weigh=text:0.25,visual:2&exclude={}", data.item_ids[3]);
    let expected = recommender.recommend_with(user, &weighed).unwrap();
    assert_eq!(service.get(&path).1["items"], json!(expected));

    // An exclusion may be given again.
    let twice = RecommendOptions::new(50).exclude([&data.item_ids[3], &data.item_ids[4], &data.item_ids[6]]);
    let path = format!(
        "/recommend?user={user}&exclude={},{}&k=50&exclude={}",
        data.item_ids[3], data.item_ids[6], data.item_ids[4]
    );
    assert_eq!(service.get(&path).1["items"], json!(recommender.recommend_with(user, &twice).unwrap()));

    let liked = [&data.item_ids[1], &data.item_ids[2]];
    let request =
        json!({"liked": liked, "k": 50, "weights": {"text": 0.25, "visual": 2}, "exclude": [data.item_ids[3]]});
    let (status, found) = service.post("/recommend", &request.to_string());
    let expected = recommender.recommend_for_with(&liked, &weighed).unwrap();
    assert_eq!((status, &found["items"], &found["basis"]), (200, &json!(expected), &json!("liked")));

    let (_, found) = service.get(&format!("/similar?item={}&k=4", data.item_ids[9]));
    assert_eq!(found["items"], json!(recommender.similar(&data.item_ids[9], 4).unwrap()));

    let (_, health) = service.get("/health");
    assert_eq!((&health["status"], &health["users"], &health["items"]), (&json!("ok"), &json!(60), &json!(50)));
    assert_eq!(health["blocks"], json!(["text", "visual"]));
    let (_, history) = service.get(&format!("/history?user={user}"));
    let ids: Vec<&str> = history.as_array().unwrap().iter().map(|item| item["item"].as_str().unwrap()).collect();
    assert_eq!(ids, recommender.history(user).unwrap());
    assert_eq!(service.get("/users?matching=u000&n=3").1.as_array().unwrap().len(), 3);
    for path in ["/users?n=201", "/items?n=201"] {
        assert_eq!(service.get(path).0, 400, "{path}: not cut off in silence");
    }
    assert_eq!(service.get("/items?matching=quotes").1[0]["item"], json!(data.item_ids[0]));
}

#[test]
fn what_is_wrong_gets_a_4xx_and_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    model_of(0, folder.path());
    let service = Service::start(folder.path(), &["--most-bytes", "2000", "--most-items", "100"]);
    let long = format!("{{\"liked\": [\"{}\"]}}", "x".repeat(3000));
    for (expected, word, found) in [
        (404, "nobody", service.get("/recommend?user=nobody")),
        (400, "user", service.get("/recommend")),
        (400, "k is 0", service.get("/recommend?user=u0007&k=0")),
        (400, "at most 100", service.get("/recommend?user=u0007&k=101")),
        (400, "invalid digit", service.get("/recommend?user=u0007&k=-1")),
        (400, "block:factor", service.get("/recommend?user=u0007&weigh=text")),
        (404, "nothing", service.get("/recommend?user=u0007&exclude=nothing")),
        (404, "nothing", service.get("/recommend?user=u0007&exclude=i0001&exclude=i0002,nothing")),
        (404, "nothing", service.post("/recommend", r#"{"user": "u0007", "exclude": ["nothing"]}"#)),
        (400, "duplicate", service.get("/recommend?user=u0007&k=1&k=2")),
        (400, "smell", service.get("/recommend?user=u0007&weigh=smell:1")),
        (400, "text is given twice", service.get("/recommend?user=u0007&weigh=text:2,visual:1,text:0")),
        (400, "text is given twice", service.get("/similar?item=i0001&weigh=text:2,text:0")),
        (
            400,
            "`text` is given twice",
            service.post("/recommend", r#"{"user": "u0007", "weights": {"text": 2, "text": 0}}"#),
        ),
        (400, "finite", service.get("/recommend?user=u0007&weigh=text:inf")),
        (400, "sort", service.get("/recommend?user=u0007&sort=up")),
        (400, "`exclude`", service.get("/recommend?user=u0007&sort=up")),
        (404, "nothing is at /admin", service.get("/admin")),
        (404, "i9999", service.get("/similar?item=i9999")),
        (404, "..%2f", service.get("/picture?item=..%252f..%252fetc%252fpasswd")),
        (405, "GET", service.post("/similar?item=i0001", "")),
        (400, "for whom", service.post("/recommend", "{}")),
        (400, "for whom", service.post("/recommend", r#"{"user": "u0007", "liked": ["i0001"]}"#)),
        (400, "line 1 column", service.post("/recommend", r#"{"liked": ["i0001"#)),
        (400, "history", service.post("/recommend", r#"{"history": ["i0001"]}"#)),
        (400, "no liked items", service.post("/recommend", r#"{"liked": []}"#)),
        (404, "i9999", service.post("/recommend", r#"{"liked": ["i9999"]}"#)),
        (400, "body", service.post("/recommend", "")),
        (413, "2000 bytes", service.post("/recommend", &long)),
    ] {
        let (status, body) = found;
        let message = body["message"].as_str().unwrap_or_else(|| panic!("{word}: {status} {body}"));
        assert_eq!((status, message.contains(word)), (expected, true), "{word}: {status} {message}");
        assert!(body["error"].is_string());
    }
    // What is no HTTP is refused as well, and ends its own connection alone.
    let (status, ..) = service.raw(b"\x16\x03\x01 hello\r\n\r\n");
    assert_eq!(status, 400);
    // A body that is announced as too large is refused before it comes.
    let start = Instant::now();
    let (status, ..) = service
        .raw(b"POST /recommend HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\n");
    assert!(status == 413 && start.elapsed() < Duration::from_secs(3), "{status} after {:?}", start.elapsed());
    let mut gone = service.connect();
    gone.write_all(b"POST /recommend HTTP/1.1\r\ncontent-length: 500\r\n\r\n{").unwrap();
    drop(gone);
    assert_eq!(service.get("/health").0, 200);
    let (_, text) = service.text("/metrics");
    assert!(text.contains(r#"viral_http_requests_total{route="/recommend",status="400"}"#), "{text}");
    assert!(text.contains(r#"route="other",status="404""#) && !text.contains("5xx") && !text.contains(r#"status="5"#));
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    model_of(0, folder.path());
    let service = Service::start(folder.path(), &["--timeout", "0.3"]);
    let mut slow = service.connect();
    slow.write_all(b"POST /recommend HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: 20\r\n\r\n{")
        .unwrap();
    let start = Instant::now();
    let (status, _, body) = answer_of(&mut slow);
    assert_eq!(status, 408, "{}", String::from_utf8_lossy(&body));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_new_model_answers_without_a_request_lost_and_a_broken_one_never_does() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, old) = model_of(0, folder.path());
    let (_, new) = model_of(5, other.path());
    let service = Service::start(folder.path(), &[]);
    let user = &data.user_ids[7];
    let [before, after] = [&old, &new].map(|model| json!(model.recommend(user, 10).unwrap()));
    assert_ne!(before, after);
    let ask = || {
        let (status, found) = service.get(&format!("/recommend?user={user}"));
        assert_eq!(status, 200);
        found["items"].clone()
    };
    let file = folder.path().join("model.safetensors");
    std::fs::write(&file, b"half a file").unwrap();
    service.signal("-HUP");
    let wait_for = |name: &str| {
        let start = Instant::now();
        while service.metric(name) < 1.0 {
            assert!(start.elapsed() < Duration::from_secs(20), "{name} stays 0");
            assert!([&before, &after].contains(&&ask()));
        }
    };
    wait_for("viral_model_failed_reloads_total");
    assert_eq!(ask(), before);
    // Put in place whole, as `save` does; its change is seen without a signal.
    new.save(folder.path()).unwrap();
    wait_for("viral_model_reloads_total");
    assert_eq!(ask(), after);
}

#[test]
fn a_pipe_in_the_place_of_the_model_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    model_of(0, folder.path());
    let mut service = Service::start(folder.path(), &[]);
    let file = folder.path().join("model.safetensors");
    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    service.signal("-HUP");
    let start = Instant::now();
    while service.metric("viral_model_failed_reloads_total") < 1.0 {
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(service.get("/recommend?user=u0007").0, 200);
    let start = Instant::now();
    service.signal("-TERM");
    assert!(service.child.wait().unwrap().success() && start.elapsed() < Duration::from_secs(2));
}

#[test]
fn it_ends_within_two_seconds_and_gives_the_answers_that_are_under_way() {
    let folder = tempfile::tempdir().unwrap();
    model_of(0, folder.path());
    let mut service = Service::start(folder.path(), &[]);
    let mut idle = service.connect();
    let mut late = service.connect();
    let body = br#"{"liked": ["i0001"], "k": 3}"#;
    let head = format!("POST /recommend HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n\r\n", body.len());
    late.write_all(head.as_bytes()).unwrap();
    late.write_all(&body[..10]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    service.signal("-TERM");
    std::thread::sleep(Duration::from_millis(300));
    late.write_all(&body[10..]).unwrap();
    let (status, _, answer) = answer_of(&mut late);
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_slice::<Value>(&answer).unwrap()["items"].as_array().unwrap().len(), 3);
    assert!(service.child.wait().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(idle.read(&mut [0; 8]).unwrap_or(0), 0);
}

#[test]
fn the_page_is_one_of_its_own_and_pictures_are_photos_or_drawn() {
    let (folder, photos) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, _) = model_of(0, folder.path());
    std::fs::write(photos.path().join(format!("{}.jpg", data.item_ids[4])), b"\xff\xd8\xff\xe0 a photo").unwrap();
    let service = Service::start(folder.path(), &["--images", photos.path().to_str().unwrap()]);
    let (head, page) = service.text("/");
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    for asset in ["page.css", "page.js"] {
        assert!(page.contains(&format!("\"{asset}\"")));
        let (_, text) = service.text(&format!("/{asset}"));
        assert!(!text.contains("http://") && !text.contains("https://"), "{asset} asks somebody else");
        assert!(!text.contains("innerHTML"), "{asset}: texts go in as texts");
    }
    assert!(!page.contains("http://") && !page.contains("https://"));
    let picture = |item: usize| {
        let path =
            format!("GET /picture?item={} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n", data.item_ids[item]);
        service.raw(path.as_bytes())
    };
    let (_, head, photo) = picture(4);
    assert!(head.contains("content-type: image/jpeg") && head.contains("x-drawn: false"), "{head}");
    assert_eq!(photo, b"\xff\xd8\xff\xe0 a photo");
    let (head, drawn) = service.text(&format!("/picture?item={}", data.item_ids[5]));
    assert!(
        head.contains("content-type: image/svg+xml") && head.contains("x-drawn: true") && drawn.starts_with("<svg")
    );
    assert_ne!(drawn, service.text(&format!("/picture?item={}", data.item_ids[6])).1);
}

#[cfg(unix)]
#[test]
fn pictures_are_files_of_the_folder_with_a_pictures_content() {
    let (folder, photos) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, _) = model_of(0, folder.path());
    let at = |item: usize, ending: &str| photos.path().join(format!("{}.{ending}", data.item_ids[item]));
    let secret = folder.path().join("secret.jpg");
    std::fs::write(&secret, b"\xff\xd8\xff a secret").unwrap();
    std::os::unix::fs::symlink(&secret, at(1, "jpg")).unwrap();
    std::fs::write(at(2, "jpg"), "<html>").unwrap();
    std::fs::write(at(3, "jpg"), b"\x89PNG\r\n\x1a\n a png").unwrap();
    std::fs::write(at(4, "webp"), b"RIFF....WEBP a webp").unwrap();
    std::fs::write(at(5, "png"), "").unwrap();
    std::fs::write(at(6, "gif"), b"GIF89a a gif").unwrap();
    let (elsewhere, below) = (folder.path().join("elsewhere"), photos.path().join("a/b"));
    std::fs::create_dir_all(&elsewhere).unwrap();
    std::fs::create_dir_all(&below).unwrap();
    std::fs::write(elsewhere.join(format!("{}.jpg", data.item_ids[8])), b"\xff\xd8\xff elsewhere").unwrap();
    std::os::unix::fs::symlink(&elsewhere, photos.path().join("linked")).unwrap();
    std::fs::write(below.join(format!("{}.gif", data.item_ids[9])), b"GIF89a below").unwrap();
    assert!(std::process::Command::new("mkfifo").arg(at(7, "png")).status().unwrap().success());
    let service = Service::start(folder.path(), &["--images", photos.path().to_str().unwrap()]);
    let picture = |item: usize| {
        let request =
            format!("GET /picture?item={} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n", data.item_ids[item]);
        service.raw(request.as_bytes())
    };
    let kinds = ["svg+xml", "svg+xml", "png", "webp", "svg+xml", "gif", "svg+xml", "svg+xml", "gif"];
    for (item, kind) in (1..).zip(kinds) {
        let (status, head, _) = picture(item);
        assert!(status == 200 && head.contains(&format!("content-type: image/{kind}")), "{item}: {head}");
    }
    // A link that takes a picture's place later is not followed either.
    std::fs::remove_file(at(3, "jpg")).unwrap();
    std::os::unix::fs::symlink(&secret, at(3, "jpg")).unwrap();
    assert_eq!(picture(3).0, 404);
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    model_of(0, folder.path());
    let service = Service::start(folder.path(), &["--timeout", "0.5"]);
    let mut slow = service.connect();
    slow.write_all(b"GET /health HTTP/1.1\r\nhost: sh").unwrap();
    let start = Instant::now();
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn an_answer_that_is_not_read_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    model_of(0, folder.path());
    let service = Service::start(folder.path(), &["--timeout", "0.5", "--connections", "1"]);
    let mut deaf = service.connect();
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // Until neither side takes any more.
    let request = b"GET /items?n=200 HTTP/1.1\r\nhost: shop\r\n\r\n".repeat(100);
    while deaf.write_all(&request).is_ok() {}
    let start = Instant::now();
    assert_eq!(service.get("/health").0, 200);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn what_cannot_be_served_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    model_of(0, folder.path());
    let taken = Service::start(folder.path(), &[]);
    let empty = tempfile::tempdir().unwrap();
    for (word, arguments) in [
        ("--bind", vec!["--bind", &taken.address]),
        ("ID.jpg", vec!["--bind", "127.0.0.1:0", "--images", empty.path().to_str().unwrap()]),
        ("--concurrency 0", vec!["--bind", "127.0.0.1:0", "--concurrency", "0"]),
        ("at most", vec!["--bind", "127.0.0.1:0", "--connections", "18446744073709551615"]),
        ("86400 at most", vec!["--bind", "127.0.0.1:0", "--timeout", "1e18"]),
    ] {
        let (is_good, _, errors) = crate::run(crate::viral("serve").arg("--model").arg(folder.path()).args(arguments));
        assert!(!is_good && errors.contains(word), "{errors}");
    }
}
