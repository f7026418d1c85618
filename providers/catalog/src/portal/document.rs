//! The document of one entity: a published format.

use crate::{CatalogDomain, CatalogLineage, CatalogProduct};
use datamesh_provider::{Attributes, LiveObject, ObjectId, Packed, Resource, TypeName, digest_json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Raised when the shape changes; older ones are read.
const FORMAT: u32 = 1;

/// One entity as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document {
    pub(super) ty: TypeName,
    pub(super) id: ObjectId,
    /// Drawn when the document is made: tells it from a later one of the same id.
    pub(super) incarnation: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) attributes: Attributes,
    /// Whether somebody wrote in it by hand since we did.
    pub(super) edited: bool,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    format: u32,
    #[serde(rename = "type")]
    ty: TypeName,
    id: ObjectId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incarnation: Option<String>,
    #[serde(rename = "datamesh.owner", default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    attributes: Attributes,
    /// Of the attributes in canonical form.
    #[serde(default)]
    digest: String,
}

impl Document {
    /// Reads the content of a file. The error says what is wrong with it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => return Err(format!("it has format {format}, and this program knows {FORMAT}")),
            None => return Err("it is no document of this catalog: it has no `format`".to_owned()),
        }
        let wire: Wire = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let edited = wire.digest != digest(&wire.attributes);
        let (ty, id, incarnation, owner) = (wire.ty, wire.id, wire.incarnation, wire.owner);
        Ok(Self { ty, id, incarnation, owner, attributes: wire.attributes, edited })
    }

    /// The content of its file: canonical, indented, with a line break at the end.
    pub(super) fn encode(&self) -> Vec<u8> {
        let wire = Wire {
            format: FORMAT,
            ty: self.ty.clone(),
            id: self.id.clone(),
            incarnation: self.incarnation.clone(),
            owner: self.owner.clone(),
            attributes: self.attributes.clone(),
            digest: digest(&self.attributes),
        };
        let value = sorted(serde_json::to_value(wire).unwrap_or_default());
        format!("{value:#}\n").into_bytes()
    }

    /// What the entity is: its known attributes as far as they have the right shape. Anything else somebody
    /// wrote by hand; it is no attribute of ours, and is kept when we write.
    pub(super) fn live(&self) -> LiveObject {
        LiveObject {
            id: self.id.clone(),
            incarnation: self.incarnation.clone(),
            attributes: self.known().into(),
            computed: Packed::from_iter([("digest".to_owned(), json!(digest(&self.attributes)))]),
            owner: self.owner.clone(),
        }
    }

    fn known(&self) -> Attributes {
        let known = |key: &String, value: &Value| {
            let alone = Attributes::from_iter([(key.clone(), value.clone())]);
            match self.ty.as_str() {
                CatalogDomain::NAME => fits::<CatalogDomain>(alone),
                CatalogProduct::NAME => fits::<CatalogProduct>(alone),
                CatalogLineage::NAME => fits::<CatalogLineage>(alone),
                _ => false,
            }
        };
        let kept = self.attributes.iter().filter(|(key, value)| known(key, value));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

fn fits<R: Resource>(alone: Attributes) -> bool {
    serde_json::from_value::<R::Attrs>(Value::Object(alone)).is_ok()
}

fn digest(attributes: &Attributes) -> String {
    digest_json(&Value::Object(attributes.clone()))
}

/// The same value with its keys in order at every depth, whatever map the JSON crate was built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<(String, Value)> = map.into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            pairs.into_iter().map(|(key, value)| (key, sorted(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        Document {
            ty: TypeName::new("catalog_domain"),
            id: ObjectId::new("orders"),
            incarnation: Some("00ff".into()),
            owner: Some("lineage/orders:catalog_domain.self".into()),
            attributes: json!({"owner": "o", "name": "orders"}).as_object().cloned().expect("a map"),
            edited: false,
        }
    }

    /// The format is published: this text may only change together with `FORMAT`.
    const FROZEN: &str = r#"{
  "attributes": {
    "name": "orders",
    "owner": "o"
  },
  "datamesh.owner": "lineage/orders:catalog_domain.self",
  "digest": "sha256:0dbc63e5275c359db8e64322945eaf77d7b7292b12b70d9f4cc2f41c1fb4ab37",
  "format": 1,
  "id": "orders",
  "incarnation": "00ff",
  "type": "catalog_domain"
}
"#;

    #[test]
    fn the_format_is_frozen_and_reads_back() {
        let text = String::from_utf8(document().encode()).expect("text");
        assert_eq!(text, FROZEN);
        assert_eq!(Document::decode(text.as_bytes()), Ok(document()));
    }

    #[test]
    fn an_edit_by_hand_shows_and_what_does_not_fit_is_kept_apart() {
        let text = FROZEN.replace("\"o\"", "\"x\", \"aliases\": 7, \"stars\": 5");
        let found = Document::decode(text.as_bytes()).expect("decodes");
        assert!(found.edited);
        assert_eq!(found.live().attributes.text(), r#"{"name":"orders","owner":"x"}"#);
        assert_eq!(found.attributes.len(), 4);
        assert_ne!(found.live().computed, document().live().computed);
    }

    #[test]
    fn what_is_no_document_is_told() {
        for (text, words) in [
            ("{", "no JSON"),
            ("[]", "no `format`"),
            ("{\"format\": 9}", "format 9"),
            ("{\"format\": 1}", "missing field"),
        ] {
            let error = Document::decode(text.as_bytes()).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
