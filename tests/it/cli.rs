//! The real program, as it is typed.

use snapbox::cmd::{Command, OutputAssert};
use snapbox::str;
use std::fs;
use std::path::Path;

/// The program in a folder, without the surroundings of whoever runs the tests.
fn datamesh(dir: &Path, args: &[&str]) -> OutputAssert {
    Command::new(env!("CARGO_BIN_EXE_datamesh"))
        .args(args)
        .current_dir(dir)
        .env_remove("DATAMESH_ENV")
        .env_remove("NO_COLOR")
        .env("COLUMNS", "100")
        .assert()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn out(run: &OutputAssert) -> String {
    String::from_utf8_lossy(&run.get_output().stdout).into_owned()
}

fn err(run: &OutputAssert) -> String {
    String::from_utf8_lossy(&run.get_output().stderr).into_owned()
}

const COMMANDS: &[&str] = &[
    "init",
    "new",
    "validate",
    "plan",
    "apply",
    "destroy",
    "drift",
    "show",
    "graph",
    "state",
    "schema",
    "sandbox",
    "quickstart",
    "demo",
];

#[test]
fn help_is_no_error_and_explains_exit_codes() {
    let dir = folder();
    let run = datamesh(dir.path(), &["--help"]).code(0);
    assert!(out(&run).contains("Exit codes:") && out(&run).contains("130 > 7 > 6 > 5 > 4 > 1 > 3 > 2 > 0"));
    datamesh(dir.path(), &["--version"]).code(0).stdout_eq(str!["datamesh [..]\n"]);
    for command in COMMANDS {
        let run = datamesh(dir.path(), &[command, "--help"]).code(0);
        assert!(out(&run).contains("Examples:"), "{command}");
        assert!(err(&run).is_empty(), "{command}");
    }
}

#[test]
fn a_wrong_command_line_exits_64() {
    let dir = folder();
    for args in [&[][..], &["plant"], &["plan", "--bogus"], &["show"], &["new", "product"], &["destroy"]] {
        let run = datamesh(dir.path(), args).code(64);
        assert!(out(&run).is_empty() && !err(&run).is_empty(), "{args:?}");
    }
    datamesh(dir.path(), &["plant"]).stderr_eq(str![[r#"
error: unrecognized subcommand 'plant'

  tip: a similar subcommand exists: 'plan'
...
"#]]);
}

#[test]
fn outside_of_a_mesh_the_way_in_is_named() {
    let dir = folder();
    for command in ["validate", "plan", "apply", "drift", "graph"] {
        let run = datamesh(dir.path(), &[command]).code(1);
        assert!(err(&run).contains("datamesh init"), "{command}: {}", err(&run));
        assert!(out(&run).is_empty(), "{command}");
    }
}

#[test]
fn what_init_writes_is_valid_and_never_overwritten() {
    let dir = folder();
    let root = dir.path();
    let run =
        datamesh(root, &["init", "--domain", "sales", "--product", "quotes", "--owner", "sales@example.com"])
            .code(0);
    assert!(
        out(&run).contains("domains/sales/quotes.yaml") && out(&run).contains("datamesh plan"),
        "{}",
        out(&run)
    );
    assert_eq!(fs::read_to_string(root.join(".gitignore")).expect("written"), ".datamesh/\n");
    let run = datamesh(root, &["validate"]).code(0);
    assert!(
        out(&run).starts_with("3 documents in 3 files: 1 product, 1 domain, 1 mesh; no errors."),
        "{}",
        out(&run)
    );
    // Nobody listens there: init asks the systems, and says who does not answer.
    let mesh = fs::read_to_string(root.join("datamesh.yaml")).expect("written");
    let before = mesh.replace("127.0.0.1:19092", "127.0.0.1:1").replace("127.0.0.1:19090", "127.0.0.1:1");
    fs::write(root.join("datamesh.yaml"), &before).expect("edited");
    let run = datamesh(&root.join("domains"), &["init"]).code(1);
    assert!(err(&run).contains("There is a mesh already"), "{}", err(&run));
    for line in
        ["kafka.default at 127.0.0.1:1", "registry.default at http://127.0.0.1:1", "catalog.default: answers"]
    {
        assert!(out(&run).contains(line), "{line}: {}", out(&run));
    }
    assert_eq!(fs::read_to_string(root.join("datamesh.yaml")).expect("still there"), before);
}

#[test]
fn bare_is_the_mesh_document_alone() {
    let dir = folder();
    datamesh(dir.path(), &["init", "--bare"]).code(0);
    assert!(dir.path().join("datamesh.yaml").exists() && !dir.path().join("domains").exists());
    datamesh(dir.path(), &["validate"]).code(0);
    datamesh(dir.path(), &["init", "--bare", "--domain", "x"]).code(64);
}

#[test]
fn every_template_is_a_valid_product() {
    let dir = folder();
    let root = dir.path();
    datamesh(root, &["init", "--bare"]).code(0);
    datamesh(root, &["new", "domain", "sales"]).code(0);
    for template in ["streaming", "batch", "source-aligned", "aggregate", "consumer-aligned"] {
        let product = format!("sales/from-{template}");
        datamesh(root, &["new", "product", &product, "--template", template]).code(0);
        let refused = datamesh(root, &["new", "product", &product]).code(1);
        assert!(err(&refused).contains("exists already"), "{}", err(&refused));
    }
    let run = datamesh(root, &["validate", "--strict"]).code(0);
    assert!(out(&run).contains("5 products, 1 domain"), "{}", out(&run));
}

#[test]
fn both_versions_live_side_by_side() {
    let dir = folder();
    let root = dir.path();
    datamesh(root, &["init"]).code(0);
    for (version, path) in [(2, "order-lines-v2.yaml"), (3, "order-lines-v3.yaml")] {
        let run = datamesh(root, &["new", "version", "orders/order-lines"]).code(0);
        assert!(out(&run).contains(&format!("orders/order-lines@{version}")), "{}", out(&run));
        assert!(root.join("domains/orders").join(path).exists());
        datamesh(root, &["validate"]).code(0);
    }
    let graph = datamesh(root, &["graph", "--format", "json"]).code(0);
    let graph: serde_json::Value = serde_json::from_str(&out(&graph)).expect("JSON");
    let ids: Vec<&str> =
        graph["nodes"].as_array().expect("nodes").iter().filter_map(|n| n["id"].as_str()).collect();
    for id in
        ["orders.order_lines", "orders.order_lines_v2", "orders.order_lines_v3", "orders.order-lines.v3"]
    {
        assert!(ids.contains(&id), "{id} in {ids:?}");
    }
    let run = datamesh(root, &["new", "version", "order-line"]).code(1);
    assert!(err(&run).contains("Did you mean `orders/order-lines@"), "{}", err(&run));
}

#[test]
fn names_that_cannot_be_are_refused_with_one_that_can() {
    let dir = folder();
    datamesh(dir.path(), &["init", "--bare"]).code(0);
    let run = datamesh(dir.path(), &["new", "domain", "Order Management"]).code(1);
    assert!(err(&run).contains("Did you mean `order-management`?"), "{}", err(&run));
    datamesh(dir.path(), &["new", "domain", "../evil"]).code(1);
    datamesh(dir.path(), &["new", "product", "no-domain"]).code(1);
    datamesh(dir.path(), &["new", "domain", "ok", "--owner", "x: [y"]).code(1);
    assert!(!dir.path().join("domains").exists());
}

const TYPO: &str = "apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata:
  name: order-lines
  domain: orders
  owenr: me@example.com
spec:
  classification: secret
  schema:
    fields:
      - name: id
        tipe: string
  output_ports: []
";

#[test]
fn every_error_of_every_file_has_its_place_and_a_suggestion() {
    let dir = folder();
    let root = dir.path();
    datamesh(root, &["init"]).code(0);
    fs::write(root.join("domains/orders/order-lines.yaml"), TYPO).expect("written");
    fs::write(root.join("other.yaml"), TYPO.replace("order-lines", "other")).expect("written");
    let run = datamesh(root, &["validate"]).code(1);
    let text = err(&run);
    for place in [
        "domains/orders/order-lines.yaml:6:3",
        "domains/orders/order-lines.yaml:8:19",
        "domains/orders/order-lines.yaml:12:9",
        "other.yaml:6:3",
    ] {
        assert!(text.contains(place), "{place}\n{text}");
    }
    assert!(
        text.contains("`owner`") && text.contains("`type`") && text.contains("owenr: me@example.com"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours where nobody looks");
    let run = datamesh(root, &["validate", "other.yaml"]).code(1);
    assert!(
        !err(&run).contains("order-lines.yaml:") && out(&run).contains("elsewhere not shown"),
        "{}",
        out(&run)
    );
    let run = datamesh(root, &["validate", "datamesh.yaml"]).code(0);
    assert!(out(&run).contains("elsewhere not shown"));
}

#[test]
fn a_broken_mesh_document_hides_no_error_of_the_others() {
    let dir = folder();
    let root = dir.path();
    datamesh(root, &["init"]).code(0);
    let typo = TYPO.replace("owenr:", "owner:").replace("secret", "internal");
    let typo = typo.replace("tipe: string", "type: strnig");
    fs::write(root.join("domains/orders/order-lines.yaml"), typo).expect("written");
    let mesh = fs::read_to_string(root.join("datamesh.yaml")).expect("read");
    fs::write(root.join("datamesh.yaml"), mesh.replace("environments:", "enviroments:")).expect("written");
    let run = datamesh(root, &["validate"]).code(1);
    let text = err(&run);
    assert!(text.contains("did you mean `environments`?"), "{text}");
    assert!(text.contains("order-lines.yaml:12:15") && text.contains("DM0200"), "{text}");
    assert_eq!(text.matches("error[").count(), 2, "{text}");
    assert!(out(&run).contains("the Mesh document has to be right first"), "{}", out(&run));
}

#[test]
fn one_file_is_validated_outside_of_a_mesh() {
    let dir = folder();
    let path = dir.path().join("product.yaml");
    fs::write(&path, TYPO).expect("written");
    fs::write(dir.path().join("worse.yaml"), TYPO).expect("written");
    let run = datamesh(dir.path(), &["validate", "product.yaml"]).code(1);
    assert!(err(&run).contains("product.yaml:6:3") && !err(&run).contains("worse"), "{}", err(&run));
    fs::write(&path, TYPO.replace("owenr", "owner").replace("secret", "internal").replace("tipe", "type"))
        .expect("written");
    let run = datamesh(dir.path(), &["validate", "product.yaml"]).code(0);
    assert!(out(&run).contains("there is no mesh around it"), "{}", out(&run));
    datamesh(dir.path(), &["validate", "missing.yaml"]).code(1);
}

#[test]
fn programs_get_one_object_a_line() {
    let dir = folder();
    datamesh(dir.path(), &["init"]).code(0);
    fs::write(dir.path().join("domains/orders/order-lines.yaml"), TYPO).expect("written");
    let run = datamesh(dir.path(), &["validate", "--json"]).code(1);
    let lines: Vec<serde_json::Value> =
        out(&run).lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines[0]["type"], "version");
    let found = lines
        .iter()
        .find(|line| line["type"] == "diagnostic" && line["range"]["start"]["line"] == 6)
        .expect("found");
    assert_eq!((&found["range"]["start"]["column"], &found["severity"]), (&3.into(), &"error".into()));
    assert_eq!(lines.last().map(|line| &line["type"]), Some(&"validate_summary".into()));
}

#[test]
fn schemas_are_json_schemas() {
    let dir = folder();
    let run = datamesh(dir.path(), &["schema"]).code(0);
    let all: serde_json::Value = serde_json::from_str(&out(&run)).expect("JSON");
    assert!(all["oneOf"].is_array());
    let run = datamesh(dir.path(), &["schema", "--kind", "dataproduct"]).code(0);
    let one: serde_json::Value = serde_json::from_str(&out(&run)).expect("JSON");
    assert_eq!(one["properties"]["kind"]["const"], "DataProduct");
    let run = datamesh(dir.path(), &["schema", "--kind", "Product"]).code(1);
    assert!(err(&run).contains("DataProduct"), "{}", err(&run));
    datamesh(dir.path(), &["schema", "--out", "schemas"]).code(0);
    assert!(dir.path().join("schemas/Mesh.schema.json").exists());
    assert!(dir.path().join("schemas/State.schema.json").exists());
}

#[test]
fn the_example_mesh_is_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/acme-mesh");
    let run = datamesh(&root, &["validate"]).code(0);
    assert!(out(&run).contains("7 products, 3 domains, 1 mesh; no errors."), "{}", out(&run));
    let run = datamesh(&root, &["graph"]).code(0);
    assert!(out(&run).starts_with("digraph datamesh {"), "{}", out(&run));
}

#[test]
fn the_nearest_mesh_upwards_is_taken() {
    let dir = folder();
    datamesh(dir.path(), &["init"]).code(0);
    datamesh(&dir.path().join("domains/orders"), &["validate"]).code(0);
    datamesh(Path::new("/"), &["-C", &dir.path().to_string_lossy(), "validate"]).code(0);
    datamesh(Path::new("/"), &["validate", "-C", &dir.path().join("nowhere").to_string_lossy()]).code(1);
}

#[test]
fn the_demo_needs_no_server_and_shows_a_bit_of_everything() {
    let dir = folder();
    let run = datamesh(dir.path(), &["demo"]).code(0);
    let text = out(&run);
    for expected in ["Changed outside", "~ config.retention.ms", "+ field channel", "!     ~", "loses data."]
    {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(fs::read_dir(dir.path()).expect("a folder").next().is_none(), "it leaves nothing behind");
}
