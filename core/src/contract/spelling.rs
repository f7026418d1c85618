//! How types are spelled: our words, and what people write in SQL.

use crate::contract::ContractType;

/// A type text taken apart. What `enum`, `array`, `map` and `struct` hold may be told by keys beside `type`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Spelled {
    Plain(ContractType),
    /// `decimal` without a precision.
    BareDecimal,
    Enum,
    /// `array`, or `array<int>`.
    Array(Option<Box<Spelled>>),
    /// `map`, or `map<string, int>`.
    Map(Option<Box<(Spelled, Spelled)>>),
    Struct,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SpellingError {
    Unknown { word: String },
    Decimal { why: &'static str },
    Precision,
    TooDeep,
}

/// Every word for a type that stands alone, ours first.
const WORDS: &[(&str, ContractType)] = &[
    ("string", ContractType::String),
    ("boolean", ContractType::Boolean),
    ("int", ContractType::Int),
    ("long", ContractType::Long),
    ("float", ContractType::Float),
    ("double", ContractType::Double),
    ("date", ContractType::Date),
    ("time", ContractType::Time),
    ("timestamp", ContractType::Timestamp),
    ("timestamp_ntz", ContractType::TimestampNtz),
    ("uuid", ContractType::Uuid),
    ("binary", ContractType::Binary),
    ("varchar", ContractType::String),
    ("char", ContractType::String),
    ("character", ContractType::String),
    ("character varying", ContractType::String),
    ("nvarchar", ContractType::String),
    ("varchar2", ContractType::String),
    ("text", ContractType::String),
    ("clob", ContractType::String),
    ("bool", ContractType::Boolean),
    ("tinyint", ContractType::Int),
    ("smallint", ContractType::Int),
    ("integer", ContractType::Int),
    ("int2", ContractType::Int),
    ("int4", ContractType::Int),
    ("int32", ContractType::Int),
    ("bigint", ContractType::Long),
    ("int8", ContractType::Long),
    ("int64", ContractType::Long),
    ("real", ContractType::Float),
    ("float4", ContractType::Float),
    ("float32", ContractType::Float),
    ("float8", ContractType::Double),
    ("float64", ContractType::Double),
    ("double precision", ContractType::Double),
    ("timestamptz", ContractType::Timestamp),
    ("timestamp_tz", ContractType::Timestamp),
    ("timestamp_ltz", ContractType::Timestamp),
    ("timestamp with time zone", ContractType::Timestamp),
    ("timestamp with local time zone", ContractType::Timestamp),
    ("timestamp without time zone", ContractType::TimestampNtz),
    ("datetime", ContractType::TimestampNtz),
    ("time without time zone", ContractType::Time),
    ("guid", ContractType::Uuid),
    ("uniqueidentifier", ContractType::Uuid),
    ("bytes", ContractType::Binary),
    ("blob", ContractType::Binary),
    ("bytea", ContractType::Binary),
    ("varbinary", ContractType::Binary),
];

const DECIMALS: &[&str] = &["decimal", "numeric", "dec", "number"];
const SHAPES: &[&str] = &["enum", "array", "map", "struct"];

/// What a "did you mean" may offer.
pub(crate) fn known_words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(word, _)| *word).chain(DECIMALS.iter().copied()).chain(SHAPES.iter().copied())
}

/// The words of the manifest format itself, for help texts.
pub(crate) const OUR_WORDS: &str = "string, boolean, int, long, float, double, decimal(p,s), date, time, \
                                    timestamp, timestamp_ntz, uuid, binary, enum, array, map, struct";

/// Takes a type text apart; `levels` bounds how deep `array<array<…>>` may go.
pub(crate) fn parse(text: &str, levels: usize) -> Result<Spelled, SpellingError> {
    if levels == 0 {
        return Err(SpellingError::TooDeep);
    }
    let lower = text.trim().to_ascii_lowercase();
    if let Some(inner) = angle(&lower, "array") {
        return Ok(Spelled::Array(Some(Box::new(parse(inner, levels - 1)?))));
    }
    if let Some(inner) = angle(&lower, "map") {
        let (key, value) = split_at_comma(inner).ok_or_else(|| unknown(text))?;
        return Ok(Spelled::Map(Some(Box::new((parse(key, levels - 1)?, parse(value, levels - 1)?)))));
    }
    match lower.as_str() {
        "enum" => return Ok(Spelled::Enum),
        "array" => return Ok(Spelled::Array(None)),
        "map" => return Ok(Spelled::Map(None)),
        "struct" => return Ok(Spelled::Struct),
        _ => {}
    }
    let (word, arguments) = split_arguments(&lower).ok_or_else(|| unknown(text))?;
    if DECIMALS.contains(&word.as_str()) {
        return decimal(arguments);
    }
    let found = WORDS.iter().find(|(known, _)| *known == word).ok_or_else(|| unknown(text))?;
    plain(&found.1, arguments).map(Spelled::Plain).ok_or(SpellingError::Precision)
}

fn unknown(text: &str) -> SpellingError {
    let word = text.split(['(', '<']).next().unwrap_or(text);
    SpellingError::Unknown { word: word.trim().to_owned() }
}

/// What stands between the angle brackets of `array<…>`.
fn angle<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.strip_prefix(word)?.trim_start().strip_prefix('<')?.strip_suffix('>')
}

/// Cuts `string, array<int>` at the comma that is in no bracket.
fn split_at_comma(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// `varchar(20)` → `varchar`, `20`; `timestamp(6) with time zone` → `timestamp with time zone`, `6`.
fn split_arguments(text: &str) -> Option<(String, Option<&str>)> {
    let Some((before, rest)) = text.split_once('(') else {
        return Some((single_spaces(text), None));
    };
    let (inside, after) = rest.split_once(')')?;
    Some((single_spaces(&format!("{before} {after}")), Some(inside.trim())))
}

fn single_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A length of a text says nothing here; a precision of a time may be at most microseconds.
fn plain(ty: &ContractType, arguments: Option<&str>) -> Option<ContractType> {
    let Some(arguments) = arguments else { return Some(ty.clone()) };
    let number: u32 = arguments.parse().ok()?;
    let fits = match ty {
        ContractType::String | ContractType::Binary => number > 0,
        ContractType::Time | ContractType::Timestamp | ContractType::TimestampNtz => number <= 6,
        _ => false,
    };
    fits.then(|| ty.clone())
}

fn decimal(arguments: Option<&str>) -> Result<Spelled, SpellingError> {
    let Some(arguments) = arguments else { return Ok(Spelled::BareDecimal) };
    let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
    let numbers = precision.trim().parse::<u32>().ok().zip(scale.trim().parse::<u32>().ok());
    let Some((precision, scale)) = numbers else {
        return Err(SpellingError::Decimal { why: "precision and scale are whole numbers" });
    };
    if !(1..=38).contains(&precision) {
        return Err(SpellingError::Decimal { why: "the precision is between 1 and 38 digits" });
    }
    if scale > precision {
        return Err(SpellingError::Decimal { why: "the scale cannot be larger than the precision" });
    }
    Ok(Spelled::Plain(ContractType::Decimal { precision, scale }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synonyms_mean_our_types() {
        let cases = [
            ("VARCHAR(20)", ContractType::String),
            ("BIGINT", ContractType::Long),
            ("Double  Precision", ContractType::Double),
            ("timestamp(6) with time zone", ContractType::Timestamp),
            ("NUMERIC(12)", ContractType::Decimal { precision: 12, scale: 0 }),
            ("decimal(10, 2)", ContractType::Decimal { precision: 10, scale: 2 }),
            ("DATETIME", ContractType::TimestampNtz),
        ];
        for (text, ty) in cases {
            assert_eq!(parse(text, 9), Ok(Spelled::Plain(ty)), "{text}");
        }
        assert_eq!(parse("NUMBER", 9), Ok(Spelled::BareDecimal));
        let nested = Spelled::Array(Some(Box::new(Spelled::Plain(ContractType::Int))));
        assert_eq!(parse("ARRAY<INT>", 9), Ok(nested));
        assert!(matches!(parse("map<string, array<int>>", 9), Ok(Spelled::Map(Some(_)))));
    }

    #[test]
    fn what_is_no_type() {
        for text in ["", "strin", "int(3", "map<int>", "array<>", "varchar(x)x"] {
            assert!(matches!(parse(text, 9), Err(SpellingError::Unknown { .. })), "{text:?}");
        }
        for text in ["decimal(39,2)", "decimal(0)", "decimal(4,5)", "decimal(a)", "decimal(1,2,3)"] {
            assert!(matches!(parse(text, 9), Err(SpellingError::Decimal { .. })), "{text}");
        }
        for text in ["timestamp(9)", "int(11)", "varchar(0)", "varchar(max)"] {
            assert_eq!(parse(text, 9), Err(SpellingError::Precision), "{text}");
        }
        let deep = format!("{}int{}", "array<".repeat(10_000), ">".repeat(10_000));
        assert_eq!(parse(&deep, 32), Err(SpellingError::TooDeep));
    }
}
