//! Servers that refuse requests: for which parameters, whom they blame, and when a run ends.

use crate::support::embedder::{WIDTH, answer, inputs, vector};
use crate::support::hostile_server::{Act, Server, completion};
use crate::support::shop::{GOOD, config, describe, numbered, outcomes, records, shop};
use base64::Engine;
use serde_json::json;
use std::time::{Duration, Instant};
use viral_enrich::describe::{Backoff, DescribeConfig, ImageFolder, Items, Journal};
use viral_enrich::embed::{EmbedConfig, VectorStore};

fn folder_of(n: usize) -> tempfile::TempDir {
    let names = numbered(n);
    shop(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn refusal(message: &str, param: &str, code: &str) -> Act {
    let error = json!({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}});
    Act::Answer(400, String::new(), error.to_string())
}

fn good() -> Act {
    Act::Answer(200, String::new(), completion(GOOD))
}

#[test]
fn newer_name_for_the_limit() {
    let folder = folder_of(24);
    let server = Server::start(|seen| match seen.body.get("max_completion_tokens") {
        Some(limit) if seen.body.get("max_tokens").is_none() && limit == 400 => good(),
        _ => {
            let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
            refusal(message, "max_tokens", "unsupported_parameter")
        }
    });
    let described = describe(&config("title", &server.url), folder.path()).unwrap();
    assert_eq!((described.progress.n_described, described.progress.n_quarantined), (24, 0));
    assert!(server.n_asked() <= 24 + 8, "{} requests: each server is refused once by each worker", server.n_asked());
}

#[test]
fn a_temperature_that_is_not_taken_is_left_out() {
    let folder = folder_of(3);
    let server = Server::start(|seen| match seen.body.get("temperature") {
        Some(_) => refusal(
            "Unsupported value: 'temperature' does not support 0 with this model.",
            "temperature",
            "unsupported_value",
        ),
        None if seen.body.get("max_tokens").is_some() => Act::Answer(
            422,
            String::new(),
            json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "max_tokens"]}]}).to_string(),
        ),
        None => good(),
    });
    assert_eq!(describe(&config("title", &server.url), folder.path()).unwrap().progress.n_described, 3);
}

#[test]
fn account_without_money() {
    for (status, said) in [
        (
            429,
            r#"{"error": {"message": "You exceeded your current quota, please check your plan and billing details.", "code": "insufficient_quota"}}"#,
        ),
        (400, r#"{"error": {"message": "Your credit balance is too low to access the API."}}"#),
    ] {
        let folder = folder_of(12);
        let server = Server::start(move |seen| match seen.index {
            0..3 => good(),
            _ => Act::Answer(status, String::new(), said.to_string()),
        });
        let start = Instant::now();
        let error = describe(&config("title", &server.url), folder.path()).unwrap_err().to_string();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(error.contains("no server can be used") && error.contains("account"), "{error}");
        let records = records(folder.path());
        assert_eq!((records.len(), records.iter().filter(|record| record.text.is_some()).count()), (3, 3));
    }
}

#[test]
fn another_429_is_waited_for_and_no_item_is_blamed() {
    let folder = folder_of(12);
    let server = Server::start(|seen| match seen.index % 10 {
        0 => good(),
        _ => Act::Answer(
            429,
            String::new(),
            "{\"error\": {\"message\": \"Rate limit reached for requests\"}}".to_string(),
        ),
    });
    let config = DescribeConfig { max_failures: 6, ..config("title", &server.url) };
    let described = describe(&config, folder.path()).unwrap();
    assert_eq!((described.progress.n_described, described.progress.n_quarantined), (12, 0), "{:?}", described.faults);
}

#[test]
fn no_item_is_blamed_for_what_every_item_would_meet() {
    for (status, said, words) in [
        (400, "API key not valid. Please pass a valid API key.", "check the key"),
        (400, "some/model is not a multimodal model", "takes pictures"),
        (400, "The plain HTTP request was sent to HTTPS port", "https://"),
        (400, "The model `gpt-9` does not exist", "model's name"),
        (400, "Something that nobody has thought of", "nobody has thought of"),
        (413, "too large for this server", "too large"),
    ] {
        for n in [3, 30] {
            let folder = folder_of(n);
            let server = Server::start(move |_| Act::Answer(status, String::new(), said.to_string()));
            let error = describe(&config("title", &server.url), folder.path()).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains(&format!("HTTP {status}")), "{error}");
            assert_eq!(records(folder.path()).len(), 0, "{said}");
        }
    }
}

#[test]
fn items_that_are_refused_among_others_are_to_blame() {
    let folder = folder_of(12);
    let server = Server::start(|seen| match seen.title.as_str() {
        "n00" | "n01" => Act::Answer(400, String::new(), "image too small".into()),
        "n11" => Act::Answer(400, String::new(), "{\"error\": {\"code\": \"content_filter\"}}".into()),
        _ => good(),
    });
    let described = describe(&config("title", &server.url), folder.path()).unwrap();
    assert_eq!((described.progress.n_described, described.faults["rejected"], described.faults["refused"]), (9, 2, 1));
    let found = outcomes(folder.path());
    assert!(found["n00"].as_ref().is_err_and(|reason| reason.contains("image too small")));
}

#[test]
fn what_is_known_is_written_after_an_error_too() {
    let folder = folder_of(12);
    let server = Server::start(|seen| match seen.index {
        0..3 => good(),
        _ => Act::Answer(401, String::new(), "bad key".into()),
    });
    let config = DescribeConfig { concurrency: 1, ..config("title", &server.url) };
    describe(&config, folder.path()).unwrap_err();
    let items = Items::open(folder.path().join("items.jsonl")).unwrap();
    let images = ImageFolder::open(folder.path().join("images")).unwrap();
    let mut journal = Journal::open(folder.path().join("journal.jsonl")).unwrap();
    let n_asked = server.n_asked();
    let known = config.known(&items, &images, &mut journal).unwrap();
    assert_eq!((known.progress.n_before, server.n_asked()), (3, n_asked));
    known.write(folder.path().join("descriptions.jsonl"), &items, &journal).unwrap();
    let found = outcomes(folder.path());
    assert_eq!((found.len(), found.values().filter(|outcome| outcome.is_ok()).count()), (12, 3));
}

#[test]
fn azure_is_spoken_to_in_its_own_way() {
    let folder = folder_of(1);
    let server = Server::start(|_| good());
    let url = server.url.replace("/v1", "/openai/deployments/gpt?api-version=2024-10-21");
    describe(&config("title", &url), folder.path()).unwrap();
    let head = server.counts.lock().unwrap().head.clone();
    assert!(head.contains("POST /openai/deployments/gpt/chat/completions?api-version=2024-10-21"), "{head}");
}

fn embed_config(server: &str) -> EmbedConfig {
    let ms = Duration::from_millis;
    EmbedConfig {
        timeout: ms(2000),
        backoff: Backoff { base: ms(4), cap: ms(20), most_asked: ms(100), seed: 1 },
        patience: Duration::from_secs(20),
        ..EmbedConfig::new("m", [server])
    }
}

fn embed(server: &Server, texts: &[String]) -> viral::Result<Vec<Vec<f32>>> {
    let folder = tempfile::tempdir().unwrap();
    let mut store = VectorStore::open(folder.path().join("embeddings.jsonl"))?;
    let embedded = embed_config(&server.url).run(texts, &mut store, |_| {})?;
    Ok(embedded.values.chunks_exact(embedded.width).map(<[f32]>::to_vec).collect())
}

fn texts(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("A toy, no. {i}")).collect()
}

#[test]
fn index_zero_left_out() {
    let server = Server::start(|_| {
        let entries = json!([
            {"embedding": [0.5, -0.25, 0.0, 1.0]},
            {"embedding": [0.5, -0.25, 0.125, 1.0], "index": 1},
            {"embedding": [0.5, -0.25, 0.25, 1.0], "index": 2},
        ]);
        Act::Answer(200, String::new(), json!({"object": "list", "data": entries}).to_string())
    });
    let expected = [[0.5, -0.25, 0.0, 1.0], [0.5, -0.25, 0.125, 1.0], [0.5, -0.25, 0.25, 1.0]];
    assert_eq!(embed(&server, &texts(3)).unwrap(), expected);
    assert_eq!(server.n_asked(), 3);
}

#[test]
fn vectors_in_base64_are_read() {
    let server = Server::start(|seen| {
        let bytes = |text: &String| vector(text).into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
        let entry = |text: &String| json!({"embedding": base64::engine::general_purpose::STANDARD.encode(bytes(text))});
        let entries: Vec<_> = inputs(seen).iter().map(entry).collect();
        Act::Answer(200, String::new(), json!({ "data": entries }).to_string())
    });
    let found = embed(&server, &texts(5)).unwrap();
    assert_eq!(found, texts(5).iter().map(|text| vector(text)).collect::<Vec<_>>());
    assert_eq!(found[0].len(), WIDTH);
}

#[test]
fn every_text_refused_without_a_reason() {
    let server =
        Server::start(|_| refusal("Unknown parameter: 'encoding_format'.", "encoding_format", "unknown_parameter"));
    let error = embed(&server, &texts(3)).unwrap_err().to_string();
    assert!(error.contains("HTTP 400") && error.contains("Unknown parameter: 'encoding_format'."), "{error}");
    // Of many texts not all are asked for.
    let error = embed(&server, &texts(500)).unwrap_err().to_string();
    assert!(error.contains("texts") && error.contains("HTTP 400"), "{error}");
    let n_most = server.counts.lock().unwrap().asked.len();
    assert!(n_most < 400, "{n_most} texts");
}

#[test]
fn an_encoding_format_that_is_not_taken_is_left_out() {
    let server = Server::start(|seen| match seen.body.get("encoding_format") {
        Some(_) => refusal("Unknown parameter: 'encoding_format'.", "encoding_format", "unknown_parameter"),
        None => answer(seen),
    });
    assert_eq!(embed(&server, &texts(2)).unwrap(), texts(2).iter().map(|text| vector(text)).collect::<Vec<_>>());
}
