//! One duration grammar for every manifest key: `15m`, `7d`, `7_years`, `P7Y`, `forever`.
//!
//! `m` is minutes, a month is 30 days, a year 365. At most 1,000 years, with checked arithmetic.

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;
const LIMIT: u64 = 1_000 * YEAR;

/// Units by their short and their long name, longest first.
const UNITS: &[(&str, &str, u64)] = &[
    ("y", "years", YEAR),
    ("", "months", 30 * DAY),
    ("w", "weeks", 7 * DAY),
    ("d", "days", DAY),
    ("h", "hours", HOUR),
    ("m", "minutes", MINUTE),
    ("s", "seconds", SECOND),
    ("ms", "milliseconds", 1),
];

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("a duration is a number and a unit, such as `15m`, `7d`, `7_years`, `P7Y`, or `forever`")]
    Malformed,
    #[error("a duration may not be longer than 1,000 years; `forever` says without end")]
    TooLong,
}

/// Milliseconds of a duration; `None` is `forever`.
pub fn parse_duration_ms(text: &str) -> Result<Option<u64>, DurationError> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("forever") {
        return Ok(None);
    }
    let ms = match text.strip_prefix('P') {
        Some(iso) => parse_iso(iso)?,
        None => parse_short(text)?,
    };
    if ms > LIMIT { Err(DurationError::TooLong) } else { Ok(Some(ms)) }
}

fn parse_short(text: &str) -> Result<u64, DurationError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError::Malformed)?;
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start_matches([' ', '_']);
    let found = UNITS.iter().find(|(short, long, _)| {
        !unit.is_empty() && (unit == *short || unit == *long || Some(unit) == long.strip_suffix('s'))
    });
    let (_, _, ms) = found.ok_or(DurationError::Malformed)?;
    times(number, *ms)
}

fn times(number: &str, unit: u64) -> Result<u64, DurationError> {
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DurationError::Malformed);
    }
    let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
    number.checked_mul(unit).ok_or(DurationError::TooLong)
}

/// ISO 8601: `P7Y`, `P1Y6M`, `P2W`, `PT15M`, `P1DT12H`. Whole numbers only.
fn parse_iso(text: &str) -> Result<u64, DurationError> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let in_date = iso_part(date, &[('Y', YEAR), ('M', 30 * DAY), ('W', 7 * DAY), ('D', DAY)])?;
    let in_time =
        time.map(|time| iso_part(time, &[('H', HOUR), ('M', MINUTE), ('S', SECOND)])).transpose()?;
    match (in_date, in_time) {
        (None, None | Some(None)) | (Some(_), Some(None)) => Err(DurationError::Malformed),
        (a, b) => a.unwrap_or(0).checked_add(b.flatten().unwrap_or(0)).ok_or(DurationError::TooLong),
    }
}

/// The sum of one half, or `None` when it is empty. Units must come in order, each at most once.
fn iso_part(mut text: &str, mut units: &[(char, u64)]) -> Result<Option<u64>, DurationError> {
    let mut sum: Option<u64> = None;
    while !text.is_empty() {
        let at = text.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError::Malformed)?;
        let letter = text[at..].chars().next().ok_or(DurationError::Malformed)?;
        let index = units.iter().position(|(unit, _)| *unit == letter).ok_or(DurationError::Malformed)?;
        let more = times(&text[..at], units[index].1)?;
        sum = Some(sum.unwrap_or(0).checked_add(more).ok_or(DurationError::TooLong)?);
        units = &units[index + 1..];
        text = &text[at + letter.len_utf8()..];
    }
    Ok(sum)
}

/// The shortest exact way to write a duration: `604800000` is `7d`, `90061000` is `90061s`.
pub fn show_duration_ms(ms: u64) -> String {
    let unit = UNITS.iter().filter(|(short, ..)| !short.is_empty() && *short != "w");
    let exact = unit.clone().find(|(_, _, size)| ms != 0 && ms.is_multiple_of(*size));
    exact.map_or_else(|| format!("{ms}ms"), |(short, _, size)| format!("{}{short}", ms / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar() {
        let cases = [
            ("15m", 15 * MINUTE),
            ("7d", 604_800_000),
            ("0s", 0),
            ("250ms", 250),
            ("2w", 14 * DAY),
            ("7_years", 7 * YEAR),
            ("1 year", YEAR),
            ("90_days", 90 * DAY),
            ("3_months", 90 * DAY),
            ("P7Y", 7 * YEAR),
            ("P1Y6M", YEAR + 180 * DAY),
            ("PT15M", 15 * MINUTE),
            ("P1DT12H", 36 * HOUR),
            ("1000y", LIMIT),
        ];
        for (text, ms) in cases {
            assert_eq!(parse_duration_ms(text), Ok(Some(ms)), "{text}");
        }
        assert_eq!(parse_duration_ms("forever"), Ok(None));
    }

    #[test]
    fn what_is_no_duration() {
        for text in [
            "", "7", "d", "-1d", "7 dayss", "1.5h", "P", "PT", "P1YT", "P1D1Y", "P1D1D", "PX", "P1", "٣d",
            "7é",
        ] {
            assert_eq!(parse_duration_ms(text), Err(DurationError::Malformed), "{text:?}");
        }
        for text in ["1001y", "99999999999999999999d", "18446744073709551615d", "P999999999999Y"] {
            assert_eq!(parse_duration_ms(text), Err(DurationError::TooLong), "{text}");
        }
    }

    #[test]
    fn shown_durations_read_back() {
        for ms in [0, 1, 999, SECOND, 90 * SECOND, 7 * DAY, YEAR, 90_061_000] {
            assert_eq!(parse_duration_ms(&show_duration_ms(ms)), Ok(Some(ms)));
        }
        assert_eq!(show_duration_ms(604_800_000), "7d");
    }
}
