//! What `/v1/embeddings` sends back, read with suspicion.

use crate::server::json_of;
use serde_json::Value;

/// The vectors of `n_texts` texts from the body of an answer, in the order of the texts: servers may send them in any.
///
/// # Errors
/// What is wrong, in a sentence: no list, another number of vectors, an `index` that is missing, wrong or given twice,
/// something else than numbers, numbers beyond 32 bits, different widths, nothing but zeros.
pub fn parse_embeddings(body: &[u8], n_texts: usize) -> Result<Vec<Vec<f32>>, String> {
    let value = json_of(body)?;
    let list = value.get("data").and_then(Value::as_array).ok_or("no `data` in the answer")?;
    if list.len() != n_texts {
        return Err(format!("{} vectors for {n_texts} texts", list.len()));
    }
    let mut vectors: Vec<Vec<f32>> = vec![Vec::new(); n_texts];
    for entry in list {
        let index = entry.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
        let index = index.filter(|&index| index < n_texts).ok_or_else(|| {
            let found = entry.get("index").map_or_else(|| "missing".to_string(), Value::to_string);
            format!("`index` is {found} among {n_texts} texts")
        })?;
        if !vectors[index].is_empty() {
            return Err(format!("two vectors with `index` {index}"));
        }
        let numbers = entry.get("embedding").and_then(Value::as_array).ok_or("an `embedding` that is no list")?;
        let number = |value: &Value| value.as_f64().map(|x| x as f32).filter(|x| x.is_finite());
        let vector: Option<Vec<f32>> = numbers.iter().map(number).collect();
        let vector = vector.ok_or("an `embedding` with something else than finite numbers")?;
        if vector.iter().all(|&x| x == 0.0) {
            return Err("an `embedding` of no number but zeros".to_string());
        }
        vectors[index] = vector;
    }
    let width = vectors.first().map_or(0, Vec::len);
    match vectors.iter().find(|vector| vector.len() != width) {
        Some(other) => Err(format!("vectors of {width} and {} numbers in one answer", other.len())),
        None => Ok(vectors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn vectors_come_in_the_order_of_the_texts() {
        let body = br#"{"data":[{"index":1,"embedding":[3,4e0]},{"index":0,"embedding":[1,-2.5]}],"model":"m"}"#;
        assert_eq!(parse_embeddings(body, 2), Ok(vec![vec![1.0, -2.5], vec![3.0, 4.0]]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let message = |body: &str| parse_embeddings(body.as_bytes(), 2).unwrap_err();
        let data = |entries: &str| message(&format!("{{\"data\":[{entries}]}}"));
        let good = r#"{"index":0,"embedding":[1]}"#;
        assert_eq!(message("<html>"), "a page instead of JSON: ‹html›");
        assert_eq!(message("{}"), "no `data` in the answer");
        assert_eq!(data(good), "1 vectors for 2 texts");
        assert_eq!(data(&format!("{good},{good}")), "two vectors with `index` 0");
        let with = |entry: &str| data(&format!("{good},{entry}"));
        assert_eq!(with(r#"{"index":2,"embedding":[1]}"#), "`index` is 2 among 2 texts");
        assert_eq!(with(r#"{"embedding":[1]}"#), "`index` is missing among 2 texts");
        assert_eq!(with(r#"{"index":1,"embedding":"AAAA"}"#), "an `embedding` that is no list");
        for bad in ["null", "\"NaN\"", "1e39", "[1]"] {
            let found = with(&format!("{{\"index\":1,\"embedding\":[{bad}]}}"));
            assert_eq!(found, "an `embedding` with something else than finite numbers", "{bad}");
        }
        assert!(with(r#"{"index":1,"embedding":[NaN]}"#).starts_with("not whole JSON"));
        assert_eq!(with(r#"{"index":1,"embedding":[0,0]}"#), "an `embedding` of no number but zeros");
        assert_eq!(with(r#"{"index":1,"embedding":[]}"#), "an `embedding` of no number but zeros");
        assert_eq!(with(r#"{"index":1,"embedding":[1,2]}"#), "vectors of 1 and 2 numbers in one answer");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), byte in any::<u8>(), n in 0usize..4) {
            let _ = parse_embeddings(&bytes, n);
            let mut good = br#"{"data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[1,2]}]}"#.to_vec();
            let at = at.index(good.len());
            good[at] = byte;
            if let Ok(vectors) = parse_embeddings(&good, 2) {
                prop_assert!(vectors.iter().flatten().all(|x| x.is_finite()));
            }
        }
    }
}
