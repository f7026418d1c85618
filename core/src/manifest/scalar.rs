//! What a plain scalar means: the core schema of YAML 1.2 (section 10.3.2).

/// The meaning of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Resolved<'t> {
    Null,
    Bool(bool),
    /// Whole numbers beyond 128 bits are text to us; no key takes one.
    Integer(i128),
    Float(f64),
    Text(&'t str),
}

impl<'t> Resolved<'t> {
    pub(crate) fn of(text: &'t str, plain: bool) -> Self {
        if !plain {
            return Self::Text(text);
        }
        match text.as_bytes().first() {
            None => Self::Null,
            Some(b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F') => Self::word(text),
            Some(b'0'..=b'9' | b'+' | b'-' | b'.') => Self::number(text),
            Some(_) => Self::Text(text),
        }
    }

    fn word(text: &'t str) -> Self {
        match text {
            "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            _ => Self::Text(text),
        }
    }

    fn number(text: &'t str) -> Self {
        let radix = |digits: &str, radix| {
            let clean = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
            clean.then(|| i128::from_str_radix(digits, radix).ok()).flatten()
        };
        if let Some(digits) = text.strip_prefix("0o") {
            return radix(digits, 8).map_or(Self::Text(text), Self::Integer);
        }
        if let Some(digits) = text.strip_prefix("0x") {
            return radix(digits, 16).map_or(Self::Text(text), Self::Integer);
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().map_or(Self::Text(text), Self::Integer);
        }
        // Infinities and NaN stay text: no key takes them, and JSON cannot carry them.
        match is_float(unsigned).then(|| text.parse::<f64>()) {
            Some(Ok(value)) if value.is_finite() => Self::Float(value),
            _ => Self::Text(text),
        }
    }
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let some = !whole.is_empty() || !fraction.is_empty();
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    some && digits(whole) && digits(fraction) && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let cases = [
            ("", Resolved::Null),
            ("~", Resolved::Null),
            ("null", Resolved::Null),
            ("true", Resolved::Bool(true)),
            ("FALSE", Resolved::Bool(false)),
            ("yes", Resolved::Text("yes")),
            ("off", Resolved::Text("off")),
            ("0", Resolved::Integer(0)),
            ("-7", Resolved::Integer(-7)),
            ("+7", Resolved::Integer(7)),
            ("010", Resolved::Integer(10)),
            ("0o10", Resolved::Integer(8)),
            ("0xff", Resolved::Integer(255)),
            ("0x", Resolved::Text("0x")),
            ("0x-1", Resolved::Text("0x-1")),
            ("1_000", Resolved::Text("1_000")),
            ("1.0", Resolved::Float(1.0)),
            (".5", Resolved::Float(0.5)),
            ("1e3", Resolved::Float(1000.0)),
            ("1e", Resolved::Text("1e")),
            (".", Resolved::Text(".")),
            ("-", Resolved::Text("-")),
            ("1.2.3", Resolved::Text("1.2.3")),
            ("99.9%", Resolved::Text("99.9%")),
            ("2026-01-01", Resolved::Text("2026-01-01")),
            (".inf", Resolved::Text(".inf")),
            ("1e999", Resolved::Text("1e999")),
            ("127.0.0.1:9092", Resolved::Text("127.0.0.1:9092")),
        ];
        for (text, meaning) in cases {
            assert_eq!(Resolved::of(text, true), meaning, "{text:?}");
            assert_eq!(Resolved::of(text, false), Resolved::Text(text), "quoted {text:?}");
        }
    }
}
