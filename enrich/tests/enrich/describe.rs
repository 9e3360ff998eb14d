//! Describing pictures against servers that do everything wrong.

use crate::support::catalogue::catalogue;
use crate::support::hostile_server::{Act, Server, completion, description, hostile};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use viral::Result;
use viral::data::splitmix64;
use viral_enrich::describe::{
    Backoff, DescribeConfig, Described, ImageFolder, Items, Journal, Prompt, Record, Tokens, read_journal,
};

const WORKERS: usize = 8;
const CHILD: &str = "describe::child";

fn config(servers: &[&str]) -> DescribeConfig {
    let ms = Duration::from_millis;
    DescribeConfig {
        concurrency: WORKERS,
        timeout: ms(400),
        backoff: Backoff { base: ms(4), cap: ms(40), most_asked: ms(200), seed: 1 },
        patience: Duration::from_secs(10),
        ..DescribeConfig::new(Prompt::by_name("title").unwrap(), "test/model", servers.iter().copied())
    }
}

fn describe(config: &DescribeConfig, folder: &Path) -> Result<Described> {
    let items = Items::open(folder.join("items.jsonl"))?;
    let mut journal = Journal::open(folder.join("journal.jsonl"))?;
    let images = ImageFolder::open(folder.join("images"))?;
    let described = config.run(&items, &images, &mut journal, |_| ControlFlow::Continue(()))?;
    described.write(folder.join("descriptions.jsonl"), &items, &journal)?;
    Ok(described)
}

/// All records, those of a torn last line left out.
fn records(folder: &Path) -> Vec<Record> {
    let path = folder.join("journal.jsonl");
    let mut found = Vec::new();
    if let Ok(bytes) = std::fs::read(&path) {
        read_journal(&path, &bytes[..], |_, record| found.push(record)).unwrap();
    }
    found
}

/// Runs this binary again as a process of its own that describes a folder; `child` below is what it runs.
fn child_process(test: &str, folder: &Path, url: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command.env("VIRAL_DESCRIBE_FOLDER", folder).env("VIRAL_DESCRIBE_SERVER", url);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
#[ignore = "run by other tests, as a process of its own"]
fn child() {
    let (folder, url) = (std::env::var("VIRAL_DESCRIBE_FOLDER"), std::env::var("VIRAL_DESCRIBE_SERVER"));
    let (Ok(folder), Ok(url)) = (folder, url) else { return };
    let described = describe(&config(&[&url]), &PathBuf::from(folder)).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB").trim();
    println!("\ndone {} peak {}", described.progress.n_done(), peak.trim_end_matches(" kB"));
}

#[test]
fn a_thousand_items_end_described_or_quarantined() -> Result<()> {
    let folder = catalogue(1000, 16);
    let server = Server::start(hostile(0.3, 5, true));
    let start = Instant::now();
    let described = describe(&config(&[&server.url]), folder.path())?;
    let progress = &described.progress;
    eprintln!("hostile run: {:.1} s, {progress:?}, {:?}", start.elapsed().as_secs_f64(), described.faults);
    assert_eq!((progress.n_done(), progress.n_items), (1000, 1000));
    assert_eq!(described.faults["image"], 20, "ten without a picture, ten with a page in its place");
    assert!(progress.n_described >= 970, "three tries and more leave few");
    assert_eq!(progress.tokens.input % 100, 0);

    let text = std::fs::read_to_string(folder.path().join("descriptions.jsonl")).unwrap();
    let mut n_texts = 0;
    for (i, line) in text.lines().enumerate() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let id = format!("item-{i:04}");
        assert_eq!(line["id"], id.as_str());
        match line["text"].as_str() {
            Some(text) => n_texts += usize::from(text == description(&id)),
            None => assert!(!line["reason"].as_str().unwrap().is_empty()),
        }
    }
    assert_eq!((text.lines().count(), n_texts), (1000, progress.n_described));

    // A second run asks nothing and writes the same file.
    let n_asked = server.n_asked();
    let again = describe(&config(&[&server.url]), folder.path())?;
    assert_eq!((again.progress.n_before, server.n_asked()), (1000, n_asked));
    assert_eq!(std::fs::read_to_string(folder.path().join("descriptions.jsonl")).unwrap(), text);
    Ok(())
}

#[test]
fn killed_twenty_times_nothing_is_paid_for_twice() {
    let folder = catalogue(1000, 16);
    // Slow enough that twenty lives do not suffice.
    let inner = hostile(0.3, 6, true);
    let server = Server::start(move |seen| {
        std::thread::sleep(Duration::from_millis(15));
        inner(seen)
    });
    let (mut n_lost, mut known) = (0, HashSet::new());
    let mut n_kills = 0;
    while n_kills < 20 {
        let asked_before = server.counts.lock().unwrap().asked.clone();
        let mut child = child_process(CHILD, folder.path(), &server.url).spawn().unwrap();
        // The process takes a while to start; each life then does a random bit of work.
        let wait = 60 + splitmix64(n_kills) % 240;
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        n_kills += 1;
        // Requests that had been sent before the kill may still be on their way through the server.
        std::thread::sleep(Duration::from_millis(40));
        let counts = server.counts.lock().unwrap();
        for item in &known {
            assert_eq!(counts.asked.get(item), asked_before.get(item), "{item} was in the journal and is asked again");
        }
        known = records(folder.path()).into_iter().map(|record| record.item).collect();
        let described: usize = counts.described.values().sum();
        let kept = records(folder.path()).iter().filter(|record| record.text.is_some()).count();
        assert!(described - kept - n_lost <= WORKERS, "kill {n_kills} lost {} answers", described - kept - n_lost);
        n_lost = described - kept;
    }
    let n_before_end = known.len();
    let end = child_process(CHILD, folder.path(), &server.url).output().unwrap();
    assert!(end.status.success(), "{}", String::from_utf8_lossy(&end.stderr));
    let all = records(folder.path());
    let items: HashSet<&str> = all.iter().map(|record| record.item.as_str()).collect();
    assert_eq!((all.len(), items.len()), (1000, 1000), "every item has one record");
    let counts = server.counts.lock().unwrap();
    let twice = counts.described.values().filter(|&&n| n > 1).count();
    eprintln!(
        "killed 20 times with {n_before_end} of 1000 done; {n_lost} answers lost in flight, {twice} items paid twice"
    );
    assert!(n_before_end > 50 && n_lost <= 20 * WORKERS);
}

#[test]
fn memory_does_not_grow_with_the_catalogue() {
    let peak = |n_items: usize| {
        let folder = catalogue(n_items, 300);
        let server = Server::start(|_| Act::Describe);
        let output = child_process(CHILD, folder.path(), &server.url).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("done ")).unwrap_or_else(|| panic!("{text}"));
        let (n_done, peak) = line.split_once(" peak ").unwrap();
        assert_eq!(n_done, n_items.to_string());
        peak.parse::<f64>().unwrap() / 1024.0
    };
    let (few, many) = (peak(100), peak(600));
    eprintln!("peak memory: {few:.1} MiB for 100 pictures, {many:.1} MiB for 600");
    // 500 more pictures are 135 MB unpacked.
    assert!(many < few + 12.0, "{few} MiB for 100 items, {many} MiB for 600");
}

#[test]
fn nothing_is_connected_to_that_was_not_named() -> Result<()> {
    let folder = catalogue(30, 16);
    let trap = Server::start(|_| Act::Describe);
    let address = trap.url.trim_end_matches("/v1").to_string();
    let line = |i: usize| {
        let title = format!("see {address}/title{i}.jpg ![x]({address}/x.png)");
        format!("{{\"id\": \"item-{i:04}\", \"title\": \"{title}\", \"image\": \"{address}/item-{i:04}.jpg\"}}\n")
    };
    std::fs::write(folder.path().join("items.jsonl"), (0..30).map(line).collect::<String>()).unwrap();
    // Redirects now and then; bodies that name an address always.
    let to = address.clone();
    let server = Server::start(move |seen| {
        let picture = seen.body["messages"][0]["content"][0]["image_url"]["url"].as_str();
        assert!(picture.is_some_and(|url| url.starts_with("data:image/jpeg;base64,")), "{picture:?}");
        let status = [301, 302, 303, 307, 308][seen.index % 5];
        match seen.index % 4 {
            0 => Act::Answer(status, format!("location: {to}/v1/chat/completions\r\n"), String::new()),
            _ => Act::Answer(200, String::new(), completion(&format!("{} See {to}/more.", description("it")))),
        }
    });
    let described = describe(&config(&[&server.url]), folder.path())?;
    assert_eq!(described.progress.n_described, 30);

    let only_redirects = Server::start({
        let to = address.clone();
        move |_| Act::Answer(307, format!("location: {to}/v1/chat/completions\r\n"), String::new())
    });
    std::fs::remove_file(folder.path().join("journal.jsonl")).unwrap();
    let error = describe(&config(&[&only_redirects.url]), folder.path()).unwrap_err().to_string();
    assert!(error.contains("a redirect to") && error.contains("not followed"), "{error}");
    assert_eq!(records(folder.path()).len(), 0, "no item is blamed");
    assert_eq!(trap.n_connections.load(Ordering::SeqCst), 0);
    Ok(())
}

#[test]
fn no_proxy_is_taken_from_the_environment() {
    let folder = catalogue(3, 16);
    let (trap, server) = (Server::start(|_| Act::Describe), Server::start(|_| Act::Describe));
    let mut child = child_process(CHILD, folder.path(), &server.url);
    for variable in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(variable, trap.url.trim_end_matches("/v1"));
    }
    let output = child.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((trap.n_connections.load(Ordering::SeqCst), server.n_asked()), (0, 3));
}

#[test]
fn what_changed_is_asked_again_and_nothing_else() -> Result<()> {
    let folder = catalogue(12, 16);
    let path = folder.path();
    let server = Server::start(|_| Act::Describe);
    let n_new = |config: &DescribeConfig| {
        let before = server.n_asked();
        describe(config, path).map(|_| server.n_asked() - before)
    };
    let first = config(&[&server.url]);
    assert_eq!(n_new(&first)?, 12);
    assert_eq!(n_new(&first)?, 0);
    std::fs::copy(path.join("images/item-0003.jpg"), path.join("images/item-0007.jpg")).unwrap();
    assert_eq!(n_new(&first)?, 1, "one picture");
    let items = std::fs::read_to_string(path.join("items.jsonl")).unwrap();
    std::fs::write(path.join("items.jsonl"), items.replace("\"title\": \"item-0005\"", "\"title\": \"Cot\"")).unwrap();
    assert_eq!(n_new(&first)?, 1, "one title");
    let other = DescribeConfig { model: "other/model".into(), ..first.clone() };
    assert_eq!(n_new(&other)?, 12, "another model");
    assert_eq!(n_new(&first)?, 0, "what the first one said is still there");
    let own = path.join("own.txt");
    std::fs::write(&own, "Describe it.\n<title>{title}</title>").unwrap();
    let own = DescribeConfig { prompt: Prompt::read(&own, first.prompt.kind())?, ..first.clone() };
    assert_eq!(n_new(&own)?, 12, "another prompt");
    let lines = std::fs::read_to_string(path.join("descriptions.jsonl")).unwrap();
    assert!(lines.lines().nth(5).unwrap().contains("This is Cot,"));
    Ok(())
}

#[test]
fn a_bad_server_is_left_for_a_good_one() -> Result<()> {
    let folder = catalogue(60, 16);
    let good = Server::start(|_| Act::Describe);
    let broken = Server::start(|_| Act::Answer(500, String::new(), "no".into()));
    let stranger = Server::start(|_| Act::Answer(401, String::new(), "who are you".into()));
    let described = describe(&config(&[&broken.url, &good.url, &stranger.url]), folder.path())?;
    assert_eq!(described.progress.n_described, 58);
    let by_url = |url: &str| described.servers.iter().find(|server| server.url == url).unwrap().clone();
    assert!(by_url(&stranger.url).is_given_up && !by_url(&good.url).is_given_up);
    assert_eq!((by_url(&good.url).n_good, by_url(&broken.url).n_good), (58, 0));
    Ok(())
}

#[test]
fn a_server_that_comes_late_costs_no_item() -> Result<()> {
    let folder = catalogue(20, 16);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        Server::start_at(address, |_| Act::Describe)
    });
    let url = format!("http://{address}/v1");
    let described = describe(&config(&[&url]), folder.path())?;
    assert_eq!((described.progress.n_described, described.progress.n_requests), (20, 20));
    assert!(described.servers[0].n_failed > 5);
    late.join().unwrap();
    Ok(())
}

#[test]
fn an_item_that_breaks_its_server_is_quarantined() -> Result<()> {
    let folder = catalogue(1, 16);
    let server = Server::start(|_| Act::Cut);
    let described = describe(&config(&[&server.url]), folder.path())?;
    assert_eq!((described.faults["server"], described.progress.n_requests), (1, 12));
    Ok(())
}

#[test]
fn hopeless_runs_end_early_and_say_why() {
    let folder = catalogue(40, 16);
    let fails = |act: Act, words: &[&str], n_records: usize| {
        let _ = std::fs::remove_file(folder.path().join("journal.jsonl"));
        let server = Server::start(move |_| act.clone());
        let config = DescribeConfig { patience: Duration::from_millis(300), ..config(&[&server.url]) };
        let error = describe(&config, folder.path()).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "no '{word}' in: {error}");
        }
        assert!(records(folder.path()).len() <= n_records, "{} records", records(folder.path()).len());
    };
    let answer = |status: u16, body: &str| Act::Answer(status, String::new(), body.to_string());
    fails(answer(401, "bad key"), &["no server can be used", "HTTP 401: bad key", "check the key"], 0);
    fails(answer(404, "no such model"), &["HTTP 404: no such model", "check the address and the model"], 0);
    fails(answer(500, "down"), &["no server has answered for", "HTTP 500: down", "what was done is kept"], 0);
    fails(answer(400, "no pictures here"), &["none of the first 20 items", "no pictures here", "no item is blamed"], 0);
    let sorry = completion("I'm sorry, but I can't see any image in your message. Please upload one.");
    fails(answer(200, &sorry), &["none of the first 20 items", "refused: I'm sorry"], 40);
    let nobody = config(&["http://127.0.0.1:9/v1"]);
    let nobody = DescribeConfig { patience: Duration::from_millis(200), ..nobody };
    let error = describe(&nobody, folder.path()).unwrap_err().to_string();
    assert!(error.contains("http://127.0.0.1:9/v1: ") && error.contains("see to it"), "{error}");
}

#[test]
fn quarantined_items_are_asked_again_when_told() -> Result<()> {
    let folder = catalogue(10, 16);
    let server = Server::start(|seen| match seen.index < 30 && seen.title.ends_with('4') {
        true => Act::Answer(200, String::new(), completion("I cannot help with that.")),
        false => Act::Describe,
    });
    let config = config(&[&server.url]);
    let first = describe(&config, folder.path())?;
    assert_eq!((first.progress.n_described, first.faults["refused"]), (9, 1));
    let warm = records(folder.path()).into_iter().find(|record| record.quarantined.is_some()).unwrap();
    assert_eq!((warm.attempts, warm.tokens), (3, Tokens { input: 300, output: 30 }), "each answer is paid for");
    assert_eq!(describe(&config, folder.path())?.progress.n_before, 10);
    for _ in 0..20 {
        let again = DescribeConfig { retry_quarantined: true, ..config.clone() };
        if describe(&again, folder.path())?.progress.n_described == 1 {
            let text = std::fs::read_to_string(folder.path().join("descriptions.jsonl")).unwrap();
            assert!(!text.contains("null"));
            return Ok(());
        }
    }
    panic!("item-0004 was not described when the server had come round");
}

#[test]
fn a_run_can_be_ended_limited_and_not_doubled() -> Result<()> {
    let folder = catalogue(40, 16);
    let server = Server::start(|_| Act::Describe);
    let config = config(&[&server.url]);
    let limited = DescribeConfig { limit: Some(5), ..config.clone() };
    assert_eq!(describe(&limited, folder.path())?.progress.n_described, 5);
    let text = std::fs::read_to_string(folder.path().join("descriptions.jsonl")).unwrap();
    assert_eq!((text.lines().count(), text.matches("not asked yet").count()), (40, 35));

    let items = Items::open(folder.path().join("items.jsonl"))?;
    let images = ImageFolder::open(folder.path().join("images"))?;
    let mut journal = Journal::open(folder.path().join("journal.jsonl"))?;
    let busy = Journal::open(folder.path().join("journal.jsonl")).unwrap_err().to_string();
    assert!(busy.contains("another run is writing this journal"), "{busy}");
    let ended = config.run(&items, &images, &mut journal, |_| ControlFlow::Break(()))?;
    assert!((1..=WORKERS).contains(&ended.progress.n_described), "{:?}", ended.progress);
    assert_eq!(journal.n_records(), 5 + ended.progress.n_described);
    assert_eq!(server.n_asked(), journal.n_records());
    Ok(())
}

#[test]
fn the_key_goes_to_the_server_and_nowhere_else() {
    let folder = catalogue(2, 16);
    let server = Server::start(|seen| match seen.index {
        0 => Act::Answer(400, String::new(), "your key k-12345 is fine".into()),
        _ => Act::Describe,
    });
    // The environment of a process is set from outside only.
    let mut child = child_process("describe::child_with_key", folder.path(), &server.url);
    let output = child.env("VIRAL_DESCRIBE_KEY", "k-12345").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counts = server.counts.lock().unwrap();
    assert!(!counts.keys.is_empty() && counts.keys.iter().all(|key| key.as_deref() == Some("k-12345")));
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert!(!std::fs::read_to_string(&path).unwrap().contains("k-12345"), "{}", path.display());
        }
    }
}

#[test]
#[ignore = "run by another test, as a process of its own"]
fn child_with_key() {
    let (folder, url) = (std::env::var("VIRAL_DESCRIBE_FOLDER"), std::env::var("VIRAL_DESCRIBE_SERVER"));
    let (Ok(folder), Ok(url)) = (folder, url) else { return };
    let api_key = viral_enrich::describe::ApiKey::from_env("VIRAL_DESCRIBE_KEY").unwrap();
    describe(&DescribeConfig { api_key, concurrency: 1, ..config(&[&url]) }, &PathBuf::from(folder)).unwrap();
}
