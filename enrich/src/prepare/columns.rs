//! Columns: their accepted names, and suggestions for misspelled ones.

/// A column to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// Accepted names; a row's value is the first that is not missing.
    pub(super) names: Vec<String>,
    /// Whether some row must have it.
    pub(super) is_required: bool,
}

impl Column {
    /// Creates a required column.
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { names: vec![name.into()], is_required: true }
    }

    /// Creates a column of Amazon's data from its name in the release of 2014, with its names in other releases. It is
    /// optional, because small files lack some columns.
    pub(super) fn amazon(name: &str) -> Self {
        let names: &[&str] = match name {
            "reviewerID" => &["reviewerID", "user_id"],
            // The metadata of 2023 have only parent ids, which are what other releases call `asin`.
            "asin" => &["parent_asin", "asin"],
            "overall" => &["overall", "rating"],
            "unixReviewTime" => &["unixReviewTime", "timestamp"],
            "brand" => &["brand", "store"],
            "categories" => &["categories", "category", "main_category"],
            "imUrl" => &["imUrl", "imageURLHighRes", "imageURL", "images", "image"],
            name => &[name],
        };
        Self { names: names.iter().map(|name| name.to_string()).collect(), is_required: false }
    }
}

/// Returns the name that was most likely meant: one that differs by at most a third of its letters, or contains the
/// other or is contained in it.
pub(super) fn closest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters =
        |name: &str| name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let wanted = letters(wanted);
    let distance = |name: &str| {
        let name = letters(name);
        let distance = strsim::damerau_levenshtein(&wanted, &name);
        let n_letters = wanted.chars().count().max(name.chars().count());
        let is_part = |part: &str, whole: &str| part.len() >= 3 && whole.contains(part);
        if 3 * distance <= n_letters + 1 {
            Some((0, distance))
        } else {
            (is_part(&wanted, &name) || is_part(&name, &wanted)).then_some((1, distance))
        }
    };
    names.into_iter().filter_map(|name| Some((distance(name)?, name))).min().map(|(_, name)| name)
}

/// Formats the error for a missing column: the names that exist, and the one most likely meant.
pub(super) fn no_column<'a>(what: &str, wanted: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> String {
    /// Maximum number of names listed.
    const MOST: usize = 30;
    let mut listed: Vec<String> = names.clone().into_iter().map(|name| format!("`{name}`")).collect();
    if listed.len() > MOST {
        let more = listed.len() - MOST;
        listed.truncate(MOST);
        listed.push(format!("and {more} more"));
    }
    let advice = match closest(wanted, names) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "name one of these".to_string(),
    };
    format!("no {what} `{wanted}` among {}; {advice}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_found() {
        for (wanted, names, expected) in [
            ("titel", &["id", "title", "tile"][..], Some("title")),
            ("usr", &["item", "user"], Some("user")),
            ("user", &["item_id", "user_id"], Some("user_id")),
            ("Title", &["name", "title"], Some("title")),
            ("imUrl", &["title", "imageURL", "asin"], Some("imageURL")),
            ("categories", &["category", "brand"], Some("category")),
            ("customer", &["customer_id_hashed", "sku"], Some("customer_id_hashed")),
            ("u", &["user", "item"], None),
            ("title", &["sku", "price"], None),
            ("x", &[], None),
        ] {
            assert_eq!(closest(wanted, names.iter().copied()), expected, "{wanted}");
        }
        let names: Vec<String> = (0..50).map(|i| format!("column {i}")).collect();
        let message = no_column("column", "name", names.iter().map(String::as_str));
        assert!(message.contains("`column 29`, and 20 more; name one of these"), "{message}");
    }
}
