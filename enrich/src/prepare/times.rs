//! Parses the times in logs: numbers, and dates in unambiguous formats.

use viral::data::parse_time;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Parses a date as seconds since 1970 in UTC; `None` for a plain number. Accepts what [`parse_time`] reads, and dates
/// with a named month, such as `Sun Jul 30 07:44:10 -0700 2017`, `Sun, 30 Jul 2017 07:44:10 GMT`,
/// `Posted November 5, 2011.`, `30-Jul-2017`, or Amazon's `05 3, 2013`, month before day. Ambiguous dates such as
/// `05/03/2013` are not accepted.
pub(super) fn date(text: &str) -> Option<f64> {
    if text.parse::<f64>().is_ok() {
        return None;
    }
    parse_time(text).or_else(|| amazons(text)).or_else(|| named(text))
}

/// Parses `MM D, YYYY`, with blanks as in Amazon's data.
fn amazons(text: &str) -> Option<f64> {
    let (day, year) = text.split_once(", ")?;
    let (month, day) = day.split_once(' ')?;
    iso(year, number(month, 2)?, number(day.trim_start(), 2)?, "")
}

/// Parses a date with a named month.
fn named(text: &str) -> Option<f64> {
    let (mut year, mut month, mut day, mut clock, mut zone) = (None, None, None, None, None);
    // Each part may be given once.
    fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
        place.replace(value).is_none().then_some(())
    }
    let text = text.strip_prefix("Posted").unwrap_or(text);
    let is_dashed = |part: &&str| part.split('-').count() == 3 && part.contains(|c: char| c.is_ascii_alphabetic());
    let parts = text.split([' ', ',', '\t']).flat_map(|part| match is_dashed(&part) {
        true => part.split('-').collect(),
        false => vec![part],
    });
    for part in parts.map(|part| part.trim_end_matches('.')).filter(|part| !part.is_empty()) {
        let lower = part.to_ascii_lowercase();
        let is_name = |name: &&str| lower.len() >= 3 && name.starts_with(&lower);
        if let Some(index) = MONTHS.iter().position(|name| is_name(name) || (lower == "sept" && *name == "september")) {
            set(&mut month, index as u32 + 1)?;
        } else if DAYS.iter().any(is_name) {
        } else if part.contains(':') {
            set(&mut clock, part)?;
        } else if part.starts_with(['+', '-']) || matches!(part, "GMT" | "UTC" | "Z") {
            set(&mut zone, part)?;
        } else if part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_digit()) {
            set(&mut year, part)?;
        } else {
            let digits = ["st", "nd", "rd", "th"].iter().find_map(|end| lower.strip_suffix(end)).unwrap_or(&lower);
            set(&mut day, number(digits, 2)?)?;
        }
    }
    let clock = match (clock, zone) {
        (None, None) => String::new(),
        (None, Some(_)) => return None,
        (Some(clock), zone) => format!(" {clock}{}", zone.unwrap_or_default()),
    };
    iso(year?, month?, day?, &clock)
}

fn iso(year: &str, month: u32, day: u32, clock: &str) -> Option<f64> {
    // `parse_time` expects this order and checks the range of each part.
    parse_time(&format!("{year}-{month:02}-{day:02}{clock}"))
}

fn number(digits: &str, most: usize) -> Option<u32> {
    let is_plain = (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_one_meaning_are_seconds_since_1970() {
        // Expected values by `date -u -d … +%s`.
        for (text, seconds) in [
            ("2018-09-20", 1_537_401_600.0),
            ("2016-03-09 14:44:16", 1_457_534_656.0),
            ("2016-03-09T14:44:16Z", 1_457_534_656.0),
            ("Sun Jul 30 07:44:10 -0700 2017", 1_501_425_850.0),
            ("Sun, 30 Jul 2017 14:44:10 GMT", 1_501_425_850.0),
            ("Posted July 30, 2017.", 1_501_372_800.0),
            ("30-Jul-2017", 1_501_372_800.0),
            ("Sept. 30th, 2017", 1_506_729_600.0),
            ("07 30, 2017", 1_501_372_800.0),
            ("05 3, 2013", 1_367_539_200.0),
        ] {
            assert_eq!(date(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_has_two_meanings_or_none_is_no_date() {
        for text in [
            "",
            "7",
            "1e9",
            "nan",
            "05/03/2013",
            "09/20/2018",
            "soon",
            "May",
            "May 2017",
            "Jul 32, 2017",
            "13 3, 2013",
            "Jul Jul 3, 2017",
            "30 31 Jul 2017",
            "Jul 3, 2017 x",
            "Jul 3, 17",
            "Jul 3, 2017 +0100",
            "m 3, 2017",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
