//! Answers of vision-language servers as they are reported to be: what of them is kept, and what is not.

use crate::support::hostile_server::{Act, Server, completion};
use crate::support::raw::gzip;
use crate::support::shop::{GOOD, config, describe, outcomes, records, saying, shop};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Outcomes = BTreeMap<String, std::result::Result<String, String>>;

/// Describes one item for each answer.
fn described(answers: &'static [(&'static str, &'static str)]) -> (Outcomes, usize) {
    let names: Vec<&str> = answers.iter().map(|(name, _)| *name).chain(["plain"]).collect();
    let folder = shop(&names);
    let server = Server::start(saying(answers));
    describe(&config("title", &server.url), folder.path()).unwrap();
    (outcomes(folder.path()), server.n_asked())
}

/// The same for bodies of answers.
fn bodies(bodies: Vec<(&'static str, Value)>) -> Outcomes {
    let names: Vec<&str> = bodies.iter().map(|(name, _)| *name).chain(["plain"]).collect();
    let folder = shop(&names);
    let server = Server::start(move |seen| {
        let body = bodies.iter().find(|(name, _)| *name == seen.title).map(|(_, body)| body.to_string());
        Act::Answer(200, String::new(), body.unwrap_or_else(|| completion(GOOD)))
    });
    describe(&config("title", &server.url), folder.path()).unwrap();
    outcomes(folder.path())
}

fn good() -> std::result::Result<String, String> {
    Ok(GOOD.to_string())
}

/// All are kept at the first answer.
fn hold_good(answers: &'static [(&'static str, &'static str)]) {
    let (found, n_asked) = described(answers);
    for (name, outcome) in &found {
        assert_eq!(*outcome, good(), "{name}");
    }
    assert_eq!(n_asked, answers.len() + 1);
}

/// None but the plain one is kept, each for a reason that begins so.
fn hold_bad(answers: &'static [(&'static str, &'static str)], reason: &str) {
    let (mut found, _) = described(answers);
    assert_eq!(found.remove("plain"), Some(good()));
    for (name, outcome) in &found {
        assert!(outcome.as_ref().is_err_and(|found| found.starts_with(reason)), "{name}: {outcome:?}");
    }
}

#[test]
fn declined_in_a_field_of_its_own() {
    let with = |message: Value| json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    let refusal = "The picture shows a minor, and the policy of this service does not allow it to be described.";
    let found = bodies(vec![
        ("doll", with(json!({"role": "assistant", "content": null, "refusal": refusal}))),
        ("both", with(json!({"content": GOOD, "refusal": refusal}))),
        ("part", with(json!({"content": [{"type": "refusal", "refusal": refusal}]}))),
        ("none", with(json!({"content": GOOD, "refusal": null}))),
        ("empty", with(json!({"content": GOOD, "refusal": ""}))),
    ]);
    for name in ["doll", "both", "part"] {
        assert!(found[name].as_ref().is_err_and(|reason| reason.starts_with("refused: The picture shows")), "{name}");
    }
    for name in ["none", "empty", "plain"] {
        assert_eq!(found[name], good(), "{name}");
    }
}

#[test]
fn answers_of_who_has_not_seen() {
    hold_bad(
        &[
            (
                "able",
                "It appears that I am not able to see the picture that was attached to this message, so I have no description of it.",
            ),
            (
                "text",
                "As this is a text-based model, the image itself is not visible, but from its title the product is a rattle for babies.",
            ),
            (
                "load",
                "The image in your message could not be loaded. The title speaks of a rattle for babies with two bells.",
            ),
            (
                "link",
                "There is no image attached to the message, so this is a guess: a wooden rattle for the hands of a baby.",
            ),
            (
                "title",
                "Based on the title alone, the product is likely a rattle of wood, and it is made for the hands of a baby.",
            ),
        ],
        "refused: ",
    );
}

#[test]
fn garbage_word_before_the_answer() {
    hold_good(&[
        ("word", "addCriterion\n{}"),
        ("space", "addCriterion {}"),
        ("glued", "addCriterion{}"),
        ("other", "_someName\n{}"),
    ]);
    hold_bad(
        &[("within", "A wooden rattle with two addCriterion bells and a handle. It is made for the hands of a baby.")],
        "garbage: ",
    );
}

#[test]
fn marks_around_a_good_answer() {
    hold_good(&[
        ("box", "<|begin_of_box|>{}<|end_of_box|>"),
        ("end", "{}<|im_end|>"),
        ("emoji", "{} 🎁"),
        ("turn", "{}<|im_end|>\n<|im_start|>user\nWhat is next? The picture shows the sea."),
        ("eot", "<|start_header_id|>assistant<|end_header_id|>\n\n{}<|eot_id|>"),
        ("eos", "<s>{}</s>"),
        ("gemma", "{}<end_of_turn>\n<start_of_turn>user\nThe picture shows the sea."),
        ("answer", "<answer>{}</answer>"),
        ("fence", "```\n{}\n```"),
        ("json", "{\"description\": \"{}\"}"),
        ("fenced", "```json\n{\"description\": \"{}\"}\n```"),
    ]);
}

#[test]
fn politeness_before_the_answer() {
    hold_good(&[
        ("sure", "Sure! Here is a description of the product:\n\n{}"),
        ("certainly", "Certainly! Based on the image provided, here's a 2-3 sentence description:\n\n{}"),
        ("course", "Of course. Below is the description of the item.\n\n{}"),
        ("after", "{}\n\nLet me know if you'd like any changes!"),
    ]);
    let (found, _) = described(&[("bold", "**Wooden rattle.** {}")]);
    assert_eq!(found["bold"], Ok(format!("Wooden rattle. {GOOD}")));
}

#[test]
fn thoughts_in_other_marks() {
    hold_good(&[
        ("kimi", "◁think▷The user wants a description of the picture. I see a wooden rattle.◁/think▷{}"),
        (
            "harmony",
            "<|channel|>analysis<|message|>The user wants a description.<|end|><|start|>assistant<|channel|>final<|message|>{}",
        ),
        ("mistral", "[THINK]The user wants a description of the picture.[/THINK]{}"),
        ("gemma", "<|channel>thought\nThe user wants a description.<channel|>{}"),
        ("short", "analysisThe user wants a description.assistantfinal{}"),
    ]);
    hold_bad(
        &[
            (
                "cut",
                "◁think▷The user wants a description of the picture. I see a wooden rattle, so I will describe it in general terms.",
            ),
            ("analysis", "<|channel|>analysis<|message|>The user wants a description of the picture."),
        ],
        "empty: ",
    );
}

#[test]
fn object_behind_other_braces() {
    const OBJECT: &str =
        r#"{"category":"rattle","colour":"red","material":"wood","style":"plain","use":"play","audience":"babies"}"#;
    const TEXT: &str = "Category: rattle. Colour: red. Material: wood. Style: plain. Use: play. Audience: babies.";
    let answers = [
        ("words", format!("Here is the object {{as you asked for}}: {OBJECT}")),
        ("example", format!("A first look gives {{\"category\": \"toy\"}}. The whole object: {OBJECT}")),
        ("thought", format!("<think>{}</think>{OBJECT}", OBJECT.replace("red", "blue"))),
        ("comma", OBJECT.replace("\"}", "\",}")),
        ("capitals", OBJECT.replace("category", "Category").replace("colour", "Colour")),
        ("wrapped", format!("{{\"product\": {OBJECT}}}")),
    ];
    let names: Vec<&str> = answers.iter().map(|(name, _)| *name).collect();
    let folder = shop(&names);
    let server = Server::start({
        let answers = answers.clone();
        move |seen| {
            let text = answers.iter().find(|(name, _)| *name == seen.title).map(|(_, text)| text.as_str());
            Act::Answer(200, String::new(), completion(text.unwrap()))
        }
    });
    describe(&config("attributes", &server.url), folder.path()).unwrap();
    for (name, outcome) in outcomes(folder.path()) {
        assert_eq!(outcome.as_deref(), Ok(TEXT), "{name}");
    }
    assert_eq!(server.n_asked(), answers.len());
}

#[test]
fn packed_answer() {
    let folder = shop(&["one", "silent", "twice"]);
    let server = Server::start(|seen| {
        let packed = gzip(completion(GOOD).as_bytes());
        match seen.title.as_str() {
            "silent" => Act::Bytes(200, String::new(), packed),
            "twice" => Act::Bytes(200, "content-encoding: gzip\r\ncontent-encoding: gzip\r\n".into(), gzip(&packed)),
            _ => Act::Bytes(200, "Content-Encoding: gzip\r\n".into(), packed),
        }
    });
    describe(&config("title", &server.url), folder.path()).unwrap();
    assert!(outcomes(folder.path()).values().all(|outcome| *outcome == good()));
    assert_eq!(server.n_asked(), 3);
    // An encoding that is not known is named at once; a small body that unpacks to a large one is bounded.
    let brotli = Server::start(|_| Act::Bytes(200, "content-encoding: br\r\n".into(), vec![0x8b, 2, 0x80]));
    let folder = shop(&["one"]);
    let error = describe(&config("title", &brotli.url), folder.path()).unwrap_err().to_string();
    assert!(error.contains("no server can be used") && error.contains("'br'"), "{error}");
    assert_eq!(records(folder.path()).len(), 0);
    let bomb = Server::start(|_| Act::Bytes(200, "content-encoding: gzip\r\n".into(), gzip(&vec![b' '; 64 << 20])));
    let described = describe(&config("title", &bomb.url), folder.path()).unwrap();
    assert_eq!(described.faults["server"], 1);
    assert!(outcomes(folder.path())["one"].as_ref().is_err_and(|reason| reason.contains("more than 4194304 bytes")));
}

#[test]
fn answers_in_pieces_with_marks_numbers_and_letters_of_their_own() {
    let folder = shop(&["stream", "mark", "nan", "half", "latin", "parts"]);
    let server = Server::start(|seen| {
        let ok = |body: String| Act::Answer(200, String::new(), body);
        let plain = completion(GOOD);
        match seen.title.as_str() {
            "stream" => {
                let piece = |text: &str, finish: Value| {
                    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}))
                };
                let (one, two) = GOOD.split_at(40);
                ok(piece(one, Value::Null) + &piece(two, json!("stop")) + "data: [DONE]\n\n")
            }
            "mark" => ok(format!("\u{feff}{plain}")),
            "nan" => ok(plain.replacen('{', "{\"logprobs\": [NaN, -Infinity],", 1)),
            "half" => ok(plain.replacen("A wooden", "A \\ud83d wooden", 1)),
            "latin" => {
                let bytes = completion(&GOOD.replace("plain", "caf\u{e9}")).chars().map(|c| c as u8).collect();
                Act::Bytes(200, "content-type: application/json; charset=iso-8859-1\r\n".into(), bytes)
            }
            _ => ok(json!({"choices": [{"message": {"content": [{"type": "reasoning", "text": "Hm. "}, {"type": "text", "text": GOOD}]}}]}).to_string()),
        }
    });
    describe(&config("title", &server.url), folder.path()).unwrap();
    let found = outcomes(folder.path());
    for (name, outcome) in &found {
        let expected = if name == "latin" { GOOD.replace("plain", "café") } else { GOOD.to_string() };
        assert_eq!(outcome.as_deref(), Ok(expected.as_str()), "{name}");
    }
    assert_eq!(server.n_asked(), 6);
}

#[test]
fn filtered_and_cut_answers_are_not_kept() {
    let with =
        |content: &str, finish: &str| json!({"choices": [{"message": {"content": content}, "finish_reason": finish}]});
    let found = bodies(vec![
        ("filtered", with(GOOD, "content_filter")),
        ("safety", with("", "SAFETY")),
        ("cut", with(GOOD, "length")),
        ("max", with(GOOD, "max_tokens")),
        ("thinking", with("", "length")),
    ]);
    for (name, reason) in [
        ("filtered", "refused: "),
        ("safety", "refused: "),
        ("cut", "truncated: "),
        ("max", "truncated: "),
        ("thinking", "truncated: "),
    ] {
        assert!(found[name].as_ref().is_err_and(|found| found.starts_with(reason)), "{name}: {:?}", found[name]);
    }
    assert_eq!(found["plain"], good());
}
