//! Validation of answers. Each fault has a name, so that a summary can count them.

use super::attributes::Attributes;
use super::completion::Completion;
use super::manners::{has_garbage, without_manners};
use super::marks::{without_control_words, without_fence, without_json, without_thoughts};
use super::prompt::AnswerKind;
use super::refusal::is_refusal;
use super::words;

/// How strictly answers are validated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Validation {
    /// Rejects empty, truncated, repetitive and non-English answers, refusals, and incomplete attributes.
    #[default]
    English,
    /// Like [`English`](Self::English), but accepts any language.
    AnyLanguage,
    /// Keeps every answer that is neither empty nor an explicit refusal. For testing a server, such as one with a
    /// random model, never for results.
    AnyText,
}

/// Allowed length of a description, in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 20..=4000;

/// Extracts the text to keep from a completion: sentences on one line, or a JSON object.
///
/// # Errors
/// Returns the fault as `name: explanation` with one of the names `empty`, `truncated`, `repeated`, `refused`,
/// `language`, `length`, `garbage` or `attributes`.
pub fn accept(completion: &Completion, kind: AnswerKind, validation: Validation) -> Result<String, String> {
    if let Some(refusal) = &completion.refusal {
        return Err(refused(&words::one_line(refusal)));
    }
    let answer = without_thoughts(&completion.text);
    let text = without_control_words(&answer);
    let line = words::one_line(text);
    if line.is_empty() {
        return Err(match completion.is_cut {
            true => "truncated: the limit of tokens was reached before an answer; raise it".to_string(),
            false => "empty: the model said nothing".to_string(),
        });
    }
    if validation == Validation::AnyText {
        return Ok(line.chars().take(*LENGTH.end()).collect());
    }
    if completion.is_cut {
        return Err("truncated: the answer reached the limit of tokens".to_string());
    }
    match kind {
        AnswerKind::Attributes => {
            let found =
                Attributes::parse(text).map_err(|fault| if is_refusal(&line) { refused(&line) } else { fault })?;
            if words::is_repetitive(&found.0.to_text()) {
                return Err("repeated: the values say the same over and over".to_string());
            }
            if validation == Validation::English && !words::is_latin(&found.0.to_text()) {
                return Err("language: the values are not in English".to_string());
            }
            Ok(found.1)
        }
        AnswerKind::Prose => prose(text, validation),
    }
}

fn prose(answer: &str, validation: Validation) -> Result<String, String> {
    let inside = without_fence(answer);
    let inside = without_json(inside).unwrap_or_else(|| inside.to_string());
    // A refusal shows in the first words, so look before anything is stripped.
    let whole = words::one_line(&inside);
    if is_refusal(&whole) {
        return Err(refused(&whole));
    }
    let text = words::one_line(&without_manners(&inside));
    let text = text.as_str();
    if has_garbage(text) {
        return Err("garbage: a word that is none".to_string());
    }
    let n_chars = text.chars().count();
    if !LENGTH.contains(&n_chars) {
        return Err(format!("length: {n_chars} characters, not {} to {}", LENGTH.start(), LENGTH.end()));
    }
    if words::is_repetitive(text) {
        return Err("repeated: the same words over and over".to_string());
    }
    if validation == Validation::English && !words::is_english(text) {
        return Err("language: not English".to_string());
    }
    if !words::ends_like_a_sentence(text) {
        return Err("truncated: the last sentence has no end".to_string());
    }
    Ok(text.to_string())
}

fn refused(text: &str) -> String {
    let head: String = text.chars().take(80).collect();
    format!("refused: {head}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::completion::Tokens;
    use proptest::prelude::*;

    fn completion(text: &str) -> Completion {
        Completion { text: text.into(), refusal: None, is_cut: false, tokens: Tokens::default() }
    }

    fn prose(text: &str) -> Result<String, String> {
        accept(&completion(text), AnswerKind::Prose, Validation::English)
    }

    const GOOD: &str = "A wooden rattle with two silver bells and a smooth, rounded handle. Its small size and soft edges \
                        suit the hands of a baby, and the plain finish fits a natural nursery.";

    #[test]
    fn descriptions_are_kept() {
        assert_eq!(prose(GOOD).unwrap(), GOOD);
        assert_eq!(prose(&format!("<think>a rattle? the title says…</think>\n\n{GOOD}\n")).unwrap(), GOOD);
        assert_eq!(prose(&format!("**Final description:** {GOOD}")).unwrap(), GOOD);
        assert_eq!(prose(&format!("\"{GOOD}\"")).unwrap(), GOOD);
        assert_eq!(prose(&GOOD.replace(". ", ".\n\n")).unwrap(), GOOD);
        let unsorry =
            "A sorry-looking grey donkey, as an old toy that has been loved for years and is still soft to hold.";
        assert_eq!(prose(unsorry).unwrap(), unsorry);
    }

    #[test]
    fn bad_answers_are_named() {
        let fault = |text: &str| prose(text).unwrap_err().split(':').next().unwrap().to_string();
        for text in ["", " \n", "<think>hm", "<think>hm</think> "] {
            assert_eq!(fault(text), "empty");
        }
        assert_eq!(
            fault("A wooden rattle with two silver bells and a smooth, rounded handle. Its small size and"),
            "truncated"
        );
        assert_eq!(fault("I'm sorry, but I can't help with identifying this product in the image."), "refused");
        assert_eq!(fault("I’m unable to view images."), "refused");
        assert_eq!(fault("It seems that no image was provided. Please upload the picture of the product."), "refused");
        assert_eq!(fault("A rattle."), "length");
        assert_eq!(fault(&"red red red red red red red red red red.".repeat(3)), "repeated");
        assert_eq!(fault(&"The rattle is red and has two bells. ".repeat(5)), "repeated");
        assert_eq!(fault(&format!("A rattle{}", "!".repeat(300))), "repeated");
        assert_eq!(fault("这是一个木制拨浪鼓，带有两个银色铃铛和一个光滑的圆形手柄，适合婴儿。"), "language");
        assert_eq!(
            fault("Eine Rassel aus Holz mit zwei silbernen Glocken und einem glatten runden Griff für Babys."),
            "language"
        );
        let cut = Completion { is_cut: true, ..completion(GOOD) };
        assert!(accept(&cut, AnswerKind::Prose, Validation::English).unwrap_err().starts_with("truncated"));
    }

    #[test]
    fn strictness_is_a_choice() {
        let german = "Eine Rassel aus Holz mit zwei silbernen Glocken und einem glatten runden Griff für Babys.";
        assert_eq!(accept(&completion(german), AnswerKind::Prose, Validation::AnyLanguage).unwrap(), german);
        let garbage = Completion { is_cut: true, ..completion("zx\nzx zx") };
        assert_eq!(accept(&garbage, AnswerKind::Prose, Validation::AnyText).unwrap(), "zx zx zx");
        assert!(accept(&completion(" "), AnswerKind::Prose, Validation::AnyText).is_err());
    }

    #[test]
    fn attributes_are_looked_at_too() {
        let take = |text: &str| accept(&completion(text), AnswerKind::Attributes, Validation::English);
        let good = r#"{"category":"rattle","colour":"red","material":"wood","style":"plain","use":"play","audience":"babies"}"#;
        assert_eq!(take(&format!("Here it is:\n```json\n{good}\n```")).unwrap(), good);
        assert!(take("I cannot help with that.").unwrap_err().starts_with("refused"));
        assert!(take("A red rattle.").unwrap_err().starts_with("attributes"));
        assert!(take(&good.replace("wood", &"wood ".repeat(30))).unwrap_err().starts_with("repeated"));
        assert!(
            take(&good.replace("rattle", "拨浪鼓木制玩具婴儿用品").replace("wood", "木头木头木头木头木头木头木头木头"))
                .unwrap_err()
                .starts_with("language")
        );
    }

    proptest! {
        #[test]
        fn any_answer_is_survived_and_kept_text_is_one_line(text in any::<String>(), cut in any::<bool>()) {
            for kind in [AnswerKind::Prose, AnswerKind::Attributes] {
                for validation in [Validation::English, Validation::AnyLanguage, Validation::AnyText] {
                    let completion = Completion { is_cut: cut, ..completion(&text) };
                    if let Ok(kept) = accept(&completion, kind, validation) {
                        prop_assert!(!kept.is_empty() && !kept.contains('\n'));
                    }
                }
            }
        }
    }
}
