//! Strips boilerplate around an answer: openings, headings, emphasis, closing remarks, and garbage tokens.

/// Headings before an answer.
const HEADINGS: [&str; 13] = [
    "description",
    "final description",
    "final answer",
    "answer",
    "product description",
    "image description",
    "item description",
    "final product description",
    "output",
    "response",
    "assistant",
    "caption",
    "summary",
];

/// Interjections that open an answer, followed by punctuation, a dash or a line break.
const INTERJECTIONS: [&str; 16] = [
    "sure thing",
    "sure",
    "certainly",
    "of course",
    "absolutely",
    "okay",
    "ok",
    "alright",
    "all right",
    "great",
    "great question",
    "got it",
    "yes",
    "gladly",
    "with pleasure",
    "no problem",
];

/// Beginnings of sentences that offer help.
const OFFERS: [&str; 9] = [
    "i'd be happy to",
    "i would be happy to",
    "i'd be glad to",
    "i'm happy to",
    "i am happy to",
    "i can help",
    "i can describe",
    "i'll describe",
    "i will describe",
];

/// Beginnings of closing remarks.
const ENDINGS: [&str; 13] = [
    "let me know",
    "please let me know",
    "i hope this",
    "i hope that helps",
    "hope this helps",
    "feel free to",
    "please feel free",
    "if you need",
    "if you have any",
    "if you'd like",
    "if you would like",
    "is there anything else",
    "would you like me to",
];

/// Garbage tokens that some models emit before their answers.
const GARBAGE: [&str; 1] = ["addCriterion"];

/// Maximum length of an opening, in characters.
const MAX_OPENING: usize = 240;

/// Whether a garbage token is left.
pub(super) fn has_garbage(text: &str) -> bool {
    GARBAGE.iter().any(|word| text.contains(word))
}

/// Strips everything around the answer. `text` must still have its line breaks.
pub(super) fn without_manners(text: &str) -> String {
    let plain = without_emphasis(text);
    let mut text = plain.as_str();
    loop {
        let before = text;
        text = text
            .trim_start_matches(['*', '#', ' ', '\n', '\r', '\t'])
            .trim_end_matches(['*', '#', ' ', '\n', '\r', '\t']);
        text = without_garbage(text);
        text = without_interjection(text);
        text = without_offer(text);
        text = without_heading(text);
        text = without_introduction(text);
        text = without_quotes(text);
        text = without_ending(text);
        if text == before {
            break;
        }
    }
    text.trim_end_matches(|c: char| c.is_whitespace() || super::words::is_emoji(c)).to_string()
}

/// Removes emphasis: all bold marks, and one pair of italic marks around the first words.
fn without_emphasis(text: &str) -> String {
    let mut text = text.replace("**", "").replace("__", "");
    for mark in ['*', '_'] {
        // A pair around the first words. A mark before a space is a bullet.
        let start = text.len() - text.trim_start().len();
        let inside = text[start..].strip_prefix(mark).filter(|inside| !inside.starts_with(char::is_whitespace));
        if let Some(end) = inside.and_then(|inside| inside.find(mark)) {
            text.remove(start + 1 + end);
            text.remove(start);
        }
    }
    text
}

/// Strips a garbage token from the beginning: a known one, or an identifier that is alone on its line or stands before
/// the beginning of a sentence.
fn without_garbage(text: &str) -> &str {
    if let Some(rest) = GARBAGE.iter().find_map(|word| text.strip_prefix(word)) {
        return rest;
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let is_own_line = rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n');
    let next = rest.split_whitespace().next().unwrap_or_default();
    let is_sentence = ["A", "An", "The", "This", "These", "It", "Here"].contains(&next);
    if is_name_in_code(word) && (is_own_line || is_sentence) { rest } else { text }
}

/// Whether a word looks like an identifier in code: `addCriterion`, `add_criterion`, `$word`, `word()`.
fn is_name_in_code(word: &str) -> bool {
    let letters = || word.bytes();
    if !letters().all(|b| b.is_ascii_alphanumeric() || b"_$().{}<>/".contains(&b))
        || !letters().any(|b| b.is_ascii_alphabetic())
    {
        return false;
    }
    // At least two lower-case letters come before the hump: product names such as iPhone have one.
    let hump = word.as_bytes().windows(2).position(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    let begins_small = word.bytes().take(2).all(|b| b.is_ascii_lowercase());
    hump.is_some_and(|at| at >= 1 && begins_small)
        || word.trim_matches('_').contains('_')
        || word.starts_with(['$', '_', '.', '{', '<'])
        || word.ends_with("()")
}

/// Strips `Sure!` and the like.
fn without_interjection(text: &str) -> &str {
    let found = INTERJECTIONS.iter().find_map(|word| {
        let rest = strip(text, word)?;
        let rest = rest
            .strip_prefix(['!', ',', '.', '\n', ':'])
            .or_else(|| rest.strip_prefix(" —").or_else(|| rest.strip_prefix(" -")))?;
        Some(rest.trim_start_matches(['!', '.']).trim_start())
    });
    found.filter(|rest| !rest.is_empty()).unwrap_or(text)
}

/// Strips `I'd be happy to help!` and the like.
fn without_offer(text: &str) -> &str {
    let is_offer = OFFERS.iter().any(|words| strip(text, words).is_some());
    if is_offer { behind_opening(text).unwrap_or(text) } else { text }
}

/// Strips `Final description:` and the like.
fn without_heading(text: &str) -> &str {
    // A heading may have a line of its own.
    let end = text.find([':', '\n']);
    let Some((head, rest)) = end.map(|end| text.split_at(end)) else { return text };
    let head = head.trim_matches(['*', '#', ' ']).to_lowercase();
    let rest = rest.trim_start_matches([':', '*', ' ', '\n']);
    if HEADINGS.contains(&head.as_str()) && !rest.is_empty() { rest } else { text }
}

/// Strips `Here is a description of the product:` and the like.
fn without_introduction(text: &str) -> &str {
    const STARTS: [&str; 14] = [
        "here is",
        "here's",
        "here are",
        "below is",
        "below are",
        "the following is",
        "this is a description",
        "this is the description",
        "based on the",
        "based on what",
        "looking at the",
        "from the image",
        "from the picture",
        "the description of",
    ];
    const WORDS: [&str; 9] =
        ["description", "describe", "answer", "summary", "caption", "overview", "sentence", "response", "as requested"];
    let straight = text.chars().take(MAX_OPENING).collect::<String>().replace('’', "'");
    if !STARTS.iter().any(|start| strip(&straight, start).is_some()) {
        return text;
    }
    let Some(rest) = behind_opening(text) else { return text };
    let opening = text[..text.len() - rest.len()].to_lowercase().replace('’', "'");
    let is_opening = WORDS.iter().any(|word| opening.contains(word));
    let ends_so = opening.trim_end().ends_with(':')
        || opening.contains("here")
        || opening.contains("below")
        || opening.ends_with('\n');
    if is_opening && ends_so && !rest.is_empty() { rest } else { text }
}

/// Returns the text after a short opening, which ends with a colon, a sentence or a line.
fn behind_opening(text: &str) -> Option<&str> {
    let end = text.char_indices().take(MAX_OPENING).find(|&(at, c)| {
        let next = text[at + c.len_utf8()..].chars().next();
        c == '\n'
            || matches!(c, ':' | '.' | '!' | '?') && next.is_none_or(|c| c.is_whitespace() || c == '*' || c == '"')
    });
    let (at, c) = end?;
    Some(text[at + c.len_utf8()..].trim_start()).filter(|rest| !rest.is_empty())
}

/// Strips quotation marks around the whole text.
fn without_quotes(text: &str) -> &str {
    for (open, close) in [('"', '"'), ('“', '”'), ('«', '»')] {
        let inside = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        if let Some(inside) = inside.filter(|inside| !inside.contains([open, close])) {
            return inside.trim();
        }
    }
    text
}

/// Strips `Let me know if you need anything else!` and the like.
fn without_ending(text: &str) -> &str {
    // The last sentence, or the last line.
    let body = text.trim_end_matches(['.', '!', '?', ' ', '\n']);
    let start = body.rfind(['\n', '!', '?']).map(|at| at + 1).max(body.rfind(". ").map(|at| at + 1)).unwrap_or(0);
    let last = body[start..].trim_start().replace('’', "'");
    let is_ending = start > 0 && ENDINGS.iter().any(|words| strip(&last, words).is_some());
    if is_ending { text[..start].trim_end() } else { text }
}

/// Strips whole words from the beginning of a text, ignoring case.
fn strip<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let head = text.get(..words.len())?;
    let rest = &text[words.len()..];
    (head.eq_ignore_ascii_case(words) && !rest.starts_with(char::is_alphanumeric)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "A wooden rattle with two silver bells. It fits a nursery.";

    #[test]
    fn openings_headings_and_good_byes_are_taken_off() {
        for text in [
            "Sure! Here is a description of the product:\n\n{}",
            "Certainly! Based on the image provided, here's a 2-3 sentence description:\n\n{}",
            "Certainly! {}",
            "Of course, here’s the description: {}",
            "Okay. Here is the description you asked for.\n{}",
            "Absolutely! I'd be happy to help! Here's a description: {}",
            "**Final description:** {}",
            "### Description\n\n{}",
            "**Here is a brief description of the item:**\n\n\"{}\"",
            "Below is a description of the product.\n\n{}",
            "Answer: {}",
            "{}\n\nLet me know if you need anything else!",
            "{} I hope this helps!",
            "{} 🎁",
            "\"{}\"",
            "addCriterion\n{}",
            "addCriterion {}",
            "addCriterion{}",
            "addCriterion\naddCriterion\n{}",
            "some_key\n{}",
            "ungeneratedContent\n{}",
            "{}",
        ] {
            assert_eq!(without_manners(&text.replace("{}", GOOD)), GOOD, "{text}");
        }
    }

    #[test]
    fn what_belongs_to_an_answer_stays() {
        for text in [
            GOOD,
            "Here is a red toy: it has two bells and a handle.",
            "Surely a rattle. It has two bells.",
            "iPhone\nA case in red.",
            "iPhone Case in red. The edges are soft.",
            "Based on the Victorian style, this lamp has a brass foot.",
            "This is a rattle: it has two bells.",
            "A rattle. If you press it, it rings.",
            "Great Gatsby poster in gold and black.",
            "A set of 5 * 3 blocks. Each is blue.",
            "Yes-No buzzer in red and green.",
        ] {
            assert_eq!(without_manners(text), text);
        }
    }

    #[test]
    fn emphasis_loses_both_marks() {
        for (text, expected) in [
            ("**Wooden rattle.** A rattle.", "Wooden rattle. A rattle."),
            ("*Wooden rattle.* A rattle.", "Wooden rattle. A rattle."),
            ("A **red** rattle.", "A red rattle."),
            ("* A rattle.", "A rattle."),
            ("A rattle with a **bell**", "A rattle with a bell"),
        ] {
            assert_eq!(without_manners(text), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(parts in prop::collection::vec(prop_oneof![any::<String>(), "Sure! |Here is |description: |\\*\\*|\"|addCriterion|’|\n|Let me know. "], 0..10)) {
            let text = parts.concat();
            prop_assert!(without_manners(&text).len() <= text.len());
        }
    }
}
