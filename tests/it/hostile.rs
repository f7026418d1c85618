//! What somebody might commit to hurt whoever plans it: the real program says where it is, soon, and stays whole.

use snapbox::cmd::Command;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(10);

struct Run {
    out: String,
    err: String,
    code: i32,
}

/// The program in a folder. It is killed, and so has no exit code, after ten seconds.
fn datamesh(dir: &Path, args: &[&str]) -> Run {
    let run = Command::new(env!("CARGO_BIN_EXE_datamesh"))
        .args(args)
        .current_dir(dir)
        .env_remove("DATAMESH_ENV")
        .env("COLUMNS", "100")
        .timeout(LONGEST)
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (out, err) = (text(run.stdout), text(run.stderr));
    assert!(!err.contains("panicked"), "{err}");
    Run { out, err, code: run.status.code().unwrap_or(-1) }
}

const MESH: &str = "apiVersion: datamesh.example.com/v1
kind: Mesh
metadata: { name: acme }
spec:
  environments:
    dev:
      state: { backend: local, path: .datamesh/state }
      kafka: { default: { bootstrap_servers: 127.0.0.1:19092 } }
      registry: { default: { url: http://127.0.0.1:18081/apis/ccompat/v7 } }
      catalog: { backend: portal, path: .datamesh/catalog }
";

/// The beginning of a product, down to the value of `spec`.
const HEAD: &str = "apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata: { name: facts, domain: orders }
spec: ";

/// A mesh with one file more.
fn mesh(path: &str, content: impl AsRef<[u8]>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("datamesh.yaml"), MESH).expect("written");
    let path = dir.path().join(path);
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(path, content).expect("written");
    dir
}

/// That the only finding of the file has this code and place, for people and for programs.
#[track_caller]
fn refused(content: impl AsRef<[u8]>, code: &str, place: &str) {
    let dir = mesh("p.yaml", content);
    let run = datamesh(dir.path(), &["validate"]);
    assert_eq!(run.code, 1, "{code}: {}", run.err);
    assert!(run.err.contains(&format!("error[{code}]")), "{code}: {}", run.err);
    assert!(run.err.contains(&format!("--> p.yaml{place}")), "{place}: {}", run.err);
    assert!(run.out.contains("1 broken"), "{}", run.out);
    let json = datamesh(dir.path(), &["validate", "--json"]);
    assert!(json.code == 1 && json.out.contains(code), "{}", json.out);
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut bomb = format!("{HEAD}\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..40 {
        let alias = format!("*a{}", level - 1);
        bomb.push_str(&format!("  a{level}: &a{level} [{}]\n", vec![alias; 9].join(", ")));
    }
    refused(&bomb, "DM0014", ":9:12");
    refused(format!("{HEAD}&me [*me]\n"), "DM0014", ":4:");
}

#[test]
fn deep_nesting_is_refused_where_it_begins() {
    const DEEP: usize = 200_000;
    refused(format!("{HEAD}{}", "[".repeat(DEEP)), "DM0012", ":4:");
    refused(format!("{HEAD}{}", "{a: ".repeat(DEEP)), "DM0012", ":4:");
    refused(format!("{HEAD}{}{}", "[".repeat(DEEP), "]".repeat(DEEP)), "DM0012", ":4:");
    refused(format!("{HEAD}\n  {}x", "- ".repeat(DEEP)), "DM0012", ":5:");
    refused(format!("{HEAD}\n  {}x", "? ".repeat(DEEP)), "DM0012", ":5:");
    let steps: String = (0..1_400).map(|depth| format!("{}a:\n", " ".repeat(depth + 1))).collect();
    refused(format!("{HEAD}\n{steps}"), "DM0012", ":");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    refused(format!("{HEAD}{{ description: a\0b }}\n"), "DM0018", ":4:23");
    refused(format!("{HEAD}{{ description: \"a\\0b\" }}\n"), "DM0018", ":4:22");
    let mut bytes = HEAD.as_bytes().to_vec();
    bytes.extend(b"{ description: caf\xe9 }\n");
    refused(bytes, "DM0002", "");
    let wide: Vec<u8> = format!("{HEAD}{{}}\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(wide, "DM0002", "");
    let mut large = format!("{HEAD}{{}}\n");
    large.push_str(&"#".repeat((1 << 20) + 1 - large.len()));
    refused(&large, "DM0003", "");
    large.pop();
    assert_eq!(datamesh(mesh("p.yaml", &large).path(), &["validate"]).code, 0);
}

#[test]
fn as_many_errors_as_a_file_can_hold_are_no_way_to_stop_a_run() {
    refused(format!("{HEAD}{{ slo: {{}}, slo: {{}} }}\n"), "DM0011", ":4:18");
    let lines = |each: &dyn Fn(usize) -> String| (0..70_000).map(each).collect::<String>();
    refused(format!("{HEAD}\n{}", lines(&|_| "  slo: 1\n".to_owned())), "DM0116", ":");
    refused(format!("{HEAD}\n{}", lines(&|at| format!("  k{at}:\n"))), "DM0116", ":");
    refused(format!("{HEAD}{{{}}}", lines(&|at| format!("k{at}: 1, "))), "DM0116", ":4:");
    let fields = lines(&|at| format!("{{name: {at}}},")) + "{name: x, type: strng}";
    refused(format!("{HEAD}{{ schema: {{ fields: [{fields}] }} }}\n"), "DM0116", ":4:");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let dir =
        mesh("chart/templates/deploy.yaml", "{{- if .Values.x }}\nkind: Deployment\n\tname: {{ x }}: [\n");
    let root = dir.path();
    let files = [
        ("compose.yaml", "services: &s {web: {image: x}}\n<<: *s\n"),
        (
            "k8s.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n---\n!!python/object:x {}\n",
        ),
        ("workflow.yml", "on: push\non: pull\n? [a]\n: b\n"),
        ("deep.yaml", &"[".repeat(200_000)),
    ];
    for (path, text) in files {
        fs::write(root.join(path), text).expect("written");
    }
    fs::write(root.join("blob.yaml"), b"\xff\xfe\0\0").expect("written");
    symlink(".", root.join("loop")).expect("a link");
    symlink("b.yaml", root.join("a.yaml")).expect("a link");
    symlink("a.yaml", root.join("b.yaml")).expect("a link");
    let run = datamesh(root, &["validate"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    assert!(run.out.starts_with("1 document in 1 file: 1 mesh; no errors."), "{}", run.out);
    // One that is ours by its name is an error instead.
    symlink("x.datamesh.yaml", root.join("x.datamesh.yaml")).expect("a link");
    let run = datamesh(root, &["validate"]);
    assert!(run.code == 1 && run.err.contains("error[DM0005]"), "{}", run.err);
}

#[test]
fn a_committed_repository_runs_nothing() {
    let dir = mesh("vendor/trap/p.yaml", format!("{HEAD}{{}}\n"));
    let root = dir.path();
    let ran = root.join("ran");
    let trap = format!("#!/bin/sh\ntouch {}\n", ran.display());
    // As `git init --bare` leaves it, below a folder of the mesh, and as `.git` of a folder.
    for bare in ["vendor/trap", "vendor/work/.git"] {
        let bare = root.join(bare);
        for folder in ["objects", "refs/heads", "hooks"] {
            fs::create_dir_all(bare.join(folder)).expect("made");
        }
        fs::write(bare.join("HEAD"), "ref: refs/heads/main\n").expect("written");
        for hook in ["fsmonitor", "post-checkout", "post-index-change"] {
            let hook = bare.join("hooks").join(hook);
            fs::write(&hook, &trap).expect("written");
            fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        let hook = bare.join("hooks/fsmonitor").display().to_string();
        let config = format!(
            "[core]\n\tbare = true\n\tworktree = /\n\tfsmonitor = {hook}\n\tsshCommand = {hook}\n\tpager = {hook}\n\
             [include]\n\tpath = /etc/passwd\n[filter \"x\"]\n\tclean = {hook}\n\tsmudge = {hook}\n"
        );
        fs::write(bare.join("config"), config).expect("written");
        fs::write(bare.join("datamesh.yaml"), MESH).expect("written");
    }
    fs::write(root.join("vendor/work/datamesh.yaml"), MESH).expect("written");
    for start in ["", "vendor/trap", "vendor/work", "vendor/work/.git"] {
        for command in [&["validate"][..], &["graph"]] {
            let run = datamesh(&root.join(start), command);
            assert!(matches!(run.code, 0 | 1), "{start}: {} {}", run.code, run.err);
        }
    }
    assert!(!ran.exists(), "something of the trap was run");
}

/// Texts that try to break out of a line, a colour, or the order of reading.
const TEXTS: &[&str] = &[
    "\u{1b}[2J\u{1b}[31mowned",
    "\u{1b}]8;;http://127.0.0.1/\u{7}link\u{1b}]8;;\u{7}",
    "\u{9b}31m\u{90}x\u{9c}",
    "safe\nerror[DM9999]: forged",
    "a\r\nPlan: 0 to create",
    "over\rwritten",
    "right\u{202e}tfel",
    "\u{2066}isolate\u{2069}",
    "zero\u{200b}width\u{feff}\u{ad}",
    "sep\u{2028}line\u{2029}par\u{85}nel",
    "tag\u{e0041}",
    "bell\u{7}back\u{8}tab\u{7f}",
];

/// Only printable text and line breaks: colours are not asked for, so that there is no escape sequence at all.
#[track_caller]
fn clean(what: &str, output: &str) {
    let hidden = |c: char| {
        let invisible = ['\u{ad}', '\u{61c}', '\u{180e}', '\u{feff}'].contains(&c)
            || ('\u{200b}'..='\u{200f}').contains(&c)
            || ('\u{2028}'..='\u{202e}').contains(&c)
            || ('\u{2060}'..='\u{206f}').contains(&c)
            || ('\u{e0000}'..='\u{e0fff}').contains(&c);
        (c.is_control() && c != '\n') || invisible
    };
    let bad: String = output.chars().filter(|c| hidden(*c)).map(|c| c.escape_unicode().to_string()).collect();
    assert!(bad.is_empty(), "{what} prints {bad}:\n{}", output.escape_debug());
    assert!(!output.lines().any(|line| line.starts_with("error[DM9999]")), "{what}: a forged line");
    assert!(!output.lines().any(|line| line.starts_with("Plan: 0 to create")), "{what}: a forged line");
}

fn quoted(text: &str) -> String {
    let escaped: String = text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    format!("\"{escaped}\"")
}

/// A product with the text in every place that takes free text.
fn accepted(text: &str) -> String {
    let text = quoted(text);
    format!(
        "apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata: {{ name: facts, domain: orders, owner: {text}, labels: {{ {text}: {text} }}, annotations: {{ {text}: {text} }} }}
spec:
  description: {text}
  schema: {{ fields: [{{ name: id, type: string, description: {text} }}, {{ name: e, type: enum, values: [{text}] }}] }}
  slo: {{ quality_checks: [{text}] }}
  lineage: {{ sources: [{text}], transformation: {text} }}
  output_ports: [{{ technology: kafka }}, {{ technology: rest, name: r, endpoint: {text} }}]
"
    )
}

/// A product with the text in every place where it is an error.
fn wrong(text: &str) -> String {
    let text = quoted(text);
    format!(
        "apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata: {{ name: {text}, domain: {text}, {text}: 1 }}
spec:
  classification: {text}
  schema:
    registry: {text}
    record: {text}
    version: {text}
    primary_key: [{text}]
    fields: [{{ name: {text}, type: {text}, default: {text}, {text}: 1 }}]
  slo: {{ freshness: {text}, availability: {text}, completeness: {text} }}
  deprecated: {{ since: {text}, replaced_by: {text} }}
  output_ports:
    - {{ technology: kafka, name: {text}, topic: {text}, retention: {text}, cleanup: {text}, config: {{ {text}: {text} }} }}
    - {{ technology: kafka, cluster: {text}, config: {{ {text}: {text} }} }}
    - {{ technology: {text} }}
  environments: {{ {text}: {{ ports: {{ {text}: {{}} }} }} }}
  only_environments: [{text}]
---
apiVersion: datamesh.example.com/v1
kind: {text}
---
apiVersion: {text}
kind: DataProduct
---
apiVersion: datamesh.example.com/v1
kind: Removed
spec: {{ address: {text}, destroy: true }}
---
apiVersion: datamesh.example.com/v1
kind: Moved
spec: {{ from: {text}, to: {text} }}
"
    )
}

/// A snapshot in which nothing of the accepted product is there.
fn nothing_live() -> String {
    let system = |kind: &str| serde_json::json!({ "kind": kind, "name": "default" });
    let objects = [
        ("kafka", "kafka_topic", "orders.facts.v1"),
        ("registry", "schema_subject", "orders.facts.v1-value"),
        ("catalog", "catalog_domain", "orders"),
        ("catalog", "catalog_product", "orders/facts@1"),
        ("catalog", "catalog_lineage", "orders/facts@1#lineage"),
    ];
    let systems = ["kafka", "registry", "catalog"].map(
        |kind| serde_json::json!({ "system": system(kind), "facts": { "identity": kind, "capabilities": {} } }),
    );
    let objects = objects.map(
        |(kind, ty, id)| serde_json::json!({ "system": system(kind), "type": ty, "id": id, "reading": "absent" }),
    );
    serde_json::json!({ "systems": systems, "objects": objects }).to_string()
}

#[test]
fn nothing_a_manifest_says_reaches_a_terminal_as_it_is() {
    let dir = mesh("p.yaml", "");
    let root = dir.path();
    fs::write(root.join("live.json"), nothing_live()).expect("written");
    for text in TEXTS {
        for (product, raw) in [(accepted(text), false), (wrong(text), false), (wrong(text), true)] {
            // Raw where YAML lets it pass, and in a comment that is quoted with its line.
            let raw_line =
                product.replacen("kind:", &format!("# {}\nkind:", text.replace(['\n', '\r'], " ")), 1);
            fs::write(root.join("p.yaml"), if raw { &raw_line } else { &product }).expect("written");
            for args in [
                &["validate"][..],
                &["validate", "--json"],
                &["plan", "--snapshot", "live.json"],
                &["plan", "--snapshot", "live.json", "--json"],
                &["plan", "--snapshot", "live.json", "--explain"],
                &["graph"],
                &["graph", "--format", "mermaid"],
                &["graph", "--format", "json"],
            ] {
                let run = datamesh(root, args);
                let what = format!("{args:?} of {text:?}");
                assert!(run.code >= 0 && run.code != 101, "{what}: {} {}", run.code, run.err);
                let planned = args[0] == "plan" && product == accepted(text);
                assert!(
                    !planned || (run.code == 0 && run.out.contains("create")),
                    "{what}: {} {}",
                    run.out,
                    run.err
                );
                clean(&what, &run.out);
                clean(&what, &run.err);
            }
        }
    }
}
