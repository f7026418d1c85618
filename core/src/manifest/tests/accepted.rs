//! What must be accepted, and what it becomes.

use super::{SEED_POLICY, SEED_PRODUCT, codes, load_files, load_text, product, show, with_spec};
use crate::manifest::model::{Classification, Compatibility, Protection, SchemaFormat, Technology};
use crate::manifest::values::Values;
use crate::manifest::{Kind, Manifest};
use serde_json::json;

#[test]
fn the_fields_product_is_accepted_byte_for_byte() {
    let load = load_text(SEED_PRODUCT);
    assert_eq!(show(&load), "");
    let product = product(&load);
    assert_eq!(product.metadata.name.value, "orders-facts");
    assert_eq!(product.spec.classification.as_deref(), Some(&Classification::Internal));
    let schema = product.spec.schema.as_ref().expect("a schema");
    assert_eq!(schema.format.as_deref(), Some(&SchemaFormat::Avro));
    assert_eq!(schema.version.as_deref(), Some(&3));
    assert_eq!(schema.compatibility.as_deref(), Some(&Compatibility::Backward));
    assert_eq!(schema.fields.len(), 5);
    assert_eq!(schema.fields[1].governance.as_deref(), Some(&Protection::HashBeforePublish));
    let Some(Values::Symbols(symbols)) = schema.fields[3].values.as_deref().map(|values| &values.value)
    else {
        panic!("symbols")
    };
    assert_eq!(
        symbols.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" "),
        "placed confirmed shipped delivered cancelled"
    );
    let slo = product.spec.slo.as_ref().expect("an slo");
    assert_eq!(slo.availability.as_ref().map(|s| s.as_str()), Some("99.9%"));
    assert_eq!(slo.quality_score.as_ref().map(|s| s.as_str()), Some("0.95"));
    let ports: Vec<_> = product.spec.output_ports.iter().map(|port| port.technology.value).collect();
    assert_eq!(ports, [Technology::Kafka, Technology::Iceberg, Technology::Rest]);
    assert_eq!(product.spec.output_ports[1].partition_by[0].transform.value, "created_date");
    assert!(product.spec.description.as_ref().expect("text").starts_with("Order lifecycle facts"));
}

#[test]
fn the_fields_policy_is_accepted_byte_for_byte() {
    let load = load_text(SEED_POLICY);
    assert_eq!(show(&load), "");
    let Manifest::GovernancePolicy(policy) = &load.manifests[0].manifest else { panic!("a policy") };
    let quality = policy.spec.quality_requirements.as_ref().expect("quality");
    assert_eq!(quality.minimum_quality_score.as_ref().map(|s| s.as_str()), Some("0.90"));
    assert_eq!(quality.required_checks.len(), 4);
}

#[test]
fn places_are_bytes_of_the_text_whatever_precedes_them() {
    for start in ["", "\u{feff}", "# ünïcode ✓\n", "\u{feff}# x\n---\n"] {
        for newline in ["\n", "\r\n"] {
            let text = format!("{start}{}", SEED_PRODUCT).replace('\n', newline);
            let load = load_text(&text);
            assert_eq!(show(&load), "", "{start:?} {newline:?}");
            let product = product(&load);
            let slice = |span: Option<datamesh_provider::Span>| {
                let span = span.expect("a place");
                &text[span.start as usize..span.end as usize]
            };
            assert_eq!(slice(product.metadata.name.span), "orders-facts");
            let fields = &product.spec.schema.as_ref().expect("a schema").fields;
            assert_eq!(slice(fields[1].ty.span), "string");
            assert!(slice(fields[1].span).starts_with("name: customer_id"));
            assert!(slice(fields[1].span).ends_with("hash-before-publish"));
            let key = product.spec.slo.as_ref().expect("slo");
            assert!(slice(key.span).starts_with("freshness"));
        }
    }
}

#[test]
fn every_document_of_a_file_counts_and_empty_ones_do_not() {
    let text = format!("---\n---\n{SEED_PRODUCT}---\n# nothing\n---\n{SEED_POLICY}...\n");
    let load = load_text(&text);
    assert_eq!(show(&load), "");
    let kinds: Vec<_> = load.manifests.iter().map(|loaded| loaded.manifest.kind()).collect();
    assert_eq!(kinds, [Kind::DataProduct, Kind::GovernancePolicy]);
}

#[test]
fn types_are_texts_or_maps_and_lists_may_be_single() {
    let load = load_text(&with_spec(
        "schema:
  fields:
    - name: tags
      type: array
      items: string
    - name: lines
      type: array
      items: {type: struct, required: true, fields: [{name: sku, type: string}]}
    - name: totals
      type: map
      keys: string
      values: {type: decimal, required: false}
    - name: scores
      type: map
      values: long
    - {name: new, type: string, renamed_from: old, default: {a: [1, x]}}
    - {name: newer, type: string, renamed_from: [older, old2]}
output_ports:
  - technology: iceberg
    partition_by: [day(at), {transform: 'bucket(16, id)', name: shard}]",
    ));
    assert_eq!(show(&load), "");
    let product = product(&load);
    let fields = &product.spec.schema.as_ref().expect("a schema").fields;
    assert_eq!(fields[0].items.as_ref().expect("items").ty.value, "string");
    let items = fields[1].items.as_ref().expect("items");
    assert_eq!((items.required.as_deref(), items.fields[0].name.as_str()), (Some(&true), "sku"));
    let Some(Values::Type(values)) = fields[2].values.as_deref().map(|values| &values.value) else {
        panic!("a type")
    };
    assert_eq!(values.ty.value, "decimal");
    assert!(
        matches!(fields[3].values.as_deref().map(|values| &values.value), Some(Values::Type(ty)) if ty.ty.value == "long")
    );
    let old = fields[4].renamed_from.as_ref().expect("old");
    assert_eq!(old.0[0].value, "old");
    assert!(old.0[0].span.is_some());
    assert_eq!(fields[5].renamed_from.as_ref().expect("old").0.len(), 2);
    let default = fields[4].default.as_ref().expect("a default");
    assert_eq!(default.0.value, json!({"a": [1, "x"]}));
    let (whole, item) = (default.0.spans.at(&[]), default.0.spans.at(&["a", "1"]));
    assert!(whole.is_some() && item.is_some() && whole != item);
    let port = &product.spec.output_ports[0];
    assert_eq!(port.partition_by[0].transform.value, "day(at)");
    assert_eq!(port.partition_by[1].name.as_ref().map(|n| n.as_str()), Some("shard"));
}

#[test]
fn an_empty_value_is_a_missing_key_where_the_key_is_optional() {
    let load = load_text(&with_spec(
        "description:\nslo: ~\nschema: {fields: [{name: a, type: int, default: null}]}",
    ));
    assert_eq!(show(&load), "");
    let product = product(&load);
    assert!(product.spec.description.is_none() && product.spec.slo.is_none());
    assert!(product.spec.schema.as_ref().expect("a schema").fields[0].default.is_none());
}

#[test]
fn aliases_stand_for_what_they_name() {
    let load = load_text(&with_spec(
        "schema: {fields: [&id {name: id, type: string}]}\nlineage: {sources: [&s a.b.c, *s]}",
    ));
    assert_eq!(show(&load), "");
    let lineage = product(&load).spec.lineage.as_ref().expect("lineage");
    assert_eq!(lineage.sources[0], lineage.sources[1]);
}

#[test]
fn the_order_of_files_decides_the_order_of_manifests() {
    let names: Vec<String> = (0..200).map(|i| format!("d{:03}/a.yaml", i * 7 % 200)).collect();
    let text = with_spec("{}");
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), text.as_bytes())).collect();
    let load = load_files(&files);
    let paths: Vec<_> = load.manifests.iter().map(|loaded| loaded.path.to_string()).collect();
    assert!(paths.is_sorted() && paths.len() == 200);
    assert!(load.complete());
    let digest = load.inputs_digest();
    assert_eq!(digest, load_files(&files).inputs_digest());
    assert_ne!(digest, load_files(&files[1..]).inputs_digest());
}

#[test]
fn a_mesh_document_sets_groups() {
    let mesh = "apiVersion: datamesh.example.com/v1\nkind: Mesh\nmetadata: {name: acme}\nspec: {api_group: data.acme.com}\n";
    let own = with_spec("{}").replace("datamesh.example.com", "data.acme.com");
    let load = load_files(&[("datamesh.yaml", mesh.as_bytes()), ("p.yaml", own.as_bytes())]);
    assert_eq!(show(&load), "");
    assert_eq!(load.manifests.len(), 2);
    assert!(load.mesh().is_some());
    assert_eq!(codes(&load_files(&[("p.yaml", own.as_bytes())])), ["DM0102"]);
}
