//! One canonical text for a JSON value, whatever order its keys were written in, and digests over it.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The canonical text of a JSON value: keys sorted by bytes, no white space, serde_json's own numbers and escapes.
pub fn canonical_json(value: &Value) -> String {
    let mut out = Vec::new();
    write_value(value, &mut out);
    // JSON is UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            // Sorted already, unless serde_json is built to keep the order in which they came.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
            write_sequence(b'{', b'}', entries, out, |(key, value), out| {
                write_scalar(key, out);
                out.push(b':');
                write_value(value, out);
            });
        }
        Value::Array(items) => write_sequence(b'[', b']', items, out, write_value),
        scalar => write_scalar(scalar, out),
    }
}

fn write_scalar(scalar: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    // Neither writing to memory nor a scalar can fail.
    let _ = serde_json::to_writer(out, scalar);
}

fn write_sequence<T>(
    open: u8,
    close: u8,
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    each: impl Fn(T, &mut Vec<u8>),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        each(item, out);
    }
    out.push(close);
}

/// `sha256:<hex>` of the bytes.
pub fn digest(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `sha256:<hex>` of the canonical text.
pub fn digest_json(value: &Value) -> String {
    digest(canonical_json(value).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({"b": [{"z": 1, "a": null}], "a": "x\"\n"});
        assert_eq!(canonical_json(&value), r#"{"a":"x\"\n","b":[{"a":null,"z":1}]}"#);
    }

    #[test]
    fn digest_names_its_algorithm() {
        assert!(digest(b"").starts_with("sha256:e3b0c442"));
    }
}
