//! JSON Schemas of every manifest kind, from the same types the decoder uses.

use crate::manifest::kind::{DATAMESH_GROUP, GOVERNANCE_GROUP, Kind, VERSION};
use crate::manifest::model;
use crate::manifest::shape::Shapes;
use schemars::generate::SchemaSettings;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of each kind, by the name of the kind. JSON Schema draft 2020-12.
pub fn json_schemas() -> BTreeMap<String, Json> {
    Kind::ALL.iter().map(|kind| (kind.name().to_owned(), document_schema(*kind))).collect()
}

/// One schema for every document, chosen by `kind`: what an editor is pointed at.
pub fn combined_schema() -> Json {
    let mut definitions = serde_json::Map::new();
    let mut options = Vec::new();
    for kind in Kind::ALL {
        let mut schema = document_schema(*kind);
        let Some(object) = schema.as_object_mut() else { continue };
        object.remove("$schema");
        // The types of all kinds share one set of names, so equal names mean equal definitions.
        if let Some(Json::Object(own)) = object.remove("$defs") {
            definitions.extend(own);
        }
        options.push(json!({ "$ref": format!("#/$defs/{}", kind.name()) }));
        definitions.insert(kind.name().to_owned(), schema);
    }
    json!({
        "$schema": DIALECT,
        "title": "datamesh manifest",
        "oneOf": options,
        "$defs": definitions,
    })
}

/// The compiled shape of a kind; made once a process.
pub(crate) fn shapes(kind: Kind) -> &'static Shapes {
    static ALL: [OnceLock<Shapes>; Kind::ALL.len()] = [const { OnceLock::new() }; Kind::ALL.len()];
    static NONE: OnceLock<Shapes> = OnceLock::new();
    let slot = ALL.get(kind as usize).unwrap_or(&NONE);
    slot.get_or_init(|| Shapes::compile(&generated(kind)))
}

/// What the types say; `apiVersion` and `kind` are any text there, since they were judged before.
fn generated(kind: Kind) -> Json {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let schema = match kind {
        Kind::DataProduct => generator.into_root_schema_for::<model::DataProduct>(),
        Kind::Domain => generator.into_root_schema_for::<model::Domain>(),
        Kind::Mesh => generator.into_root_schema_for::<model::Mesh>(),
        Kind::Moved => generator.into_root_schema_for::<model::Moved>(),
        Kind::Removed => generator.into_root_schema_for::<model::Removed>(),
        Kind::Import => generator.into_root_schema_for::<model::Import>(),
        Kind::AccessGrant => generator.into_root_schema_for::<model::AccessGrant>(),
        Kind::GovernancePolicy => generator.into_root_schema_for::<model::GovernancePolicy>(),
        Kind::PolicyWaiver => generator.into_root_schema_for::<model::PolicyWaiver>(),
    };
    schema.to_value()
}

fn document_schema(kind: Kind) -> Json {
    let mut schema = generated(kind);
    let Some(object) = schema.as_object_mut() else { return schema };
    let group = if kind.is_governance() { GOVERNANCE_GROUP } else { DATAMESH_GROUP };
    object.insert("title".to_owned(), json!(kind.name()));
    object.insert("description".to_owned(), json!(kind.summary()));
    if let Some(properties) = object.get_mut("properties").and_then(Json::as_object_mut) {
        // A company's own group is allowed beside ours, so the group is a default for editors, not a constant.
        let pattern = format!("^.+/{VERSION}$");
        let default = format!("{group}/{VERSION}");
        properties.insert(
            "apiVersion".to_owned(),
            json!({
                "type": "string",
                "description": "The API group and version of this format.",
                "anyOf": [{ "const": default }, { "pattern": pattern }],
                "default": default,
            }),
        );
        properties.insert("kind".to_owned(), json!({ "const": kind.name() }));
    }
    schema
}
