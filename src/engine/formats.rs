//! JSON Schemas of what the program keeps: for whoever reads it with other tools. The decoders are of the same types.

use super::plan_file::{PLAN_FORMAT, PlanFile};
use datamesh_state::{AUDIT_FORMAT, AuditRecord, FORMAT, JOURNAL_FORMAT, Journal, Shard};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The schema of each format, by its name. JSON Schema draft 2020-12.
pub fn format_schemas() -> BTreeMap<String, Value> {
    let shard = "One domain of one environment: what the tool owns there, and what it is doing. `state pull` prints it.";
    let plan = "A saved plan, as `plan --out` writes it where nothing is encrypted.";
    let record = "An audit record, as `audit export` prints it beside its name.";
    let journal = "What a run knew and could not store, for `recover`.";
    BTreeMap::from([
        ("State".to_owned(), schema::<Shard>("State", shard, FORMAT, Some("checksum"))),
        ("Plan".to_owned(), schema::<PlanFile>("Plan", plan, u64::from(PLAN_FORMAT), Some("_checksum"))),
        ("AuditRecord".to_owned(), schema::<AuditRecord>("AuditRecord", record, AUDIT_FORMAT, None)),
        ("Journal".to_owned(), schema::<Journal>("Journal", journal, JOURNAL_FORMAT, None)),
    ])
}

fn schema<T: JsonSchema>(name: &str, about: &str, format: u64, checksum: Option<&str>) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    let Some(object) = schema.as_object_mut() else { return schema };
    object.insert("title".to_owned(), json!(name));
    object.insert("description".to_owned(), json!(about));
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("format".to_owned(), json!({ "const": format }));
        if let Some(key) = checksum {
            let about = "Of the file: the SHA-256 of the same document without this key.";
            let digest =
                json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$", "description": about });
            properties.insert(key.to_owned(), digest);
        }
    }
    schema
}
