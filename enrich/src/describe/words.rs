//! Simple checks of a text: repetition, language, and a proper end.

use std::collections::HashSet;

/// Joins a text into one line without control characters.
pub(super) fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() || c == '\u{FFFD}' { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a text repeats itself, as from a model stuck in a loop: a character 12 times in a row or, from 12 words on,
/// less than 60 % distinct word trigrams.
pub(super) fn is_repetitive(text: &str) -> bool {
    let mut run = (None, 0);
    for c in text.chars() {
        run = if run.0 == Some(c) { (run.0, run.1 + 1) } else { (Some(c), 1) };
        if run.1 >= 12 {
            return true;
        }
    }
    let words = words(text);
    if words.len() < 12 {
        return false;
    }
    // Ordinary prose of this length hardly repeats any trigram of words.
    let triples = words.windows(3);
    let n_triples = triples.len();
    let distinct: HashSet<&[String]> = triples.collect();
    distinct.len() * 10 < n_triples * 6
}

/// Whether at least four fifths of the letters are Latin.
pub(super) fn is_latin(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let (mut n_letters, mut n_latin) = (0usize, 0usize);
    for c in letters {
        n_letters += 1;
        n_latin += usize::from(matches!(u32::from(c), 0x41..=0x24F | 0x1E00..=0x1EFF));
    }
    n_letters > 0 && n_latin * 5 >= n_letters * 4
}

/// Whether a text of some length is English: Latin letters, and enough of the common words that other languages lack.
pub(super) fn is_english(text: &str) -> bool {
    const SMALL: [&str; 34] = [
        "the",
        "and",
        "with",
        "of",
        "for",
        "is",
        "are",
        "this",
        "that",
        "it",
        "its",
        "to",
        "or",
        "from",
        "on",
        "by",
        "an",
        "which",
        "as",
        "has",
        "at",
        "while",
        "into",
        "their",
        "have",
        "be",
        "can",
        "featuring",
        "features",
        "ideal",
        "perfect",
        "made",
        "each",
        "two",
    ];
    if !is_latin(text) {
        return false;
    }
    let words = words(text);
    let n_small = words.iter().filter(|word| SMALL.contains(&word.as_str())).count();
    words.len() < 8 || n_small * 12 >= words.len()
}

/// Whether the last character can end a sentence; closing quotation marks and brackets can, and emoji are ignored.
pub(super) fn ends_like_a_sentence(text: &str) -> bool {
    text.trim_end_matches(|c: char| matches!(c, '*' | '_' | ' ') || is_emoji(c))
        .ends_with(['.', '!', '?', '…', '。', '！', '？', '"', '”', '»', ')', '।', '؟'])
}

/// Whether a character is an emoji, or joins or varies emoji.
pub(super) fn is_emoji(c: char) -> bool {
    let code = u32::from(c);
    matches!(code, 0x200D | 0x20E3 | 0x2600..=0x27BF | 0x2B00..=0x2BFF | 0xFE0F | 0x1F000..=0x1FAFF | 0xE0020..=0xE007F)
}

fn words(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '\'';
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_told_from_prose() {
        assert!(!is_repetitive(
            "A red and white striped romper with red buttons and a white collar, for boys and for girls."
        ));
        assert!(!is_repetitive("red red red red"), "too short to tell");
        assert!(is_repetitive(&"soft cotton and ".repeat(6)));
        assert!(is_repetitive(&"\u{1F600}".repeat(12)));
    }

    #[test]
    fn english_is_told_from_its_neighbours() {
        for text in [
            "A round blue cushion with a knitted cover and a hidden zip.",
            "Soft cotton romper, striped in red and white, with press studs along the inner legs.",
        ] {
            assert!(is_english(text), "{text}");
        }
        for text in [
            "Un coussin rond et bleu, couvert de laine tricotée, avec une fermeture cachée dans la couture.",
            "Un cojín redondo de color azul con funda de punto y una cremallera oculta en la costura.",
            "Een rond blauw kussen met gebreide hoes en een verborgen rits in de naad voor de baby.",
            "Круглая синяя подушка с вязаным чехлом и скрытой молнией.",
        ] {
            assert!(!is_english(text), "{text}");
        }
    }

    #[test]
    fn lines_are_joined() {
        assert_eq!(one_line(" a\r\n\tb\u{0}c  "), "a b c");
        assert!(ends_like_a_sentence("It is **red.**") && !ends_like_a_sentence("It is"));
        assert!(ends_like_a_sentence("It is red. 🎁✨") && !ends_like_a_sentence("It is 🎁"));
    }
}
