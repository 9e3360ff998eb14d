//! Parses times: numbers in any unit, or dates as seconds since 1970.

const SECONDS_A_DAY: i64 = 86_400;

/// Parses a time: a finite number in any unit, or a date, as seconds since 1970 in UTC. `None` for anything else.
///
/// Dates are `YYYY-MM-DD`, `YYYY/MM/DD` or, with points, `DD.MM.YYYY`, optionally followed by a space or `T` and `HH:MM`,
/// `HH:MM:SS` or `HH:MM:SS.fraction`, then nothing, `Z`, `UTC` or an offset such as `+02:00`. Day and month in another
/// order, as in `05/01/2014`, are ambiguous and not accepted.
///
/// ```
/// use viral::data::parse_time;
///
/// assert_eq!(parse_time("1398938400"), Some(1_398_938_400.0));
/// assert_eq!(parse_time("2014-05-01 10:00:00"), Some(1_398_938_400.0));
/// assert_eq!(parse_time("2014-05-01T12:00+02:00"), Some(1_398_938_400.0));
/// assert_eq!(parse_time("1.5.2014 10:00"), Some(1_398_938_400.0));
/// assert_eq!(parse_time("05/01/2014"), None);
/// ```
pub fn parse_time(text: &str) -> Option<f64> {
    match text.parse::<f64>() {
        Ok(number) => Some(number).filter(|number| number.is_finite()),
        Err(_) => date(text),
    }
}

/// Notices a column of Unix times that mixes seconds, milliseconds and microseconds, whose order would be wrong.
///
/// Numbers that are no Unix times of the years 1980 to 2128 in one of these units, such as counts from 0, may have any
/// unit.
///
/// ```
/// use viral::data::TimeUnits;
///
/// let mut units = TimeUnits::default();
/// for (line, time) in [1_457_534_656.0, 1_357_534_657_000.0].into_iter().enumerate() {
///     units.see(time, || line);
/// }
/// assert_eq!(units.mixed(), Some((&1, "milliseconds, and others in seconds".to_string())));
/// ```
#[derive(Debug, Clone)]
pub struct TimeUnits<P> {
    /// The first unit.
    unit: Option<&'static str>,
    /// The first time in another unit, and its place.
    other: Option<(&'static str, P)>,
    /// Whether a number is no Unix time.
    is_free: bool,
}

impl<P> Default for TimeUnits<P> {
    fn default() -> Self {
        Self { unit: None, other: None, is_free: false }
    }
}

impl<P> TimeUnits<P> {
    /// Takes a number into account, with its place in the file.
    pub fn see(&mut self, time: f64, place: impl FnOnce() -> P) {
        let units = [("seconds", 1.0), ("milliseconds", 1e3), ("microseconds", 1e6)];
        let is_in = |&(_, unit): &(&str, f64)| (3.16e8..5e9).contains(&(time / unit));
        match (units.into_iter().find(is_in), self.unit) {
            (None, _) => self.is_free = true,
            (Some((unit, _)), None) => self.unit = Some(unit),
            (Some((unit, _)), Some(first)) if unit != first && self.other.is_none() => {
                self.other = Some((unit, place()))
            }
            _ => {}
        }
    }

    /// Returns the place of the first time in another unit than the first one, and the units in words; `None` if there is
    /// one unit, or not all numbers are Unix times.
    pub fn mixed(&self) -> Option<(&P, String)> {
        let (unit, place) = self.other.as_ref().filter(|_| !self.is_free)?;
        Some((place, format!("{unit}, and others in {}", self.unit?)))
    }
}

/// Whether a time is written as a number, not as a date.
pub(super) fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

fn date(text: &str) -> Option<f64> {
    // Indices are bytes, and no date has multi-byte characters.
    if !text.is_ascii() {
        return None;
    }
    let end = text.find([' ', 'T', 't', 'Z']).unwrap_or(text.len());
    let (day, rest) = text.split_at(end);
    let of = |separator| day.split(separator).map(|part| Some((digits(part)?, part.len()))).collect::<Option<Vec<_>>>();
    let [year, month, day] = match (of('-').or_else(|| of('/')).as_deref(), of('.').as_deref()) {
        (Some(&[(year, 4), (month, 2), (day, 2)]), _) => [year, month, day],
        (_, Some(&[(day, 1 | 2), (month, 1 | 2), (year, 4)])) => [year, month, day],
        _ => return None,
    };
    if !(1..=12).contains(&month) || !(1..=days_of_month(year, month)).contains(&day) {
        return None;
    }
    let midnight = (days_since_1970(year, month, day) * SECONDS_A_DAY) as f64;
    if rest.is_empty() || rest == "Z" {
        return Some(midnight);
    }
    Some(midnight + time_of_day(rest.strip_prefix([' ', 'T', 't'])?)?)
}

/// Parses `HH:MM[:SS[.fraction]][zone]` as seconds since midnight in UTC.
fn time_of_day(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(text.len());
    let (clock, zone) = text.split_at(end);
    let mut parts = clock.split(':');
    let (hour, minute) = (two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    let seconds = match parts.next() {
        None => 0.0,
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
            digits(fraction)?;
            let whole = two_digits(whole)?;
            if whole > 60 {
                return None;
            }
            whole as f64 + format!("0.{fraction}").parse::<f64>().ok()?
        }
    };
    if parts.next().is_some() || hour > 23 || minute > 59 {
        return None;
    }
    Some((hour * 3600 + minute * 60) as f64 + seconds - offset(zone.trim_start())?)
}

/// Parses the offset of a time zone from UTC, in seconds.
fn offset(zone: &str) -> Option<f64> {
    if matches!(zone, "" | "Z" | "z" | "UTC" | "GMT") {
        return Some(0.0);
    }
    let sign = match zone.as_bytes()[0] {
        b'+' => 1.0,
        b'-' => -1.0,
        _ => return None,
    };
    let (hours, minutes) = match zone[1..].split_once(':') {
        Some((hours, minutes)) => (two_digits(hours)?, two_digits(minutes)?),
        None if zone.len() == 5 => (two_digits(&zone[1..3])?, two_digits(&zone[3..])?),
        None => (two_digits(&zone[1..])?, 0),
    };
    (hours < 24 && minutes < 60).then(|| sign * (hours * 3600 + minutes * 60) as f64)
}

fn digits(text: &str) -> Option<i64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

fn two_digits(text: &str) -> Option<i64> {
    if text.len() == 2 { digits(text) } else { None }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts days in the Gregorian calendar, for years from 0 on.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let leap_days = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    years + (1..month).map(|month| days_of_month(year, month)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds_since_1970() {
        // From `date -u -d … +%s`.
        for (text, seconds) in [
            ("1970-01-01", 0.0),
            ("1969-12-31", -86_400.0),
            ("2000-02-29", 951_782_400.0),
            ("2018-09-20", 1_537_401_600.0),
            ("2016-03-09 14:44:16", 1_457_534_656.0),
            ("2016-03-09T14:44:16Z", 1_457_534_656.0),
            ("2016/03/09 14:44", 1_457_534_640.0),
            ("2016-03-09 14:44:16.25 UTC", 1_457_534_656.25),
            ("2016-03-09T14:44:16+01:30", 1_457_529_256.0),
            ("2016-03-09T14:44:16-0130", 1_457_540_056.0),
            ("09.03.2016", 1_457_481_600.0),
            ("9.3.2016 14:44:16", 1_457_534_656.0),
            ("2100-03-01", 4_107_542_400.0),
            ("1600-01-01", -11_676_096_000.0),
        ] {
            assert_eq!(parse_time(text), Some(seconds), "{text}");
        }
        assert_eq!(parse_time("-1.5e3"), Some(-1500.0));
    }

    #[test]
    fn units_are_mixed_only_among_unix_times() {
        let mixed = |times: &[f64]| {
            let mut units = TimeUnits::default();
            (0..).zip(times).for_each(|(at, &time)| units.see(time, || at));
            units.mixed().map(|(&at, _)| at)
        };
        assert_eq!(mixed(&[1.4e9, 1.5e9, 1.4e12, 1.5e15]), Some(2));
        assert_eq!(mixed(&[1.4e15, 1.5e12]), Some(1));
        assert_eq!(mixed(&[1.4e9, 3.2e8, 4.9e9]), None);
        // A count from 0 passes through all of them.
        assert_eq!(mixed(&[0.0, 1.4e9, 1.4e12]), None);
        assert_eq!(mixed(&[1.4e9, 7e10, 1.4e12]), None);
        assert_eq!(mixed(&[]), None);
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "now",
            "inf",
            "NaN",
            "2014-13-01",
            "2014-02-29",
            "2014-05-00",
            "01-05-2014",
            "2014-05/01",
            "2014.05.01",
            "01.05.14",
            "31.04.2014",
            "1.5.2014.",
            "1.05é.2014",
            "T10:00",
            "2014-05-01 ",
            "2014-05-01 10",
            "2014-05-01 24:00",
            "2014-05-01 10:60:00",
            "2014-05-01 10:00:61",
            "2014-05-01 10:00:00:00",
            "2014-05-01 10:00 CET",
            "2014-05-01 10:00+24:00",
            "2014-05-01x10:00",
            "2014-05-01T10:00:0é",
            "２０１４-05-01",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
