use super::super::escape::{HOSTILE, is_clean};
use super::*;
use datamesh_provider::{Code, SourceFile};
use snapbox::{assert_data_eq, str};

const UNKNOWN_KEY: Code = Code::new("DM0102", "unknown key");

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn sources(text: &str) -> (Sources, FileId) {
    let mut sources = Sources::default();
    let file = sources.add(SourceFile { path: "domains/orders/facts.yaml".into(), text: Some(text.into()) });
    (sources, file)
}

fn span(file: FileId, text: &str, part: &str) -> Span {
    let start = text.find(part).expect("the part is there");
    let end = start + part.len();
    Span { file, start: u32::try_from(start).expect("small"), end: u32::try_from(end).expect("small") }
}

#[test]
fn a_finding_shows_code_place_line_why_and_fix() {
    let text = "kind: DataProduct\nmetadata:\n  name: facts\n  owenr: me\nspec: {}\n";
    let (sources, file) = sources(text);
    let found = Diagnostic::error(UNKNOWN_KEY, "`owenr` is not a key of `metadata`.")
        .at(span(file, text, "owenr"), "unknown")
        .help("Did you mean `owner`?");
    let shown = diagnostics(&found.into(), &sources, 100);
    assert_data_eq!(
        plain(&shown),
        str![[r#"
error[DM0102]: unknown key
 --> domains/orders/facts.yaml:4:3
  |
4 |   owenr: me
  |   ^^^^^ unknown
  |
  = why: `owenr` is not a key of `metadata`.
  = fix: Did you mean `owner`?


"#]]
    );
}

#[test]
fn a_finding_without_a_place_is_short() {
    let found =
        Diagnostic::error(UNKNOWN_KEY, "Kafka does not answer.").help("Start it:\ndatamesh sandbox up");
    assert_data_eq!(
        plain(&diagnostics(&found.into(), &Sources::default(), 100)),
        str![[r#"
error[DM0102]: unknown key
  why: Kafka does not answer.
  fix: Start it:
       datamesh sandbox up


"#]]
    );
}

#[test]
fn one_cause_is_told_once() {
    let found = |owner: &str| Diagnostic::error(UNKNOWN_KEY, "Kafka does not answer.").scoped(owner);
    let all: Diagnostics = [found("orders"), found("orders/lines@1")].into_iter().collect();
    assert_data_eq!(
        plain(&diagnostics(&all, &Sources::default(), 100)),
        str![[r#"
error[DM0102]: unknown key
  why: Kafka does not answer.
  holds back orders, orders/lines@1


"#]]
    );
    assert_eq!(counts(&all).as_deref(), Some("1 error"));
}

#[test]
fn places_far_apart_and_in_other_files_are_all_quoted() {
    let far: String = (0..40).map(|n| format!("  key{n}: {n}\n")).collect();
    let text = format!("first: here\n{far}last: there\n");
    let (mut sources, file) = sources(&text);
    let secret = sources.add(SourceFile { path: "helm/values.yaml".into(), text: None });
    let found = Diagnostic::warning(UNKNOWN_KEY, "Two claims.")
        .at(span(file, &text, "last"), "claimed here")
        .at(span(file, &text, "first"), "and here")
        .at(Span { file: secret, start: 3, end: 9 }, "never quoted");
    let shown = plain(&diagnostics(&found.into(), &sources, 100));
    assert_data_eq!(
        shown,
        str![[r#"
warning[DM0102]: unknown key
  --> domains/orders/facts.yaml:42:1
   |
42 | last: there
   | ^^^^ claimed here
   |
  ::: domains/orders/facts.yaml:1:1
   |
 1 | first: here
   | ----- and here
  ::: helm/values.yaml
   = why: Two claims.


"#]]
    );
}

#[test]
fn hostile_text_is_harmless_everywhere() {
    for text in HOSTILE {
        let manifest = format!("name: {text} # end\n");
        let mut sources = Sources::default();
        let path = format!("domains/{text}.yaml");
        let file =
            sources.add(SourceFile { path: path.as_str().into(), text: Some(manifest.as_str().into()) });
        let found = Diagnostic::error(UNKNOWN_KEY, format!("`{text}` is wrong"))
            .at(span(file, &manifest, text.split(['\n', '\r']).next().expect("one")), format!("this: {text}"))
            .help(format!("not {text}"));
        let shown = diagnostics(&found.clone().into(), &sources, 80);
        assert!(is_clean(&shown), "{text:?}: {shown:?}");
        let forged = plain(&shown).lines().any(|line| line.starts_with("error[DM9999]"));
        assert!(!forged, "{text:?}");
        let mut files = Files { sources: &sources, lines: BTreeMap::new() };
        assert!(is_clean(&short(&found, &mut files)));
    }
}

#[test]
fn underlines_stay_in_place_behind_escaped_characters() {
    let text = "a: \u{1b}[31m b: wrong\n";
    let (sources, file) = sources(text);
    let found = Diagnostic::error(UNKNOWN_KEY, "It is wrong.").at(span(file, text, "wrong"), "this");
    let shown = plain(&diagnostics(&found.into(), &sources, 100));
    let lines: Vec<&str> = shown.lines().collect();
    let quoted = lines.iter().position(|line| line.contains("wrong")).expect("quoted");
    assert_eq!(lines[quoted].find("wrong"), lines[quoted + 1].find("^^^^^"), "{shown}");
}

#[test]
fn odd_spans_never_panic() {
    let text = "ä: ö\r\n\r\nü: 1";
    let (sources, file) = sources(text);
    let unknown = FileId(99);
    for start in 0..20 {
        for end in 0..20 {
            for file in [file, unknown] {
                let found = Diagnostic::error(UNKNOWN_KEY, "x").at(Span { file, start, end }, "y");
                assert!(is_clean(&diagnostics(&found.into(), &sources, 20)));
            }
        }
    }
}

#[test]
fn very_long_lines_are_named_and_not_quoted() {
    let text = format!("a: {}\n", "x".repeat(100_000));
    let (sources, file) = sources(&text);
    let found = Diagnostic::error(UNKNOWN_KEY, "Too long.").at(Span { file, start: 3, end: 9 }, "");
    let shown = plain(&diagnostics(&found.into(), &sources, 100));
    assert!(shown.len() < 500 && shown.contains("facts.yaml:1:4"), "{shown}");
}

#[test]
fn the_long_tail_is_one_line_each() {
    let (sources, file) = sources("a: b\n");
    let many: Diagnostics = (0..IN_FULL + 50)
        .map(|n| {
            Diagnostic::error(UNKNOWN_KEY, format!("number {n}")).at(Span { file, start: 0, end: 1 }, "")
        })
        .collect();
    let shown = plain(&diagnostics(&many, &sources, 100));
    assert!(shown.contains("error[DM0102] domains/orders/facts.yaml:1:1: number 249"));
}

#[test]
fn counting_words() {
    assert_eq!(plural(1, "policy"), "1 policy");
    assert_eq!(plural(2, "policy"), "2 policies");
    assert_eq!(plural(0, "file"), "0 files");
    let many: Diagnostics = [
        Diagnostic::error(UNKNOWN_KEY, "x"),
        Diagnostic::warning(UNKNOWN_KEY, "y"),
        Diagnostic::warning(UNKNOWN_KEY, "z"),
    ]
    .into_iter()
    .collect();
    assert_eq!(counts(&many).as_deref(), Some("1 error, 2 warnings"));
    assert_eq!(counts(&Diagnostics::default()), None);
}

#[test]
fn sentences_are_broken_at_blanks() {
    assert_eq!(wrap("one two three", 7), "one two\nthree");
    assert_eq!(wrap("a\n  kept   as it is", 5), "a\n  kept   as it is");
}
