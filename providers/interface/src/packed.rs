//! Attributes at rest: the text of their JSON, and the tree of it only for who asks.

use crate::canonical::canonical_text;
use crate::object::Attributes;
use schemars::JsonSchema;
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use serde_json::{Map, Value};
use serde_transcode::Transcoder;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

/// Attributes that are kept: of every record and of every live object a plan holds some.
///
/// A map of a JSON tree takes over six hundred bytes, whatever it holds, so that the columns of a table take ten times
/// what their text does. This is the canonical text, the tree, or both: each is made from the other once it is asked
/// for, and then stays. [`Packed::decode`] reads the text without making the tree. Cheap to clone.
#[derive(Clone, JsonSchema)]
#[schemars(transparent)]
pub struct Packed(#[schemars(with = "Attributes")] Arc<Forms>);

/// Never is none of them there.
#[derive(Clone, Default)]
struct Forms {
    text: OnceLock<Box<str>>,
    tree: OnceLock<Attributes>,
}

impl Packed {
    /// What a type's struct says, without a tree on the way.
    ///
    /// # Errors
    /// It cannot be written as JSON, or not as a map.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        let text = canonical_text(value)?;
        if !text.starts_with('{') {
            return Err(ser::Error::custom(format!("attributes are a map, not {text}")));
        }
        Ok(Self(Arc::new(Forms { text: OnceLock::from(text.into_boxed_str()), tree: OnceLock::new() })))
    }

    /// What they are to a type's struct, or to a part of one.
    ///
    /// # Errors
    /// They have another shape.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match self.0.tree.get() {
            Some(tree) => T::deserialize(tree),
            None => serde_json::from_str(self.text()),
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.tree.get().map_or_else(|| self.text() == "{}", Attributes::is_empty)
    }

    /// The canonical text.
    pub fn text(&self) -> &str {
        // A map of JSON can always be written.
        self.0
            .text
            .get_or_init(|| canonical_text(self.0.tree.get_or_init(Map::new)).unwrap_or_default().into())
    }
}

/// The tree of a text, which was written from a map.
fn read(text: &str) -> Attributes {
    serde_json::from_str(text).unwrap_or_default()
}

impl Default for Packed {
    fn default() -> Self {
        Attributes::new().into()
    }
}

impl From<Attributes> for Packed {
    fn from(tree: Attributes) -> Self {
        Self(Arc::new(Forms { text: OnceLock::new(), tree: OnceLock::from(tree) }))
    }
}

impl FromIterator<(String, Value)> for Packed {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(entries: I) -> Self {
        Attributes::from_iter(entries).into()
    }
}

impl Deref for Packed {
    type Target = Attributes;

    fn deref(&self) -> &Attributes {
        self.0.tree.get_or_init(|| read(self.text()))
    }
}

/// What is changed is its own from then on, and a tree alone.
impl DerefMut for Packed {
    #[expect(clippy::expect_used, reason = "the line above has made it")]
    fn deref_mut(&mut self) -> &mut Attributes {
        let _tree: &Attributes = self;
        let Forms { text, tree } = Arc::make_mut(&mut self.0);
        text.take();
        tree.get_mut().expect("a tree")
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.text() == other.text()
    }
}

impl Eq for Packed {}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.tree.get() {
            Some(tree) => tree.serialize(serializer),
            None => {
                let mut text = serde_json::Deserializer::from_str(self.text());
                Transcoder::new(&mut text).serialize(serializer).map_err(ser::Error::custom)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::encode(&Transcoder::new(deserializer)).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree(value: Value) -> Attributes {
        serde_json::from_value(value).expect("a map")
    }

    fn parsed(text: &str) -> Packed {
        serde_json::from_str(text).expect("attributes")
    }

    #[test]
    fn text_and_tree_are_one() {
        let given = tree(json!({"b": [{"z": 1, "a": null}], "a": "x\"\n", "n": -7, "f": 0.5, "u": u64::MAX}));
        let packed = Packed::from(given.clone());
        let again = parsed(packed.text());
        assert_eq!(again, packed);
        assert_eq!(*again, given);
        assert_eq!(serde_json::to_value(&again).expect("a value"), Value::Object(given));
    }

    #[test]
    fn however_it_was_written_the_text_is_canonical() {
        let packed = parsed("{ \"b\": 1.0,\n \"a\": {\"d\": [], \"c\": \"\\u0041\"}, \"b\": 2 }");
        assert_eq!(packed.text(), r#"{"a":{"c":"A","d":[]},"b":2}"#);
        assert_eq!(serde_json::to_string(&packed).expect("written"), packed.text());
    }

    #[test]
    fn what_is_read_as_a_struct_stays_a_text() {
        #[derive(Deserialize)]
        struct Part {
            location: Option<String>,
        }
        let packed = parsed(r#"{"location":"s3://b/t","fields":[{}]}"#);
        let part: Part = packed.decode().expect("a part");
        assert_eq!(part.location.as_deref(), Some("s3://b/t"));
        assert!(packed.0.tree.get().is_none());
        assert!(packed.contains_key("fields") && packed.0.tree.get().is_some());
    }

    #[test]
    fn what_is_changed_is_changed_in_both_forms_and_nowhere_else() {
        let mut packed = parsed(r#"{"a":1}"#);
        let before = packed.clone();
        packed.insert("b".to_owned(), json!(2));
        assert_eq!((before.text(), packed.text()), (r#"{"a":1}"#, r#"{"a":1,"b":2}"#));
        packed.remove("a");
        assert_eq!(packed.text(), r#"{"b":2}"#);
        assert!(packed != before);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for text in ["[]", "1", "null", "\"{\"", "{\"a\":}", "{"] {
            assert!(serde_json::from_str::<Packed>(text).is_err(), "{text}");
        }
        assert!(Packed::encode(&[1]).is_err());
    }
}
