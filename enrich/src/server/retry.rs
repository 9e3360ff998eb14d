//! Exponential backoff between requests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use viral::data::splitmix64;

/// Exponential backoff with full jitter: ceilings double from `base` to `cap`, and each wait is drawn uniformly between
/// zero and its ceiling.
///
/// The draw depends on seed, key and attempt, not on the clock: runs with the same seed wait equally long.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    /// Ceiling of the first wait (1 s).
    pub base: Duration,
    /// Maximum of all ceilings (60 s).
    pub cap: Duration,
    /// Maximum wait granted to a server's `Retry-After` (10 min).
    pub most_asked: Duration,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
            most_asked: Duration::from_secs(600),
            seed: 0,
        }
    }
}

impl Backoff {
    /// Returns the wait after failure number `failures`, counted from 1, of the job or server with this key.
    pub(crate) fn wait(&self, key: u64, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let ceiling = self.base.saturating_mul(1 << doublings).min(self.cap);
        let bits = splitmix64(splitmix64(self.seed ^ key).wrapping_add(u64::from(failures)));
        ceiling.mul_f64(bits as f64 / u64::MAX as f64)
    }
}

/// Parses the wait in a `Retry-After` header: seconds, or a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        // Some servers send fractions of a second.
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let then = http_date(value)?;
    let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(then.saturating_sub(now)))
}

/// Parses an IMF-fixdate, the one form of date that HTTP still writes (RFC 9110, 5.6.7), as seconds since 1970.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    // A leap second is the 60th.
    let is_time = hours < 24 && minutes < 60 && seconds <= 60;
    if !is_time || words.next()? != "GMT" || words.next().is_some() || clock.next().is_some() {
        return None;
    }
    // Days since 1970 in the proleptic Gregorian calendar, counted in years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    days.checked_sub(719_468).map(|days| ((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_are_capped_and_repeat() {
        let backoff = Backoff { cap: Duration::from_secs(5), ..Backoff::default() };
        for failures in 1..60 {
            let ceiling = Duration::from_secs(1 << (failures - 1).min(3)).min(backoff.cap);
            let waits: Vec<Duration> = (0..200).map(|key| backoff.wait(key, failures)).collect();
            let most = waits.iter().max().unwrap();
            assert!(*most <= ceiling && *most > ceiling.mul_f64(0.9), "{failures}: {most:?}");
            assert!(*waits.iter().min().unwrap() < ceiling.mul_f64(0.1));
            assert_eq!(waits[7], backoff.wait(7, failures));
        }
        assert_ne!(backoff.wait(1, 3), Backoff { seed: 1, ..backoff.clone() }.wait(1, 3));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(retry_after("120", at(0)), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 0.5 ", at(0)), Some(Duration::from_millis(500)));
        // 784111777 is the date of RFC 9110's examples.
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(date, at(784_111_770)), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(date, at(784_111_999)), Some(Duration::ZERO), "the past is now");
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        for bad in
            ["", "-1", "soon", "NaN", "1e400", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 99999999999999999999"]
        {
            assert_eq!(retry_after(bad, at(0)), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_survived(text in any::<String>()) {
            let _ = retry_after(&text, SystemTime::now());
            let _ = retry_after(&format!("Sun, {text} GMT"), SystemTime::now());
        }
    }
}
