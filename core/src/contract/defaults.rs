//! Defaults, checked against their type and encoded the way Avro writes them.

use crate::contract::{ContractType, Element};
use jiff::civil::{Date, DateTime, Time};
use serde_json::Value;

/// The default in Avro's JSON encoding (Avro specification, "Complex Types: Records"), or why it does not fit.
pub(crate) fn encode(value: &Value, ty: &ContractType, required: bool) -> Result<Value, String> {
    if value.is_null() {
        return if required { Err("a required field is never null".into()) } else { Ok(Value::Null) };
    }
    of_type(value, ty)
}

fn of_type(value: &Value, ty: &ContractType) -> Result<Value, String> {
    let expected = |what: &str| Err(format!("{what} is expected"));
    match ty {
        ContractType::Boolean if value.is_boolean() => Ok(value.clone()),
        ContractType::Boolean => expected("`true` or `false`"),
        ContractType::Int => integer(value, i64::from(i32::MIN), i64::from(i32::MAX)),
        ContractType::Long => integer(value, i64::MIN, i64::MAX),
        ContractType::Float => float(value, f64::from(f32::MAX)),
        ContractType::Double => float(value, f64::MAX),
        ContractType::Decimal { precision, scale } => decimal(value, *precision, *scale),
        ContractType::String => {
            text(value, "a text (in quotes, where it looks like a number)").map(Value::from)
        }
        ContractType::Uuid => uuid(text(value, "a UUID as a text")?),
        ContractType::Binary => bytes_of_hex(value),
        ContractType::Enum(symbols) | ContractType::OneOf(symbols) => symbol(value, symbols),
        ContractType::Date => date(text(value, DATE)?),
        ContractType::Time => time(text(value, TIME)?),
        ContractType::Timestamp => timestamp(text(value, TIMESTAMP)?),
        ContractType::TimestampNtz => datetime(text(value, DATETIME)?),
        ContractType::Array(element) => array(value, element),
        ContractType::Map(entry) => map(value, &entry.0, &entry.1),
        ContractType::Struct(_) => Err("a struct has no default of its own: give its fields theirs".into()),
    }
}

const DATE: &str = "a date such as \"2026-01-31\"";
const TIME: &str = "a time such as \"13:30:00\"";
const TIMESTAMP: &str = "a time in UTC such as \"2026-01-31T13:30:00Z\"";
const DATETIME: &str = "a time without zone such as \"2026-01-31T13:30:00\"";

fn text<'a>(value: &'a Value, what: &str) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| format!("{what} is expected"))
}

fn integer(value: &Value, min: i64, max: i64) -> Result<Value, String> {
    match value.as_i64() {
        Some(number) if (min..=max).contains(&number) => Ok(number.into()),
        _ => Err(format!("a whole number from {min} to {max} is expected")),
    }
}

fn float(value: &Value, max: f64) -> Result<Value, String> {
    match value.as_f64() {
        Some(number) if number.abs() <= max => Ok(value.clone()),
        _ => Err("a finite number is expected".into()),
    }
}

fn symbol(value: &Value, symbols: &[String]) -> Result<Value, String> {
    // YAML reads `1` and `true` as something else than the text that stands among the values.
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if symbols.contains(&text) {
        Ok(text.into())
    } else {
        Err(format!("it is one of {}", symbols.join(", ")))
    }
}

fn uuid(text: &str) -> Result<Value, String> {
    let groups: Vec<&str> = text.split('-').collect();
    let shape = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]);
    if shape && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Ok(text.to_ascii_lowercase().into());
    }
    Err("a UUID such as \"6f1c1e0e-7d0b-4d6e-9a51-0c6ad2f2f1aa\" is expected".into())
}

fn date(text: &str) -> Result<Value, String> {
    let day: Date = text.parse().map_err(|_| format!("{DATE} is expected"))?;
    let epoch = Date::constant(1970, 1, 1);
    let days = epoch.until(day).map_err(|_| format!("{DATE} is expected"))?.get_days();
    Ok(days.into())
}

fn time(text: &str) -> Result<Value, String> {
    let time: Time = text.parse().map_err(|_| format!("{TIME} is expected"))?;
    Ok((time.duration_since(Time::midnight()).as_micros_i64()?).into())
}

fn timestamp(text: &str) -> Result<Value, String> {
    let at: jiff::Timestamp = text.parse().map_err(|_| format!("{TIMESTAMP} is expected"))?;
    Ok(at.as_microsecond().into())
}

fn datetime(text: &str) -> Result<Value, String> {
    // A civil time would be parsed out of a text with a zone as well, silently without it.
    if text.parse::<jiff::Timestamp>().is_ok() {
        return Err(format!("{DATETIME} is expected"));
    }
    let at: DateTime = text.parse().map_err(|_| format!("{DATETIME} is expected"))?;
    let since = at.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Ok(since.as_micros_i64()?.into())
}

trait Micros {
    fn as_micros_i64(&self) -> Result<i64, String>;
}

impl Micros for jiff::SignedDuration {
    fn as_micros_i64(&self) -> Result<i64, String> {
        i64::try_from(self.as_micros()).map_err(|_| "it is out of range".to_owned())
    }
}

/// Bytes are written as a text whose code points are the bytes.
fn bytes_text(bytes: &[u8]) -> Value {
    bytes.iter().map(|b| char::from(*b)).collect::<String>().into()
}

fn bytes_of_hex(value: &Value) -> Result<Value, String> {
    let what = "bytes in hexadecimal, such as \"0x1f8b\", are expected";
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x")).ok_or(what)?;
    let digits = digits.as_bytes();
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok().filter(|_| pair.len() == 2)?;
        u8::from_str_radix(text, 16).ok().filter(|_| pair[0] != b'+')
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
    Ok(bytes_text(&bytes.ok_or(what)?))
}

fn decimal(value: &Value, precision: u32, scale: u32) -> Result<Value, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err("a number, or a number in quotes, is expected".into()),
    };
    let unscaled = unscaled(&text, precision, scale)?;
    let bytes = unscaled.to_be_bytes();
    // The shortest two's complement: a leading byte goes when it only repeats the sign.
    let sign = if unscaled < 0 { 0xff } else { 0 };
    let mut from = 0;
    while from < 15 && bytes[from] == sign && (bytes[from + 1] ^ sign) & 0x80 == 0 {
        from += 1;
    }
    Ok(bytes_text(&bytes[from..]))
}

fn unscaled(text: &str, precision: u32, scale: u32) -> Result<i128, String> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let only_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !only_digits(whole) || !only_digits(fraction) {
        return Err("a plain decimal number such as \"12.50\" is expected".into());
    }
    let fraction = fraction.trim_end_matches('0');
    let missing = usize::try_from(scale).unwrap_or(usize::MAX).checked_sub(fraction.len());
    let Some(missing) = missing else {
        return Err(format!("it has more than {scale} digits after the point"));
    };
    let all = format!("{whole}{fraction}{}", "0".repeat(missing));
    let all = all.trim_start_matches('0');
    if all.len() > usize::try_from(precision).unwrap_or(usize::MAX) {
        return Err(format!("it has more than {precision} digits"));
    }
    let number: i128 =
        if all.is_empty() { 0 } else { all.parse().map_err(|_| "it is out of range".to_owned())? };
    Ok(sign * number)
}

fn array(value: &Value, element: &Element) -> Result<Value, String> {
    let items = value.as_array().ok_or("a list is expected")?;
    fixed(items.is_empty(), element)?;
    items.iter().map(|item| of_type(item, &element.ty)).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn map(value: &Value, key: &ContractType, element: &Element) -> Result<Value, String> {
    let entries = value.as_object().ok_or("a map is expected")?;
    if *key != ContractType::String {
        return if entries.is_empty() {
            Ok(Value::Array(Vec::new()))
        } else {
            Err("a map whose keys are no strings can only default to an empty one".into())
        };
    }
    fixed(entries.is_empty(), element)?;
    let entries = entries.iter().map(|(key, item)| Ok((key.clone(), of_type(item, &element.ty)?)));
    entries.collect::<Result<serde_json::Map<_, _>, String>>().map(Value::Object)
}

/// A default of a union is of its first branch, which for elements that may be null is null.
fn fixed(empty: bool, element: &Element) -> Result<(), String> {
    if empty || element.required {
        return Ok(());
    }
    Err("its elements may be null, so only an empty default is possible; or say `required: true` of them"
        .into())
}
