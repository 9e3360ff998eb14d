//! Recipes: any text is one or an error, and one is read as it was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use viral::recipe::Recipe;

fuzz_target!(|text: &str| {
    match Recipe::from_toml(text) {
        Ok(recipe) => {
            let written = recipe.to_toml().unwrap_or_else(|error| panic!("{error}: {recipe:?}"));
            let again = Recipe::from_toml(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
            assert_eq!(again, recipe, "{written}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
