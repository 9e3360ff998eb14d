//! File names of Amazon's reviews of 2014 and their metadata, by category.

use crate::{Error, Result};

/// Base URL of the files (<https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html> links there).
pub const AMAZON_2014: &str = "https://mcauleylab.ucsd.edu/public_datasets/data/amazon/categoryFiles";

/// The categories that have a 5-core file.
pub const AMAZON_CATEGORIES: [&str; 24] = [
    "Amazon_Instant_Video",
    "Apps_for_Android",
    "Automotive",
    "Baby",
    "Beauty",
    "Books",
    "CDs_and_Vinyl",
    "Cell_Phones_and_Accessories",
    "Clothing_Shoes_and_Jewelry",
    "Digital_Music",
    "Electronics",
    "Grocery_and_Gourmet_Food",
    "Health_and_Personal_Care",
    "Home_and_Kitchen",
    "Kindle_Store",
    "Movies_and_TV",
    "Musical_Instruments",
    "Office_Products",
    "Patio_Lawn_and_Garden",
    "Pet_Supplies",
    "Sports_and_Outdoors",
    "Tools_and_Home_Improvement",
    "Toys_and_Games",
    "Video_Games",
];

/// Returns the names of a category's two files: 5-core reviews and metadata. Case is ignored.
///
/// # Errors
/// If there is no such category; the message lists all categories.
pub fn amazon_files(category: &str) -> Result<[String; 2]> {
    let known = AMAZON_CATEGORIES.iter().find(|known| known.eq_ignore_ascii_case(category));
    let known = known.ok_or_else(|| {
        Error::Config(format!("no category '{category}'; there are {}", AMAZON_CATEGORIES.join(", ")))
    })?;
    Ok([format!("reviews_{known}_5.json.gz"), format!("meta_{known}.json.gz")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_name_their_files() {
        assert_eq!(amazon_files("baby").unwrap(), ["reviews_Baby_5.json.gz", "meta_Baby.json.gz"]);
        for category in ["Sports", "../Baby", ""] {
            let message = amazon_files(category).unwrap_err().to_string();
            assert!(message.starts_with(&format!("no category '{category}'; there are Amazon_Instant_Video, ")));
        }
    }
}
