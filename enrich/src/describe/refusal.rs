//! Detects refusals, and answers by models that have not seen the picture.

/// Words for pictures.
const PICTURES: [&str; 14] = [
    "image",
    "images",
    "picture",
    "pictures",
    "photo",
    "photos",
    "photograph",
    "photographs",
    "attachment",
    "attachments",
    "visual",
    "visuals",
    "visually",
    "pixels",
];

/// Verbs for viewing a picture or helping a user.
const DEEDS: [&str; 30] = [
    "see",
    "seeing",
    "view",
    "viewing",
    "access",
    "open",
    "load",
    "display",
    "look",
    "analyze",
    "analyse",
    "interpret",
    "process",
    "perceive",
    "inspect",
    "describe",
    "provide",
    "assist",
    "help",
    "identify",
    "comply",
    "fulfill",
    "fulfil",
    "generate",
    "create",
    "discuss",
    "answer",
    "examine",
    "read",
    "retrieve",
];

/// Negations and apologies.
const NOT: [&str; 24] = [
    "not",
    "cannot",
    "can't",
    "cant",
    "don't",
    "doesn't",
    "didn't",
    "won't",
    "wouldn't",
    "couldn't",
    "haven't",
    "hasn't",
    "isn't",
    "wasn't",
    "aren't",
    "unable",
    "no",
    "without",
    "never",
    "lack",
    "lacks",
    "only",
    "unfortunately",
    "sorry",
];

/// Predicates that, negated, say that a picture is absent.
const STATES: [&str; 18] = [
    "visible",
    "available",
    "provided",
    "attached",
    "included",
    "shown",
    "seen",
    "loaded",
    "load",
    "accessible",
    "viewable",
    "displayed",
    "display",
    "received",
    "present",
    "uploaded",
    "viewed",
    "opened",
];

/// Words that may stand between a picture and its predicate.
const BETWEEN: [&str; 40] = [
    "itself",
    "you",
    "that",
    "which",
    "was",
    "were",
    "is",
    "are",
    "be",
    "been",
    "being",
    "has",
    "have",
    "had",
    "seems",
    "seem",
    "appears",
    "appear",
    "to",
    "provided",
    "attached",
    "uploaded",
    "sent",
    "mentioned",
    "link",
    "url",
    "file",
    "data",
    "content",
    "here",
    "me",
    "of",
    "this",
    "item",
    "actually",
    "currently",
    "directly",
    "unfortunately",
    "could",
    "did",
];

/// Negations of a predicate.
const NEGATED: [&str; 12] = [
    "not", "isn't", "wasn't", "aren't", "cannot", "can't", "couldn't", "hasn't", "haven't", "didn't", "doesn't",
    "failed",
];

/// Predicates that by themselves say that a picture is absent.
const GONE: [&str; 4] = ["missing", "blank", "unavailable", "inaccessible"];

/// Words for where a picture was sent.
const PLACES: [&str; 6] = ["message", "request", "chat", "conversation", "prompt", "link"];

/// Phrases that no description contains.
const ANYWHERE: [&str; 27] = [
    "as an ai",
    "as a language model",
    "ai language model",
    "large language model",
    "text-based model",
    "text based model",
    "text-only model",
    "text only model",
    "text-based ai",
    "text-based assistant",
    "language model",
    "vision capabilities",
    "visual capabilities",
    "cannot assist with",
    "can't assist with",
    "not able to assist",
    "unable to assist",
    "against my guidelines",
    "against our policy",
    "violates the policy",
    "violates our policy",
    "without seeing the",
    "title alone",
    "only the title",
    "solely on the title",
    "only on the title",
    "without access to the",
];

/// Beginnings of refusals.
const STARTS: [&str; 20] = [
    "i'm sorry",
    "i am sorry",
    "sorry,",
    "sorry but",
    "my apologies",
    "apologies,",
    "i apologize",
    "i apologise",
    "i can't",
    "i cannot",
    "i can not",
    "i'm unable",
    "i am unable",
    "i'm not able",
    "i am not able",
    "i won't",
    "unfortunately, i",
    "i don't see",
    "i do not see",
    "i must decline",
];

/// Whether an answer is a refusal, or by a model that has not seen the picture.
pub(super) fn is_refusal(text: &str) -> bool {
    let text = text.to_lowercase().replace(['’', 'ʼ', '`'], "'");
    let head = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    STARTS.iter().any(|start| head.starts_with(start))
        || ANYWHERE.iter().any(|words| text.contains(words))
        || text.split(['.', '!', '?', ';', '\n']).any(is_refused_in)
}

/// Whether a single sentence is a refusal or says that the picture is absent.
fn is_refused_in(sentence: &str) -> bool {
    let words: Vec<&str> =
        sentence.split(|c: char| !(c.is_alphanumeric() || c == '\'')).filter(|word| !word.is_empty()).collect();
    let has = |set: &[&str]| words.iter().any(|word| set.contains(word));
    // A product is not described in the first person: "I am not able to see the picture".
    let is_first_person = has(&["i", "i'm", "i've", "i'd", "we", "we're"]);
    if is_first_person && has(&NOT) && (has(&DEEDS) || has(&PICTURES)) {
        return true;
    }
    // "This model does not support images."
    if has(&["model", "assistant", "ai"])
        && has(&PICTURES)
        && has(&NOT)
        && has(&["support", "supports", "process", "see", "view", "access", "accept", "handle"])
    {
        return true;
    }
    // "Please upload the picture." "Could you attach the image?"
    let asks = has(&["please"]) || words.windows(2).any(|pair| matches!(pair, ["could" | "can" | "would", "you"]));
    if asks
        && has(&PICTURES)
        && has(&["provide", "upload", "share", "attach", "send", "resend", "reupload", "include", "add", "supply"])
    {
        return true;
    }
    words.iter().enumerate().any(|(at, word)| PICTURES.contains(word) && is_missing(&words, at))
}

/// Whether a sentence says that the picture at word `at` is absent: "the image itself is not visible", "no image was
/// provided", "there is no picture". "The handle is not visible in the image" is about something else.
fn is_missing(words: &[&str], at: usize) -> bool {
    let is_negated = at > 0 && words[at - 1] == "no" || at > 1 && words[at - 2] == "no";
    let there =
        words[..at].iter().rev().take(5).any(|word| ["there", "there's", "see", "seems", "appears"].contains(word));
    if is_negated && there {
        return true;
    }
    let (mut has_not, mut rest) = (is_negated, &words[at + 1..]);
    while let [word, after @ ..] = rest {
        if STATES.contains(word) && has_not || GONE.contains(word) {
            return true;
        }
        rest = match after {
            // "the image in your message"
            [_, place, after @ ..] if *word == "in" && PLACES.contains(place) => after,
            _ if NEGATED.contains(word) => {
                has_not = true;
                after
            }
            _ if BETWEEN.contains(word) || STATES.contains(word) => after,
            _ => return false,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_declines_or_has_not_seen_is_told_from_who_describes() {
        for text in [
            "It appears that I am not able to see the picture that was attached to this message, so I have no description of it.",
            "As this is a text-based model, the image itself is not visible, but from its title the product is a rattle for babies.",
            "I'm sorry, but I can't help with identifying this product in the image.",
            "I’m unable to view images.",
            "It seems that no image was provided. Please upload the picture of the product.",
            "There is no image attached to your message.",
            "The image could not be loaded.",
            "The image in your message did not load.",
            "The picture you mentioned isn't available to me.",
            "Unfortunately, the image provided is not accessible.",
            "Based on the title alone, this is likely a rattle for babies with two bells.",
            "I don't have the ability to view images directly, but the title says a rattle.",
            "Could you please share the photo of the product?",
            "This model does not support images.",
            "Since I cannot see the photo, here is a guess: a rattle.",
            "We cannot describe this content.",
            "The image seems to be missing.",
            "No picture has been attached.",
            "My apologies, this request goes against my guidelines.",
            "Without seeing the actual product, a rattle usually has two bells.",
        ] {
            assert!(is_refusal(text), "{text}");
        }
        for text in [
            "A wooden rattle with two silver bells and a smooth, rounded handle.",
            "A sorry-looking grey donkey, as an old toy that has been loved for years.",
            "A blue romper; the back is not visible in the picture.",
            "In the image, the handle is not visible.",
            "A frame for a photo, with no stand and not too heavy.",
            "A shirt with no image on the front.",
            "A picture book for babies, with thick pages that do not tear.",
            "The picture shows a cot that is not assembled, with the parts included.",
            "A photo album with an image of a bear; no glue is provided.",
            "A mobile with only the moon and no stars, for a quiet room.",
            "A card that says I love you, with a red heart.",
            "The image shows a set of blocks, not included are the batteries.",
        ] {
            assert!(!is_refusal(text), "{text}");
        }
    }
}
