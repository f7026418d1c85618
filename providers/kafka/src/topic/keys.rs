//! The configs a topic has in Apache Kafka 3.x and 4.x, and how each value is written.
//!
//! Brokers answer values as text, and tell no type. The kinds here follow the topic configs of Kafka's own
//! documentation; a key that is not here belongs to a vendor or a newer broker, and compares as text.

use datamesh_provider::parse_duration_ms;
use std::collections::BTreeSet;

/// How the values of a key are written, and so when two of them are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number.
    Long,
    /// Milliseconds; `forever` stands for this number.
    Millis {
        forever: &'static str,
    },
    /// A number of bytes, also written `512KiB` or `1GB`.
    Bytes,
    Bool,
    Double,
    /// Names with commas between them, in any order.
    List,
    /// One of a few words.
    Word,
}

const MAX: &str = "9223372036854775807";
const MILLIS: Kind = Kind::Millis { forever: MAX };
const RETENTION: Kind = Kind::Millis { forever: "-1" };

/// Sorted by key.
const KEYS: &[(&str, Kind)] = &[
    ("cleanup.policy", Kind::List),
    ("compression.gzip.level", Kind::Long),
    ("compression.lz4.level", Kind::Long),
    ("compression.type", Kind::Word),
    ("compression.zstd.level", Kind::Long),
    ("delete.retention.ms", MILLIS),
    ("file.delete.delay.ms", MILLIS),
    ("flush.messages", Kind::Long),
    ("flush.ms", MILLIS),
    ("follower.replication.throttled.replicas", Kind::List),
    ("index.interval.bytes", Kind::Bytes),
    ("leader.replication.throttled.replicas", Kind::List),
    ("local.retention.bytes", Kind::Bytes),
    ("local.retention.ms", RETENTION),
    ("max.compaction.lag.ms", MILLIS),
    ("max.message.bytes", Kind::Bytes),
    ("message.downconversion.enable", Kind::Bool),
    ("message.format.version", Kind::Word),
    ("message.timestamp.after.max.ms", MILLIS),
    ("message.timestamp.before.max.ms", MILLIS),
    ("message.timestamp.difference.max.ms", MILLIS),
    ("message.timestamp.type", Kind::Word),
    ("min.cleanable.dirty.ratio", Kind::Double),
    ("min.compaction.lag.ms", MILLIS),
    ("min.insync.replicas", Kind::Long),
    ("preallocate", Kind::Bool),
    ("remote.log.copy.disable", Kind::Bool),
    ("remote.log.delete.on.disable", Kind::Bool),
    ("remote.storage.enable", Kind::Bool),
    ("retention.bytes", Kind::Bytes),
    ("retention.ms", RETENTION),
    ("segment.bytes", Kind::Bytes),
    ("segment.index.bytes", Kind::Bytes),
    ("segment.jitter.ms", MILLIS),
    ("segment.ms", MILLIS),
    ("unclean.leader.election.enable", Kind::Bool),
];

const BYTE_UNITS: &[(&str, i64)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

pub(crate) fn kind(key: &str) -> Option<Kind> {
    let at = KEYS.binary_search_by(|(name, _)| (*name).cmp(key)).ok()?;
    KEYS.get(at).map(|(_, kind)| *kind)
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> + Clone {
    KEYS.iter().map(|(name, _)| *name)
}

impl Kind {
    /// What a value of this kind looks like, to end the sentence "it wants …".
    pub(crate) fn wants(self) -> &'static str {
        match self {
            Self::Long => "a whole number",
            Self::Millis { .. } => "milliseconds or a duration such as `7d`, or `forever`",
            Self::Bytes => "a number of bytes, such as `1048576` or `1MiB`",
            Self::Bool => "`true` or `false`",
            Self::Double => "a number such as `0.5`",
            Self::List => "names with commas between them",
            Self::Word => "one word",
        }
    }

    /// The one way to write this value; `None` when it is no value of this kind.
    pub(crate) fn canonical(self, text: &str) -> Option<String> {
        let text = text.trim();
        match self {
            Self::Long => text.parse::<i64>().ok().map(|n| n.to_string()),
            Self::Millis { forever } => millis(text, forever),
            Self::Bytes => bytes(text).map(|n| n.to_string()),
            Self::Bool => {
                let lower = text.to_ascii_lowercase();
                matches!(lower.as_str(), "true" | "false").then_some(lower)
            }
            Self::Double => text.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n.to_string()),
            Self::List => {
                let items: BTreeSet<&str> =
                    text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
                Some(items.into_iter().collect::<Vec<_>>().join(","))
            }
            Self::Word => Some(text.to_owned()).filter(|word| !word.is_empty()),
        }
    }
}

fn millis(text: &str, forever: &str) -> Option<String> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.to_string());
    }
    parse_duration_ms(text).ok().map(|ms| ms.map_or_else(|| forever.to_owned(), |ms| ms.to_string()))
}

fn bytes(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number);
    }
    let (unit, size) = BYTE_UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number = text.strip_suffix(unit)?.trim_end();
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    number.parse::<i64>().ok().filter(|_| digits)?.checked_mul(*size)
}

/// The value of `key` in its one form. What is no value of its key, or no key we know, is only trimmed.
pub(crate) fn canonical(key: &str, value: &str) -> String {
    let known = kind(key).and_then(|kind| kind.canonical(value));
    known.unwrap_or_else(|| value.trim().to_owned())
}

/// What Kafka itself takes for a key that decides how long records live, when neither topic nor broker says
/// anything.
pub(crate) fn built_in(key: &str) -> Option<&'static str> {
    match key {
        "cleanup.policy" => Some("delete"),
        "retention.ms" => Some("604800000"),
        "retention.bytes" => Some("-1"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(KEYS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn equal_values_have_one_form() {
        let cases = [
            ("retention.ms", "7d", "604800000"),
            ("retention.ms", " 604800000 ", "604800000"),
            ("retention.ms", "forever", "-1"),
            ("retention.ms", "-1", "-1"),
            ("flush.ms", "forever", MAX),
            ("segment.bytes", "1GiB", "1073741824"),
            ("segment.bytes", "64 MB", "64000000"),
            ("retention.bytes", "-1", "-1"),
            ("preallocate", "TRUE", "true"),
            ("min.cleanable.dirty.ratio", "0.50", "0.5"),
            ("min.cleanable.dirty.ratio", "1.0", "1"),
            ("cleanup.policy", " delete , compact ", "compact,delete"),
            ("cleanup.policy", "", ""),
            ("min.insync.replicas", "02", "2"),
            ("vendor.key", "  a, b ", "a, b"),
        ];
        for (key, value, want) in cases {
            assert_eq!(canonical(key, value), want, "{key}={value}");
        }
    }

    #[test]
    fn what_is_no_value_of_its_kind() {
        let cases = [
            (Kind::Long, "1.5"),
            (Kind::Long, ""),
            (RETENTION, "7 dayss"),
            (Kind::Bytes, "1XB"),
            (Kind::Bytes, "-1KiB"),
            (Kind::Bytes, "KiB"),
            (Kind::Bytes, "9999999TiB"),
            (Kind::Bool, "yes"),
            (Kind::Double, "NaN"),
            (Kind::Word, " "),
        ];
        for (kind, value) in cases {
            assert_eq!(kind.canonical(value), None, "{kind:?} {value:?}");
        }
    }
}
