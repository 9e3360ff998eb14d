//! Python literals: any text is a value or an error that points into it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use viral_enrich::parse_literal;

fuzz_target!(|text: &str| {
    if let Err(error) = parse_literal(text) {
        assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}");
    }
});
