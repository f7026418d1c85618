//! Canonical attributes, creation defaults, and the managed part, for any entity.

use crate::tree;
use datamesh_provider::Attributes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What is asked of every entity of a mesh at each run, answered without writing its attributes out as a tree.
pub(super) trait Entity: Serialize + DeserializeOwned {
    /// The required attributes that are absent or blank.
    fn lacks(&self) -> Vec<&'static str>;

    /// Whether it is certain that there is no map without content outside of lists.
    fn is_tidy(&self) -> bool {
        true
    }
}

/// The attributes as a map. They are maps with text keys, so that this cannot fail.
pub(crate) fn encode<A: Serialize>(attrs: &A) -> Attributes {
    match serde_json::to_value(attrs) {
        Ok(Value::Object(map)) => map,
        _ => Attributes::new(),
    }
}

/// The attributes of a map that was made from such attributes; `otherwise` if the map is not one.
fn decode<A: DeserializeOwned>(map: Attributes, otherwise: A) -> A {
    serde_json::from_value(Value::Object(map)).unwrap_or(otherwise)
}

/// A map without content manages nothing, so it is left out.
pub(super) fn normalize<A: Entity>(attrs: A) -> A {
    if attrs.is_tidy() {
        return attrs;
    }
    let mut map = encode(&attrs);
    if tree::tidy(&mut map) { decode(map, attrs) } else { attrs }
}

pub(super) fn fill<A: Serialize + DeserializeOwned>(declared: A, on_create: &A) -> A {
    decode(tree::fill(&encode(&declared), &encode(on_create)), declared)
}

pub(super) fn managed<A: Serialize + DeserializeOwned + Clone>(live: &A, like: &A) -> A {
    decode(tree::managed(&encode(live), &encode(like)), live.clone())
}
