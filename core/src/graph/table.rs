//! Iceberg ports: tables.

use crate::contract::{Contract, pii_word, protection_word, table_name};
use crate::graph::codes;
use crate::graph::draft::{Draft, NamespaceUse, Part};
use crate::graph::ports::{self, Port};
use crate::graph::systems;
use datamesh_provider::{Address, Attributes, Diagnostic, Diagnostics, Span, SpanMap, SystemName};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What a table is created with where the manifest is silent.
const FORMAT_VERSION: u8 = 2;

pub(crate) fn table(draft: &mut Draft<'_>, port: Port<'_>) {
    let environment = draft.world.environment;
    let spec = port.spec;
    check_format(port, &mut draft.found);
    let (mut attributes, mut spans) = columns(draft, port);
    properties(port, &mut attributes, &mut spans, &mut draft.found);
    metadata(draft, &mut attributes);
    let on_create = format_version(port, &mut attributes, &mut spans, &mut draft.found);
    let Some(address) = draft.address("iceberg_table", port.name, port.span) else { return };
    let system = match ports::system(environment, "iceberg", spec.cluster.as_ref(), port.span) {
        Ok(system) => system,
        Err(wrong) => return draft.found.push(*wrong),
    };
    let Some((id, span)) = name(draft, port, &address) else { return };
    let location =
        spec.location.as_ref().and_then(|location| match systems::location(environment, &system, location) {
            Ok(text) => {
                spans.insert(&["location"], location.span);
                attributes.insert("location".into(), text.as_str().into());
                draft.locations.push((text.clone(), location.span));
                Some(text)
            }
            Err(wrong) => {
                draft.found.push(*wrong);
                None
            }
        });
    show(draft, port, &system, &id, location);
    if let Some((namespace, _)) = id.rsplit_once('.') {
        let used =
            NamespaceUse { system: system.clone(), id: namespace.to_owned(), table: address.clone(), span };
        draft.namespaces.push(used);
    }
    if draft.purges() {
        attributes.insert("purge".into(), true.into());
    }
    let (depends_on, notes) = (BTreeSet::new(), defaults(draft).into_iter().collect());
    draft.add(Part { address, system, id, attributes, on_create, depends_on, spans, span, notes });
}

/// What of the contract a table does not have.
fn defaults(draft: &Draft<'_>) -> Option<String> {
    let fields = draft.contract.iter().flat_map(|contract| &contract.fields);
    let with = fields.filter(|field| field.default.as_ref().is_some_and(|default| !default.is_null()));
    let names: Vec<String> = with.map(|field| format!("`{}`", field.name)).collect();
    (!names.is_empty())
        .then(|| format!("the default of {} is for the schema alone; tables have none", names.join(", ")))
}

fn show(draft: &mut Draft<'_>, port: Port<'_>, system: &SystemName, id: &str, location: Option<String>) {
    let mut entry = ports::entry(port);
    let format = port.spec.format.as_ref().map(|_| "parquet".to_owned());
    let texts = [
        ("format", format),
        ("table", Some(id.to_owned())),
        ("location", location),
        ("system", Some(system.to_string())),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            entry.insert(key.into(), value.into());
        }
    }
    draft.ports.push(Value::Object(entry));
}

fn check_format(port: Port<'_>, found: &mut Diagnostics) {
    let Some(format) = port.spec.format.as_ref().filter(|format| format.value != "parquet") else { return };
    let detail =
        format!("Tables are written in Parquet; `{}` cannot be chosen with this version.", format.value);
    found.push(
        Diagnostic::error(codes::NOT_SUPPORTED, detail)
            .on(format, "not supported by this version")
            .help("Write `format: parquet`, or remove it."),
    );
}

/// Spelled, else as it was created, else the usual one.
fn name(draft: &mut Draft<'_>, port: Port<'_>, address: &Address) -> Option<(String, Option<Span>)> {
    let prefix = &draft.world.environment.prefixes.namespace;
    let Some(spelled) = &port.spec.table else {
        let product = draft.product;
        let derived = || format!("{prefix}{}", table_name(&product.domain_name, product.name));
        let fixed = draft.world.names.id(address).map(str::to_owned);
        return Some((fixed.unwrap_or_else(derived), port.span));
    };
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    if !spelled.contains('.') || !spelled.split('.').all(part) {
        let detail = format!(
            "`{}` is no table: it is written `namespace.name`, with letters, digits, `_` and `-`.",
            spelled.value
        );
        let example = table_name(&draft.product.domain_name, draft.product.name);
        draft.found.push(
            Diagnostic::error(codes::BAD_NAME, detail)
                .on(spelled, "this name")
                .help(format!("Write `{example}`, say, which is also the default.")),
        );
        return None;
    }
    Some((format!("{prefix}{}", spelled.value), spelled.span))
}

fn columns(draft: &mut Draft<'_>, port: Port<'_>) -> (Attributes, SpanMap) {
    let mut attributes = Attributes::new();
    let mut spans = SpanMap::of_object(port.span);
    let places = draft.field_places();
    let Some(contract) = &draft.contract else {
        let schema = draft.product.doc.spec.schema.as_ref();
        let source = schema.and_then(|schema| schema.source.as_ref());
        let detail = match source {
            None => "A table needs columns, and the contract has no fields.",
            Some(_) => "A table needs columns, and this version does not read them out of a file.",
        };
        let wrong = Diagnostic::error(codes::NO_FIELDS, detail).at(port.span, "this table");
        draft.found.push(
            wrong.at(source.and_then(|source| source.span), "the contract").help("Add `schema.fields`."),
        );
        return (attributes, spans);
    };
    attributes.insert("fields".into(), contract.columns());
    if let Some(schema) = &draft.product.doc.spec.schema {
        spans.share("fields", places);
        spans.insert(&["identifier_fields"], schema.primary_key.as_ref().and_then(|key| key.span));
    }
    if !contract.primary_key.is_empty() {
        attributes.insert("identifier_fields".into(), json!(contract.primary_key));
    }
    let (partition, found) = contract.partition_by(&port.spec.partition_by);
    draft.found.extend(found);
    if !partition.is_empty() {
        let fields = partition.iter().map(|field| {
            json!({"source": field.source, "transform": field.transform.to_string(), "name": field.name})
        });
        attributes.insert("partition_by".into(), fields.collect());
        spans.insert(&["partition_by"], port.spec.partition_by.first().and_then(|entry| entry.span));
    }
    let (sort, found) = contract.sort_by(&port.spec.sort_by);
    draft.found.extend(found);
    if !sort.is_empty() {
        let fields = sort.iter().map(|field| {
            json!({
                "source": field.source,
                "transform": field.transform.to_string(),
                "direction": if field.descending { "desc" } else { "asc" },
                "null_order": if field.nulls_last { "nulls-last" } else { "nulls-first" },
            })
        });
        attributes.insert("sort_by".into(), fields.collect());
        spans.insert(&["sort_by"], port.spec.sort_by.first().and_then(|entry| entry.span));
    }
    (attributes, spans)
}

fn properties(port: Port<'_>, attributes: &mut Attributes, spans: &mut SpanMap, found: &mut Diagnostics) {
    let mut values = Map::new();
    let over = port.over.into_iter().flat_map(|over| &over.properties);
    for (key, value) in port.spec.properties.iter().chain(over) {
        if key.starts_with("datamesh.") {
            let detail = format!("`{}` is kept by this tool itself.", key.value);
            let wrong = Diagnostic::error(codes::BAD_PORT_VALUE, detail).on(key, "reserved");
            found.push(wrong.help("Remove it, or choose a name that does not begin with `datamesh.`."));
        }
        spans.insert(&["properties", &key.value], key.span);
        values.insert(key.value.clone(), value.value.as_str().into());
    }
    if !values.is_empty() {
        attributes.insert("properties".into(), Value::Object(values));
    }
}

/// What policies and the contract say of the data, for those who work with the table.
fn metadata(draft: &Draft<'_>, attributes: &mut Attributes) {
    let personal = draft.contract.as_ref().map(Contract::personal).unwrap_or_default();
    let retention = draft.world.retention.of(draft.product.doc, !personal.is_empty());
    let mut values: Vec<(String, &str)> = Vec::new();
    for (path, field) in &personal {
        values.push((format!("datamesh.pii.{path}"), field.pii_type.map_or("true", pii_word)));
        values.extend(
            field.governance.map(|how| (format!("datamesh.governance.{path}"), protection_word(how))),
        );
    }
    values.extend(retention.as_deref().map(|longest| ("datamesh.retention".to_owned(), longest)));
    if values.is_empty() {
        return;
    }
    let properties = attributes.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    if let Some(properties) = properties.as_object_mut() {
        properties.extend(values.into_iter().map(|(key, value)| (key, value.into())));
    }
}

/// A spelled version is managed; the default one only fills a create.
fn format_version(
    port: Port<'_>,
    attributes: &mut Attributes,
    spans: &mut SpanMap,
    found: &mut Diagnostics,
) -> Attributes {
    let mut on_create = Attributes::new();
    let Some(version) = &port.spec.format_version else {
        on_create.insert("format_version".into(), FORMAT_VERSION.into());
        return on_create;
    };
    if !(2..=3).contains(&version.value) {
        let detail = format!("`format_version: {}` cannot be chosen.", version.value);
        let wrong = Diagnostic::error(codes::BAD_PORT_VALUE, detail).on(version, "not 2 or 3");
        found.push(wrong.help("Write `2`, which every engine reads, or `3`."));
    }
    attributes.insert("format_version".into(), version.value.into());
    spans.insert(&["format_version"], version.span);
    on_create
}
