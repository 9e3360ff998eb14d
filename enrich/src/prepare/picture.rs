//! Parses an item's picture: a URL or a file, in the forms of all releases.

use serde_json::Value;

use super::flaws::{Flaw, shown};
use super::html::address;
use super::json::parse_any;
use super::literal::parse_literal;

/// Fields of an object that stands for a picture, the largest size first.
const SIZES: [&str; 16] = [
    "hi_res",
    "hiRes",
    "large",
    "original",
    "full",
    "url",
    "src",
    "href",
    "link",
    "image",
    "path",
    "file",
    "medium",
    "small",
    "thumb",
    "thumbnail",
];

/// Returns the first picture of a value, in its largest size. Values are text, lists, objects as in Amazon's release of
/// 2023, or such a list as text.
pub(super) fn picture(value: Option<&Value>, column: &str) -> Result<Option<String>, Flaw> {
    let Some(value) = value else { return Ok(None) };
    first(value, 0).map_err(|Unknown| {
        let message =
            format!("`{column}` is {}; write an address or a file, or a list of these", shown(&value.to_string()));
        Flaw::new("an image of another kind", message)
    })
}

/// The value is not a picture.
struct Unknown;

fn first(value: &Value, depth: usize) -> Result<Option<String>, Unknown> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => {
            let text = text.trim();
            let is_packed = depth == 0 && text.starts_with(['[', '{']);
            match Some(text).filter(|_| is_packed).and_then(|text| parse_any(text).or_else(|| parse_literal(text).ok()))
            {
                Some(value) => first(&value, 1),
                None => Ok(Some(address(text).into_owned()).filter(|text| !super::cells::is_missing(text))),
            }
        }
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Array(values) => {
            let is_main =
                |value: &&Value| value["variant"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("MAIN"));
            for value in values.iter().filter(is_main).chain(values.iter().filter(|value| !is_main(value))) {
                if let Some(found) = first(value, depth + 1)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        }
        Value::Object(fields) => {
            let mut known = SIZES.iter().filter_map(|name| fields.get(*name)).peekable();
            known.peek().ok_or(Unknown)?;
            // Column-oriented: each field has a list, and `variant` gives the position of the main picture.
            let variants = fields.get("variant").and_then(Value::as_array);
            let main = variants.and_then(|names| names.iter().position(|name| name == "MAIN"));
            for value in known {
                let found = match (value, main) {
                    (Value::Array(values), Some(main)) => first(values.get(main).unwrap_or(&Value::Null), depth + 1)?,
                    (value, _) => first(value, depth + 1)?,
                };
                if found.is_some() {
                    return Ok(found);
                }
            }
            Ok(None)
        }
        Value::Bool(_) => Err(Unknown),
    }
}

/// Whether a URL or file is a shop's placeholder for a missing picture, such as Amazon's
/// `…/G/01/x-site/icons/no-img-sm._CB192198896_.gif` or Goodreads' `…/assets/nophoto/book/111x148.png`.
pub(super) fn is_placeholder(image: &str) -> bool {
    const WORDS: [&str; 19] = [
        "no-img",
        "no_img",
        "noimg",
        "no-image",
        "no_image",
        "noimage",
        "no-photo",
        "no_photo",
        "nophoto",
        "no-picture",
        "no_picture",
        "nopicture",
        "image-not-available",
        "image_not_available",
        "image-coming-soon",
        "image_coming_soon",
        "missing-image",
        "transparent-pixel",
        "grey-pixel",
    ];
    let path = image.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    // Whole words: "piano-image" has no "no-image" in it.
    let has_word = WORDS.iter().any(|word| {
        name.match_indices(word).any(|(at, _)| {
            let is_letter = |c: char| c.is_alphabetic();
            !name[..at].ends_with(is_letter) && !name[at + word.len()..].starts_with(is_letter)
        })
    });
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    has_word || path.contains("/nophoto/") || is_placeholder_stem(stem)
}

/// Whether a file stem is "placeholder", perhaps followed by a size such as "-300x300".
fn is_placeholder_stem(stem: &str) -> bool {
    stem.trim_start_matches(|c: char| !c.is_alphabetic())
        .strip_prefix("placeholder")
        .is_some_and(|size| size.chars().all(|c| !c.is_alphabetic() || c == 'x'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_picture_is_taken_in_its_largest_form() {
        let object = |name: &str, high: Value, variant: &str| json!({"thumb": format!("{name}_t"), "large": format!("{name}_l"), "variant": variant, "hi_res": high});
        for (value, expected) in [
            (json!(" http://x/1.jpg "), Some("http://x/1.jpg")),
            (json!(["", null, "a.jpg", "b.jpg"]), Some("a.jpg")),
            (json!([object("1", json!("1_h"), "MAIN"), object("2", json!("2_h"), "PT01")]), Some("1_h")),
            (json!([object("1", json!("1_h"), "PT01"), object("2", Value::Null, "MAIN")]), Some("2_l")),
            (json!({"hi_res": [null, "b_h"], "large": ["a_l", "b_l"], "variant": ["MAIN", "PT01"]}), Some("a_l")),
            (json!({"hi_res": ["a_h", "b_h"], "variant": ["PT01", "MAIN"]}), Some("b_h")),
            (json!({"url": "http://x/1.jpg", "width": 3}), Some("http://x/1.jpg")),
            (json!("[{\"thumb\": \"t\", \"hi_res\": null, \"large\": \"l\"}]"), Some("l")),
            (json!("['a.jpg', 'b.jpg']"), Some("a.jpg")),
            (json!("[a].jpg"), Some("[a].jpg")),
            (json!("http://x/1.jpg?a=1&amp;b=2"), Some("http://x/1.jpg?a=1&b=2")),
            (json!([]), None),
            (json!(""), None),
            (json!("nan"), None),
            (json!({"hi_res": null, "thumb": null}), None),
        ] {
            let found = picture(Some(&value), "image").map_err(|flaw| flaw.message);
            assert_eq!(found, Ok(expected.map(str::to_string)), "{value}");
        }
        for value in [json!(true), json!({"width": 3}), json!([{"a": 1}])] {
            let flaw = picture(Some(&value), "image").unwrap_err();
            assert!(flaw.kind == "an image of another kind" && flaw.message.contains("`image` is "), "{flaw:?}");
        }
    }

    #[test]
    fn placeholders_are_told_by_their_names() {
        for image in [
            "http://g-ecx.images-amazon.com/images/G/01/x-site/icons/no-img-sm._CB192198896_.gif",
            "https://s.gr-assets.com/assets/nophoto/book/111x148-bcc042a9c91a29c1d680899eff700a03.png",
            "https://shop.example/static/No_Image.png?v=3",
            "https://shop.example/img/placeholder-300x300.png",
            "images/noimage.jpg",
            "https://m.media-amazon.com/images/G/01/x-locale/common/transparent-pixel._V1_.gif",
        ] {
            assert!(is_placeholder(image), "{image}");
        }
        for image in [
            "http://x/piano-image.jpg",
            "http://x/no-image/B001.jpg",
            "casino_img.png",
            "placeholders-for-cards.jpg",
            "nophotoshop.jpg",
            "https://img.example/no-img/1.jpg?name=no-image.png",
        ] {
            assert!(!is_placeholder(image), "{image}");
        }
    }
}
