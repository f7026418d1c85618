//! Partition and sort transforms, as the table specification names them.

use crate::types::{Primitive, Type};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transform {
    Identity,
    Bucket(u32),
    Truncate(u32),
    Year,
    Month,
    Day,
    Hour,
    /// What this version does not know (`void` among them): kept as the catalog wrote it.
    Other(String),
}

impl Transform {
    pub(crate) fn parse(text: &str) -> Self {
        let lean: String =
            text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        let number = |name: &str| -> Option<u32> {
            let inner = lean.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
            inner.parse().ok().filter(|n| *n > 0 && i32::try_from(*n).is_ok())
        };
        match lean.as_str() {
            "identity" => Self::Identity,
            "year" => Self::Year,
            "month" => Self::Month,
            "day" => Self::Day,
            "hour" => Self::Hour,
            _ => number("bucket")
                .map(Self::Bucket)
                .or_else(|| number("truncate").map(Self::Truncate))
                .unwrap_or_else(|| Self::Other(text.trim().to_owned())),
        }
    }

    pub(crate) fn is_void(&self) -> bool {
        matches!(self, Self::Other(text) if text.eq_ignore_ascii_case("void"))
    }

    /// Whether values of the type can go through the transform (table specification, "Partition Transforms").
    pub(crate) fn fits(&self, ty: &Type) -> bool {
        let Type::Primitive(ty) = ty else { return false };
        match self {
            Self::Identity => !matches!(ty, Primitive::Other(_)),
            Self::Bucket(_) => {
                !matches!(ty, Primitive::Boolean | Primitive::Float | Primitive::Double | Primitive::Other(_))
            }
            Self::Truncate(_) => matches!(
                ty,
                Primitive::Int
                    | Primitive::Long
                    | Primitive::Decimal { .. }
                    | Primitive::String
                    | Primitive::Binary
            ),
            Self::Year | Self::Month | Self::Day => *ty == Primitive::Date || ty.is_timestamp(),
            Self::Hour => ty.is_timestamp(),
            Self::Other(_) => false,
        }
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::Bucket(n) => write!(f, "bucket[{n}]"),
            Self::Truncate(n) => write!(f, "truncate[{n}]"),
            Self::Year => f.write_str("year"),
            Self::Month => f.write_str("month"),
            Self::Day => f.write_str("day"),
            Self::Hour => f.write_str("hour"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Serialize for Transform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Transform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_have_one_spelling() {
        for (text, canonical) in [
            ("Bucket[16]", "bucket[16]"),
            ("bucket[ 16 ]", "bucket[16]"),
            ("DAY", "day"),
            ("truncate[4]", "truncate[4]"),
            ("bucket[0]", "bucket[0]"),
            ("bucket[x]", "bucket[x]"),
        ] {
            assert_eq!(Transform::parse(text).to_string(), canonical);
        }
        assert!(matches!(Transform::parse("bucket[0]"), Transform::Other(_)));
        assert!(Transform::parse("void").is_void());
    }

    #[test]
    fn transforms_fit_the_types_of_the_specification() {
        let fits = |transform: &str, ty: &str| {
            Transform::parse(transform).fits(&Type::Primitive(Primitive::parse(ty)))
        };
        assert!(fits("day", "timestamptz") && fits("day", "date") && !fits("day", "string"));
        assert!(fits("hour", "timestamp") && !fits("hour", "date"));
        assert!(fits("bucket[4]", "uuid") && !fits("bucket[4]", "double"));
        assert!(fits("truncate[4]", "decimal(9,2)") && !fits("truncate[4]", "uuid"));
        assert!(fits("identity", "boolean") && !fits("void", "int"));
        assert!(!Transform::Identity.fits(&Type::Struct(Vec::new())));
    }
}
