//! Parses Python literals, the format of Amazon's metadata of 2014. Nothing is evaluated.

use serde_json::{Map, Number, Value};

/// Maximum nesting depth; metadata have three levels.
const MAX_DEPTH: usize = 64;

/// What is wrong with a Python literal, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at character {column}")]
pub struct LiteralError {
    /// Position of the error: 1-based, in characters.
    pub column: usize,
    /// What was found or is missing there.
    pub message: String,
}

/// Parses one Python literal: strings (with or without a prefix `u`), numbers, `True`, `False`, `None`, lists, tuples
/// and dictionaries with strings as keys. A tuple becomes an array; `nan`, `inf` and `-inf`, which stand for missing
/// numbers, become null.
///
/// Escapes have the meaning of Python 3, except that the two halves of a surrogate pair are joined. Names, calls,
/// operators and comprehensions are not literals, so there is nothing to evaluate. O(length).
///
/// ```
/// let item = viral_enrich::parse_literal(r"{'asin': '0001', 'price': 7.5, 'related': None}")?;
/// assert_eq!(item["asin"], "0001");
/// assert!(viral_enrich::parse_literal("__import__('os')").is_err());
/// # Ok::<(), viral_enrich::LiteralError>(())
/// ```
///
/// # Errors
/// Names the position of anything else, a key given twice, values nested too deep, or a number too large.
pub fn parse_literal(text: &str) -> Result<Value, LiteralError> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.skip_blanks();
    match parser.rest().is_empty() {
        true => Ok(value),
        false => parser.fail("something after the value"),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, LiteralError> {
        Err(LiteralError { column: self.text[..self.at].chars().count() + 1, message: message.into() })
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    /// Consumes `mark` if it comes next, after blanks; returns whether it does.
    fn take(&mut self, mark: char) -> bool {
        self.skip_blanks();
        let found = self.rest().starts_with(mark);
        if found {
            self.at += mark.len_utf8();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, LiteralError> {
        self.skip_blanks();
        if depth > MAX_DEPTH {
            return self.fail(format!("values nested deeper than {MAX_DEPTH}"));
        }
        match self.rest().chars().next() {
            None => self.fail("a value is missing"),
            Some('{') => self.dictionary(depth),
            Some('[') => self.sequence(']', depth),
            Some('(') => self.sequence(')', depth),
            Some('\'' | '"') => self.string().map(Value::String),
            Some('0'..='9' | '-' | '+' | '.') => self.number(),
            Some(_) => self.word(),
        }
    }

    fn dictionary(&mut self, depth: usize) -> Result<Value, LiteralError> {
        self.at += 1;
        let mut map = Map::new();
        while !self.take('}') {
            let start = self.at;
            let key = match self.value(depth + 1)? {
                Value::String(key) => key,
                _ => {
                    self.at = start;
                    return self.fail("a key that is no string");
                }
            };
            if !self.take(':') {
                return self.fail("`:` is missing after a key");
            }
            let value = self.value(depth + 1)?;
            if map.contains_key(&key) {
                self.at = start;
                return self.fail("a key given twice");
            }
            map.insert(key, value);
            if !self.take(',') && !self.rest().starts_with('}') {
                return self.fail("`,` or `}` is missing");
            }
        }
        Ok(Value::Object(map))
    }

    /// Parses a list or a tuple; a value in parentheses without a comma is that value.
    fn sequence(&mut self, end: char, depth: usize) -> Result<Value, LiteralError> {
        self.at += 1;
        let (mut values, mut has_comma) = (Vec::new(), false);
        while !self.take(end) {
            values.push(self.value(depth + 1)?);
            let comma = self.take(',');
            has_comma |= comma;
            if !comma && !self.rest().starts_with(end) {
                return self.fail(format!("`,` or `{end}` is missing"));
            }
        }
        match (end, values.len(), has_comma) {
            (')', 1, false) => Ok(values.swap_remove(0)),
            _ => Ok(Value::Array(values)),
        }
    }

    fn word(&mut self) -> Result<Value, LiteralError> {
        let rest = self.rest();
        if let Some(prefix @ ('u' | 'U')) = rest.chars().next()
            && rest[1..].starts_with(['\'', '"'])
        {
            self.at += prefix.len_utf8();
            return self.string().map(Value::String);
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let value = match &rest[..end] {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" | "nan" | "NaN" | "inf" | "Infinity" => Value::Null,
            _ => return self.fail("neither a string nor a number nor True, False or None"),
        };
        self.at += end;
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, LiteralError> {
        let rest = self.rest();
        if let Some(word) = rest.strip_prefix(['-', '+'])
            && word.starts_with(['n', 'N', 'i', 'I'])
        {
            self.at += 1;
            return self.word().and_then(|value| match value {
                Value::Null if !word.starts_with("None") => Ok(Value::Null),
                _ => self.fail("a number that cannot be read"),
            });
        }
        let is_exponent = |i: usize| rest[..i].ends_with(['e', 'E']);
        let end = rest
            .char_indices()
            .position(|(i, c)| match c {
                '0'..='9' | '.' | 'e' | 'E' => false,
                '+' | '-' => i > 0 && !is_exponent(i),
                _ => true,
            })
            .unwrap_or(rest.len());
        let digits = rest[..end].trim_start_matches(['+', '-']);
        let is_octal = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
        let text = &rest[..end];
        let float = || text.parse::<f64>().ok().and_then(Number::from_f64);
        let number = text
            .parse::<u64>()
            .map(Number::from)
            .or_else(|_| text.parse::<i64>().map(Number::from))
            .ok()
            .or_else(float);
        let Some(number) = number.filter(|_| !is_octal && end - digits.len() <= 1) else {
            return self.fail("a number that cannot be read");
        };
        self.at += end;
        // Python 2 marks long integers with an `L`.
        if number.is_u64() || number.is_i64() {
            self.at += usize::from(self.rest().starts_with(['L', 'l']));
        }
        Ok(Value::Number(number))
    }

    fn string(&mut self) -> Result<String, LiteralError> {
        let rest = self.rest();
        let quote = &rest[..1];
        if rest[1..].starts_with(&quote.repeat(2)) {
            return self.fail("a string in triple quotes");
        }
        let start = self.at;
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = self.rest();
            let Some(next) = rest.find(|c: char| quote.starts_with(c) || c == '\\' || c == '\n') else {
                self.at = start;
                return self.fail("a string without an end");
            };
            string.push_str(&rest[..next]);
            self.at += next;
            match &rest[next..next + 1] {
                "\\" => self.escape(&mut string)?,
                "\n" => return self.fail("a line end within a string"),
                _ => {
                    self.at += 1;
                    return Ok(string);
                }
            }
        }
    }

    fn escape(&mut self, string: &mut String) -> Result<(), LiteralError> {
        let rest = self.rest();
        let Some(kind) = rest[1..].chars().next() else { return self.fail("a string without an end") };
        let (code, length) = match kind {
            '\\' | '\'' | '"' => (kind as u32, 2),
            'n' => (0x0a, 2),
            'r' => (0x0d, 2),
            't' => (0x09, 2),
            'a' => (0x07, 2),
            'b' => (0x08, 2),
            'f' => (0x0c, 2),
            'v' => (0x0b, 2),
            '\n' => {
                self.at += 2;
                return Ok(());
            }
            '0'..='7' => {
                let n = rest[1..].bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                (u32::from_str_radix(&rest[1..=n], 8).unwrap_or_default(), 1 + n)
            }
            'x' => (self.hexadecimal(2, 2)?, 4),
            'u' => (self.hexadecimal(2, 4)?, 6),
            'U' => (self.hexadecimal(2, 8)?, 10),
            'N' => return self.fail("an escape by name"),
            _ => {
                // As in Python, a backslash before anything else is literal.
                string.push('\\');
                self.at += 1;
                return Ok(());
            }
        };
        let (code, length) = match code {
            0xd800..=0xdbff if rest[length..].starts_with("\\u") => match self.hexadecimal(length + 2, 4)? {
                low @ 0xdc00..=0xdfff => (0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), length + 6),
                _ => (code, length),
            },
            _ => (code, length),
        };
        match char::from_u32(code) {
            Some(c) => string.push(c),
            None if (0xd800..0xe000).contains(&code) => return self.fail("half of a surrogate pair"),
            None => return self.fail("an escape beyond Unicode"),
        }
        self.at += length;
        Ok(())
    }

    /// Parses `n` hexadecimal digits, `offset` bytes from here.
    fn hexadecimal(&self, offset: usize, n: usize) -> Result<u32, LiteralError> {
        let digits = self.rest().get(offset..offset + n).filter(|s| s.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => Ok(code),
            None => self.fail(format!("an escape without its {n} hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_item_of_2014_is_read() {
        let line = r#"{'asin': '0188477284', 'related': {'also_viewed': ['B00', "B01"]}, 'title': "Klean Kanteen's \"cup\"", 'price': 17.95, 'salesRank': {}, 'imUrl': 'http://ecx.images-amazon.com/images/I/31QZTHxvSBL._SX300_.jpg', 'categories': [['Baby', 'Feeding']], 'description': u'It\u2019s fine \xe9'}"#;
        let item = parse_literal(line).unwrap();
        assert_eq!(item["title"], "Klean Kanteen's \"cup\"");
        assert_eq!((&item["price"], &item["salesRank"]), (&json!(17.95), &json!({})));
        assert_eq!(item["categories"], json!([["Baby", "Feeding"]]));
        assert_eq!(item["description"], "It\u{2019}s fine é");
        assert_eq!(item["related"]["also_viewed"][1], "B01");
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let cases = [
            ("None", json!(null)),
            ("[nan, inf, -inf, -nan, NaN]", json!([null, null, null, null, null])),
            (" [True, False , ] ", json!([true, false])),
            ("(1, -2)", json!([1, -2])),
            ("(1)", json!(1)),
            ("(1,)", json!([1])),
            ("()", json!([])),
            ("{}", json!({})),
            ("12L", json!(12)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1e3", json!(1000.0)),
            ("-1.5e-3", json!(-0.0015)),
            (".5", json!(0.5)),
            (r#"'\\\'\"\n\r\t\a\b\f\v\0\101\x41\u0041\U00000041\d'"#, json!("\\'\"\n\r\t\x07\x08\x0c\x0b\0AAAA\\d")),
            (r"u'\ud83d\ude00'", json!("😀")),
            (r"'\U0001f600'", json!("😀")),
            ("'\"' ", json!("\"")),
            ("\"'\"", json!("'")),
            ("''", json!("")),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_literal(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn whatever_is_no_literal_is_refused_by_its_place() {
        let cases = [
            ("", 1, "a value is missing"),
            ("[1", 3, "`,` or `]` is missing"),
            ("{'a': 1 'b': 2}", 9, "`,` or `}` is missing"),
            ("{'a' 1}", 6, "`:` is missing after a key"),
            ("{1: 2}", 2, "a key that is no string"),
            ("{'a': 1, 'a': 2}", 10, "a key given twice"),
            ("{'é': x}", 7, "neither a string nor a number nor True, False or None"),
            ("__import__('os').system('true')", 1, "neither a string"),
            ("'a' + 'b'", 5, "something after the value"),
            ("1+1", 2, "something after the value"),
            ("[x for x in y]", 2, "neither a string"),
            ("'abc", 1, "a string without an end"),
            ("'abc\\", 5, "a string without an end"),
            ("'''abc'''", 1, "a string in triple quotes"),
            ("'a\nb'", 3, "a line end within a string"),
            (r"'\x4'", 2, "an escape without its 2 hexadecimal digits"),
            (r"'\u12g4'", 2, "an escape without its 4"),
            (r"'\U00110000'", 2, "an escape beyond Unicode"),
            (r"'\ud83d'", 2, "half of a surrogate pair"),
            (r"'\ud83d\u0041'", 2, "half of a surrogate pair"),
            (r"'\N{BULLET}'", 2, "an escape by name"),
            ("007", 1, "a number that cannot be read"),
            ("1e999", 1, "a number that cannot be read"),
            ("--1", 1, "a number that cannot be read"),
            ("1.2.3", 1, "a number that cannot be read"),
            ("nano", 1, "neither a string"),
            ("-None", 6, "a number that cannot be read"),
            ("-info", 2, "neither a string"),
            ("b'x'", 1, "neither a string"),
            ("[,]", 2, "neither a string"),
        ];
        for (text, column, message) in cases {
            let error = parse_literal(text).unwrap_err();
            assert_eq!(error.column, column, "{text}: {error}");
            assert!(error.message.starts_with(message), "{text}: {error}");
        }
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(parse_literal(&deep(MAX_DEPTH)).is_ok());
        assert!(parse_literal(&deep(100_000)).unwrap_err().message.contains("nested deeper than 64"));
    }
}
