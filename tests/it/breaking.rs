//! `datamesh breaking`: contracts between two revisions, told from git's own objects.

use crate::world::Run;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const MESH: &str = "\
apiVersion: datamesh.example.com/v1
kind: Mesh
metadata: { name: acme }
spec:
  environments:
    dev:
      state: { backend: local, path: .datamesh/state }
      kafka: { default: { bootstrap_servers: 127.0.0.1:1 } }
      registry: { default: { url: http://127.0.0.1:1 } }
";

/// A product with these fields, and these keys of its port.
fn product(name: &str, level: &str, fields: &str, port: &str) -> String {
    format!(
        "apiVersion: datamesh.example.com/v1\nkind: DataProduct\nmetadata: {{ name: {name}, domain: orders }}\nspec:\n  \
         schema:\n    compatibility: {level}\n    fields:\n{fields}  output_ports:\n    - {{ technology: kafka{port} }}\n"
    )
}

const BEFORE: &str = "      - { name: id, type: string, required: true }\n      - { name: amount, type: long, required: true }\n";
/// A field more that older data does not have, and one less.
const AFTER: &str = "      - { name: id, type: string, required: true }\n      - { name: buyer, type: string, required: true }\n";

struct Repo(tempfile::TempDir);

impl Repo {
    fn new(level: &str) -> Self {
        let repo = Self(tempfile::tempdir().expect("a folder"));
        repo.git(&["init", "-q", "-b", "main"]);
        repo.write("datamesh.yaml", MESH);
        repo.write(".gitignore", ".datamesh/\n");
        repo.write("domains/orders/facts.yaml", &product("facts", level, BEFORE, ", retention: 7d"));
        repo.commit("first");
        repo
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn git(&self, args: &[&str]) {
        let ran = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(args)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()
            .expect("git runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    fn run(&self, args: &[&str]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_datamesh"))
            .args(args)
            .current_dir(self.path())
            .env("NO_COLOR", "1")
            .output()
            .expect("runs");
        Run::of(&output)
    }

    fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["--json"]].concat());
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.text()))
    }
}

#[test]
fn a_break_is_told_to_both_sides_with_its_place_and_the_next_version() {
    let repo = Repo::new("BACKWARD");
    repo.run(&["breaking"]).ends(0).says(&["No contract changed."]);
    repo.write("domains/orders/facts.yaml", &product("facts", "BACKWARD", AFTER, ", retention: 7d"));
    repo.run(&["breaking"]).ends(3).says(&[
        "orders/facts@1 breaks its contract",
        "field `amount` goes away",
        "(not promised)",
        "field `buyer` is new and has no default",
        "domains/orders/facts.yaml:8:9",
        "Suggested: publish it as version 2",
        "datamesh new version orders/facts",
    ]);
    repo.commit("second");
    repo.run(&["breaking"]).ends(0).says(&["No contract changed."]);
    repo.run(&["breaking", "HEAD~1..HEAD"]).ends(3);
    repo.run(&["breaking", "HEAD..HEAD~1"]).ends(3).says(&["field `amount` is new"]);
    let document = repo.json(&["breaking", "HEAD~1"]);
    assert_eq!(document["breaking"], true);
    let owner = &document["owners"][0];
    assert_eq!((&owner["owner"], &owner["suggested_version"]), (&"orders/facts@1".into(), &2.into()));
    let parties: Vec<_> =
        owner["broken"].as_array().expect("a list").iter().map(|b| (&b["party"], &b["promised"])).collect();
    assert_eq!(parties, [(&"consumers".into(), &false.into()), (&"producers".into(), &true.into())]);
}

#[test]
fn what_the_level_does_not_promise_is_no_break_and_lowering_it_does_not_help() {
    let repo = Repo::new("NONE");
    repo.write("domains/orders/facts.yaml", &product("facts", "NONE", AFTER, ", retention: 7d"));
    repo.run(&["breaking"]).ends(0).says(&["(not promised)", "no promise is broken"]);
    let repo = Repo::new("FULL");
    repo.write("domains/orders/facts.yaml", &product("facts", "NONE", AFTER, ", retention: 7d"));
    let ran = repo.run(&["breaking"]).ends(3);
    assert!(!ran.out.contains("not promised"), "{}", ran.out);
}

#[test]
fn ports_and_retention_are_part_of_the_contract() {
    let repo = Repo::new("BACKWARD");
    repo.write("domains/orders/facts.yaml", &product("facts", "BACKWARD", BEFORE, ", retention: 1d"));
    repo.run(&["breaking"]).ends(3).says(&["topic orders.facts.v1:", "discarded"]);
    repo.write(
        "domains/orders/facts.yaml",
        &product("facts", "BACKWARD", BEFORE, ", retention: 7d, topic: orders.elsewhere"),
    );
    repo.run(&["breaking"]).ends(3).says(&["the topic orders.facts.v1 becomes orders.elsewhere"]);
    repo.write("domains/orders/facts.yaml", &product("facts", "BACKWARD", BEFORE, ", retention: 30d"));
    repo.run(&["breaking"]).ends(0).says(&["orders/facts@1 changes"]);
    fs::remove_file(repo.path().join("domains/orders/facts.yaml")).expect("removed");
    repo.write("domains/orders/lines.yaml", &product("lines", "BACKWARD", BEFORE, ""));
    repo.run(&["breaking"]).ends(3).says(&[
        "orders/facts@1 goes away",
        "the topic orders.facts.v1 goes away",
        "orders/lines@1 is new",
    ]);
}

#[test]
fn a_revision_that_cannot_be_read_is_an_error() {
    let repo = Repo::new("BACKWARD");
    repo.run(&["breaking", "nowhere"]).ends(1).says(&["`nowhere` is no commit"]);
    repo.run(&["breaking", "HEAD:datamesh.yaml"]).ends(1);
    repo.write(
        "domains/orders/facts.yaml",
        "apiVersion: datamesh.example.com/v1\nkind: DataProduct\nmetadata: { nam: x }\n",
    );
    repo.run(&["breaking"]).ends(1).says(&["did you mean `name`?", "the newer revision"]);
    repo.commit("broken");
    repo.write("domains/orders/facts.yaml", &product("facts", "BACKWARD", BEFORE, ""));
    repo.run(&["breaking"]).ends(1).says(&["the older revision"]);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("datamesh.yaml"), MESH).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_datamesh"))
        .arg("breaking")
        .current_dir(folder.path())
        .output()
        .expect("runs");
    Run::of(&output).ends(1).says(&["no git repository"]);
}

/// What `.datameshignore` hides in a commit is hidden, and links are not followed.
#[test]
fn a_commit_is_read_like_a_folder() {
    let repo = Repo::new("BACKWARD");
    repo.write("old/.datameshignore", "*.yaml\n!kept.yaml\n");
    repo.write("old/hidden.yaml", &product("hidden", "BACKWARD", BEFORE, ""));
    repo.write("old/kept.yaml", &product("kept", "BACKWARD", BEFORE, ""));
    std::os::unix::fs::symlink("../old/hidden.yaml", repo.path().join("domains/link.yaml")).expect("linked");
    repo.commit("second");
    let ran = repo.run(&["breaking", "HEAD~1..HEAD"]).ends(0);
    assert!(ran.out.contains("orders/kept@1") && !ran.out.contains("orders/hidden@1"), "{}", ran.out);
    repo.run(&["breaking"]).ends(0).says(&["No contract changed."]);
}

/// A product whose contract stands in a file.
fn in_a_file(name: &str, file: &str, references: &str) -> String {
    format!(
        "apiVersion: datamesh.example.com/v1\nkind: DataProduct\nmetadata: {{ name: {name}, domain: orders }}\nspec:\n  \
         schema: {{ source: {file}, compatibility: BACKWARD{references} }}\n  output_ports: [{{ technology: kafka }}]\n"
    )
}

#[test]
fn types_of_other_products_are_part_of_the_contract() {
    let repo = Repo::new("BACKWARD");
    let money = |fields: &str| {
        format!(r#"{{"type":"record","name":"Money","namespace":"common","fields":[{fields}]}}"#)
    };
    let order = |more: &str| {
        format!(
            r#"{{"type":"record","name":"Order","fields":[{{"name":"total","type":"common.Money"}}{more}]}}"#
        )
    };
    let amount = r#"{"name":"amount","type":"long"}"#;
    let refers = ", references: [{ name: common.Money, product: orders/money@1 }]";
    repo.write("domains/orders/money.yaml", &in_a_file("money", "money.avsc", ""));
    repo.write("domains/orders/order.yaml", &in_a_file("order", "order.avsc", refers));
    repo.write("domains/orders/money.avsc", &money(amount));
    repo.write("domains/orders/order.avsc", &order(""));
    repo.commit("with references");
    // The order refers to the old version until there is a new one of itself.
    let currency = format!(r#"{amount},{{"name":"currency","type":"string"}}"#);
    repo.write("domains/orders/money.avsc", &money(&currency));
    let only_money = repo.run(&["breaking"]).ends(3);
    assert!(!only_money.out.contains("orders/order@1"), "{}", only_money.out);
    only_money.says(&["orders/money@1 breaks its contract", "`currency` is new"]);
    repo.write("domains/orders/order.avsc", &order(r#",{"name":"note","type":"string","default":""}"#));
    repo.run(&["breaking"]).ends(3).says(&["orders/order@1 breaks its contract", "`total.currency` is new"]);
    repo.write("domains/orders/order.avsc", r#"{"type":"record","name":"Order","fields":"none"}"#);
    repo.run(&["breaking"]).says(&["the AVRO schema changes"]);
}
