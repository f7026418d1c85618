//! One canonical text for whatever can be written as JSON, whatever order its keys come in, and digests over it.

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::ops::Range;
use std::rc::Rc;

/// The canonical text of a JSON value: keys sorted by bytes, no white space, serde_json's own numbers and escapes.
pub fn canonical_json(value: &Value) -> String {
    // A value can always be written, and memory takes it.
    canonical_text(value).unwrap_or_default()
}

/// The canonical text of anything that can be written as JSON, without a tree of it on the way: that would take many
/// times the memory of the text.
///
/// # Errors
/// It says of itself that it cannot be written.
pub fn canonical_text<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let written = write(value, Written::default())?;
    // JSON is UTF-8.
    Ok(String::from_utf8(written.bytes).unwrap_or_default())
}

/// The canonical text of an object behind bytes that are there already.
///
/// # Errors
/// It says of itself that it cannot be written.
pub fn append_canonical<T: Serialize + ?Sized>(
    bytes: Vec<u8>,
    value: &T,
) -> Result<Vec<u8>, serde_json::Error> {
    Ok(write(value, Written { bytes, ..Written::default() })?.bytes)
}

fn write<T: Serialize + ?Sized>(value: &T, into: Written) -> Result<Written, serde_json::Error> {
    let text = Text(Rc::new(RefCell::new(into)));
    value.serialize(&mut Serializer::with_formatter(text.clone(), text.clone()))?;
    Ok(text.0.take())
}

/// What is written so far: one handle writes, the other is told where objects and their entries begin and end.
#[derive(Clone)]
struct Text(Rc<RefCell<Written>>);

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    /// Objects that have not ended, outermost first.
    open: Vec<Object>,
    /// The entries of these objects, in the order they came.
    entries: Vec<Entry>,
    /// Where an object is put in order; kept for the next one.
    sorted: Vec<u8>,
    /// Where only a digest is wanted: what is in its final order goes there, and is not kept.
    digest: Option<Sha256>,
}

/// Where an object begins: its bracket, and the first of its entries.
struct Object {
    start: usize,
    first: usize,
}

struct Entry {
    /// With its quotation marks.
    key: Range<usize>,
    end: usize,
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Formatter for Text {
    fn begin_object<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        let mut text = self.0.borrow_mut();
        let (start, first) = (text.bytes.len(), text.entries.len());
        text.bytes.push(b'{');
        text.open.push(Object { start, first });
        Ok(())
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, _: &mut W, first: bool) -> io::Result<()> {
        let mut text = self.0.borrow_mut();
        if !first {
            text.bytes.push(b',');
        }
        let at = text.bytes.len();
        text.entries.push(Entry { key: at..at, end: at });
        Ok(())
    }

    fn end_object_key<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.borrow_mut().ends(|entry, at| entry.key.end = at);
        Ok(())
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.borrow_mut().ends(|entry, at| entry.end = at);
        Ok(())
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.borrow_mut().close();
        Ok(())
    }
}

impl Written {
    fn ends(&mut self, note: impl FnOnce(&mut Entry, usize)) {
        let at = self.bytes.len();
        // Objects inside have taken theirs away when they ended.
        if let Some(entry) = self.entries.last_mut() {
            note(entry, at);
        }
    }

    /// Ends the innermost object, with its entries in their order.
    fn close(&mut self) {
        let Some(Object { start, first }) = self.open.pop() else { return };
        let Self { bytes, entries, sorted, .. } = self;
        let own = &mut entries[first..];
        let key_of = |entry: &Entry| key(&bytes[entry.key.clone()]);
        if !own.is_sorted_by(|a, b| key_of(a) < key_of(b)) {
            // Stable, so that of a key that was written twice the last one is known.
            own.sort_by(|a, b| key_of(a).cmp(&key_of(b)));
            sorted.clear();
            for (at, entry) in own.iter().enumerate() {
                if own.get(at + 1).is_some_and(|next| key_of(next) == key_of(entry)) {
                    continue;
                }
                sorted.push(if sorted.is_empty() { b'{' } else { b',' });
                sorted.extend_from_slice(&bytes[entry.key.start..entry.end]);
            }
            bytes.truncate(start);
            bytes.extend_from_slice(sorted);
        }
        entries.truncate(first);
        self.bytes.push(b'}');
        if let Some(digest) = self.digest.as_mut().filter(|_| self.open.is_empty()) {
            digest.update(&self.bytes);
            self.bytes.clear();
        }
    }
}

/// A key by itself: escapes do not sort as what they stand for.
fn key(written: &[u8]) -> Cow<'_, [u8]> {
    let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
    match inner.contains(&b'\\') {
        false => Cow::Borrowed(inner),
        true => Cow::Owned(serde_json::from_slice::<String>(written).unwrap_or_default().into_bytes()),
    }
}

/// `sha256:<hex>` of the bytes.
pub fn digest(bytes: &[u8]) -> String {
    named(Sha256::new_with_prefix(bytes))
}

fn named(digest: Sha256) -> String {
    let mut text = String::from("sha256:");
    for byte in digest.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `sha256:<hex>` of the canonical text of what can always be written: maps with text for keys, and no more.
pub fn digest_json<T: Serialize + ?Sized>(value: &T) -> String {
    let into = Written { digest: Some(Sha256::new()), ..Written::default() };
    let Written { bytes, digest, .. } = write(value, into).unwrap_or_default();
    named(digest.unwrap_or_default().chain_update(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({"b": [{"z": 1, "a": null}], "a": "x\"\n"});
        assert_eq!(canonical_json(&value), r#"{"a":"x\"\n","b":[{"a":null,"z":1}]}"#);
    }

    #[test]
    fn keys_sort_as_what_they_stand_for_whatever_writes_them() {
        #[derive(Serialize)]
        struct Unsorted {
            z: BTreeMap<u32, Option<char>>,
            #[serde(rename = "a")]
            first: (f64, i8, ()),
            #[serde(flatten)]
            more: BTreeMap<&'static str, Vec<Value>>,
        }
        let text = canonical_text(&Unsorted {
            z: BTreeMap::from([(10, None), (9, Some('\u{1}'))]),
            first: (0.5, -1, ()),
            // Written, they begin with a backslash; `a!` is before `aa`, although a quotation mark is before both.
            more: BTreeMap::from([("\"", vec![]), ("aa", vec![json!({})]), ("a!", vec![]), ("\n", vec![])]),
        });
        let want = r#"{"\n":[],"\"":[],"a":[0.5,-1,null],"a!":[],"aa":[{}],"z":{"10":null,"9":"\u0001"}}"#;
        assert_eq!(text.expect("written"), want);
    }

    #[test]
    fn of_a_key_that_comes_twice_the_last_one_counts() {
        struct Twice;
        impl Serialize for Twice {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map([("b", 1), ("a", 2), ("b", 3), ("a", 4)])
            }
        }
        let tree = serde_json::to_value(Twice).expect("a value");
        assert_eq!(canonical_text(&Twice).expect("written"), canonical_json(&tree));
        assert_eq!(canonical_json(&tree), r#"{"a":4,"b":3}"#);
    }

    #[test]
    fn what_stands_before_a_text_stays() {
        let value = json!({"b": [{"z": 1, "a": 2}], "a": {}});
        let bytes = append_canonical(b"{\"c\": ".to_vec(), &value).expect("written");
        assert_eq!(String::from_utf8_lossy(&bytes), format!("{{\"c\": {}", canonical_json(&value)));
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let keys_that_are_none = BTreeMap::from([(vec![1], 1)]);
        assert!(canonical_text(&keys_that_are_none).is_err());
    }

    #[test]
    fn a_digest_is_that_of_the_text_whatever_was_kept_of_it() {
        for value in [
            json!("text"),
            json!({"b": {"d": 1, "c": []}, "a": [{}]}),
            json!([1, {"b": 1, "a": [{"d": 2, "c": 3}, 4]}, [[{"z": null}]], "end"]),
        ] {
            assert_eq!(digest_json(&value), digest(canonical_json(&value).as_bytes()), "{value}");
        }
    }

    #[test]
    fn digest_names_its_algorithm() {
        assert!(digest(b"").starts_with("sha256:e3b0c442"));
    }
}
