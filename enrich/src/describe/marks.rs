//! Strips what servers and models leave around an answer: reasoning, special tokens, boxes, code fences, JSON.

use serde_json::Value;

/// Delimiters of reasoning.
const THOUGHTS: [(&str, &str); 17] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<reason>", "</reason>"),
    ("<analysis>", "</analysis>"),
    ("<reflection>", "</reflection>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("<|think|>", "<|/think|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
    ("[think]", "[/think]"),
    ("<|channel>", "<channel|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
];

/// Delimiters of an answer; the last pair counts.
const BOXES: [(&str, &str); 6] = [
    ("<|begin_of_box|>", "<|end_of_box|>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|start_response|>", "<|end_response|>"),
    ("<answer>", "</answer>"),
    ("<final_answer>", "</final_answer>"),
    ("<output>", "</output>"),
];

/// Special tokens that do not have the form `<|…|>`.
const WORDS: [&str; 15] = [
    "</s>",
    "<s>",
    "<eos>",
    "<bos>",
    "<eot>",
    "<pad>",
    "<end_of_turn>",
    "<start_of_turn>",
    "<end_of_utterance>",
    "<|turn>",
    "<turn|>",
    "[inst]",
    "[/inst]",
    "[eos]",
    "[|endofturn|]",
];

/// Roles that may follow the token that begins a turn.
const ROLES: [&str; 5] = ["assistant", "model", "user", "human", "system"];

/// Lower-cases ASCII letters only, which keeps byte offsets valid.
fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// Strips reasoning from an answer. Reasoning without an end runs to the end of the text.
pub(super) fn without_thoughts(text: &str) -> String {
    let mut text = answer_of_channels(text).to_string();
    for (open, close) in THOUGHTS {
        let mut low = lower(&text);
        // The chat template may have opened the reasoning, and a text may close it more than once.
        while let Some(end) = low.rfind(close) {
            match low[..end].find(open) {
                // The answer comes first, and the reasoning after it.
                Some(start) if low[end + close.len()..].trim().is_empty() && !text[..start].trim().is_empty() => {
                    text.truncate(start);
                }
                _ => text = text[end + close.len()..].to_string(),
            }
            low = lower(&text);
        }
        if let Some(start) = low.find(open) {
            text.truncate(start);
        }
    }
    text
}

/// Returns the last channel for answers: `<|channel|>final<|message|>…`, or the same without its marks,
/// `analysis…assistantfinal…`. A text without channels is returned unchanged.
fn answer_of_channels(text: &str) -> &str {
    const CHANNEL: &str = "<|channel|>";
    if text.contains(CHANNEL) {
        let is_final = |part: &&str| ["final", "response"].iter().any(|name| part.trim_start().starts_with(name));
        let Some(last) = text.split(CHANNEL).skip(1).filter(is_final).last() else { return "" };
        return last.split_once("<|message|>").map_or("", |(_, answer)| answer);
    }
    let trimmed = text.trim_start();
    let is_analysis = trimmed.strip_prefix("analysis").is_some_and(|rest| rest.starts_with(|c: char| c.is_uppercase()));
    match trimmed.rsplit_once("assistantfinal") {
        Some((thought, answer)) if is_analysis || thought.starts_with("analysis") => answer,
        _ if is_analysis => "",
        _ => text,
    }
}

/// Returns the answer of this turn: the content of a box, without leading special tokens, up to the next special token.
pub(super) fn without_control_words(text: &str) -> &str {
    let mut text = text;
    for (open, close) in BOXES {
        let low = lower(text);
        if let Some(start) = low.rfind(open).map(|start| start + open.len()) {
            let inside = &low[start..];
            text = &text[start..start + inside.find(close).unwrap_or(inside.len())];
        }
    }
    let mut low = lower(text);
    while let Some((start, end)) = control_word(&low) {
        if !text[..start].trim().is_empty() {
            return &text[..start];
        }
        let is_header =
            low[start..end].contains("start") || low[start..end].contains("turn") || low[start..end].contains("header");
        text = &text[end..];
        let role = ROLES.iter().find(|role| is_header && lower(text).starts_with(**role));
        text = &text[role.map_or(0, |role| role.len())..];
        low = lower(text);
    }
    text
}

/// Returns start and end of the first special token in a lower-case text.
fn control_word(low: &str) -> Option<(usize, usize)> {
    let words = WORDS.iter().filter_map(|word| low.find(word).map(|start| (start, start + word.len())));
    let forms = [("<|", "|>"), ("<｜", "｜>")].into_iter().filter_map(|(open, close)| {
        low.match_indices(open).find_map(|(start, _)| {
            let name = &low[start + open.len()..];
            let n = name.find(close)?;
            let is_name = (1..=40).contains(&n) && !name[..n].contains(|c: char| c.is_whitespace() || c == '<');
            is_name.then_some((start, start + open.len() + n + close.len()))
        })
    });
    words.chain(forms).min()
}

/// Returns the content of a code fence, if the answer is in one.
pub(super) fn without_fence(text: &str) -> &str {
    let text = text.trim();
    let Some((before, inside)) = text.split_once("```") else { return text };
    // Text before the fence must introduce it.
    if !(before.trim().is_empty() || before.trim_end().ends_with(':')) {
        return text;
    }
    let inside = inside.split_once("```").map_or(inside, |(inside, _)| inside);
    // The first line may name a language.
    match inside.split_once('\n') {
        Some((first, rest)) if first.trim().chars().all(|c| c.is_ascii_alphanumeric()) => rest.trim(),
        _ => inside.trim(),
    }
}

/// Extracts the text of an answer that was wrapped in JSON unasked: a string, or an object or list with one.
pub(super) fn without_json(text: &str) -> Option<String> {
    const KEYS: [&str; 12] = [
        "description",
        "final_description",
        "product_description",
        "final_answer",
        "answer",
        "response",
        "text",
        "caption",
        "content",
        "output",
        "result",
        "summary",
    ];
    let text = text.trim();
    if !text.starts_with(['{', '[', '"']) {
        return None;
    }
    let mut value = &serde_json::from_str::<Value>(text).ok()?;
    loop {
        value = match value {
            Value::String(text) => return Some(text.clone()),
            Value::Array(values) if values.len() == 1 => &values[0],
            Value::Object(object) => {
                let named = KEYS.iter().find_map(|key| object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)));
                match named {
                    Some((_, value)) => value,
                    None if object.len() == 1 => object.values().next()?,
                    None => return None,
                }
            }
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thoughts_are_left_out_whatever_their_marks() {
        for text in [
            "<think>hm</think>A cot.",
            "hm</think>A cot.",
            "<THINK>hm</THINK>A cot.",
            "<think>a<think>b</think>c</think>A cot.",
            "<thinking>hm</thinking>A cot.",
            "◁think▷hm◁/think▷A cot.",
            "[THINK]hm[/THINK]A cot.",
            "<seed:think>hm</seed:think>A cot.",
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>A cot.",
            "<|channel|>final <|constrain|>x<|message|>A cot.",
            "<|channel>thought\nhm<channel|>A cot.",
            "analysisThe user asks.assistantfinalA cot.",
            "A cot.<think>is that right?</think>",
            "A cot.<think>is that",
            "A cot.",
        ] {
            assert_eq!(without_thoughts(text), "A cot.", "{text}");
        }
        for text in [
            "<think>hm",
            "◁think▷hm",
            "[THINK]hm",
            "<|channel|>analysis<|message|>hm",
            "<|channel>thought hm",
            "analysisThe user asks.",
        ] {
            assert_eq!(without_thoughts(text), "", "{text}");
        }
        assert_eq!(without_thoughts("analysis of a cot."), "analysis of a cot.");
    }

    #[test]
    fn control_words_end_the_turn() {
        for text in [
            "A cot.<|im_end|>",
            "A cot.<|im_end|>\n<|im_start|>user\nAnd?",
            "<|im_start|>assistant\nA cot.<|im_end|>",
            "<|start_header_id|>assistant<|end_header_id|>\n\nA cot.<|eot_id|>",
            "<start_of_turn>model\nA cot.<end_of_turn>",
            "A cot.</s>",
            "<s>A cot.</s> [INST] And?",
            "A cot.<|endoftext|>Question: what is next?",
            "A cot.<｜end▁of▁sentence｜>",
            "<|begin_of_box|>A cot.<|end_of_box|>",
            "So it is <|begin_of_box|>A cot.<|end_of_box|> Yes.",
            "<answer>A cot.</answer>",
            "<answer>A cot.",
            "A cot.",
        ] {
            assert_eq!(without_control_words(text).trim(), "A cot.", "{text}");
        }
        for text in ["A <b> cot.", "A cot < 3 | 4 > 2.", "A <| b |> cot."] {
            assert_eq!(without_control_words(text), text);
        }
    }

    #[test]
    fn fences_and_json_are_taken_off() {
        for text in
            ["```\nA cot.\n```", "```text\nA cot.\n```", "Here it is:\n```\nA cot.\n```\nBye", "A cot.", "```A cot.```"]
        {
            assert_eq!(without_fence(text), "A cot.", "{text}");
        }
        assert_eq!(without_fence("A `cot` with ```x``` in it"), "A `cot` with ```x``` in it");
        for text in [
            r#"{"description": "A cot."}"#,
            r#"[{"Description": "A cot.", "n": 1}]"#,
            r#""A cot.""#,
            r#"{"x": {"y": "A cot."}}"#,
        ] {
            assert_eq!(without_json(text).as_deref(), Some("A cot."), "{text}");
        }
        for text in ["A cot.", r#"{"a": "A cot.", "b": "x"}"#, "{A cot.}", "[]"] {
            assert_eq!(without_json(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(
            parts in prop::collection::vec(prop_oneof![any::<String>(), "<think>|</think>|◁think▷|<\\|channel\\|>|final|<\\|message\\|>|```|<\\|x\\|>|<answer>|İ|<s>"], 0..12),
        ) {
            let text = parts.concat();
            let answer = without_thoughts(&text);
            let inside = without_control_words(&answer);
            let _ = without_json(without_fence(inside));
            prop_assert!(inside.len() <= text.len());
        }
    }
}
