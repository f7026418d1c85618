//! Every limit, at the limit and one past it.

use super::{codes, load_files, load_text, show, with_spec};
use crate::manifest::Load;

fn mesh(limits: &str) -> String {
    format!(
        "apiVersion: datamesh.example.com/v1\nkind: Mesh\nmetadata: {{name: acme}}\nspec: {{limits: {{{limits}}}}}\n"
    )
}

fn loaded(load: &Load) -> bool {
    assert_eq!(load.complete(), load.diagnostics.is_empty(), "{}", show(load));
    load.complete()
}

/// Loads `at` and `past`, both by the defaults and with the limit raised by one.
fn check(name: &str, default: u64, code: &str, at: &str, past: &str) {
    assert!(loaded(&load_text(at)), "{name} at the limit");
    let load = load_text(past);
    assert_eq!(codes(&load), [code], "{name} past the limit");
    assert!(load.manifests.is_empty());
    let raised = mesh(&format!("{name}: {}", default + 1));
    let load = load_files(&[("datamesh.yaml", raised.as_bytes()), ("p.yaml", past.as_bytes())]);
    assert!(loaded(&load), "{name} raised: {}", show(&load));
}

#[test]
fn file_bytes() {
    let text = with_spec("description: x");
    let fill = |size: usize| format!("{text}#{}", "x".repeat(size - text.len() - 1));
    check("file_bytes", 1 << 20, "DM0003", &fill(1 << 20), &fill((1 << 20) + 1));
}

#[test]
fn depth() {
    // The document, `spec`, `schema`, `fields`, one field, its default.
    let nest = |depth: usize| {
        let inner = depth - 5;
        let default = format!("{}{}", "[".repeat(inner), "]".repeat(inner));
        with_spec(&format!("schema: {{fields: [{{name: a, type: int, default: {default}}}]}}"))
    };
    check("depth", 64, "DM0012", &nest(64), &nest(65));
}

#[test]
fn scalar_bytes() {
    let text = |size: usize| with_spec(&format!("description: {}", "x".repeat(size)));
    check("scalar_bytes", 64 << 10, "DM0013", &text(64 << 10), &text((64 << 10) + 1));
}

#[test]
fn alias_nodes() {
    let text = |count: usize| {
        let aliases = "*s, ".repeat(count);
        with_spec(&format!("lineage: {{sources: [&s a.b, {aliases}]}}"))
    };
    check("alias_nodes", 10_000, "DM0014", &text(10_000), &text(10_001));
}

#[test]
fn fields() {
    let text = |count: usize| {
        let fields: String = (0..count).map(|i| format!("{{name: f{i}, type: int}}, ")).collect();
        with_spec(&format!("schema: {{fields: [{fields}]}}"))
    };
    check("fields", 5_000, "DM0120", &text(5_000), &text(5_001));
}

#[test]
fn nesting() {
    let text = |levels: usize| {
        let mut ty = String::from("string");
        for _ in 0..levels - 1 {
            ty = format!("{{type: array, items: {ty}}}");
        }
        let items = ty.strip_prefix('{').and_then(|ty| ty.strip_suffix('}')).unwrap_or("type: string");
        with_spec(&format!("schema: {{fields: [{{name: a, {items}}}]}}"))
    };
    check("nesting", 32, "DM0121", &text(32), &text(33));
}

#[test]
fn partitions() {
    let text = |count: u32| with_spec(&format!("output_ports: [{{technology: kafka, partitions: {count}}}]"));
    check("partitions", 10_000, "DM0122", &text(10_000), &text(10_001));
    let text = with_spec("environments: {prod: {ports: {kafka: {partitions: 10001}}}}");
    assert_eq!(codes(&load_text(&text)), ["DM0122"]);
}

#[test]
fn limits_can_only_be_raised_and_not_without_end() {
    for limits in ["depth: 63", "depth: 513", "fields: 0", "file_bytes: 99999999999999"] {
        let mesh = mesh(limits);
        let load = load_files(&[("datamesh.yaml", mesh.as_bytes()), ("p.yaml", with_spec("{}").as_bytes())]);
        assert_eq!(codes(&load), ["DM0132"], "{limits}");
        assert!(load.stopped);
    }
}

#[test]
fn a_document_at_the_highest_depth_decodes() {
    let inner = 512 - 5;
    let default = format!("{}{}", "[".repeat(inner), "]".repeat(inner));
    let text = with_spec(&format!("schema: {{fields: [{{name: a, type: int, default: {default}}}]}}"));
    let mut ty = String::from("string");
    for _ in 0..250 {
        ty = format!("{{type: array, items: {ty}}}");
    }
    let types = with_spec(&format!("schema: {{fields: [{{name: a, type: array, items: {ty}}}]}}"));
    let mesh = mesh("depth: 512, nesting: 256");
    let load = load_files(&[
        ("datamesh.yaml", mesh.as_bytes()),
        ("a.yaml", text.as_bytes()),
        ("b.yaml", types.as_bytes()),
    ]);
    assert!(loaded(&load));
    assert_eq!(load.manifests.len(), 3);
}
