//! Times: any text is one or none, and a date is the day that another calendar makes of its seconds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use viral::data::parse_time;

/// Year, month and day of a number of days since 1970: eras of 400 years that begin in March.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    (year_of_era + 400 * era + i64::from(month <= 2), month, day)
}

fuzz_target!(|text: &str| {
    let Some(time) = parse_time(text) else { return };
    assert!(time.is_finite());
    if let Ok(number) = text.parse::<f64>() {
        assert_eq!(time, number);
        return;
    }
    let seconds = time.floor() as i64;
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    // A zone may shift the first and the last day beyond the years that are read.
    if !(0..=9999).contains(&year) {
        assert!((-1..=10_000).contains(&year), "{text}");
        return;
    }
    let clock = format!("{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60);
    let again = format!("{year:04}-{month:02}-{day:02} {clock}");
    assert_eq!(parse_time(&again), Some(seconds as f64), "{text} and {again}");
    // Without a zone the text itself says the day.
    if text.len() == 10 {
        assert_eq!(again.replace('-', "/")[..10], text.replace('-', "/"), "{text} and {again}");
    }
});
