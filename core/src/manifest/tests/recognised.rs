//! Which documents are ours.

use super::{Files, SEED_PRODUCT, codes, load_files, load_text, show, with_spec};
use crate::manifest::{EntryKind, LoadOptions, ReadError, SkipReason, load};

fn headed(api: &str, kind: &str) -> String {
    format!("{api}\n{kind}\nmetadata: {{name: x}}\nspec: {{}}\n")
}

#[test]
fn what_other_tools_write_is_skipped() {
    for text in [
        headed("apiVersion: apps/v1", "kind: Deployment"),
        headed("apiVersion: other.example.org/v1", "kind: Domain"),
        headed("apiVersion: v1", "kind: Import"),
        headed("", "kind: Mesh"),
        headed("apiVersion: v1", ""),
        "{{- if .Values.x }}\napiVersion: apps/v1\n{{ end }}\n".to_owned(),
        "a: 1\na: 2\napiVersion: x/v1\n".to_owned(),
        "apiVersion: x/v1\nkind: Y\nvalue: !Ref Z\n".to_owned(),
        "- a\n- apiVersion\n".to_owned(),
        "just text apiVersion".to_owned(),
        String::new(),
    ] {
        let load = load_text(&text);
        assert_eq!(show(&load), "", "{text}");
        assert_eq!(load.skipped.len(), 1, "{text}");
        assert!(load.complete() && load.manifests.is_empty());
    }
}

#[test]
fn near_misses_are_errors() {
    let kind = "kind: DataProduct";
    let cases = [
        ("apiVersion: datamesh.exmaple.com/v1", kind, "DM0100"),
        ("apiVersion: Datamesh.example.com/v1", "kind: Domain", "DM0100"),
        ("apiVersion: governance.datamesh.example.co/v1", "kind: Anything", "DM0100"),
        ("apiVersion: datamesh.example.com/v1", "kind: DataProdcut", "DM0101"),
        ("apiVersion: datamesh.example.com/v1", "kind: Service", "DM0101"),
        ("apiVersion: datamesh.example.com/v1", "kind: [x]", "DM0101"),
        ("apiVersion: datamesh.acme.org/v1", kind, "DM0102"),
        ("apiVersion: v1", "kind: GovernancePolicy", "DM0102"),
        ("", kind, "DM0102"),
        ("", "kind: AccessGrant", "DM0102"),
        ("apiVersion:", "kind: PolicyWaiver", "DM0102"),
        ("apiVersion: datamesh.example.com/v2", kind, "DM0103"),
        ("apiVersion: datamesh.example.com", kind, "DM0103"),
        ("apiVersion: datamesh.example.com/v1", "kind: GovernancePolicy", "DM0104"),
        ("apiVersion: governance.datamesh.example.com/v1", kind, "DM0104"),
        ("apiVersion: datamesh.example.com/v1", "", "DM0105"),
    ];
    for (api, kind, code) in cases {
        let load = load_text(&headed(api, kind));
        assert_eq!(codes(&load), [code], "{api} {kind}");
        assert_eq!(load.broken.len(), 1);
        assert!(!load.complete() && !load.stopped);
    }
}

#[test]
fn a_typo_in_the_kind_is_answered_with_the_kind() {
    let load = load_text(&headed("apiVersion: datamesh.example.com/v1", "kind: Dataproduct"));
    assert_eq!(
        show(&load),
        "DM0101 There is no kind `Dataproduct`.\n  a.yaml:2:7 did you mean `DataProduct`?\n  help: Write `kind: DataProduct`.\n"
    );
}

#[test]
fn a_broken_file_is_an_error_where_something_says_it_is_ours() {
    let broken = "a: [\n";
    assert_eq!(codes(&load_text(broken)), [""; 0]);
    assert_eq!(codes(&load_text(&format!("# datamesh.example.com\n{broken}"))), ["DM0010"]);
    assert_eq!(codes(&load_files(&[("x.datamesh.yaml", broken.as_bytes())])), ["DM0010"]);
    let files = Files::of(&[("a.yaml", broken.as_bytes())]);
    let options = LoadOptions { recorded: ["a.yaml".to_owned()].into(), ..LoadOptions::default() };
    assert_eq!(codes(&load(&files, &options)), ["DM0010"]);
    // A recorded file that now holds something else is no error: its manifest is gone.
    let files = Files::of(&[("a.yaml", b"a: b\n")]);
    assert_eq!(codes(&load(&files, &options)), [""; 0]);
}

#[test]
fn a_file_named_as_a_manifest_must_hold_one() {
    let load = load_files(&[("x.datamesh.yaml", b"a: 1\n"), ("y.datamesh.yml", b"")]);
    assert_eq!(codes(&load), ["DM0006", "DM0006"]);
    assert_eq!(codes(&load_files(&[("x.datamesh.yaml", SEED_PRODUCT.as_bytes())])), [""; 0]);
}

#[test]
fn links_and_special_files_are_skipped_unless_named_as_manifests() {
    let mut files = Files::default();
    files.push("a.datamesh.yaml", EntryKind::Symlink, Ok(Vec::new()));
    files.push("b.yaml", EntryKind::Symlink, Ok(Vec::new()));
    files.push("c.datamesh.yaml", EntryKind::Other, Ok(Vec::new()));
    files.push("d.yaml", EntryKind::Other, Ok(Vec::new()));
    files.push("e.yaml", EntryKind::Regular, Err(ReadError("permission denied".to_owned())));
    let load = load(&files, &LoadOptions::default());
    assert_eq!(codes(&load), ["DM0005", "DM0008", "DM0001"]);
    let skipped: Vec<_> = load.skipped.iter().map(|s| (s.path.as_str(), s.reason)).collect();
    assert_eq!(skipped, [("b.yaml", SkipReason::Symlink), ("d.yaml", SkipReason::Special)]);
    assert_eq!(load.seen_paths.len(), 5);
}

#[test]
fn a_large_file_is_an_error_only_where_it_is_ours() {
    let large = "x: y\n".repeat(300_000);
    let load = load_text(&large);
    assert_eq!(load.skipped[0].reason, SkipReason::TooLarge);
    assert!(load.complete());
    assert_eq!(codes(&load_text(&format!("{large}{SEED_PRODUCT}"))), ["DM0003"]);
}

const MESH: &str = "apiVersion: datamesh.example.com/v1\nkind: Mesh\nmetadata: {name: acme}\nspec: {}\n";

#[test]
fn a_broken_mesh_document_stops_the_plan_and_hides_no_other_error() {
    let wrong = with_spec("{}").replace("kind: DataProduct", "kind: DataProdukt");
    for mesh in
        [MESH.replace("spec: {}", "spec: {envs: {}}"), format!("{MESH}x: ["), MESH.replace("Mesh", "mesh")]
    {
        let whole = with_spec("{}");
        let load = load_files(&[
            ("datamesh.yaml", mesh.as_bytes()),
            ("p.yaml", whole.as_bytes()),
            ("q.yaml", wrong.as_bytes()),
        ]);
        assert!(load.stopped && load.mesh().is_none(), "{mesh}");
        assert_eq!((load.manifests.len(), load.diagnostics.len()), (1, 2), "{}", show(&load));
    }
}

#[test]
fn nobody_is_blamed_for_what_a_broken_mesh_document_may_have_allowed() {
    let company = with_spec("{}").replace("datamesh.example.com", "data.acme.com");
    let many = with_spec("{output_ports: [{technology: kafka, partitions: 20000}]}");
    let rest = "spec: {api_group: data.acme.com, limits: {partitions: 50000}, envs: {}}";
    let in_part = MESH.replace("spec: {}", rest);
    for (mesh, products) in [(in_part, 2), (format!("{MESH}x: ["), 1)] {
        let load = load_files(&[
            ("datamesh.yaml", mesh.as_bytes()),
            ("p.datamesh.yaml", company.as_bytes()),
            ("q.yaml", many.as_bytes()),
        ]);
        assert_eq!((load.manifests.len(), load.diagnostics.len()), (products, 1), "{}", show(&load));
    }
}

#[test]
fn there_is_one_mesh_document_and_it_is_at_the_root() {
    let load = load_files(&[("datamesh.yaml", MESH.as_bytes()), ("sub/datamesh.yaml", MESH.as_bytes())]);
    assert_eq!(codes(&load), ["DM0130"]);
    assert!(load.stopped);
    let load = load_files(&[("datamesh.yaml", format!("{MESH}---\n{MESH}").as_bytes())]);
    assert_eq!(codes(&load), ["DM0130"]);
    let broken = MESH.replace("spec: {}", "spec: {envs: {}}");
    let load = load_files(&[("datamesh.yaml", broken.as_bytes()), ("sub/datamesh.yaml", MESH.as_bytes())]);
    assert_eq!(codes(&load), ["DM0110", "DM0130"]);
    assert!(load.mesh().is_none());
    let load = load_files(&[("mesh.yaml", MESH.as_bytes())]);
    assert_eq!(codes(&load), ["DM0131"]);
    assert!(load.mesh().is_none());
}

#[test]
fn an_api_group_must_be_a_domain_name() {
    for group in ["acme", "\"\"", "Acme.com", "a..b", "a.b/c"] {
        let mesh = MESH.replace("spec: {}", &format!("spec: {{api_group: {group}}}"));
        assert_eq!(codes(&load_files(&[("datamesh.yaml", mesh.as_bytes())])), ["DM0133"], "{group}");
    }
}
