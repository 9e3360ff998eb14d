//! Parses the responses of `/v1/embeddings` defensively.

use crate::server::json_of;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Parses the embeddings of `n_texts` texts from a response, in the order of the texts; servers may send them in any.
///
/// If no vector has an `index`, their order is that of the texts. If one vector lacks it, which is how some servers
/// write a zero, it gets the index that the others leave over. Vectors are lists of numbers, or the base64 of 32-bit
/// floats, little-endian.
///
/// # Errors
/// Returns a sentence that says what is wrong: no list, a wrong number of vectors, an `index` that is missing, invalid
/// or given twice, values that are not numbers or exceed 32 bits, different widths, or nothing but zeros.
pub fn parse_embeddings(body: &[u8], n_texts: usize) -> Result<Vec<Vec<f32>>, String> {
    let value = json_of(body)?;
    let list = value.get("data").and_then(Value::as_array).ok_or("no `data` in the answer")?;
    if list.len() != n_texts {
        return Err(format!("{} vectors for {n_texts} texts", list.len()));
    }
    let indices = indices(list)?;
    let mut vectors: Vec<Vec<f32>> = vec![Vec::new(); n_texts];
    for (entry, index) in list.iter().zip(indices) {
        if !vectors[index].is_empty() {
            return Err(format!("two vectors with `index` {index}"));
        }
        let vector = vector(entry.get("embedding").unwrap_or(&Value::Null))?;
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

/// Returns the text index of each entry; an index may occur twice.
fn indices(list: &[Value]) -> Result<Vec<usize>, String> {
    let n_texts = list.len();
    let given = |entry: &Value| entry.get("index").filter(|index| !index.is_null()).cloned();
    let given: Vec<Option<Value>> = list.iter().map(given).collect();
    let n_missing = given.iter().filter(|index| index.is_none()).count();
    if n_missing == n_texts {
        return Ok((0..n_texts).collect());
    }
    let number = |index: &Value| index.as_u64().and_then(|index| usize::try_from(index).ok()).filter(|&i| i < n_texts);
    let left_over = (0..n_texts).find(|&text| !given.iter().flatten().any(|index| number(index) == Some(text)));
    let index = |index: &Option<Value>| match (index, left_over) {
        (Some(index), _) => number(index).ok_or_else(|| format!("`index` is {index} among {n_texts} texts")),
        (None, Some(text)) if n_missing == 1 => Ok(text),
        (None, _) => Err(format!("`index` is missing among {n_texts} texts")),
    };
    given.iter().map(index).collect()
}

/// Parses one vector.
fn vector(value: &Value) -> Result<Vec<f32>, String> {
    let numbers: Option<Vec<f32>> = match value {
        Value::Array(numbers) => numbers.iter().map(|value| value.as_f64().map(|x| x as f32)).collect(),
        Value::String(text) => {
            let bytes =
                STANDARD.decode(text.trim()).map_err(|error| format!("an `embedding` that is no base64 ({error})"))?;
            let numbers = bytes.chunks_exact(4);
            if !numbers.remainder().is_empty() {
                return Err(format!("an `embedding` of {} bytes, which are no 32-bit numbers", bytes.len()));
            }
            Some(numbers.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        }
        _ => return Err("an `embedding` that is no list".to_string()),
    };
    let is_finite = |numbers: &Vec<f32>| numbers.iter().all(|x| x.is_finite());
    numbers.filter(is_finite).ok_or_else(|| "an `embedding` with something else than finite numbers".to_string())
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
    fn an_index_may_be_left_out() {
        let parse = |entries: &str, n| parse_embeddings(format!("{{\"data\":[{entries}]}}").as_bytes(), n);
        let vectors = Ok(vec![vec![1.0], vec![2.0], vec![3.0]]);
        let (one, two, three) =
            (r#"{"embedding":[1]}"#, r#"{"index":1,"embedding":[2]}"#, r#"{"index":2,"embedding":[3]}"#);
        assert_eq!(parse(&format!("{one},{two},{three}"), 3), vectors);
        assert_eq!(parse(&format!("{three},{one},{two}"), 3), vectors);
        assert_eq!(parse(r#"{"embedding":[1]},{"embedding":[2],"index":null},{"embedding":[3]}"#, 3), vectors);
        assert!(parse(&format!("{one},{one},{three}"), 3).unwrap_err().contains("`index` is missing"));
        assert!(parse(&format!("{one},{two},{two}"), 3).unwrap_err().contains("two vectors with `index` 1"));
    }

    #[test]
    fn vectors_come_in_base64_too() {
        // 0.5 and -2.
        let body = br#"{"data":[{"index":0,"embedding":"AAAAPwAAAMA="}]}"#;
        assert_eq!(parse_embeddings(body, 1), Ok(vec![vec![0.5, -2.0]]));
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
        assert_eq!(with(r#"{"index":1,"embedding":7}"#), "an `embedding` that is no list");
        assert!(with(r#"{"index":1,"embedding":"AAAA"}"#).contains("no 32-bit numbers"));
        assert!(with(r#"{"index":1,"embedding":"A!AA"}"#).contains("no base64"));
        assert!(with(r#"{"index":1,"embedding":"AADAfw=="}"#).contains("finite numbers"), "NaN");
        for bad in ["null", "\"NaN\"", "1e39", "[1]"] {
            let found = with(&format!("{{\"index\":1,\"embedding\":[{bad}]}}"));
            assert_eq!(found, "an `embedding` with something else than finite numbers", "{bad}");
        }
        assert!(with(r#"{"index":1,"embedding":[NaN]}"#).contains("finite numbers"));
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
