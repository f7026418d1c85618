//! Input that means harm, or none at all.

use super::{SEED_PRODUCT, codes, load_files, load_text, show, with_spec};
use crate::manifest::SkipReason;
use proptest::prelude::*;

const HEAD: &str = "apiVersion: datamesh.example.com/v1\nkind: DataProduct\n";

#[test]
fn a_yaml_bomb_is_counted_and_refused() {
    let mut text = format!("{HEAD}a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (outer, inner) in ('b'..='z').zip('a'..) {
        let many = format!("*{inner}, ").repeat(10);
        text.push_str(&format!("{outer}: &{outer} [{many}]\n"));
    }
    let load = load_text(&text);
    assert_eq!(codes(&load), ["DM0014"]);
    assert!(load.manifests.is_empty() && !load.complete());
}

#[test]
fn an_alias_within_its_own_anchor_is_refused() {
    assert_eq!(codes(&load_text(&format!("{HEAD}spec: &a {{x: [*a]}}\n"))), ["DM0014"]);
    assert!(codes(&load_text(&format!("{HEAD}spec: *nobody\n"))).contains(&"DM0014"));
}

#[test]
fn nesting_of_any_kind_stops_at_the_limit() {
    let flow = |open: &str| format!("{HEAD}spec: {}", open.repeat(200_000));
    let block = format!("{HEAD}spec:\n  {}", "- ".repeat(200_000));
    let keys = format!("{HEAD}spec: {}", "? ".repeat(200_000));
    for text in [flow("["), flow("{a: "), flow("[{? "), block, keys] {
        let load = load_text(&text);
        assert!(codes(&load).iter().all(|code| ["DM0012", "DM0010"].contains(code)), "{}", show(&load));
        assert!(!load.complete());
    }
    assert_eq!(codes(&load_text(&flow("["))), ["DM0012"]);
}

#[test]
fn aliases_do_not_hide_depth() {
    let mut text = format!("{HEAD}a0: &a0 [x]\n");
    for level in 1..80 {
        text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(codes(&load_text(&text)), ["DM0012"]);
}

#[test]
fn duplicate_keys_show_both_places() {
    let load = load_text(&with_spec("description: a\nlineage: {}\n\"description\": b"));
    assert_eq!(
        show(&load),
        "DM0011 The key `description` stands twice in the same map, so one of its values would be lost.\n  \
         a.yaml:9:3 and again here\n  a.yaml:7:3 first here\n  help: Keep one of the two.\n"
    );
    assert_eq!(load.broken[0].owner.as_deref(), Some("orders/facts@1"));
    let many: String = (0..5_000).map(|i| format!("k{i}: v\n")).collect();
    let load = load_text(&format!("{HEAD}{many}k17: again\nk17: third\n"));
    assert_eq!(load.diagnostics.iter().filter(|d| d.code.id == "DM0011").count(), 2);
}

#[test]
fn merge_keys_tags_and_odd_keys_are_explained() {
    let spec = "environments: {a: &a {slo: {}}, b: {<<: *a}}\ndescription: !secret x\n? [a]\n: b\n~: c";
    let load = load_text(&with_spec(spec));
    for code in ["DM0015", "DM0016", "DM0017"] {
        assert!(codes(&load).contains(&code), "{code}:\n{}", show(&load));
    }
    assert_eq!(codes(&load_text(&with_spec("description: !!str 12\nslo: !!map {}"))), [""; 0]);
}

#[test]
fn nul_bytes_are_refused_written_or_escaped() {
    let written = format!("{}\0", with_spec("description: a"));
    assert_eq!(codes(&load_text(&written)), ["DM0018"]);
    let hidden = format!("apiVersion: v1\n\0\n---\n{SEED_PRODUCT}");
    assert_eq!(codes(&load_text(&hidden)), ["DM0018"]);
    assert_eq!(codes(&load_text(&with_spec("description: \"a\\0b\""))), ["DM0018"]);
}

#[test]
fn what_is_not_utf8_is_an_error_only_where_it_is_ours() {
    let mut ours = SEED_PRODUCT.as_bytes().to_vec();
    ours.push(0xff);
    assert_eq!(codes(&load_files(&[("a.yaml", &ours)])), ["DM0002"]);
    let wide: Vec<u8> = SEED_PRODUCT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(codes(&load_files(&[("a.yaml", &wide)])), ["DM0002"]);
    let load = load_files(&[("a.yaml", b"a: \xff")]);
    assert_eq!(codes(&load), [""; 0]);
    assert_eq!(load.skipped[0].reason, SkipReason::NotUtf8);
    assert_eq!(codes(&load_files(&[("a.datamesh.yaml", b"a: \xff")])), ["DM0002"]);
}

#[test]
fn a_file_that_is_not_ours_is_never_quoted() {
    let load = load_files(&[("secret.datamesh.yaml", b"password: hunter2\n- [")]);
    assert!(!show(&load).contains("hunter2"));
    assert!(show(&load).contains("This is at line 2."), "{}", show(&load));
    assert!(load.sources.iter().all(|(_, file)| file.text.is_none()));
    // Quoted where its own text says that it is ours.
    let load = load_files(&[("a.yaml", b"# datamesh.example.com\n- [")]);
    assert!(load.sources.iter().all(|(_, file)| file.text.is_some()));
}

#[test]
fn one_broken_document_hides_no_other() {
    let text = format!("{HEAD}spec: [\n---\n{SEED_PRODUCT}---\n{HEAD}\tx: 1\n---\n{}", with_spec("nope: 1"));
    let load = load_text(&text);
    assert_eq!(load.manifests.len(), 1, "{}", show(&load));
    assert_eq!(codes(&load), ["DM0010", "DM0010", "DM0110"], "{}", show(&load));
    assert_eq!(load.broken.len(), 3);
}

#[test]
fn endless_broken_documents_end() {
    let text = format!("{HEAD}---\n{}", "[\n---\n".repeat(50_000));
    let load = load_text(&text);
    assert!(load.diagnostics.len() < 50);
}

#[test]
fn long_lines_and_many_small_things_take_no_long() {
    let long = with_spec(&format!("description: {}", "a b: ".replace(':', "").repeat(10_000)));
    assert_eq!(codes(&load_text(&long)), [""; 0]);
    for piece in ["a", "? ", ": ", "&a ", "'", "- ", "!t ", "%x\n", "--- ", "\"\\u0041", "\u{feff}", "# c\n"]
    {
        let text = format!("{HEAD}{}", piece.repeat(1_000_000 / piece.len()));
        load_text(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut ours = HEAD.as_bytes().to_vec();
        ours.extend_from_slice(&bytes);
        load_files(&[("a.yaml", &bytes), ("b.datamesh.yaml", &bytes), ("c.yaml", &ours)]);
    }

    #[test]
    fn random_yaml_like_text_never_panics(text in "([-?:,\\[\\]{}#&*!|>'\"%@` \n\t~a0<.]|name|spec|fields|\u{e9}){0,120}") {
        load_files(&[("a.yaml", format!("{HEAD}{text}").as_bytes())]);
        load_files(&[("a.yaml", with_spec(&text).as_bytes())]);
    }

    #[test]
    fn a_mutated_manifest_never_panics(at in 0usize..1900, with in any::<char>()) {
        let mut text: String = SEED_PRODUCT.to_owned();
        let at = (0..=at.min(text.len() - 1)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.insert(at, with);
        let load = load_text(&text);
        // Every place lies within the text.
        for label in load.diagnostics.iter().flat_map(|d| &d.labels) {
            prop_assert!(label.span.start <= label.span.end && label.span.end as usize <= text.len());
        }
    }
}
