//! Any bytes as a server's answer: kept text is one line that is not empty, and everything else is a named fault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use viral_enrich::describe::{AnswerKind, Attributes, Completion, Tokens, Validation, accept};

fuzz_target!(|bytes: &[u8]| {
    let parsed = Completion::parse(bytes).into_iter();
    // The same bytes as the text itself, which the fuzzer reaches sooner than through JSON.
    let bare = String::from_utf8_lossy(bytes).into_owned();
    let bare = Completion { text: bare, refusal: None, is_cut: false, tokens: Tokens::default() };
    for completion in parsed.chain([bare]) {
        for kind in [AnswerKind::Prose, AnswerKind::Attributes] {
            for validation in [Validation::English, Validation::AnyLanguage, Validation::AnyText] {
                match accept(&completion, kind, validation) {
                    Ok(text) => assert!(!text.is_empty() && !text.contains(['\n', '\r'])),
                    Err(fault) => assert!(fault.contains(": ")),
                }
            }
        }
        if let Ok((attributes, raw)) = Attributes::parse(&completion.text) {
            let again = Attributes::parse(&raw).map(|(again, _)| again);
            assert_eq!(again.as_ref(), Ok(&attributes));
        }
    }
});
