//! Converts HTML to plain text: strips tags and resolves entities.

use std::borrow::Cow;

use htmlize::{ENTITIES, unescape};

/// Inline elements: their tags are removed without adding a space.
const INLINE: [&str; 24] = [
    "a", "abbr", "b", "big", "cite", "code", "del", "em", "font", "i", "ins", "label", "mark", "q", "s", "samp",
    "small", "span", "strike", "strong", "sub", "sup", "tt", "u",
];

/// Block and void elements: a space replaces their tags.
const BLOCK: [&str; 48] = [
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "button",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "embed",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "iframe",
    "img",
    "input",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "noscript",
    "object",
    "ol",
    "p",
    "param",
    "pre",
    "section",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];

/// Elements whose content is not text.
const SCRIPTS: [&str; 2] = ["script", "style"];

/// Strips tags and comments and resolves entities, each once: `&amp;lt;` becomes `&lt;`.
///
/// Text that only looks like markup stays: `<3`, `a < b`, `R&D`, and entities without a semicolon, which are letters
/// after an ampersand more often than not. A no-break space becomes a space.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '&']) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((length, resolved)) = entity(rest) {
            out.push_str(&resolved.replace('\u{a0}', " "));
            rest = &rest[length..];
        } else if let Some((length, is_inline)) = markup(rest) {
            rest = &rest[length..];
            if !is_inline {
                out.truncate(out.trim_end().len());
                out.push(' ');
                rest = rest.trim_start();
            }
        } else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out.into()
}

/// Resolves `&amp;` in a URL, and returns any other text unchanged.
pub(super) fn address(text: &str) -> Cow<'_, str> {
    if !(text.contains("://") && text.contains("&amp;")) {
        return text.into();
    }
    text.replace("&amp;", "&").into()
}

/// Returns the length of the entity at the beginning of a text, and the text it stands for.
fn entity(text: &str) -> Option<(usize, Cow<'_, str>)> {
    /// The longest name has 31 letters.
    const MOST: usize = 33;
    let inside = text.strip_prefix('&')?;
    let length = 1 + inside.bytes().take(MOST).position(|byte| byte == b';')? + 1;
    let token = text.get(..length)?;
    let is_known = match token[1..length - 1].strip_prefix('#') {
        None => ENTITIES.contains_key(token.as_bytes()),
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit()),
            None => (1..=7).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()),
        },
    };
    is_known.then(|| (length, unescape(token)))
}

/// Returns the length of the tag or comment at the beginning of a text, and whether it is inline.
fn markup(text: &str) -> Option<(usize, bool)> {
    if text.starts_with("<!--") {
        return Some((text.find("-->")? + 3, true));
    }
    let inside = text.strip_prefix('<')?;
    let name = inside.strip_prefix('/').unwrap_or(inside);
    let n = name.bytes().position(|byte| !byte.is_ascii_alphanumeric())?;
    let (name, behind) = (name[..n].to_ascii_lowercase(), &name[n..]);
    if !behind.starts_with(['>', '/', ' ', '\t', '\n', '\r']) {
        return None;
    }
    let end = text.len() - behind.len() + end_of_tag(behind)?;
    let name = name.as_str();
    if SCRIPTS.contains(&name) && !inside.starts_with('/') {
        let close = text[end..].to_ascii_lowercase().find(&format!("</{name}"))?;
        let tail = &text[end + close..];
        return Some((end + close + tail.find('>').map_or(tail.len(), |at| at + 1), false));
    }
    let is_inline = INLINE.contains(&name);
    (is_inline || BLOCK.contains(&name) || SCRIPTS.contains(&name)).then_some((end, is_inline))
}

/// Returns the end of a tag: after the first `>` outside of quotes.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entities_are_resolved_once() {
        for (text, expected) in [
            ("Tom &amp; Jerry&#39;s rattle", "Tom & Jerry's rattle"),
            ("&amp;lt; &amp;amp;", "&lt; &amp;"),
            ("&lt;b&gt; &quot;x&quot; &#x2019; &#146; &eacute;", "<b> \"x\" \u{2019} \u{2019} é"),
            ("5&nbsp;kg", "5 kg"),
            (
                "R&D, AT&T; H&M &unknown; &; &#; &#xg; &notit; Paper&notes",
                "R&D, AT&T; H&M &unknown; &; &#; &#xg; &notit; Paper&notes",
            ),
            ("plain", "plain"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
        assert_eq!(address("http://x/i.jpg?a=1&amp;b=2"), "http://x/i.jpg?a=1&b=2");
        assert_eq!(address("a&amp;b.jpg"), "a&amp;b.jpg");
    }

    #[test]
    fn tags_go_and_what_only_looks_like_one_stays() {
        for (text, expected) in [
            ("<b>Rattle</b>, <i>wood</i>", "Rattle, wood"),
            ("One.<br>Two. <BR /> Three.", "One. Two. Three."),
            ("<p class=\"a>b\">One</p><p>Two</p>", " One Two "),
            ("<script>var a = '<b>';</script>Cup<!-- x -->", " Cup"),
            ("I <3 cups, a < b > c, <Brand> <", "I <3 cups, a < b > c, <Brand> <"),
            ("<b unclosed", "<b unclosed"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_made_plain(text in "[<>&;#a-z/!\"' -]{0,40}", other: String) {
            for text in [text, other] {
                let found = plain(&text);
                prop_assert!(text.contains(['<', '&']) || found == text.as_str());
            }
        }
    }
}
